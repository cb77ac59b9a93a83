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
	MODEL_VOLUME = 19,
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
	bool optional;	  /* FIELD_NAME: may be empty */
	bool is_signed;	  /* FIELD_UINT of an owned kind: the number is the bits of a signed one */
	bool purged;	  /* FIELD_BOOL "deleted": tombstones go once every member has acknowledged them */
	bool delta;	  /* FIELD_UINT of an owned kind: close to that of the row before (sync/row.h) */
};

#define MODEL_DISCOVERY_LEN 32 /* a discovery key */

#define MODEL_FIELDS_MAX 8
#define MODEL_KEY_MAX 2

/* Field numbers, on the wire */
enum { DEVICE_NAME, DEVICE_PUBLIC_KEY, DEVICE_MEMBER, DEVICE_ADDED_BY, DEVICE_DISCOVERY };
enum { COLLECTION_NAME, COLLECTION_LIVE };       /* tag, album */
enum { PAIR_NAME, PAIR_LIVE, PAIR_CONTENT };     /* tagging, album item, metadata */
enum { LOCATION_NAME, LOCATION_PATH, LOCATION_EXCLUDE, LOCATION_ROOT, LOCATION_VOLUME, LOCATION_DELETED };
enum { ENTRY_PARENT, ENTRY_NAME, ENTRY_MODE, ENTRY_SIZE, ENTRY_MTIME, ENTRY_CONTENT, ENTRY_DELETED };
enum { AUDIT_AT, AUDIT_ACTION, AUDIT_SUBJECT, AUDIT_DELETED };
enum { VOLUME_NAME, VOLUME_FILESYSTEM, VOLUME_CAPACITY, VOLUME_DELETED };
/* ENTRY_PARENT and LOCATION_ROOT are the seq of an entry of the same location plus 1; 0: none. LOCATION_VOLUME is the
 * key of a volume of the same device, which may come later than the location; 0: not known. */

struct model {
	enum model_kind kind;
	enum model_owner owner;
	const char *name;       /* "tagging": in dumps and messages */
	unsigned key_parts;     /* shared: uuids in the key: tagging is (tag, entry). Owned: numbers (sync/row.h) */
	unsigned field_count;
	struct field fields[MODEL_FIELDS_MAX];
};

/* NULL when there is no such kind. */
const struct model *model_find(uint64_t kind);

/* The i-th kind, NULL past the end. */
const struct model *model_at(size_t i);

/* Of an owned kind: the field that makes a row a tombstone, always the last. */
unsigned model_deleted(const struct model *model);

/* Whether tombstones of this kind are purged once every member has them; the others are few and are kept. */
bool model_is_purged(const struct model *model);

/* Whether `len` bytes may stand in a field that is not FIELD_BOOL or FIELD_UINT. */
bool model_bytes_fit(const struct field *field, const void *bytes, size_t len);
