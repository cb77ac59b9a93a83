#include "store/shared_row.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/db.h"
#include "sync/naming.h"

static void take_stamp(sqlite3_stmt *stmt, int column, struct held *held)
{
	held->stamp_len = sqlite3_column_bytes(stmt, column) == STAMP_LEN ? STAMP_LEN : 0;
	if (held->stamp_len > 0)
		memcpy(held->stamp, sqlite3_column_blob(stmt, column), STAMP_LEN);
}

struct value shared_row_value(const struct shared_row *row, const struct change *change, unsigned field)
{
	const struct held *held = &row->fields[field];

	switch (change->model->fields[field].type) {
	case FIELD_TITLE:
	case FIELD_NAME:
		return (struct value){ .bytes = (const uint8_t *)row->name, .len = row->name_len };
	case FIELD_BYTES:
		return (struct value){ .bytes = held->content, .len = held->content_len };
	default:
		return (struct value){ .number = held->number };
	}
}

void shared_row_name(sqlite3_stmt *stmt, int column, char ret_name[TEXT_NAME_MAX + 1], size_t *ret_len)
{
	size_t len = (size_t)sqlite3_column_bytes(stmt, column);

	if (len > TEXT_NAME_MAX)
		len = TEXT_NAME_MAX;
	if (len > 0)
		memcpy(ret_name, sqlite3_column_text(stmt, column), len);
	ret_name[len] = '\0';
	*ret_len = len;
}

int shared_row_device(struct txn *txn, const struct uuid *uuid, struct shared_row *ret_row)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_DEVICE_BEFORE, &r);

	if (stmt == NULL)
		return r;
	bind_blob(stmt, 1, uuid->bytes, UUID_LEN);
	r = stmt_step(stmt);
	if (r < 0)
		return r;
	if (r == 0) {
		ret_row->id = sqlite3_column_int64(stmt, 0);
		shared_row_name(stmt, 1, ret_row->name, &ret_row->name_len);
		ret_row->shown = sqlite3_column_int(stmt, 2) == 1;
	}
	return 0;
}

int shared_row_collection(struct txn *txn, enum collection_kind kind, const struct uuid *uuid, struct shared_row *ret_row)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_COLLECTION_BEFORE, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, kind);
	bind_blob(stmt, 2, uuid->bytes, UUID_LEN);
	r = stmt_step(stmt);
	if (r < 0)
		return r;
	if (r == 0) {
		ret_row->id = sqlite3_column_int64(stmt, 0);
		shared_row_name(stmt, 1, ret_row->name, &ret_row->name_len);
		ret_row->shown = sqlite3_column_int(stmt, 2) == 1;
		take_stamp(stmt, 3, &ret_row->fields[COLLECTION_NAME]);
		ret_row->fields[COLLECTION_LIVE].number = (uint64_t)sqlite3_column_int64(stmt, 4);
		take_stamp(stmt, 5, &ret_row->fields[COLLECTION_LIVE]);
		ret_row->life = (uint32_t)sqlite3_column_int64(stmt, 6);
	}
	return 0;
}

int shared_row_home(struct txn *txn, enum collection_kind kind, const struct uuid *uuid, struct home *ret_home)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_COLLECTION_OF_UUID, &r);

	if (stmt == NULL)
		return r;
	if (kind == COLLECTION_FAVORITES && uuid_cmp(uuid, &naming_favorites) != 0)
		return -ERR_MALFORMED;
	ret_home->kind = kind;
	bind_int(stmt, 1, kind);
	bind_blob(stmt, 2, uuid->bytes, UUID_LEN);
	r = stmt_step(stmt);
	if (r == 0) {
		ret_home->id = sqlite3_column_int64(stmt, 0);
		ret_home->live = sqlite3_column_int(stmt, 1) == 1;
		shared_row_name(stmt, 2, ret_home->name, &ret_home->name_len);
		ret_home->shown = sqlite3_column_int(stmt, 3) == 1;
		ret_home->life = (uint32_t)sqlite3_column_int64(stmt, 4);
		return 0;
	}
	if (r < 0)
		return r;
	stmt_done(&stmt);
	stmt = db_stmt(txn->db, STMT_COLLECTION_STUB, &r);
	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, kind);
	bind_blob(stmt, 2, uuid->bytes, UUID_LEN);
	r = stmt_step(stmt);
	if (r < 0)
		return r;
	ret_home->id = sqlite3_last_insert_rowid(sqlite3_db_handle(stmt));
	return 0;
}

static void take_content(sqlite3_stmt *stmt, int column, struct held *held)
{
	held->content_len = sqlite3_column_bytes(stmt, column) == HASH128_LEN ? HASH128_LEN : 0;
	if (held->content_len > 0)
		memcpy(held->content, sqlite3_column_blob(stmt, column), HASH128_LEN);
}

int shared_row_pair(struct txn *txn, int64_t collection, uint64_t prefix, uint64_t seq, struct shared_row *ret_row)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_PAIR_BEFORE, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, (int64_t)prefix);
	bind_int(stmt, 2, (int64_t)seq);
	bind_int(stmt, 3, collection);
	r = stmt_step(stmt);
	if (r < 0)
		return r;
	if (r == 0) {
		ret_row->id = sqlite3_column_int64(stmt, 0);
		shared_row_name(stmt, 1, ret_row->name, &ret_row->name_len);
		ret_row->shown = sqlite3_column_int(stmt, 2) == 1;
		take_stamp(stmt, 3, &ret_row->fields[PAIR_NAME]);
		take_content(stmt, 4, &ret_row->fields[PAIR_CONTENT]);
		take_stamp(stmt, 5, &ret_row->fields[PAIR_CONTENT]);
		ret_row->fields[PAIR_LIVE].number = (uint64_t)sqlite3_column_int64(stmt, 2);
		take_stamp(stmt, 6, &ret_row->fields[PAIR_LIVE]);
	}
	return 0;
}
