#include "base/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

enum { UTF8_MAX = 4, ZERO_WIDTH_NON_JOINER = 0x200c, ZERO_WIDTH_JOINER = 0x200d };

/* The bytes of the character at `at`, 0 when there is no valid one. */
static size_t utf8_char(const uint8_t *at, size_t left, utf8proc_int32_t *ret_point)
{
	utf8proc_ssize_t n = utf8proc_iterate(at, left > UTF8_MAX ? UTF8_MAX : (utf8proc_ssize_t)left, ret_point);

	return n > 0 ? (size_t)n : 0;
}

bool text_is_filename(const void *text, size_t len)
{
	if (len == 0 || len > TEXT_NAME_MAX)
		return false;
	if (memchr(text, '/', len) || memchr(text, '\0', len))
		return false;
	return !(len <= 2 && memcmp(text, "..", len) == 0);
}

bool text_is_title(const void *text, size_t len)
{
	const uint8_t *at = text;

	if (!text_is_filename(text, len))
		return false;
	while (len > 0) {
		utf8proc_int32_t point;
		size_t n = utf8_char(at, len, &point);

		if (n == 0 || utf8proc_category(point) == UTF8PROC_CATEGORY_CC)
			return false;
		at += n;
		len -= n;
	}
	return true;
}

bool text_is_desktop_litter(const void *name, size_t len)
{
	static const struct {
		const char *text;
		bool is_prefix;
	} litter[] = {
	    {".Trash", true},	    {".hidden", false},	    {".directory", false},
	    {".DS_Store", false},   {"._", true},	    {"autorun.inf", false},
	    {"desktop.ini", false}, {"Thumbs.db", false},   {".xdg-volume-info", false},
	    {".git", false},	    {".fuse_hidden", true},
	};

	for (size_t i = 0; i < sizeof(litter) / sizeof(litter[0]); i++) {
		size_t n = strlen(litter[i].text);

		if (len >= n && memcmp(name, litter[i].text, n) == 0 && (litter[i].is_prefix || len == n))
			return true;
	}
	return false;
}

int text_nfc(const void *text, size_t len, char **ret_nfc, size_t *ret_len)
{
	utf8proc_uint8_t *nfc = NULL;
	utf8proc_ssize_t n = utf8proc_map(text, (utf8proc_ssize_t)len, &nfc, UTF8PROC_STABLE | UTF8PROC_COMPOSE);

	if (n < 0)
		return n == UTF8PROC_ERROR_INVALIDUTF8 ? -ERR_MALFORMED : -ENOMEM;
	*ret_nfc = (char *)nfc;
	*ret_len = (size_t)n;
	return 0;
}

/* Format characters can turn the direction of a line around; the two joiners only shape their neighbours. */
static bool is_printable(utf8proc_int32_t point)
{
	switch (utf8proc_category(point)) {
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return false;
	case UTF8PROC_CATEGORY_CF:
		return point == ZERO_WIDTH_NON_JOINER || point == ZERO_WIDTH_JOINER;
	default:
		return point != '\\';
	}
}

char *text_printable(const void *bytes, size_t len)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	const uint8_t *at = bytes;

	while (len > 0) {
		utf8proc_int32_t point;
		size_t n = utf8_char(at, len, &point);
		size_t step = n > 0 ? n : 1;

		if (n > 0 && is_printable(point))
			buf_append(&b, at, n);
		else
			for (size_t i = 0; i < step; i++)
				buf_printf(&b, "\\x%02x", at[i]);
		at += step;
		len -= step;
	}
	return buf_take_str(&b);
}

size_t text_cut(const void *text, size_t len, size_t max)
{
	const uint8_t *bytes = text;

	if (len <= max)
		return len;
	for (size_t back = 1; back < UTF8_MAX && back <= max; back++) {
		utf8proc_int32_t point;

		if (utf8_char(bytes + max - back, len - (max - back), &point) > back)
			return max - back;
	}
	return max;
}
