/* The life of the daemon: locked -> open -> mounted -> serving -> (stopped or unmounted) -> closed.
 *
 * Whoever stops it (a signal, the end of the mount) makes session_run return, or for `serve` the wait in its place; all
 * that was begun is then ended in reverse order by the one function that began it. Commands are ended first, since they
 * use the library; the mount goes before the store. The note of the holder is written when everything is ready and is
 * wiped by library_close.
 *
 * Started from a terminal, the process forks before it has threads or databases. The child reports through a socket
 * pair with the frames of mount/frame.h: messages, then an exit code, 0 meaning ready. */
#include "mount/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "fs/session.h"
#include "index/index.h"
#include "mount/channel.h"
#include "mount/control.h"
#include "mount/guard.h"
#include "mount/holder.h"
#include "mount/library.h"
#include "mount/refresh.h"
#include "mount/signals.h"
#include "mount/statedir.h"
#include "mount/target.h"
#include "mount/unmounting.h"
#include "store/event.h"
#include "store/store.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) ||               \
    __has_feature(thread_sanitizer)
#define SANITIZED
#endif

enum { STACK_BYTES = 512 * 1024 };

struct daemon {
	pthread_mutex_t lock; /* guards `session` against the signal thread */
	const struct daemon_opts *opts;
	struct out *out;
	struct channel *report; /* to the process that waits for us; NULL in front */
	struct library *library;
	struct session *session; /* NULL for `serve` */
	struct guard *guard;	 /* the same */
	struct refresh *refresh;
	struct control *control;
	struct signals *signals;
	int stop_fd; /* an eventfd that ends `serve` */
};

/* --- telling others --- */

