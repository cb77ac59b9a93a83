#include "index/ignore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

static enum ignore_verdict verdict(const char *patterns, const char *path, bool is_dir)
{
	_cleanup_(ignore_unrefp) struct ignore *ignore = NULL;

	assert_int_equal(ignore_parse(patterns, strlen(patterns), &ignore), 0);
	return ignore_match(ignore, path, is_dir);
}

static bool drops(const char *patterns, const char *path)
{
	return verdict(patterns, path, false) == IGNORE_DROP;
}

static bool drops_dir(const char *patterns, const char *path)
{
	return verdict(patterns, path, true) == IGNORE_DROP;
}

static void names_match_at_any_depth(void **state)
{
	assert_true(drops("a.txt", "a.txt"));
	assert_true(drops("a.txt", "x/y/a.txt"));
	assert_false(drops("a.txt", "a.txt.old"));
	assert_false(drops("a.txt", "ba.txt"));
	assert_true(drops("*.part", "x/.part"));
	assert_true(drops("*.part", "movie.part"));
	assert_false(drops("*.part", "part"));
	assert_true(drops(".Trash-*", ".Trash-1000"));
	assert_true(drops("f?o", "foo"));
	assert_false(drops("f?o", "fo"));
	assert_false(drops("", "a"));
	assert_false(drops("\n\n", "a"));
}

static void comments_blanks_and_escapes(void **state)
{
	assert_false(drops("# a\n#b", "#b"));
	assert_true(drops("\\#b", "#b"));
	assert_true(drops("\\!b", "!b"));
	assert_true(drops("a  ", "a"));
	assert_true(drops("a\\ ", "a "));
	assert_true(drops("a\\  ", "a "));
	assert_true(drops("a b", "a b"));
	assert_true(drops("a\r\nb\r\n", "b"));
	assert_true(drops("\xef\xbb\xbf"
			  "a",
			  "a"));
	assert_true(drops("a\\*", "a*"));
	assert_false(drops("a\\*", "ab"));
	assert_false(drops("a\\", "a\\"));
	assert_true(drops("\\a", "a"));
}

static void directories_only(void **state)
{
	assert_true(drops_dir("build/", "x/build"));
	assert_false(drops("build/", "x/build"));
	assert_true(drops_dir("/build/", "build"));
	assert_false(drops_dir("/build/", "x/build"));
}

static void paths_are_anchored(void **state)
{
	assert_true(drops("/a", "a"));
	assert_false(drops("/a", "b/a"));
	assert_true(drops("a/b", "a/b"));
	assert_false(drops("a/b", "x/a/b"));
	assert_false(drops("a/*", "a/b/c"));
	assert_true(drops("a/*/c", "a/b/c"));
	assert_false(drops("a?b/c", "a/b/c"));
	assert_false(drops("a[/]b/c", "a/b/c"));
}

static void two_stars_span_folders(void **state)
{
	assert_true(drops("**/foo", "foo"));
	assert_true(drops("**/foo", "a/b/foo"));
	assert_true(drops("**/foo/bar", "x/foo/bar"));
	assert_true(drops("a/**", "a/b"));
	assert_true(drops("a/**", "a/b/c"));
	assert_false(drops("a/**", "a"));
	assert_true(drops("a/**/b", "a/b"));
	assert_true(drops("a/**/b", "a/x/y/b"));
	assert_false(drops("a/**/b", "ab"));
	assert_true(drops("a/**/b/**/c", "a/x/b/y/b/c"));
	assert_true(drops("foo**bar", "fooxbar"));
	assert_false(drops("/foo**bar", "foo/bar"));
	assert_true(drops("**", "a/b"));
	assert_true(drops("a/**/**/b", "a/b"));
}

