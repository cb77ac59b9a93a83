/* How one device deals with peers that keep the rules: whom it asks for what, what it tells them and when, what it
 * holds back, and in which state it says that it is. */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/core.h"
#include "sync/record.h"
#include "tests/lib/test.h"
#include "tests/sim/solo.h"

enum { BEHIND = 5, FAR = 9, SMALL_LOG = 10 };

/* --- what peers say --- */

static struct stream at(const struct uuid *owner, uint8_t kind, uint64_t position)
{
	return (struct stream){.id = solo_stream(owner, kind),
			       .started = WALL_MS << 16,
			       .position = position,
			       .hlc = kind == STREAM_LOG ? WALL_MS << 16 : 0,
			       .head = position};
}

static struct message beat_of(const struct solo *s, struct vector *claims)
{
	return (struct message){
	    .kind = MESSAGE_HEARTBEAT,
	    .heartbeat = {.wall_ms = s->now.wall_ms, .epoch = EPOCH, .partial = true, .vector = *claims}};
}

/* `peer` says that it holds so much of a stream. */
static void claim(struct solo *s, const struct uuid *peer, struct stream its)
{
	_cleanup_(vector_release) struct vector claims = VECTOR_INIT;
	struct message m;

	assert_int_equal(vector_set(&claims, &its), 0);
	m = beat_of(s, &claims);
	solo_give(s, peer, &m);
}

static void append_location(struct buf *body, uint64_t version)
{
	_cleanup_(row_writer_release) struct row_writer w;
	struct row row = solo_location(version, version);

	row_writer_init(&w, row.model);
	assert_int_equal(row_writer_add(&w, &row), 0);
	assert_int_equal(row_writer_finish(&w, body), 0);
}

static void answer(struct solo *s, const struct uuid *peer, uint32_t request, const struct range_request *asked,
		   uint64_t upto, uint64_t head)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct message m;

	for (uint64_t i = asked->since; asked->stream.kind == STREAM_LOG && i < upto; i++)
		solo_append_tag(&body, (WALL_MS << 16) + i, (uint8_t)(i + 1));
	if (asked->stream.kind != STREAM_LOG)
		append_location(&body, upto);
	m = solo_range(&asked->stream, asked->since, upto, &body);
	m.range.request = request;
	m.range.range.head = head;
	m.range.range.listing = asked->listing;
	memcpy(m.range.range.hash, asked->hash, HASH_LEN);
	solo_give(s, peer, &m);
}

static void answer_all(struct solo *s, const struct uuid *peer, uint64_t head)
{
	struct range_request asked = s->asked;

	answer(s, peer, s->request, &asked, head, head);
}

static const struct stream *mine(const struct solo *s, const struct uuid *owner, uint8_t kind)
{
	struct stream_id id = solo_stream(owner, kind);

	return vector_find(core_vector(s->core), &id);
}

static void fill(struct solo *s, const struct uuid *owner, uint8_t kind)
{
	struct row row = solo_location(77, 3);

	if (kind == STREAM_LOG)
		solo_push_tag(s, owner, WALL_MS << 16);
	else
		solo_push_row(s, owner, owner, &row, 3, true);
	solo_forget(s);
}

/* --- who is asked --- */

struct candidate {
	const struct uuid *device;
	uint64_t position;
	uint32_t load, trip_ms;
};

struct choice {
	const char *what;
	bool owner_away; /* the honest one owns it */
	struct candidate candidates[3];
	const struct uuid *asked;
};

static const struct choice choices[] = {
    {"the owner, whoever else is ahead", false, {{&honest, BEHIND, 90, 100}, {&forger, FAR, 0, 0}}, &honest},
    {"the one farther ahead", true, {{&forger, BEHIND, 0, 1}, {&third, FAR, 90, 100}}, &third},
    {"the one farther ahead, the first", true, {{&forger, FAR, 90, 100}, {&third, BEHIND, 0, 1}}, &forger},
    {"the one with less to do", true, {{&forger, FAR, 50, 10}, {&third, FAR, 0, 10}}, &third},
    {"the one with less to do, the first", true, {{&forger, FAR, 0, 10}, {&third, FAR, 50, 10}}, &forger},
    {"the nearer one", true, {{&forger, FAR, 10, 200}, {&third, FAR, 10, 20}}, &third},
    {"round trip and load together", true, {{&forger, FAR, 0, 100}, {&third, FAR, 60, 10}}, &third},
};

