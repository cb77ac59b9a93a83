#include "net/link_parts.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"

struct write {
	uv_write_t request;
	struct buf bytes; /* owned */
};

void link_close_when_done(struct link *link)
{
	if (link->state == CLOSING && link->heard_goodbye && link->held_bytes == 0)
		link_abort(link);
}

static void on_written(uv_write_t *request, int status)
{
	struct write *write = (struct write *)request;
	struct link *link = request->handle->data;

	link->held_bytes -= write->bytes.len;
	buf_release(&write->bytes);
	free(write);
	if (link->state == SHUT)
		return;
	if (status < 0) {
		link_end(link, status);
		return;
	}
	link->progress_ms = link_now_ms(link);
	link->progress = link_taken(link);
	link_close_when_done(link);
	if (link->state == UP && link->was_full && link->held_bytes < link->ctx->limits.queue_bytes / 2) {
		link->was_full = false;
		link->ctx->events->writable(link->ctx->arg, link);
	}
}

/* Takes over the bytes, also on failure. */
static int put_bytes(struct link *link, struct buf *bytes)
{
	struct write *write = malloc(sizeof(*write));
	uv_buf_t out = uv_buf_init((char *)bytes->data, (unsigned)bytes->len);
	bool idle = link->held_bytes == 0;
	int r;

	if (!write || buf_error(bytes) < 0) {
		free(write);
		buf_release(bytes);
		return -ENOMEM;
	}
	write->bytes = *bytes;
	*bytes = BUF_INIT;
	link->sent_ms = link_now_ms(link);
	link->bytes_out += out.len;
	link->held_bytes += out.len;
	r = uv_write(&write->request, (uv_stream_t *)link->tcp, &out, 1, on_written);
	if (r < 0) { /* then there is no callback */
		link->bytes_out -= out.len;
		link->held_bytes -= out.len;
		buf_release(&write->bytes);
		free(write);
		return r;
	}
	if (idle) {
		link->progress_ms = link_now_ms(link);
		link->progress = link_taken(link);
		link_arm(link);
	}
	return 0;
}

int link_put_copy(struct link *link, const void *data, size_t len)
{
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;

	buf_append(&bytes, data, len);
	return put_bytes(link, &bytes);
}

/* As much as a message can take, so that it is allocated once. */
static size_t frames_len(size_t len)
{
	return len + (len / FRAME_PIECE_BYTES + 1) * (FRAME_LENGTH_BYTES + 1 + NOISE_TAG_LEN);
}

int link_put_message(struct link *link, const void *message, size_t len)
{
	_cleanup_(buf_release) struct buf bytes = {.data = malloc(frames_len(len)), .capacity = frames_len(len)};
	int r;

	if (!bytes.data) {
		bytes.capacity = 0;
		return -ENOMEM;
	}
	r = frame_encoder_begin(link->encoder, message, len);
	while (r == 0)
		r = frame_encoder_next(link->encoder, &bytes);
	return r < 0 ? r : put_bytes(link, &bytes);
}

int link_send(struct link *link, const void *message, size_t len)
{
	int r;

	if (link->state != UP || link->failed)
		return -ENOTCONN;
	if (len == 0)
		return -EINVAL;
	if (len > FRAME_MESSAGE_MAX_BYTES)
		return -ERR_TOO_LARGE;
	if (link->held_bytes > 0 && link->held_bytes + frames_len(len) > link->ctx->limits.queue_bytes) {
		link->was_full = true;
		return -EAGAIN;
	}
	r = link_put_message(link, message, len);
	if (r < 0) {
		link->failed = r;
		link_arm(link);
	}
	return r;
}

int link_put_goodbye(struct link *link)
{
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;
	int r = frame_encoder_goodbye(link->encoder, &bytes);

	link->said_goodbye = true;
	return r < 0 ? r : put_bytes(link, &bytes);
}
