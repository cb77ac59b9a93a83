/* net/node: members among each other. */
#include "net/node.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "tests/lib/test.h"
#include "tests/net/devices.h"

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

struct wanted {
	struct device *device;
	unsigned count;
	size_t bytes;
};

static bool has_messages(void *arg)
{
	struct wanted *wanted = arg;

	return wanted->device->messages >= wanted->count;
}

static bool has_bytes(void *arg)
{
	struct wanted *wanted = arg;

	return wanted->device->bytes >= wanted->bytes;
}

static bool is_down(void *arg)
{
	return ((struct device *)arg)->connected == 0;
}

static bool has_refused(void *arg)
{
	struct node_refusals refusals;

	node_refusals(((struct device *)arg)->node, &refusals);
	return refusals.not_member > 0;
}

static void exchange(struct devices *d, unsigned from, unsigned to, const void *message, size_t len)
{
	struct wanted wanted = {&d->all[to], d->all[to].messages + 1, 0};

	assert_int_equal(node_send(d->all[from].node, &d->all[to].id, message, len), 0);
	devices_until(d, has_messages, &wanted);
	assert_int_equal(d->all[to].last.len, len);
	assert_memory_equal(d->all[to].last.data, message, len);
}

static void two(struct devices *d)
{
	device_open(d, 0, true);
	device_open(d, 1, true);
	device_knows(d, 0, 1);
	devices_connect(d, 0, 1);
}

static void messages_go_both_ways(void **state)
{
	struct devices *d = *state;
	size_t len = FRAME_MESSAGE_MAX_BYTES;
	uint8_t *large = malloc(len);

	two(d);
	assert_true(d->all[0].initiated);
	assert_false(d->all[1].initiated);
	exchange(d, 0, 1, "x", 1);
	exchange(d, 1, 0, "y", 1);
	assert_non_null(large);
	random_bytes(large, len);
	exchange(d, 0, 1, large, len);
	exchange(d, 1, 0, large, len);
	memset(large, 'z', len);
	exchange(d, 1, 0, large, len);
	assert_int_equal(node_send(d->all[0].node, &d->all[1].id, large, len + 1), -ERR_TOO_LARGE);
	assert_int_equal(node_send(d->all[0].node, &d->all[1].id, large, 0), -EINVAL);
	assert_int_equal(node_send(d->all[0].node, &d->all[2].id, large, 1), -ENOTCONN);
	free(large);
}

static void three_know_each_other(void **state)
{
	struct devices *d = *state;

	for (unsigned i = 0; i < 3; i++)
		device_open(d, i, true);
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned k = 0; k < 3; k++) {
			if (k != i)
				device_knows(d, i, k);
		}
	}
	for (unsigned i = 0; i < 3; i++) {
		devices_connect(d, i, (i + 1) % 3);
		exchange(d, i, (i + 1) % 3, &i, sizeof(i));
	}
}

static void goodbye_is_told_from_a_cut(void **state)
{
	struct devices *d = *state;

	two(d);
	device_close(d, 0);
	devices_until(d, is_down, &d->all[1]);
	assert_int_equal(d->all[1].reason, 0);
	device_open(d, 0, true);
	device_knows(d, 0, 1);
	devices_connect(d, 0, 1);
	device_members(d, 0, 2, 1);
	assert_int_equal(d->all[0].connected, 0); /* at once */
	assert_int_equal(d->all[0].reason, -EACCES);
	devices_until(d, is_down, &d->all[1]);
	assert_int_equal(d->all[1].reason, -ECONNRESET);
}

/* What is queued goes out before the goodbye. */
static void nothing_is_lost_by_an_orderly_close(void **state)
{
	struct devices *d = *state;
	uint8_t *large = calloc(1, 1 << 20);

	two(d);
	random_bytes(large, 1 << 20);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(node_send(d->all[0].node, &d->all[1].id, large, 1 << 20), 0);
	device_close(d, 0);
	devices_until(d, is_down, &d->all[1]);
	assert_int_equal(d->all[1].reason, 0);
	assert_int_equal(d->all[1].messages, 6);
	free(large);
}

static void removed_member_is_refused(void **state)
{
	struct devices *d = *state;

	two(d);
	device_members(d, 1, 2, 1);
	devices_until(d, is_down, &d->all[0]);
	device_hint(d, 0, 1);
	devices_until(d, has_refused, &d->all[1]);
	assert_int_equal(d->all[0].ups, 1);
	assert_int_equal(d->all[1].ups, 1);
}

