/* Members: who they are, and which of their connections counts. `peer->conn` is the one that is up for the caller; a
 * link that is up without being there has lost, and is on its way out. */
#include "net/node_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"

struct peer *member_find(const struct node *node, const struct uuid *device)
{
	for (size_t i = 0; i < node->peer_count; i++) {
		if (uuid_cmp(&node->peers[i]->device, device) == 0)
			return node->peers[i];
	}
	return NULL;
}

static struct peer *find_key(const struct node *node, const uint8_t *key)
{
	for (size_t i = 0; key && i < node->peer_count; i++) {
		if (memcmp(node->peers[i]->key, key, KEY_PUBLIC_LEN) == 0)
			return node->peers[i];
	}
	return NULL;
}

void member_free(struct peer *peer)
{
	dialer_free(peer->dialer);
	free(peer);
}

/* --- up and down --- */

static uint64_t heard_wall_ms(const struct node *node, const struct link_stats *stats)
{
	return clock_wall_ms() - (node_now_ms(node) - stats->heard_ms);
}

/* The caller of this tells the owner, as the last thing: an event may change everything. */
static void take_down(struct node *node, struct peer *peer)
{
	struct link_stats stats;

	link_stats(peer->conn->link, &stats);
	peer->bytes_in += stats.bytes_in;
	peer->bytes_out += stats.bytes_out;
	peer->last_seen_ms = heard_wall_ms(node, &stats);
	peer->since_ms = clock_wall_ms();
	peer->conn = NULL;
}

static void tell_down(struct node *node, struct uuid device, int reason)
{
	if (node->events->down && !node->closing)
		node->events->down(node->arg, &device, reason);
}

static bool same_instance(const struct link *a, const struct link *b)
{
	return memcmp(link_peer_instance(a), link_peer_instance(b), LINK_INSTANCE_LEN) == 0;
}

/* Whether a link takes the place of one that is up to the same peer. Both sides know all that this looks at, but for
 * the instances: another one is another process, mostly the next life of one that is dead, and then there is nobody to
 * agree with. */
static bool beats(const struct node *node, const struct link *link, const struct link *old)
{
	bool we_are_lower = memcmp(keyring_public(node->ring), link_peer_key(link), KEY_PUBLIC_LEN) < 0;

	if (!same_instance(link, old))
		return true;
	if (link_initiated(link) == link_initiated(old))
		return link_serial(link) > link_serial(old);
	return link_initiated(link) == we_are_lower;
}

/* True when it was known, and another one has been here since. */
static bool note_instance(struct peer *peer, const uint8_t *instance)
{
	size_t i = 0;
	bool known;

	while (i < peer->instance_count && memcmp(peer->instances[i], instance, LINK_INSTANCE_LEN) != 0)
		i++;
	known = i < peer->instance_count;
	if (!known && peer->instance_count < NODE_INSTANCES_MAX)
		peer->instance_count++;
	if (i == peer->instance_count)
		i--;
	memmove(peer->instances[1], peer->instances[0], i * LINK_INSTANCE_LEN);
	memcpy(peer->instances[0], instance, LINK_INSTANCE_LEN);
	return known && i > 0;
}

/* Only as long as the last event has left it as it was. */
static bool still_up(const struct node *node, const struct uuid *device, const struct conn *conn)
{
	struct peer *peer = member_find(node, device);

	return !node->closing && peer && peer->conn == conn && link_is_up(conn->link);
}

static void tell_up(struct node *node, struct uuid device, struct conn *conn, bool cloned)
{
	char address[NODE_ADDRESS_TEXT];
	struct node_up info = {.address = address, .initiated = link_initiated(conn->link)};

	link_address(conn->link, address);
	if (node->events->up && still_up(node, &device, conn))
		node->events->up(node->arg, &device, &info);
	if (cloned && node->events->clone && still_up(node, &device, conn))
		node->events->clone(node->arg, &device);
}

/* Ends or releases what was held for a dial of ours that has come to something, or not. */
static void for_held(struct node *node, const struct peer *peer, void (*action)(struct link *link))
{
	for (struct conn *conn = node->conns; conn; conn = conn->next) {
		if (conn->link && link_is_held(conn->link) && find_key(node, link_peer_key(conn->link)) == peer)
			action(conn->link);
	}
}

