#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/change_kind.h"
#include "store/collection.h"
#include "store/db.h"
#include "store/internal.h"
#include "store/object.h"
#include "store/oplog.h"
#include "store/pair.h"
#include "store/place.h"

#define MANY_MAX 1000 /* pairs in one change set of a command */
#define ADOPT_MAX 500  /* pairs in one change set that have two changes each */

/* What a change to a pair needs to know of its collection. */
struct home {
	enum collection_kind kind;
	struct uuid uuid;
	uint64_t place;
	bool shown;
};

static int read_home(struct txn *txn, int64_t collection, struct home *ret_home)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection c;
	int r = collection_get(txn_db(txn), collection, &c, &rows);

	if (r < 0)
		return r;
	*ret_home = (struct home){
		.kind = c.kind,
		.uuid = c.uuid,
		.place = place_of_collection(c.id, c.life),
		.shown = c.shown,
	};
	return 0;
}

/* A pair by id, without borrowed text. */
struct known {
	int64_t id, collection;
	struct uuid entry;
	bool live, has_content;
	uint8_t content[HASH128_LEN];
	char name[TEXT_NAME_MAX];
	size_t name_len;
};

static struct known known_from(const struct pair *pair)
{
	struct known known = {
		.id = pair->id,
		.collection = pair->collection,
		.entry = pair->entry,
		.live = pair->live,
		.has_content = pair->has_content,
		.name_len = pair->name_len < TEXT_NAME_MAX ? pair->name_len : TEXT_NAME_MAX,
	};

	memcpy(known.content, pair->content, HASH128_LEN);
	if (known.name_len > 0)
		memcpy(known.name, pair->name, known.name_len);
	return known;
}

static int read_live(struct txn *txn, int64_t id, struct known *ret_known)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_get(txn_db(txn), id, &pair, &rows);

	if (r < 0)
		return r;
	if (!pair.live)
		return -ENOENT;
	*ret_known = known_from(&pair);
	return 0;
}

/* 1 when the entry is live in the collection, 0 when it is not; the row's id, if there is one. */
static int is_in(struct txn *txn, int64_t collection, const struct uuid *entry, int64_t *ret_id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_find(txn_db(txn), collection, entry, &pair, &rows);

	*ret_id = 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret_id = pair.id;
	return pair.live;
}

/* --- building changes --- */

static int put_added(struct change_set *set, const struct home *home, const struct uuid *entry, const char *name, size_t len,
		     const uint8_t *content)
{
	struct change *change = NULL;
	int r = change_set_add(set, change_kind_of_pair(home->kind), &home->uuid, entry, &change);

	if (r == 0)
		r = change_put_bytes(set, change, PAIR_NAME, name, len);
	if (r == 0)
		r = change_put_number(change, PAIR_LIVE, 1);
	if (r == 0)
		r = change_put_bytes(set, change, PAIR_CONTENT, content, content != NULL ? HASH128_LEN : 0);
	return r;
}

static int put_removed(struct change_set *set, const struct home *home, const struct uuid *entry)
{
	struct change *change = NULL;
	int r = change_set_add(set, change_kind_of_pair(home->kind), &home->uuid, entry, &change);

	return r < 0 ? r : change_put_number(change, PAIR_LIVE, 0);
}

static int put_renamed(struct change_set *set, const struct home *home, const struct uuid *entry, const char *name, size_t len)
{
	struct change *change = NULL;
	int r = change_set_add(set, change_kind_of_pair(home->kind), &home->uuid, entry, &change);

	return r < 0 ? r : change_put_bytes(set, change, PAIR_NAME, name, len);
}

/* The removal of a link that a rename replaces; none when it is the renamed pair itself. */
static int put_replaced(struct txn *txn, struct change_set *set, int64_t replaced, int64_t but, int64_t but_too)
{
	struct known known;
	struct home home;
	int r;

	if (replaced == 0 || replaced == but || replaced == but_too)
		return 0;
	r = read_live(txn, replaced, &known);
	if (r == 0)
		r = read_home(txn, known.collection, &home);
	return r < 0 ? r : put_removed(set, &home, &known.entry);
}

/* --- single pairs --- */

/* What a new pair stores of its entry. */
struct subject {
	struct uuid uuid;
	bool has_content;
	uint8_t content[HASH128_LEN];
};

static int read_subject(struct txn *txn, int64_t entry, struct subject *ret_subject)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry e;
	int r = entry_get(txn_db(txn), entry, &e, &rows);

	if (r < 0)
		return r;
	if (e.deleted)
		return -ENOENT;
	*ret_subject = (struct subject){ .uuid = e.uuid, .has_content = e.has_content && e.size > 0 };
	memcpy(ret_subject->content, e.content, HASH128_LEN);
	return 0;
}

