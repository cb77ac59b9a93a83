#include "fs/expansion.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "fs/dir.h"
#include "fs/names.h"
#include "fs/tree.h"
#include "store/collection.h"
#include "store/device.h"
#include "store/entry.h"
#include "store/location.h"
#include "store/object.h"
#include "store/pair.h"
#include "store/place.h"
#include "sync/naming.h"

void expansion_init(struct expansion *e, struct fs *fs, const struct announce_calls *calls, void *arg)
{
	*e = (struct expansion){ .fs = fs, .calls = { .calls = calls, .arg = arg } };
}

void expansion_release(struct expansion *e)
{
	callset_release(&e->calls);
	free(e->moved);
}

void expansion_begin(struct expansion *e)
{
	e->all_links = false;
	e->moved_count = 0;
	e->moved_away = false;
	memset(e->contents, 0, sizeof(e->contents));
	memset(e->dirs, 0, sizeof(e->dirs));
}

/* --- what an object is now --- */

struct being {
	bool gone;
	bool is_dir;
	bool has_suffix; /* it may be shown with a suffix, which comes from `uuid` */
	struct uuid uuid;
};

static int entry_being(struct db *db, int64_t id, struct being *being)
{
	_cleanup_(rows_release) struct rows entry_rows = ROWS_INIT, location_rows = ROWS_INIT;
	struct location location;
	struct entry entry;
	int r = entry_get(db, id, &entry, &entry_rows);

	if (r < 0)
		return r;
	being->is_dir = S_ISDIR(entry.mode);
	being->gone = entry.deleted;
	if (entry.parent == 0) { /* shown under the name of its location */
		uint64_t prefix, seq;
		uuid_entry_split(&entry.uuid, &prefix, &seq);
		being->uuid = uuid_entry(prefix, 0);
		being->has_suffix = true;
	}
	r = location_get(db, entry.location, &location, &location_rows);
	if (r == -ENOENT)
		being->gone = true;
	return r == -ENOENT ? 0 : r;
}

static int pair_being(struct db *db, int64_t id, struct being *being)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_get(db, id, &pair, &rows);

	if (r < 0)
		return r;
	being->gone = !pair.live;
	being->has_suffix = true;
	being->uuid = pair.entry;
	return 0;
}

static int collection_being(struct db *db, uint64_t object, struct being *being)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection collection;
	int r = collection_get(db, object_id(object), &collection, &rows);

	if (r < 0)
		return r;
	being->gone = !collection.shown || place_of_collection(collection.id, collection.life) != object;
	being->is_dir = true;
	being->has_suffix = true;
	being->uuid = collection.uuid;
	return 0;
}

static int device_being(struct db *db, int64_t id, struct being *being)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_get(db, id, &device, &rows);

	if (r < 0)
		return r;
	being->gone = !device.member;
	being->is_dir = true;
	being->has_suffix = true;
	being->uuid = device.uuid;
	return 0;
}

static int read_being(struct db *db, uint64_t object, struct being *ret_being)
{
	int r = 0;

	*ret_being = (struct being){ 0 };
	switch (object_kind(object)) {
	case OBJECT_FIXED:
		ret_being->is_dir = object != 0;
		break;
	case OBJECT_DEVICE:
		r = device_being(db, object_id(object), ret_being);
		break;
	case OBJECT_ENTRY:
		r = entry_being(db, object_id(object), ret_being);
		break;
	case OBJECT_COLLECTION:
		r = collection_being(db, object, ret_being);
		break;
	case OBJECT_PAIR:
		r = pair_being(db, object_id(object), ret_being);
		break;
	}
	if (r == -ENOENT)
		ret_being->gone = true;
	return r == -ENOENT ? 0 : r;
}

/* --- names --- */

/* One name. What is gone is dropped with all below it; the rest only expires: a directory that merely moved may be
 * somebody's working directory, which must not be unhashed. */
static int add_name(struct expansion *e, uint64_t parent, const char *name, size_t len, bool gone)
{
	if (gone)
		return callset_drop_entry(&e->calls, parent, name, len);
	return callset_expire_entry(&e->calls, parent, name, len);
}

/* The names with a suffix that a thing with the raw name `name` may have. Of a link it is not known whether it leads, or
 * led, to a file. */
static int add_suffixed(struct expansion *e, uint64_t parent, const char *name, size_t len, const struct uuid *uuid,
			bool gone)
{
	bool of_link = parent == OBJECT_FAVORITES || object_kind(parent) == OBJECT_COLLECTION;
	char text[TEXT_NAME_MAX + 1];
	size_t n = naming_suffixed(name, len, false, uuid, text);
	int r = add_name(e, parent, text, n, gone);

	if (r < 0 || !of_link)
		return r;
	n = naming_suffixed(name, len, true, uuid, text);
	return add_name(e, parent, text, n, gone);
}

