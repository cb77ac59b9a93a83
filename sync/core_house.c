/* Keeping house: what may be cut and purged, epochs, the clock, and the state that a person sees. */
#include "sync/core_internal.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/hlc.h"
#include "sync/model.h"

enum { PURGE_EVERY_MS = 60 * 1000, REPAIR_EVERY_MS = 10 * 60 * 1000 };

/* --- cutting --- */

/* What every member has. Who has nothing of a state stream yet begins with a full list, so it holds back no purge; nor
 * does one that does not take it. */
static uint64_t agreed(const struct core *core, const struct stream *s)
{
	uint64_t least = s->position;

	for (size_t i = 0; i < core->member_count; i++) {
		const struct uuid *member = &core->members[i];
		uint64_t position;

		if (uuid_cmp(member, &core->opts.self) == 0)
			continue;
		position = acks_position(&core->acks, member, &s->id);
		if (position < least && (position > 0 || s->id.kind == STREAM_LOG))
			least = position;
	}
	return least;
}

static uint64_t log_records(const struct core *core, const struct stream **ret_longest)
{
	uint64_t sum = 0, most = 0;

	*ret_longest = NULL;
	for (size_t i = 0; i < core->own.count; i++) {
		const struct stream *s = &core->own.items[i];

		if (s->id.kind != STREAM_LOG)
			continue;
		sum += s->position - s->floor;
		if (s->position - s->floor > most) {
			most = s->position - s->floor;
			*ret_longest = s;
		}
	}
	return sum;
}

static int cut(struct core *core, const struct stream_id *id, uint64_t upto)
{
	struct effect *e;
	struct task *task;
	int r = core_effect(core, EFFECT_CUT, &e);

	if (r < 0)
		return r;
	e->stream = *id;
	e->upto = upto;
	r = core_task(core, TASK_CUT, NULL, &task);
	if (r < 0) {
		core->effect_count--;
		return r;
	}
	task->stream = *id;
	task->upto = upto;
	e->token = task->token;
	core->cutting = true;
	return 0;
}

/* Tombstones wait a while, so that one pass takes many. */
static bool may_purge(struct core *core, const struct stream *s, uint64_t upto)
{
	const struct model *model = model_find(s->id.kind);
	struct note *note;

	if (!model || !model_is_purged(model) || !stream_is_whole(s) || upto <= s->floor)
		return false;
	note = core_note(core, &s->id);
	if (!note)
		return false;
	if (note->purge_ms != 0 && core->now.mono_ms < note->purge_ms + PURGE_EVERY_MS) {
		core_due(core, note->purge_ms + PURGE_EVERY_MS);
		return false;
	}
	note->purge_ms = core->now.mono_ms;
	return true;
}

/* Past the set size it is cut where half of that is left, whoever is away: they come back by snapshot. */
static int cut_by_size(struct core *core)
{
	const struct stream *longest;
	uint64_t records = log_records(core, &longest), goes;
	int r;

	if (records <= core->opts.log_records_max)
		return 0;
	goes = records - core->opts.log_records_max / 2;
	if (goes > longest->position - longest->floor)
		goes = longest->position - longest->floor;
	r = core_tell(core, CORE_EVENT_LOG_CUT, NULL, &longest->id, "");
	return r < 0 ? r : cut(core, &longest->id, longest->floor + goes);
}

/* Before others refuse this device: each of its lives has a log. Told once in the life of a process. */
int house_count_lives(struct core *core)
{
	if (core->told_lives || vector_lives(&core->own, &core->opts.self) < LIVES_MAX)
		return 0;
	core->told_lives = true;
	return core_tell(core, CORE_EVENT_LIVES, NULL, NULL, "");
}

int house_keep(struct core *core)
{
	if (core->cutting || core->epoch_pending || core->now.mono_ms < core->retry_ms || core->member_count == 0)
		return 0;
	for (size_t i = 0; i < core->own.count; i++) {
		const struct stream *s = &core->own.items[i];
		uint64_t upto = agreed(core, s);

		if (s->id.kind == STREAM_LOG ? upto > s->floor : may_purge(core, s, upto))
			return cut(core, &s->id, upto);
	}
	return cut_by_size(core);
}

int core_cut_done(struct core *core, struct core_now now, uint32_t token, int result, const struct vector *own)
{
	struct task task;
	int r;

	core_at(core, now);
	if (!core_take_task(core, token, &task))
		return 0;
	core->cutting = false;
	if (result < 0)
		r = core_replica_failed(core, result);
	else
		r = core_replace_own(core, own);
	if (r == 0 && result == 1) /* there is more of it, though the floor is there */
		r = cut(core, &task.stream, task.upto);
	return r < 0 ? r : core_step(core);
}