/* Also of a deleted entry. */
static int entry_uuid(struct txn *txn, int64_t entry, struct uuid *ret_uuid)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry e;
	int r = entry_get(txn_db(txn), entry, &e, &rows);

	if (r < 0)
		return r;
	*ret_uuid = e.uuid;
	return 0;
}

int pair_add(struct txn *txn, int64_t collection, int64_t entry, const char *name, size_t len, int64_t *ret_id)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct subject subject;
	struct home home;
	int64_t id = 0;
	int r = text_is_filename(name, len) ? read_home(txn, collection, &home) : -EINVAL;

	if (r == 0 && !home.shown)
		r = -ENOENT;
	if (r == 0)
		r = read_subject(txn, entry, &subject);
	if (r == 0 && (r = is_in(txn, collection, &subject.uuid, &id)) == 1)
		r = -EEXIST;
	if (r == 0)
		r = put_added(&set, &home, &subject.uuid, name, len, subject.has_content ? subject.content : NULL);
	if (r == 0)
		r = oplog_commit(txn, &set);
	if (r < 0)
		return r;
	/* It is in: only a register with a greater stamp could have kept it out, and ours is the greatest of this device. */
	*ret_id = id != 0 ? id : sqlite3_last_insert_rowid(txn->db->connection);
	return 0;
}

int pair_remove(struct txn *txn, int64_t id)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct known known;
	struct home home;
	int r = read_live(txn, id, &known);

	if (r == 0)
		r = read_home(txn, known.collection, &home);
	if (r == 0)
		r = put_removed(&set, &home, &known.entry);
	return r < 0 ? r : oplog_commit(txn, &set);
}

int pair_rename(struct txn *txn, int64_t id, const char *name, size_t len, int64_t replaced)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct known known;
	struct home home;
	int r = text_is_filename(name, len) ? read_live(txn, id, &known) : -EINVAL;

	if (r == 0)
		r = read_home(txn, known.collection, &home);
	if (r == 0)
		r = put_replaced(txn, &set, replaced, id, id);
	if (r == 0)
		r = put_renamed(&set, &home, &known.entry, name, len);
	return r < 0 ? r : oplog_commit(txn, &set);
}

static int renumber(struct txn *txn, int64_t from, int64_t to)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn_db(txn), STMT_PAIR_RENUMBER, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, from);
	bind_int(stmt, 2, to);
	return stmt_run(stmt);
}

/* A rename keeps the inode: the kernel goes on with the old link's number under the new name, and calls that come at once
 * must find it. Row ids are this device's own, so the link takes its number along, and the tombstone that stays behind
 * gets the other one. */
static int exchange_ids(struct txn *txn, int64_t a, int64_t b)
{
	int r = renumber(txn, a, -1);

	if (r == 0)
		r = renumber(txn, b, a);
	return r < 0 ? r : renumber(txn, -1, b);
}

/* What the kernel cannot know of its own rename: that a link of another name went with it, and that the target of the link
 * may read differently from its new place. */
static int tell_move(struct txn *txn, const struct known *moved, const struct known *merged, uint64_t place,
		     const char *name, size_t len)
{
	uint64_t self = object(OBJECT_PAIR, moved->id);
	int r = 0;

	if (merged->live)
		r = txn_notice(txn, NOTICE_NAME, place, self, merged->name, merged->name_len, true);
	if (r == 0 && (moved->collection == COLLECTION_FAVORITES_ID || place == OBJECT_FAVORITES))
		r = txn_notice(txn, NOTICE_ATTR, place, self, name, len, true);
	return r;
}

/* What the entry is in the collection that a link moves to: all zero when it never was there. */
static int read_there(struct txn *txn, int64_t collection, const struct uuid *entry, struct known *ret_known)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_find(txn_db(txn), collection, entry, &pair, &rows);

	if (r == 0)
		*ret_known = known_from(&pair);
	return r == -ENOENT ? 0 : r;
}

int pair_move(struct txn *txn, int64_t id, int64_t collection, const char *name, size_t len, int64_t replaced)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct known known, there = { 0 };
	struct home from, to;
	int64_t now = 0;
	int r = text_is_filename(name, len) ? read_live(txn, id, &known) : -EINVAL;

	if (r == 0 && known.collection == collection)
		return pair_rename(txn, id, name, len, replaced);
	if (r == 0)
		r = read_home(txn, known.collection, &from);
	if (r == 0)
		r = read_home(txn, collection, &to);
	if (r == 0 && !to.shown)
		r = -ENOENT;
	if (r == 0)
		r = read_there(txn, collection, &known.entry, &there);
	if (r == 0 && there.live)
		r = put_renamed(&set, &to, &known.entry, name, len);
	else if (r == 0)
		r = put_added(&set, &to, &known.entry, name, len, known.has_content ? known.content : NULL);
	if (r == 0)
		r = put_replaced(txn, &set, replaced, id, there.id);
	if (r == 0)
		r = put_removed(&set, &from, &known.entry);
	if (r == 0)
		r = oplog_commit(txn, &set);
	if (r == 0 && (r = is_in(txn, collection, &known.entry, &now)) >= 0)
		r = exchange_ids(txn, id, now);
	return r < 0 ? r : tell_move(txn, &known, &there, to.place, name, len);
}

