#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "index/index.h"
#include "index/root.h"
#include "mount/command.h"
#include "mount/library.h"
#include "mount/location_list.h"
#include "mount/locations.h"
#include "mount/path.h"
#include "store/store.h"

static const struct store_write_opts interactive = {.priority = STORE_INTERACTIVE};

/* --- comparing with the disk --- */

static int on_progress(void *arg, const struct index_progress *progress)
{
	struct out *out = arg;
	char number[OUT_NUMBER_LEN];

	out_progress(out, "  %s entries ... %s", out_count_text(progress->entries, number),
		     progress->path ? progress->path : "");
	return out_cancelled(out);
}

static void say_result(struct call *call, const char *name, const struct index_progress *total)
{
	char entries[OUT_NUMBER_LEN], changed[OUT_NUMBER_LEN], unreadable[OUT_NUMBER_LEN];

	out_progress_end(call->out);
	out_name_text(call->out, name);
	out_printf(call->out, ": %s entries, %s new or changed\n", out_count_text(total->entries, entries),
		   out_count_text(total->changed, changed));
	if (total->unreadable > 0)
		out_error(call->out, "%s: %s folders could not be read; what the library knows of them is kept", name,
			  out_count_text(total->unreadable, unreadable));
}

static void say_offline(struct call *call, int64_t id, const char *name)
{
	_cleanup_(free_ptr) char *reason = NULL;
	struct db *db;

	if (store_reader(call->library->store, &db) < 0 || index_why_offline(db, id, &reason) < 0)
		reason = NULL;
	out_error(call->out,
		  "%s is offline%s%s. Its entries are kept. If what is in its place is right, "
		  "`shelf location rescan --adopt %s`",
		  name, reason ? ": " : "", reason ? reason : "", name);
}

static int fail_scan(struct call *call, int r, int64_t id, const char *name)
{
	if (r == -EINTR) {
		out_error(call->out, "interrupted: what was found is kept, %s",
			  call->library->is_daemon ? "and the daemon goes on with the rest"
						   : "and the rest follows when the library is mounted or rescanned");
		return EXITCODE_PARTIAL;
	}
	if (r == -ENODEV) {
		say_offline(call, id, name);
		return EXITCODE_PARTIAL;
	}
	return out_fail(call->out, r, "cannot compare the location %s with the disk", name);
}

static int do_nothing(struct txn *txn, void *arg)
{
	return 0;
}

/* The index would wait until the catalogue can be written, which on a read-only filesystem is never. */
static int scan(struct call *call, int64_t id, const char *name)
{
	struct index_progress total = {0};
	int r = store_write(call->library->store, &interactive, do_nothing, NULL);

	if (r == 0)
		r = index_rescan(call->library->index, id, on_progress, call->out, &total);

	if (r < 0)
		return fail_scan(call, r, id, name);
	say_result(call, name, &total);
	return total.unreadable > 0 ? EXITCODE_PARTIAL : EXITCODE_DONE;
}

/* --- add --- */

struct addition {
	struct location_new new;
	int64_t id;
};

static int add(struct txn *txn, void *arg)
{
	struct addition *addition = arg;

	return location_add(txn, &addition->new, &addition->id);
}

/* One pattern in a line. */
static int gather_excludes(struct call *call, char **ret_text)
{
	_cleanup_(buf_release) struct buf text = BUF_INIT;
	const char *glob;

	for (int i = 0; (glob = args_value_at(call->args, "exclude", i)); i++) {
		if (strchr(glob, '\n')) {
			out_error(call->out, "a pattern for --exclude is one line");
			return -EINVAL;
		}
		buf_printf(&text, "%s\n", glob);
	}
	*ret_text = buf_take_str(&text);
	return *ret_text ? 0 : -ENOMEM;
}

static int check_root(struct call *call, char **ret_path, struct location_new *ret_new)
{
	_cleanup_(free_ptr) char *reason = NULL;
	const char *given = call->args->words[0];
	struct db *db;
	int r = store_reader(call->library->store, &db);

	if (r == 0)
		r = index_check_root(db, given, call->library->forbidden, ret_path, ret_new, &reason);
	if (r < 0 && reason)
		out_error(call->out, "%s", reason);
	else if (r < 0)
		out_fail(call->out, r, "%s cannot be a location", given);
	return r == -EINVAL ? -EOPNOTSUPP : r; /* it was typed well, but cannot be */
}

static int fail_add(struct call *call, int r, const char *name)
{
	if (r == -EEXIST)
		out_error(call->out, "this device has a location called '%s' already; choose another name with --name",
			  name);
	else if (r == -EINVAL)
		out_error(call->out,
			  "'%s' cannot be the name of a location: 1 to 255 bytes of UTF-8 without '/' and "
			  "control characters; choose one with --name",
			  name);
	else
		out_fail(call->out, r, "cannot add the location '%s'", name);
	return (int)exitcode_of(r);
}