static void take_up(struct node *node, struct peer *peer, struct conn *conn)
{
	struct uuid device = peer->device;
	struct conn *old = peer->conn;
	bool cloned = note_instance(peer, link_peer_instance(conn->link));

	if (old) {
		take_down(node, peer);
		link_close(old->link);
	}
	peer->conn = conn;
	peer->since_ms = clock_wall_ms();
	link_address(conn->link, peer->address);
	dialer_up(peer->dialer, node_now_ms(node));
	dial_cut_others(node, peer);
	for_held(node, peer, link_abort);
	node_arm(node);
	if (old)
		tell_down(node, device, -ECONNABORTED);
	tell_up(node, device, conn, cloned);
}

void member_let_in(struct node *node, const struct peer *peer)
{
	if (!dial_has_greeted(node, peer))
		for_held(node, peer, link_release);
}

/* Both have dialled, and ours will win as soon as the peer answers: then theirs had better not been up at all. */
static bool on_may_greet(void *arg, struct link *link)
{
	struct node *node = arg;
	const struct peer *peer = find_key(node, link_peer_key(link));
	bool we_are_lower = memcmp(keyring_public(node->ring), link_peer_key(link), KEY_PUBLIC_LEN) < 0;

	return !(peer && we_are_lower && dial_has_greeted(node, peer));
}

static void on_up(void *arg, struct link *link)
{
	struct node *node = arg;
	struct conn *conn = link_owner(link);
	struct peer *peer = find_key(node, link_peer_key(link));

	admission_leave(&node->admission, conn);
	if (conn->dial)
		dial_succeeded(conn->dial);
	if (!peer || node->closing) {
		link_close(link);
	} else if (peer->conn && !beats(node, link, peer->conn->link)) {
		link_probe(peer->conn->link); /* why did the peer dial again? */
		link_close(link);
	} else {
		take_up(node, peer, conn);
	}
}

static struct peer *peer_of(const struct node *node, const struct link *link)
{
	struct peer *peer = find_key(node, link_peer_key(link));

	return peer && peer->conn == link_owner(link) ? peer : NULL;
}

static void count_refusal(struct node *node, const struct link *link, int reason)
{
	if (link_initiated(link))
		return;
	if (reason == -ETIMEDOUT)
		node->refusals.too_slow++;
	else
		node->refusals.not_member++;
}

static void on_ended(void *arg, struct link *link, int reason)
{
	struct node *node = arg;
	struct conn *conn = link_owner(link);
	struct peer *peer = peer_of(node, link);
	struct uuid device;

	admission_leave(&node->admission, conn);
	if (conn->dial) {
		dial_failed(conn->dial);
	} else if (!peer) {
		count_refusal(node, link, reason);
	} else {
		device = peer->device;
		take_down(node, peer);
		dialer_down(peer->dialer, node_now_ms(node));
		node_arm(node);
		tell_down(node, device, reason);
	}
}

static void on_message(void *arg, struct link *link, const uint8_t *message, size_t len)
{
	struct node *node = arg;
	struct peer *peer = peer_of(node, link);
	struct uuid device;

	if (!peer || !node->events->message || node->closing)
		return;
	device = peer->device; /* the peer may go while it is told */
	node->events->message(node->arg, &device, message, len);
}

static void on_writable(void *arg, struct link *link)
{
	struct node *node = arg;
	struct peer *peer = peer_of(node, link);
	struct uuid device;

	if (!peer || !node->events->writable || node->closing)
		return;
	device = peer->device;
	node->events->writable(node->arg, &device);
}

static void on_gone(void *arg, struct link *link)
{
	conn_free(link_owner(link));
}

const struct link_events member_events = {.may_greet = on_may_greet,
					  .up = on_up,
					  .message = on_message,
					  .writable = on_writable,
					  .ended = on_ended,
					  .gone = on_gone};

/* --- the set --- */

static bool contains(const uint8_t (*keys)[KEY_PUBLIC_LEN], size_t count, const uint8_t *key)
{
	for (size_t i = 0; i < count; i++) {
		if (memcmp(keys[i], key, KEY_PUBLIC_LEN) == 0)
			return true;
	}
	return false;
}

static int add_member(struct node *node, const uint8_t key[KEY_PUBLIC_LEN])
{
	struct peer *peer;
	int r;

	if (memcmp(key, keyring_public(node->ring), KEY_PUBLIC_LEN) == 0 || find_key(node, key))
		return 0;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	r = dialer_new(random_below, node_now_ms(node), &peer->dialer);
	if (r == 0)
		r = keyring_add(node->ring, key);
	if (r < 0) {
		member_free(peer);
		return r;
	}
	memcpy(peer->key, key, KEY_PUBLIC_LEN);
	peer->device = key_id_of_public(key);
	node->peers[node->peer_count++] = peer;
	return 0;
}