/* --- several --- */

/* One pair of another entry becomes one of `to`; where `to` is already, its own link stays as it is. */
static int put_adopted(struct txn *txn, struct change_set *set, const struct pair *pair, const struct subject *to)
{
	struct known known = known_from(pair);
	struct home home;
	int64_t there;
	int r = read_home(txn, known.collection, &home);

	if (r == 0)
		r = is_in(txn, known.collection, &to->uuid, &there);
	if (r == 0)
		r = put_added(set, &home, &to->uuid, known.name, known.name_len, to->has_content ? to->content : NULL);
	return r < 0 ? r : put_removed(set, &home, &known.entry);
}

/* Up to ADOPT_MAX pairs, in one change set. 1: there were no more. */
static int adopt_some(struct txn *txn, const struct uuid *from, const struct subject *to)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_of_entry(txn_db(txn), from, &rows), done;

	for (int i = 0; r == 0 && i < ADOPT_MAX && (r = pair_next(&rows, &pair)) == 0; i++)
		r = put_adopted(txn, &set, &pair, to);
	if (r < 0)
		return r;
	rows_release(&rows);
	done = r;
	r = oplog_commit(txn, &set);
	return r < 0 ? r : done;
}

int pair_adopt(struct txn *txn, int64_t from_entry, int64_t to_entry)
{
	struct subject to;
	struct uuid from;
	int r = entry_uuid(txn, from_entry, &from);

	if (r == 0)
		r = read_subject(txn, to_entry, &to);
	while (r == 0)
		r = adopt_some(txn, &from, &to);
	return r < 0 ? r : 0;
}

/* Commits what has gathered, when it is enough or at the end. */
static int flush(struct txn *txn, struct change_set *set, bool end)
{
	int r;

	if (set->count == 0 || (set->count < MANY_MAX && !end))
		return 0;
	r = oplog_commit(txn, set);
	change_set_release(set);
	return r;
}

/* Whether the set that is being gathered has that pair already: a caller may name a file twice. */
static bool is_gathered(const struct change_set *set, const struct uuid *collection, const struct uuid *entry)
{
	for (size_t i = set->count; i-- > 0;) {
		const struct change *change = &set->items[i];

		if (uuid_cmp(&change->key[1], entry) == 0 && uuid_cmp(&change->key[0], collection) == 0)
			return true;
	}
	return false;
}

int pair_add_many(struct txn *txn, const struct pair_new *pairs, size_t count, size_t *ret_added)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct home home = { 0 };
	int64_t home_of = 0, id;
	size_t added = 0;
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		const struct pair_new *new = &pairs[i];
		struct subject subject;

		if (!text_is_filename(new->name, new->name_len))
			return -EINVAL;
		if (new->collection != home_of) {
			r = read_home(txn, new->collection, &home);
			home_of = new->collection;
		}
		if (r == 0 && !home.shown)
			r = -ENOENT;
		if (r == 0)
			r = read_subject(txn, new->entry, &subject);
		if (r == 0)
			r = is_in(txn, new->collection, &subject.uuid, &id);
		if (r == 1 || (r == 0 && is_gathered(&set, &home.uuid, &subject.uuid))) {
			r = 0;
			continue;
		}
		if (r == 0)
			r = put_added(&set, &home, &subject.uuid, new->name, new->name_len,
				      subject.has_content ? subject.content : NULL);
		if (r == 0) {
			added++;
			r = flush(txn, &set, false);
		}
	}
	if (r >= 0)
		r = flush(txn, &set, true);
	if (r < 0)
		return r;
	*ret_added = added;
	return 0;
}

int pair_remove_many(struct txn *txn, const int64_t *ids, size_t count)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct known known;
	struct home home;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		r = read_live(txn, ids[i], &known);
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		if (r == 0)
			r = read_home(txn, known.collection, &home);
		if (r == 0 && !is_gathered(&set, &home.uuid, &known.entry))
			r = put_removed(&set, &home, &known.entry);
		if (r == 0)
			r = flush(txn, &set, false);
	}
	return r < 0 ? r : flush(txn, &set, true);
}