int core_reloaded(struct core *core, struct core_now now, uint32_t token, int result, const struct vector *own)
{
	struct task task;

	core_at(core, now);
	if (!core_take_task(core, token, &task))
		return 0;
	if (result < 0) {
		int r = core_replica_failed(core, result);

		return r < 0 ? r : core_step(core);
	}
	return core_reload(core, now, own, core->epoch);
}

/* --- epochs --- */

/* `keep` is handed over. */
static int begin_epoch(struct core *core, struct peer *peer, const struct epoch_request *request, struct vector *keep)
{
	struct effect *e;
	struct task *task;
	int r = core_effect(core, EFFECT_NEW_EPOCH, &e);

	if (r < 0)
		return r;
	e->epoch = *request;
	if (peer)
		e->peer = peer->device;
	r = core_task(core, TASK_EPOCH, peer, &task);
	if (r < 0) {
		core->effect_count--;
		return r;
	}
	e->covers = *keep;
	*keep = VECTOR_INIT;
	e->token = task->token;
	core->epoch_pending = true;
	return 0;
}

/* How far somebody else has a log of this device, and up to which stamp: of another history, that may be less. */
static int collect_kept_of(const struct core *core, struct stream s, struct vector *ret_keep)
{
	const struct ack *ack = acks_greatest(&core->acks, &s.id, &core->opts.self);

	s.position = ack ? ack->position : 0;
	s.hlc = ack ? ack->hlc : 0;
	for (size_t i = 0; i < core->peer_count; i++) {
		const struct stream *its = vector_find(&core->peers[i]->vector, &s.id);

		if (its && its->position > s.position)
			s.position = its->position;
		if (its && its->hlc > s.hlc)
			s.hlc = its->hlc;
	}
	return vector_set(ret_keep, &s);
}

static int collect_kept(const struct core *core, struct vector *ret_keep)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < core->own.count; i++) {
		const struct stream *s = &core->own.items[i];

		if (s->id.kind == STREAM_LOG && uuid_cmp(&s->id.origin.device, &core->opts.self) == 0)
			r = collect_kept_of(core, *s, ret_keep);
	}
	return r;
}

static uint64_t greatest_stamp_of_ours(const struct core *core, const struct peer *peer)
{
	uint64_t greatest = 0;

	for (size_t i = 0; i < peer->vector.count; i++) {
		const struct stream *its = &peer->vector.items[i];

		if (uuid_cmp(&its->id.origin.device, &core->opts.self) == 0 && its->hlc > greatest)
			greatest = its->hlc;
	}
	return greatest;
}

/* What was changed here since is written again: the log that it is in is not the one that the others have. */
int house_rewound(struct core *core, struct peer *peer, uint64_t started_after)
{
	_cleanup_(vector_release) struct vector keep = VECTOR_INIT;
	struct epoch_request request = {.started_after = started_after};
	int r;

	if (core->epoch_pending)
		return 0;
	request.clock_after = greatest_stamp_of_ours(core, peer);
	r = collect_kept(core, &keep);
	if (r == 0)
		r = core_tell(core, CORE_EVENT_REWOUND, &peer->device, NULL, "");
	return r < 0 ? r : begin_epoch(core, peer, &request, &keep);
}

static bool is_zero(const uint8_t hash[HASH_LEN])
{
	static const uint8_t zeros[HASH_LEN];

	return memcmp(hash, zeros, HASH_LEN) == 0;
}

/* Whether the peer holds something of this device that this device does not know of itself. */
int house_check_own(struct core *core, struct peer *peer)
{
	uint64_t started = 0;

	for (size_t i = 0; i < core->own.count; i++) {
		if (core_is_own(core, &core->own.items[i].id))
			started = core->own.items[i].started;
	}
	for (size_t i = 0; i < peer->vector.count; i++) {
		const struct stream *its = &peer->vector.items[i];
		const struct stream *own;
		const struct note *note;

		if (uuid_cmp(&its->id.origin.device, &core->opts.self) != 0)
			continue;
		if (its->started > started)
			return house_rewound(core, peer, its->started);
		if (!core_is_own(core, &its->id))
			continue;
		own = vector_find(&core->own, &its->id);
		note = core_find_note(core, &its->id);
		if (its->position > (own ? own->position : 0) && (!note || its->position > note->left))
			return house_rewound(core, peer, its->started);
		if (own && its->id.kind == STREAM_LOG && its->position == own->position && !is_zero(its->hash) &&
		    memcmp(its->hash, own->hash, HASH_LEN) != 0)
			return house_rewound(core, peer, its->started);
	}
	return 0;
}

