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
#include "tests/sim/memory.h"

#define WALL_MS UINT64_C(1760000000000)

enum { EPOCH = 5, STEPS_MAX = 100 };

static const struct uuid me = {.bytes = {1}}, honest = {.bytes = {2}}, forger = {.bytes = {3}},
			 library = {.bytes = {9}};

struct solo {
	struct memory *replica;
	struct core *core;
	struct core_now now;
	unsigned events[32];
	struct uuid named; /* by the last event about rules */
	struct uuid closed;
	struct buf sent; /* the last message */
	struct uuid sent_to;
	struct range_request asked; /* the last request for a range, with its number */
	uint32_t request;
	enum message_error said; /* the last error that was sent */
};

/* --- the driver --- */

static void note_sent(struct solo *s, const struct effect *e)
{
	_cleanup_(message_release) struct message m = {.kind = 0};

	assert_int_equal(message_decode(e->bytes.data, e->bytes.len, &m), 0);
	if (m.kind == MESSAGE_RANGE_REQUEST) {
		s->asked = m.range_request.range;
		s->request = m.range_request.request;
	}
	if (m.kind == MESSAGE_ERROR || m.kind == MESSAGE_GOODBYE)
		s->said = m.error.code;
	buf_clear(&s->sent);
	buf_append(&s->sent, e->bytes.data, e->bytes.len);
	s->sent_to = e->peer;
}

static void carry_out(struct solo *s, struct effect *e)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;
	struct applied applied = {.held_hlc = 0};
	struct range range = {.since = 0};
	int r;

	switch (e->kind) {
	case EFFECT_SEND:
		note_sent(s, e);
		break;
	case EFFECT_EVENT:
		s->events[e->event]++;
		if (e->event == CORE_EVENT_PEER_RULES)
			s->named = e->peer;
		break;
	case EFFECT_CLOSE:
		s->closed = e->peer;
		break;
	case EFFECT_APPLY:
		r = memory_ops.apply(s->replica, &e->range, s->now.wall_ms, &applied);
		core_applied(s->core, s->now, e->token, r, &applied);
		break;
	case EFFECT_READ:
		r = memory_ops.read(s->replica, &e->request, &range, &body);
		range.body = body.data;
		range.body_len = body.len;
		core_read_done(s->core, s->now, e->token, r, &range);
		break;
	case EFFECT_CUT:
		r = memory_ops.cut(s->replica, &e->stream, e->upto);
		memory_ops.vector(s->replica, &own);
		core_cut_done(s->core, s->now, e->token, r, &own);
		break;
	case EFFECT_NEW_EPOCH:
		core_epoch_done(s->core, s->now, e->token, -EPERM, NULL, 0); /* the anchor says otherwise */
		break;
	default:
		break;
	}
}

static void settle(struct solo *s)
{
	struct effect e;

	for (unsigned i = 0; core_next(s->core, &e) == 0; i++) {
		assert_true(i < STEPS_MAX);
		carry_out(s, &e);
		effect_release(&e);
	}
}

static void give(struct solo *s, const struct uuid *from, const struct message *m)
{
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;

	assert_int_equal(message_encode(m, &bytes), 0);
	core_message(s->core, s->now, from, bytes.data, bytes.len);
	settle(s);
}

static struct message hello_of(const struct uuid *peer, struct vector *vector)
{
	return (struct message){.kind = MESSAGE_HELLO,
				.hello = {.version_min = 1,
					  .version_max = 1,
					  .library = library,
					  .instance = *peer,
					  .wall_ms = WALL_MS,
					  .epoch = EPOCH,
					  .vector = vector ? *vector : VECTOR_INIT}};
}

static void connect_peer(struct solo *s, const struct uuid *peer)
{
	struct message m = hello_of(peer, NULL);

	core_peer_up(s->core, s->now, peer);
	settle(s);
	give(s, peer, &m);
}

