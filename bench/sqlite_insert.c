/* A yardstick: SQLite without anything around it.
 *
 *     sqlite_insert rows DATABASE SCHEMA SHAPE     the rows of a scanned tree into the same tables and indexes, 10,000
 *                                                  in a transaction, in the order in which a scan finds them
 *     sqlite_insert entries DATABASE SCHEMA SHAPE  the same without what only the owner keeps, as another device has
 * them sqlite_insert contents DATABASE SCHEMA SHAPE the same with a content id for each file sqlite_insert commits
 * DATABASE SCHEMA COUNT  COUNT transactions of one row each, into the table of links
 *
 * Both in WAL mode with synchronous=FULL. DATABASE must not exist. Prints the seconds. */
#include <err.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "bench/shape.h"

#define BATCH	   10000
#define SCHEMA_MAX (1 << 20)

static sqlite3 *db;
static sqlite3_stmt *entry, *local_entry; /* local_entry may be NULL */
static bool with_contents;

static void check(int r, const char *what)
{
	if (r != SQLITE_OK && r != SQLITE_DONE && r != SQLITE_ROW)
		errx(1, "%s: %s", what, sqlite3_errmsg(db));
}

static void run(const char *sql)
{
	check(sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	check(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL), sql);
	return stmt;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void open_new(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		errx(1, "%s exists", path);
	check(sqlite3_open(path, &db), path);
	run("PRAGMA journal_mode = WAL");
	run("PRAGMA synchronous = FULL");
}

static void load_schema(const char *path)
{
	static char sql[SCHEMA_MAX];
	FILE *file = fopen(path, "r");

	if (!file)
		err(1, "%s", path);
	size_t len = fread(sql, 1, sizeof(sql) - 1, file);
	fclose(file);
	sql[len] = '\0';
	run(sql);
}

/* Like a hash: no two alike, in no order. */
static void bind_content(int64_t id)
{
	uint64_t content[2] = {(uint64_t)id * UINT64_C(0x9e3779b97f4a7c15),
			       (uint64_t)id * UINT64_C(0xc2b2ae3d27d4eb4f)};

	sqlite3_bind_blob(entry, 8, content, sizeof(content), SQLITE_TRANSIENT);
}

/* As the store writes it: the row, then the inode. */
static void insert(int64_t id, int64_t parent, const char *name, uint32_t mode)
{
	sqlite3_bind_int64(entry, 1, id);
	sqlite3_bind_int64(entry, 2, id - 1);
	sqlite3_bind_int64(entry, 3, parent);
	sqlite3_bind_text(entry, 4, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(entry, 5, mode);
	sqlite3_bind_int64(entry, 6, 1700000000000000000 + id);
	sqlite3_bind_int64(entry, 7, id);
	if (with_contents && S_ISREG(mode))
		bind_content(id);
	check(sqlite3_step(entry), "entry");
	sqlite3_reset(entry);
	sqlite3_clear_bindings(entry);
	if (local_entry) {
		sqlite3_bind_int64(local_entry, 1, id);
		sqlite3_bind_int64(local_entry, 2, 1000000 + id);
		sqlite3_bind_int64(local_entry, 3, 1700000000000000000 + id);
		check(sqlite3_step(local_entry), "local_entry");
		sqlite3_reset(local_entry);
	}
	if (id % BATCH == 0)
		run("COMMIT; BEGIN IMMEDIATE");
}

static double insert_rows(const struct shape *shape)
{
	char name[SHAPE_NAME_MAX];
	int64_t id = 1;
	double start = seconds();

	run("BEGIN IMMEDIATE");
	insert(id, 0, "", S_IFDIR | 0755);
	for (uint32_t dir = 0; dir < shape->dirs; dir++) {
		shape_dir_name(dir, name);
		insert(++id, 1, name, S_IFDIR | 0755);
	}
	for (uint32_t dir = 0; dir < (shape->dirs ? shape->dirs : 1); dir++) {
		for (uint32_t file = 0; file < shape->files; file++) {
			shape_file_name(dir, file, name);
			insert(++id, shape->dirs ? 2 + dir : 1, name, S_IFREG | 0644);
		}
	}
	run("COMMIT");
	return seconds() - start;
}

/* One link in one tag for each file, as `ln -s` makes them one by one. */
static double commit_rows(long count)
{
	static const char stamp[24], content[16] = "0123456789abcdef";
	char name[SHAPE_NAME_MAX];
	sqlite3_stmt *pair =
	    prepare("INSERT INTO pair (collection, entry_prefix, entry_seq, name, name_at, live, live_at, "
		    "content, content_at) VALUES (2, 1, ?1, ?2, ?3, 1, ?3, ?4, ?3)");
	double start = seconds();

	for (long i = 0; i < count; i++) {
		shape_file_name(0, (uint32_t)i, name);
		sqlite3_bind_int64(pair, 1, i);
		sqlite3_bind_text(pair, 2, name, -1, SQLITE_STATIC);
		sqlite3_bind_blob(pair, 3, stamp, sizeof(stamp), SQLITE_STATIC);
		sqlite3_bind_blob(pair, 4, content, sizeof(content), SQLITE_STATIC);
		check(sqlite3_step(pair), "pair");
		sqlite3_reset(pair);
	}
	double end = seconds();
	sqlite3_finalize(pair);
	return end - start;
}

static bool inserts(const char *what)
{
	return strcmp(what, "rows") == 0 || strcmp(what, "entries") == 0 || strcmp(what, "contents") == 0;
}

int main(int argc, char **argv)
{
	struct shape shape;
	double took;

	if (argc == 5 && inserts(argv[1]) && shape_parse(argv[4], &shape) == 0) {
		open_new(argv[2]);
		load_schema(argv[3]);
		with_contents = strcmp(argv[1], "contents") == 0;
		entry = prepare(
		    "INSERT INTO entry (id, location, seq, parent, name, mode, size, mtime_ns, version, content) "
		    "VALUES (?1, 1, ?2, ?3, ?4, ?5, 4096, ?6, ?7, ?8)");
		if (strcmp(argv[1], "rows") == 0)
			local_entry = prepare("INSERT INTO local_entry (entry, ino, btime_ns) VALUES (?, ?, ?)");
		took = insert_rows(&shape);
		sqlite3_finalize(entry);
		sqlite3_finalize(local_entry);
	} else if (argc == 5 && strcmp(argv[1], "commits") == 0) {
		open_new(argv[2]);
		load_schema(argv[3]);
		took = commit_rows(strtol(argv[4], NULL, 10));
	} else {
		errx(
		    2,
		    "usage: sqlite_insert rows|entries|contents DATABASE SCHEMA SHAPE | commits DATABASE SCHEMA COUNT");
	}
	sqlite3_close(db);
	printf("%.6f\n", took);
	return 0;
}
