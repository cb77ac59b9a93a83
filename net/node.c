#include "net/node_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/random.h"

uint64_t node_now_ms(const struct node *node)
{
	return uv_now(node->links.loop);
}

uint16_t node_port(const struct node *node)
{
	return node->port;
}

void node_refusals(const struct node *node, struct node_refusals *ret_refusals)
{
	*ret_refusals = node->refusals;
}

/* --- conns --- */

int conn_new(struct node *node, struct conn **ret_conn)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return -ENOMEM;
	conn->node = node;
	conn->since_ms = node_now_ms(node);
	conn->next = node->conns;
	conn->link_to_this = &node->conns;
	if (conn->next)
		conn->next->link_to_this = &conn->next;
	node->conns = conn;
	node->children++;
	*ret_conn = conn;
	return 0;
}

void conn_free(struct conn *conn)
{
	struct node *node = conn->node;

	*conn->link_to_this = conn->next;
	if (conn->next)
		conn->next->link_to_this = conn->link_to_this;
	admission_leave(&node->admission, conn);
	free(conn);
	node_child_gone(node);
}

static void on_caller_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	free(handle);
	conn_free(conn);
}

void conn_cut(struct conn *conn)
{
	admission_leave(&conn->node->admission, conn);
	if (conn->link)
		link_abort(conn->link);
	else if (conn->tcp && !uv_is_closing((uv_handle_t *)conn->tcp))
		uv_close((uv_handle_t *)conn->tcp, on_caller_closed);
}

/* --- time --- */

static void on_timer(uv_timer_t *timer)
{
	struct node *node = timer->data;

	accept_cut_slow(node);
	for (size_t i = 0; i < node->peer_count; i++)
		dial_due(node->peers[i], node);
	node_arm(node);
}

void node_arm(struct node *node)
{
	uint64_t now = node_now_ms(node), at = accept_deadline_ms(node);

	if (node->closing)
		return;
	for (size_t i = 0; i < node->peer_count; i++) {
		uint64_t due = dialer_deadline_ms(node->peers[i]->dialer);

		at = due < at ? due : at;
	}
	if (at == UINT64_MAX)
		uv_timer_stop(&node->timer);
	else
		uv_timer_start(&node->timer, on_timer, at > now ? at - now : 0, 0);
}

/* --- beginning and end --- */

static void release(struct node *node)
{
	for (size_t i = 0; i < node->peer_count; i++)
		member_free(node->peers[i]);
	keyring_free(node->ring);
	link_context_release(&node->links);
	free(node);
}

void node_child_gone(struct node *node)
{
	void (*done)(void *) = node->done;
	void *arg = node->done_arg;

	if (--node->children > 0)
		return;
	assert(node->closing);
	release(node);
	if (done)
		done(arg);
}

static void on_timer_closed(uv_handle_t *handle)
{
	node_child_gone(handle->data);
}

int node_open(uv_loop_t *loop, const struct node_opts *opts, struct node **ret_node)
{
	_cleanup_(free_ptr) struct node *node = calloc(1, sizeof(*node));
	int r;

	if (!node)
		return -ENOMEM;
	r = keyring_new(opts->secret, &node->ring);
	if (r < 0)
		return r;
	node->events = opts->events;
	node->arg = opts->arg;
	r = link_context_init(&node->links, loop, node->ring, &opts->library, &opts->limits, &member_events, node);
	if (r == 0)
		r = listener_open(loop, opts->listen, opts->port, &accept_events, node, &node->listener);
	if (r < 0) {
		link_context_release(&node->links);
		keyring_free(node->ring);
		return r;
	}
	node->port = listener_port(node->listener);
	uv_timer_init(loop, &node->timer);
	node->timer.data = node;
	node->children = 2; /* listener and timer */
	*ret_node = TAKE_PTR(node);
	return 0;
}

void node_close(struct node *node, void (*done)(void *arg), void *arg)
{
	assert(!node->closing);
	node->closing = true;
	node->done = done;
	node->done_arg = arg;
	dial_cut_all(node, NULL);
	for (struct conn *conn = node->conns; conn; conn = conn->next) {
		if (conn->link)
			link_close(conn->link);
		else
			conn_cut(conn);
	}
	listener_close(node->listener);
	uv_close((uv_handle_t *)&node->timer, on_timer_closed);
}

void node_network_changed(struct node *node)
{
	dial_cut_all(node, NULL);
	for (size_t i = 0; i < node->peer_count; i++) {
		struct peer *peer = node->peers[i];

		dialer_network_changed(peer->dialer, node_now_ms(node));
		member_let_in(node, peer);
		if (peer->conn)
			link_probe(peer->conn->link);
	}
	node_arm(node);
}
