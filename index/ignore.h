/* What is not taken into the catalogue: patterns in gitignore syntax (gitignore(5)).
 *
 * A `struct ignore` is one list of patterns and belongs to a folder: a .shelfignore, the `exclude` lines of a location
 * or the defaults. A `struct ignore_scope` is all lists that count in one folder; as in git, the last matching pattern
 * of a list decides, and a deeper list goes before those above it. Names are bytes; nothing depends on the locale.
 *
 * Threads: a list never changes and may be shared; a scope belongs to one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define IGNORE_FILE	".shelfignore"
#define IGNORE_FILE_MAX (256 * 1024) /* bytes of one that are read */

struct ignore; /* counted */

/* The patterns of `text`, one in a line. Every text is valid: a pattern that can match nothing is dropped.
 * Errors: -ENOMEM. */
int ignore_parse(const char *text, size_t len, struct ignore **ret_ignore);

/* The defaults: .git node_modules .Trash-* .DS_Store Thumbs.db *.part .fuse_hidden*. Errors: -ENOMEM. */
int ignore_defaults(struct ignore **ret_ignore);

struct ignore *ignore_ref(struct ignore *ignore); /* NULL gives NULL */
void ignore_unref(struct ignore *ignore);	  /* NULL does nothing */
void ignore_unrefp(struct ignore **ignore);	  /* for _cleanup_ */

enum ignore_verdict {
	IGNORE_SILENT, /* no pattern matches */
	IGNORE_DROP,
	IGNORE_KEEP, /* the last one that matches begins with '!' */
};

/* `path`: NUL-terminated, relative to the folder that the list belongs to. */
enum ignore_verdict ignore_match(const struct ignore *ignore, const char *path, bool is_dir);

struct ignore_level {
	const struct ignore *ignore; /* borrowed */
	size_t base;		     /* bytes of `path` up to where paths relative to its folder begin */
};

struct ignore_scope {
	struct buf path;	     /* of the folder below the location, then '/', unless it is empty */
	struct ignore_level *levels; /* owned; the weakest first */
	size_t count;
	size_t capacity;
};

#define IGNORE_SCOPE_INIT ((struct ignore_scope){.path = BUF_INIT})

/* Adds a list that goes before those added so far; NULL adds nothing. Errors: -ENOMEM. */
int ignore_scope_add(struct ignore_scope *scope, const struct ignore *ignore, size_t base);

/* Whether a name in the folder is ignored. Without memory: no. */
bool ignore_scope_drops(struct ignore_scope *scope, const char *name, size_t len, bool is_dir);

void ignore_scope_release(struct ignore_scope *scope);
