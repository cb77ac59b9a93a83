#include "net/lv.h"

#include <assert.h>
#include <string.h>

size_t lv_prefix_len(size_t len)
{
	size_t n = 1;

	for (; len >= 0x80; len >>= 7)
		n++;
	return n;
}

void lv_add(struct lv *s, const void *value, size_t len)
{
	size_t rest = len;

	assert(len <= LV_MAX && lv_prefix_len(len) + len <= LV_MAX - s->len);
	for (; rest >= 0x80; rest >>= 7)
		s->bytes[s->len++] = (uint8_t)(rest | 0x80);
	s->bytes[s->len++] = (uint8_t)rest;
	if (len > 0) /* `value` may be NULL then */
		memcpy(s->bytes + s->len, value, len);
	s->len += len;
}
