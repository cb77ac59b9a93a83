/* All entries of one library carried to a new one: read there and applied here, in pieces as a device asks for them.
 *
 *     replica DIR SHAPE     DIR must not exist; it is left with both libraries in it
 *
 * Prints the seconds from the first read to the last commit, then those of the reads alone. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "bench/shape.h"
#include "store/entry.h"
#include "store/location.h"
#include "store/replica.h"
#include "store/store.h"
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

/* --- the rows, as a scan makes them: a directory's children together --- */

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

/* 1: all are there. */
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

/* --- carrying --- */

static struct stream entries_of(struct store *store)
{
	struct stream_id id = {.origin = {.device = store_info(store)->device, .epoch = store_info(store)->epoch},
			       .kind = MODEL_ENTRY};
	struct vector v = VECTOR_INIT;
	struct stream s = {.position = 0};

	check(store_replica.vector(store, &v), "vector");
	if (vector_find(&v, &id))
		s = *vector_find(&v, &id);
	vector_release(&v);
	return s;
}

static struct stream carry(struct store *from, struct store *to, const struct stream *stream, uint64_t *ret_read_ns)
{
	struct stream held = stream_none(&stream->id, stream->started);
	struct buf body = BUF_INIT;
	struct range range = {.upto = 0};
	struct applied applied;

	do {
		struct range_request q = {.stream = held.id,
					  .since = held.position,
					  .base = held.base,
					  .listing = held.listing,
					  .max_rows = RANGE_ROWS_PULL,
					  .max_bytes = RANGE_BYTES_PULL};
		uint64_t began = clock_monotonic_ns();

		buf_clear(&body);
		check(store_replica.read(from, &q, &range, &body), "read");
		*ret_read_ns += clock_monotonic_ns() - began;
		range.body = body.data;
		range.body_len = body.len;
		check(store_replica.apply(to, &range, clock_wall_ms(), &applied), "apply");
		held = applied.stream;
	} while (range.upto < range.head);
	buf_release(&body);
	return held;
}

int main(int argc, char **argv)
{
	struct key *keys[2];
	struct store *from, *to;
	struct stream stream, held;
	struct shape shape;
	uint64_t began, read_ns = 0, took;

	if (argc != 3 || shape_parse(argv[2], &shape) < 0 || shape.dirs == 0 || shape.dirs > 100000)
		errx(2, "usage: replica DIR SHAPE");
	check(base_init(), "sodium");
	if (mkdir(argv[1], 0700) < 0)
		err(1, "%s", argv[1]);
	from = make(argv[1], "from", &keys[0]);
	to = make(argv[1], "to", &keys[1]);
	fill_all(from, &shape);
	stream = entries_of(from);
	began = clock_monotonic_ns();
	held = carry(from, to, &stream, &read_ns);
	took = clock_monotonic_ns() - began;
	if (!stream_is_whole(&held) || held.digest != stream.digest)
		errx(1, "the rows that came are others");
	printf("%.6f %.6f\n", (double)took / 1e9, (double)read_ns / 1e9);
	store_close(from);
	store_close(to);
	key_free(keys[0]);
	key_free(keys[1]);
	return 0;
}
