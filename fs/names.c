#include "fs/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "store/device.h"
#include "store/entry.h"
#include "store/location.h"
#include "store/place.h"
#include "sync/naming.h"

#define CUT_MAX 3 /* bytes that naming_suffixed may cut off more than needed, so as not to cut a character in two */

void name_set(struct name *name, const char *text, size_t len)
{
	name->len = len < TEXT_NAME_MAX ? len : TEXT_NAME_MAX;
	if (name->len > 0)
		memcpy(name->text, text, name->len);
	name->text[name->len] = '\0';
}

static bool name_is(const struct name *name, const char *text, size_t len)
{
	return name->len == len && memcmp(name->text, text, len) == 0;
}

static bool bytes_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static void suffixed(const char *raw, size_t len, bool is_file, const struct uuid *id, struct name *ret_name)
{
	ret_name->len = naming_suffixed(raw, len, is_file, id, ret_name->text);
}

/* Whether `name` may be a plain name with a suffix that did not need to be cut: then that plain name. */
static bool strip_suffix(const char *name, size_t len, struct name *ret_plain)
{
	size_t at, cut;

	if (!naming_has_suffix(name, len, &at, &cut))
		return false;
	memcpy(ret_plain->text, name, at);
	memcpy(ret_plain->text + at, name + at + cut, len - at - cut);
	ret_plain->len = len - cut;
	ret_plain->text[ret_plain->len] = '\0';
	return true;
}

/* Whether `name` is so long that its plain name may have been cut. */
static bool may_be_cut(size_t len)
{
	return len + CUT_MAX >= TEXT_NAME_MAX;
}

/* --- devices and locations --- */

static int siblings_add(struct siblings *s, const struct sibling *one)
{
	struct sibling *items = reallocarray(s->items, s->count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	s->items = items;
	s->items[s->count++] = *one;
	return 0;
}

static int add_devices(struct db *db, struct siblings *s)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_list(db, 0, &rows);

	while (r == 0 && (r = device_next(&rows, &device)) == 0) {
		struct sibling one = { .id = device.id, .uuid = device.uuid };
		name_set(&one.name, device.name, device.name_len);
		r = siblings_add(s, &one);
	}
	return r < 0 ? r : 0;
}

static int add_locations(struct db *db, int64_t device, struct siblings *s)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int r = location_list(db, device, 0, &rows);

	while (r == 0 && (r = location_next(&rows, &location)) == 0) {
		struct sibling one = {
			.id = location.id,
			.root = location.root,
			.uuid = uuid_entry(location.prefix, 0),
		};
		name_set(&one.name, location.name, location.name_len);
		r = siblings_add(s, &one);
	}
	return r < 0 ? r : 0;
}

int siblings_of_dir(struct db *db, const struct dir *dir, struct siblings *ret_siblings)
{
	_cleanup_(siblings_release) struct siblings s = { 0 };
	int r = dir->kind == DIR_DEVICES ? add_devices(db, &s) : add_locations(db, dir->id, &s);

	if (r < 0)
		return r;
	*ret_siblings = s;
	s = (struct siblings){ 0 };
	return 0;
}

void siblings_release(struct siblings *siblings)
{
	free(siblings->items);
}

void siblings_name(const struct siblings *siblings, size_t i, struct name *ret_name)
{
	const struct sibling *one = &siblings->items[i];

	for (size_t k = 0; k < siblings->count; k++) {
		const struct sibling *other = &siblings->items[k];
		if (name_is(&other->name, one->name.text, one->name.len) && uuid_cmp(&other->uuid, &one->uuid) < 0) {
			suffixed(one->name.text, one->name.len, false, &one->uuid, ret_name);
			return;
		}
	}
	*ret_name = one->name;
}

static int sibling_named(struct db *db, const struct dir *dir, int64_t id, struct name *ret_name)
{
	_cleanup_(siblings_release) struct siblings s = { 0 };
	int r = siblings_of_dir(db, dir, &s);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s.count; i++) {
		if (s.items[i].id == id) {
			siblings_name(&s, i, ret_name);
			return 0;
		}
	}
	return -ENOENT;
}

int names_of_device(struct db *db, int64_t device, struct name *ret_name)
{
	return sibling_named(db, &(struct dir){ .kind = DIR_DEVICES }, device, ret_name);
}

