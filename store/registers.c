#include "store/registers.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/apply.h"
#include "store/collection.h"
#include "store/internal.h"

/* Each source is a statement that gives the rows after a key, in its order: three columns for the key, one or two for
 * the uuids, then value and stamp of each field. The keys of pairs are those of their unique index, as their row ids
 * may change. */

struct source {
	enum model_kind kind;
	enum statement statement;
	int64_t collection_kind; /* of the kinds that share a table */
	unsigned key_columns;	 /* which the statement takes as ?1 ... */
};

static const struct source sources[] = {
    {MODEL_DEVICE, STMT_REGISTERS_DEVICE, 0, 1},
    {MODEL_TAG, STMT_REGISTERS_COLLECTION, COLLECTION_TAG, 1},
    {MODEL_ALBUM, STMT_REGISTERS_COLLECTION, COLLECTION_ALBUM, 1},
    {MODEL_TAGGING, STMT_REGISTERS_PAIR, COLLECTION_TAG, 3},
    {MODEL_ALBUM_ITEM, STMT_REGISTERS_PAIR, COLLECTION_ALBUM, 3},
    {MODEL_METADATA, STMT_REGISTERS_PAIR, COLLECTION_FAVORITES, 3},
};

enum { SOURCE_COUNT = sizeof(sources) / sizeof(sources[0]), KEY_COLUMNS = 3, UUID_COLUMN = KEY_COLUMNS };

/* --- reading --- */

static int take_uuid(sqlite3_stmt *stmt, int column, struct uuid *ret_uuid)
{
	if (sqlite3_column_bytes(stmt, column) != UUID_LEN)
		return -ERR_CORRUPT;
	memcpy(ret_uuid->bytes, sqlite3_column_blob(stmt, column), UUID_LEN);
	return 0;
}

static int add_row(struct registers *registers, enum model_kind kind, sqlite3_stmt *stmt)
{
	bool is_pair = model_find(kind)->key_parts == 2;
	struct uuid key, entry;
	int r = take_uuid(stmt, UUID_COLUMN, &key);

	if (r < 0)
		return r;
	if (is_pair)
		entry = uuid_entry((uint64_t)sqlite3_column_int64(stmt, 0), (uint64_t)sqlite3_column_int64(stmt, 1));
	return registers_add(registers, kind, &key, is_pair ? &entry : NULL);
}

static int add_field(struct registers *registers, const struct field *rule, unsigned field, sqlite3_stmt *stmt,
		     int column)
{
	struct stamp stamp;
	int r;

	if (sqlite3_column_bytes(stmt, column + 1) != STAMP_LEN)
		return 0; /* never written */
	stamp = stamp_decode(sqlite3_column_blob(stmt, column + 1));
	if (rule->type == FIELD_BOOL || rule->type == FIELD_UINT)
		r = registers_put_number(registers, field, (uint64_t)sqlite3_column_int64(stmt, column), &stamp);
	else
		r = registers_put_bytes(registers, field, sqlite3_column_blob(stmt, column),
					(size_t)sqlite3_column_bytes(stmt, column), &stamp);
	return r == -EINVAL || r == -ERR_MALFORMED ? -ERR_CORRUPT : r;
}

/* A row in which nothing was ever written (a stub) is left out. */
static int take_row(struct registers *registers, const struct model *model, sqlite3_stmt *stmt)
{
	int column = UUID_COLUMN + 1;
	int r = add_row(registers, model->kind, stmt);

	for (unsigned field = 0; r == 0 && field < model->field_count; field++, column += 2)
		r = add_field(registers, &model->fields[field], field, stmt, column);
	if (r == 0 && registers->set.items[registers->set.count - 1].fields == 0)
		registers_drop(registers);
	return r;
}

static bool is_full(const struct registers *registers, size_t max_bytes)
{
	return registers->set.count == REGISTERS_ROWS_MAX || registers->bytes + REGISTERS_ROW_MAX > max_bytes;
}

static sqlite3_stmt *begin_source(struct db *db, const struct source *source, const struct registers_cursor *cursor,
				  int *ret_error)
{
	sqlite3_stmt *stmt = db_stmt(db, source->statement, ret_error);

	if (!stmt)
		return NULL;
	for (unsigned i = 0; i < source->key_columns; i++)
		bind_int(stmt, 1 + (int)i, cursor->at[i]);
	if (source->collection_kind != 0)
		bind_int(stmt, 1 + (int)source->key_columns, source->collection_kind);
	return stmt;
}

/* 0: full before the end, 1: to the end. */
static int read_source(struct db *db, const struct source *source, size_t max_bytes, struct registers_cursor *cursor,
		       struct registers *registers)
{
	const struct model *model = model_find(source->kind);
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = begin_source(db, source, cursor, &r);

	if (!stmt)
		return r;
	while (!is_full(registers, max_bytes)) {
		r = stmt_step(stmt);
		if (r == 0)
			r = take_row(registers, model, stmt);
		if (r != 0)
			return r;
		for (int i = 0; i < KEY_COLUMNS; i++)
			cursor->at[i] = sqlite3_column_int64(stmt, i);
	}
	return 0;
}

/* The smallest key of all: prefixes are signed in the database. */
static void begin_kind(struct registers_cursor *cursor, unsigned kind)
{
	*cursor = (struct registers_cursor){.kind = kind};
	if (kind < SOURCE_COUNT && sources[kind].key_columns == KEY_COLUMNS)
		cursor->at[0] = INT64_MIN;
}

int registers_read(struct db *db, uint32_t kinds, size_t max_bytes, struct registers_cursor *cursor,
		   struct registers *ret_registers)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	struct registers_cursor at = *cursor;
	int r = 1;

	assert(max_bytes >= REGISTERS_ROW_MAX && ret_registers->set.count == 0 && !ret_registers->stamps);
	while (at.kind < SOURCE_COUNT && r == 1) {
		const struct source *source = &sources[at.kind];

		if (kinds & REGISTERS_OF(source->kind))
			r = read_source(db, source, max_bytes, &at, &registers);
		if (r == 1)
			begin_kind(&at, at.kind + 1);
	}
	if (r < 0)
		return r;
	*cursor = at;
	*ret_registers = registers;
	registers = REGISTERS_INIT; /* handed over */
	return r;
}

/* --- merging --- */

/* No log holds these stamps, so the library does: the clock must not fall behind them at the next start. */
static int keep_newest(struct txn *txn, uint64_t newest)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LIBRARY_RAISE_HLC, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, (int64_t)newest);
	return stmt_run(stmt);
}

int registers_merge(struct txn *txn, const struct registers *registers, size_t *merged)
{
	uint64_t newest = registers_newest(registers);
	int r;

	if (newest == 0)
		return 0;
	r = hlc_observe(txn_hlc(txn), newest, txn_now_ms(txn));
	if (r >= 0)
		r = keep_newest(txn, newest);
	while (r >= 0 && *merged < registers->set.count) {
		r = apply_registers(txn, &registers->set.items[*merged], registers->stamps[*merged].of);
		if (r >= 0 && ++*merged < registers->set.count && txn_slice_ends(txn, 1))
			return 1;
	}
	return r < 0 ? r : 0;
}
