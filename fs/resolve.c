#include "fs/resolve.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mountinfo.h"
#include "fs/dir.h"
#include "fs/names.h"
#include "fs/session.h"
#include "store/entry.h"
#include "store/location.h"
#include "store/object.h"
#include "store/pair.h"

#define SYMLINKS_MAX 40 /* followed in one path, as in Linux */

/* --- text --- */

/* The next component of a path, after slashes; its length is 0 at the end. */
static size_t next_part(const char **at)
{
	*at += strspn(*at, "/");
	return strcspn(*at, "/");
}

static bool part_is(const char *part, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(part, text, len) == 0;
}

static void pop_part(struct buf *path)
{
	while (path->len > 0 && path->data[--path->len] != '/')
		;
}

/* Adds a component to a path without trailing slash ("" is the root). */
static int push_part(struct buf *path, const char *part, size_t len)
{
	if (len == 0 || part_is(part, len, "."))
		return 0;
	if (part_is(part, len, "..")) {
		pop_part(path);
		return 0;
	}
	buf_append_str(path, "/");
	return buf_append(path, part, len);
}

static int push_path(struct buf *path, const char *more)
{
	size_t len;
	int r = 0;

	for (; r == 0 && (len = next_part(&more)) > 0; more += len)
		r = push_part(path, more, len);
	return r < 0 ? r : buf_error(path);
}

/* The text of a path under construction. */
static int take_path(struct buf *path, char **ret_path)
{
	if (path->len == 0)
		buf_append_str(path, "/");
	*ret_path = buf_take_str(path);
	return *ret_path ? 0 : -ENOMEM;
}

int resolve_normal(const char *path, char **ret_normal)
{
	_cleanup_(buf_release) struct buf normal = BUF_INIT;
	int r = *path == '/' ? push_path(&normal, path) : -EINVAL;

	return r < 0 ? r : take_path(&normal, ret_normal);
}

const char *resolve_after(const char *path, const char *prefix)
{
	size_t len = strcmp(prefix, "/") == 0 ? 0 : strlen(prefix);

	if (strncmp(path, prefix, len) != 0 || (path[len] != '\0' && path[len] != '/'))
		return NULL;
	return path + len;
}

/* --- destinations --- */

void destination_release(struct destination *d)
{
	free(d->path);
	free(d->text);
}

/* Takes a normal absolute path: into the mount or not. Without a mount point there is no way in from the system. */
static int settle(struct fs *fs, const char *normal, struct destination *d)
{
	const char *below = fs->mountpoint ? resolve_after(normal, fs->mountpoint) : NULL;
	char *path = strdup(!below ? normal : *below ? below : "/");

	if (!path)
		return -ENOMEM;
	free(d->path);
	d->path = path;
	d->in_mount = below != NULL;
	return 0;
}

/* `text` as an absolute path of the system, or of the tree when that is nowhere mounted. */
static int absolute_text(struct fs *fs, const char *dir, const char *text, char **ret_text)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;

	if (*text == '/') {
		buf_append_str(&path, text);
	} else {
		buf_append_str(&path, fs->mountpoint ? fs->mountpoint : "");
		buf_append_str(&path, "/");
		buf_append_str(&path, dir);
		buf_append_str(&path, "/");
		buf_append_str(&path, text);
	}
	*ret_text = buf_take_str(&path);
	return *ret_text ? 0 : -ENOMEM;
}

int resolve_text(struct fs *fs, const char *dir, const char *text, struct destination *ret_destination)
{
	_cleanup_(destination_release) struct destination d = { 0 };
	_cleanup_(free_ptr) char *normal = NULL;
	int r = *text ? absolute_text(fs, dir, text, &d.text) : -ENOENT;

	if (r == 0)
		r = resolve_normal(d.text, &normal);
	if (r == 0)
		r = settle(fs, normal, &d);
	if (r < 0)
		return r;
	if (*text != '/') {
		if (!fs->mountpoint)
			d.in_mount = true;
		/* What goes up out of the mount must not be followed through it again. */
		free(d.text);
		d.text = TAKE_PTR(normal);
	}
	*ret_destination = d;
	d = (struct destination){ 0 };
	return 0;
}

