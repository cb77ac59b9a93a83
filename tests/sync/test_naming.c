#include "sync/naming.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tests/lib/test.h"

static const struct uuid id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
#define DIGITS "c7cb5d1a" /* of BLAKE2b-256 over `id`, by Python's hashlib */

static void expect_uuid(struct uuid u, const char *wanted)
{
	char text[UUID_TEXT_LEN + 1];

	uuid_to_text(&u, text);
	assert_string_equal(text, wanted);
}

/* Two devices must agree on these for ever; from Python's uuid.uuid5. */
static void collections(void **state)
{
	struct uuid tag = naming_collection(MODEL_TAG, "Vacation", 8);

	expect_uuid(tag, "105ad289-3321-50fe-b3d3-64722eeeb30b");
	expect_uuid(naming_collection(MODEL_ALBUM, "Vacation", 8), "1cdd9667-f31c-5cdd-96a7-32f5b3189b92");
	expect_uuid(naming_collection(MODEL_TAG, "Caf\xc3\xa9", 5), "7a79f026-66ed-54f1-8f36-4e3d303c0d41");
	expect_uuid(naming_collection_next(&tag, "Vacation", 8), "6df0764c-467f-5ed5-bb74-ed712148d7c4");
	expect_uuid(naming_favorites, "d2e2c97a-26dd-407a-b709-3976b65ae4cd");
}

static void expect_suffixed(const char *name, bool is_file, const char *wanted)
{
	char shown[TEXT_NAME_MAX + 1];
	size_t at, cut, len = naming_suffixed(name, strlen(name), is_file, &id, shown);

	assert_string_equal(shown, wanted);
	assert_int_equal(len, strlen(wanted));
	assert_true(naming_has_suffix(shown, len, &at, &cut));
	memmove(shown + at, shown + at + cut, len + 1 - at - cut);
	assert_string_equal(shown, name);
}

static void suffix_stands_before_the_extension(void **state)
{
	expect_suffixed("photo.jpg", true, "photo (" DIGITS ").jpg");
	expect_suffixed("photo.jpg", false, "photo.jpg (" DIGITS ")");
	expect_suffixed("a.tar.gz", true, "a.tar (" DIGITS ").gz");
	expect_suffixed("README", true, "README (" DIGITS ")");
	expect_suffixed("name.", true, "name (" DIGITS ").");
	expect_suffixed("x", true, "x (" DIGITS ")");
	expect_suffixed("a\xff.b\xff", true, "a\xff (" DIGITS ").b\xff");
}

static void names_without_extension(void **state)
{
	expect_suffixed(".bashrc", true, ".bashrc (" DIGITS ")");
	expect_suffixed("..bashrc", true, "..bashrc (" DIGITS ")");
	expect_suffixed("...", true, "... (" DIGITS ")");
	expect_suffixed(".config.ini", true, ".config (" DIGITS ").ini");
	expect_suffixed("Mr. Smith", true, "Mr. Smith (" DIGITS ")");
	expect_suffixed("a.0123456789012345678901234567890", true, "a (" DIGITS ").0123456789012345678901234567890");
	expect_suffixed("a.01234567890123456789012345678901", true, "a.01234567890123456789012345678901 (" DIGITS ")");
}

static void twice_suffixed(void **state)
{
	expect_suffixed("a (01234567).txt", true, "a (01234567) (" DIGITS ").txt");
	expect_suffixed("a (01234567)", true, "a (01234567) (" DIGITS ")");
	expect_suffixed("a (01234567).txt", false, "a (01234567).txt (" DIGITS ")");
	expect_suffixed("a. (01234567)", true, "a. (01234567) (" DIGITS ")");
	expect_suffixed("a (01234567).", false, "a (01234567). (" DIGITS ")");
}

/* A name of `count` times `unit`, then `end`. */
static size_t fill(char name[512], const char *unit, size_t count, const char *end)
{
	name[0] = '\0';
	for (size_t i = 0; i < count; i++)
		strcat(name, unit);
	strcat(name, end);
	return strlen(name);
}

static void expect_cut(const char *unit, size_t count, const char *end, size_t kept_units, size_t wanted_len)
{
	char name[512], shown[TEXT_NAME_MAX + 1];
	size_t at, cut, len = fill(name, unit, count, end);

	assert_true(len <= TEXT_NAME_MAX);
	assert_int_equal(naming_suffixed(name, len, true, &id, shown), wanted_len);
	assert_int_equal(strlen(shown), wanted_len);
	assert_memory_equal(shown, name, kept_units * strlen(unit));
	assert_memory_equal(shown + kept_units * strlen(unit), " (" DIGITS ")", 11);
	assert_string_equal(shown + kept_units * strlen(unit) + 11, end);
	assert_true(naming_has_suffix(shown, wanted_len, &at, &cut));
	assert_int_equal(at, kept_units * strlen(unit));
	assert_int_equal(cut, 11);
}

static void long_names_are_cut_at_a_character(void **state)
{
	expect_cut("x", 255, "", 244, 255);
	expect_cut("x", 251, ".jpg", 240, 255);
	expect_cut("x", 240, ".jpg", 240, 255);
	expect_cut("x", 239, ".jpg", 239, 254);
	expect_cut("\xc3\xa9", 127, "", 122, 255);
	expect_cut("\xc3\xa9", 125, ".jpeg", 119, 254);
	expect_cut("\xe2\x82\xac", 85, "", 81, 254);
	expect_cut("\xf0\x9f\x98\x80", 63, "", 61, 255);
	expect_cut("\xf0\x9f\x98\x80", 62, ".a", 60, 253);
	expect_cut("\xf0\x9f\x98\x80", 62, ".ab", 60, 254);
	expect_cut("\xff", 255, "", 244, 255);
	expect_cut("\x80", 255, "", 244, 255);
}

