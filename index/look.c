#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "index/beneath.h"
#include "index/engine.h"

#define READS_MAX 128 /* of one location's watches in a row: about all that the kernel keeps */
#define TRIES_MAX 8   /* how often a directory is looked for where its row says */
#define WAIT_MS	  50  /* until a directory that is being read is looked at */

/* --- events --- */

struct source {
	struct index *index;
	struct site *site;
	uint64_t now_ms;
};

static enum coalesce_kind kind_of(uint32_t mask)
{
	if (mask & IN_MOVED_FROM)
		return COALESCE_MOVED_FROM;
	if (mask & IN_MOVED_TO)
		return COALESCE_MOVED_TO;
	if (mask & IN_MODIFY)
		return COALESCE_WRITTEN;
	if (mask & IN_CLOSE_WRITE)
		return COALESCE_CLOSED;
	return COALESCE_CHANGED;
}

static void on_event(void *arg, const struct watch_event *event)
{
	const struct source *source = arg;
	struct site *site = source->site;
	bool of_root = event->dir == site->root;

	if (event->mask & IN_Q_OVERFLOW) {
		/* What was lost cannot be known. */
		site->want_full = site->wanted_here = true;
		site->pristine = false;
		return;
	}
	if ((event->mask & IN_UNMOUNT) || (of_root && (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))))
		site->check_root = true;
	if (event->mask & (IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
		return;
	if (event->len == 0 && !of_root)
		return; /* the directory that it is in tells the same */
	if (event->mask & (IN_MOVED_FROM | IN_MOVED_TO))
		site->pristine = false;
	coalesce_name(source->index->coalesce, source->now_ms, kind_of(event->mask), event->cookie, event->dir,
		      event->name, event->len);
}

void look_read_watches(struct index *index)
{
	for (struct site *site = index->sites; site; site = site->next) {
		struct source source = {.index = index, .site = site, .now_ms = clock_monotonic_ms()};
		bool more = site->watch != NULL && !site->offline;

		for (unsigned i = 0; more && i < READS_MAX; i++)
			if (watch_read(site->watch, on_event, &source, &more) < 0)
				break;
	}
	if (coalesce_lost(index->coalesce))
		for (struct site *site = index->sites; site; site = site->next)
			site->want_full = site->wanted_here = true;
}

/* --- places --- */

void look_at_links(struct index *index, struct db *db, const struct site *site, uint64_t ino,
		   const struct entry_attr *attr, int64_t except)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	uint64_t now = clock_monotonic_ms();
	struct entry row;

	if (entry_by_inode(db, site->id, ino, &rows) < 0)
		return;
	while (entry_next(&rows, &row) == 0)
		if (!row.deleted && row.id != except &&
		    !(attr && row.size == attr->size && row.mtime_ns == attr->mtime_ns && row.mode == attr->mode))
			coalesce_name(index->coalesce, now, COALESCE_CHANGED, 0, row.parent, row.name, row.name_len);
}

/* The places of one directory in a batch. */
struct look {
	struct index *index;
	struct site *site;
	const struct coalesce_place *places;
	size_t count;
};

static void again(const struct look *look, unsigned delay_ms, bool counts)
{
	for (size_t i = 0; i < look->count; i++) {
		struct coalesce_place place = look->places[i];

		place.tries -= !counts; /* coalesce_again adds one; it may wrap, and wraps back */
		coalesce_again(look->index->coalesce, clock_monotonic_ms(), delay_ms, &place);
	}
}

/* The directory is not where its row says: that is looked at first. */
static void look_elsewhere(const struct look *look, const struct dir *dir)
{
	struct coalesce *coalesce = look->index->coalesce;

	if (!dir->parent) {
		presence_check(look->index, look->site);
		return;
	}
	coalesce_name(coalesce, clock_monotonic_ms(), COALESCE_CHANGED, 0, dir->parent->id, dir->name, dir->len);
	if (look->places[0].tries < TRIES_MAX)
		again(look, COALESCE_MAX_MS, true);
	else
		look->site->want_full = look->site->wanted_here = true;
}

static int look_at_names(const struct look *look, struct dir *dir, int fd, struct ignore_scope *scope)
{
	struct listing_opts opts = {
	    .scope = scope,
	    .borders = (const char *const *)look->site->borders,
	    .device = look->site->device,
	    .stop = &look->site->abort,
	};
	int r;

	r = listing_look_self(dir->listing, fd);
	if (r >= 0 && dir->parent && dir->attr.ino != 0 && dir->attr.ino != dir->listing->self.ino)
		r = -ESTALE;
	for (size_t i = 0; i < look->count && r >= 0; i++) {
		const struct coalesce_place *place = &look->places[i];

		if (place->len > 0)
			r = listing_look(dir->listing, fd, &opts, place->name, place->len, place->writing);
	}
	return r;
}

