#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { BUF_FIRST_CAPACITY = 64 };

static int buf_fail(struct buf *b)
{
	b->error = -ENOMEM;
	return b->error;
}

/* Makes room for `more` bytes after the length. */
static int buf_reserve(struct buf *b, size_t more)
{
	size_t capacity = b->capacity ? b->capacity : BUF_FIRST_CAPACITY;
	uint8_t *data;

	if (b->error)
		return b->error;
	/* Half the address space is more than malloc ever gives, and doubling cannot overflow below it. */
	if (more > SIZE_MAX / 2 - b->len)
		return buf_fail(b);
	if (more <= b->capacity - b->len)
		return 0;
	while (capacity < b->len + more)
		capacity *= 2;
	data = realloc(b->data, capacity);
	if (!data)
		return buf_fail(b);
	b->data = data;
	b->capacity = capacity;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	int r = buf_reserve(b, len);

	if (r < 0)
		return r;
	if (len > 0) /* `data` may be NULL then, which memcpy does not allow */
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

int buf_append_str(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

int buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int n, r;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return buf_fail(b);
	r = buf_reserve(b, (size_t)n + 1);
	if (r < 0)
		return r;
	va_start(args, format);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, format, args);
	va_end(args);
	b->len += (size_t)n;
	return 0;
}

static void json_ascii(struct buf *b, uint8_t c)
{
	static const char short_forms[][2] = {{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
					      {'\n', 'n'}, {'\r', 'r'},	 {'\t', 't'}};

	for (size_t i = 0; i < sizeof(short_forms) / sizeof(short_forms[0]); i++) {
		if (c == (uint8_t)short_forms[i][0]) {
			buf_append(b, (const char[]){'\\', short_forms[i][1]}, 2);
			return;
		}
	}
	if (c < 0x20 || c == 0x7f)
		buf_printf(b, "\\u%04x", c);
	else
		buf_append(b, &c, 1);
}

int buf_json(struct buf *b, const void *text, size_t len)
{
	const uint8_t *at = text;
	size_t before = b->len;

	buf_append(b, "\"", 1);
	while (len > 0) {
		utf8proc_int32_t point;
		utf8proc_ssize_t n = utf8proc_iterate(at, len > 4 ? 4 : (utf8proc_ssize_t)len, &point);
		size_t step = n > 0 ? (size_t)n : 1;

		if (n <= 0)
			buf_printf(b, "\\udc%02x", *at); /* as Python's surrogateescape does */
		else if (n == 1)
			json_ascii(b, *at);
		else
			buf_append(b, at, step);
		at += step;
		len -= step;
	}
	buf_append(b, "\"", 1);
	if (b->error)
		b->len = before;
	return b->error;
}

int buf_error(const struct buf *b)
{
	return b->error;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->error = 0;
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT;
}

char *buf_take_str(struct buf *b)
{
	char *text;

	if (buf_append(b, "", 1) < 0) {
		buf_release(b);
		return NULL;
	}
	text = (char *)b->data;
	*b = BUF_INIT;
	return text;
}
