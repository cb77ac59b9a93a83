#include "store/anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/pack.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "sync/change.h"
#include "sync/model.h"

enum { ANCHOR_FORMAT = 1, ANCHOR_PARTS = 12, CHECKSUM_LEN = HASH128_LEN };

_Static_assert(ANCHOR_KINDS == TXN_KINDS && TXN_KIND_FIRST == MODEL_LOCATION, "the same kinds");

void anchor_release(struct anchor *anchor)
{
	free(anchor->dir);
	*anchor = ANCHOR_INIT;
}

static bool file_equal(const struct anchor_file *a, const struct anchor_file *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->btime_ns == b->btime_ns;
}

bool anchor_equal(const struct anchor *a, const struct anchor *b)
{
	return uuid_cmp(&a->library, &b->library) == 0 && uuid_cmp(&a->device, &b->device) == 0 &&
	       a->epoch == b->epoch && a->seq == b->seq && memcmp(a->hash, b->hash, HASH_LEN) == 0 &&
	       memcmp(a->versions, b->versions, sizeof(a->versions)) == 0 && a->hlc == b->hlc &&
	       file_equal(&a->file, &b->file) && strcmp(a->dir, b->dir) == 0;
}

/* --- bytes: one msgpack array, then its checksum --- */

static void pack_anchor(const struct anchor *anchor, struct buf *b)
{
	pack_array(b, ANCHOR_PARTS);
	pack_uint(b, ANCHOR_FORMAT);
	pack_bin(b, anchor->library.bytes, UUID_LEN);
	pack_bin(b, anchor->device.bytes, UUID_LEN);
	pack_uint(b, anchor->epoch);
	pack_uint(b, anchor->seq);
	pack_bin(b, anchor->hash, HASH_LEN);
	pack_array(b, ANCHOR_KINDS);
	for (int i = 0; i < ANCHOR_KINDS; i++)
		pack_uint(b, anchor->versions[i]);
	pack_uint(b, anchor->hlc);
	pack_uint(b, anchor->file.dev);
	pack_uint(b, anchor->file.ino);
	pack_uint(b, (uint64_t)anchor->file.btime_ns);
	pack_bin(b, anchor->dir, strlen(anchor->dir));
}

int anchor_encode(const struct anchor *anchor, struct buf *ret_bytes)
{
	uint8_t checksum[CHECKSUM_LEN];
	size_t before = ret_bytes->len;
	int r;

	pack_anchor(anchor, ret_bytes);
	r = buf_error(ret_bytes);
	if (r == 0) {
		hash_pair(ret_bytes->data + before, ret_bytes->len - before, NULL, 0, checksum, CHECKSUM_LEN);
		r = buf_append(ret_bytes, checksum, CHECKSUM_LEN);
	}
	if (r == 0 && ret_bytes->len - before > ANCHOR_BYTES_MAX)
		r = -ERR_TOO_LARGE;
	if (r < 0)
		ret_bytes->len = before;
	return r;
}

static int take_array(struct cursor *c, uint32_t wanted)
{
	uint32_t count;
	int r = cursor_pack_array(c, &count);

	return r < 0 ? r : count == wanted ? 0 : -ERR_MALFORMED;
}

static int take_fixed(struct cursor *c, uint8_t *ret_bytes, size_t wanted)
{
	const uint8_t *bytes;
	size_t len;
	int r = cursor_pack_bin(c, &bytes, &len);

	if (r < 0)
		return r;
	if (len != wanted)
		return -ERR_MALFORMED;
	memcpy(ret_bytes, bytes, len);
	return 0;
}

static int take_dir(struct cursor *c, char **ret_dir)
{
	const uint8_t *bytes;
	size_t len;
	int r = cursor_pack_bin(c, &bytes, &len);

	if (r < 0)
		return r;
	if (len == 0 || memchr(bytes, '\0', len))
		return -ERR_MALFORMED;
	*ret_dir = strndup((const char *)bytes, len);
	return *ret_dir ? 0 : -ENOMEM;
}

static int take_streams(struct cursor *c, struct anchor *anchor)
{
	int r = cursor_pack_uint(c, &anchor->epoch);

	if (r == 0)
		r = cursor_pack_uint(c, &anchor->seq);
	if (r == 0)
		r = take_fixed(c, anchor->hash, HASH_LEN);
	if (r == 0)
		r = take_array(c, ANCHOR_KINDS);
	for (int i = 0; r == 0 && i < ANCHOR_KINDS; i++)
		r = cursor_pack_uint(c, &anchor->versions[i]);
	return r < 0 ? r : cursor_pack_uint(c, &anchor->hlc);
}

