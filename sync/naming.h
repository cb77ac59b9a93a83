/* Rules by which devices agree on identities and shown names without asking each other. Pure. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/uuid.h"
#include "base/text.h"
#include "sync/model.h"

/* The uuid of the one collection that metadata (favorites) pairs hang on. */
extern const struct uuid naming_favorites;

/* The uuid of a tag or album: v5 of its NFC name in the namespace of its kind (MODEL_TAG or MODEL_ALBUM).
 * `nfc` is already normalised. */
struct uuid naming_collection(enum model_kind kind, const char *nfc, size_t len);

/* The next candidate when `held` belongs to a collection of another name: v5 of (held, name). Design section 4. */
struct uuid naming_collection_next(const struct uuid *held, const char *nfc, size_t len);

/* The shown name of a thing whose plain name is taken by a lower id: `name (xxxxxxxx)`, eight hex digits of
 * BLAKE2b(id), before the extension when `is_file`, cut at a character boundary to fit 255 bytes (design section 2).
 * `id`: 16 bytes; for a link the tagged entry's uuid. ret_name has room for TEXT_NAME_MAX + 1. Returns the length. */
size_t naming_suffixed(const void *name, size_t len, bool is_file, const struct uuid *id, char ret_name[TEXT_NAME_MAX + 1]);

/* If `name` has the form that naming_suffixed makes: the eight digits, and where they stand. The plain name is `name`
 * without [*ret_at, *ret_at + *ret_cut) unless it was cut. Returns false when it has not. */
bool naming_has_suffix(const void *name, size_t len, size_t *ret_at, size_t *ret_cut);
