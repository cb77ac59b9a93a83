#include "index/content.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

static uint8_t buffer[CONTENT_BUFFER];

static int file_of(const uint8_t *bytes, size_t len)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, bytes + at, len - at);

		assert_true(n > 0);
		at += (size_t)n;
	}
	return fd;
}

/* The definition in the header, in other words. */
static void expect(const uint8_t *bytes, uint64_t size, uint8_t ret_id[HASH128_LEN])
{
	_cleanup_(buf_release) struct buf pieces = BUF_INIT;
	uint8_t head[8];

	for (unsigned i = 0; i < 8; i++)
		head[i] = (uint8_t)(size >> (8 * i));
	if (size <= 262144) {
		buf_append(&pieces, bytes, size);
	} else {
		uint64_t gap = size - 131072;

		buf_append(&pieces, bytes, 65536);
		for (uint64_t i = 0; i < 8; i++)
			buf_append(&pieces, bytes + 65536 + gap / 16 * (2 * i + 1) - 8192, 16384);
		buf_append(&pieces, bytes + size - 65536, 65536);
		assert_int_equal(pieces.len, 262144);
	}
	hash_pair(head, sizeof(head), pieces.data, pieces.len, ret_id, HASH128_LEN);
}

static void sizes_around_the_limit(void **state)
{
	static const size_t sizes[] = {1,      2,      65535,  65536,  65537,	262143,
				       262144, 262145, 262159, 262160, 1000003, 3 << 20};
	_cleanup_(free_ptr) uint8_t *bytes = malloc(3 << 20);

	assert_non_null(bytes);
	random_bytes(bytes, 3 << 20);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		_cleanup_(close_fd) int fd = file_of(bytes, sizes[i]);
		uint8_t id[HASH128_LEN], expected[HASH128_LEN];

		assert_int_equal(content_id(fd, sizes[i], buffer, NULL, id), 0);
		expect(bytes, sizes[i], expected);
		assert_memory_equal(id, expected, HASH128_LEN);
	}
}

/* So that an accidental change of the rule is seen: ids are compared across devices and versions. */
static void a_known_id(void **state)
{
	static const uint8_t expected[HASH128_LEN] = {
	    0x5e, 0x1b, 0x88, 0x71, 0x0f, 0xc0, 0xf2, 0xd2, 0x9c, 0x8d, 0x97, 0x61, 0xef, 0x7c, 0x09, 0xaa,
	};
	_cleanup_(close_fd) int fd = file_of((const uint8_t *)"shelf\n", 6);
	uint8_t id[HASH128_LEN];

	assert_int_equal(content_id(fd, 6, buffer, NULL, id), 0);
	assert_memory_equal(id, expected, HASH128_LEN);
}

static void a_huge_sparse_file_is_quick(void **state)
{
	_cleanup_(close_fd) int fd = file_of((const uint8_t *)"x", 1);
	uint64_t size = UINT64_C(1) << 40;
	uint8_t id[HASH128_LEN];

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(content_id(fd, size, buffer, NULL, id), 0);
}

static void a_file_that_shrank_is_stale(void **state)
{
	_cleanup_(close_fd) int fd = file_of((const uint8_t *)"abc", 3);
	uint8_t id[HASH128_LEN];

	assert_int_equal(content_id(fd, 4, buffer, NULL, id), -ERR_STALE);
	assert_int_equal(content_id(fd, 1 << 20, buffer, NULL, id), -ERR_STALE);
}

static void stops_when_told(void **state)
{
	_cleanup_(close_fd) int fd = file_of((const uint8_t *)"abc", 3);
	atomic_bool stop = true;
	uint8_t id[HASH128_LEN];

	assert_int_equal(content_id(fd, 3, buffer, &stop, id), -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes_around_the_limit),
	    cmocka_unit_test(a_known_id),
	    cmocka_unit_test(a_huge_sparse_file_is_quick),
	    cmocka_unit_test(a_file_that_shrank_is_stale),
	    cmocka_unit_test(stops_when_told),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
