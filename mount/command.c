#include "mount/command.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mount/network_options.h"

#define OPTION_JSON                                                                                                    \
	{                                                                                                              \
		"json", 0, NULL, "print JSON"                                                                          \
	}
#define OPTION_FROM                                                                                                    \
	{                                                                                                              \
		"from", 0, "FILE", "read further names of files from FILE (- is standard input), one in a line"        \
	}
#define OPTION_NULL                                                                                                    \
	{                                                                                                              \
		"null", '0', NULL, "the names in --from end in NUL, as `find -print0` makes them"                      \
	}

#define OPTION_OFFLINE                                                                                                         \
	{                                                                                                                      \
		"offline", 0, NULL, "keep off the network"                                                                     \
	}

const struct option_row command_common_options[] = {
    {"library", 'l', "LIBRARY", "the library folder"},
    {"help", 'h', NULL, "show this help"},
    {0},
};

static const struct command commands[] = {
    {
	.name = "create",
	.usage = "LIBRARY [--name NAME] [--device NAME]",
	.summary = "make a library",
	.text =
	    "LIBRARY is the folder to make; .sdlibrary is added to its name where that is missing. It holds the\n"
	    "catalogue, not your files: add folders to it with `shelf location add`. The secret key of this device\n"
	    "is kept apart, in the state folder ($SHELF_STATE_DIR, $XDG_STATE_HOME/shelf or ~/.local/state/shelf).\n",
	.run = cmd_create,
	.min_words = 1,
	.max_words = 1,
	.place = COMMAND_HERE,
	.options = {{"name", 0, "NAME", "name of the library (default: that of the folder)"},
		    {"device", 0, "NAME", "name of this device (default: the host name)"}},
    },
    {
	.name = "mount",
	.usage = "LIBRARY DIR [-f] [-o OPTIONS]",
	.summary = "show a library as a folder",
	.text = "DIR is an empty folder; it is made if it is missing. Returns when the mount answers. A mount whose\n"
		"daemon died is replaced. `shelf unmount DIR` or SIGTERM ends it; SIGHUP compares all locations with\n"
		"the disk. OPTIONS: allow_other (other users may look, too), ro, debug, and what mount(8) and fstab\n"
		"take for granted. Run it with -f below systemd (Type=notify).\n",
	.run = cmd_mount,
	.min_words = 2,
	.max_words = 2,
	.place = COMMAND_HERE,
	.options = {{"foreground", 'f', NULL, "stay in front, with the log on standard error"},
		    {"options", 'o', "OPTIONS", "mount options, separated by commas"},
		    OPTION_LISTEN,
		    OPTION_INTERFACE,
		    OPTION_NO_DISCOVERY,
		    OPTION_OFFLINE},
    },
    {
	.name = "serve",
	.usage = "LIBRARY [-f]",
	.summary = "keep a library open and up to date without a mount",
	.text = "For a server. `shelf unmount LIBRARY` or SIGTERM ends it.\n",
	.run = cmd_serve,
	.min_words = 1,
	.max_words = 1,
	.place = COMMAND_HERE,
	.options = {{"foreground", 'f', NULL, "stay in front, with the log on standard error"},
		    OPTION_LISTEN,
		    OPTION_INTERFACE,
		    OPTION_NO_DISCOVERY,
		    OPTION_OFFLINE},
    },
    {
	.name = "unmount",
	.usage = "DIR",
	.summary = "end a mount and wait until its daemon has ended",
	.text =
	    "DIR may also be the library folder. When files below it are in use, it stays mounted (exit code 75).\n",
	.run = cmd_unmount,
	.min_words = 1,
	.max_words = 1,
	.place = COMMAND_HERE,
    },
    {
	.name = "location add",
	.usage = "PATH [--name NAME] [--exclude GLOB]...",
	.summary = "take a folder of this device into the library",
	.text = "Its files stay where they are and are only read. .git, node_modules and the like are left out, and\n"
		"what a .shelfignore file says (in the syntax of .gitignore). Ctrl-C ends the first look through it\n"
		"early; what is left is made up for later.\n",
	.run = cmd_location_add,
	.min_words = 1,
	.max_words = 1,
	.paths = PATHS_FOLDER,
	.options = {{"name", 0, "NAME", "name of the location (default: that of the folder)"},
		    {"exclude", 0, "GLOB", "leave out what matches; may be given several times"}},
    },
    {
	.name = "location list",
	.usage = "[--json]",
	.summary = "show the locations of all devices, and the disks that they are on",
	.run = cmd_location_list,
	.options = {OPTION_JSON},
    },
    {
	.name = "location remove",
	.usage = "NAME",
	.summary = "take a location out of the library",
	.text = "No file is touched. Tags are kept: a file with the same content elsewhere in the library has them.\n",
	.run = cmd_location_remove,
	.min_words = 1,
	.max_words = 1,
    },
    {
	.name = "location rescan",
	.usage = "[NAME] [--adopt]",
	.summary = "compare one location, or all, with the disk",
	.run = cmd_location_rescan,
	.max_words = 1,
	.options = {{"adopt", 0, NULL, "the folder is another disk than before, and that is right"}},
    },
    {
	.name = "tag list",
	.usage = "[FILE...] [--json]",
	.summary = "show all tags, or those of files",
	.run = cmd_collection_list,
	.max_words = -1,
	.paths = PATHS_FILES,
	.kind = COLLECTION_TAG,
	.options = {OPTION_JSON, OPTION_FROM, OPTION_NULL},
    },
    {
	.name = "tag add",
	.usage = "TAG FILE... [--from FILE [-0]]",
	.summary = "give files a tag, which is made if it is new",
	.text = "FILE: in a location, or below the mount. A file that has the tag already is no error.\n",
	.run = cmd_collection_add,
	.min_words = 1,
	.max_words = -1,
	.paths = PATHS_FILES,
	.first_path = 1,
	.kind = COLLECTION_TAG,
	.options = {OPTION_FROM, OPTION_NULL},
    },
    {
	.name = "tag remove",
	.usage = "TAG FILE... [--from FILE [-0]]",
	.summary = "take a tag away from files",
	.text = "Copies of a file (the same content) share its tags, so they lose it as well.\n"
		"To delete the tag itself: rm -r MOUNT/tags/TAG\n",
	.run = cmd_collection_remove,
	.min_words = 1,
	.max_words = -1,
	.paths = PATHS_FILES,
	.first_path = 1,
	.kind = COLLECTION_TAG,
	.options = {OPTION_FROM, OPTION_NULL},
    },
    {
	.name = "tag rename",
	.usage = "OLD NEW",
	.summary = "give a tag another name",
	.run = cmd_collection_rename,
	.min_words = 2,
	.max_words = 2,
	.kind = COLLECTION_TAG,
    },
    {
	.name = "tag merge",
	.usage = "FROM INTO",
	.summary = "give all files of one tag the other, and delete the first",
	.run = cmd_collection_merge,
	.min_words = 2,
	.max_words = 2,
	.kind = COLLECTION_TAG,
    },
    {
	.name = "album list",
	.usage = "[FILE...] [--json]",
	.summary = "show all albums, or those of files",
	.run = cmd_collection_list,
	.max_words = -1,
	.paths = PATHS_FILES,
	.kind = COLLECTION_ALBUM,
	.options = {OPTION_JSON, OPTION_FROM, OPTION_NULL},
    },
    {
	.name = "album add",
	.usage = "ALBUM FILE... [--from FILE [-0]]",
	.summary = "put files into an album, which is made if it is new",
	.run = cmd_collection_add,
	.min_words = 1,
	.max_words = -1,
	.paths = PATHS_FILES,
	.first_path = 1,
	.kind = COLLECTION_ALBUM,
	.options = {OPTION_FROM, OPTION_NULL},
    },
    {
	.name = "album remove",
	.usage = "ALBUM FILE... [--from FILE [-0]]",
	.summary = "take files out of an album",
	.text = "To delete the album itself: rm -r MOUNT/albums/ALBUM\n",
	.run = cmd_collection_remove,
	.min_words = 1,
	.max_words = -1,
	.paths = PATHS_FILES,
	.first_path = 1,
	.kind = COLLECTION_ALBUM,
	.options = {OPTION_FROM, OPTION_NULL},
    },
    {
	.name = "album rename",
	.usage = "OLD NEW",
	.summary = "give an album another name",
	.run = cmd_collection_rename,
	.min_words = 2,
	.max_words = 2,
	.kind = COLLECTION_ALBUM,
    },
    {
	.name = "pair",
	.usage = "",
	.summary = "let another device into the library, by a code",
	.text = "Shows a code, to be typed on the other device: `shelf join CODE LIBRARY`. It is good for five "
		"minutes, one\n"
		"device and three tries. Whoever is let in can see and change everything in the library, and let in "
		"others.\n"
		"The options are for a library that is neither mounted nor served.\n",
	.run = cmd_pair,
	.options = {OPTION_LISTEN, OPTION_INTERFACE, OPTION_NO_DISCOVERY},
    },
    {
	.name = "join",
	.usage = "CODE LIBRARY [--device NAME] [--address HOST:PORT]... [--wait SECONDS]",
	.summary = "make this device's copy of a library that is on another one",
	.text =
	    "CODE is what `shelf pair` shows on a device of the library; LIBRARY is the folder to make here. Without\n"
	    "--address the other device is looked for on the local network. Ctrl-C after \"Joined\" is fine: the rest "
	    "of\n"
	    "the catalogue comes when the library is mounted.\n",
	.run = cmd_join,
	.min_words = 2,
	.max_words = 2,
	.place = COMMAND_HERE,
	.options = {{"device", 0, "NAME", "name of this device (default: the host name)"},
		    {"address", 0, "HOST:PORT", "where the other device is; may be given several times"},
		    {"wait", 0, "SECONDS", "how long to look for the other device (default: 60)"},
		    OPTION_LISTEN,
		    OPTION_INTERFACE,
		    OPTION_NO_DISCOVERY},
    },
    {
	.name = "discover",
	.usage = "",
	.summary = "show devices on this network that are open for pairing",
	.run = cmd_discover,
	.place = COMMAND_HERE,
	.options = {OPTION_INTERFACE},
    },
    {
	.name = "device list",
	.usage = "[--json]",
	.summary = "show the devices of the library",
	.run = cmd_device_list,
	.options = {OPTION_JSON},
    },
    {
	.name = "device rename",
	.usage = "DEVICE NAME",
	.summary = "give a device another name",
	.text = "DEVICE is its name or, where two have the same, its id; `shelf device list` shows both.\n",
	.run = cmd_device_rename,
	.min_words = 2,
	.max_words = 2,
    },
    {
	.name = "device remove",
	.usage = "DEVICE [--json]",
	.summary = "take a device out of the library, for good",
	.text =
	    "Its locations are no longer shown and nothing is exchanged with it any more; what was tagged stays\n"
	    "tagged. It shows which devices the removed one had added: look at them, too, if it was stolen. To take\n"
	    "part again it has to be paired anew. DEVICE is its name or its id, as in `device rename`.\n",
	.run = cmd_device_remove,
	.min_words = 1,
	.max_words = 1,
	.options = {OPTION_JSON},
    },
    {
	.name = "device set",
	.usage = "DEVICE sync on|off | files on|off | limit RATE|off | address HOST:PORT | no-address HOST:PORT",
	.summary = "say how this device deals with another one",
	.text = "sync       whether anything is exchanged with it\n"
		"address    where to try it, besides what discovery finds; no-address takes that back\n"
		"limit      bytes a second that go there and come from there, as in 200k or 2M\n"
		"files      whether its list of files is taken: off leaves its tags and locations only\n"
		"What is set holds on this device alone. Of this device itself only sync can be set: off pauses\n"
		"everything, with whomever, also after a restart, until it is on again.\n",
	.run = cmd_device_set,
	.min_words = 3,
	.max_words = 3,
    },
    {
	.name = "find",
	.usage = "QUERY [-0 | --json | --count]",
	.summary = "print the files that carry tags",
	.text = "QUERY: names of tags with and, or, not and ( ). Names that stand side by side mean `and`. Put names\n"
		"with spaces or parentheses, or that are called like one of the words, in quotes:\n"
		"'holiday and not (\"new york\" or \"not\")'. Files of this device are printed with their real path,\n"
		"others with that below the mount. No match is no error.\n",
	.run = cmd_find,
	.min_words = 1,
	.max_words = -1,
	.options = {{"null", '0', NULL, "end each path with NUL instead of a newline"},
		    OPTION_JSON,
		    {"count", 'c', NULL, "print only how many there are"}},
    },
    {
	.name = "status",
	.usage = "[--watch] [--json]",
	.summary = "show what there is and what is going on",
	.run = cmd_status,
	.options = {{"watch", 'w', NULL, "show it again and again, until Ctrl-C"}, OPTION_JSON},
    },
    {
	.name = "events",
	.usage = "[--count N] [--json]",
	.summary = "show what has happened: devices, disks, clocks, repairs",
	.run = cmd_events,
	.options = {{"count", 0, "N", "the last N (default: 100; 10,000 are kept)"}, OPTION_JSON},
    },
    {
	.name = "metrics",
	.usage = "",
	.summary = "print numbers for Prometheus",
	.run = cmd_metrics,
    },
    {
	.name = "check",
	.usage = "[--repair] [--quick] [--peers]",
	.summary = "verify the databases, the tree and the log",
	.text = "Exit code 0: nothing is wrong any more; 1: something is.\n"
		"--peers asks whether devices that have the same changes have the same rows, too. Who is offline or\n"
		"still behind is named and passed over.\n",
	.run = cmd_check,
	.options = {{"repair", 0, NULL, "rebuild what can be rebuilt"},
		    {"quick", 0, NULL, "leave out the look through every page of the database files"},
		    {"peers", 0, NULL, "compare with every device that is online"}},
    },
    {
	.name = "help",
	.usage = "[COMMAND]",
	.summary = "show all commands, or how one is used",
	.run = cmd_help,
	.max_words = 2,
	.place = COMMAND_HERE,
    },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

const struct command *command_at(int i)
{
	return i < COMMAND_COUNT ? &commands[i] : NULL;
}

/* How many of the words name it: 0 = it is another. */
static int words_that_name(const struct command *command, int count, char **words)
{
	const char *space = strchr(command->name, ' ');
	size_t noun_len = space ? (size_t)(space - command->name) : strlen(command->name);

	if (count < 1 || strlen(words[0]) != noun_len || memcmp(words[0], command->name, noun_len) != 0)
		return 0;
	if (!space)
		return 1;
	return count >= 2 && strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

const struct command *command_find(int count, char **words, int *ret_used)
{
	for (int i = 0; i < COMMAND_COUNT; i++) {
		int used = words_that_name(&commands[i], count, words);

		if (used == 0)
			continue;
		*ret_used = used;
		return &commands[i];
	}
	return NULL;
}

static int complain(const struct command *command, struct out *out, const char *problem)
{
	out_error(out, "%s: %s", command->name, problem);
	out_note(out, "Usage: shelf %s %s", command->name, command->usage);
	return EXITCODE_USAGE;
}

int command_check(const struct command *command, int count, char **words, struct out *out, struct args *ret_args)
{
	_cleanup_(args_release) struct args args = ARGS_INIT;
	_cleanup_(free_ptr) char *problem = NULL;
	int r = args_parse(command->options, command_common_options, count, words, &args, &problem);

	if (r < 0)
		return complain(command, out, problem ? problem : err_str(r));
	if (args_has(&args, "help"))
		; /* whatever else was given */
	else if (args.count < command->min_words)
		return complain(command, out, args.count == 0 ? "something is missing" : "a word is missing");
	else if (command->max_words >= 0 && args.count > command->max_words)
		return complain(command, out, "there are too many words");
	*ret_args = args;
	args = ARGS_INIT;
	return 0;
}

int command_run(struct library *library, struct out *out, int count, char **words)
{
	_cleanup_(args_release) struct args args = ARGS_INIT;
	int used = 0;
	const struct command *command = command_find(count, words, &used);
	struct call call = {.command = command, .args = &args, .out = out, .library = library};
	int code;

	if (!command || command->place != COMMAND_LIBRARY) {
		out_error(out, "the process that has the library open does not know this command");
		return EXITCODE_USAGE;
	}
	code = command_check(command, count - used, words + used, out, &args);
	if (code == EXITCODE_DONE)
		code = command->run(&call);
	out_progress_end(out);
	out_flush(out);
	return code;
}
