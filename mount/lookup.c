#include "mount/lookup.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fs/tree.h"
#include "index/index.h"
#include "mount/library.h"
#include "mount/locations.h"
#include "mount/path.h"
#include "store/object.h"

enum { SETTLE_MS = 2000 };

static int resolve(struct lookup *lookup, const char *path, int64_t *ret_entry)
{
	uint64_t ino;
	int r = fs_resolve(lookup->call->library->fs, path, true, &ino);

	if (r < 0)
		return r;
	if (object_kind(ino) != OBJECT_ENTRY)
		return -EISDIR;
	*ret_entry = object_id(ino);
	return 0;
}

static int on_progress(void *arg, const struct index_progress *progress)
{
	struct lookup *lookup = arg;

	out_progress(lookup->call->out, "  looking for new files: %llu", (unsigned long long)progress->entries);
	return out_cancelled(lookup->call->out);
}

/* Nobody watches the disk for us: the location has to be compared with it. The file is there, so it is worth it. */
static int rescan_around(struct lookup *lookup, const char *path)
{
	_cleanup_(locations_release) struct locations locations = LOCATIONS_INIT;
	struct library *library = lookup->call->library;
	struct index_progress total;
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return -ENOENT;
	r = locations_read(library->store, &locations);
	for (size_t i = 0; r == 0 && i < locations.count; i++) {
		if (path_is_below(path, locations.items[i].path))
			return index_rescan(library->index, locations.items[i].id, on_progress, lookup, &total);
	}
	return r < 0 ? r : -ENOENT;
}

static int catch_up(struct lookup *lookup, const char *path)
{
	struct library *library = lookup->call->library;

	if (lookup->caught_up || path[0] != '/')
		return -ENOENT;
	lookup->caught_up = true;
	return library->is_daemon ? index_settle(library->index, SETTLE_MS, false) : rescan_around(lookup, path);
}

int lookup_entry(struct lookup *lookup, const char *path, int64_t *ret_entry)
{
	struct out *out = lookup->call->out;
	int r = resolve(lookup, path, ret_entry);

	if (r == -ENOENT && catch_up(lookup, path) == 0)
		r = resolve(lookup, path, ret_entry);
	if (r == -ENOENT)
		out_error(out, "%s: the library has no such file; `shelf location list` shows which folders are in it",
			  path);
	else if (r == -EISDIR)
		out_error(out, "%s: not a file of a location", path);
	else if (r < 0)
		out_fail(out, r, "%s", path);
	return r;
}
