/* New epochs of the replica in memory, and what is written again under them. */
#include "tests/sim/memory.h"

#include <string.h>

#include "base/cleanup.h"

static void begin_streams(struct memory *m, const struct origin *before, uint64_t started)
{
	struct stream log = {.id = mem_own_log(m), .started = started};

	MUST(vector_set(&m->streams, &log) == 0);
	for (size_t i = 0; model_at(i); i++) {
		struct stream_id old = {.origin = *before, .kind = (uint8_t)model_at(i)->kind};
		const struct stream *s = vector_find(&m->streams, &old);
		struct stream next;

		if (model_at(i)->owner != MODEL_OWNED || !s)
			continue;
		next = *s;
		next.id.origin.epoch = m->epoch;
		next.started = started;
		vector_remove(&m->streams, &old);
		MUST(vector_set(&m->streams, &next) == 0);
	}
}

/* What only this device has of the old log, written again. */
static uint64_t hlc_of(const struct mem_log *log, uint64_t at)
{
	struct cursor c = cursor_on(log->records[at].data, log->records[at].len);
	uint32_t two;
	uint64_t hlc;

	MUST(cursor_pack_array(&c, &two) == 0 && cursor_pack_uint(&c, &hlc) == 0);
	return hlc;
}

/* From where on: what carries a greater stamp than others have of it. */
static uint64_t rewrite_from(const struct mem_log *log, uint64_t floor, uint64_t position, const struct stream *keep)
{
	uint64_t at = floor;

	while (at < position && hlc_of(log, at - floor) <= keep->hlc)
		at++;
	return at;
}

static void rewrite(struct memory *m, const struct stream *keep, uint64_t now_ms)
{
	const struct stream_id *old = &keep->id;
	struct stream *s = vector_find(&m->streams, old);
	struct mem_log *log = mem_log(m, &old->origin, true);
	uint64_t floor = s->floor, position = s->position;
	uint64_t after = rewrite_from(log, floor, position, keep);

	for (uint64_t seq = after; seq < position; seq++) {
		_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
		uint64_t hlc;

		log = mem_log(m, &old->origin, true); /* moves when one is added */
		MUST(change_set_decode(log->records[seq - floor].data, log->records[seq - floor].len, &hlc, &set) == 0);
		mem_commit_again(m, &set, now_ms, hlc);
	}
	if (after >= position)
		return;
	log = mem_log(m, &old->origin, true);
	s = vector_find(&m->streams, old);
	mem_hash_at(log, floor, after, s->hash);
	s->position = after;
	s->hlc = 0;
	if (after > floor)
		s->hlc = hlc_of(log, after - floor - 1);
	else if (after > 0)
		s->hlc = 1; /* of a record that is cut: not known any more */
	while (log->count > after - floor)
		buf_release(&log->records[--log->count]);
}

static uint64_t next_epoch(uint64_t epoch)
{
	uint64_t x = epoch * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);

	return (x ^ x >> 29) & INT64_MAX;
}

static void rewrite_all(struct memory *m, const struct vector *keep, uint64_t now_ms)
{
	for (uint64_t started = 0;;) {
		const struct stream *next = NULL;

		/* The oldest epoch first. */
		for (size_t i = 0; i < keep->count; i++) {
			const struct stream *s = &keep->items[i];

			if (s->started > started && (!next || s->started < next->started) &&
			    vector_find(&m->streams, &s->id))
				next = s;
		}
		if (!next)
			return;
		rewrite(m, next, now_ms);
		started = next->started;
	}
}

static void write_again(struct memory *m, const struct mem_record *rec, unsigned f, uint64_t now_ms)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	const struct value *value = &rec->fields[f].value;
	enum field_type type = rec->model->fields[f].type;
	struct change *change;

	MUST(change_set_add(&set, rec->model->kind, &rec->key[0], rec->model->key_parts > 1 ? &rec->key[1] : NULL,
			    &change) == 0);
	if (type == FIELD_BOOL || type == FIELD_UINT)
		change_put_number(change, f, value->number);
	else
		change_put_bytes(&set, change, f, value->bytes, value->len);
	mem_commit_again(m, &set, now_ms, rec->fields[f].stamp.hlc);
}

/* Records that were cut while this device was alone, or that a restored copy has forgotten, are not there to be written
 * again; their registers are. */
static void write_ahead_again(struct memory *m, uint64_t now_ms)
{
	for (size_t i = 0; i < m->record_count; i++) {
		for (unsigned f = 0; f < MODEL_FIELDS_MAX; f++) {
			const struct stamp *stamp = &m->records[i].fields[f].stamp;

			if (hlc_ms(stamp->hlc) > now_ms + HLC_AHEAD_MAX_MS && uuid_cmp(&stamp->device, &m->self) == 0)
				write_again(m, &m->records[i], f, now_ms);
		}
	}
}

int mem_new_epoch(void *replica, const struct epoch_request *request, uint64_t now_ms)
{
	struct memory *m = replica;
	struct stream_id old = mem_own_log(m);
	uint64_t before = vector_find(&m->streams, &old)->started;
	uint64_t started = now_ms << 16;

	if (request->ahead)
		m->clock.last = now_ms << 16;
	else
		hlc_observe(&m->clock, request->clock_after, now_ms);
	started = started > before ? started : before + 1;
	started = started > request->started_after ? started : request->started_after + 1;
	m->epoch = next_epoch(m->epoch ^ started);
	begin_streams(m, &old.origin, started);
	if (request->keep)
		rewrite_all(m, request->keep, now_ms);
	if (request->ahead)
		write_ahead_again(m, now_ms);
	return 0;
}
