/* net/noise and net/transport against the published vectors with SHA256. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "net/inject.h"
#include "net/noise.h"
#include "tests/lib/test.h"
#include "tests/net/vectors.h"

enum { MESSAGE_MAX = 1024, PROLOGUE_MAX = 256 };

struct end {
	struct noise *hs;
	struct transport *send;
	struct transport *receive;
};

/* The keys of one side of a record. */
struct keys {
	uint8_t prologue[PROLOGUE_MAX];
	uint8_t static_secret[KEY_SECRET_LEN];
	uint8_t ephemeral[KEY_SECRET_LEN];
	uint8_t remote_static[KEY_PUBLIC_LEN];
	uint8_t psks[PATTERN_PSKS_MAX * NOISE_PSK_LEN];
};

static const struct json *field(const struct json *record, const char *side, const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "%s_%s", side, name);
	return json_get(record, key);
}

static const char *name_of(const struct json *record)
{
	const struct json *name = json_get(record, "protocol_name");

	return json_text(name ? name : json_get(record, "name"));
}

static enum pattern_id find_pattern(const char *name)
{
	for (enum pattern_id id = 0; id < PATTERN_COUNT; id++)
		if (strcmp(pattern_get(id)->protocol_name, name) == 0)
			return id;
	fail_msg("no pattern for %s", name);
	return PATTERN_COUNT;
}

static struct end start(const struct json *record, const char *side, enum noise_role role)
{
	struct noise_opts opts = {.pattern = find_pattern(name_of(record)), .role = role};
	const struct json *psks = field(record, side, "psks");
	struct end end = {.hs = NULL};
	struct keys keys;

	opts.prologue = keys.prologue;
	opts.prologue_len = json_bytes(field(record, side, "prologue"), keys.prologue, sizeof(keys.prologue));
	if (json_bytes(field(record, side, "static"), keys.static_secret, KEY_SECRET_LEN))
		opts.static_secret = keys.static_secret;
	if (json_bytes(field(record, side, "remote_static"), keys.remote_static, KEY_PUBLIC_LEN))
		opts.remote_static = keys.remote_static;
	for (size_t i = 0; i < json_count(psks); i++) {
		assert_int_equal(json_bytes(json_at(psks, i), keys.psks + i * NOISE_PSK_LEN, NOISE_PSK_LEN),
				 NOISE_PSK_LEN);
		opts.psks = keys.psks;
	}
	assert_int_equal(json_count(psks), pattern_get(opts.pattern)->psk_count);
	assert_int_equal(noise_new(&opts, &end.hs), 0);
	assert_int_equal(json_bytes(field(record, side, "ephemeral"), keys.ephemeral, KEY_SECRET_LEN), KEY_SECRET_LEN);
	inject_ephemeral(end.hs, keys.ephemeral);
	return end;
}

static void end_release(struct end *end)
{
	noise_free(end->hs);
	transport_free(end->send);
	transport_free(end->receive);
}

static void pass_handshake(struct end *from, struct end *to, const uint8_t *payload, size_t len,
			   const uint8_t *expected, size_t expected_len)
{
	uint8_t message[MESSAGE_MAX], read[MESSAGE_MAX];
	size_t overhead = noise_overhead(from->hs);

	assert_int_equal(len + overhead, expected_len);
	assert_int_equal(noise_overhead(to->hs), overhead);
	assert_true(noise_my_turn(from->hs));
	assert_false(noise_my_turn(to->hs));
	assert_int_equal(noise_write(from->hs, payload, len, message), 0);
	assert_memory_equal(message, expected, expected_len);
	assert_int_equal(noise_read(to->hs, message, expected_len, read), 0);
	assert_memory_equal(read, payload, len);
}

static void pass_transport(struct end *from, struct end *to, const uint8_t *payload, size_t len,
			   const uint8_t *expected, size_t expected_len)
{
	uint8_t message[MESSAGE_MAX];

	assert_int_equal(len + NOISE_TAG_LEN, expected_len);
	assert_int_equal(transport_encrypt(from->send, payload, len, message), 0);
	assert_memory_equal(message, expected, expected_len);
	assert_int_equal(transport_decrypt(to->receive, message, expected_len, message), 0);
	assert_memory_equal(message, payload, len);
}

static void split(const struct json *record, struct end ends[2])
{
	uint8_t hash[NOISE_HASH_LEN];

	for (int i = 0; i < 2; i++) {
		assert_true(noise_is_finished(ends[i].hs));
		if (json_bytes(json_get(record, "handshake_hash"), hash, sizeof(hash)))
			assert_memory_equal(noise_hash(ends[i].hs), hash, sizeof(hash));
		assert_int_equal(noise_split(ends[i].hs, &ends[i].send, &ends[i].receive), 0);
		assert_false(noise_is_finished(ends[i].hs));
	}
}

static void run_record(const struct json *record)
{
	struct end ends[2] = {start(record, "init", NOISE_INITIATOR), start(record, "resp", NOISE_RESPONDER)};
	const struct json *messages = json_get(record, "messages");
	unsigned handshake_count = pattern_get(find_pattern(name_of(record)))->message_count;

	assert_true(json_count(messages) > handshake_count);
	for (size_t i = 0; i < json_count(messages); i++) {
		uint8_t payload[MESSAGE_MAX], expected[MESSAGE_MAX];
		size_t len = json_bytes(json_get(json_at(messages, i), "payload"), payload, sizeof(payload));
		size_t expected_len =
		    json_bytes(json_get(json_at(messages, i), "ciphertext"), expected, sizeof(expected));
		struct end *from = &ends[i % 2], *to = &ends[1 - i % 2];

		if (i == handshake_count)
			split(record, ends);
		if (i < handshake_count)
			pass_handshake(from, to, payload, len, expected, expected_len);
		else
			pass_transport(from, to, payload, len, expected, expected_len);
	}
	end_release(&ends[0]);
	end_release(&ends[1]);
}

static void run_file(const char *name, size_t count)
{
	_cleanup_(json_freep) struct json *root = vectors_load(name);
	const struct json *records = json_get(root, "vectors");

	assert_int_equal(json_count(records), count);
	for (size_t i = 0; i < count; i++) {
		print_message("%s: %s\n", name, name_of(json_at(records, i)));
		run_record(json_at(records, i));
	}
}

static void cacophony(void **state)
{
	run_file("noise/cacophony_25519_ChaChaPoly_SHA256.json", 9);
}

static void noise_c(void **state)
{
	run_file("noise/noise-c_25519_ChaChaPoly_SHA256.json", 4);
}

static void snow(void **state)
{
	run_file("noise/snow_25519_ChaChaPoly_SHA256.json", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cacophony),
	    cmocka_unit_test(noise_c),
	    cmocka_unit_test(snow),
	};

	if (vectors_check() != 0)
		return vectors_check();
	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
