/* Snapshots, dumps and digests of the replica in memory. */
#include "tests/sim/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pack.h"
#include "sync/digest.h"

enum { RECORD_PARTS = 3 };

static bool is_number(const struct field *field)
{
	return field->type == FIELD_BOOL || field->type == FIELD_UINT;
}

static void put_record(const struct mem_record *rec, struct buf *b)
{
	unsigned fields = 0;

	for (unsigned f = 0; f < rec->model->field_count; f++)
		fields += rec->fields[f].stamp.hlc != 0;
	pack_array(b, RECORD_PARTS);
	pack_uint(b, rec->model->kind);
	pack_bin(b, rec->key, rec->model->key_parts * UUID_LEN);
	pack_map(b, fields);
	for (unsigned f = 0; f < rec->model->field_count; f++) {
		const struct mem_register *reg = &rec->fields[f];
		uint8_t stamp[STAMP_LEN];

		if (reg->stamp.hlc == 0)
			continue;
		stamp_encode(&reg->stamp, stamp);
		pack_uint(b, f);
		pack_array(b, 2);
		pack_bin(b, stamp, STAMP_LEN);
		if (is_number(&rec->model->fields[f]))
			pack_uint(b, reg->value.number);
		else
			pack_bin(b, reg->value.bytes, reg->value.len);
	}
}

void memory_devices(const struct memory *m, struct buf *ret_rows)
{
	for (size_t i = 0; i < m->record_count; i++) {
		if (m->records[i].model->kind == MODEL_DEVICE)
			put_record(&m->records[i], ret_rows);
	}
}

/* The cursor is the kind and the key of the last record given. */
int mem_snapshot_read(void *replica, const struct buf *cursor, uint32_t max_bytes, struct buf *rows, struct buf *ret_cursor)
{
	struct memory *m = replica;
	uint8_t last[1 + 2 * UUID_LEN] = {0};
	size_t i = 0, before = rows->len;

	if (cursor->len != 0 && cursor->len != sizeof(last))
		return -ERR_MALFORMED;
	for (; i < m->record_count && cursor->len > 0; i++) {
		uint8_t key[1 + 2 * UUID_LEN] = {(uint8_t)m->records[i].model->kind};

		memcpy(key + 1, m->records[i].key, m->records[i].model->key_parts * UUID_LEN);
		if (memcmp(key, cursor->data, sizeof(key)) > 0)
			break;
	}
	for (; i < m->record_count && (rows->len == before || rows->len - before < max_bytes); i++) {
		memset(last, 0, sizeof(last));
		last[0] = (uint8_t)m->records[i].model->kind;
		memcpy(last + 1, m->records[i].key, m->records[i].model->key_parts * UUID_LEN);
		put_record(&m->records[i], rows);
	}
	if (i < m->record_count)
		buf_append(ret_cursor, last, sizeof(last));
	return buf_error(rows);
}

static int merge_field(struct memory *m, struct mem_record *rec, struct cursor *c, uint64_t now_ms, bool store)
{
	const uint8_t *stamp_bytes;
	struct stamp stamp;
	struct value value = {.number = 0};
	uint32_t two;
	uint64_t f;
	size_t len;
	int r = cursor_pack_uint(c, &f);

	if (r == 0 && f >= rec->model->field_count)
		r = -ERR_MALFORMED;
	if (r == 0)
		r = cursor_pack_array(c, &two);
	if (r == 0)
		r = cursor_pack_bin(c, &stamp_bytes, &len);
	if (r < 0 || len != STAMP_LEN || two != 2)
		return -ERR_MALFORMED;
	if (is_number(&rec->model->fields[f]))
		r = cursor_pack_uint(c, &value.number);
	else
		r = cursor_pack_bin(c, &value.bytes, &value.len);
	if (r < 0)
		return r;
	stamp = stamp_decode(stamp_bytes);
	if (!store)
		return hlc_ms(stamp.hlc) > now_ms + HLC_AHEAD_MAX_MS ? -ERR_AHEAD : 0;
	hlc_observe(&m->clock, stamp.hlc, now_ms);
	mem_put_register(m, rec, (unsigned)f, &value, &stamp, 0);
	return 0;
}

