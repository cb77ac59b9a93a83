#include "tests/store/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/internal.h"
#include "store/registers.h"
#include "store/streams.h"
#include "sync/digest.h"
#include "tests/lib/test.h"

void exchange_vector(struct library *l, struct vector *ret_vector)
{
	*ret_vector = VECTOR_INIT;
	assert_int_equal(store_replica.vector(l->store, ret_vector), 0);
}

struct stream exchange_held(struct library *l, const struct stream_id *id, uint64_t started)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT;
	const struct stream *s;

	exchange_vector(l, &v);
	s = vector_find(&v, id);
	return s ? *s : stream_none(id, started);
}

struct stream exchange_own(struct library *l, uint8_t kind)
{
	const struct store_info *info = store_info(l->store);
	const struct stream_id id = {.origin = {.device = info->device, .epoch = info->epoch}, .kind = kind};
	struct stream s = exchange_held(l, &id, 0);

	assert_true(s.started > 0);
	return s;
}

struct range_request exchange_request(const struct stream *held, uint32_t max_rows)
{
	struct range_request q = {.stream = held->id,
				  .since = held->position,
				  .base = held->base,
				  .listing = held->listing,
				  .max_rows = max_rows,
				  .max_bytes = RANGE_BYTES_PULL};

	memcpy(q.hash, held->hash, HASH_LEN);
	return q;
}

void piece_release(struct piece *piece)
{
	buf_release(&piece->body);
}

int exchange_read(struct library *from, const struct range_request *request, struct piece *ret_piece)
{
	int r;

	*ret_piece = (struct piece){.body = BUF_INIT};
	r = store_replica.read(from->store, request, &ret_piece->range, &ret_piece->body);
	ret_piece->range.body = ret_piece->body.data;
	ret_piece->range.body_len = ret_piece->body.len;
	return r;
}

int exchange_apply(struct library *to, const struct piece *piece, struct applied *ret_applied)
{
	struct applied applied;

	return store_replica.apply(to->store, &piece->range, clock_wall_ms(), ret_applied ? ret_applied : &applied);
}

unsigned exchange_pull(struct library *from, struct library *to, const struct stream *stream, uint32_t max_rows)
{
	unsigned pieces = 0;

	for (;;) {
		_cleanup_(piece_release) struct piece piece = {.body = BUF_INIT};
		struct stream held = exchange_held(to, &stream->id, stream->started);
		struct range_request q = exchange_request(&held, max_rows);
		struct applied applied = {.held_hlc = 0};
		struct stream after;

		assert_int_equal(exchange_read(from, &q, &piece), 0);
		assert_int_equal(exchange_apply(to, &piece, &applied), 0);
		after = exchange_held(to, &stream->id, stream->started);
		assert_memory_equal(&after.digest, &applied.stream.digest, sizeof(after.digest));
		assert_int_equal(after.position, applied.stream.position);
		pieces++;
		assert_true(pieces < 100000);
		if (piece.range.upto == piece.range.head)
			return pieces;
	}
}

void exchange_all(struct library *from, struct library *to, uint32_t max_rows)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT;

	exchange_vector(from, &v);
	for (size_t i = 0; i < v.count; i++) {
		const struct stream *s = &v.items[i];

		if (uuid_cmp(&s->id.origin.device, &store_info(to->store)->device) != 0 && stream_is_whole(s))
			exchange_pull(from, to, s, max_rows);
	}
}

/* --- digests --- */

static uint64_t count_shared(struct library *l)
{
	struct registers_cursor cursor = {.kind = 0};
	uint64_t sum = 0;
	int r = 0;

	while (r == 0) {
		_cleanup_(registers_release) struct registers piece = REGISTERS_INIT;

		r = registers_read(library_db(l), REGISTERS_ALL, REGISTERS_BYTES_MAX, &cursor, &piece);
		for (size_t i = 0; i < piece.set.count; i++) {
			const struct change *c = &piece.set.items[i];

			for (unsigned f = 0; f < c->model->field_count; f++)
				if (c->fields & UINT32_C(1) << f)
					sum +=
					    digest_register(c->model, c->key, f, &c->values[f], &piece.stamps[i].of[f]);
		}
	}
	assert_int_equal(r, 1);
	return sum;
}

