/* `at` and `left` are what the message (or its compressed form, then owned in `compressed`) has not given yet;
 * `active` is true from begin until next has returned 1, also for an empty message. */
#include "net/frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/frame_flags.h"

enum { COMPRESSION_LEVEL = 1, SAMPLE_BYTES = 16 * 1024 };

struct frame_encoder {
	struct transport *send;
	bool never_compress;
	bool active;
	bool said_goodbye;
	uint8_t *compressed;
	const uint8_t *at;
	size_t left;
};

int frame_encoder_new(struct transport *send, const struct frame_encoder_opts *opts, struct frame_encoder **ret_encoder)
{
	struct frame_encoder *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->send = send;
	e->never_compress = opts->never_compress;
	*ret_encoder = e;
	return 0;
}

/* Whether so many bytes are worth the other side's work, and not taken for a bomb. */
static bool pays(size_t compressed_len, size_t len)
{
	return compressed_len <= len - len / 8 && len / FRAME_COMPRESS_RATIO_MAX <= compressed_len;
}

static bool sample_pays(const void *message, size_t len)
{
	uint8_t compressed[ZSTD_COMPRESSBOUND(SAMPLE_BYTES)];
	size_t n;

	if (len <= 2 * SAMPLE_BYTES)
		return true; /* trying it is as cheap */
	/* From the middle: the start of a message is seldom typical of it. */
	n = ZSTD_compress(compressed, sizeof(compressed), (const uint8_t *)message + len / 2, SAMPLE_BYTES,
			  COMPRESSION_LEVEL);
	return !ZSTD_isError(n) && n <= SAMPLE_BYTES - SAMPLE_BYTES / 8;
}

/* Whatever does not work out leaves the message as it is: also no memory. */
static void try_compress(struct frame_encoder *e, const void *message, size_t len)
{
	_cleanup_(free_ptr) uint8_t *compressed = NULL;
	size_t capacity = len - len / 8; /* more would not pay: zstd gives up there */
	size_t n;

	if (e->never_compress || len < FRAME_COMPRESS_MIN_BYTES || !sample_pays(message, len))
		return;
	compressed = malloc(capacity);
	if (!compressed)
		return;
	n = ZSTD_compress(compressed, capacity, message, len, COMPRESSION_LEVEL);
	if (ZSTD_isError(n) || !pays(n, len))
		return;
	e->compressed = TAKE_PTR(compressed);
	e->at = e->compressed;
	e->left = n;
}

int frame_encoder_begin(struct frame_encoder *e, const void *message, size_t len)
{
	assert(!e->active);
	if (e->said_goodbye)
		return -ESHUTDOWN;
	if (len > FRAME_MESSAGE_MAX_BYTES)
		return -ERR_TOO_LARGE;
	e->active = true;
	e->at = message;
	e->left = len;
	try_compress(e, message, len);
	return 0;
}

/* `out` is left as it was on failure. The frame is built and encrypted where it stays, if there is room already. */
static int put_frame(struct frame_encoder *e, uint8_t flags, const uint8_t *piece, size_t len, struct buf *out)
{
	uint8_t small[FRAME_BYTES_MAX];
	size_t message_len = 1 + len + NOISE_TAG_LEN;
	bool has_room = out->capacity - out->len >= FRAME_LENGTH_BYTES + message_len;
	uint8_t *frame = has_room ? out->data + out->len : small;
	uint8_t *text = frame + FRAME_LENGTH_BYTES;
	int r;

	frame[0] = (uint8_t)(message_len >> 8);
	frame[1] = (uint8_t)message_len;
	text[0] = flags;
	if (len > 0) /* `piece` may be NULL then */
		memcpy(text + 1, piece, len);
	r = transport_encrypt(e->send, text, 1 + len, text);
	if (r < 0)
		return r;
	if (!has_room)
		return buf_append(out, frame, FRAME_LENGTH_BYTES + message_len);
	out->len += FRAME_LENGTH_BYTES + message_len;
	return 0;
}

static void message_done(struct frame_encoder *e)
{
	e->active = false;
	free(e->compressed);
	e->compressed = NULL;
}

int frame_encoder_next(struct frame_encoder *e, struct buf *out)
{
	bool more = e->left > FRAME_PIECE_BYTES;
	size_t len = more ? FRAME_PIECE_BYTES : e->left;
	uint8_t flags = (uint8_t)((more ? FRAME_FLAG_MORE : 0) | (e->compressed ? FRAME_FLAG_COMPRESSED : 0));
	int r;

	if (!e->active)
		return 1;
	r = put_frame(e, flags, e->at, len, out);
	if (r < 0)
		return r;
	if (!more) {
		message_done(e);
		return 0;
	}
	e->at += len;
	e->left -= len;
	return 0;
}

int frame_encoder_goodbye(struct frame_encoder *e, struct buf *out)
{
	assert(!e->active);
	if (e->said_goodbye)
		return -ESHUTDOWN;
	e->said_goodbye = true;
	return put_frame(e, FRAME_FLAG_GOODBYE, NULL, 0, out);
}

void frame_encoder_free(struct frame_encoder *e)
{
	if (!e)
		return;
	transport_free(e->send);
	free(e->compressed);
	free(e);
}

void frame_encoder_freep(struct frame_encoder **e)
{
	frame_encoder_free(*e);
}
