/* The row `rename` of the table of design section 2. */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/object.h"
#include "store/pair.h"
#include "tests/fs/world.h"
#include "tests/lib/test.h"

#define PHOTOS   "devices/laptop/photos"
#define CAFE_NFC "caf\xc3\xa9"
#define CAFE_NFD "cafe\xcc\x81"

/* tags/t holds a and b, tags/u holds a as "x", albums/al and favorites are empty; tags/empty. */
static int setup(void **state)
{
	static struct world w;

	world_init(&w);
	world_file(&w, "a.jpg", "aaa");
	world_file(&w, "b.jpg", "bb");
	assert_int_equal(world_mkdir(&w, "tags/t"), 0);
	assert_int_equal(world_mkdir(&w, "tags/u"), 0);
	assert_int_equal(world_mkdir(&w, "tags/empty"), 0);
	assert_int_equal(world_mkdir(&w, "albums/al"), 0);
	assert_int_equal(world_ln(&w, "../../" PHOTOS "/a.jpg", "tags/t/a"), 0);
	assert_int_equal(world_ln(&w, "../../" PHOTOS "/b.jpg", "tags/t/b"), 0);
	assert_int_equal(world_ln(&w, "../../" PHOTOS "/a.jpg", "tags/u/x"), 0);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	world_assert_ls(w, PHOTOS, "a.jpg|b.jpg"); /* content is never touched */
	world_assert_sound(w);
	library_assert_clean(&w->library);
	world_release(w);
	return 0;
}

static void test_where_nothing_is_renamed(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *from, *to;
		int error;
	} rows[] = {
		{ "tags", "labels", -EPERM },
		{ "tags", "tags/t", -EPERM },
		{ "tags/t", "t", -EPERM },
		{ "tags/t/a", "a", -EPERM },
		{ "devices", "machines", -EPERM },
		{ "devices/laptop", "devices/desktop", -EROFS },
		{ PHOTOS, "devices/laptop/pictures", -EROFS },
		{ PHOTOS "/a.jpg", PHOTOS "/c.jpg", -EROFS },
		{ PHOTOS "/a.jpg", PHOTOS "/b.jpg", -EROFS },
		{ PHOTOS "/a.jpg", "c.jpg", -EPERM },
		{ PHOTOS "/a.jpg", "tags/c.jpg", -EPERM },
		{ PHOTOS "/a.jpg", "tags/t/c.jpg", -EPERM }, /* never EXDEV */
		{ PHOTOS "/a.jpg", "albums/al/c.jpg", -EPERM },
		{ PHOTOS "/a.jpg", "favorites/c.jpg", -EPERM },
		{ PHOTOS, "tags/photos", -EPERM },
		{ "tags/t", PHOTOS "/t", -EROFS },
		{ "tags/t/a", PHOTOS "/t", -EROFS },
		{ "tags/t/a", "devices/t", -EROFS },
		{ "tags/t", "albums/t", -EPERM },
		{ "albums/al", "tags/al", -EPERM },
		{ "tags/t", "tags/u/t", -EPERM },
		{ "tags/t", "favorites/t", -EPERM },
		{ "tags/t/a", "tags/a", -EPERM },
		{ "tags/t/a", "albums/a", -EPERM },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(world_mv(w, rows[i].from, rows[i].to, 0), rows[i].error);
		assert_int_equal(world_mv(w, rows[i].from, rows[i].to, RENAME_NOREPLACE), rows[i].error);
		assert_int_equal(world_mv(w, rows[i].from, rows[i].to, RENAME_EXCHANGE), -EINVAL);
	}
	world_assert_ls(w, "tags", "t|u|empty");
	world_assert_ls(w, "tags/t", "a|b");
}

