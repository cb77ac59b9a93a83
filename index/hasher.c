/* Work comes from two sources: a queue of entries that changed, and passes over all rows, which begin at the start and
 * whenever the queue was full. The queue is a map from entry to the time before which it is left alone (a file that is
 * being written), so an entry is in it once. Results wait in an array until the index thread takes them; the thread
 * waits while it is full.
 *
 * The root of a location is opened for a batch and closed after it, so that a disk can be unmounted. */
#include "index/hasher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "index/beneath.h"
#include "index/content.h"
#include "index/idmap.h"
#include "index/root.h"
#include "store/entry.h"
#include "store/location.h"

#define QUEUE_MAX   65536
#define BATCH_MAX   256
#define RESULTS_MAX 1024
#define RESULT_MS   500 /* a result waits at most this long for others */

struct hasher {
	pthread_mutex_t lock;	/* guards all but opts, thread, stop and what is marked */
	pthread_cond_t changed; /* on CLOCK_MONOTONIC */
	struct idmap queue;	/* entry id -> not before, monotonic ms */
	bool pass;		/* a pass over all rows is wanted */
	uint64_t retry_ms;	/* ... from then on, monotonic; 0 = it is not */
	unsigned retries;	/* passes that were made so, in a row */
	bool paused;
	bool busy;     /* the thread has taken work */
	uint64_t left; /* files that the pass has not come to */
	struct hasher_result results[RESULTS_MAX];
	size_t result_count;
	uint64_t first_result_ms;
	struct hasher_opts opts;
	atomic_bool stop;
	pthread_t thread;

	/* only the thread's */
	struct db *db;
	void *buffer;  /* CONTENT_BUFFER */
	int64_t after; /* the pass has come to here */
	bool passing;
	int64_t root_of; /* location whose root is open; 0 = none */
	int root_fd;	 /* negative errno: it cannot be opened */
};

struct batch {
	int64_t entries[BATCH_MAX];
	size_t count;
	bool queued; /* from the queue */
};

/* --- one file --- */

struct file {
	int64_t location;
	uint64_t size;
	int64_t mtime_ns;
	uint64_t ino;
};

/* 1: it needs a content id; 0: it does not, or is gone. */
static int load_file(struct hasher *h, int64_t entry, struct file *ret_file)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry row;
	int r;

	r = entry_get(h->db, entry, &row, &rows);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (row.deleted || !row.local || row.has_content || row.size == 0 || !S_ISREG(row.mode))
		return 0;
	*ret_file = (struct file){.location = row.location, .size = row.size, .mtime_ns = row.mtime_ns, .ino = row.ino};
	return 1;
}

static void leave_root(struct hasher *h)
{
	close_fd(&h->root_fd);
	h->root_fd = -ENODEV;
	h->root_of = 0;
}

static void enter_root(struct hasher *h, int64_t location)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location row;

	if (h->root_of == location)
		return;
	leave_root(h);
	h->root_of = location;
	if (location_get(h->db, location, &row, &rows) >= 0)
		h->root_fd = root_open(row.path, &row.identity);
}

static int open_file(struct hasher *h, int64_t entry, int64_t location)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;
	int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY; /* a FIFO may have been swapped in: its open must not wait */
	int r;

	enter_root(h, location);
	if (h->root_fd < 0)
		return h->root_fd;
	r = entry_path(h->db, entry, &path);
	if (r >= 0)
		r = buf_append(&path, "", 1);
	if (r < 0)
		return r;
	r = beneath_open(h->root_fd, (const char *)path.data, flags | O_NOATIME);
	return r == -EPERM ? beneath_open(h->root_fd, (const char *)path.data, flags) : r; /* not ours: atime moves */
}

static int check_file(int fd, const struct file *file)
{
	struct beneath_stat st;
	int r = beneath_look(fd, "", 0, &st);

	if (r < 0)
		return r;
	if (!S_ISREG(st.attr.mode) || st.attr.size != file->size || st.attr.mtime_ns != file->mtime_ns ||
	    (file->ino != 0 && st.attr.ino != file->ino))
		return -ERR_STALE;
	return 0;
}

/* 1: a result; 0: nothing to be done. */
static int hash_entry(struct hasher *h, int64_t entry, struct hasher_result *ret_result)
{
	_cleanup_(close_fd) int fd = -1;
	struct file file;
	int r;

	r = load_file(h, entry, &file);
	if (r <= 0)
		return r;
	fd = open_file(h, entry, file.location);
	if (fd < 0)
		return fd;
	r = check_file(fd, &file);
	if (r >= 0)
		r = content_id(fd, file.size, h->buffer, &h->stop, ret_result->content);
	if (r >= 0)
		r = check_file(fd, &file);
	if (r < 0)
		return r;
	ret_result->entry = entry;
	ret_result->size = file.size;
	ret_result->mtime_ns = file.mtime_ns;
	return 1;
}

