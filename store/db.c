/* Connections and their statements.
 *
 * A reader is small on purpose: with ten FUSE threads and a million entries, all of shelf has 64 MiB. The file is not
 * mapped, as an I/O error on a mapped page is a SIGBUS, which ends the process; reading costs no more. Statements are
 * prepared when they are first needed, as few threads need all of them.
 *
 * Foreign keys are not enforced: a row of another device may come before the one it refers to (design section 4). */
#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"

#define BUSY_MS 10000

static const char *const statement_sql[STMT_COUNT] = {
#define STATEMENT(name, sql) [STMT_##name] = sql,
#include "store/catalogue.def"
#include "store/shared.def"
#undef STATEMENT
};

/* A tagging changes seven pages, and the time of its commit grows with their bytes: half of the usual size saves a fifth of
 * it, and costs a scan or a listing nothing that could be measured. */
static const char writer_pragmas[] = "PRAGMA page_size = 2048;"
				     "PRAGMA journal_mode = WAL;"
				     "PRAGMA synchronous = FULL;"
				     "PRAGMA wal_autocheckpoint = 0;"
				     "PRAGMA journal_size_limit = 16777216;"
				     "PRAGMA foreign_keys = OFF;"
				     "PRAGMA secure_delete = OFF;" /* tombstones keep names anyway */
				     "PRAGMA trusted_schema = OFF;"
				     "PRAGMA cache_size = -8192;";

static const char reader_pragmas[] = "PRAGMA query_only = ON;"
				     "PRAGMA trusted_schema = OFF;"
				     "PRAGMA mmap_size = 0;"
				     "PRAGMA cache_size = -1024;";

/* --- errors --- */

static int translate(int code, int system_errno)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EAGAIN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CONSTRAINT: /* values that our own rows rule out */
		return -ERR_CORRUPT;
	case SQLITE_TOOBIG:
		return -ERR_TOO_LARGE;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CANTOPEN:
		return system_errno ? -system_errno : -EIO;
	case SQLITE_IOERR:
		if (code == SQLITE_IOERR_NOMEM)
			return -ENOMEM;
		if (system_errno == ENOSPC || system_errno == EROFS || system_errno == EDQUOT)
			return -system_errno;
		return system_errno == EFBIG ? -ENOSPC
					     : -EIO; /* EFBIG: a limit on the size of files, as good as full */
	default:
		return -EIO;
	}
}

int db_error(int sqlite_code)
{
	return translate(sqlite_code, errno);
}

/* SQLite forgets the errno of some failures when it rolls back; the C library does not. */
int connection_error(sqlite3 *connection, int code)
{
	int system_errno = connection ? sqlite3_system_errno(connection) : 0;

	return translate(code, system_errno ? system_errno : errno);
}

/* --- connections --- */

static void setup_once(void)
{
	/* The statistics cost one lock for each allocation of any thread. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_initialize();
}

/* A file: URI, so that `immutable` can be said; '%', '?' and '#' of the path are escaped. */
static char *fixed_uri(const char *path)
{
	_cleanup_(buf_release) struct buf uri = BUF_INIT;

	buf_append_str(&uri, "file:");
	for (const char *p = path; *p; p++)
		if (strchr("%?#", *p))
			buf_printf(&uri, "%%%02x", (unsigned char)*p);
		else
			buf_append(&uri, p, 1);
	buf_append_str(&uri, "?immutable=1");
	return buf_take_str(&uri);
}

int connection_open(const char *path, enum db_mode mode, sqlite3 **ret_connection)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	_cleanup_(connection_closep) sqlite3 *connection = NULL;
	_cleanup_(free_ptr) char *uri = NULL;
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	struct stat st;
	int r;

	pthread_once(&once, setup_once);
	if (stat(path, &st) < 0)
		return -errno;
	if (mode == DB_READ_FIXED) {
		uri = fixed_uri(path);
		if (!uri)
			return -ENOMEM;
	}
	flags |= mode == DB_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	r = sqlite3_open_v2(uri ? uri : path, &connection, flags | (uri ? SQLITE_OPEN_URI : 0), NULL);
	if (r != SQLITE_OK)
		return connection ? connection_error(connection, r) : -ENOMEM;
	sqlite3_busy_timeout(connection, BUSY_MS);
	*ret_connection = TAKE_PTR(connection);
	return 0;
}

