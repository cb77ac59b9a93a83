#include "sync/vector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pack.h"
#include "sync/hlc.h"
#include "sync/model.h"

enum { FIRST_CAPACITY = 16, ORIGIN_PARTS = 4, LOG_PARTS = 5, STATE_PARTS = 4 };

void vector_release(struct vector *v)
{
	free(v->items);
	*v = VECTOR_INIT;
}

void vector_clear(struct vector *v)
{
	v->count = 0;
}

/* Where `id` stands or would stand. */
static size_t place_of(const struct vector *v, const struct stream_id *id, bool *ret_found)
{
	size_t low = 0, high = v->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = stream_id_cmp(&v->items[middle].id, id);

		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_found = false;
	return low;
}

struct stream *vector_find(const struct vector *v, const struct stream_id *id)
{
	bool found;
	size_t at = place_of(v, id, &found);

	return found ? &v->items[at] : NULL;
}

static int make_room(struct vector *v)
{
	size_t capacity = v->capacity ? v->capacity * 2 : FIRST_CAPACITY;
	struct stream *items;

	if (v->count >= VECTOR_STREAMS_MAX)
		return -ERR_TOO_LARGE;
	if (v->count < v->capacity)
		return 0;
	items = reallocarray(v->items, capacity, sizeof(*items));
	if (!items)
		return -ENOMEM;
	v->items = items;
	v->capacity = capacity;
	return 0;
}

int vector_set(struct vector *v, const struct stream *s)
{
	bool found;
	size_t at = place_of(v, &s->id, &found);
	int r;

	if (!found) {
		r = make_room(v);
		if (r < 0)
			return r;
		memmove(&v->items[at + 1], &v->items[at], (v->count - at) * sizeof(*v->items));
		v->count++;
	}
	v->items[at] = *s;
	return 0;
}

void vector_remove(struct vector *v, const struct stream_id *id)
{
	bool found;
	size_t at = place_of(v, id, &found);

	if (!found)
		return;
	v->count--;
	memmove(&v->items[at], &v->items[at + 1], (v->count - at) * sizeof(*v->items));
}

int vector_copy(const struct vector *from, struct vector *ret_to)
{
	struct vector to = {
	    .count = from->count, .capacity = from->count, .shared_digest = from->shared_digest, .clock = from->clock};

	if (from->count > 0) {
		to.items = malloc(from->count * sizeof(*to.items));
		if (!to.items)
			return -ENOMEM;
		memcpy(to.items, from->items, from->count * sizeof(*to.items));
	}
	vector_release(ret_to);
	*ret_to = to;
	return 0;
}

const struct stream *vector_current(const struct vector *v, const struct uuid *device, uint8_t kind)
{
	struct stream_id first = {.origin = {.device = *device}};
	const struct stream *latest = NULL;
	bool found;

	for (size_t i = place_of(v, &first, &found); i < v->count; i++) {
		const struct stream *s = &v->items[i];

		if (uuid_cmp(&s->id.origin.device, device) != 0)
			break;
		/* Equal starts: the higher number, which comes later here. */
		if (s->id.kind == kind && (!latest || s->started >= latest->started))
			latest = s;
	}
	return latest;
}

bool vector_knows(const struct vector *v, const struct origin *origin)
{
	struct stream_id first = {.origin = *origin};
	bool found;
	size_t i = place_of(v, &first, &found);

	return i < v->count && origin_cmp(&v->items[i].id.origin, origin) == 0;
}

size_t vector_lives(const struct vector *v, const struct uuid *device)
{
	struct stream_id first = {.origin = {.device = *device}};
	size_t lives = 0;
	bool found;

	for (size_t i = place_of(v, &first, &found), begin = i; i < v->count; i++) {
		const struct origin *origin = &v->items[i].id.origin;

		if (uuid_cmp(&origin->device, device) != 0)
			break;
		lives += i == begin || origin->epoch != v->items[i - 1].id.origin.epoch;
	}
	return lives;
}

/* --- wire form --- */

static size_t count_of_origin(const struct vector *v, size_t at)
{
	size_t n = 1;

	while (at + n < v->count && origin_cmp(&v->items[at + n].id.origin, &v->items[at].id.origin) == 0)
		n++;
	return n;
}

static void encode_stream(const struct stream *s, struct buf *b)
{
	bool is_log = s->id.kind == STREAM_LOG;

	pack_array(b, is_log ? LOG_PARTS : STATE_PARTS);
	pack_uint(b, s->id.kind);
	pack_uint(b, s->position);
	if (is_log) {
		pack_uint(b, s->floor);
		pack_uint(b, s->hlc);
		pack_bin(b, s->hash, s->position > 0 ? HASH_LEN : 0);
		return;
	}
	pack_bool(b, stream_is_whole(s));
	pack_uint(b, s->digest);
}

