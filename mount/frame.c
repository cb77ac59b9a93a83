#include "mount/frame.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/pack.h"

enum { LENGTH_BYTES = 4, READ_PIECE_BYTES = 64 * 1024, WAKE_EVERY_MS = 250 };

/* Room for the length; frame_end fills it in. */
static size_t frame_begin(struct buf *b)
{
	size_t at = b->len;

	buf_append(b, "\0\0\0\0", LENGTH_BYTES);
	return at;
}

static void frame_end(struct buf *b, size_t at)
{
	size_t len;

	if (buf_error(b))
		return;
	len = b->len - at - LENGTH_BYTES;
	for (size_t i = 0; i < LENGTH_BYTES; i++)
		b->data[at + i] = (uint8_t)(len >> (24 - 8 * i));
}

void frame_put_request(struct buf *b, unsigned flags, int word_count, char *const *words)
{
	size_t at = frame_begin(b);

	pack_array(b, 4);
	pack_uint(b, FRAME_REQUEST);
	pack_uint(b, FRAME_VERSION);
	pack_uint(b, flags);
	pack_array(b, (uint32_t)word_count);
	for (int i = 0; i < word_count; i++)
		pack_bin(b, words[i], strlen(words[i]));
	frame_end(b, at);
}

void frame_put_output(struct buf *b, enum out_stream stream, const void *data, size_t len)
{
	static const enum frame_kind kinds[] = {
	    [OUT_STDOUT] = FRAME_STDOUT, [OUT_STDERR] = FRAME_STDERR, [OUT_PROGRESS] = FRAME_PROGRESS};
	size_t at = frame_begin(b);

	assert(len <= FRAME_CHUNK_BYTES);
	pack_array(b, 2);
	pack_uint(b, kinds[stream]);
	pack_bin(b, data, len);
	frame_end(b, at);
}

void frame_put_exit(struct buf *b, int code)
{
	size_t at = frame_begin(b);

	pack_array(b, 2);
	pack_uint(b, FRAME_EXIT);
	pack_uint(b, (uint64_t)code);
	frame_end(b, at);
}

/* The words in one block: pointers, then texts. */
static int decode_words(struct cursor *c, struct frame *frame)
{
	_cleanup_(free_ptr) char **words = NULL;
	uint32_t count;
	char *text;
	int r = cursor_pack_array(c, &count);

	if (r < 0)
		return r;
	if (count == 0 || count > FRAME_WORDS_MAX)
		return -ERR_MALFORMED;
	words = malloc((count + 1) * sizeof(*words) + c->left + count);
	if (!words)
		return -ENOMEM;
	text = (char *)(words + count + 1);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *bytes;
		size_t len;

		r = cursor_pack_bin(c, &bytes, &len);
		if (r < 0)
			return r;
		if (len > 0 && memchr(bytes, '\0', len))
			return -ERR_MALFORMED;
		words[i] = text;
		if (len > 0)
			memcpy(text, bytes, len);
		text[len] = '\0';
		text += len + 1;
	}
	words[count] = NULL;
	frame->word_count = (int)count;
	frame->words = TAKE_PTR(words);
	return 0;
}

static int decode_request(struct cursor *c, uint32_t fields, struct frame *frame)
{
	uint64_t version, flags;
	int r = cursor_pack_uint(c, &version);

	if (r < 0)
		return r;
	if (version > UINT32_MAX)
		return -ERR_MALFORMED;
	frame->version = (uint32_t)version;
	if (version != FRAME_VERSION) {
		c->left = 0; /* what follows is not ours to judge */
		return 0;
	}
	r = cursor_pack_uint(c, &flags);
	if (r < 0)
		return r;
	if (fields != 4 || flags > (FRAME_STDOUT_TTY | FRAME_STDERR_TTY))
		return -ERR_MALFORMED;
	frame->flags = (unsigned)flags;
	return decode_words(c, frame);
}

static int decode_exit(struct cursor *c, struct frame *frame)
{
	uint64_t code;
	int r = cursor_pack_uint(c, &code);

	if (r < 0)
		return r;
	if (code > 255)
		return -ERR_MALFORMED;
	frame->code = (int)code;
	return 0;
}

