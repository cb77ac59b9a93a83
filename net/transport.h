/* One direction of a connection after its handshake: Noise transport messages (revision 34, section 5.3).
 *
 * Counts messages from 0 and rekeys after every NOISE_REKEY_MESSAGES of them; nothing on the wire says so, both sides
 * count. A failed decryption wipes the key: the connection is over. Lies in sodium memory, wiped by transport_free.
 * Threads: one at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/cipher.h"

struct transport;

int transport_new(const uint8_t key[CIPHER_KEY_LEN], struct transport **ret_transport); /* Errors: -ENOMEM */

/* Writes len + NOISE_TAG_LEN bytes; `text` may be `ret_message`.
 * Errors: -ERR_TOO_LARGE (len beyond NOISE_PLAINTEXT_MAX, or all 2^64-1 messages sent), -ESHUTDOWN (it failed before).
 */
int transport_encrypt(struct transport *t, const void *text, size_t len, uint8_t *ret_message);

/* Writes len - NOISE_TAG_LEN bytes; `message` may be `ret_text`, whose contents are undefined after a failure.
 * Errors, all of them final: -ERR_MALFORMED (shorter than a tag), -ERR_TOO_LARGE (longer than NOISE_MESSAGE_MAX),
 * -ERR_WRONG_KEY (changed, replayed, out of order or not from the peer); -ESHUTDOWN (it failed before). */
int transport_decrypt(struct transport *t, const void *message, size_t len, uint8_t *ret_text);

void transport_free(struct transport *t);
void transport_freep(struct transport **t);
