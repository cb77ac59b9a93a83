#include "sync/acks.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/model.h"
#include "tests/lib/test.h"

static const struct uuid a = {.bytes = {1}}, b = {.bytes = {2}}, c = {.bytes = {3}};

static struct stream_id log_of(const struct uuid *device)
{
	return (struct stream_id){.origin = {.device = *device, .epoch = 1}};
}

static int note(struct acks *acks, const struct uuid *member, const struct uuid *origin, uint64_t position)
{
	struct ack ack = {.member = *member, .stream = log_of(origin), .position = position, .hlc = position + 100};

	return acks_note(acks, &ack);
}

static void the_greatest_stays(void **state)
{
	_cleanup_(acks_release) struct acks acks = ACKS_INIT;
	struct stream_id of_a = log_of(&a), of_c = log_of(&c);

	assert_int_equal(note(&acks, &b, &a, 5), 1);
	assert_int_equal(note(&acks, &b, &a, 3), 0); /* late */
	assert_int_equal(note(&acks, &b, &a, 5), 0); /* twice */
	assert_true(acks_position(&acks, &b, &of_a) == 5);
	assert_true(acks_position(&acks, &c, &of_a) == 0);
	assert_int_equal(note(&acks, &c, &a, 9), 1);
	assert_true(acks_greatest(&acks, &of_a, &b)->position == 9);
	assert_true(acks_greatest(&acks, &of_a, &c)->position == 5);
	assert_true(acks_greatest(&acks, &of_a, &c)->hlc == 105);
	assert_null(acks_greatest(&acks, &of_c, &a));
	assert_int_equal(note(&acks, &c, &c, 0), 0); /* nothing is no news */
	assert_int_equal(acks.count, 2);
}

static void only_whole_streams_acknowledge(void **state)
{
	_cleanup_(acks_release) struct acks acks = ACKS_INIT;
	struct stream half = {
	    .id = {.origin = {.device = a, .epoch = 1}, .kind = MODEL_ENTRY}, .position = 5, .head = 9};
	struct stream whole = {
	    .id = {.origin = {.device = a, .epoch = 1}, .kind = MODEL_LOCATION}, .position = 5, .head = 5};

	assert_int_equal(acks_note_stream(&acks, &b, &half), 0);
	assert_int_equal(acks_note_stream(&acks, &b, &whole), 1);
	assert_int_equal(acks_note_stream(&acks, &b, &whole), 0);
	assert_true(acks_position(&acks, &b, &half.id) == 0);
	assert_true(acks_position(&acks, &b, &whole.id) == 5);
}

static void news_have_later_revisions(void **state)
{
	_cleanup_(acks_release) struct acks acks = ACKS_INIT;
	uint64_t told;

	note(&acks, &b, &a, 5);
	told = acks.revision;
	note(&acks, &b, &a, 5);
	assert_true(acks.revision == told);
	note(&acks, &c, &a, 1);
	for (size_t i = 0; i < acks.count; i++)
		assert_int_equal(acks.items[i].revision > told, uuid_cmp(&acks.items[i].member, &c) == 0);
}

static bool is_b(const void *arg, const struct ack *ack)
{
	return uuid_cmp(&ack->member, arg) == 0;
}

static void removed_members_are_forgotten(void **state)
{
	_cleanup_(acks_release) struct acks acks = ACKS_INIT;

	note(&acks, &a, &a, 5);
	note(&acks, &b, &a, 5);
	note(&acks, &c, &a, 5);
	acks_keep(&acks, is_b, &b);
	assert_int_equal(acks.count, 1);
	assert_int_equal(uuid_cmp(&acks.items[0].member, &b), 0);
}

static void travels(void **state)
{
	_cleanup_(acks_release) struct acks acks = ACKS_INIT, back = ACKS_INIT;
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;
	struct stream_id of_a = log_of(&a);
	struct cursor cursor;

	note(&acks, &c, &a, 7);
	note(&acks, &b, &a, 5);
	note(&acks, &b, &c, 6);
	acks_encode(&acks, &bytes);
	cursor = cursor_on(bytes.data, bytes.len);
	assert_int_equal(acks_decode(&cursor, &back), 0);
	assert_int_equal(cursor.left, 0);
	assert_int_equal(back.count, 3);
	assert_true(acks_position(&back, &c, &of_a) == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_greatest_stays),
	    cmocka_unit_test(only_whole_streams_acknowledge),
	    cmocka_unit_test(news_have_later_revisions),
	    cmocka_unit_test(removed_members_are_forgotten),
	    cmocka_unit_test(travels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
