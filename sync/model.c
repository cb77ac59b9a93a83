#include "sync/model.h"

#include <assert.h>

#include "base/hash.h"
#include "base/key.h"
#include "base/text.h"
#include "base/uuid.h"

enum { AUDIT_TEXT_MAX = 1024, PATH_LEN_MAX = 4096, EXCLUDE_LEN_MAX = 16384, FILESYSTEM_LEN_MAX = 64 };

/* clang-format off */

#define TITLE(column)           { .name = (column), .type = FIELD_TITLE }
#define NAME(column)            { .name = (column), .type = FIELD_NAME }
#define BOOL(column)            { .name = (column), .type = FIELD_BOOL }
#define PURGED(column)          { .name = (column), .type = FIELD_BOOL, .purged = true }
#define UINT(column)            { .name = (column), .type = FIELD_UINT }
#define FIXED(column, len)      { .name = (column), .type = FIELD_BYTES, .min_len = (len), .max_len = (len) }
#define UP_TO(column, max)      { .name = (column), .type = FIELD_BYTES, .max_len = (max) }
#define NONE_OR(column, len)    { .name = (column), .type = FIELD_BYTES, .max_len = (len), .none_or_max = true }

#define COLLECTION_FIELDS { [COLLECTION_NAME] = TITLE("name"), [COLLECTION_LIVE] = BOOL("live") }

/* A content id is unknown until the file has been read. */
#define PAIR_FIELDS \
	{ [PAIR_NAME] = NAME("name"), [PAIR_LIVE] = BOOL("live"), [PAIR_CONTENT] = NONE_OR("content", HASH128_LEN) }

/* kind, owner, name, parts of the key, number of fields, fields */
static const struct model models[] = {
	{ MODEL_DEVICE, MODEL_SHARED, "device", 1, 5, {
		[DEVICE_NAME] = TITLE("name"),
		[DEVICE_PUBLIC_KEY] = FIXED("public_key", KEY_PUBLIC_LEN),
		[DEVICE_MEMBER] = BOOL("member"),
		[DEVICE_ADDED_BY] = FIXED("added_by", UUID_LEN),
		[DEVICE_DISCOVERY] = NONE_OR("discovery", MODEL_DISCOVERY_LEN),
	} },
	{ MODEL_TAG, MODEL_SHARED, "tag", 1, 2, COLLECTION_FIELDS },
	{ MODEL_TAGGING, MODEL_SHARED, "tagging", 2, 3, PAIR_FIELDS },
	{ MODEL_ALBUM, MODEL_SHARED, "album", 1, 2, COLLECTION_FIELDS },
	{ MODEL_ALBUM_ITEM, MODEL_SHARED, "album_item", 2, 3, PAIR_FIELDS },
	{ MODEL_METADATA, MODEL_SHARED, "metadata", 2, 3, PAIR_FIELDS },
	{ MODEL_LOCATION, MODEL_OWNED, "location", 1, 6, {
		[LOCATION_NAME] = TITLE("name"),
		[LOCATION_PATH] = UP_TO("path", PATH_LEN_MAX),
		[LOCATION_EXCLUDE] = UP_TO("exclude", EXCLUDE_LEN_MAX),
		[LOCATION_ROOT] = UINT("root"),
		[LOCATION_VOLUME] = UINT("volume"),
		[LOCATION_DELETED] = BOOL("deleted"),
	} },
	{ MODEL_ENTRY, MODEL_OWNED, "entry", 2, 7, {
		[ENTRY_PARENT] = { .name = "parent", .type = FIELD_UINT, .delta = true },
		[ENTRY_NAME] = { .name = "name", .type = FIELD_NAME, .optional = true },
		[ENTRY_MODE] = UINT("mode"),
		[ENTRY_SIZE] = UINT("size"),
		[ENTRY_MTIME] = { .name = "mtime_ns", .type = FIELD_UINT, .is_signed = true, .delta = true },
		[ENTRY_CONTENT] = NONE_OR("content", HASH128_LEN),
		[ENTRY_DELETED] = PURGED("deleted"),
	} },
	{ MODEL_AUDIT, MODEL_OWNED, "audit", 1, 4, {
		[AUDIT_AT] = { .name = "at_ms", .type = FIELD_UINT, .delta = true },
		[AUDIT_ACTION] = UP_TO("action", AUDIT_TEXT_MAX),
		[AUDIT_SUBJECT] = UP_TO("subject", AUDIT_TEXT_MAX),
		[AUDIT_DELETED] = PURGED("deleted"),
	} },
	{ MODEL_VOLUME, MODEL_OWNED, "volume", 1, 4, {
		[VOLUME_NAME] = TITLE("name"),
		[VOLUME_FILESYSTEM] = UP_TO("filesystem", FILESYSTEM_LEN_MAX),
		[VOLUME_CAPACITY] = UINT("capacity"),
		[VOLUME_DELETED] = BOOL("deleted"),
	} },
};

/* clang-format on */

enum { MODEL_COUNT = sizeof(models) / sizeof(models[0]) };

const struct model *model_find(uint64_t kind)
{
	for (size_t i = 0; i < MODEL_COUNT; i++) {
		if (models[i].kind == kind)
			return &models[i];
	}
	return NULL;
}

const struct model *model_at(size_t i)
{
	return i < MODEL_COUNT ? &models[i] : NULL;
}

unsigned model_deleted(const struct model *model)
{
	assert(model->owner == MODEL_OWNED);
	return model->field_count - 1;
}

bool model_is_purged(const struct model *model)
{
	return model->owner == MODEL_OWNED && model->fields[model_deleted(model)].purged;
}

bool model_bytes_fit(const struct field *field, const void *bytes, size_t len)
{
	assert(field->type != FIELD_BOOL && field->type != FIELD_UINT);
	switch (field->type) {
	case FIELD_TITLE:
		return text_is_title(bytes, len);
	case FIELD_NAME:
		return (field->optional && len == 0) || text_is_filename(bytes, len);
	case FIELD_BYTES:
		if (field->none_or_max)
			return len == 0 || len == field->max_len;
		return len >= field->min_len && len <= field->max_len;
	default:
		return false;
	}
}
