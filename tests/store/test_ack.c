#include "tests/lib/test.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "store/ack.h"
#include "sync/model.h"
#include "tests/lib/library.h"

static int setup(void **state)
{
	struct library *l = calloc(1, sizeof(*l));

	library_init(l);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	library_release(*state);
	free(*state);
	return 0;
}

static struct ack sample(uint8_t member, uint8_t kind, uint64_t position)
{
	return (struct ack){.member = {{member}},
			    .stream = {.origin = {.device = {{9}}, .epoch = UINT64_C(1) << 62}, .kind = kind},
			    .position = position,
			    .hlc = position << 16};
}

static void test_saved_and_loaded(void **state)
{
	struct library *l = *state;
	_cleanup_(acks_release) struct acks acks = ACKS_INIT, loaded = ACKS_INIT;
	struct ack a = sample(1, STREAM_LOG, 5), b = sample(2, MODEL_ENTRY, 7), c = sample(3, STREAM_LOG, 9);
	uint64_t revision;

	assert_int_equal(ack_load(l->store, &loaded), 0);
	assert_int_equal(loaded.count, 0);
	assert_int_equal(acks_note(&acks, &a), 1);
	assert_int_equal(acks_note(&acks, &b), 1);
	assert_int_equal(ack_save(l->store, &acks, 0), 0);
	revision = acks.revision;
	a.position = 6;
	assert_int_equal(acks_note(&acks, &a), 1);
	assert_int_equal(acks_note(&acks, &c), 1);
	assert_int_equal(ack_save(l->store, &acks, revision), 0);
	library_reopen(l);
	assert_int_equal(ack_load(l->store, &loaded), 0);
	assert_int_equal(loaded.count, 3);
	assert_int_equal(acks_position(&loaded, &a.member, &a.stream), 6);
	assert_int_equal(acks_position(&loaded, &b.member, &b.stream), 7);
	assert_int_equal(acks_position(&loaded, &c.member, &c.stream), 9);
}

static bool is_first(const void *arg, const struct ack *ack)
{
	return ack->member.bytes[0] == 1;
}

static void test_members_that_went(void **state)
{
	struct library *l = *state;
	_cleanup_(acks_release) struct acks acks = ACKS_INIT, loaded = ACKS_INIT;
	struct ack a = sample(1, STREAM_LOG, 5), b = sample(2, STREAM_LOG, 7);

	acks_note(&acks, &a);
	acks_note(&acks, &b);
	assert_int_equal(ack_save(l->store, &acks, 0), 0);
	acks_keep(&acks, is_first, NULL);
	assert_int_equal(ack_save(l->store, &acks, 0), 0);
	assert_int_equal(ack_load(l->store, &loaded), 0);
	assert_int_equal(loaded.count, 1);
	assert_int_equal(loaded.items[0].hlc, UINT64_C(5) << 16);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_saved_and_loaded), TEST(test_members_that_went)};

	return cmocka_run_group_tests_name("ack", tests, NULL, NULL);
}
