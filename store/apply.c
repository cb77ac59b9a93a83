#include "store/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/key.h"
#include "base/text.h"
#include "store/change_kind.h"
#include "store/collection.h"
#include "store/internal.h"
#include "store/object.h"
#include "store/place.h"
#include "store/shared_row.h"
#include "store/txn.h"
#include "sync/digest.h"
#include "sync/naming.h"

/* Each kind has one upsert that binds every field with a stamp. A field that the change lacks gets the empty stamp, which
 * is below every other, so the statement itself is the merge rule and there is no other. Of equal stamps the greater value
 * wins: two histories of one origin may have given one stamp twice. */

struct applied { /* by field: in a change set they are all the same */
	uint8_t stamps[MODEL_FIELDS_MAX][STAMP_LEN];
};

static void bind_field(sqlite3_stmt *stmt, int at, const struct change *change, unsigned field, const struct applied *by)
{
	const struct value *value = &change->values[field];
	bool set = change->fields & (UINT32_C(1) << field);

	switch (change->model->fields[field].type) {
	case FIELD_BOOL:
	case FIELD_UINT:
		bind_int(stmt, at, set ? (int64_t)value->number : 0);
		break;
	case FIELD_TITLE:
	case FIELD_NAME:
		bind_text(stmt, at, set ? (const char *)value->bytes : "", set ? value->len : 0);
		break;
	case FIELD_BYTES:
		bind_blob(stmt, at, set ? value->bytes : (const uint8_t *)"", set ? value->len : 0);
		break;
	}
}

static void bind_stamp(sqlite3_stmt *stmt, int at, const struct change *change, unsigned field, const struct applied *by)
{
	bool set = change->fields & (UINT32_C(1) << field);

	bind_blob(stmt, at, by->stamps[field], set ? STAMP_LEN : 0);
}

static void bind_register(sqlite3_stmt *stmt, int at, const struct change *change, unsigned field, const struct applied *by)
{
	bind_field(stmt, at, change, field, by);
	bind_stamp(stmt, at + 1, change, field, by);
}

/* As the upsert decides. */
static bool wins(const struct change *change, unsigned field, const struct applied *by, const struct shared_row *before)
{
	const struct held *held = &before->fields[field];
	struct value value;
	int order;

	if (held->stamp_len == 0)
		return true;
	order = memcmp(by->stamps[field], held->stamp, STAMP_LEN);
	if (order != 0)
		return order > 0;
	value = shared_row_value(before, change, field);
	return value_cmp(change->model->fields[field].type, &change->values[field], &value) > 0;
}

/* Keeps the digest of shared rows: of each register that the change wins, the old value out and the new one in. */
static void count(struct txn *txn, const struct change *change, const struct applied *by, const struct shared_row *before)
{
	for (unsigned field = 0; field < change->model->field_count; field++) {
		const struct held *held = &before->fields[field];
		struct stamp stamp;

		if (!(change->fields & UINT32_C(1) << field) || !wins(change, field, by, before))
			continue;
		stamp = stamp_decode(by->stamps[field]);
		txn->shared_delta += digest_register(change->model, change->key, field, &change->values[field], &stamp);
		if (held->stamp_len > 0) {
			struct value value = shared_row_value(before, change, field);

			stamp = stamp_decode(held->stamp);
			txn->shared_delta -= digest_register(change->model, change->key, field, &value, &stamp);
		}
	}
}

/* Tells of the difference between two states of something that is listed in `parent`. */
static int tell(struct txn *txn, uint64_t parent, uint64_t self, const struct shared_row *before, const struct shared_row *after)
{
	bool renamed = before->name_len != after->name_len || memcmp(before->name, after->name, after->name_len) != 0;
	int r = 0;

	if (before->shown && (!after->shown || renamed))
		r = txn_notice(txn, NOTICE_NAME, parent, self, before->name, before->name_len, false);
	if (r == 0 && after->shown && (!before->shown || renamed)) {
		/* A row that comes back has the inode that it had, unless that tells lives apart: what the kernel kept of it
		 * may be old. */
		if (before->id != 0 && before->life == after->life)
			r = txn_notice(txn, NOTICE_ATTR, parent, self, after->name, after->name_len, !before->shown);
		if (r == 0)
			r = txn_notice(txn, NOTICE_NAME, parent, self, after->name, after->name_len, false);
		if (r == 0)
			r = txn_notice(txn, NOTICE_LISTING, parent, 0, NULL, 0, false);
	}
	return r;
}

