/* Who has files open, and what the last cached open of a file saw: so it is known whether an open may use the kernel's pages
 * of an inode number, and whether those that are there are still right. Internal to fs/. Threads: any; one mutex inside.
 *
 * The pages of an inode number are filled through whichever descriptor reads. So they may belong to one real file only:
 * while a file of another identity is open under that number, an open gets none of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fs/tree.h"

struct cached_opens;
struct real_file;

/* What fs_open makes. In the table from cached_opens_add on. */
struct open_file {
	struct fs_file file; /* first: what the caller sees */
	struct real_file *real;
	struct open_file *previous, *next; /* of the same real file */
};

int cached_opens_new(struct cached_opens **ret_opens);
void cached_opens_free(struct cached_opens *opens); /* closes and frees the files that are still open. NULL does nothing */

/* Takes a file in, with `file.fd` open and `file.direct` set if it must not use the pages anyhow; fills in `direct` and
 * `keep_cache`. `st` is of the descriptor. Errors: -ENOMEM (it stays the caller's). */
int cached_opens_add(struct cached_opens *opens, uint64_t ino, const struct stat *st, struct open_file *file);

/* Closes it and frees it: no read of it may be under way. */
void cached_opens_close(struct cached_opens *opens, struct open_file *file);
