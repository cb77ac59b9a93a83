#include "tests/sim/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/digest.h"
#include "sync/record.h"

void *mem_grow(void *items, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return items;
	*capacity = *capacity ? *capacity * 2 : 8;
	items = reallocarray(items, *capacity, size);
	MUST(items);
	return items;
}

/* --- logs --- */

struct mem_log *mem_log(struct memory *m, const struct origin *origin, bool make)
{
	for (size_t i = 0; i < m->log_count; i++) {
		if (origin_cmp(&m->logs[i].origin, origin) == 0)
			return &m->logs[i];
	}
	if (!make)
		return NULL;
	m->logs = reallocarray(m->logs, m->log_count + 1, sizeof(*m->logs));
	MUST(m->logs);
	m->logs[m->log_count] = (struct mem_log){.origin = *origin};
	return &m->logs[m->log_count++];
}

void mem_log_clear(struct mem_log *log)
{
	for (size_t i = 0; i < log->count; i++)
		buf_release(&log->records[i]);
	log->count = 0;
}

static void log_append(struct mem_log *log, const void *record, size_t len)
{
	log->records = mem_grow(log->records, log->count, &log->capacity, sizeof(*log->records));
	log->records[log->count] = BUF_INIT;
	MUST(buf_append(&log->records[log->count++], record, len) == 0);
}

/* --- shared rows --- */

static int compare_record(const struct mem_record *a, const struct model *model, const struct uuid key[MODEL_KEY_MAX])
{
	if (a->model->kind != model->kind)
		return a->model->kind < model->kind ? -1 : 1;
	return memcmp(a->key, key, model->key_parts * UUID_LEN);
}

static size_t record_place(const struct memory *m, const struct model *model, const struct uuid key[MODEL_KEY_MAX],
			   bool *ret_found)
{
	size_t low = 0, high = m->record_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare_record(&m->records[middle], model, key);

		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_found = false;
	return low;
}

struct mem_record *mem_record(struct memory *m, const struct model *model, const struct uuid key[MODEL_KEY_MAX])
{
	bool found;
	size_t at = record_place(m, model, key, &found);

	if (found)
		return &m->records[at];
	m->records = mem_grow(m->records, m->record_count, &m->record_capacity, sizeof(*m->records));
	memmove(&m->records[at + 1], &m->records[at], (m->record_count - at) * sizeof(*m->records));
	m->record_count++;
	m->records[at] = (struct mem_record){.model = model};
	memcpy(m->records[at].key, key, model->key_parts * UUID_LEN);
	return &m->records[at];
}

const struct mem_record *memory_record(const struct memory *m, uint8_t kind, const struct uuid *key0,
				       const struct uuid *key1)
{
	struct uuid key[MODEL_KEY_MAX] = {*key0, key1 ? *key1 : (struct uuid){{0}}};
	bool found;
	size_t at = record_place(m, model_find(kind), key, &found);

	return found ? &m->records[at] : NULL;
}

static struct value copy_value(const struct value *value)
{
	struct value copy = *value;

	if (value->bytes) {
		uint8_t *bytes = malloc(value->len ? value->len : 1);

		MUST(bytes);
		memcpy(bytes, value->bytes, value->len);
		copy.bytes = bytes;
	}
	return copy;
}

/* The one merge rule. `over_hlc`: a register that still carries this stamp of the same device is set whatever the order
 * (a record that is written again with a present stamp). */
bool mem_put_register(struct memory *m, struct mem_record *rec, unsigned field, const struct value *value,
		      const struct stamp *stamp, uint64_t over_hlc)
{
	struct mem_register *reg = &rec->fields[field];
	bool again = over_hlc != 0 && reg->stamp.hlc == over_hlc && uuid_cmp(&reg->stamp.device, &stamp->device) == 0;

	int order = stamp_cmp(stamp, &reg->stamp);

	if (order == 0)
		order = value_cmp(rec->model->fields[field].type, value, &reg->value);
	if (!again && order <= 0)
		return false;
	m->shared_digest -= digest_register(rec->model, rec->key, field, &reg->value, &reg->stamp);
	free((void *)reg->value.bytes);
	reg->value = copy_value(value);
	reg->stamp = *stamp;
	m->shared_digest += digest_register(rec->model, rec->key, field, &reg->value, &reg->stamp);
	return true;
}

