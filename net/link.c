/* States, each with the one thing that it waits for:
 *
 *     CONNECTING    TCP                          -> AWAIT_KK2 (preamble and message 1 are sent)
 *     AWAIT_KK1     the initiator's message 1    -> AWAIT_GREETING (message 2 is sent)
 *     AWAIT_KK2     the responder's message 2    -> AWAIT_GREETING (our greeting is sent)
 *     AWAIT_GREETING  the peer's greeting        -> UP (the responder sends its own), or HELD
 *     HELD          link_release               -> UP (likewise)
 *     UP            goodbye, from either side    -> CLOSING
 *     CLOSING       our bytes to be out and the peer's goodbye to be in, or the time to be up
 *     SHUT          the close callbacks of tcp and timer
 *
 * Ownership: a link has two handles. Each close callback counts one off, and the last one frees the link: no request or
 * callback can outlive it, as libuv ends all requests of a handle before it closes it. A write request owns its bytes
 * and finds the link by its handle. An event may end the link; whoever raised it looks at the state again.
 *
 * An owner is never called within his own call: what fails in one is kept in `failed`, for the timer to tell.
 *
 * Bytes of the handshake are read one message at a time, never more, so that nothing has to be put back. Deadlines move
 * only away from us while a state lasts (but for the first bytes of a queue), so the timer is not touched for each
 * message: when it fires too early, it is set anew. */
#include "net/link_parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "net/address.h"

static void set(uint32_t *limit, uint32_t value)
{
	if (*limit == 0)
		*limit = value;
}

int link_context_init(struct link_context *ctx, uv_loop_t *loop, const struct keyring *ring, const struct uuid *library,
		      const struct link_limits *limits, const struct link_events *events, void *arg)
{
	*ctx = (struct link_context){.loop = loop, .ring = ring, .events = events, .arg = arg};
	ctx->read_buffer = malloc(LINK_READ_BYTES);
	if (!ctx->read_buffer)
		return -ENOMEM;
	if (limits)
		ctx->limits = *limits;
	set(&ctx->limits.handshake_ms, LINK_HANDSHAKE_MS);
	set(&ctx->limits.heard_ms, LINK_HEARD_MS);
	set(&ctx->limits.probe_ms, LINK_PROBE_MS);
	set(&ctx->limits.late_ms, LINK_LATE_MS);
	set(&ctx->limits.keepalive_ms, LINK_KEEPALIVE_MS);
	set(&ctx->limits.stall_ms, LINK_STALL_MS);
	set(&ctx->limits.goodbye_ms, LINK_GOODBYE_MS);
	if (ctx->limits.queue_bytes == 0)
		ctx->limits.queue_bytes = LINK_QUEUE_BYTES;
	preamble_write(PREAMBLE_LINK, ctx->prologue);
	memcpy(ctx->prologue + PREAMBLE_LEN, library->bytes, UUID_LEN);
	random_bytes(ctx->instance, sizeof(ctx->instance));
	return 0;
}

void link_context_release(struct link_context *ctx)
{
	free(ctx->read_buffer);
	ctx->read_buffer = NULL;
}

/* --- the end --- */

static void on_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;

	if (handle == (uv_handle_t *)link->tcp) {
		free(handle);
		link->tcp = NULL;
	}
	if (--link->handles > 0)
		return;
	link->ctx->events->gone(link->ctx->arg, link);
	link_drop_spares(link);
	noise_free(link->noise);
	frame_encoder_free(link->encoder);
	frame_decoder_free(link->decoder);
	free(link);
}

void link_abort(struct link *link)
{
	if (link->state == SHUT)
		return;
	link->state = SHUT;
	uv_close((uv_handle_t *)link->tcp, on_closed);
	uv_close((uv_handle_t *)&link->timer, on_closed);
}

/* In CLOSING the owner has heard of the end already, or has wanted it. */
void link_end(struct link *link, int reason)
{
	bool tell = link->state != CLOSING && link->state != SHUT;

	link_abort(link);
	if (tell)
		link->ctx->events->ended(link->ctx->arg, link, reason);
}

/* --- time --- */

