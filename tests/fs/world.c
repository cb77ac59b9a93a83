#include "tests/fs/world.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/entry.h"
#include "store/location.h"
#include "store/object.h"
#include "tests/lib/test.h"

/* --- the stage --- */

static void note_stale(void *arg, int64_t entry)
{
	((struct world *)arg)->stale = entry;
}

static void open_tree(struct world *w)
{
	const struct fs_opts opts = {
		.uid = 1234, .gid = 5678, .mountpoint = w->mountpoint, .stale = note_stale, .arg = w,
	};

	assert_int_equal(fs_new(w->library.store, &opts, &w->fs), 0);
}

static int64_t ns_of(struct statx_timestamp t)
{
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void look(const char *path, struct entry_attr *ret_attr)
{
	struct statx st;

	assert_int_equal(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st), 0);
	*ret_attr = (struct entry_attr){
		.mode = st.stx_mode,
		.size = st.stx_size,
		.mtime_ns = ns_of(st.stx_mtime),
		.ino = st.stx_ino,
		.btime_ns = st.stx_mask & STATX_BTIME ? ns_of(st.stx_btime) : 0,
	};
}

struct adding {
	struct location_new new;
	int64_t id;
};

static int add_location(struct txn *txn, void *arg)
{
	struct adding *a = arg;

	return location_add(txn, &a->new, &a->id);
}

static int64_t make_location(struct world *w)
{
	struct adding a = { .new = { .name = "photos", .path = w->real } };
	struct entry_attr attr;
	struct statfs fs;

	look(w->real, &attr);
	assert_int_equal(statfs(w->real, &fs), 0);
	memcpy(&a.new.identity.fsid, &fs.f_fsid, sizeof(a.new.identity.fsid));
	a.new.identity.ino = attr.ino;
	a.new.identity.btime_ns = attr.btime_ns;
	a.new.mode = attr.mode;
	a.new.mtime_ns = attr.mtime_ns;
	assert_int_equal(library_write(&w->library, add_location, &a), 0);
	return a.id;
}

void world_init(struct world *w)
{
	_cleanup_(free_ptr) char *real = NULL, *mountpoint = NULL;

	*w = (struct world){ 0 };
	library_init(&w->library);
	real = scratch_path(&w->library.scratch, "photos");
	mountpoint = scratch_path(&w->library.scratch, "mnt");
	assert_int_equal(mkdir(real, 0755), 0);
	assert_int_equal(mkdir(mountpoint, 0755), 0);
	w->real = realpath(real, NULL);
	w->mountpoint = realpath(mountpoint, NULL);
	assert_true(w->real && w->mountpoint);
	w->location = make_location(w);
	w->root = library_root(&w->library, w->location);
	open_tree(w);
}

void world_release(struct world *w)
{
	fs_free(w->fs);
	free(w->real);
	free(w->mountpoint);
	library_release(&w->library);
}

void world_remount(struct world *w)
{
	fs_free(w->fs);
	open_tree(w);
}

void world_peers(struct world *w)
{
	_cleanup_(free_ptr) char *path = NULL, *sql = NULL;
	sqlite3 *db = NULL;
	size_t len = 0;
	FILE *file = fopen(PEER_SQL, "r"), *text = open_memstream(&sql, &len);

	assert_true(file && text);
	for (int c; (c = fgetc(file)) != EOF;)
		fputc(c, text);
	fclose(file);
	fclose(text);
	assert_true(asprintf(&path, "%s/database.db", w->library.dir) > 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* --- real files --- */

char *world_real(struct world *w, const char *path)
{
	char *real;

	assert_true(asprintf(&real, "%s/%s", w->real, path) > 0);
	return real;
}

struct making {
	struct world *w;
	int64_t parent, id;
	const char *name;
	struct entry_attr attr;
	unsigned count;
};

static int insert(struct txn *txn, void *arg)
{
	struct making *m = arg;
	struct entry_place place = {
		.location = m->w->location, .parent = m->parent, .name = m->name, .name_len = strlen(m->name),
	};

	return entry_insert(txn, &place, &m->attr, &m->id);
}

static int64_t child_of(struct world *w, int64_t parent, const char *name, size_t len)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;

	return entry_child(library_db(&w->library), parent, name, len, &entry, &rows) == 0 ? entry.id : 0;
}

/* The row of the directory that holds `path`; folders and rows on the way are made. */
static int64_t parent_of(struct world *w, const char *path)
{
	_cleanup_(free_ptr) char *dir = strdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash)
		return w->root;
	*slash = '\0';
	return world_dir(w, dir);
}

