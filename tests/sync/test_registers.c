/* Registers: what is written is read again, and nothing else is read. */
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pack.h"
#include "base/random.h"
#include "sync/registers.h"

#define HLC (UINT64_C(1760000000000) << 16 | 3)

static const struct uuid one = {{1}}, two = {{2}};
static const struct stamp early = {.hlc = HLC, .device = {{7}}}, late = {.hlc = HLC + 5, .device = {{8}}};

static void add_tag(struct registers *registers, const struct uuid *key, const char *name)
{
	assert_int_equal(registers_add(registers, MODEL_TAG, key, NULL), 0);
	assert_int_equal(registers_put_bytes(registers, COLLECTION_NAME, name, strlen(name), &early), 0);
	assert_int_equal(registers_put_number(registers, COLLECTION_LIVE, 1, &late), 0);
}

static void add_pair(struct registers *registers, const char *name)
{
	assert_int_equal(registers_add(registers, MODEL_TAGGING, &one, &two), 0);
	assert_int_equal(registers_put_bytes(registers, PAIR_NAME, name, strlen(name), &late), 0);
	assert_int_equal(registers_put_number(registers, PAIR_LIVE, 0, &early), 0);
	assert_int_equal(registers_put_bytes(registers, PAIR_CONTENT, "", 0, &early), 0);
}

static int decode(const void *bytes, size_t len)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;

	return registers_decode(bytes, len, &registers);
}

static void round_trip(void **state)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT, back = REGISTERS_INIT;
	_cleanup_(buf_release) struct buf first = BUF_INIT, second = BUF_INIT;
	const struct change *row;

	add_tag(&registers, &one, "Caf\xc3\xa9");
	add_pair(&registers, "a\xff.jpg");
	assert_int_equal(registers_newest(&registers), HLC + 5);
	assert_int_equal(registers_encode(&registers, &first), 0);
	assert_true(first.len <= registers.bytes);
	assert_int_equal(registers_decode(first.data, first.len, &back), 0);
	assert_int_equal(back.set.count, 2);
	assert_true(first.len <= back.bytes);
	row = &back.set.items[0];
	assert_int_equal(row->model->kind, MODEL_TAG);
	assert_int_equal(row->fields, 3);
	assert_int_equal(row->values[COLLECTION_LIVE].number, 1);
	assert_int_equal(stamp_cmp(&back.stamps[0].of[COLLECTION_NAME], &early), 0);
	assert_int_equal(stamp_cmp(&back.stamps[0].of[COLLECTION_LIVE], &late), 0);
	row = &back.set.items[1];
	assert_memory_equal(&row->key[1], &two, UUID_LEN);
	assert_int_equal(row->values[PAIR_NAME].len, 6);
	assert_memory_equal(row->values[PAIR_NAME].bytes, "a\xff.jpg", 6);
	assert_int_equal(registers_encode(&back, &second), 0);
	assert_int_equal(second.len, first.len);
	assert_memory_equal(second.data, first.data, first.len);
}

static void wire_form(void **state)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	_cleanup_(buf_release) struct buf bytes = BUF_INIT, expected = BUF_INIT;

	assert_int_equal(registers_add(&registers, MODEL_TAG, &one, NULL), 0);
	assert_int_equal(registers_put_number(&registers, COLLECTION_LIVE, 1, &early), 0);
	assert_int_equal(registers_encode(&registers, &bytes), 0);
	buf_append(&expected, "\x91\x93\x02\xc4\x10", 5);
	buf_append(&expected, one.bytes, UUID_LEN);
	buf_append(&expected, "\x81\x01\x93\xc3", 4);
	pack_uint(&expected, HLC);
	buf_append(&expected, "\xc4\x10", 2);
	buf_append(&expected, early.device.bytes, UUID_LEN);
	assert_int_equal(bytes.len, expected.len);
	assert_memory_equal(bytes.data, expected.data, bytes.len);
}

static void no_row_is_a_list(void **state)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;

	assert_int_equal(registers_newest(&registers), 0);
	assert_int_equal(registers_encode(&registers, &bytes), 0);
	assert_int_equal(bytes.len, 1);
	assert_int_equal(decode(bytes.data, bytes.len), 0);
}

static void a_dropped_row_is_gone(void **state)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;

	add_tag(&registers, &one, "t");
	assert_int_equal(registers_add(&registers, MODEL_TAG, &two, NULL), 0);
	assert_int_equal(registers_encode(&registers, &bytes), -EINVAL); /* a row without a field */
	registers_drop(&registers);
	assert_int_equal(registers_encode(&registers, &bytes), 0);
	assert_int_equal(registers.set.count, 1);
}

static void put_refuses(void **state)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	const struct stamp never = {.device = {{7}}}, beyond = {.hlc = (HLC_MS_MAX + 1) << 16};

	assert_int_equal(registers_add(&registers, MODEL_LOCATION, &one, NULL), -EINVAL);
	assert_int_equal(registers_add(&registers, MODEL_TAGGING, &one, NULL), -EINVAL);
	assert_int_equal(registers_add(&registers, MODEL_TAG, &one, NULL), 0);
	assert_int_equal(registers_put_number(&registers, COLLECTION_LIVE, 1, &never), -EINVAL);
	assert_int_equal(registers_put_number(&registers, COLLECTION_LIVE, 1, &beyond), -EINVAL);
	assert_int_equal(registers_put_number(&registers, COLLECTION_LIVE, 2, &early), -ERR_MALFORMED);
	assert_int_equal(registers_put_bytes(&registers, COLLECTION_NAME, "a/b", 3, &early), -ERR_MALFORMED);
	assert_int_equal(registers_put_bytes(&registers, COLLECTION_LIVE, "x", 1, &early), -EINVAL);
	assert_int_equal(registers.set.items[0].fields, 0);
	assert_int_equal(registers_newest(&registers), 0);
}

