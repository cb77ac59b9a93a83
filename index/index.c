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
#include "base/text.h"
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

int engine_add_site(struct index *index, int64_t location, struct site **ret_site)
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

void engine_drop_site(struct index *index, struct site *site)
{
	struct site **at = &index->sites;

	while (*at != site)
		at = &(*at)->next;
	*at = site->next;
	site_free(site);
}

bool engine_may_write(const struct index *index)
{
	return index->retry_ms == 0 || clock_monotonic_ms() >= index->retry_ms;
}

int engine_wrote(struct index *index, int error)
{
	if (error >= 0) {
		if (index->said_retry)
			engine_say(index, "info", "The catalogue can be written again.");
		index->said_retry = false;
		index->retry_ms = index->retry_delay_ms = 0;
		return error;
	}
	/* Somebody else who writes for long is no trouble, unless it never ends. */
	if (!index->said_retry && (error != -EAGAIN || index->retry_delay_ms > ENGINE_RETRY_MS)) {
		index->said_retry = true;
		engine_say(index, "error",
			   "The catalogue cannot be written: %s. What changed on disk is kept in mind and tried again.",
			   err_str(error));
	}
	index->retry_delay_ms = index->retry_delay_ms == 0 ? ENGINE_RETRY_MS : index->retry_delay_ms * 2;
	if (index->retry_delay_ms > ENGINE_RETRY_MAX_MS)
		index->retry_delay_ms = ENGINE_RETRY_MAX_MS;
	index->retry_ms = clock_monotonic_ms() + index->retry_delay_ms;
	return error;
}

#define TOLD_MAX 256 /* rows that are named; with more the catalogue has other troubles */

void engine_passed_over(struct index *index, const struct dir *dir, const char *name, const char *what, int error)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;
	_cleanup_(free_ptr) char *shown = NULL;
	uint64_t key = (uint64_t)dir->id;

	for (const char *at = name; at && *at; at++) /* FNV-1a */
		key = (key ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
	if (index->told_rows.count >= TOLD_MAX || idmap_get(&index->told_rows, key + 1, 0) != 0)
		return;
	idmap_put(&index->told_rows, key + 1, 1);
	if (dir_path(dir, &path) >= 0) {
		if (name && path.len > 0)
			buf_append(&path, "/", 1);
		if (name)
			buf_append_str(&path, name);
		shown = buf_error(&path) < 0 ? NULL : text_printable(path.data, path.len);
	}
	engine_say(index, "error", "%s: %s %s: %s. All else goes on; run `shelf check`.", dir->site->name, what,
		   shown ? shown : "?", err_str(error));
}

void engine_passed_over_row(struct index *index, struct site *site, int64_t row, const char *what, int error)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	_cleanup_(dir_unrefp) struct dir *dir = NULL;
	_cleanup_(free_ptr) char *name = NULL;
	struct entry entry;

	if (entry_get(index->db, row, &entry, &rows) < 0)
		return;
	name = strndup(entry.name, entry.name_len);
	rows_release(&rows); /* the same statement again */
	if (name && dir_load(index->db, site, entry.parent, &dir) >= 0)
		engine_passed_over(index, dir, name, what, error);
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
	struct pollfd fds[SITES_POLLED + 1] = {{.fd = index->wake_fd, .events = POLLIN}};
	uint64_t now = clock_monotonic_ms(), next = next_ms(index), count;
	nfds_t used = 1;
	int timeout = next <= now ? 0 : next - now > ENGINE_POLL_MS ? ENGINE_POLL_MS : (int)(next - now);

	for (struct site *site = index->sites; site && used < SITES_POLLED + 1; site = site->next)
		if (site->watch && !site->offline)
			fds[used++] = (struct pollfd){.fd = watch_fd(site->watch), .events = POLLIN};
	if (poll(fds, used, timeout) > 0 && (fds[0].revents & POLLIN) &&
	    read(index->wake_fd, &count, sizeof(count)) < 0)
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

static void stuck(void *arg, struct site *site, int64_t row, int error)
{
	engine_passed_over_row(arg, site, row, "what is gone from disk cannot be deleted from the catalogue:", error);
}

static void delete_vanished(struct index *index)
{
	struct site *site = vanish_site(index->vanish);
	size_t deleted;
	int r;

	if (!site || !engine_may_write(index) || presence_enter(index, site) < 0)
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

	request_take(index, &eager);
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
	request_answer(index);
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

		r = engine_add_site(index, ids[i], &site);
		if (r >= 0)
			site->want_full = site->wanted_here = true;
	}
	return r < 0 ? r : 0;
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
	request_refuse_all(index);
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
	    .threads = processors < 2	? 2
		       : processors > 4 ? 4
					: (unsigned)processors,
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
	    .stuck = stuck,
	    .arg = index,
	};
	struct hasher_opts hasher_opts = {.store = index->store, .wake = wake, .differs = differs, .arg = index};
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
		engine_drop_site(index, index->sites);
	for (char **path = index->forbidden; path && *path; path++)
		free(*path);
	free(index->forbidden);
	free(index->added);
	idmap_release(&index->told_rows);
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

void index_status(struct index *index, struct index_status *ret_status)
{
	*ret_status = (struct index_status){
	    .watches = atomic_load(&index->watch_total),
	    .watch_limited = atomic_load(&index->watch_limited),
	    .unhashed = index->hasher ? hasher_unhashed(index->hasher) : 0,
	    .scanning = atomic_load(&index->scanning),
	};
}