/* --- devices --- */

/* An id cannot be claimed without its key (design section 1). */
static int check_key_of_device(const struct change *change)
{
	struct uuid id;

	if (!(change->fields & 1u << DEVICE_PUBLIC_KEY))
		return 0;
	id = key_id_of_public(change->values[DEVICE_PUBLIC_KEY].bytes);
	return uuid_cmp(&id, &change->key[0]) == 0 ? 0 : -ERR_MALFORMED;
}

static int apply_device(struct txn *txn, const struct change *change, const struct applied *by)
{
	struct shared_row before = { 0 }, after = { 0 };
	bool renamed;
	int r = check_key_of_device(change);
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;

	txn->members_changed = true;

	if (r == 0)
		r = shared_row_device(txn, &change->key[0], &before);
	if (r == 0)
		stmt = db_stmt(txn->db, STMT_DEVICE_APPLY, &r);
	if (stmt == NULL)
		return r;
	bind_blob(stmt, 1, change->key[0].bytes, UUID_LEN);
	for (unsigned field = 0; field < change->model->field_count; field++)
		bind_register(stmt, 2 + 2 * (int)field, change, field, by);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -EIO;
	txn->members = true;
	after.id = sqlite3_column_int64(stmt, 0);
	shared_row_name(stmt, 1, after.name, &after.name_len);
	after.shown = sqlite3_column_int(stmt, 2) == 1;
	renamed = before.name_len != after.name_len || memcmp(before.name, after.name, after.name_len) != 0;
	r = tell(txn, OBJECT_DEVICES, object(OBJECT_DEVICE, after.id), &before, &after);
	if (r == 0 && before.id != 0 && (renamed || before.shown != after.shown))
		r = txn_notice(txn, NOTICE_BELOW, 0, object(OBJECT_DEVICE, after.id), NULL, 0, true);
	return r;
}

/* --- tags and albums --- */

/* Others of the same name may have lost or gained the suffix that tells them apart. */
static int tell_collection_siblings(struct txn *txn, enum collection_kind kind, const struct shared_row *state)
{
	_cleanup_(free_ptr) char *key = NULL;
	size_t key_len = 0;
	int r = text_nfc(state->name, state->name_len, &key, &key_len);
	_cleanup_(stmt_done) sqlite3_stmt *stmt = r < 0 ? NULL : db_stmt(txn->db, STMT_COLLECTION_SIBLINGS, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, kind);
	bind_text(stmt, 2, key, key_len);
	bind_int(stmt, 3, state->id);
	while ((r = stmt_step(stmt)) == 0) {
		r = txn_notice(txn, NOTICE_NAME, place_of_kind(kind),
			       object_of_collection(sqlite3_column_int64(stmt, 0), (uint32_t)sqlite3_column_int64(stmt, 2)),
			       (const char *)sqlite3_column_text(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1), true);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int upsert_collection(struct txn *txn, const struct change *change, const struct applied *by, struct shared_row *ret_after)
{
	const struct value *name = &change->values[COLLECTION_NAME];
	bool named = change->fields & (1u << COLLECTION_NAME);
	_cleanup_(free_ptr) char *key = NULL;
	size_t key_len = 0;
	int r = named ? text_nfc(name->bytes, name->len, &key, &key_len) : 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = r < 0 ? NULL : db_stmt(txn->db, STMT_COLLECTION_APPLY, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, collection_kind_of(change->model->kind));
	bind_blob(stmt, 2, change->key[0].bytes, UUID_LEN);
	bind_field(stmt, 3, change, COLLECTION_NAME, by);
	bind_text(stmt, 4, key != NULL ? key : "", key_len);
	bind_stamp(stmt, 5, change, COLLECTION_NAME, by);
	bind_register(stmt, 6, change, COLLECTION_LIVE, by);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -EIO;
	ret_after->id = sqlite3_column_int64(stmt, 0);
	shared_row_name(stmt, 1, ret_after->name, &ret_after->name_len);
	return 0;
}

/* A collection that was not shown and is again has the row that it had, but another number (store/object.h). */
static int begin_life(struct txn *txn, int64_t id, uint32_t *life)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_COLLECTION_REVIVED, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, id);
	r = stmt_run(stmt);
	if (r == 0)
		++*life;
	return r;
}