/* --- real symlinks --- */

/* A path that is being followed. */
struct trail {
	struct buf done;   /* real: no symlink in it, no trailing slash */
	char *left;        /* what is still to follow; owned */
	unsigned symlinks; /* followed so far */
};

static void trail_release(struct trail *trail)
{
	buf_release(&trail->done);
	free(trail->left);
}

/* The symlink whose text is `link` stands for the last component. */
static int trail_turn(struct trail *trail, const char *link, const char *rest)
{
	char *left;

	if (++trail->symlinks > SYMLINKS_MAX)
		return -ELOOP;
	if (asprintf(&left, "%s/%s", link, rest) < 0)
		return -ENOMEM;
	if (*link == '/')
		buf_clear(&trail->done);
	else
		pop_part(&trail->done);
	free(trail->left);
	trail->left = left;
	return 0;
}

static bool is_shelf(const struct mountinfo_line *line)
{
	return line && strcmp(line->type, SESSION_MOUNT_TYPE) == 0;
}

/* Whether the daemon must not look any further: at the mount point, or where a library is mounted or bound to. */
static bool is_mount(struct fs *fs, const struct mountinfo *mounts, const char *path)
{
	const struct mountinfo_line *line = mountinfo_of(mounts, path);

	return (fs->mountpoint && strcmp(path, fs->mountpoint) == 0) || is_shelf(line);
}

/* One component: 1 = there is none left, or the rest is below a mount point and goes by its text. */
static int trail_step(struct trail *trail, struct fs *fs, const struct mountinfo *mounts)
{
	char link[PATH_MAX], at[PATH_MAX];
	const char *part = trail->left, *rest;
	size_t len = next_part(&part);
	ssize_t n;
	int r;

	if (len == 0)
		return 1;
	rest = part + len;
	r = push_part(&trail->done, part, len);
	if (r < 0)
		return r;
	if (trail->done.len >= sizeof(at))
		return -ENOENT;
	if (trail->done.len > 0)
		memcpy(at, trail->done.data, trail->done.len);
	at[trail->done.len] = '\0';
	if (is_mount(fs, mounts, at)) {
		r = push_path(&trail->done, rest);
		return r < 0 ? r : 1;
	}
	n = trail->done.len > 0 ? readlink(at, link, sizeof(link) - 1) : -1;
	if (n >= 0) {
		link[n] = '\0';
		return trail_turn(trail, link, rest);
	}
	if (trail->done.len > 0 && errno != EINVAL) /* EINVAL: there, and no symlink */
		return -ENOENT;
	memmove(trail->left, rest, strlen(rest) + 1);
	return 0;
}

static bool is_same_mount(const struct mountinfo_line *a, const struct mountinfo_line *b)
{
	return is_shelf(a) && is_shelf(b) && a->major == b->major && a->minor == b->minor;
}

/* A path that leads into our mount by way of another mount point becomes one by way of ours. */
static int enter_mount(struct fs *fs, const struct mountinfo *mounts, char **path)
{
	const struct mountinfo_line *line = mountinfo_of(mounts, *path), *ours;
	_cleanup_(free_ptr) char *text = NULL;
	char *normal;
	int r;

	if (!is_shelf(line))
		return 0;
	ours = fs->mountpoint ? mountinfo_of(mounts, fs->mountpoint) : NULL;
	if (!ours || !is_same_mount(line, ours))
		return -ENOENT;
	if (asprintf(&text, "%s/%s%s", fs->mountpoint, line->root, resolve_after(*path, line->path)) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	r = resolve_normal(text, &normal);
	if (r < 0)
		return r;
	free(*path);
	*path = normal;
	return 0;
}

/* Splits the name off a path that ends in one: its last component is not followed, as it may be the symlink meant. */
static size_t length_without_name(const char *path)
{
	size_t end = strlen(path), at;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (at = end; at > 0 && path[at - 1] != '/'; at--)
		;
	if (part_is(path + at, end - at, ".") || part_is(path + at, end - at, ".."))
		return strlen(path);
	return at;
}

int resolve_real(struct fs *fs, struct destination *d)
{
	_cleanup_(trail_release) struct trail trail = { 0 };
	_cleanup_(mountinfo_release) struct mountinfo mounts = MOUNTINFO_INIT;
	_cleanup_(free_ptr) char *real = NULL;
	size_t dir_len = length_without_name(d->text);
	int r = d->in_mount ? -ENOENT : mountinfo_read(&mounts);

	if (r < 0)
		return r;
	trail.left = strndup(d->text, dir_len);
	if (!trail.left)
		return -ENOMEM;
	while (r == 0)
		r = trail_step(&trail, fs, &mounts);
	if (r == 1)
		r = push_path(&trail.done, d->text + dir_len);
	if (r == 0)
		r = take_path(&trail.done, &real);
	if (r == 0)
		r = enter_mount(fs, &mounts, &real);
	if (r < 0)
		return r;
	if (strcmp(real, d->path) == 0)
		return -ENOENT;
	return settle(fs, real, d);
}

/* --- objects --- */

static int follow_link(struct db *db, uint64_t *ino)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int64_t entry = 0;
	int r = pair_get(db, object_id(*ino), &pair, &rows);

	if (r == 0)
		r = pair.live ? pair_target(db, &pair, &entry) : -ENOENT;
	if (r < 0)
		return r;
	*ino = object(OBJECT_ENTRY, entry);
	return 0;
}

