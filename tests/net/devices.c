#include "tests/net/devices.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tests/lib/test.h"

enum { DEADLINE_MS = 8000, STEP_MS = 20 };

static struct device *find(struct device *device, const struct uuid *id)
{
	for (unsigned i = 0; i < DEVICES_MAX; i++) {
		if (uuid_cmp(&device->all->all[i].id, id) == 0)
			return &device->all->all[i];
	}
	fail_msg("an event about a device that nobody knows");
	return NULL;
}

static void on_up(void *arg, const struct uuid *id, const struct node_up *info)
{
	struct device *device = arg;

	assert_ptr_not_equal(find(device, id), device);
	assert_memory_equal(info->address, "127.0.0.1:", 10);
	device->ups++;
	device->connected++;
	device->initiated = info->initiated;
}

static void on_down(void *arg, const struct uuid *id, int reason)
{
	struct device *device = arg;

	find(device, id);
	assert_true(device->connected > 0);
	device->downs++;
	device->connected--;
	device->reason = reason;
}

static void on_message(void *arg, const struct uuid *id, const uint8_t *message, size_t len)
{
	struct device *device = arg;

	assert_true(len > 0);
	assert_true(device->connected > 0);
	device->messages++;
	device->bytes += len;
	buf_clear(&device->last);
	buf_append(&device->last, message, len);
	if (device->on_message)
		device->on_message(device, id);
}

static void on_writable(void *arg, const struct uuid *id)
{
	struct device *device = arg;

	device->writables++;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static int on_pairing(void *arg, uv_tcp_t *tcp)
{
	struct device *device = arg;

	if (device->pairing_refused)
		return -EACCES;
	device->pairings++;
	if (device->closes_on_pairing) {
		node_close(device->node, NULL, NULL);
		device->node = NULL;
	}
	uv_close((uv_handle_t *)tcp, free_handle);
	return 0;
}

static void on_clone(void *arg, const struct uuid *id)
{
	struct device *device = arg;

	device->clones++;
}

static void on_closed(void *arg)
{
	struct devices *d = arg;

	d->closed++;
}

static const struct node_events events = {.up = on_up,
					  .message = on_message,
					  .writable = on_writable,
					  .down = on_down,
					  .pairing = on_pairing,
					  .clone = on_clone};

void devices_init(struct devices *d)
{
	memset(d, 0, sizeof(*d));
	assert_int_equal(uv_loop_init(&d->loop), 0);
	uv_timer_init(&d->loop, &d->step);
	d->library = uuid_random();
	for (unsigned i = 0; i < DEVICES_MAX; i++) {
		d->all[i].all = d;
		d->all[i].keys = keys_from((uint8_t)(0x41 + i));
		d->all[i].id = key_id_of_public(d->all[i].keys.public_key);
	}
}

void device_open(struct devices *d, unsigned i, bool members)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct node_opts opts = {.secret = d->all[i].keys.secret,
				 .library = d->library,
				 .listen = (struct sockaddr *)&any,
				 .limits = d->limits,
				 .events = &events,
				 .arg = &d->all[i]};

	assert_null(d->all[i].node);
	assert_int_equal(node_open(&d->loop, &opts, &d->all[i].node), 0);
	if (members)
		device_members(d, i, 0, DEVICES_MAX);
}

void device_members(struct devices *d, unsigned i, unsigned first, unsigned count)
{
	uint8_t keys[DEVICES_MAX][KEY_PUBLIC_LEN];

	for (unsigned k = 0; k < count; k++)
		memcpy(keys[k], d->all[first + k].keys.public_key, KEY_PUBLIC_LEN);
	assert_int_equal(node_set_members(d->all[i].node, (const uint8_t(*)[KEY_PUBLIC_LEN])keys, count), 0);
}

struct sockaddr_in device_address(const struct devices *d, unsigned i)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				    .sin_port = htons(node_port(d->all[i].node))};
}

void device_knows(struct devices *d, unsigned i, unsigned other)
{
	char address[NODE_ADDRESS_TEXT];

	snprintf(address, sizeof(address), "127.0.0.1:%u", node_port(d->all[other].node));
	assert_int_equal(node_add_address(d->all[i].node, &d->all[other].id, address), 0);
}

void device_hint(struct devices *d, unsigned i, unsigned other)
{
	struct sockaddr_in address = device_address(d, other);

	assert_int_equal(node_hint(d->all[i].node, &d->all[other].id, (struct sockaddr *)&address), 0);
}

static void on_step(uv_timer_t *timer)
{
}

void devices_until(struct devices *d, bool (*is_true)(void *arg), void *arg)
{
	uint64_t deadline = uv_hrtime() / 1000000 + DEADLINE_MS;

	uv_timer_start(&d->step, on_step, STEP_MS, STEP_MS);
	while (!is_true(arg)) {
		assert_true(uv_hrtime() / 1000000 < deadline);
		uv_run(&d->loop, UV_RUN_ONCE);
	}
	uv_timer_stop(&d->step);
}

void devices_run(struct devices *d)
{
	for (unsigned i = 0; i < 10; i++)
		uv_run(&d->loop, UV_RUN_NOWAIT);
}

struct both {
	struct device *a, *b;
};

static bool are_connected(void *arg)
{
	struct both *both = arg;
	struct node_info a, b;

	return node_info(both->a->node, &both->b->id, &a) == 0 && node_info(both->b->node, &both->a->id, &b) == 0 &&
	       a.connected && b.connected && a.initiated != b.initiated;
}

void devices_connect(struct devices *d, unsigned i, unsigned other)
{
	struct both both = {&d->all[i], &d->all[other]};

	devices_until(d, are_connected, &both);
}

static bool all_closed(void *arg)
{
	return ((struct devices *)arg)->closed == 0;
}

void device_close(struct devices *d, unsigned i)
{
	d->closed--; /* comes back to 0 */
	node_close(d->all[i].node, on_closed, d);
	d->all[i].node = NULL;
	devices_until(d, all_closed, d);
	d->all[i].connected = 0;
}

void devices_release(struct devices *d)
{
	for (unsigned i = 0; i < DEVICES_MAX; i++) {
		if (d->all[i].node)
			device_close(d, i);
		buf_release(&d->all[i].last);
	}
	uv_close((uv_handle_t *)&d->step, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&d->loop), 0);
}

unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}
