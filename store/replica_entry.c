/* Rows of entries: by far the most, so what is asked for each row is little. Numbers of a location only grow, so a row
 * above the greatest is new without a look; parents are remembered, as rows of one directory come together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/entry_row.h"
#include "store/internal.h"
#include "store/object.h"
#include "store/owned.h"
#include "store/replica_internal.h"
#include "sync/digest.h"

/* --- reading: the rows of a few locations, merged by version --- */

int replica_locations(struct db *db, int64_t device, bool deleted_too, struct buf *ret_locations)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_ENTRY_LOCATIONS, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, device);
	bind_int(stmt, 2, deleted_too);
	while ((r = stmt_step(stmt)) == 0) {
		struct location_rows source = {.location = sqlite3_column_int64(stmt, 0),
					       .prefix = (uint64_t)sqlite3_column_int64(stmt, 1)};

		buf_append(ret_locations, &source, sizeof(source));
	}
	return r < 0 ? r : buf_error(ret_locations);
}

static int seek(struct db *db, struct location_rows *source, uint64_t since)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_ENTRY_NEXT_VERSION, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, source->location);
	bind_int(stmt, 2, (int64_t)since);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -EIO;
	source->next =
	    sqlite3_column_type(stmt, 0) == SQLITE_NULL ? UINT64_MAX : (uint64_t)sqlite3_column_int64(stmt, 0);
	return 0;
}

/* The rows of one location up to the version at which another one's are next. 1: to the end. */
static int read_run(struct db *db, const struct location_rows *source, uint64_t since, uint64_t until,
		    struct row_sink *sink)
{
	const struct model *model = model_find(MODEL_ENTRY);
	struct row row;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_ENTRY_AFTER, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, source->location);
	bind_int(stmt, 2, (int64_t)since);
	bind_int(stmt, 3, until > INT64_MAX ? INT64_MAX : (int64_t)until);
	bind_int(stmt, 4, (int64_t)source->prefix);
	while ((r = stmt_step(stmt)) == 0) {
		owned_take(stmt, model, &row);
		r = row_sink_add(sink, &row);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return r;
}

/* The one whose row is next, and the version up to which its rows come. NULL: no rows are left. */
static struct location_rows *choose(struct location_rows *sources, size_t count, uint64_t *ret_until)
{
	struct location_rows *first = NULL;
	uint64_t second = UINT64_MAX;

	for (size_t i = 0; i < count; i++) {
		if (!first || sources[i].next < first->next) {
			second = first ? first->next : second;
			first = &sources[i];
		} else if (sources[i].next < second) {
			second = sources[i].next;
		}
	}
	if (!first || first->next == UINT64_MAX)
		return NULL;
	*ret_until = second - 1;
	return first;
}

static int read_sources(struct db *db, struct location_rows *sources, size_t count, uint64_t since,
			struct row_sink *sink)
{
	struct location_rows *source;
	uint64_t until = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = seek(db, &sources[i], since);
	while (r == 0 && (source = choose(sources, count, &until))) {
		r = read_run(db, source, source->next - 1, until, sink);
		if (r != 1)
			return r;
		if (until == UINT64_MAX - 1)
			return 1;
		r = seek(db, source, until);
	}
	return r < 0 ? r : 1;
}

int replica_entries_read(struct db *db, int64_t device, uint64_t since, struct row_sink *sink)
{
	_cleanup_(buf_release) struct buf locations = BUF_INIT;
	int r = replica_locations(db, device, false, &locations);

	return r < 0 ? r
		     : read_sources(db, (void *)locations.data, locations.len / sizeof(struct location_rows), since,
				    sink);
}

/* --- places --- */

static int find_id(struct txn *txn, int64_t location, uint64_t seq, int64_t *ret_id)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_ENTRY_ID, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, location);
	bind_int(stmt, 2, (int64_t)seq);
	r = stmt_step(stmt);
	if (r == 0)
		*ret_id = sqlite3_column_int64(stmt, 0);
	return r;
}

static int make_stub(struct txn *txn, int64_t location, uint64_t seq, int64_t *ret_id)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_ENTRY_STUB, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, location);
	bind_int(stmt, 2, (int64_t)seq);
	r = stmt_run(stmt);
	if (r >= 0)
		*ret_id = sqlite3_last_insert_rowid(txn->db->connection);
	return r;
}

int replica_take_entry(struct incoming *in, int64_t location, uint64_t seq, int64_t *ret_id)
{
	int r = seq < UINT64_C(1) << 62 ? find_id(in->txn, location, seq, ret_id) : -ERR_MALFORMED;

	if (r != 1)
		return r;
	in->added++;
	return make_stub(in->txn, location, seq, ret_id);
}

