/* net/keyring, and what noise_kk_trial and noise_kk_dial do with it. */
#include "net/keyring.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "net/noise.h"
#include "tests/lib/test.h"
#include "tests/net/handshake.h"

static struct keyring *ring_of(uint8_t self, uint8_t first_peer, uint8_t last_peer)
{
	struct keyring *ring;

	assert_int_equal(keyring_new(keys_from(self).secret, &ring), 0);
	for (unsigned i = first_peer; i <= last_peer; i++)
		assert_int_equal(keyring_add(ring, keys_from((uint8_t)i).public_key), 0);
	return ring;
}

static void add_find_remove(void **state)
{
	_cleanup_(keyring_freep) struct keyring *ring = ring_of(1, 2, 5);
	static const uint8_t small_order[KEY_PUBLIC_LEN] = {1};
	size_t index = 99;

	assert_memory_equal(keyring_public(ring), keys_from(1).public_key, KEY_PUBLIC_LEN);
	assert_int_equal(keyring_add(ring, keys_from(3).public_key), -EEXIST);
	assert_int_equal(keyring_add(ring, keys_from(1).public_key), -EINVAL);
	assert_int_equal(keyring_add(ring, small_order), -ERR_MALFORMED);
	assert_int_equal(keyring_count(ring), 4);
	assert_int_equal(keyring_remove(ring, keys_from(2).public_key), 0);
	assert_int_equal(keyring_remove(ring, keys_from(2).public_key), -ENOENT);
	assert_int_equal(keyring_find(ring, keys_from(2).public_key, &index), -ENOENT);
	assert_int_equal(index, 99);
	for (uint8_t i = 3; i <= 5; i++) {
		assert_int_equal(keyring_find(ring, keys_from(i).public_key, &index), 0);
		assert_memory_equal(keyring_peer(ring, index), keys_from(i).public_key, KEY_PUBLIC_LEN);
	}
	assert_int_equal(keyring_count(ring), 3);
}

static void is_bounded(void **state)
{
	_cleanup_(keyring_freep) struct keyring *ring = ring_of(1, 1, 0);

	for (int i = 0; i < KEYRING_PEERS_MAX; i++) {
		uint8_t peer[KEY_PUBLIC_LEN];

		random_bytes(peer, sizeof(peer));
		assert_int_equal(keyring_add(ring, peer), 0);
	}
	assert_int_equal(keyring_add(ring, keys_from(2).public_key), -ERR_TOO_LARGE);
}

/* Message 1 of `caller` to device 1, with prologue "p". */
static struct noise *call(uint8_t caller, uint8_t ret_message[NOISE_KK_MESSAGE_LEN])
{
	_cleanup_(keyring_freep) struct keyring *ring = ring_of(caller, 1, 1);
	struct noise *hs;

	assert_int_equal(noise_kk_dial(ring, 0, "p", 1, &hs), 0);
	assert_int_equal(noise_overhead(hs), NOISE_KK_MESSAGE_LEN);
	assert_int_equal(noise_write(hs, NULL, 0, ret_message), 0);
	return hs;
}

static void finds_the_caller(void **state)
{
	_cleanup_(keyring_freep) struct keyring *ring = ring_of(1, 2, 20);

	for (uint8_t i = 2; i <= 20; i++) {
		uint8_t one[NOISE_KK_MESSAGE_LEN], two[NOISE_KK_MESSAGE_LEN], text[NOISE_KK_MESSAGE_LEN];
		_cleanup_(noise_freep) struct noise *initiator = call(i, one);
		_cleanup_(noise_freep) struct noise *responder = NULL;
		size_t index;

		assert_int_equal(noise_kk_trial(ring, "p", 1, one, sizeof(one), &index, &responder), 0);
		assert_memory_equal(keyring_peer(ring, index), keys_from(i).public_key, KEY_PUBLIC_LEN);
		assert_int_equal(noise_write(responder, NULL, 0, two), 0);
		assert_int_equal(noise_read(initiator, two, sizeof(two), text), 0);
		assert_true(noise_is_finished(initiator) && noise_is_finished(responder));
		assert_memory_equal(noise_hash(initiator), noise_hash(responder), NOISE_HASH_LEN);
	}
}

static int trial(const struct keyring *ring, const char *prologue, const uint8_t *message, size_t len)
{
	_cleanup_(noise_freep) struct noise *hs = NULL;
	size_t index = 99;
	int r = noise_kk_trial(ring, prologue, strlen(prologue), message, len, &index, &hs);

	if (r < 0) {
		assert_null(hs);
		assert_int_equal(index, 99);
	}
	return r;
}

static void answers_nobody_else(void **state)
{
	_cleanup_(keyring_freep) struct keyring *ring = ring_of(1, 2, 5);
	_cleanup_(keyring_freep) struct keyring *alone = ring_of(1, 1, 0);
	uint8_t stranger[NOISE_KK_MESSAGE_LEN], friend[NOISE_KK_MESSAGE_LEN + 1] = {0};
	uint8_t zeros[NOISE_KK_MESSAGE_LEN] = {0};

	noise_free(call(9, stranger));
	noise_free(call(3, friend));
	assert_int_equal(trial(ring, "p", stranger, sizeof(stranger)), -ERR_WRONG_KEY);
	assert_int_equal(trial(ring, "q", friend, NOISE_KK_MESSAGE_LEN), -ERR_WRONG_KEY);
	assert_int_equal(trial(alone, "p", friend, NOISE_KK_MESSAGE_LEN), -ERR_WRONG_KEY);
	assert_int_equal(trial(ring, "p", friend, NOISE_KK_MESSAGE_LEN - 1), -ERR_MALFORMED);
	assert_int_equal(trial(ring, "p", friend, NOISE_KK_MESSAGE_LEN + 1), -ERR_MALFORMED);
	assert_int_equal(trial(ring, "p", zeros, sizeof(zeros)), -ERR_MALFORMED);
	assert_int_equal(trial(ring, "p", friend, NOISE_KK_MESSAGE_LEN), 0);
	assert_int_equal(keyring_remove(ring, keys_from(3).public_key), 0);
	assert_int_equal(trial(ring, "p", friend, NOISE_KK_MESSAGE_LEN), -ERR_WRONG_KEY);
}

static void each_tampered_byte_fails(void **state)
{
	_cleanup_(keyring_freep) struct keyring *ring = ring_of(1, 2, 4);
	uint8_t message[NOISE_KK_MESSAGE_LEN];

	noise_free(call(3, message));
	for (size_t i = 0; i < sizeof(message); i++) {
		message[i] ^= 0x40;
		assert_int_equal(trial(ring, "p", message, sizeof(message)), -ERR_WRONG_KEY);
		message[i] ^= 0x40;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(add_find_remove),		cmocka_unit_test(is_bounded),
	    cmocka_unit_test(finds_the_caller),		cmocka_unit_test(answers_nobody_else),
	    cmocka_unit_test(each_tampered_byte_fails),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
