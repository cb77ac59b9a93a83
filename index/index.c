#include "index/index.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "index/engine.h"

#define SITES_POLLED 256 /* watches that wake the thread: the kernel allows 128 instances, if nobody raises that */

/* --- shared by the sources --- */

void engine_say(struct index *index, const char *level, const char *format, ...)
{
	_cleanup_(free_ptr) char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (!text)
		return;
	log_debug("index: %s", text);
	if (index->say)
		index->say(index->say_arg, level, text);
}

void engine_wake(struct index *index)
{
	uint64_t one = 1;
	ssize_t n = write(index->wake_fd, &one, sizeof(one));

	(void)n; /* full: it is awake */
}

static void wake(void *arg)
{
	engine_wake(arg);
}

struct site *engine_site(struct index *index, int64_t location)
{
	struct site *site = index->sites;

	while (site && site->id != location)
		site = site->next;
	return site;
}

bool engine_may_write(const struct index *index)
{
	return index->retry_ms == 0 || clock_monotonic_ms() >= index->retry_ms;
}

int engine_wrote(struct index *index, int error)
{
	if (error >= 0) {
		if (index->retry_ms != 0)
			engine_say(index, "info", "The catalogue can be written again.");
		index->retry_ms = index->retry_delay_ms = 0;
		return error;
	}
	if (index->retry_ms == 0)
		engine_say(index, "error", "The catalogue cannot be written: %s. What changed on disk is kept in mind and tried again.",
			   err_str(error));
	index->retry_delay_ms = index->retry_delay_ms == 0 ? ENGINE_RETRY_MS : index->retry_delay_ms * 2;
	if (index->retry_delay_ms > ENGINE_RETRY_MAX_MS)
		index->retry_delay_ms = ENGINE_RETRY_MAX_MS;
	index->retry_ms = clock_monotonic_ms() + index->retry_delay_ms;
	return error;
}

/* --- requests, on the index thread --- */

static int add_site(struct index *index, int64_t location, struct site **ret_site)
{
	struct site *site;
	int r;

	r = site_load(index, index->db, location, (const char *const *)index->forbidden, &site);
	if (r < 0)
		return r;
	site->next = index->sites;
	index->sites = site;
	*ret_site = site;
	return 0;
}

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
	return r < 0 || *ret_site ? r : add_site(index, location, ret_site);
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

	if (r >= 0) {
		presence_check(index, site);
		r = site->offline ? -ENODEV : 0;
	}
	if (r < 0) {
		full_fail(index, location, r);
		return;
	}
	/* One that is under way may have passed what this caller is after; but the first scan is the one to wait for. */
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

