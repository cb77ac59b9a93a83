/* What a connection costs: net_link [MESSAGES]
 *
 * 1. One connection between two nodes on loopback, each with a thread and a loop of its own, 1 MiB messages that do not
 *    compress, one way; against ChaCha20-Poly1305 alone, 64 KiB records, in the same process.
 * 2. The handshake without a network, both sides; against the X25519 operations that it cannot do without.
 *
 * Prints seconds: 1 GiB over the connection (processor time of the side that takes longer) and through the cipher, a
 * handshake and its X25519 (processor time), and 1 GiB over the connection by the clock. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/random.h"
#include "net/node.h"
#include "net/noise.h"

enum {
	MESSAGE_LEN = 1 << 20,
	GIB = 1 << 30,
	MESSAGES_GIB = GIB / MESSAGE_LEN,
	RECORD_LEN = 64 * 1024,
	WARM_UP = 32,
	HANDSHAKES = 1000
};

struct side {
	uv_loop_t loop;
	struct node *node;
	uint8_t secret[KEY_SECRET_LEN];
	uint8_t public_key[KEY_PUBLIC_LEN];
	struct uuid id;
	struct side *other;
	unsigned messages; /* sent or received */
	uint64_t started_ns, ended_ns;
	double busy_s; /* of its thread */
};

static unsigned wanted = 2048;
static uint8_t message[MESSAGE_LEN];

static void send_all(struct side *side)
{
	while (side->messages < wanted + WARM_UP && node_send(side->node, &side->other->id, message, MESSAGE_LEN) == 0)
		side->messages++;
}

static void on_up(void *arg, const struct uuid *device, const struct node_up *info)
{
	if (info->initiated)
		send_all(arg);
}

static void on_writable(void *arg, const struct uuid *device)
{
	send_all(arg);
}

static void close_node(struct side *side)
{
	if (side->node)
		node_close(side->node, NULL, NULL);
	side->node = NULL;
}

static void on_message(void *arg, const struct uuid *device, const uint8_t *bytes, size_t len)
{
	struct side *side = arg;

	side->messages++;
	if (side->messages == WARM_UP)
		side->started_ns = clock_monotonic_ns();
	if (side->messages < wanted + WARM_UP)
		return;
	side->ended_ns = clock_monotonic_ns();
	close_node(side);
}

static void on_down(void *arg, const struct uuid *device, int reason)
{
	close_node(arg);
}

static const struct node_events events = {.up = on_up, .message = on_message, .writable = on_writable, .down = on_down};

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "net_link: %s failed\n", what);
	exit(1);
}

static void make_keys(struct side *side)
{
	random_bytes(side->secret, KEY_SECRET_LEN);
	crypto_scalarmult_curve25519_base(side->public_key, side->secret);
	side->id = key_id_of_public(side->public_key);
}

static void open_side(struct side *side)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct node_opts opts = {
	    .secret = side->secret, .listen = (struct sockaddr *)&any, .events = &events, .arg = side};
	uint8_t keys[1][KEY_PUBLIC_LEN];

	memcpy(keys[0], side->other->public_key, KEY_PUBLIC_LEN);
	if (uv_loop_init(&side->loop) < 0 || node_open(&side->loop, &opts, &side->node) < 0 ||
	    node_set_members(side->node, (const uint8_t(*)[KEY_PUBLIC_LEN])keys, 1) < 0)
		fail("opening a node");
}

/* Processor time of this thread: other load on the machine does not count. */
static double busy_s(void)
{
	struct timespec busy;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &busy);
	return (double)busy.tv_sec + (double)busy.tv_nsec / 1e9;
}

static void *run(void *arg)
{
	struct side *side = arg;

	double start = busy_s();

	uv_run(&side->loop, UV_RUN_DEFAULT);
	uv_loop_close(&side->loop);
	side->busy_s = busy_s() - start;
	return NULL;
}

