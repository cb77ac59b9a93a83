#include "tests/store/steps.h"

#include <string.h>
#include <sys/stat.h>

#include "store/device.h"
#include "store/internal.h"
#include "tests/lib/test.h"

struct step {
	int (*run)(struct txn *txn, struct step *step);
	int64_t id, location, parent;
	const char *name;
	struct entry_attr attr;
	uint8_t byte;
};

struct entry_attr step_file(uint64_t ino)
{
	return (struct entry_attr){.mode = S_IFREG | 0644, .size = 10, .mtime_ns = 5, .ino = ino, .btime_ns = 1};
}

struct entry_attr step_dir(uint64_t ino)
{
	return (struct entry_attr){.mode = S_IFDIR | 0755, .mtime_ns = 5, .ino = ino, .btime_ns = 1};
}

static int run_step(struct txn *txn, void *arg)
{
	struct step *step = arg;

	return step->run(txn, step);
}

static int take(struct store *store, struct step *step)
{
	const struct store_write_opts opts = {.priority = STORE_INTERACTIVE};

	return store_write(store, &opts, run_step, step);
}

static int do_insert(struct txn *txn, struct step *step)
{
	const struct entry_place place = {
	    .location = step->location,
	    .parent = step->parent,
	    .name = step->name,
	    .name_len = strlen(step->name),
	};

	return entry_insert(txn, &place, &step->attr, &step->id);
}

int step_insert(struct store *store, int64_t location, int64_t parent, const char *name, struct entry_attr attr,
		int64_t *ret_id)
{
	struct step step = {.run = do_insert, .location = location, .parent = parent, .name = name, .attr = attr};
	int r = take(store, &step);

	if (r >= 0)
		*ret_id = step.id;
	return r;
}

static int do_update(struct txn *txn, struct step *step)
{
	return entry_update(txn, step->id, &step->attr);
}

int step_update(struct store *store, int64_t id, struct entry_attr attr)
{
	return take(store, &(struct step){.run = do_update, .id = id, .attr = attr});
}

static int do_move(struct txn *txn, struct step *step)
{
	return entry_move(txn, step->id, step->parent, step->name, strlen(step->name));
}

int step_move(struct store *store, int64_t id, int64_t parent, const char *name)
{
	return take(store, &(struct step){.run = do_move, .id = id, .parent = parent, .name = name});
}

static int do_delete(struct txn *txn, struct step *step)
{
	return entry_delete(txn, step->id);
}

int step_delete(struct store *store, int64_t id)
{
	return take(store, &(struct step){.run = do_delete, .id = id});
}

static int do_content(struct txn *txn, struct step *step)
{
	uint8_t content[HASH128_LEN];

	memset(content, step->byte, sizeof(content));
	return entry_set_content(txn, step->id, step->attr.size, step->attr.mtime_ns, content);
}

int step_content(struct store *store, int64_t id, const struct entry_attr *attr, uint8_t byte)
{
	return take(store, &(struct step){.run = do_content, .id = id, .attr = *attr, .byte = byte});
}

static int do_location_add(struct txn *txn, struct step *step)
{
	const struct location_new new = {
	    .name = step->name,
	    .path = "/nowhere",
	    .identity = {.fsid = 1, .ino = 2, .btime_ns = 3},
	    .mode = 0755,
	    .mtime_ns = 9,
	};

	return location_add(txn, &new, &step->id);
}

int step_location_add(struct store *store, const char *name, int64_t *ret_id)
{
	struct step step = {.run = do_location_add, .name = name};
	int r = take(store, &step);

	if (r >= 0)
		*ret_id = step.id;
	return r;
}

static int do_location_remove(struct txn *txn, struct step *step)
{
	return location_remove(txn, step->id);
}

int step_location_remove(struct store *store, int64_t id)
{
	return take(store, &(struct step){.run = do_location_remove, .id = id});
}

static int do_device_rename(struct txn *txn, struct step *step)
{
	return device_rename(txn, step->id, step->name, strlen(step->name));
}

int step_device_rename(struct store *store, int64_t id, const char *name)
{
	return take(store, &(struct step){.run = do_device_rename, .id = id, .name = name});
}

static int do_sql(struct txn *txn, struct step *step)
{
	return connection_exec(txn->db->connection, step->name);
}

int step_sql(struct store *store, const char *sql)
{
	return take(store, &(struct step){.run = do_sql, .name = sql});
}

int64_t step_number(struct store *store, const char *sql)
{
	struct db *db = NULL;
	int64_t number = -1;

	assert_int_equal(store_reader(store, &db), 0);
	assert_int_equal(connection_int(db->connection, sql, &number), 0);
	return number;
}
