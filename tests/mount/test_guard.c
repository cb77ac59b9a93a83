/* The guard against a daemon that was killed and cannot die. A fake daemon speaks just enough FUSE (linux/fuse.h) to
 * get into that state: it never answers a mkdir, and one of its threads asks the kernel to forget a name of the same
 * folder, which waits for the lock that the mkdir holds. Needs root, for mount(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "mount/connection.h"
#include "mount/guard.h"
#include "mount/process.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

struct world {
	struct scratch scratch;
	char *mountpoint;
	pid_t daemon, client;
	int ready_fd; /* a byte comes when the daemon is where it is to be killed */
};

/* --- the fake daemon --- */

static void reply(int fuse, uint64_t unique, int error, const void *data, size_t len)
{
	struct fuse_out_header head = {.len = (uint32_t)(sizeof(head) + len), .error = error, .unique = unique};
	struct iovec parts[] = {{&head, sizeof(head)}, {(void *)data, len}};

	(void)!writev(fuse, parts, 2);
}

static void *forget_a_name(void *arg)
{
	int fuse = *(int *)arg;
	struct fuse_notify_inval_entry_out forget = {.parent = FUSE_ROOT_ID, .namelen = 1};
	struct fuse_out_header head = {.len = sizeof(head) + sizeof(forget) + 2, .error = FUSE_NOTIFY_INVAL_ENTRY};
	struct iovec parts[] = {{&head, sizeof(head)}, {&forget, sizeof(forget)}, {(void *)"y", 2}};

	(void)!writev(fuse, parts, 3);
	return NULL;
}

static void serve(int fuse, int ready_fd)
{
	static char request[FUSE_MIN_READ_BUFFER + 4096];
	const struct fuse_in_header *in = (const void *)request;
	pthread_t thread;

	while (read(fuse, request, sizeof(request)) > 0) {
		struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096};
		struct fuse_attr_out attr = {.attr_valid = 100, .attr = {.ino = 1, .mode = S_IFDIR | 0755, .nlink = 2}};

		if (in->opcode == FUSE_INIT) {
			reply(fuse, in->unique, 0, &init, sizeof(init));
		} else if (in->opcode == FUSE_GETATTR) {
			reply(fuse, in->unique, 0, &attr, sizeof(attr));
		} else if (in->opcode == FUSE_LOOKUP) {
			reply(fuse, in->unique, -ENOENT, NULL, 0);
		} else if (in->opcode == FUSE_MKDIR) {
			pthread_create(&thread, NULL, forget_a_name, &fuse);
			usleep(200 * 1000); /* until it waits in the kernel */
			(void)!write(ready_fd, "x", 1);
		} else if (in->opcode != FUSE_FORGET) {
			reply(fuse, in->unique, -ENOSYS, NULL, 0);
		}
	}
}

static void daemon_main(struct world *w, int ready_fd, bool guarded)
{
	struct guard *guard = NULL;
	char options[128];
	int fuse;

	if (guarded && guard_start(w->mountpoint, &guard) < 0)
		_exit(1);
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	if (fuse < 0 || mount("shelf", w->mountpoint, "fuse.shelf", MS_NOSUID | MS_NODEV, options) < 0)
		_exit(1);
	if (guard)
		guard_arm(guard);
	serve(fuse, ready_fd);
	_exit(0);
}

/* --- around it --- */

static pid_t start_client(const char *mountpoint)
{
	_cleanup_(free_ptr) char *path = NULL;
	pid_t pid;

	assert_true(asprintf(&path, "%s/x", mountpoint) > 0);
	pid = fork();
	if (pid == 0)
		_exit(mkdir(path, 0700) < 0 ? errno : 0);
	return pid;
}

