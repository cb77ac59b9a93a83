/* One piece of sodium memory that several objects live in, freed (and wiped) with the last of them: an allocation of
 * guarded, locked pages costs nearly as much as a Diffie-Hellman, and the parts of a handshake belong together.
 * The last one that was freed is kept, wiped, for the next: a reconnect then costs none. Its owner's struct begins with it. Threads: any; the counter is atomic, the objects are not. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

struct vault {
	atomic_uint refs;
	size_t len;
};

void *vault_new(size_t len); /* of a struct that begins with a struct vault; zeroed, one reference; NULL: no memory */
void vault_ref(struct vault *vault);
void vault_unref(struct vault *vault); /* NULL does nothing */
