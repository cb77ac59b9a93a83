/* Two or three neighbours on loopback, and datagrams made by hand. Wherever nothing should come of something, a good
 * beacon is sent after it: when that one has been heard, so has all before it. */
#include "net/discovery.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "net/nearby.h"
#include "tests/lib/test.h"
#include "tests/net/street.h"

enum { TCP_PORT = 4000, HAND_MADE_PORT = 4999 };

static const uint8_t key[BEACON_KEY_LEN] = {5};
static const uint8_t other_key[BEACON_KEY_LEN] = {6};

struct ear {
	unsigned heard;
	unsigned open_heard;
	unsigned left; /* open ones that closed */
	unsigned changed;
	struct uuid device;
	struct sockaddr_in from;
	char name[BEACON_NAME_MAX + 1];
	bool closed;
};

static void on_heard(void *arg, const struct uuid *device, const struct sockaddr *from)
{
	struct ear *ear = arg;

	ear->heard++;
	ear->device = *device;
	assert_int_equal(from->sa_family, AF_INET);
	memcpy(&ear->from, from, sizeof(ear->from));
}

static void on_open_heard(void *arg, const struct beacon *beacon, const struct sockaddr *from)
{
	struct ear *ear = arg;

	if (beacon->flags & BEACON_LEAVING)
		ear->left++;
	else
		ear->open_heard++;
	memcpy(ear->name, beacon->name, sizeof(ear->name));
	memcpy(&ear->from, from, sizeof(ear->from));
}

static void on_changed(void *arg)
{
	((struct ear *)arg)->changed++;
}

static void on_closed(void *arg)
{
	((struct ear *)arg)->closed = true;
}

static struct discovery_opts opts_of(struct street *s, uint8_t device, const uint8_t *of_key, struct ear *ear)
{
	struct discovery_opts opts = street_discovery(s);

	opts.tcp_port = TCP_PORT;
	opts.key = of_key;
	opts.device.bytes[0] = device;
	opts.heard = on_heard;
	opts.open_heard = on_open_heard;
	opts.network_changed = on_changed;
	opts.arg = ear;
	return opts;
}

static struct discovery *open_ear(struct street *s, uint8_t device, const uint8_t *of_key, struct ear *ear)
{
	struct discovery_opts opts = opts_of(s, device, of_key, ear);
	struct discovery *d;

	*ear = (struct ear){0};
	assert_int_equal(discovery_open(&s->loop, &opts, &d), 0);
	return d;
}

static bool is_closed(void *ear)
{
	return ((struct ear *)ear)->closed;
}

static void close_ear(struct street *s, struct discovery *d, struct ear *ear)
{
	discovery_close(d, on_closed, ear);
	street_run(s, is_closed, ear);
}

static bool has_heard(void *ear)
{
	return ((struct ear *)ear)->heard > 0;
}

static bool has_heard_open(void *ear)
{
	return ((struct ear *)ear)->open_heard > 0;
}

static bool has_heard_leaving(void *ear)
{
	return ((struct ear *)ear)->left > 0;
}

static void shout(const struct street *s, const void *data, size_t len)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(s->udp_port), .sin_addr.s_addr = htonl(0x7fffffff)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), 0);
	assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)), (ssize_t)len);
	close(fd);
}

static struct beacon hand_made(uint8_t device)
{
	return (struct beacon){.port = HAND_MADE_PORT, .instance = 77, .device = {{device}}};
}

static void shout_beacon(const struct street *s, struct beacon beacon, const uint8_t *with_key)
{
	uint8_t bytes[BEACON_BYTES_MAX];

	shout(s, bytes, beacon_write(&beacon, with_key, bytes));
}

