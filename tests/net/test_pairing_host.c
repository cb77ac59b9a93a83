#include "net/pairing_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "tests/lib/test.h"
#include "tests/net/street.h"

enum { MIDDLE = 5 }; /* message of a run, of 0 to 8 */

static const char *wrong_code(const struct test_host *h)
{
	return pairing_host_code(h->host)[0] == 'A' ? "BAAA-2222" : "AAAA-2222";
}

/* One guest after the other goes through this: types `code` at the host, to the end. */
static struct test_guest visit(struct street *s, struct test_host *h, uint8_t seed, const char *code)
{
	char address[NODE_ADDRESS_TEXT];
	const char *const addresses[] = {test_host_address(h, address), NULL};
	struct test_guest g;

	test_guest_open(&g, s, seed, code, addresses, 0);
	street_run(s, test_guest_has_ended, &g);
	return g;
}

static bool has_ended_again(void *host)
{
	struct test_host *h = host;

	return h->ended > 0;
}

static void pairs(void **state)
{
	struct test_host_opts opts = {0};
	struct test_host h;
	struct test_guest g;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	g = visit(&s, &h, GUEST_SEED, pairing_host_code(h.host));
	street_run(&s, test_host_is_over, &h);
	assert_int_equal(g.outcome, PAIRING_PAIRED);
	assert_int_equal(h.outcomes[0], PAIRING_PAIRED);
	assert_int_equal(h.reason, PAIRING_CODE_DONE);
	assert_int_equal(h.decided, 1);
	assert_memory_equal(h.peer_key, g.keys.public_key, KEY_PUBLIC_LEN);
	assert_memory_equal(g.peer_key, h.keys.public_key, KEY_PUBLIC_LEN);
	assert_int_equal(h.peer_payload.len, strlen(GUEST_PAYLOAD));
	assert_memory_equal(h.peer_payload.data, GUEST_PAYLOAD, h.peer_payload.len);
	assert_int_equal(g.peer_payload.len, strlen(HOST_PAYLOAD));
	assert_memory_equal(g.peer_payload.data, HOST_PAYLOAD, g.peer_payload.len);
	assert_int_equal(ntohs(((struct sockaddr_in *)&g.address)->sin_port), h.port);
	assert_int_equal(g.stages[GUEST_CONNECTING], 1);
	assert_int_equal(g.stages[GUEST_CHECKING], 1);
	assert_int_equal(g.stages[GUEST_WAITING], 1);
	test_guest_close(&g);
	test_host_close(&h);
	street_release(&s);
}

static void a_code_pairs_once(void **state)
{
	struct test_host_opts opts = {0};
	struct test_host h;
	struct test_guest first, second;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	first = visit(&s, &h, GUEST_SEED, pairing_host_code(h.host));
	street_run(&s, test_host_is_over, &h);
	h.over = false; /* to see that it is not told twice, nor anything ended but the refusal */
	second = visit(&s, &h, OTHER_SEED, pairing_host_code(h.host));
	assert_int_equal(first.outcome, PAIRING_PAIRED);
	assert_int_equal(second.outcome, PAIRING_USED_UP);
	assert_int_equal(h.decided, 1);
	assert_false(h.over);
	test_guest_close(&first);
	test_guest_close(&second);
	test_host_close(&h);
	street_release(&s);
}

static void three_wrong_codes_burn_it(void **state)
{
	struct test_host_opts opts = {0};
	struct test_host h;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	for (unsigned i = 0; i < PAIRING_CODE_RUNS; i++) {
		struct test_guest g;

		h.ended = 0;
		g = visit(&s, &h, GUEST_SEED, wrong_code(&h));
		assert_int_equal(g.outcome, PAIRING_WRONG_CODE);
		test_guest_close(&g);
		street_run(&s, has_ended_again, &h);
		assert_int_equal(h.outcomes[0], PAIRING_HUNG_UP);
		assert_int_equal(h.runs_left, PAIRING_CODE_RUNS - 1 - i);
		assert_true(h.over == (i == PAIRING_CODE_RUNS - 1));
		street_pass(PAIRING_CODE_PAUSE_MS);
	}
	assert_int_equal(h.reason, PAIRING_CODE_USED_UP);
	h.over = false;
	for (int i = 0; i < 2; i++) {
		struct test_guest g = visit(&s, &h, GUEST_SEED, i == 0 ? wrong_code(&h) : pairing_host_code(h.host));

		assert_int_equal(g.outcome, PAIRING_USED_UP);
		test_guest_close(&g);
	}
	assert_int_equal(h.decided, 0);
	test_host_close(&h);
	street_release(&s);
}