static int setup(void **state)
{
	struct uuid members[] = {me, honest, forger};
	struct core_opts opts = {.self = me, .library = library, .instance = {.bytes = {1}}};
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;
	struct solo *s = calloc(1, sizeof(*s));

	s->now = (struct core_now){.mono_ms = 1000, .wall_ms = WALL_MS};
	s->replica = memory_new(&me, EPOCH, WALL_MS << 16);
	memory_ops.vector(s->replica, &own);
	if (core_new(&opts, &own, EPOCH, s->now, &s->core) < 0)
		return -1;
	core_members(s->core, s->now, members, 3, NULL, 0);
	settle(s);
	connect_peer(s, &honest);
	connect_peer(s, &forger);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct solo *s = *state;

	core_free(s->core);
	memory_free(s->replica);
	buf_release(&s->sent);
	free(s);
	return 0;
}

/* --- what peers send --- */

static struct stream_id stream_of(const struct uuid *device, uint8_t kind)
{
	return (struct stream_id){.origin = {.device = *device, .epoch = EPOCH}, .kind = kind};
}

static void append_tag(struct buf *body, uint64_t hlc, uint8_t number)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf record = BUF_INIT;
	struct uuid tag = {.bytes = {number}};
	struct change *change;

	assert_int_equal(change_set_add(&set, MODEL_TAG, &tag, NULL, &change), 0);
	change_put_number(change, COLLECTION_LIVE, 1);
	assert_int_equal(change_set_encode(&set, hlc, &record), 0);
	record_append(body, record.data, record.len);
}

static struct message range_of(const struct stream_id *id, uint64_t since, uint64_t upto, const struct buf *body)
{
	return (struct message){.kind = MESSAGE_RANGE,
				.range = {.range = {.stream = *id,
						    .started = WALL_MS << 16,
						    .since = since,
						    .upto = upto,
						    .head = upto,
						    .body = body->data,
						    .body_len = body->len}}};
}

static uint64_t position(const struct solo *s, const struct uuid *device, uint8_t kind)
{
	struct stream_id id = stream_of(device, kind);
	const struct stream *mine = vector_find(core_vector(s->core), &id);

	return mine ? mine->position : 0;
}

static void push_tag(struct solo *s, const struct uuid *from, uint64_t hlc)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = stream_of(from, STREAM_LOG);
	struct message m;

	append_tag(&body, hlc, 1);
	m = range_of(&id, 0, 1, &body);
	give(s, from, &m);
}

static void assert_banned(struct solo *s)
{
	size_t records = s->replica->record_count;

	assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 1);
	assert_memory_equal(&s->named, &forger, sizeof(forger));
	assert_memory_equal(&s->closed, &forger, sizeof(forger));
	assert_int_equal(s->said, MESSAGE_ERROR_RULES);
	/* Nothing more from it, the other one goes on. */
	push_tag(s, &forger, (WALL_MS + 50) << 16);
	assert_int_equal(s->replica->record_count, records);
	push_tag(s, &honest, (WALL_MS + 60) << 16);
	assert_int_equal(position(s, &honest, STREAM_LOG), 1);
}

/* --- logs --- */

static void an_honest_change_is_taken(void **state)
{
	struct solo *s = *state;

	push_tag(s, &honest, WALL_MS << 16);
	assert_int_equal(position(s, &honest, STREAM_LOG), 1);
	assert_int_equal(s->replica->record_count, 1);
	push_tag(s, &honest, WALL_MS << 16); /* doubled */
	assert_int_equal(position(s, &honest, STREAM_LOG), 1);
}

static void garbage(void **state)
{
	struct solo *s = *state;

	core_message(s->core, s->now, &forger, "\xc1garbage", 8);
	settle(s);
	assert_banned(s);
}

static void a_hole_is_asked_for(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = stream_of(&honest, STREAM_LOG);
	struct message m;

	append_tag(&body, WALL_MS << 16, 1);
	m = range_of(&id, 6, 7, &body);
	give(s, &honest, &m);
	assert_int_equal(position(s, &honest, STREAM_LOG), 0);
	assert_int_equal(s->replica->record_count, 0);
	assert_true(s->request != 0 && s->asked.since == 0);
}