void connection_close(sqlite3 *connection)
{
	if (!connection)
		return;
	int r = sqlite3_close(connection);
	assert(r == SQLITE_OK); /* a statement was left behind */
	(void)r;
}

void connection_closep(sqlite3 **connection)
{
	connection_close(*connection);
}

int connection_exec(sqlite3 *connection, const char *sql)
{
	return connection_error(connection, sqlite3_exec(connection, sql, NULL, NULL, NULL));
}

void stmt_finalize(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

int connection_int(sqlite3 *connection, const char *sql, int64_t *ret_value)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r;

	r = sqlite3_prepare_v2(connection, sql, -1, &stmt, NULL);
	if (r != SQLITE_OK)
		return connection_error(connection, r);
	r = sqlite3_step(stmt);
	if (r == SQLITE_DONE)
		return -ENOENT;
	if (r != SQLITE_ROW)
		return connection_error(connection, r);
	*ret_value = sqlite3_column_int64(stmt, 0);
	return 0;
}

static void nothing(void *arg)
{
}

/* SQLite keeps one pointer for us: the argument of a hook. It is the way from a statement back to its struct db. */
static void remember_db(struct db *db)
{
	sqlite3_rollback_hook(db->connection, nothing, db);
}

static struct db *db_of(sqlite3_stmt *stmt)
{
	struct db *db = sqlite3_rollback_hook(sqlite3_db_handle(stmt), nothing, NULL);

	remember_db(db);
	return db;
}

static int keep_wal_frames(void *arg, sqlite3 *connection, const char *name, int frames)
{
	struct store *store = arg;

	store->wal_frames = frames;
	return SQLITE_OK;
}

/* A filesystem without shared memory keeps another mode, silently. */
static int check_wal(sqlite3 *connection)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r;

	r = sqlite3_prepare_v2(connection, "PRAGMA journal_mode", -1, &stmt, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	if (r != SQLITE_ROW)
		return r == SQLITE_DONE ? -EIO : connection_error(connection, r);
	return strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0 ? 0 : -EOPNOTSUPP;
}

static int writer_setup(struct db *db)
{
	int r = connection_exec(db->connection, writer_pragmas);

	if (r >= 0)
		r = check_wal(db->connection);
	if (r < 0)
		return r;
	sqlite3_wal_hook(db->connection, keep_wal_frames, db->store);
	return 0;
}

int db_open(struct store *store, enum db_mode mode, struct db **ret_db)
{
	struct db *db = calloc(1, sizeof(*db));
	int r;

	if (!db)
		return -ENOMEM;
	db->store = store;
	db->writer = mode == DB_WRITE;
	r = connection_open(store->path, mode, &db->connection);
	if (r >= 0)
		r = db->writer ? writer_setup(db) : connection_exec(db->connection, reader_pragmas);
	if (r < 0) {
		db_close(db);
		return r;
	}
	remember_db(db);
	*ret_db = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(db->statements[i]);
	connection_close(db->connection);
	free(db);
}

struct store *db_store(struct db *db)
{
	return db->store;
}

void db_trim(struct db *db)
{
	sqlite3_db_release_memory(db->connection);
}

/* --- statements --- */

sqlite3_stmt *db_stmt(struct db *db, enum statement which, int *ret_error)
{
	if (db->used[which]) {
		*ret_error = -EBUSY;
		return NULL;
	}
	if (!db->statements[which]) {
		int r = sqlite3_prepare_v3(db->connection, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
					   &db->statements[which], NULL);
		if (r != SQLITE_OK) {
			*ret_error = connection_error(db->connection, r);
			return NULL;
		}
	}
	db->used[which] = true;
	db->active[db->active_count++] = (uint16_t)which;
	return db->statements[which];
}

