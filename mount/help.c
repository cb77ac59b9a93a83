#include "mount/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

enum { OPTION_WIDTH = 24, NAME_WIDTH = 18 };

static void print_option(const struct option_row *row, struct out *out)
{
	char left[64];
	int n = snprintf(left, sizeof(left), row->letter ? "-%c, " : "    ", row->letter);

	if (n > 0)
		snprintf(left + n, sizeof(left) - (size_t)n, "--%s%s%s", row->name, row->value ? " " : "",
			 row->value ? row->value : "");
	out_printf(out, "  %-*s  %s\n", OPTION_WIDTH, left, row->help);
}

void command_help(const struct command *command, struct out *out)
{
	out_printf(out, "Usage: shelf %s %s\n\n%c%s.\n", command->name, command->usage,
		   (char)(command->summary[0] - 'a' + 'A'), command->summary + 1);
	if (command->text)
		out_printf(out, "%s", command->text);
	out_printf(out, "\n");
	for (const struct option_row *row = command->options; row->name; row++)
		print_option(row, out);
	for (const struct option_row *row = command_common_options; row->name; row++) {
		if (command->place == COMMAND_LIBRARY || strcmp(row->name, "library") != 0)
			print_option(row, out);
	}
}

static bool has_noun(const struct command *command, const char *noun)
{
	size_t len = noun ? strlen(noun) : 0;

	if (!noun)
		return true;
	return strncmp(command->name, noun, len) == 0 && command->name[len] == ' ';
}

bool command_is_noun(const char *word)
{
	const struct command *command;

	for (int i = 0; (command = command_at(i)); i++) {
		if (has_noun(command, word))
			return true;
	}
	return false;
}

int command_help_list(const char *noun, struct out *out)
{
	const struct command *command;
	int count = 0;

	for (int i = 0; (command = command_at(i)); i++) {
		if (!has_noun(command, noun))
			continue;
		out_printf(out, "  %-*s%s\n", NAME_WIDTH, command->name, command->summary);
		count++;
	}
	return count;
}

static void print_all(struct out *out)
{
	out_printf(out, "Usage: shelf [-l LIBRARY] COMMAND ...\n\n"
			"Shows a library of files as one folder, with tags and albums as folders of links.\n\n");
	command_help_list(NULL, out);
	out_printf(out, "\n`shelf COMMAND --help` says more. -l LIBRARY, $SHELF_LIBRARY or the mount that you are in\n"
			"say which library is meant; `shelf --version` shows the version.\n\n"
			"Exit codes: 0 done, 1 failed in part, 2 wrong usage, 65 bad data, 69 device not reachable,\n"
			"73 cannot create, 75 busy, try again, 77 not allowed.\n");
}

int cmd_help(struct call *call)
{
	const struct args *args = call->args;
	const struct command *command;
	int used = 0;

	if (args->count == 0) {
		print_all(call->out);
		return EXITCODE_DONE;
	}
	command = command_find(args->count, args->words, &used);
	if (command && used == args->count) {
		command_help(command, call->out);
		return EXITCODE_DONE;
	}
	if (!command && args->count == 1 && command_help_list(args->words[0], call->out) > 0)
		return EXITCODE_DONE;
	out_error(call->out, "there is no command `%s%s%s`", args->words[0], args->count > 1 ? " " : "",
		  args->count > 1 ? args->words[1] : "");
	return EXITCODE_USAGE;
}
