/* A row of a table of shared records as it is stored: the registers that a change is compared with. Internal to store/. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/text.h"
#include "store/collection.h"
#include "store/txn.h"
#include "sync/change.h"
#include "sync/hlc.h"

/* A register: its value, if it is a number or a content id, and its stamp. Names are in struct shared_row. */
struct held {
	uint64_t number;
	uint8_t content[HASH128_LEN];
	size_t content_len;
	uint8_t stamp[STAMP_LEN];
	size_t stamp_len; /* 0: never written */
};

/* A row. Not all kinds fill all of it. */
struct shared_row {
	int64_t id; /* 0: there was no row */
	uint32_t life; /* of a collection */
	bool shown;
	char name[TEXT_NAME_MAX + 1];
	size_t name_len;
	struct held fields[MODEL_FIELDS_MAX]; /* of collections and pairs */
};

/* They leave *ret_row as it is (it is to be all zero) if there is none. Errors: of SQLite. */
int shared_row_device(struct txn *txn, const struct uuid *uuid, struct shared_row *ret_row);
int shared_row_collection(struct txn *txn, enum collection_kind kind, const struct uuid *uuid, struct shared_row *ret_row);
int shared_row_pair(struct txn *txn, int64_t collection, uint64_t prefix, uint64_t seq, struct shared_row *ret_row);

/* What it holds for a field of the change; borrowed from the row. */
struct value shared_row_value(const struct shared_row *row, const struct change *change, unsigned field);

/* A column as a name, cut to what fits; ends in NUL. */
void shared_row_name(sqlite3_stmt *stmt, int column, char ret_name[TEXT_NAME_MAX + 1], size_t *ret_len);

struct home { /* the collection of a pair */
	int64_t id;
	enum collection_kind kind;
	uint32_t life;
	bool live;  /* its own register */
	bool shown; /* before the change */
	char name[TEXT_NAME_MAX + 1];
	size_t name_len;
};

/* By uuid. One that this device has not heard of becomes a nameless, hidden row: order of arrival does not
 * matter. Errors: -ERR_MALFORMED: there is one favorites only. */
int shared_row_home(struct txn *txn, enum collection_kind kind, const struct uuid *uuid, struct home *ret_home);