void stmt_done(sqlite3_stmt **stmt)
{
	sqlite3_stmt *s = TAKE_PTR(*stmt);
	struct db *db;
	unsigned i;

	if (!s)
		return;
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	db = db_of(s);
	for (i = db->active_count; i > 0 && db->statements[db->active[i - 1]] != s; i--)
		;
	assert(i > 0);
	db->used[db->active[i - 1]] = false;
	db->active_count--;
	memmove(&db->active[i - 1], &db->active[i], (db->active_count - (i - 1)) * sizeof(db->active[0]));
}

int stmt_step(sqlite3_stmt *stmt)
{
	int r = sqlite3_step(stmt);

	if (r == SQLITE_ROW)
		return 0;
	if (r == SQLITE_DONE)
		return 1;
	return connection_error(sqlite3_db_handle(stmt), r);
}

int stmt_run(sqlite3_stmt *stmt)
{
	int r = stmt_step(stmt);

	stmt_done(&stmt);
	return r < 0 ? r : 0;
}

void rows_release(struct rows *rows)
{
	stmt_done(&rows->stmt);
}

struct db *rows_db(const struct rows *rows)
{
	return db_of(rows->stmt);
}

int rows_only(struct rows *rows, int r)
{
	if (r == 0)
		return 0;
	rows_release(rows);
	return r < 0 ? r : -ENOENT;
}

void bind_int(sqlite3_stmt *stmt, int at, int64_t value)
{
	int r = sqlite3_bind_int64(stmt, at, value);

	assert(r == SQLITE_OK);
	(void)r;
}

/* A NULL pointer would bind SQL's NULL; an empty value is not that. */
void bind_blob(sqlite3_stmt *stmt, int at, const void *bytes, size_t len)
{
	int r = sqlite3_bind_blob64(stmt, at, bytes ? bytes : "", len, SQLITE_STATIC);

	assert(r != SQLITE_RANGE && r != SQLITE_MISUSE);
	(void)r;
}

void bind_text(sqlite3_stmt *stmt, int at, const void *text, size_t len)
{
	int r = sqlite3_bind_text64(stmt, at, text ? text : "", len, SQLITE_STATIC, SQLITE_UTF8);

	assert(r != SQLITE_RANGE && r != SQLITE_MISUSE);
	(void)r;
}

void bind_null(sqlite3_stmt *stmt, int at)
{
	int r = sqlite3_bind_null(stmt, at);

	assert(r == SQLITE_OK);
	(void)r;
}

/* --- reading --- */

static int run(struct db *db, enum statement which)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, which, &r);

	return stmt ? stmt_run(stmt) : r;
}

int db_begin(struct db *db)
{
	int r;

	if (db->writer)
		return 0;
	if (db->depth == 0) {
		r = run(db, STMT_BEGIN);
		if (r < 0)
			return r;
	}
	db->depth++;
	return 0;
}

void db_end(struct db *db)
{
	if (db->writer)
		return;
	assert(db->depth > 0);
	if (--db->depth > 0)
		return;
	/* Ending a read cannot fail in a way that matters, but a transaction must not stay open. */
	if (run(db, STMT_COMMIT) < 0)
		run(db, STMT_ROLLBACK);
}

int db_location(struct db *db, int64_t id, struct db_location *ret_location)
{
	struct db_location *kept = &db->locations[(uint64_t)id % DB_LOCATIONS];
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	if (kept->id == id && id != 0) {
		*ret_location = *kept;
		return 0;
	}
	stmt = db_stmt(db, STMT_LOCATION_OWNER, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	r = stmt_step(stmt);
	if (r < 0)
		return r;
	if (r > 0) {
		*ret_location = (struct db_location){0};
		return 0;
	}
	*kept = (struct db_location){
	    .id = id,
	    .prefix = (uint64_t)sqlite3_column_int64(stmt, 0),
	    .device = sqlite3_column_int64(stmt, 1),
	};
	*ret_location = *kept;
	return 0;
}