static uint64_t count_rows(struct library *l, const struct stream *s)
{
	struct stream from = *s;
	uint64_t sum = 0;

	from.position = 0;
	for (;;) {
		_cleanup_(piece_release) struct piece piece = {.body = BUF_INIT};
		struct range_request q = exchange_request(&from, RANGE_ROWS_MAX);
		struct row_reader reader;
		struct row row;

		assert_int_equal(exchange_read(l, &q, &piece), 0);
		assert_int_equal(row_reader_init(&reader, model_find(s->id.kind), piece.body.data, piece.body.len), 0);
		while (row_reader_next(&reader, &row) == 0)
			sum += digest_row(&row);
		from.position = piece.range.upto;
		from.base = piece.range.head;
		if (piece.range.upto == piece.range.head)
			return sum;
	}
}

void exchange_assert_digests(struct library *l)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT;

	exchange_vector(l, &v);
	assert_true(v.shared_digest == count_shared(l));
	for (size_t i = 0; i < v.count; i++) {
		if (v.items[i].id.kind != STREAM_LOG && stream_is_whole(&v.items[i]))
			assert_true(v.items[i].digest == count_rows(l, &v.items[i]));
	}
}

/* --- comparing --- */

static void dump_stream(struct library *l, const struct stream *s, struct buf *text)
{
	struct stream from = *s;

	from.position = 0;
	for (;;) {
		_cleanup_(piece_release) struct piece piece = {.body = BUF_INIT};
		struct range_request q = exchange_request(&from, RANGE_ROWS_MAX);
		struct row_reader reader;
		struct row row;

		assert_int_equal(exchange_read(l, &q, &piece), 0);
		assert_int_equal(row_reader_init(&reader, model_find(s->id.kind), piece.body.data, piece.body.len), 0);
		while (row_reader_next(&reader, &row) == 0) {
			if (row_is_tombstone(&row))
				continue;
			buf_printf(text, "%s %llx.%llx v%llu", row.model->name, (unsigned long long)row.key[0],
				   (unsigned long long)row.key[1], (unsigned long long)row.version);
			for (unsigned f = 0; f < row.model->field_count; f++) {
				buf_printf(text, " %llu ", (unsigned long long)row.values[f].number);
				buf_append(text, row.values[f].bytes, row.values[f].len);
			}
			buf_append_str(text, "\n");
		}
		from.position = piece.range.upto;
		from.base = piece.range.head;
		if (piece.range.upto == piece.range.head)
			return;
	}
}

void exchange_dump(struct library *l, struct buf *ret_text)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT;

	exchange_vector(l, &v);
	for (size_t i = 0; i < v.count; i++) {
		if (v.items[i].id.kind != STREAM_LOG && stream_is_whole(&v.items[i]))
			dump_stream(l, &v.items[i], ret_text);
	}
}

void exchange_assert_equal(struct library *a, struct library *b)
{
	_cleanup_(vector_release) struct vector x = VECTOR_INIT, y = VECTOR_INIT;
	_cleanup_(buf_release) struct buf p = BUF_INIT, q = BUF_INIT;

	exchange_vector(a, &x);
	exchange_vector(b, &y);
	assert_int_equal(x.count, y.count);
	assert_true(x.shared_digest == y.shared_digest);
	for (size_t i = 0; i < x.count; i++) {
		const struct stream *s = &x.items[i], *t = &y.items[i];

		assert_int_equal(stream_id_cmp(&s->id, &t->id), 0);
		assert_int_equal(s->position, t->position);
		assert_int_equal(s->started, t->started);
		assert_int_equal(s->hlc, t->hlc);
		assert_memory_equal(s->hash, t->hash, HASH_LEN);
		assert_true(s->digest == t->digest);
	}
	exchange_dump(a, &p);
	exchange_dump(b, &q);
	assert_int_equal(p.len, q.len);
	if (p.len > 0)
		assert_memory_equal(p.data, q.data, p.len);
}
