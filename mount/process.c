#include "mount/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The file of /proc/PID (proc(5)), NUL-terminated; the length, or -1. */
static ssize_t read_file(pid_t pid, const char *name, char *ret_text, size_t size)
{
	char path[64];
	_cleanup_(close_fd) int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret_text, size - 1);
	ret_text[n > 0 ? n : 0] = '\0';
	return n;
}

enum process_state process_look(pid_t pid)
{
	char text[1024], state;
	const char *after_name;
	long threads;

	if (read_file(pid, "stat", text, sizeof(text)) < 0)
		return PROCESS_GONE;
	after_name = strrchr(text, ')'); /* "12 (any name) Z ..."; the 20th field is the number of threads */
	if (!after_name ||
	    sscanf(after_name + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld", &state,
		   &threads) != 2)
		return PROCESS_GONE;
	if (state != 'Z' && state != 'X')
		return PROCESS_ALIVE;
	return threads > 1 ? PROCESS_STUCK : PROCESS_GONE;
}

void process_name(pid_t pid, char ret_name[32])
{
	read_file(pid, "comm", ret_name, 32);
	ret_name[strcspn(ret_name, "\n")] = '\0';
}
