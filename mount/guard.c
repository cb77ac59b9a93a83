/* The guard waits for one of two things: a word from the daemon that all is well (a byte on the pipe), or the end of
 * the daemon's main thread. Of that the kernel tells by a signal (PR_SET_PDEATHSIG), also when other threads cannot
 * end. The end of the pipe means the same, but comes late: it is closed with the last thread.
 *
 * It shares nothing with the daemon but the pipe, and does not look like it (`pkill -f`, whoever kills by the command
 * line), since it is of use only when it outlives it. */
#include "mount/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mount/connection.h"

#define SIGNAL_DEATH SIGUSR2 /* of the daemon's main thread */

struct guard {
	pid_t pid;
	int pipe_fd; /* the guard reads at its other end */
	char *mountpoint;
};

enum word { WORD_NONE, WORD_ARM, WORD_END }; /* a byte, for ARM followed by the number of the connection */

struct message {
	enum word word;
	unsigned number;
};

/* --- in the guard --- */

/* The memory that ps and pkill show: argv, one block that begins with argv[0]. */
static void change_name(void)
{
	static const char name[] = "shelf-guard";
	_cleanup_(close_fd) int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	char *at = program_invocation_name; /* argv[0] itself */
	size_t len = 0;
	char piece[512];
	ssize_t n;

	prctl(PR_SET_NAME, name);
	while (fd >= 0 && (n = read(fd, piece, sizeof(piece))) > 0)
		len += (size_t)n;
	if (len < sizeof(name))
		return;
	memset(at, '\0', len);
	memcpy(at, name, sizeof(name));
}

static void let_go_of_everything(int *pipe_fd)
{
	int null = open("/dev/null", O_RDWR);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	dup2(*pipe_fd, STDERR_FILENO + 1);
	*pipe_fd = STDERR_FILENO + 1;
	close_range((unsigned)*pipe_fd + 1, ~0u, 0);
	if (chdir("/") < 0)
		_exit(1);
}

/* All signals but the one are left to others: a guard that Ctrl-C ends is none. */
static int block_signals(void)
{
	sigset_t all, death;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&death);
	sigaddset(&death, SIGNAL_DEATH);
	return signalfd(-1, &death, 0);
}

/* Returns when the daemon is dead. */
static struct message wait_for_death(int pipe_fd, int signal_fd)
{
	struct message armed = {.word = WORD_NONE};
	struct pollfd p[] = {{.fd = pipe_fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};

	for (;;) {
		struct message message;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			return armed;
		if (read(pipe_fd, &message, sizeof(message)) != sizeof(message))
			return armed;
		if (message.word == WORD_END)
			_exit(0);
		armed = message;
	}
}

static void guard_main(const char *mountpoint, int pipe_fd, pid_t daemon)
{
	struct message armed;
	int signal_fd;

	change_name();
	let_go_of_everything(&pipe_fd);
	signal_fd = block_signals();
	if (signal_fd < 0 || prctl(PR_SET_PDEATHSIG, SIGNAL_DEATH) < 0 || getppid() != daemon)
		_exit(1);
	armed = wait_for_death(pipe_fd, signal_fd);
	if (armed.word == WORD_ARM)
		(void)connection_cut(mountpoint, armed.number);
	_exit(0);
}

/* --- in the daemon --- */

int guard_start(const char *mountpoint, struct guard **ret_guard)
{
	struct guard *guard = calloc(1, sizeof(*guard));
	pid_t daemon = getpid();
	int ends[2];

	if (!guard)
		return -ENOMEM;
	guard->mountpoint = strdup(mountpoint);
	if (!guard->mountpoint || pipe2(ends, O_CLOEXEC) < 0) {
		free(guard->mountpoint);
		free(guard);
		return -ENOMEM;
	}
	guard->pid = fork();
	if (guard->pid == 0)
		guard_main(mountpoint, ends[0], daemon);
	close(ends[0]);
	guard->pipe_fd = ends[1];
	*ret_guard = guard;
	if (guard->pid > 0)
		return 0;
	guard_end(guard);
	return -EAGAIN;
}

static void tell(struct guard *guard, const struct message *message)
{
	if (write(guard->pipe_fd, message, sizeof(*message)) != (ssize_t)sizeof(*message))
		log_debug("the guard is gone");
}

void guard_arm(struct guard *guard)
{
	struct message message = {.word = WORD_ARM};

	if (connection_of(guard->mountpoint, &message.number) == 0)
		tell(guard, &message);
}

void guard_end(struct guard *guard)
{
	const struct message message = {.word = WORD_END};

	if (!guard)
		return;
	if (guard->pid > 0) {
		tell(guard, &message);
		while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(guard->pipe_fd);
	free(guard->mountpoint);
	free(guard);
}
