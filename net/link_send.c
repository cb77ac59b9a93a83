/* What is sent lies encrypted in write requests until the kernel has it all. While a queue lasts, requests with large
 * buffers are kept for the next messages: the system takes longer to clear fresh memory than the cipher to fill it. */
#include "net/link_parts.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

struct link_write {
	uv_write_t request;	 /* the first field: a callback finds the rest by it */
	struct link_write *next; /* in `spares` */
	struct buf bytes;	 /* owned */
};

static void free_write(struct link_write *write)
{
	buf_release(&write->bytes);
	free(write);
}

void link_drop_spares(struct link *link)
{
	struct link_write *next;

	for (struct link_write *spare = link->spares; spare; spare = next) {
		next = spare->next;
		free_write(spare);
	}
	link->spares = NULL;
	link->spare_bytes = 0;
}

/* A spare one if it has room enough, and not more than twice of that. */
static struct link_write *new_write(struct link *link, size_t len)
{
	struct link_write *write = link->spares;

	if (write && write->bytes.capacity >= len && write->bytes.capacity / 2 <= len) {
		link->spares = write->next;
		link->spare_bytes -= write->bytes.capacity;
		return write;
	}
	write = calloc(1, sizeof(*write));
	if (!write)
		return NULL;
	write->bytes.data = malloc(len);
	if (!write->bytes.data) {
		free(write);
		return NULL;
	}
	write->bytes.capacity = len;
	return write;
}

static bool is_worth_keeping(const struct link *link, size_t capacity)
{
	return link->state == UP && link->held_bytes > 0 && capacity >= LINK_SPARE_MIN_BYTES &&
	       link->held_bytes + link->spare_bytes + capacity <= link->ctx->limits.queue_bytes;
}

static void release_write(struct link *link, struct link_write *write)
{
	if (link->held_bytes == 0)
		link_drop_spares(link);
	if (!is_worth_keeping(link, write->bytes.capacity)) {
		free_write(write);
		return;
	}
	buf_clear(&write->bytes);
	write->next = link->spares;
	link->spares = write;
	link->spare_bytes += write->bytes.capacity;
}

void link_close_when_done(struct link *link)
{
	if (link->state == CLOSING && link->heard_goodbye && link->held_bytes == 0)
		link_abort(link);
}

static void on_written(uv_write_t *request, int status)
{
	struct link_write *write = (struct link_write *)request;
	struct link *link = request->handle->data;

	link->held_bytes -= write->bytes.len;
	release_write(link, write);
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

/* Takes over the request, also on failure. */
static int put(struct link *link, struct link_write *write)
{
	uv_buf_t out = uv_buf_init((char *)write->bytes.data, (unsigned)write->bytes.len);
	bool idle = link->held_bytes == 0;
	int r;

	link->sent_ms = link_now_ms(link);
	link->bytes_out += out.len;
	link->held_bytes += out.len;
	r = uv_write(&write->request, (uv_stream_t *)link->tcp, &out, 1, on_written);
	if (r < 0) { /* then there is no callback */
		link->bytes_out -= out.len;
		link->held_bytes -= out.len;
		free_write(write);
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
	struct link_write *write = new_write(link, len);

	if (!write)
		return -ENOMEM;
	buf_append(&write->bytes, data, len);
	return put(link, write);
}

/* As much as a message can take, so that it is allocated once. */
static size_t frames_len(size_t len)
{
	return len + (len / FRAME_PIECE_BYTES + 1) * (FRAME_LENGTH_BYTES + 1 + NOISE_TAG_LEN);
}

int link_put_message(struct link *link, const void *message, size_t len)
{
	struct link_write *write = new_write(link, frames_len(len));
	int r;

	if (!write)
		return -ENOMEM;
	r = frame_encoder_begin(link->encoder, message, len);
	while (r == 0)
		r = frame_encoder_next(link->encoder, &write->bytes);
	if (r < 0) {
		free_write(write);
		return r;
	}
	return put(link, write);
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
	struct link_write *write = new_write(link, frames_len(0));
	int r;

	if (!write)
		return -ENOMEM;
	r = frame_encoder_goodbye(link->encoder, &write->bytes);
	if (r < 0) {
		free_write(write);
		return r;
	}
	return put(link, write);
}
