/* How soon things happen between devices that are well: in the world's time, over links of up to 40 ms. */
#include "tests/sim/world.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "tests/lib/test.h"

enum { STEP_MS = 5, PROMPT_MS = 300, SETTLE_MS = 30000, CHANGES = 10000, EMPTY_MS = 2000, LINE_MS = 3000 };

static struct world world;

static bool are_connected(const struct world *w)
{
	for (unsigned a = 0; a < w->count; a++) {
		for (unsigned b = a + 1; b < w->count; b++) {
			if (w->devices[a].running && w->devices[b].running && !w->cut[a][b] && !w->links[a][b].up)
				return false;
		}
	}
	return true;
}

/* Until all are connected that can be, which is a matter of chance in each step, and at rest. */
static void settle(struct world *w)
{
	for (unsigned steps = 0; !are_connected(w) && steps < 1000; steps++)
		world_run(w, w->now_ms + STEP_MS);
	assert_true(are_connected(w));
	world_run(w, w->now_ms + SETTLE_MS);
}

/* Three devices that know each other and have nothing to say. */
static int setup(void **state)
{
	world_init(&world, 6, 3);
	world.healing = world.calm = true; /* no mishaps */
	operation_create(&world, 0);
	operation_join(&world, 1, 0);
	settle(&world);
	operation_join(&world, 2, 1);
	settle(&world);
	for (unsigned i = 0; i < 3; i++) {
		if (core_state(world.devices[i].core) != CORE_READY)
			return -1;
	}
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	world_release(&world);
	return 0;
}

static void tag(struct world *w, unsigned i, unsigned number)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct uuid id = {.bytes = {7, (uint8_t)(number >> 8), (uint8_t)number}};
	struct change *change;

	assert_int_equal(change_set_add(&set, MODEL_TAG, &id, NULL, &change), 0);
	change_put_number(change, COLLECTION_LIVE, 1);
	memory_commit(w->devices[i].replica, &set, world_wall(w, i));
	world_report(w, i);
}

static bool all_have(const struct world *w, unsigned number)
{
	struct uuid id = {.bytes = {7, (uint8_t)(number >> 8), (uint8_t)number}};

	for (unsigned i = 0; i < w->count; i++) {
		if (!memory_record(w->devices[i].replica, MODEL_TAG, &id, NULL))
			return false;
	}
	return true;
}

static uint64_t log_records(const struct world *w)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < w->count; i++) {
		const struct vector *v = &w->devices[i].replica->streams;

		for (size_t k = 0; k < v->count; k++)
			n += v->items[k].id.kind == STREAM_LOG ? v->items[k].position - v->items[k].floor : 0;
	}
	return n;
}

static void a_tag_is_everywhere_at_once(void **state)
{
	struct world *w = *state;

	for (unsigned n = 1; n <= 30; n++) {
		uint64_t began = w->now_ms;

		tag(w, n % 3, n);
		while (!all_have(w, n)) {
			assert_true(w->now_ms < began + PROMPT_MS);
			world_run(w, w->now_ms + STEP_MS);
		}
		world_run(w, w->now_ms + 1000 + n);
	}
	assert_int_equal(w->events[CORE_EVENT_SNAPSHOT], 2); /* those of the two that joined */
}

static void after_many_changes_the_log_is_empty_soon(void **state)
{
	struct world *w = *state;
	uint64_t done;

	for (unsigned n = 1; n <= CHANGES; n++) {
		tag(w, 0, n);
		if (n % 20 == 0)
			world_run(w, w->now_ms + STEP_MS);
	}
	done = w->now_ms;
	while (!all_have(w, CHANGES) || log_records(w) > 0) {
		assert_true(w->now_ms < done + EMPTY_MS);
		world_run(w, w->now_ms + STEP_MS);
	}
	assert_int_equal(w->events[CORE_EVENT_DIGEST], 0);
}

/* The ends never meet: what each has reaches the other by the one between, and so do their acknowledgements. */
static void in_a_line_the_log_is_empty_soon(void **state)
{
	struct world *w = *state;
	uint64_t began;

	world_cut(w, 0, 2, true);
	settle(w);
	for (unsigned n = 1; n <= 30; n++)
		tag(w, n % 3, n);
	began = w->now_ms;
	while (!all_have(w, 30) || log_records(w) > 0) {
		assert_true(w->now_ms < began + LINE_MS);
		world_run(w, w->now_ms + STEP_MS);
	}
}

static uint64_t acknowledged(const struct world *w, unsigned by, unsigned to, unsigned owner)
{
	const struct stream_id log = {
	    .origin = {.device = w->devices[owner].id, .epoch = w->devices[owner].replica->epoch}, .kind = STREAM_LOG};

	return acks_position(core_acks(w->devices[to].core), &w->devices[by].id, &log);
}

/* Nobody is there who could tell it again. */
static void acknowledgements_outlive_a_restart(void **state)
{
	struct world *w = *state;
	uint64_t before[3];

	for (unsigned n = 1; n <= 30; n++)
		tag(w, n % 3, n);
	settle(w);
	for (unsigned i = 0; i < 3; i++) {
		before[i] = acknowledged(w, 2, 1, i);
		assert_true(before[i] >= 10);
	}
	world_crash(w, 2);
	world_cut(w, 0, 1, true);
	world_crash(w, 1);
	world_start(w, 1);
	tag(w, 1, 31);
	settle(w);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(acknowledged(w, 2, 1, i), before[i]);
}

/* Nothing new: two Hellos with what they must hold, and heartbeats. */
static void a_reconnect_is_cheap(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_release) struct buf hello = BUF_INIT;
	struct message m = {.kind = MESSAGE_HELLO,
			    .hello = {.version_min = 1, .version_max = 1, .vector = *core_vector(w->devices[0].core)}};
	_cleanup_(buf_release) struct buf rows = BUF_INIT;

	memory_devices(w->devices[0].replica, &rows);
	m.hello.members = rows.data;
	m.hello.members_len = rows.len;
	assert_int_equal(message_encode(&m, &hello), 0);
	assert_true(hello.len < 2048);
	world_cut(w, 0, 1, true);
	world_cut(w, 0, 1, false);
	settle(w);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(core_state(w->devices[i].core), CORE_READY);
}

/* A device that sleeps wakes for heartbeats and for what comes, not for more. */
static void an_idle_core_sleeps(void **state)
{
	struct world *w = *state;
	unsigned wakes = 0;

	for (uint64_t end = w->now_ms + 10 * CORE_HEARTBEAT_MS; w->now_ms < end; w->now_ms++) {
		struct core_now now = {.mono_ms = w->now_ms + 1, .wall_ms = world_wall(w, 0)};
		struct effect e;

		if (core_wake_ms(w->devices[0].core) > now.mono_ms)
			continue;
		wakes++;
		assert_int_equal(core_tick(w->devices[0].core, now), 0);
		while (core_next(w->devices[0].core, &e) == 0)
			effect_release(&e);
	}
	assert_in_range(wakes, 1, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_tag_is_everywhere_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(after_many_changes_the_log_is_empty_soon, setup, teardown),
	    cmocka_unit_test_setup_teardown(in_a_line_the_log_is_empty_soon, setup, teardown),
	    cmocka_unit_test_setup_teardown(acknowledgements_outlive_a_restart, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_reconnect_is_cheap, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_idle_core_sleeps, setup, teardown),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