static void unlink_site(struct index *index, struct site *site)
{
	struct site **at = &index->sites;

	while (*at != site)
		at = &(*at)->next;
	*at = site->next;
	site_free(site);
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
			unlink_site(index, site);
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
		if (site->pending.count > 0 || site->full || site->state_dirty || (site->want_full && !site->offline))
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

static void answer_settles(struct index *index)
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

/* --- the thread --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When the thread has something to do without being woken, monotonic ms. */
static uint64_t next_ms(struct index *index)
{
	uint64_t next = index->next_poll_ms;
	bool busy = index->apply.count > 0 || !vanish_is_empty(index->vanish) || index->result_count > 0;

	if (busy)
		next = earlier(next, index->retry_ms);
	if (index->apply.count == 0)
		next = index->more_read ? 0 : earlier(next, coalesce_due(index->coalesce));
	if (index->hasher && engine_may_write(index))
		next = earlier(next, hasher_due(index->hasher));
	for (struct site *site = index->sites; site; site = site->next) {
		if (site->check_root || (site->closing && engine_may_write(index)))
			next = 0;
		if (site->next_full_ms != 0 && !site->full)
			next = earlier(next, site->next_full_ms);
	}
	return next;
}

static void wait_for_work(struct index *index)
{
	struct pollfd fds[SITES_POLLED + 1] = { { .fd = index->wake_fd, .events = POLLIN } };
	uint64_t now = clock_monotonic_ms(), next = next_ms(index), count;
	nfds_t used = 1;
	int timeout = next <= now ? 0 : next - now > ENGINE_POLL_MS ? ENGINE_POLL_MS : (int)(next - now);

	for (struct site *site = index->sites; site && used < SITES_POLLED + 1; site = site->next)
		if (site->watch && !site->offline)
			fds[used++] = (struct pollfd){ .fd = watch_fd(site->watch), .events = POLLIN };
	if (poll(fds, used, timeout) > 0 && (fds[0].revents & POLLIN) && read(index->wake_fd, &count, sizeof(count)) < 0)
		return;
}

static void present(void *arg, int64_t dir, const char *name, size_t len)
{
	struct index *index = arg;

	coalesce_name(index->coalesce, clock_monotonic_ms(), COALESCE_CHANGED, 0, dir, name, len);
}

static void unlinked(void *arg, struct site *site, uint64_t ino, int64_t row)
{
	struct index *index = arg;

	look_at_links(index, index->db, site, ino, NULL, row);
}

static void halfway(void *arg, int64_t dir)
{
	struct index *index = arg;

	coalesce_dir(index->coalesce, clock_monotonic_ms(), dir, true);
}

static void delete_vanished(struct index *index)
{
	struct site *site = vanish_site(index->vanish);
	size_t deleted;
	int r;

	if (!site || !engine_may_write(index) || !presence_enter(index, site))
		return;
	r = vanish_step(index->vanish, index->db, &deleted);
	site->tally.changed += deleted;
	if (r == -ENODEV)
		presence_check(index, site);
	else
		engine_wrote(index, r);
}

static void go_round(struct index *index)
{
	bool eager;

	arm_settles(index, &eager);
	look_read_watches(index);
	take_added(index);
	take_rescans(index);
	take_removals(index);
	take_refreshes(index);
	presence_poll(index);
	if (index->apply.count == 0) {
		look_at_places(index);
		scan_take(index);
	}
	apply_step(index);
	if (index->apply.count == 0)
		delete_vanished(index);
	full_check(index);
	apply_results(index, eager);
	presence_tidy(index);
	answer_settles(index);
}

static int load_sites(struct index *index)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	_cleanup_(free_ptr) int64_t *ids = NULL;
	struct location location;
	size_t count = 0;
	int r;

	r = location_list(index->db, store_info(index->store)->device_row, 0, &rows);
	while (r >= 0 && (r = location_next(&rows, &location)) == 0) {
		int64_t *more = reallocarray(ids, count + 1, sizeof(*ids));

		if (!more)
			return -ENOMEM;
		ids = more;
		ids[count++] = location.id;
	}
	rows_release(&rows);
	for (size_t i = 0; i < count && r >= 0; i++) {
		struct site *site;

		r = add_site(index, ids[i], &site);
		if (r >= 0)
			site->want_full = site->wanted_here = true;
	}
	return r < 0 ? r : 0;
}

/* Nobody is left waiting. */
static void refuse_requests(struct index *index)
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

static void *run(void *arg)
{
	struct index *index = arg;
	int r;

	r = store_reader(index->store, &index->db);
	if (r >= 0 && index->watches)
		r = load_sites(index);
	if (r < 0)
		engine_say(index, "error", "The locations cannot be watched: %s. Run `shelf check`.", err_str(r));
	while (index->db && !atomic_load(&index->stop)) {
		go_round(index);
		wait_for_work(index);
	}
	refuse_requests(index);
	return NULL;
}

/* --- starting and ending --- */

static int copy_forbidden(struct index *index, const char *const *forbidden)
{
	size_t count = 0;

	while (forbidden && forbidden[count])
		count++;
	index->forbidden = calloc(count + 1, sizeof(char *));
	if (!index->forbidden)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		index->forbidden[i] = realpath(forbidden[i], NULL);
		if (!index->forbidden[i])
			index->forbidden[i] = strdup(forbidden[i]);
		if (!index->forbidden[i])
			return -ENOMEM;
	}
	return 0;
}

