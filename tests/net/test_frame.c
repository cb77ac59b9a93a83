/* net/frame_encoder and net/frame_decoder. */
#include "net/frame.h"

#include <errno.h>
#include <string.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "net/frame_flags.h"
#include "tests/lib/test.h"

struct ends {
	struct frame_encoder *encoder;
	struct frame_decoder *decoder;
	struct transport *raw; /* what the encoder would use: for frames that it would not write */
	struct buf wire;
};

static void ends_init(struct ends *ends, bool never_compress)
{
	static const uint8_t key[CIPHER_KEY_LEN] = {1};
	struct frame_encoder_opts opts = {.never_compress = never_compress};
	struct transport *send, *receive;

	*ends = (struct ends){.encoder = NULL};
	assert_int_equal(transport_new(key, &ends->raw), 0);
	assert_int_equal(transport_new(key, &send), 0);
	assert_int_equal(transport_new(key, &receive), 0);
	assert_int_equal(frame_encoder_new(send, &opts, &ends->encoder), 0);
	assert_int_equal(frame_decoder_new(receive, &ends->decoder), 0);
}

static void ends_release(struct ends *ends)
{
	frame_encoder_free(ends->encoder);
	frame_decoder_free(ends->decoder);
	transport_free(ends->raw);
	buf_release(&ends->wire);
}

static void put(struct ends *ends, const void *message, size_t len)
{
	int r;

	assert_int_equal(frame_encoder_begin(ends->encoder, message, len), 0);
	do {
		size_t before = ends->wire.len;

		r = frame_encoder_next(ends->encoder, &ends->wire);
		assert_true(ends->wire.len - before <= FRAME_BYTES_MAX);
	} while (r == 0);
	assert_int_equal(r, 1);
}

/* A frame as it should not be. */
static void put_raw(struct ends *ends, uint8_t flags, const void *piece, size_t len)
{
	static uint8_t text[NOISE_PLAINTEXT_MAX], message[NOISE_MESSAGE_MAX];
	size_t message_len = len + 1 + NOISE_TAG_LEN;
	uint8_t header[2] = {(uint8_t)(message_len >> 8), (uint8_t)message_len};

	text[0] = flags;
	memcpy(text + 1, piece, len);
	assert_int_equal(transport_encrypt(ends->raw, text, len + 1, message), 0);
	buf_append(&ends->wire, header, sizeof(header));
	buf_append(&ends->wire, message, message_len);
}

/* Everything on the wire, `step` bytes at a time. What next gave last: 1 at the end, or an error. */
static int read_all(struct ends *ends, size_t step, struct buf *ret_messages, unsigned *ret_events)
{
	size_t at = 0;
	int r = 1;

	*ret_events = 0;
	while (at < ends->wire.len && r >= 0) {
		size_t len = ends->wire.len - at < step ? ends->wire.len - at : step;
		struct cursor in = cursor_on(ends->wire.data + at, len);
		const uint8_t *message;
		enum frame_event event;
		size_t message_len;

		while ((r = frame_decoder_next(ends->decoder, &in, &event, &message, &message_len)) == 0) {
			(*ret_events)++;
			if (event == FRAME_MESSAGE)
				buf_append(ret_messages, message, message_len);
		}
		assert_true(r < 0 || in.left == 0);
		at += len;
	}
	return r;
}

static int read_error(struct ends *ends)
{
	_cleanup_(buf_release) struct buf messages = BUF_INIT;
	const uint8_t *message;
	enum frame_event event;
	struct cursor in = cursor_on("x", 1);
	unsigned events;
	size_t len;
	int r = read_all(ends, SIZE_MAX, &messages, &events);

	assert_int_equal(events, 0);
	if (r < 0) { /* for good */
		assert_int_equal(frame_decoder_next(ends->decoder, &in, &event, &message, &len), r);
		assert_int_equal(frame_decoder_held_bytes(ends->decoder), 0);
		assert_int_equal(frame_decoder_end(ends->decoder), -ECONNRESET);
	}
	return r;
}

static void fill(uint8_t *bytes, size_t len, bool compressible)
{
	random_bytes(bytes, len);
	for (size_t i = 0; compressible && i < len; i++)
		bytes[i] &= 3;
}

