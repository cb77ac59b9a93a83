/* Reading bytes that are not trusted: what is left is checked first, then arithmetic is done.
 *
 * A cursor stands on borrowed bytes. Each function moves it only on success. The msgpack readers accept the shortest
 * and the longer forms that the msgpack spec allows, and check a count against the bytes that are left (each element
 * needs at least one), so that a small input cannot ask for a large loop.
 * Errors of all functions: -ERR_MALFORMED. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *at;
	size_t left;
};

static inline struct cursor cursor_on(const void *data, size_t len)
{
	return (struct cursor){ .at = data, .left = len };
}

int cursor_bytes(struct cursor *c, size_t len, const uint8_t **ret_bytes); /* borrowed from the input */
int cursor_u8(struct cursor *c, uint8_t *ret);

/* msgpack */
int cursor_pack_array(struct cursor *c, uint32_t *ret_count);
int cursor_pack_map(struct cursor *c, uint32_t *ret_pairs);
int cursor_pack_uint(struct cursor *c, uint64_t *ret);
int cursor_pack_bool(struct cursor *c, bool *ret);
int cursor_pack_bin(struct cursor *c, const uint8_t **ret_bytes, size_t *ret_len); /* borrowed */
int cursor_pack_str(struct cursor *c, const uint8_t **ret_text, size_t *ret_len);  /* borrowed; UTF-8 is not checked */
