#include "mount/channel.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mount/frame.h"
#include "mount/terminal.h"

static int channel_write(void *arg, enum out_stream stream, const void *data, size_t len)
{
	struct channel *channel = arg;
	const uint8_t *at = data;

	do {
		_cleanup_(buf_release) struct buf b = BUF_INIT;
		size_t piece = len < FRAME_CHUNK_BYTES ? len : FRAME_CHUNK_BYTES;
		int r;

		frame_put_output(&b, stream, at, piece);
		r = frame_write(channel->fd, &b);
		if (r < 0)
			return r;
		at += piece;
		len -= piece;
	} while (len > 0);
	return 0;
}

/* Nothing is to come from the other side any more, so whatever there is to read means that it wants us to end. */
static bool channel_cancelled(void *arg)
{
	struct channel *channel = arg;
	struct pollfd p = {.fd = channel->fd, .events = POLLIN | POLLRDHUP};

	if (channel->stopping && atomic_load(channel->stopping))
		return true;
	return poll(&p, 1, 0) > 0;
}

const struct out_sink channel_sink = {.write = channel_write, .cancelled = channel_cancelled};

int channel_exit(struct channel *channel, int code)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	frame_put_exit(&b, code);
	return frame_write(channel->fd, &b);
}

static void close_our_half(int fd)
{
	if (terminal_interrupted())
		shutdown(fd, SHUT_WR);
}

static int show(struct out *out, const struct frame *frame)
{
	static const enum out_stream streams[] = {
	    [FRAME_STDOUT] = OUT_STDOUT, [FRAME_STDERR] = OUT_STDERR, [FRAME_PROGRESS] = OUT_PROGRESS};

	return out->sink->write(out->arg, streams[frame->kind], frame->bytes, frame->len);
}

int channel_show(int fd, struct out *out, int *ret_code)
{
	_cleanup_(buf_release) struct buf payload = BUF_INIT;

	for (;;) {
		struct frame frame;
		int r = frame_read(fd, FRAME_REPLY_MAX_BYTES, -1, close_our_half, &payload);

		if (r == 0)
			r = frame_decode(payload.data, payload.len, &frame);
		if (r < 0)
			return r;
		if (frame.kind == FRAME_EXIT) {
			*ret_code = frame.code;
			return 0;
		}
		if (frame.kind == FRAME_REQUEST) {
			free(frame.words);
			return -ERR_MALFORMED;
		}
		r = show(out, &frame);
		if (r < 0) { /* our own output is gone (`| head`): hang up, which ends the command */
			*ret_code = EXITCODE_PARTIAL;
			return 0;
		}
	}
}
