/* A site is online or offline. Offline: its root is not there or is another directory; nothing of it is read or
 * written, its rows stay. What is under way ends (`abort`); when nothing is pending any more, its watches and its root
 * are let go. It comes back by itself, with a full compare. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "index/engine.h"
#include "index/retry.h"

/* Ends what is under way; those who wait for a compare that has not begun wait on. */
static void leave(struct index *index, struct site *site)
{
	site->offline = true;
	site->returning = false;
	atomic_store(&site->abort, true);
	apply_drop(index, site);
	vanish_drop(index->vanish, site);
	full_end(index, site, -ENODEV);
}

static void go_offline(struct index *index, struct site *site)
{
	_cleanup_(free_ptr) char *shown = text_printable(site->path, strlen(site->path));

	leave(index, site);
	site->state_dirty = true;
	full_fail(index, site->id, -ENODEV);
	if (!site->told_offline)
		engine_say(index, "warning",
			   "%s is offline: its folder %s is gone, or another disk is in its place. Its entries are "
			   "kept; it comes "
			   "back by itself.",
			   site->name, shown ? shown : "");
	site->told_offline = true;
}

static void come_back(struct index *index, struct site *site)
{
	site->offline = site->state_dirty = false;
	site->returning = true;
	site->want_full = site->wanted_here = true; /* its end writes that it is ready */
}

int presence_enter(struct index *index, struct site *site)
{
	int r;

	if (site->offline)
		return -ENODEV;
	r = site_enter(site);
	if (r == -ENODEV)
		go_offline(index, site);
	else if (r < 0)
		index->retry_ms = clock_monotonic_ms() + ENGINE_RETRY_MS;
	if (r < 0)
		return r;
	if (site->returning) {
		engine_say(index, "info", "%s is back.", site->name);
		if (index->hasher)
			hasher_pass(index->hasher);
	}
	site->returning = site->told_offline = false;
	return 0;
}

static bool is_quiet(const struct index *index, const struct site *site)
{
	return site->pending.count == 0 && index->apply.count == 0 && vanish_is_empty(index->vanish);
}

int presence_check(struct index *index, struct site *site)
{
	bool another = site_read_identity(site, index->db) > 0;
	int r = site_look(site);

	if (r == -ENODEV && !site->offline)
		go_offline(index, site);
	else if (r == -ENODEV) /* it came and went before those who wait for it had their turn */
		full_fail(index, site->id, r);
	if (r < 0)
		return r;
	/* What is open and watched is the folder of before. */
	if (another && !site->offline) {
		leave(index, site);
		site->check_root = true;
	} else if (site->offline && site->pending.count == 0 && !atomic_load(&site->abort)) {
		come_back(index, site);
	}
	return 0;
}

static int set_offline(struct txn *txn, void *arg)
{
	struct site *site = arg;

	return location_set_state(txn, site->id, LOCATION_OFFLINE);
}

static void write_state(struct index *index, struct site *site)
{
	struct store_write_opts bulk = {.priority = STORE_BULK};
	int r;

	if (!site->state_dirty || !engine_may_write(index))
		return;
	r = store_write(index->store, &bulk, set_offline, site);
	if ((r < 0 && !retry_helps(r)) || engine_wrote(index, r) >= 0) /* the location is gone, or worse */
		site->state_dirty = false;
}

void presence_poll(struct index *index)
{
	uint64_t now = clock_monotonic_ms();
	bool due = now >= index->next_poll_ms;

	if (due)
		index->next_poll_ms = now + ENGINE_POLL_MS;
	for (struct site *site = index->sites; site; site = site->next) {
		bool asked = site->check_root;

		site->check_root = false;
		if (due || asked)
			presence_check(index, site);
		write_state(index, site);
	}
}

void presence_tidy(struct index *index)
{
	for (struct site *site = index->sites; site; site = site->next) {
		if (site->pending.count > 0)
			continue;
		if (site->offline) {
			watch_close(site->watch);
			site->watch = NULL;
		}
		if (!site->removing)
			atomic_store(&site->abort, false);
		if (is_quiet(index, site))
			site_leave(site);
	}
}
