#include "sync/message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pack.h"
#include "base/text.h"
#include "sync/hlc.h"
#include "sync/model.h"

/* One table at the end says for each kind how many parts its array has and who writes and reads them. */

enum { STREAM_PARTS = 3 };

void message_release(struct message *m)
{
	switch (m->kind) {
	case MESSAGE_HELLO:
		vector_release(&m->hello.vector);
		break;
	case MESSAGE_HEARTBEAT:
		vector_release(&m->heartbeat.vector);
		break;
	case MESSAGE_SNAPSHOT:
		vector_release(&m->snapshot.covers);
		break;
	case MESSAGE_ACKS:
		acks_release(&m->acks);
		break;
	default:
		break;
	}
	memset(m, 0, sizeof(*m));
}

/* --- pieces --- */

static int take_array(struct cursor *c, uint32_t wanted)
{
	uint32_t count;
	int r = cursor_pack_array(c, &count);

	if (r < 0)
		return r;
	return count == wanted ? 0 : -ERR_MALFORMED;
}

static int take_number(struct cursor *c, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t number;
	int r = cursor_pack_uint(c, &number);

	if (r < 0)
		return r;
	if (number < min || number > max)
		return -ERR_MALFORMED;
	*ret = number;
	return 0;
}

static int take_small(struct cursor *c, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t number;
	int r = take_number(c, min, max, &number);

	if (r == 0)
		*ret = (uint32_t)number;
	return r;
}

static int take_bytes(struct cursor *c, size_t max, const uint8_t **ret_bytes, size_t *ret_len)
{
	const uint8_t *bytes;
	size_t len;
	int r = cursor_pack_bin(c, &bytes, &len);

	if (r < 0)
		return r;
	if (len > max)
		return -ERR_TOO_LARGE;
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

static int take_fixed(struct cursor *c, uint8_t *ret_bytes, size_t len)
{
	const uint8_t *bytes;
	size_t got;
	int r = cursor_pack_bin(c, &bytes, &got);

	if (r < 0)
		return r;
	if (got != len)
		return -ERR_MALFORMED;
	memcpy(ret_bytes, bytes, len);
	return 0;
}

/* Zeros travel as nothing. */
static void put_hash(struct buf *b, const uint8_t hash[HASH_LEN])
{
	static const uint8_t zeros[HASH_LEN];

	pack_bin(b, hash, memcmp(hash, zeros, HASH_LEN) == 0 ? 0 : HASH_LEN);
}

static int take_hash(struct cursor *c, uint8_t ret_hash[HASH_LEN])
{
	const uint8_t *bytes;
	size_t len;
	int r = cursor_pack_bin(c, &bytes, &len);

	if (r < 0)
		return r;
	if (len != 0 && len != HASH_LEN)
		return -ERR_MALFORMED;
	memset(ret_hash, 0, HASH_LEN);
	memcpy(ret_hash, bytes, len);
	return 0;
}

/* Shown to a person: printable text only. An empty one is none. */
static int take_text(struct cursor *c, size_t max, const char **ret_text, size_t *ret_len)
{
	const uint8_t *text;
	size_t len;
	int r = cursor_pack_str(c, &text, &len);

	if (r < 0)
		return r;
	if (len > max)
		return -ERR_TOO_LARGE;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			return -ERR_MALFORMED;
	}
	*ret_text = (const char *)text;
	*ret_len = len;
	return 0;
}

static void put_stream(struct buf *b, const struct stream_id *id)
{
	pack_array(b, STREAM_PARTS);
	pack_bin(b, id->origin.device.bytes, UUID_LEN);
	pack_uint(b, id->origin.epoch);
	pack_uint(b, id->kind);
}

