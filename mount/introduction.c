#include "mount/introduction.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/pack.h"
#include "store/registers.h"
#include "sync/hlc.h"

#define INTRODUCTION_VERSION 1

/* Makes the row of one device the only one of the list: rows are read by kind. */
static int keep_only(struct registers *registers, const struct uuid *device)
{
	for (size_t i = 0; i < registers->set.count; i++) {
		if (uuid_cmp(&registers->set.items[i].key[0], device) != 0)
			continue;
		registers->set.items[0] = registers->set.items[i];
		registers->stamps[0] = registers->stamps[i];
		registers->set.count = 1;
		return 0;
	}
	return -ENOENT;
}

static int read_own_row(struct store *store, struct registers *ret_registers)
{
	struct registers_cursor cursor = {0};
	struct db *db;
	int r = store_reader(store, &db);

	/* This device is the first or among the first rows: a piece holds hundreds. */
	if (r == 0)
		r = registers_read(db, REGISTERS_OF(MODEL_DEVICE), REGISTERS_BYTES_MAX, &cursor, ret_registers);
	return r < 0 ? r : keep_only(ret_registers, &store_info(store)->device);
}

int introduction_of_library(struct store *store, uint64_t wall_ms, struct buf *ret_payload)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	_cleanup_(buf_release) struct buf row = BUF_INIT;
	const struct store_info *info = store_info(store);
	int r = read_own_row(store, &registers);

	if (r == 0)
		r = registers_encode(&registers, &row);
	if (r < 0)
		return r;
	pack_array(ret_payload, 5);
	pack_uint(ret_payload, INTRODUCTION_VERSION);
	pack_bin(ret_payload, info->library.bytes, UUID_LEN);
	pack_str(ret_payload, info->name, strlen(info->name));
	pack_bin(ret_payload, row.data, row.len);
	pack_uint(ret_payload, wall_ms);
	return buf_error(ret_payload);
}

static int read_title(struct cursor *c, char ret_name[TEXT_NAME_MAX + 1])
{
	const uint8_t *text;
	size_t len;
	int r = cursor_pack_str(c, &text, &len);

	if (r < 0 || len > TEXT_NAME_MAX || !text_is_title(text, len))
		return -ERR_MALFORMED;
	memcpy(ret_name, text, len);
	ret_name[len] = '\0';
	return 0;
}

/* A later version may have more fields behind these. */
static int read_head(struct cursor *c, uint32_t fields)
{
	uint32_t count;
	uint64_t version;

	if (cursor_pack_array(c, &count) < 0 || count < fields || cursor_pack_uint(c, &version) < 0 || version == 0)
		return -ERR_MALFORMED;
	return 0;
}

/* The other device repairs stamps that ran ahead of its clock when it lets this one in, and tells the row again; until
 * then any older stamp will do. */
static void calm(struct register_stamps *stamps, uint64_t wall_ms)
{
	for (size_t i = 0; i < MODEL_FIELDS_MAX; i++)
		if (hlc_ms(stamps->of[i].hlc) > wall_ms && hlc_ms(stamps->of[i].hlc) - wall_ms > HLC_AHEAD_MAX_MS)
			stamps->of[i].hlc = 1;
}

int introduction_read(const void *payload, size_t len, const uint8_t peer_key[KEY_PUBLIC_LEN],
		      struct introduction *ret_introduction)
{
	struct introduction in;
	struct cursor c = cursor_on(payload, len);
	struct uuid peer = key_id_of_public(peer_key);
	const uint8_t *uuid, *row;
	size_t uuid_len, row_len;
	int r = read_head(&c, 5);

	memset(&in, 0, sizeof(in));
	if (r == 0 && (cursor_pack_bin(&c, &uuid, &uuid_len) < 0 || uuid_len != UUID_LEN))
		r = -ERR_MALFORMED;
	if (r == 0)
		r = read_title(&c, in.name);
	if (r == 0)
		r = cursor_pack_bin(&c, &row, &row_len);
	if (r == 0)
		r = cursor_pack_uint(&c, &in.wall_ms);
	if (r == 0)
		r = registers_decode(row, row_len, &in.device);
	if (r < 0)
		return r;
	if (in.device.set.count != 1 || in.device.set.items[0].model->kind != MODEL_DEVICE ||
	    uuid_cmp(&in.device.set.items[0].key[0], &peer) != 0) {
		registers_release(&in.device);
		return -ERR_MALFORMED;
	}
	calm(&in.device.stamps[0], in.wall_ms);
	memcpy(in.library.bytes, uuid, UUID_LEN);
	*ret_introduction = in;
	return 0;
}

void introduction_release(struct introduction *introduction)
{
	registers_release(&introduction->device);
}

int introduction_of_device(const char *name, uint64_t wall_ms, struct buf *ret_payload)
{
	pack_array(ret_payload, 3);
	pack_uint(ret_payload, INTRODUCTION_VERSION);
	pack_str(ret_payload, name, strlen(name));
	pack_uint(ret_payload, wall_ms);
	return buf_error(ret_payload);
}

int introduction_read_device(const void *payload, size_t len, struct newcomer *ret_newcomer)
{
	struct newcomer newcomer = {0};
	struct cursor c = cursor_on(payload, len);
	int r = read_head(&c, 3);

	if (r == 0)
		r = read_title(&c, newcomer.name);
	if (r == 0)
		r = cursor_pack_uint(&c, &newcomer.wall_ms);
	if (r < 0)
		return r;
	*ret_newcomer = newcomer;
	return 0;
}

/* Differences are made of unsigned numbers: a peer may say any. */
int64_t introduction_clock_offset_ms(uint64_t wall_ms, uint64_t now_ms)
{
	bool ahead = wall_ms > now_ms;
	uint64_t distance_ms = ahead ? wall_ms - now_ms : now_ms - wall_ms;

	if (distance_ms <= HLC_AHEAD_MAX_MS)
		return 0;
	if (distance_ms > INT64_MAX)
		distance_ms = INT64_MAX;
	return ahead ? (int64_t)distance_ms : -(int64_t)distance_ms;
}
