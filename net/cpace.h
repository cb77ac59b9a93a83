/* CPace, suite CPACE-RISTR255-SHA512, initiator/responder form with key confirmation (draft-irtf-cfrg-cpace, text of
 * 2026-04; protocols 2.2): two sides that know the same short password get the same strong key, and each other's
 * proof of it; who does not know it can test one guess in each run and learns nothing for later.
 *
 * A step machine: cpace_new, send cpace_point; on the peer's point cpace_finish; then send cpace_tag, check the peer's
 * with cpace_verify. Only what both checked may be used. One object serves one run. It lies in sodium memory, wiped by
 * cpace_free; the raw Diffie-Hellman result never leaves cpace_finish. Threads: one at a time. base_init() comes first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/limits.h"

#define CPACE_POINT_LEN	 32
#define CPACE_TAG_LEN	 64
#define CPACE_SHARED_LEN 64
#define CPACE_PSK_LEN	 32

struct cpace;

enum cpace_role { CPACE_INITIATOR, CPACE_RESPONDER };

struct cpace_opts { /* everything is copied; lengths up to the CPACE_*_MAX of net/limits.h */
	enum cpace_role role;
	const void *password; /* PRS */
	size_t password_len;
	const void *channel; /* CI: what both know of each other, with the roles in it */
	size_t channel_len;
	const void *sid; /* never used for another run */
	size_t sid_len;
	const void *ad; /* ADa or ADb: what this side sends with its point, in clear */
	size_t ad_len;
};

int cpace_new(const struct cpace_opts *opts, struct cpace **ret_cpace); /* Errors: -ENOMEM, -ERR_TOO_LARGE (a length) */

const uint8_t *cpace_point(const struct cpace *c); /* Ya or Yb: CPACE_POINT_LEN bytes to send, borrowed */

/* Takes the peer's point and what came with it. Call it once. Errors: -ERR_MALFORMED (not a point, or the neutral
 * one), -ERR_TOO_LARGE (ad); after one, the run is over and the object is only good for cpace_free. */
int cpace_finish(struct cpace *c, const uint8_t peer_point[CPACE_POINT_LEN], const void *peer_ad, size_t peer_ad_len);

const uint8_t *
cpace_tag(const struct cpace *c); /* this side's, CPACE_TAG_LEN bytes to send, borrowed; after cpace_finish */

/* In constant time. Errors: -ERR_WRONG_KEY (the peer has another password, or someone changed what was said). */
int cpace_verify(const struct cpace *c, const uint8_t peer_tag[CPACE_TAG_LEN]);

/* CPACE_SID_OUTPUT_LEN bytes that name this run, the same on both sides, not secret; borrowed; after cpace_finish. */
#define CPACE_SID_OUTPUT_LEN 64
const uint8_t *cpace_sid_output(const struct cpace *c);

/* A key for one use, named by `label`: the first bytes of HMAC-SHA512(ISK, label || sid || sid_output). The caller
 * wipes it. After cpace_finish. */
void cpace_psk(const struct cpace *c, const char *label, uint8_t ret_psk[CPACE_PSK_LEN]);

void cpace_free(struct cpace *c);
void cpace_freep(struct cpace **c);
