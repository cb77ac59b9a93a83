/* What two devices tell each other when they pair, protected by the code: the payloads of net/pairing.h.
 *
 * The device that shows the code sends which library it is and its own device row as registers, from which the other one
 * makes its copy. The other one sends its name. msgpack: [1, uuid, library name, registers] and [1, device name].
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

int introduction_of_library(struct store *store, struct buf *ret_payload);

struct introduction {
	struct uuid library;
	char name[TEXT_NAME_MAX + 1]; /* of the library; a title */
	struct registers device;      /* owned; one row, the peer's own */
};
/* `peer_key`: of the device that sent it; the row must be its own. */
int introduction_read(const void *payload, size_t len, const uint8_t peer_key[KEY_PUBLIC_LEN],
		      struct introduction *ret_introduction);
void introduction_release(struct introduction *introduction);

int introduction_of_device(const char *name, struct buf *ret_payload);
int introduction_read_device(const void *payload, size_t len, char ret_name[TEXT_NAME_MAX + 1]);
