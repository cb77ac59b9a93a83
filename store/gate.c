/* The write gate, and store_write, which goes through it.
 *
 * The gate is a flag with two queues, not a mutex, because who comes next is decided here. Leaving it gives it to the
 * first waiter while `held` stays true, so neither the leaver nor anybody else can take it before the waiter wakes up.
 *
 *     free --enter--> held --leave, nobody waits--> free
 *                      ^ \--leave, somebody waits--> held, handed over
 *                      +------the waiter wakes up-------+
 *
 * The gate's lock is held for a few instructions; the gate itself is the only lock held across SQLite. Notices are
 * delivered when it has been left. */
#include "store/gate.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "store/internal.h"

#define WRITE_DEADLINE_NS (UINT64_C(10) * 1000 * 1000 * 1000)

/* --- the gate --- */

struct gate_waiter {
	pthread_t thread;
	pthread_cond_t cond;
	bool handed;
	struct gate_waiter *next;
};

void gate_init(struct gate *gate)
{
	*gate = (struct gate){0};
	pthread_mutex_init(&gate->lock, NULL);
}

void gate_release(struct gate *gate)
{
	assert(!gate->held);
	pthread_mutex_destroy(&gate->lock);
}

static void queue_add(struct gate_queue *queue, struct gate_waiter *waiter)
{
	struct gate_waiter **p = &queue->first;

	while (*p)
		p = &(*p)->next;
	*p = waiter;
	atomic_fetch_add(&queue->length, 1);
}

static void queue_remove(struct gate_queue *queue, struct gate_waiter *waiter)
{
	struct gate_waiter **p = &queue->first;

	while (*p != waiter)
		p = &(*p)->next;
	*p = waiter->next;
	atomic_fetch_sub(&queue->length, 1);
}

/* Called with the lock held. Returns whether the gate was handed over before the deadline. */
static bool wait_in(struct gate_queue *queue, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	struct gate_waiter waiter = {.thread = pthread_self()};
	struct timespec until = {
	    .tv_sec = (time_t)(deadline_ns / 1000000000),
	    .tv_nsec = (long)(deadline_ns % 1000000000),
	};
	pthread_condattr_t attr;
	int r = 0;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&waiter.cond, &attr);
	pthread_condattr_destroy(&attr);
	queue_add(queue, &waiter);
	while (!waiter.handed && r == 0)
		r = pthread_cond_timedwait(&waiter.cond, lock, &until);
	if (!waiter.handed)
		queue_remove(queue, &waiter);
	pthread_cond_destroy(&waiter.cond);
	return waiter.handed;
}

int gate_enter(struct gate *gate, enum store_priority priority, uint64_t deadline_ns)
{
	bool entered = true;

	pthread_mutex_lock(&gate->lock);
	assert(!gate->held || !pthread_equal(gate->owner, pthread_self()));
	if (gate->held) {
		entered = wait_in(&gate->queues[priority], &gate->lock, deadline_ns);
	} else {
		gate->held = true;
		gate->owner = pthread_self();
	}
	pthread_mutex_unlock(&gate->lock);
	return entered ? 0 : -EAGAIN;
}

void gate_leave(struct gate *gate)
{
	struct gate_queue *queue = &gate->queues[STORE_INTERACTIVE];
	struct gate_waiter *next;

	pthread_mutex_lock(&gate->lock);
	if (!queue->first)
		queue = &gate->queues[STORE_BULK];
	next = queue->first;
	if (next) {
		queue_remove(queue, next);
		next->handed = true;
		gate->owner = next->thread;
		pthread_cond_signal(&next->cond);
	} else {
		gate->held = false;
	}
	pthread_mutex_unlock(&gate->lock);
}

bool gate_is_wanted(const struct gate *gate)
{
	return atomic_load_explicit(&gate->queues[STORE_INTERACTIVE].length, memory_order_relaxed) > 0;
}

/* --- writing --- */

static int control(struct db *db, enum statement which)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, which, &r);

	return stmt ? stmt_run(stmt) : r;
}