/* The cut takes the one byte that made ".txt" an extension. */
static void only_dots_are_left(void **state)
{
	char name[512], shown[TEXT_NAME_MAX + 1];
	size_t at, cut, len = fill(name, ".", 246, "x.txt");

	assert_int_equal(naming_suffixed(name, len, true, &id, shown), 255);
	assert_memory_equal(shown, name, 240);
	assert_string_equal(shown + 240, " (" DIGITS ").txt");
	assert_true(naming_has_suffix(shown, 255, &at, &cut));
	assert_int_equal(at, 240);
}

static void other_ids_give_other_digits(void **state)
{
	char a[TEXT_NAME_MAX + 1], b[TEXT_NAME_MAX + 1];
	struct uuid other = id;

	other.bytes[15]++;
	naming_suffixed("a", 1, true, &id, a);
	naming_suffixed("a", 1, true, &other, b);
	assert_string_not_equal(a, b);
}

static void names_that_have_no_suffix(void **state)
{
	static const char *const plain[] = {
	    "",
	    "a",
	    "(01234567)",
	    " (01234567)",
	    "a(01234567)",
	    "a  01234567)",
	    "a (0123456)",
	    "a (012345678)",
	    "a (0123456g)",
	    "a (0123456A)",
	    "a (01234567) ",
	    "a (01234567)b",
	    "a (01234567",
	    "a [01234567]",
	    " (01234567).txt",
	    ". (01234567)",
	    ".. (01234567)",
	    ". (01234567).txt", /* "..txt" has no extension */
	    "a (01234567).t xt",
	    "a (01234567).tar.gz",
	    "a (01234567).01234567890123456789012345678901",
	    "a/ (01234567)",
	};
	size_t at = 77, cut = 77;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_false(naming_has_suffix(plain[i], strlen(plain[i]), &at, &cut));
	assert_int_equal(at, 77);
	assert_int_equal(cut, 77);
}

static void prepend_bytes(char name[512])
{
	memmove(name + 100, name, strlen(name) + 1);
	memset(name, '\xc3', 100);
}

/* Names of the few characters that matter, too short to be cut, by a fixed seed. */
static size_t next_name(unsigned *seed, char name[512])
{
	static const char *const pieces[] = {".", " ", "(", ")", "a", "0", "\xc3\xa9", "\xff", " (89abcdef)", ".txt"};
	size_t count;

	do {
		count = (size_t)rand_r(seed) % 12;
		name[0] = '\0';
		for (size_t i = 0; i < count; i++)
			strcat(name, pieces[(size_t)rand_r(seed) % 10]);
		if (rand_r(seed) % 8 == 0)
			prepend_bytes(name);
	} while (!text_is_filename(name, strlen(name)));
	return strlen(name);
}

static void every_suffixed_name_is_recognised(void **state)
{
	unsigned seed = 1;

	for (int round = 0; round < 100000; round++) {
		char name[512], shown[TEXT_NAME_MAX + 1];
		size_t at, cut, len = next_name(&seed, name);
		size_t shown_len = naming_suffixed(name, len, round % 2, &id, shown);

		assert_true(text_is_filename(shown, shown_len));
		assert_int_equal(strlen(shown), shown_len);
		assert_true(naming_has_suffix(shown, shown_len, &at, &cut));
		assert_memory_equal(shown + at, " (" DIGITS ")", cut);
		assert_int_equal(shown_len, len + cut);
		assert_memory_equal(shown, name, at);
		assert_string_equal(shown + at + cut, name + at);
	}
}

static void whatever_is_recognised_can_be_made(void **state)
{
	unsigned seed = 2;
	int found = 0;

	for (int round = 0; round < 100000; round++) {
		char name[512], plain[512], as_file[TEXT_NAME_MAX + 1], as_folder[TEXT_NAME_MAX + 1];
		size_t at, cut, len = next_name(&seed, name);

		if (!naming_has_suffix(name, len, &at, &cut))
			continue;
		found++;
		memcpy(plain, name, at);
		memcpy(plain + at, name + at + cut, len - at - cut + 1);
		naming_suffixed(plain, len - cut, true, &id, as_file);
		naming_suffixed(plain, len - cut, false, &id, as_folder);
		memcpy(name + at + 2, DIGITS, 8);
		assert_true(strcmp(name, as_file) == 0 || strcmp(name, as_folder) == 0);
	}
	assert_true(found > 1000);
}

static int prepare(void **state)
{
	return base_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(collections),
	    cmocka_unit_test(suffix_stands_before_the_extension),
	    cmocka_unit_test(names_without_extension),
	    cmocka_unit_test(twice_suffixed),
	    cmocka_unit_test(long_names_are_cut_at_a_character),
	    cmocka_unit_test(only_dots_are_left),
	    cmocka_unit_test(other_ids_give_other_digits),
	    cmocka_unit_test(names_that_have_no_suffix),
	    cmocka_unit_test(every_suffixed_name_is_recognised),
	    cmocka_unit_test(whatever_is_recognised_can_be_made),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
