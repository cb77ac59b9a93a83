/* The words after a command: options, in any order among the other words, and "--" after which all are words.
 *
 * Not getopt_long, because that keeps its state in globals and the daemon reads the words of several commands at a
 * time; and because the same table makes --help. Understood: --name VALUE, --name=VALUE, --name, -x VALUE, -xVALUE,
 * -xyz, unambiguous beginnings of long names. Pure. Threads: any. */
#pragma once

#include <stdbool.h>

#define OPTIONS_MAX	  8  /* in the table of one command */
#define OPTIONS_GIVEN_MAX 64 /* on one command line */

struct option_row {
	const char *name;  /* long, without dashes; NULL ends the table */
	char letter;	   /* 0 = none */
	const char *value; /* how --help calls its value; NULL: it takes none */
	const char *help;
};

struct args {
	int count;    /* of words */
	char **words; /* owned array, NULL-terminated; the words are borrowed from argv */
	struct {
		const struct option_row *row;
		const char *value; /* borrowed; NULL when it takes none */
	} given[OPTIONS_GIVEN_MAX];
	int given_count;
};

#define ARGS_INIT ((struct args){0})

/* `argv` has `argc` strings after the command. `common` is a second table (both end with a row without name).
 * Errors: -EINVAL with a sentence in *ret_problem (heap), -ENOMEM. */
int args_parse(const struct option_row *rows, const struct option_row *common, int argc, char **argv,
	       struct args *ret_args, char **ret_problem);
void args_release(struct args *args);

bool args_has(const struct args *args, const char *name);
/* The value that was given last; NULL: none. */
const char *args_value(const struct args *args, const char *name);
/* The i-th value that was given for `name`, NULL past the last. */
const char *args_value_at(const struct args *args, const char *name, int i);
