/* The parts live on the sync thread and are made and closed there, by calls into the loop:
 *
 *     node         connections to members
 *     discovery    beacons; absent when switched off
 *     replicator   what travels
 *     window       while a pairing code is open
 *
 * A commit of any thread wakes the loop (`committed`); when it wrote device rows, the members are read again. Closing goes
 * part by part, each ends by itself, and loop_stop waits for the last handle. */
#include "mount/network.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/key.h"
#include "base/log.h"
#include "mount/library.h"
#include "mount/loop.h"
#include "mount/members.h"
#include "mount/pairing_window.h"
#include "mount/replicator.h"
#include "mount/sync_events.h"
#include "net/discovery.h"
#include "net/address.h"
#include "store/event.h"
#include "store/peer.h"
#include "store/store.h"

#define PORT_FIRST 20000 /* below where Linux takes ports for outgoing connections from */
#define PORT_COUNT 10000

#define TELL_EVERY_MS 10	 /* peers hear of commits */
#define TELL_ALONE_MS 1000 /* the same when there is no other member */

struct network {
	struct store *store;
	struct loop *loop;
	struct key *key;
	struct network_opts opts; /* valid while starting */
	atomic_bool members_written;
	atomic_bool untold; /* commits; until they are told the loop need not be woken again */
	/* The loop's: */
	uv_async_t committed;
	uv_timer_t tell; /* of commits */
	uint64_t told_ms;
	bool is_alone;
	struct node *node;
	struct discovery *discovery;
	struct replicator *replicator;
	struct pairing_window *window;
	bool left; /* this device was removed */
};

/* --- the members --- */

/* What was set for this device: whether anything is exchanged at all. */
static void tell_pause(struct network *n)
{
	struct peer self;

	if (peer_get(n->store, &store_info(n->store)->device, &self) == 0)
		replicator_pause(n->replicator, !self.settings.sync);
}

/* What was set for it, and where to try. */
static void tell_peer(struct network *n, const struct uuid *device)
{
	struct peer_addresses addresses;
	struct peer peer;

	if (peer_get(n->store, device, &peer) == 0)
		replicator_set(n->replicator, device, &peer.settings);
	if (peer_addresses(n->store, device, &addresses) < 0)
		return;
	for (size_t i = 0; i < addresses.count; i++)
		(void)node_add_address(n->node, device, addresses.items[i].text);
}

static void leave(struct network *n)
{
	if (n->left)
		return;
	n->left = true;
	(void)event_add(n->store, "error",
			"this device was removed from the library by another one: it no longer takes part. Your tags here are "
			"kept; to come back, join again");
	log_warn("removed from the library: leaving the network");
	(void)node_set_members(n->node, NULL, 0);
	if (n->window)
		pairing_window_revoke(n->window);
	if (n->discovery)
		(void)discovery_set_key(n->discovery, NULL);
}

/* The replicator comes first: it says goodbye to those that are no members any more, before the node cuts them. */
static int tell_members(struct network *n, const struct members *m)
{
	int r;

	n->is_alone = m->other_count == 0;
	tell_pause(n);
	replicator_members(n->replicator, m->ids, m->id_count, m->registers.data, m->registers.len);
	r = node_set_members(n->node, m->keys, m->key_count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->other_count; i++)
		tell_peer(n, &m->others[i]);
	(void)peer_clean(n->store);
	if (!n->discovery)
		return 0;
	if (m->has_discovery_key)
		(void)discovery_set_key(n->discovery, m->discovery_key);
	discovery_tell_again(n->discovery); /* a new member may have announced itself before we knew it */
	return 0;
}

static void refresh_members(struct network *n)
{
	_cleanup_(members_freep) struct members *members = NULL;
	int r = members_read(n->store, &members);

	if (r == 0 && members->was_removed)
		leave(n);
	else if (r == 0)
		r = tell_members(n, members);
	if (r < 0)
		log_error("cannot read the members of the library: %s", err_str(r));
}

/* --- events --- */

static void on_up(void *arg, const struct uuid *device, const struct node_up *info)
{
	struct network *n = arg;

	(void)peer_seen(n->store, device, clock_wall_ms(), info->initiated ? info->address : NULL);
	replicator_up(n->replicator, device);
}

