#include "sync/model.h"

#include <string.h>

#include "tests/lib/test.h"

static size_t count_kinds(void)
{
	size_t n = 0;

	while (model_at(n))
		n++;
	return n;
}

static void each_kind_is_found(void **state)
{
	assert_int_equal(count_kinds(), 10);
	for (size_t i = 0; i < count_kinds(); i++)
		assert_ptr_equal(model_find(model_at(i)->kind), model_at(i));
	assert_null(model_at(10));
	assert_null(model_at(SIZE_MAX));
	assert_null(model_find(0));
	assert_null(model_find(7));
	assert_null(model_find(UINT64_MAX));
	assert_null(model_find(UINT64_C(1) << 32 | MODEL_TAG));
}

/* Numbers on disk and on the wire. */
static void numbers_never_change(void **state)
{
	assert_int_equal(MODEL_DEVICE, 1);
	assert_int_equal(MODEL_TAG, 2);
	assert_int_equal(MODEL_TAGGING, 3);
	assert_int_equal(MODEL_ALBUM, 4);
	assert_int_equal(MODEL_ALBUM_ITEM, 5);
	assert_int_equal(MODEL_METADATA, 6);
	assert_int_equal(MODEL_LOCATION, 16);
	assert_int_equal(MODEL_ENTRY, 17);
	assert_int_equal(MODEL_AUDIT, 18);
	assert_int_equal(MODEL_VOLUME, 19);
}

static void rows_are_sound(void **state)
{
	for (size_t i = 0; i < count_kinds(); i++) {
		const struct model *m = model_at(i);

		assert_in_range(m->key_parts, 1, MODEL_KEY_MAX);
		assert_in_range(m->field_count, 1, MODEL_FIELDS_MAX);
		assert_int_equal(m->owner, m->kind < MODEL_LOCATION ? MODEL_SHARED : MODEL_OWNED);
		for (unsigned f = 0; f < MODEL_FIELDS_MAX; f++) {
			if (f >= m->field_count) {
				assert_null(m->fields[f].name);
				continue;
			}
			assert_non_null(m->fields[f].name);
			assert_true(m->fields[f].min_len <= m->fields[f].max_len);
			assert_int_equal(m->fields[f].type == FIELD_BYTES, m->fields[f].max_len > 0);
		}
	}
}

static void names_are_single(void **state)
{
	for (size_t i = 0; i < count_kinds(); i++) {
		const struct model *m = model_at(i);

		for (size_t j = i + 1; j < count_kinds(); j++)
			assert_string_not_equal(m->name, model_at(j)->name);
		for (unsigned f = 0; f < m->field_count; f++)
			for (unsigned g = f + 1; g < m->field_count; g++)
				assert_string_not_equal(m->fields[f].name, m->fields[g].name);
	}
}

static void field_numbers_name_their_fields(void **state)
{
	assert_string_equal(model_find(MODEL_DEVICE)->fields[DEVICE_PUBLIC_KEY].name, "public_key");
	assert_string_equal(model_find(MODEL_DEVICE)->fields[DEVICE_ADDED_BY].name, "added_by");
	assert_string_equal(model_find(MODEL_DEVICE)->fields[DEVICE_DISCOVERY].name, "discovery");
	assert_string_equal(model_find(MODEL_TAG)->fields[COLLECTION_LIVE].name, "live");
	assert_string_equal(model_find(MODEL_ALBUM)->fields[COLLECTION_NAME].name, "name");
	assert_string_equal(model_find(MODEL_TAGGING)->fields[PAIR_CONTENT].name, "content");
	assert_string_equal(model_find(MODEL_METADATA)->fields[PAIR_LIVE].name, "live");
	assert_string_equal(model_find(MODEL_ALBUM_ITEM)->fields[PAIR_NAME].name, "name");
}

static void lengths_of_bytes(void **state)
{
	const struct field *public_key = &model_find(MODEL_DEVICE)->fields[DEVICE_PUBLIC_KEY];
	const struct field *content = &model_find(MODEL_TAGGING)->fields[PAIR_CONTENT];
	const struct field *discovery = &model_find(MODEL_DEVICE)->fields[DEVICE_DISCOVERY];
	const struct field *text = &model_find(MODEL_AUDIT)->fields[1];
	static const uint8_t bytes[1025];

	for (size_t len = 0; len <= 64; len++) {
		assert_int_equal(model_bytes_fit(public_key, bytes, len), len == 32);
		assert_int_equal(model_bytes_fit(content, bytes, len), len == 0 || len == 16);
		assert_int_equal(model_bytes_fit(discovery, bytes, len), len == 0 || len == 32);
	}
	assert_true(model_bytes_fit(text, bytes, 0));
	assert_true(model_bytes_fit(text, bytes, 1024));
	assert_false(model_bytes_fit(text, bytes, 1025));
}

static void names_and_titles(void **state)
{
	const struct field *title = &model_find(MODEL_TAG)->fields[COLLECTION_NAME];
	const struct field *name = &model_find(MODEL_TAGGING)->fields[PAIR_NAME];

	assert_true(model_bytes_fit(title, "ok", 2));
	assert_false(model_bytes_fit(title, "a\n", 2));
	assert_false(model_bytes_fit(title, "a\xff", 2));
	assert_true(model_bytes_fit(name, "a\n", 2));
	assert_true(model_bytes_fit(name, "a\xff", 2));
	assert_false(model_bytes_fit(name, "a/", 2));
	assert_false(model_bytes_fit(name, "", 0));
}

static void owned_kinds_end_in_their_tombstone(void **state)
{
	for (size_t i = 0; i < count_kinds(); i++) {
		const struct model *m = model_at(i);

		if (m->owner == MODEL_OWNED)
			assert_string_equal(m->fields[model_deleted(m)].name, "deleted");
		assert_int_equal(model_is_purged(m), m->kind == MODEL_ENTRY || m->kind == MODEL_AUDIT);
	}
	assert_int_equal(model_deleted(model_find(MODEL_ENTRY)), ENTRY_DELETED);
	assert_true(model_bytes_fit(&model_find(MODEL_ENTRY)->fields[ENTRY_NAME], "", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_kind_is_found),
	    cmocka_unit_test(numbers_never_change),
	    cmocka_unit_test(rows_are_sound),
	    cmocka_unit_test(names_are_single),
	    cmocka_unit_test(field_numbers_name_their_fields),
	    cmocka_unit_test(owned_kinds_end_in_their_tombstone),
	    cmocka_unit_test(lengths_of_bytes),
	    cmocka_unit_test(names_and_titles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
