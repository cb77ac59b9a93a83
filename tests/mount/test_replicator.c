/* Two libraries with their replicators on one loop, and a wire between them that loses nothing, while threads commit on
 * both: what the cores take to be stored is what is stored, whatever the order in which jobs and commits are heard of.
 */
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/random.h"
#include "mount/replicator.h"
#include "store/collection.h"
#include "store/event.h"
#include "store/replica.h"
#include "sync/hlc.h"
#include "sync/message.h"
#include "tests/lib/library.h"

enum { TAGS = 1000, LIMIT_MS = 60 * 1000 };

struct parcel {
	struct buf bytes;
	struct parcel *next;
};

struct side {
	struct library library;
	struct side *other;
	struct replicator *replicator;
	struct parcel *first, **last; /* that are on their way to it */
	uv_async_t committed, arrived;
	pthread_t writer;
	char letter;
	atomic_int made;
	struct vector seen; /* what it was told before */
};

static struct side sides[2];
static unsigned closed; /* connections that were ended */
static uv_loop_t loop;
static uv_timer_t limit;

static const struct uuid *id_of(const struct side *s)
{
	return &store_info(s->library.store)->device;
}

/* What is stored never goes back, so neither does what the core is told of it. */
static void check_seen(struct side *s)
{
	const struct vector *told = replicator_vector(s->replicator);

	for (size_t i = 0; i < told->count; i++) {
		const struct stream *before = vector_find(&s->seen, &told->items[i].id);

		if (before)
			assert_true(told->items[i].position >= before->position);
	}
	assert_int_equal(vector_copy(told, &s->seen), 0);
}

/* --- the wire --- */

static int on_send(void *arg, const struct uuid *peer, const void *message, size_t len)
{
	struct side *to = ((struct side *)arg)->other;
	struct parcel *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	if (to->other->replicator)
		check_seen(to->other);
	assert_int_equal(uuid_cmp(peer, id_of(to)), 0);
	assert_int_equal(buf_append(&p->bytes, message, len), 0);
	*to->last = p;
	to->last = &p->next;
	uv_async_send(&to->arrived);
	return 0;
}

static void on_arrived(uv_async_t *arrived)
{
	struct side *s = arrived->data;

	while (s->first) {
		struct parcel *p = s->first;

		s->first = p->next;
		if (!s->first)
			s->last = &s->first;
		replicator_message(s->replicator, id_of(s->other), p->bytes.data, p->bytes.len);
		buf_release(&p->bytes);
		free(p);
	}
}

static void on_close(void *arg, const struct uuid *peer)
{
	closed++;
}

static void on_members(void *arg)
{
}

/* --- commits --- */

static void on_commit(void *arg, bool members)
{
	uv_async_send(&((struct side *)arg)->committed);
}

static void on_committed(uv_async_t *committed)
{
	replicator_committed(((struct side *)committed->data)->replicator);
}

static void *write_tags(void *arg)
{
	struct side *s = arg;
	char name[32];

	for (int i = 0; i < TAGS; i++) {
		snprintf(name, sizeof(name), "%c %d", s->letter, i);
		library_tag(&s->library, name);
		atomic_fetch_add(&s->made, 1);
	}
	return NULL;
}

/* --- both --- */

static void open_side(struct side *s, char letter, const struct uuid *library)
{
	const struct store_create_opts opts = {.library_name = "Test", .device_name = "one", .library = *library};
	struct replicator_opts replicator = {
	    .loop = &loop, .send = on_send, .close = on_close, .members_changed = on_members, .arg = s};

	assert_int_equal(scratch_init(&s->library.scratch), 0);
	s->library.dir = scratch_path(&s->library.scratch, "test.sdlibrary");
	assert_int_equal(key_generate(&s->library.key), 0);
	assert_int_equal(store_create(s->library.dir, &opts, s->library.key), 0);
	assert_int_equal(store_open(s->library.dir, s->library.key, &s->library.store), 0);
	s->letter = letter;
	s->last = &s->first;
	replicator.store = s->library.store;
	assert_int_equal(replicator_new(&replicator, &s->replicator), 0);
	uv_async_init(&loop, &s->committed, on_committed);
	uv_async_init(&loop, &s->arrived, on_arrived);
	s->committed.data = s->arrived.data = s;
	store_on_commit(s->library.store, on_commit, s);
}