/* Another command may add a location between the check and the write: then the check is made again, and knows of it. */
static int check_and_add(struct call *call, const char *exclude, struct addition *addition, char **ret_path)
{
	const char *name = args_value(call->args, "name");
	int r;

	do {
		free(*ret_path);
		*ret_path = NULL;
		r = check_root(call, ret_path, &addition->new);
		if (r < 0)
			return (int)exitcode_of(r);
		addition->new.path = *ret_path;
		addition->new.name = name ? name : path_base(*ret_path);
		addition->new.exclude = exclude;
		r = store_write(call->library->store, &interactive, add, addition);
	} while (r == -ERR_STALE);
	return r < 0 ? fail_add(call, r, addition->new.name) : EXITCODE_DONE;
}

/* A daemon watches it from now on, whatever becomes of the first scan. */
static int scan_added(struct call *call, const struct addition *addition)
{
	int code;

	code = scan(call, addition->id, addition->new.name);
	if (call->library->is_daemon)
		index_added(call->library->index, addition->id);
	return code;
}

int cmd_location_add(struct call *call)
{
	_cleanup_(free_ptr) char *path = NULL;
	_cleanup_(free_ptr) char *exclude = NULL;
	struct addition addition = {0};
	int code, r = gather_excludes(call, &exclude);

	if (r < 0)
		return (int)exitcode_of(r);
	code = check_and_add(call, exclude, &addition, &path);
	return code == EXITCODE_DONE ? scan_added(call, &addition) : code;
}

/* --- list --- */

static int print_list(struct call *call, bool json)
{
	_cleanup_(location_list_release) struct location_list list = LOCATION_LIST_INIT;
	int r = location_list_read(call->library, true, &list);

	if (r == 0)
		location_list_print(&list, call->out, json, "");
	return r;
}

int cmd_location_list(struct call *call)
{
	bool json = args_has(call->args, "json");
	int r = print_list(call, json);

	if (r == 0 && json)
		out_printf(call->out, "\n");
	return r < 0 ? out_fail(call->out, r, "cannot list the locations") : EXITCODE_DONE;
}

/* --- remove --- */

static int find(struct call *call, const struct locations *locations, const char *name,
		const struct location_copy **ret_location)
{
	*ret_location = locations_named(locations, name);
	if (*ret_location)
		return 0;
	out_error(call->out, "this device has no location called '%s'; `shelf location list` shows all", name);
	return -ENOENT;
}

static int remove_one(struct txn *txn, void *arg)
{
	const int64_t *id = arg;

	return location_remove(txn, *id);
}

int cmd_location_remove(struct call *call)
{
	_cleanup_(locations_release) struct locations locations = LOCATIONS_INIT;
	const struct location_copy *location;
	struct index *index = call->library->index;
	int64_t id;
	int r = locations_read(call->library->store, &locations);

	if (r < 0)
		return out_fail(call->out, r, "cannot list the locations");
	if (find(call, &locations, call->args->words[0], &location) < 0)
		return EXITCODE_PARTIAL;
	id = location->id;
	index_removed(index, id);
	r = store_write(call->library->store, &interactive, remove_one, &id);
	if (r < 0 && call->library->is_daemon)
		index_added(index, id);
	if (r < 0)
		return out_fail(call->out, r, "cannot remove the location '%s'", location->name);
	out_printf(call->out, "Took ");
	out_name_text(call->out, location->name);
	out_printf(call->out, " out of the library. No file in ");
	out_name_text(call->out, location->path);
	out_printf(call->out, " was touched.\n");
	return EXITCODE_DONE;
}

/* --- rescan --- */

struct adoption {
	int64_t id;
	struct location_identity identity;
};

static int adopt(struct txn *txn, void *arg)
{
	const struct adoption *adoption = arg;

	return location_set_identity(txn, adoption->id, &adoption->identity);
}

static int identify(const char *path, struct location_identity *ret_identity)
{
	_cleanup_(close_fd) int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : root_identify(fd, ret_identity);
}

/* The folder that is at the path now becomes the location. */
static int adopt_disk(struct call *call, const struct location_copy *location)
{
	struct adoption adoption = {.id = location->id};
	int r = identify(location->path, &adoption.identity);

	if (r == 0)
		r = store_write(call->library->store, &interactive, adopt, &adoption);
	if (r < 0)
		return out_fail(call->out, r, "cannot take %s for the location '%s'", location->path, location->name);
	return EXITCODE_DONE;
}

static int rescan_one(struct call *call, const struct location_copy *location)
{
	int code = args_has(call->args, "adopt") ? adopt_disk(call, location) : EXITCODE_DONE;

	return code == EXITCODE_DONE ? scan(call, location->id, location->name) : code;
}

int cmd_location_rescan(struct call *call)
{
	_cleanup_(locations_release) struct locations locations = LOCATIONS_INIT;
	const struct location_copy *only;
	int code = EXITCODE_DONE;
	int r = locations_read(call->library->store, &locations);

	if (r < 0)
		return out_fail(call->out, r, "cannot list the locations");
	if (args_has(call->args, "adopt") && call->args->count == 0) {
		out_error(call->out, "--adopt needs the name of the location");
		return EXITCODE_USAGE;
	}
	if (call->args->count > 0)
		return find(call, &locations, call->args->words[0], &only) < 0 ? EXITCODE_PARTIAL
									       : rescan_one(call, only);
	for (size_t i = 0; i < locations.count && !out_cancelled(call->out); i++) {
		int one = rescan_one(call, &locations.items[i]);

		code = one != EXITCODE_DONE ? one : code;
	}
	return code;
}
