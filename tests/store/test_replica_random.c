/* The replica in SQLite against the one in memory (tests/sim/memory.h), which is the reference: the same ranges from
 * random owners, in random order, old and new, with purges, lists and epochs between, must have the same results. A
 * failing run names its seed; `test_replica_random SEED` repeats it alone. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"
#include "sync/digest.h"
#include "sync/naming.h"
#include "tests/lib/library.h"
#include "tests/sim/memory.h"
#include "tests/store/exchange.h"

enum { SEEDS = 20, STEPS = 400, OWNERS = 2, PIECES = 24, TAGS = 4, NAMES = 4, FILES = 40 };

#define NOW_MS UINT64_C(1790000000000)

struct trial {
	uint64_t random;
	uint64_t now_ms;
	struct library l;
	struct memory *reference;
	struct key *keys[OWNERS];
	struct memory *owners[OWNERS];
	struct piece pieces[PIECES]; /* kept, to come again later */
	unsigned refused[4];
	unsigned applied;
};

static uint64_t first_seed;
static int only_one;

static uint64_t below(struct trial *t, uint64_t n)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (t->random * UINT64_C(0x2545F4914F6CDD1D) >> 16) % n;
}

static bool chance(struct trial *t, unsigned percent)
{
	return below(t, 100) < percent;
}

static struct value text(const char *s)
{
	return (struct value){.bytes = (const uint8_t *)s, .len = strlen(s)};
}

/* --- what owners do --- */

static void change_pair(struct trial *t, struct change_set *set)
{
	static const uint8_t kinds[] = {MODEL_TAGGING, MODEL_ALBUM_ITEM, MODEL_METADATA};
	uint8_t kind = kinds[below(t, 3)];
	struct uuid collection = {.bytes = {kind, (uint8_t)below(t, TAGS)}}, entry = uuid_entry(7, below(t, TAGS));
	struct change *change;
	char name[8];

	snprintf(name, sizeof(name), "n%u", (unsigned)below(t, NAMES));
	if (kind == MODEL_METADATA)
		collection = naming_favorites;
	assert_int_equal(change_set_add(set, kind, &collection, &entry, &change), 0);
	if (chance(t, 60))
		change_put_bytes(set, change, PAIR_NAME, name, strlen(name));
	change_put_number(change, PAIR_LIVE, chance(t, 65));
	if (chance(t, 30))
		change_put_bytes(set, change, PAIR_CONTENT, "0123456789abcdef", 16);
}

static void change_collection(struct trial *t, struct change_set *set)
{
	uint8_t kind = chance(t, 50) ? MODEL_TAG : MODEL_ALBUM;
	struct uuid id = {.bytes = {kind == MODEL_TAG ? MODEL_TAGGING : MODEL_ALBUM_ITEM, (uint8_t)below(t, TAGS)}};
	struct change *change;
	char name[8];

	snprintf(name, sizeof(name), "c%u", (unsigned)below(t, NAMES));
	assert_int_equal(change_set_add(set, kind, &id, NULL, &change), 0);
	if (chance(t, 50))
		change_put_bytes(set, change, COLLECTION_NAME, name, strlen(name));
	change_put_number(change, COLLECTION_LIVE, chance(t, 70));
}

static void change_device(struct trial *t, unsigned i, struct change_set *set)
{
	struct change *change;
	char name[16];

	snprintf(name, sizeof(name), "device %u", (unsigned)below(t, NAMES));
	assert_int_equal(change_set_add(set, MODEL_DEVICE, &t->owners[i]->self, NULL, &change), 0);
	change_put_bytes(set, change, DEVICE_NAME, name, strlen(name));
	change_put_bytes(set, change, DEVICE_PUBLIC_KEY, key_public(t->keys[i]), KEY_PUBLIC_LEN);
	change_put_number(change, DEVICE_MEMBER, 1);
}

static void change_shared(struct trial *t, unsigned i)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	uint64_t ahead = chance(t, 2) ? 2 * HLC_AHEAD_MAX_MS : 0;

	if (chance(t, 10))
		change_device(t, i, &set);
	else if (chance(t, 30))
		change_collection(t, &set);
	else
		change_pair(t, &set);
	memory_commit(t->owners[i], &set, t->now_ms + ahead);
}