static int open_and_look(const struct look *look, struct dir *dir)
{
	_cleanup_(ignore_scope_release) struct ignore_scope scope = IGNORE_SCOPE_INIT;
	_cleanup_(close_fd) int fd = -1;
	int r;

	dir->listing = malloc(sizeof(*dir->listing));
	if (!dir->listing)
		return -ENOMEM;
	*dir->listing = LISTING_INIT;
	r = dir_scope(dir, true, &scope);
	if (r < 0)
		return r;
	fd = beneath_open(look->site->root_fd, (const char *)scope.path.data, O_PATH | O_DIRECTORY);
	return fd < 0 ? fd : look_at_names(look, dir, fd, &scope);
}

/* Patterns changed: all below the folder is compared with the new ones. */
static bool has_ignore_file(const struct look *look)
{
	for (size_t i = 0; i < look->count; i++)
		if (strcmp(look->places[i].name, IGNORE_FILE) == 0)
			return true;
	return false;
}

static void by_name(const struct look *look, struct dir *dir)
{
	struct dir *waiting = (struct dir *)(uintptr_t)idmap_get(&look->site->pending, (uint64_t)dir->id, 0);
	int r = open_and_look(look, dir);

	dir->by_name = true;
	switch (-r) {
	case 0:
		if (waiting)
			waiting->fresh = false;
		apply_add(look->index, dir);
		return;
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EXDEV:
	case ESTALE:
		look_elsewhere(look, dir);
		break;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		again(look, ENGINE_RETRY_MS, false);
		break;
	default: /* it cannot be read: what is known of it is kept */
		presence_check(look->index, look->site);
	}
	dir_unref(dir);
}

static void whole(const struct look *look, struct dir *dir, bool deep)
{
	dir->deep = deep;
	dir->tries = (uint8_t)(look->places[0].tries < TRIES_MAX ? look->places[0].tries : TRIES_MAX);
	scan_push(look->index, dir, true);
}

static void look_at_dir(const struct look *look)
{
	struct dir *dir = NULL;
	int r;

	r = presence_enter(look->index, look->site);
	if (r < 0) {
		if (r != -ENODEV)
			again(look, ENGINE_RETRY_MS, false);
		return;
	}
	if (atomic_load(&look->site->abort) ||
	    (look->places[0].name && scan_is_read(look->site, look->places[0].dir))) {
		again(look, WAIT_MS, false);
		return;
	}
	r = dir_load(look->index->db, look->site, look->places[0].dir, &dir);
	if (r == -ENOENT || r == -ELOOP) /* deleted, or its parents are not in order yet: they are looked at, too */
		return;
	if (r < 0) {
		again(look, ENGINE_RETRY_MS, false);
		return;
	}
	if (!look->places[0].name)
		whole(look, dir, look->places[0].deep);
	else if (has_ignore_file(look))
		whole(look, dir, true);
	else
		by_name(look, dir);
}

/* The site that a directory belongs to; its watch goes when it is deleted. */
static struct site *site_of(struct index *index, int64_t dir)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	struct site *site;

	if (entry_get(index->db, dir, &entry, &rows) < 0)
		return NULL;
	site = engine_site(index, entry.location);
	if (!site || site->offline || site->removing)
		return NULL;
	if (entry.deleted) {
		site_forget_dir(site, dir);
		return NULL;
	}
	return site;
}

static void batch_release(struct coalesce_batch *batch)
{
	coalesce_batch_release(batch);
}

void look_at_places(struct index *index)
{
	_cleanup_(batch_release) struct coalesce_batch batch = COALESCE_BATCH_INIT;
	size_t end;

	if (coalesce_take(index->coalesce, clock_monotonic_ms(), &batch) < 0)
		return;
	for (size_t i = 0; i < batch.count; i = end) {
		struct look look = {.index = index, .places = &batch.places[i]};

		for (end = i + 1; end < batch.count && batch.places[end].dir == batch.places[i].dir;)
			end++;
		look.count = end - i;
		look.site = site_of(index, batch.places[i].dir);
		if (!look.site)
			continue;
		if (apply_has_room(index))
			look_at_dir(&look);
		else
			again(&look, 1, false);
	}
}
