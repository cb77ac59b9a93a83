#include "sync/digest.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/buf.h"

/* Eight bytes of BLAKE2b over a plain form: fixed numbers, lengths before bytes. Memory for short rows is on the stack. */

enum { DIGEST_LEN = 16, SCRATCH_LEN = 1024 };

struct scratch {
	uint8_t bytes[SCRATCH_LEN];
	size_t len;
	uint8_t state[DIGEST_LEN]; /* of what no longer fitted */
};

static void fold(struct scratch *s)
{
	hash_pair(s->state, DIGEST_LEN, s->bytes, s->len, s->state, DIGEST_LEN);
	s->len = 0;
}

static void add_bytes(struct scratch *s, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		size_t n = len < SCRATCH_LEN - s->len ? len : SCRATCH_LEN - s->len;

		memcpy(s->bytes + s->len, at, n);
		s->len += n;
		at += n;
		len -= n;
		if (s->len == SCRATCH_LEN)
			fold(s);
	}
}

static void add_number(struct scratch *s, uint64_t number)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(number >> (56 - 8 * i));
	add_bytes(s, bytes, sizeof(bytes));
}

static void add_value(struct scratch *s, const struct field *field, const struct value *value)
{
	if (field->type == FIELD_BOOL || field->type == FIELD_UINT) {
		add_number(s, value->number);
		return;
	}
	add_number(s, value->len);
	add_bytes(s, value->bytes, value->len);
}

static uint64_t result(struct scratch *s)
{
	uint64_t sum = 0;

	fold(s);
	for (size_t i = 0; i < sizeof(sum); i++)
		sum = sum << 8 | s->state[i];
	return sum;
}

uint64_t digest_row(const struct row *row)
{
	struct scratch s = {.len = 0};

	if (row->version == 0 || row_is_tombstone(row))
		return 0;
	add_number(&s, row->model->kind);
	add_number(&s, row->version);
	for (unsigned i = 0; i < row->model->key_parts; i++)
		add_number(&s, row->key[i]);
	for (unsigned i = 0; i < row->model->field_count; i++)
		add_value(&s, &row->model->fields[i], &row->values[i]);
	return result(&s);
}

uint64_t digest_register(const struct model *model, const struct uuid key[MODEL_KEY_MAX], unsigned field,
			 const struct value *value, const struct stamp *stamp)
{
	struct scratch s = {.len = 0};
	uint8_t bytes[STAMP_LEN];

	if (stamp->hlc == 0 || model->kind == MODEL_DEVICE)
		return 0;
	add_number(&s, model->kind);
	add_bytes(&s, key, model->key_parts * UUID_LEN);
	add_number(&s, field);
	add_value(&s, &model->fields[field], value);
	stamp_encode(stamp, bytes);
	add_bytes(&s, bytes, STAMP_LEN);
	return result(&s);
}