static int add_names(struct expansion *e, uint64_t parent, const char *name, size_t len, const struct being *being)
{
	int r;

	if (!name || len == 0 || len > TEXT_NAME_MAX)
		return 0;
	r = add_name(e, parent, name, len, being->gone);
	if (r == 0 && being->has_suffix)
		r = add_suffixed(e, parent, name, len, &being->uuid, being->gone);
	return r;
}

/* The kernel orders its change of a listing after the listings that run only when a name is taken back: so one is, that
 * is nobody's. */
static int add_listing(struct expansion *e, uint64_t dir)
{
	static const char nobody[] = ".fuse_hidden-listing";
	int r = callset_expire_entry(&e->calls, dir, nobody, sizeof(nobody) - 1);

	return r < 0 ? r : callset_drop_content(&e->calls, dir);
}

/* --- links --- */

/* All that have one raw name: who is listed decides which of them has it plain. */
static int add_namesakes(struct expansion *e, struct db *db, uint64_t parent, const char *name, size_t len)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int64_t collection = parent == OBJECT_FAVORITES ? COLLECTION_FAVORITES_ID : object_id(parent);
	struct pair other;
	int r = pair_named(db, collection, name, len, &rows);

	while (r == 0 && (r = pair_next(&rows, &other)) == 0)
		if (other.clash)
			r = add_suffixed(e, parent, name, len, &other.entry, false);
	return r < 0 ? r : 0;
}

int expansion_place(struct db *db, int64_t collection, uint64_t *ret_parent)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection c;
	int r = collection_get(db, collection, &c, &rows);

	if (r == 0)
		*ret_parent = place_of_collection(c.id, c.life);
	return r;
}

int expansion_pair(struct expansion *e, struct db *db, uint64_t parent, const struct pair *pair, bool alone)
{
	int r = add_name(e, parent, pair->name, pair->name_len, false);

	if (r == 0 && !alone)
		r = add_namesakes(e, db, parent, pair->name, pair->name_len);
	if (r == 0)
		r = callset_drop_content(&e->calls, object(OBJECT_PAIR, pair->id));
	return r < 0 ? r : callset_drop_content(&e->calls, parent);
}

static int add_pairs(struct expansion *e, struct db *db, struct rows *rows)
{
	uint64_t parent = 0;
	struct pair pair;
	int r;

	while ((r = pair_next(rows, &pair)) == 0) {
		r = expansion_place(db, pair.collection, &parent);
		if (r == 0)
			r = expansion_pair(e, db, parent, &pair, false);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int add_links_naming(struct expansion *e, struct db *db, const struct uuid *entry)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int r = pair_of_entry(db, entry, &rows);

	return r < 0 ? r : add_pairs(e, db, &rows);
}

/* Whether the links by a content were added in this batch; notes that they will be. */
static bool content_is_done(struct expansion *e, const uint8_t content[HASH128_LEN])
{
	uint64_t hash;
	size_t at;

	memcpy(&hash, content, sizeof(hash));
	at = hash % EXPANSION_CONTENTS;
	if (e->contents[at].used && memcmp(e->contents[at].id, content, HASH128_LEN) == 0)
		return true;
	e->contents[at].used = true;
	memcpy(e->contents[at].id, content, HASH128_LEN);
	return false;
}

/* Links that name a copy, or whose own content register says so. */
static int add_links_by_content(struct expansion *e, struct db *db, const uint8_t content[HASH128_LEN])
{
	_cleanup_(rows_release) struct rows pairs = ROWS_INIT, copies = ROWS_INIT;
	struct entry copy;
	int r;

	if (content_is_done(e, content))
		return 0;
	r = pair_of_content(db, content, &pairs);
	if (r == 0)
		r = add_pairs(e, db, &pairs);
	if (r == 0)
		r = entry_by_content(db, content, &copies);
	while (r == 0 && (r = entry_next(&copies, &copy)) == 0)
		r = add_links_naming(e, db, &copy.uuid);
	return r < 0 ? r : 0;
}

struct tagged {
	struct uuid uuid;
	bool has_content;
	uint8_t content[HASH128_LEN];
};

static int read_tagged(struct db *db, int64_t id, struct tagged *ret_tagged)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_get(db, id, &entry, &rows);

	if (r < 0)
		return r;
	ret_tagged->uuid = entry.uuid;
	ret_tagged->has_content = entry.has_content && entry.size > 0;
	memcpy(ret_tagged->content, entry.content, HASH128_LEN);
	return 0;
}

