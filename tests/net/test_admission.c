/* net/admission. */
#include "net/admission.h"

#include <errno.h>

#include "tests/lib/test.h"

static int owners[3 * NODE_HALF_OPEN_MAX];

static int enter(struct admission *a, uint8_t source, void *owner, void **ret_evicted)
{
	uint8_t bytes[ADDRESS_SOURCE_LEN] = {source};

	return admission_enter(a, bytes, owner, ret_evicted);
}

static void one_source_gets_few(void **state)
{
	struct admission a = {.count = 0};
	void *evicted;

	for (unsigned i = 0; i < NODE_HALF_OPEN_SOURCE; i++) {
		assert_int_equal(enter(&a, 1, &owners[i], &evicted), 0);
		assert_null(evicted);
	}
	assert_int_equal(enter(&a, 1, &owners[20], &evicted), -EBUSY);
	assert_int_equal(enter(&a, 2, &owners[21], &evicted), 0);
	admission_leave(&a, &owners[0]);
	admission_leave(&a, &owners[0]);
	assert_int_equal(a.count, NODE_HALF_OPEN_SOURCE);
	assert_int_equal(enter(&a, 1, &owners[20], &evicted), 0);
}

static void the_oldest_makes_room(void **state)
{
	struct admission a = {.count = 0};
	void *evicted;

	for (unsigned i = 0; i < 3 * NODE_HALF_OPEN_MAX; i++) {
		assert_int_equal(enter(&a, (uint8_t)i, &owners[i], &evicted), 0);
		assert_ptr_equal(evicted, i < NODE_HALF_OPEN_MAX ? NULL : &owners[i - NODE_HALF_OPEN_MAX]);
		assert_true(a.count <= NODE_HALF_OPEN_MAX);
	}
	admission_leave(&a, &owners[0]); /* evicted long ago */
	assert_int_equal(a.count, NODE_HALF_OPEN_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_source_gets_few),
	    cmocka_unit_test(the_oldest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
