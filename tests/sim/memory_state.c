/* The device-owned rows of the replica in memory. */
#include "tests/sim/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/digest.h"

void mem_table_clear(struct mem_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		for (unsigned f = 0; f < t->model->field_count; f++)
			free((void *)t->rows[i].values[f].bytes);
	}
	t->count = 0;
	t->digest = 0;
}

struct mem_table *memory_table(struct memory *m, const struct uuid *device, uint8_t kind, bool make)
{
	for (size_t i = 0; i < m->table_count; i++) {
		if (m->tables[i].model->kind == kind && uuid_cmp(&m->tables[i].device, device) == 0)
			return &m->tables[i];
	}
	if (!make)
		return NULL;
	assert(m->table_count < sizeof(m->tables) / sizeof(m->tables[0]));
	m->tables[m->table_count] = (struct mem_table){.device = *device, .model = model_find(kind)};
	return &m->tables[m->table_count++];
}

static size_t row_place(const struct mem_table *t, const uint64_t key[MODEL_KEY_MAX], bool *ret_found)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const uint64_t *at = t->rows[middle].key;
		int order = at[0] != key[0] ? (at[0] < key[0] ? -1 : 1) : at[1] == key[1] ? 0 : at[1] < key[1] ? -1 : 1;

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

static void remove_row(struct mem_table *t, size_t at)
{
	t->digest -= digest_row(&t->rows[at]);
	for (unsigned f = 0; f < t->model->field_count; f++)
		free((void *)t->rows[at].values[f].bytes);
	t->count--;
	memmove(&t->rows[at], &t->rows[at + 1], (t->count - at) * sizeof(*t->rows));
}

static void store_row(struct mem_table *t, const struct row *row)
{
	bool found;
	size_t at = row_place(t, row->key, &found);

	if (found) {
		remove_row(t, at);
	} else {
		t->rows = mem_grow(t->rows, t->count, &t->capacity, sizeof(*t->rows));
	}
	memmove(&t->rows[at + 1], &t->rows[at], (t->count - at) * sizeof(*t->rows));
	t->count++;
	t->rows[at] = *row;
	for (unsigned f = 0; f < t->model->field_count; f++) {
		const struct value *value = &row->values[f];
		uint8_t *bytes = value->bytes ? malloc(value->len + 1) : NULL;

		if (bytes)
			memcpy(bytes, value->bytes, value->len);
		t->rows[at].values[f].bytes = bytes;
	}
	t->digest += digest_row(&t->rows[at]);
}

void mem_drop_entries(struct memory *m, const struct uuid *device, uint64_t prefix)
{
	struct mem_table *t = memory_table(m, device, MODEL_ENTRY, false);

	for (size_t i = t ? t->count : 0; i > 0; i--) {
		if (t->rows[i - 1].key[0] == prefix)
			remove_row(t, i - 1);
	}
}

static bool location_is_deleted(struct memory *m, const struct uuid *device, uint64_t prefix)
{
	struct mem_table *t = memory_table(m, device, MODEL_LOCATION, false);
	uint64_t key[MODEL_KEY_MAX] = {prefix, 0};
	bool found = false;
	size_t at = t ? row_place(t, key, &found) : 0;

	return found && row_is_tombstone(&t->rows[at]);
}

static void put(struct memory *m, struct mem_table *t, const struct row *row)
{
	if (row->model->kind == MODEL_ENTRY && location_is_deleted(m, &t->device, row->key[0]))
		return;
	store_row(t, row);
	if (row->model->kind == MODEL_LOCATION && row_is_tombstone(row))
		mem_drop_entries(m, &t->device, row->key[0]);
}

void memory_put_row(struct memory *m, struct row *row)
{
	struct stream_id id = {.origin = {.device = m->self, .epoch = m->epoch}, .kind = (uint8_t)row->model->kind};
	struct stream *s = vector_find(&m->streams, &id);

	row->version = ++s->position;
	s->head = s->base = s->position;
	assert(row_check(row) == 0);
	put(m, memory_table(m, &m->self, id.kind, true), row);
}

/* --- reading --- */

static int by_version(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;

	return x->version < y->version ? -1 : x->version > y->version;
}

