#include "mount/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/err.h"
#include "mount/statedir.h"

enum { NOTE_MAX_BYTES = 4 * 4096 };

static int lock_path(const char *library_dir, char **ret_path)
{
	return asprintf(ret_path, "%s/lock", library_dir) < 0 ? -ENOMEM : 0;
}

static bool cannot_write(int err)
{
	return err == EROFS || err == EACCES || err == EPERM;
}

static int open_lock(const char *library_dir)
{
	_cleanup_(free_ptr) char *path = NULL;
	int fd, r = lock_path(library_dir, &path);

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && cannot_write(errno))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		fd = open(library_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int holder_lock(const char *library_dir, int *ret_fd)
{
	_cleanup_(close_fd) int fd = open_lock(library_dir);

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int holder_make_lock(const char *library_dir)
{
	_cleanup_(close_fd) int fd = open_lock(library_dir);

	return fd < 0 ? fd : 0;
}

static int is_writable_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}

static int replace_content(int fd, const struct buf *note)
{
	if (ftruncate(fd, 0) < 0)
		return -errno;
	if (note->len > 0 && pwrite(fd, note->data, note->len, 0) != (ssize_t)note->len)
		return -EIO;
	return 0;
}

/* With an empty note: wipes. The lock file is a copy for others: that it cannot be written is no error. */
static int write_note(int lock_fd, const struct uuid *library, const struct buf *note)
{
	_cleanup_(free_ptr) char *path = NULL;
	_cleanup_(close_fd) int fd = -1;
	int r;

	if (is_writable_file(lock_fd))
		(void)replace_content(lock_fd, note);
	r = statedir_file(library, "run", &path);
	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : replace_content(fd, note);
}

static void append_field(struct buf *note, const char *text)
{
	buf_append(note, text ? text : "", text ? strlen(text) + 1 : 1);
}

int holder_write(int lock_fd, const struct uuid *library, const char *library_dir, const char *socket,
		 const char *mountpoint)
{
	_cleanup_(buf_release) struct buf note = BUF_INIT;

	buf_printf(&note, "%ld", (long)getpid());
	append_field(&note, "");
	append_field(&note, socket);
	append_field(&note, mountpoint);
	append_field(&note, library_dir);
	if (buf_error(&note))
		return buf_error(&note);
	return write_note(lock_fd, library, &note);
}

void holder_clear(int lock_fd, const struct uuid *library)
{
	struct buf empty = BUF_INIT;

	(void)write_note(lock_fd, library, &empty);
}

/* The text up to the next NUL. */
static int next_field(struct cursor *c, char **ret_text)
{
	const uint8_t *end = c->left > 0 ? memchr(c->at, '\0', c->left) : NULL;
	const uint8_t *text;
	int r = end ? cursor_bytes(c, (size_t)(end - c->at) + 1, &text) : -ERR_MALFORMED;

	if (r < 0)
		return r;
	*ret_text = strdup((const char *)text);
	return *ret_text ? 0 : -ENOMEM;
}

static int parse_pid(const char *text, pid_t *ret_pid)
{
	char *end;
	long pid = strtol(text, &end, 10);

	if (text[0] == '\0' || *end != '\0' || pid <= 0 || pid > INT32_MAX)
		return -ERR_MALFORMED;
	*ret_pid = (pid_t)pid;
	return 0;
}

int holder_parse(const void *data, size_t len, struct holder *ret_holder)
{
	_cleanup_(holder_release) struct holder h = HOLDER_INIT;
	_cleanup_(free_ptr) char *pid = NULL;
	struct cursor c = cursor_on(data, len);
	int r;

	if (len == 0)
		return -ENOENT;
	r = next_field(&c, &pid);
	if (r == 0)
		r = parse_pid(pid, &h.pid);
	if (r == 0)
		r = next_field(&c, &h.socket);
	if (r == 0)
		r = next_field(&c, &h.mountpoint);
	if (r == 0)
		r = next_field(&c, &h.library);
	if (r == 0 && c.left > 0)
		r = -ERR_MALFORMED;
	if (r < 0)
		return r;
	*ret_holder = h;
	h = HOLDER_INIT;
	return 0;
}

static int read_note(const char *path, struct holder *ret_holder)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char note[NOTE_MAX_BYTES];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, note, sizeof(note));
	if (n < 0)
		return -errno;
	return holder_parse(note, (size_t)n, ret_holder);
}

int holder_of_library(const struct uuid *library, struct holder *ret_holder)
{
	_cleanup_(free_ptr) char *path = NULL;
	int r = statedir_file(library, "run", &path);

	return r < 0 ? r : read_note(path, ret_holder);
}

int holder_of_folder(const char *library_dir, struct holder *ret_holder)
{
	_cleanup_(free_ptr) char *path = NULL;
	int r = lock_path(library_dir, &path);

	return r < 0 ? r : read_note(path, ret_holder);
}

struct search {
	const char *mountpoint;
	struct holder *found;
};

static int match_mount(void *arg, const struct uuid *library)
{
	struct search *search = arg;
	_cleanup_(holder_release) struct holder h = HOLDER_INIT;

	if (holder_of_library(library, &h) < 0 || strcmp(h.mountpoint, search->mountpoint) != 0)
		return 0;
	*search->found = h;
	h = HOLDER_INIT;
	return 1;
}

int holder_of_mount(const char *mountpoint, struct holder *ret_holder)
{
	struct search search = {.mountpoint = mountpoint, .found = ret_holder};
	int r = statedir_each(match_mount, &search);

	if (r < 0)
		return r;
	return r == 1 ? 0 : -ENOENT;
}

void holder_release(struct holder *holder)
{
	free(holder->socket);
	free(holder->mountpoint);
	free(holder->library);
	*holder = HOLDER_INIT;
}
