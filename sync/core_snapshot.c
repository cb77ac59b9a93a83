/* All shared rows at once: when a log is cut before what this device has, when two histories of an origin meet, when
 * rows differ though the positions are equal. One at a time; pieces are merged as they come, and with the last the
 * positions that the snapshot covers are taken over. An interrupted one begins again: what was merged does no harm. */
#include "sync/core_internal.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

enum { RESYNC_EVERY_MS = 30 * 1000, REFUSED_RETRY_MS = 5 * 1000, MISSES_UNTIL_RESYNC = 2 };

static void end_snapshot(struct core *core)
{
	buf_release(&core->snapshot.cursor);
	vector_release(&core->snapshot.covers);
	core->snapshot = (struct snapshot_pull){.active = false};
}

void snapshot_drop_peer(struct core *core, const struct uuid *peer)
{
	if (core->snapshot.active && core->snapshot.request != 0 && uuid_cmp(&core->snapshot.peer, peer) == 0)
		end_snapshot(core);
}

/* It did not answer, or not with rows: others come first for a while. */
static void put_off(struct core *core, struct peer *peer, uint64_t ms)
{
	end_snapshot(core);
	if (peer)
		peer->snapshot_after_ms = core->now.mono_ms + ms;
}

void snapshot_refused(struct core *core, struct peer *peer, uint32_t request)
{
	if (core->snapshot.active && core->snapshot.request == request &&
	    uuid_cmp(&core->snapshot.peer, &peer->device) == 0)
		put_off(core, peer, REFUSED_RETRY_MS);
}

static int ask(struct core *core, struct peer *peer)
{
	struct message m = {.kind = MESSAGE_SNAPSHOT_REQUEST,
			    .snapshot_request = {.request = ++core->last_request,
						 .cursor = core->snapshot.cursor.data,
						 .cursor_len = core->snapshot.cursor.len}};

	core->snapshot.request = m.snapshot_request.request;
	core->snapshot.deadline_ms = core->now.mono_ms + CORE_PULL_TIMEOUT_MS;
	core_due(core, core->snapshot.deadline_ms);
	return core_send(core, peer, &m);
}

/* The reason may be gone meanwhile: somebody else gave the snapshot. */
static bool is_needed(const struct core *core, const struct peer *peer)
{
	if (peer->resync)
		return true;
	for (size_t i = 0; i < peer->vector.count; i++) {
		const struct stream *its = &peer->vector.items[i];
		const struct stream *own = vector_find(&core->own, &its->id);
		uint64_t position = own ? own->position : 0;

		if (its->id.kind != STREAM_LOG || core_is_own(core, &its->id))
			continue;
		if (its->position > position ||
		    (its->position == position && own && memcmp(own->hash, its->hash, HASH_LEN) != 0))
			return true;
	}
	return false;
}

int snapshot_plan(struct core *core)
{
	if (core->snapshot.active && core->snapshot.request != 0 && core->now.mono_ms >= core->snapshot.deadline_ms)
		put_off(core, peer_find(core, &core->snapshot.peer), RESYNC_EVERY_MS);
	if (core->snapshot.active || core->epoch_pending || core->now.mono_ms < core->retry_ms)
		return 0;
	for (size_t i = 0; i < core->peer_count; i++) {
		struct peer *peer = core->peers[i];

		if (!peer->wants_snapshot || !peer_usable(core, peer))
			continue;
		if (core->now.mono_ms < peer->snapshot_after_ms) {
			core_due(core, peer->snapshot_after_ms);
			continue;
		}
		if (!is_needed(core, peer)) {
			peer->wants_snapshot = false;
			continue;
		}
		core->snapshot.active = true;
		core->snapshot.peer = peer->device;
		return ask(core, peer);
	}
	return 0;
}