static void add_result(struct hasher *h, const struct hasher_result *result)
{
	bool wake;

	pthread_mutex_lock(&h->lock);
	while (h->result_count == RESULTS_MAX && !atomic_load(&h->stop))
		pthread_cond_wait(&h->changed, &h->lock);
	if (h->result_count == 0)
		h->first_result_ms = clock_monotonic_ms();
	if (h->result_count < RESULTS_MAX)
		h->results[h->result_count++] = *result;
	wake = h->result_count == 1 || h->result_count == RESULTS_MAX / 2;
	pthread_mutex_unlock(&h->lock);
	if (wake)
		h->opts.wake(h->opts.arg);
}

/* The disk is away or fails, or this process is short of something. */
static bool may_pass(int error)
{
	switch (-error) {
	case EIO:
	case ENODEV:
	case ENXIO:
	case ESTALE:
	case ETIMEDOUT:
	case EAGAIN:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return true;
	default:
		return false;
	}
}

/* A file could not be read that may be readable later. One that was just asked for begins the row of passes anew. */
static void retry_later(struct hasher *h, bool asked_for)
{
	pthread_mutex_lock(&h->lock);
	if (asked_for)
		h->retries = 0;
	if (h->retry_ms == 0 && h->retries < HASHER_RETRIES_MAX)
		h->retry_ms = clock_monotonic_ms() + ((uint64_t)HASHER_RETRY_MS << h->retries++);
	pthread_mutex_unlock(&h->lock);
}

static void work_on(struct hasher *h, const struct batch *batch)
{
	for (size_t i = 0; i < batch->count && !atomic_load(&h->stop); i++) {
		struct hasher_result result;
		int r = hash_entry(h, batch->entries[i], &result);

		if (r > 0)
			add_result(h, &result);
		else if (r == -ERR_STALE || r == -ENOENT)
			h->opts.differs(h->opts.arg, batch->entries[i]);
		else if (r < 0 && may_pass(r))
			retry_later(h, batch->queued);
		/* Other errors: it stays without until something about it changes. */
	}
	leave_root(h);
}

/* --- what is next --- */

static bool is_passing(const struct hasher *h)
{
	return h->passing || h->pass;
}

/* Takes entries whose time has come from the queue. The lock is held. */
static void take_queued(struct hasher *h, struct batch *batch)
{
	uint64_t now = clock_monotonic_ms(), entry, when;

	for (size_t at = 0; batch->count < BATCH_MAX && idmap_next(&h->queue, &at, &entry, &when);)
		if (when <= now)
			batch->entries[batch->count++] = (int64_t)entry;
	for (size_t i = 0; i < batch->count; i++)
		idmap_remove(&h->queue, (uint64_t)batch->entries[i]);
}

static uint64_t next_queued_ms(const struct hasher *h)
{
	uint64_t next = UINT64_MAX, entry, when;

	for (size_t at = 0; idmap_next(&h->queue, &at, &entry, &when);)
		if (when < next)
			next = when;
	return next;
}

static uint64_t count_unhashed(struct hasher *h)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	uint64_t count = 0;

	if (entry_list_unhashed(h->db, 0, &rows) < 0)
		return 0;
	while (!atomic_load(&h->stop) && entry_next(&rows, &entry) == 0)
		count++;
	return count;
}

/* The next rows of the pass. A short list, so that no statement is open while files are read. */
static int list_pass(struct hasher *h, struct batch *batch)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r;

	r = entry_list_unhashed(h->db, h->after, &rows);
	while (r >= 0 && batch->count < BATCH_MAX && (r = entry_next(&rows, &entry)) == 0) {
		h->after = entry.id;
		batch->entries[batch->count++] = entry.id;
	}
	return r < 0 ? r : 0;
}

/* Entries that are held back are left to the queue. */
static void leave_held(struct hasher *h, struct batch *batch)
{
	size_t kept = 0;

	pthread_mutex_lock(&h->lock);
	h->left -= batch->count < h->left ? batch->count : h->left;
	for (size_t i = 0; i < batch->count; i++)
		if (idmap_get(&h->queue, (uint64_t)batch->entries[i], UINT64_MAX) == UINT64_MAX)
			batch->entries[kept++] = batch->entries[i];
	pthread_mutex_unlock(&h->lock);
	batch->count = kept;
}

static void step_pass(struct hasher *h, struct batch *batch)
{
	bool begin;

	pthread_mutex_lock(&h->lock);
	begin = h->pass;
	h->pass = false;
	if (begin)
		h->retry_ms = 0;
	pthread_mutex_unlock(&h->lock);
	if (begin) {
		uint64_t left = count_unhashed(h);

		h->after = 0;
		pthread_mutex_lock(&h->lock);
		h->passing = true;
		h->left = left;
		pthread_mutex_unlock(&h->lock);
	}
	if (list_pass(h, batch) < 0 || batch->count == 0) {
		pthread_mutex_lock(&h->lock);
		h->passing = false;
		h->left = 0;
		pthread_mutex_unlock(&h->lock);
		return;
	}
	leave_held(h, batch);
}