/* Rows above `since` in the order of their versions; returns how many. */
static size_t rows_after(const struct mem_table *t, uint64_t since, const struct row **ret_rows)
{
	size_t n = 0;

	for (size_t i = 0; i < t->count; i++) {
		if (t->rows[i].version > since)
			ret_rows[n++] = &t->rows[i];
	}
	qsort(ret_rows, n, sizeof(*ret_rows), by_version);
	return n;
}

static int write_rows(const struct mem_table *t, const struct range_request *q, uint64_t head, struct range *range,
		      struct buf *body)
{
	_cleanup_(free_ptr) const struct row **rows = calloc(t->count + 1, sizeof(*rows));
	_cleanup_(row_writer_release) struct row_writer w;
	size_t n, i;
	int r;

	row_writer_init(&w, t->model);
	if (!rows)
		return -ENOMEM;
	n = rows_after(t, range->since, rows);
	for (i = 0; i < n && i < q->max_rows && (i == 0 || row_writer_size(&w) < q->max_bytes); i++) {
		r = row_writer_add(&w, rows[i]);
		assert(r == 0);
		range->upto = rows[i]->version;
	}
	if (i == n)
		range->upto = head;
	return row_writer_finish(&w, body);
}

int mem_read_state(struct memory *m, const struct range_request *q, struct range *range, struct buf *body)
{
	const struct stream *s = vector_find(&m->streams, &q->stream);
	struct mem_table *t = memory_table(m, &q->stream.origin.device, q->stream.kind, true);

	if (!stream_is_whole(s) || q->since > s->position)
		return -ERR_STALE;
	range->since = q->since;
	range->listing = q->listing || q->since == 0;
	if (s->floor > q->base && range->since > 0) {
		range->since = 0;
		range->listing = true;
	}
	range->head = s->position;
	range->floor = s->floor;
	return write_rows(t, q, s->position, range, body);
}

/* --- applying --- */

static bool is_later(const struct stream *a, const struct range *b)
{
	return a->started != b->started ? a->started > b->started : a->id.origin.epoch > b->stream.origin.epoch;
}

/* Whether the range's epoch is the latest of its device here; earlier ones go. */
static bool replace_earlier(struct memory *m, const struct range *range, bool apply)
{
	for (size_t i = 0; i < m->streams.count;) {
		struct stream s = m->streams.items[i];

		if (s.id.kind == range->stream.kind &&
		    uuid_cmp(&s.id.origin.device, &range->stream.origin.device) == 0 &&
		    s.id.origin.epoch != range->stream.origin.epoch) {
			if (is_later(&s, range))
				return false;
			if (apply) {
				vector_remove(&m->streams, &s.id);
				continue;
			}
		}
		i++;
	}
	return true;
}

static bool owned_by_another(struct memory *m, const struct range *range, const struct row *row)
{
	bool found;

	if (row->model->kind != MODEL_LOCATION && row->model->kind != MODEL_ENTRY)
		return false;
	for (size_t i = 0; i < m->table_count; i++) {
		struct mem_table *t = &m->tables[i];
		uint64_t key[MODEL_KEY_MAX] = {row->key[0], 0};

		if (t->model->kind != MODEL_LOCATION || uuid_cmp(&t->device, &range->stream.origin.device) == 0)
			continue;
		row_place(t, key, &found);
		if (found)
			return true;
	}
	return false;
}

static int check_rows(struct memory *m, const struct range *range)
{
	struct row_reader reader;
	struct row row;
	uint64_t last = range->since;
	int r = row_reader_init(&reader, model_find(range->stream.kind), range->body, range->body_len);

	while (r == 0 && (r = row_reader_next(&reader, &row)) == 0) {
		if (row.version <= last || row.version > range->upto || owned_by_another(m, range, &row))
			return -ERR_MALFORMED;
		last = row.version;
	}
	if (r < 0)
		return r;
	return range->upto < range->head && last != range->upto ? -ERR_MALFORMED : 0;
}

/* A location that is there again: some of its entries may have been passed over. */
static void list_entries_anew(struct memory *m, const struct range *range)
{
	struct stream_id id = {.origin = range->stream.origin, .kind = MODEL_ENTRY};
	struct stream *s = vector_find(&m->streams, &id);

	if (s)
		*s = stream_none(&id, s->started);
}

