#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "mount/out.h"
#include "tests/lib/test.h"

struct fake {
	struct buf streams[3];
	bool cancelled;
	int error;
};

static int fake_write(void *arg, enum out_stream stream, const void *data, size_t len)
{
	struct fake *fake = arg;

	if (fake->error)
		return fake->error;
	buf_append(&fake->streams[stream], data, len);
	return stream == OUT_PROGRESS ? buf_append(&fake->streams[stream], "|", 1) : 0;
}

static bool fake_cancelled(void *arg)
{
	return ((struct fake *)arg)->cancelled;
}

static const struct out_sink sink = {.write = fake_write, .cancelled = fake_cancelled};

static void expect(struct fake *fake, enum out_stream stream, const char *text)
{
	char *got = buf_take_str(&fake->streams[stream]);

	assert_string_equal(got, text);
	free(got);
}

static void names_are_escaped_for_terminals_only(void **state)
{
	struct fake fake = {0};
	struct out out;

	out_init(&out, &sink, &fake, true, false);
	out_name(&out, "a\n\033[2J\xff", 7);
	out_flush(&out);
	expect(&fake, OUT_STDOUT, "a\\x0a\\x1b[2J\\xff");
	out.stdout_tty = false;
	out_name(&out, "a\n\xff", 3);
	out_flush(&out);
	expect(&fake, OUT_STDOUT, "a\n\xff");
	out_release(&out);
}

static void messages_are_one_line_whatever_the_names(void **state)
{
	struct fake fake = {0};
	struct out out;

	out_init(&out, &sink, &fake, false, false);
	out_error(&out, "%s: no", "evil\nshelf: all is well");
	expect(&fake, OUT_STDERR, "shelf: evil\\x0ashelf: all is well: no\n");
	assert_int_equal(out_fail(&out, -ENOSPC, "cannot write"), EXITCODE_CANNOT_CREATE);
	expect(&fake, OUT_STDERR,
	       "shelf: cannot write: No space left on device; make room on the disk that holds the library and try "
	       "again\n");
	out_release(&out);
}

static void messages_come_after_what_was_printed_before(void **state)
{
	struct fake fake = {0};
	struct out out;

	out_init(&out, &sink, &fake, false, true);
	out_printf(&out, "%d", 1);
	assert_int_equal(fake.streams[OUT_STDOUT].len, 0);
	out_progress(&out, "half");
	out_error(&out, "x");
	expect(&fake, OUT_STDOUT, "1");
	expect(&fake, OUT_PROGRESS, "half||"); /* shown, then taken away */
	expect(&fake, OUT_STDERR, "shelf: x\n");
	out_progress(&out, "a");
	out_progress(&out, "b"); /* too soon */
	out_progress_end(&out);
	expect(&fake, OUT_PROGRESS, "a||");
	out_release(&out);
}

static void no_progress_without_a_terminal(void **state)
{
	struct fake fake = {0};
	struct out out;

	out_init(&out, &sink, &fake, true, false);
	out_progress(&out, "half");
	out_progress_end(&out);
	expect(&fake, OUT_PROGRESS, "");
	out_release(&out);
}

static void a_failed_write_cancels(void **state)
{
	struct fake fake = {.error = -EPIPE};
	struct out out;

	out_init(&out, &sink, &fake, false, false);
	assert_false(out_cancelled(&out));
	out_printf(&out, "x");
	assert_int_equal(out_flush(&out), -EPIPE);
	assert_true(out_cancelled(&out));
	out_release(&out);
}

static void numbers_for_people(void **state)
{
	static const struct {
		uint64_t number;
		const char *count, *size;
	} cases[] = {
	    {0, "0", "0 B"},
	    {999, "999", "999 B"},
	    {1000, "1,000", "1.0 kB"},
	    {1234567, "1,234,567", "1.2 MB"},
	    {999999, "999,999", "1.0 MB"},
	    {123456789012, "123,456,789,012", "123 GB"},
	    {UINT64_MAX, "18,446,744,073,709,551,615", "18.4 EB"},
	};
	char text[OUT_NUMBER_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(out_count_text(cases[i].number, text), cases[i].count);
		assert_string_equal(out_size_text(cases[i].number, text), cases[i].size);
	}
}

static void offsets_of_clocks(void **state)
{
	char text[OUT_OFFSET_LEN];

	assert_string_equal(out_offset_text(1000, text), "1 second ahead of");
	assert_string_equal(out_offset_text(-301 * 1000, text), "5 minutes behind");
	assert_string_equal(out_offset_text(INT64_C(3600) * 1000 * 2, text), "2 hours ahead of");
	assert_string_equal(out_offset_text(-INT64_C(24) * 3600 * 1000 * 400, text), "400 days behind");
	assert_true(strlen(out_offset_text(INT64_MAX, text)) < OUT_OFFSET_LEN - 1);
	out_offset_text(INT64_MIN, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_escaped_for_terminals_only),
	    cmocka_unit_test(messages_are_one_line_whatever_the_names),
	    cmocka_unit_test(messages_come_after_what_was_printed_before),
	    cmocka_unit_test(no_progress_without_a_terminal),
	    cmocka_unit_test(a_failed_write_cancels),
	    cmocka_unit_test(offsets_of_clocks),
	    cmocka_unit_test(numbers_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
