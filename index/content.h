/* Content ids (design section 4): what makes two files copies of each other, without reading large ones in full.
 *
 *     id = BLAKE2b-128(size as 8 bytes, little-endian || bytes)
 *
 * Up to CONTENT_WHOLE_MAX the bytes are the whole file. Above that they are, in this order: the first 64 KiB; eight
 * blocks of 16 KiB; the last 64 KiB. Of what lies between head and tail, `gap` = size - 128 KiB, block i (0 to 7) is
 * the middle of the i-th eighth: it begins at 64 KiB + gap / 16 * (2 * i + 1) - 8 KiB, in integers. No two pieces
 * overlap. This is the same on all devices for ever. Threads: any. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

#define CONTENT_WHOLE_MAX   (256 * 1024)
#define CONTENT_END_BYTES   (64 * 1024) /* head and tail */
#define CONTENT_BLOCK_BYTES (16 * 1024)
#define CONTENT_BLOCKS	    8
#define CONTENT_BUFFER	    (64 * 1024)

/* The id of the file open at `fd`, which has `size` bytes. `buffer`: CONTENT_BUFFER bytes of the caller.
 * Errors: -ERR_STALE (it is shorter), -ECANCELED (`stop` became true; NULL = never), errno of reading, -ENOMEM. */
int content_id(int fd, uint64_t size, void *buffer, const atomic_bool *stop, uint8_t ret_id[HASH128_LEN]);
