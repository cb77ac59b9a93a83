/* Making a library: the folder, both databases and the rows that each one begins with.
 *
 * This device enters the list of members by a change of its own, through the log, like every device after it: the
 * database is made with a nameless row for it, opened, and written to. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "store/device.h"
#include "store/internal.h"
#include "store/migrate.h"
#include "sync/model.h"
#include "sync/naming.h"

static const char *const made_files[] = {
    "database.db", "database.db-wal", "database.db-shm", "sync.db", "sync.db-wal", "sync.db-shm",
};

struct making {
	const char *dir;
	const struct store_create_opts *opts;
	const struct key *key;
	struct store store; /* no more of it than db_open needs */
};

/* --- the first rows --- */

static int insert_library(struct db *db, struct making *making)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_LIBRARY_INSERT, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, making->opts->library.bytes, UUID_LEN);
	bind_text(stmt, 2, making->opts->library_name, strlen(making->opts->library_name));
	bind_int(stmt, 3, (int64_t)clock_wall_ms());
	return stmt_run(stmt);
}

static int insert_uuid(struct db *db, enum statement which, const struct uuid *uuid)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, which, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, uuid->bytes, UUID_LEN);
	return stmt_run(stmt);
}

static int insert_origin(struct db *db, const struct uuid *device)
{
	struct hlc clock = {0};
	uint64_t epoch;
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_LIBRARY_INSERT_ORIGIN, &r);

	if (!stmt)
		return r;
	random_bytes(&epoch, sizeof(epoch));
	bind_blob(stmt, 1, device->bytes, UUID_LEN);
	bind_int(stmt, 2, (int64_t)(epoch >> 1)); /* 63 bits: positive in SQL too */
	bind_int(stmt, 3, (int64_t)hlc_tick(&clock, clock_wall_ms()));
	return stmt_run(stmt);
}

static int insert_stream(struct db *db, int kind)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_LIBRARY_INSERT_STREAM, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, kind);
	return stmt_run(stmt);
}

static int insert_streams(struct db *db)
{
	const struct model *model;
	int r = 0;

	for (size_t i = 0; r >= 0 && (model = model_at(i)); i++)
		if (model->owner == MODEL_OWNED)
			r = insert_stream(db, (int)model->kind);
	return r;
}

static int insert_first_rows(struct db *db, struct making *making)
{
	struct uuid device = key_device_id(making->key);
	int r;

	r = insert_library(db, making);
	if (r >= 0)
		r = insert_uuid(db, STMT_LIBRARY_INSERT_SELF, &device);
	if (r >= 0)
		r = insert_uuid(db, STMT_LIBRARY_INSERT_FAVORITES, &naming_favorites);
	if (r >= 0)
		r = insert_origin(db, &device);
	return r < 0 ? r : insert_streams(db);
}

/* --- this device --- */

static int join_self(struct txn *txn, void *arg)
{
	const struct making *making = arg;
	const char *name = making->opts->device_name;

	return device_add(txn, key_public(making->key), name, strlen(name), NULL, NULL);
}

static int add_self(struct making *making)
{
	const struct store_write_opts opts = {.priority = STORE_INTERACTIVE};
	struct store *store;
	int r;

	r = store_open_with(making->dir, making->key, false, &store);
	if (r < 0)
		return r;
	r = store_write(store, &opts, join_self, making);
	store_close(store);
	return r;
}

/* --- files --- */

static int path_of(const struct making *making, const char *name, char **ret_path)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;

	buf_append_str(&path, making->dir);
	buf_append_str(&path, "/");
	buf_append_str(&path, name);
	*ret_path = buf_take_str(&path);
	return *ret_path ? 0 : -ENOMEM;
}

/* SQLite would make it readable by others; its -wal and -shm take the mode of this one. */
static int make_file(const char *path)
{
	_cleanup_(close_fd) int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

static int make_catalogue(struct making *making)
{
	struct db *db;
	int r;

	r = make_file(making->store.path);
	if (r < 0)
		return r;
	r = db_open(&making->store, DB_WRITE, &db);
	if (r < 0)
		return r;
	r = migrate_create(db->connection, &schema_catalogue);
	if (r >= 0)
		r = connection_exec(db->connection, "BEGIN IMMEDIATE");
	if (r >= 0)
		r = insert_first_rows(db, making);
	if (r >= 0)
		r = connection_exec(db->connection, "COMMIT");
	db_close(db);
	return r;
}

static int sync_folder(int at, const char *path)
{
	_cleanup_(close_fd) int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int sync_folders(const char *dir)
{
	_cleanup_(close_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = sync_folder(fd, ".");
	return r < 0 ? r : sync_folder(fd, "..");
}

static int fill(struct making *making)
{
	_cleanup_(free_ptr) char *sync_path = NULL;
	int r;

	r = path_of(making, "sync.db", &sync_path);
	if (r >= 0)
		r = make_catalogue(making);
	if (r >= 0)
		r = sync_db_create(sync_path);
	if (r >= 0 && !making->opts->joins)
		r = add_self(making);
	return r < 0 ? r : sync_folders(making->dir);
}

static void unmake(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		for (size_t i = 0; i < sizeof(made_files) / sizeof(made_files[0]); i++)
			unlinkat(fd, made_files[i], 0);
		close(fd);
	}
	rmdir(dir);
}

int store_create(const char *dir, const struct store_create_opts *opts, const struct key *key)
{
	_cleanup_(free_ptr) char *path = NULL;
	struct making making = {.dir = dir, .opts = opts, .key = key};
	int r;

	if (!text_is_title(opts->library_name, strlen(opts->library_name)) ||
	    (!opts->joins && !text_is_title(opts->device_name, strlen(opts->device_name))))
		return -EINVAL;
	r = path_of(&making, "database.db", &path);
	if (r < 0)
		return r;
	making.store.path = path;
	if (mkdir(dir, 0700) < 0)
		return -errno;
	r = fill(&making);
	if (r < 0)
		unmake(dir);
	return r;
}
