#include "store/forget.h"

#include <string.h>

#include "base/err.h"
#include "store/change_kind.h"
#include "store/db.h"
#include "store/shared_row.h"
#include "sync/digest.h"

static bool carries(const struct held *held, const uint8_t stamp[STAMP_LEN])
{
	return held->stamp_len > 0 && memcmp(held->stamp, stamp, STAMP_LEN) == 0;
}

static int run_forget(struct txn *txn, enum statement which, int64_t id, const struct stamp *stamp)
{
	uint8_t bytes[STAMP_LEN];
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, which, &r);

	if (stmt == NULL)
		return r;
	stamp_encode(stamp, bytes);
	bind_int(stmt, 1, id);
	bind_blob(stmt, 2, bytes, STAMP_LEN);
	return stmt_run(stmt);
}

/* Whatever the change sets counts, as all fields with one stamp were written by one change. */
static int forget(struct txn *txn, const struct change *change, const struct shared_row *before, enum statement which,
		  const struct stamp *stamp)
{
	uint8_t bytes[STAMP_LEN];

	stamp_encode(stamp, bytes);
	for (unsigned field = 0; field < change->model->field_count; field++) {
		struct value value = shared_row_value(before, change, field);

		if (carries(&before->fields[field], bytes))
			txn->shared_delta -= digest_register(change->model, change->key, field, &value, stamp);
	}
	return before->id != 0 ? run_forget(txn, which, before->id, stamp) : 0;
}

static int forget_change(struct txn *txn, const struct change *change, const struct stamp *stamp)
{
	struct shared_row before = { 0 };
	struct home home = { 0 };
	uint64_t prefix, seq;
	int r;

	switch (change->model->kind) {
	case MODEL_DEVICE:
		r = shared_row_device(txn, &change->key[0], &before);
		return r < 0 || before.id == 0 ? r : run_forget(txn, STMT_DEVICE_FORGET, before.id, stamp);
	case MODEL_TAG:
	case MODEL_ALBUM:
		r = shared_row_collection(txn, collection_kind_of(change->model->kind), &change->key[0], &before);
		return r < 0 ? r : forget(txn, change, &before, STMT_COLLECTION_FORGET, stamp);
	default:
		uuid_entry_split(&change->key[1], &prefix, &seq);
		r = shared_row_home(txn, collection_kind_of(change->model->kind), &change->key[0], &home);
		if (r == 0)
			r = shared_row_pair(txn, home.id, prefix, seq, &before);
		return r < 0 ? r : forget(txn, change, &before, STMT_PAIR_FORGET, stamp);
	}
}

int forget_stamp(struct txn *txn, const struct change_set *set, const struct stamp *stamp)
{
	int r = 0;

	for (size_t i = 0; i < set->count && r == 0; i++)
		r = forget_change(txn, &set->items[i], stamp);
	return r;
}
