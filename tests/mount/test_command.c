#include <string.h>

#include "base/cleanup.h"
#include "mount/command.h"
#include "tests/lib/test.h"

struct fake {
	struct buf text; /* of standard output */
	int errors;
};

static int fake_write(void *arg, enum out_stream stream, const void *data, size_t len)
{
	struct fake *fake = arg;

	if (stream == OUT_STDOUT)
		return buf_append(&fake->text, data, len);
	fake->errors++;
	return 0;
}

static bool never(void *arg)
{
	return false;
}

static const struct out_sink sink = {.write = fake_write, .cancelled = never};

static const char *find(const char *a, const char *b, int *ret_used)
{
	char *words[] = {(char *)a, (char *)b, NULL};
	const struct command *command = command_find(b ? 2 : 1, words, ret_used);

	return command ? command->name : "";
}

static void commands_by_their_words(void **state)
{
	int used = 0;

	assert_string_equal(find("tag", "add", &used), "tag add");
	assert_int_equal(used, 2);
	assert_string_equal(find("status", "add", &used), "status");
	assert_int_equal(used, 1);
	assert_string_equal(find("tag", NULL, &used), "");
	assert_string_equal(find("tag", "ad", &used), "");
	assert_string_equal(find("ta", "add", &used), "");
	assert_string_equal(find("tag add", NULL, &used), "");
	assert_string_equal(find("pai", NULL, &used), "");
	assert_string_equal(find("pair", NULL, &used), "pair");
	assert_string_equal(find("events", NULL, &used), "events");
	assert_string_equal(find("device", "paint", &used), "");
	assert_true(command_is_noun("tag"));
	assert_false(command_is_noun("status"));
	assert_false(command_is_noun("ta"));
}

/* What the table promises to its readers. */
static void the_table_is_sound(void **state)
{
	const struct command *c;

	for (int i = 0; (c = command_at(i)); i++) {
		assert_non_null(c->run);
		assert_non_null(c->usage);
		assert_true(c->summary[0] >= 'a' && c->summary[0] <= 'z');
		assert_true(c->max_words < 0 || c->max_words >= c->min_words);
		assert_true(c->text == NULL || c->text[strlen(c->text) - 1] == '\n');
		assert_null(c->options[OPTIONS_MAX].name);
		for (const struct option_row *a = c->options; a->name; a++) {
			for (const struct option_row *b = a + 1; b->name; b++)
				assert_false(strcmp(a->name, b->name) == 0 || (a->letter && a->letter == b->letter));
			for (const struct option_row *b = command_common_options; b->name; b++)
				assert_false(strcmp(a->name, b->name) == 0 || (a->letter && a->letter == b->letter));
		}
	}
}

static int check(const char *a, const char *b, const char *c)
{
	char *words[] = {(char *)a, (char *)b, (char *)c, NULL};
	int used = 0, count = 1 + (b != NULL) + (c != NULL);
	const struct command *command = command_find(count, words, &used);
	_cleanup_(args_release) struct args args = ARGS_INIT;
	struct fake fake = {0};
	struct out out;
	int code;

	out_init(&out, &sink, &fake, false, false);
	code = command_check(command, count - used, words + used, &out, &args);
	assert_int_equal(fake.errors > 0, code != 0);
	out_release(&out);
	buf_release(&fake.text);
	return code;
}

static void wrong_usage_is_2(void **state)
{
	assert_int_equal(check("create", NULL, NULL), 2);
	assert_int_equal(check("create", "a", "b"), 2);
	assert_int_equal(check("create", "a", "--nonsense"), 2);
	assert_int_equal(check("create", "a", "--name"), 2);
	assert_int_equal(check("status", "x", NULL), 2);
	assert_int_equal(check("tag", "rename", "x"), 2);
	assert_int_equal(check("create", "a", NULL), 0);
	assert_int_equal(check("create", "--help", NULL), 0);
	assert_int_equal(check("tag", "rename", "-h"), 0);
}

static void help_shows_usage_and_options(void **state)
{
	const struct command *c;

	for (int i = 0; (c = command_at(i)); i++) {
		struct fake fake = {0};
		_cleanup_(free_ptr) char *text = NULL;
		struct out out;

		out_init(&out, &sink, &fake, false, false);
		command_help(c, &out);
		out_flush(&out);
		text = buf_take_str(&fake.text);
		assert_non_null(strstr(text, c->usage));
		assert_non_null(strstr(text, "--help"));
		for (const struct option_row *row = c->options; row->name; row++)
			assert_non_null(strstr(text, row->name));
		out_release(&out);
	}
}

/* The daemon does not run what belongs to the process that was typed into, nor what it does not know. */
static void only_commands_on_a_library_run_in_it(void **state)
{
	static const char *const lines[][2] = {{"mount", "x"}, {"help", "x"}, {"nonsense", "x"}};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct fake fake = {0};
		struct out out;

		out_init(&out, &sink, &fake, false, false);
		assert_int_equal(command_run(NULL, &out, 2, (char **)lines[i]), 2);
		assert_int_equal(fake.errors, 1);
		out_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands_by_their_words),
	    cmocka_unit_test(the_table_is_sound),
	    cmocka_unit_test(wrong_usage_is_2),
	    cmocka_unit_test(help_shows_usage_and_options),
	    cmocka_unit_test(only_commands_on_a_library_run_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
