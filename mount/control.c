/* What it holds: the listening socket, the thread that accepts, and a fixed number of slots, one for each command that
 * is under way. A slot is free, running (its thread owns the connection) or ended (its thread is to be joined, which
 * the accepting thread does before it uses the slot again). Threads are joined, not detached, so that after
 * control_stop none of them has a reader of the store any more. `lock` guards the slots' states and descriptors. */
#include "mount/control.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "mount/channel.h"
#include "mount/command.h"
#include "mount/frame.h"
#include "mount/holder.h"
#include "mount/path.h"
#include "mount/process.h"

enum {
	REQUEST_TIMEOUT_MS = 5000,
	BACKLOG = 64,
	FULL_WAIT_MS = 2000, /* for one of the slots to get free, before a client is refused */
	LAST_WORDS_MS = 1000,
	STEP_MS = 20,
};

enum slot_state { SLOT_FREE, SLOT_RUNNING, SLOT_ENDED };

struct slot {
	struct control *control;
	enum slot_state state;
	pthread_t thread;
	int fd; /* -1 unless running */
};

struct control {
	pthread_mutex_t lock;
	struct library *library;
	char *path;
	int listen_fd;
	int wake_fd; /* an eventfd: written to when stopping */
	atomic_bool stopping;
	pthread_t acceptor;
	struct slot slots[CONTROL_CALLS_MAX];
};

/* --- addresses --- */

/* The folder is opened and named through /proc, so the length of its path does not matter (unix(7): 108 bytes). */
static int address_of(const char *path, int *ret_dir_fd, struct sockaddr_un *ret_address)
{
	_cleanup_(free_ptr) char *copy = strdup(path);
	_cleanup_(close_fd) int fd = -1;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", fd, path_base(path));
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	*ret_address = address;
	*ret_dir_fd = TAKE_FD(fd);
	return 0;
}

static bool may_talk(int fd)
{
	struct ucred other;
	socklen_t len = sizeof(other);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &other, &len) < 0)
		return false;
	return other.uid == geteuid() || other.uid == 0;
}

int control_connect(const char *path, int *ret_fd)
{
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_(close_fd) int dir_fd = -1;
	struct sockaddr_un address;
	int r = fd < 0 ? -errno : address_of(path, &dir_fd, &address);

	if (r < 0)
		return r;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (geteuid() != 0 && !may_talk(fd)) /* root may use anybody's daemon */
		return -EPERM;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

bool control_lives(const struct holder *holder)
{
	_cleanup_(close_fd) int fd = -1;

	return process_look(holder->pid) == PROCESS_ALIVE && control_connect(holder->socket, &fd) != -ECONNREFUSED;
}

static int listen_on(const char *path, int *ret_fd)
{
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	_cleanup_(close_fd) int dir_fd = -1;
	struct sockaddr_un address;
	int r = fd < 0 ? -errno : address_of(path, &dir_fd, &address);

	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (fchmod(fd, 0600) < 0) /* before bind: the file is made with this mode */
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0600) < 0)
		return -errno;
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* --- one command --- */

static int run_request(struct control *control, int fd, const struct frame *request)
{
	struct channel channel = {.fd = fd, .stopping = &control->stopping};
	struct out out;
	int code = EXITCODE_USAGE;

	out_init(&out, &channel_sink, &channel, request->flags & FRAME_STDOUT_TTY, request->flags & FRAME_STDERR_TTY);
	if (request->version != FRAME_VERSION)
		out_error(&out, "the daemon is another version of shelf than this command: unmount the library and "
				"mount it again");
	else
		code = command_run(control->library, &out, request->word_count, request->words);
	out_release(&out);
	return channel_exit(&channel, code);
}

static void serve(struct control *control, int fd)
{
	_cleanup_(buf_release) struct buf payload = BUF_INIT;
	struct frame frame = {0};
	int r = frame_read(fd, FRAME_REQUEST_MAX_BYTES, REQUEST_TIMEOUT_MS, NULL, &payload);

	if (r == 0)
		r = frame_decode(payload.data, payload.len, &frame);
	if (r == 0 && frame.kind != FRAME_REQUEST)
		r = -ERR_MALFORMED;
	buf_release(&payload);
	if (r == 0)
		r = run_request(control, fd, &frame);
	free(frame.words);
	if (r < 0)
		log_debug("control connection: %s", err_str(r));
}

static void *slot_main(void *arg)
{
	struct slot *slot = arg;
	struct control *control = slot->control;

	serve(control, slot->fd);
	pthread_mutex_lock(&control->lock);
	close(slot->fd);
	slot->fd = -1;
	slot->state = SLOT_ENDED;
	pthread_mutex_unlock(&control->lock);
	return NULL;
}

/* --- accepting --- */

static struct slot *take_slot(struct control *control)
{
	struct slot *found = NULL;
	bool join = false;

