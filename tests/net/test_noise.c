#include "net/noise.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "net/inject.h"
#include "tests/lib/test.h"
#include "tests/net/handshake.h"

static void names_of_32_bytes_are_the_hash(void **state)
{
	struct {
		enum pattern_id id;
		size_t len;
	} cases[] = {{PATTERN_XX, 32}, {PATTERN_KK, 32}, {PATTERN_IK, 32}, {PATTERN_XXPSK3, 36}, {PATTERN_KKPSK2, 36}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name = pattern_get(cases[i].id)->protocol_name;
		struct noise_opts opts = handshake_opts(cases[i].id, NOISE_INITIATOR);
		_cleanup_(noise_freep) struct noise *hs = NULL;
		uint8_t expected[NOISE_HASH_LEN + 64] = {0};

		assert_int_equal(strlen(name), cases[i].len);
		if (opts.remote_static)
			continue; /* more goes into the hash before message 1 */
		assert_int_equal(noise_new(&opts, &hs), 0);
		if (cases[i].len <= 32)
			memcpy(expected, name, cases[i].len);
		else
			crypto_hash_sha256(expected, (const uint8_t *)name, cases[i].len);
		memcpy(expected + NOISE_HASH_LEN, opts.prologue, opts.prologue_len);
		crypto_hash_sha256(expected, expected, NOISE_HASH_LEN + opts.prologue_len);
		assert_memory_equal(noise_hash(hs), expected, NOISE_HASH_LEN);
	}
}

static void sizes_of_messages(void **state)
{
	static const struct {
		enum pattern_id id;
		size_t lens[PATTERN_MESSAGES_MAX];
	} cases[] = {
	    {PATTERN_XX, {32, 96, 64}}, {PATTERN_XXPSK3, {48, 96, 64}}, {PATTERN_KK, {48, 48}}, {PATTERN_IK, {96, 48}}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(handshake_release) struct handshake h = handshake_start(cases[i].id);

		for (unsigned m = 0; m < pattern_get(cases[i].id)->message_count; m++) {
			uint8_t message[NOISE_OVERHEAD_MAX];

			assert_int_equal(handshake_write(&h, message), cases[i].lens[m]);
			assert_int_equal(handshake_read(&h, message, cases[i].lens[m]), 0);
		}
		assert_true(noise_is_finished(h.initiator) && noise_is_finished(h.responder));
		assert_memory_equal(noise_hash(h.initiator), noise_hash(h.responder), NOISE_HASH_LEN);
		assert_memory_equal(noise_remote_static(h.initiator), keys_from(2).public_key, KEY_PUBLIC_LEN);
		assert_memory_equal(noise_remote_static(h.responder), keys_from(1).public_key, KEY_PUBLIC_LEN);
	}
}

/* Whether both ends come out with keys that fit: what a plain first message (XX: no tag) leaves to the later ones. */
static bool survives(struct handshake *h, unsigned changed_message, size_t at, uint8_t mask)
{
	for (unsigned m = 0; !noise_is_finished(h->initiator) || !noise_is_finished(h->responder); m++) {
		uint8_t message[NOISE_OVERHEAD_MAX];
		size_t len = handshake_write(h, message);

		if (m == changed_message)
			message[at] ^= mask;
		if (handshake_read(h, message, len) < 0)
			return false;
	}
	return true;
}

static void tamper(enum pattern_id id, const size_t *lens)
{
	static const uint8_t masks[] = {0x01, 0x80, 0xff};

	for (unsigned m = 0; m < pattern_get(id)->message_count; m++)
		for (size_t at = 0; at < lens[m]; at++)
			for (size_t i = 0; i < sizeof(masks); i++) {
				_cleanup_(handshake_release) struct handshake h = handshake_start(id);

				if (survives(&h, m, at, masks[i]))
					fail_msg("message %u, byte %zu, mask %02x was accepted", m + 1, at, masks[i]);
			}
}

static void each_tampered_byte_fails(void **state)
{
	tamper(PATTERN_KK, (const size_t[]){48, 48});
	tamper(PATTERN_XXPSK3, (const size_t[]){48, 96, 64});
	tamper(PATTERN_XX, (const size_t[]){32, 96, 64});
	tamper(PATTERN_IK, (const size_t[]){96, 48});
}

static void a_failure_is_the_end(void **state)
{
	_cleanup_(handshake_release) struct handshake h = handshake_start(PATTERN_KK);
	uint8_t message[NOISE_OVERHEAD_MAX], reply[NOISE_OVERHEAD_MAX];
	size_t len = handshake_write(&h, message);

	message[40] ^= 1;
	assert_int_equal(handshake_read(&h, message, len), -ERR_WRONG_KEY);
	message[40] ^= 1;
	assert_int_equal(handshake_read(&h, message, len), -ESHUTDOWN);
	assert_int_equal(noise_write(h.responder, NULL, 0, reply), -ESHUTDOWN);
	assert_int_equal(noise_overhead(h.responder), 0);
	assert_false(noise_my_turn(h.responder));
	assert_null(noise_remote_static(h.responder));
}