static void both_dial_at_once(void **state)
{
	enum { ROUNDS = 200 };
	struct devices *d = *state;
	struct device *a = &d->all[0], *b = &d->all[1];
	unsigned replaced = 0;

	device_open(d, 0, true);
	device_open(d, 1, true);
	for (unsigned i = 0; i < ROUNDS; i++) {
		device_knows(d, 0, 1);
		device_knows(d, 1, 0);
		devices_connect(d, 0, 1);
		exchange(d, 0, 1, "a", 1);
		exchange(d, 1, 0, "b", 1);
		devices_run(d);
		assert_int_equal(a->connected, 1);
		assert_int_equal(b->connected, 1);
		replaced += a->reason == -ECONNABORTED || b->reason == -ECONNABORTED;
		device_members(d, 0, 0, 1);
		device_members(d, 1, 1, 1);
		a->reason = b->reason = 0;
		devices_run(d);
		device_members(d, 0, 0, 2);
		device_members(d, 1, 0, 2);
	}
	assert_int_equal(replaced, 0); /* it is decided before anybody is told */
	assert_int_equal(a->ups, ROUNDS);
	assert_int_equal(b->ups, ROUNDS);
}

static void hints_dial_at_once(void **state)
{
	struct devices *d = *state;
	struct sockaddr_in address;

	device_open(d, 0, true);
	device_open(d, 1, true);
	device_hint(d, 0, 1);
	devices_connect(d, 0, 1);
	assert_true(d->all[0].initiated);
	address = device_address(d, 1);
	assert_int_equal(node_hint(d->all[0].node, &d->all[1].id, (struct sockaddr *)&address), -EISCONN);
	assert_int_equal(node_hint(d->all[0].node, &d->library, (struct sockaddr *)&address), -ENOENT);
}

static void names_are_looked_up(void **state)
{
	struct devices *d = *state;
	char address[NODE_ADDRESS_TEXT];

	device_open(d, 0, true);
	device_open(d, 1, true);
	snprintf(address, sizeof(address), "localhost:%u", node_port(d->all[1].node));
	assert_int_equal(node_add_address(d->all[0].node, &d->all[1].id, address), 0);
	assert_int_equal(node_add_address(d->all[0].node, &d->all[1].id, "localhost"), -ERR_MALFORMED);
	devices_connect(d, 0, 1);
}

static void another_library_gets_no_answer(void **state)
{
	struct devices *d = *state;

	device_open(d, 0, true);
	d->library = uuid_random();
	device_open(d, 1, true);
	device_knows(d, 0, 1);
	devices_until(d, has_refused, &d->all[1]);
	assert_int_equal(d->all[0].ups + d->all[1].ups, 0);
}

static void info_tells(void **state)
{
	struct devices *d = *state;
	struct node_info info;

	device_open(d, 0, true);
	assert_int_equal(node_info(d->all[0].node, &d->all[1].id, &info), 0);
	assert_false(info.connected);
	assert_int_equal(info.since_ms, 0);
	assert_int_equal(node_info(d->all[0].node, &d->all[0].id, &info), -ENOENT);
	device_open(d, 1, true);
	device_knows(d, 0, 1);
	devices_connect(d, 0, 1);
	exchange(d, 0, 1, "hello", 5);
	assert_int_equal(node_info(d->all[0].node, &d->all[1].id, &info), 0);
	assert_true(info.connected && info.initiated);
	assert_memory_equal(info.address, "127.0.0.1:", 10);
	assert_true(info.bytes_in > NOISE_KK_MESSAGE_LEN && info.bytes_out > info.bytes_in);
	assert_true(info.round_trip_us > 0 && info.round_trip_us < 1000000);
	assert_true(info.since_ms > 0 && info.last_seen_ms >= info.since_ms);
	device_close(d, 1);
	devices_until(d, is_down, &d->all[0]);
	assert_int_equal(node_info(d->all[0].node, &d->all[1].id, &info), 0);
	assert_false(info.connected);
	assert_true(info.bytes_out > 0 && info.last_seen_ms > 0);
}

static void send_until_full(struct devices *d, const void *message, size_t len)
{
	int r;

	do
		r = node_send(d->all[0].node, &d->all[1].id, message, len);
	while (r == 0);
	assert_int_equal(r, -EAGAIN);
}

static bool is_writable(void *arg)
{
	return ((struct device *)arg)->writables > 0;
}