static struct row *random_row(struct trial *t, struct memory *m, uint8_t kind)
{
	struct mem_table *table = memory_table(m, &m->self, kind, true);

	return table->count > 0 ? &table->rows[below(t, table->count)] : NULL;
}

static void put_location(struct trial *t, struct memory *m, bool delete)
{
	struct row *found = delete ? random_row(t, m, MODEL_LOCATION) : NULL;
	struct epoch_request request = {.started_after = 0};
	struct row row = {.model = model_find(MODEL_LOCATION)};
	char name[16];

	snprintf(name, sizeof(name), "place%u", (unsigned)below(t, 100));
	row.key[0] = (uint64_t)m->self.bytes[0] << 56 | (uint64_t)m->self.bytes[1] << 48 | m->next_seq++;
	if (delete &&!found)
		return;
	if (found)
		row.key[0] = found->key[0];
	row.values[LOCATION_NAME] = text(name);
	row.values[LOCATION_PATH] = text("/somewhere");
	row.values[LOCATION_EXCLUDE] = text("");
	row.values[LOCATION_ROOT].number = chance(t, 50) ? 1 + below(t, FILES) : 0;
	row.values[LOCATION_VOLUME].number = below(t, 9);
	row.values[LOCATION_DELETED].number = delete &&chance(t, 60);
	/* One that is there again: only a device that was set back has that, and it begins a new life. */
	if (found && row_is_tombstone(found) && !row_is_tombstone(&row))
		assert_int_equal(memory_ops.new_epoch(m, &request, t->now_ms), 0);
	memory_put_row(m, &row);
}

/* Whether a live entry hangs on that of `location` and `seq`, or, with `itself`, whether it is live. */
static bool is_live(struct memory *m, uint64_t location, uint64_t seq, bool itself)
{
	struct mem_table *table = memory_table(m, &m->self, MODEL_ENTRY, true);

	for (size_t i = 0; i < table->count; i++) {
		const struct row *row = &table->rows[i];

		if (row->key[0] == location && !row_is_tombstone(row) &&
		    (itself ? row->key[1] == seq : row->values[ENTRY_PARENT].number == seq + 1))
			return true;
	}
	return false;
}

static void put_entry(struct trial *t, struct memory *m)
{
	struct row *location = random_row(t, m, MODEL_LOCATION);
	struct row row = {.model = model_find(MODEL_ENTRY)};
	char name[16];

	if (!location || row_is_tombstone(location))
		return;
	snprintf(name, sizeof(name), "file%u", (unsigned)below(t, 50));
	row.key[0] = location->key[0];
	row.key[1] = below(t, FILES);
	row.values[ENTRY_PARENT].number = below(t, FILES);
	if (row.values[ENTRY_PARENT].number == row.key[1] + 1 ||
	    (row.values[ENTRY_PARENT].number != 0 && !is_live(m, row.key[0], row.values[ENTRY_PARENT].number - 1, true)))
		row.values[ENTRY_PARENT].number = 0;
	row.values[ENTRY_NAME] = text(row.values[ENTRY_PARENT].number ? name : "");
	row.values[ENTRY_MODE].number = S_IFDIR | 0755;
	row.values[ENTRY_SIZE].number = below(t, 1000000);
	row.values[ENTRY_MTIME].number = below(t, 1000000) - 1000;
	row.values[ENTRY_CONTENT] = chance(t, 50) ? text("content-content-") : text("");
	row.values[ENTRY_DELETED].number = chance(t, 30) && !is_live(m, row.key[0], row.key[1], false);
	memory_put_row(m, &row);
}

