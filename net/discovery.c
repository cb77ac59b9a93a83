/* Two sockets, one timer. The timer goes off at the earliest of: the sealed beacon is due, the open one is due, the
 * interfaces are to be read. The sockets serve both ways; each closes on its own, the last one frees.
 *
 * A broadcast reaches every socket of its port on this machine too, ours included: own packets are known by their
 * instance id and dropped before anything is counted. A new network gets a new one. Sending is uv_udp_try_send: what
 * the kernel does not take at once is lost, like what the network loses. */
#include "net/discovery.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "net/cadence.h"
#include "net/sightings.h"

enum { HOPS = 1 };

struct discovery {
	uv_udp_t v4;
	uv_udp_t v6;
	uv_timer_t timer;
	unsigned handles; /* not closed yet */
	bool has_v6;
	bool closing;
	bool pairing_open;
	struct discovery_opts opts; /* interface names and key: owned; the key in sodium memory */
	uint64_t instance;
	uint64_t interfaces_ms; /* when to read them next */
	struct interfaces interfaces;
	struct cadence sealed;
	struct cadence open;
	struct sightings sightings;
	char name[BEACON_NAME_MAX + 1];
	uint8_t datagram[BEACON_BYTES_MAX + 1]; /* one more than may be: so that too long shows */
	void (*closed)(void *arg);
	void *closed_arg;
};

/* --- sending --- */

static void send_v4(struct discovery *d, const struct interface *on, const uv_buf_t *packet)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(d->opts.udp_port), .sin_addr = on->broadcast};

	uv_udp_try_send(&d->v4, packet, 1, (const struct sockaddr *)&to);
}

static void send_v6(struct discovery *d, const struct interface *on, const uv_buf_t *packet)
{
	struct sockaddr_in6 to;

	uv_ip6_addr(DISCOVERY_GROUP, d->opts.udp_port, &to);
	to.sin6_scope_id = on->index;
	uv_udp_try_send(&d->v6, packet, 1, (const struct sockaddr *)&to);
}

/* An interface with several addresses is one place to send to by IPv6. */
static bool is_second_v6(const struct interfaces *all, unsigned at)
{
	for (unsigned i = 0; i < at; i++)
		if (all->all[i].family == AF_INET6 && all->all[i].index == all->all[at].index)
			return true;
	return false;
}

static void announce(struct discovery *d, unsigned flags)
{
	struct beacon beacon = {
	    .flags = (uint8_t)flags, .port = d->opts.tcp_port, .instance = d->instance, .epoch = d->opts.epoch};
	uint8_t bytes[BEACON_BYTES_MAX];
	uv_buf_t packet;

	beacon.device = d->opts.device;
	memcpy(beacon.name, d->name, sizeof(beacon.name));
	packet = uv_buf_init((char *)bytes, (unsigned)beacon_write(&beacon, d->opts.key, bytes));
	for (unsigned i = 0; i < d->interfaces.count; i++) {
		const struct interface *on = &d->interfaces.all[i];

		if (on->family == AF_INET)
			send_v4(d, on, &packet);
		else if (d->has_v6 && !is_second_v6(&d->interfaces, i))
			send_v6(d, on, &packet);
	}
}

static bool has_sealed(const struct discovery *d)
{
	return d->opts.key && d->opts.tcp_port > 0;
}

/* --- the clock --- */

static void on_timer(uv_timer_t *timer);

static void schedule(struct discovery *d)
{
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t next_ms = d->interfaces_ms;

	if (d->closing)
		return;
	if (has_sealed(d) && d->sealed.next_ms < next_ms)
		next_ms = d->sealed.next_ms;
	if (d->pairing_open && d->open.next_ms < next_ms)
		next_ms = d->open.next_ms;
	uv_update_time(d->timer.loop);
	uv_timer_start(&d->timer, on_timer, next_ms > now_ms ? next_ms - now_ms : 0, 0);
}

/* Joining again is an error that says nothing; a new interface needs it, also one of an old name. */
static void join(struct discovery *d)
{
	for (unsigned i = 0; d->has_v6 && i < d->interfaces.count; i++) {
		char zone[sizeof("::%") + IF_NAMESIZE] = "::%";

		if (d->interfaces.all[i].family != AF_INET6)
			continue;
		strncat(zone, d->interfaces.all[i].name, IF_NAMESIZE);
		uv_udp_set_membership(&d->v6, DISCOVERY_GROUP, zone, UV_JOIN_GROUP);
	}
}

