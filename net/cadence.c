#include "net/cadence.h"

#include "net/limits.h"

void cadence_init(struct cadence *c, uint64_t interval_ms, uint64_t now_ms)
{
	*c = (struct cadence){.interval_ms = interval_ms, .next_ms = now_ms, .repeat = true};
}

bool cadence_is_due(const struct cadence *c, uint64_t now_ms)
{
	return now_ms >= c->next_ms;
}

/* 80 to 120 % of the time. */
void cadence_announced(struct cadence *c, uint64_t now_ms, uint32_t draw)
{
	uint64_t wait_ms = c->repeat && DISCOVERY_REPEAT_MS < c->interval_ms ? DISCOVERY_REPEAT_MS : c->interval_ms;
	uint64_t play = wait_ms * 2 / 5;

	c->repeat = false;
	c->next_ms = now_ms + wait_ms - play / 2 + draw % (play + 1);
}

void cadence_changed(struct cadence *c, uint64_t now_ms)
{
	c->next_ms = now_ms;
	c->repeat = true;
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
