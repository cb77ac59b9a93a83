/* One handshake: a pattern's tokens, run over a SymmetricState and up to four keys (section 5.3, HandshakeState).
 *
 * `phase` goes RUNNING -> FINISHED -> SPLIT, or from any of them to DEAD. `message` counts the messages that are done;
 * its parity says whose turn it is. Keys that are not there yet are zero and flagged so. DEAD and SPLIT hold no
 * secrets any more (but those of the two transports, which live here as well: net/vault.h); SPLIT keeps the hash and
 * the peer's static key. */
#include "net/noise.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "net/inject.h"
#include "net/symmetric.h"
#include "net/transport_parts.h"

enum { DH_LEN = 32 };

enum phase { PHASE_RUNNING, PHASE_FINISHED, PHASE_SPLIT, PHASE_DEAD };

struct noise {
	struct vault vault; /* of the handshake, and of both directions after it */
	const struct pattern *pattern;
	enum noise_role role;
	enum phase phase;
	unsigned message;
	unsigned psks_used;
	bool has_ephemeral; /* injected */
	bool has_remote_static;
	bool has_shared_ss; /* Diffie-Hellman results that were known beforehand */
	bool has_shared_es;
	struct symmetric symmetric;
	uint8_t static_secret[KEY_SECRET_LEN];
	uint8_t static_public[KEY_PUBLIC_LEN];
	uint8_t ephemeral_secret[KEY_SECRET_LEN];
	uint8_t ephemeral_public[KEY_PUBLIC_LEN];
	uint8_t remote_static[KEY_PUBLIC_LEN];
	uint8_t remote_ephemeral[KEY_PUBLIC_LEN];
	uint8_t shared_ss[DH_LEN];
	uint8_t shared_es[DH_LEN];
	uint8_t psks[PATTERN_PSKS_MAX][NOISE_PSK_LEN];
	struct transport first, second; /* once split; initiator to responder, and back */
};

/* All but the vault, which counts who lives here. */
static void wipe(struct noise *hs)
{
	size_t at = offsetof(struct noise, pattern);

	sodium_memzero((uint8_t *)hs + at, sizeof(*hs) - at);
}

static bool is_initiator(const struct noise *hs)
{
	return hs->role == NOISE_INITIATOR;
}

static bool keys_fit(const struct pattern *pattern, const struct noise_opts *opts)
{
	bool initiator = opts->role == NOISE_INITIATOR;
	bool has_static = initiator ? pattern->initiator_has_static : pattern->responder_has_static;
	bool remote_known = initiator ? pattern->responder_static_known : pattern->initiator_static_known;

	return has_static == (opts->static_secret != NULL) && remote_known == (opts->remote_static != NULL) &&
	       (pattern->psk_count > 0) == (opts->psks != NULL);
}

static int copy_keys(struct noise *hs, const struct noise_opts *opts)
{
	if (opts->static_secret) {
		memcpy(hs->static_secret, opts->static_secret, KEY_SECRET_LEN);
		if (opts->static_public)
			memcpy(hs->static_public, opts->static_public, KEY_PUBLIC_LEN);
		else if (crypto_scalarmult_curve25519_base(hs->static_public, hs->static_secret) != 0)
			return -ERR_MALFORMED;
	}
	if (opts->remote_static) {
		memcpy(hs->remote_static, opts->remote_static, KEY_PUBLIC_LEN);
		hs->has_remote_static = true;
	}
	if (opts->static_shared) {
		memcpy(hs->shared_ss, opts->static_shared, DH_LEN);
		hs->has_shared_ss = true;
	}
	if (opts->psks)
		memcpy(hs->psks, opts->psks, hs->pattern->psk_count * NOISE_PSK_LEN);
	return 0;
}