/* True: they differ from before. */
static bool read_interfaces(struct discovery *d, uint64_t now_ms)
{
	struct interfaces now = {0};
	int r = interfaces_read(&d->opts.interfaces, &now);

	d->interfaces_ms = now_ms + (interfaces_has_network(&now) ? DISCOVERY_INTERFACES_MS : DISCOVERY_OFFLINE_MS);
	if (r < 0 || interfaces_equal(&now, &d->interfaces))
		return false;
	d->interfaces = now;
	join(d);
	if (!d->pairing_open) /* then it names one device; else nobody should know it again elsewhere */
		random_bytes(&d->instance, sizeof(d->instance));
	cadence_changed(&d->sealed, now_ms);
	cadence_changed(&d->open, now_ms);
	return true;
}

static void announce_due(struct discovery *d, uint64_t now_ms)
{
	if (has_sealed(d) && cadence_is_due(&d->sealed, now_ms)) {
		announce(d, 0);
		cadence_announced(&d->sealed, now_ms, random_below(UINT32_MAX));
	}
	if (d->pairing_open && cadence_is_due(&d->open, now_ms)) {
		announce(d, BEACON_PAIRING_OPEN);
		cadence_announced(&d->open, now_ms, random_below(UINT32_MAX));
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct discovery *d = timer->data;
	uint64_t now_ms = clock_monotonic_ms();
	bool changed = now_ms >= d->interfaces_ms && read_interfaces(d, now_ms);

	announce_due(d, now_ms);
	schedule(d);
	if (changed && d->opts.network_changed)
		d->opts.network_changed(d->opts.arg);
}

/* --- listening --- */

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
	if (address->ss_family == AF_INET)
		((struct sockaddr_in *)address)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

static void take_sealed(struct discovery *d, const struct beacon *beacon, const struct sockaddr_storage *from)
{
	struct sighting seen = {.device = beacon->device, .instance = beacon->instance, .address = *from};
	uint64_t now_ms = clock_monotonic_ms();
	enum sighting_kind kind;

	if (uuid_cmp(&beacon->device, &d->opts.device) == 0)
		return; /* from a former run of ours, repeated by somebody */
	if (beacon->flags & BEACON_LEAVING) {
		sightings_forget(&d->sightings, &beacon->device, beacon->instance);
		return;
	}
	kind = sightings_note(&d->sightings, now_ms, &seen);
	if (kind == SIGHTING_NEW) {
		cadence_newcomer(&d->sealed, now_ms, random_below(UINT32_MAX));
		schedule(d);
	}
	if (kind != SIGHTING_RECENT && d->opts.heard)
		d->opts.heard(d->opts.arg, &beacon->device, (const struct sockaddr *)from);
}

static void take_datagram(struct discovery *d, const void *data, size_t len, const struct sockaddr *from)
{
	struct sockaddr_storage address = {0};
	struct beacon beacon;

	if (beacon_read_header(data, len, &beacon) < 0 || beacon.instance == d->instance)
		return;
	if (!sightings_admit(&d->sightings, clock_monotonic_ms()) || beacon_read(data, len, d->opts.key, &beacon) < 0)
		return;
	memcpy(&address, from, from->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	set_port(&address, beacon.port);
	if (!(beacon.flags & BEACON_PAIRING_OPEN))
		take_sealed(d, &beacon, &address);
	else if (d->opts.open_heard)
		d->opts.open_heard(d->opts.arg, &beacon, (const struct sockaddr *)&address);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
	struct discovery *d = handle->data;

	*ret_buf = uv_buf_init((char *)d->datagram, sizeof(d->datagram));
}

static void on_receive(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
	struct discovery *d = udp->data;

	if (len <= 0 || !from || flags & UV_UDP_PARTIAL || d->closing)
		return;
	if (from->sa_family == AF_INET || from->sa_family == AF_INET6)
		take_datagram(d, buf->base, (size_t)len, from);
}

/* --- opening and closing --- */

static int listen_v4(struct discovery *d)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(d->opts.udp_port)};
	int r = uv_udp_bind(&d->v4, (const struct sockaddr *)&any, UV_UDP_REUSEADDR);

	if (r == 0)
		r = uv_udp_set_broadcast(&d->v4, 1);
	return r < 0 ? r : uv_udp_recv_start(&d->v4, on_alloc, on_receive);
}

static int listen_v6(struct discovery *d)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(d->opts.udp_port)};
	int r = uv_udp_bind(&d->v6, (const struct sockaddr *)&any, UV_UDP_REUSEADDR | UV_UDP_IPV6ONLY);

	if (r == 0)
		r = uv_udp_set_multicast_ttl(&d->v6, HOPS);
	return r < 0 ? r : uv_udp_recv_start(&d->v6, on_alloc, on_receive);
}

static void release(struct discovery *d)
{
	void (*closed)(void *) = d->closed;
	void *arg = d->closed_arg;

	for (size_t i = 0; i < d->opts.interfaces.count; i++)
		free((char *)d->opts.interfaces.names[i]);
	free((void *)d->opts.interfaces.names);
	sodium_free((void *)d->opts.key);
	free(d);
	if (closed)
		closed(arg);
}

