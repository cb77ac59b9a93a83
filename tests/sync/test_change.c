#include "sync/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pack.h"
#include "base/random.h"
#include "sync/hlc.h"
#include "tests/lib/test.h"

#define HLC (UINT64_C(1760000000000) << 16 | 3)

static const struct uuid one = {{1}}, two = {{2}};
static const uint8_t bytes32[32] = {3, 1, 4};

static void put(struct change_set *set, struct change *change, unsigned field, const char *text)
{
	assert_int_equal(change_put_bytes(set, change, field, text, strlen(text)), 0);
}

static struct change *add(struct change_set *set, enum model_kind kind, const struct uuid *key0,
			  const struct uuid *key1)
{
	struct change *change = NULL;

	assert_int_equal(change_set_add(set, kind, key0, key1, &change), 0);
	return change;
}

static void add_pair(struct change_set *set, enum model_kind kind, const char *name, size_t content_len)
{
	struct change *change = add(set, kind, &one, &two);

	put(set, change, PAIR_NAME, name);
	assert_int_equal(change_put_number(change, PAIR_LIVE, 1), 0);
	assert_int_equal(change_put_bytes(set, change, PAIR_CONTENT, bytes32, content_len), 0);
}

static void add_device(struct change_set *set)
{
	struct change *device = add(set, MODEL_DEVICE, &one, NULL);

	put(set, device, DEVICE_NAME, "Laptop");
	assert_int_equal(change_put_bytes(set, device, DEVICE_PUBLIC_KEY, bytes32, 32), 0);
	assert_int_equal(change_put_number(device, DEVICE_MEMBER, 1), 0);
	assert_int_equal(change_put_bytes(set, device, DEVICE_ADDED_BY, two.bytes, UUID_LEN), 0);
}

/* One of each kind. */
static void fill(struct change_set *set)
{
	struct change *tag, *album;

	add_device(set);
	tag = add(set, MODEL_TAG, &two, NULL);
	put(set, tag, COLLECTION_NAME, "Caf\xc3\xa9");
	album = add(set, MODEL_ALBUM, &two, NULL);
	assert_int_equal(change_put_number(album, COLLECTION_LIVE, 0), 0);
	add_pair(set, MODEL_TAGGING, "a\xff.jpg", 16);
	add_pair(set, MODEL_ALBUM_ITEM, "b", 0);
	add_pair(set, MODEL_METADATA, "c", 0);
}

static void encode(const struct change_set *set, struct buf *ret_record)
{
	assert_int_equal(change_set_encode(set, HLC, ret_record), 0);
}

static void assert_same_value(const struct field *field, const struct value *a, const struct value *b)
{
	if (field->type == FIELD_BOOL || field->type == FIELD_UINT) {
		assert_true(a->number == b->number);
		return;
	}
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->bytes, b->bytes, a->len);
}

static void assert_same(const struct change_set *a, const struct change_set *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct change *x = &a->items[i], *y = &b->items[i];

		assert_ptr_equal(x->model, y->model);
		assert_memory_equal(x->key, y->key, sizeof(x->key));
		assert_int_equal(x->fields, y->fields);
		for (unsigned f = 0; f < x->model->field_count; f++)
			if (x->fields & 1u << f)
				assert_same_value(&x->model->fields[f], &x->values[f], &y->values[f]);
	}
}

static void round_trip(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(change_set_release) struct change_set back = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf record = BUF_INIT;
	_cleanup_(buf_release) struct buf again = BUF_INIT;
	uint64_t hlc;

	fill(&set);
	encode(&set, &record);
	assert_int_equal(change_set_decode(record.data, record.len, &hlc, &back), 0);
	assert_true(hlc == HLC);
	assert_same(&set, &back);
	encode(&back, &again);
	assert_int_equal(again.len, record.len);
	assert_memory_equal(again.data, record.data, record.len);
}