static int merge_rows(struct memory *m, const void *rows, size_t rows_len, uint64_t now_ms, bool store)
{
	struct cursor c = cursor_on(rows, rows_len);
	int r = 0;

	while (r == 0 && c.left > 0) {
		struct mem_record scratch = {.model = NULL}, *rec = &scratch;
		const struct model *model;
		const uint8_t *key;
		uint32_t parts, fields = 0;
		uint64_t kind = 0;
		size_t len = 0;

		r = cursor_pack_array(&c, &parts);
		if (r == 0)
			r = cursor_pack_uint(&c, &kind);
		if (r == 0)
			r = cursor_pack_bin(&c, &key, &len);
		if (r == 0)
			r = cursor_pack_map(&c, &fields);
		model = model_find(kind);
		if (r < 0 || !model || model->owner != MODEL_SHARED || len != model->key_parts * UUID_LEN)
			return -ERR_MALFORMED;
		scratch.model = model;
		memcpy(scratch.key, key, len);
		if (store)
			rec = mem_record(m, model, scratch.key);
		for (uint32_t i = 0; r == 0 && i < fields; i++)
			r = merge_field(m, rec, &c, now_ms, store);
	}
	return r;
}

/* A log that the snapshot covers further than this device has it. */
static void adopt(struct memory *m, const struct stream *covered)
{
	struct stream *own = vector_find(&m->streams, &covered->id);
	struct stream s = *covered;
	struct mem_log *log;

	if (uuid_cmp(&s.id.origin.device, &m->self) == 0 && s.id.origin.epoch == m->epoch)
		return;
	if (own && (own->position > s.position || (own->position == s.position && memcmp(own->hash, s.hash, HASH_LEN) >= 0)))
		return;
	s.floor = s.position;
	log = mem_log(m, &s.id.origin, true);
	mem_log_clear(log);
	memcpy(log->floor_hash, s.hash, HASH_LEN);
	vector_set(&m->streams, &s);
}

int mem_snapshot_merge(void *replica, const void *rows, size_t len, const struct vector *covers, uint64_t now_ms)
{
	struct memory *m = replica;
	int r = merge_rows(m, rows, len, now_ms, false);

	if (r < 0)
		return r;
	merge_rows(m, rows, len, now_ms, true);
	for (size_t i = 0; covers && i < covers->count; i++) {
		if (covers->items[i].id.kind == STREAM_LOG)
			adopt(m, &covers->items[i]);
	}
	return 0;
}

/* --- looking --- */

static void dump_value(const struct field *field, const struct value *value, struct buf *text)
{
	buf_printf(text, " %s=", field->name);
	if (is_number(field)) {
		buf_printf(text, "%llu", (unsigned long long)value->number);
		return;
	}
	for (size_t i = 0; i < value->len; i++)
		buf_printf(text, "%02x", value->bytes[i]);
}

static void dump_record(const struct mem_record *rec, struct buf *text)
{
	char key[UUID_TEXT_LEN + 1];

	buf_printf(text, "%s", rec->model->name);
	for (unsigned i = 0; i < rec->model->key_parts; i++) {
		uuid_to_text(&rec->key[i], key);
		buf_printf(text, " %s", key);
	}
	for (unsigned f = 0; f < rec->model->field_count; f++) {
		const struct stamp *stamp = &rec->fields[f].stamp;

		if (stamp->hlc == 0)
			continue;
		dump_value(&rec->model->fields[f], &rec->fields[f].value, text);
		buf_printf(text, "@%llx.%02x", (unsigned long long)stamp->hlc, stamp->device.bytes[0]);
	}
	buf_append_str(text, "\n");
}

static void dump_table(const struct mem_table *t, struct buf *text)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct row *row = &t->rows[i];

		if (row_is_tombstone(row))
			continue;
		buf_printf(text, "%s %02x %llx.%llx v%llu", t->model->name, t->device.bytes[0], (unsigned long long)row->key[0],
			   (unsigned long long)row->key[1], (unsigned long long)row->version);
		for (unsigned f = 0; f < t->model->field_count; f++)
			dump_value(&t->model->fields[f], &row->values[f], text);
		buf_append_str(text, "\n");
	}
}

void memory_dump(const struct memory *m, struct buf *text)
{
	struct uuid members[MEMORY_DEVICES_MAX];
	size_t count = memory_members(m, members);

	for (size_t i = 0; i < m->record_count; i++)
		dump_record(&m->records[i], text);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; model_at(k); k++) {
			struct mem_table *t = memory_table((struct memory *)m, &members[i], (uint8_t)model_at(k)->kind, false);

			if (t)
				dump_table(t, text);
		}
	}
}

void memory_check_digests(struct memory *m)
{
	uint64_t shared = 0;

	for (size_t i = 0; i < m->record_count; i++) {
		const struct mem_record *rec = &m->records[i];

		for (unsigned f = 0; f < rec->model->field_count; f++)
			shared += digest_register(rec->model, rec->key, f, &rec->fields[f].value, &rec->fields[f].stamp);
	}
	if (shared != m->shared_digest)
		abort();
	for (size_t i = 0; i < m->table_count; i++) {
		uint64_t sum = 0;

		for (size_t k = 0; k < m->tables[i].count; k++)
			sum += digest_row(&m->tables[i].rows[k]);
		if (sum != m->tables[i].digest)
			abort();
	}
}
