/* How long a single interactive write waits while replication has much to do with a location of very many entries.
 *
 *     wait DIR SHAPE     DIR must not exist; it is left with both libraries in it
 *
 * One thread does the work, another writes one row every few milliseconds. Prints a line for each kind of work: its
 * seconds, the number of writes meanwhile, and the longest and the mean of them in milliseconds. The last two kinds are
 * made by hand, as only a device that was set back would: a location that is there again, and a list that lacks it. */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "bench/shape.h"
#include "store/internal.h"
#include "store/entry.h"
#include "store/location.h"
#include "store/replica.h"
#include "sync/model.h"

static void check(int r, const char *what)
{
	if (r < 0)
		errx(1, "%s: %s", what, err_str(r));
}

static struct store *make(const char *dir, const char *name, struct key **ret_key)
{
	const struct store_create_opts opts = {.library_name = "bench", .device_name = name, .library = uuid_random()};
	struct store *store = NULL;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.sdlibrary", dir, name);
	check(key_generate(ret_key), "key");
	check(store_create(path, &opts, *ret_key), path);
	check(store_open(path, *ret_key, &store), path);
	return store;
}

/* --- the one who waits --- */

struct waiter {
	pthread_t thread;
	struct store *store;
	atomic_bool stop;
	unsigned writes;
	uint64_t longest_ns, sum_ns;
};

static int write_one(struct txn *txn, void *arg)
{
	sqlite3_exec(txn->db->connection, "UPDATE library SET created_ms = created_ms + 1", NULL, NULL, NULL);
	return 0;
}

