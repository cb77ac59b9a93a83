/* Rows of the kinds of which a device has few: locations, audit records, volumes. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/internal.h"
#include "store/object.h"
#include "store/owned.h"
#include "store/replica_internal.h"
#include "sync/digest.h"
#include "sync/limits.h"

/* Each statement that gives rows gives their id behind the fields. */
static const struct table {
	enum model_kind kind;
	enum statement find, put, after, doubt, swept, unmake, count;
	uint64_t max; /* rows of one device */
} tables[] = {
    {MODEL_LOCATION, STMT_LOCATION_FIND, STMT_LOCATION_PUT, STMT_LOCATION_AFTER, STMT_LOCATION_DOUBT,
     STMT_LOCATION_SWEPT, STMT_LOCATION_UNMAKE, STMT_LOCATION_COUNT, OWNER_LOCATIONS_MAX},
    {MODEL_AUDIT, STMT_AUDIT_FIND, STMT_AUDIT_PUT, STMT_AUDIT_AFTER, STMT_AUDIT_DOUBT, STMT_AUDIT_SWEPT,
     STMT_AUDIT_UNMAKE, STMT_AUDIT_COUNT, OWNER_AUDIT_MAX},
    {MODEL_VOLUME, STMT_VOLUME_FIND, STMT_VOLUME_PUT, STMT_VOLUME_AFTER, STMT_VOLUME_DOUBT, STMT_VOLUME_SWEPT,
     STMT_VOLUME_UNMAKE, STMT_VOLUME_COUNT, OWNER_VOLUMES_MAX},
};

static const struct table *table_of(enum model_kind kind)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (tables[i].kind == kind)
			return &tables[i];
	}
	return NULL;
}

static int64_t id_of(sqlite3_stmt *stmt, const struct model *model)
{
	return sqlite3_column_int64(stmt, (int)(1 + model->key_parts + model->field_count));
}

/* --- reading --- */

int replica_small_read(struct db *db, const struct model *model, int64_t device, uint64_t since, struct row_sink *sink)
{
	const struct table *table = table_of(model->kind);
	struct row row;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = table ? db_stmt(db, table->after, &r) : NULL;

	if (!stmt)
		return table ? r : -ERR_CORRUPT;
	bind_int(stmt, 1, device);
	bind_int(stmt, 2, (int64_t)since);
	while ((r = stmt_step(stmt)) == 0) {
		owned_take(stmt, model, &row);
		r = row_sink_add(sink, &row);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return r;
}

/* --- locations --- */

/* A location as it was; all zero when it was not. */
struct place {
	int64_t id;
	int64_t device;
	int64_t root;
	uint64_t version;
	uint64_t counted; /* what it counts for; only where `in` is given */
	bool deleted;
	char name[TEXT_NAME_MAX];
	size_t name_len;
};

/* 1: there is none. */
static int find_place(struct txn *txn, const struct incoming *in, uint64_t prefix, struct place *ret_place)
{
	struct place place = {.id = 0};
	struct row row;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOCATION_FIND, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, (int64_t)prefix);
	r = stmt_step(stmt);
	if (r == 0) {
		owned_take(stmt, model_find(MODEL_LOCATION), &row);
		place.id = id_of(stmt, row.model);
		place.device = sqlite3_column_int64(stmt, sqlite3_column_count(stmt) - 2);
		place.root = sqlite3_column_int64(stmt, sqlite3_column_count(stmt) - 1);
		place.version = row.version;
		place.counted = in ? incoming_counted(in, &row) : 0;
		place.deleted = row_is_tombstone(&row);
		place.name_len = row.values[LOCATION_NAME].len;
		if (place.name_len > sizeof(place.name))
			return -ERR_CORRUPT;
		memcpy(place.name, row.values[LOCATION_NAME].bytes, place.name_len);
	}
	*ret_place = place;
	return r;
}

