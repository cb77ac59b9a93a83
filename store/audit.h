/* Audit records: what was done to locations, devices, pairing and repair; owned by this device, the last 10,000 kept. */
#pragma once

#include <stdint.h>

#include "store/rows.h"
#include "store/store.h"

struct audit {
	int64_t id;
	int64_t device;
	int64_t at_ms;
	const char *action;  /* "location add" */
	const char *subject;
};

int audit_add(struct txn *txn, const char *action, const char *subject);
int audit_list(struct db *db, int64_t after, struct rows *ret_rows);
int audit_next(struct rows *rows, struct audit *ret_audit);
