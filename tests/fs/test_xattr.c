#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/object.h"
#include "store/pair.h"
#include "tests/fs/world.h"
#include "tests/lib/test.h"

static int setup(void **state)
{
	static struct world w;

	world_init(&w);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	world_release(*state);
	return 0;
}

/* NULL: as many bytes as an error has. */
static void assert_tags(struct world *w, int64_t entry, const char *tags)
{
	struct buf value = BUF_INIT, names = BUF_INIT;
	int r = fs_getxattr(w->fs, object(OBJECT_ENTRY, entry), "user.xdg.tags", &value);

	assert_int_equal(fs_listxattr(w->fs, object(OBJECT_ENTRY, entry), &names), 0);
	if (!tags) {
		assert_int_equal(r, -ENODATA);
		assert_int_equal(value.len, 0);
		assert_int_equal(names.len, 0);
	} else {
		assert_int_equal(r, 0);
		assert_int_equal(value.len, strlen(tags));
		assert_memory_equal(value.data, tags, value.len);
		assert_int_equal(names.len, sizeof("user.xdg.tags"));
		assert_memory_equal(names.data, "user.xdg.tags", names.len);
	}
	buf_release(&value);
	buf_release(&names);
}

static void tag(struct world *w, const char *name, int64_t entry)
{
	assert_int_equal(library_pair(&w->library, library_tag(&w->library, name), entry, "x", NULL), 0);
}

static void test_tags(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "a", "x"), dir = world_dir(w, "dir"), link = world_symlink(w, "link", "a");

	assert_tags(w, file, NULL);
	tag(w, "zebra", file);
	assert_tags(w, file, "zebra");
	tag(w, "caf\xc3\xa9", file);
	tag(w, "apple", file);
	assert_tags(w, file, "apple,caf\xc3\xa9,zebra");
	tag(w, "one, two", file); /* would read as two */
	assert_tags(w, file, "apple,caf\xc3\xa9,zebra");
	assert_int_equal(library_pair(&w->library, library_album(&w->library, "album"), file, "x", NULL), 0);
	assert_tags(w, file, "apple,caf\xc3\xa9,zebra");
	tag(w, "folder", dir);
	assert_tags(w, dir, "folder");
	tag(w, "on a link", link); /* Linux has no user attributes of links */
	assert_tags(w, link, NULL);
}

static void test_only_a_comma(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "a", "x");

	tag(w, "one, two", file);
	assert_tags(w, file, NULL);
}

static void test_tags_of_a_copy(void **state)
{
	struct world *w = *state;
	int64_t a = world_file(w, "a", "same"), b = world_file(w, "b", "same");

	world_content(w, a, 3);
	tag(w, "t", a);
	assert_tags(w, b, NULL);
	world_content(w, b, 3);
	assert_tags(w, b, "t");
}

static void test_other_names_and_objects(void **state)
{
	struct world *w = *state;
	uint64_t file = object(OBJECT_ENTRY, world_file(w, "a", "x"));
	struct buf value = BUF_INIT;

	assert_int_equal(fs_getxattr(w->fs, file, "security.selinux", &value), -EOPNOTSUPP);
	assert_int_equal(fs_getxattr(w->fs, file, "system.posix_acl_access", &value), -EOPNOTSUPP);
	assert_int_equal(fs_getxattr(w->fs, file, "user.comment", &value), -ENODATA);
	assert_int_equal(fs_getxattr(w->fs, file, "trusted.x", &value), -ENODATA);
	assert_int_equal(fs_getxattr(w->fs, UINT64_MAX, "security.selinux", &value), -EOPNOTSUPP);
	assert_int_equal(fs_getxattr(w->fs, OBJECT_TAGS, "user.xdg.tags", &value), -ENODATA);
	assert_int_equal(fs_getxattr(w->fs, object(OBJECT_PAIR, 1), "user.xdg.tags", &value), -ENODATA);
	assert_int_equal(fs_getxattr(w->fs, object(OBJECT_ENTRY, 9999), "user.xdg.tags", &value), -ENOENT);
	assert_int_equal(fs_listxattr(w->fs, OBJECT_TAGS, &value), 0);
	assert_int_equal(fs_listxattr(w->fs, object(OBJECT_ENTRY, 9999), &value), -ENOENT);
	assert_int_equal(value.len, 0);
	buf_release(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_a_comma, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tags_of_a_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_names_and_objects, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