static void doubles_are_refused(void **state)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;

	add_tag(&registers, &one, "t");
	add_tag(&registers, &one, "t");
	assert_int_equal(registers_encode(&registers, &bytes), -EINVAL);
	assert_int_equal(bytes.len, 0);
}

static void every_prefix_and_every_tail_is_malformed(void **state)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;

	add_tag(&registers, &one, "t");
	add_pair(&registers, "x");
	assert_int_equal(registers_encode(&registers, &bytes), 0);
	for (size_t len = 0; len < bytes.len; len++)
		assert_int_equal(decode(bytes.data, len), -ERR_MALFORMED);
	buf_append(&bytes, "", 1);
	assert_int_equal(decode(bytes.data, bytes.len), -ERR_MALFORMED);
}

/* One register `[value, hlc, device]` by hand. */
static int decode_one(uint64_t hlc, size_t device_len, uint32_t parts)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	pack_array(&b, 1);
	pack_array(&b, 3);
	pack_uint(&b, MODEL_TAG);
	pack_bin(&b, one.bytes, UUID_LEN);
	pack_map(&b, 1);
	pack_uint(&b, COLLECTION_LIVE);
	pack_array(&b, parts);
	pack_bool(&b, true);
	if (parts > 1)
		pack_uint(&b, hlc);
	if (parts > 2)
		pack_bin(&b, two.bytes, device_len);
	return decode(b.data, b.len);
}

static void stamps_are_checked(void **state)
{
	assert_int_equal(decode_one(HLC, UUID_LEN, 3), 0);
	assert_int_equal(decode_one(1, UUID_LEN, 3), 0);
	assert_int_equal(decode_one(0, UUID_LEN, 3), -ERR_MALFORMED);
	assert_int_equal(decode_one(HLC_MS_MAX << 16 | 0xffff, UUID_LEN, 3), 0);
	assert_int_equal(decode_one((HLC_MS_MAX + 1) << 16, UUID_LEN, 3), -ERR_MALFORMED);
	assert_int_equal(decode_one(UINT64_MAX, UUID_LEN, 3), -ERR_MALFORMED);
	assert_int_equal(decode_one(HLC, UUID_LEN - 1, 3), -ERR_MALFORMED);
	assert_int_equal(decode_one(HLC, 0, 3), -ERR_MALFORMED);
	assert_int_equal(decode_one(HLC, UUID_LEN, 2), -ERR_MALFORMED);
	assert_int_equal(decode_one(HLC, UUID_LEN, 1), -ERR_MALFORMED);
}

static void limits(void **state)
{
	static uint8_t zeros[REGISTERS_BYTES_MAX + 1];
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	for (uint32_t i = 0; i < REGISTERS_ROWS_MAX; i++) {
		struct uuid key = uuid_entry(0, i);

		add_tag(&registers, &key, "t");
	}
	assert_int_equal(registers_add(&registers, MODEL_TAG, &one, NULL), -ERR_TOO_LARGE);
	assert_int_equal(registers_encode(&registers, &b), 0);
	assert_true(b.len <= registers.bytes);
	assert_int_equal(decode(b.data, b.len), 0);
	assert_int_equal(decode(zeros, sizeof(zeros)), -ERR_TOO_LARGE);
	buf_clear(&b);
	pack_array(&b, REGISTERS_ROWS_MAX + 1);
	buf_append(&b, zeros, REGISTERS_ROWS_MAX + 1);
	assert_int_equal(decode(b.data, b.len), -ERR_TOO_LARGE);
}

static size_t longest(const struct field *field)
{
	return field->type == FIELD_BYTES ? field->max_len : 255;
}

/* One row of each kind, with the longest values there can be. */
static void the_greatest_row_fits(void **state)
{
	uint8_t bytes[UINT8_MAX];
	const struct model *model;

	memset(bytes, 'x', sizeof(bytes));
	for (size_t i = 0; (model = model_at(i)); i++) {
		_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
		_cleanup_(buf_release) struct buf b = BUF_INIT;

		if (model->owner != MODEL_SHARED)
			continue;
		assert_int_equal(registers_add(&registers, model->kind, &one, model->key_parts == 2 ? &two : NULL), 0);
		for (unsigned f = 0; f < model->field_count; f++) {
			const struct field *field = &model->fields[f];

			if (field->type == FIELD_BOOL || field->type == FIELD_UINT)
				assert_int_equal(registers_put_number(&registers, f, 1, &late), 0);
			else
				assert_int_equal(registers_put_bytes(&registers, f, bytes, longest(field), &late), 0);
		}
		assert_int_equal(registers_encode(&registers, &b), 0);
		assert_true(b.len <= registers.bytes);
		assert_true(registers.bytes <= REGISTERS_ROW_MAX);
	}
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
	    cmocka_unit_test(no_row_is_a_list),
	    cmocka_unit_test(a_dropped_row_is_gone),
	    cmocka_unit_test(put_refuses),
	    cmocka_unit_test(doubles_are_refused),
	    cmocka_unit_test(every_prefix_and_every_tail_is_malformed),
	    cmocka_unit_test(stamps_are_checked),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(the_greatest_row_fits),
	};

	return cmocka_run_group_tests_name("registers", tests, prepare, NULL);
}