static void put_numbered(struct trial *t, struct memory *m)
{
	struct row row = {.model = model_find(chance(t, 50) ? MODEL_AUDIT : MODEL_VOLUME), .key = {1 + below(t, 8), 0}};

	if (row.model->kind == MODEL_AUDIT) {
		row.values[AUDIT_AT].number = below(t, 1000);
		row.values[AUDIT_ACTION] = text("did");
		row.values[AUDIT_SUBJECT] = text(chance(t, 50) ? "something" : "");
		row.values[AUDIT_DELETED].number = chance(t, 30);
	} else {
		row.values[VOLUME_NAME] = text("disk");
		row.values[VOLUME_FILESYSTEM] = text("ext4");
		row.values[VOLUME_CAPACITY].number = below(t, 1000);
		row.values[VOLUME_DELETED].number = chance(t, 20);
	}
	memory_put_row(m, &row);
}

static void change_owner(struct trial *t, unsigned i)
{
	struct memory *m = t->owners[i];

	for (unsigned times = 1 + (unsigned)below(t, 12); times > 0; times--) {
		uint64_t dice = below(t, 100);

		if (dice < 35)
			change_shared(t, i);
		else if (dice < 42)
			put_location(t, m, dice < 39);
		else if (dice < 55)
			put_numbered(t, m);
		else
			put_entry(t, m);
	}
}

/* Purges and cuts; now and then a new life. */
static void keep_owner(struct trial *t, unsigned i)
{
	struct memory *m = t->owners[i];
	struct stream s = m->streams.items[below(t, m->streams.count)];
	struct epoch_request request = {.started_after = 0};

	if (chance(t, 15)) {
		assert_int_equal(memory_ops.new_epoch(m, &request, t->now_ms), 0);
		return;
	}
	if (s.position > 0 && (s.id.kind == STREAM_LOG || model_is_purged(model_find(s.id.kind))))
		assert_int_equal(memory_ops.cut(m, &s.id, 1 + below(t, s.position)), 0);
}

/* --- both replicas do the same --- */

static void assert_stream(const struct stream *a, const struct stream *b)
{
	assert_int_equal(stream_id_cmp(&a->id, &b->id), 0);
	assert_int_equal(a->started, b->started);
	assert_int_equal(a->position, b->position);
	assert_int_equal(a->floor, b->floor);
	if (stream_is_whole(a)) /* a list sums anew */
		assert_true(a->digest == b->digest);
	if (a->id.kind == STREAM_LOG) {
		assert_int_equal(a->hlc, b->hlc);
		assert_memory_equal(a->hash, b->hash, HASH_LEN);
		return;
	}
	assert_int_equal(a->head, b->head);
	assert_int_equal(a->base, b->base);
	assert_int_equal(a->listing, b->listing);
}

/* Logs at 0 are left out: the store has one of each origin that it knows. */
static void assert_vectors(struct trial *t)
{
	_cleanup_(vector_release) struct vector a = VECTOR_INIT, b = VECTOR_INIT;
	size_t k = 0;

	assert_int_equal(memory_ops.vector(t->reference, &a), 0);
	exchange_vector(&t->l, &b);
	assert_true(a.shared_digest == b.shared_digest);
	for (size_t i = 0; i < a.count; i++) {
		if (uuid_cmp(&a.items[i].id.origin.device, &t->reference->self) == 0 ||
		    a.items[i].position + a.items[i].head == 0)
			continue;
		while (k < b.count && stream_id_cmp(&b.items[k].id, &a.items[i].id) < 0)
			k++;
		assert_true(k < b.count);
		assert_stream(&b.items[k], &a.items[i]);
	}
}

static void apply(struct trial *t, const struct piece *piece)
{
	struct applied a = {.held_hlc = 0}, b = {.held_hlc = 0};
	int r = memory_ops.apply(t->reference, &piece->range, t->now_ms, &a);

	assert_int_equal(store_replica.apply(t->l.store, &piece->range, t->now_ms, &b), r);
	if (r < 0)
		return;
	t->applied++;
	assert_stream(&b.stream, &a.stream);
	assert_int_equal(b.held_hlc, a.held_hlc);
	assert_true(b.shared_digest == a.shared_digest);
	assert_int_equal(b.also.id.kind, a.also.id.kind);
	if (a.also.id.kind != STREAM_LOG)
		assert_stream(&b.also, &a.also);
}