static int apply_collection(struct txn *txn, const struct change *change, const struct applied *by)
{
	enum collection_kind kind = collection_kind_of(change->model->kind);
	struct shared_row before = { 0 }, after = { 0 };
	int r = shared_row_collection(txn, kind, &change->key[0], &before);

	if (r == 0)
		r = upsert_collection(txn, change, by, &after);
	if (r == 0)
		count(txn, change, by, &before);
	if (r == 0)
		r = shared_row_collection(txn, kind, &change->key[0], &after);
	if (r == 0 && before.id != 0 && !before.shown && after.shown)
		r = begin_life(txn, after.id, &after.life);
	if (r == 0)
		r = tell(txn, place_of_kind(kind), object_of_collection(after.id, after.life), &before, &after);
	if (r == 0 && before.name_len > 0)
		r = tell_collection_siblings(txn, kind, &before);
	if (r == 0)
		r = tell_collection_siblings(txn, kind, &after);
	return r;
}

/* --- pairs --- */

static int upsert_pair(struct txn *txn, const struct change *change, const struct applied *by, int64_t collection,
		       uint64_t prefix, uint64_t seq)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_PAIR_APPLY, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, collection);
	bind_int(stmt, 2, (int64_t)prefix);
	bind_int(stmt, 3, (int64_t)seq);
	bind_register(stmt, 4, change, PAIR_NAME, by);
	bind_register(stmt, 6, change, PAIR_LIVE, by);
	bind_register(stmt, 8, change, PAIR_CONTENT, by);
	return stmt_run(stmt);
}

/* What the upsert made of the row. RETURNING would say it, through a table that it makes and drops each time. */
static struct shared_row pair_after(struct txn *txn, const struct change *change, const struct applied *by, const struct shared_row *before)
{
	struct shared_row after = *before;
	const struct value *name = &change->values[PAIR_NAME];

	if (after.id == 0)
		after.id = sqlite3_last_insert_rowid(txn->db->connection);
	if (change->fields & 1u << PAIR_NAME && wins(change, PAIR_NAME, by, before)) {
		after.name_len = name->len;
		memcpy(after.name, name->bytes, name->len);
	}
	if (change->fields & 1u << PAIR_LIVE && wins(change, PAIR_LIVE, by, before))
		after.shown = change->values[PAIR_LIVE].number == 1;
	return after;
}

/* The content stands in for an entry that is gone: a link that has another one may lead elsewhere, come or go. */
static int tell_content(struct txn *txn, const struct change *change, const struct applied *by, uint64_t place,
			const struct shared_row *before, const struct shared_row *after)
{
	struct value value = shared_row_value(before, change, PAIR_CONTENT);

	if (!before->shown || !after->shown || !(change->fields & 1u << PAIR_CONTENT) || !wins(change, PAIR_CONTENT, by, before) ||
	    value_cmp(change->model->fields[PAIR_CONTENT].type, &change->values[PAIR_CONTENT], &value) == 0)
		return 0;
	return txn_notice(txn, NOTICE_NAME, place, object(OBJECT_PAIR, after->id), after->name, after->name_len, true);
}