static void remember(struct entries_in *in, uint64_t seq, int64_t id)
{
	in->places[seq % PLACES_MAX].location = in->location;
	in->places[seq % PLACES_MAX].seq = (int64_t)seq;
	in->places[seq % PLACES_MAX].id = id;
	if ((int64_t)seq > in->last_seq)
		in->last_seq = (int64_t)seq;
}

static int parent_id(struct entries_in *in, uint64_t parent, int64_t *ret_id)
{
	uint64_t seq = parent - 1;
	int64_t id = 0;
	int r;

	*ret_id = 0;
	if (parent == 0)
		return 0;
	if (in->places[seq % PLACES_MAX].id != 0 && in->places[seq % PLACES_MAX].seq == (int64_t)seq &&
	    in->places[seq % PLACES_MAX].location == in->location) {
		*ret_id = in->places[seq % PLACES_MAX].id;
		return 0;
	}
	r = replica_take_entry(in->in, in->location, seq, &id);
	if (r < 0)
		return r;
	remember(in, seq, id);
	*ret_id = id;
	return 0;
}

static int last_seq(struct txn *txn, int64_t location, int64_t *ret_seq)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_ENTRY_LAST_SEQ, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, location);
	r = stmt_step(stmt);
	if (r == 0)
		*ret_seq = sqlite3_column_int64(stmt, 0);
	return r == 1 ? -EIO : r;
}

static int enter_location(struct entries_in *in, uint64_t prefix)
{
	int r;

	if (in->location != 0 && in->prefix == prefix)
		return 0;
	in->location = 0;
	in->prefix = prefix;
	r = replica_take_location(in->in, prefix, &in->location, &in->deleted);
	if (r == 0)
		r = last_seq(in->in->txn, in->location, &in->last_seq);
	if (r < 0)
		in->location = 0;
	return r;
}

/* --- rows --- */

struct old {
	struct entry entry; /* its name is the one below; id 0: there was none */
	char name[TEXT_NAME_MAX];
	uint64_t version;
	uint64_t counted; /* in the sum of its location */
};

static void take_old(const struct incoming *in, sqlite3_stmt *stmt, int64_t location, struct old *old)
{
	struct row row;
	const struct value *v = row.values;

	owned_take(stmt, model_find(MODEL_ENTRY), &row);
	old->version = row.version;
	old->counted = incoming_counted(in, &row);
	old->entry = (struct entry){
	    .id = sqlite3_column_int64(stmt, sqlite3_column_count(stmt) - 2),
	    .location = location,
	    .uuid = uuid_entry(row.key[0], row.key[1]),
	    .parent = sqlite3_column_int64(stmt, sqlite3_column_count(stmt) - 1),
	    .name = old->name,
	    .name_len = v[ENTRY_NAME].len < sizeof(old->name) ? v[ENTRY_NAME].len : sizeof(old->name),
	    .mode = (uint32_t)v[ENTRY_MODE].number,
	    .size = v[ENTRY_SIZE].number,
	    .mtime_ns = (int64_t)v[ENTRY_MTIME].number,
	    .deleted = row_is_tombstone(&row),
	    .has_content = v[ENTRY_CONTENT].len == HASH128_LEN,
	};
	memcpy(old->name, v[ENTRY_NAME].bytes, old->entry.name_len);
	if (old->entry.has_content)
		memcpy(old->entry.content, v[ENTRY_CONTENT].bytes, HASH128_LEN);
}

static int find_old(struct entries_in *in, uint64_t seq, struct old *ret_old)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;

	ret_old->entry.id = 0;
	ret_old->version = ret_old->counted = 0;
	if ((int64_t)seq > in->last_seq)
		return 0;
	stmt = db_stmt(in->in->txn->db, STMT_ENTRY_FIND, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, in->location);
	bind_int(stmt, 2, (int64_t)seq);
	r = stmt_step(stmt);
	if (r == 0)
		take_old(in->in, stmt, in->location, ret_old);
	return r < 0 ? r : 0;
}

