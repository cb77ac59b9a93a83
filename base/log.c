/* The state of the log of this process: where lines go and from which level on. The level is read without the lock, so
 * that a line which is not wanted costs nothing. The lock covers writing and rotation, so that lines never mix and
 * never land in a file that was just renamed. A level set by the program wins over $SHELF_LOG. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utf8proc.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum { LOG_FILE_MAX_BYTES = 1024 * 1024, LOG_LEVEL_UNSET = -1 };

static struct {
	pthread_mutex_t lock;
	atomic_int level;
	int fd;		  /* lock; -1: standard error */
	char *path;	  /* lock; absolute, NULL without a file */
	off_t size_bytes; /* lock; of the file */
} logger = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_LEVEL_UNSET, .fd = -1};

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static int level_of_environment(enum log_level otherwise)
{
	const char *wanted = getenv("SHELF_LOG");

	for (int i = LOG_ERROR; wanted && i <= LOG_DEBUG; i++) {
		if (strcmp(wanted, level_names[i]) == 0)
			return i;
	}
	return (int)otherwise;
}

static bool is_wanted(enum log_level level)
{
	int limit = atomic_load(&logger.level);

	if (limit == LOG_LEVEL_UNSET) {
		int unset = LOG_LEVEL_UNSET;

		limit = level_of_environment(LOG_INFO);
		if (!atomic_compare_exchange_strong(&logger.level, &unset, limit))
			limit = unset;
	}
	return (int)level <= limit;
}

void log_set_level(enum log_level level)
{
	atomic_store(&logger.level, (int)level);
}

void log_set_default(enum log_level level)
{
	atomic_store(&logger.level, level_of_environment(level));
}

/* Appends `text` with control characters, and bytes that a terminal might take for them, as \xNN. */
static void append_escaped(struct buf *b, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t left = strlen(text);

	while (left > 0) {
		utf8proc_int32_t point;
		utf8proc_ssize_t n = utf8proc_iterate(at, left > 4 ? 4 : (utf8proc_ssize_t)left, &point);
		size_t step = n > 0 ? (size_t)n : 1;

		if (n > 0 && utf8proc_category(point) != UTF8PROC_CATEGORY_CC)
			buf_append(b, at, step);
		else
			for (size_t i = 0; i < step; i++)
				buf_printf(b, "\\x%02x", at[i]);
		at += step;
		left -= step;
	}
}

static void append_time(struct buf *b)
{
	struct timespec now;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b, "%s.%03dZ ", text, (int)(now.tv_nsec / 1000000));
}

/* Opens `path` for appending. */
static int open_file(const char *path, int *ret_fd, off_t *ret_size_bytes)
{
	_cleanup_(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret_size_bytes = st.st_size;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int log_open_file(const char *path)
{
	_cleanup_(free_ptr) char *absolute = NULL; /* a daemon changes its directory */
	_cleanup_(close_fd) int fd = -1;
	char *old_path;
	off_t size_bytes = 0;
	int old_fd;
	int r = open_file(path, &fd, &size_bytes);

	if (r < 0)
		return r;
	absolute = realpath(path, NULL);
	if (!absolute)
		return -errno;

	pthread_mutex_lock(&logger.lock);
	old_path = logger.path;
	old_fd = logger.fd;
	logger.path = TAKE_PTR(absolute);
	logger.fd = TAKE_FD(fd);
	logger.size_bytes = size_bytes;
	pthread_mutex_unlock(&logger.lock);

	free(old_path);
	close_fd(&old_fd);
	return 0;
}

/* Under the lock. When it fails the file just grows on: better than losing lines. */
static void rotate(void)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	_cleanup_(free_ptr) char *old_name = NULL;
	off_t size_bytes = 0;
	int fd = -1;

	buf_printf(&b, "%s.1", logger.path);
	old_name = buf_take_str(&b);
	if (!old_name || rename(logger.path, old_name) < 0 || open_file(logger.path, &fd, &size_bytes) < 0)
		return;
	close(logger.fd);
	logger.fd = fd;
	logger.size_bytes = size_bytes;
}

static void write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody is left to tell */
		at += n;
		len -= (size_t)n;
	}
}

static void write_line(const struct buf *line)
{
	static const char lost[] = "error: a log line was lost for want of memory\n";
	const void *data = buf_error(line) ? (const void *)lost : line->data;
	size_t len = buf_error(line) ? sizeof(lost) - 1 : line->len;

	pthread_mutex_lock(&logger.lock);
	if (logger.fd >= 0 && logger.size_bytes >= LOG_FILE_MAX_BYTES)
		rotate();
	write_all(logger.fd >= 0 ? logger.fd : STDERR_FILENO, data, len);
	logger.size_bytes += (off_t)len;
	pthread_mutex_unlock(&logger.lock);
}

void log_write(enum log_level level, const char *format, ...)
{
	_cleanup_(buf_release) struct buf line = BUF_INIT;
	_cleanup_(free_ptr) char *text = NULL;
	int saved_errno = errno; /* callers log between a failure and the look at its errno */
	va_list args;

	if (!is_wanted(level))
		return;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	append_time(&line);
	buf_printf(&line, "%s: ", level_names[level]);
	append_escaped(&line, text ? text : "(no memory for this line)");
	buf_append(&line, "\n", 1);
	write_line(&line);
	errno = saved_errno;
}