static int add_links_to(struct expansion *e, struct db *db, uint64_t entry, bool with_copies)
{
	struct tagged tagged;
	int r;

	if (object_kind(entry) != OBJECT_ENTRY)
		return 0;
	r = read_tagged(db, object_id(entry), &tagged);
	if (r == -ENOENT) {
		/* A deleted entry whose row was purged meanwhile, as soon as every device knew of it: nobody can say any
		 * more which links led to it. */
		e->all_links = true;
		return 0;
	}
	if (r < 0)
		return r;
	r = add_links_naming(e, db, &tagged.uuid);
	if (r == 0 && with_copies && tagged.has_content)
		r = add_links_by_content(e, db, tagged.content);
	return r;
}

/* --- notices --- */

/* Devices are few and their rows tell nothing of each other: when two share a name, a change of one may give the other a
 * suffix or take it, and every link below it goes elsewhere. */
static int add_device_namesakes(struct expansion *e, struct db *db, const struct notice *n)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_list(db, 0, &rows);

	while (r == 0 && (r = device_next(&rows, &device)) == 0) {
		if (device.id == object_id(n->object) || device.name_len != n->name_len ||
		    memcmp(device.name, n->name, n->name_len) != 0)
			continue;
		e->all_links = true;
		r = add_suffixed(e, n->parent, n->name, n->name_len, &device.uuid, false);
	}
	return r < 0 ? r : 0;
}

static bool is_link(const struct notice *n)
{
	return object_kind(n->object) == OBJECT_PAIR && n->name;
}

/* 1 when the name in the notice stands for something now, 0 when for nothing. */
static int name_is_taken(struct db *db, const struct notice *n)
{
	struct dir dir = { .kind = DIR_ENTRY, .id = object_id(n->parent) };
	uint64_t ino;
	int r = n->name ? 0 : -ENOENT;

	if (r == 0 && object_kind(n->parent) != OBJECT_ENTRY)
		r = dir_get(db, n->parent, &dir);
	if (r == 0)
		r = names_find(db, &dir, n->name, n->name_len, &ino);
	if (r == -ENOENT || r == -ENOTDIR || r == -ENAMETOOLONG)
		return 0;
	return r < 0 ? r : 1;
}

static int add_name_notice(struct expansion *e, struct db *db, const struct notice *n)
{
	struct being being;
	int r = read_being(db, n->object, &being);

	/* Something else may have taken the name since, and may be in use. */
	if (r == 0 && being.gone && (r = name_is_taken(db, n)) == 1) {
		being.gone = false;
		r = 0;
	}
	if (r == 0)
		r = add_names(e, n->parent, n->name, n->name_len, &being);
	if (r == 0 && is_link(n))
		r = add_namesakes(e, db, n->parent, n->name, n->name_len);
	if (r == 0 && is_link(n)) /* it may be the same link with another target */
		r = callset_drop_content(&e->calls, n->object);
	if (r == 0 && n->parent == OBJECT_DEVICES && n->name)
		r = add_device_namesakes(e, db, n);
	return r < 0 ? r : callset_drop_content(&e->calls, n->parent);
}

/* A directory of files keeps its listing. Any other directory has attributes that never change: a device comes back after
 * it was removed, under the number that it had, and what was known of it then is old. */
static int add_inode(struct expansion *e, uint64_t object, bool is_dir)
{
	if (is_dir && object_kind(object) == OBJECT_ENTRY)
		return callset_drop_attr(&e->calls, object);
	return callset_drop_content(&e->calls, object);
}

/* A link shows the time of what it leads to. Copies have the time that they have: of those LINKS tells. */
static int add_attr_notice(struct expansion *e, struct db *db, const struct notice *n)
{
	struct being being;
	int r = read_being(db, n->object, &being);

	being.gone = false;
	if (r == 0)
		r = add_names(e, n->parent, n->name, n->name_len, &being);
	if (r == 0)
		r = add_inode(e, n->object, being.is_dir);
	if (r == 0 && object_kind(n->object) == OBJECT_ENTRY)
		r = add_links_to(e, db, n->object, false);
	return r;
}

