/* Applies shared changes to the tables: the same function for local and remote ones. Each field is a last-writer-wins
 * register: set only when the stamp is greater. Publishes what became different. */
#pragma once

#include "store/store.h"
#include "sync/change.h"
#include "sync/hlc.h"

int apply_change_set(struct txn *txn, const struct change_set *set, const struct stamp *stamp);

/* The same for one row whose fields have a stamp each: a row as another device holds it. */
int apply_registers(struct txn *txn, const struct change *change, const struct stamp stamps[MODEL_FIELDS_MAX]);
