/* Changes of this device's entries, each with the notices that it owes (store/notice.h). */
#include "store/entry.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/collection.h"
#include "store/entry_row.h"
#include "store/internal.h"
#include "store/object.h"
#include "store/oplog.h"
#include "store/owned.h"
#include "sync/change.h"
#include "sync/digest.h"
#include "sync/model.h"

/* A row of ours, copied, so that statements on it may run. */
struct own {
	struct entry entry; /* its name is the one below */
	char name[TEXT_NAME_MAX];
};

/* Errors: -ENOENT, -EPERM (another device's). */
static int load(struct txn *txn, int64_t id, struct own *ret_own)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int r;

	r = entry_get(txn->db, id, &ret_own->entry, &rows);
	if (r < 0)
		return r;
	if (!ret_own->entry.local)
		return -EPERM;
	if (ret_own->entry.name_len > sizeof(ret_own->name))
		return -ERR_CORRUPT;
	memcpy(ret_own->name, ret_own->entry.name, ret_own->entry.name_len);
	ret_own->entry.name = ret_own->name;
	return 0;
}

/* --- inserting --- */

static int insert_local(struct txn *txn, enum statement which, int64_t id, const struct entry_attr *attr)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, which, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, (int64_t)attr->ino);
	bind_int(stmt, 3, attr->btime_ns);
	return stmt_run(stmt);
}

/* The digest of a new row; made without reading it, as a scan inserts very many. */
static int count_new(struct txn *txn, const struct entry_place *place, const struct entry_attr *attr, uint64_t seq,
		     int64_t version)
{
	struct txn_location *location;
	struct row row = {.model = model_find(MODEL_ENTRY), .version = (uint64_t)version};
	uint64_t parent = 0;
	int r = txn_location(txn, place->location, &location);

	if (r >= 0 && place->parent != 0)
		r = txn_parent_seq(txn, place->parent, &parent);
	if (r < 0)
		return r;
	row.key[0] = location->prefix;
	row.key[1] = seq;
	row.values[ENTRY_PARENT].number = place->parent != 0 ? parent + 1 : 0;
	row.values[ENTRY_NAME] = (struct value){.bytes = (const uint8_t *)place->name, .len = place->name_len};
	row.values[ENTRY_MODE].number = attr->mode;
	row.values[ENTRY_SIZE].number = attr->size;
	row.values[ENTRY_MTIME].number = (uint64_t)attr->mtime_ns;
	return txn_location_digest(txn, place->location, digest_row(&row));
}

int entry_insert_row(struct txn *txn, const struct entry_place *place, const struct entry_attr *attr, int64_t *ret_id)
{
	sqlite3_stmt *stmt;
	int64_t version, id;
	uint64_t seq;
	int r;

	r = txn_next_seq(txn, place->location, &seq);
	if (r >= 0)
		r = txn_next_version(txn, MODEL_ENTRY, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_ENTRY_INSERT, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, place->location);
	bind_int(stmt, 2, (int64_t)seq);
	bind_int(stmt, 3, place->parent);
	bind_text(stmt, 4, place->name, place->name_len);
	bind_int(stmt, 5, attr->mode);
	bind_int(stmt, 6, (int64_t)attr->size);
	bind_int(stmt, 7, attr->mtime_ns);
	bind_int(stmt, 8, version);
	r = stmt_run(stmt);
	if (r < 0)
		return r;
	id = sqlite3_last_insert_rowid(txn->db->connection);
	r = count_new(txn, place, attr, seq, version);
	if (r >= 0)
		r = insert_local(txn, STMT_ENTRY_INSERT_LOCAL, id, attr);
	if (r >= 0)
		*ret_id = id;
	return r;
}

int entry_insert(struct txn *txn, const struct entry_place *place, const struct entry_attr *attr, int64_t *ret_id)
{
	struct txn_location *location;
	int r;

	if (!text_is_filename(place->name, place->name_len))
		return -EINVAL;
	r = txn_location(txn, place->location, &location);
	if (r < 0)
		return r;
	if (location->deleted)
		return -ENOENT;
	if (!location->self)
		return -EPERM;
	r = entry_insert_row(txn, place, attr, ret_id);
	return r < 0 ? r : entry_tell_listing(txn, place->parent);
}

/* --- updating --- */

/* Whether the bytes may be others now. An inode that was not known says nothing. */
static bool may_have_other_content(const struct entry *entry, const struct entry_attr *attr)
{
	return entry->size != attr->size || entry->mtime_ns != attr->mtime_ns ||
	       (entry->mode & S_IFMT) != (attr->mode & S_IFMT) || (entry->ino != 0 && entry->ino != attr->ino);
}