static int note_moved(struct expansion *e, struct db *db, uint64_t dir)
{
	struct being being;
	int r;

	if (object_kind(dir) != OBJECT_ENTRY) { /* a device: rare, and its links are most */
		e->all_links = true;
		return 0;
	}
	r = read_being(db, dir, &being);
	if (r < 0)
		return r;
	if (e->moved_count == e->moved_capacity) {
		size_t capacity = e->moved_capacity ? e->moved_capacity * 2 : 16;
		int64_t *moved = reallocarray(e->moved, capacity, sizeof(*moved));
		if (!moved)
			return -ENOMEM;
		e->moved = moved;
		e->moved_capacity = capacity;
	}
	e->moved[e->moved_count++] = object_id(dir);
	e->moved_away = e->moved_away || being.gone;
	return 0;
}

int expansion_add(struct expansion *e, struct db *db, const struct notice *n)
{
	switch (n->change) {
	case NOTICE_LISTING:
		return add_listing(e, n->parent);
	case NOTICE_NAME:
		return add_name_notice(e, db, n);
	case NOTICE_ATTR:
		return add_attr_notice(e, db, n);
	case NOTICE_LINKS:
		return add_links_to(e, db, n->object, true);
	case NOTICE_BELOW:
		return note_moved(e, db, n->object);
	}
	return 0;
}

/* --- whole directories --- */

static int add_name_of_device(struct expansion *e, struct db *db, int64_t id, const struct being *being)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_get(db, id, &device, &rows);

	return r < 0 ? r : add_names(e, OBJECT_DEVICES, device.name, device.name_len, being);
}

static int add_name_of_location(struct expansion *e, struct db *db, int64_t id, const struct being *being)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int r = location_get(db, id, &location, &rows);

	return r < 0 ? r : add_names(e, object(OBJECT_DEVICE, location.device), location.name, location.name_len, being);
}

static int add_name_of_entry(struct expansion *e, struct db *db, int64_t id, const struct being *being)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_get(db, id, &entry, &rows);

	if (r < 0)
		return r;
	if (entry.parent == 0)
		return add_name_of_location(e, db, entry.location, being);
	return add_names(e, object(OBJECT_ENTRY, entry.parent), entry.name, entry.name_len, being);
}

static int add_name_of_collection(struct expansion *e, struct db *db, int64_t id, const struct being *being)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection collection;
	int r = collection_get(db, id, &collection, &rows);

	return r < 0 ? r : add_names(e, place_of_kind(collection.kind), collection.name, collection.name_len, being);
}

/* Drops a directory's own name, and with it all that the kernel knows below it, also by names that are in no row. */
static int add_own_name(struct expansion *e, struct db *db, uint64_t dir)
{
	const struct dir_fixed *fixed = dir_fixed_of(dir);
	struct being being;
	int r = read_being(db, dir, &being);

	if (r < 0)
		return r;
	being.gone = true;
	switch (object_kind(dir)) {
	case OBJECT_FIXED:
		return fixed ? add_names(e, OBJECT_ROOT, fixed->name, strlen(fixed->name), &being) : 0;
	case OBJECT_DEVICE:
		return add_name_of_device(e, db, object_id(dir), &being);
	case OBJECT_ENTRY:
		return add_name_of_entry(e, db, object_id(dir), &being);
	case OBJECT_COLLECTION:
		return add_name_of_collection(e, db, object_id(dir), &being);
	case OBJECT_PAIR:
		break;
	}
	return 0;
}

struct content {
	struct expansion *e;
	uint64_t dir;
	uint64_t next; /* offset */
	bool full;
	int error;
};

static int add_listed(void *arg, const char *name, const struct fs_attr *attr, uint64_t next)
{
	struct content *c = arg;
	int r = 0;

	if (callset_is_full(&c->e->calls)) {
		c->full = true;
		return 1;
	}
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
		r = callset_expire_entry(&c->e->calls, c->dir, name, strlen(name));
		if (r == 0)
			r = add_inode(c->e, attr->ino, S_ISDIR(attr->mode));
	}
	c->next = next;
	c->error = r;
	return r < 0;
}

int expansion_dir(struct expansion *e, uint64_t dir)
{
	struct content c = { .e = e, .dir = dir };
	struct db *db = NULL;
	int r = read_begin(e->fs, &db);

	if (r < 0)
		return r;
	r = add_own_name(e, db, dir);
	read_end(&db);
	if (r == 0 || r == -ENOENT)
		r = add_listing(e, dir);
	if (r < 0)
		return r;
	do {
		callset_run(&e->calls);
		c.full = false;
		r = fs_list(e->fs, dir, c.next, false, add_listed, &c);
		if (r == 0)
			r = c.error;
	} while (r == 0 && c.full);
	callset_run(&e->calls);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}
