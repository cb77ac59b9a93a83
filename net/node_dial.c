/* One dial: an address as text becomes up to NODE_RESOLVED_MAX numeric ones, which are tried one after the other. It
 * ends with dialer_ended, once, whichever way, unless its peer is gone. */
#include "net/node_parts.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

static void free_dial(struct dial *dial)
{
	*dial->link_to_this = dial->next;
	if (dial->next)
		dial->next->link_to_this = dial->link_to_this;
	if (dial->conn)
		dial->conn->dial = NULL;
	dial->node = NULL;
	if (!dial->looking_up)
		free(dial);
}

static void report(struct dial *dial, bool success)
{
	dialer_ended(dial->peer->dialer, dial->address, success, node_now_ms(dial->node));
	free_dial(dial);
}

static int connect_to(struct dial *dial, const struct sockaddr *address)
{
	struct node *node = dial->node;
	struct conn *conn;
	size_t index;
	int r = keyring_find(node->ring, dial->peer->key, &index);

	if (r == 0)
		r = conn_new(node, &conn);
	if (r < 0)
		return r;
	r = link_dial(&node->links, index, address, conn, &conn->link);
	if (r < 0) {
		conn_free(conn);
		return r;
	}
	conn->dial = dial;
	dial->conn = conn;
	return 0;
}

/* Goes on to the next address that can be dialled; without one, the dial has failed and is freed. */
static void try_next(struct dial *dial)
{
	while (dial->at < dial->count) {
		if (connect_to(dial, (struct sockaddr *)&dial->found[dial->at++]) == 0)
			return;
	}
	report(dial, false);
}

static void keep_found(struct dial *dial, const struct addrinfo *list)
{
	for (; list && dial->count < NODE_RESOLVED_MAX; list = list->ai_next) {
		if (list->ai_addrlen <= sizeof(dial->found[0]))
			memcpy(&dial->found[dial->count++], list->ai_addr, list->ai_addrlen);
	}
}

static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct dial *dial = request->data;
	struct node *node = dial->node;
	struct peer *peer = dial->peer;

	dial->looking_up = false;
	if (!node) {
		free(dial);
	} else {
		keep_found(dial, list);
		try_next(dial);
		dial_due(peer, node);
		node_arm(node);
	}
	uv_freeaddrinfo(list);
}

static int look_up(struct dial *dial)
{
	static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	char host[NODE_ADDRESS_TEXT], service[8];
	uint16_t port;
	int r = address_split(dial->address, host, &port);

	if (r < 0)
		return r;
	snprintf(service, sizeof(service), "%u", port);
	dial->lookup.data = dial;
	r = uv_getaddrinfo(dial->node->links.loop, &dial->lookup, on_found, host, service, &hints);
	dial->looking_up = r == 0;
	return r;
}

static void start(struct node *node, struct peer *peer, const char *address)
{
	struct dial *dial = calloc(1, sizeof(*dial));
	int r;

	if (!dial) {
		dialer_ended(peer->dialer, address, false, node_now_ms(node));
		return;
	}
	dial->node = node;
	dial->peer = peer;
	strcpy(dial->address, address);
	dial->next = node->dials;
	dial->link_to_this = &node->dials;
	if (dial->next)
		dial->next->link_to_this = &dial->next;
	node->dials = dial;
	r = address_from_text(address, &dial->found[0]);
	dial->count = r == 0;
	if (r != -ENOENT || look_up(dial) < 0)
		try_next(dial);
}

void dial_due(struct peer *peer, struct node *node)
{
	char address[NODE_ADDRESS_TEXT];

	while (!node->closing && dialer_next(peer->dialer, node_now_ms(node), address) == 0)
		start(node, peer, address);
}

void dial_failed(struct dial *dial)
{
	struct node *node = dial->node;
	struct peer *peer = dial->peer;

	dial->conn->dial = NULL;
	dial->conn = NULL;
	try_next(dial);
	member_let_in(node, peer);
	dial_due(peer, node);
	node_arm(node);
}

void dial_succeeded(struct dial *dial)
{
	report(dial, true);
}

void dial_cut(struct dial *dial)
{
	struct conn *conn = dial->conn;

	report(dial, false);
	if (conn)
		conn_cut(conn);
}

void dial_cut_all(struct node *node, const struct peer *peer)
{
	struct dial *next;

	for (struct dial *dial = node->dials; dial; dial = next) {
		next = dial->next;
		if (!peer || dial->peer == peer)
			dial_cut(dial);
	}
}

bool dial_has_greeted(const struct node *node, const struct peer *peer)
{
	for (const struct dial *dial = node->dials; dial; dial = dial->next) {
		if (dial->peer == peer && dial->conn && link_has_greeted(dial->conn->link))
			return true;
	}
	return false;
}

/* What has greeted may be up on the other side already, and is left to the rule that both sides know. */
void dial_cut_others(struct node *node, const struct peer *peer)
{
	struct dial *next;

	for (struct dial *dial = node->dials; dial; dial = next) {
		next = dial->next;
		if (dial->peer == peer && !(dial->conn && link_has_greeted(dial->conn->link)))
			dial_cut(dial);
	}
}
