#include "tests/net/street.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/address.h"
#include "net/preamble.h"
#include "tests/lib/test.h"

enum { DEADLINE_MS = 20000 };

static uint64_t passed_ms;

uint64_t street_now_ms(void)
{
	return clock_monotonic_ms() + passed_ms;
}

void street_pass(uint64_t ms)
{
	passed_ms += ms;
}

/* A UDP port that nobody uses at the moment. */
static uint16_t free_udp_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

void street_init(struct street *s)
{
	memset(s, 0, sizeof(*s));
	signal(SIGPIPE, SIG_IGN); /* as the program does */
	assert_int_equal(uv_loop_init(&s->loop), 0);
	s->udp_port = free_udp_port();
}

static void on_deadline(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static bool is_true(void *flag)
{
	return *(bool *)flag;
}

void street_run(struct street *s, bool (*until)(void *arg), void *arg)
{
	bool late = false;
	uv_timer_t timer;

	uv_timer_init(&s->loop, &timer);
	timer.data = &late;
	uv_update_time(&s->loop);
	uv_timer_start(&timer, on_deadline, DEADLINE_MS, 0);
	while (!until(arg) && !late)
		uv_run(&s->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&s->loop, UV_RUN_NOWAIT); /* closes it */
	assert_false(late);
}

void street_release(struct street *s)
{
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
}

struct discovery_opts street_discovery(const struct street *s)
{
	static const char *const loopback[] = {"lo"};

	return (struct discovery_opts){.udp_port = s->udp_port, .interfaces = {.names = loopback, .count = 1}};
}

static uint16_t listen_on_loopback(uv_loop_t *loop, uv_tcp_t *listener, uv_connection_cb on_connection)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int len = sizeof(address);

	assert_int_equal(uv_tcp_init(loop, listener), 0);
	assert_int_equal(uv_tcp_bind(listener, (struct sockaddr *)&address, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)listener, 16, on_connection), 0);
	assert_int_equal(uv_tcp_getsockname(listener, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin_port);
}

/* --- hosts --- */

/* A connection whose preamble is being read. */
struct caller {
	struct test_host *host;
	size_t len;
	uint8_t preamble[PREAMBLE_LEN];
};

static void on_caller_alloc(uv_handle_t *tcp, size_t suggested, uv_buf_t *ret_buf)
{
	struct caller *caller = tcp->data;

	*ret_buf = uv_buf_init((char *)caller->preamble + caller->len, (unsigned)(PREAMBLE_LEN - caller->len));
}

static void on_caller_read(uv_stream_t *tcp, ssize_t len, const uv_buf_t *buf)
{
	struct caller *caller = tcp->data;
	enum preamble_purpose purpose;

	if (len == 0)
		return;
	caller->len += len > 0 ? (size_t)len : 0;
	if (len > 0 && caller->len < PREAMBLE_LEN)
		return;
	caller->host->street->accepting--;
	uv_read_stop(tcp);
	if (len > 0 && caller->host->host) {
		assert_int_equal(preamble_read(caller->preamble, &purpose), 0);
		assert_int_equal(purpose, PREAMBLE_PAIR);
		pairing_host_take(caller->host->host, (uv_tcp_t *)tcp);
	} else {
		uv_close((uv_handle_t *)tcp, (uv_close_cb)free);
	}
	free(caller);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct test_host *h = listener->data;
	uv_tcp_t *tcp = calloc(1, sizeof(*tcp));
	struct caller *caller = calloc(1, sizeof(*caller));

	assert_int_equal(status, 0);
	assert_true(tcp && caller);
	caller->host = h;
	uv_tcp_init(listener->loop, tcp);
	tcp->data = caller;
	assert_int_equal(uv_accept(listener, (uv_stream_t *)tcp), 0);
	h->street->accepting++;
	uv_read_start((uv_stream_t *)tcp, on_caller_alloc, on_caller_read);
}

static enum pairing_outcome on_decide(void *arg, const uint8_t *peer_key, const void *payload, size_t len)
{
	struct test_host *h = arg;

	h->decided++;
	memcpy(h->peer_key, peer_key, KEY_PUBLIC_LEN);
	buf_append(&h->peer_payload, payload, len);
	return h->verdict;
}

static void on_host_closed(void *arg)
{
	((struct test_host *)arg)->closing--;
}

static void close_within(struct test_host *h)
{
	h->closing++;
	pairing_host_close(h->host, on_host_closed, h);
	h->host = NULL;
}

static void on_ended(void *arg, enum pairing_outcome outcome, unsigned runs_left)
{
	struct test_host *h = arg;

	assert_true(h->ended < OUTCOMES_MAX && !h->over);
	h->outcomes[h->ended++] = outcome;
	h->runs_left = runs_left;
	if (h->close_at_ended)
		close_within(h);
}

static void on_over(void *arg, enum pairing_code_state reason)
{
	struct test_host *h = arg;

	assert_false(h->over);
	h->over = true;
	h->reason = reason;
	if (h->close_at_over)
		close_within(h);
}

