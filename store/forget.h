/* Registers that become as if never written: a device whose clock was wrong writes its records again. Internal to store/. */
#pragma once

#include "store/txn.h"
#include "sync/change.h"
#include "sync/hlc.h"

/* Of the fields of the set: those that still carry the stamp, so that any stamp wins. */
int forget_stamp(struct txn *txn, const struct change_set *set, const struct stamp *stamp);
