/* A row of links, of which the code lets one run. A link is in the row from pairing_host_take until its outcome is
 * final; `handles` counts it until it is closed. `over` is told once, when the code is dead. */
#include "net/pairing_host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/pairing_link.h"

struct pairing_host {
	uv_timer_t timer;
	unsigned handles; /* the timer and links, until closed */
	bool closing;
	bool over;
	struct pairing_code *code;
	struct pairing_host_opts opts;
	struct pairing_link *links[PAIRING_CONNECTIONS_MAX]; /* the oldest first */
	unsigned count;
	uint8_t payload[PAIRING_PAYLOAD_MAX];
	void (*closed)(void *arg);
	void *closed_arg;
};

static void on_timer(uv_timer_t *timer);

static void schedule(struct pairing_host *h)
{
	uint64_t now_ms = h->opts.now_ms();
	uint64_t left_ms = h->over ? 0 : pairing_code_left_ms(h->code, now_ms);
	uint64_t next_ms =
	    left_ms > 0 ? now_ms + left_ms : UINT64_MAX; /* beyond its life a run is on: that has an end */

	for (unsigned i = 0; i < h->count; i++)
		if (pairing_link_deadline_ms(h->links[i]) < next_ms)
			next_ms = pairing_link_deadline_ms(h->links[i]);
	if (h->closing)
		return;
	uv_update_time(h->timer.loop);
	if (next_ms == UINT64_MAX)
		uv_timer_stop(&h->timer);
	else
		uv_timer_start(&h->timer, on_timer, next_ms > now_ms ? next_ms - now_ms : 0, 0);
}

static bool is_dead(enum pairing_code_state state)
{
	return state != PAIRING_CODE_READY && state != PAIRING_CODE_BUSY;
}

static void check_over(struct pairing_host *h)
{
	enum pairing_code_state state = pairing_code_state(h->code, h->opts.now_ms());

	if (h->closing || h->over || !is_dead(state))
		return;
	h->over = true;
	if (h->opts.discovery)
		discovery_open_pairing(h->opts.discovery, NULL);
	if (h->opts.over)
		h->opts.over(h->opts.arg, state);
}

static void drop(struct pairing_host *h, struct pairing_link *link)
{
	for (unsigned i = 0; i < h->count; i++) {
		if (h->links[i] != link)
			continue;
		h->count--;
		memmove(&h->links[i], &h->links[i + 1], (h->count - i) * sizeof(h->links[0]));
	}
	pairing_link_close(link);
}

/* Who connects and says nothing of ours was no run. */
static void finish(struct pairing_host *h, struct pairing_link *link, enum pairing_outcome outcome)
{
	bool tell = pairing_link_has_spoken(link) || outcome == PAIRING_OTHER_VERSION;

	drop(h, link);
	if (tell && h->opts.ended)
		h->opts.ended(h->opts.arg, outcome, pairing_code_runs_left(h->code));
	check_over(h);
}

static void decide(struct pairing_host *h, struct pairing_link *link)
{
	const struct pairing *pairing = pairing_link_pairing(link);
	const void *payload;
	size_t len;

	payload = pairing_peer_payload(pairing, &len);
	pairing_link_decide(link, h->opts.decide(h->opts.arg, pairing_peer_key(pairing), payload, len));
}

static void on_step(void *arg, struct pairing_link *link, enum pairing_outcome outcome)
{
	struct pairing_host *h = arg;

	if (outcome == PAIRING_DECIDE)
		decide(h, link);
	else if (outcome != PAIRING_RUNNING)
		finish(h, link, outcome);
	schedule(h);
}

static void on_timer(uv_timer_t *timer)
{
	struct pairing_host *h = timer->data;

	for (unsigned i = h->count; i-- > 0 && !h->closing;)
		if (i < h->count)
			pairing_link_tick(h->links[i]);
	check_over(h);
	schedule(h);
}

static void release(struct pairing_host *h)
{
	void (*closed)(void *) = h->closed;
	void *arg = h->closed_arg;

	free((char *)h->opts.name);
	pairing_code_free(h->code);
	free(h);
	if (closed)
		closed(arg);
}

static void on_link_closed(void *arg)
{
	struct pairing_host *h = arg;

	if (--h->handles == 0)
		release(h);
}

static void on_timer_closed(uv_handle_t *timer)
{
	on_link_closed(timer->data);
}

static void on_refused(uv_handle_t *tcp)
{
	free(tcp);
}

