#include "net/pairing_guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "tests/lib/test.h"
#include "tests/net/street.h"

static const char *wrong_code(const struct test_host *h)
{
	return pairing_host_code(h->host)[0] == 'A' ? "BAAA-2222" : "AAAA-2222";
}

/* A TCP port of this machine on which nobody listens. */
static uint16_t closed_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void finds_it_by_its_beacon(void **state)
{
	struct test_host_opts opts = {.beacons = true};
	struct test_host h;
	struct test_guest g;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	test_guest_open(&g, &s, GUEST_SEED, pairing_host_code(h.host), NULL, 0);
	street_run(&s, test_guest_has_ended, &g);
	assert_int_equal(g.outcome, PAIRING_PAIRED);
	assert_string_equal(g.found_name, HOST_NAME);
	assert_int_equal(g.stages[GUEST_FOUND], 1);
	test_guest_close(&g);
	test_host_close(&h);
	street_release(&s);
}

static bool has_ended_once(void *host)
{
	return ((struct test_host *)host)->ended > 0;
}

/* The wrong one is heard first and tried, once; the right one opens later. */
static void two_are_open(void **state)
{
	struct test_host_opts opts = {.beacons = true};
	struct test_host wrong, right;
	struct test_guest g;
	struct street s;

	street_init(&s);
	test_host_open(&wrong, &s, &opts);
	test_host_open(&right, &s, &(struct test_host_opts){0}); /* without beacons for now */
	right.keys = keys_from(OTHER_SEED);
	test_guest_open(&g, &s, GUEST_SEED, pairing_host_code(right.host), NULL, 0);
	street_run(&s, has_ended_once, &wrong);
	assert_int_equal(g.ended, 0);
	{
		struct discovery_opts beacons = street_discovery(&s);

		beacons.tcp_port = right.port;
		assert_int_equal(discovery_open(&s.loop, &beacons, &right.discovery), 0);
		assert_int_equal(discovery_open_pairing(right.discovery, "Right"), 0);
	}
	street_run(&s, test_guest_has_ended, &g);
	assert_int_equal(g.outcome, PAIRING_PAIRED);
	assert_int_equal(g.stages[GUEST_CONNECTING], 2);
	assert_int_equal(wrong.ended, 1);
	assert_int_equal(wrong.runs_left, PAIRING_CODE_RUNS - 1);
	assert_int_equal(wrong.decided, 0);
	assert_int_equal(right.decided, 1);
	test_guest_close(&g);
	test_host_close(&right);
	test_host_close(&wrong);
	street_release(&s);
}

/* The beacons go on meanwhile: they must not bring a second guess. */
static void a_wrong_code_is_tried_once(void **state)
{
	struct test_host_opts opts = {.beacons = true};
	struct test_host h;
	struct test_guest g;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &opts);
	test_guest_open(&g, &s, GUEST_SEED, wrong_code(&h), NULL, 0);
	g.pass_at = GUEST_SEARCHING; /* again: it lingers, here for longer than the next beacon takes */
	g.pass_time = 2;
	g.pass_ms = PAIRING_LINGER_MS - 2 * DISCOVERY_REPEAT_MS;
	street_run(&s, test_guest_has_ended, &g);
	assert_int_equal(g.outcome, PAIRING_WRONG_CODE);
	assert_int_equal(g.stages[GUEST_CONNECTING], 1);
	assert_int_equal(h.ended, 1);
	assert_int_equal(h.runs_left, PAIRING_CODE_RUNS - 1);
	assert_int_equal(ntohs(((struct sockaddr_in *)&g.address)->sin_port), h.port);
	test_guest_close(&g);
	test_host_close(&h);
	street_release(&s);
}

static void nobody_there(void **state)
{
	struct test_guest g;
	struct street s;

	street_init(&s);
	test_guest_open(&g, &s, GUEST_SEED, "ABCD-2345", NULL, 20);
	street_run(&s, test_guest_has_ended, &g);
	assert_int_equal(g.outcome, PAIRING_TIMED_OUT);
	assert_int_equal(g.error, -ENOENT);
	assert_false(g.has_address);
	test_guest_close(&g);
	street_release(&s);
}

static void addresses_one_after_another(void **state)
{
	char dead[NODE_ADDRESS_TEXT], live[NODE_ADDRESS_TEXT];
	const char *const addresses[] = {dead, live, NULL};
	struct test_host h;
	struct test_guest g;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &(struct test_host_opts){0});
	snprintf(dead, sizeof(dead), "127.0.0.1:%u", closed_port());
	snprintf(live, sizeof(live), "localhost:%u", h.port); /* a name; perhaps of two addresses */
	test_guest_open(&g, &s, GUEST_SEED, pairing_host_code(h.host), addresses, 0);
	street_run(&s, test_guest_has_ended, &g);
	assert_int_equal(g.outcome, PAIRING_PAIRED);
	assert_true(g.stages[GUEST_CONNECTING] >= 2);
	test_guest_close(&g);
	test_host_close(&h);
	street_release(&s);
}

static void refused_connection(void **state)
{
	char dead[NODE_ADDRESS_TEXT];
	const char *const addresses[] = {dead, NULL};
	struct test_guest g;
	struct street s;

	street_init(&s);
	snprintf(dead, sizeof(dead), "127.0.0.1:%u", closed_port());
	test_guest_open(&g, &s, GUEST_SEED, "ABCD-2345", addresses, 0);
	street_run(&s, test_guest_has_ended, &g);
	assert_int_equal(g.outcome, PAIRING_HUNG_UP);
	assert_int_equal(g.error, -ECONNREFUSED);
	test_guest_close(&g);
	street_release(&s);
}