/* All is known before anybody is asked: a pause keeps it from asking the first that says something. */
static void choose(struct solo *s, const struct choice *c, uint8_t kind)
{
	solo_connect(s, &third, NULL);
	if (c->owner_away)
		core_peer_down(s->core, s->now, &honest);
	core_pause(s->core, s->now, true);
	for (size_t i = 0; i < 3 && c->candidates[i].device; i++) {
		const struct candidate *candidate = &c->candidates[i];
		_cleanup_(vector_release) struct vector claims = VECTOR_INIT;
		struct stream its = at(&honest, kind, candidate->position);
		struct message m;

		assert_int_equal(vector_set(&claims, &its), 0);
		m = beat_of(s, &claims);
		m.heartbeat.load = candidate->load;
		m.heartbeat.echo = s->now.mono_ms - candidate->trip_ms;
		solo_give(s, candidate->device, &m);
	}
	solo_forget(s);
	core_pause(s->core, s->now, false);
	solo_settle(s);
}

static void the_best_one_is_asked(void **state)
{
	static const uint8_t kinds[] = {STREAM_LOG, MODEL_ENTRY};

	for (size_t i = 0; i < 2 * sizeof(choices) / sizeof(choices[0]); i++) {
		const struct choice *c = &choices[i / 2];
		struct solo *s = solo_new(0);

		choose(s, c, kinds[i % 2]);
		if (solo_count(s, NULL, MESSAGE_RANGE_REQUEST) != 1 ||
		    solo_count(s, c->asked, MESSAGE_RANGE_REQUEST) != 1)
			fail_msg("%s, kind %u", c->what, kinds[i % 2]);
		solo_teardown((void **)&s);
	}
}

/* What it pushes itself need not be sent by another. */
static void an_owner_that_is_here_is_given_a_moment(void **state)
{
	struct solo *s = *state;

	solo_forget(s);
	claim(s, &forger, at(&honest, STREAM_LOG, 1));
	solo_pass(s, CORE_GRACE_MS - 1);
	assert_int_equal(solo_count(s, NULL, MESSAGE_RANGE_REQUEST), 0);
	solo_push_tag(s, &honest, WALL_MS << 16);
	solo_pass(s, CORE_GRACE_MS);
	assert_int_equal(solo_count(s, NULL, MESSAGE_RANGE_REQUEST), 0);
	claim(s, &forger, at(&honest, STREAM_LOG, 2));
	solo_pass(s, CORE_GRACE_MS - 1);
	assert_int_equal(solo_count(s, NULL, MESSAGE_RANGE_REQUEST), 0);
	solo_pass(s, 1);
	assert_int_equal(solo_count(s, &forger, MESSAGE_RANGE_REQUEST), 1);
}

static void another_goes_on_for_one_that_goes(void **state)
{
	struct solo *s = *state;
	const struct uuid *const order[] = {&honest, &third, &forger};

	solo_connect(s, &third, NULL);
	claim(s, &honest, at(&honest, STREAM_LOG, BEHIND));
	claim(s, &third, at(&honest, STREAM_LOG, BEHIND));
	claim(s, &forger, at(&honest, STREAM_LOG, BEHIND - 1));
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(solo_count(s, NULL, MESSAGE_RANGE_REQUEST), 1);
		assert_int_equal(solo_count(s, order[i], MESSAGE_RANGE_REQUEST), 1);
		solo_forget(s);
		core_peer_down(s->core, s->now, order[i]);
		solo_settle(s);
	}
}