static void fewer_records_than_said(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = stream_of(&forger, STREAM_LOG);
	struct message m;

	append_tag(&body, WALL_MS << 16, 1);
	m = range_of(&id, 0, 2, &body);
	give(s, &forger, &m);
	assert_int_equal(s->replica->record_count, 0);
	assert_banned(s);
}

static void stamps_that_fall(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = stream_of(&forger, STREAM_LOG);
	struct message m;

	append_tag(&body, WALL_MS << 16, 1);
	append_tag(&body, WALL_MS << 16, 2);
	m = range_of(&id, 0, 2, &body);
	give(s, &forger, &m);
	assert_int_equal(s->replica->record_count, 0);
	assert_banned(s);
}

static void a_record_that_is_none(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = stream_of(&forger, STREAM_LOG);
	struct message m;

	record_append(&body, "nonsense", 8);
	m = range_of(&id, 0, 1, &body);
	give(s, &forger, &m);
	assert_banned(s);
}

static void another_running_hash(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = stream_of(&honest, STREAM_LOG);
	struct message m;

	push_tag(s, &honest, WALL_MS << 16);
	append_tag(&body, (WALL_MS + 1) << 16, 2);
	m = range_of(&id, 1, 2, &body);
	memset(m.range.range.hash, 7, HASH_LEN);
	give(s, &forger, &m); /* it passes on another history of the honest one */
	assert_int_equal(position(s, &honest, STREAM_LOG), 1);
	assert_int_equal(s->replica->record_count, 1);
	assert_int_equal(s->events[CORE_EVENT_FORKED], 1);
}

static void stamps_of_2040_are_held(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = stream_of(&honest, STREAM_LOG);
	struct message m;

	append_tag(&body, WALL_MS << 16, 1);
	append_tag(&body, UINT64_C(2208988800000) << 16, 2);
	m = range_of(&id, 0, 2, &body);
	give(s, &honest, &m);
	assert_int_equal(position(s, &honest, STREAM_LOG), 1);
	assert_int_equal(s->replica->record_count, 1);
	assert_int_equal(s->events[CORE_EVENT_HELD], 1);
	assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 0);
	assert_true(core_vector(s->core)->clock <= (WALL_MS + 1) << 16);
	push_tag(s, &forger, (WALL_MS + 5) << 16); /* other streams go on */
	assert_int_equal(position(s, &forger, STREAM_LOG), 1);
}

static void somebody_else_has_more_of_mine(void **state)
{
	struct solo *s = *state;
	struct vector claims = VECTOR_INIT;
	struct stream log = {
	    .id = stream_of(&me, STREAM_LOG), .started = WALL_MS << 16, .position = 9, .hlc = WALL_MS << 16};
	struct message m = {.kind = MESSAGE_HEARTBEAT, .heartbeat = {.wall_ms = WALL_MS, .epoch = EPOCH}};

	memset(log.hash, 1, HASH_LEN);
	assert_int_equal(vector_set(&claims, &log), 0);
	m.heartbeat.vector = claims;
	give(s, &forger, &m); /* the driver does not believe it */
	vector_release(&claims);
	assert_int_equal(s->events[CORE_EVENT_REWOUND], 1);
	assert_banned(s);
}

/* --- state --- */

static void push_row(struct solo *s, const struct uuid *from, const struct uuid *owner, struct row *row, uint64_t upto,
		     bool listed)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	_cleanup_(row_writer_release) struct row_writer w;
	struct stream_id id = stream_of(owner, (uint8_t)row->model->kind);
	struct vector claims = VECTOR_INIT;
	struct stream its = {.id = id, .started = WALL_MS << 16, .position = upto, .head = upto};
	struct message beat = {.kind = MESSAGE_HEARTBEAT,
			       .heartbeat = {.wall_ms = WALL_MS, .epoch = EPOCH, .partial = true}};
	struct message m;

	/* It says that it has something, is asked, and answers. */
	s->request = 0;
	assert_int_equal(vector_set(&claims, &its), 0);
	beat.heartbeat.vector = claims;
	give(s, from, &beat);
	vector_release(&claims);
	assert_true(s->request != 0 && stream_id_cmp(&s->asked.stream, &id) == 0);
	row_writer_init(&w, row->model);
	assert_int_equal(row_writer_add(&w, row), 0);
	assert_int_equal(row_writer_finish(&w, &body), 0);
	m = range_of(&id, s->asked.since, upto, &body);
	m.range.request = s->request;
	m.range.range.listing = listed;
	give(s, from, &m);
}

