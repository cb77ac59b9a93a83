/* The registry of record kinds: one row for each kind says who owns it, what its key is and which fields it has.
 * The change codec, apply in store/, digests and dumps are driven by it, so a new kind is a row here and its table in
 * store/. Pure, read-only. Threads: any.
 *
 * Shared kinds: every field is a last-writer-wins register (design section 4). Device-owned kinds: only the owner's
 * device writes them; they travel as state by version. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum model_kind { /* numbers on disk and on the wire: never reused */
	MODEL_DEVICE = 1,
	MODEL_TAG = 2,
	MODEL_TAGGING = 3,
	MODEL_ALBUM = 4,
	MODEL_ALBUM_ITEM = 5,
	MODEL_METADATA = 6, /* favorites: a pair in the one built-in collection */
	MODEL_LOCATION = 16,
	MODEL_ENTRY = 17,
	MODEL_AUDIT = 18,
};

enum model_owner { MODEL_SHARED, MODEL_OWNED };

enum field_type {
	FIELD_BOOL,
	FIELD_UINT,
	FIELD_TITLE, /* UTF-8 that text_is_title allows */
	FIELD_NAME,  /* bytes that text_is_filename allows */
	FIELD_BYTES, /* of min_len to max_len */
};

struct field {
	const char *name; /* also the column */
	enum field_type type;
	uint16_t min_len; /* FIELD_BYTES: bytes */
	uint16_t max_len;
	bool none_or_max; /* FIELD_BYTES: empty or exactly max_len, nothing in between */
};

#define MODEL_DISCOVERY_LEN 32 /* a discovery key */

#define MODEL_FIELDS_MAX 8
#define MODEL_KEY_MAX 2

/* Field numbers, on the wire */
enum { DEVICE_NAME, DEVICE_PUBLIC_KEY, DEVICE_MEMBER, DEVICE_ADDED_BY, DEVICE_DISCOVERY };
enum { COLLECTION_NAME, COLLECTION_LIVE };       /* tag, album */
enum { PAIR_NAME, PAIR_LIVE, PAIR_CONTENT };     /* tagging, album item, metadata */

struct model {
	enum model_kind kind;
	enum model_owner owner;
	const char *name;       /* "tagging": in dumps and messages */
	unsigned key_parts;     /* uuids in the key: tagging is (tag, entry) */
	unsigned field_count;
	struct field fields[MODEL_FIELDS_MAX];
};

/* NULL when there is no such kind. */
const struct model *model_find(uint64_t kind);

/* The i-th kind, NULL past the end. */
const struct model *model_at(size_t i);

/* Whether `len` bytes may stand in a field that is not FIELD_BOOL or FIELD_UINT. */
bool model_bytes_fit(const struct field *field, const void *bytes, size_t len);
