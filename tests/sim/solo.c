#include "tests/sim/solo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/record.h"
#include "tests/lib/test.h"

enum { STEPS_MAX = 100 };

const struct uuid me = {.bytes = {1}}, honest = {.bytes = {2}}, forger = {.bytes = {3}}, third = {.bytes = {4}},
		  library = {.bytes = {9}};

/* --- the driver --- */

static void note_sent(struct solo *s, const struct effect *e)
{
	struct sent *sent;

	s->sent = mem_grow(s->sent, s->sent_count, &s->sent_capacity, sizeof(*s->sent));
	sent = &s->sent[s->sent_count++];
	*sent = (struct sent){.to = e->peer};
	buf_append(&sent->bytes, e->bytes.data, e->bytes.len);
	assert_int_equal(message_decode(sent->bytes.data, sent->bytes.len, &sent->message), 0);
	if (sent->message.kind == MESSAGE_RANGE_REQUEST) {
		s->asked = sent->message.range_request.range;
		s->request = sent->message.range_request.request;
	}
	if (sent->message.kind == MESSAGE_ERROR || sent->message.kind == MESSAGE_GOODBYE)
		s->said = sent->message.error.code;
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
	case EFFECT_STATE:
		assert_true(s->state_count < SOLO_STATES);
		s->states[s->state_count++] = e->state;
		break;
	case EFFECT_CLOSE:
		s->closed = e->peer;
		break;
	case EFFECT_APPLY:
		r = s->apply_fails < 0 ? s->apply_fails
				       : memory_ops.apply(s->replica, &e->range, s->now.wall_ms, &applied);
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
		s->cut_upto = e->upto;
		if (s->cuts > 0)
			r = --s->cuts > 0;
		memory_ops.vector(s->replica, &own);
		core_cut_done(s->core, s->now, e->token, r, &own);
		break;
	case EFFECT_SNAPSHOT_MERGE:
		r = memory_ops.snapshot_merge(s->replica, e->bytes.data, e->bytes.len, e->last ? &e->covers : NULL,
					      s->now.wall_ms);
		memory_ops.vector(s->replica, &own);
		core_snapshot_merged(s->core, s->now, e->token, r, &own);
		break;
	case EFFECT_NEW_EPOCH:
		core_epoch_done(s->core, s->now, e->token, -EPERM, NULL, 0); /* the anchor says otherwise */
		break;
	default:
		break;
	}
}

void solo_settle(struct solo *s)
{
	struct effect e;

	for (unsigned i = 0; core_next(s->core, &e) == 0; i++) {
		assert_true(i < STEPS_MAX);
		carry_out(s, &e);
		effect_release(&e);
	}
}

void solo_pass(struct solo *s, uint64_t ms)
{
	s->now.mono_ms += ms;
	s->now.wall_ms += ms;
	assert_int_equal(core_tick(s->core, s->now), 0);
	solo_settle(s);
}

void solo_reload(struct solo *s)
{
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;

	memory_ops.vector(s->replica, &own);
	assert_int_equal(core_reload(s->core, s->now, &own, EPOCH), 0);
	solo_settle(s);
}

void solo_give(struct solo *s, const struct uuid *from, const struct message *m)
{
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;

	assert_int_equal(message_encode(m, &bytes), 0);
	core_message(s->core, s->now, from, bytes.data, bytes.len);
	solo_settle(s);
}

struct message solo_hello(const struct uuid *peer, struct vector *vector)
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

void solo_connect(struct solo *s, const struct uuid *peer, struct vector *vector)
{
	struct message m = solo_hello(peer, vector);

	m.hello.wall_ms = s->now.wall_ms;
	core_peer_up(s->core, s->now, peer);
	solo_settle(s);
	solo_give(s, peer, &m);
}

struct solo *solo_new(uint64_t log_records_max)
{
	struct uuid members[] = {me, honest, forger, third};
	struct core_opts opts = {
	    .self = me, .library = library, .instance = {.bytes = {1}}, .log_records_max = log_records_max};
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;
	struct solo *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->now = (struct core_now){.mono_ms = 1000, .wall_ms = WALL_MS};
	s->replica = memory_new(&me, EPOCH, WALL_MS << 16);
	memory_ops.vector(s->replica, &own);
	assert_int_equal(core_new(&opts, &own, EPOCH, s->now, &s->core), 0);
	core_members(s->core, s->now, members, sizeof(members) / sizeof(members[0]), NULL, 0);
	solo_settle(s);
	solo_connect(s, &honest, NULL);
	solo_connect(s, &forger, NULL);
	return s;
}

