#include "mount/titles.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"

enum { NEAR_MAX = 2, SUGGESTED_MAX = 5 };

const char *titles_noun(enum collection_kind kind)
{
	return kind == COLLECTION_ALBUM ? "album" : "tag";
}

int titles_find(struct db *db, enum collection_kind kind, const char *name, int64_t **ret_ids, size_t *ret_count)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	_cleanup_(free_ptr) int64_t *ids = NULL;
	struct collection collection;
	size_t count = 0;
	int r = collection_named(db, kind, name, strlen(name), &rows);

	if (r == -ERR_MALFORMED) /* not UTF-8: nothing is called so */
		r = -ENOENT;
	while (r == 0 && (r = collection_next(&rows, &collection)) == 0) {
		int64_t *more = reallocarray(ids, count + 1, sizeof(*ids));

		if (!more)
			return -ENOMEM;
		more[count++] = collection.id;
		ids = more;
	}
	if (r < 0)
		return r;
	if (count == 0)
		return -ENOENT;
	*ret_ids = TAKE_PTR(ids);
	*ret_count = count;
	return 0;
}

/* Levenshtein's distance, one row at a time. */
unsigned titles_distance(const char *a, const char *b, unsigned limit)
{
	unsigned row[TEXT_NAME_MAX + 2];
	size_t len = strlen(b);

	if (len > TEXT_NAME_MAX || strlen(a) > TEXT_NAME_MAX)
		return limit + 1;
	for (size_t j = 0; j <= len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= len; j++) {
			bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
			unsigned best = diagonal + !same;

			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[len] <= limit ? row[len] : limit + 1;
}

static bool is_near(const char *typed, const char *name)
{
	size_t len = strlen(typed);

	if (len >= 3 && strcasestr(name, typed))
		return true;
	return titles_distance(typed, name, NEAR_MAX) <= (len > 4 ? NEAR_MAX : len > 2 ? 1 : 0);
}

static int suggest(struct db *db, enum collection_kind kind, const char *typed, struct buf *near)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection collection;
	int shown = 0, r = collection_list(db, kind, 0, &rows);

	while (r == 0 && shown < SUGGESTED_MAX && (r = collection_next(&rows, &collection)) == 0) {
		_cleanup_(free_ptr) char *name = strndup(collection.name, collection.name_len);

		if (!name)
			return -ENOMEM;
		if (is_near(typed, name))
			buf_printf(near, "%s%s", shown++ > 0 ? ", " : "", name);
	}
	return r < 0 ? r : buf_error(near);
}

int titles_find_or_say(struct db *db, enum collection_kind kind, const char *name, struct out *out, int64_t **ret_ids,
		       size_t *ret_count)
{
	_cleanup_(buf_release) struct buf near = BUF_INIT;
	_cleanup_(free_ptr) char *text = NULL;
	int r = titles_find(db, kind, name, ret_ids, ret_count);

	if (r == 0)
		return 0;
	if (r != -ENOENT) {
		out_fail(out, r, "cannot look up the %s %s", titles_noun(kind), name);
		return r;
	}
	if (suggest(db, kind, name, &near) == 0 && near.len > 0)
		text = buf_take_str(&near);
	if (text)
		out_error(out, "there is no %s called '%s'; do you mean: %s", titles_noun(kind), name, text);
	else
		out_error(out, "there is no %s called '%s'; `shelf %s list` shows all", titles_noun(kind), name,
			  titles_noun(kind));
	return r;
}

int titles_refuse(enum collection_kind kind, const char *name, struct out *out)
{
	out_error(
	    out,
	    "'%s' cannot be the name of %s %s: 1 to 255 bytes of UTF-8 without '/' and control characters, and not a "
	    "name that desktops use for their own files",
	    name, kind == COLLECTION_ALBUM ? "an" : "a", titles_noun(kind));
	return EXITCODE_USAGE;
}
