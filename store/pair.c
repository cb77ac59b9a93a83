#include "store/pair.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/db.h"

static void read_row(sqlite3_stmt *stmt, struct pair *ret_pair)
{
	*ret_pair = (struct pair){
		.id = sqlite3_column_int64(stmt, 0),
		.collection = sqlite3_column_int64(stmt, 1),
		.entry = uuid_entry((uint64_t)sqlite3_column_int64(stmt, 2), (uint64_t)sqlite3_column_int64(stmt, 3)),
		.entry_id = sqlite3_column_int64(stmt, 4),
		.name = (const char *)sqlite3_column_text(stmt, 5),
		.name_len = (size_t)sqlite3_column_bytes(stmt, 5),
		.live = sqlite3_column_int(stmt, 6) == 1,
		.has_content = sqlite3_column_bytes(stmt, 7) == HASH128_LEN,
		.clash = sqlite3_column_int(stmt, 8) == 1,
	};
	if (ret_pair->has_content)
		memcpy(ret_pair->content, sqlite3_column_blob(stmt, 7), HASH128_LEN);
}

int pair_next(struct rows *rows, struct pair *ret_pair)
{
	int r = stmt_step(rows->stmt);

	if (r == 0)
		read_row(rows->stmt, ret_pair);
	return r;
}

static int open_rows(struct db *db, enum statement which, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, which, &r);

	if (stmt == NULL)
		return r;
	ret_rows->stmt = stmt;
	return 0;
}

static int only_row(struct rows *rows, struct pair *ret_pair)
{
	int r = pair_next(rows, ret_pair);

	return r == 1 ? -ENOENT : r;
}

int pair_get(struct db *db, int64_t id, struct pair *ret_pair, struct rows *ret_rows)
{
	int r = open_rows(db, STMT_PAIR_GET, ret_rows);

	if (r < 0)
		return r;
	bind_int(ret_rows->stmt, 1, id);
	return only_row(ret_rows, ret_pair);
}

/* Binds the two halves of an entry's uuid. */
static void bind_entry(struct rows *rows, int at, const struct uuid *entry)
{
	uint64_t prefix, seq;

	uuid_entry_split(entry, &prefix, &seq);
	bind_int(rows->stmt, at, (int64_t)prefix);
	bind_int(rows->stmt, at + 1, (int64_t)seq);
}

int pair_find(struct db *db, int64_t collection, const struct uuid *entry, struct pair *ret_pair, struct rows *ret_rows)
{
	int r = open_rows(db, STMT_PAIR_FIND, ret_rows);

	if (r < 0)
		return r;
	bind_int(ret_rows->stmt, 1, collection);
	bind_entry(ret_rows, 2, entry);
	return only_row(ret_rows, ret_pair);
}

int pair_list(struct db *db, int64_t collection, int64_t after, struct rows *ret_rows)
{
	int r = open_rows(db, STMT_PAIR_LIST, ret_rows);

	if (r < 0)
		return r;
	bind_int(ret_rows->stmt, 1, collection);
	bind_int(ret_rows->stmt, 2, after);
	return 0;
}

int pair_named(struct db *db, int64_t collection, const char *name, size_t len, struct rows *ret_rows)
{
	int r = open_rows(db, STMT_PAIR_NAMED, ret_rows);

	if (r < 0)
		return r;
	bind_int(ret_rows->stmt, 1, collection);
	bind_text(ret_rows->stmt, 2, name, len);
	return 0;
}

int pair_name_begins(struct db *db, int64_t collection, const char *prefix, size_t len, struct rows *ret_rows)
{
	char last[TEXT_NAME_MAX];
	int r = len <= TEXT_NAME_MAX ? open_rows(db, STMT_PAIR_NAME_BEGINS, ret_rows) : -ENAMETOOLONG;

	if (r < 0)
		return r;
	/* The greatest name that begins so: filled up with the greatest byte. */
	memset(last, 0xff, sizeof(last));
	memcpy(last, prefix, len);
	bind_int(ret_rows->stmt, 1, collection);
	bind_text(ret_rows->stmt, 2, prefix, len);
	sqlite3_bind_text(ret_rows->stmt, 3, last, sizeof(last), SQLITE_TRANSIENT);
	return 0;
}

int pair_of_entry(struct db *db, const struct uuid *entry, struct rows *ret_rows)
{
	int r = open_rows(db, STMT_PAIR_OF_ENTRY, ret_rows);

	if (r < 0)
		return r;
	bind_entry(ret_rows, 1, entry);
	return 0;
}

int pair_of_content(struct db *db, const uint8_t content[HASH128_LEN], struct rows *ret_rows)
{
	int r = open_rows(db, STMT_PAIR_OF_CONTENT, ret_rows);

	if (r < 0)
		return r;
	bind_blob(ret_rows->stmt, 1, content, HASH128_LEN);
	return 0;
}

int pair_of_location(struct db *db, int64_t location, struct rows *ret_rows)
{
	int r = open_rows(db, STMT_PAIR_OF_LOCATION, ret_rows);

	if (r < 0)
		return r;
	bind_int(ret_rows->stmt, 1, location);
	return 0;
}

/* --- where a link leads --- */

struct tagged {
	int64_t id; /* 0: not reachable */
	bool local;
	bool has_content;
	uint8_t content[HASH128_LEN];
};

/* The tagged entry itself, if it is reachable; else the content that stands in for it. */
static int read_tagged(struct db *db, const struct pair *pair, struct tagged *ret_tagged)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r;

	*ret_tagged = (struct tagged){ .has_content = pair->has_content };
	memcpy(ret_tagged->content, pair->content, HASH128_LEN);
	if (pair->entry_id == 0)
		return 0;
	r = entry_is_reachable(db, pair->entry_id);
	if (r != 1)
		return r;
	r = entry_get(db, pair->entry_id, &entry, &rows);
	if (r < 0)
		return r;
	*ret_tagged = (struct tagged){ .id = entry.id, .local = entry.local, .has_content = entry.has_content && entry.size > 0 };
	memcpy(ret_tagged->content, entry.content, HASH128_LEN);
	return 0;
}

int pair_target(struct db *db, const struct pair *pair, int64_t *ret_entry)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct tagged tagged;
	struct entry copy;
	int64_t any = 0;
	int r = read_tagged(db, pair, &tagged);

	if (r == 0 && !(tagged.id != 0 && tagged.local) && tagged.has_content)
		r = entry_by_content(db, tagged.content, &rows);
	while (r == 0 && rows.stmt != NULL && (r = entry_next(&rows, &copy)) == 0) {
		/* This device's come first; after them the tagged entry is as good as any. */
		if (!copy.local && (tagged.id != 0 || any != 0))
			break;
		r = entry_is_reachable(db, copy.id);
		if (r < 0)
			return r;
		if (r == 1 && copy.local) {
			*ret_entry = copy.id;
			return 0;
		}
		if (r == 1)
			any = copy.id;
		r = 0;
	}
	if (r < 0)
		return r;
	if (tagged.id == 0 && any == 0)
		return -ENOENT;
	*ret_entry = tagged.id != 0 ? tagged.id : any;
	return 0;
}