static void wire_form(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf record = BUF_INIT;
	struct change *tag = add(&set, MODEL_TAG, &one, NULL);

	put(&set, tag, COLLECTION_NAME, "t");
	assert_int_equal(change_put_number(tag, COLLECTION_LIVE, 1), 0);
	buf_append_str(&record, "before");
	assert_int_equal(change_set_encode(&set, 5, &record), 0);
	assert_int_equal(record.len, 6 + 29);
	assert_memory_equal(record.data,
			    "before\x92\x05\x91\x93\x02\xc4\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x82\x00\xa1t\x01\xc3",
			    record.len);
}

static void values_are_copied(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(change_set_release) struct change_set back = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf record = BUF_INIT;
	char name[] = "name";
	uint64_t hlc;

	put(&set, add(&set, MODEL_TAG, &one, NULL), COLLECTION_NAME, name);
	memset(name, 'x', 4);
	assert_memory_equal(set.items[0].values[0].bytes, "name", 4);
	encode(&set, &record);
	assert_int_equal(change_set_decode(record.data, record.len, &hlc, &back), 0);
	memset(record.data, 0, record.len);
	assert_memory_equal(back.items[0].values[0].bytes, "name", 4);
}

static void add_refuses(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct change *change = NULL;

	assert_int_equal(change_set_add(&set, MODEL_LOCATION, &one, NULL, &change), -EINVAL);
	assert_int_equal(change_set_add(&set, MODEL_ENTRY, &one, NULL, &change), -EINVAL);
	assert_int_equal(change_set_add(&set, MODEL_AUDIT, &one, NULL, &change), -EINVAL);
	assert_int_equal(change_set_add(&set, 7, &one, NULL, &change), -EINVAL);
	assert_int_equal(change_set_add(&set, MODEL_TAG, &one, &two, &change), -EINVAL);
	assert_int_equal(change_set_add(&set, MODEL_TAGGING, &one, NULL, &change), -EINVAL);
	assert_null(change);
	assert_int_equal(set.count, 0);
	for (int i = 0; i < CHANGE_SET_MAX; i++)
		add(&set, MODEL_TAG, &one, NULL);
	assert_int_equal(change_set_add(&set, MODEL_TAG, &one, NULL, &change), -ERR_TOO_LARGE);
	assert_int_equal(set.count, CHANGE_SET_MAX);
}

static void put_number_refuses(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct change *tag = add(&set, MODEL_TAG, &one, NULL);

	assert_int_equal(change_put_number(tag, COLLECTION_LIVE, 2), -ERR_MALFORMED);
	assert_int_equal(change_put_number(tag, COLLECTION_NAME, 1), -EINVAL);
	assert_int_equal(change_put_number(tag, 2, 1), -EINVAL);
	assert_int_equal(change_put_number(tag, UINT32_MAX, 1), -EINVAL);
	assert_int_equal(tag->fields, 0);
}

static void put_bytes_refuses(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct change *tag = add(&set, MODEL_TAG, &one, NULL);
	struct change *pair;

	assert_int_equal(change_put_bytes(&set, tag, COLLECTION_LIVE, "x", 1), -EINVAL);
	assert_int_equal(change_put_bytes(&set, tag, 2, "x", 1), -EINVAL);
	assert_int_equal(change_put_bytes(&set, tag, COLLECTION_NAME, "", 0), -ERR_MALFORMED);
	assert_int_equal(change_put_bytes(&set, tag, COLLECTION_NAME, "a\xff", 2), -ERR_MALFORMED);
	assert_int_equal(tag->fields, 0);
	pair = add(&set, MODEL_TAGGING, &one, &two);
	assert_int_equal(change_put_bytes(&set, pair, PAIR_NAME, "a/b", 3), -ERR_MALFORMED);
	for (size_t len = 1; len <= 32; len++)
		assert_int_equal(change_put_bytes(&set, pair, PAIR_CONTENT, bytes32, len),
				 len == 16 ? 0 : -ERR_MALFORMED);
	assert_int_equal(pair->fields, 1u << PAIR_CONTENT);
}

