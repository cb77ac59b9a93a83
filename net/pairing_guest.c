/* One try at a time: `current` is the device that is being tried, by `tcp` while it connects, then by `link`. Whenever
 * there is none, go_on() looks for the next, or waits: the timer is set to the earliest moment that changes something.
 *
 * `best` is what to say at the end if nobody pairs: the outcome of the try that came furthest. `handles` counts what
 * still has to close or to answer before the memory can go. */
#include "net/pairing_guest.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/candidates.h"
#include "net/pairing_link.h"
#include "net/preamble.h"
#include "net/resolver.h"

struct best {
	enum pairing_outcome outcome; /* RUNNING: no try yet */
	int error;
	const struct candidate *device;
	struct sockaddr_storage address;
};

struct pairing_guest {
	uv_loop_t *loop;
	uv_timer_t timer;
	unsigned handles;
	bool closing;
	bool ended;
	struct pairing_guest_opts opts;
	char *code; /* owned; sodium memory */
	uint8_t payload[PAIRING_PAYLOAD_MAX];
	struct resolver *resolver; /* owned, as the next; one of them is there: resolver when addresses are given */
	struct discovery *discovery;
	struct candidates candidates;
	struct candidate *current;
	uv_tcp_t *tcp;		   /* owned while it connects */
	struct pairing_link *link; /* owned */
	enum pairing_guest_stage stage;
	uint64_t connect_ms; /* when to give up connecting */
	uint64_t linger_ms;  /* when to give up listening for others; 0: not yet a reason to */
	uint64_t end_ms;
	struct best best;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void go_on(struct pairing_guest *g);

/* --- telling --- */

static void tell(struct pairing_guest *g, enum pairing_guest_stage stage, const struct candidate *device)
{
	struct pairing_guest_progress progress = {.stage = stage, .name = device ? device->name : ""};

	g->stage = stage;
	if (device && device->at < device->count)
		progress.address = candidate_address(device);
	if (g->opts.progress && !g->closing)
		g->opts.progress(g->opts.arg, &progress);
}

/* How far a try has come that ended so. */
static int rank(enum pairing_outcome outcome)
{
	switch (outcome) {
	case PAIRING_RUNNING:
		return 0;
	case PAIRING_HUNG_UP:
	case PAIRING_TIMED_OUT:
		return 1;
	case PAIRING_MALFORMED:
		return 2;
	case PAIRING_OTHER_VERSION:
	case PAIRING_BUSY:
		return 3;
	case PAIRING_EXPIRED:
	case PAIRING_USED_UP:
		return 4;
	case PAIRING_WRONG_CODE:
		return 5;
	default:
		return 6;
	}
}

static bool is_proven(enum pairing_outcome outcome)
{
	return outcome == PAIRING_PAIRED || outcome == PAIRING_ALREADY_MEMBER || outcome == PAIRING_REFUSED ||
	       outcome == PAIRING_SAME_DEVICE || outcome == PAIRING_FAILED;
}

/* `device`: NULL when there is none to speak of. */
static void remember(struct pairing_guest *g, const struct candidate *device, enum pairing_outcome outcome, int error)
{
	if (rank(outcome) < rank(g->best.outcome))
		return;
	g->best = (struct best){.outcome = outcome, .error = error, .device = device};
	if (device)
		memcpy(&g->best.address, candidate_address(device), sizeof(g->best.address));
}

static void end(struct pairing_guest *g)
{
	struct best *best = &g->best;
	struct pairing_guest_end end = {.outcome = best->outcome, .error = best->error, .name = ""};

	if (end.outcome == PAIRING_RUNNING) {
		end.outcome = PAIRING_TIMED_OUT;
		end.error = -ENOENT;
	}
	if (best->device) {
		end.name = best->device->name;
		end.address = (const struct sockaddr *)&best->address;
	}
	if (end.outcome == PAIRING_PAIRED || end.outcome == PAIRING_REFUSED) {
		end.peer_key = pairing_peer_key(pairing_link_pairing(g->link));
		end.payload = pairing_peer_payload(pairing_link_pairing(g->link), &end.payload_len);
	}
	g->ended = true;
	uv_timer_stop(&g->timer);
	g->opts.end(g->opts.arg, &end);
}

/* --- one try --- */

static void drop_link(struct pairing_guest *g)
{
	if (g->link)
		pairing_link_close(g->link);
	g->link = NULL;
}

/* By this address nobody answered who speaks our protocol. */
static void unreached(struct pairing_guest *g, enum pairing_outcome outcome, int error)
{
	remember(g, g->current, outcome, error);
	candidates_unreached(&g->candidates, g->current);
	g->current = NULL;
	go_on(g);
}

static void finish_try(struct pairing_guest *g, enum pairing_outcome outcome)
{
	bool asked = pairing_link_has_spoken(g->link);

	if (!asked) {
		drop_link(g);
		unreached(g, outcome, 0);
		return;
	}
	remember(g, g->current, outcome, 0);
	if (outcome == PAIRING_BUSY)
		candidates_busy(&g->candidates, g->current, g->opts.now_ms());
	else
		candidates_spent(&g->candidates, g->current);
	g->current = NULL;
	if (is_proven(outcome)) {
		end(g);
		if (!g->closing)
			drop_link(g);
		return;
	}
	drop_link(g);
	go_on(g);
}

static void schedule(struct pairing_guest *g);

/* The step that follows comes from within. */
static void decide(struct pairing_guest *g, struct pairing_link *link)
{
	const struct pairing *pairing = pairing_link_pairing(link);
	size_t len;
	const void *payload = pairing_peer_payload(pairing, &len);

	pairing_link_decide(link, g->opts.decide(g->opts.arg, pairing_peer_key(pairing), payload, len));
}

static void on_step(void *arg, struct pairing_link *link, enum pairing_outcome outcome)
{
	struct pairing_guest *g = arg;

	if (outcome == PAIRING_DECIDE) {
		decide(g, link);
		return;
	}
	if (outcome != PAIRING_RUNNING) {
		finish_try(g, outcome);
		return;
	}
	if (g->stage != GUEST_WAITING && pairing_awaits_verdict(pairing_link_pairing(link)))
		tell(g, GUEST_WAITING, g->current);
	schedule(g);
}

static void on_link_closed(void *arg);

static int start_run(struct pairing_guest *g, uv_tcp_t *tcp)
{
	_cleanup_(buf_release) struct buf first = BUF_INIT;
	struct pairing_opts opts = {.static_secret = g->opts.static_secret,
				    .payload = g->payload,
				    .payload_len = g->opts.payload_len,
				    .asks = g->opts.decide != NULL};
	struct pairing_link_opts link = {
	    .now_ms = g->opts.now_ms, .stepped = on_step, .closed = on_link_closed, .arg = g};
	uint8_t preamble[PREAMBLE_LEN];
	struct pairing *pairing;
	int r;

	preamble_write(PREAMBLE_PAIR, preamble);
	r = buf_append(&first, preamble, sizeof(preamble));
	if (r == 0)
		r = pairing_new_typer(&opts, g->code, g->opts.now_ms(), &pairing);
	if (r < 0) {
		uv_close((uv_handle_t *)tcp, (uv_close_cb)free);
		return r;
	}
	return pairing_link_new(tcp, pairing, &first, &link, &g->link);
}

/* ECANCELED: we closed it ourselves, and nothing of ours may be there any more. */
static void on_connect(uv_connect_t *connect, int status)
{
	struct pairing_guest *g = connect->data;
	uv_tcp_t *tcp = (uv_tcp_t *)connect->handle;
	int r;

	free(connect);
	if (status == UV_ECANCELED)
		return;
	g->tcp = NULL;
	if (status < 0) {
		uv_close((uv_handle_t *)tcp, (uv_close_cb)free);
		unreached(g, PAIRING_HUNG_UP, status);
		return;
	}
	r = start_run(g, tcp);
	if (r < 0) {
		unreached(g, PAIRING_FAILED, r);
		return;
	}
	g->handles++;
	tell(g, GUEST_CHECKING, g->current);
	schedule(g);
}

static int connect_to(struct pairing_guest *g, const struct sockaddr *address)
{
	uv_connect_t *connect = calloc(1, sizeof(*connect));
	int r;

	g->tcp = calloc(1, sizeof(*g->tcp));
	if (!connect || !g->tcp) {
		free(connect);
		free(TAKE_PTR(g->tcp));
		return -ENOMEM;
	}
	connect->data = g;
	uv_tcp_init(g->loop, g->tcp);
	r = uv_tcp_connect(connect, g->tcp, address, on_connect);
	if (r < 0) {
		free(connect);
		uv_close((uv_handle_t *)TAKE_PTR(g->tcp), (uv_close_cb)free);
	}
	return r;
}

static void try_device(struct pairing_guest *g, struct candidate *device)
{
	int r;

	g->current = device;
	g->linger_ms = 0;
	g->connect_ms = g->opts.now_ms() + PAIRING_CONNECT_MS;
	tell(g, GUEST_CONNECTING, device);
	if (g->closing)
		return;
	r = connect_to(g, candidate_address(device));
	if (r < 0)
		unreached(g, PAIRING_HUNG_UP, r);
}

/* --- what next --- */

static void on_timer(uv_timer_t *timer)
{
	struct pairing_guest *g = timer->data;

	if (g->link) {
		pairing_link_tick(g->link);
	} else if (g->tcp && g->opts.now_ms() >= g->connect_ms) {
		uv_close((uv_handle_t *)TAKE_PTR(g->tcp), (uv_close_cb)free);
		unreached(g, PAIRING_HUNG_UP, -ETIMEDOUT);
	}
	go_on(g);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void schedule(struct pairing_guest *g)
{
	uint64_t now_ms = g->opts.now_ms();
	uint64_t next_ms = earlier(g->end_ms, candidates_next_ms(&g->candidates));

	if (g->closing || g->ended)
		return;
	if (g->link)
		next_ms = pairing_link_deadline_ms(g->link);
	else if (g->tcp)
		next_ms = g->connect_ms;
	else if (g->linger_ms > 0)
		next_ms = earlier(next_ms, g->linger_ms);
	uv_update_time(g->loop);
	uv_timer_start(&g->timer, on_timer, next_ms > now_ms ? next_ms - now_ms : 0, 0);
}

/* Whether there is nobody to wait for any more. */
static bool is_exhausted(struct pairing_guest *g, uint64_t now_ms)
{
	if (now_ms >= g->end_ms)
		return true;
	if ((g->resolver && !resolver_is_done(g->resolver)) || candidates_next_ms(&g->candidates) < UINT64_MAX)
		return false;
	if (g->resolver)
		return true;
	if (g->best.outcome == PAIRING_RUNNING)
		return false;
	if (g->linger_ms == 0)
		g->linger_ms = now_ms + PAIRING_LINGER_MS;
	return now_ms >= g->linger_ms;
}

static void go_on(struct pairing_guest *g)
{
	uint64_t now_ms = g->opts.now_ms();
	struct candidate *next;

	if (g->closing || g->ended || g->current)
		return;
	next = now_ms < g->end_ms ? candidates_next(&g->candidates, now_ms) : NULL;
	if (next)
		try_device(g, next);
	else if (is_exhausted(g, now_ms))
		end(g);
	else if (g->stage != GUEST_SEARCHING)
		tell(g, GUEST_SEARCHING, NULL);
	schedule(g);
}

/* --- whom to try --- */

static void on_open_heard(void *arg, const struct beacon *beacon, const struct sockaddr *from)
{
	struct pairing_guest *g = arg;
	struct candidate *device;
	struct pairing_guest_progress found = {.stage = GUEST_FOUND, .address = from};

	if (beacon->flags & BEACON_LEAVING || g->ended)
		return;
	device = candidates_add(&g->candidates, beacon->instance, beacon->name, from);
	if (!device)
		return;
	found.name = device->name;
	if (g->opts.progress && device->count == 1)
		g->opts.progress(g->opts.arg, &found);
	go_on(g);
}

static void on_found(void *arg, size_t which, const struct sockaddr *address)
{
	struct pairing_guest *g = arg;

	candidates_add(&g->candidates, which, "", address);
}

static void on_looked_up(void *arg, size_t which, int error)
{
	struct pairing_guest *g = arg;

	if (error < 0)
		remember(g, NULL, PAIRING_HUNG_UP, error);
	go_on(g);
}

/* --- opening and closing --- */

static void release(struct pairing_guest *g)
{
	void (*closed)(void *) = g->closed;
	void *arg = g->closed_arg;

	sodium_free(g->code);
	free(g);
	if (closed)
		closed(arg);
}

static void on_link_closed(void *arg)
{
	struct pairing_guest *g = arg;

	if (--g->handles == 0)
		release(g);
}

static void on_timer_closed(uv_handle_t *timer)
{
	on_link_closed(timer->data);
}

void pairing_guest_close(struct pairing_guest *g, void (*closed)(void *arg), void *arg)
{
	g->closing = true;
	g->closed = closed;
	g->closed_arg = arg;
	if (g->tcp)
		uv_close((uv_handle_t *)TAKE_PTR(g->tcp), (uv_close_cb)free);
	drop_link(g);
	if (g->resolver)
		resolver_close(g->resolver, on_link_closed, g);
	if (g->discovery)
		discovery_close(g->discovery, on_link_closed, g);
	uv_close((uv_handle_t *)&g->timer, on_timer_closed);
}

/* That a run could start, so that nothing but memory can be missing later. */
static int copy_opts(struct pairing_guest *g, const struct pairing_guest_opts *opts)
{
	_cleanup_(pairing_freep) struct pairing *pairing = NULL;
	struct pairing_opts run = {
	    .static_secret = opts->static_secret, .payload = opts->payload, .payload_len = opts->payload_len};
	int r = pairing_new_typer(&run, opts->code, g->opts.now_ms(), &pairing);

	if (r < 0)
		return r;
	if (opts->payload_len > 0)
		memcpy(g->payload, opts->payload, opts->payload_len);
	g->code = sodium_malloc(PAIRING_CODE_LEN + 1);
	if (!g->code)
		return -ENOMEM;
	memcpy(g->code, opts->code, PAIRING_CODE_LEN + 1);
	return 0;
}

static int listen_for_beacons(struct pairing_guest *g, const struct discovery_opts *opts)
{
	struct discovery_opts listen = {
	    .udp_port = opts->udp_port, .interfaces = opts->interfaces, .open_heard = on_open_heard, .arg = g};

	return discovery_open(g->loop, &listen, &g->discovery);
}

static int prepare_search(struct pairing_guest *g, const struct pairing_guest_opts *opts)
{
	struct resolver_opts names = {.names = opts->addresses,
				      .count = opts->address_count,
				      .found = on_found,
				      .looked_up = on_looked_up,
				      .arg = g};
	int r = opts->address_count > 0 ? resolver_new(&names, &g->resolver) : listen_for_beacons(g, &opts->discovery);

	g->handles += r == 0;
	return r;
}

/* The timer's first time begins the work: so that all callbacks come from the loop. */
static void on_start(uv_timer_t *timer)
{
	struct pairing_guest *g = timer->data;

	tell(g, GUEST_SEARCHING, NULL);
	if (g->closing)
		return;
	if (g->resolver)
		resolver_start(g->resolver, g->loop);
	go_on(g);
}

int pairing_guest_set_payload(struct pairing_guest *g, const void *payload, size_t len)
{
	if (len > PAIRING_PAYLOAD_MAX)
		return -ERR_TOO_LARGE;
	if (len > 0)
		memcpy(g->payload, payload, len);
	g->opts.payload_len = len;
	return 0;
}

int pairing_guest_open(uv_loop_t *loop, const struct pairing_guest_opts *opts, struct pairing_guest **ret_guest)
{
	struct pairing_guest *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return -ENOMEM;
	g->loop = loop;
	g->opts = *opts;
	if (!g->opts.now_ms)
		g->opts.now_ms = clock_monotonic_ms;
	g->end_ms = g->opts.now_ms() + (opts->time_ms > 0 ? opts->time_ms : PAIRING_SEARCH_MS);
	r = copy_opts(g, opts);
	if (r == 0)
		r = prepare_search(g, opts);
	if (r < 0) {
		release(g);
		return r;
	}
	uv_timer_init(loop, &g->timer);
	g->timer.data = g;
	g->handles++;
	uv_update_time(loop);
	uv_timer_start(&g->timer, on_start, 0, 0);
	*ret_guest = g;
	return 0;
}