static void full_queue_drains(void **state)
{
	struct devices *d = *state;
	struct wanted wanted = {&d->all[1], 0, 0};
	uint8_t *large = malloc(1 << 20);
	struct node_info info;

	random_bytes(large, 1 << 20);
	two(d);
	send_until_full(d, large, 1 << 20);
	node_info(d->all[0].node, &d->all[1].id, &info);
	assert_true(info.queued_bytes > 6 << 20 && info.queued_bytes <= LINK_QUEUE_BYTES);
	devices_until(d, is_writable, &d->all[0]);
	node_info(d->all[0].node, &d->all[1].id, &info);
	assert_true(info.queued_bytes < LINK_QUEUE_BYTES / 2);
	wanted.bytes = 7 << 20;
	devices_until(d, has_bytes, &wanted);
	assert_int_equal(d->all[0].writables, 1);
	free(large);
}

/* Within an event, everything may be called. */
static void closes_itself(struct device *device, const struct uuid *from)
{
	device->on_message = NULL;
	device_members(device->all, 0, 2, 1);
	assert_int_equal(node_send(device->node, from, "late", 4), -ENOTCONN);
	node_close(device->node, NULL, NULL);
	device->node = NULL;
}

static void nodes_close_within_an_event(void **state)
{
	struct devices *d = *state;

	two(d);
	d->all[0].on_message = closes_itself;
	assert_int_equal(node_send(d->all[1].node, &d->all[0].id, "1", 1), 0);
	assert_int_equal(node_send(d->all[1].node, &d->all[0].id, "2", 1), 0);
	devices_until(d, is_down, &d->all[1]);
	assert_int_equal(d->all[0].messages, 1);
	assert_int_equal(d->all[0].downs, 1);
}

static void many_cycles_leave_nothing(void **state)
{
	enum { CYCLES = 1000 };
	struct devices *d = *state;
	unsigned files = 0;
	size_t before = 0;

	device_open(d, 0, true);
	device_open(d, 1, true);
	for (unsigned i = 0; i < CYCLES; i++) {
		device_knows(d, 0, 1);
		devices_connect(d, 0, 1);
		device_members(d, 0, 0, 1);
		devices_until(d, is_down, &d->all[1]);
		device_members(d, 0, 0, 2);
		if (i == 10) {
			files = open_files();
			before = mallinfo2().uordblks;
		}
	}
	assert_true(mallinfo2().uordblks < before + 4096);
	assert_int_equal(open_files(), files);
	assert_int_equal(d->all[0].ups, CYCLES);
	assert_int_equal(d->all[1].downs, CYCLES);
}

/* Quiet for longer than heard_ms, and still there: keep-alives. */
static bool time_is_up(void *arg)
{
	return uv_hrtime() >= *(uint64_t *)arg;
}

static void quiet_connections_stay(void **state)
{
	struct devices *d = *state;
	uint64_t end;

	d->limits = (struct link_limits){.heard_ms = 100, .keepalive_ms = 20};
	two(d);
	end = uv_hrtime() + 300 * UINT64_C(1000000);
	devices_until(d, time_is_up, &end);
	assert_int_equal(d->all[0].downs + d->all[1].downs, 0);
	assert_int_equal(d->all[0].messages + d->all[1].messages, 0);
}

/* The loop is kept busy for longer than heard_ms. */
static void own_standstill_is_nobodys_fault(void **state)
{
	struct devices *d = *state;
	uint64_t end;

	d->limits = (struct link_limits){.heard_ms = 40, .keepalive_ms = 10, .late_ms = 20};
	two(d);
	end = uv_hrtime() + 100 * UINT64_C(1000000);
	while (uv_hrtime() < end)
		;
	devices_run(d);
	exchange(d, 0, 1, "still here", 10);
	assert_int_equal(d->all[0].downs + d->all[1].downs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(messages_go_both_ways, setup, teardown),
	    cmocka_unit_test_setup_teardown(three_know_each_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(goodbye_is_told_from_a_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(nothing_is_lost_by_an_orderly_close, setup, teardown),
	    cmocka_unit_test_setup_teardown(removed_member_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(both_dial_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(hints_dial_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_are_looked_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(another_library_gets_no_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(info_tells, setup, teardown),
	    cmocka_unit_test_setup_teardown(full_queue_drains, setup, teardown),
	    cmocka_unit_test_setup_teardown(nodes_close_within_an_event, setup, teardown),
	    cmocka_unit_test_setup_teardown(many_cycles_leave_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(quiet_connections_stay, setup, teardown),
	    cmocka_unit_test_setup_teardown(own_standstill_is_nobodys_fault, setup, teardown),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
