#include "net/transport.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "net/inject.h"
#include "net/limits.h"
#include "tests/lib/test.h"

struct ends {
	struct transport *send;
	struct transport *receive;
};

static const uint8_t key[CIPHER_KEY_LEN] = {1, 2, 3};

static int setup(void **state)
{
	static struct ends ends;

	assert_int_equal(transport_new(key, &ends.send), 0);
	assert_int_equal(transport_new(key, &ends.receive), 0);
	*state = &ends;
	return 0;
}

static int teardown(void **state)
{
	struct ends *ends = *state;

	transport_free(ends->send);
	transport_free(ends->receive);
	return 0;
}

static int pass(struct ends *ends)
{
	uint8_t message[5 + NOISE_TAG_LEN], text[5];
	int r;

	assert_int_equal(transport_encrypt(ends->send, "hello", 5, message), 0);
	r = transport_decrypt(ends->receive, message, sizeof(message), text);
	if (r == 0)
		assert_memory_equal(text, "hello", 5);
	return r;
}

static void limits(void **state)
{
	static uint8_t text[NOISE_PLAINTEXT_MAX + 1], message[NOISE_MESSAGE_MAX + 1];
	struct ends *ends = *state;

	assert_int_equal(transport_encrypt(ends->send, text, NOISE_PLAINTEXT_MAX + 1, message), -ERR_TOO_LARGE);
	assert_int_equal(transport_encrypt(ends->send, text, NOISE_PLAINTEXT_MAX, message), 0);
	assert_int_equal(transport_decrypt(ends->receive, message, NOISE_MESSAGE_MAX, text), 0);
	assert_int_equal(transport_decrypt(ends->receive, message, NOISE_MESSAGE_MAX + 1, text), -ERR_TOO_LARGE);
	assert_int_equal(transport_decrypt(ends->receive, message, NOISE_MESSAGE_MAX, text), -ESHUTDOWN);
}

static void too_short(void **state)
{
	for (size_t len = 0; len < NOISE_TAG_LEN; len++) {
		uint8_t message[NOISE_TAG_LEN] = {0}, text[1];
		struct transport *t;

		assert_int_equal(transport_new(key, &t), 0);
		assert_int_equal(transport_decrypt(t, message, len, text), -ERR_MALFORMED);
		transport_free(t);
	}
}

static void empty_text_in_place(void **state)
{
	struct ends *ends = *state;
	uint8_t message[NOISE_TAG_LEN];

	assert_int_equal(transport_encrypt(ends->send, NULL, 0, message), 0);
	assert_int_equal(transport_decrypt(ends->receive, message, sizeof(message), message), 0);
}

static void replay_is_the_end(void **state)
{
	struct ends *ends = *state;
	uint8_t message[5 + NOISE_TAG_LEN], text[5];

	assert_int_equal(transport_encrypt(ends->send, "hello", 5, message), 0);
	assert_int_equal(transport_decrypt(ends->receive, message, sizeof(message), text), 0);
	assert_int_equal(transport_decrypt(ends->receive, message, sizeof(message), text), -ERR_WRONG_KEY);
	assert_int_equal(pass(ends), -ESHUTDOWN);
}

static void nonce_beyond_32_bits(void **state)
{
	static const uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0,	 0,    0,    0, 0xff,
										   0xff, 0xff, 0xff, 1};
	uint8_t message[5 + NOISE_TAG_LEN], expected[5 + NOISE_TAG_LEN], text[5];
	uint64_t start = (UINT64_C(2) << 32) - 1;
	struct ends *ends = *state;

	inject_nonce(ends->send, start);
	inject_nonce(ends->receive, start);
	crypto_aead_chacha20poly1305_ietf_encrypt(expected, NULL, (const uint8_t *)"hello", 5, NULL, 0, NULL, nonce,
						  key);
	assert_int_equal(transport_encrypt(ends->send, "hello", 5, message), 0);
	assert_memory_equal(message, expected, sizeof(expected));
	assert_int_equal(transport_decrypt(ends->receive, message, sizeof(message), text), 0);
	assert_int_equal(pass(ends), 0);
	inject_nonce(ends->receive, 1); /* what 2^33 + 1 would be with 32 bits */
	assert_int_equal(pass(ends), -ERR_WRONG_KEY);
}

static void last_nonce_is_reserved(void **state)
{
	struct ends *ends = *state;
	uint8_t message[NOISE_TAG_LEN];

	inject_nonce(ends->send, UINT64_MAX - 1);
	inject_nonce(ends->receive, UINT64_MAX - 1);
	assert_int_equal(pass(ends), 0);
	assert_int_equal(transport_encrypt(ends->send, NULL, 0, message), -ERR_TOO_LARGE);
	assert_int_equal(transport_encrypt(ends->send, NULL, 0, message), -ESHUTDOWN);
	assert_int_equal(transport_decrypt(ends->receive, message, sizeof(message), message), -ERR_TOO_LARGE);
}

/* REKEY by hand (section 4.2): the first 32 bytes of an encryption of zeros with the last nonce. The count goes on. */
static void rekeys_by_count(void **state)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0};
	uint8_t zeros[CIPHER_KEY_LEN] = {0}, new_key[CIPHER_KEY_LEN + NOISE_TAG_LEN];
	uint8_t message[5 + NOISE_TAG_LEN], expected[5 + NOISE_TAG_LEN], text[5];
	struct ends *ends = *state;

	for (int i = 0; i < NOISE_REKEY_MESSAGES; i++)
		assert_int_equal(pass(ends), 0);
	memset(nonce + 4, 0xff, 8);
	crypto_aead_chacha20poly1305_ietf_encrypt(new_key, NULL, zeros, sizeof(zeros), NULL, 0, NULL, nonce, key);
	memset(nonce, 0, sizeof(nonce));
	nonce[4 + 2] = 1; /* 2^16 */
	crypto_aead_chacha20poly1305_ietf_encrypt(expected, NULL, (const uint8_t *)"hello", 5, NULL, 0, NULL, nonce,
						  new_key);
	assert_int_equal(transport_encrypt(ends->send, "hello", 5, message), 0);
	assert_memory_equal(message, expected, sizeof(expected));
	assert_int_equal(transport_decrypt(ends->receive, message, sizeof(message), text), 0);
	for (int i = 0; i < NOISE_REKEY_MESSAGES; i++)
		assert_int_equal(pass(ends), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(limits, setup, teardown),
	    cmocka_unit_test(too_short),
	    cmocka_unit_test_setup_teardown(empty_text_in_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(replay_is_the_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(nonce_beyond_32_bits, setup, teardown),
	    cmocka_unit_test_setup_teardown(last_nonce_is_reserved, setup, teardown),
	    cmocka_unit_test_setup_teardown(rekeys_by_count, setup, teardown),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
