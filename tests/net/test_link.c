/* net/link, and which of two counts: members, done by hand, who do what no node would do. */
#include "tests/net/stranger.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
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

static bool has_message(void *arg)
{
	return ((struct device *)arg)->messages > 0;
}

/* A member by hand: proves that the helpers below are refused for what they do, and not for being wrong. */
static void stranger_can_be_a_member(void **state)
{
	struct devices *d = *state;
	struct stranger s;

	device_open(d, 0, true);
	stranger_become(&s, d, 1, 0, 1);
	stranger_send(&s, "hello", 5);
	stranger_close(&s);
	devices_until(d, is_down, &d->all[0]);
	assert_int_equal(d->all[0].messages, 1);
	assert_memory_equal(d->all[0].last.data, "hello", 5);
	assert_int_equal(d->all[0].reason, -ECONNRESET); /* no goodbye: cut */
}

static void replayed_message_1_does_nothing(void **state)
{
	struct devices *d = *state;
	struct stranger first, replay;

	d->limits.handshake_ms = 200;
	device_open(d, 0, true);
	stranger_become(&first, d, 1, 0, 1);
	stranger_connect(&replay, d, 0);
	stranger_write(&replay, first.hello, sizeof(first.hello));
	stranger_until_read(&replay, NOISE_KK_MESSAGE_LEN);
	stranger_write(&replay, "\0\40thirty-two bytes of anything....", 34);
	stranger_until_ended(&replay);
	assert_int_equal(replay.read.len, NOISE_KK_MESSAGE_LEN);
	assert_int_equal(d->all[0].ups, 1);
	assert_int_equal(d->all[0].connected, 1);
	stranger_close(&replay);
	stranger_connect(&replay, d, 0); /* and one who says nothing behind it */
	stranger_write(&replay, first.hello, sizeof(first.hello));
	stranger_until_ended(&replay);
	assert_int_equal(d->all[0].connected, 1);
	assert_int_equal(refusals_of(d).too_slow, 1);
	stranger_close(&replay);
	stranger_close(&first);
}

static void cut_within_a_message(void **state)
{
	struct devices *d = *state;
	struct stranger s;
	struct buf out = BUF_INIT;

	device_open(d, 0, true);
	stranger_become(&s, d, 1, 0, 1);
	assert_int_equal(frame_encoder_begin(s.encoder, "a message", 9), 0);
	assert_int_equal(frame_encoder_next(s.encoder, &out), 0);
	stranger_write(&s, out.data, out.len - 1);
	assert_int_equal(shutdown(s.fd, SHUT_WR), 0);
	devices_until(d, is_down, &d->all[0]);
	assert_int_equal(d->all[0].reason, -ECONNRESET);
	assert_int_equal(d->all[0].messages, 0);
	buf_release(&out);
	stranger_close(&s);
}

static void changed_bytes_end_it(void **state)
{
	struct devices *d = *state;
	struct stranger s;
	struct buf out = BUF_INIT;

	device_open(d, 0, true);
	stranger_become(&s, d, 1, 0, 1);
	assert_int_equal(frame_encoder_begin(s.encoder, "a message", 9), 0);
	assert_int_equal(frame_encoder_next(s.encoder, &out), 0);
	out.data[5] ^= 1;
	stranger_write(&s, out.data, out.len);
	devices_until(d, is_down, &d->all[0]);
	assert_int_equal(d->all[0].reason, -ERR_WRONG_KEY);
	assert_int_equal(d->all[0].messages, 0);
	buf_release(&out);
	stranger_close(&s);
}

static void greeting_too_short_or_long(void **state)
{
	struct devices *d = *state;
	uint8_t greeting[LINK_GREETING_MAX + 1] = {0};

	device_open(d, 0, true);
	for (unsigned i = 0; i < 2; i++) {
		struct stranger s;

		stranger_connect(&s, d, 0);
		stranger_hello(&s, &d->all[1].keys, 0);
		stranger_finish(&s);
		stranger_send(&s, greeting, i == 0 ? LINK_INSTANCE_LEN + 7 : sizeof(greeting));
		stranger_until_ended(&s);
		stranger_close(&s);
	}
	assert_int_equal(d->all[0].ups, 0);
	assert_int_equal(refusals_of(d).not_member, 2);
}

