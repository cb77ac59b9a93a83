#include "net/link_parts.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { SERIAL_LEN = 8, GREETING_LEN = LINK_INSTANCE_LEN + SERIAL_LEN, HELLO_LEN = PREAMBLE_LEN + NOISE_KK_MESSAGE_LEN };

static int put_greeting(struct link *link)
{
	uint8_t greeting[GREETING_LEN];

	memcpy(greeting, link->ctx->instance, LINK_INSTANCE_LEN);
	for (size_t i = 0; i < SERIAL_LEN; i++)
		greeting[LINK_INSTANCE_LEN + i] = (uint8_t)(link->serial >> (56 - 8 * i));
	return link_put_message(link, greeting, sizeof(greeting));
}

static int split(struct link *link)
{
	static const struct frame_encoder_opts defaults;
	_cleanup_(transport_freep) struct transport *send = NULL;
	_cleanup_(transport_freep) struct transport *receive = NULL;
	int r = noise_split(link->noise, &send, &receive);

	if (r == 0)
		r = frame_encoder_new(send, &defaults, &link->encoder);
	if (r < 0)
		return r;
	send = NULL; /* the encoder's */
	r = frame_decoder_new(receive, &link->decoder);
	if (r < 0)
		return r;
	receive = NULL;
	noise_free(link->noise);
	link->noise = NULL;
	link->state = AWAIT_GREETING;
	return 0;
}

static int answer_message1(struct link *link)
{
	uint8_t message2[NOISE_KK_MESSAGE_LEN];
	size_t index;
	int r = noise_kk_trial(link->ctx->ring, link->ctx->prologue, LINK_PROLOGUE_LEN, link->handshake,
			       sizeof(link->handshake), &index, &link->noise);

	if (r < 0)
		return r;
	memcpy(link->peer_key, keyring_peer(link->ctx->ring, index), KEY_PUBLIC_LEN);
	link->knows_peer = true;
	r = noise_write(link->noise, NULL, 0, message2);
	if (r == 0)
		r = link_put_copy(link, message2, sizeof(message2));
	return r < 0 ? r : split(link);
}

static int take_message2(struct link *link)
{
	uint8_t no_payload[1];
	int r = noise_read(link->noise, link->handshake, sizeof(link->handshake), no_payload);

	if (r == 0)
		r = split(link);
	return r < 0 ? r : put_greeting(link);
}

int link_send_hello(struct link *link)
{
	uint8_t hello[HELLO_LEN];
	int r = noise_write(link->noise, NULL, 0, hello + PREAMBLE_LEN);

	if (r < 0)
		return r;
	preamble_write(PREAMBLE_LINK, hello);
	link->state = AWAIT_KK2;
	return link_put_copy(link, hello, sizeof(hello));
}

int link_come_up(struct link *link)
{
	int r = link->state == SHUT || link->initiated ? 0 : put_greeting(link);

	if (r < 0 || link->state == SHUT)
		return r;
	link->state = UP;
	link_arm(link);
	link->ctx->events->up(link->ctx->arg, link);
	return 0;
}

/* Longer greetings are those of versions to come. */
int link_take_greeting(struct link *link, const uint8_t *greeting, size_t len)
{
	if (len < GREETING_LEN || len > LINK_GREETING_MAX)
		return -ERR_MALFORMED;
	memcpy(link->peer_instance, greeting, LINK_INSTANCE_LEN);
	for (size_t i = 0; i < SERIAL_LEN && !link->initiated; i++)
		link->serial = link->serial << 8 | greeting[LINK_INSTANCE_LEN + i];
	if (link->initiated || link->ctx->events->may_greet(link->ctx->arg, link))
		return link_come_up(link);
	if (link->state != SHUT)
		link->state = HELD;
	return 0;
}

void link_take_handshake(struct link *link, size_t len)
{
	int r;

	link->handshake_len += len;
	if (link->handshake_len < sizeof(link->handshake))
		return;
	r = link->state == AWAIT_KK1 ? answer_message1(link) : take_message2(link);
	if (r < 0)
		link_end(link, r);
}
