#include "tests/lib/library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "store/check.h"
#include "store/collection.h"
#include "store/location.h"
#include "store/pair.h"
#include "tests/lib/test.h"

void library_init(struct library *l)
{
	struct store_create_opts opts = { .library_name = "Test", .device_name = "laptop", .library = uuid_random() };

	*l = (struct library){ 0 };
	assert_int_equal(base_init(), 0);
	assert_int_equal(scratch_init(&l->scratch), 0);
	l->dir = scratch_path(&l->scratch, "test.sdlibrary");
	assert_int_equal(key_generate(&l->key), 0);
	assert_int_equal(store_create(l->dir, &opts, l->key), 0);
	assert_int_equal(store_open(l->dir, l->key, &l->store), 0);
}

void library_reopen(struct library *l)
{
	store_close(l->store);
	l->store = NULL;
	assert_int_equal(store_open(l->dir, l->key, &l->store), 0);
}

void library_release(struct library *l)
{
	store_close(l->store);
	key_free(l->key);
	free(l->dir);
	scratch_release(&l->scratch);
}

struct db *library_db(struct library *l)
{
	struct db *db = NULL;

	assert_int_equal(store_reader(l->store, &db), 0);
	return db;
}

int library_write(struct library *l, int (*fn)(struct txn *txn, void *arg), void *arg)
{
	const struct store_write_opts opts = { .priority = STORE_INTERACTIVE };

	return store_write(l->store, &opts, fn, arg);
}

/* --- entries --- */

struct making {
	struct library *l;
	int64_t location, parent, entry, id;
	const char *name;
	char path[4200];
	uint32_t mode;
	uint64_t size;
	uint8_t byte;
	int kind;
};

static int make_location(struct txn *txn, void *arg)
{
	struct making *m = arg;
	struct location_new new = { .name = m->name, .path = m->path, .mode = S_IFDIR | 0755, .mtime_ns = 1000 };

	return location_add(txn, &new, &m->id);
}

int64_t library_location(struct library *l, const char *name)
{
	struct making m = { .l = l, .name = name };

	snprintf(m.path, sizeof(m.path), "%s/%s", l->scratch.path, name);
	assert_int_equal(library_write(l, make_location, &m), 0);
	return m.id;
}

int64_t library_root(struct library *l, int64_t location)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location loc;

	assert_int_equal(location_get(library_db(l), location, &loc, &rows), 0);
	return loc.root;
}

static int make_entry(struct txn *txn, void *arg)
{
	static uint64_t ino = 1000;
	struct making *m = arg;
	struct entry_place place = {
		.location = m->location, .parent = m->parent, .name = m->name, .name_len = strlen(m->name)
	};
	struct entry_attr attr = { .mode = m->mode, .size = m->size, .mtime_ns = 5000, .ino = ++ino, .btime_ns = 7 };

	return entry_insert(txn, &place, &attr, &m->id);
}

int64_t library_dir(struct library *l, int64_t location, int64_t parent, const char *name)
{
	struct making m = { .l = l, .location = location, .parent = parent, .name = name, .mode = S_IFDIR | 0755 };

	assert_int_equal(library_write(l, make_entry, &m), 0);
	return m.id;
}

int64_t library_file(struct library *l, int64_t location, int64_t parent, const char *name, uint64_t size)
{
	struct making m = {
		.l = l, .location = location, .parent = parent, .name = name, .mode = S_IFREG | 0644, .size = size
	};

	assert_int_equal(library_write(l, make_entry, &m), 0);
	return m.id;
}

static int delete_entry(struct txn *txn, void *arg)
{
	struct making *m = arg;

	return entry_delete(txn, m->entry);
}

void library_delete(struct library *l, int64_t entry)
{
	struct making m = { .entry = entry };

	assert_int_equal(library_write(l, delete_entry, &m), 0);
}

static int set_content(struct txn *txn, void *arg)
{
	struct making *m = arg;
	uint8_t content[HASH128_LEN];

	memset(content, m->byte, sizeof(content));
	return entry_set_content(txn, m->entry, m->size, 5000, content);
}

void library_content(struct library *l, int64_t entry, uint8_t byte)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct making m = { .entry = entry, .byte = byte };
	struct entry e;

	assert_int_equal(entry_get(library_db(l), entry, &e, &rows), 0);
	m.size = e.size;
	rows_release(&rows);
	assert_int_equal(library_write(l, set_content, &m), 0);
}

struct uuid library_uuid(struct library *l, int64_t entry)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry e;

	assert_int_equal(entry_get(library_db(l), entry, &e, &rows), 0);
	return e.uuid;
}

/* --- collections --- */

static int make_collection(struct txn *txn, void *arg)
{
	struct making *m = arg;

	return collection_create(txn, (enum collection_kind)m->kind, m->name, strlen(m->name), &m->id);
}

int64_t library_tag(struct library *l, const char *name)
{
	struct making m = { .name = name, .kind = COLLECTION_TAG };

	assert_int_equal(library_write(l, make_collection, &m), 0);
	return m.id;
}

int64_t library_album(struct library *l, const char *name)
{
	struct making m = { .name = name, .kind = COLLECTION_ALBUM };

	assert_int_equal(library_write(l, make_collection, &m), 0);
	return m.id;
}

static int make_pair(struct txn *txn, void *arg)
{
	struct making *m = arg;

	return pair_add(txn, m->location, m->entry, m->name, strlen(m->name), &m->id);
}

int library_pair(struct library *l, int64_t collection, int64_t entry, const char *name, int64_t *ret_id)
{
	struct making m = { .location = collection, .entry = entry, .name = name };
	int r = library_write(l, make_pair, &m);

	if (r == 0 && ret_id != NULL)
		*ret_id = m.id;
	return r;
}

static void print_finding(void *arg, bool problem, const char *line)
{
	print_message("check: %s\n", line);
}

void library_assert_clean(struct library *l)
{
	const struct check_opts opts = { .say = print_finding };
	uint64_t problems = 0;

	assert_int_equal(store_check(l->store, &opts, &problems), 0);
	assert_int_equal(problems, 0);
}