static void a_reconnect_goes_on_where_it_was(void **state)
{
	static const uint8_t kinds[] = {STREAM_LOG, MODEL_LOCATION};

	for (size_t i = 0; i < sizeof(kinds); i++) {
		struct solo *s = solo_new(0);
		_cleanup_(vector_release) struct vector its = VECTOR_INIT;
		struct stream stream;

		fill(s, &honest, kinds[i]);
		stream = *mine(s, &honest, kinds[i]);
		assert_true(stream.position > 0);
		core_peer_down(s->core, s->now, &honest);
		assert_int_equal(vector_set(&its, &stream), 0);
		solo_connect(s, &honest, &its);
		solo_pass(s, CORE_HEARTBEAT_MS - 1);
		assert_int_equal(solo_count(s, NULL, MESSAGE_RANGE_REQUEST), 0);
		assert_int_equal(solo_count(s, NULL, MESSAGE_SNAPSHOT_REQUEST), 0);

		core_peer_down(s->core, s->now, &honest);
		vector_release(&its);
		stream.position = stream.head = stream.position + 3;
		stream.hash[0] ^= 1;
		assert_int_equal(vector_set(&its, &stream), 0);
		solo_connect(s, &honest, &its);
		solo_pass(s, CORE_HEARTBEAT_MS - 1);
		assert_int_equal(solo_count(s, NULL, MESSAGE_RANGE_REQUEST), 1);
		assert_int_equal(solo_count(s, &honest, MESSAGE_RANGE_REQUEST), 1);
		assert_int_equal(stream_id_cmp(&s->asked.stream, &stream.id), 0);
		assert_int_equal(s->asked.since, stream.position - 3);
		assert_false(s->asked.listing);
		solo_teardown((void **)&s);
	}
}

/* Whom a snapshot could be had from: one that does not give it is not asked again at once, another one is. */
static void a_snapshot_is_had_from_another(void **state)
{
	struct solo *s = *state;
	struct stream log = at(&third, STREAM_LOG, BEHIND);
	struct message refusal = {.kind = MESSAGE_ERROR, .error = {.code = MESSAGE_ERROR_BUSY, .text = ""}};

	log.floor = BEHIND;
	memset(log.hash, 1, HASH_LEN);
	claim(s, &honest, log);
	claim(s, &forger, log);
	assert_int_equal(solo_count(s, NULL, MESSAGE_SNAPSHOT_REQUEST), 1);
	refusal.error.request = solo_last(s, &honest, MESSAGE_SNAPSHOT_REQUEST)->snapshot_request.request;
	solo_forget(s);
	solo_give(s, &honest, &refusal);
	assert_int_equal(solo_count(s, NULL, MESSAGE_SNAPSHOT_REQUEST), 1);
	assert_int_equal(solo_count(s, &forger, MESSAGE_SNAPSHOT_REQUEST), 1);
	core_peer_down(s->core, s->now, &forger);
	solo_settle(s);
	assert_int_equal(solo_count(s, NULL, MESSAGE_SNAPSHOT_REQUEST), 1);
	assert_true(core_wake_ms(s->core) <= s->now.mono_ms + CORE_HEARTBEAT_MS);
	solo_pass(s, CORE_HEARTBEAT_MS);
	assert_int_equal(solo_count(s, &honest, MESSAGE_SNAPSHOT_REQUEST), 1);
}

/* --- what is held back --- */

static int pause_all(struct solo *s, bool off)
{
	return core_pause(s->core, s->now, off);
}

static int disable_honest(struct solo *s, bool off)
{
	return core_enable_peer(s->core, s->now, &honest, !off);
}

static const struct {
	int (*set)(struct solo *s, bool off);
	bool all;
} switches[] = {{pause_all, true}, {disable_honest, false}};

static void ask_of_me(struct solo *s, const struct uuid *peer)
{
	struct message m = {.kind = MESSAGE_RANGE_REQUEST,
			    .range_request = {.request = 1,
					      .range = {.stream = solo_stream(&me, STREAM_LOG),
							.max_rows = RANGE_ROWS_PULL,
							.max_bytes = RANGE_BYTES_PULL}}};

	solo_give(s, peer, &m);
}

