/* What the last cached open of a file saw, so that the next one knows whether the kernel's pages of it are still right.
 * A bounded table: what is not in it costs a dropped page cache. Internal to fs/. Threads: any; one mutex inside. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct cached_opens;

int cached_opens_new(struct cached_opens **ret_opens);
void cached_opens_free(struct cached_opens *opens);

/* Takes note of an open of `ino` that may use the page cache. Returns whether the file is the one, unchanged, that the
 * last such open saw. */
bool cached_opens_note(struct cached_opens *opens, uint64_t ino, const struct stat *st);
