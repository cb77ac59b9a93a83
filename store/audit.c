#include "store/audit.h"

#include <string.h>

#include "base/cleanup.h"
#include "store/internal.h"
#include "store/owned.h"
#include "sync/model.h"

static int insert(struct txn *txn, const char *action, const char *subject)
{
	sqlite3_stmt *stmt;
	int64_t version;
	int r;

	r = txn_next_version(txn, MODEL_AUDIT, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_AUDIT_INSERT, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_info(txn)->device_row);
	bind_int(stmt, 2, (int64_t)txn_now_ms(txn));
	bind_text(stmt, 3, action, strlen(action));
	bind_text(stmt, 4, subject, strlen(subject));
	bind_int(stmt, 5, version);
	r = stmt_run(stmt);
	return r < 0 ? r : owned_enter(txn, MODEL_AUDIT, sqlite3_last_insert_rowid(txn->db->connection));
}

/* The oldest row beyond those that are kept: 1 when there is none. */
static int find_oldest(struct txn *txn, int64_t *ret_id)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_AUDIT_OLDEST, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_info(txn)->device_row);
	r = stmt_step(stmt);
	if (r == 0)
		*ret_id = sqlite3_column_int64(stmt, 0);
	return r;
}

/* A tombstone, until every member has it. */
static int delete_row(struct txn *txn, int64_t id)
{
	sqlite3_stmt *stmt;
	int64_t version;
	int r = owned_leave(txn, MODEL_AUDIT, id);

	if (r >= 0)
		r = txn_next_version(txn, MODEL_AUDIT, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_AUDIT_DELETE, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, version);
	return stmt_run(stmt);
}

int audit_add(struct txn *txn, const char *action, const char *subject)
{
	int64_t id = 0;
	int r = insert(txn, action, subject);

	while (r >= 0 && (r = find_oldest(txn, &id)) == 0)
		r = delete_row(txn, id);
	return r < 0 ? r : 0;
}

int audit_list(struct db *db, int64_t after, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_AUDIT_LIST, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, after);
	ret_rows->stmt = stmt;
	return 0;
}

int audit_next(struct rows *rows, struct audit *ret_audit)
{
	int r = stmt_step(rows->stmt);

	if (r != 0)
		return r;
	*ret_audit = (struct audit){
	    .id = sqlite3_column_int64(rows->stmt, 0),
	    .device = sqlite3_column_int64(rows->stmt, 1),
	    .at_ms = sqlite3_column_int64(rows->stmt, 2),
	    .action = (const char *)sqlite3_column_text(rows->stmt, 3),
	    .subject = (const char *)sqlite3_column_text(rows->stmt, 4),
	};
	return 0;
}