static int64_t insert_real(struct world *w, const char *path)
{
	_cleanup_(free_ptr) char *real = world_real(w, path);
	const char *slash = strrchr(path, '/');
	struct making m = { .w = w, .parent = parent_of(w, path), .name = slash ? slash + 1 : path };

	look(real, &m.attr);
	assert_int_equal(library_write(&w->library, insert, &m), 0);
	return m.id;
}

int64_t world_dir(struct world *w, const char *path)
{
	_cleanup_(free_ptr) char *real = world_real(w, path);
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int64_t parent = parent_of(w, path);
	int64_t there = child_of(w, parent, name, strlen(name));

	if (there != 0)
		return there;
	assert_int_equal(mkdir(real, 0755), 0);
	return insert_real(w, path);
}

int64_t world_file(struct world *w, const char *path, const char *text)
{
	_cleanup_(free_ptr) char *real = world_real(w, path);
	_cleanup_(close_fd) int fd = -1;

	parent_of(w, path);
	fd = open(real, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return insert_real(w, path);
}

int64_t world_symlink(struct world *w, const char *path, const char *target)
{
	_cleanup_(free_ptr) char *real = world_real(w, path);

	parent_of(w, path);
	assert_int_equal(symlink(target, real), 0);
	return insert_real(w, path);
}

int64_t world_node(struct world *w, const char *path, uint32_t type)
{
	_cleanup_(free_ptr) char *real = world_real(w, path);

	assert_int_equal(mknod(real, type | 0644, 0), 0);
	return insert_real(w, path);
}

int64_t world_entry(struct world *w, const char *path)
{
	int64_t id = w->root;

	while (*path != '\0') {
		size_t len = strcspn(path, "/");
		id = child_of(w, id, path, len);
		assert_int_not_equal(id, 0);
		path += len + (path[len] == '/');
	}
	return id;
}

static int update(struct txn *txn, void *arg)
{
	struct making *m = arg;

	return entry_update(txn, m->id, &m->attr);
}

void world_update(struct world *w, int64_t entry, const char *path)
{
	_cleanup_(free_ptr) char *real = world_real(w, path);
	struct making m = { .id = entry };

	look(real, &m.attr);
	assert_int_equal(library_write(&w->library, update, &m), 0);
}

void world_attr(struct world *w, int64_t entry, uint32_t mode, uint64_t size, int64_t mtime_ns)
{
	struct making m = { .id = entry, .attr = { .mode = mode, .size = size, .mtime_ns = mtime_ns, .ino = 1 } };

	assert_int_equal(library_write(&w->library, update, &m), 0);
}

static int set_content(struct txn *txn, void *arg)
{
	struct making *m = arg;
	uint8_t content[HASH128_LEN];

	memset(content, (int)m->count, sizeof(content));
	return entry_set_content(txn, m->id, m->attr.size, m->attr.mtime_ns, content);
}

void world_content(struct world *w, int64_t entry, uint8_t byte)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct making m = { .id = entry, .count = byte };
	struct entry e;

	assert_int_equal(entry_get(library_db(&w->library), entry, &e, &rows), 0);
	m.attr.size = e.size;
	m.attr.mtime_ns = e.mtime_ns;
	assert_int_equal(library_write(&w->library, set_content, &m), 0);
}

static int move(struct txn *txn, void *arg)
{
	struct making *m = arg;

	return entry_move(txn, m->id, m->parent, m->name, strlen(m->name));
}

void world_move(struct world *w, int64_t entry, int64_t parent, const char *name)
{
	struct making m = { .id = entry, .parent = parent, .name = name };

	assert_int_equal(library_write(&w->library, move, &m), 0);
}

static int insert_many(struct txn *txn, void *arg)
{
	struct making *m = arg;
	struct entry_attr attr = { .mode = S_IFREG | 0644, .size = 100, .mtime_ns = 5000, .ino = 1 };
	int64_t first = 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < m->count; i++) {
		char name[64];
		int len = snprintf(name, sizeof(name), "%s%u", m->name, i);
		struct entry_place place = {
			.location = m->w->location, .parent = m->parent, .name = name, .name_len = (size_t)len,
		};
		r = entry_insert(txn, &place, &attr, &m->id);
		if (first == 0)
			first = m->id;
	}
	m->id = first;
	return r;
}

