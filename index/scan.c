#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "index/beneath.h"
#include "index/engine.h"

#define TRIES_MAX 8 /* how often a directory is looked for where its row says */

/* --- on the threads of the pool --- */

static int open_and_read(struct dir *dir, struct ignore_scope *scope, struct listing *listing)
{
	struct site *site = dir->site;
	struct listing_opts opts = {
	    .scope = scope,
	    .borders = (const char *const *)site->borders,
	    .device = site->device,
	    .stop = &site->abort,
	};
	_cleanup_(close_fd) int fd = -1;
	int r;

	fd = beneath_open(site->root_fd, (const char *)scope->path.data, O_RDONLY | O_DIRECTORY);
	r = fd < 0 ? fd : listing_look_self(listing, fd);
	if (r < 0)
		return r;
	if (dir->parent && dir->attr.ino != 0 && dir->attr.ino != listing->self.ino)
		return -ESTALE; /* another directory stands there: it was moved */
	if (site->watch) {
		/* Before it is read, so that what changes from now on is told. */
		if (watch_add(site->watch, fd, dir->id) < 0)
			atomic_fetch_add(&site->tally.unwatched, 1);
		r = listing_look_self(listing, fd);
	}
	return r < 0 ? r : listing_read(fd, &opts, listing);
}

static int read_dir(struct dir *dir)
{
	_cleanup_(ignore_scope_release) struct ignore_scope scope = IGNORE_SCOPE_INIT;
	int r;

	if (atomic_load(&dir->site->abort))
		return -ECANCELED;
	dir->listing = malloc(sizeof(*dir->listing));
	if (!dir->listing)
		return -ENOMEM;
	*dir->listing = LISTING_INIT;
	r = dir_scope(dir, false, &scope);
	return r < 0 ? r : open_and_read(dir, &scope, dir->listing);
}

void scan_run(void *arg, struct fanout_job *job)
{
	struct dir *dir = (struct dir *)job;

	dir->error = read_dir(dir);
	job->weight = dir->listing ? listing_bytes(dir->listing) : 0;
}

/* --- queueing --- */

/* The directory is queued or read already: what is wanted of it is added to that. */
static void merge(struct dir *other, const struct dir *dir)
{
	struct site *site = dir->site;

	if (atomic_load(&other->job.state) == FANOUT_QUEUED) { /* it will be read later than now */
		other->deep |= dir->deep;
		site->full_pending += dir->full && !other->full;
		other->full |= dir->full;
		return;
	}
	other->again = true;
	other->again_deep |= dir->deep;
	site->full_pending += dir->full && !other->again_full;
	other->again_full |= dir->full;
}

void scan_push(struct index *index, struct dir *dir, bool urgent)
{
	struct site *site = dir->site;
	struct dir *other = (struct dir *)(uintptr_t)idmap_get(&site->pending, (uint64_t)dir->id, 0);

	if (other) {
		merge(other, dir);
		dir_unref(dir);
		return;
	}
	if (idmap_put(&site->pending, (uint64_t)dir->id, (uintptr_t)dir) < 0) {
		site->want_full = site->wanted_here = true;
		dir_unref(dir);
		return;
	}
	site->full_pending += dir->full;
	dir->job.urgent = urgent;
	fanout_push(index->fanout, &dir->job);
}

static void push_again(struct index *index, const struct dir *dir)
{
	struct dir *anew = dir_new(dir->site, dir->parent, dir->id, &dir->attr, dir->name, dir->len);

	if (!anew) {
		dir->site->want_full = dir->site->wanted_here = true;
		return;
	}
	anew->deep = dir->again_deep;
	anew->full = dir->again_full;
	scan_push(index, anew, !anew->full);
}

/* A full compare was given up, and what an event asked for with it: that is still to be done. */
static void keep_for_later(struct index *index, const struct dir *dir)
{
	struct coalesce_place place = {.dir = dir->id, .deep = dir->deep || dir->again_deep};

	if (dir->site->offline || dir->site->removing || (dir->full && !dir->again))
		return;
	coalesce_again(index->coalesce, clock_monotonic_ms(), COALESCE_MAX_MS, &place);
}

bool scan_is_read(const struct site *site, int64_t id)
{
	const struct dir *dir = (const struct dir *)(uintptr_t)idmap_get(&site->pending, (uint64_t)id, 0);

	return dir && atomic_load(&dir->job.state) != FANOUT_QUEUED;
}

void scan_forget(struct index *index, struct dir *dir)
{
	struct site *site = dir->site;

	if (!dir->by_name) {
		idmap_remove(&site->pending, (uint64_t)dir->id);
		if (atomic_load(&site->abort))
			keep_for_later(index, dir);
		else if (dir->again)
			push_again(index, dir);
		site->full_pending -= (size_t)dir->full + dir->again_full;
	}
	dir_unref(dir);
}

