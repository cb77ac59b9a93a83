#include "mount/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct parse {
	const struct option_row *tables[2];
	int argc;
	char **argv;
	int at;
	struct args *args;
	char *problem; /* owned */
};

static int complain(struct parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int complain(struct parse *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(&p->problem, format, args) < 0)
		p->problem = NULL;
	va_end(args);
	return p->problem ? -EINVAL : -ENOMEM;
}

static int give(struct parse *p, const struct option_row *row, const char *value)
{
	struct args *args = p->args;

	if (args->given_count == OPTIONS_GIVEN_MAX)
		return complain(p, "too many options at --%s", row->name);
	args->given[args->given_count].row = row;
	args->given[args->given_count++].value = value;
	return 0;
}

static const char *next_word(struct parse *p)
{
	return p->at < p->argc ? p->argv[p->at++] : NULL;
}

/* Exact, else the only one that begins so. */
static const struct option_row *find_long(struct parse *p, const char *name, size_t len, bool *ret_several)
{
	const struct option_row *found = NULL;

	*ret_several = false;
	for (int t = 0; t < 2; t++) {
		for (const struct option_row *row = p->tables[t]; row->name; row++) {
			if (strncmp(row->name, name, len) != 0)
				continue;
			if (row->name[len] == '\0') {
				*ret_several = false;
				return row;
			}
			*ret_several = found != NULL;
			found = row;
		}
	}
	return found;
}

static int parse_long(struct parse *p, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	bool several;
	const struct option_row *row = find_long(p, text, len, &several);
	const char *value = equals ? equals + 1 : NULL;

	if (!row || len == 0)
		return complain(p, "there is no option --%s here", text);
	if (several)
		return complain(p, "--%s could be more than one option: write it out", text);
	if (!row->value && value)
		return complain(p, "--%s takes no value", row->name);
	if (row->value && !value)
		value = next_word(p);
	if (row->value && !value)
		return complain(p, "--%s needs a value after it", row->name);
	return give(p, row, value);
}

static const struct option_row *find_letter(struct parse *p, char letter)
{
	for (int t = 0; t < 2; t++) {
		for (const struct option_row *row = p->tables[t]; row->name; row++) {
			if (row->letter == letter)
				return row;
		}
	}
	return NULL;
}

/* "-xyz": letters without a value, up to one that takes the rest or the next word. */
static int parse_letters(struct parse *p, const char *text)
{
	for (; *text; text++) {
		const struct option_row *row = find_letter(p, *text);
		const char *value = NULL;
		int r;

		if (!row)
			return complain(p, "there is no option -%c here", *text);
		if (row->value) {
			value = text[1] ? text + 1 : next_word(p);
			if (!value)
				return complain(p, "-%c needs a value after it", *text);
		}
		r = give(p, row, value);
		if (r < 0 || value)
			return r;
	}
	return 0;
}

static int parse_words(struct parse *p)
{
	bool only_words = false;

	while (p->at < p->argc) {
		char *word = p->argv[p->at++];
		int r = 0;

		if (only_words || word[0] != '-' || word[1] == '\0')
			p->args->words[p->args->count++] = word;
		else if (strcmp(word, "--") == 0)
			only_words = true;
		else if (word[1] == '-')
			r = parse_long(p, word + 2);
		else
			r = parse_letters(p, word + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

int args_parse(const struct option_row *rows, const struct option_row *common, int argc, char **argv,
	       struct args *ret_args, char **ret_problem)
{
	_cleanup_(args_release) struct args args = ARGS_INIT;
	struct parse p = {.tables = {rows, common}, .argc = argc, .argv = argv, .args = &args};
	int r;

	args.words = calloc((size_t)argc + 1, sizeof(*args.words));
	if (!args.words)
		return -ENOMEM;
	r = parse_words(&p);
	if (r < 0) {
		*ret_problem = p.problem;
		return r;
	}
	*ret_args = args;
	args = ARGS_INIT;
	return 0;
}

void args_release(struct args *args)
{
	free(args->words);
	*args = ARGS_INIT;
}

bool args_has(const struct args *args, const char *name)
{
	for (int i = 0; i < args->given_count; i++) {
		if (strcmp(args->given[i].row->name, name) == 0)
			return true;
	}
	return false;
}

const char *args_value_at(const struct args *args, const char *name, int i)
{
	for (int at = 0; at < args->given_count; at++) {
		if (strcmp(args->given[at].row->name, name) == 0 && i-- == 0)
			return args->given[at].value;
	}
	return NULL;
}

const char *args_value(const struct args *args, const char *name)
{
	const char *value = NULL;

	for (int i = 0; i < args->given_count; i++) {
		if (strcmp(args->given[i].row->name, name) == 0)
			value = args->given[i].value;
	}
	return value;
}
