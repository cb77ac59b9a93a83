#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mount/request.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

static int swallow(void *arg, enum out_stream stream, const void *data, size_t len)
{
	return 0;
}

static bool never(void *arg)
{
	return false;
}

static const struct out_sink sink = {.write = swallow, .cancelled = never};

struct typed {
	struct args args;
	struct request *request;
	int r;
};

static void type(struct typed *t, int count, const char *const *words)
{
	int used = 0;
	const struct command *command = command_find(count, (char **)words, &used);
	struct out out;

	out_init(&out, &sink, NULL, false, false);
	assert_non_null(command);
	assert_int_equal(command_check(command, count - used, (char **)words + used, &out, &t->args), 0);
	t->r = request_new(command, &t->args, &out, &t->request);
	out_release(&out);
}

static void typed_release(struct typed *t)
{
	args_release(&t->args);
	request_free(t->request);
}

#define TYPE(t, ...)                                                                                                   \
	do {                                                                                                           \
		const char *words_[] = {__VA_ARGS__};                                                                  \
		type(t, (int)(sizeof(words_) / sizeof(words_[0])), words_);                                            \
	} while (0)

static void expect_words(struct typed *t, const char *joined)
{
	char text[512] = "";
	char **words;
	int count;

	assert_int_equal(t->r, 0);
	assert_int_equal(request_next(t->request, &count, &words), 0);
	for (int i = 0; i < count; i++) {
		strcat(text, i > 0 ? "|" : "");
		strcat(text, words[i]);
	}
	assert_string_equal(text, joined);
	assert_null(words[count]);
}

static void words_options_and_paths(void **state)
{
	_cleanup_(typed_release) struct typed a = {0};
	_cleanup_(typed_release) struct typed b = {0};
	_cleanup_(typed_release) struct typed c = {0};
	char **words;
	int count;

	assert_int_equal(chdir("/usr"), 0);
	TYPE(&a, "tag", "add", "-l", "/lib", "t", "bin", "/etc/../etc/x", "--", "--odd");
	expect_words(&a, "tag|add|--|t|/usr/bin|/etc/x|/usr/--odd");
	assert_int_equal(request_next(a.request, &count, &words), 1);
	TYPE(&b, "find", "-0", "a", "or", "--library=/x", "b");
	expect_words(&b, "find|--null|--|a|or|b");
	TYPE(&c, "location", "add", "../usr/./bin/..", "--exclude", "*.o", "--exclude=-x");
	expect_words(&c, "location|add|--exclude=*.o|--exclude=-x|--|/usr");
}

static void a_command_without_words_runs_once(void **state)
{
	_cleanup_(typed_release) struct typed a = {0};
	char **words;
	int count;

	TYPE(&a, "tag", "list", "--json");
	expect_words(&a, "tag|list|--json|--");
	assert_int_equal(request_next(a.request, &count, &words), 1);
}

static void files_are_needed(void **state)
{
	_cleanup_(typed_release) struct typed a = {0};
	_cleanup_(typed_release) struct typed b = {0};

	TYPE(&a, "tag", "add", "t");
	assert_int_equal(a.r, -EINVAL);
	TYPE(&b, "tag", "add", "t", "--from", "/nonexistent/list");
	assert_int_equal(b.r, -ENOENT);
}

static void write_list(const char *path, int count, char end)
{
	FILE *file = fopen(path, "w");

	for (int i = 0; i < count; i++)
		fprintf(file, "/x/file %d%c", i, end);
	fputs("/x/last", file); /* without an end */
	fclose(file);
}

/* All files, each once, in order, in batches. */
static void from_a_list(void **state)
{
	enum { COUNT = 2 * REQUEST_BATCH_FILES + 5 };

	for (int nul = 0; nul < 2; nul++) {
		struct scratch s;
		_cleanup_(free_ptr) char *path = NULL;
		_cleanup_(typed_release) struct typed a = {0};
		int total = 0, batches = 0, count;
		char **words;

		assert_int_equal(scratch_init(&s), 0);
		path = scratch_path(&s, "list");
		write_list(path, COUNT, nul ? '\0' : '\n');
		if (nul)
			TYPE(&a, "tag", "add", "t", "/x/first", "--from", path, "-0");
		else
			TYPE(&a, "tag", "add", "t", "/x/first", "--from", path);
		assert_int_equal(a.r, 0);
		for (; request_next(a.request, &count, &words) == 0; batches++) {
			assert_true(count <= 4 + REQUEST_BATCH_FILES);
			assert_string_equal(words[3], "t");
			if (batches == 0)
				assert_string_equal(words[4], "/x/first");
			if (batches == 1)
				assert_string_equal(words[4], "/x/file 3999");
			total += count - 4;
		}
		assert_int_equal(total, COUNT + 2);
		assert_int_equal(batches, 3);
		scratch_release(&s);
	}
}

static void an_empty_list_is_no_mistake(void **state)
{
	_cleanup_(typed_release) struct typed a = {0};
	char **words;
	int count;

	TYPE(&a, "tag", "add", "t", "--from", "/dev/null");
	assert_int_equal(a.r, 0);
	assert_int_equal(request_next(a.request, &count, &words), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_options_and_paths),
	    cmocka_unit_test(a_command_without_words_runs_once),
	    cmocka_unit_test(files_are_needed),
	    cmocka_unit_test(from_a_list),
	    cmocka_unit_test(an_empty_list_is_no_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