static void on_closed(uv_handle_t *handle)
{
	struct discovery *d = handle->data;

	if (--d->handles == 0)
		release(d);
}

void discovery_close(struct discovery *d, void (*closed)(void *arg), void *arg)
{
	if (d->pairing_open)
		announce(d, BEACON_PAIRING_OPEN | BEACON_LEAVING);
	if (has_sealed(d) && d->interfaces.count > 0)
		announce(d, BEACON_LEAVING);
	d->closing = true;
	d->closed = closed;
	d->closed_arg = arg;
	uv_close((uv_handle_t *)&d->v4, on_closed);
	uv_close((uv_handle_t *)&d->v6, on_closed);
	uv_close((uv_handle_t *)&d->timer, on_closed);
}

static int copy_names(struct discovery *d, const struct interfaces_opts *opts)
{
	const char **names;

	d->opts.interfaces = (struct interfaces_opts){.all = opts->all};
	if (!opts->names)
		return 0;
	names = calloc(opts->count + 1, sizeof(*names));
	d->opts.interfaces.names = names;
	for (size_t i = 0; names && i < opts->count; i++, d->opts.interfaces.count++)
		if (!(names[i] = strdup(opts->names[i])))
			return -ENOMEM;
	return names ? 0 : -ENOMEM;
}

static void init_handles(struct discovery *d, uv_loop_t *loop)
{
	uv_udp_init(loop, &d->v4);
	uv_udp_init(loop, &d->v6);
	uv_timer_init(loop, &d->timer);
	d->v4.data = d->v6.data = d->timer.data = d;
	d->handles = 3;
}

int discovery_open(uv_loop_t *loop, const struct discovery_opts *opts, struct discovery **ret_discovery)
{
	struct discovery *d = calloc(1, sizeof(*d));
	uint64_t now_ms = clock_monotonic_ms();
	int r;

	if (!d)
		return -ENOMEM;
	d->opts = *opts;
	d->opts.key = NULL;
	d->opts.udp_port = opts->udp_port ? opts->udp_port : DISCOVERY_PORT;
	random_bytes(&d->instance, sizeof(d->instance));
	cadence_init(&d->sealed, DISCOVERY_INTERVAL_MS, now_ms);
	cadence_init(&d->open, DISCOVERY_OPEN_INTERVAL_MS, now_ms);
	init_handles(d, loop);
	r = copy_names(d, &opts->interfaces);
	if (r == 0)
		r = discovery_set_key(d, opts->key);
	if (r == 0)
		r = listen_v4(d);
	if (r < 0) {
		discovery_close(d, NULL, NULL);
		return r;
	}
	d->has_v6 = listen_v6(d) == 0;
	read_interfaces(d, now_ms);
	schedule(d);
	*ret_discovery = d;
	return 0;
}

/* --- changing --- */

int discovery_set_key(struct discovery *d, const uint8_t *key)
{
	uint8_t *copy = key ? sodium_malloc(BEACON_KEY_LEN) : NULL;

	if (key && !copy)
		return -ENOMEM;
	if (key)
		memcpy(copy, key, BEACON_KEY_LEN);
	sodium_free((void *)d->opts.key);
	d->opts.key = copy;
	cadence_changed(&d->sealed, clock_monotonic_ms());
	schedule(d);
	return 0;
}

int discovery_open_pairing(struct discovery *d, const char *name)
{
	if (name && d->opts.tcp_port == 0)
		return -EINVAL;
	if (name && name[0] != '\0' && !text_is_title(name, strlen(name)))
		return -ERR_MALFORMED;
	if (!name && d->pairing_open)
		announce(d, BEACON_PAIRING_OPEN | BEACON_LEAVING);
	d->pairing_open = name != NULL;
	memset(d->name, 0, sizeof(d->name));
	if (name)
		strncpy(d->name, name, sizeof(d->name) - 1);
	cadence_changed(&d->open, clock_monotonic_ms());
	schedule(d);
	return 0;
}

void discovery_tell_again(struct discovery *d)
{
	uint64_t now_ms = clock_monotonic_ms();

	for (unsigned i = 0; i < d->sightings.count && d->opts.heard; i++) {
		const struct sighting *seen = &d->sightings.all[i];

		if (now_ms - seen->heard_ms < DISCOVERY_SIGHTING_LIFE_MS)
			d->opts.heard(d->opts.arg, &seen->device, (const struct sockaddr *)&seen->address);
	}
}

void discovery_look_again(struct discovery *d)
{
	d->interfaces_ms = clock_monotonic_ms();
	schedule(d);
}
