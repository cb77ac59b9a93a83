#include "store/collection.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/change_kind.h"
#include "store/db.h"
#include "store/oplog.h"
#include "store/pair.h"
#include "sync/naming.h"

#define REMOVAL_MAX 1000 /* pairs in one change set */

/* --- reading --- */

static void read_row(sqlite3_stmt *stmt, struct collection *ret_collection)
{
	*ret_collection = (struct collection){
		.id = sqlite3_column_int64(stmt, 0),
		.kind = (enum collection_kind)sqlite3_column_int(stmt, 1),
		.name = (const char *)sqlite3_column_text(stmt, 3),
		.name_len = (size_t)sqlite3_column_bytes(stmt, 3),
		.life = (uint32_t)sqlite3_column_int64(stmt, 4),
		.shown = sqlite3_column_int(stmt, 5) == 1,
	};
	if (sqlite3_column_bytes(stmt, 2) == UUID_LEN)
		memcpy(ret_collection->uuid.bytes, sqlite3_column_blob(stmt, 2), UUID_LEN);
}

int collection_next(struct rows *rows, struct collection *ret_collection)
{
	int r = stmt_step(rows->stmt);

	if (r == 0)
		read_row(rows->stmt, ret_collection);
	return r;
}

int collection_get(struct db *db, int64_t id, struct collection *ret_collection, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_COLLECTION_GET, &r);

	if (stmt == NULL)
		return r;
	ret_rows->stmt = stmt;
	bind_int(stmt, 1, id);
	r = collection_next(ret_rows, ret_collection);
	return r == 1 ? -ENOENT : r;
}

int collection_list(struct db *db, enum collection_kind kind, int64_t after, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_COLLECTION_LIST, &r);

	if (stmt == NULL)
		return r;
	ret_rows->stmt = stmt;
	bind_int(stmt, 1, kind);
	bind_int(stmt, 2, after);
	return 0;
}

int collection_named(struct db *db, enum collection_kind kind, const char *name, size_t len, struct rows *ret_rows)
{
	_cleanup_(free_ptr) char *key = NULL;
	size_t key_len = 0;
	int r = text_nfc(name, len, &key, &key_len);
	sqlite3_stmt *stmt = r < 0 && r != -ERR_MALFORMED ? NULL : db_stmt(db, STMT_COLLECTION_NAMED, &r);

	if (stmt == NULL)
		return r;
	ret_rows->stmt = stmt;
	bind_int(stmt, 1, kind);
	/* A name that is not UTF-8 is nobody's. The key dies here, so SQLite keeps a copy. */
	if (key != NULL)
		sqlite3_bind_text(stmt, 2, key, (int)key_len, SQLITE_TRANSIENT);
	return 0;
}

int collection_count(struct db *db, int64_t id, uint64_t *ret_count)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	uint64_t count = 0;
	int64_t target;
	int r = pair_list(db, id, 0, &rows);

	while (r == 0 && (r = pair_next(&rows, &pair)) == 0) {
		r = pair_target(db, &pair, &target);
		if (r == 0)
			count++;
		if (r == -ENOENT)
			r = 0;
	}
	if (r < 0)
		return r;
	*ret_count = count;
	return 0;
}

/* 1 when a link is listed in it, 0 when none is. */
static int has_links(struct db *db, int64_t id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int64_t target;
	int r = pair_list(db, id, 0, &rows);

	while (r == 0 && (r = pair_next(&rows, &pair)) == 0) {
		r = pair_target(db, &pair, &target);
		if (r == 0)
			return 1;
		if (r == -ENOENT)
			r = 0;
	}
	return r < 0 ? r : 0;
}

/* 1 when another shown collection of the kind has that name, 0 when none has. */
static int is_taken(struct db *db, enum collection_kind kind, const char *name, size_t len, int64_t but)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection other;
	int r = collection_named(db, kind, name, len, &rows);

	while (r == 0 && (r = collection_next(&rows, &other)) == 0) {
		if (other.id != but)
			return 1;
	}
	return r < 0 ? r : 0;
}

/* --- writing --- */

static int check_name(const char *name, size_t len)
{
	return text_is_title(name, len) && !text_is_desktop_litter(name, len) ? 0 : -EINVAL;
}

/* What holds a uuid: 1 = nothing, 0 = a collection of that name (also a hidden one), -EEXIST = one of another name. */
static int uuid_holder(struct db *db, enum collection_kind kind, const struct uuid *uuid, const char *key, size_t key_len)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_COLLECTION_NAME_OF_UUID, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, kind);
	bind_blob(stmt, 2, uuid->bytes, UUID_LEN);
	r = stmt_step(stmt);
	if (r != 0)
		return r;
	/* A stub has no name yet: it is the same tag, of which another device has told less. */
	if (sqlite3_column_bytes(stmt, 0) == 0)
		return 0;
	if ((size_t)sqlite3_column_bytes(stmt, 0) == key_len && memcmp(sqlite3_column_text(stmt, 0), key, key_len) == 0)
		return 0;
	return -EEXIST;
}