/* By its own timer, without anybody who connects. */
static void expires(void **state)
{
	struct test_host_opts opts = {.life_ms = 30};
	struct test_host h;
	struct test_guest g;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	assert_true(pairing_host_left_ms(h.host) <= 30);
	street_run(&s, test_host_is_over, &h);
	assert_int_equal(h.reason, PAIRING_CODE_EXPIRED);
	assert_int_equal(h.ended, 0);
	assert_int_equal(pairing_host_left_ms(h.host), 0);
	h.over = false;
	g = visit(&s, &h, GUEST_SEED, pairing_host_code(h.host));
	assert_int_equal(g.outcome, PAIRING_EXPIRED);
	test_guest_close(&g);
	test_host_close(&h);
	street_release(&s);
}

static bool somebody_checks(void *host)
{
	return ((struct test_host *)host)->ended > 0;
}

/* The first guest is held up in the middle; the second hears "busy", waits its turn and pairs when the first is gone.
 */
static void busy_and_again(void **state)
{
	struct test_host_opts opts = {0};
	char address[NODE_ADDRESS_TEXT], held[NODE_ADDRESS_TEXT];
	const char *direct[] = {address, NULL}, *by_relay[] = {held, NULL};
	struct test_guest first, second;
	struct test_host h;
	struct relay r;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	relay_open(&r, &s, h.port);
	r.stop = 3;
	snprintf(held, sizeof(held), "127.0.0.1:%u", r.port);
	test_host_address(&h, address);
	test_guest_open(&first, &s, GUEST_SEED, pairing_host_code(h.host), by_relay, 0);
	street_run(&s, relay_has_stopped, &r);
	test_guest_open(&second, &s, OTHER_SEED, pairing_host_code(h.host), direct, 0);
	street_run(&s, somebody_checks, &h);
	assert_int_equal(h.outcomes[0], PAIRING_BUSY);
	assert_int_equal(second.ended, 0);
	relay_cut(&r);
	street_run(&s, test_guest_has_ended, &first);
	street_run(&s, test_guest_has_ended, &second);
	assert_int_equal(first.outcome, PAIRING_HUNG_UP);
	assert_int_equal(second.outcome, PAIRING_PAIRED);
	assert_int_equal(h.outcomes[1], PAIRING_HUNG_UP);
	assert_memory_equal(h.peer_key, second.keys.public_key, KEY_PUBLIC_LEN);
	test_guest_close(&first);
	test_guest_close(&second);
	relay_close(&r);
	test_host_close(&h);
	street_release(&s);
}

static void same_device(void **state)
{
	struct test_host_opts opts = {0};
	struct test_host h;
	struct test_guest g;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	g = visit(&s, &h, HOST_SEED, pairing_host_code(h.host));
	street_run(&s, has_ended_again, &h);
	assert_int_equal(g.outcome, PAIRING_SAME_DEVICE);
	assert_int_equal(h.outcomes[0], PAIRING_SAME_DEVICE);
	assert_int_equal(h.decided, 0);
	test_guest_close(&g);
	test_host_close(&h);
	street_release(&s);
}

