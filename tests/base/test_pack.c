#include "base/pack.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "tests/lib/test.h"

#define EXPECT(b, wanted)                                                                                              \
	do {                                                                                                           \
		assert_int_equal((b)->len, sizeof(wanted) - 1);                                                        \
		assert_memory_equal((b)->data, wanted, sizeof(wanted) - 1);                                            \
		buf_clear(b);                                                                                          \
	} while (0)

static void shortest_forms(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	pack_array(&b, 15);
	EXPECT(&b, "\x9f");
	pack_array(&b, 16);
	EXPECT(&b, "\xdc\x00\x10");
	pack_array(&b, 65536);
	EXPECT(&b, "\xdd\x00\x01\x00\x00");
	pack_map(&b, 15);
	EXPECT(&b, "\x8f");
	pack_map(&b, 16);
	EXPECT(&b, "\xde\x00\x10");
	pack_uint(&b, 0x7f);
	EXPECT(&b, "\x7f");
	pack_uint(&b, 0x80);
	EXPECT(&b, "\xcc\x80");
	pack_uint(&b, 0x100);
	EXPECT(&b, "\xcd\x01\x00");
	pack_uint(&b, 0x10000);
	EXPECT(&b, "\xce\x00\x01\x00\x00");
	pack_uint(&b, UINT64_MAX);
	EXPECT(&b, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
	pack_bool(&b, false);
	pack_bool(&b, true);
	EXPECT(&b, "\xc2\xc3");
}

static void bytes_and_text(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	pack_bin(&b, "a\0b", 3);
	EXPECT(&b, "\xc4\x03"
		   "a\0b");
	pack_bin(&b, NULL, 0);
	EXPECT(&b, "\xc4\x00");
	pack_str(&b, "abc", 3);
	EXPECT(&b, "\xa3"
		   "abc");
	pack_str(&b, NULL, 0);
	EXPECT(&b, "\xa0");
}

/* Each length at which a form gives way to the next one comes back through the cursor. */
static void lengths_round_trip(void **state)
{
	static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
	_cleanup_(free_ptr) uint8_t *data = calloc(1, 65536);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		_cleanup_(buf_release) struct buf b = BUF_INIT;
		const uint8_t *bytes;
		struct cursor c;
		size_t len;

		pack_bin(&b, data, lengths[i]);
		pack_str(&b, (const char *)data, lengths[i]);
		c = cursor_on(b.data, b.len);
		assert_int_equal(cursor_pack_bin(&c, &bytes, &len), 0);
		assert_int_equal(len, lengths[i]);
		assert_memory_equal(bytes, data, len);
		assert_int_equal(cursor_pack_str(&c, &bytes, &len), 0);
		assert_int_equal(len, lengths[i]);
		assert_int_equal(c.left, 0);
	}
}

static void numbers_round_trip(void **state)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		for (unsigned offset = 0; offset < 3; offset++) {
			_cleanup_(buf_release) struct buf b = BUF_INIT;
			uint64_t value = (UINT64_C(1) << bit) + offset - 1, back;
			struct cursor c;

			pack_uint(&b, value);
			c = cursor_on(b.data, b.len);
			assert_int_equal(cursor_pack_uint(&c, &back), 0);
			assert_true(back == value);
			assert_int_equal(c.left, 0);
		}
	}
}

static void errors_stay_in_the_buf(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	buf_append(&b, "x", SIZE_MAX);
	pack_array(&b, 1);
	pack_map(&b, 1);
	pack_uint(&b, 1);
	pack_bool(&b, true);
	pack_bin(&b, "x", 1);
	pack_str(&b, "x", 1);
	assert_int_equal(buf_error(&b), -ENOMEM);
	assert_int_equal(b.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shortest_forms),	      cmocka_unit_test(bytes_and_text),
	    cmocka_unit_test(lengths_round_trip),     cmocka_unit_test(numbers_round_trip),
	    cmocka_unit_test(errors_stay_in_the_buf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
