/* Peers: what this device knows and wants of each other device, in sync.db: when and where it was last reached, where
 * else to try, what was set for it, and what went wrong last. Deleting sync.db loses only that.
 *
 * All are keyed by the id of the device; one that nothing is known of has the defaults. Each call is one short write or
 * read of sync.db, so the network may make it on its thread. Threads: any.
 * Errors everywhere: store.h, -EROFS (a library that can only be read). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "store/store.h"

#define PEER_ADDRESSES_MAX 16  /* remembered ones, and as many manual ones */
#define PEER_ADDRESS_MAX   255 /* bytes of "host:port" */
#define PEER_ERROR_MAX	   255 /* bytes that are kept of an error */
#define PEER_KINDS_ALL	   UINT32_MAX

struct peer_settings {
	bool sync;	      /* false: nothing is exchanged with it */
	uint32_t kinds;	      /* state kinds that are taken from it: bits 1 << (kind - MODEL_LOCATION) */
	uint64_t limit_bytes; /* a second, each way; 0 = none */
};

#define PEER_SETTINGS_DEFAULT ((struct peer_settings){.sync = true, .kinds = PEER_KINDS_ALL})

struct peer {
	struct uuid device;
	uint64_t seen_ms;		    /* 0: never */
	char address[PEER_ADDRESS_MAX + 1]; /* where it was seen; empty: nowhere yet */
	struct peer_settings settings;
	char error[PEER_ERROR_MAX + 1]; /* of the last attempt; empty: it went well */
	uint64_t error_ms;
};

/* The defaults when nothing is known: no error. */
int peer_get(struct store *store, const struct uuid *device, struct peer *ret_peer);

/* It answered at `address` (NULL: not known): the newest remembered one from now on, the oldest beyond
 * PEER_ADDRESSES_MAX is forgotten; the last error is over. Errors: -EINVAL (the address is empty or too long). */
int peer_seen(struct store *store, const struct uuid *device, uint64_t now_ms, const char *address);

/* An attempt failed; `text` is cut at PEER_ERROR_MAX. */
int peer_failed(struct store *store, const struct uuid *device, uint64_t now_ms, const char *text);

/* Errors: -EINVAL (more than SQLite's 63 bits). */
int peer_set(struct store *store, const struct uuid *device, const struct peer_settings *settings);

/* An address that the user gave: kept until it is taken away. Adding one that is there makes it the newest.
 * Errors: -EINVAL (empty or too long), -ERR_TOO_LARGE (PEER_ADDRESSES_MAX are there), -ENOENT (to remove). */
int peer_add_address(struct store *store, const struct uuid *device, const char *address);
int peer_remove_address(struct store *store, const struct uuid *device, const char *address);

struct peer_addresses {
	struct {
		char text[PEER_ADDRESS_MAX + 1];
		bool manual;
	} items[2 * PEER_ADDRESSES_MAX];
	size_t count;
};

/* Where to try: manual ones first, then remembered ones, each the newest first. One that is both comes once. */
int peer_addresses(struct store *store, const struct uuid *device, struct peer_addresses *ret_addresses);

/* All that is known of it goes, settings and manual addresses too. */
int peer_forget(struct store *store, const struct uuid *device);

/* Forgets all that are no members any more. Returns how many. */
int peer_clean(struct store *store);