static void messages_of_all_sizes(void **state)
{
	static const size_t sizes[] = {0,
				       1,
				       100,
				       FRAME_COMPRESS_MIN_BYTES,
				       40000,
				       FRAME_PIECE_BYTES - 1,
				       FRAME_PIECE_BYTES,
				       FRAME_PIECE_BYTES + 1,
				       2 * FRAME_PIECE_BYTES,
				       1024 * 1024,
				       FRAME_MESSAGE_MAX_BYTES};
	static uint8_t message[FRAME_MESSAGE_MAX_BYTES];

	for (int kind = 0; kind < 3; kind++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			_cleanup_(buf_release) struct buf messages = BUF_INIT;
			_cleanup_(ends_release) struct ends ends;
			unsigned events;

			ends_init(&ends, kind == 0);
			fill(message, sizes[i], kind > 0);
			put(&ends, message, sizes[i]);
			if (kind > 0 && sizes[i] > 1000)
				assert_true(ends.wire.len < sizes[i] / 2);
			assert_int_equal(read_all(&ends, kind == 2 ? 1000 : SIZE_MAX, &messages, &events), 1);
			assert_int_equal(events, 1);
			assert_int_equal(messages.len, sizes[i]);
			if (sizes[i] > 0)
				assert_memory_equal(messages.data, message, sizes[i]);
		}
}

static void too_large_is_not_begun(void **state)
{
	static uint8_t message[FRAME_MESSAGE_MAX_BYTES + 1];
	_cleanup_(ends_release) struct ends ends;

	ends_init(&ends, false);
	assert_int_equal(frame_encoder_begin(ends.encoder, message, sizeof(message)), -ERR_TOO_LARGE);
	assert_int_equal(frame_encoder_next(ends.encoder, &ends.wire), 1);
	put(&ends, "x", 1);
}

/* What nobody can compress goes out as it is; what compresses too well also, or the other side would call it a bomb. */
static void compresses_where_it_pays(void **state)
{
	static uint8_t message[300000];
	_cleanup_(buf_release) struct buf messages = BUF_INIT;
	_cleanup_(ends_release) struct ends ends;
	unsigned events;

	ends_init(&ends, false);
	fill(message, sizeof(message), false);
	put(&ends, message, sizeof(message));
	assert_true(ends.wire.len > sizeof(message));
	memset(message, 0, sizeof(message));
	put(&ends, message, sizeof(message));
	assert_true(ends.wire.len > 2 * sizeof(message));
	assert_int_equal(read_all(&ends, 70000, &messages, &events), 1);
	assert_int_equal(messages.len, 2 * sizeof(message));
}

static void goodbye(void **state)
{
	_cleanup_(buf_release) struct buf messages = BUF_INIT;
	_cleanup_(ends_release) struct ends ends;
	unsigned events;

	ends_init(&ends, false);
	put(&ends, "one", 3);
	put(&ends, "two", 3);
	assert_int_equal(frame_encoder_goodbye(ends.encoder, &ends.wire), 0);
	assert_int_equal(frame_encoder_goodbye(ends.encoder, &ends.wire), -ESHUTDOWN);
	assert_int_equal(frame_encoder_begin(ends.encoder, "x", 1), -ESHUTDOWN);
	assert_int_equal(read_all(&ends, 3, &messages, &events), 1);
	assert_int_equal(events, 3);
	assert_int_equal(frame_decoder_end(ends.decoder), 0);
}

/* However much of the stream arrives: only the whole of it ends well. */
static void truncated_at_every_byte(void **state)
{
	for (size_t cut = 0;; cut++) {
		_cleanup_(buf_release) struct buf messages = BUF_INIT;
		_cleanup_(ends_release) struct ends ends;
		size_t whole;
		unsigned events;

		ends_init(&ends, false);
		put(&ends, "one", 3);
		put(&ends, "second", 6);
		frame_encoder_goodbye(ends.encoder, &ends.wire);
		whole = ends.wire.len;
		if (cut < whole)
			ends.wire.len = cut;
		assert_int_equal(read_all(&ends, SIZE_MAX, &messages, &events), 1);
		assert_int_equal(frame_decoder_end(ends.decoder), cut < whole ? -ECONNRESET : 0);
		if (cut == whole)
			break;
	}
}

static void each_tampered_byte_fails(void **state)
{
	for (size_t at = 0;; at++) {
		_cleanup_(buf_release) struct buf messages = BUF_INIT;
		_cleanup_(ends_release) struct ends ends;
		unsigned events;
		int r;

		ends_init(&ends, false);
		put(&ends, "one", 3);
		frame_encoder_goodbye(ends.encoder, &ends.wire);
		if (at == ends.wire.len)
			break;
		ends.wire.data[at] ^= 1;
		r = read_all(&ends, SIZE_MAX, &messages, &events);
		assert_true(r < 0 || frame_decoder_end(ends.decoder) < 0);
		assert_true(events < 2);
	}
}

