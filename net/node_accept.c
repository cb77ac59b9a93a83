/* Callers: from accept to the end of their preamble. Not one byte more is read, so that whoever goes on has it all. */
#include "net/node_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

static void refuse(struct conn *conn, uint64_t *counter)
{
	(*counter)++;
	conn_cut(conn);
}

static void hand_to_pairing(struct conn *conn)
{
	struct node *node = conn->node;
	uv_tcp_t *tcp = TAKE_PTR(conn->tcp); /* nobody's, while the owner decides */

	tcp->data = NULL;
	if (!node->events->pairing || node->events->pairing(node->arg, tcp) < 0) {
		conn->tcp = tcp;
		tcp->data = conn;
		refuse(conn, &node->refusals.not_ours);
		return;
	}
	conn_free(conn);
}

static void hand_to_link(struct conn *conn)
{
	int r = link_accept(&conn->node->links, conn->tcp, conn->since_ms, conn, &conn->link);

	if (r < 0)
		conn_cut(conn);
	else
		conn->tcp = NULL;
}

static void dispatch(struct conn *conn)
{
	enum preamble_purpose purpose;
	int r = preamble_read(conn->preamble, &purpose);

	uv_read_stop((uv_stream_t *)conn->tcp);
	if (r < 0)
		refuse(conn, &conn->node->refusals.not_ours);
	else if (purpose == PREAMBLE_LINK)
		hand_to_link(conn);
	else
		hand_to_pairing(conn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
	struct conn *conn = handle->data;

	*ret_buf =
	    uv_buf_init((char *)conn->preamble + conn->preamble_len, (unsigned)(PREAMBLE_LEN - conn->preamble_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *conn = stream->data;

	if (n == 0)
		return;
	if (n < 0) {
		refuse(conn, &conn->node->refusals.not_ours);
		return;
	}
	conn->preamble_len += (size_t)n;
	if (conn->preamble_len == PREAMBLE_LEN)
		dispatch(conn);
}

/* Takes over `fd` on success only. */
static int start_reading(struct conn *conn, int fd)
{
	struct node *node = conn->node;
	int r;

	conn->tcp = malloc(sizeof(*conn->tcp));
	if (!conn->tcp) {
		conn_free(conn);
		return -ENOMEM;
	}
	uv_tcp_init(node->links.loop, conn->tcp);
	conn->tcp->data = conn;
	r = uv_tcp_open(conn->tcp, fd);
	if (r < 0) {
		conn_cut(conn);
		return r;
	}
	if (uv_read_start((uv_stream_t *)conn->tcp, on_alloc, on_read) < 0)
		conn_cut(conn);
	return 0;
}

static int admit(struct node *node, const struct sockaddr *from, struct conn *conn)
{
	uint8_t source[ADDRESS_SOURCE_LEN];
	void *evicted;
	int r;

	address_source(from, source);
	r = admission_enter(&node->admission, source, conn, &evicted);
	if (r < 0) {
		node->refusals.source_full++;
		return r;
	}
	if (evicted)
		refuse(evicted, &node->refusals.evicted);
	return 0;
}

static void on_connection(void *arg, int fd, const struct sockaddr *from)
{
	struct node *node = arg;
	struct conn *conn;
	int r;

	node->refusals.accepted++;
	r = node->closing ? -ESHUTDOWN : conn_new(node, &conn);
	if (r < 0) {
		close(fd);
		return;
	}
	r = admit(node, from, conn);
	if (r < 0)
		conn_free(conn);
	else
		r = start_reading(conn, fd);
	if (r < 0)
		close(fd);
	else
		node_arm(node);
}

static void on_failed(void *arg, int error)
{
	struct node *node = arg;

	node->refusals.accept_errors++;
}

static void on_gone(void *arg)
{
	node_child_gone(arg);
}

const struct listener_events accept_events = {.connection = on_connection, .failed = on_failed, .gone = on_gone};

static bool is_waiting(const struct conn *conn)
{
	return conn->tcp && !uv_is_closing((uv_handle_t *)conn->tcp);
}

void accept_cut_slow(struct node *node)
{
	uint64_t limit_ms = node->links.limits.handshake_ms;

	for (struct conn *conn = node->conns; conn; conn = conn->next) {
		if (is_waiting(conn) && node_now_ms(node) - conn->since_ms >= limit_ms)
			refuse(conn, &node->refusals.too_slow);
	}
}

uint64_t accept_deadline_ms(const struct node *node)
{
	uint64_t at = UINT64_MAX;

	for (const struct conn *conn = node->conns; conn; conn = conn->next) {
		if (is_waiting(conn) && conn->since_ms + node->links.limits.handshake_ms < at)
			at = conn->since_ms + node->links.limits.handshake_ms;
	}
	return at;
}