static struct piece *place_for(struct trial *t)
{
	struct piece *piece = &t->pieces[below(t, PIECES)];

	piece_release(piece);
	*piece = (struct piece){.body = BUF_INIT};
	return piece;
}

/* What the reference lacks of a stream, mostly; now and then something else. */
static void pull(struct trial *t, unsigned i)
{
	struct memory *m = t->owners[i];
	const struct stream *s = &m->streams.items[below(t, m->streams.count)];
	const struct stream *known = vector_find(&t->reference->streams, &s->id);
	struct stream held = known ? *known : stream_none(&s->id, s->started);
	struct range_request q = exchange_request(&held, chance(t, 50) ? 1 + (uint32_t)below(t, 8) : 1000);
	struct piece *piece = place_for(t);

	if (chance(t, 10) && held.position > 0) {
		q.since = below(t, held.position + 1);
		memset(q.hash, 0, sizeof(q.hash));
	}
	if (memory_ops.read(m, &q, &piece->range, &piece->body) < 0) {
		piece_release(piece);
		*piece = (struct piece){.body = BUF_INIT};
		return;
	}
	piece->range.body = piece->body.data;
	piece->range.body_len = piece->body.len;
	if (chance(t, 90))
		apply(t, piece);
}

static void again(struct trial *t)
{
	const struct piece *piece = &t->pieces[below(t, PIECES)];

	if (piece->range.started > 0)
		apply(t, piece);
}

static void keep_both(struct trial *t)
{
	struct stream s = t->reference->streams.items[below(t, t->reference->streams.count)];
	bool own = uuid_cmp(&s.id.origin.device, &t->reference->self) == 0;

	if (own || s.position == 0)
		return;
	if (s.id.kind != STREAM_LOG && chance(t, 30)) {
		assert_int_equal(memory_ops.relist(t->reference, &s.id), 0);
		assert_int_equal(store_replica.relist(t->l.store, &s.id), 0);
	} else if (s.id.kind == STREAM_LOG || (stream_is_whole(&s) && model_is_purged(model_find(s.id.kind)))) {
		uint64_t upto = 1 + below(t, s.position);
		int r = 1;

		assert_int_equal(memory_ops.cut(t->reference, &s.id, upto), 0);
		while (r == 1)
			r = store_replica.cut(t->l.store, &s.id, upto);
		assert_int_equal(r, 0);
	}
}

/* --- reading from both --- */

static uint64_t sum_live(const struct piece *piece, unsigned *ret_rows)
{
	struct row_reader reader;
	struct row row;
	uint64_t sum = 0;

	*ret_rows = 0;
	assert_int_equal(
	    row_reader_init(&reader, model_find(piece->range.stream.kind), piece->body.data, piece->body.len), 0);
	while (row_reader_next(&reader, &row) == 0) {
		sum += digest_row(&row);
		/* A tombstone below the floor may be there again or not: an old piece can bring it back. */
		*ret_rows += row.version > piece->range.floor || !row_is_tombstone(&row);
	}
	return sum;
}

static void dump(const char *who, const struct piece *piece)
{
	struct row_reader reader;
	struct row row;

	print_message("%s: kind %d since %llu\n", who, piece->range.stream.kind,
		      (unsigned long long)piece->range.since);
	row_reader_init(&reader, model_find(piece->range.stream.kind), piece->body.data, piece->body.len);
	while (row_reader_next(&reader, &row) == 0) {
		print_message("  v%llu %llx.%llx", (unsigned long long)row.version, (unsigned long long)row.key[0],
			      (unsigned long long)row.key[1]);
		for (unsigned f = 0; f < row.model->field_count; f++)
			print_message(" %llu/%.*s", (unsigned long long)row.values[f].number, (int)row.values[f].len,
				      (const char *)row.values[f].bytes);
		print_message("\n");
	}
}

