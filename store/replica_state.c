/* State streams: what a range does to the position. What it does to rows is in replica_entry.c and replica_small.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"
#include "store/replica_internal.h"
#include "sync/digest.h"

/* --- reading --- */

int row_sink_add(struct row_sink *sink, const struct row *row)
{
	int r;

	if (sink->writer.count >= sink->max_rows ||
	    (sink->writer.count > 0 && row_writer_size(&sink->writer) >= sink->max_bytes))
		return 1;
	r = row_writer_add(&sink->writer, row);
	if (r == 0)
		sink->upto = row->version;
	return r == -EINVAL ? -ERR_CORRUPT : r;
}

/* 0 for one that nothing is known of. */
static int find_device(struct db *db, const struct uuid *device, int64_t *ret_id)
{
	int r = streams_find_device(db, device, ret_id);

	return r == -ENOENT ? 0 : r;
}

static void sink_release(struct row_sink *sink)
{
	row_writer_release(&sink->writer);
}

static int write_rows(struct db *db, const struct range_request *q, const struct model *model, struct range *range,
		      struct buf *body)
{
	_cleanup_(sink_release) struct row_sink sink = {
	    .max_rows = q->max_rows < RANGE_ROWS_MAX ? q->max_rows : RANGE_ROWS_MAX, .max_bytes = q->max_bytes};
	int64_t device = 0;
	int r = find_device(db, &q->stream.origin.device, &device);

	row_writer_init(&sink.writer, model);
	if (r == 0)
		r = model->kind == MODEL_ENTRY ? replica_entries_read(db, device, range->since, &sink)
					       : replica_small_read(db, model, device, range->since, &sink);
	if (r < 0)
		return r;
	range->upto = r == 1 ? range->head : sink.upto;
	return row_writer_finish(&sink.writer, body);
}

int replica_read_state(struct db *db, const struct range_request *q, struct range *range, struct buf *body)
{
	const struct model *model = model_find(q->stream.kind);
	struct stream s;
	int r = model && model->owner == MODEL_OWNED ? streams_get(db, &q->stream, &s) : -ENOENT;

	if (r < 0)
		return r;
	if (!stream_is_whole(&s) || q->since > s.position)
		return -ERR_STALE;
	range->started = s.started;
	range->since = q->since;
	range->listing = q->listing || q->since == 0;
	if (s.floor > q->base && range->since > 0) {
		range->since = 0;
		range->listing = true;
	}
	range->head = s.position;
	range->floor = s.floor;
	return write_rows(db, q, model, range, body);
}

/* --- the keys of a range --- */

void incoming_release(struct incoming *in)
{
	free(in->keys);
}

uint64_t incoming_counted(const struct incoming *in, const struct row *stored)
{
	return in->range->listing && stored->version > in->range->since ? 0 : digest_row(stored);
}

static struct row_name name_of(const struct row *row)
{
	return (struct row_name){.key = {row->key[0], row->key[1]}, .version = row->version};
}

static int compare_keys(const void *a, const void *b)
{
	const struct row_name *x = a, *y = b;

	if (x->key[0] != y->key[0])
		return x->key[0] < y->key[0] ? -1 : 1;
	if (x->key[1] != y->key[1])
		return x->key[1] < y->key[1] ? -1 : 1;
	return x->version == y->version ? 0 : x->version < y->version ? -1 : 1;
}

static int collect_keys(struct incoming *in)
{
	const struct range *range = in->range;
	struct row_reader reader;
	struct row row;
	int r = row_reader_init(&reader, model_find(range->stream.kind), range->body, range->body_len);

	if (r < 0)
		return r;
	in->keys = calloc((size_t)reader.left + 1, sizeof(*in->keys));
	if (!in->keys)
		return -ENOMEM;
	while ((r = row_reader_next(&reader, &row)) == 0)
		in->keys[in->key_count++] = name_of(&row);
	if (r < 0)
		return r;
	qsort(in->keys, in->key_count, sizeof(*in->keys), compare_keys);
	return 0;
}

int incoming_has(struct incoming *in, const struct row *stored)
{
	const struct row_name name = name_of(stored);
	int r = in->keys ? 0 : collect_keys(in);

	if (r < 0)
		return r;
	return bsearch(&name, in->keys, in->key_count, sizeof(*in->keys), compare_keys) != NULL;
}

/* --- epochs of the owner --- */

static bool is_later(uint64_t started, uint64_t epoch, const struct range *range)
{
	return started != range->started ? started > range->started : epoch > range->stream.origin.epoch;
}

static int drop_stream(struct txn *txn, int64_t origin, uint8_t kind)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_STREAM_DROP, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, kind);
	return stmt_run(stmt);
}