static void on_message(void *arg, const struct uuid *device, const uint8_t *message, size_t len)
{
	struct network *n = arg;

	replicator_message(n->replicator, device, message, len);
}

static void on_writable(void *arg, const struct uuid *device)
{
	struct network *n = arg;

	replicator_writable(n->replicator, device);
}

static void on_down(void *arg, const struct uuid *device, int reason)
{
	struct network *n = arg;

	if (reason < 0 && reason != -ECONNRESET && reason != -ECONNABORTED)
		(void)peer_failed(n->store, device, clock_wall_ms(), err_str(reason));
	else
		(void)peer_seen(n->store, device, clock_wall_ms(), NULL);
	replicator_down(n->replicator, device);
}

static int on_pairing(void *arg, uv_tcp_t *tcp)
{
	struct network *n = arg;

	if (!n->window)
		return -ECONNREFUSED;
	pairing_window_take(n->window, tcp);
	return 0;
}

static void on_clone(void *arg, const struct uuid *device)
{
	struct network *n = arg;

	sync_events_tell(n->store, CORE_EVENT_PEER_CLONE, device, "");
}

static const struct node_events node_events = {
	.up = on_up,
	.message = on_message,
	.writable = on_writable,
	.down = on_down,
	.pairing = on_pairing,
	.clone = on_clone,
};

static int send_to(void *arg, const struct uuid *peer, const void *message, size_t len)
{
	struct network *n = arg;

	return node_send(n->node, peer, message, len);
}

static void close_peer(void *arg, const struct uuid *peer)
{
	struct network *n = arg;

	(void)node_drop(n->node, peer);
}

static void members_changed(void *arg)
{
	refresh_members(arg);
}

static void on_heard(void *arg, const struct uuid *device, const struct sockaddr *from)
{
	struct network *n = arg;

	(void)node_hint(n->node, device, from); /* most come to nothing: it is connected already */
}

static void on_network_changed(void *arg)
{
	struct network *n = arg;

	node_network_changed(n->node);
}

/* On the thread that wrote. */
static void on_commit(void *arg, bool members)
{
	struct network *n = arg;

	if (members)
		atomic_store(&n->members_written, true);
	if (!atomic_exchange(&n->untold, true) || members)
		uv_async_send(&n->committed);
}

static void tell_commits(uv_timer_t *timer)
{
	struct network *n = timer->data;

	atomic_store(&n->untold, false);
	n->told_ms = clock_monotonic_ms();
	replicator_committed(n->replicator);
}

/* The first of many at once, the others together: reading where all streams stand costs as much as a small commit. */
static void on_committed(uv_async_t *committed)
{
	struct network *n = committed->data;
	uint64_t passed_ms = clock_monotonic_ms() - n->told_ms, every_ms = n->is_alone ? TELL_ALONE_MS : TELL_EVERY_MS;

	if (atomic_exchange(&n->members_written, false))
		refresh_members(n);
	if (passed_ms >= every_ms)
		tell_commits(&n->tell);
	else if (!uv_is_active((uv_handle_t *)&n->tell))
		uv_timer_start(&n->tell, tell_commits, every_ms - passed_ms, 0);
}

/* --- beginning --- */

/* The same at each start, so that remembered addresses and firewalls stay right; two devices of one machine differ. */
static uint16_t own_port(const struct uuid *device)
{
	uint8_t hash[HASH128_LEN];

	hash_pair(device->bytes, UUID_LEN, NULL, 0, hash, sizeof(hash));
	return (uint16_t)(PORT_FIRST + ((unsigned)hash[0] << 8 | hash[1]) % PORT_COUNT);
}

/* "1.2.3.4:80", "[::1]:80", ":80"; `ret_any`: all addresses. */
static int parse_listen(const char *text, struct sockaddr_storage *ret_address, uint16_t *ret_port, bool *ret_any)
{
	char whole[NODE_ADDRESS_TEXT], host[NODE_ADDRESS_TEXT];

	*ret_any = text[0] == ':';
	snprintf(whole, sizeof(whole), "%s%s", *ret_any ? "0.0.0.0" : "", text);
	if (address_from_text(whole, ret_address) < 0 || address_split(whole, host, ret_port) < 0)
		return -EINVAL;
	return 0;
}

