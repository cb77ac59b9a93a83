#include "base/uuid.h"

#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "tests/lib/test.h"

static struct uuid from(const char *text)
{
	struct uuid u;

	assert_int_equal(uuid_from_text(text, &u), 0);
	return u;
}

static void expect_text(struct uuid u, const char *wanted)
{
	char text[UUID_TEXT_LEN + 1];

	uuid_to_text(&u, text);
	assert_string_equal(text, wanted);
}

static void text_round_trip(void **state)
{
	struct uuid u = from("00112233-4455-6677-8899-AaBbCcDdEeFf");

	for (size_t i = 0; i < UUID_LEN; i++)
		assert_int_equal(u.bytes[i], 0x11 * i);
	expect_text(u, "00112233-4455-6677-8899-aabbccddeeff");
}

static void texts_that_are_no_uuid(void **state)
{
	static const char *const wrong[] = {
	    "",
	    "-",
	    "00112233-4455-6677-8899-aabbccddeef",
	    "00112233-4455-6677-8899-aabbccddeeff0",
	    "00112233-4455-6677-8899-aabbccddeefg",
	    "00112233-4455-6677-8899_aabbccddeeff",
	    "0011223344556677-8899-aabbccddeeff--",
	    "{0112233-4455-6677-8899-aabbccddeef}",
	    " 0112233-4455-6677-8899-aabbccddeeff",
	    "+0112233-4455-6677-8899-aabbccddeeff",
	};
	struct uuid u = {{1}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(uuid_from_text(wrong[i], &u), -ERR_MALFORMED);
	assert_int_equal(u.bytes[0], 1);
}

static void order_is_that_of_bytes(void **state)
{
	struct uuid a = {{1}}, b = {{1, 0x80}}, nil = {0};

	assert_true(uuid_cmp(&a, &b) < 0);
	assert_true(uuid_cmp(&b, &a) > 0);
	assert_int_equal(uuid_cmp(&a, &a), 0);
	assert_true(uuid_is_nil(&nil));
	assert_false(uuid_is_nil(&a));
	nil.bytes[15] = 1;
	assert_false(uuid_is_nil(&nil));
}

static void random_is_version_4(void **state)
{
	struct uuid last = {0};

	for (int i = 0; i < 100; i++) {
		struct uuid u = uuid_random();

		assert_int_equal(u.bytes[6] >> 4, 4);
		assert_int_equal(u.bytes[8] >> 6, 2);
		assert_int_not_equal(uuid_cmp(&u, &last), 0);
		last = u;
	}
}

/* RFC 9562, appendix A.4; the other ones from Python's uuid.uuid5. */
static void version_5_vectors(void **state)
{
	struct uuid dns = from("6ba7b810-9dad-11d1-80b4-00c04fd430c8");

	expect_text(uuid_v5(&dns, "www.example.com", 15), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	expect_text(uuid_v5(&dns, "python.org", 10), "886313e1-3b8a-5372-9b90-0c9aee199e5d");
	expect_text(uuid_v5(&dns, "", 0), "4ebd0208-8328-5d69-8c44-ec50939c0967");
}

static void version_8_keeps_the_other_bits(void **state)
{
	uint8_t ones[UUID_LEN], zeros[UUID_LEN] = {0};

	memset(ones, 0xff, sizeof(ones));
	expect_text(uuid_v8(ones), "ffffffff-ffff-8fff-bfff-ffffffffffff");
	expect_text(uuid_v8(zeros), "00000000-0000-8000-8000-000000000000");
}

static void entries_round_trip(void **state)
{
	static const uint64_t seqs[] = {0, 1, 255, 256, UINT64_C(1) << 32, (UINT64_C(1) << 62) - 1};

	for (size_t i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		uint64_t prefix = uuid_entry_prefix(), prefix_back, seq_back;
		struct uuid u = uuid_entry(prefix, seqs[i]);

		assert_int_equal(u.bytes[6] >> 4, 8);
		assert_int_equal(u.bytes[8] >> 6, 2);
		uuid_entry_split(&u, &prefix_back, &seq_back);
		assert_true(prefix_back == prefix);
		assert_true(seq_back == seqs[i]);
	}
	expect_text(uuid_entry(UINT64_C(0x0123456789ab8def), 5), "01234567-89ab-8def-8000-000000000005");
}

static void entries_sort_in_creation_order(void **state)
{
	static const uint64_t seqs[] = {0, 1, 255, 256, 65535, 65536, UINT64_C(1) << 61, (UINT64_C(1) << 62) - 1};
	uint64_t prefix = uuid_entry_prefix();

	for (size_t i = 1; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		struct uuid a = uuid_entry(prefix, seqs[i - 1]), b = uuid_entry(prefix, seqs[i]);

		assert_true(uuid_cmp(&a, &b) < 0);
		assert_memory_equal(a.bytes, b.bytes, 8);
	}
}

static void prefixes_are_random_and_stamped(void **state)
{
	uint64_t ones = 0, zeros = 0;

	for (int i = 0; i < 200; i++) {
		uint64_t prefix = uuid_entry_prefix();

		assert_int_equal(prefix >> 12 & 0xf, 8);
		ones |= prefix;
		zeros |= ~prefix;
	}
	assert_true(ones == ~UINT64_C(0x7000));
	assert_true(zeros == ~UINT64_C(0x8000));
}

static int prepare(void **state)
{
	return base_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_round_trip),
	    cmocka_unit_test(texts_that_are_no_uuid),
	    cmocka_unit_test(order_is_that_of_bytes),
	    cmocka_unit_test(random_is_version_4),
	    cmocka_unit_test(version_5_vectors),
	    cmocka_unit_test(version_8_keeps_the_other_bits),
	    cmocka_unit_test(entries_round_trip),
	    cmocka_unit_test(entries_sort_in_creation_order),
	    cmocka_unit_test(prefixes_are_random_and_stamped),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
