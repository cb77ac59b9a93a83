/* What people and disks do to a device, at random. */
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/key.h"

enum { TAGS = 4, ENTRIES = 8, NAMES = 5, ROW_NAME_LEN = 16 };

static struct uuid small_uuid(uint8_t kind, uint64_t number)
{
	return (struct uuid){.bytes = {kind, (uint8_t)number, 0x80}};
}

/* --- shared --- */

static void add_pair(struct world *w, struct change_set *set)
{
	static const uint8_t kinds[] = {MODEL_TAGGING, MODEL_TAGGING, MODEL_ALBUM_ITEM, MODEL_METADATA};
	uint8_t kind = kinds[world_random(w, sizeof(kinds))];
	struct uuid collection = small_uuid(kind, world_random(w, TAGS)),
		    entry = small_uuid(99, world_random(w, ENTRIES));
	struct change *change;
	char name[8];
	int len = snprintf(name, sizeof(name), "n%u", (unsigned)world_random(w, NAMES));

	if (change_set_add(set, kind, &collection, &entry, &change) < 0)
		abort();
	if (world_chance(w, 60))
		change_put_bytes(set, change, PAIR_NAME, name, (size_t)len);
	change_put_number(change, PAIR_LIVE, world_chance(w, 65));
	if (world_chance(w, 30))
		change_put_bytes(set, change, PAIR_CONTENT, "0123456789abcdef", 16);
}

static void add_collection(struct world *w, struct change_set *set)
{
	uint8_t kind = world_chance(w, 50) ? MODEL_TAG : MODEL_ALBUM;
	struct uuid id = small_uuid(kind, world_random(w, TAGS));
	struct change *change;
	char name[8];
	int len = snprintf(name, sizeof(name), "c%u", (unsigned)world_random(w, NAMES));

	if (change_set_add(set, kind, &id, NULL, &change) < 0)
		abort();
	if (world_chance(w, 50))
		change_put_bytes(set, change, COLLECTION_NAME, name, (size_t)len);
	change_put_number(change, COLLECTION_LIVE, world_chance(w, 70));
}

static void change_shared(struct world *w, unsigned i)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;

	if (world_chance(w, 25))
		add_collection(w, &set);
	else
		add_pair(w, &set);
	memory_commit(w->devices[i].replica, &set, world_wall(w, i));
}

static void put_device(struct change_set *set, const struct device *d, const struct uuid *by, bool member)
{
	uint8_t key[KEY_PUBLIC_LEN] = {d->id.bytes[0]};
	struct change *change;
	char name[16];
	int len = snprintf(name, sizeof(name), "device %u", d->id.bytes[0]);

	if (change_set_add(set, MODEL_DEVICE, &d->id, NULL, &change) < 0)
		abort();
	if (member) {
		change_put_bytes(set, change, DEVICE_NAME, name, (size_t)len);
		change_put_bytes(set, change, DEVICE_PUBLIC_KEY, key, sizeof(key));
		change_put_bytes(set, change, DEVICE_ADDED_BY, by->bytes, UUID_LEN);
	}
	change_put_number(change, DEVICE_MEMBER, member);
}

static void make_replica(struct world *w, unsigned i)
{
	struct device *d = &w->devices[i];

	d->replica = memory_new(&d->id, 1 + world_random(w, UINT64_C(1) << 40), world_wall(w, i) << 16);
	d->exists = true;
}

void operation_create(struct world *w, unsigned i)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;

	make_replica(w, i);
	put_device(&set, &w->devices[i], &w->devices[i].id, true);
	memory_commit(w->devices[i].replica, &set, world_wall(w, i));
	world_start(w, i);
}

void operation_join(struct world *w, unsigned i, unsigned by)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf rows = BUF_INIT;
	struct device *inviter = &w->devices[by];

	put_device(&set, &w->devices[i], &inviter->id, true);
	memory_commit(inviter->replica, &set, world_wall(w, by));
	world_report(w, by);
	make_replica(w, i);
	memory_devices(inviter->replica, &rows);
	memory_ops.snapshot_merge(w->devices[i].replica, rows.data, rows.len, NULL, world_wall(w, i));
	world_start(w, i);
}

void operation_remove(struct world *w, unsigned i, unsigned by)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;

	put_device(&set, &w->devices[i], &w->devices[by].id, false);
	memory_commit(w->devices[by].replica, &set, world_wall(w, by));
	w->devices[i].removed = true;
	world_report(w, by);
}

/* --- state --- */

static struct row *random_row(struct world *w, struct memory *m, uint8_t kind)
{
	struct mem_table *t = memory_table(m, &m->self, kind, true);

	return t->count > 0 ? &t->rows[world_random(w, t->count)] : NULL;
}

static struct value bytes_value(const char *text)
{
	return (struct value){.bytes = (const uint8_t *)text, .len = strlen(text)};
}

#define VOLUMES 3 /* of each device */

