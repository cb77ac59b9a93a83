/* A full compare of a location: idle -> full (directories are read, from the root down) -> closing (all were read; what
 * was not found is deleted, unless it turned up elsewhere) -> idle. Nothing is deleted before all was read. It ends
 * early when the location goes offline, is removed, or when all who asked for it gave up. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "index/engine.h"
#include "index/retry.h"

/* --- those who wait --- */

static void answer(struct index *index, int64_t location, bool only_attached, int result,
		   const struct full_tally *tally)
{
	pthread_mutex_lock(&index->lock);
	for (struct rescan_request *request = index->rescans; request; request = request->next) {
		if (request->done || request->location != location || (only_attached && !request->attached))
			continue;
		request->result = result;
		request->done = true;
		if (tally)
			request->total = (struct index_progress){
			    .entries = tally->entries,
			    .changed = tally->changed,
			    .unreadable = tally->unreadable,
			};
	}
	pthread_cond_broadcast(&index->changed);
	pthread_mutex_unlock(&index->lock);
}

void full_fail(struct index *index, int64_t location, int result)
{
	answer(index, location, false, result, NULL);
}

void full_attach(struct index *index, int64_t location)
{
	pthread_mutex_lock(&index->lock);
	for (struct rescan_request *request = index->rescans; request; request = request->next)
		request->attached |= request->location == location;
	pthread_mutex_unlock(&index->lock);
}

static bool is_awaited(struct index *index, int64_t location)
{
	bool awaited = false;

	pthread_mutex_lock(&index->lock);
	for (struct rescan_request *request = index->rescans; request; request = request->next)
		awaited |= request->location == location && !request->done;
	pthread_mutex_unlock(&index->lock);
	return awaited;
}

/* --- what people are told --- */

static char *shown_path(const struct dir *dir, const char *name)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;

	if (dir_path(dir, &path) < 0)
		return NULL;
	if (name && path.len > 0)
		buf_append(&path, "/", 1);
	if (name)
		buf_append_str(&path, name);
	if (path.len == 0)
		buf_append(&path, ".", 1);
	return buf_error(&path) < 0 ? NULL : text_printable(path.data, path.len);
}

void full_unreadable(struct dir *dir, int error)
{
	struct full_tally *tally = &dir->site->tally;

	tally->unreadable++;
	if (tally->first_unreadable)
		return;
	tally->first_unreadable = shown_path(dir, NULL);
	tally->unreadable_error = error;
}

void full_mount(struct dir *dir, const char *name)
{
	struct full_tally *tally = &dir->site->tally;

	tally->mounts++;
	if (!tally->first_mount)
		tally->first_mount = shown_path(dir, name);
}

static void say_unreadable(struct index *index, struct site *site)
{
	const struct full_tally *tally = &site->tally;

	if (tally->unreadable != site->told_unreadable && tally->unreadable > 0)
		engine_say(
		    index, "warning",
		    "%s: %llu folder%s could not be read, first of all %s (%s); what is known of %s is kept. Check "
		    "the permissions, then run `shelf location rescan`.",
		    site->name, (unsigned long long)tally->unreadable, tally->unreadable == 1 ? "" : "s",
		    tally->first_unreadable ? tally->first_unreadable : "?", strerror(-tally->unreadable_error),
		    tally->unreadable == 1 ? "it" : "them");
	site->told_unreadable = tally->unreadable;
}

static void say_mounts(struct index *index, struct site *site)
{
	const struct full_tally *tally = &site->tally;

	if (tally->mounts != site->told_mounts && tally->mounts > 0)
		engine_say(
		    index, "info",
		    "%s: %llu folder%s another filesystem and not entered, first of all %s; add it as a location of "
		    "its own if you want it.",
		    site->name, (unsigned long long)tally->mounts, tally->mounts == 1 ? " is" : "s are",
		    tally->first_mount ? tally->first_mount : "?");
	site->told_mounts = tally->mounts;
}

