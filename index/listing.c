#include "index/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "index/beneath.h"

#define READ_BYTES (128 * 1024) /* of directory entries at once */
#define STOP_EVERY 64		/* names between two looks at `stop` */

/* struct linux_dirent64 of getdents64(2), which no header declares. */
struct dirent_record {
	uint64_t ino;
	int64_t offset;
	uint16_t record_len;
	uint8_t type;
	char name[];
};

static int add(struct listing *listing, const char *name, size_t len, struct seen **ret_seen)
{
	if (listing->count == listing->capacity) {
		size_t capacity = listing->capacity ? listing->capacity * 2 : 32;
		struct seen *items = reallocarray(listing->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		listing->items = items;
		listing->capacity = capacity;
	}
	if (listing->names.len + len >= UINT32_MAX)
		return -ENOMEM;
	*ret_seen = &listing->items[listing->count];
	**ret_seen = (struct seen){.name = (uint32_t)listing->names.len, .len = (uint8_t)len};
	if (buf_append(&listing->names, name, len) < 0 || buf_append(&listing->names, "", 1) < 0)
		return -ENOMEM;
	listing->count++;
	return 0;
}

/* --- the names --- */

/* While the names are collected, attr.ino holds the inode and attr.mode the type, as the directory has them. */
static int take_record(struct listing *listing, const struct dirent_record *record)
{
	const char *name = record->name;
	struct seen *seen;
	int r;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	r = add(listing, name, strlen(name), &seen);
	if (r < 0)
		return r;
	seen->attr.ino = record->ino;
	seen->attr.mode = DTTOIF((uint32_t)record->type);
	return 0;
}

static int read_names(int dir, const atomic_bool *stop, struct listing *listing)
{
	_cleanup_(free_ptr) char *bytes = malloc(READ_BYTES);
	long len;

	if (!bytes)
		return -ENOMEM;
	while ((len = syscall(SYS_getdents64, dir, bytes, READ_BYTES)) > 0) {
		for (long at = 0; at < len;) {
			const struct dirent_record *record = (const struct dirent_record *)(bytes + at);
			int r = take_record(listing, record);

			if (r < 0)
				return r;
			at += record->record_len;
		}
		if (atomic_load_explicit(stop, memory_order_relaxed))
			return -ECANCELED;
	}
	return len < 0 ? -errno : 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->attr.ino != y->attr.ino)
		return x->attr.ino < y->attr.ino ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

/* --- their attributes --- */

static bool is_border(const struct listing_opts *opts, const char *name)
{
	const char *folder = opts->scope->path.data ? (const char *)opts->scope->path.data : "";
	size_t len = opts->scope->path.len;

	for (const char *const *border = opts->borders; border && *border; border++)
		if (strncmp(*border, folder, len) == 0 && strcmp(*border + len, name) == 0)
			return true;
	return false;
}

static void take_stat(const struct listing_opts *opts, const char *name, const struct beneath_stat *st,
		      struct seen *seen)
{
	seen->attr = st->attr;
	if (st->linked)
		seen->flags |= SEEN_LINKED;
	if (!S_ISDIR(st->attr.mode))
		return;
	if (st->border)
		seen->flags |= SEEN_BORDER | SEEN_MOUNT;
	else if (is_border(opts, name))
		seen->flags |= SEEN_BORDER;
}

/* Whether the name stays in the listing. `mode` 0: the type is not known before lstat. */
static int look(int dir, const struct listing_opts *opts, const char *name, struct seen *seen, bool *ret_stays)
{
	uint32_t known = seen->attr.mode & S_IFMT;
	struct beneath_stat st;
	int r;

	*ret_stays = false;
	if (known != 0 && ignore_scope_drops(opts->scope, name, seen->len, S_ISDIR(known)))
		return 0;
	r = beneath_look(dir, name, opts->device, &st);
	if (r == -ENOENT)
		return 0;
	if (r == -EACCES)
		return r;
	if (r < 0) {
		seen->flags |= SEEN_UNKNOWN;
		*ret_stays = true;
		return 0;
	}
	/* The directory may have told another type: a name may have been replaced since. */
	if ((st.attr.mode & S_IFMT) != known && ignore_scope_drops(opts->scope, name, seen->len, S_ISDIR(st.attr.mode)))
		return 0;
	take_stat(opts, name, &st, seen);
	*ret_stays = true;
	return 0;
}

static int look_at_all(int dir, const struct listing_opts *opts, struct listing *listing)
{
	size_t kept = 0;

	for (size_t i = 0; i < listing->count; i++) {
		bool stays;
		int r;

		if (i % STOP_EVERY == 0 && atomic_load_explicit(opts->stop, memory_order_relaxed))
			return -ECANCELED;
		r = look(dir, opts, listing_name(listing, &listing->items[i]), &listing->items[i], &stays);
		if (r < 0)
			return r;
		if (stays)
			listing->items[kept++] = listing->items[i];
	}
	listing->count = kept;
	return 0;
}

/* --- the ignore file --- */

static int read_ignore(int dir, struct ignore **ret_ignore)
{
	_cleanup_(free_ptr) char *text = NULL;
	_cleanup_(close_fd) int fd = beneath_open(dir, IGNORE_FILE, O_RDONLY | O_NONBLOCK);
	struct stat st;
	ssize_t len;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	text = malloc(IGNORE_FILE_MAX);
	if (!text)
		return -ENOMEM;
	len = read(fd, text, IGNORE_FILE_MAX);
	return len < 0 ? 0 : ignore_parse(text, (size_t)len, ret_ignore);
}

static bool has_ignore_file(const struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		if (strcmp(listing_name(listing, &listing->items[i]), IGNORE_FILE) == 0)
			return true;
	return false;
}

static int read_all(int dir, const struct listing_opts *opts, struct listing *listing)
{
	int r;

	r = read_names(dir, opts->stop, listing);
	if (r < 0)
		return r;
	if (has_ignore_file(listing)) {
		r = read_ignore(dir, &listing->ignore);
		if (r >= 0)
			r = ignore_scope_add(opts->scope, listing->ignore, opts->scope->path.len);
		if (r < 0)
			return r;
	}
	/* In the order of inodes a cold disk is read forwards; and rows in that order are read back so. */
	if (listing->count > 1)
		qsort(listing->items, listing->count, sizeof(*listing->items), by_inode);
	r = look_at_all(dir, opts, listing);
	listing->whole = true;
	return r;
}

int listing_read(int dir, const struct listing_opts *opts, struct listing *ret_listing)
{
	int r = read_all(dir, opts, ret_listing);

	if (r < 0)
		listing_release(ret_listing);
	return r;
}

int listing_look(struct listing *listing, int dir, const struct listing_opts *opts, const char *name, size_t len,
		 bool writing)
{
	struct seen *seen;
	bool stays;
	int r;

	r = add(listing, name, len, &seen);
	if (r < 0)
		return r;
	if (look(dir, opts, name, seen, &stays) < 0)
		seen->flags |= SEEN_UNKNOWN;
	else if (!stays)
		seen->flags |= SEEN_ABSENT;
	if (writing)
		seen->flags |= SEEN_WRITING;
	return 0;
}

int listing_look_self(struct listing *listing, int dir)
{
	struct beneath_stat st;
	int r = beneath_look(dir, "", 0, &st);

	if (r < 0)
		return r;
	listing->self = st.attr;
	listing->has_self = true;
	return 0;
}

size_t listing_bytes(const struct listing *listing)
{
	return sizeof(*listing) + listing->capacity * sizeof(*listing->items) + listing->names.capacity;
}

void listing_release(struct listing *listing)
{
	free(listing->items);
	buf_release(&listing->names);
	ignore_unref(listing->ignore);
	*listing = LISTING_INIT;
}
