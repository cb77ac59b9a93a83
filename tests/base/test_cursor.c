#include "base/cursor.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pack.h"
#include "tests/lib/test.h"

#define ON(text) cursor_on(text, sizeof(text) - 1)

/* `call` fails and leaves the cursor `c` where it was. */
#define EXPECT_MALFORMED(c, call)                                                                                      \
	do {                                                                                                           \
		struct cursor before_ = c;                                                                             \
		assert_int_equal(call, -ERR_MALFORMED);                                                                \
		assert_ptr_equal((c).at, before_.at);                                                                  \
		assert_int_equal((c).left, before_.left);                                                              \
	} while (0)

static void bytes_and_u8(void **state)
{
	struct cursor c = ON("abc");
	const uint8_t *bytes;
	uint8_t one;

	assert_int_equal(cursor_u8(&c, &one), 0);
	assert_int_equal(one, 'a');
	EXPECT_MALFORMED(c, cursor_bytes(&c, 3, &bytes));
	EXPECT_MALFORMED(c, cursor_bytes(&c, SIZE_MAX, &bytes));
	assert_int_equal(cursor_bytes(&c, 2, &bytes), 0);
	assert_memory_equal(bytes, "bc", 2);
	assert_int_equal(cursor_bytes(&c, 0, &bytes), 0);
	EXPECT_MALFORMED(c, cursor_u8(&c, &one));
	assert_int_equal(c.left, 0);
}

static void nothing_at_all(void **state)
{
	struct cursor c = cursor_on(NULL, 0);
	const uint8_t *bytes;
	uint64_t number;
	uint32_t count;
	uint8_t one;
	size_t len;
	bool flag;

	assert_int_equal(cursor_bytes(&c, 0, &bytes), 0);
	EXPECT_MALFORMED(c, cursor_u8(&c, &one));
	EXPECT_MALFORMED(c, cursor_pack_array(&c, &count));
	EXPECT_MALFORMED(c, cursor_pack_map(&c, &count));
	EXPECT_MALFORMED(c, cursor_pack_uint(&c, &number));
	EXPECT_MALFORMED(c, cursor_pack_bool(&c, &flag));
	EXPECT_MALFORMED(c, cursor_pack_bin(&c, &bytes, &len));
	EXPECT_MALFORMED(c, cursor_pack_str(&c, &bytes, &len));
}

static void expect_uint(const char *text, size_t len, uint64_t wanted)
{
	struct cursor c = cursor_on(text, len);
	uint64_t number;

	assert_int_equal(cursor_pack_uint(&c, &number), 0);
	assert_true(number == wanted);
	assert_int_equal(c.left, 0);
}