/* Initialize() of section 5.3: name, prologue, then the pre-messages, the initiator's first. */
static int begin(struct noise *hs, const struct noise_opts *opts)
{
	const struct pattern *pattern = pattern_get(opts->pattern);
	int r;

	if (!keys_fit(pattern, opts))
		return -EINVAL;
	if (opts->prologue_len > NOISE_PROLOGUE_MAX)
		return -ERR_TOO_LARGE;
	wipe(hs);
	hs->pattern = pattern;
	hs->role = opts->role;
	r = copy_keys(hs, opts);
	if (r < 0)
		return r;
	symmetric_init(&hs->symmetric, pattern->protocol_name);
	symmetric_mix_hash(&hs->symmetric, opts->prologue, opts->prologue_len);
	if (pattern->initiator_static_known)
		symmetric_mix_hash(&hs->symmetric, is_initiator(hs) ? hs->static_public : hs->remote_static,
				   KEY_PUBLIC_LEN);
	if (pattern->responder_static_known)
		symmetric_mix_hash(&hs->symmetric, is_initiator(hs) ? hs->remote_static : hs->static_public,
				   KEY_PUBLIC_LEN);
	return 0;
}

int noise_new(const struct noise_opts *opts, struct noise **ret_noise)
{
	_cleanup_(noise_freep) struct noise *hs = vault_new(sizeof(*hs));
	int r;

	if (!hs)
		return -ENOMEM;
	r = begin(hs, opts);
	if (r < 0)
		return r;
	*ret_noise = TAKE_PTR(hs);
	return 0;
}

static int die(struct noise *hs, int error)
{
	wipe(hs);
	hs->phase = PHASE_DEAD;
	return error;
}

size_t noise_overhead(const struct noise *hs)
{
	bool keyed = cipher_overhead(&hs->symmetric.cipher) > 0;
	size_t len = 0;

	if (hs->phase != PHASE_RUNNING)
		return 0;
	for (const enum token *t = hs->pattern->messages[hs->message]; *t != TOKEN_END; t++) {
		if (*t == TOKEN_E)
			len += KEY_PUBLIC_LEN;
		else if (*t == TOKEN_S)
			len += KEY_PUBLIC_LEN + (keyed ? NOISE_TAG_LEN : 0);
		/* All tokens but `s` set a key; `e` does so in psk patterns only (section 9.2). */
		keyed = keyed || (*t == TOKEN_E ? hs->pattern->psk_count > 0 : *t != TOKEN_S);
	}
	return len + (keyed ? NOISE_TAG_LEN : 0);
}

bool noise_my_turn(const struct noise *hs)
{
	return hs->phase == PHASE_RUNNING && (hs->message % 2 == 0) == is_initiator(hs);
}

bool noise_is_finished(const struct noise *hs)
{
	return hs->phase == PHASE_FINISHED;
}

/* The pair of keys that a token names belongs to both roles: the initiator's letter comes first. */
static int run_dh(struct noise *hs, enum token token)
{
	bool mine_ephemeral = token == TOKEN_EE || token == (is_initiator(hs) ? TOKEN_ES : TOKEN_SE);
	bool theirs_ephemeral = token == TOKEN_EE || token == (is_initiator(hs) ? TOKEN_SE : TOKEN_ES);
	uint8_t shared[DH_LEN];

	if (token == TOKEN_SS && hs->has_shared_ss)
		memcpy(shared, hs->shared_ss, DH_LEN);
	else if (token == TOKEN_ES && hs->has_shared_es)
		memcpy(shared, hs->shared_es, DH_LEN);
	else if (crypto_scalarmult_curve25519(shared, mine_ephemeral ? hs->ephemeral_secret : hs->static_secret,
					      theirs_ephemeral ? hs->remote_ephemeral : hs->remote_static) != 0)
		return -ERR_MALFORMED; /* all zero: section 12.1 */
	symmetric_mix_key(&hs->symmetric, shared);
	sodium_memzero(shared, sizeof(shared));
	return 0;
}

/* What an `e` does to the state, whoever sent it. */
static void mix_ephemeral(struct noise *hs, const uint8_t public_key[KEY_PUBLIC_LEN])
{
	symmetric_mix_hash(&hs->symmetric, public_key, KEY_PUBLIC_LEN);
	if (hs->pattern->psk_count > 0)
		symmetric_mix_key(&hs->symmetric, public_key);
}

static int write_ephemeral(struct noise *hs, uint8_t *ret_bytes)
{
	if (!hs->has_ephemeral)
		random_bytes(hs->ephemeral_secret, KEY_SECRET_LEN);
	if (crypto_scalarmult_curve25519_base(hs->ephemeral_public, hs->ephemeral_secret) != 0)
		return -ERR_MALFORMED;
	memcpy(ret_bytes, hs->ephemeral_public, KEY_PUBLIC_LEN);
	mix_ephemeral(hs, hs->ephemeral_public);
	return 0;
}