void test_host_open(struct test_host *h, struct street *s, const struct test_host_opts *opts)
{
	struct discovery_opts discovery = street_discovery(s);
	struct pairing_host_opts host = {.payload = HOST_PAYLOAD,
					 .payload_len = strlen(HOST_PAYLOAD),
					 .name = HOST_NAME,
					 .life_ms = opts->life_ms,
					 .now_ms = street_now_ms,
					 .decide = on_decide,
					 .ended = on_ended,
					 .over = on_over,
					 .arg = h};

	*h = (struct test_host){.street = s, .keys = keys_from(HOST_SEED), .verdict = PAIRING_PAIRED};
	h->port = listen_on_loopback(&s->loop, &h->listener, on_connection);
	h->listener.data = h;
	discovery.tcp_port = h->port;
	if (opts->beacons)
		assert_int_equal(discovery_open(&s->loop, &discovery, &h->discovery), 0);
	host.discovery = h->discovery;
	host.static_secret = h->keys.secret;
	assert_int_equal(pairing_host_open(&s->loop, &host, &h->host), 0);
}

static bool no_caller(void *street)
{
	return ((struct street *)street)->accepting == 0;
}

static bool host_is_closed(void *host)
{
	return ((struct test_host *)host)->closing == 0;
}

void test_host_close(struct test_host *h)
{
	street_run(h->street, no_caller, h->street);
	if (h->host)
		close_within(h);
	if (h->discovery) {
		h->closing++;
		discovery_close(h->discovery, on_host_closed, h);
	}
	uv_close((uv_handle_t *)&h->listener, NULL);
	street_run(h->street, host_is_closed, h);
	buf_release(&h->peer_payload);
}

const char *test_host_address(const struct test_host *h, char ret_text[NODE_ADDRESS_TEXT])
{
	snprintf(ret_text, NODE_ADDRESS_TEXT, "127.0.0.1:%u", h->port);
	return ret_text;
}

bool test_host_is_over(void *host)
{
	return ((struct test_host *)host)->over;
}

/* --- guests --- */

static void on_guest_closed(void *arg)
{
	((struct test_guest *)arg)->closed = true;
}

static void on_progress(void *arg, const struct pairing_guest_progress *progress)
{
	struct test_guest *g = arg;

	assert_int_equal(g->ended, 0);
	g->stages[progress->stage]++;
	assert_true((progress->stage == GUEST_SEARCHING) == (progress->address == NULL));
	if (progress->stage == GUEST_FOUND)
		strncpy(g->found_name, progress->name, sizeof(g->found_name) - 1);
	if (g->pass_at == progress->stage && g->pass_time == g->stages[progress->stage])
		street_pass(g->pass_ms);
	if (g->close_at == (int)progress->stage)
		pairing_guest_close(TAKE_PTR(g->guest), on_guest_closed, g);
}

static void on_end(void *arg, const struct pairing_guest_end *end)
{
	struct test_guest *g = arg;

	g->ended++;
	g->outcome = end->outcome;
	g->error = end->error;
	g->has_address = end->address != NULL;
	if (end->address)
		memcpy(&g->address, end->address, address_len(end->address));
	assert_true((end->peer_key != NULL) == (end->outcome == PAIRING_PAIRED || end->outcome == PAIRING_REFUSED));
	if (end->peer_key) {
		memcpy(g->peer_key, end->peer_key, KEY_PUBLIC_LEN);
		buf_append(&g->peer_payload, end->payload, end->payload_len);
	}
	if (g->close_at == CLOSE_AT_END)
		pairing_guest_close(TAKE_PTR(g->guest), on_guest_closed, g);
}

static enum pairing_outcome on_guest_decides(void *arg, const uint8_t *peer_key, const void *payload, size_t len)
{
	struct test_guest *g = arg;

	assert_int_equal(len, strlen(HOST_PAYLOAD));
	assert_memory_equal(payload, HOST_PAYLOAD, len);
	g->decided++;
	return g->street->guests_decide;
}

void test_guest_open(struct test_guest *g, struct street *s, uint8_t seed, const char *code,
		     const char *const *addresses, uint64_t time_ms)
{
	char normal[PAIRING_CODE_LEN + 1];
	struct pairing_guest_opts opts = {.code = normal,
					  .payload = GUEST_PAYLOAD,
					  .payload_len = strlen(GUEST_PAYLOAD),
					  .addresses = addresses,
					  .discovery = street_discovery(s),
					  .time_ms = time_ms,
					  .now_ms = street_now_ms,
					  .progress = on_progress,
					  .decide = s->guests_decide != PAIRING_RUNNING ? on_guest_decides : NULL,
					  .end = on_end,
					  .arg = g};

	*g = (struct test_guest){.street = s, .keys = keys_from(seed), .close_at = -1};
	assert_int_equal(pairing_code_normalise(code, normal), 0);
	for (; addresses && addresses[opts.address_count]; opts.address_count++)
		;
	opts.static_secret = g->keys.secret;
	assert_int_equal(pairing_guest_open(&s->loop, &opts, &g->guest), 0);
}

