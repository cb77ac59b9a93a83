#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mountinfo.h"
#include "fs/session.h"
#include "mount/command.h"
#include "mount/connection.h"
#include "mount/control.h"
#include "mount/daemon.h"
#include "mount/holder.h"
#include "mount/network_options.h"
#include "mount/path.h"
#include "mount/place.h"
#include "mount/unmounting.h"

enum { DYING_STEPS = 40, DYING_STEP_MS = 50 };

/* --- the mount point --- */

static int replace_dead(const char *path, struct out *out)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;
	const struct mountinfo_line *line;
	int r = mountinfo_read(&info);

	if (r < 0)
		return r;
	line = mountinfo_at(&info, path);
	if (!line || strcmp(line->type, SESSION_MOUNT_TYPE) != 0) {
		out_error(out, "%s is a dead mount of something else; unmount that first (`fusermount3 -u -z`)", path);
		return -EBUSY;
	}
	r = unmounting_run(path, true);
	if (r < 0)
		out_fail(out, r, "a mount whose daemon died is still on %s, and cannot be taken away", path);
	return r;
}

static int check_empty(const char *path, struct out *out)
{
	DIR *dir = opendir(path);
	int r = 0;

	if (!dir) {
		r = -errno;
		out_fail(out, r, "cannot mount on %s", path);
		return r;
	}
	for (struct dirent *e = readdir(dir); e && r == 0; e = readdir(dir)) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = -ENOTEMPTY;
	}
	closedir(dir);
	if (r < 0)
		out_error(out, "%s is not empty: the mount would hide what is in it; take an empty folder", path);
	return r;
}

/* Not below a shelf mount, and not inside the library. */
static int check_surroundings(const char *path, const char *library_dir, struct out *out)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;
	const struct mountinfo_line *line;
	int r = mountinfo_read(&info);

	if (r < 0)
		return r;
	line = mountinfo_of(&info, path);
	if (line && strcmp(line->type, SESSION_MOUNT_TYPE) == 0 && strcmp(line->path, path) == 0) {
		out_error(out, "there is a shelf mount on %s already; `shelf unmount` it first", path);
		return -EBUSY;
	}
	if (line && strcmp(line->type, SESSION_MOUNT_TYPE) == 0) {
		out_error(out, "%s is inside the shelf mount %s; take a real folder", path, line->path);
		return -EOPNOTSUPP;
	}
	if (path_is_below(path, library_dir)) {
		out_error(out, "%s is inside the library folder; take another one", path);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* After a kill -9 a stat may still be answered from the kernel's memory; statfs never is. */
static bool is_dead(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) < 0 && errno == ENOTCONN;
}

static int make_if_missing(const char *path, bool *ret_made, struct out *out)
{
	struct stat st;
	int r = 0;

	if (stat(path, &st) < 0)
		r = errno != ENOENT ? -errno : mkdir(path, 0755) < 0 ? -errno : 1;
	else if (!S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r < 0)
		out_fail(out, r, "cannot mount on %s", path);
	*ret_made = r == 1;
	return r < 0 ? r : 0;
}

/* As far as it is known: the mount of another user is taken for alive. */
static bool daemon_lives(const char *path)
{
	_cleanup_(holder_release) struct holder holder = HOLDER_INIT;

	return holder_of_mount(path, &holder) < 0 || control_lives(&holder);
}

/* A mount of a daemon that was killed is replaced. That it was may have been a moment ago: it is waited for. */
static int clear(const char *path, struct out *out)
{
	for (int i = 0; i < DYING_STEPS; i++) {
		unsigned number;

		if (connection_free_stuck(path) < 0) {
			out_error(
			    out, "the daemon of the mount on %s was killed but hangs; as root, `umount -f %s` frees it",
			    path, path);
			return -EBUSY;
		}
		if (is_dead(path))
			return replace_dead(path, out);
		if (connection_of(path, &number) < 0 || daemon_lives(path))
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = DYING_STEP_MS * 1000000L}, NULL);
	}
	return 0;
}

