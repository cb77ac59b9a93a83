#include "store/owned.h"

#include "base/cleanup.h"
#include "store/txn.h"
#include "sync/digest.h"

static void take_value(sqlite3_stmt *stmt, int column, const struct field *field, struct value *ret_value)
{
	const uint8_t *bytes;

	if (field->type == FIELD_BOOL || field->type == FIELD_UINT) {
		ret_value->number = (uint64_t)sqlite3_column_int64(stmt, column);
		return;
	}
	bytes = sqlite3_column_blob(stmt, column); /* text too: as it is stored */
	ret_value->bytes = bytes ? bytes : (const uint8_t *)"";
	ret_value->len = (size_t)sqlite3_column_bytes(stmt, column);
}

void owned_take(sqlite3_stmt *stmt, const struct model *model, struct row *ret_row)
{
	int column = 0;

	*ret_row = (struct row){.model = model, .version = (uint64_t)sqlite3_column_int64(stmt, column++)};
	for (unsigned i = 0; i < model->key_parts; i++)
		ret_row->key[i] = (uint64_t)sqlite3_column_int64(stmt, column++);
	for (unsigned i = 0; i < model->field_count; i++)
		take_value(stmt, column++, &model->fields[i], &ret_row->values[i]);
}

static enum statement getter(enum model_kind kind)
{
	return kind == MODEL_LOCATION ? STMT_OWNED_LOCATION_GET
	       : kind == MODEL_ENTRY  ? STMT_OWNED_ENTRY_GET
	       : kind == MODEL_VOLUME ? STMT_OWNED_VOLUME_GET
				      : STMT_OWNED_AUDIT_GET;
}

/* The digest of a row; of an entry also its location. */
static int sum(struct txn *txn, enum model_kind kind, int64_t id, uint64_t *ret_sum, int64_t *ret_location)
{
	struct row row;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, getter(kind), &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	r = stmt_step(stmt);
	if (r != 0)
		return r;
	owned_take(stmt, model_find(kind), &row);
	*ret_sum = digest_row(&row);
	if (kind == MODEL_ENTRY)
		*ret_location = sqlite3_column_int64(stmt, sqlite3_column_count(stmt) - 1);
	return 0;
}

static int count(struct txn *txn, enum model_kind kind, int64_t id, bool enters)
{
	uint64_t digest = 0;
	int64_t location = 0;
	int r = sum(txn, kind, id, &digest, &location);

	if (r != 0)
		return r < 0 ? r : 0;
	digest = enters ? digest : UINT64_C(0) - digest;
	return kind == MODEL_ENTRY ? txn_location_digest(txn, location, digest)
				   : txn_stream_digest(txn, (int)kind, digest);
}

int owned_leave(struct txn *txn, enum model_kind kind, int64_t id)
{
	return count(txn, kind, id, false);
}

int owned_enter(struct txn *txn, enum model_kind kind, int64_t id)
{
	return count(txn, kind, id, true);
}