static int setup(void **state)
{
	struct uuid library;

	assert_int_equal(base_init(), 0);
	library = uuid_random();
	assert_int_equal(uv_loop_init(&loop), 0);
	memset(sides, 0, sizeof(sides));
	closed = 0;
	for (int i = 0; i < 2; i++) {
		sides[i].other = &sides[1 - i];
		open_side(&sides[i], (char)('a' + i), &library);
	}
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct side *s = &sides[i];

		store_on_commit(s->library.store, NULL, NULL);
		replicator_close(s->replicator, NULL, NULL);
		uv_close((uv_handle_t *)&s->committed, NULL);
		uv_close((uv_handle_t *)&s->arrived, NULL);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	for (int i = 0; i < 2; i++) {
		while (sides[i].first) {
			struct parcel *p = sides[i].first;

			sides[i].first = p->next;
			buf_release(&p->bytes);
			free(p);
		}
		vector_release(&sides[i].seen);
		library_release(&sides[i].library);
	}
	return 0;
}

/* All logs of `v` together. */
static uint64_t records(const struct vector *v)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < v->count; i++)
		sum += v->items[i].id.kind == STREAM_LOG ? v->items[i].position : 0;
	return sum;
}

static bool is_told(struct side *s)
{
	_cleanup_(vector_release) struct vector stored = VECTOR_INIT;
	const struct vector *told = replicator_vector(s->replicator);

	assert_int_equal(store_replica.vector(s->library.store, &stored), 0);
	if (told->count != stored.count || told->shared_digest != stored.shared_digest || told->clock != stored.clock)
		return false;
	for (size_t i = 0; i < stored.count; i++) {
		const struct stream *s1 = vector_find(told, &stored.items[i].id);

		if (!s1 || s1->position != stored.items[i].position || s1->digest != stored.items[i].digest)
			return false;
	}
	return true;
}

static bool is_settled(void)
{
	for (int i = 0; i < 2; i++)
		if (atomic_load(&sides[i].made) < TAGS || !is_told(&sides[i]))
			return false;
	return records(replicator_vector(sides[0].replicator)) == records(replicator_vector(sides[1].replicator));
}

static void on_limit(uv_timer_t *timer)
{
	fail_msg("the cores do not hold what is stored");
}

static int complain(void *arg, const struct event *event)
{
	assert_string_equal(event->level, "info");
	return 0;
}

static void commits_on_both(void **state)
{
	const struct uuid members[] = {*id_of(&sides[0]), *id_of(&sides[1])};

	uv_timer_init(&loop, &limit);
	uv_timer_start(&limit, on_limit, LIMIT_MS, 0);
	for (int i = 0; i < 2; i++)
		replicator_members(sides[i].replicator, members, 2, NULL, 0);
	for (int i = 0; i < 2; i++)
		replicator_up(sides[i].replicator, id_of(sides[i].other));
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&sides[i].writer, NULL, write_tags, &sides[i]), 0);
	while (!is_settled())
		uv_run(&loop, UV_RUN_ONCE);
	for (int i = 0; i < 2; i++) {
		pthread_join(sides[i].writer, NULL);
		assert_int_equal(event_list(sides[i].library.store, 100, complain, NULL), 0);
	}
	assert_int_equal(closed, 0);
	assert_int_equal(replicator_vector(sides[0].replicator)->shared_digest,
			 replicator_vector(sides[1].replicator)->shared_digest);
	uv_close((uv_handle_t *)&limit, NULL);
}

/* --- peers that are made up --- */