static void put_again_replaces(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct change *tag = add(&set, MODEL_TAG, &one, NULL);

	put(&set, tag, COLLECTION_NAME, "first");
	put(&set, tag, COLLECTION_NAME, "2nd");
	assert_int_equal(tag->values[COLLECTION_NAME].len, 3);
	assert_memory_equal(tag->values[COLLECTION_NAME].bytes, "2nd", 3);
	change_set_release(&set);
	change_set_release(&set);
	assert_null(set.items);
	add(&set, MODEL_TAG, &one, NULL);
	assert_int_equal(set.count, 1);
}

static int encode_tags(uint64_t hlc, unsigned first_fields, const struct uuid *second_key, unsigned second_fields)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf record = BUF_INIT;
	const unsigned fields[] = {first_fields, second_fields};
	int r;

	for (int i = 0; i < 2; i++) {
		struct change *tag = add(&set, MODEL_TAG, i == 0 ? &one : second_key, NULL);

		if (fields[i] & 1)
			put(&set, tag, COLLECTION_NAME, "t");
		if (fields[i] & 2)
			assert_int_equal(change_put_number(tag, COLLECTION_LIVE, 1), 0);
	}
	r = change_set_encode(&set, hlc, &record);
	if (r < 0)
		assert_int_equal(record.len, 0);
	return r;
}

static void encode_refuses_what_decode_would(void **state)
{
	_cleanup_(change_set_release) struct change_set empty = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf record = BUF_INIT;

	assert_int_equal(change_set_encode(&empty, HLC, &record), -EINVAL);
	assert_int_equal(encode_tags(HLC, 3, &two, 3), 0);
	assert_int_equal(encode_tags(HLC, 1, &one, 2), 0);
	assert_int_equal(encode_tags(HLC, 3, &one, 2), -EINVAL);
	assert_int_equal(encode_tags(HLC, 1, &one, 1), -EINVAL);
	assert_int_equal(encode_tags(HLC, 3, &two, 0), -EINVAL);
	assert_int_equal(encode_tags(0, 3, &two, 3), -EINVAL);
	assert_int_equal(encode_tags(INT64_MAX, 3, &two, 3), 0);
	assert_int_equal(encode_tags(UINT64_C(1) << 63, 3, &two, 3), -EINVAL);
}

static void encode_remembers_a_failed_buffer(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf record = BUF_INIT;

	fill(&set);
	buf_append_str(&record, "kept");
	buf_append(&record, "", SIZE_MAX);
	assert_int_equal(change_set_encode(&set, HLC, &record), -ENOMEM);
	assert_int_equal(record.len, 4);
}

static int decode(const void *record, size_t len)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(free_ptr) uint8_t *exact = malloc(len ? len : 1); /* so that ASan sees a read past the end */
	uint64_t hlc = 77;
	int r;

	memcpy(exact, record, len);
	r = change_set_decode(exact, len, &hlc, &set);
	if (r < 0) {
		assert_true(hlc == 77);
		assert_int_equal(set.count, 0);
		assert_null(set.items);
		assert_null(set.arena);
	}
	return r;
}

static void every_prefix_is_malformed(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf record = BUF_INIT;

	fill(&set);
	encode(&set, &record);
	for (size_t len = 0; len < record.len; len++)
		assert_int_equal(decode(record.data, len), -ERR_MALFORMED);
	buf_append(&record, "", 1);
	assert_int_equal(decode(record.data, record.len), -ERR_MALFORMED);
}

/* Any one byte changed gives another valid record or an error, never a crash. */
static void every_corruption_is_survived(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf record = BUF_INIT;
	size_t refused = 0;

	fill(&set);
	encode(&set, &record);
	for (size_t i = 0; i < record.len; i++) {
		uint8_t good = record.data[i];

		for (unsigned bad = 0; bad < 256; bad++) {
			int r;

			record.data[i] = (uint8_t)bad;
			r = decode(record.data, record.len);
			assert_true(r == 0 || r == -ERR_MALFORMED);
			refused += r < 0;
		}
		record.data[i] = good;
	}
	assert_true(refused > record.len);
	assert_int_equal(decode(record.data, record.len), 0);
}