static void ask_for_all(struct solo *s, const struct uuid *peer)
{
	struct message m = {.kind = MESSAGE_SNAPSHOT_REQUEST, .snapshot_request = {.request = 2}};

	solo_give(s, peer, &m);
}

/* What is asked for is dropped, nothing is taken, served or pushed; only the heartbeats go on. */
static void switch_off(struct solo *s, size_t i)
{
	struct range_request asked;
	uint32_t request;

	claim(s, &honest, at(&honest, STREAM_LOG, BEHIND));
	asked = s->asked;
	request = s->request;
	assert_int_not_equal(request, 0);
	assert_int_equal(switches[i].set(s, true), 0);
	solo_settle(s);
	solo_forget(s);
	answer(s, &honest, request, &asked, BEHIND, BEHIND);
	solo_push_tag(s, &honest, WALL_MS << 16);
	assert_int_equal(solo_position(s, &honest, STREAM_LOG), 0);
	solo_commit_tag(s);
	ask_of_me(s, &honest);
	ask_of_me(s, &forger);
	ask_for_all(s, &honest);
	assert_int_equal(solo_count(s, &honest, MESSAGE_ERROR), 2);
	assert_int_equal(solo_last(s, &honest, MESSAGE_ERROR)->error.code, MESSAGE_ERROR_BUSY);
	solo_pass(s, CORE_HEARTBEAT_MS);
	assert_int_equal(solo_count(s, &honest, MESSAGE_RANGE), 0);
	assert_int_equal(solo_count(s, &forger, MESSAGE_RANGE), switches[i].all ? 0 : 2); /* pushed, and served */
	assert_int_equal(solo_count(s, NULL, MESSAGE_RANGE_REQUEST), 0);
	assert_int_equal(solo_count(s, &honest, MESSAGE_HEARTBEAT), 1);
}

static void what_is_switched_off_exchanges_nothing(void **state)
{
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		struct solo *s = solo_new(0);

		switch_off(s, i);
		solo_forget(s);
		assert_int_equal(switches[i].set(s, false), 0);
		solo_settle(s);
		assert_int_equal(solo_count(s, &honest, MESSAGE_RANGE_REQUEST), 1); /* at once */
		assert_int_equal(solo_count(s, &honest, MESSAGE_RANGE), 1);
		solo_teardown((void **)&s);
	}
}

/* --- what is told --- */

static void who_comes_is_told_once(void **state)
{
	struct solo *s = *state;
	struct message again = solo_hello(&honest, NULL);

	assert_int_equal(s->events[CORE_EVENT_PEER_ONLINE], 2);
	solo_give(s, &honest, &again); /* its members changed */
	assert_int_equal(s->events[CORE_EVENT_PEER_ONLINE], 2);
	core_peer_down(s->core, s->now, &honest);
	solo_connect(s, &honest, NULL);
	assert_int_equal(s->events[CORE_EVENT_PEER_ONLINE], 3);
	assert_int_equal(s->events[CORE_EVENT_PEER_OFFLINE], 1);
}

static unsigned full_heartbeats(const struct solo *s, const struct uuid *to)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->sent_count; i++)
		n += s->sent[i].message.kind == MESSAGE_HEARTBEAT && !s->sent[i].message.heartbeat.partial &&
		     uuid_cmp(&s->sent[i].to, to) == 0;
	return n;
}

static void assert_tells_all(const struct solo *s, const struct uuid *to)
{
	const struct message *m = solo_last(s, to, MESSAGE_HEARTBEAT);
	const struct vector *own = core_vector(s->core);

	assert_int_equal(full_heartbeats(s, to), 1);
	assert_int_equal(m->heartbeat.vector.count, own->count);
	for (size_t i = 0; i < own->count; i++) {
		const struct stream *told = vector_find(&m->heartbeat.vector, &own->items[i].id);

		assert_true(told && told->position == own->items[i].position);
	}
}