/* One step down. */
static int enter(struct db *db, uint64_t *ino, const char *name, size_t len)
{
	struct dir dir = { .kind = DIR_ENTRY };
	int r = 0;

	if (object_kind(*ino) == OBJECT_PAIR)
		r = follow_link(db, ino);
	if (r == 0 && object_kind(*ino) == OBJECT_ENTRY)
		dir.id = object_id(*ino); /* what is no directory has no children */
	else if (r == 0)
		r = dir_get(db, *ino, &dir);
	return r < 0 ? r : names_find(db, &dir, name, len, ino);
}

static int descend(struct db *db, uint64_t ino, const char *path, uint64_t *ret_ino)
{
	size_t len;
	int r = 0;

	for (; r == 0 && (len = next_part(&path)) > 0; path += len)
		r = enter(db, &ino, path, len);
	if (r < 0)
		return r;
	*ret_ino = ino;
	return 0;
}

/* The location of this device that a path is in: its root entry, and what follows its path. */
static int find_location(struct fs *fs, struct db *db, const char *path, int64_t *ret_root, const char **ret_below)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int r = location_list(db, store_info(fs->store)->device_row, 0, &rows);

	while (r == 0 && (r = location_next(&rows, &location)) == 0) {
		const char *below = resolve_after(path, location.path);
		if (below) {
			*ret_root = location.root;
			*ret_below = below;
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

int resolve_find(struct fs *fs, struct db *db, const struct destination *d, bool follow, uint64_t *ret_ino)
{
	const char *below = d->path;
	uint64_t ino = OBJECT_ROOT;
	int64_t root = 0;
	int r = 0;

	if (!d->in_mount) {
		r = find_location(fs, db, d->path, &root, &below);
		ino = object(OBJECT_ENTRY, root);
	}
	if (r == 0)
		r = descend(db, ino, below, &ino);
	if (r == 0 && follow && object_kind(ino) == OBJECT_PAIR)
		r = follow_link(db, &ino);
	if (r == -ENOTDIR || r == -ENAMETOOLONG)
		r = -ENOENT;
	if (r < 0)
		return r;
	*ret_ino = ino;
	return 0;
}

/* --- for commands --- */

static int find_once(struct fs *fs, const struct destination *d, bool follow, uint64_t *ret_ino)
{
	_cleanup_(read_end) struct db *db = NULL;
	int r = read_begin(fs, &db);

	return r < 0 ? r : resolve_find(fs, db, d, follow, ret_ino);
}

int fs_resolve(struct fs *fs, const char *path, bool follow, uint64_t *ret_ino)
{
	_cleanup_(destination_release) struct destination d = { 0 };
	int r = resolve_text(fs, "", path, &d);

	if (r == 0)
		r = find_once(fs, &d, follow, ret_ino);
	if (r == -ENOENT && d.path && resolve_real(fs, &d) == 0)
		r = find_once(fs, &d, follow, ret_ino);
	return r;
}