static void read_both(struct trial *t)
{
	_cleanup_(piece_release) struct piece a = {.body = BUF_INIT}, b = {.body = BUF_INIT};
	struct stream s = t->reference->streams.items[below(t, t->reference->streams.count)];
	struct range_request q = exchange_request(&s, 1 + (uint32_t)below(t, 30));
	unsigned x = 0, y = 0;
	int r;

	if (uuid_cmp(&s.id.origin.device, &t->reference->self) == 0)
		return;
	q.since = below(t, s.position + 2);
	if (q.since != s.position)
		memset(q.hash, 0, sizeof(q.hash));
	q.listing = chance(t, 10);
	q.base = chance(t, 50) ? q.since : s.position;
	r = memory_ops.read(t->reference, &q, &a.range, &a.body);
	assert_int_equal(store_replica.read(t->l.store, &q, &b.range, &b.body), r);
	if (r < 0)
		return;
	assert_int_equal(b.range.since, a.range.since);
	assert_int_equal(b.range.upto, a.range.upto);
	assert_int_equal(b.range.head, a.range.head);
	assert_int_equal(b.range.floor, a.range.floor);
	assert_int_equal(b.range.listing, a.range.listing);
	assert_int_equal(b.range.started, a.range.started);
	assert_memory_equal(b.range.hash, a.range.hash, HASH_LEN);
	if (s.id.kind == STREAM_LOG) {
		assert_int_equal(b.body.len, a.body.len);
		assert_true(a.body.len == 0 || memcmp(b.body.data, a.body.data, a.body.len) == 0);
		return;
	}
	if (getenv("REPLICA_DUMP")) {
		dump("reference", &a);
		dump("store", &b);
	}
	assert_true(sum_live(&a, &x) == sum_live(&b, &y));
	assert_int_equal(x, y);
}

/* --- a trial --- */

static void begin(struct trial *t, uint64_t seed)
{
	*t = (struct trial){.random = seed * 2654435761u + 1, .now_ms = NOW_MS};
	library_init(&t->l);
	if (seed % 2 == 0)
		t->l.store->slice_rows = 1 + (unsigned)below(t, 4);
	t->reference = memory_new(&store_info(t->l.store)->device, store_info(t->l.store)->epoch, 1);
	t->reference->shared_digest = 0;
	for (unsigned i = 0; i < OWNERS; i++) {
		struct uuid id;

		assert_int_equal(key_generate(&t->keys[i]), 0);
		id = key_device_id(t->keys[i]);
		t->owners[i] = memory_new(&id, 1 + below(t, UINT64_C(1) << 40), t->now_ms << 16);
	}
}

static void end(struct trial *t)
{
	for (unsigned i = 0; i < OWNERS; i++) {
		memory_free(t->owners[i]);
		key_free(t->keys[i]);
	}
	for (unsigned i = 0; i < PIECES; i++)
		piece_release(&t->pieces[i]);
	memory_free(t->reference);
	library_release(&t->l);
}

static void step(struct trial *t)
{
	unsigned i = (unsigned)below(t, OWNERS);
	uint64_t dice = below(t, 100);

	t->now_ms += below(t, 1000);
	if (dice < 20)
		change_owner(t, i);
	else if (dice < 75)
		pull(t, i);
	else if (dice < 83)
		again(t);
	else if (dice < 87)
		keep_owner(t, i);
	else if (dice < 90)
		keep_both(t);
	else
		read_both(t);
}

static void run_seed(uint64_t seed)
{
	struct trial t;

	begin(&t, seed);
	for (int i = 0; i < STEPS; i++) {
		step(&t);
		if (i % 20 == 0)
			assert_vectors(&t);
	}
	assert_vectors(&t);
	exchange_assert_digests(&t.l);
	assert_true(t.applied > STEPS / 10);
	end(&t);
}

static void test_as_the_reference(void **state)
{
	for (uint64_t seed = first_seed; seed < first_seed + (only_one ? 1 : SEEDS); seed++) {
		print_message("seed %llu\n", (unsigned long long)seed);
		run_seed(seed);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_the_reference)};

	only_one = argc > 1;
	first_seed = only_one ? strtoull(argv[1], NULL, 10) : 1;
	return cmocka_run_group_tests_name("replica random", tests, NULL, NULL);
}
