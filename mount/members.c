#include "mount/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/device.h"
#include "store/registers.h"

static int read_devices(struct db *db, struct members *m)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_list(db, 0, &rows);

	while (r == 0 && (r = device_next(&rows, &device)) == 0) {
		if (device.self)
			continue;
		if (m->other_count == KEYRING_PEERS_MAX)
			return -ERR_TOO_LARGE;
		m->others[m->other_count++] = m->ids[m->id_count++] = device.uuid;
		if (device.public_key)
			memcpy(m->keys[m->key_count++], device.public_key, KEY_PUBLIC_LEN);
	}
	return r < 0 ? r : 0;
}

/* One that has just joined has not heard of itself yet: that is no removal. */
static bool was_removed(struct db *db, const struct uuid *self)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;

	return device_find(db, self, &device, &rows) == 0 && !device.member && device.member_at.hlc != 0;
}

static int read_registers(struct db *db, struct buf *ret_registers)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	struct registers_cursor cursor = {0};
	int r = registers_read(db, REGISTERS_OF(MODEL_DEVICE), REGISTERS_BYTES_MAX, &cursor, &registers);

	return r < 0 ? r : registers_encode(&registers, ret_registers);
}

static int read_all(struct db *db, const struct uuid *self, struct members *m)
{
	int r = read_devices(db, m);

	if (r == 0)
		r = read_registers(db, &m->registers);
	if (r < 0)
		return r;
	m->ids[m->id_count++] = *self;
	m->was_removed = was_removed(db, self);
	m->has_discovery_key = device_discovery_key(db, m->discovery_key) == 0;
	return 0;
}

int members_read(struct store *store, struct members **ret_members)
{
	_cleanup_(members_freep) struct members *m = calloc(1, sizeof(*m));
	struct db *db;
	int r = m ? store_reader(store, &db) : -ENOMEM;

	if (r == 0)
		r = db_begin(db);
	if (r < 0)
		return r;
	r = read_all(db, &store_info(store)->device, m);
	db_end(db);
	if (r == 0)
		*ret_members = TAKE_PTR(m);
	return r;
}

void members_freep(struct members **members)
{
	struct members *m = *members;

	if (!m)
		return;
	explicit_bzero(m->discovery_key, sizeof(m->discovery_key));
	buf_release(&m->registers);
	free(m);
}