/* A round number with room to grow. */
static uint64_t limit_for(uint64_t needed)
{
	uint64_t limit = 524288;

	while (limit < needed * 2)
		limit *= 2;
	return limit;
}

static void say_unwatched(struct index *index, struct site *site)
{
	uint64_t unwatched = atomic_load(&site->tally.unwatched);

	if (unwatched > 0 && !site->told_unwatched)
		engine_say(index, "warning",
			   "%s: %llu folders cannot be watched, as the limit of inotify watches is reached (%llu are "
			   "needed); they are compared every %d minutes instead. To see changes at once, run: sudo "
			   "sysctl fs.inotify.max_user_watches=%llu",
			   site->name, (unsigned long long)unwatched,
			   (unsigned long long)(atomic_load(&index->watch_total) + unwatched),
			   ENGINE_UNWATCHED_MS / 60000,
			   (unsigned long long)limit_for(atomic_load(&index->watch_total) + unwatched));
	site->told_unwatched = unwatched > 0;
}

static void say_remote(struct index *index, struct site *site)
{
	if (site->remote && !site->told_remote)
		engine_say(
		    index, "info",
		    "%s is on a network or FUSE filesystem: what others change there is seen within %d minutes, or at "
		    "once after `shelf location rescan`.",
		    site->name, ENGINE_UNWATCHED_MS / 60000);
	site->told_remote = true;
}

/* --- beginning and end --- */

static void clear_tally(struct full_tally *tally)
{
	free(tally->first_unreadable);
	free(tally->first_mount);
	tally->first_unreadable = tally->first_mount = NULL;
	tally->entries = tally->changed = tally->unreadable = tally->mounts = 0;
	atomic_store(&tally->unwatched, 0); /* the pool may be counting, for events */
}

static void open_watch(struct index *index, struct site *site)
{
	int r;

	if (!index->watches || site->watch)
		return;
	r = watch_open(&site->watch);
	if (r >= 0 || index->said_instances)
		return;
	index->said_instances = true;
	engine_say(
	    index, "warning",
	    "%s cannot be watched (%s); it is compared every %d minutes instead. If other programs use up the inotify "
	    "instances, run: sudo sysctl fs.inotify.max_user_instances=1024",
	    site->name, strerror(-r), ENGINE_UNWATCHED_MS / 60000);
}

static void count_watches(struct index *index)
{
	uint64_t total = 0;

	for (struct site *site = index->sites; site; site = site->next)
		total += site->watch ? watch_count(site->watch) : 0;
	atomic_store(&index->watch_total, total);
}

static void tell_state(struct index *index)
{
	bool limited = false, scanning = false;

	for (struct site *site = index->sites; site; site = site->next) {
		scanning |= site->full;
		limited |= site->limited;
	}
	atomic_store(&index->watch_limited, limited);
	atomic_store(&index->scanning, scanning);
	if (index->hasher)
		hasher_pause(index->hasher, scanning);
}

/* Whether not all is watched: then it is compared now and then. */
static void check_limit(struct index *index, struct site *site)
{
	if (!index->watches || site->full || site->offline || site->unscanned || site->next_full_ms != 0)
		return;
	site->limited = !site->watch || atomic_load(&site->tally.unwatched) > 0;
	if (!site->limited && !site->remote)
		return;
	site->next_full_ms = clock_monotonic_ms() + ENGINE_UNWATCHED_MS;
	say_unwatched(index, site);
	say_remote(index, site);
	tell_state(index);
}

void full_start(struct index *index, struct site *site)
{
	struct dir *root = NULL;
	int r;

	if (presence_enter(index, site) < 0)
		return;
	site->want_full = false;
	site->look_at_disk = true;
	site->full_here = site->wanted_here;
	site->wanted_here = false;
	open_watch(index, site);
	r = dir_load(index->db, site, site->root, &root);
	if (r < 0) {
		full_fail(index, site->id, r);
		if (r != -ENOENT)
			site->next_full_ms = clock_monotonic_ms() + ENGINE_RETRY_MS;
		return;
	}
	site->full = true;
	site->closing = false;
	clear_tally(&site->tally);
	full_attach(index, site->id);
	root->deep = root->full = true;
	root->fresh = site->pristine;
	tell_state(index);
	scan_push(index, root, false);
}