static struct row location_row(uint64_t prefix, uint64_t version)
{
	struct row row = {.model = model_find(MODEL_LOCATION), .key = {prefix, 0}, .version = version};

	row.values[LOCATION_NAME] = (struct value){.bytes = (const uint8_t *)"here", .len = 4};
	row.values[LOCATION_PATH] = (struct value){.bytes = (const uint8_t *)"/x", .len = 2};
	row.values[LOCATION_EXCLUDE] = (struct value){.bytes = (const uint8_t *)"", .len = 0};
	return row;
}

static void rows_of_its_own_are_taken(void **state)
{
	struct solo *s = *state;
	struct row row = location_row(77, 3);

	push_row(s, &honest, &honest, &row, 3, true);
	assert_int_equal(position(s, &honest, MODEL_LOCATION), 3);
	assert_int_equal(memory_table(s->replica, &honest, MODEL_LOCATION, true)->count, 1);
}

static void rows_of_another_owner(void **state)
{
	struct solo *s = *state;
	struct row row = location_row(77, 3);

	push_row(s, &honest, &honest, &row, 3, true);
	push_row(s, &forger, &forger, &row, 3, true);
	assert_int_equal(memory_table(s->replica, &forger, MODEL_LOCATION, true)->count, 0);
	assert_banned(s);
}

static void a_row_above_its_range(void **state)
{
	struct solo *s = *state;
	struct row row = location_row(77, 4);

	push_row(s, &forger, &forger, &row, 3, true);
	assert_int_equal(memory_table(s->replica, &forger, MODEL_LOCATION, true)->count, 0);
	assert_banned(s);
}

static void an_answer_to_another_question(void **state)
{
	struct solo *s = *state;
	struct row row = location_row(77, 3);

	push_row(s, &forger, &forger, &row, 3, false); /* the list was asked for */
	assert_banned(s);
}

static void what_was_not_asked_does_nothing(void **state)
{
	struct solo *s = *state;
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = stream_of(&forger, STREAM_LOG);
	struct message m;

	append_tag(&body, WALL_MS << 16, 1);
	m = range_of(&id, 0, 1, &body);
	m.range.request = 4711;
	give(s, &forger, &m);
	assert_int_equal(s->replica->record_count, 0);
	assert_int_equal(s->events[CORE_EVENT_PEER_RULES], 0);
}

/* --- Hello --- */

static void clocks_that_differ(void **state)
{
	struct solo *s = *state;
	struct message m = hello_of(&forger, NULL);

	m.hello.wall_ms = WALL_MS + HLC_AHEAD_MAX_MS + 1;
	give(s, &forger, &m);
	assert_int_equal(s->events[CORE_EVENT_PEER_CLOCK], 1);
	push_tag(s, &forger, WALL_MS << 16);
	assert_int_equal(s->replica->record_count, 0);
	m.hello.wall_ms = WALL_MS;
	give(s, &forger, &m);
	assert_int_equal(s->events[CORE_EVENT_PEER_CLOCK_OK], 1);
	push_tag(s, &forger, WALL_MS << 16);
	assert_int_equal(s->replica->record_count, 1);
}

/* Until the next heartbeat nobody can say who is right. */
static void a_clock_set_back_is_no_repair(void **state)
{
	struct solo *s = *state;
	struct message beat = {.kind = MESSAGE_HEARTBEAT,
			       .heartbeat = {.wall_ms = WALL_MS, .epoch = EPOCH, .partial = true}};

	push_tag(s, &honest, WALL_MS << 16);
	s->now.wall_ms -= 60 * 60 * 1000;
	s->now.mono_ms++;
	assert_int_equal(core_tick(s->core, s->now), 0);
	settle(s);
	assert_int_equal(s->events[CORE_EVENT_CLOCK_REPAIR], 0);
	give(s, &honest, &beat);
	assert_int_equal(s->events[CORE_EVENT_PEER_CLOCK], 1);
	assert_int_equal(s->events[CORE_EVENT_CLOCK_REPAIR], 0);
	s->now.wall_ms = WALL_MS;
	assert_int_equal(core_tick(s->core, s->now), 0);
	give(s, &honest, &beat);
	assert_int_equal(s->events[CORE_EVENT_PEER_CLOCK_OK], 1);
}

