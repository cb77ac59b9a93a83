#include "base/cursor.h"

#include "base/err.h"

/* The first bytes of the msgpack formats that are read here (msgpack spec, "Formats"). */
enum {
	FIXINT_LAST = 0x7f,
	FIXMAP = 0x80,
	FIXARRAY = 0x90,
	FIXSTR = 0xa0,
	FIXSTR_LAST = 0xbf,
	FALSE_BYTE = 0xc2,
	TRUE_BYTE = 0xc3,
	BIN8 = 0xc4,
	UINT8 = 0xcc,
	UINT64 = 0xcf,
	INT8 = 0xd0,
	INT64 = 0xd3,
	STR8 = 0xd9,
	ARRAY16 = 0xdc,
	MAP16 = 0xde,
};

int cursor_bytes(struct cursor *c, size_t len, const uint8_t **ret_bytes)
{
	if (len > c->left)
		return -ERR_MALFORMED;
	*ret_bytes = c->at;
	if (len > 0) /* `at` may be NULL when nothing is left */
		c->at += len;
	c->left -= len;
	return 0;
}

int cursor_u8(struct cursor *c, uint8_t *ret)
{
	const uint8_t *bytes;
	int r = cursor_bytes(c, 1, &bytes);

	if (r < 0)
		return r;
	*ret = bytes[0];
	return 0;
}

/* A big-endian number of `len` (1, 2, 4 or 8) bytes. */
static int read_be(struct cursor *c, size_t len, uint64_t *ret)
{
	const uint8_t *bytes;
	uint64_t value = 0;
	int r = cursor_bytes(c, len, &bytes);

	if (r < 0)
		return r;
	for (size_t i = 0; i < len; i++)
		value = value << 8 | bytes[i];
	*ret = value;
	return 0;
}

/* The count of an array or map: `fix` is the first of its 16 one-byte forms, `form16` its two-byte form, which is
 * followed by the four-byte one. */
static int read_count(struct cursor *c, uint8_t fix, uint8_t form16, size_t min_element_bytes, uint32_t *ret_count)
{
	struct cursor at = *c;
	uint64_t count;
	uint8_t first;
	int r = cursor_u8(&at, &first);

	if (r < 0)
		return r;
	if ((first & 0xf0) == fix)
		count = first & 0x0f;
	else if (first == form16)
		r = read_be(&at, 2, &count);
	else if (first == form16 + 1)
		r = read_be(&at, 4, &count);
	else
		r = -ERR_MALFORMED;
	if (r < 0)
		return r;
	if (count > at.left / min_element_bytes)
		return -ERR_MALFORMED;
	*c = at;
	*ret_count = (uint32_t)count;
	return 0;
}

int cursor_pack_array(struct cursor *c, uint32_t *ret_count)
{
	return read_count(c, FIXARRAY, ARRAY16, 1, ret_count);
}

int cursor_pack_map(struct cursor *c, uint32_t *ret_pairs)
{
	return read_count(c, FIXMAP, MAP16, 2, ret_pairs);
}

/* The signed forms are allowed for numbers that are not negative. */
static int read_signed(struct cursor *c, size_t len, uint64_t *ret)
{
	uint64_t value;
	int r = read_be(c, len, &value);

	if (r < 0)
		return r;
	if (value >> (8 * len - 1))
		return -ERR_MALFORMED;
	*ret = value;
	return 0;
}

int cursor_pack_uint(struct cursor *c, uint64_t *ret)
{
	struct cursor at = *c;
	uint64_t value;
	uint8_t first;
	int r = cursor_u8(&at, &first);

	if (r < 0)
		return r;
	if (first <= FIXINT_LAST)
		value = first;
	else if (first >= UINT8 && first <= UINT64)
		r = read_be(&at, (size_t)1 << (first - UINT8), &value);
	else if (first >= INT8 && first <= INT64)
		r = read_signed(&at, (size_t)1 << (first - INT8), &value);
	else
		r = -ERR_MALFORMED;
	if (r < 0)
		return r;
	*c = at;
	*ret = value;
	return 0;
}

int cursor_pack_bool(struct cursor *c, bool *ret)
{
	struct cursor at = *c;
	uint8_t first;
	int r = cursor_u8(&at, &first);

	if (r < 0)
		return r;
	if (first != FALSE_BYTE && first != TRUE_BYTE)
		return -ERR_MALFORMED;
	*c = at;
	*ret = first == TRUE_BYTE;
	return 0;
}

/* The length in front of a bin or str whose first byte is `first`; `form8` is followed by the forms of 2 and 4 bytes.
 */
static int read_len(struct cursor *c, uint8_t first, uint8_t form8, uint64_t *ret_len)
{
	if (first < form8 || first > form8 + 2)
		return -ERR_MALFORMED;
	return read_be(c, (size_t)1 << (first - form8), ret_len);
}

int cursor_pack_bin(struct cursor *c, const uint8_t **ret_bytes, size_t *ret_len)
{
	struct cursor at = *c;
	uint64_t len;
	uint8_t first;
	int r = cursor_u8(&at, &first);

	if (r < 0)
		return r;
	r = read_len(&at, first, BIN8, &len);
	if (r < 0)
		return r;
	r = cursor_bytes(&at, len, ret_bytes);
	if (r < 0)
		return r;
	*c = at;
	*ret_len = len;
	return 0;
}

int cursor_pack_str(struct cursor *c, const uint8_t **ret_text, size_t *ret_len)
{
	struct cursor at = *c;
	uint64_t len;
	uint8_t first;
	int r = cursor_u8(&at, &first);

	if (r < 0)
		return r;
	if (first >= FIXSTR && first <= FIXSTR_LAST)
		len = first & 0x1f;
	else
		r = read_len(&at, first, STR8, &len);
	if (r < 0)
		return r;
	r = cursor_bytes(&at, len, ret_text);
	if (r < 0)
		return r;
	*c = at;
	*ret_len = len;
	return 0;
}
