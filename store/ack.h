/* Acknowledgements (sync/acks.h) as they are kept in sync.db: losing them loses nothing but time. Threads: any. */
#pragma once

#include "store/store.h"
#include "sync/acks.h"

/* Everything that is kept. ret_acks is replaced. Rows that break the rules are left out. */
int ack_load(struct store *store, struct acks *ret_acks);

/* Keeps what became known after `revision` (acks.revision of the last time); 0: everything, and what is not in it goes,
 * as after members went. One short transaction. Errors: -EROFS, store.h. */
int ack_save(struct store *store, const struct acks *acks, uint64_t revision);