static int make_place(struct txn *txn, int64_t device, uint64_t prefix, int64_t *ret_id)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOCATION_STUB, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, device);
	bind_int(stmt, 2, (int64_t)prefix);
	r = stmt_run(stmt);
	if (r >= 0)
		*ret_id = sqlite3_last_insert_rowid(txn->db->connection);
	return r;
}

/* Finds or makes it. */
static int take_place(struct incoming *in, uint64_t prefix, struct place *ret_place)
{
	int r = find_place(in->txn, in, prefix, ret_place);

	if (r == 1) {
		*ret_place = (struct place){.device = in->device};
		r = make_place(in->txn, in->device, prefix, &ret_place->id);
		in->added++;
	}
	if (r == 0 && ret_place->device != in->device)
		r = -ERR_MALFORMED;
	return r;
}

int replica_check_location(struct txn *txn, int64_t device, uint64_t prefix)
{
	struct place place = {0};
	int r = find_place(txn, NULL, prefix, &place);

	return r == 0 && place.device != device ? -ERR_MALFORMED : r < 0 ? r : 0;
}

int replica_take_location(struct incoming *in, uint64_t prefix, int64_t *ret_id, bool *ret_deleted)
{
	struct place place;
	int r = take_place(in, prefix, &place);

	if (r < 0)
		return r;
	*ret_id = place.id;
	*ret_deleted = place.deleted;
	return 0;
}

/* What the mount shows of a location is its root, under its name, in the folder of its device. */
static int tell_place(struct txn *txn, const struct place *before, const struct value *name, int64_t root, bool deleted)
{
	uint64_t parent = object(OBJECT_DEVICE, before->device);
	bool was = before->name_len > 0 && !before->deleted, is = !deleted;
	bool same = was && is && before->root == root && before->name_len == name->len &&
		    memcmp(before->name, name->bytes, name->len) == 0;
	int r = 0;

	if (same || (!was && !is))
		return 0;
	if (was)
		r = txn_notice(txn, NOTICE_NAME, parent, object(OBJECT_ENTRY, before->root), before->name,
			       before->name_len, true);
	if (r == 0 && is)
		r = txn_notice(txn, NOTICE_NAME, parent, object(OBJECT_ENTRY, root), (const char *)name->bytes,
			       name->len, true);
	if (r == 0 && is)
		r = txn_notice(txn, NOTICE_LISTING, parent, 0, NULL, 0, true);
	if (r == 0)
		r = txn_notice(txn, NOTICE_BELOW, 0, object(OBJECT_ENTRY, was ? before->root : root), NULL, 0, true);
	return r;
}

