#include "store/entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/entry_row.h"
#include "store/internal.h"

#define SEQ_MASK ((UINT64_C(1) << 62) - 1) /* what uuid_entry takes */

/* --- rows --- */

static void take_content(sqlite3_stmt *stmt, int column, struct entry *entry)
{
	/* Another length is no content id: computed anew. */
	entry->has_content = sqlite3_column_bytes(stmt, column) == HASH128_LEN;
	if (entry->has_content)
		memcpy(entry->content, sqlite3_column_blob(stmt, column), HASH128_LEN);
}

int entry_next(struct rows *rows, struct entry *ret_entry)
{
	sqlite3_stmt *stmt = rows->stmt;
	struct db_location location;
	struct db *db;
	int r = stmt_step(stmt);

	if (r != 0)
		return r;
	db = rows_db(rows);
	r = db_location(db, sqlite3_column_int64(stmt, 1), &location);
	if (r < 0)
		return r;
	*ret_entry = (struct entry){
	    .id = sqlite3_column_int64(stmt, 0),
	    .location = sqlite3_column_int64(stmt, 1),
	    .uuid = uuid_entry(location.prefix, (uint64_t)sqlite3_column_int64(stmt, 2) & SEQ_MASK),
	    .parent = sqlite3_column_int64(stmt, 3),
	    .name = (const char *)sqlite3_column_text(stmt, 4),
	    .name_len = (size_t)sqlite3_column_bytes(stmt, 4),
	    .mode = (uint32_t)sqlite3_column_int64(stmt, 5),
	    .size = (uint64_t)sqlite3_column_int64(stmt, 6),
	    .mtime_ns = sqlite3_column_int64(stmt, 7),
	    .deleted = sqlite3_column_int(stmt, 8) != 0,
	    .local = location.device == db->store->info.device_row,
	    .ino = (uint64_t)sqlite3_column_int64(stmt, 10),
	    .btime_ns = sqlite3_column_int64(stmt, 11),
	};
	take_content(stmt, 9, ret_entry);
	return ret_entry->name ? 0 : -ENOMEM;
}

int entry_get(struct db *db, int64_t id, struct entry *ret_entry, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_ENTRY_GET, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	ret_rows->stmt = stmt;
	return rows_only(ret_rows, entry_next(ret_rows, ret_entry));
}

int entry_by_uuid(struct db *db, const struct uuid *uuid, struct entry *ret_entry, struct rows *ret_rows)
{
	uint64_t prefix, seq;
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_ENTRY_BY_UUID, &r);

	if (!stmt)
		return r;
	uuid_entry_split(uuid, &prefix, &seq);
	bind_int(stmt, 1, (int64_t)prefix);
	bind_int(stmt, 2, (int64_t)seq);
	ret_rows->stmt = stmt;
	return rows_only(ret_rows, entry_next(ret_rows, ret_entry));
}

int entry_child(struct db *db, int64_t parent, const char *name, size_t len, struct entry *ret_entry,
		struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_ENTRY_CHILD, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, parent);
	bind_text(stmt, 2, name, len);
	ret_rows->stmt = stmt;
	return rows_only(ret_rows, entry_next(ret_rows, ret_entry));
}

/* --- lists --- */

static int list(struct db *db, enum statement which, int64_t first, int64_t second, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, which, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, first);
	bind_int(stmt, 2, second);
	ret_rows->stmt = stmt;
	return 0;
}

int entry_list(struct db *db, int64_t parent, int64_t after, bool with_inode, struct rows *ret_rows)
{
	return list(db, with_inode ? STMT_ENTRY_LIST_INODE : STMT_ENTRY_LIST, parent, after, ret_rows);
}

int entry_by_inode(struct db *db, int64_t location, uint64_t ino, struct rows *ret_rows)
{
	return list(db, STMT_ENTRY_BY_INODE, location, (int64_t)ino, ret_rows);
}

int entry_by_content(struct db *db, const uint8_t content[HASH128_LEN], struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_ENTRY_BY_CONTENT, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, content, HASH128_LEN);
	bind_int(stmt, 2, db->store->info.device_row);
	ret_rows->stmt = stmt;
	return 0;
}

int entry_list_unhashed(struct db *db, int64_t after, struct rows *ret_rows)
{
	return list(db, STMT_ENTRY_LIST_UNHASHED, after, db->store->info.device_row, ret_rows);
}

/* --- walking up ---
 *
 * From an entry to the root of its location, one row at a time: a loop in C with a bound costs less than a recursive
 * query, and tells a cycle from a long path. */

struct step {
	int64_t id;
	int64_t location;
	int64_t parent;
	const char *name; /* borrowed */
	size_t name_len;
	bool deleted;
};

struct walk {
	int (*visit)(void *arg, const struct step *step); /* with each row, from the entry up to the root */
	void *arg;
	int64_t root;	  /* set at the end: the row without a parent ... */
	int64_t location; /* ... and its location */
};