static int decode_fields(struct cursor *c, struct frame *frame)
{
	uint32_t fields;
	uint64_t kind;
	int r = cursor_pack_array(c, &fields);

	if (r == 0)
		r = cursor_pack_uint(c, &kind);
	if (r < 0)
		return r;
	if (kind < FRAME_REQUEST || kind > FRAME_EXIT || fields < 2 || (kind != FRAME_REQUEST && fields != 2))
		return -ERR_MALFORMED;
	frame->kind = (enum frame_kind)kind;
	if (kind == FRAME_REQUEST)
		return decode_request(c, fields, frame);
	if (kind == FRAME_EXIT)
		return decode_exit(c, frame);
	r = cursor_pack_bin(c, &frame->bytes, &frame->len);
	return r == 0 && frame->len > FRAME_CHUNK_BYTES ? -ERR_MALFORMED : r;
}

int frame_decode(const void *payload, size_t len, struct frame *ret_frame)
{
	struct cursor c = cursor_on(payload, len);
	struct frame frame = {0};
	int r = decode_fields(&c, &frame);

	if (r == 0 && c.left > 0)
		r = -ERR_MALFORMED;
	if (r < 0) {
		free(frame.words);
		return r;
	}
	*ret_frame = frame;
	return 0;
}

/* A signal may arrive just before poll begins and is not noticed then: so poll does not wait for ever. */
static int wait_readable(int fd, int timeout_ms, void (*wake)(int fd))
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		int r = poll(&p, 1, timeout_ms < 0 ? WAKE_EVERY_MS : timeout_ms);

		if (r > 0)
			return 0;
		if (r == 0 && timeout_ms >= 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (wake)
			wake(fd);
	}
}

/* Up to `len` bytes: fewer only at the end of the connection. */
static ssize_t read_bytes(int fd, void *data, size_t len, int timeout_ms, void (*wake)(int fd))
{
	uint8_t *at = data;
	size_t got = 0;

	while (got < len) {
		int r = wait_readable(fd, timeout_ms, wake);
		ssize_t n = r < 0 ? r : recv(fd, at + got, len - got, 0);

		if (r < 0)
			return r;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* In pieces, so that memory grows with what really arrives. */
static int read_payload(int fd, size_t len, int timeout_ms, void (*wake)(int fd), struct buf *payload)
{
	_cleanup_(free_ptr) uint8_t *piece = malloc(READ_PIECE_BYTES);

	if (!piece)
		return -ENOMEM;
	while (payload->len < len) {
		size_t left = len - payload->len;
		size_t want = left < READ_PIECE_BYTES ? left : READ_PIECE_BYTES;
		ssize_t n = read_bytes(fd, piece, want, timeout_ms, wake);

		if (n < 0)
			return (int)n;
		if ((size_t)n < want)
			return -ERR_MALFORMED;
		buf_append(payload, piece, want);
		if (buf_error(payload))
			return buf_error(payload);
	}
	return 0;
}

int frame_read(int fd, size_t max_bytes, int timeout_ms, void (*wake)(int fd), struct buf *payload)
{
	uint8_t head[LENGTH_BYTES];
	ssize_t n = read_bytes(fd, head, sizeof(head), timeout_ms, wake);
	size_t len = 0;

	if (n < 0)
		return (int)n;
	if (n == 0)
		return -EPIPE;
	if (n < LENGTH_BYTES)
		return -ERR_MALFORMED;
	for (size_t i = 0; i < LENGTH_BYTES; i++)
		len = len << 8 | head[i];
	if (len > max_bytes)
		return -ERR_TOO_LARGE;
	buf_clear(payload);
	return read_payload(fd, len, timeout_ms, wake, payload);
}

int frame_write(int fd, const struct buf *b)
{
	size_t done = 0;

	if (buf_error(b))
		return buf_error(b);
	while (done < b->len) {
		ssize_t n = send(fd, b->data + done, b->len - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}
