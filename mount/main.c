/* The program: reads the command line, finds the library, and has the command run, here or in the daemon. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "mount/command.h"
#include "mount/place.h"
#include "mount/request.h"
#include "mount/target.h"
#include "mount/terminal.h"
#include "mount/watch.h"

/* --- one command on a library --- */

/* All batches of it, of which the first is at hand; the worst exit code. One that is not about single files ends it. */
static int run_batches(struct target *target, struct request *request, int count, char **words, struct out *out)
{
	int code = EXITCODE_DONE, r;

	do {
		int one = target_run(target, count, words, out);

		code = one != EXITCODE_DONE ? one : code;
		if (one > EXITCODE_PARTIAL || out_cancelled(out))
			return code;
		r = request_next(request, &count, &words);
	} while (r == 0);
	return r < 0 ? out_fail(out, r, "cannot read the names of the files") : code;
}

struct run {
	const char *dir;
	const struct command *command;
	const struct args *args;
};

/* When it is watched this comes again: nobody is kept from the library, and a daemon may come and go meanwhile. */
static int run_once(void *arg, struct out *out)
{
	const struct run *run = arg;
	_cleanup_(request_freep) struct request *request = NULL;
	_cleanup_(target_closep) struct target *target = NULL;
	char **words;
	int count;
	int r = request_new(run->command, run->args, out, &request);

	if (r < 0)
		return (int)exitcode_of(r);
	r = request_next(request, &count, &words); /* before anybody is kept waiting: it may come from a slow pipe */
	if (r < 0)
		return out_fail(out, r, "cannot read the names of the files");
	if (r == 1)
		return EXITCODE_DONE;
	r = target_open(run->dir, out, &target);
	return r < 0 ? (int)exitcode_of(r) : run_batches(target, request, count, words, out);
}

static int run_on_library(const struct command *command, const struct args *args, const char *library, struct out *out)
{
	_cleanup_(free_ptr) char *dir = NULL;
	struct run run = {.command = command, .args = args};
	int r = place_find_library(library, out, &dir);

	if (r == 0)
		r = place_check_library(dir, out);
	if (r < 0)
		return (int)exitcode_of(r);
	run.dir = dir;
	return args_has(args, "watch") ? watch_run(out, run_once, &run) : run_once(&run, out);
}

static int run(const struct command *command, const struct args *args, const char *library, struct out *out)
{
	struct call call = {.command = command, .args = args, .out = out};

	if (args_has(args, "help")) {
		command_help(command, out);
		return EXITCODE_DONE;
	}
	return command->place == COMMAND_HERE ? command->run(&call) : run_on_library(command, args, library, out);
}

/* --- the command line --- */

struct line {
	int count;
	char **words;
	const char *library; /* -l before the command */
	bool help, version;
};

/* The options before the command. */
static int read_leading(struct line *line, struct out *out)
{
	while (line->count > 0 && line->words[0][0] == '-') {
		const char *word = line->words[0];
		int used = 1;

		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			line->help = true;
		} else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
			line->version = true;
		} else if (strncmp(word, "--library=", 10) == 0) {
			line->library = word + 10;
		} else if ((strcmp(word, "-l") == 0 || strcmp(word, "--library") == 0) && line->count > 1) {
			line->library = line->words[1];
			used = 2;
		} else if (strncmp(word, "-l", 2) == 0 && word[2]) {
			line->library = word + 2;
		} else {
			out_error(out, "%s is no option that can stand before a command; `shelf help` shows what can",
				  word);
			return -EINVAL;
		}
		line->words += used;
		line->count -= used;
	}
	return 0;
}

/* "tag --help", "tag", "tag colour": what the noun can do. */
static int explain_noun(const struct line *line, struct out *out)
{
	const char *noun = line->words[0], *verb = line->count > 1 ? line->words[1] : NULL;

	if (verb && (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0))
		return command_help_list(noun, out) > 0 ? EXITCODE_DONE : EXITCODE_USAGE;
	if (!command_is_noun(noun))
		out_error(out, "there is no command `%s`; `shelf help` shows all", noun);
	else if (!verb)
		out_error(out, "`%s` needs a word after it; `shelf %s --help` shows which", noun, noun);
	else
		out_error(out, "there is no command `%s %s`; `shelf %s --help` shows all", noun, verb, noun);
	return EXITCODE_USAGE;
}

static int run_line(struct line *line, struct out *out)
{
	_cleanup_(args_release) struct args args = ARGS_INIT;
	const struct command *command;
	const char *library;
	char *help[] = {"help", NULL};
	int code, used = 0;

	if (line->count == 0 && !line->help) {
		out_error(out, "which command? `shelf help` shows all");
		return EXITCODE_USAGE;
	}
	if (line->count == 0) {
		line->words = help;
		line->count = 1;
	}
	command = command_find(line->count, line->words, &used);
	if (!command)
		return explain_noun(line, out);
	code = command_check(command, line->count - used, line->words + used, out, &args);
	if (code != EXITCODE_DONE)
		return code;
	library = args_value(&args, "library");
	return run(command, &args, library ? library : line->library, out);
}

int main(int argc, char **argv)
{
	struct line line = {.count = argc - 1, .words = argv + 1};
	struct out out;
	int code;

	terminal_init(&out);
	log_set_default(LOG_WARN); /* a command talks by itself; the daemon raises it */
	signal(SIGPIPE, SIG_IGN); /* writing fails instead, and ends the command in order */
	if (base_init() < 0) {
		out_error(&out, "libsodium cannot be used on this system");
		return EXITCODE_PARTIAL;
	}
	code = read_leading(&line, &out) < 0 ? EXITCODE_USAGE : EXITCODE_DONE;
	if (code == EXITCODE_DONE && line.version) {
		out_printf(&out, "shelf %s\n", SHELF_VERSION);
	} else if (code == EXITCODE_DONE) {
		terminal_catch_interrupts();
		code = run_line(&line, &out);
	}
	out_progress_end(&out);
	if (out_flush(&out) < 0 && code == EXITCODE_DONE)
		code = EXITCODE_PARTIAL;
	out_release(&out);
	return code;
}