static int update_row(struct txn *txn, enum statement which, int64_t id, const struct entry_attr *attr)
{
	sqlite3_stmt *stmt;
	int64_t version;
	int r;

	r = owned_leave(txn, MODEL_ENTRY, id);
	if (r >= 0)
		r = txn_next_version(txn, MODEL_ENTRY, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, which, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, attr->mode);
	bind_int(stmt, 3, (int64_t)attr->size);
	bind_int(stmt, 4, attr->mtime_ns);
	bind_int(stmt, 5, version);
	r = stmt_run(stmt);
	return r < 0 ? r : owned_enter(txn, MODEL_ENTRY, id);
}

int entry_update(struct txn *txn, int64_t id, const struct entry_attr *attr)
{
	struct own own;
	const struct entry *entry = &own.entry;
	bool drops_content, shared_differs, local_differs;
	int r;

	r = load(txn, id, &own);
	if (r < 0)
		return r;
	if (entry->deleted)
		return -ENOENT;
	drops_content = entry->has_content && may_have_other_content(entry, attr);
	shared_differs = entry->mode != attr->mode || entry->size != attr->size || entry->mtime_ns != attr->mtime_ns;
	local_differs = entry->ino != attr->ino || entry->btime_ns != attr->btime_ns;
	if (!shared_differs && !local_differs)
		return 0;
	if (drops_content)
		r = update_row(txn, STMT_ENTRY_UPDATE_CONTENT, id, attr);
	else if (shared_differs)
		r = update_row(txn, STMT_ENTRY_UPDATE, id, attr);
	if (r >= 0 && local_differs)
		r = insert_local(txn, STMT_ENTRY_UPDATE_LOCAL, id, attr);
	if (r >= 0)
		r = entry_tell_attr(txn, entry);
	if (r >= 0 && drops_content)
		r = entry_tell_lost_content(txn, entry);
	return r;
}

/* --- moving --- */

/* That `parent` is a live directory of the location, and not below the entry. */
static int check_parent(struct txn *txn, const struct entry *entry, int64_t parent)
{
	struct own own;
	int r;

	r = load(txn, parent, &own);
	if (r < 0)
		return r;
	if (own.entry.deleted || own.entry.location != entry->location || !S_ISDIR(own.entry.mode))
		return -ENOENT;
	if (!S_ISDIR(entry->mode))
		return 0;
	r = entry_is_below(txn->db, parent, entry->id);
	return r > 0 ? -ELOOP : r;
}

static int move_row(struct txn *txn, int64_t id, int64_t parent, const char *name, size_t len)
{
	sqlite3_stmt *stmt;
	int64_t version;
	int r;

	r = owned_leave(txn, MODEL_ENTRY, id);
	if (r >= 0)
		r = txn_next_version(txn, MODEL_ENTRY, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_ENTRY_MOVE, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, parent);
	bind_text(stmt, 3, name, len);
	bind_int(stmt, 4, version);
	r = stmt_run(stmt);
	return r < 0 ? r : owned_enter(txn, MODEL_ENTRY, id);
}

int entry_move(struct txn *txn, int64_t id, int64_t parent, const char *name, size_t len)
{
	struct own own;
	struct entry to;
	int r;

	if (!text_is_filename(name, len))
		return -EINVAL;
	r = load(txn, id, &own);
	if (r < 0)
		return r;
	to = own.entry;
	if (to.parent == 0)
		return -EINVAL; /* the root of a location */
	to.parent = parent;
	to.name = name;
	to.name_len = len;
	if (!own.entry.deleted && own.entry.parent == parent && own.entry.name_len == len &&
	    memcmp(own.entry.name, name, len) == 0)
		return 0;
	r = check_parent(txn, &own.entry, parent);
	if (r >= 0)
		r = move_row(txn, id, parent, name, len);
	return r < 0 ? r : entry_tell_move(txn, &own.entry, &to);
}

/* --- deleting --- */

/* The rows below one that goes, breadth first: children are looked up while none is changed, then all are marked. Each
 * row has one parent, so only a cycle through the first one could bring a row twice. */
struct doomed {
	struct buf ids; /* int64_t each */
	size_t next;	/* bytes of `ids` whose children are in it */
};

static int doom(struct txn *txn, struct doomed *doomed, const struct entry *entry)
{
	int r;

	r = buf_append(&doomed->ids, &entry->id, sizeof(entry->id));
	if (r >= 0)
		r = entry_tell_gone(txn, entry);
	return r < 0 ? r : entry_tell_links(txn, entry, entry->has_content ? entry->content : NULL);
}

static int doomed_at(const struct doomed *doomed, size_t at, int64_t *ret_id)
{
	if (at >= doomed->ids.len)
		return 0;
	memcpy(ret_id, doomed->ids.data + at, sizeof(*ret_id));
	return 1;
}

static int doom_children(struct txn *txn, struct doomed *doomed, int64_t parent)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry child;
	int64_t first = 0;
	int r;

	doomed_at(doomed, 0, &first);
	r = entry_list(txn->db, parent, 0, false, &rows);
	while (r >= 0 && (r = entry_next(&rows, &child)) == 0)
		if (child.id != first)
			r = doom(txn, doomed, &child);
	return r < 0 ? r : 0;
}

