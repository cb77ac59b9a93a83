#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fs/names.h"
#include "fs/node.h"
#include "store/object.h"
#include "store/pair.h"

#define XATTR_TAGS "user.xdg.tags"

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Names of tags: few, as they are the tags of one file. */
struct tags {
	struct name *items; /* owned */
	size_t count;
};

static void tags_release(struct tags *tags)
{
	free(tags->items);
}

/* A comma would look like two tags: such a name is left out. */
static int add_tag(struct db *db, int64_t id, struct tags *tags)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection tag;
	int r = collection_get(db, id, &tag, &rows);

	if (r == 0 && tag.name_len > 0 && !memchr(tag.name, ',', tag.name_len))
		name_set(&tags->items[tags->count++], tag.name, tag.name_len);
	return r;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int read_tags(struct db *db, int64_t entry, struct tags *ret_tags)
{
	_cleanup_(tags_release) struct tags tags = { 0 };
	_cleanup_(free_ptr) int64_t *ids = NULL;
	size_t count = 0;
	int r = pair_collections_of(db, entry, COLLECTION_TAG, &ids, &count);

	if (r < 0)
		return r;
	tags.items = calloc(count + 1, sizeof(*tags.items));
	if (!tags.items)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_tag(db, ids[i], &tags);
	if (r < 0)
		return r;
	qsort(tags.items, tags.count, sizeof(*tags.items), compare_names);
	*ret_tags = tags;
	tags = (struct tags){ 0 };
	return 0;
}

/* Appends the names, sorted, each once. Errors: -ENODATA (none). */
static int join_tags(const struct tags *tags, struct buf *ret_value)
{
	size_t before = ret_value->len;

	for (size_t i = 0; i < tags->count; i++) {
		if (i > 0 && strcmp(tags->items[i].text, tags->items[i - 1].text) == 0)
			continue;
		if (i > 0)
			buf_append_str(ret_value, ",");
		buf_append(ret_value, tags->items[i].text, tags->items[i].len);
	}
	if (buf_error(ret_value) < 0)
		return buf_error(ret_value);
	return ret_value->len > before ? 0 : -ENODATA;
}

/* Linux knows user attributes of files and directories only. */
static int check_carrier(struct db *db, int64_t id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_get(db, id, &entry, &rows);

	if (r < 0)
		return r;
	if (entry.deleted)
		return -ENOENT;
	return S_ISREG(entry.mode) || S_ISDIR(entry.mode) ? 0 : -ENODATA;
}

static int get_tags(struct fs *fs, uint64_t ino, struct buf *ret_value)
{
	_cleanup_(tags_release) struct tags tags = { 0 };
	_cleanup_(read_end) struct db *db = NULL;
	int r;

	if (object_kind(ino) != OBJECT_ENTRY)
		return -ENODATA;
	r = read_begin(fs, &db);
	if (r == 0)
		r = check_carrier(db, object_id(ino));
	if (r == 0)
		r = read_tags(db, object_id(ino), &tags);
	return r < 0 ? r : join_tags(&tags, ret_value);
}

int fs_getxattr(struct fs *fs, uint64_t ino, const char *name, struct buf *ret_value)
{
	if (begins(name, "security.") || begins(name, "system."))
		return -EOPNOTSUPP;
	return strcmp(name, XATTR_TAGS) == 0 ? get_tags(fs, ino, ret_value) : -ENODATA;
}

int fs_listxattr(struct fs *fs, uint64_t ino, struct buf *ret_names)
{
	_cleanup_(buf_release) struct buf value = BUF_INIT;
	int r = get_tags(fs, ino, &value);

	if (r == -ENODATA)
		return 0;
	return r < 0 ? r : buf_append(ret_names, XATTR_TAGS, sizeof(XATTR_TAGS));
}