/* The stream of an earlier epoch goes; its rows stay, and so does their sum. There is one at most. */
static int replace_earlier(struct txn *txn, const struct range *range, struct stream *s)
{
	int64_t origin = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_STREAM_OTHERS, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, range->stream.origin.device.bytes, UUID_LEN);
	bind_int(stmt, 2, range->stream.kind);
	bind_int(stmt, 3, (int64_t)range->stream.origin.epoch);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : 0;
	if (is_later((uint64_t)sqlite3_column_int64(stmt, 2), (uint64_t)sqlite3_column_int64(stmt, 1), range))
		return -ERR_STALE;
	origin = sqlite3_column_int64(stmt, 0);
	s->digest = (uint64_t)sqlite3_column_int64(stmt, 3);
	stmt_done(&stmt);
	stmt = NULL;
	return drop_stream(txn, origin, range->stream.kind);
}

/* --- rows --- */

/* Those that earlier slices did are at or below range->since. */
static int put_rows(struct incoming *in, struct entries_in *entries)
{
	const struct range *range = in->range;
	struct row_reader reader;
	struct row row;
	bool full = false;
	int r = row_reader_init(&reader, model_find(range->stream.kind), range->body, range->body_len);

	in->reached = range->since;
	while (r == 0 && (r = row_reader_next(&reader, &row)) == 0) {
		if (row.version <= range->since)
			continue;
		if (full)
			return 1;
		r = entries ? replica_entries_put(entries, &row) : replica_small_put(in, &row);
		if (r != 0)
			return r;
		in->reached = row.version;
		full = txn_slice_ends(in->txn, 1);
	}
	if (r < 0)
		return r;
	in->reached = range->upto;
	return 0;
}

static int put_entries(struct incoming *in)
{
	_cleanup_(free_ptr) struct entries_in *entries = malloc(sizeof(*entries));
	int r = entries ? replica_entries_begin(in, entries) : -ENOMEM;

	return r < 0 ? r : put_rows(in, entries);
}

/* Before the first row is stored: nobody writes rows below another device's location. */
static int check_owner(const struct incoming *in)
{
	const struct range *range = in->range;
	const struct model *model = model_find(range->stream.kind);
	uint64_t prefix = 0;
	bool any = false;
	struct row_reader reader;
	struct row row;
	int r = row_reader_init(&reader, model, range->body, range->body_len);

	if (model->kind != MODEL_LOCATION && model->kind != MODEL_ENTRY)
		return 0;
	while (r == 0 && (r = row_reader_next(&reader, &row)) == 0) {
		if (any && row.key[0] == prefix)
			continue;
		any = true;
		prefix = row.key[0];
		r = replica_check_location(in->txn, in->device, prefix);
	}
	return r < 0 ? r : 0;
}

/* --- the position --- */

/* Between two slices the stream may have begun anew (replica_relist): then it has no base, and what earlier slices
 * counted would be counted twice. */
