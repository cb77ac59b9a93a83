#include "mount/unmounting.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mount/path.h"

enum { USERS_SHOWN = 5, MESSAGE_MAX = 512 };

/* libfuse looks there, too, whatever $PATH says. */
static const char standard_path[] = "/usr/bin:/bin:/usr/local/bin";

static bool find_in(const char *path, char ret_file[PATH_MAX])
{
	while (path && *path) {
		size_t len = strcspn(path, ":");
		int n = snprintf(ret_file, PATH_MAX, "%.*s/fusermount3", (int)len, path);

		if (n > 0 && n < PATH_MAX && access(ret_file, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

static bool find_fusermount(char ret_file[PATH_MAX])
{
	return find_in(getenv("PATH"), ret_file) || find_in(standard_path, ret_file);
}

bool unmounting_has_fusermount(void)
{
	char file[PATH_MAX];

	return find_fusermount(file);
}

/* Starts `argv` with its standard error in *ret_fd; messages in English, since they are read below. */
static int spawn(char *const argv[], pid_t *ret_pid, int *ret_fd)
{
	char *const environment[] = {"LC_ALL=C", NULL};
	posix_spawn_file_actions_t actions;
	int pipes[2], r;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO);
	r = -posix_spawn(ret_pid, argv[0], &actions, NULL, argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	if (r < 0)
		close(pipes[0]);
	else
		*ret_fd = pipes[0];
	return r;
}

static void read_message(int fd, char ret_message[MESSAGE_MAX])
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, ret_message + len, MESSAGE_MAX - 1 - len)) > 0)
		len += (size_t)n;
	ret_message[len] = '\0';
}

static int fusermount(const char *mountpoint, bool lazy)
{
	char file[PATH_MAX];
	char *const argv[] = {file, lazy ? "-uz" : "-u", "--", (char *)mountpoint, NULL};
	char message[MESSAGE_MAX];
	_cleanup_(close_fd) int fd = -1;
	int status;
	pid_t pid;
	int r;

	if (!find_fusermount(file))
		return -ENOENT;
	r = spawn(argv, &pid, &fd);
	if (r < 0)
		return r;
	read_message(fd, message);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (strstr(message, "busy"))
		return -EBUSY;
	if (strstr(message, "not found") || strstr(message, "Invalid argument"))
		return -EINVAL;
	return strstr(message, "not permitted") || strstr(message, "denied") ? -EPERM : -EIO;
}

int unmounting_run(const char *mountpoint, bool lazy)
{
	if (umount2(mountpoint, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	return errno == EPERM ? fusermount(mountpoint, lazy) : -errno;
}

/* --- who uses it --- */

static bool link_leads_below(int dir_fd, const char *name, const char *mountpoint)
{
	char target[4096];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	return path_is_below(target, mountpoint);
}

static bool has_open_file(int process_fd, const char *mountpoint)
{
	int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool found = false;

	if (!dir) {
		close_fd(&fd);
		return false;
	}
	for (struct dirent *e = readdir(dir); e && !found; e = readdir(dir))
		found = link_leads_below(dirfd(dir), e->d_name, mountpoint);
	closedir(dir);
	return found;
}

static bool uses(int process_fd, const char *mountpoint)
{
	return link_leads_below(process_fd, "cwd", mountpoint) || link_leads_below(process_fd, "root", mountpoint) ||
	       link_leads_below(process_fd, "exe", mountpoint) || has_open_file(process_fd, mountpoint);
}

static void say_user(int process_fd, const char *pid, struct out *out)
{
	_cleanup_(close_fd) int fd = openat(process_fd, "comm", O_RDONLY | O_CLOEXEC);
	char name[32] = "";
	ssize_t n = fd < 0 ? 0 : read(fd, name, sizeof(name) - 1);

	name[n > 0 ? n : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	out_note(out, "  in use by %s (process %s)", name[0] ? name : "?", pid);
}

void unmounting_say_users(const char *mountpoint, struct out *out)
{
	DIR *proc = opendir("/proc");
	int shown = 0;

	if (!proc)
		return;
	for (struct dirent *e = readdir(proc); e && shown < USERS_SHOWN; e = readdir(proc)) {
		_cleanup_(close_fd) int fd = -1;

		if (e->d_name[0] < '1' || e->d_name[0] > '9' || atol(e->d_name) == getpid())
			continue;
		fd = openat(dirfd(proc), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || !uses(fd, mountpoint))
			continue;
		say_user(fd, e->d_name, out);
		shown++;
	}
	closedir(proc);
}
