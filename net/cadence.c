#include "net/cadence.h"

#include "net/limits.h"

void cadence_init(struct cadence *c, uint64_t interval_ms, uint64_t now_ms)
{
	*c = (struct cadence){.interval_ms = interval_ms, .next_ms = now_ms};
}

bool cadence_is_due(const struct cadence *c, uint64_t now_ms)
{
	return now_ms >= c->next_ms;
}

/* 80 to 120 % of the interval. */
void cadence_announced(struct cadence *c, uint64_t now_ms, uint32_t draw)
{
	uint64_t play = c->interval_ms * 2 / 5;

	c->next_ms = now_ms + c->interval_ms - play / 2 + draw % (play + 1);
}

void cadence_changed(struct cadence *c, uint64_t now_ms)
{
	c->next_ms = now_ms;
}

void cadence_newcomer(struct cadence *c, uint64_t now_ms, uint32_t draw)
{
	uint64_t soon_ms = now_ms + draw % (DISCOVERY_REPLY_MS + 1);

	if (now_ms < c->reply_ms)
		return;
	c->reply_ms = now_ms + DISCOVERY_REPLY_EVERY_MS;
	if (soon_ms < c->next_ms)
		c->next_ms = soon_ms;
}