/* The tokens that put nothing on the wire. */
static int run_silent(struct noise *hs, enum token token)
{
	if (token != TOKEN_PSK)
		return run_dh(hs, token);
	symmetric_mix_key_and_hash(&hs->symmetric, hs->psks[hs->psks_used++]);
	return 0;
}

static int write_token(struct noise *hs, enum token token, uint8_t **at)
{
	size_t len = KEY_PUBLIC_LEN;
	int r;

	switch (token) {
	case TOKEN_E:
		r = write_ephemeral(hs, *at);
		break;
	case TOKEN_S:
		len += cipher_overhead(&hs->symmetric.cipher);
		r = symmetric_encrypt(&hs->symmetric, hs->static_public, KEY_PUBLIC_LEN, *at);
		break;
	default:
		return run_silent(hs, token);
	}
	if (r == 0)
		*at += len;
	return r;
}

static int read_token(struct noise *hs, enum token token, const uint8_t **at)
{
	size_t len = KEY_PUBLIC_LEN;
	int r = 0;

	switch (token) {
	case TOKEN_E:
		memcpy(hs->remote_ephemeral, *at, KEY_PUBLIC_LEN);
		mix_ephemeral(hs, hs->remote_ephemeral);
		break;
	case TOKEN_S:
		len += cipher_overhead(&hs->symmetric.cipher);
		r = symmetric_decrypt(&hs->symmetric, *at, len, hs->remote_static);
		hs->has_remote_static = r == 0;
		break;
	default:
		return run_silent(hs, token);
	}
	*at += len;
	return r;
}

static void message_done(struct noise *hs)
{
	hs->message++;
	if (hs->message == hs->pattern->message_count)
		hs->phase = PHASE_FINISHED;
}

int noise_write(struct noise *hs, const void *payload, size_t payload_len, uint8_t *ret_message)
{
	uint8_t *at = ret_message;
	int r;

	if (hs->phase == PHASE_DEAD)
		return -ESHUTDOWN;
	assert(noise_my_turn(hs));
	if (payload_len > NOISE_MESSAGE_MAX - noise_overhead(hs))
		return die(hs, -ERR_TOO_LARGE);
	for (const enum token *t = hs->pattern->messages[hs->message]; *t != TOKEN_END; t++) {
		r = write_token(hs, *t, &at);
		if (r < 0)
			return die(hs, r);
	}
	r = symmetric_encrypt(&hs->symmetric, payload, payload_len, at);
	if (r < 0)
		return die(hs, r);
	message_done(hs);
	return 0;
}

int noise_read(struct noise *hs, const void *message, size_t len, uint8_t *ret_payload)
{
	const uint8_t *at = message;
	int r;

	if (hs->phase == PHASE_DEAD)
		return -ESHUTDOWN;
	assert(hs->phase == PHASE_RUNNING && !noise_my_turn(hs));
	if (len > NOISE_MESSAGE_MAX)
		return die(hs, -ERR_TOO_LARGE);
	if (len < noise_overhead(hs))
		return die(hs, -ERR_MALFORMED);
	for (const enum token *t = hs->pattern->messages[hs->message]; *t != TOKEN_END; t++) {
		r = read_token(hs, *t, &at);
		if (r < 0)
			return die(hs, r);
	}
	r = symmetric_decrypt(&hs->symmetric, at, len - (size_t)(at - (const uint8_t *)message), ret_payload);
	if (r < 0)
		return die(hs, r);
	message_done(hs);
	return 0;
}

/* Everything secret goes; what may still be asked for stays. */
static void keep_the_public(struct noise *hs)
{
	sodium_memzero(&hs->symmetric.cipher, sizeof(hs->symmetric.cipher));
	sodium_memzero(hs->symmetric.chaining_key, sizeof(hs->symmetric.chaining_key));
	sodium_memzero(hs->static_secret, sizeof(hs->static_secret));
	sodium_memzero(hs->ephemeral_secret, sizeof(hs->ephemeral_secret));
	sodium_memzero(hs->shared_ss, sizeof(hs->shared_ss));
	sodium_memzero(hs->shared_es, sizeof(hs->shared_es));
	sodium_memzero(hs->psks, sizeof(hs->psks));
}

