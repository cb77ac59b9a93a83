/* Snapshots: all shared rows in pieces, each an encoded list of registers. A cursor is the place in the tables where
 * the next piece begins. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/pack.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "store/registers.h"
#include "store/replica_internal.h"

enum { CURSOR_PARTS = 4 };

static int take_cursor(const struct buf *bytes, struct registers_cursor *ret_cursor)
{
	struct registers_cursor cursor = {.kind = 0};
	struct cursor c = cursor_on(bytes->data, bytes->len);
	uint64_t number;
	uint32_t parts;
	int r;

	if (bytes->len > 0) {
		r = cursor_pack_array(&c, &parts);
		if (r == 0)
			r = cursor_pack_uint(&c, &number);
		if (r < 0 || parts != CURSOR_PARTS || number > UINT8_MAX)
			return -ERR_MALFORMED;
		cursor.kind = (unsigned)number;
		for (int i = 0; r == 0 && i < CURSOR_PARTS - 1; i++) {
			r = cursor_pack_uint(&c, &number);
			cursor.at[i] = (int64_t)number;
		}
		if (r < 0 || c.left > 0)
			return -ERR_MALFORMED;
	}
	*ret_cursor = cursor;
	return 0;
}

static void put_cursor(const struct registers_cursor *cursor, struct buf *bytes)
{
	pack_array(bytes, CURSOR_PARTS);
	pack_uint(bytes, cursor->kind);
	for (int i = 0; i < CURSOR_PARTS - 1; i++)
		pack_uint(bytes, (uint64_t)cursor->at[i]);
}

static size_t bounded(uint32_t max_bytes)
{
	if (max_bytes < REGISTERS_ROW_MAX)
		return REGISTERS_ROW_MAX;
	return max_bytes > REGISTERS_BYTES_MAX ? REGISTERS_BYTES_MAX : max_bytes;
}

int replica_snapshot_read(struct db *db, const struct buf *cursor, uint32_t max_bytes, struct buf *rows,
			  struct buf *ret_cursor)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	struct registers_cursor at;
	int r = take_cursor(cursor, &at), more;

	if (r == 0)
		r = registers_read(db, REGISTERS_ALL, bounded(max_bytes), &at, &registers);
	if (r < 0)
		return r;
	more = r == 0;
	r = registers_encode(&registers, rows);
	if (r < 0 || !more)
		return r;
	put_cursor(&at, ret_cursor);
	return buf_error(ret_cursor);
}

/* --- merging --- */

/* Whether the snapshot's end of a log is to be taken over: 1 or 0. */
static int is_further(const struct oplog_position *head, const struct stream *s)
{
	return s->position > head->seq || (s->position == head->seq && memcmp(s->hash, head->hash, HASH_LEN) > 0);
}

static int adopt(struct txn *txn, const struct stream *s)
{
	struct oplog_position at = {.seq = s->position, .hlc = s->hlc}, head;
	int64_t origin = 0;
	int r;

	if (s->position > INT64_MAX || s->hlc > INT64_MAX)
		return -ERR_MALFORMED;
	r = streams_has_room(txn->db, &s->id.origin);
	if (r <= 0)
		return r;
	r = streams_take_origin(txn, &s->id.origin, s->started, &origin);
	if (r == 0 && origin == txn_origin(txn))
		return 0;
	if (r == 0)
		r = oplog_head(txn->db, origin, &head);
	if (r < 0 || !is_further(&head, s))
		return r;
	memcpy(at.hash, s->hash, HASH_LEN);
	return oplog_adopt(txn, origin, &at);
}

int replica_snapshot_merge(struct txn *txn, const void *rows, size_t rows_len, size_t *merged, const struct vector *covers)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	int r = rows_len > 0 ? registers_decode(rows, rows_len, &registers) : 0;

	if (r == 0)
		r = registers_merge(txn, &registers, merged);
	for (size_t i = 0; r == 0 && covers && i < covers->count; i++) {
		if (covers->items[i].id.kind == STREAM_LOG)
			r = adopt(txn, &covers->items[i]);
	}
	return r;
}
