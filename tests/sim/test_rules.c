/* One device with the real core over a replica in memory, and peers that are made up here: what they send is by hand,
 * honest or not. Nothing that breaks a rule reaches the tables, the event names the peer, the others go on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/core.h"
#include "sync/record.h"
#include "tests/lib/test.h"
#include "tests/sim/solo.h"

static void assert_banned(struct solo *s)
{
	size_t records = s->replica->record_count;

	assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 1);
	assert_memory_equal(&s->named, &forger, sizeof(forger));
	assert_memory_equal(&s->closed, &forger, sizeof(forger));
	assert_int_equal(s->said, MESSAGE_ERROR_RULES);
	/* Nothing more from it, the other one goes on. */
	solo_push_tag(s, &forger, (WALL_MS + 50) << 16);
	assert_int_equal(s->replica->record_count, records);
	solo_push_tag(s, &honest, (WALL_MS + 60) << 16);
	assert_int_equal(solo_position(s, &honest, STREAM_LOG), 1);
}

/* --- logs --- */

static void an_honest_change_is_taken(void **state)
{
	struct solo *s = *state;

	solo_push_tag(s, &honest, WALL_MS << 16);
	assert_int_equal(solo_position(s, &honest, STREAM_LOG), 1);
	assert_int_equal(s->replica->record_count, 1);
	solo_push_tag(s, &honest, WALL_MS << 16); /* doubled */
	assert_int_equal(solo_position(s, &honest, STREAM_LOG), 1);
}

static void garbage(void **state)
{
	struct solo *s = *state;

	core_message(s->core, s->now, &forger, "\xc1garbage", 8);
	solo_settle(s);
	assert_banned(s);
}

static void a_hole_is_asked_for(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = solo_stream(&honest, STREAM_LOG);
	struct message m;

	solo_append_tag(&body, WALL_MS << 16, 1);
	m = solo_range(&id, 6, 7, &body);
	solo_give(s, &honest, &m);
	assert_int_equal(solo_position(s, &honest, STREAM_LOG), 0);
	assert_int_equal(s->replica->record_count, 0);
	assert_true(s->request != 0 && s->asked.since == 0);
}

static void fewer_records_than_said(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = solo_stream(&forger, STREAM_LOG);
	struct message m;

	solo_append_tag(&body, WALL_MS << 16, 1);
	m = solo_range(&id, 0, 2, &body);
	solo_give(s, &forger, &m);
	assert_int_equal(s->replica->record_count, 0);
	assert_banned(s);
}

static void stamps_that_fall(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = solo_stream(&forger, STREAM_LOG);
	struct message m;

	solo_append_tag(&body, WALL_MS << 16, 1);
	solo_append_tag(&body, WALL_MS << 16, 2);
	m = solo_range(&id, 0, 2, &body);
	solo_give(s, &forger, &m);
	assert_int_equal(s->replica->record_count, 0);
	assert_banned(s);
}

static void a_record_that_is_none(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = solo_stream(&forger, STREAM_LOG);
	struct message m;

	record_append(&body, "nonsense", 8);
	m = solo_range(&id, 0, 1, &body);
	solo_give(s, &forger, &m);
	assert_banned(s);
}

static void another_running_hash(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = solo_stream(&honest, STREAM_LOG);
	struct message m;

	solo_push_tag(s, &honest, WALL_MS << 16);
	solo_append_tag(&body, (WALL_MS + 1) << 16, 2);
	m = solo_range(&id, 1, 2, &body);
	memset(m.range.range.hash, 7, HASH_LEN);
	solo_give(s, &forger, &m); /* it passes on another history of the honest one */
	assert_int_equal(solo_position(s, &honest, STREAM_LOG), 1);
	assert_int_equal(s->replica->record_count, 1);
	assert_int_equal(s->events[CORE_EVENT_FORKED], 1);
}

static void stamps_of_2040_are_held(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = solo_stream(&honest, STREAM_LOG);
	struct message m;

	solo_append_tag(&body, WALL_MS << 16, 1);
	solo_append_tag(&body, UINT64_C(2208988800000) << 16, 2);
	m = solo_range(&id, 0, 2, &body);
	solo_give(s, &honest, &m);
	assert_int_equal(solo_position(s, &honest, STREAM_LOG), 1);
	assert_int_equal(s->replica->record_count, 1);
	assert_int_equal(s->events[CORE_EVENT_HELD], 1);
	assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 0);
	assert_true(core_vector(s->core)->clock <= (WALL_MS + 1) << 16);
	solo_push_tag(s, &forger, (WALL_MS + 5) << 16); /* other streams go on */
	assert_int_equal(solo_position(s, &forger, STREAM_LOG), 1);
}

