#include "net/nearby.h"

#include <errno.h>
#include <stdlib.h>

struct nearby {
	struct discovery *discovery; /* owned */
	uv_timer_t timer;
	unsigned handles; /* of discovery and timer: not closed yet */
	struct nearby_opts opts;
	struct candidates devices;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void on_open_heard(void *arg, const struct beacon *beacon, const struct sockaddr *from)
{
	struct nearby *n = arg;
	struct candidate *device;

	if (beacon->flags & BEACON_LEAVING)
		return;
	device = candidates_add(&n->devices, beacon->instance, beacon->name, from);
	if (device && n->opts.found)
		n->opts.found(n->opts.arg, device);
}

static void on_time(uv_timer_t *timer)
{
	struct nearby *n = timer->data;

	if (n->opts.done)
		n->opts.done(n->opts.arg);
}

int nearby_open(uv_loop_t *loop, const struct nearby_opts *opts, struct nearby **ret_nearby)
{
	struct discovery_opts listen = {.udp_port = opts->discovery.udp_port,
					.interfaces = opts->discovery.interfaces,
					.open_heard = on_open_heard};
	struct nearby *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->opts = *opts;
	listen.arg = n;
	r = discovery_open(loop, &listen, &n->discovery);
	if (r < 0) {
		free(n);
		return r;
	}
	uv_timer_init(loop, &n->timer);
	n->timer.data = n;
	n->handles = 2;
	if (opts->time_ms > 0)
		uv_timer_start(&n->timer, on_time, opts->time_ms, 0);
	*ret_nearby = n;
	return 0;
}

static void on_closed(void *arg)
{
	struct nearby *n = arg;
	void (*closed)(void *) = n->closed;
	void *closed_arg = n->closed_arg;

	if (--n->handles > 0)
		return;
	free(n);
	if (closed)
		closed(closed_arg);
}

static void on_timer_closed(uv_handle_t *timer)
{
	on_closed(timer->data);
}

void nearby_close(struct nearby *n, void (*closed)(void *arg), void *arg)
{
	n->closed = closed;
	n->closed_arg = arg;
	discovery_close(n->discovery, on_closed, n);
	uv_close((uv_handle_t *)&n->timer, on_timer_closed);
}
