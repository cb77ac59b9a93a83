/* The catalogue of a library on this device: database.db and sync.db (design sections 3 and 4).
 *
 * database.db is the truth (WAL, synchronous=FULL). Reads go through a `struct db`, one read-only connection per
 * thread. Writes go through one write connection behind one gate: store_write() begins a transaction, calls, and
 * commits or rolls back; interactive writers go before bulk writers, which ask txn_should_yield() and return. What is
 * committed is durable; notices follow the commit.
 *
 * Checkpoints run on a thread of the store's own, of low priority.
 *
 * Errors everywhere in store/: -ENOSPC (disk full), -EROFS (library folder not writable), -EAGAIN (busy: somebody else
 * holds the database for too long), -EIO, -ENOMEM, -ERR_CORRUPT, -ERR_MALFORMED; others are named where they occur.
 * Threads: any, unless said otherwise. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/key.h"
#include "base/uuid.h"

struct store;
struct db;  /* a connection: one thread's reader, or the writer inside store_write() */
struct txn; /* a write transaction: valid inside the callback of store_write() */

#define STORE_BULK_MS 50 /* a bulk writer commits at least this often */

struct store_info {
	struct uuid library;
	char name[256];
	struct uuid device;  /* this device */
	int64_t device_row;
	_Atomic uint64_t epoch; /* of this device's streams; changes in store_new_epoch alone */
};

struct store_create_opts {
	const char *library_name; /* a title (text_is_title) */
	const char *device_name;  /* a title */
	struct uuid library;      /* chosen by the caller, so that key and state folder can be named after it */
	bool joins;		  /* the library is there already, on other devices: the row of this one comes from the member
				   * that lets it in (registers_merge). Until then it is no member; device_name is not used */
};

/* Makes the folder `dir` (its parent exists) with both databases in it. Everything that was made is removed again on
 * failure. Errors: -EEXIST (something is there), -EINVAL (a name is not a title), errno. */
int store_create(const char *dir, const struct store_create_opts *opts, const struct key *key);

/* The id of a library without opening it: for finding its key. Errors: -ENOENT (no library there), -ERR_MALFORMED. */
int store_peek(const char *dir, struct uuid *ret_library);

/* Opens a library that was made with `key`; migrates it if it is older. The caller holds the library's lock.
 * A folder on a read-only filesystem opens for reading: every write is then -EROFS.
 * Errors: -ENOENT, -ERR_WRONG_KEY (the folder belongs to another device), -ERR_STALE (made by a newer version),
 * -ERR_CORRUPT. */
int store_open(const char *dir, const struct key *key, struct store **ret_store);

/* No reader or writer may be active. Checkpoints and closes. NULL does nothing. */
void store_close(struct store *store);

const struct store_info *store_info(const struct store *store); /* borrowed until store_close; constant while open */

bool store_is_read_only(const struct store *store); /* its folder cannot be written: constant while open */

/* --- reading --- */

/* This thread's read-only connection; opened on the thread's first call and closed when the thread ends or at
 * store_close. Borrowed. */
int store_reader(struct store *store, struct db **ret_db);

/* Brackets several reads so that they see one state, and so that each need not take its own snapshot (twice as fast).
 * Nest freely on one thread; nothing may be held across a reply to the kernel. On the write connection both do nothing. */
int db_begin(struct db *db);
void db_end(struct db *db);

/* Drops the page cache of this thread's connection. */
void db_trim(struct db *db);

/* --- writing --- */

enum store_priority { STORE_INTERACTIVE, STORE_BULK };

struct store_write_opts {
	enum store_priority priority;
	bool kernel_knows; /* the change was asked for through the mount: notices for what the kernel did itself are dropped */
};

/* Runs `fn` inside BEGIN IMMEDIATE ... COMMIT. A negative return of `fn` rolls back and is passed on; so is an error of
 * the commit. Not reentrant. A deadline applies while waiting for the gate: -EAGAIN after 10 s. */
int store_write(struct store *store, const struct store_write_opts *opts, int (*fn)(struct txn *txn, void *arg), void *arg);

struct db *txn_db(struct txn *txn);            /* for the read functions: sees the transaction's own changes */
const struct store_info *txn_info(struct txn *txn);
bool txn_should_yield(struct txn *txn);        /* bulk: STORE_BULK_MS are over, or somebody interactive waits */
uint64_t txn_now_ms(struct txn *txn);          /* the wall clock at the begin */

/* Has `fn` called, on a thread of the store, when something was committed and writing has paused, or at most every two
 * seconds while it goes on. It may read. NULL ends that and returns when no call is under way any more. */
void store_on_rest(struct store *store, void (*fn)(void *arg), void *arg);

/* Has `fn` called after each commit, on the thread that wrote, outside the gate; `members`: rows of devices were written. It
 * must be quick and may not use the store. NULL ends that and returns when no call is under way any more. */
void store_on_commit(struct store *store, void (*fn)(void *arg, bool members), void *arg);

/* Bytes and rows, for status and metrics. */
struct store_stats {
	uint64_t database_bytes;
	uint64_t wal_bytes;
	uint64_t commits;
	uint64_t log_records;
};
int store_stats(struct store *store, struct store_stats *ret_stats);