static void uint_in_every_form(void **state)
{
	expect_uint("\x05", 1, 5);
	expect_uint("\x7f", 1, 127);
	expect_uint("\xcc\x05", 2, 5);
	expect_uint("\xcd\x00\x05", 3, 5);
	expect_uint("\xce\x00\x00\x00\x05", 5, 5);
	expect_uint("\xcf\x00\x00\x00\x00\x00\x00\x00\x05", 9, 5);
	expect_uint("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, UINT64_MAX);
	expect_uint("\xd0\x05", 2, 5);
	expect_uint("\xd1\x7f\xff", 3, 0x7fff);
	expect_uint("\xd2\x00\x00\x00\x05", 5, 5);
	expect_uint("\xd3\x7f\xff\xff\xff\xff\xff\xff\xff", 9, INT64_MAX);
}

static void negative_numbers(void **state)
{
	static const char *const negative[] = {"\xff",	       "\xe0",	      "\xd0\x80",
					       "\xd1\xff\xff", "\xd2\x80zzz", "\xd3\xffzzzzzzz"};

	for (size_t i = 0; i < sizeof(negative) / sizeof(negative[0]); i++) {
		struct cursor c = cursor_on(negative[i], strlen(negative[i]));
		uint64_t number;

		EXPECT_MALFORMED(c, cursor_pack_uint(&c, &number));
	}
}

static void bools(void **state)
{
	struct cursor c = ON("\xc2\xc3\x01\xc0");
	uint64_t number;
	bool flag;

	assert_int_equal(cursor_pack_bool(&c, &flag), 0);
	assert_false(flag);
	assert_int_equal(cursor_pack_bool(&c, &flag), 0);
	assert_true(flag);
	EXPECT_MALFORMED(c, cursor_pack_bool(&c, &flag));
	assert_int_equal(cursor_pack_uint(&c, &number), 0);
	EXPECT_MALFORMED(c, cursor_pack_bool(&c, &flag));
}

static void bin_and_str_in_every_form(void **state)
{
	struct cursor bins = ON("\xc4\x02hi\xc5\x00\x02hi\xc6\x00\x00\x00\x02hi\xc4\x00");
	struct cursor strs = ON("\xa2hi\xd9\x02hi\xda\x00\x02hi\xdb\x00\x00\x00\x02hi\xa0");
	const uint8_t *bytes;
	size_t len;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(cursor_pack_bin(&bins, &bytes, &len), 0);
		assert_int_equal(len, 2);
		assert_memory_equal(bytes, "hi", 2);
	}
	assert_int_equal(cursor_pack_bin(&bins, &bytes, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(bins.left, 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(cursor_pack_str(&strs, &bytes, &len), 0);
		assert_int_equal(len, 2);
		assert_memory_equal(bytes, "hi", 2);
	}
	assert_int_equal(cursor_pack_str(&strs, &bytes, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(strs.left, 0);
}

static void counts_in_every_form(void **state)
{
	struct cursor arrays[] = {ON("\x92zz"), ON("\xdc\x00\x02zz"), ON("\xdd\x00\x00\x00\x02zz")};
	struct cursor maps[] = {ON("\x82zzzz"), ON("\xde\x00\x02zzzz"), ON("\xdf\x00\x00\x00\x02zzzz")};
	uint32_t count;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(cursor_pack_array(&arrays[i], &count), 0);
		assert_int_equal(count, 2);
		assert_int_equal(arrays[i].left, 2);
		assert_int_equal(cursor_pack_map(&maps[i], &count), 0);
		assert_int_equal(count, 2);
		assert_int_equal(maps[i].left, 4);
	}
}

/* A few bytes must not ask for a long loop: each element needs a byte, each pair two. */
static void huge_counts(void **state)
{
	struct cursor arrays[] = {ON("\x91"), ON("\x93zz"), ON("\xdc\xff\xffzz"), ON("\xdd\xff\xff\xff\xffzz")};
	struct cursor maps[] = {ON("\x81z"), ON("\x82zzz"), ON("\xde\xff\xffzz"), ON("\xdf\xff\xff\xff\xffzz"),
				ON("\xdf\x80\x00\x00\x01zz")};
	struct cursor bin = ON("\xc6\xff\xff\xff\xffzz"), str = ON("\xdb\xff\xff\xff\xffzz");
	const uint8_t *bytes;
	uint32_t count;
	size_t len;

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
		EXPECT_MALFORMED(arrays[i], cursor_pack_array(&arrays[i], &count));
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		EXPECT_MALFORMED(maps[i], cursor_pack_map(&maps[i], &count));
	EXPECT_MALFORMED(bin, cursor_pack_bin(&bin, &bytes, &len));
	EXPECT_MALFORMED(str, cursor_pack_str(&str, &bytes, &len));
}

/* No first byte is read by two readers, and the ones that msgpack leaves out by none. */
static void readers_do_not_overlap(void **state)
{
	for (unsigned first = 0; first < 256; first++) {
		uint8_t data[64] = {(uint8_t)first};
		struct cursor c[6];
		const uint8_t *bytes;
		uint64_t number;
		uint32_t count;
		size_t len;
		bool flag;
		int readers = 0;

		for (int i = 0; i < 6; i++)
			c[i] = cursor_on(data, sizeof(data));
		readers += cursor_pack_array(&c[0], &count) == 0;
		readers += cursor_pack_map(&c[1], &count) == 0;
		readers += cursor_pack_uint(&c[2], &number) == 0;
		readers += cursor_pack_bool(&c[3], &flag) == 0;
		readers += cursor_pack_bin(&c[4], &bytes, &len) == 0;
		readers += cursor_pack_str(&c[5], &bytes, &len) == 0;
		if (first >= 0xe0 || first == 0xc0 || first == 0xc1 || (first >= 0xc7 && first <= 0xcb) ||
		    (first >= 0xd4 && first <= 0xd8))
			assert_int_equal(readers, 0);
		else
			assert_int_equal(readers, 1);
	}
}

static int read_message(const void *data, size_t data_len)
{
	struct cursor c = cursor_on(data, data_len);
	const uint8_t *bytes;
	uint64_t number;
	uint32_t count;
	size_t len;
	bool flag;

	return cursor_pack_array(&c, &count) < 0 || cursor_pack_uint(&c, &number) < 0 ||
		       cursor_pack_uint(&c, &number) < 0 || cursor_pack_map(&c, &count) < 0 ||
		       cursor_pack_bool(&c, &flag) < 0 || cursor_pack_bin(&c, &bytes, &len) < 0 ||
		       cursor_pack_str(&c, &bytes, &len) < 0 || cursor_pack_str(&c, &bytes, &len) < 0
		   ? -ERR_MALFORMED
		   : 0;
}

static void every_truncation_fails(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	char text[300] = {0};

	pack_array(&b, 5);
	pack_uint(&b, 1);
	pack_uint(&b, UINT64_MAX);
	pack_map(&b, 1);
	pack_bool(&b, true);
	pack_bin(&b, "0123456789", 10);
	pack_str(&b, text, 20);
	pack_str(&b, text, sizeof(text));
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(read_message(b.data, b.len), 0);
	for (size_t len = 0; len < b.len; len++)
		assert_int_equal(read_message(b.data, len), -ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_and_u8),
	    cmocka_unit_test(nothing_at_all),
	    cmocka_unit_test(uint_in_every_form),
	    cmocka_unit_test(negative_numbers),
	    cmocka_unit_test(bools),
	    cmocka_unit_test(bin_and_str_in_every_form),
	    cmocka_unit_test(counts_in_every_form),
	    cmocka_unit_test(huge_counts),
	    cmocka_unit_test(readers_do_not_overlap),
	    cmocka_unit_test(every_truncation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