static int merge(struct core *core, struct peer *peer, const struct message_snapshot *m)
{
	struct effect *e;
	struct task *task;
	int r = core_effect(core, EFFECT_SNAPSHOT_MERGE, &e);

	if (r < 0)
		return r;
	e->peer = peer->device;
	e->last = m->cursor_len == 0;
	r = buf_append(&e->bytes, m->rows, m->rows_len);
	if (r == 0 && e->last)
		r = vector_copy(&core->snapshot.covers, &e->covers);
	if (r == 0)
		r = core_task(core, TASK_MERGE, peer, &task);
	if (r < 0) {
		effect_release(e);
		core->effect_count--;
		return r;
	}
	e->token = task->token;
	core->snapshot.last = e->last;
	core->snapshot.request = 0;
	return 0;
}

int snapshot_piece(struct core *core, struct peer *peer, const struct message_snapshot *m)
{
	struct snapshot_pull *s = &core->snapshot;
	int r;

	if (!s->active || s->request == 0 || s->request != m->request || uuid_cmp(&s->peer, &peer->device) != 0)
		return 0;
	if (m->cursor_len > 0 && ++s->pieces >= PIECES_MAX)
		return peer_ban(core, peer, "a snapshot that does not end");
	if (s->cursor.len == 0) {
		for (size_t i = 0; i < m->covers.count; i++) {
			if (m->covers.items[i].id.kind != STREAM_LOG)
				return peer_ban(core, peer, "a snapshot of what is not shared");
		}
		r = vector_copy(&m->covers, &s->covers);
		if (r < 0)
			return r;
	}
	buf_clear(&s->cursor);
	r = buf_append(&s->cursor, m->cursor, m->cursor_len);
	return r < 0 ? r : merge(core, peer, m);
}

static int note_merged(struct core *core, struct peer *peer, const struct vector *own)
{
	int r = core_replace_own(core, own);

	if (r < 0 || !core->snapshot.active)
		return r;
	if (!core->snapshot.last) {
		if (peer && peer_usable(core, peer))
			return ask(core, peer);
		end_snapshot(core);
		return 0;
	}
	if (peer) {
		peer->wants_snapshot = peer->resync = false;
		peer->snapshot_ms = core->now.mono_ms;
		r = core_tell(core, CORE_EVENT_SNAPSHOT, &peer->device, NULL, "");
	}
	end_snapshot(core);
	return r;
}

int core_snapshot_merged(struct core *core, struct core_now now, uint32_t token, int result, const struct vector *own)
{
	struct task task;
	struct peer *peer;
	int r;

	core_at(core, now);
	if (!core_take_task(core, token, &task))
		return 0;
	peer = peer_find(core, &task.peer);
	if (result == 0) {
		r = note_merged(core, peer, own);
		return r < 0 ? r : core_step(core);
	}
	put_off(core, peer, RESYNC_EVERY_MS);
	if (result == -ERR_AHEAD)
		r = core_tell(core, CORE_EVENT_HELD, &task.peer, NULL, "in a snapshot");
	else if ((result == -ERR_MALFORMED || result == -ERR_TOO_LARGE) && peer)
		r = peer_ban(core, peer, "a snapshot that breaks the rules");
	else
		r = core_replica_failed(core, result);
	return r < 0 ? r : core_step(core);
}

/* --- digests --- */

static bool logs_are_equal(const struct vector *a, const struct vector *b)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct stream *x = &a->items[i];
		const struct stream *y = vector_find(b, &x->id);

		if (x->id.kind != STREAM_LOG || x->position == 0)
			continue;
		if (!y || y->position != x->position || memcmp(x->hash, y->hash, HASH_LEN) != 0)
			return false;
	}
	return true;
}

/* A difference must show twice in a row with the same sums: while a snapshot comes in rows are ahead of the positions.
 */
static int compare_shared(struct core *core, struct peer *peer)
{
	uint64_t mine = core->own.shared_digest, its = peer->vector.shared_digest;

	if (mine == its || !logs_are_equal(&core->own, &peer->vector) || !logs_are_equal(&peer->vector, &core->own)) {
		peer->digest_misses = 0;
		return 0;
	}
	if (peer->digest_misses > 0 && (mine != peer->missed_mine || its != peer->missed_its))
		peer->digest_misses = 0;
	peer->missed_mine = mine;
	peer->missed_its = its;
	if (++peer->digest_misses < MISSES_UNTIL_RESYNC || peer->wants_snapshot)
		return 0;
	if (peer->snapshot_ms != 0 && core->now.mono_ms < peer->snapshot_ms + RESYNC_EVERY_MS)
		return 0;
	peer->digest_misses = 0;
	peer->wants_snapshot = peer->resync = true;
	return core_tell(core, CORE_EVENT_DIGEST, &peer->device, NULL, "shared rows differ at equal positions");
}

