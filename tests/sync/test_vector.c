#include "sync/vector.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/model.h"
#include "tests/lib/test.h"

static struct stream stream_at(uint8_t device, uint64_t epoch, uint8_t kind, uint64_t position)
{
	struct stream s = {.id = {.origin = {.device = {.bytes = {device}}, .epoch = epoch}, .kind = kind},
			   .started = epoch << 16,
			   .position = position};

	if (kind != STREAM_LOG) {
		s.head = position;
	} else if (position > 0) {
		s.hlc = 77;
		memset(s.hash, 5, HASH_LEN);
	}
	return s;
}

static void set(struct vector *v, uint8_t device, uint64_t epoch, uint8_t kind, uint64_t position)
{
	struct stream s = stream_at(device, epoch, kind, position);

	assert_int_equal(vector_set(v, &s), 0);
}

static void keeps_order_whatever_comes_first(void **state)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT;

	for (unsigned i = 0; i < 100; i++)
		set(&v, (uint8_t)(i * 37 % 100), 1, STREAM_LOG, i);
	assert_int_equal(v.count, 100);
	for (size_t i = 1; i < v.count; i++)
		assert_true(stream_id_cmp(&v.items[i - 1].id, &v.items[i].id) < 0);
	set(&v, 37, 1, STREAM_LOG, 1000); /* replaces */
	assert_int_equal(v.count, 100);
	assert_true(vector_find(&v, &(struct stream_id){.origin = {.device = {.bytes = {37}}, .epoch = 1}})->position ==
		    1000);
	vector_remove(&v, &(struct stream_id){.origin = {.device = {.bytes = {37}}, .epoch = 1}});
	vector_remove(&v, &(struct stream_id){.origin = {.device = {.bytes = {37}}, .epoch = 1}});
	assert_int_equal(v.count, 99);
	assert_null(vector_find(&v, &(struct stream_id){.origin = {.device = {.bytes = {37}}, .epoch = 1}}));
}

static void the_latest_epoch_counts(void **state)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT;
	struct uuid one = {.bytes = {1}}, two = {.bytes = {2}};
	struct stream early = stream_at(1, 900, MODEL_ENTRY, 9);

	early.started = 1; /* a high number, but an early start */
	assert_int_equal(vector_set(&v, &early), 0);
	set(&v, 1, 5, MODEL_ENTRY, 3);
	set(&v, 1, 7, MODEL_ENTRY, 4);
	set(&v, 1, 8, STREAM_LOG, 4);
	set(&v, 2, 1, MODEL_LOCATION, 1);
	assert_true(vector_current(&v, &one, MODEL_ENTRY)->id.origin.epoch == 7);
	assert_null(vector_current(&v, &two, MODEL_ENTRY));
	assert_true(vector_current(&v, &two, MODEL_LOCATION)->position == 1);
}

static void whole_means_all_that_was_seen(void **state)
{
	struct stream s = stream_at(1, 1, MODEL_ENTRY, 5);

	assert_true(stream_is_whole(&s));
	s.head = 6;
	assert_false(stream_is_whole(&s));
	s.head = 5;
	s.listing = true;
	assert_false(stream_is_whole(&s));
	s = stream_none(&s.id, 1);
	assert_false(stream_is_whole(&s));
	s.id.kind = STREAM_LOG;
	s = stream_none(&s.id, 1);
	assert_true(stream_is_whole(&s));
}

static void travels(void **state)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT, back = VECTOR_INIT;
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	struct stream half = stream_at(2, 3, MODEL_ENTRY, 8);
	struct cursor c;

	half.head = 20;
	half.listing = true;
	set(&v, 1, 3, STREAM_LOG, 7);
	set(&v, 1, 3, MODEL_ENTRY, 0);
	set(&v, 2, 4, STREAM_LOG, 0);
	assert_int_equal(vector_set(&v, &half), 0);
	v.shared_digest = UINT64_MAX;
	v.clock = 5;
	vector_encode(&v, &b);
	c = cursor_on(b.data, b.len);
	assert_int_equal(vector_decode(&c, &back), 0);
	assert_int_equal(c.left, 0);
	assert_int_equal(back.count, v.count);
	assert_true(back.shared_digest == UINT64_MAX && back.clock == 0);
	for (size_t i = 0; i < v.count; i++) {
		assert_int_equal(stream_id_cmp(&back.items[i].id, &v.items[i].id), 0);
		assert_true(back.items[i].position == v.items[i].position);
		assert_true(back.items[i].started == v.items[i].started);
		assert_memory_equal(back.items[i].hash, v.items[i].hash, HASH_LEN);
		assert_int_equal(stream_is_whole(&back.items[i]), stream_is_whole(&v.items[i]));
	}
}

/* A reconnect with nothing new costs two of these and little more (issue: at most 4 KiB). */
static void five_devices_fit_in_little(void **state)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT;
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	static const uint8_t kinds[] = {STREAM_LOG, MODEL_LOCATION, MODEL_ENTRY, MODEL_AUDIT, MODEL_VOLUME};

	for (uint8_t device = 0; device < 5; device++) {
		for (size_t k = 0; k < sizeof(kinds); k++) {
			struct stream s = stream_at(device, INT64_MAX, kinds[k], 1000000);

			s.started = s.hlc = INT64_MAX;
			s.digest = UINT64_MAX;
			assert_int_equal(vector_set(&v, &s), 0);
		}
	}
	vector_encode(&v, &b);
	assert_true(b.len <= 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_order_whatever_comes_first), cmocka_unit_test(the_latest_epoch_counts),
	    cmocka_unit_test(whole_means_all_that_was_seen),	cmocka_unit_test(travels),
	    cmocka_unit_test(five_devices_fit_in_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
