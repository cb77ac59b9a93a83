#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/collection.h"
#include "store/object.h"
#include "store/oplog.h"
#include "store/pair.h"
#include "sync/change.h"
#include "sync/naming.h"
#include "tests/fs/world.h"
#include "tests/lib/test.h"

#define CAFE_NFC "caf\xc3\xa9"
#define CAFE_NFD "cafe\xcc\x81"

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

/* --- collections of one name, as concurrent renames on two devices make them --- */

struct tag {
	struct uuid uuid;
	const char *name;
	bool live;
};

static int put_tag(struct txn *txn, void *arg)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	const struct tag *tag = arg;
	struct change *change = NULL;
	int r = change_set_add(&set, MODEL_TAG, &tag->uuid, NULL, &change);

	if (r == 0)
		r = change_put_bytes(&set, change, COLLECTION_NAME, tag->name, strlen(tag->name));
	if (r == 0)
		r = change_put_number(change, COLLECTION_LIVE, tag->live);
	return r < 0 ? r : oplog_commit(txn, &set);
}

static struct uuid low_uuid(uint8_t first)
{
	return (struct uuid){ .bytes = { first } };
}

static void tag(struct world *w, uint8_t first, const char *name, bool live)
{
	struct tag t = { .uuid = low_uuid(first), .name = name, .live = live };

	assert_int_equal(library_write(&w->library, put_tag, &t), 0);
}

static char *suffixed(const char *name, bool is_file, struct uuid uuid)
{
	char text[TEXT_NAME_MAX + 1];

	naming_suffixed(name, strlen(name), is_file, &uuid, text);
	return strdup(text);
}

static char *joined(const char *first, const char *second)
{
	char *text;

	assert_true(asprintf(&text, "%s|%s", first, second) > 0);
	return text;
}

static void test_two_tags_of_one_name(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *other = suffixed("x", false, low_uuid(2)), *both = joined(other, "x");

	tag(w, 2, "x", true); /* came first: the order of arrival does not count */
	world_assert_ls(w, "tags", "x");
	tag(w, 1, "x", true);
	world_assert_ls(w, "tags", both);
	world_assert_sound(w);
	tag(w, 1, "y", true);
	world_assert_ls(w, "tags", "x|y");
	tag(w, 1, "x", true);
	world_assert_ls(w, "tags", both);
	tag(w, 1, "x", false); /* hidden ones do not count */
	world_assert_ls(w, "tags", "x");
}

static void test_names_of_tags_are_compared_in_nfc(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *other = suffixed(CAFE_NFD, false, low_uuid(2)), *both = joined(CAFE_NFC, other);
	struct fs_attr attr;

	tag(w, 1, CAFE_NFC, true);
	tag(w, 2, CAFE_NFD, true);
	world_assert_ls(w, "tags", both);
	world_assert_sound(w);
	/* A look-up finds what is shown, byte for byte. */
	assert_int_equal(fs_lookup(w->fs, OBJECT_TAGS, CAFE_NFD, &attr), -ENOENT);
	assert_int_equal(world_mkdir(w, "tags/" CAFE_NFD), -EEXIST);
	assert_int_equal(world_mkdir(w, "albums/" CAFE_NFD), 0);
}

static void test_suffixed_names_are_taken(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *other = suffixed("x", false, low_uuid(2)), *path = NULL;

	tag(w, 1, "x", true);
	tag(w, 2, "x", true);
	assert_true(asprintf(&path, "tags/%s", other) > 0);
	assert_int_equal(world_mkdir(w, path), -EEXIST);
	assert_int_equal(world_mv(w, path, "tags/z", 0), 0);
	world_assert_ls(w, "tags", "x|z");
	assert_int_equal(world_mv(w, "tags/z", path, 0), 0); /* now it is its plain name */
	world_assert_sound(w);
}

static void test_long_names_of_tags_are_cut(void **state)
{
	struct world *w = *state;
	char *name = calloc(1, 256);

	/* Characters of three bytes, so that the cut falls into one. */
	for (int i = 0; i < 85; i++)
		memcpy(name + i * 3, "\xe2\x82\xac", 3);
	tag(w, 1, name, true);
	tag(w, 2, name, true);
	tag(w, 3, name, true);
	world_assert_sound(w);
	free(name);
}

/* --- links --- */