static void who_does_not_read_is_dropped(void **state)
{
	struct devices *d = *state;
	uint8_t *large = malloc(1 << 20);
	struct stranger s;
	size_t before;

	random_bytes(large, 1 << 20);
	d->limits = (struct link_limits){.stall_ms = 150};
	device_open(d, 0, true);
	stranger_become(&s, d, 1, 0, 1);
	before = memory();
	while (node_send(d->all[0].node, &d->all[1].id, large, 1 << 20) == 0)
		;
	assert_int_equal(node_send(d->all[0].node, &d->all[1].id, large, 1 << 20), -EAGAIN);
	assert_true(memory() - before <= LINK_QUEUE_BYTES + (1 << 16));
	devices_until(d, is_down, &d->all[0]);
	assert_int_equal(d->all[0].reason, -ENOBUFS);
	devices_run(d);
	assert_true(memory() <= before + (1 << 16));
	stranger_close(&s);
	free(large);
}

static void who_says_nothing_is_dead(void **state)
{
	struct devices *d = *state;
	struct stranger s;

	d->limits.heard_ms = 100;
	device_open(d, 0, true);
	stranger_become(&s, d, 1, 0, 1);
	devices_until(d, is_down, &d->all[0]);
	assert_int_equal(d->all[0].reason, -ETIMEDOUT);
	stranger_close(&s);
}

/* Who never answers our goodbye does not keep the node. */
static void goodbye_is_not_waited_for_long(void **state)
{
	struct devices *d = *state;
	struct stranger s;

	d->limits.goodbye_ms = 100;
	device_open(d, 0, true);
	stranger_become(&s, d, 1, 0, 1);
	device_close(d, 0);
	stranger_read(&s);
	assert_true(s.ended);
	stranger_close(&s);
}

static void clones_are_named(void **state)
{
	struct devices *d = *state;
	struct stranger one, two, again;

	device_open(d, 0, true);
	stranger_become(&one, d, 1, 0, 1);
	stranger_become(&two, d, 1, 0, 2); /* a restart looks like this */
	assert_int_equal(d->all[0].clones, 0);
	assert_int_equal(d->all[0].reason, -ECONNABORTED);
	stranger_become(&again, d, 1, 0, 1); /* nobody comes back from that */
	assert_int_equal(d->all[0].clones, 1);
	assert_int_equal(d->all[0].connected, 1);
	stranger_close(&one);
	stranger_close(&two);
	stranger_close(&again);
}

static void pretender_gets_nothing(void **state)
{
	struct devices *d = *state;
	uint8_t garbage[NOISE_KK_MESSAGE_LEN];
	char address[NODE_ADDRESS_TEXT];
	int listener = stranger_listen(address);
	struct stranger s;

	device_open(d, 0, true);
	assert_int_equal(node_add_address(d->all[0].node, &d->all[1].id, address), 0);
	stranger_accept(&s, d, listener);
	stranger_until_read(&s, sizeof(s.hello));
	assert_memory_equal(s.read.data, "shelf\0\1L", PREAMBLE_LEN);
	random_bytes(garbage, sizeof(garbage));
	stranger_write(&s, garbage, sizeof(garbage));
	stranger_until_ended(&s);
	assert_int_equal(s.read.len, sizeof(s.hello)); /* nothing behind it */
	assert_int_equal(d->all[0].ups, 0);
	assert_int_equal(refusals_of(d).accepted, 0);
	stranger_close(&s);
	close(listener);
}

/* An address where somebody accepts and says nothing is given up in time, and the next one is tried. */
static void silent_address_is_given_up(void **state)
{
	struct devices *d = *state;
	char address[NODE_ADDRESS_TEXT];
	int listener = stranger_listen(address);
	uint64_t start = uv_hrtime();
	struct stranger s;

	d->limits.handshake_ms = 150;
	device_open(d, 0, true);
	device_open(d, 1, true);
	device_knows(d, 0, 1);
	assert_int_equal(node_add_address(d->all[0].node, &d->all[1].id, address), 0); /* goes first */
	stranger_accept(&s, d, listener);
	devices_connect(d, 0, 1);
	assert_true(uv_hrtime() - start < DIALER_STAGGER_MS * UINT64_C(1000000)); /* not only when the next is due */
	stranger_until_ended(&s);
	stranger_close(&s);
	close(listener);
}

/* Which of two devices has the lower key. */
static unsigned lower(const struct devices *d)
{
	return memcmp(d->all[0].keys.public_key, d->all[1].keys.public_key, KEY_PUBLIC_LEN) < 0 ? 0 : 1;
}