static int open_node(struct network *n)
{
	struct sockaddr_storage address;
	const struct store_info *info = store_info(n->store);
	struct node_opts opts = {
		.secret = key_secret(n->key),
		.library = info->library,
		.events = &node_events,
		.arg = n,
	};
	bool any = true;
	int r;

	if (n->opts.listen) {
		r = parse_listen(n->opts.listen, &address, &opts.port, &any);
		if (r < 0)
			return r;
		if (!any)
			opts.listen = (const struct sockaddr *)&address;
		return node_open(loop_uv(n->loop), &opts, &n->node);
	}
	opts.port = own_port(&info->device);
	r = node_open(loop_uv(n->loop), &opts, &n->node);
	if (r != -EADDRINUSE)
		return r;
	opts.port = 0;
	return node_open(loop_uv(n->loop), &opts, &n->node);
}

/* Without it the network goes on: by addresses. */
static void open_discovery(struct network *n)
{
	const struct store_info *info = store_info(n->store);
	const struct discovery_opts opts = {
		.tcp_port = node_port(n->node),
		.device = info->device,
		.epoch = info->epoch,
		.interfaces = {.names = n->opts.interfaces, .count = n->opts.interface_count},
		.heard = on_heard,
		.network_changed = on_network_changed,
		.arg = n,
	};
	int r = discovery_open(loop_uv(n->loop), &opts, &n->discovery);

	if (r < 0) {
		n->discovery = NULL;
		log_warn("other devices are not looked for on the local network: %s", err_str(r));
	}
}

static int open_replicator(struct network *n)
{
	const struct replicator_opts opts = {
		.loop = loop_uv(n->loop),
		.store = n->store,
		.port = node_port(n->node),
		.send = send_to,
		.close = close_peer,
		.members_changed = members_changed,
		.arg = n,
	};

	return replicator_new(&opts, &n->replicator);
}

static void on_async_closed(uv_handle_t *handle)
{
}

static int close_parts(void *arg)
{
	struct network *n = arg;

	uv_close((uv_handle_t *)&n->committed, on_async_closed);
	uv_close((uv_handle_t *)&n->tell, on_async_closed);
	if (n->window)
		pairing_window_shut(n->window);
	if (n->discovery)
		discovery_close(n->discovery, NULL, NULL);
	if (n->node)
		node_close(n->node, NULL, NULL);
	if (n->replicator)
		replicator_close(n->replicator, NULL, NULL);
	return 0;
}

static int open_parts(void *arg)
{
	struct network *n = arg;
	int r = uv_async_init(loop_uv(n->loop), &n->committed, on_committed);

	if (r < 0)
		return r;
	n->committed.data = n;
	uv_timer_init(loop_uv(n->loop), &n->tell);
	n->tell.data = n;
	r = open_node(n);
	if (r == 0)
		r = open_replicator(n);
	if (r < 0) {
		close_parts(n);
		return r;
	}
	if (!n->opts.no_discovery)
		open_discovery(n);
	store_on_commit(n->store, on_commit, n);
	refresh_members(n);
	return 0;
}

static void network_free(struct network *n)
{
	loop_stop(n->loop);
	key_free(n->key);
	free(n);
}

int network_start(struct library *library, const struct network_opts *opts, struct out *out, struct network **ret_network)
{
	struct network *n = calloc(1, sizeof(*n));
	int r = n ? library_load_key(library, out, &n->key) : -ENOMEM;

	if (r < 0) {
		free(n);
		return r;
	}
	n->store = library->store;
	n->opts = *opts;
	r = loop_start(&n->loop);
	if (r == 0)
		r = loop_call(n->loop, open_parts, n);
	if (r == -EINVAL && opts->listen)
		out_error(out, "'%s' is no address to listen on: write ADDRESS:PORT or :PORT, as in 192.168.1.5:4000", opts->listen);
	else if (r < 0)
		out_fail(out, r, "cannot listen for other devices%s%s", opts->listen ? " on " : "", opts->listen ? opts->listen : "");
	if (r < 0) {
		network_free(n);
		return r;
	}
	n->opts = (struct network_opts){0};
	*ret_network = n;
	return 0;
}

