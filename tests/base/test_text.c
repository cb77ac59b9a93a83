#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/test.h"

#define TEXT(literal) literal, sizeof(literal) - 1

static void filenames(void **state)
{
	char longest[256];

	memset(longest, 'x', sizeof(longest));
	assert_true(text_is_filename(longest, 255));
	assert_false(text_is_filename(longest, 256));
	assert_true(text_is_filename(TEXT("a")));
	assert_true(text_is_filename(TEXT("...")));
	assert_true(text_is_filename(TEXT(".a")));
	assert_true(text_is_filename(TEXT(" ")));
	assert_true(text_is_filename(TEXT("a\nb\xff\x01")));
	assert_false(text_is_filename(TEXT("")));
	assert_false(text_is_filename(NULL, 0));
	assert_false(text_is_filename(TEXT(".")));
	assert_false(text_is_filename(TEXT("..")));
	assert_false(text_is_filename(TEXT("a/b")));
	assert_false(text_is_filename(TEXT("/")));
	assert_false(text_is_filename(TEXT("a\0b")));
	assert_false(text_is_filename(TEXT("\0")));
}

static void titles(void **state)
{
	assert_true(text_is_title(TEXT("Vacation 2024")));
	assert_true(text_is_title(TEXT("Caf\xc3\xa9 \xf0\x9f\x98\x80")));
	assert_true(text_is_title(TEXT("\xc2\xa0")));
	assert_false(text_is_title(TEXT("")));
	assert_false(text_is_title(TEXT("..")));
	assert_false(text_is_title(TEXT("a/b")));
	assert_false(text_is_title(TEXT("a\nb")));
	assert_false(text_is_title(TEXT("\x1f")));
	assert_false(text_is_title(TEXT("\x7f")));
	assert_false(text_is_title(TEXT("\xc2\x80")));
	assert_false(text_is_title(TEXT("\xc2\x9f")));
	assert_false(text_is_title(TEXT("a\xff")));
	assert_false(text_is_title(TEXT("\xc0\xaf")));
	assert_false(text_is_title(TEXT("\xed\xa0\x80")));
	assert_false(text_is_title(TEXT("abc\xe2\x82")));
	assert_true(text_is_title(TEXT(".git")));
}

static void litter(void **state)
{
	static const char *const yes[] = {".Trash",
					  ".Trash-1000",
					  ".hidden",
					  ".directory",
					  ".DS_Store",
					  "._x",
					  "._",
					  "autorun.inf",
					  "desktop.ini",
					  "Thumbs.db",
					  ".xdg-volume-info",
					  ".git",
					  ".fuse_hidden0000000100000001"};
	static const char *const no[] = {"",	       "a",	     ".",     ".Tras",	      ".hidden2", "hidden",
					 ".gitignore", "Thumbs.db2", ".fuse", "xautorun.inf", ".trash"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_true(text_is_desktop_litter(yes[i], strlen(yes[i])));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(text_is_desktop_litter(no[i], strlen(no[i])));
}

static void expect_nfc(const char *text, size_t len, const char *wanted, size_t wanted_len)
{
	_cleanup_(free_ptr) char *nfc = NULL;
	size_t nfc_len;

	assert_int_equal(text_nfc(text, len, &nfc, &nfc_len), 0);
	assert_int_equal(nfc_len, wanted_len);
	assert_memory_equal(nfc, wanted, wanted_len + 1);
}

static void nfc(void **state)
{
	expect_nfc(TEXT(""), TEXT(""));
	expect_nfc(TEXT("plain"), TEXT("plain"));
	expect_nfc(TEXT("Cafe\xcc\x81"), TEXT("Caf\xc3\xa9"));
	expect_nfc(TEXT("Caf\xc3\xa9"), TEXT("Caf\xc3\xa9"));
	expect_nfc(TEXT("\xe2\x84\xab"), TEXT("\xc3\x85"));				/* Angstrom sign */
	expect_nfc(TEXT("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"), TEXT("\xed\x95\x9c")); /* Hangul */
	expect_nfc(TEXT("q\xcc\x87\xcc\xa3"), TEXT("q\xcc\xa3\xcc\x87"));		/* marks sorted */
	expect_nfc(TEXT("\xef\xac\x81"), TEXT("\xef\xac\x81"));				/* a ligature is another name */
	expect_nfc("cut here", 3, TEXT("cut"));
}

static void nfc_of_other_bytes(void **state)
{
	char *out = NULL;
	size_t len;

	assert_int_equal(text_nfc(TEXT("a\xff"), &out, &len), -ERR_MALFORMED);
	assert_int_equal(text_nfc(TEXT("\xed\xa0\x80"), &out, &len), -ERR_MALFORMED);
	assert_int_equal(text_nfc(TEXT("a\xc3"), &out, &len), -ERR_MALFORMED);
	assert_null(out);
}

static void expect_printable(const char *bytes, size_t len, const char *wanted)
{
	_cleanup_(free_ptr) char *text = text_printable(bytes, len);

	assert_string_equal(text, wanted);
}

static void printable(void **state)
{
	expect_printable(TEXT(""), "");
	expect_printable(TEXT("a b\xc3\xa9"), "a b\xc3\xa9");
	expect_printable(TEXT("a\\b"), "a\\x5cb");
	expect_printable(TEXT("\x1b[31m\n\0"), "\\x1b[31m\\x0a\\x00");
	expect_printable(TEXT("\x7f\xc2\x9b"), "\\x7f\\xc2\\x9b");
	expect_printable(TEXT("\xff"
			      "a\xe2\x82"),
			 "\\xffa\\xe2\\x82");
	expect_printable(TEXT("\xe2\x80\xae"), "\\xe2\\x80\\xae"); /* right-to-left override */
	expect_printable(TEXT("\xe2\x80\xa8"), "\\xe2\\x80\\xa8"); /* line separator */
	expect_printable(TEXT("\xe2\x80\x8d"), "\xe2\x80\x8d");	   /* joiner, as in emoji */
}

static void cut(void **state)
{
	assert_int_equal(text_cut(TEXT("abc"), 5), 3);
	assert_int_equal(text_cut(TEXT("abc"), 3), 3);
	assert_int_equal(text_cut(TEXT("abc"), 2), 2);
	assert_int_equal(text_cut(TEXT("abc"), 0), 0);
	assert_int_equal(text_cut(TEXT(""), 0), 0);
	assert_int_equal(text_cut(TEXT("a\xc3\xa9z"), 2), 1);
	assert_int_equal(text_cut(TEXT("a\xc3\xa9z"), 3), 3);
	for (size_t max = 1; max < 5; max++)
		assert_int_equal(text_cut(TEXT("a\xf0\x9f\x98\x80z"), max), 1);
	assert_int_equal(text_cut(TEXT("a\xf0\x9f\x98\x80z"), 5), 5);
	assert_int_equal(text_cut(TEXT("\xf0\x9f\x98\x80"), 3), 0);
}

static void cut_of_other_bytes(void **state)
{
	assert_int_equal(text_cut(TEXT("a\x80\x80\x80\x80"), 3), 3);
	assert_int_equal(text_cut(TEXT("a\xf0\x9f\x98"), 3), 3);
	assert_int_equal(text_cut(TEXT("a\xff\xff"), 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(filenames),
	    cmocka_unit_test(titles),
	    cmocka_unit_test(litter),
	    cmocka_unit_test(nfc),
	    cmocka_unit_test(nfc_of_other_bytes),
	    cmocka_unit_test(printable),
	    cmocka_unit_test(cut),
	    cmocka_unit_test(cut_of_other_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
