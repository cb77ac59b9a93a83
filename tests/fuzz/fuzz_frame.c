/* The frame decoder, in three ways by the first byte: bytes off the wire; texts that a genuine peer encrypted (each
 * with flags, a length and bytes, see put_texts); or one message that the encoder wrote, read in steps. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/steady.h"

enum { WAY_WIRE, WAY_TEXTS, WAY_ROUND_TRIP, WAYS };

enum { HELD_MAX = 3 * FRAME_MESSAGE_MAX_BYTES, TEXTS_MAX = 80 };

static const uint8_t key[CIPHER_KEY_LEN] = {7};

static struct transport *new_transport(void)
{
	struct transport *t;

	FUZZ_CHECK(transport_new(key, &t) == 0);
	return t;
}

/* Each text: flags, length (16 bits, big-endian), so many bytes; those beyond the end of the input are zero, and the
 * greatest length stands for a full piece. */
static void put_texts(struct cursor *in, struct buf *wire)
{
	struct transport *t = new_transport();

	for (int i = 0; in->left > 3 && i < TEXTS_MAX; i++) {
		uint8_t text[NOISE_PLAINTEXT_MAX] = {0}, message[FRAME_BYTES_MAX], high, low;
		const uint8_t *bytes;
		size_t len, have;

		cursor_u8(in, &text[0]);
		cursor_u8(in, &high);
		cursor_u8(in, &low);
		len = (size_t)high << 8 | low;
		if (len > FRAME_PIECE_BYTES)
			len = FRAME_PIECE_BYTES;
		have = len < in->left ? len : in->left;
		if (len == FRAME_PIECE_BYTES)
			have = 0;
		FUZZ_CHECK(cursor_bytes(in, have, &bytes) == 0);
		if (have > 0)
			memcpy(text + 1, bytes, have);
		FUZZ_CHECK(transport_encrypt(t, text, 1 + len, message + FRAME_LENGTH_BYTES) == 0);
		message[0] = (uint8_t)((1 + len + NOISE_TAG_LEN) >> 8);
		message[1] = (uint8_t)(1 + len + NOISE_TAG_LEN);
		FUZZ_CHECK(buf_append(wire, message, FRAME_LENGTH_BYTES + 1 + len + NOISE_TAG_LEN) == 0);
	}
	transport_free(t);
}

static void put_message(const struct cursor *in, struct buf *wire)
{
	_cleanup_(frame_encoder_freep) struct frame_encoder *e = NULL;
	struct frame_encoder_opts opts = {.never_compress = false};
	int r;

	FUZZ_CHECK(frame_encoder_new(new_transport(), &opts, &e) == 0);
	FUZZ_CHECK(frame_encoder_begin(e, in->at, in->left) == 0);
	do
		r = frame_encoder_next(e, wire);
	while (r == 0);
	FUZZ_CHECK(r == 1);
	FUZZ_CHECK(frame_encoder_goodbye(e, wire) == 0);
}

struct heard {
	unsigned messages;
	unsigned goodbyes;
	int error;
};

static struct heard read_all(struct frame_decoder *d, const struct buf *wire, size_t step,
			     const struct cursor *expected)
{
	struct heard heard = {0};

	for (size_t at = 0; at < wire->len && heard.error == 0; at += step) {
		struct cursor in = cursor_on(wire->data + at, wire->len - at < step ? wire->len - at : step);
		const uint8_t *message;
		enum frame_event event;
		size_t len;
		int r;

		while ((r = frame_decoder_next(d, &in, &event, &message, &len)) == 0) {
			FUZZ_CHECK(heard.goodbyes == 0);
			heard.goodbyes += event == FRAME_GOODBYE;
			heard.messages += event == FRAME_MESSAGE;
			if (event != FRAME_MESSAGE)
				continue;
			FUZZ_CHECK(len <= FRAME_MESSAGE_MAX_BYTES);
			if (expected)
				FUZZ_CHECK(len == expected->left &&
					   (len == 0 || memcmp(message, expected->at, len) == 0));
		}
		FUZZ_CHECK(frame_decoder_held_bytes(d) <= HELD_MAX);
		FUZZ_CHECK(r == 1 || r == -ERR_MALFORMED || r == -ERR_TOO_LARGE || r == -ERR_WRONG_KEY);
		heard.error = r < 0 ? r : 0;
	}
	return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(frame_decoder_freep) struct frame_decoder *d = NULL;
	_cleanup_(buf_release) struct buf wire = BUF_INIT;
	struct cursor in = cursor_on(data, len);
	struct heard heard;
	uint8_t way, step;

	steady_random();
	if (cursor_u8(&in, &way) < 0 || cursor_u8(&in, &step) < 0)
		return 0;
	way %= WAYS;
	if (way == WAY_WIRE)
		buf_append(&wire, in.at, in.left);
	else if (way == WAY_TEXTS)
		put_texts(&in, &wire);
	else
		put_message(&in, &wire);
	FUZZ_CHECK(frame_decoder_new(new_transport(), &d) == 0);
	heard = read_all(d, &wire, step < 128 ? 1 + (size_t)step * 37 : 100000, way == WAY_ROUND_TRIP ? &in : NULL);
	if (way == WAY_ROUND_TRIP)
		FUZZ_CHECK(heard.error == 0 && heard.messages == 1 && heard.goodbyes == 1 && frame_decoder_end(d) == 0);
	if (frame_decoder_end(d) == 0)
		FUZZ_CHECK(heard.goodbyes == 1 && heard.error == 0);
	return 0;
}