static void a_full_heartbeat_every_ten_seconds(void **state)
{
	struct solo *s = *state;
	const struct uuid *const peers[] = {&honest, &forger};

	core_set_load(s->core, 37);
	solo_commit_tag(s);
	fill(s, &honest, STREAM_LOG);
	fill(s, &honest, MODEL_LOCATION);
	for (unsigned round = 0; round < 3; round++) {
		solo_pass(s, CORE_HEARTBEAT_MS - 1000);
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(full_heartbeats(s, peers[i]), 0);
		solo_forget(s);
		assert_true(core_wake_ms(s->core) <= s->now.mono_ms + 1000);
		solo_pass(s, 1000);
		for (size_t i = 0; i < 2; i++) {
			assert_tells_all(s, peers[i]);
			assert_int_equal(solo_last(s, peers[i], MESSAGE_HEARTBEAT)->heartbeat.load, 37);
		}
		solo_forget(s);
		for (size_t i = 0; i < 2; i++)
			claim(s, peers[i], at(&me, STREAM_LOG, 1)); /* they are still there */
	}
}

static void put_location(struct solo *s)
{
	struct row row = solo_location(77, 0);

	memory_put_row(s->replica, &row);
	solo_reload(s);
}

/* The first change goes at once, what follows within the window together, as it is then. */
static void a_row_that_changes_twice_travels_once(void **state)
{
	struct solo *s = *state;
	struct row_reader reader;
	const struct range *pushed;
	struct row row;

	put_location(s);
	claim(s, &honest, *mine(s, &me, MODEL_LOCATION)); /* it has the list */
	solo_forget(s);
	put_location(s);
	assert_int_equal(solo_count(s, &honest, MESSAGE_RANGE), 1);
	solo_forget(s);
	put_location(s);
	put_location(s);
	solo_pass(s, CORE_COALESCE_MS - 1);
	assert_int_equal(solo_count(s, NULL, MESSAGE_RANGE), 0);
	solo_pass(s, 1);
	assert_int_equal(solo_count(s, NULL, MESSAGE_RANGE), 1);
	pushed = &solo_last(s, &honest, MESSAGE_RANGE)->range.range;
	assert_int_equal(pushed->upto, mine(s, &me, MODEL_LOCATION)->position);
	assert_int_equal(pushed->upto, pushed->since + 2);
	assert_int_equal(row_reader_init(&reader, model_find(MODEL_LOCATION), pushed->body, pushed->body_len), 0);
	assert_int_equal(row_reader_next(&reader, &row), 0);
	assert_int_equal(row.version, pushed->upto);
	assert_int_equal(row_reader_next(&reader, &row), 1);
}

/* --- positions that moved by themselves are told like others --- */

static void assert_told(struct solo *s, const struct uuid *owner, uint64_t position)
{
	const struct uuid *const peers[] = {&honest, &forger};
	struct stream_id id = solo_stream(owner, STREAM_LOG);

	solo_pass(s, CORE_COALESCE_MS);
	for (size_t i = 0; i < 2; i++) {
		const struct message *m = solo_last(s, peers[i], MESSAGE_HEARTBEAT);
		const struct stream *told = m ? vector_find(&m->heartbeat.vector, &id) : NULL;

		assert_non_null(told);
		assert_int_equal(told->position, position);
	}
}

static void what_a_snapshot_covers_is_told(void **state)
{
	struct solo *s = *state;
	struct stream log = at(&third, STREAM_LOG, BEHIND);
	struct message m = {.kind = MESSAGE_SNAPSHOT};
	const struct message *asked;

	log.floor = BEHIND;
	memset(log.hash, 1, HASH_LEN);
	claim(s, &honest, log); /* of which it has no records any more */
	asked = solo_last(s, &honest, MESSAGE_SNAPSHOT_REQUEST);
	assert_non_null(asked);
	m.snapshot.request = asked->snapshot_request.request;
	assert_int_equal(vector_set(&m.snapshot.covers, &log), 0);
	solo_pass(s, 1000);
	solo_forget(s);
	solo_give(s, &honest, &m);
	vector_release(&m.snapshot.covers);
	assert_int_equal(s->events[CORE_EVENT_SNAPSHOT], 1);
	assert_int_equal(solo_position(s, &third, STREAM_LOG), BEHIND);
	assert_told(s, &third, BEHIND);
}

