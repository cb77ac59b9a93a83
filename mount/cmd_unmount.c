/* The mount is taken away from outside; its daemon notices, ends in order, and gives the lock of the library back,
 * which is what we wait for. A daemon that only serves is asked by SIGTERM. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mountinfo.h"
#include "fs/session.h"
#include "mount/command.h"
#include "mount/connection.h"
#include "mount/holder.h"
#include "mount/path.h"
#include "mount/place.h"
#include "mount/terminal.h"
#include "mount/unmounting.h"
#include "store/store.h"

enum { WAIT_MS = 30 * 1000, STEP_MS = 10 };

/* Until nobody has the library any more. */
static int wait_for_end(const struct holder *holder, struct out *out)
{
	uint64_t until = clock_monotonic_ms() + WAIT_MS;
	int r, fd;

	while ((r = holder_lock(holder->library, &fd)) == -EBUSY && clock_monotonic_ms() < until &&
	       !terminal_interrupted())
		nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
	if (r == 0)
		close(fd);
	if (r != -EBUSY)
		return EXITCODE_DONE; /* an error too: then there is nothing to wait for */
	out_error(out, "process %ld is still busy with %s; it ends by itself", (long)holder->pid, holder->library);
	return EXITCODE_BUSY;
}

static int fail_unmount(int r, const char *path, struct out *out)
{
	if (r == -EBUSY) {
		out_error(out, "%s is in use, so it stays mounted; leave it and try again", path);
		unmounting_say_users(path, out);
	} else if (r == -ENOENT) {
		out_error(out, "cannot unmount %s: fusermount3 is missing; `apt install fuse3` brings it", path);
	} else if (r == -EPERM || r == -EINVAL) { /* fusermount3 says "not found" of what others mounted */
		out_error(out, "cannot unmount %s: it was mounted by another user", path);
		r = -EPERM;
	} else {
		return out_fail(out, r, "cannot unmount %s", path);
	}
	return (int)exitcode_of(r);
}

static int unmount(const char *path, struct out *out)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;
	_cleanup_(holder_release) struct holder holder = HOLDER_INIT;
	const struct mountinfo_line *line;
	int known, r = mountinfo_read(&info);

	if (r < 0)
		return out_fail(out, r, "cannot read what is mounted");
	line = mountinfo_at(&info, path);
	if (!line || strcmp(line->type, SESSION_MOUNT_TYPE) != 0) {
		out_error(out, "%s on %s", line ? "there is another filesystem" : "nothing is mounted", path);
		return EXITCODE_PARTIAL;
	}
	known = holder_of_mount(path, &holder); /* before it goes */
	(void)connection_free_stuck(path);	/* taking it away needs no answer of it */
	r = unmounting_run(path, false);
	if (r < 0)
		return fail_unmount(r, path, out);
	return known == 0 ? wait_for_end(&holder, out) : EXITCODE_DONE;
}

static int end_server(const struct holder *holder, struct out *out)
{
	if (kill(holder->pid, SIGTERM) < 0)
		return out_fail(out, -errno, "cannot end process %ld", (long)holder->pid);
	return wait_for_end(holder, out);
}

/* What has that library open, if anything has. */
static int unmount_library(const char *dir, struct out *out)
{
	_cleanup_(holder_release) struct holder holder = HOLDER_INIT;
	struct uuid id;
	int fd, r = holder_lock(dir, &fd);

	if (r == 0)
		close(fd);
	if (r != -EBUSY || store_peek(dir, &id) < 0 || holder_of_library(&id, &holder) < 0 ||
	    holder.socket[0] == '\0') {
		out_error(out, "%s is not mounted", dir);
		return EXITCODE_PARTIAL;
	}
	return holder.mountpoint[0] ? unmount(holder.mountpoint, out) : end_server(&holder, out);
}

/* Without a look at what is there: a mount may not answer. */
static int path_of_mountpoint(const char *given, char **ret_path)
{
	_cleanup_(free_ptr) char *copy = strdup(given);
	size_t len = strlen(given);

	if (!copy)
		return -ENOMEM;
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	return path_of_file(copy, ret_path);
}

int cmd_unmount(struct call *call)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;
	_cleanup_(free_ptr) char *path = NULL;
	_cleanup_(free_ptr) char *library = NULL;
	int r = path_of_mountpoint(call->args->words[0], &path);

	if (r == 0)
		r = mountinfo_read(&info);
	if (r < 0)
		return out_fail(call->out, r, "cannot unmount %s", call->args->words[0]);
	if (!mountinfo_at(&info, path) && place_existing_library(call->args->words[0], &library) == 0)
		return unmount_library(library, call->out);
	return unmount(path, call->out);
}