static void test_links_of_one_name(void **state)
{
	struct world *w = *state;
	int64_t t = library_tag(&w->library, "t");
	int64_t a = world_file(w, "a/x.jpg", "1"), b = world_file(w, "b/x.jpg", "2"), c = world_file(w, "c/x.jpg", "3");
	_cleanup_(free_ptr) char *of_b = suffixed("x.jpg", true, library_uuid(&w->library, b));
	_cleanup_(free_ptr) char *of_c = suffixed("x.jpg", true, library_uuid(&w->library, c));
	_cleanup_(free_ptr) char *b_c = joined(of_c, of_b), *all = joined(b_c, "x.jpg");
	char path[600];

	assert_int_equal(library_pair(&w->library, t, c, "x.jpg", NULL), 0);
	assert_int_equal(library_pair(&w->library, t, b, "x.jpg", NULL), 0);
	assert_int_equal(library_pair(&w->library, t, a, "x.jpg", NULL), 0);
	assert_true(strncmp(of_b, "x (", 3) == 0 && strcmp(of_b + strlen(of_b) - 5, ").jpg") == 0);
	world_assert_ls(w, "tags/t", all);
	world_assert_sound(w);
	world_assert_target(w, "tags/t/x.jpg", "../../devices/laptop/photos/a/x.jpg");
	snprintf(path, sizeof(path), "tags/t/%s", of_c);
	world_assert_target(w, path, "../../devices/laptop/photos/c/x.jpg");

	/* A link that is not listed has no name to keep. */
	library_delete(&w->library, a);
	world_assert_target(w, "tags/t/x.jpg", "../../devices/laptop/photos/b/x.jpg");
	world_assert_sound(w);

	/* unlink removes the one that was named. */
	assert_int_equal(world_unlink(w, path), 0);
	world_assert_ls(w, "tags/t", "x.jpg");
	assert_int_equal(world_to(w, "tags/t/x.jpg"), b);
}

static void test_directories_get_their_suffix_at_the_end(void **state)
{
	struct world *w = *state;
	int64_t t = library_tag(&w->library, "t");
	int64_t a = world_dir(w, "a/x.jpg"), b = world_dir(w, "b/x.jpg"), c = world_file(w, "c/x.jpg", "3");
	_cleanup_(free_ptr) char *of_b = suffixed("x.jpg", false, library_uuid(&w->library, b));
	_cleanup_(free_ptr) char *of_c = suffixed("x.jpg", true, library_uuid(&w->library, c));
	_cleanup_(free_ptr) char *b_c = joined(of_b, of_c), *all = joined("x.jpg", b_c);

	assert_int_equal(library_pair(&w->library, t, a, "x.jpg", NULL), 0);
	assert_int_equal(library_pair(&w->library, t, b, "x.jpg", NULL), 0);
	assert_int_equal(library_pair(&w->library, t, c, "x.jpg", NULL), 0);
	assert_string_equal(of_b + strlen(of_b) - 1, ")");
	world_assert_ls(w, "tags/t", all);
	world_assert_sound(w);
}

static void test_long_names_of_links_are_cut(void **state)
{
	struct world *w = *state;
	int64_t t = library_tag(&w->library, "t");
	char name[256];

	for (int kind = 0; kind < 3; kind++) {
		memset(name, 'a' + kind, 255);
		name[255] = '\0';
		if (kind == 1)
			memcpy(name + 251, ".jpg", 4);
		if (kind == 2)
			memset(name, 0xff, 255); /* no UTF-8 */
		for (int i = 0; i < 3; i++) {
			char path[300];
			snprintf(path, sizeof(path), "%c%d/%s", 'd' + kind, i, name);
			int64_t file = world_file(w, path, "x");
			assert_int_equal(library_pair(&w->library, t, file, name, NULL), 0);
		}
	}
	world_assert_sound(w);
}

static void test_a_plain_name_may_look_suffixed(void **state)
{
	struct world *w = *state;
	int64_t t = library_tag(&w->library, "t");
	int64_t a = world_file(w, "a", "1"), b = world_file(w, "b", "2");
	_cleanup_(free_ptr) char *of_b = suffixed("x", true, library_uuid(&w->library, b));

	assert_int_equal(library_pair(&w->library, t, a, of_b, NULL), 0);
	assert_int_equal(library_pair(&w->library, t, b, "x", NULL), 0);
	world_assert_sound(w);
	assert_int_equal(library_pair(&w->library, t, world_file(w, "c", "3"), of_b, NULL), 0);
	world_assert_sound(w);
}

/* --- devices and locations --- */

static void test_devices_of_one_name(void **state)
{
	struct world *w = *state;
	struct uuid own = store_info(w->library.store)->device;
	_cleanup_(free_ptr) char *name = suffixed("laptop", false, own), *path = NULL, *target = NULL, *all = NULL;

	world_file(w, "f", "x");
	library_tag(&w->library, "t");
	assert_int_equal(world_ln(w, "../../devices/laptop/photos/f", "tags/t/f"), 0);
	world_peers(w);
	/* The other laptop has the lower id: this one is shown with a suffix from now on, in the targets of links, too. */
	assert_true(asprintf(&path, "devices/%s", name) > 0);
	world_assert_ls(w, path, "photos");
	world_assert_ls(w, "devices/laptop/photos", "b.jpg");
	assert_true(asprintf(&target, "../../devices/%s/photos/f", name) > 0);
	world_assert_target(w, "tags/t/f", target);
	assert_true(asprintf(&all, "%s|phone|laptop", name) > 0);
	world_assert_ls(w, "devices", all);
	world_assert_sound(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_two_tags_of_one_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_of_tags_are_compared_in_nfc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_suffixed_names_are_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_names_of_tags_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_of_one_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directories_get_their_suffix_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_names_of_links_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_plain_name_may_look_suffixed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_devices_of_one_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
