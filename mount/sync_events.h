/* What the replication core has to tell a person, as events of the library: one sentence each, with the name of the device
 * and what to do. Threads: any. */
#pragma once

#include "base/uuid.h"
#include "store/store.h"
#include "sync/core.h"

/* `text` is the core's: what else is known; may be empty. */
void sync_events_tell(struct store *store, enum core_event event, const struct uuid *peer, const char *text);

/* The state that the library is in from now on. */
void sync_events_tell_state(struct store *store, enum core_state state);
