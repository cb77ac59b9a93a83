/* Writing msgpack into a buf, through msgpack-c. Errors stay in the buf (buf_error). Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

void pack_array(struct buf *b, uint32_t count);
void pack_map(struct buf *b, uint32_t pairs);
void pack_uint(struct buf *b, uint64_t value);
void pack_bool(struct buf *b, bool value);
void pack_bin(struct buf *b, const void *bytes, size_t len);
void pack_str(struct buf *b, const char *text, size_t len);