uint64_t link_now_ms(const struct link *link)
{
	return uv_now(link->ctx->loop);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t link_taken(const struct link *link)
{
	return link->bytes_out - uv_stream_get_write_queue_size((uv_stream_t *)link->tcp);
}

static uint64_t dead_at(const struct link *link)
{
	uint64_t last = link->heard_ms > link->excused_ms ? link->heard_ms : link->excused_ms;

	return earlier(last + link->ctx->limits.heard_ms, link->probe_ms);
}

static uint64_t stalled_at(const struct link *link)
{
	return link->held_bytes > 0 ? link->progress_ms + link->ctx->limits.stall_ms : UINT64_MAX;
}

static uint64_t deadline(const struct link *link)
{
	const struct link_limits *limits = &link->ctx->limits;

	if (link->failed || link->released)
		return 0;
	if (link->state == CLOSING)
		return link->since_ms + limits->goodbye_ms;
	if (link->state != UP)
		return link->since_ms + limits->handshake_ms;
	return earlier(earlier(dead_at(link), stalled_at(link)), link->sent_ms + limits->keepalive_ms);
}

static void on_timer(uv_timer_t *timer);

void link_arm(struct link *link)
{
	uint64_t now = link_now_ms(link), at = deadline(link);

	if (link->state != SHUT)
		uv_timer_start(&link->timer, on_timer, at > now ? at - now : 0, 0);
}

/* Timers come before what waits in the sockets: after a standstill of the loop, the peer gets its time again. */
static void excuse(struct link *link)
{
	uint64_t now = link_now_ms(link);

	link->excused_ms = now;
	link->progress_ms = now;
	link->probe_ms = UINT64_MAX;
	if (link->state != CLOSING)
		link->since_ms = now;
}

static void tick_up(struct link *link)
{
	uint64_t now = link_now_ms(link);
	int r = 0;

	if (now >= dead_at(link)) {
		link_end(link, -ETIMEDOUT);
		return;
	}
	if (now >= stalled_at(link)) {
		if (link_taken(link) == link->progress) {
			link_end(link, -ENOBUFS);
			return;
		}
		link->progress = link_taken(link);
		link->progress_ms = now;
	}
	if (now >= link->sent_ms + link->ctx->limits.keepalive_ms)
		r = link_put_message(link, NULL, 0);
	if (r < 0)
		link_end(link, r);
}

static void go_on(struct link *link)
{
	int r;

	link->released = false;
	r = link_come_up(link);
	if (r < 0)
		link_end(link, r);
}

static void on_timer(uv_timer_t *timer)
{
	struct link *link = timer->data;
	uint64_t now = link_now_ms(link), at = deadline(link);

	if (at > 0 && now > at + link->ctx->limits.late_ms)
		excuse(link);
	if (link->failed)
		link_end(link, link->failed);
	else if (link->released)
		go_on(link);
	else if (link->state == UP)
		tick_up(link);
	else if (link_now_ms(link) >= deadline(link))
		link_end(link, -ETIMEDOUT);
	link_arm(link);
}

/* --- closing --- */

static void begin_closing(struct link *link)
{
	link->state = CLOSING;
	link->since_ms = link_now_ms(link);
	if (link_put_goodbye(link) < 0)
		link_abort(link);
	link_arm(link);
}

void link_close(struct link *link)
{
	if (link->state == UP)
		begin_closing(link);
	else if (link->state != CLOSING)
		link_abort(link);
}

void link_release(struct link *link)
{
	if (link->state != HELD)
		return;
	link->released = true;
	link_arm(link);
}

void link_probe(struct link *link)
{
	if (link->state != UP || link->probe_ms != UINT64_MAX)
		return;
	link->probe_ms = link_now_ms(link) + link->ctx->limits.probe_ms;
	link_arm(link);
}

/* --- receiving --- */

static int take_goodbye(struct link *link)
{
	if (link->state == AWAIT_GREETING || link->state == HELD)
		return -ECONNRESET;
	link->heard_goodbye = true;
	if (link->state == UP) {
		begin_closing(link);
		link->ctx->events->ended(link->ctx->arg, link, 0);
	}
	link_close_when_done(link);
	return 0;
}

static int take_message(struct link *link, const uint8_t *message, size_t len)
{
	if (link->state == AWAIT_GREETING)
		return link_take_greeting(link, message, len);
	if (link->state == HELD) /* it has to wait for our greeting */
		return -ERR_MALFORMED;
	if (link->state == UP && len > 0)
		link->ctx->events->message(link->ctx->arg, link, message, len);
	return 0;
}

static void take_frames(struct link *link, const uint8_t *data, size_t len)
{
	struct cursor in = cursor_on(data, len);
	const uint8_t *message = NULL;
	enum frame_event event;
	size_t message_len = 0;
	int r = 0;

	while (r == 0 && link->state != SHUT) {
		r = frame_decoder_next(link->decoder, &in, &event, &message, &message_len);
		if (r == 0)
			r = event == FRAME_GOODBYE ? take_goodbye(link) : take_message(link, message, message_len);
	}
	if (r < 0)
		link_end(link, r);
}

static bool reads_handshake(const struct link *link)
{
	return link->state == AWAIT_KK1 || link->state == AWAIT_KK2;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
	struct link *link = handle->data;

	if (reads_handshake(link))
		*ret_buf = uv_buf_init((char *)link->handshake + link->handshake_len,
				       (unsigned)(sizeof(link->handshake) - link->handshake_len));
	else
		*ret_buf = uv_buf_init((char *)link->ctx->read_buffer, LINK_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct link *link = stream->data;

	if (n == 0 || link->state == SHUT)
		return;
	if (n < 0) {
		link_end(link, n == UV_EOF ? -ECONNRESET : (int)n);
		return;
	}
	link->heard_ms = link_now_ms(link);
	link->probe_ms = UINT64_MAX;
	link->bytes_in += (uint64_t)n;
	if (reads_handshake(link))
		link_take_handshake(link, (size_t)n);
	else
		take_frames(link, (const uint8_t *)buf->base, (size_t)n);
}

static void on_connected(uv_connect_t *request, int status)
{
	struct link *link = request->handle->data;

	if (link->state == SHUT)
		return;
	if (status == 0) {
		uv_tcp_nodelay(link->tcp, 1);
		link->since_ms = link_now_ms(link);
		status = uv_read_start((uv_stream_t *)link->tcp, on_alloc, on_read);
	}
	if (status == 0)
		status = link_send_hello(link);
	if (status < 0)
		link_end(link, status);
	link_arm(link);
}

/* --- the beginning --- */

static struct link *new_link(struct link_context *ctx, void *owner, uint64_t since_ms)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->ctx = ctx;
	link->owner = owner;
	link->since_ms = link->sent_ms = since_ms;
	link->heard_ms = link_now_ms(link);
	link->probe_ms = UINT64_MAX;
	return link;
}

/* From here on only the close callbacks free it. */
static void adopt(struct link *link, uv_tcp_t *tcp)
{
	link->tcp = tcp;
	tcp->data = link;
	uv_timer_init(link->ctx->loop, &link->timer);
	link->timer.data = link;
	link->handles = 2;
}

int link_accept(struct link_context *ctx, uv_tcp_t *tcp, uint64_t since_ms, void *owner, struct link **ret_link)
{
	struct link *link = new_link(ctx, owner, since_ms);

	if (!link)
		return -ENOMEM;
	link->state = AWAIT_KK1;
	adopt(link, tcp);
	uv_tcp_nodelay(tcp, 1);
	link->failed = uv_read_start((uv_stream_t *)tcp, on_alloc, on_read);
	link_arm(link);
	*ret_link = link;
	return 0;
}

static void dial(struct link *link, const struct sockaddr *address)
{
	link->initiated = true;
	link->serial = ++link->ctx->dials;
	link->state = CONNECTING;
	link->failed = uv_tcp_connect(&link->connecting, link->tcp, address, on_connected);
	link_arm(link);
}

int link_dial(struct link_context *ctx, size_t index, const struct sockaddr *address, void *owner,
	      struct link **ret_link)
{
	_cleanup_(free_ptr) uv_tcp_t *tcp = malloc(sizeof(*tcp));
	_cleanup_(free_ptr) struct link *link = new_link(ctx, owner, uv_now(ctx->loop));
	int r;

	if (!tcp || !link)
		return -ENOMEM;
	r = noise_kk_dial(ctx->ring, index, ctx->prologue, LINK_PROLOGUE_LEN, &link->noise);
	if (r < 0)
		return r;
	memcpy(link->peer_key, keyring_peer(ctx->ring, index), KEY_PUBLIC_LEN);
	link->knows_peer = true;
	uv_tcp_init(ctx->loop, tcp);
	adopt(link, TAKE_PTR(tcp));
	dial(link, address);
	*ret_link = TAKE_PTR(link);
	return 0;
}

/* --- questions --- */

void *link_owner(const struct link *link)
{
	return link->owner;
}

bool link_is_up(const struct link *link)
{
	return link->state == UP && !link->failed;
}

bool link_has_greeted(const struct link *link)
{
	return link->initiated && link->state >= AWAIT_GREETING;
}

bool link_is_held(const struct link *link)
{
	return link->state == HELD;
}

bool link_initiated(const struct link *link)
{
	return link->initiated;
}

uint64_t link_serial(const struct link *link)
{
	return link->serial;
}

const uint8_t *link_peer_key(const struct link *link)
{
	return link->knows_peer ? link->peer_key : NULL;
}

const uint8_t *link_peer_instance(const struct link *link)
{
	return link->peer_instance;
}

static uint32_t round_trip_us(const struct link *link)
{
	struct tcp_info info = {.tcpi_rtt = 0};
	socklen_t len = sizeof(info);
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)link->tcp, &fd) < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_rtt;
}

void link_stats(const struct link *link, struct link_stats *ret_stats)
{
	*ret_stats = (struct link_stats){.bytes_in = link->bytes_in,
					 .bytes_out = link->bytes_out,
					 .queued_bytes = link->held_bytes,
					 .heard_ms = link->heard_ms};
	if (link->state != SHUT)
		ret_stats->round_trip_us = round_trip_us(link);
}

void link_address(const struct link *link, char ret_text[NODE_ADDRESS_TEXT])
{
	struct sockaddr_storage address;
	int len = sizeof(address);

	ret_text[0] = '\0';
	if (link->state != SHUT && uv_tcp_getpeername(link->tcp, (struct sockaddr *)&address, &len) == 0)
		address_to_text((struct sockaddr *)&address, ret_text);
}