static void each_length_but_the_right_one_fails(void **state)
{
	uint8_t message[NOISE_OVERHEAD_MAX + 1] = {0};

	for (size_t len = 0; len <= sizeof(message); len++) {
		_cleanup_(handshake_release) struct handshake h = handshake_start(PATTERN_KK);
		size_t right = handshake_write(&h, message);

		if (len != right)
			assert_int_equal(handshake_read(&h, message, len),
					 len < right ? -ERR_MALFORMED : -ERR_WRONG_KEY);
	}
}

static void limit_of_a_message(void **state)
{
	static uint8_t payload[NOISE_MESSAGE_MAX], message[NOISE_MESSAGE_MAX + 1], read[NOISE_MESSAGE_MAX];
	_cleanup_(handshake_release) struct handshake h = handshake_start(PATTERN_KK);
	_cleanup_(handshake_release) struct handshake over = handshake_start(PATTERN_KK);
	size_t most = NOISE_MESSAGE_MAX - noise_overhead(h.initiator);

	assert_int_equal(noise_write(over.initiator, payload, most + 1, message), -ERR_TOO_LARGE);
	assert_int_equal(noise_read(over.responder, message, NOISE_MESSAGE_MAX + 1, read), -ERR_TOO_LARGE);
	memset(payload, 7, sizeof(payload));
	assert_int_equal(noise_write(h.initiator, payload, most, message), 0);
	assert_int_equal(noise_read(h.responder, message, NOISE_MESSAGE_MAX, read), 0);
	assert_memory_equal(read, payload, most);
}

/* A responder that was made with `change`d options refuses some message of a genuine initiator. */
static void assert_refused(enum pattern_id id, void (*change)(struct noise_opts *opts))
{
	struct noise_opts opts = handshake_opts(id, NOISE_RESPONDER);
	_cleanup_(handshake_release) struct handshake h = handshake_start(id);

	change(&opts);
	noise_free(h.responder);
	h.responder = NULL;
	assert_int_equal(noise_new(&opts, &h.responder), 0);
	assert_false(survives(&h, PATTERN_MESSAGES_MAX, 0, 0));
}

static void other_psk(struct noise_opts *opts)
{
	static const uint8_t psks[PATTERN_PSKS_MAX * NOISE_PSK_LEN] = {9};

	opts->psks = psks;
}

static void other_prologue(struct noise_opts *opts)
{
	opts->prologue = "tesT";
}

static void longer_prologue(struct noise_opts *opts)
{
	opts->prologue = "test\0";
	opts->prologue_len = 5;
}

static void other_peer(struct noise_opts *opts)
{
	static struct pair_of_keys keys;

	keys = keys_from(9);
	opts->remote_static = keys.public_key;
}

static void other_self(struct noise_opts *opts)
{
	static struct pair_of_keys keys;

	keys = keys_from(9);
	opts->static_secret = keys.secret;
}

static void what_does_not_agree_is_refused(void **state)
{
	assert_refused(PATTERN_XXPSK3, other_psk);
	assert_refused(PATTERN_KKPSK2, other_psk);
	assert_refused(PATTERN_KK, other_prologue);
	assert_refused(PATTERN_KK, longer_prologue);
	assert_refused(PATTERN_XX, other_prologue);
	assert_refused(PATTERN_KK, other_peer);
	assert_refused(PATTERN_KK, other_self);
	assert_refused(PATTERN_IK, other_self);
}

/* Two initiators: message 1 of the one is no answer to the other. And two responders' worth of message 2. */
static void crossed_roles(void **state)
{
	_cleanup_(handshake_release) struct handshake a = handshake_start(PATTERN_KK);
	_cleanup_(handshake_release) struct handshake b = handshake_start(PATTERN_KK);
	uint8_t one[NOISE_OVERHEAD_MAX], two[NOISE_OVERHEAD_MAX], payload[NOISE_OVERHEAD_MAX];
	size_t len = handshake_write(&a, one);

	handshake_write(&b, two);
	assert_int_equal(noise_read(a.initiator, two, len, payload), -ERR_WRONG_KEY);
	assert_int_equal(noise_read(b.initiator, two, len, payload), -ERR_WRONG_KEY); /* reflected */
}

