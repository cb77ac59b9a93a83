/* Two handles: the poll on the socket and the timer of the pause. The last of their close callbacks frees. */
#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/limits.h"

enum { BACKLOG = 256 };

struct listener {
	const struct listener_events *events;
	void *arg;
	int fd;
	uint16_t port;
	unsigned handles;
	uv_poll_t poll;
	uv_timer_t pause;
};

static socklen_t length_of(const struct sockaddr *address)
{
	return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static int open_socket(const struct sockaddr *address, int *ret_fd)
{
	_cleanup_(close_fd) int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, off = 0;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->sa_family == AF_INET6) /* IPv4 as well, whatever the system's default is */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, address, length_of(address)) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int open_any(uint16_t port, int *ret_fd)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	int r = open_socket((struct sockaddr *)&in6, ret_fd);

	if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) /* a machine without IPv6 */
		r = open_socket((struct sockaddr *)&in, ret_fd);
	return r;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
	struct listener *listener = timer->data;

	uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static void pause_after(struct listener *listener, int error)
{
	uv_poll_stop(&listener->poll);
	uv_timer_start(&listener->pause, on_pause_over, NODE_ACCEPT_PAUSE_MS, 0);
	listener->events->failed(listener->arg, error);
}

/* 1: there are no more. A connection that broke while it waited is not our trouble (accept(2), "Error handling"). */
static int accept_one(struct listener *listener)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int fd = accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		listener->events->connection(listener->arg, fd, (struct sockaddr *)&from);
		return 0;
	}
	switch (errno) {
	case EAGAIN:
		return 1;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EBADF:
	case EINVAL:
		return -errno;
	default:
		return 0;
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;
	int r = status;

	for (unsigned i = 0; r == 0 && i < NODE_ACCEPT_BATCH && !uv_is_closing((uv_handle_t *)poll); i++)
		r = accept_one(listener);
	if (r < 0 && !uv_is_closing((uv_handle_t *)poll))
		pause_after(listener, r);
}

int listener_open(uv_loop_t *loop, const struct sockaddr *address, uint16_t port, const struct listener_events *events,
		  void *arg, struct listener **ret_listener)
{
	_cleanup_(free_ptr) struct listener *listener = calloc(1, sizeof(*listener));
	_cleanup_(close_fd) int fd = -1;
	int r;

	if (!listener)
		return -ENOMEM;
	r = address ? open_socket(address, &fd) : open_any(port, &fd);
	if (r == 0)
		r = uv_poll_init_socket(loop, &listener->poll, fd);
	if (r < 0)
		return r;
	listener->events = events;
	listener->arg = arg;
	listener->port = port_of(fd);
	listener->fd = TAKE_FD(fd);
	listener->handles = 2;
	uv_timer_init(loop, &listener->pause);
	listener->poll.data = listener->pause.data = listener;
	uv_poll_start(&listener->poll, UV_READABLE, on_readable);
	*ret_listener = TAKE_PTR(listener);
	return 0;
}

uint16_t listener_port(const struct listener *listener)
{
	return listener->port;
}

static void on_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;

	if (--listener->handles > 0)
		return;
	listener->events->gone(listener->arg);
	free(listener);
}

void listener_close(struct listener *listener)
{
	uv_close((uv_handle_t *)&listener->poll, on_closed);
	uv_close((uv_handle_t *)&listener->pause, on_closed);
	close(listener->fd); /* allowed as soon as the poll is closing */
}
