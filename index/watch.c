/* Two maps, one for each direction, under one lock. The lock is held while a watch is added and entered, so that
 * whoever reads an event finds the directory of its watch: the event can be read before inotify_add_watch(2) returns.
 *
 * The kernel keeps one watch for each inode. Its number stays when the directory is renamed, is never reused soon, and
 * is given back with IN_IGNORED when the directory is gone. When two directories change places, the number that one
 * entry had is the other one's from then on. */
#include "index/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "index/idmap.h"

#define WATCH_MASK                                                                                                     \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB |                \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

#define WATCH_READ_BYTES (64 * 1024)

struct watch {
	pthread_mutex_t lock; /* guards the maps */
	struct idmap dir_of;  /* watch number -> entry id */
	struct idmap wd_of;   /* entry id -> watch number */
	int fd;
	char *bytes; /* WATCH_READ_BYTES, only used by watch_read */
};

int watch_open(struct watch **ret_watch)
{
	_cleanup_(free_ptr) struct watch *watch = calloc(1, sizeof(*watch));
	_cleanup_(free_ptr) char *bytes = malloc(WATCH_READ_BYTES);

	if (!watch || !bytes)
		return -ENOMEM;
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->fd < 0)
		return -errno;
	watch->bytes = TAKE_PTR(bytes);
	pthread_mutex_init(&watch->lock, NULL);
	*ret_watch = TAKE_PTR(watch);
	return 0;
}

void watch_close(struct watch *watch)
{
	if (!watch)
		return;
	close(watch->fd);
	pthread_mutex_destroy(&watch->lock);
	idmap_release(&watch->dir_of);
	idmap_release(&watch->wd_of);
	free(watch->bytes);
	free(watch);
}

int watch_fd(const struct watch *watch)
{
	return watch->fd;
}

/* Watch numbers count from 1. */
static uint64_t key_of(int wd)
{
	return (uint64_t)(unsigned)wd;
}

/* Takes the number from whoever had it: that directory is somewhere else now. */
static void detach(struct watch *watch, int64_t dir)
{
	uint64_t wd = idmap_get(&watch->wd_of, (uint64_t)dir, 0);

	if (wd == 0)
		return;
	idmap_remove(&watch->wd_of, (uint64_t)dir);
	idmap_remove(&watch->dir_of, wd);
}

static int enter(struct watch *watch, int wd, int64_t dir)
{
	uint64_t old_wd = idmap_get(&watch->wd_of, (uint64_t)dir, 0);
	int64_t old_dir = (int64_t)idmap_get(&watch->dir_of, key_of(wd), 0);

	if (old_dir == dir)
		return 0;
	if (old_wd != 0)
		inotify_rm_watch(watch->fd, (int)old_wd);
	detach(watch, dir);
	if (old_dir != 0)
		detach(watch, old_dir);
	if (idmap_put(&watch->dir_of, key_of(wd), (uint64_t)dir) < 0)
		return -ENOMEM;
	if (idmap_put(&watch->wd_of, (uint64_t)dir, key_of(wd)) < 0) {
		idmap_remove(&watch->dir_of, key_of(wd));
		return -ENOMEM;
	}
	return 0;
}

int watch_add(struct watch *watch, int fd, int64_t dir)
{
	char path[32];
	int wd, r;

	/* By its descriptor: whatever stands at its path by now, this is the directory that is read. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	pthread_mutex_lock(&watch->lock);
	wd = inotify_add_watch(watch->fd, path, WATCH_MASK);
	r = wd < 0 ? -errno : enter(watch, wd, dir);
	pthread_mutex_unlock(&watch->lock);
	return r;
}

void watch_remove(struct watch *watch, int64_t dir)
{
	uint64_t wd;

	pthread_mutex_lock(&watch->lock);
	wd = idmap_get(&watch->wd_of, (uint64_t)dir, 0);
	detach(watch, dir);
	if (wd != 0)
		inotify_rm_watch(watch->fd, (int)wd);
	pthread_mutex_unlock(&watch->lock);
}

bool watch_has(struct watch *watch, int64_t dir)
{
	bool has;

	pthread_mutex_lock(&watch->lock);
	has = idmap_get(&watch->wd_of, (uint64_t)dir, 0) != 0;
	pthread_mutex_unlock(&watch->lock);
	return has;
}

uint64_t watch_count(struct watch *watch)
{
	uint64_t count;

	pthread_mutex_lock(&watch->lock);
	count = watch->dir_of.count;
	pthread_mutex_unlock(&watch->lock);
	return count;
}

/* The directory of an event; 0: of none that is known any more. */
static int64_t dir_of_event(struct watch *watch, const struct inotify_event *event)
{
	int64_t dir;

	if (event->mask & IN_Q_OVERFLOW)
		return 0;
	pthread_mutex_lock(&watch->lock);
	dir = (int64_t)idmap_get(&watch->dir_of, key_of(event->wd), 0);
	if (dir != 0 && (event->mask & IN_IGNORED))
		detach(watch, dir);
	pthread_mutex_unlock(&watch->lock);
	return dir;
}

int watch_read(struct watch *watch, void (*fn)(void *arg, const struct watch_event *event), void *arg, bool *ret_more)
{
	ssize_t len = read(watch->fd, watch->bytes, WATCH_READ_BYTES);
	const struct inotify_event *event;

	*ret_more = len > WATCH_READ_BYTES / 2;
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (const char *at = watch->bytes; at < watch->bytes + len; at += sizeof(*event) + event->len) {
		struct watch_event seen;

		event = (const struct inotify_event *)at;
		seen = (struct watch_event){
		    .dir = dir_of_event(watch, event),
		    .mask = event->mask,
		    .cookie = event->cookie,
		    .name = event->len > 0 ? event->name : "",
		    .len = event->len > 0 ? strnlen(event->name, event->len) : 0,
		};
		if (seen.dir != 0 || (event->mask & IN_Q_OVERFLOW))
			fn(arg, &seen);
	}
	return 0;
}
