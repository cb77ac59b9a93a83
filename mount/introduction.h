/* What two devices tell each other when they pair, protected by the code: the payloads of net/pairing.h.
 *
 * The device that shows the code sends which library it is and its own device row as registers, from which the other
 * one makes its copy. The other one sends its name. Both tell what time it is: clocks that differ too much would hold
 * back what is exchanged, so such devices do not pair. msgpack: [1, uuid, library name, registers, ms] and [1, device
 * name, ms], the time as milliseconds since 1970.
 *
 * Everything that comes in is checked. Threads: any. Errors: -ERR_MALFORMED, -ERR_TOO_LARGE, -ENOMEM, store.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/key.h"
#include "base/text.h"
#include "store/store.h"
#include "sync/registers.h"

int introduction_of_library(struct store *store, uint64_t wall_ms, struct buf *ret_payload);

struct introduction {
	struct uuid library;
	char name[TEXT_NAME_MAX + 1]; /* of the library; a title */
	uint64_t wall_ms;	      /* of its clock */
	struct registers device;      /* owned; one row, the peer's own */
};
/* `peer_key`: of the device that sent it; the row must be its own. */
int introduction_read(const void *payload, size_t len, const uint8_t peer_key[KEY_PUBLIC_LEN],
		      struct introduction *ret_introduction);
void introduction_release(struct introduction *introduction);

int introduction_of_device(const char *name, uint64_t wall_ms, struct buf *ret_payload);

struct newcomer {
	char name[TEXT_NAME_MAX + 1]; /* a title */
	uint64_t wall_ms;	      /* of its clock */
};
int introduction_read_device(const void *payload, size_t len, struct newcomer *ret_newcomer);

/* How far `wall_ms`, which a peer told, is ahead of `now_ms` (negative: behind); 0 when they may pair. */
int64_t introduction_clock_offset_ms(uint64_t wall_ms, uint64_t now_ms);
