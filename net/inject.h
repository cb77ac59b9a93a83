/* For tests only: what lets published vectors run, and counters start where no test would get by counting. Nothing in
 * the product calls these. Threads: those of the object. */
#pragma once

#include <stdint.h>

#include "base/key.h"
#include "net/cpace.h"
#include "net/lv.h"
#include "net/noise.h"
#include "net/transport.h"

/* The ephemeral key that this side's next `e` will use, instead of a random one. */
void inject_ephemeral(struct noise *hs, const uint8_t secret[KEY_SECRET_LEN]);

void inject_nonce(struct transport *t, uint64_t nonce);

/* cpace_new with a chosen scalar. */
int inject_cpace(const struct cpace_opts *opts, const uint8_t scalar[CPACE_POINT_LEN], struct cpace **ret_cpace);

/* The string that the generator is hashed from; wipe it. */
void inject_generator_string(const struct cpace_opts *opts, struct lv *ret_string);

/* The shared key of a finished run, CPACE_SHARED_LEN bytes, borrowed. */
const uint8_t *inject_cpace_shared(const struct cpace *c);
