#include "store/streams.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"
#include "sync/limits.h"
#include "sync/model.h"

/* --- origins and devices --- */

int streams_find_origin(struct db *db, const struct origin *origin, struct streams_origin *ret_origin)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_ORIGIN_FIND, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, origin->device.bytes, UUID_LEN);
	bind_int(stmt, 2, (int64_t)origin->epoch);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ENOENT;
	*ret_origin = (struct streams_origin){
	    .id = sqlite3_column_int64(stmt, 0),
	    .started = (uint64_t)sqlite3_column_int64(stmt, 1),
	};
	return 0;
}

int streams_take_origin(struct txn *txn, const struct origin *origin, uint64_t started, int64_t *ret_id)
{
	struct streams_origin found;
	sqlite3_stmt *stmt;
	int r = streams_find_origin(txn->db, origin, &found);

	if (r != -ENOENT) {
		if (r == 0)
			*ret_id = found.id;
		return r;
	}
	if (origin->epoch > INT64_MAX || started > INT64_MAX)
		return -ERR_MALFORMED;
	r = 0;
	stmt = db_stmt(txn->db, STMT_EPOCH_INSERT, &r);
	if (!stmt)
		return r;
	bind_blob(stmt, 1, origin->device.bytes, UUID_LEN);
	bind_int(stmt, 2, (int64_t)origin->epoch);
	bind_int(stmt, 3, (int64_t)started);
	r = stmt_run(stmt);
	if (r >= 0)
		*ret_id = sqlite3_last_insert_rowid(txn->db->connection);
	return r;
}

int streams_has_room(struct db *db, const struct origin *origin)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_ORIGIN_HAS_ROOM, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, origin->device.bytes, UUID_LEN);
	bind_int(stmt, 2, (int64_t)origin->epoch);
	bind_int(stmt, 3, LIVES_MAX);
	bind_int(stmt, 4, ORIGINS_MAX);
	r = stmt_step(stmt);
	return r == 0 ? sqlite3_column_int(stmt, 0) : r < 0 ? r : -EIO;
}

int streams_find_device(struct db *db, const struct uuid *device, int64_t *ret_id)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_DEVICE_BEFORE, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, device->bytes, UUID_LEN);
	r = stmt_step(stmt);
	if (r == 0)
		*ret_id = sqlite3_column_int64(stmt, 0);
	return r <= 0 ? r : -ENOENT;
}

int streams_take_device(struct txn *txn, const struct uuid *device, int64_t *ret_id)
{
	sqlite3_stmt *stmt;
	int r = streams_find_device(txn->db, device, ret_id);

	if (r != -ENOENT)
		return r;
	r = 0;
	stmt = db_stmt(txn->db, STMT_DEVICE_STUB, &r);
	if (!stmt)
		return r;
	bind_blob(stmt, 1, device->bytes, UUID_LEN);
	r = stmt_run(stmt);
	if (r >= 0)
		*ret_id = sqlite3_last_insert_rowid(txn->db->connection);
	return r;
}

/* --- rows to streams --- */

static int take_origin(sqlite3_stmt *stmt, struct stream *ret_stream)
{
	if (sqlite3_column_bytes(stmt, 0) != UUID_LEN)
		return -ERR_CORRUPT;
	memcpy(ret_stream->id.origin.device.bytes, sqlite3_column_blob(stmt, 0), UUID_LEN);
	ret_stream->id.origin.epoch = (uint64_t)sqlite3_column_int64(stmt, 1);
	ret_stream->started = (uint64_t)sqlite3_column_int64(stmt, 2);
	return 0;
}

static int take_log(sqlite3_stmt *stmt, struct stream *ret_stream, uint64_t *digest)
{
	struct stream s = {.id = {.kind = STREAM_LOG}};
	int r = take_origin(stmt, &s);

	if (r < 0)
		return r;
	s.position = (uint64_t)sqlite3_column_int64(stmt, 3);
	s.hlc = (uint64_t)sqlite3_column_int64(stmt, 4);
	if (sqlite3_column_bytes(stmt, 5) == HASH_LEN)
		memcpy(s.hash, sqlite3_column_blob(stmt, 5), HASH_LEN);
	s.floor = (uint64_t)sqlite3_column_int64(stmt, 6);
	*digest += (uint64_t)sqlite3_column_int64(stmt, 7);
	*ret_stream = s;
	return 0;
}

