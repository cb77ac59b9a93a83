/* The queue between writers and the notifier.
 *
 * Notices wait packed in one buffer, each a struct packed and its name. When it is full, bulk writers wait for room, at
 * most a second; then, as others do at once, they widen: of a notice only its directory is kept, and of one about links
 * only that there was one. When even those are too many, all that the kernel knows is dropped.
 *
 * The notifier takes everything at once: the buffer, what was widened, and the number of the last put. Then it waits for
 * a grace period, reads the catalogue and calls the kernel, in portions. If that fails (a disk that cannot be read, no
 * memory), it drops everything: a notice is never lost.
 *
 * `lock` guards what is between it and the line; it is held for copying only. */
#include "fs/announce.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/err.h"
#include "fs/dir.h"
#include "fs/expansion.h"
#include "store/object.h"

enum {
	QUEUE_MAX = 65536,                 /* notices */
	QUEUE_MAX_BYTES = 4 * 1024 * 1024, /* of them */
	QUEUE_KEPT_BYTES = 64 * 1024,      /* memory that is kept while nothing happens */
	WIDE_MAX = 1024,                   /* directories */
	ROOM_WAIT_MS = 1000,
};

/* Beside the changes of store/notice.h: an inode is to be forgotten. Widened it is a directory in which nothing is. */
#define CHANGE_FORGET ((enum notice_change)(NOTICE_BELOW + 1))

struct packed {
	uint64_t parent, object;
	uint16_t name_len;
	uint8_t change;
	bool has_name;
};

/* What was widened. */
struct wide {
	uint64_t dirs[WIDE_MAX];
	size_t count;
	bool links; /* all links */
	bool all;   /* everything */
};

struct batch {
	struct buf notices;
	size_t count;
	struct wide wide;
	uint64_t upto; /* puts */
};

struct announce {
	pthread_mutex_t lock;
	pthread_cond_t work, room, settled;
	struct batch queue; /* `upto`: all puts so far */
	uint64_t done;      /* puts that were announced */
	bool stopping;
	/* --- the notifier's own --- */
	struct fs *fs;
	struct grace *grace;
	const struct announce_calls *calls;
	void *arg;
	struct batch taken;
	struct expansion expansion;
};

/* --- making --- */

int announce_new(struct fs *fs, struct store *store, struct grace *grace, const struct announce_calls *calls, void *arg,
		 struct announce **ret_announce)
{
	struct announce *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	a->work = a->room = a->settled = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	a->fs = fs;
	a->grace = grace;
	a->calls = calls;
	a->arg = arg;
	expansion_init(&a->expansion, fs, calls, arg);
	*ret_announce = a;
	return 0;
}

void announce_free(struct announce *announce)
{
	if (!announce)
		return;
	expansion_release(&announce->expansion);
	buf_release(&announce->taken.notices);
	buf_release(&announce->queue.notices);
	pthread_cond_destroy(&announce->settled);
	pthread_cond_destroy(&announce->room);
	pthread_cond_destroy(&announce->work);
	pthread_mutex_destroy(&announce->lock);
	free(announce);
}

/* --- putting --- */

static void widen_dir(struct wide *wide, uint64_t dir)
{
	for (size_t i = wide->count; i-- > 0;)
		if (wide->dirs[i] == dir)
			return;
	if (wide->count == WIDE_MAX)
		wide->all = true;
	else
		wide->dirs[wide->count++] = dir;
}

static void widen(struct wide *wide, const struct notice *n)
{
	if (n->change == NOTICE_LINKS || n->change == NOTICE_BELOW) {
		wide->links = true;
		return;
	}
	widen_dir(wide, n->parent);
	/* A link shows the time of its entry, and its target names a device. */
	if (n->change == NOTICE_ATTR || n->parent == OBJECT_DEVICES)
		wide->links = true;
}

static bool has_room(const struct batch *queue)
{
	return queue->count < QUEUE_MAX && queue->notices.len < QUEUE_MAX_BYTES;
}

static void put(struct batch *queue, const struct notice *n)
{
	const struct packed packed = {
		.parent = n->parent,
		.object = n->object,
		.name_len = (uint16_t)(n->name ? n->name_len : 0),
		.change = (uint8_t)n->change,
		.has_name = n->name != NULL,
	};
	size_t before = queue->notices.len;

	if (!has_room(queue) || n->name_len > UINT16_MAX) {
		widen(&queue->wide, n);
		return;
	}
	buf_append(&queue->notices, &packed, sizeof(packed));
	buf_append(&queue->notices, n->name, packed.name_len);
	if (buf_error(&queue->notices) < 0) {
		queue->notices.len = before;
		queue->notices.error = 0;
		widen(&queue->wide, n);
		return;
	}
	queue->count++;
}

