/* net/node against everybody who is no member. */
#include "tests/net/stranger.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/random.h"
#include "tests/lib/test.h"

static int setup(void **state)
{
	struct devices *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	devices_init(d);
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	devices_release(*state);
	free(*state);
	return 0;
}

static struct node_refusals refusals_of(const struct devices *d)
{
	struct node_refusals refusals;

	node_refusals(d->all[0].node, &refusals);
	return refusals;
}

static size_t memory(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static bool is_down(void *arg)
{
	return ((struct device *)arg)->connected == 0;
}

static bool is_connected(void *arg)
{
	return ((struct device *)arg)->connected == 1;
}

static void unknown_key_gets_no_byte(void **state)
{
	struct pair_of_keys keys = keys_from(0x77);
	struct devices *d = *state;
	struct stranger s;

	device_open(d, 0, true);
	stranger_connect(&s, d, 0);
	stranger_hello(&s, &keys, 0);
	stranger_until_ended(&s);
	assert_int_equal(s.read.len, 0);
	assert_int_equal(refusals_of(d).not_member, 1);
	stranger_close(&s);
}

static void wrong_preambles_get_no_byte(void **state)
{
	static const char *const preambles[] = {"GET / HT", "shelf\0\1\3", "shelf\0\2\1", "shelf\0\1P"};
	struct devices *d = *state;
	struct stranger s;

	device_open(d, 0, true);
	d->all[0].pairing_refused = true;
	for (size_t i = 0; i < 4; i++) {
		stranger_connect(&s, d, 0);
		stranger_write(&s, preambles[i], PREAMBLE_LEN);
		stranger_until_ended(&s);
		assert_int_equal(s.read.len, 0);
		assert_int_equal(refusals_of(d).not_ours, i + 1);
		stranger_close(&s);
	}
}

static void pairing_is_handed_over(void **state)
{
	struct devices *d = *state;
	struct stranger s;

	device_open(d, 0, true);
	stranger_connect(&s, d, 0);
	stranger_write(&s, "shelf\0\1Pand more", PREAMBLE_LEN + 8);
	stranger_until_ended(&s);
	assert_int_equal(d->all[0].pairings, 1);
	assert_true(s.reset); /* "and more" was not read by the node */
	stranger_close(&s);
}

static void pairing_may_close_the_node(void **state)
{
	struct devices *d = *state;
	struct stranger s;

	device_open(d, 0, true);
	d->all[0].closes_on_pairing = true;
	stranger_connect(&s, d, 0);
	stranger_write(&s, "shelf\0\1P", PREAMBLE_LEN);
	stranger_until_ended(&s);
	assert_int_equal(d->all[0].pairings, 1);
	stranger_close(&s);
}

static void ten_thousand_of_garbage(void **state)
{
	enum { CONNECTIONS = 10000 };
	struct devices *d = *state;
	static uint8_t garbage[100];
	struct node_refusals refusals;
	size_t before = 0;
	unsigned files = 0;

	device_open(d, 0, true);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct stranger s;

		random_bytes(garbage, sizeof(garbage));
		if (i % 2) /* as far as the handshake */
			preamble_write(PREAMBLE_LINK, garbage);
		stranger_connect(&s, d, 0);
		stranger_write(&s, garbage, sizeof(garbage));
		if (i < CONNECTIONS / 2 || i % 50 == 0) /* one by one, then in bursts */
			uv_run(&d->loop, UV_RUN_NOWAIT);
		stranger_close(&s);
		if (i == 100) {
			before = memory();
			files = open_files();
		}
	}
	devices_run(d);
	assert_int_equal(d->all[0].ups, 0);
	assert_int_equal(refusals_of(d).accepted, CONNECTIONS);
	assert_true(memory() < before + (1 << 16));
	assert_true(open_files() <= files + 1);
	refusals = refusals_of(d);
	assert_true(refusals.not_ours > 0 && refusals.not_member > 0 && refusals.source_full > 0);
	assert_int_equal(refusals.not_ours + refusals.not_member + refusals.source_full, CONNECTIONS);
	device_open(d, 1, true); /* and a member still gets in */
	device_knows(d, 1, 0);
	devices_connect(d, 0, 1);
}

struct refused {
	struct devices *d;
	uint64_t too_slow;
};

static bool were_slow(void *arg)
{
	struct refused *refused = arg;

	return refusals_of(refused->d).too_slow == refused->too_slow;
}