static int take_stream(struct cursor *c, struct stream_id *ret_id)
{
	const struct model *model;
	uint64_t kind;
	int r = take_array(c, STREAM_PARTS);

	if (r == 0)
		r = take_fixed(c, ret_id->origin.device.bytes, UUID_LEN);
	if (r == 0)
		r = take_number(c, 0, INT64_MAX, &ret_id->origin.epoch);
	if (r == 0)
		r = take_number(c, 0, UINT8_MAX, &kind);
	if (r < 0)
		return r;
	model = kind == STREAM_LOG ? NULL : model_find(kind);
	if (kind != STREAM_LOG && (!model || model->owner != MODEL_OWNED))
		return -ERR_MALFORMED;
	ret_id->kind = (uint8_t)kind;
	return 0;
}

/* --- Hello --- */

static void put_hello(const struct message *m, struct buf *b)
{
	const struct message_hello *h = &m->hello;

	pack_uint(b, h->version_min);
	pack_uint(b, h->version_max);
	pack_str(b, h->software, h->software_len);
	pack_bin(b, h->library.bytes, UUID_LEN);
	pack_bin(b, h->instance.bytes, UUID_LEN);
	pack_uint(b, h->wall_ms);
	pack_uint(b, h->epoch);
	pack_uint(b, h->port);
	pack_bin(b, h->members, h->members_len);
	vector_encode(&h->vector, b);
}

static int take_hello(struct cursor *c, struct message *m)
{
	struct message_hello *h = &m->hello;
	uint32_t port = 0;
	int r = take_small(c, 1, UINT32_MAX, &h->version_min);

	if (r == 0)
		r = take_small(c, h->version_min, UINT32_MAX, &h->version_max);
	if (r == 0)
		r = take_text(c, MESSAGE_SOFTWARE_MAX, &h->software, &h->software_len);
	if (r == 0)
		r = take_fixed(c, h->library.bytes, UUID_LEN);
	if (r == 0)
		r = take_fixed(c, h->instance.bytes, UUID_LEN);
	if (r == 0)
		r = take_number(c, 0, HLC_MS_MAX, &h->wall_ms);
	if (r == 0)
		r = take_number(c, 0, INT64_MAX, &h->epoch);
	if (r == 0)
		r = take_small(c, 0, UINT16_MAX, &port);
	if (r == 0)
		r = take_bytes(c, MESSAGE_MEMBERS_MAX, &h->members, &h->members_len);
	h->port = (uint16_t)port;
	return r < 0 ? r : vector_decode(c, &h->vector);
}

/* --- Heartbeat --- */

static void put_heartbeat(const struct message *m, struct buf *b)
{
	const struct message_heartbeat *h = &m->heartbeat;

	pack_uint(b, h->wall_ms);
	pack_uint(b, h->epoch);
	pack_uint(b, h->load);
	pack_uint(b, h->stamp);
	pack_uint(b, h->echo);
	pack_bool(b, h->partial);
	vector_encode(&h->vector, b);
}

static int take_heartbeat(struct cursor *c, struct message *m)
{
	struct message_heartbeat *h = &m->heartbeat;
	int r = take_number(c, 0, HLC_MS_MAX, &h->wall_ms);

	if (r == 0)
		r = take_number(c, 0, INT64_MAX, &h->epoch);
	if (r == 0)
		r = take_small(c, 0, 100, &h->load);
	if (r == 0)
		r = cursor_pack_uint(c, &h->stamp);
	if (r == 0)
		r = cursor_pack_uint(c, &h->echo);
	if (r == 0)
		r = cursor_pack_bool(c, &h->partial);
	return r < 0 ? r : vector_decode(c, &h->vector);
}

/* --- Range --- */

static void put_range(const struct message *m, struct buf *b)
{
	const struct range *r = &m->range.range;

	pack_uint(b, m->range.request);
	put_stream(b, &r->stream);
	pack_uint(b, r->started);
	pack_uint(b, r->since);
	pack_uint(b, r->upto);
	pack_uint(b, r->head);
	pack_uint(b, r->floor);
	pack_bool(b, r->listing);
	put_hash(b, r->hash);
	pack_bin(b, r->body, r->body_len);
}