void mem_apply_set(struct memory *m, const struct change_set *set, const struct stamp *stamp, uint64_t over_hlc)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct change *change = &set->items[i];
		struct mem_record *rec = mem_record(m, change->model, change->key);

		for (unsigned f = 0; f < change->model->field_count; f++) {
			if (change->fields & UINT32_C(1) << f)
				mem_put_register(m, rec, f, &change->values[f], stamp, over_hlc);
		}
	}
}

struct stream_id mem_own_log(const struct memory *m)
{
	return (struct stream_id){.origin = {.device = m->self, .epoch = m->epoch}, .kind = STREAM_LOG};
}

void mem_commit_again(struct memory *m, struct change_set *set, uint64_t now_ms, uint64_t over_hlc)
{
	_cleanup_(buf_release) struct buf record = BUF_INIT;
	struct stream_id id = mem_own_log(m);
	struct stream *s = vector_find(&m->streams, &id);
	struct stamp stamp = {.hlc = hlc_tick(&m->clock, now_ms), .device = m->self};

	MUST(s && change_set_encode(set, stamp.hlc, &record) == 0);
	log_append(mem_log(m, &id.origin, true), record.data, record.len);
	s->position++;
	s->hlc = stamp.hlc;
	change_running_hash(s->hash, record.data, record.len, s->hash);
	mem_apply_set(m, set, &stamp, over_hlc);
}

void memory_commit(struct memory *m, struct change_set *set, uint64_t now_ms)
{
	if (set->count > 0)
		mem_commit_again(m, set, now_ms, 0);
}

size_t memory_members(const struct memory *m, struct uuid ret_members[MEMORY_DEVICES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < m->record_count && n < MEMORY_DEVICES_MAX; i++) {
		const struct mem_record *rec = &m->records[i];

		if (rec->model->kind == MODEL_DEVICE && rec->fields[DEVICE_MEMBER].value.number)
			ret_members[n++] = rec->key[0];
	}
	return n;
}

/* --- reading --- */

static int memory_vector(void *replica, struct vector *ret_vector)
{
	struct memory *m = replica;
	int r;

	for (size_t i = 0; i < m->streams.count; i++) {
		struct stream *s = &m->streams.items[i];
		struct mem_table *t =
		    s->id.kind == STREAM_LOG ? NULL : memory_table(m, &s->id.origin.device, s->id.kind, false);

		s->digest = t ? t->digest : 0;
	}
	r = vector_copy(&m->streams, ret_vector);
	ret_vector->shared_digest = m->shared_digest;
	ret_vector->clock = m->clock.last;
	return r;
}

/* The running hash at `seq`, between floor and position. */
void mem_hash_at(const struct mem_log *log, uint64_t floor, uint64_t seq, uint8_t ret_hash[HASH_LEN])
{
	uint8_t hash[HASH_LEN] = {0};

	if (log)
		memcpy(hash, log->floor_hash, HASH_LEN);
	for (uint64_t i = floor; log && i < seq; i++)
		change_running_hash(hash, log->records[i - floor].data, log->records[i - floor].len, hash);
	memcpy(ret_hash, hash, HASH_LEN);
}

static int read_log(struct memory *m, const struct range_request *q, const struct stream *s, struct range *range,
		    struct buf *body)
{
	static const uint8_t zeros[HASH_LEN];
	struct mem_log *log = mem_log(m, &q->stream.origin, false);

	if (q->since > s->position)
		return -ERR_STALE;
	if (q->since < s->floor)
		return -ERR_CUT;
	mem_hash_at(log, s->floor, q->since, range->hash);
	if (memcmp(q->hash, zeros, HASH_LEN) != 0 && memcmp(q->hash, range->hash, HASH_LEN) != 0)
		return -ERR_FORKED;
	range->upto = q->since;
	while (range->upto < s->position && range->upto - q->since < q->max_rows &&
	       (body->len < q->max_bytes || range->upto == q->since)) {
		const struct buf *record = &log->records[range->upto++ - s->floor];

		record_append(body, record->data, record->len);
	}
	range->since = q->since;
	range->head = s->position;
	return buf_error(body);
}