static int write_place(struct txn *txn, int64_t id, const struct row *row, int64_t root)
{
	int r = txn_location_drop(txn); /* it remembers what the location was */
	sqlite3_stmt *stmt = r < 0 ? NULL : db_stmt(txn->db, STMT_LOCATION_PUT, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	for (int i = LOCATION_NAME; i <= LOCATION_EXCLUDE; i++)
		bind_text(stmt, 2 + i, row->values[i].bytes, row->values[i].len);
	bind_int(stmt, 5, root);
	bind_int(stmt, 6, (int64_t)row->values[LOCATION_VOLUME].number);
	bind_int(stmt, 7, row_is_tombstone(row));
	bind_int(stmt, 8, (int64_t)row->version);
	return stmt_run(stmt);
}

/* Its entries come anew; some may have been passed over. */
static int bring_back(struct incoming *in, int64_t id)
{
	const struct stream_id entries = {.origin = in->range->stream.origin, .kind = MODEL_ENTRY};
	int r = replica_empty(in->txn, id);

	return r != 0 ? r : replica_relist(in->txn, &entries);
}

static int put_place(struct incoming *in, const struct row *row)
{
	struct txn *txn = in->txn;
	uint64_t root_seq = row->values[LOCATION_ROOT].number;
	struct place before;
	int64_t root = 0;
	int r = take_place(in, row->key[0], &before);

	if (r < 0)
		return r;
	if (!in->range->listing && before.version >= row->version)
		return 0;
	if (before.deleted && !row_is_tombstone(row))
		r = bring_back(in, before.id);
	if (r == 0 && root_seq != 0 && !row_is_tombstone(row))
		r = replica_take_entry(in, before.id, root_seq - 1, &root);
	if (r == 0)
		r = write_place(txn, before.id, row, root);
	if (r != 0)
		return r;
	in->digest += digest_row(row) - before.counted;
	return tell_place(txn, &before, &row->values[LOCATION_NAME], root, row_is_tombstone(row));
}

/* --- the others --- */

/* 1: there is none. */
static int find_old(struct incoming *in, const struct table *table, const struct row *row, uint64_t *ret_version,
		    uint64_t *ret_counted)
{
	struct row old;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(in->txn->db, table->find, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, in->device);
	bind_int(stmt, 2, (int64_t)row->key[0]);
	r = stmt_step(stmt);
	if (r != 0)
		return r;
	owned_take(stmt, row->model, &old);
	*ret_version = old.version;
	*ret_counted = incoming_counted(in, &old);
	return 0;
}

static void bind_value(sqlite3_stmt *stmt, int at, const struct field *field, const struct value *value)
{
	if (field->type == FIELD_BOOL || field->type == FIELD_UINT)
		bind_int(stmt, at, (int64_t)value->number);
	else
		bind_text(stmt, at, value->bytes, value->len);
}

static int put_plain(struct incoming *in, const struct row *row)
{
	const struct table *table = table_of(row->model->kind);
	uint64_t version = 0, counted = 0;
	sqlite3_stmt *stmt;
	int r = find_old(in, table, row, &version, &counted);

	if (r < 0 || (r == 0 && !in->range->listing && version >= row->version))
		return r;
	in->added += r == 1;
	r = 0;
	stmt = db_stmt(in->txn->db, table->put, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, in->device);
	bind_int(stmt, 2, (int64_t)row->key[0]);
	bind_int(stmt, 3, (int64_t)row->version);
	for (unsigned i = 0; i < row->model->field_count; i++)
		bind_value(stmt, 4 + (int)i, &row->model->fields[i], &row->values[i]);
	in->digest += digest_row(row) - counted;
	return stmt_run(stmt);
}

int replica_small_put(struct incoming *in, const struct row *row)
{
	return row->model->kind == MODEL_LOCATION ? put_place(in, row) : put_plain(in, row);
}

/* --- rows that a list lacks --- */

int replica_small_doubt(struct incoming *in)
{
	_cleanup_(buf_release) struct buf ids = BUF_INIT;
	const struct model *model = model_find(in->range->stream.kind);
	const struct table *table = table_of(model->kind);
	struct row row;
	int64_t id;
	bool full = false;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(in->txn->db, table->after, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, in->device);
	bind_int(stmt, 2, (int64_t)in->range->since);
	while (!full && (r = stmt_step(stmt)) == 0) {
		owned_take(stmt, model, &row);
		if (row.version > in->range->upto)
			break;
		r = incoming_has(in, &row);
		if (r < 0)
			return r;
		if (r == 1)
			continue;
		id = id_of(stmt, model);
		in->digest -= incoming_counted(in, &row);
		buf_append(&ids, &id, sizeof(id));
		full = txn_slice_ends(in->txn, 1);
	}
	if (r < 0)
		return r;
	stmt_done(&stmt);
	r = replica_run_on(in->txn, table->doubt, &ids);
	return r < 0 ? r : full;
}

/* A location becomes a stub: its entries may come again, and have their ids. Those of one that was deleted go. */
static int sweep_place(struct incoming *in, const struct row *row, int64_t id)
{
	struct place before;
	struct value none = {.bytes = (const uint8_t *)"", .len = 0};
	int r = find_place(in->txn, NULL, row->key[0], &before);

	if (r == 0 && before.deleted)
		r = replica_empty(in->txn, id);
	if (r == 0 && before.name_len > 0)
		r = tell_place(in->txn, &before, &none, before.root, true);
	return r;
}

/* Stubs of locations are found here each time: they make no slice full. */
int replica_small_sweep(struct incoming *in, uint64_t head)
{
	_cleanup_(buf_release) struct buf ids = BUF_INIT;
	const struct model *model = model_find(in->range->stream.kind);
	const struct table *table = table_of(model->kind);
	struct row row;
	int64_t id;
	int more = 0, r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(in->txn->db, table->swept, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, in->device);
	bind_int(stmt, 2, (int64_t)head);
	while (!more && (r = stmt_step(stmt)) == 0) {
		owned_take(stmt, model, &row);
		id = id_of(stmt, model);
		if (model->kind == MODEL_LOCATION)
			more = sweep_place(in, &row, id);
		if (more < 0)
			return more;
		if (more)
			break;
		in->digest -= incoming_counted(in, &row);
		buf_append(&ids, &id, sizeof(id));
		more = model->kind != MODEL_LOCATION && txn_slice_ends(in->txn, 1);
	}
	if (r < 0)
		return r;
	stmt_done(&stmt);
	if (model->kind == MODEL_LOCATION)
		r = txn_location_drop(in->txn);
	if (r >= 0)
		r = replica_run_on(in->txn, table->unmake, &ids);
	return r < 0 ? r : more;
}

int replica_small_purge(struct txn *txn, const struct model *model, int64_t device, uint64_t upto)
{
	int r = 0, rows = 0;

	do {
		sqlite3_stmt *stmt = model->kind == MODEL_AUDIT ? db_stmt(txn->db, STMT_AUDIT_PURGE, &r) : NULL;

		if (!stmt)
			return r;
		bind_int(stmt, 1, device);
		bind_int(stmt, 2, (int64_t)upto);
		r = stmt_run(stmt);
		rows = sqlite3_changes(txn->db->connection);
	} while (r >= 0 && rows > 0 && !txn_slice_ends(txn, (unsigned)rows));
	return r < 0 ? r : rows > 0;
}

/* --- how many there may be --- */

static int count_rows(struct db *db, enum statement which, int64_t device, uint64_t *ret_rows)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, which, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, device);
	r = stmt_step(stmt);
	if (r == 0)
		*ret_rows = (uint64_t)sqlite3_column_int64(stmt, 0);
	return r == 1 ? -EIO : r;
}