static void verdicts(void **state)
{
	static const enum pairing_outcome all[] = {PAIRING_ALREADY_MEMBER, PAIRING_REFUSED};

	for (int i = 0; i < 2; i++) {
		struct test_host_opts opts = {0};
		struct test_host h;
		struct test_guest g;
		struct street s;

		street_init(&s);
		test_host_open(&h, &s, &opts);
		h.verdict = all[i];
		g = visit(&s, &h, GUEST_SEED, pairing_host_code(h.host));
		street_run(&s, test_host_is_over, &h);
		assert_int_equal(g.outcome, all[i]);
		assert_int_equal(h.outcomes[0], all[i]);
		assert_int_equal(h.reason, PAIRING_CODE_DONE);
		test_guest_close(&g);
		test_host_close(&h);
		street_release(&s);
	}
}

/* The guest leaves before it has told anything of itself: for the host that is one who broke off, and the code stays
 * good. */
static void a_guest_may_leave(void **state)
{
	static const enum pairing_outcome all[] = {PAIRING_ALREADY_MEMBER, PAIRING_REFUSED, PAIRING_PAIRED};
	struct test_host_opts opts = {0};
	struct test_host h;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	for (unsigned i = 0; i < 3; i++) {
		struct test_guest g;

		street_pass(PAIRING_CODE_PAUSE_MS);
		s.guests_decide = all[i];
		g = visit(&s, &h, GUEST_SEED, pairing_host_code(h.host));
		assert_int_equal(g.outcome, all[i]);
		assert_int_equal(g.decided, 1);
		test_guest_close(&g);
		assert_int_equal(h.decided, i < 2 ? 0 : 1);
	}
	assert_int_equal(h.outcomes[0], PAIRING_HUNG_UP);
	assert_int_equal(h.outcomes[2], PAIRING_PAIRED);
	test_host_close(&h);
	street_release(&s);
}

/* What is told of the host is of now, not of when the code was made. */
static void the_payload_is_renewed(void **state)
{
	struct test_host_opts opts = {0};
	static const uint8_t big[PAIRING_PAYLOAD_MAX + 1];
	struct test_host h;
	struct test_guest g;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	assert_int_equal(pairing_host_set_payload(h.host, big, sizeof(big)), -ERR_TOO_LARGE);
	assert_int_equal(pairing_host_set_payload(h.host, "new", 3), 0);
	h.verdict = PAIRING_REFUSED;
	g = visit(&s, &h, GUEST_SEED, pairing_host_code(h.host));
	street_run(&s, test_host_is_over, &h);
	assert_int_equal(g.outcome, PAIRING_REFUSED);
	assert_memory_equal(g.peer_key, h.keys.public_key,
			    KEY_PUBLIC_LEN); /* one that is refused still knows by whom */
	assert_int_equal(g.peer_payload.len, 3);
	assert_memory_equal(g.peer_payload.data, "new", 3);
	test_guest_close(&g);
	test_host_close(&h);
	street_release(&s);
}

/* More callers than there is room for, all silent: the oldest go, and whoever knows the code gets through. */
static void silent_callers_do_not_block_it(void **state)
{
	enum { CALLERS = PAIRING_CONNECTIONS_MAX + 4 };
	struct test_host_opts opts = {0};
	struct relay callers[CALLERS];
	struct test_guest silent[CALLERS], g;
	struct test_host h;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	for (int i = 0; i < CALLERS; i++) {
		char held[NODE_ADDRESS_TEXT];
		const char *by_relay[] = {held, NULL};

		relay_open(&callers[i], &s, h.port);
		callers[i].stop = 1; /* HELLO comes, START does not */
		snprintf(held, sizeof(held), "127.0.0.1:%u", callers[i].port);
		test_guest_open(&silent[i], &s, OTHER_SEED, pairing_host_code(h.host), by_relay, 0);
		street_run(&s, relay_has_stopped, &callers[i]);
	}
	g = visit(&s, &h, GUEST_SEED, pairing_host_code(h.host));
	assert_int_equal(g.outcome, PAIRING_PAIRED);
	assert_int_equal(h.ended, 1); /* the silent ones are not worth telling */
	test_guest_close(&g);
	for (int i = 0; i < CALLERS; i++) {
		test_guest_close(&silent[i]);
		relay_close(&callers[i]);
	}
	test_host_close(&h);
	street_release(&s);
}

