/* Rows of device-owned kinds and the body of a state range: a block of rows in columns, so that numbers that grow slowly
 * compress to nothing (design section 5: at most 40 bytes for an entry without content id).
 *
 * A block is a msgpack array: the number of rows, then one bin for each column: version, the parts of the key, and each
 * field of the model. Numbers are LEB128: version and key parts, and fields marked `delta`, as zigzag of the difference to
 * the row before. Bytes are all lengths, then all bytes. Driven by the model registry.
 *
 * Threads: one at a time for one block. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "sync/change.h"
#include "sync/model.h"

struct row {
	const struct model *model; /* MODEL_OWNED */
	uint64_t key[MODEL_KEY_MAX]; /* location: prefix; entry: prefix, seq; volume, audit: a number of the owner's */
	uint64_t version;
	struct value values[MODEL_FIELDS_MAX]; /* all of them; signed numbers as their bits */
};

#define ROW_COLUMNS_MAX (1 + MODEL_KEY_MAX + MODEL_FIELDS_MAX)

struct row_writer {
	const struct model *model;
	struct buf numbers[ROW_COLUMNS_MAX]; /* owned: numbers, or lengths */
	struct buf bytes[ROW_COLUMNS_MAX];   /* owned */
	uint64_t last[ROW_COLUMNS_MAX];
	uint32_t count;
	size_t size;
};

void row_writer_init(struct row_writer *w, const struct model *model);
void row_writer_release(struct row_writer *w);

/* Copies the row. Versions must grow. Errors: -ENOMEM, -EINVAL (what row_reader_next would refuse; nothing is added). */
int row_writer_add(struct row_writer *w, const struct row *row);

size_t row_writer_size(const struct row_writer *w); /* bytes that the block has so far, about */
int row_writer_finish(struct row_writer *w, struct buf *body); /* appends the block; the writer is empty again */

struct row_reader {
	const struct model *model;
	struct cursor numbers[ROW_COLUMNS_MAX];
	struct cursor bytes[ROW_COLUMNS_MAX];
	uint64_t last[ROW_COLUMNS_MAX];
	uint32_t left;
};

/* On a borrowed body. Checks the shape and that the counts fit. An empty body is no rows.
 * Errors: -ERR_MALFORMED, -ERR_TOO_LARGE (more than RANGE_ROWS_MAX). */
int row_reader_init(struct row_reader *r, const struct model *model, const void *body, size_t len);

/* The next row; its bytes are borrowed from the body. Checks every field's rule (row_check) and that versions grow.
 * 0, 1 at the end (and nothing is left over), -ERR_MALFORMED. */
int row_reader_next(struct row_reader *r, struct row *ret_row);

/* The rules of a row beyond its fields': an entry has a known type in its mode, a name exactly when it has a parent, is not
 * its own parent, numbers that fit SQLite's signed integers. Errors: -ERR_MALFORMED. */
int row_check(const struct row *row);

/* Whether the row's `deleted` field is set: a tombstone. */
bool row_is_tombstone(const struct row *row);
