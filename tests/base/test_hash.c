#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "tests/lib/test.h"

/* From Python's hashlib.blake2b; that of 64 bytes is RFC 7693, appendix A. */
static const uint8_t abc_32[] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
				 0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
				 0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};
static const uint8_t abc_16[] = {0xcf, 0x4a, 0xb7, 0x91, 0xc6, 0x2b, 0x8d, 0x2b,
				 0x21, 0x09, 0xc9, 0x02, 0x75, 0x28, 0x78, 0x16};
static const uint8_t abc_64_start[] = {0xba, 0x80, 0xa5, 0x3f, 0x98, 0x1c, 0x4d, 0x0d};
static const uint8_t empty_32[] = {0x0e, 0x57, 0x51, 0xc0, 0x26, 0xe5, 0x43, 0xb2, 0xe8, 0xab, 0x2e,
				   0xb0, 0x60, 0x99, 0xda, 0xa1, 0xd1, 0xe5, 0xdf, 0x47, 0x77, 0x8f,
				   0x77, 0x87, 0xfa, 0xab, 0x45, 0xcd, 0xf1, 0x2f, 0xe3, 0xa8};

static void running_in_any_pieces(void **state)
{
	for (size_t cut = 0; cut <= 3; cut++) {
		_cleanup_(hash_freep) struct hash *h = NULL;
		uint8_t out[HASH_LEN];

		assert_int_equal(hash_new(HASH_LEN, &h), 0);
		hash_update(h, "abc", cut);
		hash_update(h, &"abc"[cut], 3 - cut);
		hash_final(h, out);
		assert_memory_equal(out, abc_32, HASH_LEN);
	}
}

static void lengths_give_other_hashes(void **state)
{
	uint8_t out[64];

	hash_pair("abc", 3, NULL, 0, out, HASH128_LEN);
	assert_memory_equal(out, abc_16, HASH128_LEN);
	hash_pair("abc", 3, NULL, 0, out, 64);
	assert_memory_equal(out, abc_64_start, sizeof(abc_64_start));
}

static void pair_is_the_concatenation(void **state)
{
	uint8_t out[HASH_LEN];

	hash_pair("a", 1, "bc", 2, out, HASH_LEN);
	assert_memory_equal(out, abc_32, HASH_LEN);
	hash_pair(NULL, 0, "abc", 3, out, HASH_LEN);
	assert_memory_equal(out, abc_32, HASH_LEN);
	hash_pair(NULL, 0, NULL, 0, out, HASH_LEN);
	assert_memory_equal(out, empty_32, HASH_LEN);
}

static void lengths_that_blake2b_lacks(void **state)
{
	struct hash *h = NULL;

	assert_int_equal(hash_new(15, &h), -EINVAL);
	assert_int_equal(hash_new(65, &h), -EINVAL);
	assert_null(h);
	hash_free(NULL);
	for (size_t len = 16; len <= 64; len++) {
		assert_int_equal(hash_new(len, &h), 0);
		hash_free(h);
	}
}

static int prepare(void **state)
{
	return base_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(running_in_any_pieces),
	    cmocka_unit_test(lengths_give_other_hashes),
	    cmocka_unit_test(pair_is_the_concatenation),
	    cmocka_unit_test(lengths_that_blake2b_lacks),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
