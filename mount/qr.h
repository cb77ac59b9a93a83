/* A QR code for a terminal: each character shows two squares, one above the other, as UTF-8 half blocks, dark on light
 * by colours that it sets itself, with the light border of four that readers need. Threads: any. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

#define QR_TEXT_MAX 512 /* bytes; what is longer makes a picture larger than a terminal */

/* Appends the picture of `text` to `out`, one line after another. `columns`: of the terminal; 0: as many as it takes.
 * Errors: -ENOMEM, -EINVAL (an empty text), -ERR_TOO_LARGE (text, or wider than `columns`). */
int qr_render(const char *text, unsigned columns, struct buf *out);