static int take_file(struct cursor *c, struct anchor_file *file)
{
	uint64_t btime;
	int r = cursor_pack_uint(c, &file->dev);

	if (r == 0)
		r = cursor_pack_uint(c, &file->ino);
	if (r == 0)
		r = cursor_pack_uint(c, &btime);
	if (r == 0)
		file->btime_ns = (int64_t)btime;
	return r;
}

static int take_anchor(struct cursor *c, struct anchor *anchor)
{
	uint64_t format;
	int r = take_array(c, ANCHOR_PARTS);

	if (r == 0)
		r = cursor_pack_uint(c, &format);
	if (r == 0 && format != ANCHOR_FORMAT)
		r = -ERR_MALFORMED;
	if (r == 0)
		r = take_fixed(c, anchor->library.bytes, UUID_LEN);
	if (r == 0)
		r = take_fixed(c, anchor->device.bytes, UUID_LEN);
	if (r == 0)
		r = take_streams(c, anchor);
	if (r == 0)
		r = take_file(c, &anchor->file);
	if (r == 0)
		r = take_dir(c, &anchor->dir);
	return r == 0 && c->left > 0 ? -ERR_MALFORMED : r;
}

int anchor_decode(const void *bytes, size_t len, struct anchor *ret_anchor)
{
	_cleanup_(anchor_release) struct anchor anchor = ANCHOR_INIT;
	uint8_t checksum[CHECKSUM_LEN];
	struct cursor c;
	int r;

	if (len < CHECKSUM_LEN || len > ANCHOR_BYTES_MAX)
		return -ERR_MALFORMED;
	len -= CHECKSUM_LEN;
	hash_pair(bytes, len, NULL, 0, checksum, CHECKSUM_LEN);
	if (memcmp(checksum, (const uint8_t *)bytes + len, CHECKSUM_LEN) != 0)
		return -ERR_MALFORMED;
	c = cursor_on(bytes, len);
	r = take_anchor(&c, &anchor);
	if (r < 0)
		return r;
	*ret_anchor = anchor;
	anchor = ANCHOR_INIT; /* handed over */
	return 0;
}

/* --- comparing --- */

static bool is_rewound(const struct anchor *kept, const struct anchor_held *held)
{
	if (!held->epoch || held->seq < kept->seq || (held->hash && !held->hash_equal))
		return true;
	for (int i = 0; i < ANCHOR_KINDS; i++)
		if (held->versions[i] < kept->versions[i])
			return true;
	return false;
}

enum anchor_verdict anchor_compare(const struct anchor *kept, const struct anchor *now, const struct anchor_held *held,
				   bool original_stands)
{
	bool same_file;

	if (!kept || uuid_cmp(&kept->library, &now->library) != 0 || uuid_cmp(&kept->device, &now->device) != 0)
		return ANCHOR_NONE;
	same_file = file_equal(&kept->file, &now->file);
	if (!same_file && original_stands)
		return ANCHOR_COPIED;
	if (is_rewound(kept, held))
		return ANCHOR_REWOUND;
	return same_file && strcmp(kept->dir, now->dir) == 0 ? ANCHOR_SAME : ANCHOR_MOVED;
}

/* --- the store --- */

static int identify(const char *path, struct anchor_file *ret_file)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &stx) < 0)
		return -errno;
	*ret_file = (struct anchor_file){
	    .dev = makedev(stx.stx_dev_major, stx.stx_dev_minor),
	    .ino = stx.stx_ino,
	};
	if (stx.stx_mask & STATX_BTIME)
		ret_file->btime_ns = stx.stx_btime.tv_sec * INT64_C(1000000000) + stx.stx_btime.tv_nsec;
	return 0;
}

static int read_versions(struct db *db, int64_t origin, uint64_t ret_versions[ANCHOR_KINDS])
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_ANCHOR_VERSIONS, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, origin);
	while ((r = stmt_step(stmt)) == 0) {
		int64_t i = sqlite3_column_int64(stmt, 0) - TXN_KIND_FIRST;

		if (i >= 0 && i < ANCHOR_KINDS)
			ret_versions[i] = (uint64_t)sqlite3_column_int64(stmt, 1);
	}
	return r < 0 ? r : 0;
}

