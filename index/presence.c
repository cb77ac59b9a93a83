/* A site is online or offline. Offline: its root is not there or is another directory; nothing of it is read or
 * written, its rows stay. What is under way ends (`abort`); when nothing is pending any more, its watches and its root
 * are let go. It comes back by itself, with a full compare. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "index/disk.h"
#include "index/engine.h"
#include "index/retry.h"
#include "index/root.h"
#include "store/volume.h"

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

/* Of a disk that is there, or was never looked at, more cannot be said. */
static int describe_missing(const char *path, const struct volume *volume, char **ret_reason)
{
	_cleanup_(free_ptr) char *shown = text_printable(path, strlen(path));
	int n;

	if (!shown)
		return -ENOMEM;
	if (volume && !disk_is_around(path, volume->number))
		n = asprintf(ret_reason, "its disk '%s' is not connected", volume->name);
	else
		n = asprintf(ret_reason, "its folder %s is gone, or another %s is in its place", shown,
			     volume ? "one" : "disk");
	return n < 0 ? -ENOMEM : 0;
}

int index_why_offline(struct db *db, int64_t location, char **ret_reason)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT, volume_rows = ROWS_INIT;
	struct location row;
	struct volume volume;
	int r = location_get(db, location, &row, &rows);

	if (r < 0)
		return r;
	r = volume_get(db, row.device, row.volume, &volume, &volume_rows);
	if (r < 0 && r != -ENOENT)
		return r;
	return describe_missing(row.path, r == 0 ? &volume : NULL, ret_reason);
}

static void go_offline(struct index *index, struct site *site)
{
	_cleanup_(free_ptr) char *reason = NULL;

	leave(index, site);
	site->state_dirty = true;
	site->look_at_disk = false; /* its return asks for it */
	full_fail(index, site->id, -ENODEV);
	if (!site->told_offline && index_why_offline(index->db, site->id, &reason) < 0)
		reason = NULL;
	if (!site->told_offline)
		engine_say(index, "warning", "%s is offline%s%s. Its entries are kept; it comes back by itself.",
			   site->name, reason ? ": " : "", reason ? reason : "");
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

struct recording {
	int64_t location;
	const struct volume *volume;
};

static int record_volume(struct txn *txn, void *arg)
{
	const struct recording *recording = arg;

	return volume_record(txn, recording->location, recording->volume);
}

/* 1: there was nothing to write. */
static int record_disk(struct index *index, struct site *site)
{
	_cleanup_(close_fd) int fd = root_open(site->path, &site->identity);
	struct store_write_opts bulk = {.priority = STORE_BULK};
	struct recording recording = {.location = site->id};
	struct disk disk;

	if (fd < 0 || disk_look(fd, &disk) < 0) /* the next compare asks again */
		return 1;
	recording.volume = &disk.volume;
	if (volume_is_recorded(index->db, site->id, &disk.volume) != 0)
		return 1;
	return store_write(index->store, &bulk, record_volume, &recording);
}

static void look_at_disk(struct index *index, struct site *site)
{
	int r;

	if (!site->look_at_disk || site->offline || !engine_may_write(index))
		return;
	r = record_disk(index, site);
	if (r > 0 || (r < 0 && !retry_helps(r)) || engine_wrote(index, r) >= 0)
		site->look_at_disk = false;
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
		look_at_disk(index, site);
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
