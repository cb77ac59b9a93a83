#include "store/audit.h"

#include <string.h>

#include "base/cleanup.h"
#include "store/internal.h"
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
	return stmt_run(stmt);
}

int audit_add(struct txn *txn, const char *action, const char *subject)
{
	sqlite3_stmt *stmt;
	int r;

	r = insert(txn, action, subject);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_AUDIT_TRIM, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_info(txn)->device_row);
	return stmt_run(stmt);
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
