/* Shared changes and their wire form.
 *
 * A change sets some fields of one shared record. A change set is what one user action did: it is atomic, has one HLC,
 * and is one record of the log: msgpack `[hlc, [[kind, key, {field: value, ...}], ...]]` with integers for kinds and
 * fields, the key as bin of 16 bytes for each part. Within a set no (record, field) occurs twice.
 *
 * Pure. Threads: one at a time for one set. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "sync/model.h"

#define CHANGE_SET_MAX 2048           /* changes in one set */
#define CHANGE_RECORD_MAX (1024 * 1024) /* bytes of one encoded record */

struct value {
	uint64_t number;      /* FIELD_BOOL (0 or 1), FIELD_UINT */
	const uint8_t *bytes; /* the other types; owned by the set's arena once added or decoded */
	size_t len;
};

/* <0, 0, >0: numbers by size, others by their bytes. Of two values with one stamp the greater one is kept. */
int value_cmp(enum field_type type, const struct value *a, const struct value *b);

struct change {
	const struct model *model;
	struct uuid key[MODEL_KEY_MAX];
	uint32_t fields; /* bit i: values[i] is set */
	struct value values[MODEL_FIELDS_MAX];
};

struct change_set {
	struct change *items; /* owned */
	size_t count;
	size_t capacity;
	void *arena; /* owned blocks of bytes */
};

#define CHANGE_SET_INIT ((struct change_set){ 0 })

/* Adds an empty change of a shared kind; the key parts are copied (`key1` NULL for kinds of one part).
 * The pointer is valid until the next add. Errors: -ENOMEM, -ERR_TOO_LARGE, -EINVAL (not a shared kind). */
int change_set_add(struct change_set *set, enum model_kind kind, const struct uuid *key0, const struct uuid *key1,
		   struct change **ret_change);

/* Set one field of a change of `set`; bytes are copied. Errors: -EINVAL (no such field or wrong type), -ERR_MALFORMED
 * (value breaks the field's rule), -ENOMEM. */
int change_put_number(struct change *change, unsigned field, uint64_t number);
int change_put_bytes(struct change_set *set, struct change *change, unsigned field, const void *bytes, size_t len);

void change_set_release(struct change_set *set); /* usable again afterwards */

/* Errors: -ENOMEM, -ERR_TOO_LARGE, -EINVAL (what change_set_decode would refuse: no change, a change without a field, a
 * (record, field) twice, an hlc out of range). Appends to ret_record. */
int change_set_encode(const struct change_set *set, uint64_t hlc, struct buf *ret_record);

/* Checks everything: kinds, key lengths, field numbers, types, lengths, limits, doubles, trailing bytes, hlc range (from
 * 1, as 0 is no stamp, to HLC_MS_MAX), at least one change, and one field in each.
 * `ret_set` must be empty and is only filled on success; values are copied.
 * Errors: -ERR_MALFORMED, -ERR_TOO_LARGE, -ENOMEM. */
int change_set_decode(const void *record, size_t len, uint64_t *ret_hlc, struct change_set *ret_set);

/* H(n) = BLAKE2b-256(H(n-1) || record); H(0) is 32 zero bytes (design section 5). */
void change_running_hash(const uint8_t previous[HASH_LEN], const void *record, size_t len, uint8_t ret_hash[HASH_LEN]);