/* What a hand-made record holds: one tag with its name. The zero values are the right ones. */
struct forged {
	int outer, inner, fields; /* added to the counts */
	uint64_t hlc, kind, field;
	size_t key_len;
	bool name_as_bin, kind_as_str, key_as_str;
};

static int decode_forged(struct forged f)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	pack_array(&b, (uint32_t)(2 + f.outer));
	pack_uint(&b, f.hlc ? f.hlc : HLC);
	pack_array(&b, 1);
	pack_array(&b, (uint32_t)(3 + f.inner));
	if (f.kind_as_str)
		pack_str(&b, "tag", 3);
	else
		pack_uint(&b, f.kind ? f.kind : MODEL_TAG);
	if (f.key_as_str)
		pack_str(&b, (const char *)bytes32, 16);
	else
		pack_bin(&b, bytes32, f.key_len ? f.key_len : 16);
	pack_map(&b, (uint32_t)(1 + f.fields));
	pack_uint(&b, f.field);
	if (f.name_as_bin)
		pack_bin(&b, "t", 1);
	else
		pack_str(&b, "t", 1);
	return decode(b.data, b.len);
}

static void shapes_that_are_refused(void **state)
{
	assert_int_equal(decode_forged((struct forged){0}), 0);
	assert_int_equal(decode_forged((struct forged){.outer = -1}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.outer = 1}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.inner = -1}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.inner = 1}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.fields = 1}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.hlc = INT64_MAX}), 0);
	assert_int_equal(decode_forged((struct forged){.hlc = UINT64_C(1) << 63}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.kind = 7}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.kind = MODEL_LOCATION}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.kind = MODEL_TAGGING}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.kind = UINT64_MAX}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.field = COLLECTION_LIVE}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.field = 2}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.field = UINT64_C(1) << 32}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.key_len = 15}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.key_len = 32}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.name_as_bin = true}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.kind_as_str = true}), -ERR_MALFORMED);
	assert_int_equal(decode_forged((struct forged){.key_as_str = true}), -ERR_MALFORMED);
}

/* `count` changes, the i-th of the tag `i / same` with its field live, twice in the map when `twice`. */
static int decode_many(uint32_t count, uint32_t same, bool twice)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	pack_array(&b, 2);
	pack_uint(&b, HLC);
	pack_array(&b, count);
	for (uint32_t i = 0; i < count; i++) {
		struct uuid key = uuid_entry(0, i / same);

		pack_array(&b, 3);
		pack_uint(&b, MODEL_TAG);
		pack_bin(&b, key.bytes, UUID_LEN);
		pack_map(&b, twice ? 2 : 1);
		for (int n = 0; n < (twice ? 2 : 1); n++) {
			pack_uint(&b, COLLECTION_LIVE);
			pack_bool(&b, true);
		}
	}
	return decode(b.data, b.len);
}

static void limits_and_doubles(void **state)
{
	assert_int_equal(decode_many(1, 1, false), 0);
	assert_int_equal(decode_many(CHANGE_SET_MAX, 1, false), 0);
	assert_int_equal(decode_many(CHANGE_SET_MAX + 1, 1, false), -ERR_TOO_LARGE);
	assert_int_equal(decode_many(0, 1, false), -ERR_MALFORMED);
	assert_int_equal(decode_many(1, 1, true), -ERR_MALFORMED);
	assert_int_equal(decode_many(2, 2, false), -ERR_MALFORMED);
	assert_int_equal(decode_many(CHANGE_SET_MAX, 2, false), -ERR_MALFORMED);
}

