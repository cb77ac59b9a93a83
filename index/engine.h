/* The parts of a `struct index` that its sources share. Internal to index/.
 *
 * The index thread goes round: it reads the watches, then takes what is to be looked at (names that events named, and
 * directories that the pool has read), compares it with the rows (`apply`), writes the difference in transactions of
 * STORE_BULK_MS, and then deletes what has vanished. Nothing new is taken before what was taken is written. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/coalesce.h"
#include "index/dir.h"
#include "index/fanout.h"
#include "index/hasher.h"
#include "index/index.h"
#include "index/reconcile.h"
#include "index/site.h"
#include "index/vanish.h"

#define ENGINE_REFRESH_MAX  1024
#define ENGINE_BATCH_MAX    512	  /* directories that are compared together */
#define ENGINE_ITEMS_MAX    16384 /* names that are compared together, unless one directory has more */
#define ENGINE_RESULTS_MAX  512	  /* content ids that are written together */
#define ENGINE_POLL_MS	    2000  /* between two looks at the roots */
#define ENGINE_PROGRESS_MS  50
#define ENGINE_QUIET_MS	    2000 /* a file that was written and not closed is hashed when it was quiet for so long */
#define ENGINE_UNWATCHED_MS (5 * 60 * 1000) /* between two compares of a location that is not watched in full */
#define ENGINE_RETRY_MS	    1000	    /* after a failed write; doubled up to ENGINE_RETRY_MAX_MS */
#define ENGINE_RETRY_MAX_MS 60000

/* A comparison whose differences are being written. */
struct apply {
	struct dir *dirs[ENGINE_BATCH_MAX]; /* references */
	size_t count;
	size_t items;
	bool new_dirs;	 /* a pass over new directories goes first */
	bool only_dirs;	 /* it is under way */
	size_t at, item; /* how far it has come */
	size_t steps;	 /* of this transaction */
	bool again;	 /* a transaction failed: compare anew */
	int error;	 /* that a step of it came to; 0 = it was the transaction itself */
};

/* Somebody waits, on whose stack the request is. */
struct rescan_request {
	struct rescan_request *next;
	int64_t location;
	bool taken;    /* the index thread knows of it */
	bool attached; /* to the compare that is under way */
	bool done;
	int result;
	struct index_progress total; /* path: not used */
	char *path;		     /* owned; NULL = nothing new */
};

struct removal_request {
	struct removal_request *next;
	int64_t location;
	bool done;
};

struct settle_request {
	struct settle_request *next;
	bool hashed;
	bool armed; /* the watches were read since it was made */
	bool done;
};

struct index {
	pthread_mutex_t lock;	/* guards what comes up to the next empty line */
	pthread_cond_t changed; /* a request is done, or its progress is new; on CLOCK_MONOTONIC */
	struct rescan_request *rescans;
	struct removal_request *removals;
	struct settle_request *settles;
	int64_t *added; /* owned */
	size_t added_count, added_capacity;
	int64_t refreshes[ENGINE_REFRESH_MAX];
	size_t refresh_count;
	bool refresh_full; /* some did not fit */
	bool ended;	   /* the thread takes no requests any more */

	/* constant, atomic, or with locks of their own */
	struct store *store;
	bool watches;	  /* opts.watch */
	char **forbidden; /* owned; NULL-terminated */
	void (*say)(void *arg, const char *level, const char *text);
	void *say_arg;
	struct fanout *fanout;
	struct hasher *hasher; /* NULL: content ids are not wanted */
	int wake_fd;	       /* eventfd */
	pthread_t thread;
	atomic_bool stop;
	atomic_uint_least64_t watch_total;
	atomic_bool watch_limited;
	atomic_bool scanning;

	/* the index thread's */
	struct db *db;
	struct coalesce *coalesce;
	struct vanish *vanish;
	struct site *sites;
	struct reconcile reconcile;
	struct apply apply;
	bool more_read;					  /* directories were read that had no room in it */
	struct hasher_result results[ENGINE_RESULTS_MAX]; /* to be written */
	size_t result_count;
	size_t result_at;	/* the one that is being written */
	struct idmap told_rows; /* hashes of what cannot be written and was said: 1 */
	uint64_t retry_ms;	/* writes wait until then; 0 = they do not */
	uint64_t retry_delay_ms;
	bool said_retry;
	uint64_t next_poll_ms;
	uint64_t next_progress_ms;
	bool said_instances;
};

