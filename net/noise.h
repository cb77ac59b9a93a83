/* Noise handshakes (revision 34): 25519, ChaChaPoly, SHA256; the patterns of net/pattern.h.
 *
 * A step machine: messages in, messages out, no I/O, no clock. Both sides call noise_write and noise_read in turn
 * until noise_is_finished, then noise_split. The whole state lies in one piece of sodium memory, with both directions
 * that come of it; it is wiped by noise_free, and freed with the last of the three (net/vault.h).
 * Any failure of noise_write or noise_read ends the handshake: its secrets are wiped, further calls give -ESHUTDOWN.
 *
 * Message 1 of KK and IK can be replayed by anyone who heard it (section 7.7): act on nothing before the initiator's
 * first transport message has decrypted.
 *
 * Threads: one at a time. base_init() comes first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/key.h"
#include "net/keyring.h"
#include "net/limits.h"
#include "net/pattern.h"
#include "net/transport.h"

#define NOISE_HASH_LEN	     32
#define NOISE_PSK_LEN	     32
#define NOISE_OVERHEAD_MAX   96 /* e, encrypted s and a tag: what a message is at most longer than its payload */
#define NOISE_KK_MESSAGE_LEN 48 /* both messages of KK, with empty payloads */

struct noise;

enum noise_role { NOISE_INITIATOR, NOISE_RESPONDER };

struct noise_opts { /* everything is copied */
	enum pattern_id pattern;
	enum noise_role role;
	const void *prologue; /* both sides must have the same: magic, version, library, ... */
	size_t prologue_len;
	const uint8_t *static_secret; /* KEY_SECRET_LEN bytes; NULL where this role of the pattern has none */
	const uint8_t *static_public; /* its public key; NULL: is computed */
	const uint8_t *remote_static; /* KEY_PUBLIC_LEN bytes where the pattern wants it known, else NULL */
	const uint8_t *static_shared; /* the cached Diffie-Hellman of both statics (net/keyring.h), or NULL */
	const uint8_t *psks;	      /* NOISE_PSK_LEN bytes each, in pattern order; NULL without */
};

/* Errors: -ENOMEM, -EINVAL (a key that the pattern needs is missing), -ERR_TOO_LARGE (the prologue), -ERR_MALFORMED (no
 * X25519 secret). */
int noise_new(const struct noise_opts *opts, struct noise **ret_noise);

/* How much longer the next message is than its payload, up to NOISE_OVERHEAD_MAX. 0 once it is finished. */
size_t noise_overhead(const struct noise *hs);

bool noise_my_turn(const struct noise *hs); /* to write */
bool noise_is_finished(const struct noise *hs);

/* Writes the next message: payload_len + noise_overhead bytes, at most NOISE_MESSAGE_MAX. Call it in turn.
 * Errors: -ERR_TOO_LARGE, -ERR_MALFORMED (the peer's key is a point of small order), -ESHUTDOWN. */
int noise_write(struct noise *hs, const void *payload, size_t payload_len, uint8_t *ret_message);

/* Reads the next message and writes its payload: len - noise_overhead bytes (taken before the call), undefined after
 * a failure. Call it in turn. Errors: -ERR_MALFORMED (length, or a bad key), -ERR_TOO_LARGE, -ERR_WRONG_KEY (changed,
 * another prologue, key or psk), -ESHUTDOWN. */
int noise_read(struct noise *hs, const void *message, size_t len, uint8_t *ret_payload);

/* Both directions of the connection, owned by the caller, who may free the handshake before or after them; wipes what
 * only the handshake needed. Call it once, when finished. Returns 0. */
int noise_split(struct noise *hs, struct transport **ret_send, struct transport **ret_receive);

/* The hash of the whole handshake, the same on both sides and for no other handshake: for channel binding (section
 * 11.2). NOISE_HASH_LEN bytes, borrowed; of use once finished. */
const uint8_t *noise_hash(const struct noise *hs);

/* The peer's static key, borrowed; NULL while it is not known. */
const uint8_t *noise_remote_static(const struct noise *hs);

/* The responder of a KK handshake, message 1 of which came from any of the ring's peers, with an empty payload: finds
 * out which (protocols 1.1 b). Costs one Diffie-Hellman, and a few hashes for each of at most KEYRING_PEERS_MAX peers.
 * The handshake has read message 1, and is the caller's. A replayed message 1 also gets here.
 * Errors: -ERR_MALFORMED (length, or a point of small order), -ERR_WRONG_KEY (from none of them), -ERR_TOO_LARGE (the
 * prologue), -ENOMEM. */
int noise_kk_trial(const struct keyring *ring, const void *prologue, size_t prologue_len, const uint8_t *message,
		   size_t message_len, size_t *ret_index, struct noise **ret_noise);

/* The initiator of a KK handshake with peer `index` of the ring. Errors: as noise_new. */
int noise_kk_dial(const struct keyring *ring, size_t index, const void *prologue, size_t prologue_len,
		  struct noise **ret_noise);

void noise_free(struct noise *hs);
void noise_freep(struct noise **hs);