static void another_library(void **state)
{
	struct solo *s = *state;
	struct message m = hello_of(&forger, NULL);

	m.hello.library.bytes[0] = 8;
	give(s, &forger, &m);
	assert_int_equal(s->said, MESSAGE_ERROR_LIBRARY);
	assert_memory_equal(&s->closed, &forger, sizeof(forger));
}

static void another_version(void **state)
{
	struct solo *s = *state;
	struct message m = hello_of(&forger, NULL);

	m.hello.version_min = m.hello.version_max = MESSAGE_VERSION + 1;
	give(s, &forger, &m);
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
	struct message first = hello_of(&forger, NULL), second = hello_of(&forger, NULL);

	second.hello.instance.bytes[5] = 1;
	give(s, &forger, &second); /* restarted */
	assert_int_equal(s->events[CORE_EVENT_PEER_CLONE], 0);
	give(s, &forger, &first); /* and the one before is still there */
	assert_int_equal(s->events[CORE_EVENT_PEER_CLONE], 1);
	assert_int_equal(s->said, MESSAGE_ERROR_CLONE);

	/* Neither is let in for a while; then one is, as the other may be gone. */
	core_peer_up(s->core, s->now, &forger);
	settle(s);
	give(s, &forger, &second);
	assert_false(is_online(s, &forger));
	s->now.mono_ms += CORE_BAN_MS;
	s->now.wall_ms += CORE_BAN_MS;
	core_peer_up(s->core, s->now, &forger);
	first.hello.wall_ms += CORE_BAN_MS;
	give(s, &forger, &first);
	assert_true(is_online(s, &forger));
	assert_int_equal(s->events[CORE_EVENT_PEER_CLONE], 1);
}

static void silence_is_absence(void **state)
{
	struct solo *s = *state;

	s->now.mono_ms += CORE_SILENCE_MS;
	core_tick(s->core, s->now);
	settle(s);
	assert_int_equal(s->events[CORE_EVENT_PEER_OFFLINE], 2);
}

static void what_is_not_taken_stays_out(void **state)
{
	struct solo *s = *state;
	struct vector claims = VECTOR_INIT;
	struct stream its = {.id = stream_of(&honest, MODEL_ENTRY), .started = WALL_MS << 16, .position = 3, .head = 3};
	struct message beat = {.kind = MESSAGE_HEARTBEAT, .heartbeat = {.wall_ms = WALL_MS, .epoch = EPOCH}};

	assert_int_equal(core_take(s->core, s->now, &honest, MODEL_ENTRY, false), 0);
	assert_int_equal(vector_set(&claims, &its), 0);
	beat.heartbeat.vector = claims;
	give(s, &honest, &beat);
	assert_int_equal(s->request, 0);
	assert_int_equal(core_state(s->core), CORE_READY);
	assert_int_equal(core_take(s->core, s->now, &honest, MODEL_ENTRY, true), 0);
	settle(s);
	assert_true(s->request != 0);
	vector_release(&claims);
}

static void goodbye_is_believed(void **state)
{
	struct solo *s = *state;
	struct message m = {.kind = MESSAGE_GOODBYE,
			    .error = {.code = MESSAGE_ERROR_REMOVED, .text = "", .text_len = 0}};

	give(s, &honest, &m);
	assert_int_equal(s->events[CORE_EVENT_PEER_REFUSED], 1);
	assert_int_equal(s->events[CORE_EVENT_PEER_OFFLINE], 1);
	assert_memory_equal(&s->closed, &honest, sizeof(honest));
	push_tag(s, &honest, WALL_MS << 16);
	assert_int_equal(s->replica->record_count, 0);
}