/* Seconds of processor time for each GiB, of the side that takes longer; ret_wall_s: by the clock. */
static double connection_s(double *ret_wall_s)
{
	static struct side sides[2];
	char address[NODE_ADDRESS_TEXT];
	pthread_t thread;

	for (int i = 0; i < 2; i++) {
		sides[i].other = &sides[1 - i];
		make_keys(&sides[i]);
	}
	open_side(&sides[0]);
	open_side(&sides[1]);
	snprintf(address, sizeof(address), "127.0.0.1:%u", node_port(sides[1].node));
	if (node_add_address(sides[0].node, &sides[1].id, address) < 0 ||
	    pthread_create(&thread, NULL, run, &sides[1]) != 0)
		fail("starting");
	run(&sides[0]);
	pthread_join(thread, NULL);
	if (sides[1].ended_ns == 0)
		fail("the connection");
	*ret_wall_s = (double)(sides[1].ended_ns - sides[1].started_ns) / 1e9 * MESSAGES_GIB / wanted;
	return (sides[0].busy_s > sides[1].busy_s ? sides[0].busy_s : sides[1].busy_s) * MESSAGES_GIB /
	       (wanted + WARM_UP);
}

static double cipher_s(void)
{
	static uint8_t out[RECORD_LEN + crypto_aead_chacha20poly1305_ietf_ABYTES];
	static const uint8_t key[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0};
	double start = busy_s();

	for (unsigned i = 0; i < GIB / RECORD_LEN; i++) {
		memcpy(nonce, &i, sizeof(i));
		crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, message, RECORD_LEN, NULL, 0, NULL, nonce, key);
	}
	return busy_s() - start;
}

static void handshake(const struct keyring *initiator, const struct keyring *responder)
{
	uint8_t bytes[NOISE_KK_MESSAGE_LEN], no_payload[1];
	struct noise *i, *r;
	struct transport *pairs[4];
	size_t index;

	if (noise_kk_dial(initiator, 0, "bench", 5, &i) < 0 || noise_write(i, NULL, 0, bytes) < 0 ||
	    noise_kk_trial(responder, "bench", 5, bytes, sizeof(bytes), &index, &r) < 0 ||
	    noise_write(r, NULL, 0, bytes) < 0 || noise_read(i, bytes, sizeof(bytes), no_payload) < 0 ||
	    noise_split(i, &pairs[0], &pairs[1]) < 0 || noise_split(r, &pairs[2], &pairs[3]) < 0)
		fail("a handshake");
	noise_free(i);
	noise_free(r);
	for (int k = 0; k < 4; k++)
		transport_free(pairs[k]);
}

static double handshake_s(void)
{
	struct side a, b;
	struct keyring *ring_a, *ring_b;
	double start;

	make_keys(&a);
	make_keys(&b);
	if (keyring_new(a.secret, &ring_a) < 0 || keyring_new(b.secret, &ring_b) < 0 ||
	    keyring_add(ring_a, b.public_key) < 0 || keyring_add(ring_b, a.public_key) < 0)
		fail("a keyring");
	start = busy_s();
	for (int i = 0; i < HANDSHAKES; i++)
		handshake(ring_a, ring_b);
	start = busy_s() - start;
	keyring_free(ring_a);
	keyring_free(ring_b);
	return start / HANDSHAKES;
}

/* Each side makes an ephemeral key and computes ee, es and se; ss is kept with the key. */
static double x25519_s(void)
{
	uint8_t secret[KEY_SECRET_LEN], public_key[KEY_PUBLIC_LEN], shared[KEY_PUBLIC_LEN];
	double start;

	random_bytes(secret, sizeof(secret));
	crypto_scalarmult_curve25519_base(public_key, secret);
	start = busy_s();
	for (int i = 0; i < 2 * HANDSHAKES; i++) {
		crypto_scalarmult_curve25519_base(shared, secret);
		for (int k = 0; k < 3; k++) {
			if (crypto_scalarmult_curve25519(shared, secret, public_key) != 0)
				fail("X25519");
		}
	}
	return (busy_s() - start) / HANDSHAKES;
}

int main(int argc, char **argv)
{
	double connection, cipher, handshakes, x25519, wall;

	if (argc > 1)
		wanted = (unsigned)strtoul(argv[1], NULL, 10);
	if (base_init() < 0 || wanted == 0)
		fail("starting");
	random_bytes(message, sizeof(message));
	cipher_s(); /* warm */
	cipher = cipher_s();
	connection = connection_s(&wall);
	handshakes = handshake_s();
	x25519 = x25519_s();
	printf("%.4f %.4f %.7f %.7f %.4f\n", connection, cipher, handshakes, x25519, wall);
	return 0;
}