int core_epoch_done(struct core *core, struct core_now now, uint32_t token, int result, const struct vector *own,
		    uint64_t epoch)
{
	struct task task;
	struct peer *peer;
	int r = 0;

	core_at(core, now);
	if (!core_take_task(core, token, &task))
		return 0;
	core->epoch_pending = false;
	peer = peer_find(core, &task.peer);
	if (result == -EPERM && peer)
		r = peer_ban(core, peer, "claims changes of this device that this device never made");
	else if (result < 0)
		r = core_replica_failed(core, result);
	if (r < 0 || result < 0)
		return r < 0 ? r : core_step(core);
	for (size_t i = 0; i < core->peer_count; i++)
		core->peers[i]->push_count = core->peers[i]->unacknowledged = 0;
	return core_reload(core, now, own, epoch);
}

/* This device's stamps ran ahead, and its clock is right now, as a peer's agrees: what nobody has yet is written again.
 */
int house_repair_clock(struct core *core)
{
	_cleanup_(vector_release) struct vector keep = VECTOR_INIT;
	struct epoch_request request = {.ahead = true};
	const struct peer *agrees = NULL;
	int r;

	if (core->epoch_pending || hlc_ms(core->own.clock) <= core->now.wall_ms + HLC_AHEAD_MAX_MS)
		return 0;
	if (core->repair_ms != 0 && core->now.mono_ms < core->repair_ms + REPAIR_EVERY_MS)
		return 0;
	for (size_t i = 0; i < core->peer_count && !agrees; i++)
		agrees = peer_usable(core, core->peers[i]) ? core->peers[i] : NULL;
	if (!agrees && !core->clock_confirmed)
		return 0;
	core->clock_confirmed = false;
	core->repair_ms = core->now.mono_ms;
	r = collect_kept(core, &keep);
	if (r == 0)
		r = core_tell(core, CORE_EVENT_CLOCK_REPAIR, agrees ? &agrees->device : NULL, NULL, "");
	return r < 0 ? r : begin_epoch(core, NULL, &request, &keep);
}

int core_clock_confirmed(struct core *core, struct core_now now)
{
	int r;

	core_at(core, now);
	core->clock_confirmed = true;
	r = core_step(core);
	core->clock_confirmed = false; /* it holds now, not for whatever the clock says later */
	return r;
}

/* --- the state --- */

static bool holds_of_others(const struct core *core)
{
	for (size_t i = 0; i < core->own.count; i++) {
		if (uuid_cmp(&core->own.items[i].id.origin.device, &core->opts.self) != 0 &&
		    core->own.items[i].position > 0)
			return true;
	}
	return false;
}

static bool is_listing(const struct core *core)
{
	for (size_t i = 0; i < core->own.count; i++) {
		if (core->own.items[i].listing && core_takes(core, &core->own.items[i].id))
			return true;
	}
	return false;
}

static enum core_state derive(const struct core *core)
{
	if (core->paused)
		return CORE_PAUSED;
	if (core->own.count == 0 || core->member_count == 0)
		return CORE_UNINITIALIZED;
	if (core->member_count > 1 && !holds_of_others(core) && pull_any_ahead(core))
		return CORE_BACKFILLING;
	if (is_listing(core))
		return CORE_BACKFILLING;
	return pull_any_ahead(core) ? CORE_CATCHING_UP : CORE_READY;
}

/* Not a blip, or it has lasted. */
static bool is_to_be_told(struct core *core)
{
	uint64_t lasted_ms = core->state_ms + CORE_STATE_LASTS_MS;

	if (core->state == core->told_state)
		return false;
	if (core->state == CORE_BACKFILLING || core->state == CORE_PAUSED || core->now.mono_ms >= lasted_ms)
		return true;
	core_due(core, lasted_ms);
	return false;
}

int house_state(struct core *core)
{
	enum core_state state = derive(core);
	struct effect *e;
	int r;

	if (state != core->state)
		core->state_ms = core->now.mono_ms;
	core->state = state;
	if (!is_to_be_told(core))
		return 0;
	r = core_effect(core, EFFECT_STATE, &e);
	if (r < 0)
		return r;
	e->state = core->told_state = state;
	return 0;
}
