/* Direct-mapped by inode number: two files of one slot push each other out, which is never wrong. The change time is
 * compared, too: it tells of a change that somebody hid by setting the modification time back. */
#include "fs/cached_opens.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define SLOTS 4096

struct slot {
	uint64_t ino; /* in the mount; 0: free */
	dev_t device;
	ino_t real_ino;
	off_t size;
	struct timespec mtime, ctime;
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
	pthread_mutex_destroy(&opens->lock);
	free(opens);
}

static bool time_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool slot_equal(const struct slot *a, const struct slot *b)
{
	return a->ino == b->ino && a->device == b->device && a->real_ino == b->real_ino && a->size == b->size &&
	       time_equal(&a->mtime, &b->mtime) && time_equal(&a->ctime, &b->ctime);
}

bool cached_opens_note(struct cached_opens *opens, uint64_t ino, const struct stat *st)
{
	const struct slot now = {
		.ino = ino,
		.device = st->st_dev,
		.real_ino = st->st_ino,
		.size = st->st_size,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
	};
	struct slot *slot = &opens->slots[ino % SLOTS];
	bool same;

	pthread_mutex_lock(&opens->lock);
	same = slot_equal(slot, &now);
	*slot = now;
	pthread_mutex_unlock(&opens->lock);
	return same;
}