void test_guest_close(struct test_guest *g)
{
	if (g->guest)
		pairing_guest_close(g->guest, on_guest_closed, g);
	street_run(g->street, is_true, &g->closed);
	buf_release(&g->peer_payload);
}

bool test_guest_has_ended(void *guest)
{
	return ((struct test_guest *)guest)->ended > 0;
}

/* --- the relay --- */

static void on_relay_closed(uv_handle_t *handle)
{
	((struct relay *)handle->data)->handles--;
}

void relay_cut(struct relay *r)
{
	if (!r->accepted || r->closed)
		return;
	r->closed = true;
	uv_close((uv_handle_t *)&r->typer, on_relay_closed);
	uv_close((uv_handle_t *)&r->shower, on_relay_closed);
}

static void pass_on(struct relay *r, uv_tcp_t *to, struct buf *from, size_t len)
{
	uv_buf_t out = uv_buf_init((char *)from->data, (unsigned)len);

	buf_append(&r->captured, from->data, len);
	uv_try_write((uv_stream_t *)to, &out, 1); /* fails when that side is gone */
	from->len -= len;
	memmove(from->data, from->data + len, from->len);
}

/* False: nothing more goes on. */
static bool pass_message(struct relay *r, uv_tcp_t *to, struct buf *from, size_t len)
{
	if (r->message == r->stop)
		return false;
	if (r->message == r->cut) {
		relay_cut(r);
		return false;
	}
	if (r->message == r->flip)
		from->data[len - 1 - (size_t)r->flip_back] ^= 0x20;
	r->message++;
	pass_on(r, to, from, len);
	return true;
}

static void pass_messages(struct relay *r, bool from_typer)
{
	struct buf *from = &r->pending[!from_typer];
	uv_tcp_t *to = from_typer ? &r->shower : &r->typer;

	if (from_typer && !r->preamble_done) {
		if (from->len < PREAMBLE_LEN)
			return;
		r->preamble_done = true;
		pass_on(r, to, from, PREAMBLE_LEN);
	}
	while (from->len >= 2) {
		size_t len = 2 + ((size_t)from->data[0] << 8 | from->data[1]);

		if (from->len < len || !pass_message(r, to, from, len))
			return;
	}
}

static void on_relay_alloc(uv_handle_t *tcp, size_t suggested, uv_buf_t *ret_buf)
{
	struct relay *r = tcp->data;

	*ret_buf = uv_buf_init(r->input, sizeof(r->input));
}

static void on_relay_read(uv_stream_t *tcp, ssize_t len, const uv_buf_t *buf)
{
	struct relay *r = tcp->data;
	bool from_typer = (uv_tcp_t *)tcp == &r->typer;

	if (len < 0) {
		relay_cut(r);
	} else {
		buf_append(&r->pending[!from_typer], buf->base, (size_t)len);
		pass_messages(r, from_typer);
	}
}

static void on_relay_connected(uv_connect_t *connect, int status)
{
	struct relay *r = connect->data;

	if (status == UV_ECANCELED)
		return;
	assert_int_equal(status, 0);
	uv_read_start((uv_stream_t *)&r->shower, on_relay_alloc, on_relay_read);
	uv_read_start((uv_stream_t *)&r->typer, on_relay_alloc, on_relay_read);
}

static void on_relay_connection(uv_stream_t *listener, int status)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct relay *r = listener->data;

	assert_int_equal(status, 0);
	assert_false(r->accepted);
	r->accepted = true;
	to.sin_port = htons(r->to_port);
	uv_tcp_init(listener->loop, &r->typer);
	uv_tcp_init(listener->loop, &r->shower);
	r->typer.data = r->shower.data = r->connect.data = r;
	r->handles += 2;
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&r->typer), 0);
	assert_int_equal(uv_tcp_connect(&r->connect, &r->shower, (struct sockaddr *)&to, on_relay_connected), 0);
}

void relay_open(struct relay *r, struct street *s, uint16_t to_port)
{
	memset(r, 0, sizeof(*r));
	r->street = s;
	r->to_port = to_port;
	r->flip = r->cut = r->stop = -1;
	r->port = listen_on_loopback(&s->loop, &r->listener, on_relay_connection);
	r->listener.data = r;
	r->handles = 1;
}

static bool relay_is_closed(void *relay)
{
	return ((struct relay *)relay)->handles == 0;
}

void relay_close(struct relay *r)
{
	relay_cut(r);
	uv_close((uv_handle_t *)&r->listener, on_relay_closed);
	street_run(r->street, relay_is_closed, r);
	buf_release(&r->pending[0]);
	buf_release(&r->pending[1]);
	buf_release(&r->captured);
}

bool relay_has_stopped(void *relay)
{
	struct relay *r = relay;

	return r->message == r->stop;
}