/* The third one has this device's record, as the honest one says. */
static void acknowledge_mine(struct solo *s)
{
	struct message m = {.kind = MESSAGE_ACKS};
	struct ack ack = {.stream = solo_stream(&me, STREAM_LOG), .position = 1};
	const struct uuid *const members[] = {&honest, &forger, &third};

	for (size_t i = 0; i < 3; i++) {
		ack.member = *members[i];
		assert_int_equal(acks_note(&m.acks, &ack), 1);
	}
	solo_give(s, &honest, &m);
	acks_release(&m.acks);
}

/* The vector that comes with a cut may be further than what was reported. */
static void what_moved_with_a_cut_is_told(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = solo_stream(&third, STREAM_LOG);
	struct applied applied;
	struct message m;

	solo_commit_tag(s);
	solo_append_tag(&body, WALL_MS << 16, 2);
	m = solo_range(&id, 0, 1, &body);
	assert_int_equal(memory_ops.apply(s->replica, &m.range.range, s->now.wall_ms, &applied), 0);
	solo_pass(s, 1000);
	assert_int_equal(solo_position(s, &third, STREAM_LOG), 0);
	solo_forget(s);
	acknowledge_mine(s);
	assert_int_equal(mine(s, &me, STREAM_LOG)->floor, 1);
	assert_told(s, &third, 1);
}

/* --- logs --- */

/* Nobody acknowledges anything: past its size the log is cut where half of that is left, and a person is told. */
static void a_log_that_is_too_long_is_cut(void **state)
{
	struct solo *s = solo_new(SMALL_LOG);

	for (unsigned i = 0; i < SMALL_LOG; i++)
		solo_commit_tag(s);
	assert_int_equal(s->events[CORE_EVENT_LOG_CUT], 0);
	assert_int_equal(mine(s, &me, STREAM_LOG)->floor, 0);
	solo_commit_tag(s);
	assert_int_equal(s->events[CORE_EVENT_LOG_CUT], 1);
	assert_int_equal(mine(s, &me, STREAM_LOG)->position, SMALL_LOG + 1);
	assert_int_equal(mine(s, &me, STREAM_LOG)->floor, SMALL_LOG + 1 - SMALL_LOG / 2);
	solo_teardown((void **)&s);
}

/* --- states --- */

static void assert_states(const struct solo *s, unsigned count, const enum core_state *states)
{
	assert_int_equal(s->state_count, count);
	for (unsigned i = 0; i < count; i++)
		assert_string_equal(core_state_name(s->states[i]), core_state_name(states[i]));
}

#define ASSERT_STATES(s, ...)                                                                                          \
	do {                                                                                                           \
		const enum core_state states_[] = {__VA_ARGS__};                                                       \
		assert_states(s, sizeof(states_) / sizeof(states_[0]), states_);                                       \
	} while (0)

/* It holds something of others, and has been well for a while. */
static void settle_in(struct solo *s)
{
	fill(s, &forger, STREAM_LOG);
	solo_pass(s, CORE_STATE_LASTS_MS);
	ASSERT_STATES(s, CORE_BACKFILLING, CORE_READY);
	s->state_count = 0;
}

static void a_new_member_backfills(void **state)
{
	struct solo *s = *state;

	assert_int_equal(core_state(s->core), CORE_READY);
	claim(s, &honest, at(&honest, STREAM_LOG, BEHIND));
	assert_int_equal(core_state(s->core), CORE_BACKFILLING);
	ASSERT_STATES(s, CORE_BACKFILLING);
	answer_all(s, &honest, BEHIND);
	assert_int_equal(core_state(s->core), CORE_READY);
	solo_pass(s, CORE_STATE_LASTS_MS - 1);
	ASSERT_STATES(s, CORE_BACKFILLING);
	assert_true(core_wake_ms(s->core) <= s->now.mono_ms + 1);
	solo_pass(s, 1);
	ASSERT_STATES(s, CORE_BACKFILLING, CORE_READY);
}

