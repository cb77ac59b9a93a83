/* What two devices tell each other when they pair: there and back, whatever is cut or bent, and clocks. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pack.h"
#include "base/random.h"
#include "mount/introduction.h"
#include "sync/hlc.h"
#include "tests/lib/scratch.h"

#define NOW_MS UINT64_C(1700000000000)

struct world {
	struct scratch scratch;
	char *dir;
	struct key *key;
	struct store *store;
};

static int setup(void **state)
{
	const struct store_create_opts opts = {
	    .library_name = "Test", .device_name = "laptop", .library = uuid_random()};
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	assert_int_equal(base_init(), 0);
	assert_int_equal(scratch_init(&w->scratch), 0);
	w->dir = scratch_path(&w->scratch, "test.sdlibrary");
	assert_int_equal(key_generate(&w->key), 0);
	assert_int_equal(store_create(w->dir, &opts, w->key), 0);
	assert_int_equal(store_open(w->dir, w->key, &w->store), 0);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	store_close(w->store);
	key_free(w->key);
	free(w->dir);
	scratch_release(&w->scratch);
	free(w);
	return 0;
}

static void a_library_introduces_itself(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_release) struct buf payload = BUF_INIT;
	struct introduction in;
	uint8_t other[KEY_PUBLIC_LEN];

	assert_int_equal(introduction_of_library(w->store, NOW_MS, &payload), 0);
	assert_int_equal(introduction_read(payload.data, payload.len, key_public(w->key), &in), 0);
	assert_string_equal(in.name, "Test");
	assert_int_equal(in.wall_ms, NOW_MS);
	assert_memory_equal(in.library.bytes, store_info(w->store)->library.bytes, UUID_LEN);
	introduction_release(&in);
	random_bytes(other, sizeof(other));
	assert_int_equal(introduction_read(payload.data, payload.len, other, &in), -ERR_MALFORMED);
	for (size_t len = 0; len < payload.len; len++)
		assert_true(introduction_read(payload.data, len, key_public(w->key), &in) < 0);
}

static void a_device_introduces_itself(void **state)
{
	_cleanup_(buf_release) struct buf payload = BUF_INIT;
	struct newcomer newcomer;

	assert_int_equal(introduction_of_device("phone", NOW_MS, &payload), 0);
	assert_int_equal(introduction_read_device(payload.data, payload.len, &newcomer), 0);
	assert_string_equal(newcomer.name, "phone");
	assert_int_equal(newcomer.wall_ms, NOW_MS);
	for (size_t len = 0; len < payload.len; len++)
		assert_int_equal(introduction_read_device(payload.data, len, &newcomer), -ERR_MALFORMED);
}

/* Whatever steers a terminal or is no name of a folder is no name of a device. */
static void names_that_are_none(void **state)
{
	static const char *const names[] = {"",	    ".",     "..",	 "a/b",	 "\033[2J",
					    "a\nb", "a\x7f", "\xc2\x9b", "\xff", "a\rb"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_(buf_release) struct buf payload = BUF_INIT;
		struct newcomer newcomer;

		assert_int_equal(introduction_of_device(names[i], NOW_MS, &payload), 0);
		assert_int_equal(introduction_read_device(payload.data, payload.len, &newcomer), -ERR_MALFORMED);
	}
}

static void clocks(void **state)
{
	assert_int_equal(introduction_clock_offset_ms(NOW_MS, NOW_MS), 0);
	assert_int_equal(introduction_clock_offset_ms(NOW_MS + HLC_AHEAD_MAX_MS, NOW_MS), 0);
	assert_int_equal(introduction_clock_offset_ms(NOW_MS - HLC_AHEAD_MAX_MS, NOW_MS), 0);
	assert_int_equal(introduction_clock_offset_ms(NOW_MS + HLC_AHEAD_MAX_MS + 1, NOW_MS), HLC_AHEAD_MAX_MS + 1);
	assert_int_equal(introduction_clock_offset_ms(NOW_MS - HLC_AHEAD_MAX_MS - 1, NOW_MS), -HLC_AHEAD_MAX_MS - 1);
	assert_true(introduction_clock_offset_ms(0, NOW_MS) < 0);
	assert_true(introduction_clock_offset_ms(UINT64_MAX, 0) == INT64_MAX);
	assert_true(introduction_clock_offset_ms(0, UINT64_MAX) == -INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_library_introduces_itself, setup, teardown),
	    cmocka_unit_test(a_device_introduces_itself),
	    cmocka_unit_test(names_that_are_none),
	    cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
