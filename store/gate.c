/* The write gate, and store_write, which goes through it.
 *
 * The gate is a flag with two queues, not a mutex, because who comes next is decided here: it is free, held, or handed to
 * a class of waiters. Handing over keeps `held` true, so that the leaver cannot take it again before the waiter wakes up.
 *
 *     free --enter--> held --leave, nobody waits--> free
 *                      ^  \--leave, somebody waits--> handed --a waiter wakes up--+
 *                      +---------------------------------------------------------+
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

static int class_init(struct gate_class *class)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = pthread_cond_init(&class->cond, &attr);
	pthread_condattr_destroy(&attr);
	atomic_init(&class->waiting, 0);
	class->handed = false;
	return -r;
}

int gate_init(struct gate *gate)
{
	int r;

	gate->held = false;
	r = class_init(&gate->classes[STORE_INTERACTIVE]);
	if (r < 0)
		return r;
	r = class_init(&gate->classes[STORE_BULK]);
	if (r < 0) {
		pthread_cond_destroy(&gate->classes[STORE_INTERACTIVE].cond);
		return r;
	}
	pthread_mutex_init(&gate->lock, NULL);
	return 0;
}

void gate_release(struct gate *gate)
{
	assert(!gate->held);
	pthread_cond_destroy(&gate->classes[STORE_INTERACTIVE].cond);
	pthread_cond_destroy(&gate->classes[STORE_BULK].cond);
	pthread_mutex_destroy(&gate->lock);
}

static bool is_handed(const struct gate *gate)
{
	return gate->classes[STORE_INTERACTIVE].handed || gate->classes[STORE_BULK].handed;
}

/* Called with the lock held. Returns when the gate was handed to this class, or at the deadline. */
static bool wait_for_hand_over(struct gate *gate, struct gate_class *class, uint64_t deadline_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_ns / 1000000000),
		.tv_nsec = (long)(deadline_ns % 1000000000),
	};
	bool handed;
	int r = 0;

	atomic_fetch_add(&class->waiting, 1);
	while (!class->handed && r == 0)
		r = pthread_cond_timedwait(&class->cond, &gate->lock, &until);
	handed = class->handed; /* also when it came at the last moment: nobody else would take it */
	class->handed = false;
	atomic_fetch_sub(&class->waiting, 1);
	return handed;
}

int gate_enter(struct gate *gate, enum store_priority priority, uint64_t deadline_ns)
{
	bool entered = true;

	pthread_mutex_lock(&gate->lock);
	if (gate->held) {
		assert(is_handed(gate) || !pthread_equal(gate->owner, pthread_self()));
		entered = wait_for_hand_over(gate, &gate->classes[priority], deadline_ns);
	}
	if (entered) {
		gate->held = true;
		gate->owner = pthread_self();
	}
	pthread_mutex_unlock(&gate->lock);
	return entered ? 0 : -EAGAIN;
}

void gate_leave(struct gate *gate)
{
	struct gate_class *next = NULL;

	pthread_mutex_lock(&gate->lock);
	for (int i = STORE_BULK; i >= STORE_INTERACTIVE; i--)
		if (atomic_load(&gate->classes[i].waiting) > 0)
			next = &gate->classes[i];
	if (next) {
		next->handed = true;
		pthread_cond_signal(&next->cond);
	} else {
		gate->held = false;
	}
	pthread_mutex_unlock(&gate->lock);
}

bool gate_is_wanted(const struct gate *gate)
{
	return atomic_load_explicit(&gate->classes[STORE_INTERACTIVE].waiting, memory_order_relaxed) > 0;
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

	if (r >= 0 && sqlite3_total_changes64(txn->db->connection) != before) {
		atomic_fetch_add(&store->commits, 1);
		if (store->checkpoint)
			checkpoint_note(store->checkpoint, store->wal_frames);
	}
	return r;
}

int store_write(struct store *store, const struct store_write_opts *opts, int (*fn)(struct txn *txn, void *arg), void *arg)
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

	if (r >= 0)
		notices_deliver(&store->subscription, &txn.notices, bulk);
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

uint64_t txn_now_ms(struct txn *txn)
{
	return txn->now_ms;
}