void vector_encode(const struct vector *v, struct buf *b)
{
	uint32_t origins = 0;

	for (size_t i = 0; i < v->count; i += count_of_origin(v, i))
		origins++;
	pack_array(b, 2);
	pack_uint(b, v->shared_digest);
	pack_array(b, origins);
	for (size_t i = 0, n; i < v->count; i += n) {
		const struct stream *first = &v->items[i];

		n = count_of_origin(v, i);
		pack_array(b, ORIGIN_PARTS);
		pack_bin(b, first->id.origin.device.bytes, UUID_LEN);
		pack_uint(b, first->id.origin.epoch);
		pack_uint(b, first->started);
		pack_array(b, (uint32_t)n);
		for (size_t k = 0; k < n; k++)
			encode_stream(&v->items[i + k], b);
	}
}

static int expect_array(struct cursor *c, uint32_t wanted)
{
	uint32_t count;
	int r = cursor_pack_array(c, &count);

	if (r < 0)
		return r;
	return count == wanted ? 0 : -ERR_MALFORMED;
}

static int decode_number(struct cursor *c, uint64_t max, uint64_t *ret)
{
	uint64_t number;
	int r = cursor_pack_uint(c, &number);

	if (r < 0)
		return r;
	if (number > max)
		return -ERR_MALFORMED;
	*ret = number;
	return 0;
}

static int decode_log(struct cursor *c, struct stream *s)
{
	const uint8_t *hash;
	size_t len;
	int r = decode_number(c, s->position, &s->floor);

	if (r == 0)
		r = decode_number(c, INT64_MAX, &s->hlc);
	if (r == 0)
		r = cursor_pack_bin(c, &hash, &len);
	if (r < 0)
		return r;
	if (len != (s->position > 0 ? HASH_LEN : 0) || (s->hlc != 0) != (s->position > 0))
		return -ERR_MALFORMED;
	memcpy(s->hash, hash, len);
	return 0;
}

/* Only whether it is whole is known of a peer's stream, so the other numbers are made to say that. */
static int decode_state(struct cursor *c, struct stream *s)
{
	bool whole;
	int r = cursor_pack_bool(c, &whole);

	if (r < 0)
		return r;
	s->head = whole ? s->position : s->position + 1;
	s->base = whole ? s->position : 0;
	return cursor_pack_uint(c, &s->digest);
}

static int decode_stream(struct cursor *c, struct stream *s)
{
	const struct model *model;
	uint64_t kind = 0;
	uint32_t parts;
	int r = cursor_pack_array(c, &parts);

	if (r == 0)
		r = decode_number(c, UINT8_MAX, &kind);
	if (r == 0)
		r = decode_number(c, INT64_MAX - 1, &s->position);
	if (r < 0)
		return r;
	s->id.kind = (uint8_t)kind;
	model = kind == STREAM_LOG ? NULL : model_find(kind);
	if (kind != STREAM_LOG && (model ? model->owner != MODEL_OWNED : kind < MODEL_LOCATION))
		return -ERR_MALFORMED;
	if (parts != (kind == STREAM_LOG ? LOG_PARTS : STATE_PARTS))
		return -ERR_MALFORMED;
	return kind == STREAM_LOG ? decode_log(c, s) : decode_state(c, s);
}

static int append_sorted(struct vector *v, const struct stream *s)
{
	if (v->count > 0 && stream_id_cmp(&v->items[v->count - 1].id, &s->id) >= 0)
		return -ERR_MALFORMED;
	return vector_set(v, s);
}

static int decode_origin(struct cursor *c, struct vector *v)
{
	struct stream of_origin = {.position = 0};
	const uint8_t *device;
	uint32_t count;
	size_t len;
	int r = expect_array(c, ORIGIN_PARTS);

	if (r == 0)
		r = cursor_pack_bin(c, &device, &len);
	if (r == 0 && len != UUID_LEN)
		r = -ERR_MALFORMED;
	if (r == 0)
		r = decode_number(c, INT64_MAX, &of_origin.id.origin.epoch);
	if (r == 0)
		r = decode_number(c, INT64_MAX, &of_origin.started);
	if (r == 0)
		r = cursor_pack_array(c, &count);
	if (r < 0)
		return r;
	memcpy(of_origin.id.origin.device.bytes, device, UUID_LEN);
	for (uint32_t i = 0; i < count; i++) {
		struct stream s = of_origin;

		r = decode_stream(c, &s);
		/* Kinds that a later version of this program has are not for this one. */
		if (r == 0 && (s.id.kind == STREAM_LOG || model_find(s.id.kind)))
			r = append_sorted(v, &s);
		if (r < 0)
			return r;
	}
	return count > 0 ? 0 : -ERR_MALFORMED;
}

int vector_decode(struct cursor *c, struct vector *ret_v)
{
	_cleanup_(vector_release) struct vector v = VECTOR_INIT;
	uint32_t origins;
	int r = expect_array(c, 2);

	if (r == 0)
		r = cursor_pack_uint(c, &v.shared_digest);
	if (r == 0)
		r = cursor_pack_array(c, &origins);
	for (uint32_t i = 0; r == 0 && i < origins; i++)
		r = decode_origin(c, &v);
	if (r < 0)
		return r;
	vector_release(ret_v);
	*ret_v = v;
	v = VECTOR_INIT;
	return 0;
}