/* sd_notify(3) in a few lines: systemd waits for READY=1 with Type=notify. */
static void notify_systemd(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(close_fd) int fd = -1;
	size_t len = path ? strlen(path) : 0;

	if (len == 0 || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (address.sun_path[0] == '@') /* the abstract namespace */
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

static int tell_ready(struct daemon *d)
{
	if (out_cancelled(d->out)) /* Ctrl-C meanwhile */
		return -EINTR;
	notify_systemd("READY=1");
	log_info("%s: %s%s", d->library->dir, d->opts->mountpoint ? "mounted on " : "serving",
		 d->opts->mountpoint ? d->opts->mountpoint : "");
	if (!d->report)
		return 0;
	return channel_exit(d->report, EXITCODE_DONE); /* an error: nobody waits for us any more */
}

/* --- mounting --- */

static int fail_session(struct daemon *d, int r)
{
	const char *where = d->opts->mountpoint;
	struct out *out = d->out;

	if (r == -ENODEV || (r == -ENOENT && access("/dev/fuse", F_OK) < 0))
		out_error(out,
			  "cannot mount on %s: there is no /dev/fuse; load the module (`modprobe fuse`), or give this "
			  "container the device",
			  where);
	else if (geteuid() != 0 && !unmounting_has_fusermount())
		out_error(out, "cannot mount on %s: fusermount3 is missing; `apt install fuse3` brings it", where);
	else if (r == -EPERM && d->opts->allow_other)
		out_error(out,
			  "cannot mount on %s: allow_other is not permitted to ordinary users; write the line "
			  "`user_allow_other` into /etc/fuse.conf, or leave the option away",
			  where);
	else if (r == -EINVAL)
		out_error(out, "cannot mount on %s: an option in `%s` is unknown", where, d->opts->mount_options);
	else if (r == -EACCES && access("/dev/fuse", R_OK | W_OK) < 0)
		out_error(out, "cannot mount on %s: /dev/fuse may not be opened by this user", where);
	else
		out_error(out,
			  "cannot mount on %s: %s; does the folder belong to you? The log of the library says more",
			  where, err_str(r));
	return r;
}

static int open_session(struct daemon *d)
{
	const struct session_opts opts = {
	    .mountpoint = d->opts->mountpoint,
	    .name = store_info(d->library->store)->name,
	    .allow_other = d->opts->allow_other,
	    .debug = d->opts->debug,
	    .extra = d->opts->mount_options,
	};
	struct session *session;
	int r = session_open(d->library->fs, d->library->store, &opts, &session);

	if (r < 0)
		return fail_session(d, r);
	d->session = session;
	guard_arm(d->guard);
	return 0;
}

/* --- signals --- */

static void on_end(void *arg, unsigned times)
{
	struct daemon *d = arg;

	log_info("asked to end%s", times > 1 ? " again" : "");
	notify_systemd("STOPPING=1");
	pthread_mutex_lock(&d->lock);
	if (d->session)
		session_stop(d->session);
	pthread_mutex_unlock(&d->lock);
	(void)eventfd_write(d->stop_fd, 1);
	if (times > 1 && d->opts->mountpoint)
		(void)unmounting_run(d->opts->mountpoint, true);
	if (times > 2)
		_exit(EXITCODE_PARTIAL); /* what is committed is safe */
}

static void on_refresh(void *arg)
{
	struct daemon *d = arg;

	log_info("comparing all locations with the disk");
	refresh_begin(d->refresh);
}

static const struct signals_calls signal_calls = {.end = on_end, .refresh = on_refresh};

/* --- beginning and end --- */

static int open_library(struct daemon *d)
{
	const struct library_opts opts = {.is_daemon = true, .mountpoint = d->opts->mountpoint};
	_cleanup_(close_fd) int lock_fd = -1;
	int r = target_lock(d->opts->library_dir, d->out, &lock_fd);

	if (r == 0)
		r = library_open(d->opts->library_dir, lock_fd, &opts, d->out, &d->library);
	if (r == 0)
		(void)TAKE_FD(lock_fd);
	return r;
}

/* From here on messages go to the log: libfuse and sanitizers write to standard error. */
static int open_log(struct daemon *d)
{
	_cleanup_(free_ptr) char *path = NULL;
	_cleanup_(close_fd) int fd = -1;
	int r = statedir_file(&d->library->id, "log", &path);

	if (r == 0)
		r = log_open_file(path);
	if (r == 0) {
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
		r = fd < 0 || dup2(fd, STDERR_FILENO) < 0 ? -errno : 0;
	}
	if (r < 0)
		out_fail(d->out, r, "cannot write the log %s", path ? path : "");
	return r;
}

static int start_control(struct daemon *d)
{
	_cleanup_(free_ptr) char *path = NULL;
	int r = statedir_file(&d->library->id, "control.sock", &path);

	if (r == 0)
		r = control_start(d->library, path, &d->control);
	if (r == 0)
		r = holder_write(d->library->lock_fd, &d->library->id, d->library->dir, path, d->opts->mountpoint);
	if (r < 0)
		out_fail(d->out, r, "cannot make the control socket %s", path ? path : "");
	return r;
}

/* A library is of use without a network: only an address that was asked for has to work. */
static int go_online(struct daemon *d)
{
	const struct daemon_opts *opts = d->opts;
	int r;

	if (opts->offline || store_is_read_only(d->library->store))
		return 0;
	r = network_start(d->library, &opts->network, d->out, &d->library->network);
	if (r == 0 || opts->network.listen)
		return r;
	out_note(d->out, "The library is open all the same, without other devices.");
	log_warn("not on the network: %s", err_str(r));
	(void)event_add(d->library->store, "warning", "this device is not on the network: it cannot listen for others");
	return 0;
}

static int start_parts(struct daemon *d)
{
	int r;

	d->stop_fd = eventfd(0, EFD_CLOEXEC);
	r = d->stop_fd < 0 ? -errno : refresh_new(d->library, &d->refresh);
	if (r == 0)
		r = signals_start(&signal_calls, d, &d->signals);
	if (r < 0)
		out_fail(d->out, r, "cannot start");
	if (r == 0)
		r = go_online(d);
	return r < 0 ? r : start_control(d);
}

/* First of all: it forks. */
static int start_guard(struct daemon *d)
{
	int r = guard_start(d->opts->mountpoint, &d->guard);

	if (r < 0)
		out_fail(d->out, r, "cannot start the guard of the mount");
	return r;
}

static int open_all(struct daemon *d)
{
	int r = d->opts->mountpoint ? start_guard(d) : 0;

	if (r == 0)
		r = open_library(d);
	if (r == 0 && d->report)
		r = open_log(d);
	if (r == 0 && d->opts->mountpoint)
		r = open_session(d);
	return r < 0 ? r : start_parts(d);
}

/* Signals are heard to the end, so that a third SIGTERM helps whatever hangs. */
static void close_all(struct daemon *d)
{
	struct session *session;

	control_stop(d->control);
	refresh_stop(d->refresh);
	pthread_mutex_lock(&d->lock);
	session = d->session;
	d->session = NULL;
	pthread_mutex_unlock(&d->lock);
	session_close(session);
	guard_end(d->guard);
	library_close(d->library);
	signals_stop(d->signals);
	refresh_free(d->refresh);
	close_fd(&d->stop_fd);
}

static int wait_for_stop(struct daemon *d)
{
	eventfd_t value;

	while (eventfd_read(d->stop_fd, &value) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int serve(struct daemon *d)
{
	int r = d->session ? session_run(d->session) : wait_for_stop(d);

	if (r < 0) {
		log_error("the mount ended: %s", err_str(r));
		(void)event_add(d->library->store, "error", "the mount ended unexpectedly");
	}
	return r;
}

/* Many small allocations by several threads: two arenas keep what glibc holds back small. */
static void keep_memory_small(void)
{
	pthread_attr_t attr;

	mallopt(M_ARENA_MAX, 2);
	if (pthread_attr_init(&attr) != 0)
		return;
#ifndef SANITIZED /* their stack frames are larger */
	if (pthread_attr_setstacksize(&attr, STACK_BYTES) == 0)
		pthread_setattr_default_np(&attr);
#endif
	pthread_attr_destroy(&attr);
}

/* Each file that somebody holds open in the mount is a descriptor here: the usual soft limit of 1,024 is soon reached, and
 * then nothing else works either. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* The daemon, in this process. With a report it has sent the outcome when this returns. */
static int run(const struct daemon_opts *opts, struct out *out, struct channel *report)
{
	struct daemon d = {
	    .lock = PTHREAD_MUTEX_INITIALIZER, .opts = opts, .out = out, .report = report, .stop_fd = -1};
	int r;

	log_set_default(LOG_INFO);
	signals_block();
	keep_memory_small();
	raise_file_limit();
	r = open_all(&d);
	if (r == 0)
		r = tell_ready(&d);
	if (r == 0)
		r = serve(&d);
	notify_systemd("STOPPING=1");
	close_all(&d);
	log_debug("ended");
	if (r == -EINVAL)
		return EXITCODE_USAGE;
	return (int)exitcode_of(r);
}

/* --- as a process of its own --- */

static void leave_terminal(void)
{
	_cleanup_(close_fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0 || null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
}

static void child(const struct daemon_opts *opts, int fd)
{
	struct channel channel = {.fd = fd};
	struct out out;
	int code;

	leave_terminal();
	out_init(&out, &channel_sink, &channel, false, false);
	code = run(opts, &out, &channel);
	(void)channel_exit(&channel, code); /* after "ready" nobody reads it any more */
	out_release(&out);
	exit(code);
}

static int parent(int fd, struct out *out)
{
	int code;
	int r = channel_show(fd, out, &code);

	if (r == 0)
		return code;
	out_error(out, "the daemon ended before it was ready; its log in the state folder may say why");
	return EXITCODE_PARTIAL;
}

static int start_process(const struct daemon_opts *opts, struct out *out)
{
	int pair[2], code;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return out_fail(out, -errno, "cannot start the daemon");
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		child(opts, pair[1]);
	}
	close(pair[1]);
	code = pid < 0 ? out_fail(out, -errno, "cannot start the daemon") : parent(pair[0], out);
	close(pair[0]);
	return code;
}

/* Whether the root of the mount answers, asked from outside of the daemon. */
static int check_root(const struct daemon_opts *opts, struct out *out)
{
	struct stat st;

	if (!opts->mountpoint || stat(opts->mountpoint, &st) == 0)
		return EXITCODE_DONE;
	return out_fail(out, -errno, "the mount on %s does not answer", opts->mountpoint);
}

int daemon_start(const struct daemon_opts *opts, struct out *out)
{
	int code;

	if (opts->foreground)
		return run(opts, out, NULL);
	code = start_process(opts, out);
	return code == EXITCODE_DONE ? check_root(opts, out) : code;
}