static int prepare(const char *given, const char *library_dir, struct out *out, char **ret_path, bool *ret_made)
{
	_cleanup_(free_ptr) char *path = NULL;
	int r = path_canonical(given, &path);

	if (r < 0) {
		out_fail(out, r, "cannot mount on %s", given);
		return r;
	}
	r = clear(path, out);
	if (r == 0)
		r = check_surroundings(path, library_dir, out);
	if (r == 0)
		r = make_if_missing(path, ret_made, out);
	if (r == 0)
		r = check_empty(path, out);
	if (r == 0)
		*ret_path = TAKE_PTR(path);
	return r;
}

/* --- options --- */

static bool is_option(const char *text, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(text, name, len) == 0;
}

/* Takes out what the daemon is told apart from the rest, which goes on to the mount. */
static int read_options(const char *text, struct daemon_opts *opts, char **ret_rest)
{
	_cleanup_(buf_release) struct buf rest = BUF_INIT;

	while (*text) {
		size_t len = strcspn(text, ",");

		if (is_option(text, len, "allow_other")) {
			opts->allow_other = true;
		} else if (is_option(text, len, "debug")) {
			opts->debug = true;
		} else if (len > 0) {
			buf_append_str(&rest, rest.len > 0 ? "," : "");
			buf_append(&rest, text, len);
		}
		text += len + (text[len] == ',');
	}
	*ret_rest = buf_take_str(&rest);
	return *ret_rest ? 0 : -ENOMEM;
}

/* -o may be given several times. */
static int gather_options(const struct args *args, struct daemon_opts *opts, char **ret_rest)
{
	_cleanup_(buf_release) struct buf all = BUF_INIT;
	_cleanup_(free_ptr) char *text = NULL;
	const char *value;

	for (int i = 0; (value = args_value_at(args, "options", i)); i++)
		buf_printf(&all, "%s%s", i > 0 ? "," : "", value);
	text = buf_take_str(&all);
	return text ? read_options(text, opts, ret_rest) : -ENOMEM;
}

/* --- the commands --- */

static int find_library(const char *given, struct out *out, char **ret_dir)
{
	_cleanup_(free_ptr) char *dir = NULL;
	int r = place_library(given, out, &dir);

	if (r == 0)
		r = place_check_library(dir, out);
	if (r == 0)
		*ret_dir = TAKE_PTR(dir);
	return r;
}

int cmd_mount(struct call *call)
{
	_cleanup_(free_ptr) char *dir = NULL;
	_cleanup_(free_ptr) char *mountpoint = NULL;
	_cleanup_(free_ptr) char *rest = NULL;
	struct daemon_opts opts = {.foreground = args_has(call->args, "foreground")};
	struct network_options network;
	bool made = false;
	int code;
	int r = find_library(call->args->words[0], call->out, &dir);

	if (r == 0)
		r = gather_options(call->args, &opts, &rest);
	if (r == 0)
		r = prepare(call->args->words[1], dir, call->out, &mountpoint, &made);
	if (r < 0)
		return (int)exitcode_of(r);
	opts.library_dir = dir;
	opts.mountpoint = mountpoint;
	opts.mount_options = rest;
	opts.offline = args_has(call->args, "offline");
	network_options_read(call->args, &network);
	opts.network = network.opts;
	code = daemon_start(&opts, call->out);
	if (code != EXITCODE_DONE && made)
		rmdir(mountpoint);
	return code;
}

int cmd_serve(struct call *call)
{
	_cleanup_(free_ptr) char *dir = NULL;
	struct daemon_opts opts = {.foreground = args_has(call->args, "foreground")};
	struct network_options network;
	int r = find_library(call->args->words[0], call->out, &dir);

	if (r < 0)
		return (int)exitcode_of(r);
	opts.library_dir = dir;
	opts.offline = args_has(call->args, "offline");
	network_options_read(call->args, &network);
	opts.network = network.opts;
	return daemon_start(&opts, call->out);
}