int names_of_location(struct db *db, int64_t location, struct name *ret_name, int64_t *ret_device)
{
	struct dir dir = { .kind = DIR_DEVICE };
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location l;
	int r = location_get(db, location, &l, &rows);

	if (r < 0)
		return r;
	dir.id = l.device;
	r = sibling_named(db, &dir, location, ret_name);
	if (r < 0)
		return r;
	*ret_device = dir.id;
	return 0;
}

static int find_sibling(struct db *db, const struct dir *dir, const char *name, size_t len, uint64_t *ret_ino)
{
	_cleanup_(siblings_release) struct siblings s = { 0 };
	int r = siblings_of_dir(db, dir, &s);

	for (size_t i = 0; r == 0 && i < s.count; i++) {
		struct name shown;
		siblings_name(&s, i, &shown);
		if (name_is(&shown, name, len)) {
			*ret_ino = dir->kind == DIR_DEVICES ? object(OBJECT_DEVICE, s.items[i].id)
							    : object(OBJECT_ENTRY, s.items[i].root);
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

/* --- tags and albums --- */

int names_of_collection(struct db *db, const struct collection *collection, struct name *ret_name)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection first;
	int r = collection_named(db, collection->kind, collection->name, collection->name_len, &rows);

	if (r == 0)
		r = collection_next(&rows, &first);
	if (r < 0)
		return r;
	if (r == 1 || first.id == collection->id)
		name_set(ret_name, collection->name, collection->name_len);
	else
		suffixed(collection->name, collection->name_len, false, &collection->uuid, ret_name);
	return 0;
}

/* The one that has `name` plain. */
static int find_plain_collection(struct db *db, enum collection_kind kind, const char *name, size_t len, uint64_t *ret_ino)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection first;
	int r = collection_named(db, kind, name, len, &rows);

	if (r == 0)
		r = collection_next(&rows, &first);
	if (r < 0)
		return r;
	if (r == 1 || !bytes_equal(first.name, first.name_len, name, len))
		return -ENOENT;
	*ret_ino = place_of_collection(first.id, first.life);
	return 0;
}

static int find_suffixed_collection(struct db *db, enum collection_kind kind, const char *name, size_t len, uint64_t *ret_ino)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection one;
	struct name plain, shown;
	int r = strip_suffix(name, len, &plain) ? 0 : -ENOENT;

	if (r == 0)
		r = collection_named(db, kind, plain.text, plain.len, &rows);
	for (bool is_first = true; r == 0 && (r = collection_next(&rows, &one)) == 0; is_first = false) {
		suffixed(one.name, one.name_len, false, &one.uuid, &shown);
		if (!is_first && name_is(&shown, name, len)) {
			*ret_ino = place_of_collection(one.id, one.life);
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

/* By looking at each: for names that may have been cut. */
static int find_cut_collection(struct db *db, enum collection_kind kind, const char *name, size_t len, uint64_t *ret_ino)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection one;
	struct name shown;
	int r = may_be_cut(len) ? collection_list(db, kind, 0, &rows) : -ENOENT;

	while (r == 0 && (r = collection_next(&rows, &one)) == 0) {
		r = names_of_collection(db, &one, &shown);
		if (r == 0 && name_is(&shown, name, len)) {
			*ret_ino = place_of_collection(one.id, one.life);
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

static int find_collection(struct db *db, const struct dir *dir, const char *name, size_t len, uint64_t *ret_ino)
{
	int r;

	if (!text_is_title(name, len))
		return -ENOENT;
	r = find_plain_collection(db, dir->collections, name, len, ret_ino);
	if (r == -ENOENT)
		r = find_suffixed_collection(db, dir->collections, name, len, ret_ino);
	if (r == -ENOENT)
		r = find_cut_collection(db, dir->collections, name, len, ret_ino);
	return r;
}

/* --- links --- */

/* Whether a link is listed, and if so whether it leads to something that is no directory. -ENOENT: it is not. */
static int is_listed(struct db *db, const struct pair *pair, bool *ret_is_file)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int64_t target;
	int r = pair_target(db, pair, &target);

	if (r == 0)
		r = entry_get(db, target, &entry, &rows);
	if (r < 0)
		return r;
	*ret_is_file = !S_ISDIR(entry.mode);
	return 0;
}

int names_of_link(struct db *db, const struct pair *pair, bool is_file, struct name *ret_name)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair other;
	int64_t target;
	int r = pair_named(db, pair->collection, pair->name, pair->name_len, &rows);

	while (r == 0 && (r = pair_next(&rows, &other)) == 0 && other.id != pair->id) {
		r = pair_target(db, &other, &target);
		if (r == 0) {
			suffixed(pair->name, pair->name_len, is_file, &pair->entry, ret_name);
			return 0;
		}
		if (r == -ENOENT)
			r = 0;
	}
	if (r < 0)
		return r;
	name_set(ret_name, pair->name, pair->name_len);
	return 0;
}

/* Of the links with the raw name `raw`, the one that is shown as `name`. */
static int find_among(struct db *db, int64_t collection, const char *raw, size_t raw_len, const char *name, size_t len,
		      int64_t *ret_id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	bool is_first = true, is_file;
	struct pair pair;
	int r = pair_named(db, collection, raw, raw_len, &rows);

	while (r == 0 && (r = pair_next(&rows, &pair)) == 0) {
		struct name shown;
		r = is_listed(db, &pair, &is_file);
		if (r == 0 && is_first)
			name_set(&shown, raw, raw_len);
		else if (r == 0)
			suffixed(raw, raw_len, is_file, &pair.entry, &shown);
		if (r == 0 && name_is(&shown, name, len)) {
			*ret_id = pair.id;
			return 0;
		}
		is_first = is_first && r == -ENOENT;
		if (r == -ENOENT)
			r = 0;
	}
	return r < 0 ? r : -ENOENT;
}

/* By looking at each whose raw name begins as `name` does: for names that may have been cut. */
static int find_cut_link(struct db *db, int64_t collection, const char *name, size_t len, int64_t *ret_id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	size_t at, cut;
	bool is_file;
	int r = may_be_cut(len) && naming_has_suffix(name, len, &at, &cut) ? 0 : -ENOENT;

	if (r == 0)
		r = pair_name_begins(db, collection, name, at, &rows);
	while (r == 0 && (r = pair_next(&rows, &pair)) == 0) {
		struct name shown;
		r = is_listed(db, &pair, &is_file);
		if (r == 0)
			r = names_of_link(db, &pair, is_file, &shown);
		if (r == 0 && name_is(&shown, name, len)) {
			*ret_id = pair.id;
			return 0;
		}
		if (r == -ENOENT)
			r = 0;
	}
	return r < 0 ? r : -ENOENT;
}

static int find_link(struct db *db, const struct dir *dir, const char *name, size_t len, uint64_t *ret_ino)
{
	struct name plain;
	int64_t id = 0;
	int r = find_among(db, dir->id, name, len, name, len, &id);

	if (r == -ENOENT && strip_suffix(name, len, &plain))
		r = find_among(db, dir->id, plain.text, plain.len, name, len, &id);
	if (r == -ENOENT)
		r = find_cut_link(db, dir->id, name, len, &id);
	if (r < 0)
		return r;
	*ret_ino = object(OBJECT_PAIR, id);
	return 0;
}

/* --- the others --- */

static int find_fixed(const char *name, size_t len, uint64_t *ret_ino)
{
	const struct dir_fixed *one;

	for (size_t i = 0; (one = dir_fixed_at(i)) != NULL; i++) {
		if (bytes_equal(one->name, strlen(one->name), name, len)) {
			*ret_ino = one->ino;
			return 0;
		}
	}
	return -ENOENT;
}

static int find_entry(struct db *db, const struct dir *dir, const char *name, size_t len, uint64_t *ret_ino)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_child(db, dir->id, name, len, &entry, &rows);

	if (r < 0)
		return r;
	*ret_ino = object(OBJECT_ENTRY, entry.id);
	return 0;
}

int names_find(struct db *db, const struct dir *dir, const char *name, size_t len, uint64_t *ret_ino)
{
	if (len > TEXT_NAME_MAX)
		return -ENAMETOOLONG;
	if (!text_is_filename(name, len))
		return -ENOENT;
	switch (dir->kind) {
	case DIR_ROOT:
		return find_fixed(name, len, ret_ino);
	case DIR_DEVICES:
	case DIR_DEVICE:
		return find_sibling(db, dir, name, len, ret_ino);
	case DIR_ENTRY:
		return find_entry(db, dir, name, len, ret_ino);
	case DIR_COLLECTIONS:
		return find_collection(db, dir, name, len, ret_ino);
	case DIR_LINKS:
		return find_link(db, dir, name, len, ret_ino);
	case DIR_KINDS:
		break;
	}
	return -ENOENT;
}