static void *keep_writing(void *arg)
{
	const struct store_write_opts opts = {.priority = STORE_INTERACTIVE};
	const struct timespec pause = {.tv_nsec = 3000000};
	struct waiter *w = arg;

	while (!atomic_load(&w->stop)) {
		uint64_t began = clock_monotonic_ns(), took;

		check(store_write(w->store, &opts, write_one, NULL), "interactive write");
		took = clock_monotonic_ns() - began;
		w->longest_ns = took > w->longest_ns ? took : w->longest_ns;
		w->sum_ns += took;
		w->writes++;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void begin(struct waiter *w, struct store *store)
{
	*w = (struct waiter){.store = store};
	if (pthread_create(&w->thread, NULL, keep_writing, w) != 0)
		errx(1, "thread");
}

static void end(struct waiter *w, const char *what, uint64_t began)
{
	uint64_t took = clock_monotonic_ns() - began;

	atomic_store(&w->stop, true);
	pthread_join(w->thread, NULL);
	printf("%-28s %8.2f s %7u writes, longest %8.1f ms, mean %6.2f ms\n", what, (double)took / 1e9, w->writes,
	       (double)w->longest_ns / 1e6, (double)w->sum_ns / 1e6 / (w->writes ? w->writes : 1));
	fflush(stdout);
}

/* --- rows --- */

struct filling {
	const struct shape *shape;
	int64_t location, root;
	uint32_t dir, file;
	int64_t parents[100000];
};

static struct filling filling;

static int add_location(struct txn *txn, void *arg)
{
	const struct location_new new = {.name = "tree", .path = "/tree", .mode = 0755};

	return location_add(txn, &new, arg);
}

static int insert(struct txn *txn, int64_t parent, const char *name, uint32_t mode, int64_t *ret_id)
{
	static uint64_t ino = 1000000;
	const struct entry_place place = {
	    .location = filling.location, .parent = parent, .name = name, .name_len = strlen(name)};
	const struct entry_attr attr = {
	    .mode = mode, .size = 4096, .mtime_ns = INT64_C(1700000000000000000) + (int64_t)ino, .ino = ino};

	ino++;
	return entry_insert(txn, &place, &attr, ret_id);
}

static int fill(struct txn *txn, void *arg)
{
	const struct shape *shape = filling.shape;
	char name[SHAPE_NAME_MAX];
	int64_t id;
	int r = 0;

	for (; r == 0 && filling.dir < shape->dirs && !txn_should_yield(txn); filling.dir++) {
		shape_dir_name(filling.dir, name);
		r = insert(txn, filling.root, name, S_IFDIR | 0755, &filling.parents[filling.dir]);
	}
	if (r < 0 || filling.dir < shape->dirs)
		return r;
	for (; r == 0 && filling.file < shape->dirs * shape->files && !txn_should_yield(txn); filling.file++) {
		uint32_t dir = filling.file / shape->files;

		shape_file_name(dir, filling.file % shape->files, name);
		r = insert(txn, filling.parents[dir], name, S_IFREG | 0644, &id);
	}
	return r < 0 ? r : filling.file == shape->dirs * shape->files;
}

static void fill_all(struct store *store, const struct shape *shape)
{
	const struct store_write_opts opts = {.priority = STORE_BULK};
	struct rows rows = ROWS_INIT;
	struct location location;
	struct db *db = NULL;
	int r;

	filling.shape = shape;
	check(store_write(store, &opts, add_location, &filling.location), "location");
	check(store_reader(store, &db), "reader");
	check(location_get(db, filling.location, &location, &rows), "location");
	filling.root = location.root;
	rows_release(&rows);
	do {
		r = store_write(store, &opts, fill, NULL);
		check(r, "insert");
	} while (r == 0);
}

static int run_sql(struct txn *txn, void *arg)
{
	char *why = NULL;

	if (sqlite3_exec(txn->db->connection, arg, NULL, NULL, &why) != SQLITE_OK)
		errx(1, "%s: %s", (const char *)arg, why);
	return 0;
}

static void sql(struct store *store, const char *text)
{
	const struct store_write_opts opts = {.priority = STORE_BULK};

	check(store_write(store, &opts, run_sql, (void *)(uintptr_t)text), "sql");
}

static int64_t number(struct store *store, const char *text)
{
	sqlite3_stmt *stmt = NULL;
	struct db *db = NULL;
	int64_t result;

	check(store_reader(store, &db), "reader");
	if (sqlite3_prepare_v2(db->connection, text, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW)
		errx(1, "%s", text);
	result = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return result;
}

static int remove_location(struct txn *txn, void *arg)
{
	return location_remove(txn, filling.location);
}

/* --- carrying --- */

static struct stream held(struct store *store, struct store *of, uint8_t kind)
{
	struct stream_id id = {.origin = {.device = store_info(of)->device, .epoch = store_info(of)->epoch},
			       .kind = kind};
	struct vector v = VECTOR_INIT;
	struct stream s = stream_none(&id, 0);

	check(store_replica.vector(store, &v), "vector");
	if (vector_find(&v, &id))
		s = *vector_find(&v, &id);
	vector_release(&v);
	return s;
}

static void carry(struct store *from, struct store *to, uint8_t kind)
{
	struct buf body = BUF_INIT;
	struct range range = {.upto = 0};
	struct applied applied;
	struct stream at;

	do {
		struct range_request q;

		at = held(to, from, kind);
		q = (struct range_request){.stream = at.id,
					   .since = at.position,
					   .base = at.base,
					   .listing = at.listing,
					   .max_rows = RANGE_ROWS_PULL,
					   .max_bytes = RANGE_BYTES_PULL};
		buf_clear(&body);
		check(store_replica.read(from, &q, &range, &body), "read");
		range.body = body.data;
		range.body_len = body.len;
		check(store_replica.apply(to, &range, clock_wall_ms(), &applied), "apply");
	} while (!stream_is_whole(&applied.stream));
	buf_release(&body);
}

/* Until nothing is left to be emptied, where that is done by and by. */
static void wait_until_empty(struct store *store)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	int64_t before = -1, now;

	for (int same = 0; same < 1000; same = now == before ? same + 1 : 0) {
		now = number(
		    store,
		    "SELECT EXISTS (SELECT 1 FROM location l JOIN entry e ON e.location = l.id WHERE l.deleted = 1)");
		if (now == 0)
			return;
		before = now = number(store, "SELECT max(rowid) FROM entry");
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	const struct store_write_opts opts = {.priority = STORE_BULK};
	struct store *from, *to;
	struct key *keys[2];
	struct shape shape;
	struct waiter w;
	struct stream s;
	uint64_t began;

	if (argc != 3 || shape_parse(argv[2], &shape) < 0 || shape.dirs == 0 || shape.dirs > 100000)
		errx(2, "usage: wait DIR SHAPE");
	check(base_init(), "sodium");
	if (mkdir(argv[1], 0700) < 0)
		err(1, "%s", argv[1]);
	from = make(argv[1], "from", &keys[0]);
	to = make(argv[1], "to", &keys[1]);
	fill_all(from, &shape);
	carry(from, to, MODEL_LOCATION);

	begin(&w, to);
	began = clock_monotonic_ns();
	carry(from, to, MODEL_ENTRY);
	end(&w, "its entries come", began);

	/* A list that lacks all but the first thousand: the others are swept. */
	sql(from, "UPDATE entry SET version = version WHERE id = 0");
	s = held(to, from, MODEL_ENTRY);
	check(store_replica.relist(to, &s.id), "relist");
	sql(from, "CREATE TABLE aside AS SELECT * FROM entry; DELETE FROM entry WHERE seq > 1000");
	begin(&w, to);
	began = clock_monotonic_ns();
	carry(from, to, MODEL_ENTRY);
	end(&w, "a list without them", began);
	if (number(to, "SELECT count(*) FROM entry") > 1001)
		errx(1, "rows are left");

	sql(from, "INSERT OR IGNORE INTO entry SELECT * FROM aside; DROP TABLE aside");
	s = held(to, from, MODEL_ENTRY);
	check(store_replica.relist(to, &s.id), "relist");
	carry(from, to, MODEL_ENTRY);

	begin(&w, from);
	began = clock_monotonic_ns();
	check(store_write(from, &opts, remove_location, NULL), "remove");
	wait_until_empty(from);
	end(&w, "removed here", began);

	begin(&w, to);
	began = clock_monotonic_ns();
	carry(from, to, MODEL_LOCATION);
	if (getenv("WAIT_UNTIL_EMPTY"))
		wait_until_empty(to);
	sql(from, "UPDATE location SET deleted = 0, version = version + 1;"
		  "UPDATE stream SET position = position + 1 WHERE kind = 16");
	carry(from, to, MODEL_LOCATION);
	end(&w, "removed there, and back", began);

	store_close(from);
	store_close(to);
	key_free(keys[0]);
	key_free(keys[1]);
	return 0;
}
