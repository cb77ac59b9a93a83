#include "store/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/audit.h"
#include "store/collection.h"
#include "store/entry.h"
#include "store/location.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "store/recount.h"
#include "store/streams.h"
#include "store/txn.h"
#include "store/volume.h"

/* A check is a row of the table at the end: it counts what is wrong and says it, and if it can mend that, it does so in
 * the same transaction. All of them run in one write transaction when repairing (nobody changes the ground under them),
 * in one read transaction otherwise. */

struct checking {
	const struct check_opts *opts;
	struct db *db;
	struct txn *txn; /* NULL: only look */
	const struct store_info *info;
	uint64_t remaining;
	uint64_t mended;
};

__attribute__((format(printf, 3, 4))) static void say(struct checking *c, bool problem, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (c->opts->say != NULL)
		c->opts->say(c->opts->arg, problem, line);
}

static void problem(struct checking *c, uint64_t count, bool mended)
{
	if (mended)
		c->mended += count;
	else
		c->remaining += count;
}

/* One number from a statement without parameters or with one. */
static int number(struct checking *c, enum statement which, int64_t parameter, int64_t *ret_number)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, which, &r);

	if (stmt == NULL)
		return r;
	if (sqlite3_bind_parameter_count(stmt) > 0)
		bind_int(stmt, 1, parameter);
	r = stmt_step(stmt);
	if (r == 0)
		*ret_number = sqlite3_column_int64(stmt, 0);
	return r == 1 ? -ENOENT : r;
}

static int run_with(struct checking *c, enum statement which, int64_t first, int64_t second)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(c->db, which, &r);

	if (stmt == NULL)
		return r;
	if (sqlite3_bind_parameter_count(stmt) > 0)
		bind_int(stmt, 1, first);
	if (sqlite3_bind_parameter_count(stmt) > 1)
		bind_int(stmt, 2, second);
	return stmt_run(stmt);
}

/* --- the tree --- */

/* Entries of this device that are nowhere in the tree. The next scan of their location finds their files anew, so they are
 * only marked as deleted. */
static int check_reach(struct checking *c)
{
	uint64_t count = 0;
	int r = 0;
	int64_t batch[256];
	size_t n;

	do {
		_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, STMT_CHECK_UNREACHABLE, &r);

		if (stmt == NULL)
			return r;
		bind_int(stmt, 1, c->info->device_row);
		for (n = 0; n < 256 && (r = stmt_step(stmt)) == 0; n++)
			batch[n] = sqlite3_column_int64(stmt, 0);
		while (c->txn == NULL && r == 0 && (r = stmt_step(stmt)) == 0)
			count++;
		if (r < 0)
			return r;
		count += n;
		stmt_done(&stmt);
		for (size_t i = 0; c->txn != NULL && i < n; i++) {
			r = entry_delete(c->txn, batch[i]);
			if (r < 0 && r != -ENOENT)
				return r;
		}
	} while (c->txn != NULL && n == 256);
	if (count == 0)
		return 0;
	say(c, c->txn == NULL, "tree: %llu entries hang on no folder that is shown%s", (unsigned long long)count,
	    c->txn != NULL ? ": removed; `shelf location rescan` finds their files again" : "");
	problem(c, count, c->txn != NULL);
	return 0;
}

static int check_entries_in_files(struct checking *c)
{
	uint64_t count = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, STMT_CHECK_NOT_IN_DIRECTORY, &r);

	if (stmt == NULL)
		return r;
	while ((r = stmt_step(stmt)) == 0)
		count++;
	if (r < 0 || count == 0)
		return r < 0 ? r : 0;
	say(c, true, "tree: %llu entries are below something that is not a folder", (unsigned long long)count);
	problem(c, count, false);
	return 0;
}

static int mend_place(struct checking *c, int64_t parent, const char *name, size_t len, int64_t version)
{
	int64_t losers[64];
	size_t n = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, STMT_CHECK_PLACE_LOSERS, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, parent);
	bind_text(stmt, 2, name, len);
	bind_int(stmt, 3, version);
	while (n < 64 && (r = stmt_step(stmt)) == 0)
		losers[n++] = sqlite3_column_int64(stmt, 0);
	stmt_done(&stmt);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = entry_delete(c->txn, losers[i]);
	return r == -EPERM ? 0 : r; /* a peer's: its owner will tell */
}

