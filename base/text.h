/* Names and text. UTF-8 checks and NFC come from utf8proc. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define TEXT_NAME_MAX 255 /* bytes of a name, as in Linux */

/* Whether `text` is a name that Linux could have given back: 1 to 255 bytes, no '/', no NUL, not "." or "..". */
bool text_is_filename(const void *text, size_t len);

/* Whether `text` may be the name of a tag, album, device or location: a filename, valid UTF-8, no control characters
 * (C0, DEL, C1), design section 2. Does not know the reserved desktop names. */
bool text_is_title(const void *text, size_t len);

/* Whether `name` is one that desktops drop everywhere (.Trash*, .hidden, .directory, .DS_Store, ._*, autorun.inf,
 * desktop.ini, Thumbs.db, .xdg-volume-info, .git, .fuse_hidden*): design section 2. */
bool text_is_desktop_litter(const void *name, size_t len);

/* NFC of valid UTF-8, on the heap, NUL-terminated. Errors: -ERR_MALFORMED (not UTF-8), -ENOMEM. */
int text_nfc(const void *text, size_t len, char **ret_nfc, size_t *ret_len);

/* `bytes` made safe for a terminal: valid printable UTF-8 stays, everything else becomes \xNN, also the backslash
 * itself. On the heap; NULL only without memory. */
char *text_printable(const void *bytes, size_t len);

/* The greatest length up to `max` that cuts no valid UTF-8 character of `text` in two; `len` when it fits. */
size_t text_cut(const void *text, size_t len, size_t max);
