/* Bytes -> frame -> piece -> message.
 *
 * `partial` holds a frame that has not come whole; one that lies whole in the input is decrypted from there. `message`
 * gathers the pieces, `raw` is a message that was compressed. Between messages (in_message false) `message` may still
 * hold the one that was just given out (delivered): it is dropped in the next call. After a failure everything is
 * dropped but `error`. */
#include "net/frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/frame_flags.h"

enum { MESSAGE_LEN_MIN = 1 + NOISE_TAG_LEN };

struct frame_decoder {
	struct transport *receive;
	int error;
	bool in_message;
	bool delivered;
	bool compressed; /* what all pieces of this message have to say */
	bool heard_goodbye;
	struct buf partial;
	struct buf message;
	uint8_t *raw;
	size_t raw_len;
};

int frame_decoder_new(struct transport *receive, struct frame_decoder **ret_decoder)
{
	struct frame_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->receive = receive;
	*ret_decoder = d;
	return 0;
}

/* A buffer that grew for one large thing is given back as soon as a small one has come: `last_len`. */
static void empty(struct buf *b, size_t last_len)
{
	if (b->capacity > FRAME_DECODER_IDLE_BYTES && last_len <= FRAME_DECODER_IDLE_BYTES)
		buf_release(b);
	else
		buf_clear(b);
}

static void drop_delivered(struct frame_decoder *d)
{
	if (!d->delivered)
		return;
	d->delivered = false;
	free(d->raw);
	d->raw = NULL;
	d->raw_len = 0;
	empty(&d->message, d->message.len);
}

static int fail(struct frame_decoder *d, int error)
{
	transport_free(d->receive);
	d->receive = NULL;
	buf_release(&d->partial);
	buf_release(&d->message);
	free(d->raw);
	d->raw = NULL;
	d->raw_len = 0;
	d->error = error;
	return error;
}

/* One zstd frame, alone, that states a size within our limits: so the output is allocated once, at that size. */
static int decompress(struct frame_decoder *d)
{
	static const uint8_t zstd_magic[] = {0x28, 0xb5, 0x2f, 0xfd}; /* RFC 8878, section 3.1.1 */
	_cleanup_(free_ptr) uint8_t *raw = NULL;
	size_t len = d->message.len;
	unsigned long long size;

	/* No skippable frames, and no formats of old that a distribution's zstd may still read. */
	if (len < sizeof(zstd_magic) || memcmp(d->message.data, zstd_magic, sizeof(zstd_magic)) != 0)
		return -ERR_MALFORMED;
	size = ZSTD_getFrameContentSize(d->message.data, len);
	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size == 0)
		return -ERR_MALFORMED;
	if (size > FRAME_MESSAGE_MAX_BYTES || size / FRAME_COMPRESS_RATIO_MAX > len)
		return -ERR_TOO_LARGE;
	if (ZSTD_findFrameCompressedSize(d->message.data, len) != len)
		return -ERR_MALFORMED;
	raw = malloc(size);
	if (!raw)
		return -ENOMEM;
	if (ZSTD_decompress(raw, size, d->message.data, len) != size)
		return -ERR_MALFORMED;
	d->raw = TAKE_PTR(raw);
	d->raw_len = size;
	return 0;
}

static bool flags_fit(const struct frame_decoder *d, uint8_t flags, size_t len)
{
	if (d->heard_goodbye || (flags & ~FRAME_FLAGS_KNOWN))
		return false;
	if (flags & FRAME_FLAG_GOODBYE)
		return flags == FRAME_FLAG_GOODBYE && len == 0 && !d->in_message;
	if (d->in_message && d->compressed != !!(flags & FRAME_FLAG_COMPRESSED))
		return false;
	if (d->in_message && len == 0) /* the piece before it would have been the last */
		return false;
	return !(flags & FRAME_FLAG_MORE) || len == FRAME_PIECE_BYTES;
}

/* 0: an event; 1: the message goes on. */
static int take_piece(struct frame_decoder *d, uint8_t flags, const uint8_t *piece, size_t len,
		      enum frame_event *ret_event)
{
	int r;