int noise_split(struct noise *hs, struct transport **ret_send, struct transport **ret_receive)
{
	uint8_t first_key[CIPHER_KEY_LEN], second_key[CIPHER_KEY_LEN];

	assert(hs->phase == PHASE_FINISHED);
	symmetric_split(&hs->symmetric, first_key, second_key);
	transport_init(&hs->first, &hs->vault, first_key);
	transport_init(&hs->second, &hs->vault, second_key);
	sodium_memzero(first_key, sizeof(first_key));
	sodium_memzero(second_key, sizeof(second_key));
	keep_the_public(hs);
	hs->phase = PHASE_SPLIT;
	*ret_send = is_initiator(hs) ? &hs->first : &hs->second;
	*ret_receive = is_initiator(hs) ? &hs->second : &hs->first;
	return 0;
}

const uint8_t *noise_hash(const struct noise *hs)
{
	return hs->symmetric.hash;
}

const uint8_t *noise_remote_static(const struct noise *hs)
{
	return hs->has_remote_static ? hs->remote_static : NULL;
}

static struct noise_opts kk_opts(const struct keyring *ring, size_t index, const void *prologue, size_t prologue_len)
{
	return (struct noise_opts){.pattern = PATTERN_KK,
				   .prologue = prologue,
				   .prologue_len = prologue_len,
				   .static_secret = keyring_secret(ring),
				   .static_public = keyring_public(ring),
				   .remote_static = keyring_peer(ring, index),
				   .static_shared = keyring_shared(ring, index)};
}

int noise_kk_dial(const struct keyring *ring, size_t index, const void *prologue, size_t prologue_len,
		  struct noise **ret_noise)
{
	struct noise_opts opts = kk_opts(ring, index, prologue, prologue_len);

	opts.role = NOISE_INITIATOR;
	return noise_new(&opts, ret_noise);
}

/* One peer of the trial: `es` is the same for all of them. */
static int try_peer(struct noise *hs, const struct noise_opts *opts, const uint8_t shared_es[DH_LEN],
		    const uint8_t *message)
{
	uint8_t no_payload[1];
	int r = begin(hs, opts);

	if (r < 0)
		return r;
	memcpy(hs->shared_es, shared_es, DH_LEN);
	hs->has_shared_es = true;
	return noise_read(hs, message, NOISE_KK_MESSAGE_LEN, no_payload);
}

int noise_kk_trial(const struct keyring *ring, const void *prologue, size_t prologue_len, const uint8_t *message,
		   size_t message_len, size_t *ret_index, struct noise **ret_noise)
{
	_cleanup_(noise_freep) struct noise *hs = NULL;
	uint8_t shared_es[DH_LEN];
	int r = -ERR_WRONG_KEY;

	if (message_len != NOISE_KK_MESSAGE_LEN)
		return -ERR_MALFORMED;
	if (crypto_scalarmult_curve25519(shared_es, keyring_secret(ring), message) != 0)
		return -ERR_MALFORMED;
	hs = vault_new(sizeof(*hs));
	if (!hs)
		r = -ENOMEM;
	for (size_t i = 0; r == -ERR_WRONG_KEY && i < keyring_count(ring); i++) {
		struct noise_opts opts = kk_opts(ring, i, prologue, prologue_len);

		opts.role = NOISE_RESPONDER;
		r = try_peer(hs, &opts, shared_es, message);
		if (r == 0) {
			*ret_index = i;
			*ret_noise = TAKE_PTR(hs);
		}
	}
	sodium_memzero(shared_es, sizeof(shared_es));
	return r;
}

void inject_ephemeral(struct noise *hs, const uint8_t secret[KEY_SECRET_LEN])
{
	memcpy(hs->ephemeral_secret, secret, KEY_SECRET_LEN);
	hs->has_ephemeral = true;
}

void noise_free(struct noise *hs)
{
	vault_unref(hs ? &hs->vault : NULL); /* what lives on in there is wiped by itself */
}

void noise_freep(struct noise **hs)
{
	noise_free(*hs);
}
