/* A mounted tree. What the kernel remembers of it, for how long, and what ends it earlier:
 *
 *   what                         for how long     ended by the notifier (store/notice.h -> fs/announce.h -> here)
 *   name -> object               timeouts.entry   expire_entry, drop_entry
 *   attributes                   timeouts.attr    expire_entry of its name, then drop_attr
 *   listing of a directory       for ever         drop_content of the directory; also any change of its mtime
 *   target of a link             for ever         drop_content of the link
 *   target in a location         not at all       announce_forget after each answer, as the kernel keeps what it is told
 *   pages of a file              for ever         drop_content of the file; also any change of its mtime or size
 *   desktop litter is not there  timeouts.absent  nothing: it never will be
 *   another name is not there    not at all
 *   extended attributes          not at all
 *
 * A change that this mount asked for itself is known to the kernel: it drops the parent's attributes and listing alone.
 *
 * Who runs: the workers (fs/workers.h), the thread in session_run, which only waits, and the notifier. The notifier may
 * block in the kernel on a directory that a client has locked while it waits for a worker. So at the end the order is:
 * notifier, then workers, then the device; and no worker ever waits for the notifier. Between session_open and
 * session_close nobody may fork without exec. */
#include "fs/session.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "fs/announce.h"
#include "fs/ops.h"
#include "fs/mount_options.h"
#include "fs/workers.h"
#include "store/store.h"

#define DAY 86400.0

static const struct ops_timeouts timeouts = { .entry = DAY, .attr = DAY, .absent = DAY };

struct session {
	struct store *store;
	struct ops ops;
	struct fuse_session *fuse;
	bool mounted;
	struct workers *workers;
	pthread_t notifier;
	bool notifying; /* the notifier runs and is subscribed */
};

/* --- the notifier --- */

/* -ENOENT is normal: the kernel remembers nothing of it. Other errors mean that the mount is going away. */

static void expire_entry(void *arg, uint64_t parent, const char *name, size_t len)
{
	const struct session *s = arg;

	fuse_lowlevel_notify_expire_entry(s->fuse, parent, name, len, FUSE_LL_EXPIRE_ONLY);
}

static void drop_entry(void *arg, uint64_t parent, const char *name, size_t len)
{
	const struct session *s = arg;

	fuse_lowlevel_notify_inval_entry(s->fuse, parent, name, len);
}

static void drop_attr(void *arg, uint64_t ino)
{
	const struct session *s = arg;

	fuse_lowlevel_notify_inval_inode(s->fuse, ino, -1, 0);
}

static void drop_content(void *arg, uint64_t ino)
{
	const struct session *s = arg;

	fuse_lowlevel_notify_inval_inode(s->fuse, ino, 0, 0);
}

static const struct announce_calls calls = {
	.expire_entry = expire_entry,
	.drop_entry = drop_entry,
	.drop_attr = drop_attr,
	.drop_content = drop_content,
};

static void *notifier_main(void *arg)
{
	struct session *s = arg;

	announce_run(s->ops.announce);
	return NULL;
}

static int notifier_start(struct session *s)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = -pthread_create(&s->notifier, NULL, notifier_main, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		return r;
	s->notifying = true;
	store_subscribe(s->store, announce_put, s->ops.announce);
	return 0;
}

/* Stop first, so that a bulk writer that waits for room in the queue lets go. */
static void notifier_end(struct session *s)
{
	if (!s->notifying)
		return;
	announce_stop(s->ops.announce);
	store_subscribe(s->store, NULL, NULL);
	pthread_join(s->notifier, NULL);
	s->notifying = false;
}

/* --- mounting --- */

static void log_from_fuse(enum fuse_log_level level, const char *format, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("libfuse: %s", line);
}

static int check_device(void)
{
	_cleanup_(close_fd) int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return 0;
	return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
}

/* Here the mount point may still be touched: nobody serves it yet, or a dead mount answers at once. */
static int check_mountpoint(const char *path)
{
	struct stat stat_buf;

	if (stat(path, &stat_buf) < 0)
		return errno == ENOENT ? -ENOTDIR : -errno;
	return S_ISDIR(stat_buf.st_mode) ? 0 : -ENOTDIR;
}

/* fusermount3 lets ordinary users do it only when the administrator says so (mount.fuse3(8)). */
static int check_allow_other(void)
{
	_cleanup_(free_ptr) char *line = NULL;
	size_t capacity = 0;
	bool allowed = geteuid() == 0;
	FILE *conf = allowed ? NULL : fopen("/etc/fuse.conf", "re");

	while (conf && !allowed && getline(&line, &capacity, conf) >= 0)
		allowed = strncmp(line, "user_allow_other", strlen("user_allow_other")) == 0;
	if (conf)
		fclose(conf);
	return allowed ? 0 : -EPERM;
}

static int check(const struct session_opts *opts)
{
	int r = check_mountpoint(opts->mountpoint);

	if (r >= 0)
		r = check_device();
	if (r >= 0 && opts->allow_other)
		r = check_allow_other();
	return r;
}

static int mount_fuse(struct session *s, const struct session_opts *opts)
{
	_cleanup_(free_ptr) char *options = NULL;
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r = mount_options_build(opts, &options);

	if (r < 0)
		return r;
	fuse_set_log_func(log_from_fuse);
	if (fuse_opt_add_arg(&args, "shelf") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
	    fuse_opt_add_arg(&args, options) == 0 && (!opts->debug || fuse_opt_add_arg(&args, "-d") == 0))
		s->fuse = fuse_session_new(&args, &ops_table, sizeof(ops_table), &s->ops);
	fuse_opt_free_args(&args);
	if (!s->fuse)
		return -EIO;
	s->ops.session = s->fuse;
	if (fuse_session_mount(s->fuse, opts->mountpoint) != 0)
		return -EIO;
	s->mounted = true;
	return 0;
}

static int open_into(struct session *s, const struct session_opts *opts)
{
	int r = check(opts);

	if (r >= 0)
		r = grace_new(&s->ops.grace);
	if (r >= 0)
		r = mount_fuse(s, opts);
	if (r >= 0)
		r = workers_new(s->fuse, &s->workers);
	if (r >= 0)
		r = announce_new(s->ops.fs, s->store, s->ops.grace, &calls, s, &s->ops.announce);
	if (r >= 0)
		r = notifier_start(s);
	return r;
}

int session_open(struct fs *fs, struct store *store, const struct session_opts *opts, struct session **ret_session)
{
	assert(opts->mountpoint && opts->mountpoint[0] == '/');
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->store = store;
	s->ops.fs = fs;
	s->ops.timeouts = &timeouts;
	int r = open_into(s, opts);
	if (r < 0) {
		session_close(s);
		return r;
	}
	*ret_session = s;
	return 0;
}

int session_run(struct session *s)
{
	int r = workers_start(s->workers);

	if (r < 0)
		return r;
	workers_wait(s->workers);
	notifier_end(s);
	return workers_end(s->workers);
}

void session_stop(struct session *s)
{
	workers_stop(s->workers);
}

void session_close(struct session *s)
{
	if (!s)
		return;
	notifier_end(s);
	if (s->mounted)
		fuse_session_unmount(s->fuse); /* closes the device first: who still waits for an answer fails */
	if (s->fuse)
		fuse_session_destroy(s->fuse);
	workers_free(s->workers);
	announce_free(s->ops.announce);
	grace_free(s->ops.grace);
	free(s);
}