static void swapped_frames_fail(void **state)
{
	_cleanup_(ends_release) struct ends ends;
	size_t first_len;

	ends_init(&ends, false);
	put(&ends, "one", 3);
	first_len = ends.wire.len;
	put(&ends, "two", 3);
	memmove(ends.wire.data, ends.wire.data + first_len, ends.wire.len - first_len);
	ends.wire.len -= first_len;
	assert_int_equal(read_error(&ends), -ERR_WRONG_KEY);
}

static int error_of(uint8_t flags, const void *piece, size_t len)
{
	_cleanup_(ends_release) struct ends ends;

	ends_init(&ends, false);
	put_raw(&ends, flags, piece, len);
	return read_error(&ends);
}

static void flags_that_do_not_fit(void **state)
{
	static const uint8_t piece[FRAME_PIECE_BYTES] = {0};

	assert_int_equal(error_of(8, "x", 1), -ERR_MALFORMED);
	assert_int_equal(error_of(0x80, "x", 1), -ERR_MALFORMED);
	assert_int_equal(error_of(FRAME_FLAG_GOODBYE, "x", 1), -ERR_MALFORMED);
	assert_int_equal(error_of(FRAME_FLAG_GOODBYE | FRAME_FLAG_MORE, "", 0), -ERR_MALFORMED);
	assert_int_equal(error_of(FRAME_FLAG_GOODBYE | FRAME_FLAG_COMPRESSED, "", 0), -ERR_MALFORMED);
	assert_int_equal(error_of(FRAME_FLAG_MORE, "", 0), -ERR_MALFORMED);
	assert_int_equal(error_of(FRAME_FLAG_MORE, piece, FRAME_PIECE_BYTES - 1), -ERR_MALFORMED);
	assert_int_equal(error_of(FRAME_FLAG_COMPRESSED, "", 0), -ERR_MALFORMED);
	assert_int_equal(error_of(FRAME_FLAG_COMPRESSED, "no zstd", 7), -ERR_MALFORMED);
}

