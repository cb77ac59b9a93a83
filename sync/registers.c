#include "sync/registers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/pack.h"
#include "sync/change_wire.h"

/* The longest forms of msgpack, so that a list is never longer than it was counted. */
enum {
	HEAD_BOUND = 5,	  /* of an array, map, text or bytes */
	NUMBER_BOUND = 9, /* of an integer */
	LIST_BOUND = HEAD_BOUND,
	ROW_BOUND = HEAD_BOUND + NUMBER_BOUND + HEAD_BOUND + MODEL_KEY_MAX * UUID_LEN + HEAD_BOUND,
	FIELD_BOUND = NUMBER_BOUND + HEAD_BOUND /* number, [value, hlc, device] */
		      + NUMBER_BOUND + HEAD_BOUND + UUID_LEN + HEAD_BOUND + NUMBER_BOUND,
	FIRST_CAPACITY = 4,
};

static int grow(struct registers *registers)
{
	size_t capacity = registers->capacity ? registers->capacity * 2 : FIRST_CAPACITY;
	struct register_stamps *stamps = reallocarray(registers->stamps, capacity, sizeof(*stamps));

	if (!stamps)
		return -ENOMEM;
	registers->stamps = stamps;
	registers->capacity = capacity;
	return 0;
}

/* Room for the stamps of the next row. */
static int prepare_row(struct registers *registers)
{
	int r = registers->set.count == registers->capacity ? grow(registers) : 0;

	if (r == 0)
		registers->stamps[registers->set.count] = (struct register_stamps){0};
	return r;
}

int registers_add(struct registers *registers, enum model_kind kind, const struct uuid *key0, const struct uuid *key1)
{
	struct change *change;
	int r = prepare_row(registers);

	if (r == 0)
		r = change_set_add(&registers->set, kind, key0, key1, &change);
	if (r == 0)
		registers->bytes += (registers->bytes == 0 ? LIST_BOUND : 0) + ROW_BOUND;
	return r;
}

static struct change *last_row(struct registers *registers)
{
	assert(registers->set.count > 0);
	return &registers->set.items[registers->set.count - 1];
}

static bool stamp_is_valid(const struct stamp *stamp)
{
	return stamp->hlc != 0 && hlc_ms(stamp->hlc) <= HLC_MS_MAX;
}

static void put_stamp(struct registers *registers, unsigned field, const struct stamp *stamp, size_t len)
{
	registers->stamps[registers->set.count - 1].of[field] = *stamp;
	registers->bytes += FIELD_BOUND + len;
}

int registers_put_number(struct registers *registers, unsigned field, uint64_t number, const struct stamp *stamp)
{
	int r = stamp_is_valid(stamp) ? change_put_number(last_row(registers), field, number) : -EINVAL;

	if (r == 0)
		put_stamp(registers, field, stamp, 0);
	return r;
}

int registers_put_bytes(struct registers *registers, unsigned field, const void *bytes, size_t len,
			const struct stamp *stamp)
{
	int r = -EINVAL;

	if (stamp_is_valid(stamp))
		r = change_put_bytes(&registers->set, last_row(registers), field, bytes, len);
	if (r == 0)
		put_stamp(registers, field, stamp, len);
	return r;
}

void registers_drop(struct registers *registers)
{
	assert(registers->set.count > 0);
	registers->set.count--; /* what it took stays counted: the bound holds all the more */
}

uint64_t registers_newest(const struct registers *registers)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < registers->set.count; i++) {
		const struct change *row = &registers->set.items[i];

		for (unsigned field = 0; field < row->model->field_count; field++) {
			uint64_t hlc = registers->stamps[i].of[field].hlc; /* 0 where there is no field */

			newest = hlc > newest ? hlc : newest;
		}
	}
	return newest;
}

void registers_release(struct registers *registers)
{
	change_set_release(&registers->set);
	free(registers->stamps);
	*registers = REGISTERS_INIT;
}

/* What encode never writes and decode never takes. */
static int check_rows(const struct registers *registers)
{
	for (size_t i = 0; i < registers->set.count; i++) {
		if (registers->set.items[i].fields == 0)
			return -ERR_MALFORMED;
	}
	return change_set_check_doubles(&registers->set);
}