static void somebody_else_has_more_of_mine(void **state)
{
	struct solo *s = *state;
	struct vector claims = VECTOR_INIT;
	struct stream log = {
	    .id = solo_stream(&me, STREAM_LOG), .started = WALL_MS << 16, .position = 9, .hlc = WALL_MS << 16};
	struct message m = {.kind = MESSAGE_HEARTBEAT, .heartbeat = {.wall_ms = WALL_MS, .epoch = EPOCH}};

	memset(log.hash, 1, HASH_LEN);
	assert_int_equal(vector_set(&claims, &log), 0);
	m.heartbeat.vector = claims;
	solo_give(s, &forger, &m); /* the driver does not believe it */
	vector_release(&claims);
	assert_int_equal(s->events[CORE_EVENT_REWOUND], 1);
	assert_banned(s);
}

/* --- state --- */

static void rows_of_its_own_are_taken(void **state)
{
	struct solo *s = *state;
	struct row row = solo_location(77, 3);

	solo_push_row(s, &honest, &honest, &row, 3, true);
	assert_int_equal(solo_position(s, &honest, MODEL_LOCATION), 3);
	assert_int_equal(memory_table(s->replica, &honest, MODEL_LOCATION, true)->count, 1);
}

static void rows_of_another_owner(void **state)
{
	struct solo *s = *state;
	struct row row = solo_location(77, 3);

	solo_push_row(s, &honest, &honest, &row, 3, true);
	solo_push_row(s, &forger, &forger, &row, 3, true);
	assert_int_equal(memory_table(s->replica, &forger, MODEL_LOCATION, true)->count, 0);
	assert_banned(s);
}

static void a_row_above_its_range(void **state)
{
	struct solo *s = *state;
	struct row row = solo_location(77, 4);

	solo_push_row(s, &forger, &forger, &row, 3, true);
	assert_int_equal(memory_table(s->replica, &forger, MODEL_LOCATION, true)->count, 0);
	assert_banned(s);
}

static void an_answer_to_another_question(void **state)
{
	struct solo *s = *state;
	struct row row = solo_location(77, 3);

	solo_push_row(s, &forger, &forger, &row, 3, false); /* the list was asked for */
	assert_banned(s);
}

static void what_was_not_asked_does_nothing(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = solo_stream(&forger, STREAM_LOG);
	struct message m;

	solo_append_tag(&body, WALL_MS << 16, 1);
	m = solo_range(&id, 0, 1, &body);
	m.range.request = 4711;
	solo_give(s, &forger, &m);
	assert_int_equal(s->replica->record_count, 0);
	assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 0);
}

/* --- Hello --- */

static void clocks_that_differ(void **state)
{
	struct solo *s = *state;
	struct message m = solo_hello(&forger, NULL);

	m.hello.wall_ms = WALL_MS + HLC_AHEAD_MAX_MS + 1;
	solo_give(s, &forger, &m);
	assert_int_equal(s->events[CORE_EVENT_PEER_CLOCK], 1);
	solo_push_tag(s, &forger, WALL_MS << 16);
	assert_int_equal(s->replica->record_count, 0);
	m.hello.wall_ms = WALL_MS;
	solo_give(s, &forger, &m);
	assert_int_equal(s->events[CORE_EVENT_PEER_CLOCK_OK], 1);
	solo_push_tag(s, &forger, WALL_MS << 16);
	assert_int_equal(s->replica->record_count, 1);
}

/* Until the next heartbeat nobody can say who is right. */
static void a_clock_set_back_is_no_repair(void **state)
{
	struct solo *s = *state;
	struct message beat = {.kind = MESSAGE_HEARTBEAT,
			       .heartbeat = {.wall_ms = WALL_MS, .epoch = EPOCH, .partial = true}};

	solo_push_tag(s, &honest, WALL_MS << 16);
	s->now.wall_ms -= 60 * 60 * 1000;
	s->now.mono_ms++;
	assert_int_equal(core_tick(s->core, s->now), 0);
	solo_settle(s);
	assert_int_equal(s->events[CORE_EVENT_CLOCK_REPAIR], 0);
	solo_give(s, &honest, &beat);
	assert_int_equal(s->events[CORE_EVENT_PEER_CLOCK], 1);
	assert_int_equal(s->events[CORE_EVENT_CLOCK_REPAIR], 0);
	s->now.wall_ms = WALL_MS;
	assert_int_equal(core_tick(s->core, s->now), 0);
	solo_give(s, &honest, &beat);
	assert_int_equal(s->events[CORE_EVENT_PEER_CLOCK_OK], 1);
}