static int read_number(struct db *db, enum statement which, uint64_t *ret_number)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, which, &r);

	if (!stmt)
		return r;
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ERR_CORRUPT;
	*ret_number = (uint64_t)sqlite3_column_int64(stmt, 0);
	return 0;
}

/* The epoch as this snapshot has it: another one may begin meanwhile. */
static int read_origin(struct db *db, struct anchor *anchor, int64_t *ret_origin)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_LIBRARY_ORIGIN, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, anchor->device.bytes, UUID_LEN);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ERR_CORRUPT;
	*ret_origin = sqlite3_column_int64(stmt, 0);
	anchor->epoch = (uint64_t)sqlite3_column_int64(stmt, 1);
	return 0;
}

static int read_streams(struct db *db, struct anchor *anchor)
{
	struct oplog_position head;
	int64_t origin = 0;
	int r = read_origin(db, anchor, &origin);

	if (r == 0)
		r = oplog_head(db, origin, &head);
	if (r < 0)
		return r;
	anchor->seq = head.seq;
	memcpy(anchor->hash, head.hash, HASH_LEN);
	r = read_versions(db, origin, anchor->versions);
	return r < 0 ? r : read_number(db, STMT_LIBRARY_LAST_HLC, &anchor->hlc);
}

int anchor_identify(struct store *store, struct anchor_file *ret_file)
{
	return identify(store->path, ret_file);
}

int anchor_of_store(struct store *store, const struct anchor_file *file, const char *dir, struct anchor *ret_anchor)
{
	_cleanup_(anchor_release) struct anchor anchor = {
	    .library = store->info.library, .device = store->info.device, .file = *file};
	struct db *db;
	int r = store_reader(store, &db);

	if (r == 0)
		r = db_begin(db);
	if (r < 0)
		return r;
	r = read_streams(db, &anchor);
	db_end(db);
	anchor.dir = strdup(dir);
	if (r >= 0 && !anchor.dir)
		r = -ENOMEM;
	if (r < 0)
		return r;
	*ret_anchor = anchor;
	anchor = ANCHOR_INIT; /* handed over */
	return 0;
}

/* 1: there is no such epoch. */
static int find_origin(struct db *db, const struct anchor *kept, int64_t *ret_origin)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_ANCHOR_ORIGIN, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, kept->device.bytes, UUID_LEN);
	bind_int(stmt, 2, (int64_t)kept->epoch);
	r = stmt_step(stmt);
	if (r == 0)
		*ret_origin = sqlite3_column_int64(stmt, 0);
	return r;
}

static int look_up_hash(struct db *db, int64_t origin, const struct anchor *kept, struct anchor_held *held)
{
	struct oplog_position head, at;
	int r = oplog_head(db, origin, &head);

	if (r < 0)
		return r;
	held->seq = head.seq;
	r = oplog_at(db, origin, kept->seq, &at);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	held->hash = true;
	held->hash_equal = memcmp(at.hash, kept->hash, HASH_LEN) == 0;
	return 0;
}

static int look_up(struct db *db, const struct anchor *kept, struct anchor_held *held)
{
	struct anchor now = {.device = kept->device};
	int64_t origin = 0, current = 0;
	int r = find_origin(db, kept, &origin);

	if (r != 0)
		return r < 0 ? r : 0;
	held->epoch = true;
	r = read_origin(db, &now, &current); /* a later epoch took its state streams over */
	if (r == 0)
		r = read_versions(db, current, held->versions);
	return r < 0 ? r : look_up_hash(db, origin, kept, held);
}

int anchor_look_up(struct store *store, const struct anchor *kept, struct anchor_held *ret_held)
{
	struct anchor_held held = {0};
	struct db *db;
	int r = store_reader(store, &db);

	if (r >= 0)
		r = db_begin(db);
	if (r < 0)
		return r;
	r = look_up(db, kept, &held);
	db_end(db);
	if (r >= 0)
		*ret_held = held;
	return r;
}

bool anchor_original_stands(const struct anchor *kept)
{
	_cleanup_(free_ptr) char *path = NULL;
	struct anchor_file file;
	struct uuid library;

	if (asprintf(&path, "%s/database.db", kept->dir) < 0)
		return false;
	return identify(path, &file) == 0 && file_equal(&file, &kept->file) && store_peek(kept->dir, &library) == 0 &&
	       uuid_cmp(&library, &kept->library) == 0;
}