static int write_row(struct entries_in *in, const struct row *row, int64_t parent, bool is_new)
{
	const struct value *v = row->values;
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(in->in->txn->db, is_new ? STMT_ENTRY_ADD : STMT_ENTRY_PUT, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, in->location);
	bind_int(stmt, 2, (int64_t)row->key[1]);
	bind_int(stmt, 3, parent);
	bind_text(stmt, 4, v[ENTRY_NAME].bytes, v[ENTRY_NAME].len);
	bind_int(stmt, 5, (int64_t)v[ENTRY_MODE].number);
	bind_int(stmt, 6, (int64_t)v[ENTRY_SIZE].number);
	bind_int(stmt, 7, (int64_t)v[ENTRY_MTIME].number);
	if (v[ENTRY_CONTENT].len > 0)
		bind_blob(stmt, 8, v[ENTRY_CONTENT].bytes, v[ENTRY_CONTENT].len);
	bind_int(stmt, 9, row_is_tombstone(row));
	bind_int(stmt, 10, (int64_t)row->version);
	return stmt_run(stmt);
}

/* --- notices --- */

static void become(struct entry *entry, const struct row *row, int64_t parent)
{
	const struct value *v = row->values;

	entry->uuid = uuid_entry(row->key[0], row->key[1]);
	entry->parent = parent;
	entry->name = (const char *)v[ENTRY_NAME].bytes;
	entry->name_len = v[ENTRY_NAME].len;
	entry->mode = (uint32_t)v[ENTRY_MODE].number;
	entry->size = v[ENTRY_SIZE].number;
	entry->mtime_ns = (int64_t)v[ENTRY_MTIME].number;
	entry->deleted = row_is_tombstone(row);
	entry->has_content = v[ENTRY_CONTENT].len > 0;
	if (entry->has_content)
		memcpy(entry->content, v[ENTRY_CONTENT].bytes, HASH128_LEN);
}

/* What links to the entry, or to a copy of it, may lead elsewhere. */
static int tell_links(struct entries_in *in, const struct entry *before, const struct entry *now)
{
	bool same = before->id != 0 && before->deleted == now->deleted && before->has_content == now->has_content &&
		    (!now->has_content || memcmp(before->content, now->content, HASH128_LEN) == 0);
	int r = 0;

	if (!in->links || same)
		return 0;
	if (before->id != 0 && !before->deleted)
		r = entry_tell_lost_content(in->in->txn, before);
	return r < 0 ? r : entry_tell_links(in->in->txn, now, now->has_content ? now->content : NULL);
}

static bool is_shown(const struct entry *entry)
{
	return entry->id != 0 && !entry->deleted && (entry->name_len > 0 || entry->parent == 0);
}

static int tell_row(struct entries_in *in, const struct old *old, const struct row *row, int64_t id, int64_t parent)
{
	struct txn *txn = in->in->txn;
	struct entry now = old->entry;
	bool was, is;
	int r;

	if (!txn->collects)
		return 0;
	now.id = id;
	become(&now, row, parent);
	was = is_shown(&old->entry);
	is = is_shown(&now);
	if (was && is)
		r = entry_tell_change(txn, &old->entry, &now);
	else if (is)
		r = entry_tell_new(txn, &now, old->entry.id != 0);
	else
		r = was ? entry_tell_gone(txn, &old->entry) : 0;
	return r < 0 ? r : tell_links(in, &old->entry, &now);
}

/* --- a range --- */

int replica_entries_begin(struct incoming *in, struct entries_in *ret_entries)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(in->txn->db, STMT_PAIR_ANY, &r);

	if (!stmt)
		return r;
	*ret_entries = (struct entries_in){.in = in};
	r = stmt_step(stmt);
	if (r == 0)
		ret_entries->links = sqlite3_column_int(stmt, 0) != 0;
	return r < 0 ? r : 0;
}

int replica_entries_put(struct entries_in *in, const struct row *row)
{
	uint64_t seq = row->key[1];
	struct old old;
	int64_t parent = 0, id;
	int r = enter_location(in, row->key[0]);

	if (r < 0 || in->deleted)
		return r;
	r = parent_id(in, row->values[ENTRY_PARENT].number, &parent);
	if (r == 0)
		r = find_old(in, seq, &old);
	if (r < 0 || (old.entry.id != 0 && !in->in->range->listing && old.version >= row->version))
		return r;
	r = write_row(in, row, parent, old.entry.id == 0);
	if (r < 0)
		return r;
	in->in->added += old.entry.id == 0;
	id = old.entry.id != 0 ? old.entry.id : sqlite3_last_insert_rowid(in->in->txn->db->connection);
	if (S_ISDIR(row->values[ENTRY_MODE].number))
		remember(in, seq, id);
	else if ((int64_t)seq > in->last_seq)
		in->last_seq = (int64_t)seq;
	r = txn_location_digest(in->in->txn, in->location, digest_row(row) - old.counted);
	return r < 0 ? r : tell_row(in, &old, row, id, parent);
}