/* Also those of its connections that are not up, or have lost. Returns whether it was up. */
static bool remove_member(struct node *node, size_t at)
{
	struct peer *peer = node->peers[at];
	bool was_up = peer->conn != NULL;

	node->peers[at] = node->peers[--node->peer_count];
	keyring_remove(node->ring, peer->key);
	dial_cut_all(node, peer);
	for (struct conn *conn = node->conns; conn; conn = conn->next) {
		const uint8_t *key = conn->link ? link_peer_key(conn->link) : NULL;

		if (key && memcmp(key, peer->key, KEY_PUBLIC_LEN) == 0)
			conn_cut(conn);
	}
	member_free(peer);
	return was_up;
}

int node_set_members(struct node *node, const uint8_t (*keys)[KEY_PUBLIC_LEN], size_t count)
{
	struct uuid cut[KEYRING_PEERS_MAX];
	size_t cut_count = 0;
	int r = 0;

	for (size_t i = node->peer_count; i-- > 0;) {
		struct uuid device = node->peers[i]->device;

		if (!contains(keys, count, node->peers[i]->key) && remove_member(node, i))
			cut[cut_count++] = device;
	}
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_member(node, keys[i]);
	node_arm(node);
	for (size_t i = 0; i < cut_count; i++)
		tell_down(node, cut[i], -EACCES);
	return r;
}

/* --- what the caller asks --- */

int node_add_address(struct node *node, const struct uuid *device, const char *address)
{
	struct peer *peer = member_find(node, device);
	char host[NODE_ADDRESS_TEXT];
	uint16_t port;
	int r;

	if (!peer)
		return -ENOENT;
	r = address_split(address, host, &port);
	if (r == 0)
		r = dialer_add(peer->dialer, address, node_now_ms(node));
	node_arm(node);
	return r;
}

int node_remove_address(struct node *node, const struct uuid *device, const char *address)
{
	struct peer *peer = member_find(node, device);

	return peer ? dialer_remove(peer->dialer, address) : -ENOENT;
}

int node_hint(struct node *node, const struct uuid *device, const struct sockaddr *address)
{
	struct peer *peer = member_find(node, device);
	char text[NODE_ADDRESS_TEXT];
	int r;

	if (!peer)
		return -ENOENT;
	address_to_text(address, text);
	r = dialer_hint(peer->dialer, text, node_now_ms(node));
	if (r == 0)
		dial_due(peer, node);
	node_arm(node);
	return r;
}

int node_send(struct node *node, const struct uuid *device, const void *message, size_t len)
{
	struct peer *peer = member_find(node, device);

	if (!peer || !peer->conn || node->closing)
		return -ENOTCONN;
	return link_send(peer->conn->link, message, len);
}

int node_drop(struct node *node, const struct uuid *device)
{
	struct peer *peer = member_find(node, device);
	struct link *link;

	if (!peer || !peer->conn || node->closing)
		return -ENOTCONN;
	link = peer->conn->link;
	take_down(node, peer);
	dialer_down(peer->dialer, node_now_ms(node));
	link_close(link);
	node_arm(node);
	return 0;
}

static void add_live(const struct node *node, const struct peer *peer, struct node_info *info)
{
	struct link_stats stats;

	link_stats(peer->conn->link, &stats);
	info->connected = true;
	info->initiated = link_initiated(peer->conn->link);
	info->round_trip_us = stats.round_trip_us;
	info->queued_bytes = stats.queued_bytes;
	info->bytes_in += stats.bytes_in;
	info->bytes_out += stats.bytes_out;
	info->last_seen_ms = heard_wall_ms(node, &stats);
}

int node_info(const struct node *node, const struct uuid *device, struct node_info *ret_info)
{
	const struct peer *peer = member_find(node, device);

	if (!peer)
		return -ENOENT;
	*ret_info = (struct node_info){.bytes_in = peer->bytes_in,
				       .bytes_out = peer->bytes_out,
				       .since_ms = peer->since_ms,
				       .last_seen_ms = peer->last_seen_ms};
	memcpy(ret_info->address, peer->address, sizeof(peer->address));
	if (peer->conn)
		add_live(node, peer, ret_info);
	return 0;
}
