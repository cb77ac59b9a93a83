/* The checkpoint thread.
 *
 *     asleep --enough pages, or writing paused--> moving pages --> holding the gate: the WAL begins anew
 *        ^                                                                   |
 *        +-------------------------------------------------------------------+
 *
 * It has a connection of its own. A PASSIVE checkpoint, which waits for nobody and stops nobody, moves nearly
 * everything; then the thread takes the gate, like any bulk writer, moves the few pages that came meanwhile and lets
 * the WAL begin anew. SQLite does the latter by itself only when a writer finds all of it moved, and a writer that
 * never pauses never does. It is worth the gate: a commit into a part of the file that is there already takes half the
 * time of one that makes the file longer (160 against 320 microseconds measured). Readers that stand in the way for
 * longer than a moment are let be until the file has grown too long; then they are waited for and the file is cut.
 *
 * The mutex guards what the writer tells (pages, commits) and `stop`; it is never held while SQLite runs. */
#include "store/checkpoint.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "store/replica_internal.h"

#define CHECKPOINT_PAGES    2000
#define CHECKPOINT_PAUSE_NS (UINT64_C(2) * 1000 * 1000 * 1000) /* without a commit; also between two cuts */
#define CHECKPOINT_WAL_MAX  (64 * 1024 * 1024)
#define CHECKPOINT_ANEW_MS  2	/* how long readers may keep the gate closed to others: for the WAL to begin anew */
#define CHECKPOINT_BUSY_MS  200 /* ... and to have it cut */
#define CHECKPOINT_GATE_NS  (UINT64_C(10) * 1000 * 1000 * 1000)
#define CHECKPOINT_NICE	    10
#define IOPRIO_WHO_PROCESS  1
#define IOPRIO_CLASS_IDLE   3
#define IOPRIO_CLASS_SHIFT  13

struct checkpoint {
	pthread_mutex_t lock; /* guards the next group */
	pthread_cond_t wake;
	bool stop;
	int frames;	  /* length of the WAL at the last commit */
	int moved_frames; /* the same when the thread last began to move pages */
	bool pending;	  /* commits since then */
	uint64_t last_commit_ns;
	void (*rest_fn)(void *arg); /* NULL: nobody cares */
	void *rest_arg;
	bool rest_runs;
	pthread_cond_t rest_idle;

	struct store *store;  /* constant */
	sqlite3 *connection;  /* the thread's */
	uint64_t last_cut_ns; /* of the log; the thread's */
	uint64_t last_rest_ns;
	bool more; /* deleted locations may hold entries still; the thread's */
	uint64_t last_wal_ns; /* the last try to cut the WAL; the thread's */
	pthread_t thread;
};

/* --- waking up --- */

void checkpoint_note(struct checkpoint *checkpoint, int frames)
{
	bool wake;

	pthread_mutex_lock(&checkpoint->lock);
	if (frames < checkpoint->moved_frames)
		checkpoint->moved_frames = 0; /* the WAL began anew */
	checkpoint->frames = frames;
	/* The thread counts the pause itself: it need not be woken for each commit. */
	wake = !checkpoint->pending || frames - checkpoint->moved_frames >= CHECKPOINT_PAGES;
	checkpoint->pending = true;
	checkpoint->last_commit_ns = clock_monotonic_ns();
	if (wake)
		pthread_cond_signal(&checkpoint->wake);
	pthread_mutex_unlock(&checkpoint->lock);
}

static void wait_until(struct checkpoint *checkpoint, uint64_t until_ns)
{
	struct timespec until = {
	    .tv_sec = (time_t)(until_ns / 1000000000),
	    .tv_nsec = (long)(until_ns % 1000000000),
	};

	pthread_cond_timedwait(&checkpoint->wake, &checkpoint->lock, &until);
}

/* Sleeps until there is work. Returns false when the thread shall end. */
static bool next_run(struct checkpoint *checkpoint)
{
	bool go = false;

	pthread_mutex_lock(&checkpoint->lock);
	while (!checkpoint->stop && !go) {
		uint64_t due_ns = checkpoint->last_commit_ns + CHECKPOINT_PAUSE_NS;
		if (checkpoint->more)
			go = true;
		else if (!checkpoint->pending)
			pthread_cond_wait(&checkpoint->wake, &checkpoint->lock);
		else if (checkpoint->frames - checkpoint->moved_frames >= CHECKPOINT_PAGES ||
			 clock_monotonic_ns() >= due_ns)
			go = true;
		else
			wait_until(checkpoint, due_ns);
	}
	if (go) {
		checkpoint->pending = false;
		checkpoint->moved_frames = checkpoint->frames;
	}
	pthread_mutex_unlock(&checkpoint->lock);
	return go;
}

/* --- working --- */

static bool wal_is_long(const struct checkpoint *checkpoint)
{
	struct stat st;

	return stat(checkpoint->store->wal_path, &st) == 0 && st.st_size > CHECKPOINT_WAL_MAX;
}

/* Errors are left to the next run: a checkpoint that did not happen loses nothing. */
static void checkpoint_in_gate(struct checkpoint *checkpoint, int mode, int busy_ms)
{
	struct gate *gate = &checkpoint->store->gate;

	if (gate_enter(gate, STORE_BULK, clock_monotonic_ns() + CHECKPOINT_GATE_NS) < 0)
		return;
	sqlite3_busy_timeout(checkpoint->connection, busy_ms);
	sqlite3_wal_checkpoint_v2(checkpoint->connection, "main", mode, NULL, NULL);
	gate_leave(gate);
}