static int take_state(struct db *db, sqlite3_stmt *stmt, struct stream *ret_stream)
{
	struct stream s = {.position = (uint64_t)sqlite3_column_int64(stmt, 4)};
	int r = take_origin(stmt, &s);

	if (r < 0)
		return r;
	s.id.kind = (uint8_t)sqlite3_column_int(stmt, 3);
	s.floor = (uint64_t)sqlite3_column_int64(stmt, 5);
	s.head = (uint64_t)sqlite3_column_int64(stmt, 6);
	s.base = (uint64_t)sqlite3_column_int64(stmt, 7);
	s.listing = sqlite3_column_int(stmt, 8) != 0;
	s.digest = (uint64_t)sqlite3_column_int64(stmt, 9);
	if (uuid_cmp(&s.id.origin.device, &db->store->info.device) == 0) {
		s.head = s.base = s.position;
		s.listing = false;
	}
	*ret_stream = s;
	return 0;
}

/* Entries: the sum over the locations that stand. In C, as sums wrap. */
static int sum_entries(struct db *db, const struct uuid *device, uint64_t *ret_sum)
{
	uint64_t sum = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_LOCATION_DIGESTS, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, device->bytes, UUID_LEN);
	while ((r = stmt_step(stmt)) == 0)
		sum += (uint64_t)sqlite3_column_int64(stmt, 0);
	if (r > 0)
		*ret_sum = sum;
	return r < 0 ? r : 0;
}

int streams_get(struct db *db, const struct stream_id *id, struct stream *ret_stream)
{
	struct stream s;
	uint64_t unused = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt =
	    db_stmt(db, id->kind == STREAM_LOG ? STMT_STREAM_LOG : STMT_STREAM_STATE, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, id->origin.device.bytes, UUID_LEN);
	bind_int(stmt, 2, (int64_t)id->origin.epoch);
	if (id->kind != STREAM_LOG)
		bind_int(stmt, 3, id->kind);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ENOENT;
	r = id->kind == STREAM_LOG ? take_log(stmt, &s, &unused) : take_state(db, stmt, &s);
	if (r == 0 && id->kind == MODEL_ENTRY)
		r = sum_entries(db, &id->origin.device, &s.digest);
	if (r == 0)
		*ret_stream = s;
	return r;
}

/* --- the vector --- */

static int list_logs(struct db *db, struct vector *v)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_STREAM_LOGS, &r);

	if (!stmt)
		return r;
	while ((r = stmt_step(stmt)) == 0) {
		struct stream s;

		r = take_log(stmt, &s, &v->shared_digest);
		if (r == 0)
			r = vector_set(v, &s);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int list_states(struct db *db, struct vector *v)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_STREAM_STATES, &r);

	if (!stmt)
		return r;
	while ((r = stmt_step(stmt)) == 0) {
		struct stream s;

		r = take_state(db, stmt, &s);
		if (r == 0 && s.id.kind == MODEL_ENTRY)
			r = sum_entries(db, &s.id.origin.device, &s.digest);
		if (r == 0)
			r = vector_set(v, &s);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int read_number(struct db *db, enum statement which, uint64_t *ret_number)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, which, &r);

	if (!stmt)
		return r;
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ERR_CORRUPT;
	*ret_number = (uint64_t)sqlite3_column_int64(stmt, 0);
	return 0;
}

int streams_list(struct db *db, struct vector *ret_vector)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT;
	int r = read_number(db, STMT_SHARED_DIGEST, &v.shared_digest);

	if (r == 0)
		r = read_number(db, STMT_LIBRARY_LAST_HLC, &v.clock);
	if (r == 0)
		r = list_logs(db, &v);
	if (r == 0)
		r = list_states(db, &v);
	if (r < 0)
		return r;
	vector_release(ret_vector);
	*ret_vector = v;
	v = VECTOR_INIT; /* handed over */
	return 0;
}

int streams_put(struct txn *txn, int64_t origin, const struct stream *s)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_STREAM_PUT, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, s->id.kind);
	bind_int(stmt, 3, (int64_t)s->position);
	bind_int(stmt, 4, (int64_t)s->floor);
	bind_int(stmt, 5, (int64_t)s->head);
	bind_int(stmt, 6, (int64_t)s->base);
	bind_int(stmt, 7, s->listing);
	bind_int(stmt, 8, s->id.kind == MODEL_ENTRY ? 0 : (int64_t)s->digest);
	return stmt_run(stmt);
}
