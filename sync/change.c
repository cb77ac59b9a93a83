#include "sync/change.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/pack.h"
#include "sync/change_wire.h"
#include "sync/hlc.h"

enum { ARENA_BLOCK_BYTES = 4096, CHANGES_FIRST_CAPACITY = 4 };

/* Values are borrowed by changes, so a block never moves; a set has a list of them, the newest first. */
struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t capacity;
	uint8_t bytes[];
};

static struct arena_block *arena_new_block(struct change_set *set, size_t len)
{
	size_t capacity = len > ARENA_BLOCK_BYTES ? len : ARENA_BLOCK_BYTES;
	struct arena_block *block = malloc(sizeof(*block) + capacity);

	if (!block)
		return NULL;
	block->next = set->arena;
	block->used = 0;
	block->capacity = capacity;
	set->arena = block;
	return block;
}

static int arena_copy(struct change_set *set, const void *bytes, size_t len, const uint8_t **ret_copy)
{
	struct arena_block *block = set->arena;

	if (!block || block->capacity - block->used < len)
		block = arena_new_block(set, len);
	if (!block)
		return -ENOMEM;
	*ret_copy = block->bytes + block->used;
	if (len > 0)
		memcpy(block->bytes + block->used, bytes, len);
	block->used += len;
	return 0;
}

static int grow(struct change_set *set)
{
	size_t capacity = set->capacity ? set->capacity * 2 : CHANGES_FIRST_CAPACITY;
	struct change *items = reallocarray(set->items, capacity, sizeof(*items));

	if (!items)
		return -ENOMEM;
	set->items = items;
	set->capacity = capacity;
	return 0;
}

int change_set_add(struct change_set *set, enum model_kind kind, const struct uuid *key0, const struct uuid *key1,
		   struct change **ret_change)
{
	const struct model *model = model_find(kind);
	struct change *change;
	int r;

	if (!model || model->owner != MODEL_SHARED || !key0 || (model->key_parts == 2) != (key1 != NULL))
		return -EINVAL;
	if (set->count >= CHANGE_SET_MAX)
		return -ERR_TOO_LARGE;
	r = set->count == set->capacity ? grow(set) : 0;
	if (r < 0)
		return r;
	change = &set->items[set->count++];
	*change = (struct change){.model = model, .key[0] = *key0};
	if (key1)
		change->key[1] = *key1;
	*ret_change = change;
	return 0;
}

static const struct field *field_of(const struct change *change, unsigned field)
{
	return field < change->model->field_count ? &change->model->fields[field] : NULL;
}

static bool is_number(const struct field *field)
{
	return field->type == FIELD_BOOL || field->type == FIELD_UINT;
}

int change_put_number(struct change *change, unsigned field, uint64_t number)
{
	const struct field *rule = field_of(change, field);

	if (!rule || !is_number(rule))
		return -EINVAL;
	if (number > (rule->type == FIELD_BOOL ? 1 : INT64_MAX)) /* SQLite's integers are signed */
		return -ERR_MALFORMED;
	change->values[field] = (struct value){.number = number};
	change->fields |= UINT32_C(1) << field;
	return 0;
}

int change_put_bytes(struct change_set *set, struct change *change, unsigned field, const void *bytes, size_t len)
{
	const struct field *rule = field_of(change, field);
	struct value value = {.len = len};
	int r;

	if (!rule || is_number(rule))
		return -EINVAL;
	if (!model_bytes_fit(rule, bytes, len))
		return -ERR_MALFORMED;
	r = arena_copy(set, bytes, len, &value.bytes);
	if (r < 0)
		return r;
	change->values[field] = value;
	change->fields |= UINT32_C(1) << field;
	return 0;
}

int value_cmp(enum field_type type, const struct value *a, const struct value *b)
{
	size_t least = a->len < b->len ? a->len : b->len;
	int r;

	if (type == FIELD_BOOL || type == FIELD_UINT)
		return (a->number > b->number) - (a->number < b->number);
	r = least > 0 ? memcmp(a->bytes, b->bytes, least) : 0;
	return r != 0 ? r : (a->len > b->len) - (a->len < b->len);
}

