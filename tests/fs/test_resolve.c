#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fs/resolve.h"
#include "store/object.h"
#include "tests/fs/world.h"
#include "tests/lib/test.h"

#define PHOTOS "devices/laptop/photos"

static int setup(void **state)
{
	static struct world w;

	world_init(&w);
	world_file(&w, "dir/a.jpg", "x");
	world_file(&w, "odd \n name/\xff", "x");
	library_tag(&w.library, "t");
	assert_int_equal(world_ln(&w, "../../" PHOTOS "/dir/a.jpg", "tags/t/a"), 0);
	assert_int_equal(world_ln(&w, "../../" PHOTOS "/dir", "tags/t/dir"), 0);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	world_release(*state);
	return 0;
}

static void test_normal_paths(void **state)
{
	static const struct {
		const char *path, *normal;
	} rows[] = {
		{ "/", "/" },           { "//", "/" },          { "/a", "/a" },         { "/a/", "/a" },
		{ "/a//b", "/a/b" },    { "/./a/.", "/a" },     { "/a/..", "/" },       { "/..", "/" },
		{ "/../../a", "/a" },   { "/a/b/../c", "/a/c" }, { "/a/.../b", "/a/.../b" }, { "/a/..b", "/a/..b" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(free_ptr) char *normal = NULL;
		assert_int_equal(resolve_normal(rows[i].path, &normal), 0);
		assert_string_equal(normal, rows[i].normal);
	}
	char *none = NULL;
	assert_int_equal(resolve_normal("a", &none), -EINVAL);
	assert_int_equal(resolve_normal("", &none), -EINVAL);
}

/* What `path` names, as a path below the mount; "" for the root, NULL when it names nothing. */
static char *resolved(struct world *w, const char *path, bool follow)
{
	struct buf text = BUF_INIT;
	uint64_t ino;
	int r = fs_resolve(w->fs, path, follow, &ino);

	if (r < 0) {
		assert_int_equal(r, -ENOENT);
		return NULL;
	}
	if (object_kind(ino) == OBJECT_PAIR)
		return strdup("a link");
	assert_int_equal(fs_path(w->fs, ino, &text), 0);
	return buf_take_str(&text);
}

static void assert_resolved(struct world *w, const char *path, bool follow, const char *to)
{
	_cleanup_(free_ptr) char *found = resolved(w, path, follow);

	if (!to)
		assert_null(found);
	else
		assert_string_equal(found ? found : "(nothing)", to);
}

static void test_paths_in_the_mount(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *path, *to;
	} rows[] = {
		{ "/", "" },
		{ "tags", "tags" },
		{ "tags/t", "tags/t" },
		{ "tags/t/", "tags/t" },
		{ "./tags/../tags/t/.", "tags/t" },
		{ "tags/t/a", PHOTOS "/dir/a.jpg" },
		{ "tags/t/dir/a.jpg", PHOTOS "/dir/a.jpg" },
		{ "devices", "devices" },
		{ "devices/laptop", "devices/laptop" },
		{ PHOTOS, PHOTOS },
		{ PHOTOS "/dir", PHOTOS "/dir" },
		{ PHOTOS "/odd \n name/\xff", PHOTOS "/odd \n name/\xff" },
		{ "tags/none", NULL },
		{ "tags/t/a/b", NULL },
		{ PHOTOS "/dir/a.jpg/b", NULL },
		{ PHOTOS "/none/..", PHOTOS }, /* by its text alone */
		{ "", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(free_ptr) char *absolute = NULL;
		bool is_root = strcmp(rows[i].path, "/") == 0;
		assert_true(asprintf(&absolute, "%s/%s", w->mountpoint, rows[i].path) > 0);
		if (!is_root)
			assert_resolved(w, rows[i].path, true, rows[i].to);
		if (*rows[i].path)
			assert_resolved(w, absolute, true, rows[i].to);
	}
	assert_resolved(w, w->mountpoint, true, "");
	assert_resolved(w, "tags/t/a", false, "a link");
	assert_resolved(w, "tags/t/dir/a.jpg", false, PHOTOS "/dir/a.jpg");
}

static void test_real_paths(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *a = world_real(w, "dir/a.jpg"), *dots = world_real(w, "dir/../dir/./a.jpg");
	_cleanup_(free_ptr) char *none = world_real(w, "dir/none"), *sibling = NULL;

	assert_resolved(w, a, true, PHOTOS "/dir/a.jpg");
	assert_resolved(w, dots, true, PHOTOS "/dir/a.jpg");
	assert_resolved(w, w->real, true, PHOTOS);
	assert_resolved(w, none, true, NULL);
	assert_resolved(w, "/", true, NULL);
	assert_resolved(w, "/etc/passwd", true, NULL);
	assert_true(asprintf(&sibling, "%s2", w->real) > 0); /* "photos2" is not in "photos" */
	assert_resolved(w, sibling, true, NULL);
}

/* A path that leads into the location, or the mount, by real symlinks on its way. */
static void test_real_symlinks_on_the_way(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *link, *text; /* %s: the scratch folder */
	} links[] = {
		{ "short", "photos" },           { "chain", "./short/dir/.." }, { "absolute", "%s/photos/dir" },
		{ "loop", "loop/x" },            { "to-mount", "%s/mnt" },      { "to-tag", "mnt/tags/t" },
		{ "through", "to-mount/albums/../tags" },
	};
	static const struct {
		const char *path, *to;
	} rows[] = {
		{ "short/dir/a.jpg", PHOTOS "/dir/a.jpg" },
		{ "chain/dir/a.jpg", PHOTOS "/dir/a.jpg" },
		{ "absolute/a.jpg", PHOTOS "/dir/a.jpg" },
		{ "absolute/../dir/a.jpg", PHOTOS "/dir/a.jpg" }, /* ".." of where the link leads */
		{ "short/none", NULL },
		{ "loop/a", NULL },
		{ "missing/a", NULL },
		{ "to-mount/tags/t/a", PHOTOS "/dir/a.jpg" },
		{ "to-tag/a", PHOTOS "/dir/a.jpg" },
		{ "through/t/a", PHOTOS "/dir/a.jpg" },
		{ "to-mount/" PHOTOS "/dir", PHOTOS "/dir" },
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		_cleanup_(free_ptr) char *path = scratch_path(&w->library.scratch, links[i].link), *text = NULL;
		const char *scratch = strstr(links[i].text, "%s") ? w->library.scratch.path : "";
		assert_true(asprintf(&text, "%s%s", scratch, links[i].text + (*scratch ? 2 : 0)) > 0);
		assert_int_equal(symlink(text, path), 0);
	}
	/* Nothing below the mount point is looked at: this would lead elsewhere. */
	_cleanup_(free_ptr) char *trap = scratch_path(&w->library.scratch, "mnt/tags");
	assert_int_equal(symlink("/etc", trap), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(free_ptr) char *path = scratch_path(&w->library.scratch, rows[i].path);
		assert_resolved(w, path, true, rows[i].to);
	}
}

