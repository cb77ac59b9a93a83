/* Connections and statements: internal to store/, the only header there that sees SQLite.
 *
 * A `struct db` is one connection with its prepared statements. Statements are an enum-indexed table made of
 * catalogue.def and shared.def (`STATEMENT(NAME, "SQL")`), prepared at their first use on a connection (a reader
 * prepares only what it uses) and kept. Values are always bound. Threads: a db belongs to one thread at a time. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "store/notice.h"
#include "store/rows.h"
#include "store/store.h"

enum statement {
#define STATEMENT(name, sql) STMT_##name,
#include "store/catalogue.def"
#include "store/shared.def"
#undef STATEMENT
	STMT_COUNT
};

/* A reset statement with cleared bindings, marked as in use until stmt_done / rows_release. Asking for one in use: NULL
 * and *ret_error = -EBUSY. Other errors: translated. */
sqlite3_stmt *db_stmt(struct db *db, enum statement which, int *ret_error);

/* Ends the use of a statement: reset, bindings cleared. For _cleanup_. NULL does nothing. */
void stmt_done(sqlite3_stmt **stmt);

/* Steps: 0 = a row, 1 = done, negative = translated error. */
int stmt_step(sqlite3_stmt *stmt);

/* Steps a statement that gives no row, and ends its use. */
int stmt_run(sqlite3_stmt *stmt);

/* The project's code for an SQLite result (extended codes included). */
int db_error(int sqlite_code);

/* Bind helpers that cannot fail but for memory; `at` counts from 1. Blobs and text are bound SQLITE_STATIC: they must
 * live until the statement is done. Errors of binding surface in stmt_step. */
void bind_int(sqlite3_stmt *stmt, int at, int64_t value);
void bind_blob(sqlite3_stmt *stmt, int at, const void *bytes, size_t len);
void bind_text(sqlite3_stmt *stmt, int at, const void *text, size_t len);
void bind_null(sqlite3_stmt *stmt, int at);

/* The store of a connection; the epoch etc. through store_info. */
struct store *db_store(struct db *db);

/* Adds a notice to the transaction; the name is copied. `always`: also when the kernel knows (kernel_knows of
 * store_write_opts). Does nothing while nobody subscribes. Consecutive equal LISTING notices are merged. */
int txn_notice(struct txn *txn, enum notice_change change, uint64_t parent, uint64_t object, const char *name, size_t len,
	       bool always);

/* The next version of this device's stream of a kind (state streams); written to the stream row at commit. */
int txn_next_version(struct txn *txn, int kind, int64_t *ret_version);

/* The next entry number of a location; written to the location row at commit. */
int txn_next_seq(struct txn *txn, int64_t location, uint64_t *ret_seq);

/* The row of this device's origin. */
int64_t txn_origin(struct txn *txn);
