/* What other threads ask of the index thread. A request of somebody who waits is on the stack of the waiter and in a
 * list under the lock; it leaves the list with its maker, after it is done. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "index/engine.h"

/* --- requests, on the index thread --- */

/* -ENOENT when it is not one of this device. */
static int check_own(struct index *index, int64_t location)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location row;
	int r = location_get(index->db, location, &row, &rows);

	return r < 0 ? r : row.device == store_info(index->store)->device_row ? 0 : -ENOENT;
}

static int find_or_add_site(struct index *index, int64_t location, struct site **ret_site)
{
	int r = check_own(index, location);

	*ret_site = engine_site(index, location);
	return r < 0 || *ret_site ? r : engine_add_site(index, location, ret_site);
}

static void take_added(struct index *index)
{
	for (;;) {
		struct site *site;
		int64_t location;
		bool any;

		pthread_mutex_lock(&index->lock);
		any = index->added_count > 0;
		location = any ? index->added[--index->added_count] : 0;
		pthread_mutex_unlock(&index->lock);
		if (!any)
			return;
		if (find_or_add_site(index, location, &site) >= 0)
			site->want_full = site->wanted_here = true;
	}
}

static void take_rescan(struct index *index, int64_t location)
{
	struct site *site;
	int r = find_or_add_site(index, location, &site);

	if (r >= 0)
		r = presence_check(index, site);
	if (r < 0) {
		full_fail(index, location, r);
		return;
	}
	if (index->hasher) /* files that could not be read may be readable now */
		hasher_pass(index->hasher);
	/* One that is under way may have passed what this caller is after; but the first scan is the one to wait for.
	 */
	if (site->full && site->unscanned)
		full_attach(index, location);
	else
		site->want_full = true;
}

static bool next_rescan(struct index *index, int64_t *ret_location)
{
	struct rescan_request *request;

	pthread_mutex_lock(&index->lock);
	request = index->rescans;
	while (request && request->taken)
		request = request->next;
	if (request) {
		request->taken = true;
		*ret_location = request->location;
	}
	pthread_mutex_unlock(&index->lock);
	return request != NULL;
}

static void take_rescans(struct index *index)
{
	int64_t location;

	while (next_rescan(index, &location))
		take_rescan(index, location);
}

static void begin_removal(struct index *index, struct site *site)
{
	if (site->removing)
		return;
	site->removing = true;
	site->want_full = false;
	atomic_store(&site->abort, true);
	apply_drop(index, site);
	vanish_drop(index->vanish, site);
	full_end(index, site, -ENOENT);
	full_fail(index, site->id, -ENOENT);
	index->retry_ms = index->retry_ms != 0 ? 1 : 0; /* somebody waits for what is being written */
}

static void answer_removals(struct index *index, int64_t location)
{
	pthread_mutex_lock(&index->lock);
	for (struct removal_request *request = index->removals; request; request = request->next)
		request->done |= request->location == location;
	pthread_cond_broadcast(&index->changed);
	pthread_mutex_unlock(&index->lock);
}

/* The locations of requests that are not done: a request itself goes with its maker. */
static size_t list_removals(struct index *index, int64_t *ret_locations, size_t max)
{
	size_t count = 0;

	pthread_mutex_lock(&index->lock);
	for (struct removal_request *request = index->removals; request && count < max; request = request->next)
		if (!request->done)
			ret_locations[count++] = request->location;
	pthread_mutex_unlock(&index->lock);
	return count;
}

static void take_removals(struct index *index)
{
	int64_t locations[16];
	size_t count = list_removals(index, locations, sizeof(locations) / sizeof(*locations));

	for (size_t i = 0; i < count; i++) {
		struct site *site = engine_site(index, locations[i]);

		if (site)
			begin_removal(index, site);
		if (site && site->pending.count > 0)
			continue;
		if (site)
			engine_drop_site(index, site);
		answer_removals(index, locations[i]);
	}
}

static void refresh(struct index *index, int64_t id, bool with_siblings)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	uint64_t now = clock_monotonic_ms();
	struct entry entry;

	if (entry_get(index->db, id, &entry, &rows) < 0 || entry.deleted || !entry.local)
		return;
	if (entry.parent == 0)
		coalesce_name(index->coalesce, now, COALESCE_CHANGED, 0, id, "", 0);
	else if (with_siblings)
		coalesce_dir(index->coalesce, now, entry.parent, false);
	else
		coalesce_name(index->coalesce, now, COALESCE_CHANGED, 0, entry.parent, entry.name, entry.name_len);
}

static void take_refreshes(struct index *index)
{
	int64_t ids[ENGINE_REFRESH_MAX];
	size_t count;
	bool full;

	pthread_mutex_lock(&index->lock);
	count = index->refresh_count;
	full = index->refresh_full;
	memcpy(ids, index->refreshes, count * sizeof(*ids));
	index->refresh_count = 0;
	index->refresh_full = false;
	pthread_mutex_unlock(&index->lock);
	for (size_t i = 0; i < count; i++)
		refresh(index, ids[i], full);
}

/* --- settling --- */

static bool is_settled(struct index *index)
{
	if (index->apply.count > 0 || !vanish_is_empty(index->vanish) || !coalesce_is_empty(index->coalesce) ||
	    index->result_count > 0)
		return false;
	for (struct site *site = index->sites; site; site = site->next)
		if (site->pending.count > 0 || site->full || site->state_dirty || site->look_at_disk ||
		    (site->want_full && !site->offline))
			return false;
	return true;
}

