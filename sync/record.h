/* The body of a log range: records one after the other, each as msgpack bin. Threads: one at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

/* Appends one record. Errors: in the buffer. */
void record_append(struct buf *body, const void *record, size_t len);

/* The next record, borrowed from the body. 0, 1 at the end, -ERR_MALFORMED, -ERR_TOO_LARGE (CHANGE_RECORD_MAX). */
int record_next(struct cursor *body, const uint8_t **ret_record, size_t *ret_len);