int64_t world_bulk(struct world *w, int64_t parent, const char *prefix, unsigned count)
{
	struct making m = { .w = w, .parent = parent, .name = prefix, .count = count };

	assert_int_equal(library_write(&w->library, insert_many, &m), 0);
	return m.id;
}

/* --- looking --- */

uint64_t world_at(struct world *w, const char *path)
{
	uint64_t ino = 0;

	if (*path == '\0')
		return OBJECT_ROOT;
	assert_int_equal(fs_resolve(w->fs, path, false, &ino), 0);
	return ino;
}

int64_t world_to(struct world *w, const char *path)
{
	uint64_t ino = 0;

	assert_int_equal(fs_resolve(w->fs, path, true, &ino), 0);
	assert_int_equal(object_kind(ino), OBJECT_ENTRY);
	return object_id(ino);
}

static int join(void *arg, const char *name, const struct fs_attr *attr, uint64_t next)
{
	struct buf *names = arg;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (names->len > 0)
		buf_append_str(names, "|");
	return buf_append_str(names, name);
}

char *world_ls(struct world *w, const char *path)
{
	struct buf names = BUF_INIT;

	assert_int_equal(fs_list(w->fs, world_at(w, path), 0, true, join, &names), 0);
	return buf_take_str(&names);
}

void world_assert_ls(struct world *w, const char *path, const char *names)
{
	_cleanup_(free_ptr) char *found = world_ls(w, path);

	assert_string_equal(found, names);
}

static char *read_link(struct world *w, uint64_t ino)
{
	struct buf target = BUF_INIT;

	assert_int_equal(fs_readlink(w->fs, ino, &target), 0);
	return buf_take_str(&target);
}

void world_assert_target(struct world *w, const char *path, const char *target)
{
	_cleanup_(free_ptr) char *found = read_link(w, world_at(w, path));

	assert_string_equal(found, target);
}

/* --- soundness --- */

struct seen {
	char *name;
	struct fs_attr attr;
	uint64_t next;
};

struct listed {
	struct seen *items;
	size_t count;
};

static int collect(void *arg, const char *name, const struct fs_attr *attr, uint64_t next)
{
	struct listed *l = arg;

	l->items = reallocarray(l->items, l->count + 1, sizeof(*l->items));
	assert_non_null(l->items);
	l->items[l->count++] = (struct seen){ .name = strdup(name), .attr = *attr, .next = next };
	return 0;
}

static void listed_release(struct listed *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].name);
	free(l->items);
}

static void assert_attr_equal(const struct fs_attr *a, const struct fs_attr *b)
{
	assert_int_equal(a->ino, b->ino);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->nlink, b->nlink);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->blocks, b->blocks);
	assert_int_equal(a->mtime_ns, b->mtime_ns);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
}

static void assert_link_sound(struct world *w, const char *dir, const struct seen *link)
{
	_cleanup_(free_ptr) char *target = read_link(w, link->attr.ino), *path = NULL;
	struct fs_attr attr;
	uint64_t by_link = 0, by_target = 0;

	assert_int_equal(strlen(target), link->attr.size);
	assert_true(asprintf(&path, "%s/%s", dir, link->name) > 0);
	assert_int_equal(fs_resolve(w->fs, path, true, &by_link), 0);
	/* "../" for each level of the directory, then a path from the root. */
	const char *from_root = target;
	while (strncmp(from_root, "../", 3) == 0)
		from_root += 3;
	assert_int_equal((from_root - target) / 3, strchr(dir, '/') ? 2 : 1);
	assert_int_equal(fs_resolve(w->fs, from_root, false, &by_target), 0);
	assert_int_equal(by_link, by_target);
	assert_int_equal(fs_getattr(w->fs, by_target, &attr), 0);
	assert_int_equal(attr.mtime_ns, link->attr.mtime_ns);
}

