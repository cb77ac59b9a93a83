/* A replica in memory: the contract of sync/replica.h with the real merge rules, for the simulation. Every call is one
 * transaction and is committed when it returns. */
#pragma once

#include "sync/replica.h"
#include "sync/change.h"
#include "sync/hlc.h"
#include "sync/replica.h"
#include "sync/row.h"

#define MEMORY_DEVICES_MAX 16

struct mem_register {
	struct stamp stamp; /* hlc 0: never written */
	struct value value; /* bytes owned */
};

struct mem_record { /* a shared row */
	const struct model *model;
	struct uuid key[MODEL_KEY_MAX];
	struct mem_register fields[MODEL_FIELDS_MAX];
};

struct mem_table { /* the rows of one device and kind */
	struct uuid device;
	const struct model *model;
	struct row *rows; /* sorted by key; bytes owned */
	size_t count, capacity;
	uint64_t digest;
};

struct mem_log {
	struct origin origin;
	uint8_t floor_hash[HASH_LEN];
	struct buf *records; /* from floor + 1 */
	size_t count, capacity;
};

struct memory {
	struct uuid self;
	uint64_t epoch;
	struct vector streams;
	struct hlc clock;
	struct mem_record *records; /* sorted by kind, key */
	size_t record_count, record_capacity;
	uint64_t shared_digest;
	struct mem_table tables[MEMORY_DEVICES_MAX * 4];
	size_t table_count;
	struct mem_log *logs;
	size_t log_count;
	uint64_t next_seq; /* of entries, audit rows, locations: never used twice */
};

extern const struct replica_ops memory_ops; /* `replica` is a struct memory */

/* Errors of all: these abort on lack of memory; tests. */
struct memory *memory_new(const struct uuid *self, uint64_t epoch, uint64_t started);
struct memory *memory_copy(const struct memory *from);
void memory_free(struct memory *m);

/* This device's own changes. */
void memory_commit(struct memory *m, struct change_set *set, uint64_t now_ms);
void memory_put_row(struct memory *m, struct row *row); /* version is set; a location that is deleted takes its entries along */

struct mem_table *memory_table(struct memory *m, const struct uuid *device, uint8_t kind, bool make);
const struct mem_record *memory_record(const struct memory *m, uint8_t kind, const struct uuid *key0, const struct uuid *key1);
size_t memory_members(const struct memory *m, struct uuid ret_members[MEMORY_DEVICES_MAX]);
void memory_devices(const struct memory *m, struct buf *ret_rows); /* registers of all devices, for Hello */

/* The live content as text: equal on devices that agree. */
void memory_dump(const struct memory *m, struct buf *text);

/* The digests anew from the rows; aborts when those kept up differ. */
void memory_check_digests(struct memory *m);

/* Between the files of the replica. */
void mem_apply_set(struct memory *m, const struct change_set *set, const struct stamp *stamp, uint64_t over_hlc);
int mem_read_state(struct memory *m, const struct range_request *q, struct range *ret_range, struct buf *body);
int mem_apply_state(struct memory *m, const struct range *range, struct applied *ret_applied);
int mem_snapshot_read(void *replica, const struct buf *cursor, uint32_t max_bytes, struct buf *rows, struct buf *ret_cursor);
int mem_snapshot_merge(void *replica, const void *rows, size_t len, const struct vector *covers, uint64_t now_ms);
bool mem_put_register(struct memory *m, struct mem_record *rec, unsigned field, const struct value *value,
		      const struct stamp *stamp, uint64_t over_hlc);
struct mem_record *mem_record(struct memory *m, const struct model *model, const struct uuid key[MODEL_KEY_MAX]);
struct mem_log *mem_log(struct memory *m, const struct origin *origin, bool make);
void mem_log_clear(struct mem_log *log);
void mem_drop_entries(struct memory *m, const struct uuid *device, uint64_t prefix);
void *mem_grow(void *items, size_t count, size_t *capacity, size_t size);
void mem_table_clear(struct mem_table *t);
void mem_purge(struct memory *m, const struct stream_id *id, uint64_t upto);