/* --- targets of symlink(2) --- */

static int ln(struct world *w, const char *target)
{
	int r = world_ln(w, target, "tags/new/f");

	if (r == 0)
		assert_int_equal(world_unlink(w, "tags/new/f"), 0);
	return r;
}

static void test_targets(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *real = world_real(w, "dir/a.jpg"), *through = NULL, *up = NULL, *up_link = NULL;
	_cleanup_(free_ptr) char *short_link = scratch_path(&w->library.scratch, "short"), *by_link = NULL;

	library_tag(&w->library, "new");
	assert_int_equal(ln(w, "../../" PHOTOS "/dir/a.jpg"), 0);
	assert_int_equal(ln(w, "../t/a"), 0); /* what the link leads to */
	assert_int_equal(ln(w, "../../tags/t/dir/a.jpg"), 0);
	assert_int_equal(ln(w, "./../new/../t/a"), 0);
	assert_int_equal(ln(w, "../" PHOTOS "/dir/a.jpg"), -ENOENT); /* relative to something else, by mistake */
	assert_int_equal(ln(w, PHOTOS "/dir/a.jpg"), -ENOENT);
	assert_int_equal(ln(w, real), 0);
	assert_true(asprintf(&through, "%s/tags/t/a", w->mountpoint) > 0);
	assert_int_equal(ln(w, through), 0);
	/* Relative, and out of the mount: as the kernel would follow it. */
	assert_true(asprintf(&up, "../../../photos/dir/a.jpg") > 0);
	assert_int_equal(ln(w, up), 0);
	assert_int_equal(symlink("photos", short_link), 0);
	assert_true(asprintf(&up_link, "../../../short/dir/a.jpg") > 0);
	assert_int_equal(ln(w, up_link), 0);
	assert_true(asprintf(&by_link, "%s/dir/a.jpg", short_link) > 0);
	assert_int_equal(ln(w, by_link), 0);
	assert_int_equal(ln(w, "/etc/passwd"), -ENOENT);
	assert_int_equal(ln(w, ""), -ENOENT);
	assert_int_equal(ln(w, "/"), -ENOENT);
	assert_int_equal(ln(w, "../../../../../../../../../../../.."), -ENOENT);

	/* The last component is not followed: a symlink in the location is tagged itself. */
	int64_t link = world_symlink(w, "link", "dir/a.jpg");
	_cleanup_(free_ptr) char *real_link = world_real(w, "link");
	assert_int_equal(world_ln(w, real_link, "tags/new/link"), 0);
	assert_int_equal(world_to(w, "tags/new/link"), link);
}