static void a_record_of_no_field_or_no_stamp(void **state)
{
	static const uint8_t no_field[] = {0x92, 5, 0x91, 0x93, 2, 0xc4, 16, 1, 0, 0, 0, 0,
					   0,	 0, 0,	  0,	0, 0,	 0,  0, 0, 0, 0, 0x80};
	static const uint8_t no_stamp[] = {0x92, 0, 0x91, 0x93, 2, 0xc4, 16, 1, 0, 0, 0,    0, 0,
					   0,	 0, 0,	  0,	0, 0,	 0,  0, 0, 0, 0x81, 1, 0xc3};

	assert_int_equal(decode(no_field, sizeof(no_field)), -ERR_MALFORMED);
	assert_int_equal(decode(no_stamp, sizeof(no_stamp)), -ERR_MALFORMED);
}

static void too_long_a_record(void **state)
{
	_cleanup_(free_ptr) uint8_t *zeros = calloc(1, CHANGE_RECORD_MAX + 1);

	assert_int_equal(decode(zeros, CHANGE_RECORD_MAX), -ERR_MALFORMED);
	assert_int_equal(decode(zeros, CHANGE_RECORD_MAX + 1), -ERR_TOO_LARGE);
}

/* The greatest set that the rules allow stays below the greatest record. */
static void the_greatest_set_fits(void **state)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf record = BUF_INIT;
	char name[256] = {0};

	memset(name, 'x', 255);
	for (uint32_t i = 0; i < CHANGE_SET_MAX; i++) {
		struct uuid key = uuid_entry(0, i);
		struct change *device = add(&set, MODEL_DEVICE, &key, NULL);

		put(&set, device, DEVICE_NAME, name);
		assert_int_equal(change_put_bytes(&set, device, DEVICE_PUBLIC_KEY, bytes32, 32), 0);
		assert_int_equal(change_put_number(device, DEVICE_MEMBER, 1), 0);
		assert_int_equal(change_put_bytes(&set, device, DEVICE_ADDED_BY, two.bytes, UUID_LEN), 0);
		assert_int_equal(change_put_bytes(&set, device, DEVICE_DISCOVERY, bytes32, 32), 0);
	}
	encode(&set, &record);
	assert_true(record.len < CHANGE_RECORD_MAX);
	assert_int_equal(decode(record.data, record.len), 0);
}

static void running_hash(void **state)
{
	/* BLAKE2b-256 over 32 zero bytes and "record", by Python's hashlib */
	static const uint8_t first[HASH_LEN] = {0x2b, 0x8f, 0x30, 0x2a, 0x8c, 0x46, 0x8e, 0x0d, 0xbd, 0x2d, 0xb0,
						0xd5, 0xaf, 0xf1, 0x9e, 0xb8, 0x74, 0xfe, 0x8d, 0x94, 0xa4, 0x34,
						0xb7, 0x29, 0xe9, 0x03, 0xc8, 0xb5, 0xd1, 0xa8, 0x07, 0xe3};
	uint8_t hash[HASH_LEN] = {0};

	change_running_hash(hash, "record", 6, hash);
	assert_memory_equal(hash, first, HASH_LEN);
	change_running_hash(hash, "record", 6, hash);
	assert_memory_not_equal(hash, first, HASH_LEN);
}

static int prepare(void **state)
{
	return base_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(wire_form),
	    cmocka_unit_test(values_are_copied),
	    cmocka_unit_test(add_refuses),
	    cmocka_unit_test(put_number_refuses),
	    cmocka_unit_test(put_bytes_refuses),
	    cmocka_unit_test(put_again_replaces),
	    cmocka_unit_test(encode_refuses_what_decode_would),
	    cmocka_unit_test(encode_remembers_a_failed_buffer),
	    cmocka_unit_test(every_prefix_is_malformed),
	    cmocka_unit_test(every_corruption_is_survived),
	    cmocka_unit_test(shapes_that_are_refused),
	    cmocka_unit_test(limits_and_doubles),
	    cmocka_unit_test(a_record_of_no_field_or_no_stamp),
	    cmocka_unit_test(too_long_a_record),
	    cmocka_unit_test(the_greatest_set_fits),
	    cmocka_unit_test(running_hash),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