static struct timespec at_ms(uint64_t ms)
{
	return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

/* Waits for work; the lock is held. False: the end. */
static bool wait_for_work(struct hasher *h)
{
	for (;;) {
		uint64_t next = next_queued_ms(h);

		if (atomic_load(&h->stop))
			return false;
		if (h->retry_ms != 0 && h->retry_ms <= clock_monotonic_ms())
			h->pass = true;
		else if (h->retry_ms != 0 && h->retry_ms < next)
			next = h->retry_ms;
		if (!h->paused && (is_passing(h) || next <= clock_monotonic_ms()))
			return true;
		if (h->paused || next == UINT64_MAX) {
			pthread_cond_wait(&h->changed, &h->lock);
		} else {
			struct timespec until = at_ms(next);

			pthread_cond_timedwait(&h->changed, &h->lock, &until);
		}
	}
}

static void be_modest(void)
{
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

static void *run(void *arg)
{
	struct hasher *h = arg;
	bool usable;

	be_modest();
	usable = store_reader(h->opts.store, &h->db) >= 0;
	pthread_mutex_lock(&h->lock);
	while (usable && wait_for_work(h)) {
		struct batch batch = {0};

		h->busy = true;
		take_queued(h, &batch);
		batch.queued = batch.count > 0;
		pthread_mutex_unlock(&h->lock);
		if (batch.count == 0)
			step_pass(h, &batch);
		work_on(h, &batch);
		pthread_mutex_lock(&h->lock);
		h->busy = false;
		if (!is_passing(h) && h->queue.count == 0) {
			pthread_mutex_unlock(&h->lock);
			db_trim(h->db);
			h->opts.wake(h->opts.arg);
			pthread_mutex_lock(&h->lock);
		}
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* --- for others --- */

static int init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int r = pthread_condattr_init(&attr);

	if (r == 0)
		r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (r == 0)
		r = pthread_cond_init(cond, &attr);
	return -r;
}

int hasher_new(const struct hasher_opts *opts, struct hasher **ret_hasher)
{
	_cleanup_(free_ptr) struct hasher *h = calloc(1, sizeof(*h));
	_cleanup_(free_ptr) void *buffer = malloc(CONTENT_BUFFER);
	int r;

	if (!h || !buffer)
		return -ENOMEM;
	h->opts = *opts;
	h->buffer = buffer;
	h->pass = true;
	h->root_fd = -ENODEV;
	pthread_mutex_init(&h->lock, NULL);
	r = init_cond(&h->changed);
	if (r >= 0)
		r = -pthread_create(&h->thread, NULL, run, h);
	if (r < 0)
		return r;
	TAKE_PTR(buffer);
	*ret_hasher = TAKE_PTR(h);
	return 0;
}

void hasher_free(struct hasher *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	atomic_store(&h->stop, true);
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	idmap_release(&h->queue);
	free(h->buffer);
	free(h);
}

void hasher_add(struct hasher *h, int64_t entry, uint64_t not_before_ms)
{
	bool was_empty;

	pthread_mutex_lock(&h->lock);
	was_empty = h->queue.count == 0;
	if (h->queue.count >= QUEUE_MAX || idmap_put(&h->queue, (uint64_t)entry, not_before_ms) < 0)
		h->pass = true;
	if (was_empty || not_before_ms == 0)
		pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void hasher_pass(struct hasher *h)
{
	pthread_mutex_lock(&h->lock);
	h->pass = true;
	h->retries = 0;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void hasher_pause(struct hasher *h, bool pause)
{
	pthread_mutex_lock(&h->lock);
	if (h->paused != pause) {
		h->paused = pause;
		pthread_cond_broadcast(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
}

size_t hasher_take(struct hasher *h, bool eager, struct hasher_result *ret_results, size_t max)
{
	size_t count;

	pthread_mutex_lock(&h->lock);
	count = h->result_count < max ? h->result_count : max;
	if (!eager && h->result_count < RESULTS_MAX / 2 && clock_monotonic_ms() < h->first_result_ms + RESULT_MS)
		count = 0;
	if (count > 0) {
		memcpy(ret_results, h->results, count * sizeof(*ret_results));
		h->result_count -= count;
		memmove(h->results, h->results + count, h->result_count * sizeof(*ret_results));
		pthread_cond_broadcast(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
	return count;
}

uint64_t hasher_due(struct hasher *h)
{
	uint64_t due = UINT64_MAX;

	pthread_mutex_lock(&h->lock);
	if (h->result_count >= RESULTS_MAX / 2)
		due = 0;
	else if (h->result_count > 0)
		due = h->first_result_ms + RESULT_MS;
	pthread_mutex_unlock(&h->lock);
	return due;
}

bool hasher_is_idle(struct hasher *h)
{
	bool idle;

	pthread_mutex_lock(&h->lock);
	idle = !h->busy && !is_passing(h) && h->queue.count == 0 && h->result_count == 0;
	pthread_mutex_unlock(&h->lock);
	return idle;
}

uint64_t hasher_unhashed(struct hasher *h)
{
	uint64_t count;

	pthread_mutex_lock(&h->lock);
	count = h->left + h->queue.count + h->result_count;
	pthread_mutex_unlock(&h->lock);
	return count;
}
