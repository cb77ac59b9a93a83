#include "mount/outboxes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "mount/outbox.h"

struct correspondent { /* one for each peer that was ever up */
	struct uuid peer;
	struct outbox box;
	struct correspondent *next;
};

/* NULL: no memory. */
static struct outbox *outbox_of(struct outboxes *o, const struct uuid *peer)
{
	struct correspondent *c;

	for (c = o->first; c; c = c->next)
		if (uuid_cmp(&c->peer, peer) == 0)
			return &c->box;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->peer = *peer;
	outbox_init(&c->box);
	c->next = o->first;
	o->first = c;
	return &c->box;
}

/* Messages come in order or not at all: a connection that loses one ends. */
static void tell_unsent(struct outboxes *o, const struct uuid *peer, int result)
{
	if (result >= 0 || result == -ENOTCONN)
		return;
	log_warn("a message could not be sent: %s", err_str(result));
	o->close(o->arg, peer);
}

static void on_pace(uv_timer_t *timer);

/* Sends what may go. */
static void flush(struct outboxes *o, const struct uuid *peer, struct outbox *box)
{
	const struct buf *bytes;
	int result = 0;

	while (result >= 0 && (bytes = outbox_first(box))) {
		uint64_t wait_ms = outbox_wait_ms(box, clock_monotonic_ms());

		if (wait_ms > 0) {
			if (!uv_is_active((uv_handle_t *)&o->pace) || uv_timer_get_due_in(&o->pace) > wait_ms)
				uv_timer_start(&o->pace, on_pace, wait_ms, 0);
			return;
		}
		result = o->send(o->arg, peer, bytes->data, bytes->len);
		if (result == -EAGAIN)
			return;
		outbox_count(box, bytes->len);
		outbox_drop(box); /* what comes after a gap is of no use: an error ends it */
	}
	tell_unsent(o, peer, result);
}

static void on_pace(uv_timer_t *timer)
{
	struct outboxes *o = timer->data;

	for (struct correspondent *c = o->first; c; c = c->next)
		flush(o, &c->peer, &c->box);
}

void outboxes_put(struct outboxes *o, const struct uuid *peer, struct buf *bytes)
{
	struct outbox *box = outbox_of(o, peer);
	int result = box ? outbox_put(box, bytes) : -ENOMEM;

	if (result < 0)
		tell_unsent(o, peer, result);
	else
		flush(o, peer, box);
}

void outboxes_flush(struct outboxes *o, const struct uuid *peer)
{
	struct outbox *box = outbox_of(o, peer);

	if (box)
		flush(o, peer, box);
}

void outboxes_clear(struct outboxes *o, const struct uuid *peer)
{
	struct outbox *box = outbox_of(o, peer);

	if (box)
		outbox_clear(box);
}

void outboxes_came(struct outboxes *o, const struct uuid *peer, size_t bytes)
{
	struct outbox *box = outbox_of(o, peer);

	if (box)
		outbox_count(box, bytes);
}

void outboxes_limit(struct outboxes *o, const struct uuid *peer, uint64_t limit_bytes)
{
	struct outbox *box = outbox_of(o, peer);

	if (box)
		outbox_limit(box, limit_bytes, clock_monotonic_ms());
}

void outboxes_init(struct outboxes *o, uv_loop_t *loop)
{
	uv_timer_init(loop, &o->pace);
	o->pace.data = o;
}

void outboxes_close(struct outboxes *o, void (*closed)(uv_handle_t *handle), void *data)
{
	o->pace.data = data;
	uv_close((uv_handle_t *)&o->pace, closed);
}

void outboxes_release(struct outboxes *o)
{
	while (o->first) {
		struct correspondent *c = o->first;

		o->first = c->next;
		outbox_clear(&c->box);
		free(c);
	}
}
