/* The notices that changes of entries owe to links.
 *
 * A link in a tag leads to the entry that was tagged or to a copy, an entry with the same content id. So whatever
 * appears, goes or changes its content may turn links elsewhere: LINKS tells of it, but only when a link can be
 * concerned, which a few index look-ups answer. When an entry loses its content id, a subscriber could no longer find
 * the links by it: they are named one by one. */
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "store/entry_row.h"
#include "store/internal.h"
#include "store/object.h"
#include "store/place.h"

int entry_tell(struct txn *txn, enum notice_change change, int64_t id)
{
	return txn_notice(txn, change, 0, object(OBJECT_ENTRY, id), NULL, 0, true);
}

/* Whether a link may lead to the entry, if its content id is `content` (NULL: unknown). 1 or 0. */
static int is_linked(struct txn *txn, const struct entry *entry, const uint8_t *content)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	uint64_t prefix, seq;
	int r = 0;

	stmt = db_stmt(txn->db, STMT_ENTRY_IS_LINKED, &r);
	if (!stmt)
		return r;
	uuid_entry_split(&entry->uuid, &prefix, &seq);
	bind_int(stmt, 1, (int64_t)prefix);
	bind_int(stmt, 2, (int64_t)seq);
	if (content)
		bind_blob(stmt, 3, content, HASH128_LEN);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : 0;
	return sqlite3_column_int(stmt, 0) != 0;
}

int entry_tell_links(struct txn *txn, const struct entry *entry, const uint8_t *content)
{
	int r;

	if (!txn->collects)
		return 0;
	r = is_linked(txn, entry, content);
	return r > 0 ? entry_tell(txn, NOTICE_LINKS, entry->id) : r;
}

static int tell_pairs_with(struct txn *txn, const uint8_t *content)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(txn->db, STMT_ENTRY_CONTENT_PAIRS, &r);
	if (!stmt)
		return r;
	bind_blob(stmt, 1, content, HASH128_LEN);
	while ((r = stmt_step(stmt)) == 0) {
		uint32_t life = (uint32_t)sqlite3_column_int64(stmt, 3);
		r = txn_notice(txn, NOTICE_NAME, place_of_collection(sqlite3_column_int64(stmt, 1), life),
			       object(OBJECT_PAIR, sqlite3_column_int64(stmt, 0)),
			       (const char *)sqlite3_column_text(stmt, 2), (size_t)sqlite3_column_bytes(stmt, 2), true);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int tell_named_with(struct txn *txn, const uint8_t *content)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(txn->db, STMT_ENTRY_CONTENT_NAMED, &r);
	if (!stmt)
		return r;
	bind_blob(stmt, 1, content, HASH128_LEN);
	while ((r = stmt_step(stmt)) == 0) {
		r = entry_tell(txn, NOTICE_LINKS, sqlite3_column_int64(stmt, 0));
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

/* `entry` had `entry->content` and has it no more: links by that content may have led to it. */
int entry_tell_lost_content(struct txn *txn, const struct entry *entry)
{
	int r;

	if (!txn->collects || !entry->has_content)
		return 0;
	r = is_linked(txn, entry, entry->content);
	if (r <= 0)
		return r;
	r = entry_tell(txn, NOTICE_LINKS, entry->id);
	if (r >= 0)
		r = tell_pairs_with(txn, entry->content);
	return r < 0 ? r : tell_named_with(txn, entry->content);
}

/* --- names and attributes --- */

static int tell_entry(struct txn *txn, enum notice_change change, const struct entry *entry)
{
	return txn_notice(txn, change, object(OBJECT_ENTRY, entry->parent), object(OBJECT_ENTRY, entry->id),
			  entry->name, entry->name_len, true);
}

/* The root of a location has its place among the locations of its device, under the location's name. */
static int tell_root_attr(struct txn *txn, const struct entry *root)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(txn->db, STMT_LOCATION_PLACE, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, root->location);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : 0;
	return txn_notice(txn, NOTICE_ATTR, object(OBJECT_DEVICE, sqlite3_column_int64(stmt, 0)),
			  object(OBJECT_ENTRY, root->id), (const char *)sqlite3_column_text(stmt, 1),
			  (size_t)sqlite3_column_bytes(stmt, 1), true);
}

int entry_tell_attr(struct txn *txn, const struct entry *entry)
{
	return entry->parent == 0 ? tell_root_attr(txn, entry) : tell_entry(txn, NOTICE_ATTR, entry);
}

int entry_tell_listing(struct txn *txn, int64_t parent)
{
	return txn_notice(txn, NOTICE_LISTING, object(OBJECT_ENTRY, parent), 0, NULL, 0, true);
}

int entry_tell_gone(struct txn *txn, const struct entry *entry)
{
	return tell_entry(txn, NOTICE_NAME, entry);
}

int entry_tell_move(struct txn *txn, const struct entry *from, const struct entry *to)
{
	int r = 0;

	if (!from->deleted)
		r = tell_entry(txn, NOTICE_NAME, from);
	if (r >= 0)
		r = entry_tell_listing(txn, to->parent);
	if (r >= 0 && !from->deleted)
		r = tell_entry(txn, NOTICE_NAME, to);
	if (r >= 0)
		r = entry_tell(txn, NOTICE_LINKS, to->id);
	if (r >= 0 && !from->deleted && S_ISDIR(to->mode))
		r = entry_tell(txn, NOTICE_BELOW, to->id);
	return r;
}

/* Whether what stat(2) tells of them differs. */
static bool attr_differs(const struct entry *a, const struct entry *b)
{
	return a->mode != b->mode || a->size != b->size || a->mtime_ns != b->mtime_ns;
}

int entry_tell_change(struct txn *txn, const struct entry *from, const struct entry *to)
{
	int r = 0;

	if (from->parent != to->parent || from->name_len != to->name_len || memcmp(from->name, to->name, to->name_len) != 0)
		r = entry_tell_move(txn, from, to);
	if (r >= 0 && attr_differs(from, to))
		r = entry_tell_attr(txn, to);
	return r;
}

int entry_tell_new(struct txn *txn, const struct entry *entry, bool is_back)
{
	int r;

	if (entry->parent == 0)
		return entry_tell_attr(txn, entry);
	r = entry_tell_listing(txn, entry->parent);
	/* A row that comes back has the inode that it had, of which the kernel may know old things. */
	if (r >= 0 && is_back)
		r = tell_entry(txn, NOTICE_NAME, entry);
	if (r >= 0 && is_back)
		r = tell_entry(txn, NOTICE_ATTR, entry);
	return r >= 0 && is_back && S_ISDIR(entry->mode) ? entry_tell(txn, NOTICE_BELOW, entry->id) : r;
}