/* A location on one of the disks, whose row may be there, be deleted, or come later. */
static void put_location(struct world *w, struct memory *m)
{
	struct row row = {.model = model_find(MODEL_LOCATION)};

	row.key[0] =
	    (uint64_t)m->self.bytes[0] << 56 | world_random(w, UINT64_C(1) << 40) << 8 | (m->next_seq++ & 0xff);
	row.values[LOCATION_NAME] = bytes_value("place");
	row.values[LOCATION_PATH] = bytes_value("/somewhere");
	row.values[LOCATION_EXCLUDE] = bytes_value("");
	row.values[LOCATION_VOLUME].number = world_random(w, VOLUMES + 1);
	memory_put_row(m, &row);
}

/* It lies on another disk now. */
static void move_location(struct world *w, struct memory *m)
{
	struct row *found = random_row(w, m, MODEL_LOCATION);
	struct row row;

	if (!found || row_is_tombstone(found))
		return;
	row = *found;
	/* The stored row's bytes go when it is replaced. */
	row.values[LOCATION_NAME] = bytes_value("moved");
	row.values[LOCATION_PATH] = bytes_value("/elsewhere");
	row.values[LOCATION_EXCLUDE] = bytes_value("");
	row.values[LOCATION_VOLUME].number = world_random(w, VOLUMES + 1);
	memory_put_row(m, &row);
}

static void put_entry(struct world *w, struct memory *m)
{
	struct row row = {.model = model_find(MODEL_ENTRY)};
	struct row *location = random_row(w, m, MODEL_LOCATION), *parent = random_row(w, m, MODEL_ENTRY);
	char name[ROW_NAME_LEN];

	if (!location || row_is_tombstone(location))
		return;
	snprintf(name, sizeof(name), "file%u", (unsigned)world_random(w, 50));
	row.key[0] = location->key[0];
	row.key[1] = m->next_seq++;
	row.values[ENTRY_PARENT].number = parent && parent->key[0] == row.key[0] ? parent->key[1] + 1 : 0;
	row.values[ENTRY_NAME] = bytes_value(row.values[ENTRY_PARENT].number ? name : "");
	row.values[ENTRY_MODE].number = S_IFDIR | 0755;
	row.values[ENTRY_SIZE].number = world_random(w, 1000000);
	row.values[ENTRY_MTIME].number = world_wall(w, 0) * 1000000;
	row.values[ENTRY_CONTENT] = world_chance(w, 50) ? bytes_value("content-content-") : bytes_value("");
	memory_put_row(m, &row);
}

static void change_entry(struct world *w, struct memory *m, bool delete)
{
	struct row *found = random_row(w, m, MODEL_ENTRY);
	struct row row;
	char name[ROW_NAME_LEN];

	if (!found)
		return;
	row = *found;
	/* The stored row's bytes go when it is replaced. */
	snprintf(name, sizeof(name), "moved%u", (unsigned)world_random(w, 50));
	row.values[ENTRY_NAME] = bytes_value(row.values[ENTRY_PARENT].number ? name : "");
	row.values[ENTRY_CONTENT] = bytes_value("");
	row.values[ENTRY_SIZE].number = world_random(w, 1000000);
	row.values[ENTRY_DELETED].number = delete;
	memory_put_row(m, &row);
}

static void delete_location(struct world *w, struct memory *m)
{
	struct row *found = random_row(w, m, MODEL_LOCATION);
	struct row row;

	if (!found)
		return;
	row = *found;
	row.values[LOCATION_NAME] = bytes_value("gone");
	row.values[LOCATION_PATH] = bytes_value("");
	row.values[LOCATION_EXCLUDE] = bytes_value("");
	row.values[LOCATION_DELETED].number = 1;
	memory_put_row(m, &row);
}

static void put_audit(struct world *w, struct memory *m)
{
	struct row row = {.model = model_find(MODEL_AUDIT), .key = {m->next_seq++, 0}};

	row.values[AUDIT_AT].number = world_wall(w, 0);
	row.values[AUDIT_ACTION] = bytes_value("did");
	row.values[AUDIT_SUBJECT] = bytes_value("something");
	memory_put_row(m, &row);
}

static void put_volume(struct world *w, struct memory *m)
{
	struct row row = {.model = model_find(MODEL_VOLUME), .key = {1 + world_random(w, VOLUMES), 0}};

	row.values[VOLUME_NAME] = bytes_value("disk");
	row.values[VOLUME_FILESYSTEM] = bytes_value("ext4");
	row.values[VOLUME_CAPACITY].number = world_random(w, UINT64_C(1) << 40);
	row.values[VOLUME_DELETED].number = world_chance(w, 20);
	memory_put_row(m, &row);
}

static void change_state(struct world *w, unsigned i)
{
	struct memory *m = w->devices[i].replica;
	uint64_t dice = world_random(w, 100);

	if (dice < 6)
		put_location(w, m);
	else if (dice < 9)
		delete_location(w, m);
	else if (dice < 14)
		put_audit(w, m);
	else if (dice < 18)
		put_volume(w, m);
	else if (dice < 20)
		move_location(w, m);
	else if (dice < 60)
		put_entry(w, m);
	else
		change_entry(w, m, dice >= 80);
}

void operation_random(struct world *w, unsigned i)
{
	unsigned times = world_chance(w, 10) ? 1 + (unsigned)world_random(w, 30) : 1;

	while (times-- > 0) {
		if (world_chance(w, 50))
			change_shared(w, i);
		else
			change_state(w, i);
	}
	world_report(w, i);
}