/* Both dial: a device with the lower key, which has greeted, and a stranger with the higher one, who is held. */
static int meet(struct devices *d, struct stranger *ours, struct stranger *theirs)
{
	char address[NODE_ADDRESS_TEXT];
	int listener = stranger_listen(address);
	unsigned low = lower(d), high = 1 - low;

	device_open(d, low, true);
	assert_int_equal(node_add_address(d->all[low].node, &d->all[high].id, address), 0);
	stranger_accept(ours, d, listener);
	stranger_answer(ours, high, low);
	stranger_connect(theirs, d, low);
	stranger_hello(theirs, &d->all[high].keys, low);
	stranger_finish(theirs);
	stranger_greet(theirs, 1, 1);
	devices_run(d);
	stranger_read(theirs);
	assert_int_equal(theirs->read.len, NOISE_KK_MESSAGE_LEN); /* no greeting */
	assert_false(theirs->ended);
	assert_int_equal(d->all[low].ups, 0);
	return listener;
}

static void lower_key_wins(void **state)
{
	struct devices *d = *state;
	struct device *low = &d->all[lower(d)];
	struct stranger ours, theirs;
	int listener = meet(d, &ours, &theirs);

	stranger_greet(&ours, 1, 0);
	stranger_until_ended(&theirs);
	assert_int_equal(theirs.read.len, NOISE_KK_MESSAGE_LEN);
	assert_int_equal(low->connected, 1);
	assert_true(low->initiated);
	stranger_close(&ours);
	stranger_close(&theirs);
	close(listener);
}

static void higher_key_is_let_in_when_the_other_fails(void **state)
{
	struct devices *d = *state;
	struct device *low = &d->all[lower(d)];
	struct stranger ours, theirs;
	int listener = meet(d, &ours, &theirs);

	stranger_close(&ours);
	devices_until(d, is_connected, low);
	assert_int_equal(low->ups, 1);
	assert_false(low->initiated);
	stranger_send(&theirs, "hello", 5);
	devices_until(d, has_message, low);
	stranger_close(&theirs);
	close(listener);
}

static void held_who_does_not_wait_is_refused(void **state)
{
	struct devices *d = *state;
	struct device *low = &d->all[lower(d)];
	struct stranger ours, theirs;
	int listener = meet(d, &ours, &theirs);

	stranger_send(&theirs, "too early", 9);
	stranger_until_ended(&theirs);
	assert_int_equal(low->ups, 0);
	stranger_close(&ours);
	stranger_close(&theirs);
	close(listener);
}

/* An older dial of the same life has lost; but why would a peer that is there dial again? */
static void a_loser_raises_a_doubt(void **state)
{
	struct devices *d = *state;
	struct stranger old, late;

	d->limits.probe_ms = 100;
	device_open(d, 0, true);
	stranger_become(&old, d, 1, 0, 1);
	stranger_connect(&late, d, 0);
	stranger_hello(&late, &d->all[1].keys, 0);
	stranger_finish(&late);
	stranger_greet(&late, 1, 0);
	devices_until(d, is_down, &d->all[0]); /* the old one says nothing */
	assert_int_equal(d->all[0].reason, -ETIMEDOUT);
	assert_int_equal(d->all[0].ups, 1);
	stranger_close(&old);
	stranger_close(&late);
}

static void newest_dial_of_a_life_wins(void **state)
{
	struct devices *d = *state;
	struct stranger old, late;

	device_open(d, 0, true);
	stranger_become(&old, d, 1, 0, 1);
	stranger_connect(&late, d, 0);
	stranger_hello(&late, &d->all[1].keys, 0);
	stranger_finish(&late);
	stranger_greet(&late, 1, 2);
	stranger_send(&late, "here", 4);
	devices_until(d, has_message, &d->all[0]);
	assert_int_equal(d->all[0].ups, 2);
	assert_int_equal(d->all[0].connected, 1);
	assert_int_equal(d->all[0].reason, -ECONNABORTED);
	assert_int_equal(d->all[0].clones, 0);
	stranger_close(&old);
	stranger_close(&late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(stranger_can_be_a_member, setup, teardown),
	    cmocka_unit_test_setup_teardown(replayed_message_1_does_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(cut_within_a_message, setup, teardown),
	    cmocka_unit_test_setup_teardown(changed_bytes_end_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(greeting_too_short_or_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(who_does_not_read_is_dropped, setup, teardown),
	    cmocka_unit_test_setup_teardown(who_says_nothing_is_dead, setup, teardown),
	    cmocka_unit_test_setup_teardown(goodbye_is_not_waited_for_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(clones_are_named, setup, teardown),
	    cmocka_unit_test_setup_teardown(pretender_gets_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(silent_address_is_given_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(lower_key_wins, setup, teardown),
	    cmocka_unit_test_setup_teardown(higher_key_is_let_in_when_the_other_fails, setup, teardown),
	    cmocka_unit_test_setup_teardown(held_who_does_not_wait_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_loser_raises_a_doubt, setup, teardown),
	    cmocka_unit_test_setup_teardown(newest_dial_of_a_life_wins, setup, teardown),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