static void test_flags(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_mv(w, "tags/t", "tags/u", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(world_mv(w, "tags/t/a", "tags/t/b", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(world_mv(w, "tags/t/a", "tags/t/c", RENAME_WHITEOUT), -EINVAL);
	assert_int_equal(world_mv(w, "tags/t/a", "tags/t/c", 1u << 31 | RENAME_NOREPLACE), -EINVAL);
	world_assert_ls(w, "tags/t", "a|b");
}

static void test_names(void **state)
{
	struct world *w = *state;
	char longest[300] = "tags/";

	memset(longest + 5, 'n', 256);
	assert_int_equal(world_mv(w, "tags/t", longest, 0), -ENAMETOOLONG);
	assert_int_equal(world_mv(w, "tags/t", "tags/.hidden", 0), -EPERM);
	assert_int_equal(world_mv(w, "tags/t", "tags/\x01", 0), -EINVAL);
	assert_int_equal(world_mv(w, "tags/t", "tags/\xff", 0), -EINVAL);
	assert_int_equal(world_mv(w, "tags/t/a", "tags/t/.hidden", 0), -EPERM);
	assert_int_equal(world_mv(w, "tags/t/a", "tags/t/\xff\x01", 0), 0);
	assert_int_equal(world_mv(w, "tags/none", "tags/x", 0), -ENOENT);
	assert_int_equal(world_mv(w, "tags/t/none", "tags/t/x", 0), -ENOENT);
	assert_int_equal(world_mv(w, "tags/t/none", "tags/t/b", 0), -ENOENT);
}

static void test_a_tag_keeps_its_inode_and_links(void **state)
{
	struct world *w = *state;
	uint64_t tag = world_at(w, "tags/t"), link = world_at(w, "tags/t/a");

	assert_int_equal(world_mv(w, "tags/t", "tags/holiday", 0), 0);
	world_assert_ls(w, "tags", "holiday|u|empty");
	assert_int_equal(world_at(w, "tags/holiday"), tag);
	assert_int_equal(world_at(w, "tags/holiday/a"), link);
	assert_int_equal(world_mv(w, "tags/holiday", "tags/t", RENAME_NOREPLACE), 0);
	assert_int_equal(world_at(w, "tags/t"), tag);
}

static void test_a_tag_onto_itself_and_respelled(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_mv(w, "tags/t", "tags/t", 0), 0);
	assert_int_equal(world_mv(w, "tags/t", "tags/t", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(world_mv(w, "tags/t", "tags/" CAFE_NFC, 0), 0);
	assert_int_equal(world_mv(w, "tags/" CAFE_NFC, "tags/" CAFE_NFD, RENAME_NOREPLACE), 0);
	world_assert_ls(w, "tags", CAFE_NFD "|u|empty");
	/* Another tag has that name, spelled otherwise. */
	assert_int_equal(world_mv(w, "tags/u", "tags/" CAFE_NFC, 0), -EEXIST);
	world_assert_ls(w, "tags", CAFE_NFD "|u|empty");
}

static void test_a_tag_onto_another(void **state)
{
	struct world *w = *state;
	uint64_t tag = world_at(w, "tags/t");

	assert_int_equal(world_mv(w, "tags/t", "tags/u", 0), -ENOTEMPTY);
	assert_int_equal(world_mv(w, "tags/t", "tags/u", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(world_mv(w, "tags/t", "tags/empty", RENAME_NOREPLACE), -EEXIST);
	world_assert_ls(w, "tags", "t|u|empty");
	assert_int_equal(world_mv(w, "tags/t", "tags/empty", 0), 0);
	world_assert_ls(w, "tags", "empty|u");
	assert_int_equal(world_at(w, "tags/empty"), tag);
	world_assert_ls(w, "tags/empty", "a|b");
}

static void test_a_tag_onto_one_whose_links_lead_nowhere(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "c.jpg", "c");

	assert_int_equal(world_ln(w, "../../" PHOTOS "/c.jpg", "tags/empty/c"), 0);
	library_delete(&w->library, file);
	assert_int_equal(world_mv(w, "tags/u", "tags/empty", 0), 0);
	world_assert_ls(w, "tags/empty", "x");
}

static void test_a_link_within_its_collection(void **state)
{
	struct world *w = *state;
	uint64_t link = world_at(w, "tags/t/a");

	assert_int_equal(world_mv(w, "tags/t/a", "tags/t/c", 0), 0);
	assert_int_equal(world_at(w, "tags/t/c"), link);
	world_assert_ls(w, "tags/t", "c|b");
	assert_int_equal(world_mv(w, "tags/t/c", "tags/t/c", 0), 0);
	assert_int_equal(world_mv(w, "tags/t/c", "tags/t/c", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(world_mv(w, "tags/t/c", "tags/t/b", RENAME_NOREPLACE), -EEXIST);
	world_assert_ls(w, "tags/t", "c|b");
	assert_int_equal(world_mv(w, "tags/t/c", "tags/t/b", 0), 0); /* the other is replaced */
	world_assert_ls(w, "tags/t", "b");
	assert_int_equal(world_at(w, "tags/t/b"), link);
	assert_int_equal(world_to(w, "tags/t/b"), world_entry(w, "a.jpg"));
}

static void test_a_link_to_another_collection(void **state)
{
	struct world *w = *state;
	uint64_t link = world_at(w, "tags/t/b"); /* it keeps its inode, as a renamed file does */

	assert_int_equal(world_mv(w, "tags/t/b", "tags/u/b", 0), 0);
	world_assert_ls(w, "tags/t", "a");
	world_assert_ls(w, "tags/u", "b|x"); /* and so its place in the order */
	assert_int_equal(world_at(w, "tags/u/b"), link);
	assert_int_equal(world_mv(w, "tags/u/b", "albums/al/c", 0), 0);
	world_assert_ls(w, "tags/u", "x");
	world_assert_ls(w, "albums/al", "c");
	assert_int_equal(world_mv(w, "albums/al/c", "favorites/d", 0), 0);
	world_assert_ls(w, "albums/al", "");
	world_assert_ls(w, "favorites", "d");
	assert_int_equal(world_at(w, "favorites/d"), link);
	world_assert_target(w, "favorites/d", "../" PHOTOS "/b.jpg");
	assert_int_equal(world_mv(w, "favorites/d", "tags/t/b", 0), 0);
	world_assert_ls(w, "favorites", "");
	world_assert_ls(w, "tags/t", "a|b");
	assert_int_equal(world_at(w, "tags/t/b"), link);
	assert_int_equal(world_to(w, "tags/t/b"), world_entry(w, "b.jpg"));
}

static void test_a_link_to_where_its_entry_is_already(void **state)
{
	struct world *w = *state;

	/* One link remains, with the new name. */
	assert_int_equal(world_mv(w, "tags/t/a", "tags/u/y", RENAME_NOREPLACE), 0);
	world_assert_ls(w, "tags/t", "b");
	world_assert_ls(w, "tags/u", "y");
	/* The new name is the one that it has there. */
	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/t/a"), 0);
	assert_int_equal(world_mv(w, "tags/t/a", "tags/u/y", 0), 0);
	world_assert_ls(w, "tags/u", "y");
	world_assert_ls(w, "tags/t", "b");
	/* The new name is that of a third. */
	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/t/a"), 0);
	assert_int_equal(world_mv(w, "tags/u/y", "tags/t/b", 0), 0);
	world_assert_ls(w, "tags/t", "b");
	world_assert_ls(w, "tags/u", "");
	assert_int_equal(world_to(w, "tags/t/b"), world_entry(w, "a.jpg"));
}

static void test_a_link_onto_a_link_elsewhere(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_mv(w, "tags/t/b", "tags/u/x", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(world_mv(w, "tags/t/b", "tags/u/x", 0), 0);
	world_assert_ls(w, "tags/u", "x");
	world_assert_ls(w, "tags/t", "a");
	assert_int_equal(world_to(w, "tags/u/x"), world_entry(w, "b.jpg"));
}

/* By the name that is shown, also onto one. */
static void test_links_with_suffixes(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *names = NULL, *path = NULL;
	int64_t t = object_id(world_at(w, "tags/t"));
	int64_t third = world_file(w, "c.jpg", "c");
	uint64_t link;

	assert_int_equal(library_pair(&w->library, t, third, "a", NULL), 0);
	names = world_ls(w, "tags/t");
	assert_true(strncmp(names, "a|b|a (", 7) == 0);
	assert_true(asprintf(&path, "tags/t/%s", names + 4) > 0);
	link = world_at(w, path);
	assert_int_equal(world_to(w, path), third);
	assert_int_equal(world_mv(w, path, "tags/t/c", 0), 0);
	world_assert_ls(w, "tags/t", "a|b|c");
	assert_int_equal(world_at(w, "tags/t/c"), link);

	assert_int_equal(world_mv(w, "tags/t/c", path, 0), 0); /* now it is its plain name */
	assert_int_equal(world_mv(w, "tags/t/b", path, RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(world_mv(w, "tags/t/b", path, 0), 0);
	assert_int_equal(world_to(w, path), world_entry(w, "b.jpg"));
	assert_int_equal(world_unlink(w, path), 0);
	world_assert_ls(w, "tags/t", "a");
	library_delete(&w->library, third);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_where_nothing_is_renamed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_tag_keeps_its_inode_and_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_tag_onto_itself_and_respelled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_tag_onto_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_tag_onto_one_whose_links_lead_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_within_its_collection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_to_another_collection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_to_where_its_entry_is_already, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_onto_a_link_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_with_suffixes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