/* What must hold of a range whatever its body says. */
static int check_range(const struct range *r)
{
	bool is_log = r->stream.kind == STREAM_LOG;

	if (r->upto < r->since || r->head < r->upto || (is_log && (r->listing || r->floor != 0)))
		return -ERR_MALFORMED;
	if (r->listing && r->floor > r->head)
		return -ERR_MALFORMED;
	if (is_log && r->upto - r->since > RANGE_ROWS_MAX)
		return -ERR_TOO_LARGE;
	/* A range that goes nowhere but is not the end would be asked for again for ever. */
	return r->upto == r->since && r->head > r->upto ? -ERR_MALFORMED : 0;
}

static int take_range(struct cursor *c, struct message *m)
{
	struct range *range = &m->range.range;
	int r = take_small(c, 0, UINT32_MAX, &m->range.request);

	if (r == 0)
		r = take_stream(c, &range->stream);
	if (r == 0)
		r = take_number(c, 0, INT64_MAX, &range->started);
	if (r == 0)
		r = take_number(c, 0, INT64_MAX - 1, &range->since);
	if (r == 0)
		r = take_number(c, 0, INT64_MAX - 1, &range->upto);
	if (r == 0)
		r = take_number(c, 0, INT64_MAX - 1, &range->head);
	if (r == 0)
		r = take_number(c, 0, INT64_MAX - 1, &range->floor);
	if (r == 0)
		r = cursor_pack_bool(c, &range->listing);
	if (r == 0)
		r = take_hash(c, range->hash);
	if (r == 0)
		r = take_bytes(c, MESSAGE_MAX_BYTES, &range->body, &range->body_len);
	return r < 0 ? r : check_range(range);
}

/* --- RangeRequest --- */

static void put_range_request(const struct message *m, struct buf *b)
{
	const struct range_request *r = &m->range_request.range;

	pack_uint(b, m->range_request.request);
	put_stream(b, &r->stream);
	pack_uint(b, r->since);
	pack_uint(b, r->base);
	pack_bool(b, r->listing);
	put_hash(b, r->hash);
	pack_uint(b, r->max_rows);
	pack_uint(b, r->max_bytes);
}

static int take_range_request(struct cursor *c, struct message *m)
{
	struct range_request *range = &m->range_request.range;
	int r = take_small(c, 1, UINT32_MAX, &m->range_request.request);

	if (r == 0)
		r = take_stream(c, &range->stream);
	if (r == 0)
		r = take_number(c, 0, INT64_MAX - 1, &range->since);
	if (r == 0)
		r = take_number(c, 0, INT64_MAX - 1, &range->base);
	if (r == 0)
		r = cursor_pack_bool(c, &range->listing);
	if (r == 0)
		r = take_hash(c, range->hash);
	if (r == 0)
		r = take_small(c, 1, RANGE_ROWS_MAX, &range->max_rows);
	if (r == 0)
		r = take_small(c, 1, RANGE_BYTES_MAX, &range->max_bytes);
	return r;
}

/* --- Snapshot --- */

static void put_snapshot_request(const struct message *m, struct buf *b)
{
	pack_uint(b, m->snapshot_request.request);
	pack_bin(b, m->snapshot_request.cursor, m->snapshot_request.cursor_len);
}

static int take_snapshot_request(struct cursor *c, struct message *m)
{
	int r = take_small(c, 1, UINT32_MAX, &m->snapshot_request.request);

	return r < 0 ? r : take_bytes(c, MESSAGE_CURSOR_MAX, &m->snapshot_request.cursor, &m->snapshot_request.cursor_len);
}

static void put_snapshot(const struct message *m, struct buf *b)
{
	pack_uint(b, m->snapshot.request);
	pack_bin(b, m->snapshot.rows, m->snapshot.rows_len);
	pack_bin(b, m->snapshot.cursor, m->snapshot.cursor_len);
	vector_encode(&m->snapshot.covers, b);
}