static void another_library(void **state)
{
	struct solo *s = *state;
	struct message m = solo_hello(&forger, NULL);

	m.hello.library.bytes[0] = 8;
	solo_give(s, &forger, &m);
	assert_int_equal(s->said, MESSAGE_ERROR_LIBRARY);
	assert_memory_equal(&s->closed, &forger, sizeof(forger));
}

static void another_version(void **state)
{
	struct solo *s = *state;
	struct message m = solo_hello(&forger, NULL);

	m.hello.version_min = m.hello.version_max = MESSAGE_VERSION + 1;
	solo_give(s, &forger, &m);
	assert_int_equal(s->said, MESSAGE_ERROR_VERSION);
	assert_int_equal(s->events[CORE_EVENT_PEER_VERSION], 1);
}

static bool is_online(const struct solo *s, const struct uuid *device)
{
	struct core_peer peer;

	for (size_t i = 0; core_peer_at(s->core, i, &peer); i++)
		if (uuid_cmp(&peer.device, device) == 0)
			return peer.online;
	return false;
}

static void two_with_one_key(void **state)
{
	struct solo *s = *state;
	struct message first = solo_hello(&forger, NULL), second = solo_hello(&forger, NULL);

	second.hello.instance.bytes[5] = 1;
	solo_give(s, &forger, &second); /* restarted */
	assert_int_equal(s->events[CORE_EVENT_PEER_CLONE], 0);
	solo_give(s, &forger, &first); /* and the one before is still there */
	assert_int_equal(s->events[CORE_EVENT_PEER_CLONE], 1);
	assert_int_equal(s->said, MESSAGE_ERROR_CLONE);

	/* Neither is let in for a while; then one is, as the other may be gone. */
	core_peer_up(s->core, s->now, &forger);
	solo_settle(s);
	solo_give(s, &forger, &second);
	assert_false(is_online(s, &forger));
	s->now.mono_ms += CORE_BAN_MS;
	s->now.wall_ms += CORE_BAN_MS;
	core_peer_up(s->core, s->now, &forger);
	first.hello.wall_ms += CORE_BAN_MS;
	solo_give(s, &forger, &first);
	assert_true(is_online(s, &forger));
	assert_int_equal(s->events[CORE_EVENT_PEER_CLONE], 1);
}

static void silence_is_absence(void **state)
{
	struct solo *s = *state;

	s->now.mono_ms += CORE_SILENCE_MS;
	core_tick(s->core, s->now);
	solo_settle(s);
	assert_int_equal(s->events[CORE_EVENT_PEER_OFFLINE], 2);
}

static void what_is_not_taken_stays_out(void **state)
{
	struct solo *s = *state;
	struct vector claims = VECTOR_INIT;
	struct stream its = {
	    .id = solo_stream(&honest, MODEL_ENTRY), .started = WALL_MS << 16, .position = 3, .head = 3};
	struct message beat = {.kind = MESSAGE_HEARTBEAT, .heartbeat = {.wall_ms = WALL_MS, .epoch = EPOCH}};

	assert_int_equal(core_take(s->core, s->now, &honest, MODEL_ENTRY, false), 0);
	assert_int_equal(vector_set(&claims, &its), 0);
	beat.heartbeat.vector = claims;
	solo_give(s, &honest, &beat);
	assert_int_equal(s->request, 0);
	assert_int_equal(core_state(s->core), CORE_READY);
	assert_int_equal(core_take(s->core, s->now, &honest, MODEL_ENTRY, true), 0);
	solo_settle(s);
	assert_true(s->request != 0);
	vector_release(&claims);
}

static void goodbye_is_believed(void **state)
{
	struct solo *s = *state;
	struct message m = {.kind = MESSAGE_GOODBYE,
			    .error = {.code = MESSAGE_ERROR_REMOVED, .text = "", .text_len = 0}};

	solo_give(s, &honest, &m);
	assert_int_equal(s->events[CORE_EVENT_PEER_REFUSED], 1);
	assert_int_equal(s->events[CORE_EVENT_PEER_OFFLINE], 1);
	assert_memory_equal(&s->closed, &honest, sizeof(honest));
	solo_push_tag(s, &honest, WALL_MS << 16);
	assert_int_equal(s->replica->record_count, 0);
}

