/* The commands: one table says their names, words, options, help and functions.
 *
 * A command runs in the process that has the library open: the daemon, on a thread of its own, or, when nobody has, the
 * process that it was typed into. It therefore knows nothing of a terminal, a working directory or an environment: it
 * gets words whose paths are absolute already and writes to call->out. It returns an exit code. Commands of
 * COMMAND_HERE run where they are typed, without an open library. */
#pragma once

#include <stdbool.h>

#include "mount/options.h"
#include "mount/out.h"
#include "store/collection.h"

struct library;

struct call {
	const struct command *command;
	const struct args *args;
	struct out *out;
	struct library *library; /* NULL for COMMAND_HERE */
};

enum command_place { COMMAND_LIBRARY, COMMAND_HERE };

enum command_paths { /* which of its words are paths */
		     PATHS_NONE,
		     PATHS_FOLDER, /* words from first_path on: resolved in full */
		     PATHS_FILES,  /* the same, but the last name stays; there may be very many: see mount/filelist.h */
};

struct command {
	const char *name;  /* "status", "tag add" */
	const char *usage; /* what follows the name */
	const char *summary;
	const char *text; /* the rest of --help; lines end in \n; NULL = none */
	int (*run)(struct call *call);
	int min_words;
	int max_words; /* -1 = any number */
	enum command_place place;
	enum command_paths paths;
	int first_path;
	enum collection_kind kind; /* of the commands that tags and albums share */
	struct option_row options[OPTIONS_MAX + 1];
};

extern const struct option_row command_common_options[]; /* --help, --library */

/* The command that `words` begin with; *ret_used is how many of them name it. NULL: there is none. */
const struct command *command_find(int count, char **words, int *ret_used);

/* Runs the command that `words` (already found to be right by command_check) name, on an open library. */
int command_run(struct library *library, struct out *out, int count, char **words);

/* Reads the words after the command. Returns 0, or EXITCODE_USAGE after a message on `out`. */
int command_check(const struct command *command, int count, char **words, struct out *out, struct args *ret_args);

/* --- help.c --- */

void command_help(const struct command *command, struct out *out);
/* The commands of a noun ("tag"), or all of them (NULL). Returns how many there are. */
int command_help_list(const char *noun, struct out *out);
bool command_is_noun(const char *word); /* "tag": the first of two words of some command */
int cmd_help(struct call *call);

/* The i-th row; NULL past the end. */
const struct command *command_at(int i);

/* --- the functions of the table: cmd_*.c --- */

int cmd_create(struct call *call);
int cmd_mount(struct call *call);
int cmd_serve(struct call *call);
int cmd_unmount(struct call *call);
int cmd_location_add(struct call *call);
int cmd_location_list(struct call *call);
int cmd_location_remove(struct call *call);
int cmd_location_rescan(struct call *call);
int cmd_collection_list(struct call *call);
int cmd_collection_rename(struct call *call);
int cmd_collection_merge(struct call *call);
int cmd_collection_add(struct call *call);
int cmd_collection_remove(struct call *call);
int cmd_device_list(struct call *call);
int cmd_device_rename(struct call *call);
int cmd_device_remove(struct call *call);
int cmd_pair(struct call *call);
int cmd_join(struct call *call);
int cmd_discover(struct call *call);
int cmd_device_set(struct call *call);
int cmd_events(struct call *call);
int cmd_metrics(struct call *call);
int cmd_find(struct call *call);
int cmd_status(struct call *call);
int cmd_check(struct call *call);