static int take_snapshot(struct cursor *c, struct message *m)
{
	struct message_snapshot *s = &m->snapshot;
	int r = take_small(c, 1, UINT32_MAX, &s->request);

	if (r == 0)
		r = take_bytes(c, MESSAGE_MAX_BYTES, &s->rows, &s->rows_len);
	if (r == 0)
		r = take_bytes(c, MESSAGE_CURSOR_MAX, &s->cursor, &s->cursor_len);
	return r < 0 ? r : vector_decode(c, &s->covers);
}

/* --- the others --- */

static void put_acks(const struct message *m, struct buf *b)
{
	acks_encode(&m->acks, b);
}

static int take_acks(struct cursor *c, struct message *m)
{
	return acks_decode(c, &m->acks);
}

static void put_error(const struct message *m, struct buf *b)
{
	pack_uint(b, m->error.code);
	pack_uint(b, m->error.request);
	pack_str(b, m->error.text, m->error.text_len);
}

static int take_error(struct cursor *c, struct message *m)
{
	uint32_t code = 0;
	int r = take_small(c, 0, MESSAGE_ERROR_LAST - 1, &code);

	if (r == 0)
		r = take_small(c, 0, UINT32_MAX, &m->error.request);
	m->error.code = (enum message_error)code;
	return r < 0 ? r : take_text(c, MESSAGE_TEXT_MAX, &m->error.text, &m->error.text_len);
}

/* --- all kinds --- */

static const struct form {
	uint32_t parts;
	void (*put)(const struct message *m, struct buf *b);
	int (*take)(struct cursor *c, struct message *m);
} forms[] = {
    [MESSAGE_HELLO] = {10, put_hello, take_hello},
    [MESSAGE_RANGE] = {10, put_range, take_range},
    [MESSAGE_RANGE_REQUEST] = {8, put_range_request, take_range_request},
    [MESSAGE_SNAPSHOT_REQUEST] = {2, put_snapshot_request, take_snapshot_request},
    [MESSAGE_SNAPSHOT] = {4, put_snapshot, take_snapshot},
    [MESSAGE_ACKS] = {1, put_acks, take_acks},
    [MESSAGE_HEARTBEAT] = {7, put_heartbeat, take_heartbeat},
    [MESSAGE_ERROR] = {3, put_error, take_error},
    [MESSAGE_GOODBYE] = {3, put_error, take_error},
};

static const struct form *form_of(uint64_t kind)
{
	return kind < sizeof(forms) / sizeof(forms[0]) && forms[kind].put ? &forms[kind] : NULL;
}

int message_encode(const struct message *m, struct buf *b)
{
	const struct form *form = form_of(m->kind);
	size_t before = b->len;
	int r;

	assert(form);
	pack_array(b, 1 + form->parts);
	pack_uint(b, m->kind);
	form->put(m, b);
	r = buf_error(b);
	if (r == 0 && b->len - before > MESSAGE_MAX_BYTES)
		r = -ERR_TOO_LARGE;
	if (r < 0)
		b->len = before;
	return r;
}

static int take_message(struct cursor *c, struct message *m)
{
	const struct form *form;
	uint64_t kind;
	uint32_t parts;
	int r = cursor_pack_array(c, &parts);

	if (r == 0)
		r = cursor_pack_uint(c, &kind);
	if (r < 0)
		return r;
	form = form_of(kind);
	if (!form || parts != 1 + form->parts)
		return -ERR_MALFORMED;
	m->kind = (enum message_kind)kind;
	r = form->take(c, m);
	return r == 0 && c->left > 0 ? -ERR_MALFORMED : r;
}

int message_decode(const void *data, size_t len, struct message *ret_message)
{
	_cleanup_(message_release) struct message m = {.kind = 0};
	struct cursor c = cursor_on(data, len);
	int r = len > MESSAGE_MAX_BYTES ? -ERR_TOO_LARGE : take_message(&c, &m);

	if (r < 0)
		return r;
	*ret_message = m;
	memset(&m, 0, sizeof(m)); /* handed over */
	return 0;
}