static int tell_pair_siblings(struct txn *txn, const struct home *home, const struct shared_row *state)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_PAIR_SIBLINGS, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, home->id);
	bind_text(stmt, 2, state->name, state->name_len);
	bind_int(stmt, 3, state->id);
	while ((r = stmt_step(stmt)) == 0) {
		r = txn_notice(txn, NOTICE_NAME, place_of_collection(home->id, home->life),
			       object(OBJECT_PAIR, sqlite3_column_int64(stmt, 0)), state->name, state->name_len, true);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

/* A collection that was deleted is shown all the same while it holds a live pair: it may come or go with this one. */
static int tell_home(struct txn *txn, struct home *home)
{
	int r;

	if (home->live || home->name_len == 0)
		return 0;
	r = home->shown ? 0 : begin_life(txn, home->id, &home->life);
	if (r < 0)
		return r;
	r = txn_notice(txn, NOTICE_NAME, place_of_kind(home->kind), object_of_collection(home->id, home->life),
		       home->name, home->name_len, true);
	return r < 0 ? r : txn_notice(txn, NOTICE_LISTING, place_of_kind(home->kind), 0, NULL, 0, true);
}

static int apply_pair(struct txn *txn, const struct change *change, const struct applied *by)
{
	struct shared_row before = { 0 }, after;
	struct home home = { 0 };
	uint64_t prefix, seq;
	int r = shared_row_home(txn, collection_kind_of(change->model->kind), &change->key[0], &home);

	uuid_entry_split(&change->key[1], &prefix, &seq);
	if (r == 0)
		r = shared_row_pair(txn, home.id, prefix, seq, &before);
	if (r == 0)
		r = upsert_pair(txn, change, by, home.id, prefix, seq);
	if (r < 0)
		return r;
	after = pair_after(txn, change, by, &before);
	count(txn, change, by, &before);
	if (before.shown != after.shown)
		r = tell_home(txn, &home);
	if (r == 0)
		r = tell(txn, place_of_collection(home.id, home.life), object(OBJECT_PAIR, after.id), &before, &after);
	if (r == 0)
		r = tell_content(txn, change, by, place_of_collection(home.id, home.life), &before, &after);
	if (r == 0 && before.shown)
		r = tell_pair_siblings(txn, &home, &before);
	if (r == 0 && after.shown)
		r = tell_pair_siblings(txn, &home, &after);
	return r;
}

/* --- all kinds --- */

static const struct {
	enum model_kind kind;
	int (*apply)(struct txn *txn, const struct change *change, const struct applied *by);
} appliers[] = {
	{ MODEL_DEVICE, apply_device },	      { MODEL_TAG, apply_collection },	{ MODEL_TAGGING, apply_pair },
	{ MODEL_ALBUM, apply_collection },    { MODEL_ALBUM_ITEM, apply_pair }, { MODEL_METADATA, apply_pair },
};

static int apply_change(struct txn *txn, const struct change *change, const struct applied *by)
{
	for (size_t i = 0; i < sizeof(appliers) / sizeof(appliers[0]); i++) {
		if (appliers[i].kind == change->model->kind)
			return appliers[i].apply(txn, change, by);
	}
	return -ERR_MALFORMED;
}

int apply_change_set(struct txn *txn, const struct change_set *set, const struct stamp *stamp)
{
	struct applied by;
	int r = 0;

	for (size_t field = 0; field < MODEL_FIELDS_MAX; field++)
		stamp_encode(stamp, by.stamps[field]);
	for (size_t i = 0; i < set->count && r == 0; i++)
		r = apply_change(txn, &set->items[i], &by);
	return r;
}

int apply_registers(struct txn *txn, const struct change *change, const struct stamp stamps[MODEL_FIELDS_MAX])
{
	struct applied by;

	for (unsigned field = 0; field < change->model->field_count; field++)
		stamp_encode(&stamps[field], by.stamps[field]);
	return apply_change(txn, change, &by);
}