/* The responder cannot tell a replayed message 1; but who replays it cannot go on. */
static void replayed_message_1(void **state)
{
	_cleanup_(handshake_release) struct handshake h = handshake_start(PATTERN_KK);
	struct noise_opts opts = handshake_opts(PATTERN_KK, NOISE_RESPONDER);
	_cleanup_(noise_freep) struct noise *again = NULL;
	_cleanup_(transport_freep) struct transport *send = NULL;
	_cleanup_(transport_freep) struct transport *receive = NULL;
	_cleanup_(transport_freep) struct transport *victim_send = NULL;
	_cleanup_(transport_freep) struct transport *victim_receive = NULL;
	uint8_t one[NOISE_OVERHEAD_MAX], two[NOISE_OVERHEAD_MAX], text[NOISE_OVERHEAD_MAX], recorded[5 + NOISE_TAG_LEN];
	size_t len = handshake_write(&h, one);

	assert_int_equal(handshake_read(&h, one, len), 0);
	len = handshake_write(&h, two);
	assert_int_equal(handshake_read(&h, two, len), 0);
	assert_int_equal(noise_split(h.initiator, &send, &receive), 0);
	assert_int_equal(transport_encrypt(send, "hello", 5, recorded), 0);

	assert_int_equal(noise_new(&opts, &again), 0);
	assert_int_equal(noise_read(again, one, NOISE_KK_MESSAGE_LEN, text), 0);
	assert_int_equal(noise_write(again, NULL, 0, two), 0);
	assert_int_equal(noise_split(again, &victim_send, &victim_receive), 0);
	assert_int_equal(transport_decrypt(victim_receive, recorded, sizeof(recorded), text), -ERR_WRONG_KEY);
}

static void keys_have_to_fit_the_pattern(void **state)
{
	struct noise_opts opts = handshake_opts(PATTERN_KK, NOISE_INITIATOR);
	struct noise *hs = NULL;

	opts.remote_static = NULL;
	assert_int_equal(noise_new(&opts, &hs), -EINVAL);
	opts = handshake_opts(PATTERN_KK, NOISE_INITIATOR);
	opts.static_secret = NULL;
	assert_int_equal(noise_new(&opts, &hs), -EINVAL);
	opts = handshake_opts(PATTERN_XXPSK3, NOISE_INITIATOR);
	opts.psks = NULL;
	assert_int_equal(noise_new(&opts, &hs), -EINVAL);
	opts = handshake_opts(PATTERN_XX, NOISE_INITIATOR);
	opts.prologue_len = NOISE_PROLOGUE_MAX + 1;
	assert_int_equal(noise_new(&opts, &hs), -ERR_TOO_LARGE);
	assert_null(hs);
}

/* Points of small order give a Diffie-Hellman result of zero. */
static void points_of_small_order(void **state)
{
	static const uint8_t points[][KEY_PUBLIC_LEN] = {{0}, {1}};

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(handshake_release) struct handshake h = handshake_start(PATTERN_XX);
		uint8_t two[NOISE_OVERHEAD_MAX];

		assert_int_equal(handshake_read(&h, points[i], KEY_PUBLIC_LEN), 0); /* nothing to compute with it yet */
		assert_int_equal(noise_write(h.responder, NULL, 0, two), -ERR_MALFORMED);
		assert_int_equal(noise_write(h.responder, NULL, 0, two), -ESHUTDOWN);
	}
}

static void ephemeral_keys_are_random(void **state)
{
	struct noise_opts opts = handshake_opts(PATTERN_XX, NOISE_INITIATOR);
	uint8_t first[NOISE_OVERHEAD_MAX], second[NOISE_OVERHEAD_MAX];
	_cleanup_(noise_freep) struct noise *a = NULL;
	_cleanup_(noise_freep) struct noise *b = NULL;

	assert_int_equal(noise_new(&opts, &a), 0);
	assert_int_equal(noise_new(&opts, &b), 0);
	assert_int_equal(noise_write(a, NULL, 0, first), 0);
	assert_int_equal(noise_write(b, NULL, 0, second), 0);
	assert_memory_not_equal(first, second, KEY_PUBLIC_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_32_bytes_are_the_hash),
	    cmocka_unit_test(sizes_of_messages),
	    cmocka_unit_test(each_tampered_byte_fails),
	    cmocka_unit_test(a_failure_is_the_end),
	    cmocka_unit_test(each_length_but_the_right_one_fails),
	    cmocka_unit_test(limit_of_a_message),
	    cmocka_unit_test(what_does_not_agree_is_refused),
	    cmocka_unit_test(crossed_roles),
	    cmocka_unit_test(replayed_message_1),
	    cmocka_unit_test(keys_have_to_fit_the_pattern),
	    cmocka_unit_test(points_of_small_order),
	    cmocka_unit_test(ephemeral_keys_are_random),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