void change_set_release(struct change_set *set)
{
	struct arena_block *block = set->arena;

	while (block) {
		struct arena_block *next = block->next;

		free(block);
		block = next;
	}
	free(set->items);
	*set = CHANGE_SET_INIT;
}

static int compare_records(const void *a, const void *b)
{
	const struct change *x = *(const struct change *const *)a;
	const struct change *y = *(const struct change *const *)b;

	if (x->model->kind != y->model->kind)
		return x->model->kind < y->model->kind ? -1 : 1;
	return memcmp(x->key, y->key, sizeof(x->key));
}

/* Sorted: a peer must not make us compare each of 2048 with each. */
int change_set_check_doubles(const struct change_set *set)
{
	_cleanup_(free_ptr) const struct change **sorted = calloc(set->count + 1, sizeof(*sorted));
	uint32_t seen = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < set->count; i++)
		sorted[i] = &set->items[i];
	qsort(sorted, set->count, sizeof(*sorted), compare_records);
	for (size_t i = 0; i < set->count; i++) {
		if (i > 0 && compare_records(&sorted[i - 1], &sorted[i]) != 0)
			seen = 0;
		if (seen & sorted[i]->fields)
			return -ERR_MALFORMED;
		seen |= sorted[i]->fields;
	}
	return 0;
}

/* The rules that span a record: what encode never writes and decode never takes. */
static int check_record(const struct change_set *set, uint64_t hlc)
{
	if (hlc == 0 || hlc_ms(hlc) > HLC_MS_MAX || set->count == 0)
		return -ERR_MALFORMED;
	for (size_t i = 0; i < set->count; i++) {
		if (set->items[i].fields == 0)
			return -ERR_MALFORMED;
	}
	return change_set_check_doubles(set);
}

void change_encode_value(const struct field *field, const struct value *value, struct buf *b)
{
	switch (field->type) {
	case FIELD_BOOL:
		pack_bool(b, value->number != 0);
		break;
	case FIELD_UINT:
		pack_uint(b, value->number);
		break;
	case FIELD_TITLE:
		pack_str(b, (const char *)value->bytes, value->len);
		break;
	case FIELD_NAME:
	case FIELD_BYTES:
		pack_bin(b, value->bytes, value->len);
		break;
	}
}

void change_encode_record_id(const struct change *change, struct buf *b)
{
	pack_uint(b, change->model->kind);
	pack_bin(b, change->key, change->model->key_parts * UUID_LEN);
}

static void encode_change(const struct change *change, struct buf *b)
{
	pack_array(b, 3);
	change_encode_record_id(change, b);
	pack_map(b, (uint32_t)__builtin_popcount(change->fields));
	for (unsigned i = 0; i < change->model->field_count; i++) {
		if (!(change->fields & UINT32_C(1) << i))
			continue;
		pack_uint(b, i);
		change_encode_value(&change->model->fields[i], &change->values[i], b);
	}
}

int change_set_encode(const struct change_set *set, uint64_t hlc, struct buf *ret_record)
{
	size_t before = ret_record->len;
	int r = check_record(set, hlc);

	if (r < 0)
		return r == -ERR_MALFORMED ? -EINVAL : r;
	pack_array(ret_record, 2);
	pack_uint(ret_record, hlc);
	pack_array(ret_record, (uint32_t)set->count);
	for (size_t i = 0; i < set->count; i++)
		encode_change(&set->items[i], ret_record);
	r = buf_error(ret_record);
	if (r == 0 && ret_record->len - before > CHANGE_RECORD_MAX)
		r = -ERR_TOO_LARGE;
	if (r < 0)
		ret_record->len = before;
	return r;
}

int change_expect_array(struct cursor *c, uint32_t wanted)
{
	uint32_t count;
	int r = cursor_pack_array(c, &count);

	if (r < 0)
		return r;
	return count == wanted ? 0 : -ERR_MALFORMED;
}

