/* Pairing over sockets with somebody in the middle, who reads, changes and cuts what passes. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "net/pairing_link.h"
#include "tests/lib/test.h"
#include "tests/net/street.h"

enum { MESSAGES = 9, VERDICT = MESSAGES - 1, REPLY = 2 };

struct scene {
	struct street street;
	struct test_host host;
	struct test_guest guest;
	struct relay relay;
};

static void scene_start(struct scene *x)
{
	struct test_host_opts opts = {0};

	street_init(&x->street);
	test_host_open(&x->host, &x->street, &opts);
	relay_open(&x->relay, &x->street, x->host.port);
}

static bool both_have_ended(void *scene)
{
	struct scene *x = scene;

	return x->guest.ended > 0 && (x->host.ended > 0 || x->relay.message <= 1);
}

static void scene_run(struct scene *x)
{
	char address[NODE_ADDRESS_TEXT];
	const char *const addresses[] = {address, NULL};

	snprintf(address, sizeof(address), "127.0.0.1:%u", x->relay.port);
	test_guest_open(&x->guest, &x->street, GUEST_SEED, pairing_host_code(x->host.host), addresses, 0);
	street_run(&x->street, both_have_ended, x);
}

static void assert_not_in(const struct buf *captured, const void *secret, size_t len)
{
	assert_null(memmem(captured->data, captured->len, secret, len));
}

static void assert_nothing_shown(const struct scene *x)
{
	const struct buf *captured = &x->relay.captured;
	const char *code = pairing_host_code(x->host.host);

	assert_true(captured->len > 0);
	assert_not_in(captured, code, 4);
	assert_not_in(captured, code + 5, 4);
	assert_not_in(captured, HOST_PAYLOAD, 8);
	assert_not_in(captured, &GUEST_PAYLOAD[8], 8);
	assert_not_in(captured, HOST_NAME, 6);
	assert_not_in(captured, x->host.keys.public_key, 8);
	assert_not_in(captured, x->guest.keys.public_key, 8);
}

static void scene_end(struct scene *x)
{
	test_guest_close(&x->guest);
	relay_close(&x->relay);
	test_host_close(&x->host);
	street_release(&x->street);
}

static void a_capture_shows_nothing(void **state)
{
	struct scene x;

	scene_start(&x);
	scene_run(&x);
	assert_int_equal(x.guest.outcome, PAIRING_PAIRED);
	assert_int_equal(x.relay.message, MESSAGES);
	assert_nothing_shown(&x);
	scene_end(&x);
}

/* `flip_back` 0: the last byte; 1: of VERDICT the one before. The code has one guess less, or is burnt; nobody has a
 * key but, when it is the verdict, the shower that of the genuine typer. */
static void change(int message, int flip_back)
{
	struct scene x;

	scene_start(&x);
	x.relay.flip = message;
	x.relay.flip_back = flip_back;
	scene_run(&x);
	assert_true(x.relay.message > message);
	assert_true(x.guest.outcome == PAIRING_WRONG_CODE || x.guest.outcome == PAIRING_MALFORMED ||
		    x.guest.outcome == PAIRING_HUNG_UP);
	assert_true(x.host.outcomes[0] == PAIRING_WRONG_CODE || x.host.outcomes[0] == PAIRING_MALFORMED ||
		    x.host.outcomes[0] == PAIRING_HUNG_UP || message == VERDICT);
	assert_int_equal(x.host.decided, message == VERDICT);
	if (message < VERDICT)
		assert_int_equal(x.host.runs_left, PAIRING_CODE_RUNS - 1);
	else
		assert_int_equal(x.host.reason, PAIRING_CODE_DONE);
	if (message == VERDICT)
		assert_memory_equal(x.host.peer_key, x.guest.keys.public_key, KEY_PUBLIC_LEN);
	assert_nothing_shown(&x);
	scene_end(&x);
}

static void each_changed_message_is_noticed(void **state)
{
	for (int message = 0; message < MESSAGES; message++)
		for (int back = 0; back < 2; back++)
			change(message, back);
}

/* Three changed runs and the code is dead: nobody in the middle has more tries than anybody else. */
static void changing_burns_the_code(void **state)
{
	struct test_host_opts opts = {0};
	struct test_host h;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	for (int i = 0; i < PAIRING_CODE_RUNS; i++) {
		char address[NODE_ADDRESS_TEXT];
		const char *const addresses[] = {address, NULL};
		struct scene x = {0};

		relay_open(&x.relay, &s, h.port);
		x.relay.flip = REPLY;
		snprintf(address, sizeof(address), "127.0.0.1:%u", x.relay.port);
		test_guest_open(&x.guest, &s, GUEST_SEED, pairing_host_code(h.host), addresses, 0);
		street_run(&s, test_guest_has_ended, &x.guest);
		assert_int_equal(x.guest.outcome, PAIRING_WRONG_CODE);
		test_guest_close(&x.guest);
		relay_close(&x.relay);
		if (i < PAIRING_CODE_RUNS - 1)
			assert_false(h.over);
		street_pass(PAIRING_CODE_PAUSE_MS);
	}
	street_run(&s, test_host_is_over, &h);
	assert_int_equal(h.reason, PAIRING_CODE_USED_UP);
	test_host_close(&h);
	street_release(&s);
}

/* Both hear it; before START nothing was asked, so there is nothing for the host to tell. */
static void cut_at_each_message(void **state)
{
	for (int message = 0; message < MESSAGES; message++) {
		struct scene x;

		scene_start(&x);
		x.relay.cut = message;
		scene_run(&x);
		assert_int_equal(x.guest.outcome, PAIRING_HUNG_UP);
		assert_int_equal(x.host.ended, message >= REPLY);
		if (message >= REPLY)
			assert_int_equal(x.host.outcomes[0], message == VERDICT ? PAIRING_PAIRED : PAIRING_HUNG_UP);
		if (message >= REPLY && message < VERDICT)
			assert_int_equal(x.host.runs_left, PAIRING_CODE_RUNS - 1);
		assert_int_equal(x.host.decided, message == VERDICT);
		scene_end(&x);
	}
}

/* Held up at each message until the run's time is over: the clock ends it on both sides, by the next thing that comes.
 */
static void held_up_beyond_the_time(void **state)
{
	for (int message = 1; message < VERDICT; message++) {
		char address[NODE_ADDRESS_TEXT];
		const char *const addresses[] = {address, NULL};
		struct scene x;

		scene_start(&x);
		x.relay.stop = message;
		snprintf(address, sizeof(address), "127.0.0.1:%u", x.relay.port);
		test_guest_open(&x.guest, &x.street, GUEST_SEED, pairing_host_code(x.host.host), addresses, 0);
		street_run(&x.street, relay_has_stopped, &x.relay);
		street_pass(PAIRING_HELLO_MS + PAIRING_RUN_MS);
		relay_cut(&x.relay);
		street_run(&x.street, test_guest_has_ended, &x.guest);
		assert_int_equal(x.guest.outcome, PAIRING_TIMED_OUT);
		if (message >= REPLY)
			assert_int_equal(x.host.outcomes[0], PAIRING_TIMED_OUT);
		scene_end(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_capture_shows_nothing), cmocka_unit_test(each_changed_message_is_noticed),
	    cmocka_unit_test(changing_burns_the_code), cmocka_unit_test(cut_at_each_message),
	    cmocka_unit_test(held_up_beyond_the_time),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
