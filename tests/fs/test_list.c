#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "store/object.h"
#include "store/pair.h"
#include "tests/fs/world.h"
#include "tests/lib/test.h"

#define PHOTOS "devices/laptop/photos"

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

/* Takes `room` entries of each call, as a kernel with a small buffer does. */
struct reader {
	struct world *w;
	uint64_t dir, offset;
	unsigned room, left;
	unsigned count; /* without "." and ".." */
	void (*see)(struct reader *r, const char *name, uint64_t ino);
	void *arg;
};

static int take(void *arg, const char *name, const struct fs_attr *attr, uint64_t next)
{
	struct reader *r = arg;

	if (r->left == 0)
		return 1;
	r->left--;
	assert_true(next > r->offset);
	r->offset = next;
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
		r->count++;
		if (r->see)
			r->see(r, name, attr->ino);
	}
	return 0;
}

/* One call; false at the end. */
static bool read_some(struct reader *r)
{
	r->left = r->room;
	assert_int_equal(fs_list(r->w->fs, r->dir, r->offset, true, take, r), 0);
	return r->left < r->room;
}

struct dot {
	uint64_t offset;
	struct fs_attr attr;
	unsigned count;
};

static int take_dot(void *arg, const char *name, const struct fs_attr *attr, uint64_t next)
{
	struct dot *dot = arg;

	assert_string_equal(name, dot->offset == 0 ? "." : "..");
	assert_int_equal(next, dot->offset + 1);
	assert_true(S_ISDIR(attr->mode));
	dot->attr = *attr;
	dot->count++;
	return 1;
}

static uint64_t dot_of(struct world *w, uint64_t dir, uint64_t offset)
{
	struct dot dot = { .offset = offset };

	assert_int_equal(fs_list(w->fs, dir, offset, false, take_dot, &dot), 0);
	assert_int_equal(dot.count, 1);
	return dot.attr.ino;
}

static void test_dots(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *path;
		uint64_t parent;
	} rows[] = {
		{ "", OBJECT_ROOT }, { "devices", OBJECT_ROOT }, { "tags", OBJECT_ROOT }, { "favorites", OBJECT_ROOT },
		{ "devices/laptop", OBJECT_DEVICES }, { "tags/t", OBJECT_TAGS }, { "albums/al", OBJECT_ALBUMS },
		{ PHOTOS, 0 }, { PHOTOS "/dir", 0 },
	};

	library_tag(&w->library, "t");
	library_album(&w->library, "al");
	world_dir(w, "dir");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t parent = rows[i].parent, dir = world_at(w, rows[i].path);

		if (parent == 0)
			parent = dir == object(OBJECT_ENTRY, w->root) ? world_at(w, "devices/laptop") : object(OBJECT_ENTRY, w->root);
		assert_int_equal(dot_of(w, dir, 0), dir);
		assert_int_equal(dot_of(w, dir, 1), parent);
	}
}

static void test_what_cannot_be_listed(void **state)
{
	struct world *w = *state;
	struct reader r = { .w = w };
	int64_t file = world_file(w, "a", "x");

	assert_int_equal(fs_list(w->fs, object(OBJECT_ENTRY, file), 0, true, take, &r), -ENOTDIR);
	assert_int_equal(fs_list(w->fs, object(OBJECT_PAIR, 1), 0, true, take, &r), -ENOTDIR);
	assert_int_equal(fs_list(w->fs, object(OBJECT_ENTRY, 999), 0, true, take, &r), -ENOENT);
	assert_int_equal(fs_list(w->fs, object(OBJECT_DEVICE, 999), 0, true, take, &r), -ENOENT);
	assert_int_equal(fs_list(w->fs, object(OBJECT_COLLECTION, 1), 0, true, take, &r), -ENOENT);
	assert_int_equal(fs_list(w->fs, 77, 0, true, take, &r), -ENOENT);
}

static void test_any_room_lists_the_same(void **state)
{
	struct world *w = *state;
	int64_t t = library_tag(&w->library, "t");
	int64_t first = world_bulk(w, w->root, "f", 50);

	for (int i = 0; i < 50; i++) {
		char name[20];
		snprintf(name, sizeof(name), "l%d", i / 2); /* each name twice */
		assert_int_equal(library_pair(&w->library, t, first + i, name, NULL), 0);
	}
	for (unsigned room = 1; room < 60; room += 7) {
		struct reader files = { .w = w, .dir = world_at(w, PHOTOS), .room = room };
		struct reader links = { .w = w, .dir = world_at(w, "tags/t"), .room = room };
		struct reader root = { .w = w, .dir = OBJECT_ROOT, .room = room };
		while (read_some(&files))
			;
		while (read_some(&links))
			;
		while (read_some(&root))
			;
		assert_int_equal(files.count, 50);
		assert_int_equal(links.count, 50);
		assert_int_equal(root.count, 4);
	}
}