static void sets(void **state)
{
	assert_true(drops("[abc]", "b"));
	assert_false(drops("[!abc]", "b"));
	assert_false(drops("[^abc]", "b"));
	assert_true(drops("[a-c]x", "bx"));
	assert_true(drops("[]]", "]"));
	assert_true(drops("[!]]", "a"));
	assert_true(drops("[a-]", "-"));
	assert_true(drops("[[:digit:]]", "7"));
	assert_false(drops("[[:digit:]]", "a"));
	assert_true(drops("[[:alpha:][:digit:]_]x", "_x"));
	assert_false(drops("[abc", "a"));
	assert_false(drops("[[:nothing:]]", "a"));
	assert_true(drops("[\\]]", "]"));
	assert_true(drops("[\x80-\xff]", "\xc3"));
}

static void the_last_one_decides(void **state)
{
	assert_int_equal(verdict("*.log\n!keep.log", "keep.log", false), IGNORE_KEEP);
	assert_int_equal(verdict("!keep.log\n*.log", "keep.log", false), IGNORE_DROP);
	assert_int_equal(verdict("*.log", "a", false), IGNORE_SILENT);
}

static void stars_are_not_exponential(void **state)
{
	char pattern[512], text[256];

	for (unsigned i = 0; i < 250; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	strcpy(pattern + 500, "b");
	memset(text, 'a', 255);
	text[255] = '\0';
	assert_false(drops(pattern, text));
	for (unsigned i = 0; i < 100; i++)
		memcpy(pattern + 5 * i, "**/a/", 5);
	strcpy(pattern + 500, "b");
	for (unsigned i = 0; i < 127; i++)
		memcpy(text + 2 * i, "a/", 2);
	strcpy(text + 254, "a");
	assert_false(drops(pattern, text));
}

static void release(struct ignore_scope *scope)
{
	ignore_scope_release(scope);
}

static void deeper_lists_go_first(void **state)
{
	_cleanup_(ignore_unrefp) struct ignore *defaults = NULL, *top = NULL, *deep = NULL;
	_cleanup_(release) struct ignore_scope scope = IGNORE_SCOPE_INIT;
	const char *of_top = "/a/b/only\n*.tmp\n!.git", *of_deep = "!x.tmp\n/here";

	assert_int_equal(ignore_defaults(&defaults), 0);
	assert_int_equal(ignore_parse(of_top, strlen(of_top), &top), 0);
	assert_int_equal(ignore_parse(of_deep, strlen(of_deep), &deep), 0);
	assert_int_equal(ignore_scope_add(&scope, defaults, 0), 0);
	assert_int_equal(ignore_scope_add(&scope, NULL, 0), 0);
	assert_int_equal(ignore_scope_add(&scope, top, 0), 0);
	assert_int_equal(ignore_scope_add(&scope, deep, 4), 0);
	assert_int_equal(buf_append_str(&scope.path, "a/b/"), 0);
	assert_true(ignore_scope_drops(&scope, "only", 4, false));
	assert_true(ignore_scope_drops(&scope, "y.tmp", 5, false));
	assert_false(ignore_scope_drops(&scope, "x.tmp", 5, false));
	assert_true(ignore_scope_drops(&scope, "here", 4, false));
	assert_false(ignore_scope_drops(&scope, ".git", 4, true));
	assert_true(ignore_scope_drops(&scope, "node_modules", 12, true));
	assert_true(ignore_scope_drops(&scope, ".fuse_hidden0001", 16, false));
	assert_true(ignore_scope_drops(&scope, "Thumbs.db", 9, false));
	assert_false(ignore_scope_drops(&scope, "any", 3, false));
}

/* --- against git --- */

#define PATHS_MAX 512

struct paths {
	char text[PATHS_MAX][8];
	size_t count;
};

/* All relative paths of up to five characters, without empty components. */
static void make_paths(struct paths *paths)
{
	static const char alphabet[] = "ab/";

	for (unsigned n = 0; n < 3 * 3 * 3 * 3 * 3; n++)
		for (unsigned len = 1; len <= 5; len += 2) {
			char path[8] = "";
			unsigned rest = n;

			for (unsigned i = 0; i < len; i++, rest /= 3)
				path[i] = alphabet[rest % 3];
			if (rest > 0 || path[0] == '/' || path[len - 1] == '/' || strstr(path, "//"))
				continue;
			assert_true(paths->count < PATHS_MAX);
			memcpy(paths->text[paths->count++], path, sizeof(path));
		}
}

static void write_lines(const char *path, const char (*lines)[8], size_t count)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	for (size_t i = 0; i < count; i++)
		assert_true(fprintf(file, "%s\n", lines[i]) > 0);
	assert_int_equal(fclose(file), 0);
}