/* Each says a byte less than it takes. Members on another source are not kept out: see test_admission. */
static void slow_loris(void **state)
{
	enum { CONNECTIONS = 100 };
	struct devices *d = *state;
	static struct stranger s[CONNECTIONS];
	struct refused refused = {d, NODE_HALF_OPEN_SOURCE};

	d->limits.handshake_ms = 200;
	device_open(d, 0, true);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		stranger_connect(&s[i], d, 0);
		stranger_write(&s[i], i % 2 ? "shelf" : "shelf\0\1Land some more", i % 2 ? 5 : 20);
		uv_run(&d->loop, UV_RUN_NOWAIT);
	}
	devices_until(d, were_slow, &refused);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		stranger_until_ended(&s[i]);
		assert_int_equal(s[i].read.len, 0);
		stranger_close(&s[i]);
	}
	assert_int_equal(refusals_of(d).source_full, CONNECTIONS - NODE_HALF_OPEN_SOURCE);
}

/* A member, so that it gets as far as anybody: endless pieces of one message. Strangers end at the first bytes. */
static void nonsense_without_end(void **state)
{
	struct devices *d = *state;
	uint8_t *bytes = malloc(1 << 20);
	struct stranger s;
	size_t before;

	device_open(d, 0, true);
	random_bytes(bytes, 1 << 20);
	preamble_write(PREAMBLE_LINK, bytes);
	stranger_connect(&s, d, 0);
	before = memory();
	for (unsigned i = 0; i < 1024 && !s.ended; i++)
		stranger_write(&s, bytes, 1 << 20);
	assert_true(s.ended);
	assert_true(memory() < before + (1 << 20));
	stranger_close(&s);
	stranger_become(&s, d, 1, 0, 1);
	bytes[0] = 0xff; /* the longest frame that can be announced */
	bytes[1] = 0xff;
	for (unsigned i = 0; i < 1024 && !s.ended; i++)
		stranger_write(&s, bytes, 1 << 20);
	devices_until(d, is_down, &d->all[0]);
	assert_true(s.ended);
	assert_true(memory() < before + (1 << 20));
	assert_int_equal(d->all[0].messages, 0);
	stranger_close(&s);
	free(bytes);
}

static bool has_failed_to_accept(void *arg)
{
	return refusals_of(arg).accept_errors > 0;
}

/* All descriptors that there may be; returns how many were taken. */
static unsigned take_descriptors(int *ret_fds, unsigned max)
{
	unsigned count = 0;

	while (count < max && (ret_fds[count] = dup(STDIN_FILENO)) >= 0)
		count++;
	assert_true(count < max);
	return count;
}

/* No descriptors left: no spinning, and back to work afterwards. */
static void descriptors_run_out(void **state)
{
	struct devices *d = *state;
	struct rlimit old, few;
	struct stranger s;
	int fds[256];
	unsigned count;
	uint64_t end;

	if (getenv("LD_PRELOAD") && strstr(getenv("LD_PRELOAD"), "vgpreload"))
		skip(); /* valgrind accepts beyond the limit */
	device_open(d, 0, true);
	stranger_connect(&s, d, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){.rlim_cur = 100, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	count = take_descriptors(fds, 256);
	devices_until(d, has_failed_to_accept, d);
	for (end = uv_hrtime() + 50 * UINT64_C(1000000); uv_hrtime() < end;)
		uv_run(&d->loop, UV_RUN_NOWAIT);
	assert_int_equal(refusals_of(d).accept_errors, 1); /* it pauses */
	while (count > 0)
		close(fds[--count]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	stranger_hello(&s, &d->all[1].keys, 0);
	stranger_finish(&s);
	stranger_greet(&s, 1, 1);
	devices_until(d, is_connected, &d->all[0]);
	stranger_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(unknown_key_gets_no_byte, setup, teardown),
	    cmocka_unit_test_setup_teardown(wrong_preambles_get_no_byte, setup, teardown),
	    cmocka_unit_test_setup_teardown(pairing_is_handed_over, setup, teardown),
	    cmocka_unit_test_setup_teardown(pairing_may_close_the_node, setup, teardown),
	    cmocka_unit_test_setup_teardown(ten_thousand_of_garbage, setup, teardown),
	    cmocka_unit_test_setup_teardown(slow_loris, setup, teardown),
	    cmocka_unit_test_setup_teardown(nonsense_without_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(descriptors_run_out, setup, teardown),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