void full_end(struct index *index, struct site *site, int result)
{
	if (!site->full)
		return;
	site->full = site->closing = site->pristine = false;
	site->next_full_ms = 0;
	idmap_release(&site->vanished);
	count_watches(index);
	if (result >= 0) {
		site->unscanned = false;
		say_unreadable(index, site);
		say_mounts(index, site);
		check_limit(index, site);
	}
	tell_state(index);
	answer(index, site->id, true, result, &site->tally);
	malloc_trim(0);
}

/* --- on the way --- */

void full_read(struct index *index, struct dir *dir)
{
	struct full_tally *tally = &dir->site->tally;
	uint64_t now = clock_monotonic_ms();
	char *path;

	tally->entries += dir->listing->count;
	if (now < index->next_progress_ms)
		return;
	index->next_progress_ms = now + ENGINE_PROGRESS_MS;
	count_watches(index);
	path = shown_path(dir, NULL);
	pthread_mutex_lock(&index->lock);
	for (struct rescan_request *request = index->rescans; request; request = request->next) {
		if (!request->attached || request->done || request->location != dir->site->id)
			continue;
		request->total = (struct index_progress){
		    .entries = tally->entries,
		    .changed = tally->changed,
		    .unreadable = tally->unreadable,
		};
		free(request->path);
		request->path = path ? strdup(path) : NULL;
	}
	pthread_cond_broadcast(&index->changed);
	pthread_mutex_unlock(&index->lock);
	free(path);
}

/* What was not found anywhere is looked at once more, and deleted. */
static void close_full(struct index *index, struct site *site)
{
	uint64_t row, one;

	for (size_t at = 0; idmap_next(&site->vanished, &at, &row, &one);)
		if (vanish_add(index->vanish, site, (int64_t)row) < 0)
			site->want_full = site->wanted_here = true;
	idmap_release(&site->vanished);
	site->closing = true;
}

static int set_scanned(struct txn *txn, void *arg)
{
	struct site *site = arg;

	return location_set_scanned(txn, site->id, (int64_t)txn_now_ms(txn));
}

static void finish_full(struct index *index, struct site *site)
{
	struct store_write_opts bulk = {.priority = STORE_BULK};
	int r;

	if (!engine_may_write(index))
		return;
	r = store_write(index->store, &bulk, set_scanned, site);
	if (r == -ENOENT || r == -EPERM) /* the location was removed */
		full_end(index, site, -ENOENT);
	else if (r < 0 && !retry_helps(r))
		full_end(index, site, r);
	else if (engine_wrote(index, r) >= 0)
		full_end(index, site, 0);
}

static void check(struct index *index, struct site *site)
{
	check_limit(index, site);
	if (site->next_full_ms != 0 && clock_monotonic_ms() >= site->next_full_ms) {
		site->next_full_ms = 0;
		site->want_full = site->wanted_here = true;
	}
	if (site->full && !site->full_here && !is_awaited(index, site->id))
		atomic_store(&site->abort, true);
	if (site->full && atomic_load(&site->abort)) {
		full_end(index, site, site->offline ? -ENODEV : -EINTR);
		return;
	}
	if (site->full && !site->closing && site->full_pending == 0)
		close_full(index, site);
	if (site->closing && vanish_is_empty(index->vanish))
		finish_full(index, site);
	if (site->want_full && !site->full && !site->offline && !site->removing && !atomic_load(&site->abort))
		full_start(index, site);
}

void full_check(struct index *index)
{
	count_watches(index);
	for (struct site *site = index->sites; site; site = site->next)
		check(index, site);
}