/* --- index.c --- */

/* A line for people. */
void engine_say(struct index *index, const char *level, const char *format, ...) __attribute__((format(printf, 3, 4)));

void engine_wake(struct index *index); /* any thread */

struct site *engine_site(struct index *index, int64_t location);		    /* NULL: none */
int engine_add_site(struct index *index, int64_t location, struct site **ret_site); /* Errors: as site_load */
void engine_drop_site(struct index *index, struct site *site);			    /* nothing pending */

bool engine_may_write(const struct index *index); /* no failed write is waited for */

/* The end of a write: an error makes writes wait, and is said once. Passes `error` on. */
int engine_wrote(struct index *index, int error);

/* Something of a directory (`name`; NULL: the directory itself) cannot be written and is passed over: said once for
 * each. `what` begins the sentence. */
void engine_passed_over(struct index *index, const struct dir *dir, const char *name, const char *what, int error);

/* The same for a row. */
void engine_passed_over_row(struct index *index, struct site *site, int64_t row, const char *what, int error);

/* --- request.c: what other threads ask for --- */

/* Takes what was asked for, and reads the watches. ret_eager: somebody waits for content ids. */
void request_take(struct index *index, bool *ret_eager);
void request_answer(struct index *index); /* those who wait until nothing is left to do */
void request_refuse_all(struct index *index);

/* --- scan.c: reading directories --- */

void scan_run(void *arg, struct fanout_job *job); /* for the pool: reads one directory */

/* Queues a directory to be read; the reference is taken over. Its flags say how; `urgent`: before those of full
 * compares. */
void scan_push(struct index *index, struct dir *dir, bool urgent);

/* Takes what was read and compares it. */
void scan_take(struct index *index);

/* A directory has been compared and written: enters what is new in it, and gives back the reference. */
void scan_finish(struct index *index, struct dir *dir);

/* Whether a directory is being read, or was read and is not written yet: what is known of it may be older than an
 * event. */
bool scan_is_read(const struct site *site, int64_t dir);

/* A directory comes to nothing; gives back the reference. */
void scan_forget(struct index *index, struct dir *dir);

/* --- apply.c: writing what differs --- */

void apply_init(struct index *index);

/* Compares a directory with its rows and notes it for writing; the reference is taken over. */
void apply_add(struct index *index, struct dir *dir);
bool apply_has_room(const struct index *index);
void apply_step(struct index *index); /* one transaction's worth */
void apply_drop(struct index *index, const struct site *site);

void apply_results(struct index *index, bool eager); /* writes content ids */

/* --- full.c: comparing all of a location --- */

void full_start(struct index *index, struct site *site);
void full_attach(struct index *index, int64_t location); /* those who wait now wait for the one under way */
void full_check(struct index *index);			 /* starts and ends them as is due */
void full_end(struct index *index, struct site *site, int result);
void full_fail(struct index *index, int64_t location, int result); /* answers those who wait for one */
void full_read(struct index *index, struct dir *dir);
void full_unreadable(struct dir *dir, int error);
void full_mount(struct dir *dir, const char *name);

/* --- look.c: looking at the places that events named --- */

void look_read_watches(struct index *index);
void look_at_places(struct index *index);

/* Looks at the names of a file: no event tells of those other than the one that it was changed under. Rows that are as
 * `attr` (NULL: none), and row `except`, are left alone. */
void look_at_links(struct index *index, struct db *db, const struct site *site, uint64_t ino,
		   const struct entry_attr *attr, int64_t except);

/* --- presence.c: whether the roots are there, and on which disks --- */

/* Opens the root for work. Errors: -ENODEV: it is not there, and the site is offline now; others: it cannot be told
 * now, and writes wait a moment (engine_may_write). */
int presence_enter(struct index *index, struct site *site);

/* It may have gone, or have come back, or the user took another folder for it. 0: the site is online, or comes back as
 * soon as nothing of before is pending. Errors: -ENODEV: it is offline; others: it cannot be told now. */
int presence_check(struct index *index, struct site *site);
void presence_poll(struct index *index);
void presence_tidy(struct index *index); /* lets go of roots that are not in use, and of the watches of those offline */
