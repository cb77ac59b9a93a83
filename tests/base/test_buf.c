#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/test.h"

static void appends_in_order(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	assert_int_equal(buf_append(&b, NULL, 0), 0);
	assert_null(b.data);
	assert_int_equal(buf_append(&b, "ab", 2), 0);
	assert_int_equal(buf_append_str(&b, "cd"), 0);
	assert_int_equal(buf_printf(&b, "%d-%s", 7, "x"), 0);
	assert_int_equal(buf_append(&b, NULL, 0), 0);
	assert_int_equal(b.len, 7);
	assert_memory_equal(b.data, "abcd7-x", 7);
	assert_int_equal(buf_error(&b), 0);
}

static void grows_past_many_reallocations(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(buf_append(&b, (uint8_t[]){(uint8_t)i}, 1), 0);
	assert_int_equal(b.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(b.data[i], (uint8_t)i);
}

static void one_large_append_and_print(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	char big[5000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(buf_printf(&b, "%s", big), 0);
	assert_int_equal(buf_append(&b, big, sizeof(big)), 0);
	assert_int_equal(b.len, 2 * sizeof(big) - 1);
	assert_memory_equal(b.data, big, sizeof(big) - 1);
}

static void failure_leaves_content_and_is_remembered(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	assert_int_equal(buf_append_str(&b, "kept"), 0);
	assert_int_equal(buf_append(&b, "x", SIZE_MAX), -ENOMEM);
	assert_int_equal(buf_append(&b, "x", SIZE_MAX / 2), -ENOMEM);
	assert_int_equal(buf_append_str(&b, "more"), -ENOMEM);
	assert_int_equal(buf_printf(&b, "more"), -ENOMEM);
	assert_int_equal(buf_json(&b, "more", 4), -ENOMEM);
	assert_int_equal(buf_error(&b), -ENOMEM);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "kept", 4);
	assert_null(buf_take_str(&b));
	assert_null(b.data);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(buf_append_str(&b, "again"), 0);
}

static void clear_keeps_memory(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	uint8_t *before;

	buf_append_str(&b, "text");
	before = b.data;
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_ptr_equal(b.data, before);
	buf_append(&b, "x", SIZE_MAX);
	buf_clear(&b);
	assert_int_equal(buf_error(&b), 0);
	buf_release(&b);
	assert_null(b.data);
	assert_int_equal(b.capacity, 0);
}

static void take_str_hands_over(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	_cleanup_(free_ptr) char *empty = buf_take_str(&b);
	_cleanup_(free_ptr) char *text = NULL;

	assert_string_equal(empty, "");
	buf_append_str(&b, "text");
	text = buf_take_str(&b);
	assert_string_equal(text, "text");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
}

static void expect_json(const void *text, size_t len, const char *wanted)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	_cleanup_(free_ptr) char *json = NULL;

	assert_int_equal(buf_json(&b, text, len), 0);
	json = buf_take_str(&b);
	assert_string_equal(json, wanted);
}

static void json_strings(void **state)
{
	expect_json("", 0, "\"\"");
	expect_json(NULL, 0, "\"\"");
	expect_json("a b", 3, "\"a b\"");
	expect_json("\"\\/", 3, "\"\\\"\\\\/\"");
	expect_json("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
	expect_json("\0\x1f\x7f", 3, "\"\\u0000\\u001f\\u007f\"");
	expect_json("\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

/* What Python's json.loads and os.fsencode turn back into the same bytes (PEP 383). */
static void json_of_other_bytes(void **state)
{
	expect_json("\x80", 1, "\"\\udc80\"");
	expect_json("a\xff"
		    "b",
		    3, "\"a\\udcffb\"");
	expect_json("\xc3", 1, "\"\\udcc3\"");
	expect_json("\xe2\x82", 2, "\"\\udce2\\udc82\"");
	expect_json("\xe2\x82"
		    "A",
		    3, "\"\\udce2\\udc82A\"");
	expect_json("\xc0\x80", 2, "\"\\udcc0\\udc80\"");
	expect_json("\xed\xa0\x80", 3, "\"\\udced\\udca0\\udc80\"");
	expect_json("\xf4\x90\x80\x80", 4, "\"\\udcf4\\udc90\\udc80\\udc80\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(appends_in_order),
	    cmocka_unit_test(grows_past_many_reallocations),
	    cmocka_unit_test(one_large_append_and_print),
	    cmocka_unit_test(failure_leaves_content_and_is_remembered),
	    cmocka_unit_test(clear_keeps_memory),
	    cmocka_unit_test(take_str_hands_over),
	    cmocka_unit_test(json_strings),
	    cmocka_unit_test(json_of_other_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
