/* Strings of length-value pairs, as CPace joins them (draft-irtf-cfrg-cpace, appendix "String utility functions"):
 * each value behind its length in LEB128. The memory is the caller's, who wipes it when a value was secret.
 * Threads: one at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LV_MAX 512 /* more than all that net/cpace.c ever joins, by its limits */

struct lv {
	size_t len;
	uint8_t bytes[LV_MAX];
};

#define LV_INIT ((struct lv){.len = 0})

void lv_add(struct lv *s, const void *value, size_t len); /* the room is the caller's to know */
size_t lv_prefix_len(size_t len);			  /* how many bytes LEB128 takes for a value of `len` */