static void a_list_that_comes_in_is_a_backfill(void **state)
{
	struct solo *s = *state;

	settle_in(s);
	claim(s, &honest, at(&honest, MODEL_LOCATION, BEHIND));
	assert_int_equal(core_state(s->core), CORE_CATCHING_UP); /* what it gets is not known yet */
	s->asked.listing = true;
	answer(s, &honest, s->request, &s->asked, 2, BEHIND);
	assert_int_equal(core_state(s->core), CORE_BACKFILLING);
	ASSERT_STATES(s, CORE_BACKFILLING);
	answer_all(s, &honest, BEHIND);
	assert_int_equal(core_state(s->core), CORE_READY);
	solo_pass(s, CORE_STATE_LASTS_MS);
	ASSERT_STATES(s, CORE_BACKFILLING, CORE_READY);
}

static void behind_in_a_log_it_catches_up(void **state)
{
	struct solo *s = *state;

	settle_in(s);
	claim(s, &honest, at(&honest, STREAM_LOG, BEHIND));
	assert_int_equal(core_state(s->core), CORE_CATCHING_UP);
	assert_int_equal(s->state_count, 0);
	solo_pass(s, CORE_STATE_LASTS_MS);
	ASSERT_STATES(s, CORE_CATCHING_UP);
	answer_all(s, &honest, BEHIND);
	assert_int_equal(core_state(s->core), CORE_READY);
	solo_pass(s, CORE_STATE_LASTS_MS);
	ASSERT_STATES(s, CORE_CATCHING_UP, CORE_READY);
}

/* Each change that comes is a moment of CatchingUp: nobody wants to read of it. */
static void blips_are_not_told(void **state)
{
	struct solo *s = *state;

	settle_in(s);
	for (uint64_t n = 1; n < 50; n++) {
		claim(s, &honest, at(&honest, STREAM_LOG, n));
		assert_int_equal(core_state(s->core), CORE_CATCHING_UP);
		solo_pass(s, CORE_STATE_LASTS_MS / 2);
		answer_all(s, &honest, n);
		assert_int_equal(core_state(s->core), CORE_READY);
		solo_pass(s, CORE_STATE_LASTS_MS / 2);
	}
	solo_pass(s, CORE_STATE_LASTS_MS);
	assert_int_equal(s->state_count, 0);
}

static void a_pause_is_told_at_once(void **state)
{
	struct solo *s = *state;

	solo_pass(s, CORE_STATE_LASTS_MS);
	assert_int_equal(core_pause(s->core, s->now, true), 0);
	solo_settle(s);
	ASSERT_STATES(s, CORE_READY, CORE_PAUSED);
	assert_int_equal(core_pause(s->core, s->now, false), 0);
	solo_pass(s, CORE_STATE_LASTS_MS);
	ASSERT_STATES(s, CORE_READY, CORE_PAUSED, CORE_READY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, solo_setup, solo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_best_one_is_asked),
	    TEST(an_owner_that_is_here_is_given_a_moment),
	    TEST(another_goes_on_for_one_that_goes),
	    cmocka_unit_test(a_reconnect_goes_on_where_it_was),
	    TEST(a_snapshot_is_had_from_another),
	    cmocka_unit_test(what_is_switched_off_exchanges_nothing),
	    TEST(who_comes_is_told_once),
	    TEST(a_full_heartbeat_every_ten_seconds),
	    TEST(a_row_that_changes_twice_travels_once),
	    TEST(what_a_snapshot_covers_is_told),
	    TEST(what_moved_with_a_cut_is_told),
	    cmocka_unit_test(a_log_that_is_too_long_is_cut),
	    TEST(a_new_member_backfills),
	    TEST(a_list_that_comes_in_is_a_backfill),
	    TEST(behind_in_a_log_it_catches_up),
	    TEST(blips_are_not_told),
	    TEST(a_pause_is_told_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