/* Both, also the one that was there before: the newcomer is answered within two seconds. */
static void members_hear_each_other(void **state)
{
	struct ear a, b;
	struct discovery *da, *db;
	struct street s;

	street_init(&s);
	da = open_ear(&s, 1, key, &a);
	db = open_ear(&s, 2, key, &b);
	street_run(&s, has_heard, &a);
	street_run(&s, has_heard, &b);
	assert_int_equal(a.device.bytes[0], 2);
	assert_int_equal(b.device.bytes[0], 1);
	assert_int_equal(ntohs(a.from.sin_port), TCP_PORT);
	assert_int_equal(a.from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(a.heard, 1);
	assert_int_equal(a.open_heard + a.changed, 0);
	a.from = (struct sockaddr_in){0};
	discovery_tell_again(da);
	assert_int_equal(a.heard, 2);
	assert_int_equal(ntohs(a.from.sin_port), TCP_PORT);
	close_ear(&s, da, &a);
	close_ear(&s, db, &b);
	street_release(&s);
}

/* Another library, no library, garbage, too long, cut, our own: nothing. */
static void strangers_are_not_heard(void **state)
{
	static const uint8_t garbage[2000] = {0xd5, 's', 'h', 'b', 1};
	uint8_t bytes[BEACON_BYTES_MAX];
	struct beacon mine = hand_made(1), good = hand_made(9);
	struct ear a, stranger, none;
	struct discovery *da, *ds, *dn;
	struct street s;

	street_init(&s);
	da = open_ear(&s, 1, key, &a);
	ds = open_ear(&s, 3, other_key, &stranger);
	dn = open_ear(&s, 4, NULL, &none);
	for (size_t len = 1; len <= sizeof(garbage); len = len * 3 + 1)
		shout(&s, garbage, len);
	shout(&s, bytes, beacon_write(&good, key, bytes) - 1);
	shout_beacon(&s, hand_made(9), other_key);
	shout_beacon(&s, mine, key);
	shout_beacon(&s, good, key);
	street_run(&s, has_heard, &a);
	assert_int_equal(a.heard, 1);
	assert_int_equal(a.device.bytes[0], 9);
	street_run(&s, has_heard, &stranger);
	assert_int_equal(stranger.heard, 1);
	assert_int_equal(none.heard, 0);
	assert_int_equal(a.open_heard + stranger.open_heard + none.open_heard, 0);
	close_ear(&s, da, &a);
	close_ear(&s, ds, &stranger);
	close_ear(&s, dn, &none);
	street_release(&s);
}

/* A repeated beacon is told once in a while, a forged "leaving" not at all, and neither does anything else. */
static void repeated_and_forged(void **state)
{
	struct beacon good = hand_made(9), leaving = hand_made(9), last = hand_made(10);
	uint8_t bytes[BEACON_BYTES_MAX];
	struct discovery *da;
	struct street s;
	struct ear a;
	size_t len;

	street_init(&s);
	da = open_ear(&s, 1, key, &a);
	len = beacon_write(&good, key, bytes);
	for (int i = 0; i < 20; i++)
		shout(&s, bytes, len);
	bytes[5] |= BEACON_LEAVING; /* without the key */
	shout(&s, bytes, len);
	bytes[5] &= (uint8_t)~BEACON_LEAVING;
	bytes[7]++; /* another port */
	shout(&s, bytes, len);
	last.instance++;
	shout_beacon(&s, last, key);
	while (a.device.bytes[0] != 10)
		uv_run(&s.loop, UV_RUN_ONCE);
	assert_int_equal(a.heard, 2);
	assert_int_equal(ntohs(a.from.sin_port), HAND_MADE_PORT);
	assert_int_equal(a.open_heard + a.changed + a.left, 0);

	leaving.flags = BEACON_LEAVING; /* a genuine one makes room for the next time */
	shout_beacon(&s, leaving, key);
	shout_beacon(&s, good, key);
	while (a.heard < 3)
		uv_run(&s.loop, UV_RUN_ONCE);
	assert_int_equal(a.device.bytes[0], 9);
	close_ear(&s, da, &a);
	street_release(&s);
}

static bool has_heard_much(void *ear)
{
	return ((struct ear *)ear)->heard >= DISCOVERY_PARSED_MAX;
}

static void a_flood(void **state)
{
	uint64_t start_ms = clock_monotonic_ms();
	struct discovery *da;
	struct street s;
	struct ear a;

	street_init(&s);
	da = open_ear(&s, 1, key, &a);
	for (unsigned i = 0; i < 3 * DISCOVERY_PARSED_MAX; i++) {
		struct beacon b = hand_made(9);

		b.instance += i;
		shout_beacon(&s, b, key);
		uv_run(&s.loop, UV_RUN_NOWAIT);
	}
	street_run(&s, has_heard_much, &a);
	assert_in_range(a.heard, DISCOVERY_PARSED_MAX,
			DISCOVERY_PARSED_MAX * (2 + (clock_monotonic_ms() - start_ms) / 1000));
	close_ear(&s, da, &a);
	street_release(&s);
}

static void pairing_is_announced_and_closed(void **state)
{
	struct ear a, b;
	struct discovery *da, *db;
	struct street s;

	street_init(&s);
	da = open_ear(&s, 1, key, &a);
	db = open_ear(&s, 2, NULL, &b);
	assert_int_equal(discovery_open_pairing(da, "bad\nname"), -ERR_MALFORMED);
	assert_int_equal(discovery_open_pairing(da, "Kitchen"), 0);
	street_run(&s, has_heard_open, &b);
	assert_string_equal(b.name, "Kitchen");
	assert_int_equal(ntohs(b.from.sin_port), TCP_PORT);
	assert_int_equal(b.heard, 0);
	discovery_open_pairing(da, NULL);
	street_run(&s, has_heard_leaving, &b);
	b.left = 0;
	discovery_open_pairing(da, "");
	close_ear(&s, da, &a);
	street_run(&s, has_heard_leaving, &b);
	assert_string_equal(b.name, "");
	close_ear(&s, db, &b);
	street_release(&s);
}

static void listeners_do_not_announce(void **state)
{
	struct discovery_opts opts;
	struct discovery *da, *db;
	struct ear a, b = {0};
	struct street s;

	street_init(&s);
	da = open_ear(&s, 1, key, &a);
	opts = opts_of(&s, 2, key, &b);
	opts.tcp_port = 0;
	assert_int_equal(discovery_open(&s.loop, &opts, &db), 0);
	assert_int_equal(discovery_open_pairing(db, "x"), -EINVAL);
	shout_beacon(&s, hand_made(9), key); /* after whatever db might have said */
	street_run(&s, has_heard, &a);
	street_run(&s, has_heard, &b);
	assert_int_equal(a.device.bytes[0], 9);
	assert_int_equal(a.heard, 1);
	close_ear(&s, da, &a);
	close_ear(&s, db, &b);
	street_release(&s);
}

static void a_renewed_key(void **state)
{
	struct ear a, b;
	struct discovery *da, *db;
	struct street s;

	street_init(&s);
	da = open_ear(&s, 1, key, &a);
	db = open_ear(&s, 2, other_key, &b);
	uv_run(&s.loop, UV_RUN_NOWAIT);
	assert_int_equal(a.heard + b.heard, 0);
	assert_int_equal(discovery_set_key(da, other_key), 0);
	street_run(&s, has_heard, &b);
	street_run(&s, has_heard, &a);
	assert_int_equal(discovery_set_key(da, NULL), 0);
	close_ear(&s, da, &a);
	close_ear(&s, db, &b);
	street_release(&s);
}

/* Another process on this machine, with the same port. */
static void another_process(void **state)
{
	struct discovery *da;
	struct street s;
	struct ear a;
	pid_t child;
	int status;

	street_init(&s);
	child = fork();
	if (child == 0) {
		struct street theirs = {.udp_port = s.udp_port};
		struct ear ear;

		if (uv_loop_init(&theirs.loop) == 0 && open_ear(&theirs, 2, key, &ear))
			uv_run(&theirs.loop, UV_RUN_DEFAULT); /* until it is ended */
		_exit(1);
	}
	da = open_ear(&s, 1, key, &a);
	street_run(&s, has_heard, &a);
	assert_int_equal(a.device.bytes[0], 2);
	close_ear(&s, da, &a);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	street_release(&s);
}

/* The port is taken by somebody who does not share. */
static void a_taken_port(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct discovery *d = NULL;
	struct discovery_opts opts;
	struct street s;
	int fd;

	street_init(&s);
	address.sin_port = htons(s.udp_port);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	opts = street_discovery(&s);
	assert_int_equal(discovery_open(&s.loop, &opts, &d), -EADDRINUSE);
	assert_null(d);
	close(fd);
	street_release(&s);
}

/* --- nearby --- */

struct walk {
	unsigned found;
	bool done;
	bool closed;
};

static void on_found(void *arg, const struct candidate *device)
{
	assert_string_equal(device->name, "x");
	((struct walk *)arg)->found++;
}

static void on_done(void *arg)
{
	((struct walk *)arg)->done = true;
}

static void on_walk_closed(void *arg)
{
	((struct walk *)arg)->closed = true;
}

static bool walk_is_done(void *arg)
{
	return ((struct walk *)arg)->done;
}

static bool walk_is_closed(void *arg)
{
	return ((struct walk *)arg)->closed;
}

static void nearby_collects_for_a_time(void **state)
{
	struct nearby_opts opts = {.time_ms = 100, .found = on_found, .done = on_done};
	struct walk walk = {0};
	struct nearby *n;
	struct street s;

	street_init(&s);
	opts.discovery = street_discovery(&s);
	opts.arg = &walk;
	assert_int_equal(nearby_open(&s.loop, &opts, &n), 0);
	for (uint8_t i = 0; i < 6; i++) {
		struct beacon b = {.flags = BEACON_PAIRING_OPEN, .port = 4000 + i % 2, .instance = i % 2, .name = "x"};

		shout_beacon(&s, b, NULL);
	}
	street_run(&s, walk_is_done, &walk);
	assert_int_equal(walk.found, 2);
	nearby_close(n, on_walk_closed, &walk);
	street_run(&s, walk_is_closed, &walk);
	street_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(members_hear_each_other),
	    cmocka_unit_test(strangers_are_not_heard),
	    cmocka_unit_test(repeated_and_forged),
	    cmocka_unit_test(a_flood),
	    cmocka_unit_test(pairing_is_announced_and_closed),
	    cmocka_unit_test(listeners_do_not_announce),
	    cmocka_unit_test(a_renewed_key),
	    cmocka_unit_test(another_process),
	    cmocka_unit_test(a_taken_port),
	    cmocka_unit_test(nearby_collects_for_a_time),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