static void say_hello(struct side *s, const struct uuid *peer, const struct vector *holds)
{
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;
	struct message m = {.kind = MESSAGE_HELLO,
			    .hello = {.version_min = 1,
				      .version_max = MESSAGE_VERSION,
				      .library = store_info(s->library.store)->library,
				      .instance = *peer,
				      .wall_ms = clock_wall_ms(),
				      .epoch = 5,
				      .vector = *holds}};

	assert_int_equal(message_encode(&m, &bytes), 0);
	replicator_up(s->replicator, peer);
	replicator_message(s->replicator, peer, bytes.data, bytes.len);
}

static struct stream own_log(const struct side *s)
{
	const struct store_info *info = store_info(s->library.store);
	const struct stream_id id = {.origin = {.device = info->device, .epoch = info->epoch}, .kind = STREAM_LOG};

	return *vector_find(replicator_vector(s->replicator), &id);
}

/* To have more of this device than there is. */
static void claim_more(struct side *s, const struct uuid *peer)
{
	_cleanup_(vector_release) struct vector holds = VECTOR_INIT;
	struct stream more = own_log(s);

	more.position += 10;
	more.hash[0] ^= 1;
	more.hlc = hlc_tick(&(struct hlc){.last = replicator_vector(s->replicator)->clock}, clock_wall_ms());
	assert_int_equal(vector_set(&holds, &more), 0);
	say_hello(s, peer, &holds);
}

static void claims_are_believed_for_a_while(void **state)
{
	struct side *s = &sides[0];
	const struct uuid members[] = {*id_of(s), *id_of(s->other)};
	const struct store_info *info = store_info(s->library.store);

	replicator_members(s->replicator, members, 2, NULL, 0);
	uv_timer_init(&loop, &limit);
	uv_timer_start(&limit, on_limit, LIMIT_MS, 0);
	for (int i = 0; i < 3; i++) {
		uint64_t before = info->epoch;

		claim_more(s, id_of(s->other));
		while (info->epoch == before || !is_told(s))
			uv_run(&loop, UV_RUN_ONCE);
		assert_int_equal(closed, 0);
	}
	claim_more(s, id_of(s->other));
	assert_int_equal(closed, 1); /* at once: no job was begun */
	uv_close((uv_handle_t *)&limit, NULL);
}

/* --- a restart --- */

static struct acks told; /* by the replicator, to whomever */

static int note_acks(void *arg, const struct uuid *peer, const void *message, size_t len)
{
	_cleanup_(message_release) struct message m = {.kind = 0};

	assert_int_equal(message_decode(message, len, &m), 0);
	for (size_t i = 0; m.kind == MESSAGE_ACKS && i < m.acks.count; i++)
		assert_true(acks_note(&told, &m.acks.items[i]) >= 0);
	return 0;
}

static void restart(struct side *s, const struct uuid *members, size_t count)
{
	const struct replicator_opts opts = {.loop = &loop,
					     .store = s->library.store,
					     .send = note_acks,
					     .close = on_close,
					     .members_changed = on_members,
					     .arg = s};

	replicator_close(s->replicator, NULL, NULL);
	assert_int_equal(replicator_new(&opts, &s->replicator), 0);
	replicator_members(s->replicator, members, count, NULL, 0);
}

/* One that went is remembered with what it had acknowledged, and others are told. */
static void acknowledgements_are_kept(void **state)
{
	struct side *s = &sides[0];
	const struct uuid gone = {.bytes = {8}}, other = {.bytes = {9}}, members[] = {*id_of(s), gone, other};
	_cleanup_(vector_release) struct vector holds = VECTOR_INIT, nothing = VECTOR_INIT;
	struct stream log;

	restart(s, members, 3);
	library_tag(&s->library, "x");
	replicator_committed(s->replicator);
	log = own_log(s);
	assert_true(log.position > 0);
	assert_int_equal(vector_set(&holds, &log), 0);
	say_hello(s, &gone, &holds);
	restart(s, members, 3);
	library_tag(&s->library, "y");
	replicator_committed(s->replicator);
	say_hello(s, &other, &nothing);
	assert_int_equal(acks_position(&told, &gone, &log.id), log.position);
	acks_release(&told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(acknowledgements_are_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(claims_are_believed_for_a_while, setup, teardown),
	    cmocka_unit_test_setup_teardown(commits_on_both, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
