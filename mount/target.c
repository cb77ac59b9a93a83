#include "mount/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "mount/channel.h"
#include "mount/command.h"
#include "mount/control.h"
#include "mount/frame.h"
#include "mount/holder.h"
#include "mount/library.h"
#include "mount/process.h"
#include "mount/terminal.h"
#include "store/store.h"

enum {
	WAIT_MS = 5000,
	RETRY_MS = 50,
	SEEN_OFTEN = 3, /* a daemon that is being killed answers once more, perhaps, but not three times */
};

struct target {
	struct library *library; /* here; NULL: in a daemon */
	char *socket;		 /* of the daemon */
	int fd;			 /* a connection to it that is not used yet; -1 = none */
};

static void pause_a_little(void)
{
	struct timespec time = {.tv_nsec = RETRY_MS * 1000000L};

	nanosleep(&time, NULL);
}

/* The note of whoever holds the lock. That in the state folder is newer where there is one; -ENOENT: none can be read.
 */
static int read_holder(const char *dir, struct holder *ret_holder)
{
	struct uuid id;

	if (store_peek(dir, &id) == 0 && holder_of_library(&id, ret_holder) == 0)
		return 0;
	return holder_of_folder(dir, ret_holder);
}

static void say_who(const char *dir, struct out *out)
{
	_cleanup_(holder_release) struct holder holder = HOLDER_INIT;
	char name[32];

	if (read_holder(dir, &holder) < 0) {
		out_error(out, "%s is in use by another process; try again", dir);
		return;
	}
	process_name(holder.pid, name);
	if (process_look(holder.pid) == PROCESS_STUCK && holder.mountpoint[0] != '\0') {
		out_error(out, "process %ld was killed but still hangs on its mount; as root, `umount -f %s` frees it",
			  (long)holder.pid, holder.mountpoint);
		return;
	}
	if (holder.mountpoint[0] != '\0')
		out_error(out, "%s is mounted on %s by process %ld; `shelf unmount` that first", dir, holder.mountpoint,
			  (long)holder.pid);
	else if (holder.socket[0] != '\0')
		out_error(out, "%s is served by process %ld; `shelf unmount %s` ends that", dir, (long)holder.pid, dir);
	else
		out_error(out, "%s is in use by process %ld%s%s%s; try again when it has ended", dir, (long)holder.pid,
			  name[0] ? " (" : "", name, name[0] ? ")" : "");
}

/* Connects to the daemon that holds the lock. -EAGAIN: there is none (yet, or any more). */
static int connect_daemon(const char *dir, struct target *target, struct out *out)
{
	_cleanup_(holder_release) struct holder holder = HOLDER_INIT;
	int r = read_holder(dir, &holder);

	if (r < 0 || holder.socket[0] == '\0')
		return -EAGAIN;
	r = control_connect(holder.socket, &target->fd);
	if (r == -EACCES || r == -EPERM) {
		out_error(out, "%s is open in process %ld of another user, who alone may use it", dir,
			  (long)holder.pid);
		return -EPERM;
	}
	if (r < 0)
		return -EAGAIN;
	target->socket = TAKE_PTR(holder.socket);
	return 0;
}

static int open_here(const char *dir, int lock_fd, struct target *target, struct out *out)
{
	const struct library_opts opts = {0};
	int r = library_open(dir, lock_fd, &opts, out, &target->library);

	if (r < 0) {
		close(lock_fd);
		return r;
	}
	(void)holder_write(lock_fd, &target->library->id, dir, NULL, NULL); /* only a help for others */
	return 0;
}

/* One attempt. -EAGAIN: somebody holds the lock who is no daemon. */
static int try_open(const char *dir, struct target *target, struct out *out)
{
	int lock_fd;
	int r = holder_lock(dir, &lock_fd);

	if (r == 0)
		return open_here(dir, lock_fd, target, out);
	if (r == -EBUSY)
		return connect_daemon(dir, target, out);
	out_fail(out, r, "cannot lock the library %s", dir);
	return r;
}

int target_open(const char *library_dir, struct out *out, struct target **ret_target)
{
	_cleanup_(target_closep) struct target *target = calloc(1, sizeof(*target));
	uint64_t until = clock_monotonic_ms() + WAIT_MS;
	int r;

	if (!target)
		return -ENOMEM;
	target->fd = -1;
	while ((r = try_open(library_dir, target, out)) == -EAGAIN && clock_monotonic_ms() < until &&
	       !terminal_interrupted())
		pause_a_little();
	if (r == -EAGAIN)
		say_who(library_dir, out);
	if (r < 0)
		return r;
	*ret_target = TAKE_PTR(target);
	return 0;
}

/* Whether a daemon has it that lives, and so will have it for long. The note may be older than the lock. */
static bool has_daemon(const char *dir)
{
	_cleanup_(holder_release) struct holder holder = HOLDER_INIT;

	return read_holder(dir, &holder) == 0 && holder.socket[0] != '\0' && control_lives(&holder);
}

int target_lock(const char *library_dir, struct out *out, int *ret_lock_fd)
{
	uint64_t until = clock_monotonic_ms() + WAIT_MS;
	int seen = 0;

	for (;;) {
		int r = holder_lock(library_dir, ret_lock_fd);

		if (r == 0)
			return 0;
		if (r != -EBUSY) {
			out_fail(out, r, "cannot lock the library %s", library_dir);
			return r;
		}
		seen = has_daemon(library_dir) ? seen + 1 : 0;
		if (seen == SEEN_OFTEN || clock_monotonic_ms() >= until) {
			say_who(library_dir, out);
			return -EBUSY;
		}
		pause_a_little();
	}
}

static int send_request(struct target *target, int count, char **words, const struct out *out)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	unsigned flags = (out->stdout_tty ? FRAME_STDOUT_TTY : 0) | (out->stderr_tty ? FRAME_STDERR_TTY : 0);
	int r = 0;

	if (target->fd < 0)
		r = control_connect(target->socket, &target->fd);
	if (r < 0)
		return r;
	frame_put_request(&b, flags, count, words);
	return b.len > FRAME_REQUEST_MAX_BYTES ? -ERR_TOO_LARGE : frame_write(target->fd, &b);
}

/* A request that cannot be written may have been refused: the reason is waiting to be read. */
static int run_there(struct target *target, int count, char **words, struct out *out)
{
	int code = EXITCODE_BUSY;
	int r = send_request(target, count, words, out);

	if ((r == 0 || r == -EPIPE) && target->fd >= 0)
		r = channel_show(target->fd, out, &code);
	close_fd(&target->fd);
	target->fd = -1;
	out_progress_end(out);
	if (r == -EPIPE || r == -ECONNRESET || r == -ECONNREFUSED || r == -ENOENT) {
		out_error(out, "the daemon ended before the command was done; try again");
		return EXITCODE_BUSY;
	}
	return r < 0 ? out_fail(out, r, "the connection to the daemon failed") : code;
}

int target_run(struct target *target, int count, char **words, struct out *out)
{
	if (target->library)
		return command_run(target->library, out, count, words);
	return run_there(target, count, words, out);
}

void target_close(struct target *target)
{
	if (!target)
		return;
	library_close(target->library);
	close_fd(&target->fd);
	free(target->socket);
	free(target);
}

void target_closep(struct target **target)
{
	target_close(*target);
}