/* The highest version answers for a place; the others are left-overs. */
static int check_places(struct checking *c)
{
	uint64_t count = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, STMT_CHECK_DOUBLE_PLACES, &r);

	if (stmt == NULL)
		return r;
	while ((r = stmt_step(stmt)) == 0) {
		count++;
		if (c->txn != NULL) {
			char name[TEXT_NAME_MAX];
			size_t len = (size_t)sqlite3_column_bytes(stmt, 1);

			len = len < sizeof(name) ? len : sizeof(name);
			memcpy(name, sqlite3_column_text(stmt, 1), len);
			r = mend_place(c, sqlite3_column_int64(stmt, 0), name, len, sqlite3_column_int64(stmt, 3));
			if (r < 0)
				return r;
		}
	}
	if (r < 0 || count == 0)
		return r < 0 ? r : 0;
	say(c, c->txn == NULL, "tree: %llu names stand twice in their folder%s", (unsigned long long)count,
	    c->txn != NULL ? ": the newest was kept" : "");
	problem(c, count, c->txn != NULL);
	return 0;
}

static int check_roots(struct checking *c)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, STMT_CHECK_ROOTS, &r);

	if (stmt == NULL)
		return r;
	while ((r = stmt_step(stmt)) == 0) {
		say(c, true, "tree: location %s has lost its root folder: remove it and add it again",
		    (const char *)sqlite3_column_text(stmt, 1));
		problem(c, 1, false);
	}
	return r < 0 ? r : 0;
}

/* --- counters --- */

static int check_versions(struct checking *c)
{
	int64_t highest = 0, position = 0, origin = db_store(c->db)->origin;
	int r = number(c, STMT_CHECK_VERSIONS, c->info->device_row, &highest);

	if (r == 0)
		r = number(c, STMT_CHECK_VERSION_POSITION, origin, &position);
	if (r == -ENOENT || (r == 0 && highest <= position))
		return 0;
	if (r == 0 && c->txn != NULL)
		r = run_with(c, STMT_CHECK_VERSION_RAISE, origin, highest);
	if (r < 0)
		return r;
	say(c, c->txn == NULL, "streams: entries have versions up to %lld, the stream stands at %lld%s", (long long)highest,
	    (long long)position, c->txn != NULL ? ": raised" : "");
	problem(c, 1, c->txn != NULL);
	return 0;
}

static int check_seqs(struct checking *c)
{
	int64_t ids[64];
	size_t n = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, STMT_CHECK_SEQS, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, c->info->device_row);
	while (n < 64 && (r = stmt_step(stmt)) == 0) {
		say(c, c->txn == NULL, "location %s: its entry counter is behind its entries%s",
		    (const char *)sqlite3_column_text(stmt, 1), c->txn != NULL ? ": raised" : "");
		ids[n++] = sqlite3_column_int64(stmt, 0);
	}
	stmt_done(&stmt);
	problem(c, n, c->txn != NULL);
	for (size_t i = 0; c->txn != NULL && i < n && r >= 0; i++)
		r = run_with(c, STMT_CHECK_SEQ_RAISE, ids[i], 0);
	return r < 0 ? r : 0;
}

/* --- what this device knows of its own files: rebuilt by a scan --- */

static int check_local(struct checking *c)
{
	int64_t orphans = 0, missing = 0;
	int r = number(c, STMT_CHECK_LOCAL_ORPHANS, 0, &orphans);

	if (r == 0 && orphans > 0 && c->txn != NULL)
		r = run_with(c, STMT_CHECK_LOCAL_ORPHANS_DROP, 0, 0);
	if (r == 0)
		r = number(c, STMT_CHECK_LOCAL_MISSING, c->info->device_row, &missing);
	if (r < 0)
		return r;
	if (orphans > 0) {
		say(c, c->txn == NULL, "local: %lld inode records belong to no entry%s", (long long)orphans,
		    c->txn != NULL ? ": removed" : "");
		problem(c, (uint64_t)orphans, c->txn != NULL);
	}
	if (missing > 0) {
		say(c, true, "local: %lld entries have no inode record: `shelf location rescan` makes them", (long long)missing);
		problem(c, (uint64_t)missing, false);
	}
	return 0;
}

/* --- disks: recorded anew when the index looks at them --- */