static void test_without_a_mount_point(void **state)
{
	struct world *w = *state;
	struct fs_opts opts = { 0 };
	_cleanup_(free_ptr) char *real = world_real(w, "dir/a.jpg");
	uint64_t ino = 0;
	struct fs_attr attr;
	struct fs *fs;

	library_tag(&w->library, "new");
	assert_int_equal(fs_new(w->library.store, &opts, &fs), 0);
	assert_int_equal(fs_resolve(fs, "tags/t/a", true, &ino), 0);
	assert_int_equal(ino, object(OBJECT_ENTRY, world_entry(w, "dir/a.jpg")));
	assert_int_equal(fs_resolve(fs, "/tags/t/a", true, &ino), -ENOENT);
	assert_int_equal(fs_resolve(fs, real, true, &ino), 0);
	assert_int_equal(fs_symlink(fs, world_at(w, "tags/new"), "f", "../../../../" PHOTOS "/dir/a.jpg", &attr), 0);
	fs_free(fs);
}

static void test_paths_of_objects(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *expected = world_real(w, "dir/a.jpg"), *text = NULL;
	struct buf path = BUF_INIT;

	assert_int_equal(fs_real_path(w->fs, world_entry(w, "dir/a.jpg"), &path), 0);
	text = buf_take_str(&path);
	assert_string_equal(text, expected);
	assert_int_equal(fs_real_path(w->fs, w->root, &path), 0);
	assert_int_equal(path.len, strlen(w->real));
	assert_memory_equal(path.data, w->real, path.len);
	assert_int_equal(fs_real_path(w->fs, 9999, &path), -ENOENT);
	world_peers(w);
	assert_int_equal(fs_real_path(w->fs, 500002, &path), -EREMOTE);
	assert_int_equal(fs_path(w->fs, object(OBJECT_PAIR, 1), &path), -ENOENT);
	assert_int_equal(fs_path(w->fs, object(OBJECT_COLLECTION, 1), &path), -ENOENT);
	assert_int_equal(fs_path(w->fs, 99, &path), -ENOENT);
	assert_int_equal(path.len, strlen(w->real)); /* errors append nothing */
	buf_release(&path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normal_paths),
		cmocka_unit_test_setup_teardown(test_paths_in_the_mount, setup, teardown),
		cmocka_unit_test_setup_teardown(test_real_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_real_symlinks_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_targets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_a_mount_point, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths_of_objects, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