static int decode_record_id(struct cursor *c, const struct model **ret_model, struct uuid key[MODEL_KEY_MAX])
{
	const struct model *model;
	const uint8_t *bytes;
	uint64_t kind;
	size_t len;
	int r = cursor_pack_uint(c, &kind);

	if (r < 0)
		return r;
	model = model_find(kind);
	if (!model || model->owner != MODEL_SHARED)
		return -ERR_MALFORMED;
	r = cursor_pack_bin(c, &bytes, &len);
	if (r < 0)
		return r;
	if (len != model->key_parts * UUID_LEN)
		return -ERR_MALFORMED;
	memcpy(key, bytes, len);
	*ret_model = model;
	return 0;
}

int change_decode_value(struct cursor *c, struct change_set *set, struct change *change, unsigned field)
{
	enum field_type type = change->model->fields[field].type;
	const uint8_t *bytes;
	uint64_t number;
	size_t len;
	bool flag;
	int r;

	if (type == FIELD_BOOL) {
		r = cursor_pack_bool(c, &flag);
		return r < 0 ? r : change_put_number(change, field, flag);
	}
	if (type == FIELD_UINT) {
		r = cursor_pack_uint(c, &number);
		return r < 0 ? r : change_put_number(change, field, number);
	}
	r = type == FIELD_TITLE ? cursor_pack_str(c, &bytes, &len) : cursor_pack_bin(c, &bytes, &len);
	return r < 0 ? r : change_put_bytes(set, change, field, bytes, len);
}

int change_decode_field(struct cursor *c, const struct change *change, unsigned *ret_field)
{
	uint64_t field;
	int r = cursor_pack_uint(c, &field);

	if (r < 0)
		return r;
	if (field >= change->model->field_count || change->fields & UINT32_C(1) << field)
		return -ERR_MALFORMED;
	*ret_field = (unsigned)field;
	return 0;
}

static int decode_field(struct cursor *c, struct change_set *set, struct change *change)
{
	unsigned field;
	int r = change_decode_field(c, change, &field);

	return r < 0 ? r : change_decode_value(c, set, change, field);
}

int change_decode_record(struct cursor *c, struct change_set *set, struct change **ret_change)
{
	struct uuid key[MODEL_KEY_MAX];
	const struct model *model;
	int r = change_expect_array(c, 3);

	if (r < 0)
		return r;
	r = decode_record_id(c, &model, key);
	if (r < 0)
		return r;
	return change_set_add(set, model->kind, &key[0], model->key_parts == 2 ? &key[1] : NULL, ret_change);
}

static int decode_change(struct cursor *c, struct change_set *set)
{
	struct change *change;
	uint32_t fields;
	int r = change_decode_record(c, set, &change);

	if (r < 0)
		return r;
	r = cursor_pack_map(c, &fields);
	for (uint32_t i = 0; r == 0 && i < fields; i++)
		r = decode_field(c, set, change);
	return r;
}

static int decode_changes(struct cursor *c, struct change_set *set)
{
	uint32_t count;
	int r = cursor_pack_array(c, &count);

	if (r < 0)
		return r;
	if (count > CHANGE_SET_MAX)
		return -ERR_TOO_LARGE;
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = decode_change(c, set);
	return r;
}

int change_set_decode(const void *record, size_t len, uint64_t *ret_hlc, struct change_set *ret_set)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct cursor c = cursor_on(record, len);
	uint64_t hlc;
	int r;

	assert(ret_set->count == 0 && !ret_set->items && !ret_set->arena);
	if (len > CHANGE_RECORD_MAX)
		return -ERR_TOO_LARGE;
	r = change_expect_array(&c, 2);
	if (r < 0)
		return r;
	r = cursor_pack_uint(&c, &hlc);
	if (r < 0)
		return r;
	r = decode_changes(&c, &set);
	if (r < 0)
		return r;
	r = c.left > 0 ? -ERR_MALFORMED : check_record(&set, hlc);
	if (r < 0)
		return r;
	*ret_hlc = hlc;
	*ret_set = set;
	set = CHANGE_SET_INIT; /* handed over */
	return 0;
}

void change_running_hash(const uint8_t previous[HASH_LEN], const void *record, size_t len, uint8_t ret_hash[HASH_LEN])
{
	hash_pair(previous, HASH_LEN, record, len, ret_hash, HASH_LEN);
}