/* Those that locations of this device refer to are there. Of peers a row may come later than the one that names it. */
static int check_volumes(struct checking *c)
{
	int64_t ids[64];
	size_t n = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, STMT_CHECK_VOLUMES, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, c->info->device_row);
	while (n < 64 && (r = stmt_step(stmt)) == 0) {
		say(c, c->txn == NULL, "location %s: it refers to a disk that is not recorded%s",
		    (const char *)sqlite3_column_text(stmt, 1),
		    c->txn != NULL ? ": forgotten, until its next scan" : "");
		ids[n++] = sqlite3_column_int64(stmt, 0);
	}
	stmt_done(&stmt);
	problem(c, n, c->txn != NULL);
	for (size_t i = 0; c->txn != NULL && i < n && r >= 0; i++)
		r = location_set_volume(c->txn, ids[i], 0);
	return r < 0 ? r : 0;
}

static int check_unused_volumes(struct checking *c)
{
	uint64_t count = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, STMT_VOLUME_UNUSED, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, c->info->device_row);
	while ((r = stmt_step(stmt)) == 0)
		count++;
	stmt_done(&stmt);
	if (r < 0 || count == 0)
		return r < 0 ? r : 0;
	if (c->txn != NULL)
		r = volume_tidy(c->txn);
	say(c, c->txn == NULL, "disks: no location is on %llu of them any more%s", (unsigned long long)count,
	    c->txn != NULL ? ": removed" : "");
	problem(c, count, c->txn != NULL);
	return r < 0 ? r : 0;
}

/* --- members: nothing here knows better than the other devices --- */

static int check_devices(struct checking *c)
{
	int64_t count = 0;
	int r = number(c, STMT_CHECK_DEVICES, 0, &count);

	if (r < 0 || count == 0)
		return r;
	say(c, true, "devices: %lld rows are damaged", (long long)count);
	problem(c, (uint64_t)count, false);
	return 0;
}

/* --- tags, albums and what is in them --- */

static int set_name_key(struct checking *c, int64_t id, const char *key, size_t len)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(c->db, STMT_CHECK_COLLECTION_KEY, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, id);
	bind_text(stmt, 2, key, len);
	return stmt_run(stmt);
}

static int check_collection(struct checking *c, int64_t id, const char *name, size_t name_len, const char *stored_key)
{
	_cleanup_(free_ptr) char *key = NULL;
	size_t key_len = 0;
	int r;

	if (!text_is_title(name, name_len)) {
		say(c, true, "collections: the name of number %lld is not valid: rename it with `shelf tag rename`", (long long)id);
		problem(c, 1, false);
		return 0;
	}
	r = text_nfc(name, name_len, &key, &key_len);
	if (r < 0 || strcmp(stored_key, key) == 0)
		return r;
	if (c->txn != NULL)
		r = set_name_key(c, id, key, key_len);
	say(c, c->txn == NULL, "collections: %s is filed under another name%s", name, c->txn != NULL ? ": mended" : "");
	problem(c, 1, c->txn != NULL);
	return r;
}

static int check_collections(struct checking *c)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, STMT_CHECK_COLLECTIONS, &r);

	if (stmt == NULL)
		return r;
	while ((r = stmt_step(stmt)) == 0) {
		const char *name = (const char *)sqlite3_column_text(stmt, 2);
		size_t len = (size_t)sqlite3_column_bytes(stmt, 2);

		if (len == 0) /* a stub: another device will tell */
			continue;
		r = check_collection(c, sqlite3_column_int64(stmt, 0), name, len, (const char *)sqlite3_column_text(stmt, 3));
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int check_pairs(struct checking *c)
{
	uint64_t count = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(c->db, STMT_CHECK_PAIRS, &r);

	if (stmt == NULL)
		return r;
	while ((r = stmt_step(stmt)) == 0)
		count++;
	if (r < 0 || count == 0)
		return r < 0 ? r : 0;
	say(c, true, "pairs: %llu rows are damaged", (unsigned long long)count);
	problem(c, count, false);
	return 0;
}

/* --- the sums by which devices compare what they hold --- */

static int check_shared_digest(struct checking *c, uint64_t kept)
{
	uint64_t counted = 0;
	int r = recount_shared(c->db, &counted);

	if (r < 0 || counted == kept)
		return r;
	if (c->txn != NULL)
		c->txn->shared_delta += counted - kept;
	say(c, c->txn == NULL, "digests: that of tags and albums does not fit them%s", c->txn != NULL ? ": counted anew" : "");
	problem(c, 1, c->txn != NULL);
	return 0;
}

static int check_stream_digest(struct checking *c, const struct stream *s)
{
	uint64_t counted = 0;
	int r = recount_stream(c->db, c->txn, s, &counted);

	if (r < 0 || counted == s->digest)
		return r;
	say(c, c->txn == NULL, "digests: that of %s rows does not fit them%s", model_find(s->id.kind)->name,
	    c->txn != NULL ? ": counted anew" : "");
	problem(c, 1, c->txn != NULL);
	return 0;
}

static int check_digests(struct checking *c)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT;
	int r = c->opts->quick ? 0 : c->txn != NULL ? txn_flush(c->txn) : 0;

	if (r < 0 || c->opts->quick)
		return r;
	r = streams_list(c->db, &v);
	if (r == 0)
		r = check_shared_digest(c, v.shared_digest);
	for (size_t i = 0; r == 0 && i < v.count; i++)
		if (v.items[i].id.kind != STREAM_LOG && stream_is_whole(&v.items[i]))
			r = check_stream_digest(c, &v.items[i]);
	return r == -ERR_CORRUPT ? 0 : r; /* rows that cannot be read: the check of their kind says so */
}