static int check_place(const struct range *range, const struct stream *s, bool begun)
{
	if (range->listing && !begun)
		return range->since == 0 || (s->listing && s->position == range->since) ? 0 : -ERR_STALE;
	if (range->listing && range->since == 0 && s->base != range->head)
		return -ERR_STALE;
	return s->listing == range->listing && s->position >= range->since ? 0 : -ERR_STALE;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A list begins: nothing is counted. */
static int begin_list(struct incoming *in, struct stream *s)
{
	struct stream none = stream_none(&s->id, in->range->started);
	sqlite3_stmt *stmt;
	int r = txn_location_drop(in->txn);

	none.floor = s->floor;
	none.base = in->range->head;
	*s = none;
	in->digest = 0;
	if (r < 0 || in->range->stream.kind != MODEL_ENTRY)
		return r;
	stmt = db_stmt(in->txn->db, STMT_LOCATION_CLEAR_DIGESTS, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, in->device);
	return stmt_run(stmt);
}

/* What the list lacks: first all of it is marked, so that what hangs only on others that go does not keep them. */
static int sweep(struct incoming *in, struct applying *applying, uint64_t head)
{
	int r = 0;

	if (in->range->stream.kind != MODEL_ENTRY)
		return replica_small_sweep(in, head);
	if (!applying->doomed)
		r = replica_entries_doom(in, head);
	if (r != 0)
		return r;
	applying->doomed = true;
	return replica_entries_sweep(in);
}

/* The position has reached the head. Until the sweep is done the stream is listing still: whoever comes back to it asks
 * for what follows, and goes on here. */
static int make_whole(struct incoming *in, struct applying *applying, struct stream *s)
{
	int r = 0;

	if (s->listing) {
		r = sweep(in, applying, s->head);
	} else if (in->range->stream.kind == MODEL_ENTRY && (r = replica_entries_open(in)) == 1) {
		*s = stream_none(&s->id, s->started); /* rows were passed over, or are damaged here */
		return 0;
	}
	if (r != 0)
		return r;
	s->listing = false;
	s->base = s->position;
	return 0;
}

/* One slice: rows, and the position of the last one; when all are there, what a list lacks. */
static int apply_slice(struct incoming *in, struct applying *applying, struct stream *s)
{
	const struct range *range = in->range;
	bool is_entries = range->stream.kind == MODEL_ENTRY;
	int r = applying->begun ? 0 : check_owner(in);

	if (r == 0 && range->listing && range->since == 0 && !applying->begun)
		r = begin_list(in, s);
	if (r < 0)
		return r;
	applying->begun = true;
	in->reached = range->since;
	if (range->listing && !applying->doubted)
		r = is_entries ? replica_entries_doubt(in) : replica_small_doubt(in);
	if (r == 0) {
		applying->doubted = true;
		r = is_entries ? put_entries(in) : put_rows(in, NULL);
	}
	if (r < 0)
		return r;
	s->floor = most(s->floor, range->floor);
	s->head = most(s->head, range->head);
	s->position = most(s->position, in->reached);
	if (s->position < s->head)
		s->base = least(s->base, range->head);
	if (r == 0 && s->position >= s->head)
		r = make_whole(in, applying, s);
	return r;
}

static bool is_news(const struct range *range, const struct stream *s)
{
	return range->listing || !stream_is_whole(s) || range->upto > s->position;
}

/* A location that went, or came, takes its entries out of their digest, or back into it. */
static int tell_entries(struct txn *txn, const struct range *range, struct applied *applied)
{
	const struct stream_id id = {.origin = range->stream.origin, .kind = MODEL_ENTRY};
	int r = streams_get(txn->db, &id, &applied->also);

	return r == -ENOENT ? 0 : r;
}

static int apply_to(struct txn *txn, const struct range *whole, struct applying *applying, struct stream *s,
		    struct applied *applied)
{
	struct range range = *whole;
	_cleanup_(incoming_release) struct incoming in = {
	    .txn = txn, .range = &range, .digest = s->digest, .counted = applying->counted};
	int64_t origin = 0;
	int more = 0, r = streams_take_origin(txn, &range.stream.origin, range.started, &origin);

	if (applying->begun)
		range.since = s->position;
	if (r == 0)
		r = streams_take_device(txn, &range.stream.origin.device, &in.device);
	if (r == 0 && (applying->begun || is_news(&range, s)))
		r = more = apply_slice(&in, applying, s);
	if (r >= 0 && in.added > 0)
		r = replica_check_room(&in);
	s->digest = in.digest;
	if (r >= 0)
		r = txn_location_drop(txn); /* writes the sum of its entries */
	if (r == 0)
		r = streams_put(txn, origin, s);
	if (r == 0)
		r = streams_get(txn->db, &range.stream, &applied->stream);
	if (r == 0 && range.stream.kind == MODEL_LOCATION)
		r = tell_entries(txn, &range, applied);
	return r < 0 ? r : more;
}

int replica_apply_state(struct txn *txn, const struct range *range, struct applying *applying, struct applied *applied)
{
	const struct model *model = model_find(range->stream.kind);
	struct stream s = stream_none(&range->stream, range->started);
	int r;

	if (uuid_cmp(&range->stream.origin.device, &txn_info(txn)->device) == 0)
		return -ERR_STALE;
	if (!model || model->owner != MODEL_OWNED || range->head > INT64_MAX || range->upto > range->head ||
	    range->floor > INT64_MAX)
		return -ERR_MALFORMED;
	r = streams_get(txn->db, &range->stream, &s);
	if (r == -ENOENT)
		r = replace_earlier(txn, range, &s);
	if (r == 0)
		r = check_place(range, &s, applying->begun);
	return r < 0 ? r : apply_to(txn, range, applying, &s, applied);
}

/* --- keeping house --- */

int replica_purge(struct txn *txn, const struct stream_id *id, uint64_t upto)
{
	const struct model *model = model_find(id->kind);
	struct streams_origin origin;
	struct stream s;
	int64_t device = 0;
	sqlite3_stmt *stmt;
	int r = streams_get(txn->db, id, &s);

	if (r == 0)
		r = streams_find_origin(txn->db, &id->origin, &origin);
	if (r == -ENOENT || (r == 0 && (upto > s.position || !model_is_purged(model))))
		return 0;
	if (r == 0)
		r = find_device(txn->db, &id->origin.device, &device);
	/* The floor first: what is gone must never be above it, wherever this stops. */
	stmt = r < 0 ? NULL : db_stmt(txn->db, STMT_STREAM_SET_FLOOR, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, origin.id);
	bind_int(stmt, 2, id->kind);
	bind_int(stmt, 3, (int64_t)upto);
	r = stmt_run(stmt);
	if (r < 0)
		return r;
	return id->kind == MODEL_ENTRY ? replica_entries_purge(txn, device, upto)
				       : replica_small_purge(txn, model, device, upto);
}

int replica_relist(struct txn *txn, const struct stream_id *id)
{
	struct streams_origin origin;
	struct stream s, none;
	int r = streams_get(txn->db, id, &s);

	if (r == 0)
		r = streams_find_origin(txn->db, &id->origin, &origin);
	if (r < 0 || id->kind == STREAM_LOG || uuid_cmp(&id->origin.device, &txn_info(txn)->device) == 0)
		return r == -ENOENT ? 0 : r;
	none = stream_none(id, s.started);
	none.digest = s.digest;
	return streams_put(txn, origin.id, &none);
}