static int mark_deleted(struct txn *txn, int64_t id)
{
	sqlite3_stmt *stmt;
	int64_t version;
	int r;

	r = owned_leave(txn, MODEL_ENTRY, id);
	if (r >= 0)
		r = txn_next_version(txn, MODEL_ENTRY, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_ENTRY_DELETE, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, version);
	r = stmt_run(stmt);
	return r < 0 ? r : owned_enter(txn, MODEL_ENTRY, id);
}

static void doomed_release(struct doomed *doomed)
{
	buf_release(&doomed->ids);
}

int entry_delete(struct txn *txn, int64_t id)
{
	_cleanup_(doomed_release) struct doomed doomed = {.ids = BUF_INIT};
	struct own own;
	int r;

	r = load(txn, id, &own);
	if (r < 0)
		return r;
	if (own.entry.deleted)
		return -ENOENT;
	if (own.entry.parent == 0)
		return -EINVAL; /* the root of a location: location_remove */
	r = doom(txn, &doomed, &own.entry);
	for (; r >= 0 && doomed_at(&doomed, doomed.next, &id); doomed.next += sizeof(id))
		r = doom_children(txn, &doomed, id);
	for (size_t at = 0; r >= 0 && doomed_at(&doomed, at, &id); at += sizeof(id))
		r = mark_deleted(txn, id);
	return r;
}

/* --- content --- */

static int set_content_row(struct txn *txn, int64_t id, const uint8_t *content)
{
	sqlite3_stmt *stmt;
	int64_t version;
	int r;

	r = owned_leave(txn, MODEL_ENTRY, id);
	if (r >= 0)
		r = txn_next_version(txn, MODEL_ENTRY, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_ENTRY_SET_CONTENT, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_blob(stmt, 2, content, HASH128_LEN);
	bind_int(stmt, 3, version);
	r = stmt_run(stmt);
	return r < 0 ? r : owned_enter(txn, MODEL_ENTRY, id);
}

static enum model_kind pair_kind_of(int collection_kind)
{
	switch (collection_kind) {
	case COLLECTION_ALBUM:
		return MODEL_ALBUM_ITEM;
	case COLLECTION_FAVORITES:
		return MODEL_METADATA;
	default:
		return MODEL_TAGGING;
	}
}

static int add_pair_change(struct change_set *set, sqlite3_stmt *stmt, const struct entry *entry,
			   const uint8_t *content)
{
	struct change *change;
	struct uuid collection;
	int r;

	if (sqlite3_column_bytes(stmt, 1) != UUID_LEN)
		return -ERR_CORRUPT;
	memcpy(collection.bytes, sqlite3_column_blob(stmt, 1), UUID_LEN);
	r = change_set_add(set, pair_kind_of(sqlite3_column_int(stmt, 0)), &collection, &entry->uuid, &change);
	return r < 0 ? r : change_put_bytes(set, change, PAIR_CONTENT, content, HASH128_LEN);
}

/* Some of the live pairs that name the entry and have other content. */
static int collect_stale_pairs(struct txn *txn, const struct entry *entry, const uint8_t *content,
			       struct change_set *set)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	uint64_t prefix, seq;
	int r = 0;

	stmt = db_stmt(txn->db, STMT_ENTRY_STALE_PAIRS, &r);
	if (!stmt)
		return r;
	uuid_entry_split(&entry->uuid, &prefix, &seq);
	bind_int(stmt, 1, (int64_t)prefix);
	bind_int(stmt, 2, (int64_t)seq);
	bind_blob(stmt, 3, content, HASH128_LEN);
	while ((r = stmt_step(stmt)) == 0) {
		r = add_pair_change(set, stmt, entry, content);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int refresh_pairs(struct txn *txn, const struct entry *entry, const uint8_t *content)
{
	size_t count;
	int r;

	do {
		_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
		r = collect_stale_pairs(txn, entry, content, &set);
		if (r >= 0)
			r = oplog_commit(txn, &set);
		count = set.count;
	} while (r >= 0 && count > 0);
	return r;
}

int entry_set_content(struct txn *txn, int64_t id, uint64_t size, int64_t mtime_ns, const uint8_t content[HASH128_LEN])
{
	struct own own;
	const struct entry *entry = &own.entry;
	int r;

	r = load(txn, id, &own);
	if (r == -ENOENT)
		return -ERR_STALE;
	if (r < 0)
		return r;
	if (entry->deleted || !S_ISREG(entry->mode) || entry->size != size || entry->mtime_ns != mtime_ns)
		return -ERR_STALE;
	if (!entry->has_content || memcmp(entry->content, content, HASH128_LEN) != 0) {
		r = set_content_row(txn, id, content);
		if (r >= 0)
			r = entry_tell_lost_content(txn, entry);
		if (r >= 0)
			r = entry_tell_links(txn, entry, content);
	}
	return r < 0 ? r : refresh_pairs(txn, entry, content);
}