static int memory_read(void *replica, const struct range_request *q, struct range *ret_range, struct buf *ret_body)
{
	struct memory *m = replica;
	const struct stream *s = vector_find(&m->streams, &q->stream);
	struct range range = {.stream = q->stream};
	int r;

	if (!s)
		return -ENOENT;
	range.started = s->started;
	r = q->stream.kind == STREAM_LOG ? read_log(m, q, s, &range, ret_body) : mem_read_state(m, q, &range, ret_body);
	if (r == 0)
		*ret_range = range;
	return r;
}

/* --- applying --- */

static int check_record(const uint8_t *record, size_t len, uint64_t *last_hlc, struct change_set *set)
{
	uint64_t hlc;
	int r = change_set_decode(record, len, &hlc, set);

	if (r == 0 && hlc <= *last_hlc)
		r = -ERR_MALFORMED;
	if (r == 0)
		*last_hlc = hlc;
	return r;
}

/* Everything is checked before anything is stored. */
static int check_log(const struct range *range, const struct stream *s, uint64_t now_ms, uint64_t *ret_until,
		     uint64_t *ret_held)
{
	struct cursor c = cursor_on(range->body, range->body_len);
	uint8_t hash[HASH_LEN];
	uint64_t last = s->hlc, seq = range->since;
	const uint8_t *record;
	size_t len;
	int r;

	memcpy(hash, range->hash, HASH_LEN);
	*ret_held = 0;
	*ret_until = range->upto;
	while ((r = record_next(&c, &record, &len)) == 0) {
		_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;

		if (seq == s->position && memcmp(hash, s->hash, HASH_LEN) != 0)
			return -ERR_FORKED;
		change_running_hash(hash, record, len, hash);
		if (++seq <= s->position)
			continue;
		r = check_record(record, len, &last, &set);
		if (r < 0)
			return r;
		if (*ret_held == 0 && hlc_ms(last) > now_ms + HLC_AHEAD_MAX_MS) {
			*ret_held = last;
			*ret_until = seq - 1;
		}
	}
	return r < 0 ? r : seq == range->upto ? 0 : -ERR_MALFORMED;
}

static int apply_log(struct memory *m, const struct range *range, struct stream *s, uint64_t now_ms,
		     struct applied *ret)
{
	struct cursor c = cursor_on(range->body, range->body_len);
	struct mem_log *log;
	uint64_t until, seq = range->since;
	const uint8_t *record;
	size_t len;
	int r;

	if (s->position < range->since)
		return -ERR_STALE;
	if (s->position >= range->upto)
		return 0;
	r = check_log(range, s, now_ms, &until, &ret->held_hlc);
	if (r < 0)
		return r;
	log = mem_log(m, &range->stream.origin, true);
	while (record_next(&c, &record, &len) == 0) {
		_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
		struct stamp stamp = {.device = range->stream.origin.device};

		if (++seq <= s->position || seq > until)
			continue;
		MUST(change_set_decode(record, len, &stamp.hlc, &set) == 0);
		mem_apply_set(m, &set, &stamp, 0);
		hlc_observe(&m->clock, stamp.hlc, now_ms);
		log_append(log, record, len);
		s->position = seq;
		s->hlc = stamp.hlc;
		change_running_hash(s->hash, record, len, s->hash);
	}
	return 0;
}

static int memory_apply(void *replica, const struct range *range, uint64_t now_ms, struct applied *ret_applied)
{
	struct memory *m = replica;
	struct applied applied = {.held_hlc = 0};
	struct stream none = stream_none(&range->stream, range->started);
	struct stream *s = vector_find(&m->streams, &range->stream);
	int r;

	if (range->stream.kind != STREAM_LOG) {
		r = mem_apply_state(m, range, &applied);
	} else {
		struct stream now = s ? *s : none;

		r = apply_log(m, range, &now, now_ms, &applied);
		if (r == 0)
			MUST(vector_set(&m->streams, &now) == 0);
		applied.stream = now;
	}
	if (r < 0)
		return r;
	applied.shared_digest = m->shared_digest;
	applied.clock = m->clock.last;
	*ret_applied = applied;
	return 0;
}

/* --- keeping house --- */

