#include "mount/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

enum { T0 = 1000000 };

static struct buf message(size_t len)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < len; i++)
		buf_append(&b, "x", 1);
	assert_int_equal(buf_error(&b), 0);
	return b;
}

static void put(struct outbox *box, size_t len)
{
	struct buf b = message(len);

	assert_int_equal(outbox_put(box, &b), 0);
	assert_null(b.data); /* taken over */
}

static void in_order(void **state)
{
	struct outbox box;

	outbox_init(&box);
	assert_null(outbox_first(&box));
	for (size_t i = 1; i <= 3; i++)
		put(&box, i);
	assert_int_equal(box.bytes, 6);
	for (size_t i = 1; i <= 3; i++) {
		assert_int_equal(outbox_first(&box)->len, i);
		outbox_drop(&box);
	}
	assert_null(outbox_first(&box));
	put(&box, 4);
	outbox_clear(&box);
	put(&box, 5);
	assert_int_equal(outbox_first(&box)->len, 5);
	outbox_clear(&box);
	assert_int_equal(box.bytes, 0);
}

static void bounded(void **state)
{
	struct buf large = {.data = malloc(OUTBOX_BYTES), .len = OUTBOX_BYTES, .capacity = OUTBOX_BYTES};
	struct buf more = message(1);
	struct outbox box;

	outbox_init(&box);
	assert_int_equal(outbox_put(&box, &large), 0);
	assert_int_equal(outbox_put(&box, &more), -ENOBUFS);
	assert_int_equal(more.len, 1); /* still the caller's */
	buf_release(&more);
	outbox_clear(&box);
}

static void without_a_limit(void **state)
{
	struct outbox box;

	outbox_init(&box);
	outbox_count(&box, SIZE_MAX / 4);
	assert_int_equal(outbox_wait_ms(&box, T0), 0);
}

/* What goes in a minute, asked as often as it may. */
static uint64_t sent_in_a_minute(struct outbox *box, size_t piece)
{
	uint64_t now = T0, sent = 0;

	while (now < T0 + 60000) {
		uint64_t wait = outbox_wait_ms(box, now);

		if (wait > 0) {
			now += wait;
			continue;
		}
		outbox_count(box, piece);
		sent += piece;
	}
	return sent;
}

static void as_fast_as_the_limit(void **state)
{
	static const size_t pieces[] = {100, 5000, 300000};

	for (size_t i = 0; i < 3; i++) {
		struct outbox box;
		uint64_t sent;

		outbox_init(&box);
		outbox_limit(&box, 100000, T0);
		sent = sent_in_a_minute(&box, pieces[i]);
		assert_in_range(sent, 6000000 - pieces[i], 6000000 + 50000 + pieces[i]);
	}
}

static void what_comes_counts_too(void **state)
{
	struct outbox box;

	outbox_init(&box);
	outbox_limit(&box, 1000, T0);
	outbox_count(&box, 2501); /* came: half a second's worth was there */
	assert_in_range(outbox_wait_ms(&box, T0), 1999, 2002);
	assert_int_equal(outbox_wait_ms(&box, T0 + 2002), 0);
	outbox_limit(&box, 0, T0);
	outbox_count(&box, 1 << 30);
	assert_int_equal(outbox_wait_ms(&box, T0), 0);
}

static void a_pause_saves_nothing_up(void **state)
{
	struct outbox box;

	outbox_init(&box);
	outbox_limit(&box, 1000, T0);
	assert_int_equal(outbox_wait_ms(&box, T0 + UINT64_C(1000) * 86400 * 365), 0);
	outbox_count(&box, 1501);
	assert_in_range(outbox_wait_ms(&box, T0 + UINT64_C(1000) * 86400 * 365), 999, 1002);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(bounded),
		cmocka_unit_test(without_a_limit),
		cmocka_unit_test(as_fast_as_the_limit),
		cmocka_unit_test(what_comes_counts_too),
		cmocka_unit_test(a_pause_saves_nothing_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