/* Takes back what was not committed. SQLite may have done it by itself, after some errors. */
static void roll_back(struct db *db)
{
	if (!sqlite3_get_autocommit(db->connection))
		control(db, STMT_ROLLBACK);
	memset(db->locations, 0, sizeof(db->locations)); /* their ids may be given again */
}

static int transact(struct txn *txn, int (*fn)(struct txn *txn, void *arg), void *arg)
{
	struct db *db = txn->db;
	int result;
	int r;

	r = control(db, STMT_BEGIN_WRITE);
	if (r < 0)
		return r;
	txn->began_ns = clock_monotonic_ns();
	txn->now_ms = clock_wall_ms();
	result = fn(txn, arg);
	r = result;
	if (r >= 0)
		r = txn_flush(txn);
	if (r >= 0)
		r = control(db, STMT_COMMIT);
	if (r < 0) {
		roll_back(db);
		return r;
	}
	return result;
}

/* With the gate held. */
static int write_inside(struct txn *txn, int (*fn)(struct txn *txn, void *arg), void *arg)
{
	struct store *store = txn->store;
	sqlite3_int64 before = sqlite3_total_changes64(txn->db->connection);
	int r = transact(txn, fn, arg);

	if (r < 0 && txn->clock_before > store->clock.last)
		store->clock.last = txn->clock_before;
	if (r >= 0 && txn->new_origin != 0) {
		store->origin = txn->new_origin;
		store->info.epoch = txn->new_epoch;
	}
	if (r >= 0 && sqlite3_total_changes64(txn->db->connection) != before) {
		atomic_fetch_add(&store->commits, 1);
		if (store->checkpoint)
			checkpoint_note(store->checkpoint, store->wal_frames);
	}
	return r;
}

void store_on_commit(struct store *store, void (*fn)(void *arg, bool members), void *arg)
{
	pthread_rwlock_wrlock(&store->commit_lock);
	store->commit_fn = fn;
	store->commit_arg = arg;
	pthread_rwlock_unlock(&store->commit_lock);
}

static void tell_commit(struct store *store, bool members)
{
	pthread_rwlock_rdlock(&store->commit_lock);
	if (store->commit_fn)
		store->commit_fn(store->commit_arg, members);
	pthread_rwlock_unlock(&store->commit_lock);
}

int store_write(struct store *store, const struct store_write_opts *opts, int (*fn)(struct txn *txn, void *arg),
		void *arg)
{
	bool bulk = opts->priority == STORE_BULK;
	struct txn txn = {
	    .store = store,
	    .db = store->writer,
	    .priority = opts->priority,
	    .kernel_knows = opts->kernel_knows,
	};
	int r;

	if (store->read_only)
		return -EROFS;
	r = gate_enter(&store->gate, opts->priority, clock_monotonic_ns() + WRITE_DEADLINE_NS);
	if (r < 0)
		return r;
	txn.collects = subscription_is_on(&store->subscription);
	r = write_inside(&txn, fn, arg);
	gate_leave(&store->gate);

	if (r >= 0) {
		notices_deliver(&store->subscription, &txn.notices, bulk);
		tell_commit(store, txn.members);
	}
	notices_release(&txn.notices);
	return r;
}

struct db *txn_db(struct txn *txn)
{
	return txn->db;
}

const struct store_info *txn_info(struct txn *txn)
{
	return &txn->store->info;
}

bool txn_should_yield(struct txn *txn)
{
	if (gate_is_wanted(&txn->store->gate))
		return true;
	return clock_monotonic_ns() - txn->began_ns >= (uint64_t)STORE_BULK_MS * 1000000;
}

bool txn_slice_ends(struct txn *txn, unsigned rows)
{
	unsigned before = txn->sliced / SLICE_STEP;

	txn->sliced += rows;
	return txn->sliced >= txn->store->slice_rows || (txn->sliced / SLICE_STEP != before && txn_should_yield(txn));
}

uint64_t txn_now_ms(struct txn *txn)
{
	return txn->now_ms;
}
