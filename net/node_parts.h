/* What net/node.c shares with the parts that it is made of: node_accept.c, node_dial.c and node_member.c. Nothing else
 * includes this. Threads: the loop's.
 *
 * The node lives until its children are gone: its listener, its timer, and each `conn`. A conn is one TCP connection:
 * first, if it was accepted, a caller whose preamble is read (`tcp`), then a link. It is freed in the close callback of
 * its tcp, or in `gone` of its link. A dial is one address of one peer, with at most one conn at a time. */
#pragma once

#include "net/admission.h"
#include "net/dialer.h"
#include "net/listener.h"
#include "net/node.h"

struct peer { /* a member */
	struct uuid device;
	uint8_t key[KEY_PUBLIC_LEN];
	struct dialer *dialer; /* owned */
	struct conn *conn;     /* the one that is up, or NULL */
	char address[NODE_ADDRESS_TEXT];
	uint64_t bytes_in, bytes_out; /* of connections that are over */
	uint64_t since_ms, last_seen_ms;
	size_t instance_count; /* newest first */
	uint8_t instances[NODE_INSTANCES_MAX][LINK_INSTANCE_LEN];
};

struct conn {
	struct node *node;
	struct conn *next, **link_to_this;
	uv_tcp_t *tcp;	   /* a caller's, or NULL */
	struct link *link; /* or NULL */
	struct dial *dial; /* whose it is, until it is up */
	uint64_t since_ms;
	size_t preamble_len;
	uint8_t preamble[PREAMBLE_LEN];
};

struct dial {
	uv_getaddrinfo_t lookup;
	struct node *node; /* NULL: given up while the look-up is on, which frees it */
	struct dial *next, **link_to_this;
	struct peer *peer; /* borrowed */
	struct conn *conn;
	bool looking_up;
	size_t at, count;
	struct sockaddr_storage found[NODE_RESOLVED_MAX];
	char address[NODE_ADDRESS_TEXT];
};

struct node {
	struct link_context links;
	const struct node_events *events;
	void *arg;
	bool closing;
	unsigned children;
	uv_timer_t timer; /* of dialers and callers */
	struct keyring *ring;
	struct listener *listener;
	uint16_t port;
	struct conn *conns;
	struct dial *dials;
	size_t peer_count;
	struct peer *peers[KEYRING_PEERS_MAX];
	struct admission admission;
	struct node_refusals refusals;
	void (*done)(void *arg);
	void *done_arg;
};

/* node.c */
uint64_t node_now_ms(const struct node *node);
void node_arm(struct node *node); /* after whatever may have brought a deadline nearer */
void node_child_gone(struct node *node);
int conn_new(struct node *node, struct conn **ret_conn); /* is a child. Errors: -ENOMEM */
void conn_free(struct conn *conn);			 /* from the last callback only, or before there was a handle */
void conn_cut(struct conn *conn);			 /* no events; freed later */

/* node_accept.c */
extern const struct listener_events accept_events;
void accept_cut_slow(struct node *node);
uint64_t accept_deadline_ms(const struct node *node);

/* node_dial.c */
void dial_due(struct peer *peer, struct node *node); /* all that its dialer wants now */
void dial_failed(struct dial *dial);		     /* its conn has ended: on with the next address */
void dial_succeeded(struct dial *dial);		     /* it is up; frees the dial */
void dial_cut(struct dial *dial);
void dial_cut_all(struct node *node, const struct peer *peer); /* NULL: of everybody */
bool dial_has_greeted(const struct node *node, const struct peer *peer);
void dial_cut_others(struct node *node, const struct peer *peer);

/* node_member.c */
extern const struct link_events member_events;
struct peer *member_find(const struct node *node, const struct uuid *device);
void member_let_in(struct node *node, const struct peer *peer); /* who was held for a dial that has failed */
void member_free(struct peer *peer);