static int init_sync(struct index *index)
{
	pthread_condattr_t attr;
	int r;

	pthread_mutex_init(&index->lock, NULL);
	r = pthread_condattr_init(&attr);
	if (r == 0)
		r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (r == 0)
		r = pthread_cond_init(&index->changed, &attr);
	return -r;
}

static int start_pool(struct index *index)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct fanout_opts opts = {
		.threads = processors < 2 ? 2 : processors > 4 ? 4 : (unsigned)processors,
		.nice = 5, /* whoever uses the mount goes first */
		.run = scan_run,
		.wake = wake,
		.arg = index,
	};

	return fanout_new(&opts, &index->fanout);
}

static void differs(void *arg, int64_t entry)
{
	index_refresh(arg, entry);
}

static int start_parts(struct index *index, bool hash)
{
	struct vanish_opts vanish_opts = {
		.store = index->store,
		.present = present,
		.unlinked = unlinked,
		.halfway = halfway,
		.arg = index,
	};
	struct hasher_opts hasher_opts = { .store = index->store, .wake = wake, .differs = differs, .arg = index };
	int r;

	index->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = index->wake_fd < 0 ? -errno : coalesce_new(&index->coalesce);
	if (r >= 0)
		r = vanish_new(&vanish_opts, &index->vanish);
	if (r >= 0)
		r = start_pool(index);
	if (r >= 0 && hash)
		r = hasher_new(&hasher_opts, &index->hasher);
	if (r >= 0)
		r = -pthread_create(&index->thread, NULL, run, index);
	return r;
}

static void release(struct index *index)
{
	struct fanout_job *job;

	hasher_free(index->hasher);
	if (index->fanout)
		fanout_stop(index->fanout);
	for (size_t i = 0; i < index->apply.count; i++)
		dir_unref(index->apply.dirs[i]);
	while (index->fanout && (job = fanout_drain(index->fanout)) != NULL)
		dir_unref((struct dir *)job);
	fanout_free(index->fanout);
	vanish_free(index->vanish);
	coalesce_free(index->coalesce);
	while (index->sites)
		unlink_site(index, index->sites);
	for (char **path = index->forbidden; path && *path; path++)
		free(*path);
	free(index->forbidden);
	free(index->added);
	close_fd(&index->wake_fd);
	pthread_cond_destroy(&index->changed);
	pthread_mutex_destroy(&index->lock);
	free(index);
}

int index_start(struct store *store, const struct index_opts *opts, struct index **ret_index)
{
	struct index *index = calloc(1, sizeof(*index));
	int r;

	if (!index)
		return -ENOMEM;
	index->store = store;
	index->watches = opts->watch;
	index->say = opts->say;
	index->say_arg = opts->arg;
	index->wake_fd = -1;
	apply_init(index);
	r = init_sync(index);
	if (r < 0) {
		free(index);
		return r;
	}
	r = copy_forbidden(index, opts->forbidden);
	if (r >= 0)
		r = start_parts(index, opts->hash);
	if (r < 0) {
		release(index);
		return r;
	}
	*ret_index = index;
	return 0;
}

void index_stop(struct index *index)
{
	if (!index)
		return;
	atomic_store(&index->stop, true);
	engine_wake(index);
	pthread_join(index->thread, NULL);
	for (struct site *site = index->sites; site; site = site->next)
		atomic_store(&site->abort, true);
	release(index);
}

/* --- requests, on other threads --- */

static struct timespec deadline(uint64_t ms)
{
	ms += clock_monotonic_ms();
	return (struct timespec){ .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
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

int index_rescan(struct index *index, int64_t location, int (*progress)(void *arg, const struct index_progress *), void *arg,
		 struct index_progress *ret_total)
{
	struct rescan_request request = { .location = location };
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
	struct removal_request request = { .location = location };
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
	struct settle_request request = { .hashed = hashed };
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

void index_status(struct index *index, struct index_status *ret_status)
{
	*ret_status = (struct index_status){
		.watches = atomic_load(&index->watch_total),
		.watch_limited = atomic_load(&index->watch_limited),
		.unhashed = index->hasher ? hasher_unhashed(index->hasher) : 0,
		.scanning = atomic_load(&index->scanning),
	};
}
