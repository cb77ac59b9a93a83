#include "net/pairing_link.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

enum { READ_BYTES = 2048 };

struct pairing_link {
	uv_tcp_t *tcp;		 /* owned */
	struct pairing *pairing; /* owned; NULL when closing */
	struct pairing_link_opts opts;
	bool has_spoken;
	char input[READ_BYTES];
};

static void on_gone(uv_handle_t *tcp)
{
	free(tcp);
}

static void on_closed(uv_handle_t *tcp)
{
	struct pairing_link *link = tcp->data;
	struct pairing_link_opts opts = link->opts;

	free(tcp);
	free(link);
	if (opts.closed)
		opts.closed(opts.arg);
}

void pairing_link_close(struct pairing_link *link)
{
	pairing_free(link->pairing);
	link->pairing = NULL;
	uv_close((uv_handle_t *)link->tcp, on_closed);
}

static int send_all(struct pairing_link *link, const struct buf *bytes)
{
	uv_buf_t out = uv_buf_init((char *)bytes->data, (unsigned)bytes->len);

	if (bytes->len == 0)
		return 0;
	return uv_try_write((uv_stream_t *)link->tcp, &out, 1) == (int)bytes->len ? 0 : -EPIPE;
}

/* What `out` holds leaves, then the owner hears of it. */
static void step(struct pairing_link *link, const struct buf *out)
{
	link->has_spoken |= out->len > 0;
	if (send_all(link, out) < 0)
		pairing_hang_up(link->pairing, link->opts.now_ms());
	link->opts.stepped(link->opts.arg, link, pairing_outcome(link->pairing));
}

static void on_alloc(uv_handle_t *tcp, size_t suggested, uv_buf_t *ret_buf)
{
	struct pairing_link *link = tcp->data;

	*ret_buf = uv_buf_init(link->input, sizeof(link->input));
}

static void on_read(uv_stream_t *tcp, ssize_t len, const uv_buf_t *buf)
{
	_cleanup_(buf_release) struct buf out = BUF_INIT;
	struct pairing_link *link = tcp->data;

	if (len == 0 || !link->pairing)
		return;
	if (len > 0) {
		pairing_receive(link->pairing, link->opts.now_ms(), buf->base, (size_t)len, &out);
	} else {
		uv_read_stop(tcp);
		pairing_hang_up(link->pairing, link->opts.now_ms());
	}
	step(link, &out);
}

int pairing_link_new(uv_tcp_t *tcp, struct pairing *pairing, const struct buf *first,
		     const struct pairing_link_opts *opts, struct pairing_link **ret_link)
{
	struct pairing_link *link = calloc(1, sizeof(*link));

	if (!link) {
		pairing_free(pairing);
		uv_close((uv_handle_t *)tcp, on_gone);
		return -ENOMEM;
	}
	link->tcp = tcp;
	link->pairing = pairing;
	link->opts = *opts;
	tcp->data = link;
	uv_tcp_nodelay(tcp, 1);
	send_all(link, first); /* if it fails, so does reading */
	uv_read_start((uv_stream_t *)tcp, on_alloc, on_read);
	*ret_link = link;
	return 0;
}

void pairing_link_decide(struct pairing_link *link, enum pairing_outcome verdict)
{
	_cleanup_(buf_release) struct buf out = BUF_INIT;

	pairing_decide(link->pairing, link->opts.now_ms(), verdict, &out);
	step(link, &out);
}

void pairing_link_tick(struct pairing_link *link)
{
	const struct buf nothing = BUF_INIT;

	if (link->opts.now_ms() < pairing_deadline_ms(link->pairing))
		return;
	pairing_tick(link->pairing, link->opts.now_ms());
	step(link, &nothing);
}

uint64_t pairing_link_deadline_ms(const struct pairing_link *link)
{
	return pairing_deadline_ms(link->pairing);
}

const struct pairing *pairing_link_pairing(const struct pairing_link *link)
{
	return link->pairing;
}

bool pairing_link_has_spoken(const struct pairing_link *link)
{
	return link->has_spoken;
}

const uv_tcp_t *pairing_link_tcp(const struct pairing_link *link)
{
	return link->tcp;
}