/* Entries of a deleted location do not count, so the streams of a device are compared together: all of them at equal
 * positions, or none. */
static bool is_level(const struct vector *a, const struct vector *b, const struct origin *origin)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct stream *x = &a->items[i];
		const struct stream *y;

		if (x->id.kind == STREAM_LOG || origin_cmp(&x->id.origin, origin) != 0)
			continue;
		y = vector_find(b, &x->id);
		if (!y || !stream_is_whole(x) || !stream_is_whole(y) || x->position != y->position)
			return false;
	}
	return true;
}

/* The owner is right, so the other one lists its rows anew. */
static int relist(struct core *core, const struct stream_id *id)
{
	struct effect *e;
	struct task *task;
	int r = core_effect(core, EFFECT_RELIST, &e);

	if (r < 0)
		return r;
	e->stream = *id;
	r = core_task(core, TASK_RELIST, NULL, &task);
	if (r < 0) {
		core->effect_count--;
		return r;
	}
	e->token = task->token;
	return 0;
}

/* A list that began in a life of its owner that was lost ends where the owner has nothing. */
static bool is_out_of_reach(const struct stream *mine, const struct stream *its)
{
	return !stream_is_whole(mine) && stream_is_whole(its) && mine->head > its->position;
}

static int compare_state(struct core *core, struct peer *peer, const struct stream *mine)
{
	const struct stream *its = vector_find(&peer->vector, &mine->id);
	struct note *note;
	bool differ;
	int r;

	if (!its || uuid_cmp(&peer->device, &mine->id.origin.device) != 0)
		return 0; /* only with the owner: another one may be wrong itself */
	note = core_note(core, &mine->id);
	if (!note)
		return -ENOMEM;
	differ = !mine->listing && mine->digest != its->digest && is_level(&core->own, &peer->vector, &mine->id.origin) &&
		 is_level(&peer->vector, &core->own, &mine->id.origin);
	if (!differ && !is_out_of_reach(mine, its)) {
		note->digest_misses = 0;
		return 0;
	}
	if (++note->digest_misses < MISSES_UNTIL_RESYNC)
		return 0;
	note->digest_misses = 0;
	r = core_tell(core, CORE_EVENT_DIGEST, &peer->device, &mine->id,
		      differ ? "rows differ at equal positions" : "the list of its rows would never end");
	return r < 0 ? r : relist(core, &mine->id);
}

static void count(struct core_comparison *c, bool level, bool same)
{
	c->same += level && same;
	c->different += level && !same;
	c->apart += !level;
}

/* For a person: with any peer, and without drawing conclusions. */
static struct core_comparison look(const struct core *core, const struct peer *peer)
{
	const struct vector *own = &core->own, *its = &peer->vector;
	struct core_comparison c = {0};

	count(&c, logs_are_equal(own, its) && logs_are_equal(its, own), own->shared_digest == its->shared_digest);
	for (size_t i = 0; i < own->count; i++) {
		const struct stream *mine = &own->items[i], *other = vector_find(its, &mine->id);
		const struct origin *origin = &mine->id.origin;

		if (mine->id.kind == STREAM_LOG || !core_takes(core, &mine->id))
			continue;
		if (mine->position > 0 || (other && other->position > 0))
			count(&c, other && is_level(own, its, origin) && is_level(its, own, origin),
			      other && mine->digest == other->digest);
	}
	return c;
}

int snapshot_compare(struct core *core, struct peer *peer)
{
	int r = peer_usable(core, peer) ? compare_shared(core, peer) : 0;

	peer->compared = look(core, peer);
	for (size_t i = 0; i < core->own.count && r == 0 && peer_usable(core, peer); i++) {
		const struct stream *mine = &core->own.items[i];

		if (mine->id.kind != STREAM_LOG)
			r = compare_state(core, peer, mine);
	}
	return r;
}
