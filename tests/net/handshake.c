#include "tests/net/handshake.h"

#include <sodium.h>
#include <string.h>

#include "net/inject.h"
#include "tests/lib/test.h"

struct pair_of_keys keys_from(uint8_t seed)
{
	struct pair_of_keys keys;

	memset(keys.secret, seed, sizeof(keys.secret));
	assert_int_equal(crypto_scalarmult_curve25519_base(keys.public_key, keys.secret), 0);
	return keys;
}

struct noise_opts handshake_opts(enum pattern_id id, enum noise_role role)
{
	static const uint8_t psks[PATTERN_PSKS_MAX * NOISE_PSK_LEN] = {[0 ... PATTERN_PSKS_MAX * NOISE_PSK_LEN - 1] =
									   0x33};
	static struct pair_of_keys keys[2];
	const struct pattern *pattern = pattern_get(id);
	bool initiator = role == NOISE_INITIATOR;
	bool has_static = initiator ? pattern->initiator_has_static : pattern->responder_has_static;
	bool remote_known = initiator ? pattern->responder_static_known : pattern->initiator_static_known;

	keys[0] = keys_from(1);
	keys[1] = keys_from(2);
	return (struct noise_opts){.pattern = id,
				   .role = role,
				   .prologue = "test",
				   .prologue_len = 4,
				   .static_secret = has_static ? keys[initiator ? 0 : 1].secret : NULL,
				   .remote_static = remote_known ? keys[initiator ? 1 : 0].public_key : NULL,
				   .psks = pattern->psk_count > 0 ? psks : NULL};
}

struct handshake handshake_start(enum pattern_id pattern)
{
	struct noise_opts initiator = handshake_opts(pattern, NOISE_INITIATOR);
	struct noise_opts responder = handshake_opts(pattern, NOISE_RESPONDER);
	struct handshake h = {.initiator = NULL};

	assert_int_equal(noise_new(&initiator, &h.initiator), 0);
	assert_int_equal(noise_new(&responder, &h.responder), 0);
	inject_ephemeral(h.initiator, keys_from(3).secret);
	inject_ephemeral(h.responder, keys_from(4).secret);
	return h;
}

void handshake_release(struct handshake *h)
{
	noise_free(h->initiator);
	noise_free(h->responder);
}

static struct noise *side(struct handshake *h, bool initiator)
{
	return initiator ? h->initiator : h->responder;
}

size_t handshake_write(struct handshake *h, uint8_t *ret_message)
{
	struct noise *writer = side(h, h->message % 2 == 0);
	size_t len = noise_overhead(writer);

	assert_int_equal(noise_write(writer, NULL, 0, ret_message), 0);
	return len;
}

int handshake_read(struct handshake *h, const uint8_t *message, size_t len)
{
	uint8_t payload[NOISE_MESSAGE_MAX];
	int r = noise_read(side(h, h->message % 2 == 1), message, len, payload);

	if (r == 0)
		h->message++;
	return r;
}

void handshake_run(struct handshake *h)
{
	while (!noise_is_finished(h->initiator) || !noise_is_finished(h->responder)) {
		uint8_t message[NOISE_OVERHEAD_MAX];
		size_t len = handshake_write(h, message);

		assert_int_equal(handshake_read(h, message, len), 0);
	}
}