/* --- writing --- */

static void encode_register(const struct change *row, const struct stamp *stamp, unsigned field, struct buf *b)
{
	pack_uint(b, field);
	pack_array(b, 3);
	change_encode_value(&row->model->fields[field], &row->values[field], b);
	pack_uint(b, stamp->hlc);
	pack_bin(b, stamp->device.bytes, UUID_LEN);
}

static void encode_row(const struct change *row, const struct register_stamps *stamps, struct buf *b)
{
	pack_array(b, 3);
	change_encode_record_id(row, b);
	pack_map(b, (uint32_t)__builtin_popcount(row->fields));
	for (unsigned field = 0; field < row->model->field_count; field++) {
		if (row->fields & UINT32_C(1) << field)
			encode_register(row, &stamps->of[field], field, b);
	}
}

int registers_encode(const struct registers *registers, struct buf *ret_bytes)
{
	size_t before = ret_bytes->len;
	int r = check_rows(registers);

	if (r < 0)
		return r == -ERR_MALFORMED ? -EINVAL : r;
	pack_array(ret_bytes, (uint32_t)registers->set.count);
	for (size_t i = 0; i < registers->set.count; i++)
		encode_row(&registers->set.items[i], &registers->stamps[i], ret_bytes);
	r = buf_error(ret_bytes);
	if (r == 0 && ret_bytes->len - before > REGISTERS_BYTES_MAX)
		r = -ERR_TOO_LARGE;
	if (r < 0)
		ret_bytes->len = before;
	return r;
}

/* --- reading --- */

static int decode_stamp(struct cursor *c, struct stamp *ret_stamp)
{
	const uint8_t *device;
	size_t len;
	int r = cursor_pack_uint(c, &ret_stamp->hlc);

	if (r == 0)
		r = cursor_pack_bin(c, &device, &len);
	if (r < 0)
		return r;
	if (len != UUID_LEN || !stamp_is_valid(ret_stamp))
		return -ERR_MALFORMED;
	memcpy(ret_stamp->device.bytes, device, UUID_LEN);
	return 0;
}

static int decode_register(struct cursor *c, struct registers *registers)
{
	struct change *row = last_row(registers);
	const struct value *value;
	struct stamp stamp;
	unsigned field;
	int r = change_decode_field(c, row, &field);

	if (r == 0)
		r = change_expect_array(c, 3);
	if (r == 0)
		r = change_decode_value(c, &registers->set, row, field);
	if (r == 0)
		r = decode_stamp(c, &stamp);
	if (r < 0)
		return r;
	value = &row->values[field];
	put_stamp(registers, field, &stamp, value->bytes ? value->len : 0);
	return 0;
}

static int decode_row(struct cursor *c, struct registers *registers)
{
	struct change *row;
	uint32_t fields;
	int r = prepare_row(registers);

	if (r == 0)
		r = change_decode_record(c, &registers->set, &row);
	if (r < 0)
		return r;
	registers->bytes += ROW_BOUND;
	r = cursor_pack_map(c, &fields);
	for (uint32_t i = 0; r == 0 && i < fields; i++)
		r = decode_register(c, registers);
	return r;
}

static int decode_rows(struct cursor *c, struct registers *registers)
{
	uint32_t count;
	int r = cursor_pack_array(c, &count);

	if (r < 0)
		return r;
	if (count > REGISTERS_ROWS_MAX)
		return -ERR_TOO_LARGE;
	registers->bytes = LIST_BOUND;
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = decode_row(c, registers);
	return r;
}

int registers_decode(const void *bytes, size_t len, struct registers *ret_registers)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	struct cursor c = cursor_on(bytes, len);
	int r;

	assert(ret_registers->set.count == 0 && !ret_registers->set.items && !ret_registers->stamps);
	if (len > REGISTERS_BYTES_MAX)
		return -ERR_TOO_LARGE;
	r = decode_rows(&c, &registers);
	if (r < 0)
		return r;
	r = c.left > 0 ? -ERR_MALFORMED : check_rows(&registers);
	if (r < 0)
		return r;
	*ret_registers = registers;
	registers = REGISTERS_INIT; /* handed over */
	return 0;
}
