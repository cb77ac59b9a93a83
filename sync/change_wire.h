/* Parts of the wire form that change sets and registers share: records, keys, fields and values. Internal to sync/.
 * Decoders check as change.h says and move the cursor; errors as there. Encoders leave errors in the buf. */
#pragma once

#include "base/cursor.h"
#include "sync/change.h"

int change_expect_array(struct cursor *c, uint32_t wanted); /* -ERR_MALFORMED: another length */

void change_encode_record_id(const struct change *change, struct buf *b); /* kind, key */
void change_encode_value(const struct field *field, const struct value *value, struct buf *b);

/* `[kind, key,` of an array of three: adds an empty change of a kind that may travel. */
int change_decode_record(struct cursor *c, struct change_set *set, struct change **ret_change);
/* The number of a field that `change` has and that is not set yet. */
int change_decode_field(struct cursor *c, const struct change *change, unsigned *ret_field);
/* The value, and sets it. */
int change_decode_value(struct cursor *c, struct change_set *set, struct change *change, unsigned field);

/* -ERR_MALFORMED: a (record, field) occurs twice. -ENOMEM. */
int change_set_check_doubles(const struct change_set *set);