static void assert_dir_sound(struct world *w, const char *path, uint64_t ino)
{
	_cleanup_(listed_release) struct listed l = { 0 }, plain = { 0 };

	assert_int_equal(fs_list(w->fs, ino, 0, true, collect, &l), 0);
	assert_int_equal(fs_list(w->fs, ino, 0, false, collect, &plain), 0);
	assert_int_equal(plain.count, l.count);
	assert_string_equal(l.items[0].name, ".");
	assert_string_equal(l.items[1].name, "..");
	for (size_t i = 2; i < l.count; i++) {
		_cleanup_(free_ptr) char *below = NULL;
		const struct seen *one = &l.items[i];
		struct fs_attr attr;

		assert_true(one->next > l.items[i - 1].next);
		assert_string_equal(plain.items[i].name, one->name);
		assert_int_equal(plain.items[i].attr.ino, one->attr.ino);
		assert_int_equal(plain.items[i].attr.mode & S_IFMT, one->attr.mode & S_IFMT);
		for (size_t k = 2; k < i; k++)
			assert_string_not_equal(l.items[k].name, one->name);
		assert_int_equal(fs_lookup(w->fs, ino, one->name, &attr), 0);
		assert_attr_equal(&attr, &one->attr);
		assert_int_equal(fs_getattr(w->fs, one->attr.ino, &attr), 0);
		assert_attr_equal(&attr, &one->attr);
		assert_true(asprintf(&below, "%s%s%s", path, *path ? "/" : "", one->name) > 0);
		if (object_kind(one->attr.ino) == OBJECT_PAIR)
			assert_link_sound(w, path, one);
		if (S_ISDIR(one->attr.mode)) {
			struct buf own = BUF_INIT;
			assert_int_equal(fs_path(w->fs, one->attr.ino, &own), 0);
			assert_int_equal(own.len, strlen(below));
			assert_memory_equal(own.data, below, own.len);
			buf_release(&own);
			assert_dir_sound(w, below, one->attr.ino);
		}
	}
}

void world_assert_sound(struct world *w)
{
	assert_dir_sound(w, "", OBJECT_ROOT);
}

/* --- changing --- */

/* The inode of the directory that holds `path`, and the name in it. */
static uint64_t split(struct world *w, const char *path, const char **ret_name)
{
	_cleanup_(free_ptr) char *dir = strdup(path);
	char *slash = strrchr(dir, '/');

	*ret_name = slash ? path + (slash - dir) + 1 : path;
	if (!slash)
		return OBJECT_ROOT;
	*slash = '\0';
	return world_at(w, dir);
}

/* What was made is what a look-up finds. */
static int check_made(struct world *w, int r, uint64_t parent, const char *name, const struct fs_attr *made)
{
	struct fs_attr attr;

	if (r == 0) {
		assert_int_equal(fs_lookup(w->fs, parent, name, &attr), 0);
		if (made->partial) {
			attr.size = 0;
			attr.mtime_ns = 0;
			attr.partial = true;
		}
		assert_attr_equal(&attr, made);
	}
	return r;
}

int world_mkdir(struct world *w, const char *path)
{
	struct fs_attr attr;
	const char *name;
	uint64_t parent = split(w, path, &name);

	return check_made(w, fs_mkdir(w->fs, parent, name, &attr), parent, name, &attr);
}

int world_ln(struct world *w, const char *target, const char *path)
{
	struct fs_attr attr;
	const char *name;
	uint64_t parent = split(w, path, &name);
	_cleanup_(free_ptr) char *real = NULL;
	int r = fs_symlink(w->fs, parent, name, target, &attr);

	if (r == -ENOENT && fs_real_target(w->fs, parent, target, &real) == 0)
		r = fs_symlink(w->fs, parent, name, real, &attr);
	return check_made(w, r, parent, name, &attr);
}

int world_rmdir(struct world *w, const char *path)
{
	const char *name;
	uint64_t parent = split(w, path, &name);

	return fs_rmdir(w->fs, parent, name);
}

int world_unlink(struct world *w, const char *path)
{
	const char *name;
	uint64_t parent = split(w, path, &name);

	return fs_unlink(w->fs, parent, name);
}

int world_mv(struct world *w, const char *from, const char *to, unsigned flags)
{
	const char *name, *new_name;
	uint64_t parent = split(w, from, &name);
	uint64_t new_parent = split(w, to, &new_name);

	return fs_rename(w->fs, parent, name, new_parent, new_name, flags);
}