static bool make_room(struct pairing_host *h)
{
	for (unsigned i = 0; i < h->count && h->count == PAIRING_CONNECTIONS_MAX; i++)
		if (!pairing_link_has_spoken(h->links[i]))
			drop(h, h->links[i]);
	return h->count < PAIRING_CONNECTIONS_MAX && !h->closing;
}

int pairing_host_take(struct pairing_host *h, uv_tcp_t *tcp)
{
	_cleanup_(buf_release) struct buf hello = BUF_INIT;
	struct pairing_opts opts = {
	    .static_secret = h->opts.static_secret, .payload = h->payload, .payload_len = h->opts.payload_len};
	struct pairing_link_opts link = {
	    .now_ms = h->opts.now_ms, .stepped = on_step, .closed = on_link_closed, .arg = h};
	struct pairing *pairing;
	int r = make_room(h) ? 0 : -EBUSY;

	if (r == 0)
		r = pairing_new_shower(&opts, h->code, h->opts.now_ms(), &hello, &pairing);
	if (r < 0) {
		uv_close((uv_handle_t *)tcp, on_refused);
		return r;
	}
	r = pairing_link_new(tcp, pairing, &hello, &link, &h->links[h->count]);
	if (r < 0)
		return r;
	h->count++;
	h->handles++;
	schedule(h);
	return 0;
}

int pairing_host_set_payload(struct pairing_host *h, const void *payload, size_t len)
{
	if (len > PAIRING_PAYLOAD_MAX)
		return -ERR_TOO_LARGE;
	if (len > 0)
		memcpy(h->payload, payload, len);
	h->opts.payload_len = len;
	return 0;
}

void pairing_host_close(struct pairing_host *h, void (*closed)(void *arg), void *arg)
{
	h->closing = true;
	h->closed = closed;
	h->closed_arg = arg;
	if (h->opts.discovery && !h->over)
		discovery_open_pairing(h->opts.discovery, NULL);
	while (h->count > 0)
		drop(h, h->links[0]);
	uv_close((uv_handle_t *)&h->timer, on_timer_closed);
}

/* A code that lives shorter is one that was made earlier. */
static int make_code(struct pairing_host *h)
{
	uint64_t life_ms = h->opts.life_ms;
	uint64_t age_ms = life_ms > 0 && life_ms < PAIRING_CODE_LIFE_MS ? PAIRING_CODE_LIFE_MS - life_ms : 0;

	return pairing_code_new(h->opts.now_ms() - age_ms, &h->code);
}

/* That a run could start, so that nothing but memory can be missing later. */
static int try_opts(struct pairing_host *h, const struct pairing_host_opts *opts)
{
	_cleanup_(buf_release) struct buf hello = BUF_INIT;
	_cleanup_(pairing_freep) struct pairing *pairing = NULL;
	struct pairing_opts run = {
	    .static_secret = opts->static_secret, .payload = opts->payload, .payload_len = opts->payload_len};
	int r = pairing_new_shower(&run, h->code, h->opts.now_ms(), &hello, &pairing);

	if (r == 0 && opts->payload_len > 0)
		memcpy(h->payload, opts->payload, opts->payload_len);
	return r;
}

static int set_up(struct pairing_host *h, const struct pairing_host_opts *opts)
{
	int r;

	if (!h->opts.name)
		return -ENOMEM;
	r = make_code(h);
	if (r == 0)
		r = try_opts(h, opts);
	if (r == 0 && h->opts.discovery)
		r = discovery_open_pairing(h->opts.discovery, h->opts.name);
	return r;
}

int pairing_host_open(uv_loop_t *loop, const struct pairing_host_opts *opts, struct pairing_host **ret_host)
{
	struct pairing_host *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->opts = *opts;
	h->opts.payload = NULL;
	h->opts.name = strdup(opts->name ? opts->name : "");
	if (!h->opts.now_ms)
		h->opts.now_ms = clock_monotonic_ms;
	r = set_up(h, opts);
	if (r < 0) {
		release(h);
		return r;
	}
	uv_timer_init(loop, &h->timer);
	h->timer.data = h;
	h->handles = 1;
	schedule(h);
	*ret_host = h;
	return 0;
}

const char *pairing_host_code(const struct pairing_host *h)
{
	return pairing_code_text(h->code);
}

uint64_t pairing_host_left_ms(const struct pairing_host *h)
{
	return pairing_code_left_ms(h->code, h->opts.now_ms());
}
