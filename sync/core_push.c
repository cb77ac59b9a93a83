/* Own changes are told at once when nothing is on its way to that peer, otherwise every CORE_COALESCE_MS. What is
 * pushed is read from the replica since the last push, so a row that changed twice travels once and nothing is queued
 * here. A peer that is far behind, or does not acknowledge, is not pushed to: it hears of the new positions and pulls.
 */
#include "sync/core_internal.h"

static struct push *push_of(struct peer *peer, uint8_t kind)
{
	struct push *push;

	for (unsigned i = 0; i < peer->push_count; i++) {
		if (peer->pushes[i].kind == kind)
			return &peer->pushes[i];
	}
	if (peer->push_count == PUSH_STREAMS_MAX)
		return NULL;
	push = &peer->pushes[peer->push_count++];
	*push = (struct push){.kind = kind};
	return push;
}

static uint64_t position_of(const struct peer *peer, const struct stream_id *id)
{
	const struct stream *s = vector_find(&peer->vector, id);

	return s ? s->position : 0;
}

bool push_covers(const struct core *core, const struct peer *peer, const struct stream *s)
{
	if (!core_is_own(core, &s->id))
		return false;
	for (unsigned i = 0; i < peer->push_count; i++) {
		const struct push *push = &peer->pushes[i];

		if (push->kind == s->id.kind)
			return push->reading != 0 || push->pushed >= s->position;
	}
	return false;
}

void push_acknowledged(struct core *core, struct peer *peer)
{
	bool all = true;

	for (unsigned i = 0; i < peer->push_count; i++) {
		struct push *push = &peer->pushes[i];
		struct stream_id id = {.origin = {.device = core->opts.self, .epoch = core->epoch}, .kind = push->kind};
		uint64_t position = position_of(peer, &id);

		if (position > push->pushed)
			push->pushed = position;
		all = all && position == push->pushed;
	}
	if (all)
		peer->unacknowledged = 0;
}

static int start_read(struct core *core, struct peer *peer, struct push *push, const struct stream *s)
{
	struct effect *e;
	struct task *task;
	int r = core_effect(core, EFFECT_READ, &e);

	if (r < 0)
		return r;
	e->request = (struct range_request){.stream = s->id,
					    .since = push->pushed,
					    .base = push->pushed,
					    .max_rows = CORE_BROADCAST_ROWS,
					    .max_bytes = CORE_BROADCAST_BYTES};
	r = core_task(core, TASK_PUSH, peer, &task);
	if (r < 0) {
		core->effect_count--;
		return r;
	}
	task->stream = s->id;
	e->token = push->reading = task->token;
	return 0;
}

/* Whether the peer is near enough that the next read goes to the end. A state stream must be whole there: a push is a
 * change of what it has. */
static bool is_near(const struct peer *peer, const struct push *push, const struct stream *s)
{
	const struct stream *its = vector_find(&peer->vector, &s->id);

	if (s->position - push->pushed > CORE_BROADCAST_ROWS)
		return false;
	if (s->id.kind == STREAM_LOG)
		return push->pushed >= s->floor;
	return its && (stream_is_whole(its) || push->pushed > its->position) && push->pushed >= s->floor;
}

int push_plan(struct core *core, struct peer *peer)
{
	if (!peer_usable(core, peer) || core->epoch_pending || core->now.mono_ms < core->retry_ms)
		return 0;
	for (size_t i = 0; i < core->own.count; i++) {
		const struct stream *s = &core->own.items[i];
		struct push *push = core_is_own(core, &s->id) ? push_of(peer, s->id.kind) : NULL;
		int r;

		if (!push || push->reading != 0 || push->tried == s->position)
			continue;
		if (position_of(peer, &s->id) > push->pushed)
			push->pushed = position_of(peer, &s->id);
		if (push->pushed >= s->position || !is_near(peer, push, s) || peer->unacknowledged >= CORE_PUSHES_MAX)
			continue;
		if (peer->unacknowledged > 0 && core->now.mono_ms < peer->push_ms + CORE_COALESCE_MS) {
			core_due(core, peer->push_ms + CORE_COALESCE_MS);
			continue;
		}
		r = start_read(core, peer, push, s);
		if (r < 0)
			return r;
	}
	return 0;
}

int push_read(struct core *core, const struct task *task, const struct range *range)
{
	struct peer *peer = peer_find(core, &task->peer);
	struct push *push = peer && peer->generation == task->generation ? push_of(peer, task->stream.kind) : NULL;
	struct message m = {.kind = MESSAGE_RANGE};
	int r;

	if (!push || push->reading != task->token)
		return 0;
	push->reading = 0;
	if (!peer_usable(core, peer) || !core_is_own(core, &task->stream))
		return 0;
	/* Not to the end, or a new list: that is for pulling. */
	if (!range || range->upto < range->head || range->listing) {
		const struct stream *s = vector_find(&core->own, &task->stream);
		struct note *note = core_note(core, &task->stream);

		push->tried = s ? s->position : 0;
		if (note) /* while it was read, nobody was told that it moved */
			note->revision = ++core->revision;
		return 0;
	}
	m.range.range = *range;
	r = core_send(core, peer, &m);
	if (r < 0)
		return r;
	push->pushed = range->upto;
	peer->unacknowledged++;
	peer->push_ms = core->now.mono_ms;
	return 0;
}
