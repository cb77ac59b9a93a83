#include "store/recount.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"
#include "store/registers.h"
#include "store/replica_internal.h"
#include "sync/digest.h"

static uint64_t sum_of(const struct registers *piece)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < piece->set.count; i++) {
		const struct change *c = &piece->set.items[i];

		for (unsigned f = 0; f < c->model->field_count; f++)
			if (c->fields & UINT32_C(1) << f)
				sum += digest_register(c->model, c->key, f, &c->values[f], &piece->stamps[i].of[f]);
	}
	return sum;
}

int recount_shared(struct db *db, uint64_t *ret_digest)
{
	struct registers_cursor cursor = {.kind = 0};
	uint64_t sum = 0;
	int r = 0;

	while (r == 0) {
		_cleanup_(registers_release) struct registers piece = REGISTERS_INIT;

		r = registers_read(db, REGISTERS_ALL, REGISTERS_BYTES_MAX, &cursor, &piece);
		sum += sum_of(&piece);
	}
	if (r > 0)
		*ret_digest = sum;
	return r < 0 ? r : 0;
}

/* --- state streams --- */

struct part { /* of the sum of entries: one location */
	uint64_t prefix;
	uint64_t sum;
};

struct counting {
	struct buf parts; /* struct part each */
	struct part *part;
	uint64_t sum;
};

static void counting_release(struct counting *c)
{
	buf_release(&c->parts);
}

static int find_part(struct counting *c, uint64_t prefix)
{
	const struct part new = {.prefix = prefix};
	int r;

	if (c->part && c->part->prefix == prefix)
		return 0;
	for (size_t at = 0; at < c->parts.len; at += sizeof(new)) {
		c->part = (struct part *)(void *)(c->parts.data + at);
		if (c->part->prefix == prefix)
			return 0;
	}
	r = buf_append(&c->parts, &new, sizeof(new));
	c->part = r < 0 ? NULL : (struct part *)(void *)(c->parts.data + c->parts.len - sizeof(new));
	return r;
}

static int count_piece(struct counting *c, uint8_t kind, const struct buf *body)
{
	struct row_reader reader;
	struct row row;
	int r = row_reader_init(&reader, model_find(kind), body->data, body->len);

	while (r == 0 && (r = row_reader_next(&reader, &row)) == 0) {
		uint64_t digest = digest_row(&row);

		c->sum += digest;
		r = kind == MODEL_ENTRY ? find_part(c, row.key[0]) : 0;
		if (r == 0 && kind == MODEL_ENTRY)
			c->part->sum += digest;
	}
	return r < 0 ? r : 0;
}

static int count(struct db *db, const struct stream *s, struct counting *c)
{
	struct range_request q = {
	    .stream = s->id, .base = s->position, .max_rows = RANGE_ROWS_PULL, .max_bytes = RANGE_BYTES_PULL};
	struct range range = {.upto = 0};
	int r = 0;

	do {
		_cleanup_(buf_release) struct buf body = BUF_INIT;

		r = replica_read_state(db, &q, &range, &body);
		if (r == 0)
			r = count_piece(c, s->id.kind, &body);
		q.since = range.upto;
	} while (r == 0 && range.upto < range.head);
	return r;
}

/* --- mending --- */

static int run(struct txn *txn, enum statement which, int64_t first, int64_t second, int64_t third)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, which, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, first);
	if (sqlite3_bind_parameter_count(stmt) > 1)
		bind_int(stmt, 2, second);
	if (sqlite3_bind_parameter_count(stmt) > 2)
		bind_int(stmt, 3, third);
	return stmt_run(stmt);
}

static int write_parts(struct txn *txn, const struct stream *s, const struct counting *c)
{
	struct part part;
	int64_t device;
	int r = streams_take_device(txn, &s->id.origin.device, &device);

	if (r == 0)
		r = run(txn, STMT_LOCATION_CLEAR_DIGESTS, device, 0, 0);
	for (size_t at = 0; r == 0 && at < c->parts.len; at += sizeof(part)) {
		memcpy(&part, c->parts.data + at, sizeof(part));
		r = run(txn, STMT_LOCATION_SET_DIGEST, (int64_t)part.prefix, (int64_t)part.sum, 0);
	}
	return r;
}

static int mend(struct txn *txn, const struct stream *s, const struct counting *c)
{
	struct streams_origin origin;
	int r = txn_flush(txn); /* what the transaction counts with is read anew */

	memset(txn->versions, 0, sizeof(txn->versions));
	if (r == 0 && s->id.kind == MODEL_ENTRY)
		return write_parts(txn, s, c);
	if (r == 0)
		r = streams_find_origin(txn->db, &s->id.origin, &origin);
	return r < 0 ? r : run(txn, STMT_STREAM_SET_DIGEST, origin.id, s->id.kind, (int64_t)c->sum);
}

int recount_stream(struct db *db, struct txn *txn, const struct stream *stream, uint64_t *ret_digest)
{
	_cleanup_(counting_release) struct counting c = {.parts = BUF_INIT};
	int r = count(db, stream, &c);

	if (r == 0 && txn && c.sum != stream->digest)
		r = mend(txn, stream, &c);
	if (r == 0)
		*ret_digest = c.sum;
	return r;
}
