#include "mount/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mountinfo.h"
#include "fs/session.h"
#include "mount/holder.h"
#include "mount/process.h"

#define CONTROL_FOLDER "/sys/fs/fuse/connections"

int connection_of(const char *mountpoint, unsigned *ret_number)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;
	const struct mountinfo_line *line;
	int r = mountinfo_read(&info);

	if (r < 0)
		return r;
	line = mountinfo_at(&info, mountpoint);
	if (!line || strcmp(line->type, SESSION_MOUNT_TYPE) != 0)
		return -ENOENT;
	*ret_number = line->minor; /* fuse numbers its connections by their anonymous device, whose major is 0 */
	return 0;
}

static int write_abort(unsigned number)
{
	char path[64];
	_cleanup_(close_fd) int fd = -1;

	snprintf(path, sizeof(path), CONTROL_FOLDER "/%u/abort", number);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, "1", 1) == 1 ? 0 : -errno;
}

static int mount_control(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return mount("fusectl", CONTROL_FOLDER, "fusectl", 0, NULL) < 0 ? -errno : 0;
}

/* Where fusectl is not mounted (containers) root mounts it in a namespace that nobody else sees: in a process of its
 * own, because whatever we mount or unmount afterwards is for all to see. */
static int write_abort_apart(unsigned number)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(mount_control() == 0 && write_abort(number) == 0 ? 0 : 1);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}

int connection_cut(const char *mountpoint, unsigned number)
{
	unsigned now;
	int r = connection_of(mountpoint, &now);

	if (r < 0 || now != number)
		return r < 0 ? r : -ENOENT;
	r = write_abort(number);
	return r == -ENOENT && geteuid() == 0 ? write_abort_apart(number) : r;
}

int connection_free_stuck(const char *mountpoint)
{
	_cleanup_(holder_release) struct holder holder = HOLDER_INIT;
	unsigned number;

	if (connection_of(mountpoint, &number) < 0 || holder_of_mount(mountpoint, &holder) < 0 ||
	    process_look(holder.pid) != PROCESS_STUCK)
		return 0;
	return connection_cut(mountpoint, number) < 0 ? -EBUSY : 0;
}