/* What may not follow a first piece, or a goodbye. */
static void second_frames_that_do_not_fit(void **state)
{
	static const uint8_t piece[FRAME_PIECE_BYTES] = {0};
	static const struct {
		uint8_t first, second;
		size_t second_len;
	} cases[] = {
	    {FRAME_FLAG_MORE, FRAME_FLAG_GOODBYE, 0},
	    {FRAME_FLAG_MORE, FRAME_FLAG_COMPRESSED, 1},
	    {FRAME_FLAG_MORE | FRAME_FLAG_COMPRESSED, 0, 1},
	    {FRAME_FLAG_MORE, 0, 0},
	    {FRAME_FLAG_GOODBYE, 0, 1},
	    {FRAME_FLAG_GOODBYE, FRAME_FLAG_GOODBYE, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(buf_release) struct buf messages = BUF_INIT;
		_cleanup_(ends_release) struct ends ends;
		unsigned events;

		ends_init(&ends, false);
		put_raw(&ends, cases[i].first, piece, cases[i].first == FRAME_FLAG_GOODBYE ? 0 : FRAME_PIECE_BYTES);
		put_raw(&ends, cases[i].second, piece, cases[i].second_len);
		assert_int_equal(read_all(&ends, SIZE_MAX, &messages, &events), -ERR_MALFORMED);
	}
}

static void lengths_that_do_not_fit(void **state)
{
	for (unsigned len = 0; len <= NOISE_TAG_LEN; len++) {
		_cleanup_(ends_release) struct ends ends;
		uint8_t header[2] = {0, (uint8_t)len};

		ends_init(&ends, false);
		buf_append(&ends.wire, header, sizeof(header)); /* is enough */
		assert_int_equal(read_error(&ends), -ERR_MALFORMED);
	}
}

static void an_endless_message_is_bounded(void **state)
{
	static const uint8_t piece[FRAME_PIECE_BYTES];
	_cleanup_(ends_release) struct ends ends;
	int r = 1;

	ends_init(&ends, false);
	for (int i = 0; r == 1; i++) {
		assert_true(i <= FRAME_MESSAGE_MAX_BYTES / FRAME_PIECE_BYTES);
		buf_clear(&ends.wire);
		put_raw(&ends, FRAME_FLAG_MORE, piece, sizeof(piece));
		if (i < FRAME_MESSAGE_MAX_BYTES / FRAME_PIECE_BYTES)
			assert_true(frame_decoder_held_bytes(ends.decoder) <= 2 * FRAME_MESSAGE_MAX_BYTES);
		r = read_error(&ends);
	}
	assert_int_equal(r, -ERR_TOO_LARGE);
}

/* zstd's own compression of zeros, as one message. */
static int error_of_bomb(size_t len)
{
	size_t bound = ZSTD_compressBound(len);
	_cleanup_(free_ptr) uint8_t *zeros = calloc(1, len);
	_cleanup_(free_ptr) uint8_t *bomb = malloc(bound);
	size_t n = ZSTD_compress(bomb, bound, zeros, len, 1);

	assert_true(!ZSTD_isError(n) && n < FRAME_PIECE_BYTES);
	return error_of(FRAME_FLAG_COMPRESSED, bomb, n);
}

static void bombs(void **state)
{
	assert_int_equal(error_of_bomb(100 * 1024), -ERR_TOO_LARGE); /* the ratio */
	assert_int_equal(error_of_bomb(FRAME_MESSAGE_MAX_BYTES), -ERR_TOO_LARGE);
	assert_int_equal(error_of_bomb(FRAME_MESSAGE_MAX_BYTES + 1), -ERR_TOO_LARGE);
	assert_int_equal(error_of_bomb(64 * 1024 * 1024), -ERR_TOO_LARGE);
}

static void zstd_that_does_not_fit(void **state)
{
	static const char text[] = "a text of some length, of some length, of some length, of some length, and an end";
	static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'};
	uint8_t two[400];
	size_t first = ZSTD_compress(two, sizeof(two), text, sizeof(text), 1);
	size_t second = ZSTD_compress(two + first, sizeof(two) - first, text, sizeof(text), 1);
	ZSTD_CCtx *context = ZSTD_createCCtx();

	assert_true(!ZSTD_isError(first) && !ZSTD_isError(second));
	assert_int_equal(error_of(FRAME_FLAG_COMPRESSED, two, first + second), -ERR_MALFORMED);
	assert_int_equal(error_of(FRAME_FLAG_COMPRESSED, two, first + 1), -ERR_MALFORMED);
	for (size_t cut = 0; cut < first; cut++)
		assert_int_equal(error_of(FRAME_FLAG_COMPRESSED, two, cut), -ERR_MALFORMED);
	assert_int_equal(error_of(FRAME_FLAG_COMPRESSED, skippable, sizeof(skippable)), -ERR_MALFORMED);
	ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
	first = ZSTD_compress2(context, two, sizeof(two), text, sizeof(text));
	assert_int_equal(error_of(FRAME_FLAG_COMPRESSED, two, first), -ERR_MALFORMED);
	ZSTD_freeCCtx(context);
}

/* After a large message, small ones give its memory back. */
static void memory_goes_back(void **state)
{
	static uint8_t message[1024 * 1024];
	_cleanup_(buf_release) struct buf messages = BUF_INIT;
	_cleanup_(ends_release) struct ends ends;
	unsigned events;

	ends_init(&ends, true);
	put(&ends, message, sizeof(message));
	assert_int_equal(read_all(&ends, 1000, &messages, &events), 1);
	assert_true(frame_decoder_held_bytes(ends.decoder) >= sizeof(message));
	for (int i = 0; i < 2; i++) {
		buf_clear(&ends.wire);
		put(&ends, "beat", 4);
		assert_int_equal(read_all(&ends, SIZE_MAX, &messages, &events), 1);
	}
	assert_true(frame_decoder_held_bytes(ends.decoder) <= 2 * FRAME_DECODER_IDLE_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_of_all_sizes),	     cmocka_unit_test(too_large_is_not_begun),
	    cmocka_unit_test(compresses_where_it_pays),	     cmocka_unit_test(goodbye),
	    cmocka_unit_test(truncated_at_every_byte),	     cmocka_unit_test(each_tampered_byte_fails),
	    cmocka_unit_test(swapped_frames_fail),	     cmocka_unit_test(flags_that_do_not_fit),
	    cmocka_unit_test(second_frames_that_do_not_fit), cmocka_unit_test(lengths_that_do_not_fit),
	    cmocka_unit_test(an_endless_message_is_bounded), cmocka_unit_test(bombs),
	    cmocka_unit_test(zstd_that_does_not_fit),	     cmocka_unit_test(memory_goes_back),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
