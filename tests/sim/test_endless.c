/* What a peer could do for ever: each message is sound, and all of them together are not. */
#include "tests/sim/solo.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/err.h"
#include "sync/limits.h"
#include "tests/lib/test.h"

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

/* The floor is there with the first piece: it does not tell whether all went. */
static void a_cut_in_pieces(void **state)
{
	struct solo *s = *state;
	struct uuid members[] = {me};

	s->cuts = 3;
	solo_commit_tag(s);
	assert_int_equal(s->cuts, 3); /* the others lack it */
	assert_int_equal(core_members(s->core, s->now, members, 1, NULL, 0), 0);
	solo_settle(s);
	assert_int_equal(s->cuts, 0);
	assert_int_equal(s->cut_upto, 1);
}

/* What the forger says that it has; the request that this brings is answered with `row`. */
static void answer_row(struct solo *s, struct row *row, uint64_t head)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	_cleanup_(row_writer_release) struct row_writer w;
	struct message m;

	row_writer_init(&w, row->model);
	assert_int_equal(row_writer_add(&w, row), 0);
	assert_int_equal(row_writer_finish(&w, &body), 0);
	m = solo_range(&s->asked.stream, s->asked.since, row->version, &body);
	m.range.request = s->request;
	m.range.range.listing = s->asked.listing;
	m.range.range.head = head;
	s->request = 0;
	solo_give(s, &forger, &m);
}

static void claim(struct solo *s, const struct uuid *from, const struct stream *its)
{
	struct vector claims = VECTOR_INIT;
	struct message beat = {.kind = MESSAGE_HEARTBEAT,
			       .heartbeat = {.wall_ms = s->now.wall_ms, .epoch = EPOCH, .partial = true}};

	assert_int_equal(vector_set(&claims, its), 0);
	beat.heartbeat.vector = claims;
	solo_give(s, from, &beat);
	vector_release(&claims);
}

/* Each piece is sound and further on, and the head is always ahead of it. */
static void a_head_that_runs_away(void **state)
{
	struct solo *s = *state;
	struct row row = solo_location(77, 1);
	struct stream its = {
	    .id = solo_stream(&forger, MODEL_LOCATION), .started = WALL_MS << 16, .position = 10, .head = 10};
	unsigned pieces = 0;

	claim(s, &forger, &its);
	while (s->request != 0 && s->events[CORE_EVENT_PEER_RULES] == 0) {
		assert_true(++pieces <= PIECES_MAX);
		answer_row(s, &row, row.version + 10);
		row.version++;
	}
	assert_int_equal(pieces, PIECES_MAX);
	assert_banned(s);
}

static struct row folder(void)
{
	struct row row = {.model = model_find(MODEL_ENTRY), .key = {77, 0}, .version = 1};

	for (unsigned i = 0; i < row.model->field_count; i++)
		row.values[i] = (struct value){.bytes = (const uint8_t *)""};
	row.values[ENTRY_MODE].number = S_IFDIR | 0755;
	return row;
}

static struct stream first_of(uint8_t kind)
{
	return (struct stream){.id = solo_stream(&forger, kind), .started = WALL_MS << 16, .position = 1, .head = 1};
}

/* It says what it has and its list of entries ends with orphans, so many times. How often it was asked. */
static unsigned give_orphans(struct solo *s, unsigned times)
{
	struct stream its = first_of(MODEL_ENTRY);
	struct row row = folder();
	unsigned asked = 0;

	s->apply_fails = -ERR_ORPHANS;
	for (unsigned i = 0; i < times; i++) {
		claim(s, &forger, &its);
		solo_pass(s, 6000);
		if (s->request == 0 || s->asked.stream.kind != MODEL_ENTRY)
			continue;
		asked++;
		answer_row(s, &row, 1);
	}
	s->apply_fails = 0;
	return asked;
}

static void orphans_for_a_while(void **state)
{
	struct solo *s = *state;
	struct row row = folder();

	assert_int_equal(give_orphans(s, 3), 3);
	solo_pass(s, 6000);
	assert_true(s->request != 0);
	answer_row(s, &row, row.version);
	assert_int_equal(solo_position(s, &forger, MODEL_ENTRY), row.version);
	assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 0);
}

/* That they are those of a location that is no more is still to be heard. */
static void orphans_before_their_location(void **state)
{
	struct solo *s = *state;
	struct stream locations = first_of(MODEL_LOCATION);

	claim(s, &forger, &locations); /* asked for, and on its way */
	assert_int_equal(s->asked.stream.kind, MODEL_LOCATION);
	assert_in_range(give_orphans(s, 8), 6, 8);
	assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 0);
}

static void orphans_for_ever(void **state)
{
	struct solo *s = *state;

	assert_int_equal(give_orphans(s, 4), 4);
	assert_banned(s);
}