/* git asks for the folders above as well; ours are asked on the way down. */
static bool is_inside_ignored(const char *pattern, const char *path)
{
	char above[8];

	memcpy(above, path, sizeof(above));
	for (char *slash = strchr(above, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (verdict(pattern, above, true) == IGNORE_DROP)
			return true;
		*slash = '/';
	}
	return false;
}

/* A line is "source:line:pattern TAB path", with empty fields where nothing matches. Returns how many paths matched. */
static unsigned compare_with_git(const char *command, const char *pattern, const struct paths *paths)
{
	FILE *out = popen(command, "re");
	char line[256];
	unsigned matched = 0;

	assert_non_null(out);
	for (size_t i = 0; i < paths->count; i++) {
		enum ignore_verdict git = IGNORE_DROP;

		assert_non_null(fgets(line, sizeof(line), out));
		assert_non_null(strstr(line, paths->text[i]));
		if (line[0] == ':')
			git = IGNORE_SILENT;
		else if (strstr(line, ":1:!"))
			git = IGNORE_KEEP;
		if (is_inside_ignored(pattern, paths->text[i]))
			continue;
		if (git != verdict(pattern, paths->text[i], false))
			fail_msg("pattern %s path %s: git says %d", pattern, paths->text[i], git);
		matched += git != IGNORE_SILENT;
	}
	pclose(out);
	return matched;
}

/* Where git does not do what gitignore(5) says: stars in a row that are no component of their own (it compares pointers
 * into two texts), and a slash in a set. */
static bool is_odd(const char *pattern)
{
	const char *stars = strstr(pattern, "**");

	if (strchr(pattern, '[') && strchr(pattern, '/'))
		return true;
	return stars && ((stars > pattern && stars[-1] != '/' && stars[-1] != '!') || (stars[2] && stars[2] != '/'));
}

static void agrees_with_git(void **state)
{
	static const char alphabet[] = "aab**?//![]-\\";
	_cleanup_(free_ptr) char *init = NULL, *command = NULL, *ignore_path = NULL, *list = NULL;
	struct paths paths = {.count = 0};
	struct scratch s;
	unsigned matched = 0;

	assert_int_equal(scratch_init(&s), 0);
	assert_true(asprintf(&init, "git init -q '%s' 2>/dev/null", s.path) > 0);
	if (system(init) != 0) {
		print_message("skipped: there is no git to compare with\n");
		scratch_release(&s);
		skip();
	}
	make_paths(&paths);
	list = scratch_path(&s, ".git/paths");
	write_lines(list, paths.text, paths.count);
	ignore_path = scratch_path(&s, ".gitignore");
	assert_true(asprintf(&command, "cd '%s' && git check-ignore --no-index -v -n --stdin < .git/paths", s.path) >
		    0);
	for (unsigned i = 0; i < 300; i++) {
		char pattern[1][8] = {""};

		for (unsigned len = 1 + random_below(6), at = 0; at < len; at++)
			pattern[0][at] = alphabet[random_below(sizeof(alphabet) - 1)];
		if (is_odd(pattern[0]))
			continue;
		write_lines(ignore_path, pattern, 1);
		matched += compare_with_git(command, pattern[0], &paths);
	}
	print_message("%u matches agree\n", matched);
	assert_true(matched > 100);
	scratch_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_match_at_any_depth), cmocka_unit_test(comments_blanks_and_escapes),
	    cmocka_unit_test(directories_only),		cmocka_unit_test(paths_are_anchored),
	    cmocka_unit_test(two_stars_span_folders),	cmocka_unit_test(sets),
	    cmocka_unit_test(the_last_one_decides),	cmocka_unit_test(stars_are_not_exponential),
	    cmocka_unit_test(deeper_lists_go_first),	cmocka_unit_test(agrees_with_git),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
