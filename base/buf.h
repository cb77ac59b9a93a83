/* A growing byte buffer. Threads: one at a time.
 * A failed append leaves the buffer as it was and is remembered: buf_error() tells at the end, so that a row of appends
 * needs one check. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* owned; NULL while empty */
	size_t len;
	size_t capacity;
	int error; /* 0 or the first -ENOMEM */
};

#define BUF_INIT ((struct buf){ 0 })

int buf_append(struct buf *b, const void *data, size_t len);
int buf_append_str(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_json(struct buf *b, const void *text, size_t len); /* a JSON string with quotes; bytes that are not UTF-8 become \udcNN */
int buf_error(const struct buf *b);
void buf_clear(struct buf *b);   /* length 0, memory kept */
void buf_release(struct buf *b); /* frees; the buffer may be used again */

/* The text so far, NUL-terminated (the NUL is not counted), handed over to the caller; the buffer is empty then.
 * NULL when an append had failed. */
char *buf_take_str(struct buf *b);