/* A long stream is no crime, and is not counted together with the next one. */
static void a_long_stream_ends(void **state)
{
	struct solo *s = *state;
	struct row row = solo_location(77, 1);
	struct stream its = {
	    .id = solo_stream(&forger, MODEL_LOCATION), .started = WALL_MS << 16, .position = 10, .head = 10};

	for (unsigned round = 0; round < 2; round++) {
		claim(s, &forger, &its);
		for (unsigned i = 0; i < PIECES_MAX - 1; i++) {
			assert_true(s->request != 0);
			answer_row(s, &row, row.version + 10);
			row.version++;
		}
		answer_row(s, &row, row.version);
		assert_int_equal(solo_position(s, &forger, MODEL_LOCATION), row.version++);
		its.position = its.head = row.version + 10;
	}
	assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 0);
}

static void a_snapshot_that_goes_on(void **state)
{
	struct solo *s = *state;
	_cleanup_(vector_release) struct vector covers = VECTOR_INIT;
	struct stream its = {.id = solo_stream(&forger, STREAM_LOG),
			     .started = WALL_MS << 16,
			     .position = 10,
			     .floor = 10,
			     .hlc = WALL_MS << 16};
	unsigned pieces = 0;

	memset(its.hash, 1, HASH_LEN);
	claim(s, &forger, &its);
	while (solo_last(s, &forger, MESSAGE_SNAPSHOT_REQUEST) && s->events[CORE_EVENT_PEER_RULES] == 0) {
		uint64_t cursor = ++pieces;
		struct message m = {
		    .kind = MESSAGE_SNAPSHOT,
		    .snapshot = {.request = solo_last(s, &forger, MESSAGE_SNAPSHOT_REQUEST)->snapshot_request.request,
				 .cursor = (const uint8_t *)&cursor,
				 .cursor_len = sizeof(cursor),
				 .covers = covers}};

		assert_true(pieces <= PIECES_MAX);
		solo_forget(s);
		solo_give(s, &forger, &m);
	}
	assert_int_equal(pieces, PIECES_MAX);
	assert_banned(s);
}

static void lives_without_end(void **state)
{
	struct solo *s = *state;
	struct stream its = {.id = solo_stream(&forger, STREAM_LOG), .position = 1, .hlc = WALL_MS << 16, .hash = {1}};

	for (unsigned i = 0; i < LIVES_MAX; i++) {
		its.id.origin.epoch = 100 + i;
		its.started = (WALL_MS + i) << 16;
		claim(s, &forger, &its);
		assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 0);
	}
	its.id.origin.epoch++;
	claim(s, &forger, &its);
	assert_banned(s);
}

/* Who passes on what another one makes up is not to blame; it is not taken. */
static void lives_of_another_one(void **state)
{
	struct solo *s = *state;
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;
	struct stream its = {.id = solo_stream(&forger, STREAM_LOG), .position = 1, .hlc = WALL_MS << 16, .hash = {1}};

	memory_ops.vector(s->replica, &own);
	for (unsigned i = 0; i < LIVES_MAX; i++) {
		its.id.origin.epoch = 100 + i;
		its.started = (WALL_MS + i) << 16;
		assert_int_equal(vector_set(&own, &its), 0);
	}
	core_reload(s->core, s->now, &own, EPOCH);
	solo_settle(s);
	s->request = 0;
	its.id.origin.epoch++;
	claim(s, &honest, &its);
	assert_int_equal(s->request, 0);
	assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, solo_setup, solo_teardown)

/* Who has had so many is told at home, before anybody refuses it. */
static void lives_of_this_one(void **state)
{
	struct solo *s = *state;
	struct stream_id id = {.origin = {.device = me}, .kind = STREAM_LOG};
	struct stream life;

	for (unsigned i = 2; i < LIVES_MAX; i++) {
		id.origin.epoch = 100 + i;
		life = stream_none(&id, i);
		assert_int_equal(vector_set(&s->replica->streams, &life), 0);
	}
	solo_reload(s);
	assert_int_equal(s->events[CORE_EVENT_LIVES], 0);
	id.origin.epoch++;
	life = stream_none(&id, LIVES_MAX);
	assert_int_equal(vector_set(&s->replica->streams, &life), 0);
	solo_reload(s);
	solo_reload(s);
	assert_int_equal(s->events[CORE_EVENT_LIVES], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_cut_in_pieces),	   TEST(a_head_that_runs_away), TEST(a_long_stream_ends),
	    TEST(orphans_for_a_while),	   TEST(orphans_for_ever),	TEST(orphans_before_their_location),
	    TEST(a_snapshot_that_goes_on), TEST(lives_without_end),	TEST(lives_of_another_one),
	    TEST(lives_of_this_one),
	};

	return cmocka_run_group_tests_name("endless", tests, NULL, NULL);
}