/* The uuid for a name made anew: v5 of the name, or the next in its chain when a renamed one holds that. */
static int choose_uuid(struct db *db, enum collection_kind kind, const char *name, size_t len, struct uuid *ret_uuid)
{
	_cleanup_(free_ptr) char *key = NULL;
	size_t key_len = 0;
	struct uuid uuid;
	int r = text_nfc(name, len, &key, &key_len);

	if (r < 0)
		return r;
	uuid = naming_collection(change_kind_of_collection(kind), key, key_len);
	while ((r = uuid_holder(db, kind, &uuid, key, key_len)) == -EEXIST)
		uuid = naming_collection_next(&uuid, key, key_len);
	if (r < 0)
		return r;
	*ret_uuid = uuid;
	return 0;
}

static int put_collection(struct change_set *set, enum collection_kind kind, const struct uuid *uuid, const char *name,
			  size_t len, const bool *live)
{
	struct change *change = NULL;
	int r = change_set_add(set, change_kind_of_collection(kind), uuid, NULL, &change);

	if (r == 0 && name != NULL)
		r = change_put_bytes(set, change, COLLECTION_NAME, name, len);
	if (r == 0 && live != NULL)
		r = change_put_number(change, COLLECTION_LIVE, *live);
	return r;
}

int collection_create(struct txn *txn, enum collection_kind kind, const char *name, size_t len, int64_t *ret_id)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection made;
	struct uuid uuid;
	bool live = true;
	int r = check_name(name, len);

	if (r == 0 && (r = is_taken(txn_db(txn), kind, name, len, 0)) == 1)
		r = -EEXIST;
	if (r == 0)
		r = choose_uuid(txn_db(txn), kind, name, len, &uuid);
	if (r == 0)
		r = put_collection(&set, kind, &uuid, name, len, &live);
	if (r == 0)
		r = oplog_commit(txn, &set);
	if (r == 0)
		r = collection_named(txn_db(txn), kind, name, len, &rows);
	if (r == 0 && (r = collection_next(&rows, &made)) == 0)
		*ret_id = made.id;
	return r == 1 ? -ERR_CORRUPT : r;
}

/* A tag or album that is shown, by id: its kind and uuid. */
static int shown_collection(struct db *db, int64_t id, enum collection_kind *ret_kind, struct uuid *ret_uuid)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection c;
	int r = collection_get(db, id, &c, &rows);

	if (r < 0)
		return r;
	if (c.kind == COLLECTION_FAVORITES)
		return -EPERM;
	if (!c.shown)
		return -ENOENT;
	*ret_kind = c.kind;
	*ret_uuid = c.uuid;
	return 0;
}

int collection_rename(struct txn *txn, int64_t id, const char *name, size_t len)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	enum collection_kind kind;
	struct uuid uuid;
	int r = check_name(name, len);

	if (r == 0)
		r = shown_collection(txn_db(txn), id, &kind, &uuid);
	if (r == 0 && (r = is_taken(txn_db(txn), kind, name, len, id)) == 1)
		r = -EEXIST;
	if (r == 0)
		r = put_collection(&set, kind, &uuid, name, len, NULL);
	return r < 0 ? r : oplog_commit(txn, &set);
}

/* Puts "deleted" for up to REMOVAL_MAX of the live pairs of a collection. 1: all are in. */
static int put_pair_removals(struct db *db, struct change_set *set, int64_t id, enum collection_kind kind, const struct uuid *uuid)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct change *change = NULL;
	struct pair pair;
	int r = pair_list(db, id, 0, &rows);

	while (r == 0 && set->count < REMOVAL_MAX && (r = pair_next(&rows, &pair)) == 0) {
		r = change_set_add(set, change_kind_of_pair(kind), uuid, &pair.entry, &change);
		if (r == 0)
			r = change_put_number(change, PAIR_LIVE, 0);
	}
	return r;
}

/* Puts "deleted" for a collection in which no link is listed, and for the live pairs that this device knows in it. They
 * are rarely many (their files are all gone); then the first of them go in change sets of their own. */
static int put_removal(struct txn *txn, struct change_set *set, int64_t id, enum collection_kind kind, const struct uuid *uuid)
{
	bool live = false;
	int r = has_links(txn_db(txn), id);

	if (r != 0)
		return r < 0 ? r : -ENOTEMPTY;
	while ((r = put_pair_removals(txn_db(txn), set, id, kind, uuid)) == 0) {
		r = oplog_commit(txn, set);
		change_set_release(set);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : put_collection(set, kind, uuid, NULL, 0, &live);
}

int collection_replace(struct txn *txn, int64_t id, int64_t onto)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	enum collection_kind kind, onto_kind;
	struct uuid uuid, onto_uuid;
	struct collection target;
	int r = shown_collection(txn_db(txn), id, &kind, &uuid);

	if (r == 0)
		r = shown_collection(txn_db(txn), onto, &onto_kind, &onto_uuid);
	if (r == 0 && (kind != onto_kind || id == onto))
		r = -EINVAL;
	if (r == 0)
		r = put_removal(txn, &set, onto, onto_kind, &onto_uuid);
	if (r == 0)
		r = collection_get(txn_db(txn), onto, &target, &rows);
	if (r == 0)
		r = put_collection(&set, kind, &uuid, target.name, target.name_len, NULL);
	return r < 0 ? r : oplog_commit(txn, &set);
}

int collection_remove(struct txn *txn, int64_t id)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	enum collection_kind kind;
	struct uuid uuid;
	int r = shown_collection(txn_db(txn), id, &kind, &uuid);

	if (r == 0)
		r = put_removal(txn, &set, id, kind, &uuid);
	return r < 0 ? r : oplog_commit(txn, &set);
}