static int walk_step(sqlite3_stmt *stmt, int64_t id, struct step *ret_step)
{
	int r;

	sqlite3_reset(stmt);
	bind_int(stmt, 1, id);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ENOENT;
	*ret_step = (struct step){
	    .id = id,
	    .location = sqlite3_column_int64(stmt, 0),
	    .parent = sqlite3_column_int64(stmt, 1),
	    .name = (const char *)sqlite3_column_text(stmt, 2),
	    .name_len = (size_t)sqlite3_column_bytes(stmt, 2),
	    .deleted = sqlite3_column_int(stmt, 3) != 0,
	};
	return 0;
}

static int walk_up(struct db *db, int64_t id, struct walk *walk)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	struct step step;
	int r = 0;

	stmt = db_stmt(db, STMT_ENTRY_STEP, &r);
	if (!stmt)
		return r;
	for (unsigned depth = 0; depth < ENTRY_DEPTH_MAX; depth++) {
		r = walk_step(stmt, id, &step);
		if (r >= 0)
			r = walk->visit(walk->arg, &step);
		if (r < 0)
			return r;
		if (step.parent == 0) {
			walk->root = id;
			walk->location = step.location;
			return 0;
		}
		if (step.name_len == 0)
			return -ENOENT;
		id = step.parent;
	}
	return -ELOOP;
}

/* That the walk ended at the root of a location that stands. A stub has parent 0 too. */
static int check_root(struct db *db, const struct walk *walk)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(db, STMT_LOCATION_STANDING, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, walk->location);
	r = stmt_step(stmt);
	if (r < 0)
		return r;
	if (r > 0 || sqlite3_column_int64(stmt, 0) != walk->root || sqlite3_column_int(stmt, 1) == 0)
		return -ENOENT;
	return 0;
}

static int walk_to_root(struct db *db, int64_t id, struct walk *walk)
{
	int r;

	r = db_begin(db);
	if (r < 0)
		return r;
	r = walk_up(db, id, walk);
	if (r >= 0)
		r = check_root(db, walk);
	db_end(db);
	return r;
}

/* The names of a path, the last one first, each followed by a NUL. */
struct names {
	struct buf reversed;
	bool first;
	bool any_deleted; /* the entry itself is deleted: its parents may be, too */
};

static int add_name(void *arg, const struct step *step)
{
	struct names *names = arg;

	if (names->first)
		names->any_deleted = step->deleted;
	names->first = false;
	if (step->deleted && !names->any_deleted)
		return -ENOENT;
	if (step->parent == 0)
		return 0;
	buf_append(&names->reversed, step->name, step->name_len);
	return buf_append(&names->reversed, "", 1);
}

static int append_path(const struct buf *reversed, struct buf *ret_path)
{
	size_t end = reversed->len; /* behind the NUL of the next name */
	size_t before = ret_path->len;

	while (end > 0) {
		size_t start = end - 1;
		while (start > 0 && reversed->data[start - 1] != '\0')
			start--;
		if (end < reversed->len)
			buf_append(ret_path, "/", 1);
		buf_append(ret_path, reversed->data + start, end - 1 - start);
		end = start;
	}
	if (buf_error(ret_path) < 0)
		ret_path->len = before;
	return buf_error(ret_path);
}

static void names_release(struct names *names)
{
	buf_release(&names->reversed);
}

int entry_path(struct db *db, int64_t id, struct buf *ret_path)
{
	_cleanup_(names_release) struct names names = {.reversed = BUF_INIT, .first = true};
	struct walk walk = {.visit = add_name, .arg = &names};
	int r;

	r = walk_to_root(db, id, &walk);
	return r < 0 ? r : append_path(&names.reversed, ret_path);
}

static int add_live_name(void *arg, const struct step *step)
{
	return step->deleted ? -ENOENT : add_name(arg, step);
}

int entry_live_path(struct db *db, int64_t id, struct entry_site *ret_site, struct buf *ret_path)
{
	_cleanup_(names_release) struct names names = {.reversed = BUF_INIT, .first = true};
	struct walk walk = {.visit = add_live_name, .arg = &names};
	struct db_location location;
	int r;

	r = walk_to_root(db, id, &walk);
	if (r >= 0)
		r = db_location(db, walk.location, &location);
	if (r >= 0)
		r = append_path(&names.reversed, ret_path);
	if (r < 0)
		return r;
	*ret_site = (struct entry_site){
	    .location = walk.location,
	    .local = location.device == db->store->info.device_row,
	};
	return 0;
}

static int check_live(void *arg, const struct step *step)
{
	return step->deleted ? -ENOENT : 0;
}

int entry_is_reachable(struct db *db, int64_t id)
{
	struct walk walk = {.visit = check_live};
	int r;

	r = walk_to_root(db, id, &walk);
	if (r == -ENOENT || r == -ELOOP)
		return 0;
	return r < 0 ? r : 1;
}

/* Ends a walk when it meets the row that `arg` names. */
static int meet(void *arg, const struct step *step)
{
	return step->id == *(const int64_t *)arg ? -EEXIST : 0;
}

int entry_is_below(struct db *db, int64_t id, int64_t ancestor)
{
	struct walk walk = {.visit = meet, .arg = &ancestor};
	int r;

	r = walk_up(db, id, &walk);
	if (r == -EEXIST)
		return 1;
	return r == -ENOENT ? 0 : r; /* a chain that breaks off has not met it */
}