static void get_stuck(struct world *w, bool guarded)
{
	int ends[2];
	struct pollfd p;
	unsigned number;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	w->ready_fd = ends[0];
	w->daemon = fork();
	if (w->daemon == 0)
		daemon_main(w, ends[1], guarded);
	close(ends[1]);
	for (int i = 0; i < 500 && connection_of(w->mountpoint, &number) < 0; i++)
		usleep(10 * 1000);
	w->client = start_client(w->mountpoint);
	p = (struct pollfd){.fd = ends[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_true(p.revents & POLLIN);
}

/* The exit code of the client; -1: it still hangs. */
static int wait_for_client(struct world *w, int ms)
{
	int status;

	for (; ms > 0; ms -= 10) {
		if (waitpid(w->client, &status, WNOHANG) == w->client) {
			w->client = 0;
			return WEXITSTATUS(status);
		}
		usleep(10 * 1000);
	}
	return -1;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	w->ready_fd = -1;
	if (scratch_init(&w->scratch) < 0)
		return -1;
	w->mountpoint = scratch_path(&w->scratch, "mnt");
	return mkdir(w->mountpoint, 0700);
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->daemon > 0)
		kill(w->daemon, SIGKILL);
	umount2(w->mountpoint, MNT_FORCE); /* cuts the connection, whatever went wrong */
	umount2(w->mountpoint, MNT_DETACH);
	if (w->daemon > 0)
		waitpid(w->daemon, NULL, 0);
	if (w->client > 0)
		waitpid(w->client, NULL, 0);
	close_fd(&w->ready_fd);
	scratch_release(&w->scratch);
	free(w->mountpoint);
	free(w);
	return 0;
}

static void need_root_and_fuse(void)
{
	if (geteuid() == 0 && access("/dev/fuse", R_OK | W_OK) == 0)
		return;
	print_message("SKIPPED: needs root and /dev/fuse\n");
	skip();
}

/* What the guard is for. When this fails the kernel has learnt better, and the guard can go. */
static void without_a_guard_it_hangs(void **state)
{
	struct world *w = *state;
	unsigned number;

	need_root_and_fuse();
	get_stuck(w, false);
	assert_int_equal(process_look(w->daemon), PROCESS_ALIVE);
	kill(w->daemon, SIGKILL);
	assert_int_equal(wait_for_client(w, 1000), -1);
	assert_int_equal(process_look(w->daemon), PROCESS_STUCK);
	assert_int_equal(connection_of(w->mountpoint, &number), 0);
	assert_int_equal(connection_cut(w->mountpoint, number + 1), -ENOENT); /* not that of others */
	assert_int_equal(connection_cut(w->mountpoint, number), 0);
	assert_int_equal(wait_for_client(w, 5000), ECONNABORTED);
	assert_int_equal(waitpid(w->daemon, NULL, 0), w->daemon);
	assert_int_equal(process_look(w->daemon), PROCESS_GONE);
	w->daemon = 0;
}

static void the_guard_frees_it(void **state)
{
	struct world *w = *state;

	need_root_and_fuse();
	get_stuck(w, true);
	kill(w->daemon, SIGKILL);
	assert_int_equal(wait_for_client(w, 5000), ECONNABORTED);
}

static void an_end_in_order_ends_the_guard(void **state)
{
	struct guard *guard = NULL;

	assert_int_equal(guard_start("/nonexistent", &guard), 0);
	guard_arm(guard); /* no mount there: nothing to guard */
	guard_end(guard);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void states_of_processes(void **state)
{
	pid_t pid = fork();
	siginfo_t info;
	char name[32];

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(process_look(pid), PROCESS_GONE); /* only its exit code is left */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(process_look(pid), PROCESS_GONE);
	assert_int_equal(process_look(getpid()), PROCESS_ALIVE);
	process_name(getpid(), name);
	assert_string_equal(name, "test_mount_guar"); /* the kernel keeps 15 bytes */
	process_name(pid, name);
	assert_string_equal(name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(without_a_guard_it_hangs, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_guard_frees_it, setup, teardown),
	    cmocka_unit_test(an_end_in_order_ends_the_guard),
	    cmocka_unit_test(states_of_processes),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