static void log_finding(void *arg, const char *finding)
{
	struct checking *c = arg;

	say(c, true, "%s", finding);
	problem(c, 1, false);
}

static int check_log(struct checking *c)
{
	int r = oplog_verify(c->db, log_finding, c);

	return r < 0 ? r : 0;
}

/* --- the files --- */

/* integrity_check finds damaged pages and indexes that do not fit their tables; only the latter can be mended here. */
static int check_integrity(struct checking *c, sqlite3 *connection, const char *file)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	unsigned said = 0;
	int r = sqlite3_prepare_v2(connection, "PRAGMA integrity_check(20)", -1, &stmt, NULL);

	if (r != SQLITE_OK)
		return connection_error(connection, r);
	while ((r = stmt_step(stmt)) == 0) {
		const char *line = (const char *)sqlite3_column_text(stmt, 0);

		if (strcmp(line, "ok") == 0)
			continue;
		say(c, true, "%s: %s", file, line);
		said++;
	}
	if (said > 0 && r == 1) {
		stmt_finalize(&stmt);
		stmt = NULL;
		if (c->txn != NULL && sqlite3_exec(connection, "REINDEX", NULL, NULL, NULL) == SQLITE_OK)
			say(c, false, "%s: indexes were built anew: run `shelf check` again", file);
		problem(c, said, false);
	}
	return r < 0 ? r : 0;
}

static int check_database(struct checking *c)
{
	return c->opts->quick ? 0 : check_integrity(c, c->db->connection, "database.db");
}

/* Nothing in it is needed: a damaged one is made anew when the library is opened the next time. */
static int check_sync_db(struct store *store, struct checking *c)
{
	_cleanup_(connection_closep) sqlite3 *connection = NULL;
	int r = connection_open(store->sync_path, DB_READ, &connection);

	c->txn = NULL;
	if (r == 0)
		r = check_integrity(c, connection, "sync.db");
	if (r == -ENOENT) /* a library on a read-only disk may never have had one */
		return 0;
	if (r == -ERR_CORRUPT) {
		say(c, true, "sync.db: it is damaged, and made anew when the library is opened the next time");
		problem(c, 1, false);
		return 0;
	}
	return r;
}

/* --- all --- */

static int (*const checks[])(struct checking *c) = {
	check_database, check_roots,   check_places, check_reach,	check_entries_in_files, check_versions,
	check_seqs,	check_local,   check_volumes, check_unused_volumes, check_log,
	check_collections, check_pairs, check_devices, check_digests,
};

static int check_all(struct checking *c)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int r = checks[i](c);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_writing(struct txn *txn, void *arg)
{
	struct checking *c = arg;
	char subject[64];
	int r;

	c->txn = txn;
	c->db = txn_db(txn);
	r = check_all(c);
	if (r < 0 || c->mended == 0)
		return r;
	snprintf(subject, sizeof(subject), "%llu mended", (unsigned long long)c->mended);
	return audit_add(txn, "check repair", subject);
}

static int check_reading(struct store *store, struct checking *c)
{
	int r = store_reader(store, &c->db);

	if (r == 0)
		r = db_begin(c->db);
	if (r < 0)
		return r;
	r = check_all(c);
	db_end(c->db);
	db_trim(c->db);
	return r;
}

int store_check(struct store *store, const struct check_opts *opts, uint64_t *ret_problems)
{
	const struct store_write_opts write = { .priority = STORE_BULK };
	struct checking c = { .opts = opts, .info = store_info(store) };
	int r = opts->repair ? store_write(store, &write, check_writing, &c) : check_reading(store, &c);

	if (r == 0 && !opts->quick)
		r = check_sync_db(store, &c);
	if (r < 0)
		return r;
	*ret_problems = c.remaining;
	return 0;
}
