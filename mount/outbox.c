#include "mount/outbox.h"

#include <errno.h>
#include <stdlib.h>

#define LIMIT_MAX (INT64_C(1) << 40) /* as good as none */

enum { SECOND_MS = 1000, BURST = 2 /* a part of what a second allows */ };

struct parcel {
	struct buf bytes;
	struct parcel *next;
};

void outbox_init(struct outbox *box)
{
	*box = (struct outbox){0};
	box->last = &box->first;
}

void outbox_drop(struct outbox *box)
{
	struct parcel *p = box->first;

	box->first = p->next;
	if (!box->first)
		box->last = &box->first;
	box->bytes -= p->bytes.len;
	buf_release(&p->bytes);
	free(p);
}

void outbox_clear(struct outbox *box)
{
	while (box->first)
		outbox_drop(box);
}

int outbox_put(struct outbox *box, struct buf *bytes)
{
	struct parcel *p;

	if (box->bytes + bytes->len > OUTBOX_BYTES)
		return -ENOBUFS;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->bytes = *bytes;
	*bytes = BUF_INIT;
	*box->last = p;
	box->last = &p->next;
	box->bytes += p->bytes.len;
	return 0;
}

const struct buf *outbox_first(const struct outbox *box)
{
	return box->first ? &box->first->bytes : NULL;
}

/* --- the limit --- */

static int64_t burst_of(const struct outbox *box)
{
	return (int64_t)(box->limit_bytes / BURST) + 1;
}

void outbox_limit(struct outbox *box, uint64_t limit_bytes, uint64_t now_ms)
{
	if (limit_bytes > LIMIT_MAX)
		limit_bytes = LIMIT_MAX;
	if (box->limit_bytes == limit_bytes)
		return;
	box->limit_bytes = limit_bytes;
	box->allowance = burst_of(box);
	box->refilled_ms = now_ms;
}

static void refill(struct outbox *box, uint64_t now_ms)
{
	uint64_t passed_ms = now_ms - box->refilled_ms;

	double allowance = (double)box->allowance + (double)box->limit_bytes * (double)passed_ms / SECOND_MS;

	box->allowance = allowance < (double)burst_of(box) ? (int64_t)allowance : burst_of(box);
	box->refilled_ms = now_ms;
}

uint64_t outbox_wait_ms(struct outbox *box, uint64_t now_ms)
{
	if (box->limit_bytes == 0)
		return 0;
	refill(box, now_ms);
	if (box->allowance > 0)
		return 0;
	return (uint64_t)((double)-box->allowance * SECOND_MS / (double)box->limit_bytes) + 1;
}

void outbox_count(struct outbox *box, size_t bytes)
{
	if (box->limit_bytes > 0)
		box->allowance -= (int64_t)bytes;
}