	pthread_mutex_lock(&control->lock);
	for (int i = 0; i < CONTROL_CALLS_MAX && !found; i++) {
		if (control->slots[i].state != SLOT_RUNNING)
			found = &control->slots[i];
	}
	join = found && found->state == SLOT_ENDED;
	pthread_mutex_unlock(&control->lock);
	if (join) /* its thread does nothing more that could take time */
		pthread_join(found->thread, NULL);
	if (found)
		found->state = SLOT_FREE; /* only this thread uses slots that do not run */
	return found;
}

/* Others wait meanwhile in the queue of the socket. */
static struct slot *wait_for_slot(struct control *control)
{
	struct slot *slot = take_slot(control);

	for (int i = 0; !slot && i < FULL_WAIT_MS / STEP_MS && !atomic_load(&control->stopping); i++) {
		poll(NULL, 0, STEP_MS);
		slot = take_slot(control);
	}
	return slot;
}

static void refuse(int fd)
{
	struct channel channel = {.fd = fd};
	struct out out;

	out_init(&out, &channel_sink, &channel, false, false);
	out_error(&out, "%d commands are running in the daemon already; try again", CONTROL_CALLS_MAX);
	out_release(&out);
	(void)channel_exit(&channel, EXITCODE_BUSY);
}

static void begin(struct control *control, int fd_in)
{
	_cleanup_(close_fd) int fd = fd_in;
	struct slot *slot = wait_for_slot(control);
	int r;

	if (!slot) {
		refuse(fd);
		return;
	}
	pthread_mutex_lock(&control->lock);
	slot->fd = fd;
	slot->state = SLOT_RUNNING;
	r = pthread_create(&slot->thread, NULL, slot_main, slot);
	if (r == 0)
		(void)TAKE_FD(fd);
	else
		slot->state = SLOT_FREE;
	pthread_mutex_unlock(&control->lock);
	if (r != 0)
		log_warn("cannot run a command: %s", err_str(r));
}

static void *acceptor_main(void *arg)
{
	struct control *control = arg;
	struct pollfd p[] = {{.fd = control->listen_fd, .events = POLLIN}, {.fd = control->wake_fd, .events = POLLIN}};

	while (!atomic_load(&control->stopping)) {
		int fd;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (!(p[0].revents & POLLIN))
			continue;
		fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
			poll(&p[1], 1, 100); /* the connection stays waiting: do not spin */
		if (fd < 0)
			continue;
		if (may_talk(fd))
			begin(control, fd);
		else
			close(fd);
	}
	return NULL;
}

/* --- beginning and end --- */

static void release(struct control *control)
{
	close_fd(&control->listen_fd);
	close_fd(&control->wake_fd);
	pthread_mutex_destroy(&control->lock);
	free(control->path);
	free(control);
}

int control_start(struct library *library, const char *path, struct control **ret_control)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return -ENOMEM;
	pthread_mutex_init(&control->lock, NULL);
	control->library = library;
	control->listen_fd = -1;
	control->wake_fd = eventfd(0, EFD_CLOEXEC);
	control->path = strdup(path);
	for (int i = 0; i < CONTROL_CALLS_MAX; i++)
		control->slots[i] = (struct slot){.control = control, .fd = -1};
	r = control->wake_fd < 0 ? -errno : !control->path ? -ENOMEM : listen_on(path, &control->listen_fd);
	if (r == 0)
		r = -pthread_create(&control->acceptor, NULL, acceptor_main, control);
	if (r < 0) {
		release(control);
		return r;
	}
	*ret_control = control;
	return 0;
}

static void end_slots(struct control *control)
{
	for (int i = 0; i < CONTROL_CALLS_MAX; i++) {
		struct slot *slot = &control->slots[i];
		bool join;

		pthread_mutex_lock(&control->lock);
		join = slot->state != SLOT_FREE;
		pthread_mutex_unlock(&control->lock);
		if (join)
			pthread_join(slot->thread, NULL);
	}
}

static bool any_running(struct control *control)
{
	bool running = false;

	pthread_mutex_lock(&control->lock);
	for (int i = 0; i < CONTROL_CALLS_MAX; i++)
		running |= control->slots[i].state == SLOT_RUNNING;
	pthread_mutex_unlock(&control->lock);
	return running;
}

/* A moment in which commands that were cancelled may say so. */
static void wait_for_last_words(struct control *control)
{
	for (int i = 0; i < LAST_WORDS_MS / STEP_MS && any_running(control); i++)
		poll(NULL, 0, STEP_MS);
}

/* Wakes a command that waits for its client to read. */
static void hang_up(struct control *control)
{
	pthread_mutex_lock(&control->lock);
	for (int i = 0; i < CONTROL_CALLS_MAX; i++) {
		if (control->slots[i].fd >= 0)
			shutdown(control->slots[i].fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&control->lock);
}

void control_stop(struct control *control)
{
	if (!control)
		return;
	atomic_store(&control->stopping, true);
	(void)eventfd_write(control->wake_fd, 1);
	pthread_join(control->acceptor, NULL);
	unlink(control->path);
	wait_for_last_words(control);
	hang_up(control);
	end_slots(control);
	release(control);
}