/* --- taking what was read --- */

/* It is not where its row says. Its parent is compared first; then it is looked for again. */
static void look_elsewhere(struct index *index, struct dir *dir)
{
	struct coalesce_place place = {.dir = dir->id, .deep = dir->deep, .tries = dir->tries};
	uint64_t now = clock_monotonic_ms();

	if (!dir->parent) {
		presence_check(index, dir->site);
		return;
	}
	coalesce_name(index->coalesce, now, COALESCE_CHANGED, 0, dir->parent->id, dir->name, dir->len);
	if (dir->tries < TRIES_MAX)
		coalesce_again(index->coalesce, now, COALESCE_MAX_MS, &place);
}

static void take_failed(struct index *index, struct dir *dir)
{
	struct coalesce_place place = {.dir = dir->id, .deep = dir->deep};

	switch (-dir->error) {
	case ECANCELED:
		break;
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EXDEV:
	case ESTALE:
		look_elsewhere(index, dir);
		break;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		coalesce_again(index->coalesce, clock_monotonic_ms(), ENGINE_RETRY_MS, &place);
		break;
	default:
		full_unreadable(dir, dir->error);
		presence_check(index, dir->site);
	}
	scan_forget(index, dir);
}

void scan_take(struct index *index)
{
	struct fanout_job *job;

	while (apply_has_room(index) && (job = fanout_pop(index->fanout)) != NULL) {
		struct dir *dir = (struct dir *)job;

		if (atomic_load(&dir->site->abort))
			dir->error = -ECANCELED;
		if (dir->error < 0) {
			take_failed(index, dir);
			continue;
		}
		if (dir->full)
			full_read(index, dir);
		apply_add(index, dir);
	}
	index->more_read = !apply_has_room(index);
}

/* --- what follows from a directory --- */

static void enter(struct index *index, struct dir *dir, const struct seen *seen)
{
	struct dir *child =
	    dir_new(dir->site, dir, seen->row, &seen->attr, listing_name(dir->listing, seen), seen->len);

	if (!child) {
		dir->site->want_full = dir->site->wanted_here = true;
		return;
	}
	child->deep = dir->deep || (seen->flags & SEEN_ENTER);
	child->full = dir->full;
	child->fresh = (seen->flags & SEEN_FRESH) != 0;
	scan_push(index, child, !child->full);
}

static void finish_item(struct index *index, struct dir *dir, const struct seen *seen)
{
	if (seen->row == 0 || (seen->flags & SEEN_ABSENT))
		return;
	dir->site->tally.changed += seen->step == STEP_DONE;
	if (S_ISDIR(seen->attr.mode)) {
		if ((seen->flags & SEEN_MOUNT) && dir->full)
			full_mount(dir, listing_name(dir->listing, seen));
		if (!(seen->flags & SEEN_BORDER) && (dir->deep || (seen->flags & SEEN_ENTER)))
			enter(index, dir, seen);
		return;
	}
	/* Also when nothing is to be done: a compare may have come before the event. */
	if ((seen->flags & SEEN_LINKED) && (dir->by_name || (seen->step == STEP_DONE && !dir->site->pristine)))
		look_at_links(index, index->db, dir->site, seen->attr.ino, &seen->attr, seen->row);
	if (seen->step != STEP_DONE)
		return;
	if (index->hasher && S_ISREG(seen->attr.mode) && seen->attr.size > 0)
		hasher_add(index->hasher, seen->row,
			   seen->flags & SEEN_WRITING ? clock_monotonic_ms() + ENGINE_QUIET_MS : 0);
}

static void take_ignore(struct dir *dir)
{
	if (!dir->listing->whole)
		return;
	if (site_set_ignore(dir->site, dir->id, dir->listing->ignore) < 0)
		dir->site->want_full = dir->site->wanted_here = true;
	ignore_unref(dir->ignore);
	dir->ignore = ignore_ref(dir->listing->ignore);
}

/* Its parent was read before and is written after it: with an older time of the directory, which no event tells. */
static void look_at_self_later(struct index *index, const struct dir *dir)
{
	if (dir->parent && scan_is_read(dir->site, dir->parent->id))
		coalesce_name(index->coalesce, clock_monotonic_ms(), COALESCE_CHANGED, 0, dir->parent->id, dir->name,
			      dir->len);
}

void scan_finish(struct index *index, struct dir *dir)
{
	struct listing *listing = dir->listing;

	look_at_self_later(index, dir);
	take_ignore(dir);
	for (size_t i = 0; i < listing->count && !atomic_load(&dir->site->abort); i++)
		finish_item(index, dir, &listing->items[i]);
	/* Those below refer to the directory, not to what was in it. */
	listing_release(listing);
	free(listing);
	dir->listing = NULL;
	scan_forget(index, dir);
}
