/* noise_read and noise_kk_trial. The input: which pattern, which of its messages (its top bit: instead of), bytes. The
 * message of a genuine handshake is replaced by the bytes, or changed by them (xor): no changed handshake carries on.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/noise.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/steady.h"

enum { REPLACE = 0x80 };

struct attack {
	unsigned message;
	bool replace;
	const uint8_t *bytes;
	size_t len;
	bool changed; /* anything that was said */
};

static const uint8_t psks[PATTERN_PSKS_MAX * NOISE_PSK_LEN] = {3, 1, 4};
static const uint8_t secrets[2][KEY_SECRET_LEN] = {{8}, {16}}; /* X25519 drops the low three bits */
static uint8_t public_keys[2][KEY_PUBLIC_LEN];
static struct keyring *ring; /* of the responder, who knows the initiator */

static void prepare(void)
{
	steady_random();
	for (int i = 0; i < 2 && !ring; i++) {
		struct keyring *own;

		FUZZ_CHECK(keyring_new(secrets[i], &own) == 0);
		memcpy(public_keys[i], keyring_public(own), KEY_PUBLIC_LEN);
		if (i == 1)
			ring = own;
		else
			keyring_free(own);
	}
	if (keyring_count(ring) == 0)
		FUZZ_CHECK(keyring_add(ring, public_keys[0]) == 0);
}

static struct noise *start(enum pattern_id id, enum noise_role role)
{
	const struct pattern *pattern = pattern_get(id);
	bool initiator = role == NOISE_INITIATOR;
	struct noise_opts opts = {.pattern = id, .role = role, .psks = pattern->psk_count > 0 ? psks : NULL};
	struct noise *hs;

	if (initiator ? pattern->initiator_has_static : pattern->responder_has_static)
		opts.static_secret = secrets[initiator ? 0 : 1];
	if (initiator ? pattern->responder_static_known : pattern->initiator_static_known)
		opts.remote_static = public_keys[initiator ? 1 : 0];
	FUZZ_CHECK(noise_new(&opts, &hs) == 0);
	return hs;
}

static size_t apply(struct attack *attack, uint8_t *message, size_t len)
{
	uint8_t genuine[NOISE_OVERHEAD_MAX];
	size_t genuine_len = len;

	memcpy(genuine, message, len);
	if (attack->replace) {
		len = attack->len < NOISE_MESSAGE_MAX ? attack->len : NOISE_MESSAGE_MAX;
		memcpy(message, attack->bytes, len);
	}
	for (size_t i = 0; !attack->replace && i < len && i < attack->len; i++)
		message[i] ^= attack->bytes[i];
	attack->changed = len != genuine_len || memcmp(message, genuine, len) != 0;
	return len;
}

/* Whether the two go on to the end and understand each other. */
static bool carry_on(struct noise *sides[2], unsigned count, struct attack *attack)
{
	static uint8_t message[NOISE_MESSAGE_MAX], payload[NOISE_MESSAGE_MAX];
	int r;

	for (unsigned i = 0; i < count; i++) {
		size_t len = noise_overhead(sides[i % 2]);

		r = noise_write(sides[i % 2], NULL, 0, message);
		FUZZ_CHECK(r == 0 || r == -ERR_MALFORMED);
		if (r < 0)
			return false;
		if (i == attack->message)
			len = apply(attack, message, len);
		r = noise_read(sides[1 - i % 2], message, len, payload);
		FUZZ_CHECK(r == 0 || r == -ERR_MALFORMED || r == -ERR_WRONG_KEY);
		if (r < 0) {
			FUZZ_CHECK(noise_read(sides[1 - i % 2], message, len, payload) == -ESHUTDOWN);
			return false;
		}
	}
	FUZZ_CHECK(noise_is_finished(sides[0]) && noise_is_finished(sides[1]));
	return memcmp(noise_hash(sides[0]), noise_hash(sides[1]), NOISE_HASH_LEN) == 0;
}

static void try_trial(const uint8_t *bytes, size_t len)
{
	_cleanup_(noise_freep) struct noise *hs = NULL;
	size_t index;
	int r = noise_kk_trial(ring, NULL, 0, bytes, len, &index, &hs);

	FUZZ_CHECK(r == 0 ? hs && index == 0 : r == -ERR_MALFORMED || r == -ERR_WRONG_KEY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(noise_freep) struct noise *initiator = NULL;
	_cleanup_(noise_freep) struct noise *responder = NULL;
	struct attack attack;
	enum pattern_id id;

	if (len < 2)
		return 0;
	prepare();
	id = data[0] % PATTERN_COUNT;
	attack =
	    (struct attack){.message = data[1] & 0x3, .replace = data[1] & REPLACE, .bytes = data + 2, .len = len - 2};
	initiator = start(id, NOISE_INITIATOR);
	responder = start(id, NOISE_RESPONDER);
	if (carry_on((struct noise *[]){initiator, responder}, pattern_get(id)->message_count, &attack))
		FUZZ_CHECK(!attack.changed);
	else
		FUZZ_CHECK(attack.changed);
	try_trial(data + 2, len - 2);
	return 0;
}
