/* Who is in the library, read from the catalogue at one moment: what the node, discovery and replication each want of it.
 * Threads: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/key.h"
#include "base/uuid.h"
#include "net/limits.h"
#include "store/store.h"
#include "sync/model.h"

struct members {
	struct uuid others[KEYRING_PEERS_MAX];
	size_t other_count;
	struct uuid ids[KEYRING_PEERS_MAX + 1]; /* the others, and this device: also before it has heard of itself */
	size_t id_count;
	uint8_t keys[KEYRING_PEERS_MAX][KEY_PUBLIC_LEN]; /* of the others, as far as they are known */
	size_t key_count;
	bool was_removed;	  /* this device */
	struct buf registers;	  /* owned; the rows of all devices, encoded (sync/registers.h) */
	bool has_discovery_key;
	uint8_t discovery_key[MODEL_DISCOVERY_LEN];
};

/* On the heap. Errors: -ENOMEM, -ERR_TOO_LARGE (more than a keyring holds), store.h. */
int members_read(struct store *store, struct members **ret_members);
void members_freep(struct members **members); /* wipes the key; for _cleanup_ */