static int cut_log(struct txn *txn, void *arg)
{
	return oplog_cut(txn);
}

static int empty_locations(struct txn *txn, void *arg)
{
	return replica_empty_next(txn);
}

static bool is_stopped_or_full(struct checkpoint *checkpoint)
{
	bool yes;

	pthread_mutex_lock(&checkpoint->lock);
	yes = checkpoint->stop || checkpoint->frames - checkpoint->moved_frames >= CHECKPOINT_PAGES;
	pthread_mutex_unlock(&checkpoint->lock);
	return yes;
}

/* What is below deleted locations goes by and by: slices, until there are enough pages to be moved. Errors are left to
 * the next run, too. */
static void empty(struct checkpoint *checkpoint)
{
	const struct store_write_opts opts = {.priority = STORE_BULK};
	int r;

	do
		r = store_write(checkpoint->store, &opts, empty_locations, NULL);
	while (r == 1 && !is_stopped_or_full(checkpoint));
	checkpoint->more = r == 1;
}

static void tell_rest(struct checkpoint *checkpoint)
{
	void (*fn)(void *arg);
	void *arg;

	pthread_mutex_lock(&checkpoint->lock);
	fn = checkpoint->rest_fn;
	arg = checkpoint->rest_arg;
	checkpoint->rest_runs = fn != NULL;
	pthread_mutex_unlock(&checkpoint->lock);
	if (!fn)
		return;
	fn(arg);
	pthread_mutex_lock(&checkpoint->lock);
	checkpoint->rest_runs = false;
	pthread_cond_broadcast(&checkpoint->rest_idle);
	pthread_mutex_unlock(&checkpoint->lock);
}

void checkpoint_on_rest(struct checkpoint *checkpoint, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&checkpoint->lock);
	checkpoint->rest_fn = fn;
	checkpoint->rest_arg = arg;
	while (!fn && checkpoint->rest_runs)
		pthread_cond_wait(&checkpoint->rest_idle, &checkpoint->lock);
	pthread_mutex_unlock(&checkpoint->lock);
}

static void run(struct checkpoint *checkpoint)
{
	const struct store_write_opts opts = {.priority = STORE_BULK};
	uint64_t now = clock_monotonic_ns();

	if (now - checkpoint->last_cut_ns >= CHECKPOINT_PAUSE_NS) {
		checkpoint->last_cut_ns = now;
		store_write(checkpoint->store, &opts, cut_log, NULL);
		checkpoint->more = true; /* perhaps */
	}
	if (checkpoint->more)
		empty(checkpoint);
	sqlite3_wal_checkpoint_v2(checkpoint->connection, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	checkpoint_in_gate(checkpoint, SQLITE_CHECKPOINT_RESTART, CHECKPOINT_ANEW_MS);
	if (wal_is_long(checkpoint) && now - checkpoint->last_wal_ns >= CHECKPOINT_PAUSE_NS) {
		checkpoint->last_wal_ns = now;
		checkpoint_in_gate(checkpoint, SQLITE_CHECKPOINT_TRUNCATE, CHECKPOINT_BUSY_MS);
	}
	if (now - checkpoint->last_rest_ns >= CHECKPOINT_PAUSE_NS) {
		checkpoint->last_rest_ns = now;
		tell_rest(checkpoint);
	}
}

static void *checkpoint_main(void *arg)
{
	struct checkpoint *checkpoint = arg;

	/* Of this thread alone. Without the right to do so it runs as it is. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), CHECKPOINT_NICE);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT);
	while (next_run(checkpoint))
		run(checkpoint);
	return NULL;
}

/* --- starting and stopping --- */

static void checkpoint_free(struct checkpoint *checkpoint)
{
	connection_close(checkpoint->connection);
	pthread_cond_destroy(&checkpoint->wake);
	pthread_cond_destroy(&checkpoint->rest_idle);
	pthread_mutex_destroy(&checkpoint->lock);
	free(checkpoint);
}

static int connect_and_run(struct checkpoint *checkpoint)
{
	int r;

	r = connection_open(checkpoint->store->path, DB_WRITE, &checkpoint->connection);
	if (r < 0)
		return r;
	r = connection_exec(checkpoint->connection, "PRAGMA synchronous = FULL; PRAGMA cache_size = -64;");
	if (r < 0)
		return r;
	return -pthread_create(&checkpoint->thread, NULL, checkpoint_main, checkpoint);
}

int checkpoint_start(struct store *store, struct checkpoint **ret_checkpoint)
{
	struct checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
	pthread_condattr_t attr;
	int r;

	if (!checkpoint)
		return -ENOMEM;
	checkpoint->store = store;
	checkpoint->pending = true; /* the last process may have left something to do */
	checkpoint->last_commit_ns = clock_monotonic_ns();
	pthread_mutex_init(&checkpoint->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&checkpoint->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_cond_init(&checkpoint->rest_idle, NULL);
	r = connect_and_run(checkpoint);
	if (r < 0) {
		checkpoint_free(checkpoint);
		return r;
	}
	*ret_checkpoint = checkpoint;
	return 0;
}

void checkpoint_stop(struct checkpoint *checkpoint)
{
	if (!checkpoint)
		return;
	pthread_mutex_lock(&checkpoint->lock);
	checkpoint->stop = true;
	pthread_cond_signal(&checkpoint->wake);
	pthread_mutex_unlock(&checkpoint->lock);
	pthread_join(checkpoint->thread, NULL);
	checkpoint_free(checkpoint);
}
