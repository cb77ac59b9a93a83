/* The notices that changes of entries owe to links.
 *
 * A link in a tag leads to the entry that was tagged or to a copy, an entry with the same content id. So whatever
 * appears, goes or changes its content may turn links elsewhere: LINKS tells of it, but only when a link can be
 * concerned, which a few index look-ups answer. When an entry loses its content id, a subscriber could no longer find
 * the links by it: they are named one by one. */
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
		r = txn_notice(txn, NOTICE_NAME, place_of_collection(sqlite3_column_int64(stmt, 1)),
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