/* Somebody whose queue of connections is full, so that nothing comes back at all. */
static void no_answer(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);
	char text[NODE_ADDRESS_TEXT];
	const char *const addresses[] = {text, NULL};
	struct test_guest g;
	struct street s;

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(first, (struct sockaddr *)&address, len), 0);
	street_init(&s);
	address_to_text((struct sockaddr *)&address, text);
	test_guest_open(&g, &s, GUEST_SEED, "ABCD-2345", addresses, 0);
	g.pass_at = GUEST_CONNECTING;
	g.pass_time = 1;
	g.pass_ms = PAIRING_CONNECT_MS - 20;
	street_run(&s, test_guest_has_ended, &g);
	assert_int_equal(g.outcome, PAIRING_HUNG_UP);
	assert_int_equal(g.error, -ETIMEDOUT);
	test_guest_close(&g);
	close(first);
	close(listener);
	street_release(&s);
}

/* A device that is reached but shows no code: its node closes. */
static void shows_no_code(void **state)
{
	char address[NODE_ADDRESS_TEXT];
	const char *const addresses[] = {address, NULL};
	struct test_host h;
	struct test_guest g;
	struct pairing_host *shown;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &(struct test_host_opts){0});
	test_host_address(&h, address);
	shown = h.host;
	h.host = NULL;
	test_guest_open(&g, &s, GUEST_SEED, "ABCD-2345", addresses, 0);
	street_run(&s, test_guest_has_ended, &g);
	assert_int_equal(g.outcome, PAIRING_HUNG_UP);
	test_guest_close(&g);
	h.host = shown;
	test_host_close(&h);
	street_release(&s);
}

static bool is_closed(void *guest)
{
	return ((struct test_guest *)guest)->closed;
}

static bool is_connecting(void *guest)
{
	return ((struct test_guest *)guest)->stages[GUEST_CONNECTING] > 0;
}

static void closed_at_any_time(void **state)
{
	static const char *const addresses[] = {"localhost:9", NULL};
	char live[NODE_ADDRESS_TEXT];
	const char *const at_host[] = {live, NULL};
	struct test_guest searching, resolving, connecting, checking;
	struct test_host h;
	struct street s;

	street_init(&s);
	test_host_open(&h, &s, &(struct test_host_opts){0});
	test_host_address(&h, live);
	test_guest_open(&searching, &s, GUEST_SEED, "ABCD-2345", NULL, 0);
	test_guest_close(&searching);
	test_guest_open(&resolving, &s, GUEST_SEED, "ABCD-2345", addresses, 0);
	uv_run(&s.loop, UV_RUN_NOWAIT);
	test_guest_close(&resolving);
	test_guest_open(&connecting, &s, GUEST_SEED, "ABCD-2345", at_host, 0);
	street_run(&s, is_connecting, &connecting);
	test_guest_close(&connecting);
	test_guest_open(&checking, &s, GUEST_SEED, wrong_code(&h), at_host, 0);
	while (checking.stages[GUEST_CHECKING] == 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	test_guest_close(&checking);
	assert_int_equal(searching.ended + resolving.ended + connecting.ended, 0);
	assert_int_equal(h.decided, 0);
	test_host_close(&h);
	street_release(&s);
}

static void closed_within_its_callbacks(void **state)
{
	static const int moments[] = {GUEST_SEARCHING, GUEST_FOUND,   GUEST_CONNECTING,
				      GUEST_CHECKING,  GUEST_WAITING, CLOSE_AT_END};

	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		struct test_host_opts opts = {.beacons = true};
		struct test_guest g;
		struct test_host h;
		struct street s;

		street_init(&s);
		test_host_open(&h, &s, &opts);
		test_guest_open(&g, &s, GUEST_SEED, pairing_host_code(h.host), NULL, 0);
		g.close_at = moments[i];
		street_run(&s, is_closed, &g);
		assert_int_equal(g.ended, moments[i] == CLOSE_AT_END);
		if (moments[i] != CLOSE_AT_END)
			assert_int_equal(g.stages[moments[i]], 1);
		test_guest_close(&g);
		test_host_close(&h);
		street_release(&s);
	}
}

static void bad_options(void **state)
{
	static const char *const addresses[] = {"no-port"};
	struct pair_of_keys keys = keys_from(GUEST_SEED);
	struct pairing_guest_opts opts = {.code = "ABC", .static_secret = keys.secret};
	struct pairing_guest *g = NULL;
	struct street s;

	street_init(&s);
	assert_int_equal(pairing_guest_open(&s.loop, &opts, &g), -ERR_MALFORMED);
	opts.code = "ABCD2345";
	opts.addresses = addresses;
	opts.address_count = 1;
	assert_int_equal(pairing_guest_open(&s.loop, &opts, &g), -ERR_MALFORMED);
	opts.address_count = PAIRING_ADDRESSES_MAX + 1;
	assert_int_equal(pairing_guest_open(&s.loop, &opts, &g), -ERR_TOO_LARGE);
	assert_null(g);
	street_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_it_by_its_beacon),
	    cmocka_unit_test(two_are_open),
	    cmocka_unit_test(a_wrong_code_is_tried_once),
	    cmocka_unit_test(nobody_there),
	    cmocka_unit_test(addresses_one_after_another),
	    cmocka_unit_test(refused_connection),
	    cmocka_unit_test(no_answer),
	    cmocka_unit_test(shows_no_code),
	    cmocka_unit_test(closed_at_any_time),
	    cmocka_unit_test(closed_within_its_callbacks),
	    cmocka_unit_test(bad_options),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