static int memory_cut(void *replica, const struct stream_id *id, uint64_t upto)
{
	struct memory *m = replica;
	struct stream *s = vector_find(&m->streams, id);
	struct mem_log *log;
	size_t goes;

	if (!s || upto <= s->floor || upto > s->position)
		return 0;
	if (id->kind != STREAM_LOG) {
		mem_purge(m, id, upto);
		s->floor = upto;
		return 0;
	}
	log = mem_log(m, &id->origin, true);
	mem_hash_at(log, s->floor, upto, log->floor_hash);
	goes = (size_t)(upto - s->floor);
	for (size_t i = 0; i < goes; i++)
		buf_release(&log->records[i]);
	memmove(log->records, log->records + goes, (log->count - goes) * sizeof(*log->records));
	log->count -= goes;
	s->floor = upto;
	return 0;
}

static int memory_relist(void *replica, const struct stream_id *id)
{
	struct memory *m = replica;
	struct stream *s = vector_find(&m->streams, id);

	if (s)
		*s = stream_none(id, s->started);
	return 0;
}

const struct replica_ops memory_ops = {
    .vector = memory_vector,
    .read = memory_read,
    .apply = memory_apply,
    .snapshot_read = mem_snapshot_read,
    .snapshot_merge = mem_snapshot_merge,
    .cut = memory_cut,
    .relist = memory_relist,
    .new_epoch = mem_new_epoch,
};

/* --- life --- */

struct memory *memory_new(const struct uuid *self, uint64_t epoch, uint64_t started)
{
	struct memory *m = calloc(1, sizeof(*m));

	MUST(m);
	m->self = *self;
	m->epoch = epoch;
	MUST(vector_set(&m->streams, &(struct stream){.id = mem_own_log(m), .started = started}) == 0);
	for (size_t i = 0; model_at(i); i++) {
		struct stream s = {
		    .id = {.origin = {.device = *self, .epoch = epoch}, .kind = (uint8_t)model_at(i)->kind},
		    .started = started};

		if (model_at(i)->owner == MODEL_OWNED)
			MUST(vector_set(&m->streams, &s) == 0);
	}
	return m;
}

static void copy_rows(const struct memory *from, struct memory *m)
{
	for (size_t i = 0; i < from->table_count; i++) {
		const struct mem_table *t = &from->tables[i];
		struct row *rows = malloc((t->count + 1) * sizeof(*rows));

		MUST(rows);
		for (size_t k = 0; k < t->count; k++) {
			rows[k] = t->rows[k];
			for (unsigned f = 0; f < t->model->field_count; f++)
				rows[k].values[f] = copy_value(&t->rows[k].values[f]);
		}
		m->tables[i].rows = rows;
		m->tables[i].capacity = t->count + 1;
	}
}

struct memory *memory_copy(const struct memory *from)
{
	struct memory *m = malloc(sizeof(*m));

	MUST(m);
	*m = *from;
	m->streams = VECTOR_INIT;
	MUST(vector_copy(&from->streams, &m->streams) == 0);
	m->records = malloc((from->record_count + 1) * sizeof(*m->records));
	MUST(m->records);
	m->record_capacity = from->record_count + 1;
	for (size_t i = 0; i < from->record_count; i++) {
		m->records[i] = from->records[i];
		for (unsigned f = 0; f < MODEL_FIELDS_MAX; f++)
			m->records[i].fields[f].value = copy_value(&from->records[i].fields[f].value);
	}
	copy_rows(from, m);
	m->logs = malloc((from->log_count + 1) * sizeof(*m->logs));
	MUST(m->logs);
	for (size_t i = 0; i < from->log_count; i++) {
		m->logs[i] = from->logs[i];
		m->logs[i].records = NULL;
		m->logs[i].count = m->logs[i].capacity = 0;
		for (size_t k = 0; k < from->logs[i].count; k++)
			log_append(&m->logs[i], from->logs[i].records[k].data, from->logs[i].records[k].len);
	}
	return m;
}

void memory_free(struct memory *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->record_count; i++) {
		for (unsigned f = 0; f < MODEL_FIELDS_MAX; f++)
			free((void *)m->records[i].fields[f].value.bytes);
	}
	for (size_t i = 0; i < m->table_count; i++) {
		mem_table_clear(&m->tables[i]);
		free(m->tables[i].rows);
	}
	for (size_t i = 0; i < m->log_count; i++) {
		mem_log_clear(&m->logs[i]);
		free(m->logs[i].records);
	}
	free(m->logs);
	free(m->records);
	vector_release(&m->streams);
	free(m);
}