static void stopping_says_goodbye(void **state)
{
	struct solo *s = *state;

	assert_int_equal(core_stop(s->core, s->now), 0);
	settle(s);
	assert_int_equal(s->sent.data[1], MESSAGE_GOODBYE);
	assert_int_equal(s->events[CORE_EVENT_PEER_OFFLINE], 2);
}

static void a_pause_is_a_pause(void **state)
{
	struct solo *s = *state;

	assert_int_equal(core_pause(s->core, s->now, true), 0);
	assert_int_equal(core_state(s->core), CORE_PAUSED);
	push_tag(s, &honest, WALL_MS << 16);
	assert_int_equal(s->replica->record_count, 0);
	assert_int_equal(core_pause(s->core, s->now, false), 0);
	push_tag(s, &honest, WALL_MS << 16);
	assert_int_equal(s->replica->record_count, 1);
	assert_int_equal(core_state(s->core), CORE_READY);
}

static void a_member_that_is_removed_is_sent_away(void **state)
{
	struct solo *s = *state;
	struct uuid members[] = {me, honest};

	assert_int_equal(core_members(s->core, s->now, members, 2, NULL, 0), 0);
	settle(s);
	assert_memory_equal(&s->closed, &forger, sizeof(forger));
	assert_int_equal(s->said, MESSAGE_ERROR_REMOVED);
}

static void commit_tag(struct solo *s)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;
	struct uuid tag = {.bytes = {(uint8_t)s->replica->record_count}};
	struct change *change;

	assert_int_equal(change_set_add(&set, MODEL_TAG, &tag, NULL, &change), 0);
	change_put_number(change, COLLECTION_LIVE, 1);
	memory_commit(s->replica, &set, s->now.wall_ms);
	memory_ops.vector(s->replica, &own);
	core_reload(s->core, s->now, &own, EPOCH);
	settle(s);
}

/* At once when nothing is on its way, then together; a peer that says nothing gets no more, and nothing is kept for it.
 */
static void pushes_coalesce(void **state)
{
	struct solo *s = *state;
	unsigned ranges = 0;

	for (unsigned i = 0; i < 1000; i++) {
		s->now.mono_ms++;
		buf_clear(&s->sent);
		commit_tag(s);
		ranges += s->sent.len > 0 && s->sent.data[1] == MESSAGE_RANGE;
	}
	assert_in_range(ranges, 2, CORE_PUSHES_MAX + 1);
	s->now.mono_ms += CORE_COALESCE_MS;
	buf_clear(&s->sent);
	assert_int_equal(core_tick(s->core, s->now), 0);
	settle(s);
	assert_true(s->sent.len > 0 && s->sent.data[1] == MESSAGE_HEARTBEAT); /* they hear how far it is, and pull */
}

/* Nobody needs to know any more who has what of a stream that is no more; and it does not come back from others. */
static void acknowledgements_of_replaced_epochs_go(void **state)
{
	struct solo *s = *state;
	_cleanup_(vector_release) struct vector own = VECTOR_INIT, its = VECTOR_INIT;
	struct stream old = {.id = stream_of(&honest, MODEL_LOCATION), .started = WALL_MS << 16, .position = 5, .head = 5};
	struct stream later = old;
	struct message m = hello_of(&honest, NULL);

	assert_int_equal(vector_set(&its, &old), 0);
	m.hello.vector = its;
	give(s, &honest, &m);
	assert_true(acks_position(core_acks(s->core), &honest, &old.id) == 5);

	later.id.origin.epoch++;
	later.started++;
	memory_ops.vector(s->replica, &own);
	assert_int_equal(vector_set(&own, &later), 0);
	core_reload(s->core, s->now, &own, EPOCH);
	settle(s);
	assert_true(acks_position(core_acks(s->core), &honest, &old.id) == 0);
	give(s, &honest, &m);
	assert_true(acks_position(core_acks(s->core), &honest, &old.id) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
	    TEST(stopping_says_goodbye),
	    TEST(a_pause_is_a_pause),
	    TEST(a_member_that_is_removed_is_sent_away),
	    TEST(pushes_coalesce),
	    TEST(what_is_not_taken_stays_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