void network_stop(struct network *n)
{
	if (!n)
		return;
	store_on_commit(n->store, NULL, NULL);
	loop_call(n->loop, close_parts, n);
	network_free(n);
}

/* --- looking --- */

struct question {
	struct network *network;
	const struct uuid *device;
	const char *address;
	struct network_peer *ret_peer;
	struct core_comparison *ret_comparison;
	struct pairing_window *window;
};

static int do_port(void *arg)
{
	struct question *q = arg;

	return node_port(q->network->node);
}

uint16_t network_port(struct network *network)
{
	struct question q = {.network = network};

	return (uint16_t)loop_call(network->loop, do_port, &q);
}

static int do_state(void *arg)
{
	struct question *q = arg;

	return (int)replicator_state(q->network->replicator);
}

enum core_state network_state(struct network *network)
{
	struct question q = {.network = network};

	return (enum core_state)loop_call(network->loop, do_state, &q);
}

static int do_peer(void *arg)
{
	struct question *q = arg;
	int r = node_info(q->network->node, q->device, &q->ret_peer->node);

	if (r < 0)
		return r;
	q->ret_peer->has_core = replicator_peer(q->network->replicator, q->device, &q->ret_peer->core) == 0;
	return 0;
}

int network_peer(struct network *network, const struct uuid *device, struct network_peer *ret_peer)
{
	struct question q = {.network = network, .device = device, .ret_peer = ret_peer};

	return loop_call(network->loop, do_peer, &q);
}

static int do_compare(void *arg)
{
	struct question *q = arg;
	struct node_info info;
	int r = node_info(q->network->node, q->device, &info);

	if (r == 0 && !info.connected)
		r = -ENOTCONN;
	return r < 0 ? r : replicator_compare(q->network->replicator, q->device, q->ret_comparison);
}

int network_compare(struct network *network, const struct uuid *device, struct core_comparison *ret_comparison)
{
	struct question q = {.network = network, .device = device, .ret_comparison = ret_comparison};

	return loop_call(network->loop, do_compare, &q);
}

static int do_forget(void *arg)
{
	struct question *q = arg;

	return node_remove_address(q->network->node, q->device, q->address);
}

int network_forget_address(struct network *network, const struct uuid *device, const char *address)
{
	struct question q = {.network = network, .device = device, .address = address};

	return loop_call(network->loop, do_forget, &q);
}

static int do_refresh(void *arg)
{
	refresh_members(arg);
	return 0;
}

void network_refresh(struct network *network)
{
	loop_call(network->loop, do_refresh, network);
}

/* --- pairing --- */

static void on_clock_confirmed(void *arg)
{
	struct network *n = arg;

	replicator_clock_confirmed(n->replicator);
}

static int do_pair_open(void *arg)
{
	struct question *q = arg;
	struct network *n = q->network;
	const struct pairing_window_opts opts = {
	    .loop = loop_uv(n->loop),
	    .store = n->store,
	    .key = n->key,
	    .discovery = n->discovery,
	    .clock_confirmed = on_clock_confirmed,
	    .arg = n,
	};
	int r;

	if (n->left)
		return -EACCES;
	if (n->window)
		return -EALREADY;
	r = pairing_window_open(&opts, &q->window);
	if (r == 0)
		n->window = q->window;
	return r;
}

int network_pair_open(struct network *network, struct pairing_window **ret_window)
{
	struct question q = {.network = network};
	int r = loop_call(network->loop, do_pair_open, &q);

	if (r == 0)
		*ret_window = q.window;
	return r;
}

static int do_pair_close(void *arg)
{
	struct question *q = arg;

	if (q->network->window == q->window)
		q->network->window = NULL;
	pairing_window_shut(q->window);
	return 0;
}

void network_pair_close(struct network *network, struct pairing_window *window)
{
	struct question q = {.network = network, .window = window};

	loop_call(network->loop, do_pair_close, &q);
	pairing_window_free(window);
}