	if (!flags_fit(d, flags, len))
		return -ERR_MALFORMED;
	if (flags & FRAME_FLAG_GOODBYE) {
		d->heard_goodbye = true;
		*ret_event = FRAME_GOODBYE;
		return 0;
	}
	if (len > FRAME_MESSAGE_MAX_BYTES - d->message.len)
		return -ERR_TOO_LARGE;
	r = buf_append(&d->message, piece, len);
	if (r < 0)
		return r;
	d->compressed = flags & FRAME_FLAG_COMPRESSED;
	d->in_message = flags & FRAME_FLAG_MORE;
	if (d->in_message)
		return 1;
	r = d->compressed ? decompress(d) : 0;
	if (r < 0)
		return r;
	d->delivered = true;
	*ret_event = FRAME_MESSAGE;
	return 0;
}

static int take_frame(struct frame_decoder *d, const uint8_t *frame, size_t len, enum frame_event *ret_event)
{
	uint8_t text[NOISE_PLAINTEXT_MAX];
	size_t message_len = len - FRAME_LENGTH_BYTES;
	int r = transport_decrypt(d->receive, frame + FRAME_LENGTH_BYTES, message_len, text);

	if (r < 0)
		return r;
	return take_piece(d, text[0], text + 1, message_len - NOISE_TAG_LEN - 1, ret_event);
}

/* The length of the frame that begins with these bytes, as far as they tell. */
static size_t wanted(const uint8_t *bytes, size_t len)
{
	if (len < FRAME_LENGTH_BYTES)
		return FRAME_LENGTH_BYTES;
	return FRAME_LENGTH_BYTES + ((size_t)bytes[0] << 8 | bytes[1]);
}

/* Takes one whole frame off the input, or everything that there is of it. 0 with a borrowed frame; 1: not whole. */
static int gather(struct frame_decoder *d, struct cursor *in, const uint8_t **ret_frame, size_t *ret_len)
{
	size_t want = wanted(in->at, in->left);

	if (d->partial.len == 0 && in->left >= FRAME_LENGTH_BYTES && want <= in->left) {
		*ret_len = want;
		return cursor_bytes(in, want, ret_frame);
	}
	while (in->left > 0) {
		const uint8_t *bytes;
		size_t missing = wanted(d->partial.data, d->partial.len) - d->partial.len;
		size_t take = missing < in->left ? missing : in->left;
		int r = cursor_bytes(in, take, &bytes);

		if (r == 0)
			r = buf_append(&d->partial, bytes, take);
		if (r < 0)
			return r;
		want = wanted(d->partial.data, d->partial.len);
		if (d->partial.len >= FRAME_LENGTH_BYTES && want < FRAME_LENGTH_BYTES + MESSAGE_LEN_MIN)
			return -ERR_MALFORMED; /* at once, not when more comes */
		if (d->partial.len >= FRAME_LENGTH_BYTES && want == d->partial.len) {
			*ret_frame = d->partial.data;
			*ret_len = want;
			return 0;
		}
	}
	return 1;
}

static int next_frame(struct frame_decoder *d, struct cursor *in, enum frame_event *ret_event)
{
	const uint8_t *frame;
	size_t len;
	int r = gather(d, in, &frame, &len);

	if (r != 0)
		return r;
	r = len < FRAME_LENGTH_BYTES + MESSAGE_LEN_MIN ? -ERR_MALFORMED : take_frame(d, frame, len, ret_event);
	empty(&d->partial, len);
	return r;
}

int frame_decoder_next(struct frame_decoder *d, struct cursor *in, enum frame_event *ret_event,
		       const uint8_t **ret_message, size_t *ret_len)
{
	enum frame_event event;
	int r = 1;

	if (d->error)
		return d->error;
	drop_delivered(d);
	while (r == 1 && in->left > 0)
		r = next_frame(d, in, &event);
	if (r < 0)
		return fail(d, r);
	if (r == 1)
		return 1;
	*ret_event = event;
	if (event == FRAME_MESSAGE) {
		*ret_message = d->raw ? d->raw : d->message.data;
		*ret_len = d->raw ? d->raw_len : d->message.len;
	}
	return 0;
}

int frame_decoder_end(const struct frame_decoder *d)
{
	return d->heard_goodbye && d->partial.len == 0 && !d->error ? 0 : -ECONNRESET;
}

size_t frame_decoder_held_bytes(const struct frame_decoder *d)
{
	return d->partial.capacity + d->message.capacity + d->raw_len;
}

void frame_decoder_free(struct frame_decoder *d)
{
	if (!d)
		return;
	transport_free(d->receive);
	buf_release(&d->partial);
	buf_release(&d->message);
	free(d->raw);
	free(d);
}

void frame_decoder_freep(struct frame_decoder **d)
{
	frame_decoder_free(*d);
}