static void put_rows(struct memory *m, struct mem_table *t, const struct range *range)
{
	struct row_reader reader;
	struct row row;
	bool found;

	row_reader_init(&reader, t->model, range->body, range->body_len);
	while (row_reader_next(&reader, &row) == 0) {
		size_t at = row_place(t, row.key, &found);

		if (!range->listing && found && t->rows[at].version >= row.version)
			continue;
		if (t->model->kind == MODEL_LOCATION && found && row_is_tombstone(&t->rows[at]) && !row_is_tombstone(&row))
			list_entries_anew(m, range);
		put(m, t, &row);
	}
}

static bool is_in(const struct range *range, const struct mem_table *t, const struct row *wanted)
{
	struct row_reader reader;
	struct row row;

	row_reader_init(&reader, t->model, range->body, range->body_len);
	while (row_reader_next(&reader, &row) == 0) {
		if (row.key[0] == wanted->key[0] && row.key[1] == wanted->key[1])
			return true;
	}
	return false;
}

/* Rows that the piece should hold and does not. */
static void doubt(struct mem_table *t, const struct range *range)
{
	for (size_t i = 0; i < t->count; i++) {
		struct row *row = &t->rows[i];

		if (row->version > range->since && row->version <= range->upto && !is_in(range, t, row)) {
			t->digest -= digest_row(row);
			row->version = 0;
		}
	}
}

static void sweep(struct mem_table *t, uint64_t head)
{
	for (size_t i = t->count; i > 0; i--) {
		if (t->rows[i - 1].version == 0 || t->rows[i - 1].version > head)
			remove_row(t, i - 1);
	}
}

static int check_place(const struct range *range, const struct stream *s)
{
	if (range->listing)
		return range->since == 0 || (s->listing && s->position == range->since) ? 0 : -ERR_STALE;
	return !s->listing && s->position >= range->since ? 0 : -ERR_STALE;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void move(struct mem_table *t, const struct range *range, struct stream *s)
{
	if (range->listing && range->since == 0) {
		struct stream none = stream_none(&s->id, range->started);

		none.floor = s->floor;
		none.base = range->head;
		*s = none;
	}
	if (range->floor > s->floor)
		s->floor = range->floor;
	if (range->head > s->head)
		s->head = range->head;
	if (range->upto > s->position)
		s->position = range->upto;
	if (s->position < s->head) {
		s->base = least(s->base, range->head);
		return;
	}
	if (s->listing)
		sweep(t, s->head);
	s->listing = false;
	s->base = s->position;
}

/* A location that went took its entries out of their digest. */
static void tell_entries(struct memory *m, const struct range *range, struct applied *applied)
{
	struct stream_id id = {.origin = range->stream.origin, .kind = MODEL_ENTRY};
	struct stream *s = vector_find(&m->streams, &id);

	if (!s)
		return;
	s->digest = memory_table(m, &id.origin.device, MODEL_ENTRY, true)->digest;
	applied->also = *s;
}

int mem_apply_state(struct memory *m, const struct range *range, struct applied *ret_applied)
{
	struct stream *known = vector_find(&m->streams, &range->stream);
	struct stream s = known ? *known : stream_none(&range->stream, range->started);
	struct mem_table *t;
	int r;

	if (uuid_cmp(&range->stream.origin.device, &m->self) == 0 || !replace_earlier(m, range, false))
		return -ERR_STALE;
	r = check_place(range, &s);
	if (r == 0)
		r = check_rows(m, range);
	if (r < 0)
		return r;
	replace_earlier(m, range, true);
	t = memory_table(m, &range->stream.origin.device, range->stream.kind, true);
	if (range->listing || stream_is_whole(&s) == false || range->upto > s.position) {
		put_rows(m, t, range);
		if (range->listing)
			doubt(t, range);
		move(t, range, &s);
	}
	s.digest = t->digest;
	if (vector_set(&m->streams, &s) < 0)
		return -ENOMEM;
	ret_applied->stream = s;
	if (range->stream.kind == MODEL_LOCATION)
		tell_entries(m, range, ret_applied);
	return 0;
}

void mem_purge(struct memory *m, const struct stream_id *id, uint64_t upto)
{
	struct mem_table *t = memory_table(m, &id->origin.device, id->kind, true);

	for (size_t i = t->count; i > 0; i--) {
		if (row_is_tombstone(&t->rows[i - 1]) && t->rows[i - 1].version <= upto)
			remove_row(t, i - 1);
	}
}
