#include "index/idmap.h"

#include "base/cleanup.h"
#include "base/random.h"
#include "tests/lib/test.h"

static void release(struct idmap *map)
{
	idmap_release(map);
}

static void keeps_what_was_put(void **state)
{
	_cleanup_(release) struct idmap map = IDMAP_INIT;

	assert_int_equal(idmap_get(&map, 1, 77), 77);
	idmap_remove(&map, 1);
	for (uint64_t key = 1; key <= 10000; key++)
		assert_int_equal(idmap_put(&map, key, key * 3), 0);
	assert_int_equal(map.count, 10000);
	for (uint64_t key = 1; key <= 10000; key++)
		assert_int_equal(idmap_get(&map, key, 0), key * 3);
	assert_int_equal(idmap_get(&map, 10001, 5), 5);
	assert_int_equal(idmap_put(&map, 7, 8), 0);
	assert_int_equal(idmap_get(&map, 7, 0), 8);
	assert_int_equal(map.count, 10000);
}

/* Against a plain array, with keys that collide often and many removals. */
static void agrees_with_an_array(void **state)
{
	_cleanup_(release) struct idmap map = IDMAP_INIT;
	uint64_t values[512] = {0};
	size_t count = 0;

	for (unsigned i = 0; i < 200000; i++) {
		uint32_t key = 1 + random_below(511);

		if (random_below(2)) {
			count += values[key] == 0;
			values[key] = i + 1;
			assert_int_equal(idmap_put(&map, key, i + 1), 0);
		} else {
			count -= values[key] != 0;
			values[key] = 0;
			idmap_remove(&map, key);
		}
		assert_int_equal(map.count, count);
		key = 1 + random_below(511);
		assert_int_equal(idmap_get(&map, key, 0), values[key]);
	}
	for (uint64_t key = 1; key < 512; key++)
		assert_int_equal(idmap_get(&map, key, 0), values[key]);
}

static void steps_through_all(void **state)
{
	_cleanup_(release) struct idmap map = IDMAP_INIT;
	uint64_t key, value, sum = 0, count = 0;

	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(idmap_put(&map, i << 32, i), 0);
	for (size_t at = 0; idmap_next(&map, &at, &key, &value); count++) {
		assert_int_equal(key, value << 32);
		sum += value;
	}
	assert_int_equal(count, 100);
	assert_int_equal(sum, 5050);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_what_was_put),
	    cmocka_unit_test(agrees_with_an_array),
	    cmocka_unit_test(steps_through_all),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