static void closed_in_the_middle(void **state)
{
	char held[NODE_ADDRESS_TEXT];
	const char *const by_relay[] = {held, NULL};
	struct test_host_opts opts = {0};
	struct test_guest g;
	struct test_host h;
	struct relay r;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	relay_open(&r, &s, h.port);
	r.stop = MIDDLE;
	snprintf(held, sizeof(held), "127.0.0.1:%u", r.port);
	test_guest_open(&g, &s, GUEST_SEED, pairing_host_code(h.host), by_relay, 0);
	street_run(&s, relay_has_stopped, &r);
	test_host_close(&h);
	street_run(&s, test_guest_has_ended, &g);
	assert_int_equal(g.outcome, PAIRING_HUNG_UP);
	assert_int_equal(h.ended, 0);
	test_guest_close(&g);
	relay_close(&r);
	street_release(&s);
}

static bool is_cut(void *relay)
{
	return ((struct relay *)relay)->closed;
}

/* By the timer, long before the guest's own would go off: the second caller makes the host look at the clock. */
static void a_silent_caller_is_cut_off(void **state)
{
	struct test_host_opts opts = {0};
	uint64_t start_ms = clock_monotonic_ms();
	struct test_guest silent, g;
	char held[NODE_ADDRESS_TEXT];
	const char *by_relay[] = {held, NULL};
	struct test_host h;
	struct relay r;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	relay_open(&r, &s, h.port);
	r.stop = 1;
	snprintf(held, sizeof(held), "127.0.0.1:%u", r.port);
	test_guest_open(&silent, &s, OTHER_SEED, pairing_host_code(h.host), by_relay, 0);
	street_run(&s, relay_has_stopped, &r);
	street_pass(PAIRING_HELLO_MS - 50);
	g = visit(&s, &h, GUEST_SEED, wrong_code(&h));
	street_run(&s, is_cut, &r);
	assert_true(clock_monotonic_ms() - start_ms < PAIRING_HELLO_MS / 2);
	assert_int_equal(h.ended, 1); /* the other one */
	test_guest_close(&g);
	test_guest_close(&silent);
	relay_close(&r);
	test_host_close(&h);
	street_release(&s);
}

static void closed_within_its_callbacks(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct test_host_opts opts = {0};
		struct test_host h;
		struct test_guest g;
		struct street s;

		street_init(&s);
		test_host_open(&h, &s, &opts);
		h.close_at_ended = i == 0;
		h.close_at_over = i == 1;
		g = visit(&s, &h, GUEST_SEED, pairing_host_code(h.host));
		assert_int_equal(g.outcome, PAIRING_PAIRED); /* what was said still arrives */
		assert_int_equal(h.ended, 1);
		assert_int_equal(h.over, i == 1);
		test_guest_close(&g);
		test_host_close(&h);
		street_release(&s);
	}
}

static void bad_options(void **state)
{
	static const uint8_t big[PAIRING_PAYLOAD_MAX + 1];
	struct pair_of_keys keys = keys_from(HOST_SEED);
	struct pairing_host_opts opts = {.static_secret = keys.secret, .payload = big, .payload_len = sizeof(big)};
	struct pairing_host *h = NULL;
	struct street s;

	street_init(&s);
	assert_int_equal(pairing_host_open(&s.loop, &opts, &h), -ERR_TOO_LARGE);
	assert_null(h);
	street_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pairs),
	    cmocka_unit_test(a_code_pairs_once),
	    cmocka_unit_test(three_wrong_codes_burn_it),
	    cmocka_unit_test(expires),
	    cmocka_unit_test(busy_and_again),
	    cmocka_unit_test(same_device),
	    cmocka_unit_test(verdicts),
	    cmocka_unit_test(a_guest_may_leave),
	    cmocka_unit_test(the_payload_is_renewed),
	    cmocka_unit_test(silent_callers_do_not_block_it),
	    cmocka_unit_test(closed_in_the_middle),
	    cmocka_unit_test(a_silent_caller_is_cut_off),
	    cmocka_unit_test(closed_within_its_callbacks),
	    cmocka_unit_test(bad_options),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