int solo_setup(void **state)
{
	*state = solo_new(0);
	return 0;
}

int solo_teardown(void **state)
{
	struct solo *s = *state;

	core_free(s->core);
	memory_free(s->replica);
	solo_forget(s);
	free(s->sent);
	free(s);
	return 0;
}

/* --- what peers send --- */

struct stream_id solo_stream(const struct uuid *device, uint8_t kind)
{
	return (struct stream_id){.origin = {.device = *device, .epoch = EPOCH}, .kind = kind};
}

void solo_append_tag(struct buf *body, uint64_t hlc, uint8_t number)
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

struct message solo_range(const struct stream_id *id, uint64_t since, uint64_t upto, const struct buf *body)
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

uint64_t solo_position(const struct solo *s, const struct uuid *device, uint8_t kind)
{
	struct stream_id id = solo_stream(device, kind);
	const struct stream *mine = vector_find(core_vector(s->core), &id);

	return mine ? mine->position : 0;
}

void solo_push_tag(struct solo *s, const struct uuid *from, uint64_t hlc)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream_id id = solo_stream(from, STREAM_LOG);
	struct message m;

	solo_append_tag(&body, hlc, 1);
	m = solo_range(&id, 0, 1, &body);
	solo_give(s, from, &m);
}

void solo_push_row(struct solo *s, const struct uuid *from, const struct uuid *owner, struct row *row, uint64_t upto,
		   bool listed)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	_cleanup_(row_writer_release) struct row_writer w;
	struct stream_id id = solo_stream(owner, (uint8_t)row->model->kind);
	struct vector claims = VECTOR_INIT;
	struct stream its = {.id = id, .started = WALL_MS << 16, .position = upto, .head = upto};
	struct message beat = {.kind = MESSAGE_HEARTBEAT,
			       .heartbeat = {.wall_ms = WALL_MS, .epoch = EPOCH, .partial = true}};
	struct message m;

	s->request = 0;
	assert_int_equal(vector_set(&claims, &its), 0);
	beat.heartbeat.vector = claims;
	solo_give(s, from, &beat);
	vector_release(&claims);
	assert_true(s->request != 0 && stream_id_cmp(&s->asked.stream, &id) == 0);
	row_writer_init(&w, row->model);
	assert_int_equal(row_writer_add(&w, row), 0);
	assert_int_equal(row_writer_finish(&w, &body), 0);
	m = solo_range(&id, s->asked.since, upto, &body);
	m.range.request = s->request;
	m.range.range.listing = listed;
	solo_give(s, from, &m);
}

struct row solo_location(uint64_t prefix, uint64_t version)
{
	struct row row = {.model = model_find(MODEL_LOCATION), .key = {prefix, 0}, .version = version};

	row.values[LOCATION_NAME] = (struct value){.bytes = (const uint8_t *)"here", .len = 4};
	row.values[LOCATION_PATH] = (struct value){.bytes = (const uint8_t *)"/x", .len = 2};
	row.values[LOCATION_EXCLUDE] = (struct value){.bytes = (const uint8_t *)"", .len = 0};
	return row;
}

void solo_commit_tag(struct solo *s)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct uuid tag = {.bytes = {(uint8_t)s->replica->record_count}};
	struct change *change;

	assert_int_equal(change_set_add(&set, MODEL_TAG, &tag, NULL, &change), 0);
	change_put_number(change, COLLECTION_LIVE, 1);
	memory_commit(s->replica, &set, s->now.wall_ms);
	solo_reload(s);
}

/* --- what was sent --- */

void solo_forget(struct solo *s)
{
	for (size_t i = 0; i < s->sent_count; i++) {
		message_release(&s->sent[i].message);
		buf_release(&s->sent[i].bytes);
	}
	s->sent_count = 0;
	s->request = 0;
}

static bool is_it(const struct sent *sent, const struct uuid *to, enum message_kind kind)
{
	return sent->message.kind == kind && (!to || uuid_cmp(&sent->to, to) == 0);
}

unsigned solo_count(const struct solo *s, const struct uuid *to, enum message_kind kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->sent_count; i++)
		n += is_it(&s->sent[i], to, kind);
	return n;
}

const struct message *solo_last(const struct solo *s, const struct uuid *to, enum message_kind kind)
{
	for (size_t i = s->sent_count; i > 0; i--)
		if (is_it(&s->sent[i - 1], to, kind))
			return &s->sent[i - 1].message;
	return NULL;
}
