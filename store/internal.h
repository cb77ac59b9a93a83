/* What the files of store/ know of each other beyond their headers: connections, the store itself, notices, events. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/checkpoint.h"
#include "store/db.h"
#include "store/gate.h"
#include "store/notice.h"
#include "store/store.h"
#include "store/sync_db.h"
#include "store/txn.h"
#include "sync/hlc.h"

/* --- connections (db.c) --- */

enum db_mode {
	DB_WRITE, /* the one that commits: WAL, synchronous=FULL */
	DB_READ,
	DB_READ_FIXED, /* a file that nobody can change: read without WAL and locks */
};

/* Opens an SQLite file that exists; -ENOENT otherwise. Nothing is read yet. */
int connection_open(const char *path, enum db_mode mode, sqlite3 **ret_connection);
void connection_close(sqlite3 *connection); /* NULL does nothing */
void connection_closep(sqlite3 **connection);
int connection_exec(sqlite3 *connection, const char *sql); /* several statements; rows are dropped */
int connection_error(sqlite3 *connection, int code);	   /* db_error, with the errno that the system gave */
int connection_int(sqlite3 *connection, const char *sql, int64_t *ret_value); /* the first column of the first row */

void stmt_finalize(sqlite3_stmt **stmt); /* for _cleanup_, on statements that are no db_stmt */

/* Where rows of a location belong. These never change, so each connection remembers them. */
struct db_location {
	int64_t id;
	uint64_t prefix;
	int64_t device;
};

#define DB_LOCATIONS 16 /* remembered ones: by id modulo this */

struct db {
	sqlite3 *connection;
	struct store *store;
	struct db *next; /* readers: in the store's list, guarded by its lock */
	bool writer;
	int depth; /* of db_begin */
	bool used[STMT_COUNT];
	uint16_t active[STMT_COUNT]; /* the statements in use, the latest last */
	unsigned active_count;
	sqlite3_stmt *statements[STMT_COUNT];
	struct db_location locations[DB_LOCATIONS];
};

struct db *rows_db(const struct rows *rows);
/* For a query of at most one row: `r` is what its first step gave. Ends the query unless there is a row.
 * Errors: -ENOENT when there is none. */
int rows_only(struct rows *rows, int r);

int db_open(struct store *store, enum db_mode mode, struct db **ret_db);
void db_close(struct db *db); /* NULL does nothing */
/* All zero for a location that has no row. */
int db_location(struct db *db, int64_t id, struct db_location *ret_location);

/* --- the store (store.c) --- */

/* How many entries another device has here, so that they need not be counted; too many after some went. */
struct store_tally {
	_Atomic int64_t device; /* row; 0: not counted yet */
	uint64_t rows;		/* guarded by the gate */
};

#define STORE_TALLIES 16 /* remembered ones: by row modulo this */


struct subscription {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t idle;
	notice_fn *fn; /* NULL: nobody subscribes */
	void *arg;
	unsigned calls; /* under way */
};

struct readers {
	pthread_mutex_t lock; /* guards `first` and the list */
	struct db *first;
	pthread_key_t key; /* a thread's own reader; constant */
};

/* Constant while open, but for the parts that have locks and what `gate` guards: the writer, the clock. */
struct store {
	char *path;	 /* database.db */
	char *sync_path; /* sync.db */
	char *wal_path;
	struct store_info info;
	_Atomic int64_t origin; /* row; changes with the gate held, when an epoch begins */
	bool read_only;
	bool fixed; /* read only, and there is no WAL: readers need no locks */
	struct gate gate;
	struct db *writer; /* NULL when read_only */
	struct hlc clock;
	int wal_frames; /* of the last commit */
	struct readers readers;
	struct subscription subscription;
	pthread_rwlock_t commit_lock; /* guards the next two; held while the function runs, which takes no lock */
	void (*commit_fn)(void *arg, bool members);
	void *commit_arg;
	struct checkpoint *checkpoint; /* NULL when read_only or while the store is being made */
	struct sync_db *sync_db;
	atomic_uint_fast64_t commits;
	struct store_tally tallies[STORE_TALLIES];
	uint64_t entries_max; /* of one device: OWNER_ENTRIES_MAX, but in tests */
	unsigned slice_rows;  /* SLICE_ROWS, but in tests */
};

/* store_open; `threads` false leaves out the checkpoint thread. */
int store_open_with(const char *dir, const struct key *key, bool threads, struct store **ret_store);

/* --- notices (notice.c) --- */

int subscription_init(struct subscription *subscription);
void subscription_release(struct subscription *subscription);
bool subscription_is_on(struct subscription *subscription);
void notices_deliver(struct subscription *subscription, const struct notices *notices, bool bulk);
void notices_release(struct notices *notices);
