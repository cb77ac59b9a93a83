/* Answers to peers. Whatever this device holds it serves, whoever owns it; state only while whole. */
#include "sync/core_internal.h"

#include <errno.h>

#include "base/err.h"

enum { SNAPSHOT_BYTES = 512 * 1024 };

static size_t serves_of(const struct core *core, const struct peer *peer)
{
	size_t n = 0;

	for (size_t i = 0; i < core->task_count; i++) {
		const struct task *task = &core->tasks[i];

		n += (task->kind == TASK_SERVE || task->kind == TASK_SERVE_SNAPSHOT) &&
		     uuid_cmp(&task->peer, &peer->device) == 0 && task->generation == peer->generation;
	}
	return n;
}

int serve_range(struct core *core, struct peer *peer, const struct message_range_request *m)
{
	const struct stream *own = vector_find(&core->own, &m->range.stream);
	struct effect *e;
	struct task *task;
	int r;

	if (!own || !stream_is_whole(own) || (core->epoch_pending && core_is_own(core, &own->id)))
		return core_send_error(core, peer, MESSAGE_ERROR_STALE, m->request, "not whole here");
	if (serves_of(core, peer) >= CORE_SERVES_OF_PEER_MAX)
		return core_send_error(core, peer, MESSAGE_ERROR_BUSY, m->request, "too many requests");
	r = core_effect(core, EFFECT_READ, &e);
	if (r < 0)
		return r;
	e->request = m->range;
	r = core_task(core, TASK_SERVE, peer, &task);
	if (r < 0) {
		core->effect_count--;
		return r;
	}
	task->request = m->request;
	task->stream = m->range.stream;
	e->token = task->token;
	return 0;
}

static int answer_error(struct core *core, struct peer *peer, const struct task *task, int result)
{
	int r;

	switch (result) {
	case -ERR_CUT:
		return core_send_error(core, peer, MESSAGE_ERROR_CUT, task->request, "cut");
	case -ERR_FORKED:
		r = core_send_error(core, peer, MESSAGE_ERROR_FORKED, task->request, "another history");
		return r < 0 ? r : pull_forked(core, peer, &task->stream);
	case -ERR_STALE:
	case -ENOENT:
		return core_send_error(core, peer, MESSAGE_ERROR_STALE, task->request, "nothing to give");
	default:
		r = core_send_error(core, peer, MESSAGE_ERROR_BUSY, task->request, "trouble here");
		return r < 0 ? r : core_replica_failed(core, result);
	}
}

static int answer(struct core *core, const struct task *task, int result, const struct range *range)
{
	struct peer *peer = peer_find(core, &task->peer);
	struct message m = {.kind = MESSAGE_RANGE, .range = {.request = task->request}};

	if (!peer || !peer->up || peer->generation != task->generation)
		return 0;
	if (result < 0)
		return answer_error(core, peer, task, result);
	m.range.range = *range;
	return core_send(core, peer, &m);
}

/* The replica may be further than the commits that were reported: what left counts as known. */
static void note_left(struct core *core, const struct range *range)
{
	struct note *note = core_is_own(core, &range->stream) ? core_note(core, &range->stream) : NULL;

	if (note && range->head > note->left)
		note->left = range->head;
}

int core_read_done(struct core *core, struct core_now now, uint32_t token, int result, const struct range *range)
{
	struct task task;
	int r;

	core_at(core, now);
	if (!core_take_task(core, token, &task))
		return 0;
	if (result == 0)
		note_left(core, range);
	if (task.kind == TASK_SERVE)
		r = answer(core, &task, result, range);
	else
		r = push_read(core, &task, result == 0 ? range : NULL);
	return r < 0 ? r : core_step(core);
}

/* --- snapshots --- */

/* The first piece tells what the snapshot covers: the logs as they are before any of it is read. */
static int copy_logs(const struct core *core, struct vector *ret_covers)
{
	for (size_t i = 0; i < core->own.count; i++) {
		int r = core->own.items[i].id.kind == STREAM_LOG ? vector_set(ret_covers, &core->own.items[i]) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int serve_snapshot(struct core *core, struct peer *peer, const struct message_snapshot_request *m)
{
	struct effect *e;
	struct task *task;
	int r;

	if (serves_of(core, peer) >= CORE_SERVES_OF_PEER_MAX)
		return core_send_error(core, peer, MESSAGE_ERROR_BUSY, m->request, "too many requests");
	r = core_effect(core, EFFECT_SNAPSHOT_READ, &e);
	if (r < 0)
		return r;
	e->upto = SNAPSHOT_BYTES;
	r = buf_append(&e->bytes, m->cursor, m->cursor_len);
	if (r == 0)
		r = core_task(core, TASK_SERVE_SNAPSHOT, peer, &task);
	if (r < 0) {
		effect_release(e);
		core->effect_count--;
		return r;
	}
	task->request = m->request;
	e->token = task->token;
	return m->cursor_len == 0 ? copy_logs(core, &task->covers) : 0;
}

int core_snapshot_read(struct core *core, struct core_now now, uint32_t token, int result, const struct buf *rows,
		       const struct buf *cursor)
{
	struct message m = {.kind = MESSAGE_SNAPSHOT};
	struct task task;
	struct peer *peer;
	int r = 0;

	core_at(core, now);
	if (!core_take_task(core, token, &task))
		return 0;
	peer = peer_find(core, &task.peer);
	if (peer && peer->up && peer->generation == task.generation) {
		if (result < 0) {
			r = answer_error(core, peer, &task, result);
		} else {
			m.snapshot = (struct message_snapshot){.request = task.request,
							       .rows = rows->data,
							       .rows_len = rows->len,
							       .cursor = cursor->data,
							       .cursor_len = cursor->len,
							       .covers = task.covers};
			r = core_send(core, peer, &m);
		}
	}
	vector_release(&task.covers);
	return r < 0 ? r : core_step(core);
}