static void arm_settles(struct index *index, bool *ret_eager)
{
	*ret_eager = false;
	pthread_mutex_lock(&index->lock);
	for (struct settle_request *request = index->settles; request; request = request->next) {
		request->armed = true;
		*ret_eager |= request->hashed;
	}
	pthread_mutex_unlock(&index->lock);
}

void request_answer(struct index *index)
{
	bool settled = is_settled(index);
	bool hashed = settled && (!index->hasher || hasher_is_idle(index->hasher));

	if (!settled)
		return;
	pthread_mutex_lock(&index->lock);
	settled = index->added_count == 0 && index->refresh_count == 0; /* a request that came meanwhile */
	for (struct settle_request *request = index->settles; request && settled; request = request->next)
		request->done |= request->armed && (hashed || !request->hashed);
	pthread_cond_broadcast(&index->changed);
	pthread_mutex_unlock(&index->lock);
}

void request_take(struct index *index, bool *ret_eager)
{
	arm_settles(index, ret_eager);
	look_read_watches(index);
	take_added(index);
	take_rescans(index);
	take_removals(index);
	take_refreshes(index);
}

/* Nobody is left waiting. */
void request_refuse_all(struct index *index)
{
	pthread_mutex_lock(&index->lock);
	index->ended = true;
	for (struct rescan_request *request = index->rescans; request; request = request->next)
		if (!request->done) {
			request->result = -ECANCELED;
			request->done = true;
		}
	for (struct removal_request *request = index->removals; request; request = request->next)
		request->done = true;
	pthread_cond_broadcast(&index->changed);
	pthread_mutex_unlock(&index->lock);
}

/* --- requests, on other threads --- */

static struct timespec deadline(uint64_t ms)
{
	ms += clock_monotonic_ms();
	return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

/* Waits for the end of a request; the lock is held. */
static int await_rescan(struct index *index, struct rescan_request *request,
			int (*progress)(void *arg, const struct index_progress *), void *arg)
{
	_cleanup_(free_ptr) char *path = NULL;

	while (!request->done) {
		struct timespec until = deadline(100);
		struct index_progress now;

		while (!request->done && pthread_cond_timedwait(&index->changed, &index->lock, &until) != ETIMEDOUT)
			;
		if (request->done || !progress)
			continue;
		if (request->path) {
			free(path);
			path = TAKE_PTR(request->path);
		}
		now = request->total;
		now.path = path ? path : "";
		pthread_mutex_unlock(&index->lock);
		if (progress(arg, &now) != 0) {
			pthread_mutex_lock(&index->lock);
			return -EINTR;
		}
		pthread_mutex_lock(&index->lock);
	}
	return request->result;
}

int index_rescan(struct index *index, int64_t location, int (*progress)(void *arg, const struct index_progress *),
		 void *arg, struct index_progress *ret_total)
{
	struct rescan_request request = {.location = location};
	struct rescan_request **at;
	int r;

	pthread_mutex_lock(&index->lock);
	if (index->ended) {
		pthread_mutex_unlock(&index->lock);
		return -ECANCELED;
	}
	request.next = index->rescans;
	index->rescans = &request;
	engine_wake(index);
	r = await_rescan(index, &request, progress, arg);
	for (at = &index->rescans; *at != &request;)
		at = &(*at)->next;
	*at = request.next;
	pthread_mutex_unlock(&index->lock);
	engine_wake(index);
	free(request.path);
	if (r >= 0 && ret_total) {
		*ret_total = request.total;
		ret_total->path = "";
	}
	return r;
}

void index_added(struct index *index, int64_t location)
{
	pthread_mutex_lock(&index->lock);
	if (index->added_count == index->added_capacity) {
		size_t capacity = index->added_capacity ? index->added_capacity * 2 : 8;
		int64_t *added = reallocarray(index->added, capacity, sizeof(*added));

		if (added) {
			index->added = added;
			index->added_capacity = capacity;
		}
	}
	if (index->added_count < index->added_capacity) /* else there is no memory, and the next start finds it */
		index->added[index->added_count++] = location;
	pthread_mutex_unlock(&index->lock);
	engine_wake(index);
}

void index_removed(struct index *index, int64_t location)
{
	struct removal_request request = {.location = location};
	struct removal_request **at;

	pthread_mutex_lock(&index->lock);
	request.done = index->ended;
	request.next = index->removals;
	index->removals = &request;
	engine_wake(index);
	while (!request.done)
		pthread_cond_wait(&index->changed, &index->lock);
	for (at = &index->removals; *at != &request;)
		at = &(*at)->next;
	*at = request.next;
	pthread_mutex_unlock(&index->lock);
}

void index_refresh(struct index *index, int64_t entry)
{
	bool wake_up;

	pthread_mutex_lock(&index->lock);
	wake_up = index->refresh_count == 0;
	if (index->refresh_count < ENGINE_REFRESH_MAX)
		index->refreshes[index->refresh_count++] = entry;
	else
		index->refresh_full = true;
	pthread_mutex_unlock(&index->lock);
	if (wake_up)
		engine_wake(index);
}

int index_settle(struct index *index, uint64_t timeout_ms, bool hashed)
{
	struct settle_request request = {.hashed = hashed};
	struct timespec until = deadline(timeout_ms);
	struct settle_request **at;
	int r = 0;

	pthread_mutex_lock(&index->lock);
	request.next = index->settles;
	index->settles = &request;
	engine_wake(index);
	while (!request.done && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&index->changed, &index->lock, &until);
	for (at = &index->settles; *at != &request;)
		at = &(*at)->next;
	*at = request.next;
	r = request.done ? 0 : -ETIMEDOUT;
	pthread_mutex_unlock(&index->lock);
	return r;
}