static void a_pause_is_a_pause(void **state)
{
	struct solo *s = *state;

	assert_int_equal(core_pause(s->core, s->now, true), 0);
	assert_int_equal(core_state(s->core), CORE_PAUSED);
	solo_push_tag(s, &honest, WALL_MS << 16);
	assert_int_equal(s->replica->record_count, 0);
	assert_int_equal(core_pause(s->core, s->now, false), 0);
	solo_push_tag(s, &honest, WALL_MS << 16);
	assert_int_equal(s->replica->record_count, 1);
	assert_int_equal(core_state(s->core), CORE_READY);
}

static void a_member_that_is_removed_is_sent_away(void **state)
{
	struct solo *s = *state;
	struct uuid members[] = {me, honest};

	assert_int_equal(core_members(s->core, s->now, members, 2, NULL, 0), 0);
	solo_settle(s);
	assert_memory_equal(&s->closed, &forger, sizeof(forger));
	assert_int_equal(s->said, MESSAGE_ERROR_REMOVED);
}

/* At once when nothing is on its way, then together; a peer that says nothing gets no more, and nothing is kept for it.
 */
static void pushes_coalesce(void **state)
{
	struct solo *s = *state;
	unsigned ranges = 0;

	for (unsigned i = 0; i < 1000; i++) {
		s->now.mono_ms++;
		solo_commit_tag(s);
		ranges += solo_count(s, &honest, MESSAGE_RANGE);
		solo_forget(s);
	}
	assert_in_range(ranges, 2, CORE_PUSHES_MAX);
	s->now.mono_ms += CORE_COALESCE_MS;
	assert_int_equal(core_tick(s->core, s->now), 0);
	solo_settle(s);
	assert_int_equal(solo_count(s, NULL, MESSAGE_HEARTBEAT), 2); /* they hear how far it is, and pull */
}

/* Nobody needs to know any more who has what of a stream that is no more; and it does not come back from others. */
static void acknowledgements_of_replaced_epochs_go(void **state)
{
	struct solo *s = *state;
	_cleanup_(vector_release) struct vector own = VECTOR_INIT, its = VECTOR_INIT;
	struct stream old = {
	    .id = solo_stream(&honest, MODEL_LOCATION), .started = WALL_MS << 16, .position = 5, .head = 5};
	struct stream later = old;
	struct message m = solo_hello(&honest, NULL);

	assert_int_equal(vector_set(&its, &old), 0);
	m.hello.vector = its;
	solo_give(s, &honest, &m);
	assert_true(acks_position(core_acks(s->core), &honest, &old.id) == 5);

	later.id.origin.epoch++;
	later.started++;
	memory_ops.vector(s->replica, &own);
	assert_int_equal(vector_set(&own, &later), 0);
	core_reload(s->core, s->now, &own, EPOCH);
	solo_settle(s);
	assert_true(acks_position(core_acks(s->core), &honest, &old.id) == 0);
	solo_give(s, &honest, &m);
	assert_true(acks_position(core_acks(s->core), &honest, &old.id) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, solo_setup, solo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_honest_change_is_taken),
	    TEST(garbage),
	    TEST(a_hole_is_asked_for),
	    TEST(fewer_records_than_said),
	    TEST(stamps_that_fall),
	    TEST(a_record_that_is_none),
	    TEST(another_running_hash),
	    TEST(stamps_of_2040_are_held),
	    TEST(somebody_else_has_more_of_mine),
	    TEST(rows_of_its_own_are_taken),
	    TEST(rows_of_another_owner),
	    TEST(a_row_above_its_range),
	    TEST(an_answer_to_another_question),
	    TEST(what_was_not_asked_does_nothing),
	    TEST(clocks_that_differ),
	    TEST(a_clock_set_back_is_no_repair),
	    TEST(another_library),
	    TEST(another_version),
	    TEST(two_with_one_key),
	    TEST(acknowledgements_of_replaced_epochs_go),
	    TEST(silence_is_absence),
	    TEST(goodbye_is_believed),
	    TEST(a_pause_is_a_pause),
	    TEST(a_member_that_is_removed_is_sent_away),
	    TEST(pushes_coalesce),
	    TEST(what_is_not_taken_stays_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