/* --- a listing while rows come and go: none that stays is skipped or doubled --- */

enum { STAY = 300, STEPS = 400 };

struct census {
	unsigned char seen[STAY];
	char prefix;
};

static void count_one(struct reader *r, const char *name, uint64_t ino)
{
	struct census *census = r->arg;
	unsigned number;

	if (name[0] == census->prefix && sscanf(name + 1, "%u", &number) == 1)
		census->seen[number]++;
}

static void assert_each_once(const struct census *census)
{
	for (unsigned i = 0; i < STAY; i++)
		assert_int_equal(census->seen[i], 1);
}

static void test_entries_while_others_change(void **state)
{
	struct world *w = *state;
	int64_t dir = world_dir(w, "dir"), other = world_dir(w, "other");
	int64_t gone[2 * STAY];
	size_t left = 0;

	for (unsigned i = 0; i < STAY; i++) {
		char name[20];
		snprintf(name, sizeof(name), "s%u", i);
		library_file(&w->library, w->location, dir, name, 1);
		snprintf(name, sizeof(name), "g%u", i);
		gone[left++] = library_file(&w->library, w->location, dir, name, 1);
	}
	srand(7);
	for (unsigned room = 1; room < 50; room = room * 3 + 1) {
		struct census census = { .prefix = 's' };
		struct reader r = {
			.w = w, .dir = object(OBJECT_ENTRY, dir), .room = room, .see = count_one, .arg = &census,
		};
		for (unsigned step = 0; read_some(&r); step++) {
			char name[40];
			if (step >= STEPS)
				continue;
			snprintf(name, sizeof(name), "n%u-%u", room, step);
			switch (rand() % 4) {
			case 0:
				library_file(&w->library, w->location, dir, name, 1);
				break;
			case 1:
				if (left > 0)
					library_delete(&w->library, gone[--left]);
				break;
			case 2:
				if (left > 0)
					world_move(w, gone[--left], other, name);
				break;
			default: /* renamed in place: it stays where it was in the listing */
				if (left > 0)
					world_move(w, gone[(size_t)rand() % left], dir, name);
				break;
			}
		}
		assert_each_once(&census);
	}
}

static void test_links_while_others_change(void **state)
{
	struct world *w = *state;
	int64_t t = library_tag(&w->library, "t");
	int64_t first = world_bulk(w, w->root, "f", 2 * STAY), more = world_bulk(w, w->root, "m", 1000);
	unsigned left = STAY;

	for (unsigned i = 0; i < STAY; i++) {
		char name[20];
		snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(library_pair(&w->library, t, first + i, name, NULL), 0);
		snprintf(name, sizeof(name), "g%u", i);
		assert_int_equal(library_pair(&w->library, t, first + STAY + i, name, NULL), 0);
	}
	srand(8);
	for (unsigned room = 2; room < 50; room = room * 3 + 1) {
		struct census census = { .prefix = 's' };
		struct reader r = { .w = w, .dir = object(OBJECT_COLLECTION, t), .room = room, .see = count_one, .arg = &census };
		while (read_some(&r)) {
			char path[40];
			snprintf(path, sizeof(path), "tags/t/g%u", left - 1);
			switch (rand() % 3) {
			case 0:
				assert_int_equal(library_pair(&w->library, t, more++, "new", NULL), 0);
				break;
			case 1:
				if (left > 0 && left--)
					assert_int_equal(world_unlink(w, path), 0);
				break;
			default: /* the file goes, and the link with it */
				if (left > 0)
					library_delete(&w->library, first + STAY + --left);
				break;
			}
		}
		assert_each_once(&census);
	}
	world_assert_sound(w);
}

static void test_tags_while_others_change(void **state)
{
	struct world *w = *state;
	unsigned left = STAY, made = 0;

	for (unsigned i = 0; i < STAY; i++) {
		char name[20];
		snprintf(name, sizeof(name), "s%u", i);
		library_tag(&w->library, name);
		snprintf(name, sizeof(name), "g%u", i);
		library_tag(&w->library, name);
	}
	srand(9);
	for (unsigned room = 2; room < 50; room = room * 3 + 1) {
		struct census census = { .prefix = 's' };
		struct reader r = { .w = w, .dir = OBJECT_TAGS, .room = room, .see = count_one, .arg = &census };
		while (read_some(&r)) {
			char path[40], to[40];
			snprintf(path, sizeof(path), "tags/g%u", left - 1);
			snprintf(to, sizeof(to), "tags/n%u", made);
			if (rand() % 2 && made++ < 1000)
				assert_int_equal(world_mkdir(w, to), 0);
			else if (left > 0 && left--)
				assert_int_equal(world_rmdir(w, path), 0);
		}
		assert_each_once(&census);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_room_lists_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries_while_others_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_while_others_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tags_while_others_change, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
