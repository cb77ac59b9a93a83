#include "sync/acks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pack.h"
#include "sync/model.h"

enum { FIRST_CAPACITY = 64, ACK_PARTS = 6 };

void acks_release(struct acks *a)
{
	free(a->items);
	*a = ACKS_INIT;
}

static int compare(const struct ack *ack, const struct uuid *member, const struct stream_id *stream)
{
	int r = uuid_cmp(&ack->member, member);

	return r != 0 ? r : stream_id_cmp(&ack->stream, stream);
}

static size_t place_of(const struct acks *a, const struct uuid *member, const struct stream_id *stream, bool *ret_found)
{
	size_t low = 0, high = a->count;

	*ret_found = false;
	while (low < high && !*ret_found) {
		size_t middle = low + (high - low) / 2;
		int order = compare(&a->items[middle], member, stream);

		*ret_found = order == 0;
		if (order < 0)
			low = middle + 1;
		else if (order > 0)
			high = middle;
		else
			low = middle;
	}
	return low;
}

static int make_room(struct acks *a)
{
	size_t capacity = a->capacity ? a->capacity * 2 : FIRST_CAPACITY;
	struct ack *items;

	if (a->count >= ACKS_MAX)
		return -ERR_TOO_LARGE;
	if (a->count < a->capacity)
		return 0;
	items = reallocarray(a->items, capacity, sizeof(*items));
	if (!items)
		return -ENOMEM;
	a->items = items;
	a->capacity = capacity;
	return 0;
}

int acks_note(struct acks *a, const struct ack *ack)
{
	bool found;
	size_t at = place_of(a, &ack->member, &ack->stream, &found);
	int r;

	if (found && a->items[at].position >= ack->position)
		return 0;
	if (!found) {
		if (ack->position == 0)
			return 0;
		r = make_room(a);
		if (r < 0)
			return r;
		memmove(&a->items[at + 1], &a->items[at], (a->count - at) * sizeof(*a->items));
		a->count++;
	}
	a->items[at] = *ack;
	a->items[at].revision = ++a->revision;
	return 1;
}

int acks_note_stream(struct acks *a, const struct uuid *member, const struct stream *s)
{
	struct ack ack = {.member = *member, .stream = s->id, .position = s->position, .hlc = s->hlc};

	return stream_is_whole(s) ? acks_note(a, &ack) : 0;
}

uint64_t acks_position(const struct acks *a, const struct uuid *member, const struct stream_id *stream)
{
	bool found;
	size_t at = place_of(a, member, stream, &found);

	return found ? a->items[at].position : 0;
}

const struct ack *acks_greatest(const struct acks *a, const struct stream_id *stream, const struct uuid *self)
{
	const struct ack *greatest = NULL;

	for (size_t i = 0; i < a->count; i++) {
		const struct ack *ack = &a->items[i];

		if (stream_id_cmp(&ack->stream, stream) == 0 && uuid_cmp(&ack->member, self) != 0 &&
		    (!greatest || ack->position > greatest->position))
			greatest = ack;
	}
	return greatest;
}

void acks_keep(struct acks *a, bool (*keeps)(const void *arg, const struct ack *ack), const void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->count; i++) {
		if (keeps(arg, &a->items[i]))
			a->items[kept++] = a->items[i];
	}
	a->count = kept;
}

void acks_encode(const struct acks *a, struct buf *b)
{
	pack_array(b, (uint32_t)a->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct ack *ack = &a->items[i];

		pack_array(b, ACK_PARTS);
		pack_bin(b, ack->member.bytes, UUID_LEN);
		pack_bin(b, ack->stream.origin.device.bytes, UUID_LEN);
		pack_uint(b, ack->stream.origin.epoch);
		pack_uint(b, ack->stream.kind);
		pack_uint(b, ack->position);
		pack_uint(b, ack->hlc);
	}
}

static int decode_uuid(struct cursor *c, struct uuid *ret)
{
	const uint8_t *bytes;
	size_t len;
	int r = cursor_pack_bin(c, &bytes, &len);

	if (r < 0)
		return r;
	if (len != UUID_LEN)
		return -ERR_MALFORMED;
	memcpy(ret->bytes, bytes, UUID_LEN);
	return 0;
}

static int decode_ack(struct cursor *c, struct ack *ret_ack)
{
	const struct model *model;
	uint64_t kind;
	uint32_t parts;
	int r = cursor_pack_array(c, &parts);

	if (r == 0 && parts != ACK_PARTS)
		r = -ERR_MALFORMED;
	if (r == 0)
		r = decode_uuid(c, &ret_ack->member);
	if (r == 0)
		r = decode_uuid(c, &ret_ack->stream.origin.device);
	if (r == 0)
		r = cursor_pack_uint(c, &ret_ack->stream.origin.epoch);
	if (r == 0)
		r = cursor_pack_uint(c, &kind);
	if (r == 0)
		r = cursor_pack_uint(c, &ret_ack->position);
	if (r == 0)
		r = cursor_pack_uint(c, &ret_ack->hlc);
	if (r < 0)
		return r;
	model = kind == STREAM_LOG ? NULL : model_find(kind);
	if (kind != STREAM_LOG && (!model || model->owner != MODEL_OWNED))
		return -ERR_MALFORMED;
	if (ret_ack->stream.origin.epoch > INT64_MAX || ret_ack->position > INT64_MAX || ret_ack->position == 0 ||
	    ret_ack->hlc > INT64_MAX)
		return -ERR_MALFORMED;
	ret_ack->stream.kind = (uint8_t)kind;
	return 0;
}

int acks_decode(struct cursor *c, struct acks *ret_a)
{
	_cleanup_(acks_release) struct acks a = ACKS_INIT;
	uint32_t count;
	int r = cursor_pack_array(c, &count);

	if (r == 0 && count > ACKS_MAX)
		r = -ERR_TOO_LARGE;
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		struct ack ack = {.position = 0};

		r = decode_ack(c, &ack);
		/* In order, so that a long list costs no moving, and none twice. */
		if (r == 0 && a.count > 0 && compare(&a.items[a.count - 1], &ack.member, &ack.stream) >= 0)
			r = -ERR_MALFORMED;
		if (r == 0)
			r = acks_note(&a, &ack);
		if (r == 1)
			r = 0;
	}
	if (r < 0)
		return r;
	acks_release(ret_a);
	*ret_a = a;
	a = ACKS_INIT;
	return 0;
}