static struct timespec in_ms(long ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

static bool is_widened(const struct batch *queue)
{
	return queue->wide.count > 0 || queue->wide.links || queue->wide.all;
}

/* Once something was widened, waiting helps no more until the queue is taken: a commit makes many puts, and must not wait
 * for each. */
static void wait_for_room(struct announce *a)
{
	struct timespec end = in_ms(ROOM_WAIT_MS);
	int r = 0;

	while (r == 0 && !has_room(&a->queue) && !is_widened(&a->queue) && !a->stopping)
		r = pthread_cond_clockwait(&a->room, &a->lock, CLOCK_MONOTONIC, &end);
}

void announce_put(void *arg, const struct notice *notices, size_t count, bool bulk)
{
	struct announce *a = arg;

	pthread_mutex_lock(&a->lock);
	if (bulk)
		wait_for_room(a);
	if (!a->stopping) {
		for (size_t i = 0; i < count; i++)
			put(&a->queue, &notices[i]);
		a->queue.upto++;
		pthread_cond_signal(&a->work);
	}
	pthread_mutex_unlock(&a->lock);
}

void announce_forget(struct announce *announce, uint64_t ino)
{
	const struct notice n = { .change = CHANGE_FORGET, .parent = ino, .object = ino };

	announce_put(announce, &n, 1, false);
}

/* --- working off --- */

/* Everything that the kernel knows below the root, without a look at the catalogue. */
static void drop_all(struct announce *a)
{
	const struct dir_fixed *one;

	for (size_t i = 0; (one = dir_fixed_at(i)) != NULL; i++)
		a->calls->drop_entry(a->arg, OBJECT_ROOT, one->name, strlen(one->name));
	for (size_t i = 0; (one = dir_fixed_at(i)) != NULL; i++)
		a->calls->drop_content(a->arg, one->ino);
	a->calls->drop_content(a->arg, OBJECT_ROOT);
}

static struct notice unpack(const uint8_t **at)
{
	struct packed packed;
	struct notice notice;

	memcpy(&packed, *at, sizeof(packed));
	*at += sizeof(packed);
	notice = (struct notice){
		.change = (enum notice_change)packed.change,
		.parent = packed.parent,
		.object = packed.object,
		.name = packed.has_name ? (const char *)*at : NULL,
		.name_len = packed.name_len,
	};
	*at += packed.name_len;
	return notice;
}

/* Adds notices from `*at` on, until there are calls enough or none is left. */
static int add_notices(struct announce *a, const uint8_t **at, const uint8_t *end)
{
	_cleanup_(read_end) struct db *db = NULL;
	int r = read_begin(a->fs, &db);

	while (r == 0 && *at < end && !callset_is_full(&a->expansion.calls)) {
		struct notice notice = unpack(at);
		if (notice.change == CHANGE_FORGET)
			r = callset_drop_content(&a->expansion.calls, notice.object);
		else
			r = expansion_add(&a->expansion, db, &notice);
	}
	return r;
}

static int announce_notices(struct announce *a)
{
	const uint8_t *at = a->taken.notices.data;
	const uint8_t *end = at + a->taken.notices.len;
	int r = 0;

	while (r == 0 && a->taken.count > 0 && at < end) {
		r = add_notices(a, &at, end);
		callset_run(&a->expansion.calls);
	}
	return r;
}

static int announce_wide(struct announce *a)
{
	int r = 0;

	a->expansion.all_links = a->expansion.all_links || a->taken.wide.links;
	for (size_t i = 0; r == 0 && i < a->taken.wide.count; i++)
		r = expansion_dir(&a->expansion, a->taken.wide.dirs[i]);
	return r < 0 ? r : expansion_links(&a->expansion);
}

static void announce_taken(struct announce *a)
{
	int r = 0;

	grace_wait(a->grace);
	if (!a->taken.wide.all) {
		expansion_begin(&a->expansion);
		r = announce_notices(a);
		if (r == 0)
			r = announce_wide(a);
	}
	if (r < 0)
		log_debug("notifier: %s; everything is dropped", err_str(r));
	if (r < 0 || a->taken.wide.all)
		drop_all(a);
}

/* Waits for work and takes it; the queue gets the memory of the batch before. False: stop. */
static bool take(struct announce *a)
{
	struct buf empty;
	bool stopping;

	pthread_mutex_lock(&a->lock);
	while (a->queue.upto == a->done && !a->stopping)
		pthread_cond_wait(&a->work, &a->lock);
	stopping = a->stopping;
	if (!stopping) {
		empty = a->taken.notices;
		buf_clear(&empty);
		if (empty.capacity > QUEUE_KEPT_BYTES)
			buf_release(&empty);
		a->taken = a->queue;
		a->queue = (struct batch){ .notices = empty, .upto = a->taken.upto };
		pthread_cond_broadcast(&a->room);
	}
	pthread_mutex_unlock(&a->lock);
	return !stopping;
}

int announce_run(struct announce *announce)
{
	while (take(announce)) {
		announce_taken(announce);
		pthread_mutex_lock(&announce->lock);
		announce->done = announce->taken.upto;
		pthread_cond_broadcast(&announce->settled);
		pthread_mutex_unlock(&announce->lock);
	}
	return 0;
}

void announce_stop(struct announce *announce)
{
	pthread_mutex_lock(&announce->lock);
	announce->stopping = true;
	pthread_cond_broadcast(&announce->work);
	pthread_cond_broadcast(&announce->room);
	pthread_cond_broadcast(&announce->settled);
	pthread_mutex_unlock(&announce->lock);
}

void announce_settle(struct announce *announce)
{
	uint64_t upto;

	pthread_mutex_lock(&announce->lock);
	upto = announce->queue.upto;
	while (announce->done < upto && !announce->stopping)
		pthread_cond_wait(&announce->settled, &announce->lock);
	pthread_mutex_unlock(&announce->lock);
}
