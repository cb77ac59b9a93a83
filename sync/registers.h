/* Shared rows with the stamps of their fields, and their wire form: what a snapshot and a Hello carry (design section
 * 5).
 *
 * A change set says what one action did, at one time; registers say what a row is, each field with the stamp that wrote
 * it, so that the receiver merges register by register. The wire form is a list of rows,
 * msgpack `[[kind, key, {field: [value, hlc, device]}], ...]`, kinds, keys and values as in change.h; a field that was
 * never written is left out. A catalogue travels in pieces: lists that are each bounded in rows and bytes.
 *
 * Pure. Threads: one at a time for one list. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "sync/change.h"
#include "sync/hlc.h"
#include "sync/model.h"

#define REGISTERS_ROWS_MAX  CHANGE_SET_MAX /* rows in one piece */
#define REGISTERS_BYTES_MAX (1024 * 1024)  /* of one encoded piece */
#define REGISTERS_ROW_MAX   2048	   /* bytes of one row, whatever its kind: a test proves it */

struct register_stamps {
	struct stamp of[MODEL_FIELDS_MAX]; /* of the fields that the row has */
};

struct registers {
	struct change_set set;		/* owned: the rows, as changes that set what they have; read only */
	struct register_stamps *stamps; /* owned: of set.items[i] */
	size_t capacity;		/* of `stamps` */
	size_t bytes;			/* at least what encoding takes */
};

#define REGISTERS_INIT ((struct registers){0})

/* Adds a row without fields; key parts as change_set_add. The row's number is set.count - 1.
 * Errors: -ENOMEM, -EINVAL (not a shared kind), -ERR_TOO_LARGE (REGISTERS_ROWS_MAX). */
int registers_add(struct registers *registers, enum model_kind kind, const struct uuid *key0, const struct uuid *key1);

/* Set a field of the row that was added last; bytes are copied. Errors: as change_put_*, and -EINVAL: the stamp is out
 * of range (hlc 0 or above HLC_MS_MAX). */
int registers_put_number(struct registers *registers, unsigned field, uint64_t number, const struct stamp *stamp);
int registers_put_bytes(struct registers *registers, unsigned field, const void *bytes, size_t len,
			const struct stamp *stamp);

/* Takes back the row that was added last. */
void registers_drop(struct registers *registers);

uint64_t registers_newest(const struct registers *registers); /* the greatest hlc; 0: there is none */

void registers_release(struct registers *registers); /* usable again afterwards */

/* Appends to ret_bytes. No row at all is a list, too. Errors: -ENOMEM, -EINVAL (a row without a field, a (row, field)
 * twice), -ERR_TOO_LARGE. */
int registers_encode(const struct registers *registers, struct buf *ret_bytes);

/* Checks everything: kinds, key lengths, field numbers, types, lengths, limits, doubles, trailing bytes, and the hlc of
 * each stamp; one field at least in each row. `ret_registers` must be empty and is only filled on success; values are
 * copied. Errors: -ERR_MALFORMED, -ERR_TOO_LARGE, -ENOMEM. */
int registers_decode(const void *bytes, size_t len, struct registers *ret_registers);
