/* Open files hang in lists, by inode number in the mount and real file; a list is there while a file is in it. What was seen
 * stays after the last close, direct-mapped by inode number: two files of one slot push each other out, which is never
 * wrong. The change time is compared, too: it tells of a change that somebody hid by setting the modification time back.
 *
 * Of an open file, device and inode are identity enough: the inode cannot be given away while it is open, and all its
 * descriptors read the same bytes. Files that read past the cache count like others, because a private mapping of them
 * fills pages all the same; what was seen before one of them is forgotten.
 *
 * Always true: a slot was written while no file of another identity was open under its inode number, nor since. */
#include "fs/cached_opens.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOTS 4096

struct real_file {
	uint64_t ino; /* in the mount */
	dev_t device;
	ino_t real_ino;
	struct open_file *files; /* owned; never empty */
	struct real_file *next;  /* of the same slot */
};

struct seen {
	uint64_t ino; /* in the mount; 0: nothing */
	dev_t device;
	ino_t real_ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct slot {
	struct seen seen;
	struct real_file *open; /* owned */
};

struct cached_opens {
	pthread_mutex_t lock; /* guards everything */
	struct slot slots[SLOTS];
};

int cached_opens_new(struct cached_opens **ret_opens)
{
	struct cached_opens *opens = calloc(1, sizeof(*opens));
	int r;

	if (!opens)
		return -ENOMEM;
	r = pthread_mutex_init(&opens->lock, NULL);
	if (r != 0) {
		free(opens);
		return -r;
	}
	*ret_opens = opens;
	return 0;
}

void cached_opens_free(struct cached_opens *opens)
{
	if (!opens)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		while (opens->slots[i].open)
			cached_opens_close(opens, opens->slots[i].open->files);
	pthread_mutex_destroy(&opens->lock);
	free(opens);
}

/* --- open files --- */

static bool is_real_file(const struct real_file *real, const struct stat *st)
{
	return real->device == st->st_dev && real->real_ino == st->st_ino;
}

static struct real_file *find_real(const struct slot *slot, uint64_t ino, const struct stat *st)
{
	struct real_file *real = slot->open;

	while (real && (real->ino != ino || !is_real_file(real, st)))
		real = real->next;
	return real;
}

static bool another_is_open(const struct slot *slot, uint64_t ino, const struct stat *st)
{
	const struct real_file *real = slot->open;

	while (real && (real->ino != ino || is_real_file(real, st)))
		real = real->next;
	return real != NULL;
}

static struct real_file *new_real(struct slot *slot, uint64_t ino, const struct stat *st)
{
	struct real_file *real = malloc(sizeof(*real));

	if (!real)
		return NULL;
	*real = (struct real_file){ .ino = ino, .device = st->st_dev, .real_ino = st->st_ino, .next = slot->open };
	slot->open = real;
	return real;
}

static void insert(struct real_file *real, struct open_file *file)
{
	file->real = real;
	file->previous = NULL;
	file->next = real->files;
	if (file->next)
		file->next->previous = file;
	real->files = file;
}

static void remove_real(struct slot *slot, struct real_file *real)
{
	struct real_file **at = &slot->open;

	while (*at != real)
		at = &(*at)->next;
	*at = real->next;
	free(real);
}

/* --- what was seen --- */

static bool time_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool seen_equal(const struct seen *a, const struct seen *b)
{
	return a->ino == b->ino && a->device == b->device && a->real_ino == b->real_ino && a->size == b->size &&
	       time_equal(&a->mtime, &b->mtime) && time_equal(&a->ctime, &b->ctime);
}

/* Whether the file is the one, unchanged, that the last cached open saw; from now on it is. */
static bool see(struct seen *seen, uint64_t ino, const struct stat *st)
{
	const struct seen now = {
		.ino = ino,
		.device = st->st_dev,
		.real_ino = st->st_ino,
		.size = st->st_size,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
	};
	bool same = seen_equal(seen, &now);

	*seen = now;
	return same;
}

static void forget(struct seen *seen, uint64_t ino)
{
	if (seen->ino == ino)
		seen->ino = 0;
}

/* --- opening and closing --- */

static int add(struct slot *slot, uint64_t ino, const struct stat *st, struct open_file *file)
{
	struct real_file *real = find_real(slot, ino, st);

	if (!real)
		real = new_real(slot, ino, st);
	if (!real)
		return -ENOMEM;
	insert(real, file);
	if (another_is_open(slot, ino, st))
		file->file.direct = true;
	file->file.keep_cache = false;
	if (file->file.direct)
		forget(&slot->seen, ino);
	else
		file->file.keep_cache = see(&slot->seen, ino, st);
	return 0;
}

int cached_opens_add(struct cached_opens *opens, uint64_t ino, const struct stat *st, struct open_file *file)
{
	int r;

	pthread_mutex_lock(&opens->lock);
	r = add(&opens->slots[ino % SLOTS], ino, st, file);
	pthread_mutex_unlock(&opens->lock);
	return r;
}

void cached_opens_close(struct cached_opens *opens, struct open_file *file)
{
	struct real_file *real = file->real;

	pthread_mutex_lock(&opens->lock);
	if (file->next)
		file->next->previous = file->previous;
	if (file->previous)
		file->previous->next = file->next;
	else
		real->files = file->next;
	if (!real->files)
		remove_real(&opens->slots[real->ino % SLOTS], real);
	pthread_mutex_unlock(&opens->lock);
	close(file->file.fd);
	free(file);
}