static int check_few(struct incoming *in, enum model_kind kind)
{
	const struct table *table = table_of(kind);
	uint64_t rows = 0;
	int r = count_rows(in->txn->db, table->count, in->device, &rows);

	return r == 0 && rows > table->max ? -ERR_TOO_LARGE : r;
}

static struct store_tally *tally_of(struct store *store, int64_t device)
{
	return &store->tallies[(uint64_t)device % STORE_TALLIES];
}

/* Outside the gate, as it takes a while: entries are counted once, then what is added, and all again when that seems
 * too much. */
int replica_count_entries(struct store *store, const struct uuid *device, uint64_t *ret_rows)
{
	struct db *db;
	int64_t id = 0;
	int r = store_reader(store, &db);

	if (r == 0)
		r = streams_find_device(db, device, &id);
	if (r == 0 && tally_of(store, id)->device != id)
		r = count_rows(db, STMT_ENTRY_COUNT, id, ret_rows);
	return r == -ENOENT ? 0 : r;
}

static int check_entries(struct incoming *in)
{
	struct store *store = in->txn->store;
	struct store_tally *tally = tally_of(store, in->device);
	int r = 0;

	if (tally->device != in->device)
		tally->rows = in->counted;
	tally->device = in->device;
	tally->rows += in->added;
	if (tally->rows > store->entries_max)
		r = count_rows(in->txn->db, STMT_ENTRY_COUNT, in->device, &tally->rows);
	return r == 0 && tally->rows > store->entries_max ? -ERR_TOO_LARGE : r;
}

int replica_check_room(struct incoming *in)
{
	int r;

	if (in->range->stream.kind != MODEL_ENTRY)
		return check_few(in, (enum model_kind)in->range->stream.kind);
	r = check_few(in, MODEL_LOCATION); /* stubs of them */
	return r < 0 ? r : check_entries(in);
}
