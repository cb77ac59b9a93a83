/* Which stream is asked from whom, and ranges that come in, asked for or pushed. One range of a stream is on its way or
 * being applied at a time; a stream that falls behind is found by looking at what the peers hold, so nothing is queued.
 */
#include "sync/core_internal.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/change.h"
#include "sync/hlc.h"
#include "sync/model.h"
#include "sync/record.h"

enum { BUSY_RETRY_MS = 1000, STALE_RETRY_MS = 5000, ORPHANS_MAX = 4 };

static struct pull *pull_of(struct core *core, const struct stream_id *id)
{
	for (size_t i = 0; i < core->pull_count; i++) {
		if (stream_id_cmp(&core->pulls[i].id, id) == 0)
			return &core->pulls[i];
	}
	return NULL;
}

static void end_pull(struct core *core, struct pull *pull)
{
	buf_release(&pull->next_body);
	*pull = core->pulls[--core->pull_count];
}

/* What is being applied goes on, what was asked for is not waited for. */
static bool stop_asking(struct core *core, struct pull *pull)
{
	if (pull->token == 0) {
		end_pull(core, pull);
		return true;
	}
	pull->request = 0;
	pull->has_next = false;
	return false;
}

void pull_drop_peer(struct core *core, const struct uuid *peer)
{
	for (size_t i = 0; i < core->pull_count;) {
		struct pull *pull = &core->pulls[i];

		if (uuid_cmp(&pull->peer, peer) != 0 || !stop_asking(core, pull))
			i++;
	}
}

static struct stream own_of(const struct core *core, const struct stream *its)
{
	const struct stream *own = vector_find(&core->own, &its->id);

	return own ? *own : stream_none(&its->id, its->started);
}

static bool hash_is_known(const struct stream *s)
{
	static const uint8_t zeros[HASH_LEN];

	return memcmp(s->hash, zeros, HASH_LEN) != 0;
}

/* Whether `its` has what `own` lacks, wherever the peer's log begins. */
static bool is_ahead(const struct stream *its, const struct stream *own)
{
	if (its->id.kind == STREAM_LOG)
		return its->position > own->position;
	if (!stream_is_whole(its) || its->position < own->position)
		return false;
	return its->position > own->position || (!stream_is_whole(own) && its->position >= own->head);
}

/* A device has few lives, whoever tells of them. */
static bool is_one_too_many(const struct core *core, const struct origin *origin)
{
	return !vector_knows(&core->own, origin) && vector_lives(&core->own, &origin->device) >= LIVES_MAX;
}

static bool is_wanted(const struct core *core, const struct stream *its)
{
	if (core_is_own(core, &its->id) || !core_takes(core, &its->id) || is_one_too_many(core, &its->id.origin))
		return false;
	/* Removed devices have logs, too; but nobody may invent them without end. */
	if (its->id.kind == STREAM_LOG)
		return core_is_member(core, &its->id.origin.device) || vector_find(&core->own, &its->id) ||
		       core->own.count < ORIGINS_MAX;
	return uuid_cmp(&its->id.origin.device, &core->opts.self) != 0 && core_is_latest(core, its);
}

bool pull_any_ahead(const struct core *core)
{
	for (size_t i = 0; i < core->peer_count; i++) {
		const struct peer *peer = core->peers[i];

		for (size_t k = 0; peer_usable(core, peer) && k < peer->vector.count; k++) {
			const struct stream *its = &peer->vector.items[k];
			struct stream own = own_of(core, its);

			if (is_ahead(its, &own) && is_wanted(core, its))
				return true;
		}
	}
	return core->pull_count > 0 || core->snapshot.active;
}

/* --- choosing --- */

static size_t pulls_of(const struct core *core, const struct peer *peer)
{
	size_t n = 0;

	for (size_t i = 0; i < core->pull_count; i++)
		n += core->pulls[i].request != 0 && uuid_cmp(&core->pulls[i].peer, &peer->device) == 0;
	return n;
}

static bool is_better(const struct peer *a, const struct stream *a_has, const struct peer *b,
		      const struct stream *b_has)
{
	if (a_has->position != b_has->position)
		return a_has->position > b_has->position;
	return a->round_trip_ms + a->load < b->round_trip_ms + b->load;
}

/* Who serves: the owner, else the best of those ahead whose log still begins early enough. ret_cut: somebody is ahead,
 * but only with a log that begins too late. */
static struct peer *choose(struct core *core, const struct stream *own, struct peer **ret_cut)
{
	const struct stream *best_has = NULL;
	struct peer *best = NULL;

	*ret_cut = NULL;
	for (size_t i = 0; i < core->peer_count; i++) {
		struct peer *peer = core->peers[i];
		const struct stream *its = peer_usable(core, peer) ? vector_find(&peer->vector, &own->id) : NULL;

		if (!its || !is_ahead(its, own))
			continue;
		if (own->id.kind == STREAM_LOG && its->floor > own->position) {
			if (core->now.mono_ms < peer->snapshot_after_ms)
				core_due(core, peer->snapshot_after_ms);
			else if (!*ret_cut || its->position > vector_find(&(*ret_cut)->vector, &own->id)->position)
				*ret_cut = peer;
			continue;
		}
		if (uuid_cmp(&peer->device, &own->id.origin.device) == 0)
			return peer;
		if (!best || is_better(peer, its, best, best_has)) {
			best = peer;
			best_has = its;
		}
	}
	return best;
}

/* An owner that is here pushes its changes itself: a moment's patience saves sending them twice. */
static bool must_wait_for_owner(struct core *core, const struct stream *own, const struct peer *from, struct note *note)
{
	struct peer *owner = peer_find(core, &own->id.origin.device);

	if (owner == from || !owner || !peer_usable(core, owner) || owner->epoch != own->id.origin.epoch)
		return false;
	if (note->noticed_ms == 0)
		note->noticed_ms = core->now.mono_ms;
	core_due(core, note->noticed_ms + CORE_GRACE_MS);
	return core->now.mono_ms < note->noticed_ms + CORE_GRACE_MS;
}

static bool must_wait(struct core *core, struct note *note)
{
	if (note->held_until > core->now.wall_ms)
		return true;
	note->held_until = 0;
	if (note->retry_ms <= core->now.mono_ms)
		return false;
	core_due(core, note->retry_ms);
	return true;
}

/* Asks for what follows `own`. */
static int ask(struct core *core, struct peer *peer, struct pull *pull, const struct stream *own)
{
	struct message m = {.kind = MESSAGE_RANGE_REQUEST,
			    .range_request = {.request = ++core->last_request,
					      .range = {.stream = own->id,
							.since = own->position,
							.base = own->base,
							.listing = own->listing,
							.max_rows = RANGE_ROWS_PULL,
							.max_bytes = RANGE_BYTES_PULL}}};
	int r;

	memcpy(m.range_request.range.hash, own->hash, HASH_LEN);
	r = core_send(core, peer, &m);
	if (r < 0)
		return r;
	pull->request = m.range_request.request;
	pull->asked_since = own->position;
	pull->asked_listing = own->listing;
	pull->deadline_ms = core->now.mono_ms + CORE_PULL_TIMEOUT_MS;
	core_due(core, pull->deadline_ms);
	return 0;
}

static struct pull *add_pull(struct core *core, const struct stream_id *id, const struct peer *peer)
{
	struct pull *pull = &core->pulls[core->pull_count++];

	*pull = (struct pull){.id = *id, .peer = peer->device};
	return pull;
}

static bool is_forked(const struct stream *its, const struct stream *own)
{
	return its->id.kind == STREAM_LOG && its->position == own->position && its->position > 0 &&
	       hash_is_known(its) && memcmp(its->hash, own->hash, HASH_LEN) != 0;
}

static int plan_stream(struct core *core, struct peer *peer, const struct stream *its)
{
	struct stream own = own_of(core, its);
	struct note *note;
	struct peer *from, *cut;

	if (is_forked(its, &own) && !pull_of(core, &its->id))
		return pull_forked(core, peer, &own.id);
	if (pull_of(core, &its->id) || !is_ahead(its, &own) || !is_wanted(core, its))
		return 0;
	note = core_note(core, &its->id);
	if (!note || must_wait(core, note))
		return 0;
	from = choose(core, &own, &cut);
	if (!from && cut) {
		cut->wants_snapshot = true;
		return 0;
	}
	if (!from || pulls_of(core, from) >= CORE_PULLS_OF_PEER_MAX || must_wait_for_owner(core, &own, from, note))
		return 0;
	return ask(core, from, add_pull(core, &own.id, from), &own);
}

static void forget_claim(struct peer *peer, const struct stream_id *id)
{
	if (peer)
		vector_remove(&peer->vector, id);
}

static void drop_late(struct core *core)
{
	for (size_t i = 0; i < core->pull_count;) {
		struct pull *pull = &core->pulls[i];

		if (pull->request != 0 && core->now.mono_ms >= pull->deadline_ms) {
			forget_claim(peer_find(core, &pull->peer), &pull->id);
			if (stop_asking(core, pull))
				continue;
		}
		if (pull->request != 0)
			core_due(core, pull->deadline_ms);
		i++;
	}
}

int pull_plan(struct core *core)
{
	drop_late(core);
	if (core->now.mono_ms < core->retry_ms) {
		core_due(core, core->retry_ms);
		return 0;
	}
	for (size_t i = 0; i < core->peer_count; i++) {
		struct peer *peer = core->peers[i];

		for (size_t k = 0; peer_usable(core, peer) && k < peer->vector.count; k++) {
			int r = core->pull_count < CORE_PULLS_MAX ? plan_stream(core, peer, &peer->vector.items[k]) : 0;

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* --- ranges that come in --- */

/* A range says how far its sender is. What an owner pushes it does not tell in heartbeats as well, so this is its
 * acknowledgement. */
static void learn_head(struct core *core, struct peer *peer, const struct range *range)
{
	const struct stream *known = vector_find(&peer->vector, &range->stream);
	struct stream s = {
	    .id = range->stream, .started = range->started, .position = range->head, .head = range->head};
	struct ack ack = {.member = peer->device, .stream = range->stream, .position = range->head};

	if (uuid_cmp(&peer->device, &range->stream.origin.device) == 0 && acks_note(&core->acks, &ack) == 1)
		core->acks_dirty = true;
	if (known && known->position >= range->head)
		return;
	if (known && range->stream.kind == STREAM_LOG)
		s.floor = known->floor;
	vector_set(&peer->vector, &s);
}

static int apply(struct core *core, struct pull *pull, struct peer *peer, const struct range *range)
{
	struct effect *e;
	struct task *task;
	int r = core_effect(core, EFFECT_APPLY, &e);

	if (r < 0)
		return r;
	r = buf_append(&e->bytes, range->body, range->body_len);
	if (r == 0)
		r = core_task(core, TASK_APPLY, peer, &task);
	if (r < 0) {
		effect_release(e);
		core->effect_count--;
		return r;
	}
	e->range = *range;
	e->range.body = e->bytes.data;
	e->peer = peer->device;
	task->stream = range->stream;
	e->token = pull->token = task->token;
	pull->upto = range->upto;
	return 0;
}

/* What the stream will be once the range is applied, as far as asking for the next piece goes. */
static struct stream foresee(const struct stream *own, const struct range *range)
{
	struct cursor c = cursor_on(range->body, range->body_len);
	struct stream s = *own;
	const uint8_t *record;
	size_t len;

	s.listing = range->listing;
	s.base = range->listing && range->since == 0 ? range->head : own->base < range->head ? own->base : range->head;
	s.position = range->upto;
	if (range->stream.kind != STREAM_LOG)
		return s;
	memcpy(s.hash, range->hash, HASH_LEN);
	while (record_next(&c, &record, &len) == 0)
		change_running_hash(s.hash, record, len, s.hash);
	return s;
}

static int apply_and_ask(struct core *core, struct pull *pull, struct peer *peer, const struct stream *own,
			 const struct range *range)
{
	struct stream then;
	int r = apply(core, pull, peer, range);

	if (r < 0 || range->upto >= range->head || !peer_usable(core, peer))
		return r;
	then = foresee(own, range);
	return ask(core, peer, pull, &then);
}

/* The piece that follows the one which is being applied. */
static int keep_next(struct pull *pull, const struct range *range)
{
	buf_clear(&pull->next_body);
	if (buf_append(&pull->next_body, range->body, range->body_len) < 0)
		return -ENOMEM;
	pull->next = *range;
	pull->has_next = true;
	return 0;
}

/* A stream ends at some time, however fast its owner changes: a server that gives piece after piece and never the last
 * one has none. */
static int count_piece(struct core *core, struct peer *peer, const struct range *range)
{
	struct note *note = core_note(core, &range->stream);

	if (!note)
		return 0;
	if (range->upto == range->head || uuid_cmp(&note->server, &peer->device) != 0)
		note->pieces = 0;
	note->server = peer->device;
	if (range->upto == range->head || ++note->pieces < PIECES_MAX)
		return 0;
	note->pieces = 0;
	return peer_ban(core, peer, "a stream that does not end");
}

static int take_answer(struct core *core, struct peer *peer, const struct message_range *m)
{
	struct pull *pull = pull_of(core, &m->range.stream);
	bool restarts = m->range.listing && m->range.since == 0;
	struct stream own;
	int r;

	/* An answer to a question that is no longer open. */
	if (!pull || pull->request != m->request || uuid_cmp(&pull->peer, &peer->device) != 0)
		return 0;
	if (!restarts && (m->range.since > pull->asked_since || m->range.listing != pull->asked_listing))
		return peer_ban(core, peer, "an answer to what was not asked");
	r = count_piece(core, peer, &m->range);
	if (r < 0 || !peer->up) /* which ended the pull */
		return r;
	learn_head(core, peer, &m->range);
	pull->request = 0;
	if (pull->token != 0)
		return keep_next(pull, &m->range);
	own = own_of(core, &(struct stream){.id = m->range.stream, .started = m->range.started});
	return apply_and_ask(core, pull, peer, &own, &m->range);
}

static int take_push(struct core *core, struct peer *peer, const struct range *range)
{
	struct stream its = {
	    .id = range->stream, .started = range->started, .position = range->head, .head = range->head};
	struct stream own = own_of(core, &its);
	struct note *note;
	struct pull *pull;

	if (range->listing || !is_wanted(core, &its))
		return 0;
	learn_head(core, peer, range);
	if (range->since > own.position || own.listing || range->upto <= own.position)
		return 0; /* asked for by the next step, or nothing new */
	note = core_note(core, &range->stream);
	if (!note || must_wait(core, note) || pull_of(core, &range->stream) || core->pull_count == CORE_PULLS_MAX)
		return 0;
	pull = add_pull(core, &range->stream, peer);
	return apply(core, pull, peer, range);
}

int pull_range(struct core *core, struct peer *peer, const struct message_range *m)
{
	return m->request != 0 ? take_answer(core, peer, m) : take_push(core, peer, &m->range);
}

int pull_forked(struct core *core, struct peer *peer, const struct stream_id *id)
{
	if (core_is_own(core, id))
		return house_rewound(core, peer, 0);
	if (peer->wants_snapshot ||
	    (peer->snapshot_ms != 0 && core->now.mono_ms < peer->snapshot_ms + CORE_HEARTBEAT_MS))
		return 0;
	peer->wants_snapshot = peer->resync = true;
	return core_tell(core, CORE_EVENT_FORKED, &peer->device, id, "");
}

int pull_refused(struct core *core, struct peer *peer, uint32_t request, enum message_error code)
{
	struct pull *pull = NULL;
	struct stream_id id;
	struct stream *its;
	struct note *note;

	snapshot_refused(core, peer, request);
	for (size_t i = 0; i < core->pull_count; i++) {
		if (core->pulls[i].request == request && uuid_cmp(&core->pulls[i].peer, &peer->device) == 0)
			pull = &core->pulls[i];
	}
	if (!pull)
		return 0;
	id = pull->id;
	stop_asking(core, pull);
	its = vector_find(&peer->vector, &id);
	note = core_note(core, &id);
	switch (code) {
	case MESSAGE_ERROR_CUT:
		if (its)
			its->floor = its->position; /* whoever has it from earlier on is asked, else for a snapshot */
		return 0;
	case MESSAGE_ERROR_FORKED:
		if (note)
			note->retry_ms = core->now.mono_ms + STALE_RETRY_MS;
		return pull_forked(core, peer, &id);
	case MESSAGE_ERROR_BUSY:
		if (note)
			note->retry_ms = core->now.mono_ms + BUSY_RETRY_MS;
		return 0;
	default:
		forget_claim(peer, &id);
		return 0;
	}
}

/* --- applied --- */

static int note_applied(struct core *core, struct peer *peer, const struct applied *applied)
{
	const struct stream *before = vector_find(&core->own, &applied->stream.id);
	bool moved = !before || memcmp(before, &applied->stream, sizeof(*before)) != 0;
	struct note *note;

	if (moved)
		core_moved(core, &applied->stream);
	if (applied->also.id.kind != STREAM_LOG && vector_find(&core->own, &applied->also.id))
		*vector_find(&core->own, &applied->also.id) = applied->also;
	core->own.shared_digest = applied->shared_digest;
	core->own.clock = applied->clock;
	note = core_note(core, &applied->stream.id);
	if (!note)
		return -ENOMEM;
	note->noticed_ms = 0;
	if (stream_is_whole(&applied->stream))
		note->orphans = 0;
	if (applied->held_hlc == 0)
		return 0;
	note->held_until = hlc_ms(applied->held_hlc) - HLC_AHEAD_MAX_MS;
	return core_tell(core, CORE_EVENT_HELD, peer ? &peer->device : NULL, &applied->stream.id, "");
}

static bool awaits_locations(struct core *core, const struct origin *origin)
{
	const struct stream_id id = {.origin = *origin, .kind = MODEL_LOCATION};

	if (pull_of(core, &id))
		return true;
	for (size_t i = 0; i < core->peer_count; i++) {
		const struct stream *its = vector_find(&core->peers[i]->vector, &id);
		struct stream own = its ? own_of(core, its) : stream_none(&id, 0);

		if (its && peer_usable(core, core->peers[i]) && is_ahead(its, &own) && is_wanted(core, its))
			return true;
	}
	return false;
}

/* A location that its owner removed in the middle of the list does that, until it is heard of. What stays so never
 * comes. */
static int note_orphans(struct core *core, struct peer *peer, const struct stream_id *id, struct note *note)
{
	if (!peer || !note)
		return 0;
	note->retry_ms = core->now.mono_ms + STALE_RETRY_MS;
	if (awaits_locations(core, &id->origin) || ++note->orphans < ORPHANS_MAX)
		return 0;
	note->orphans = 0;
	return peer_ban(core, peer, "entries below folders that never come");
}

static int note_refused(struct core *core, struct peer *peer, const struct stream_id *id, int result)
{
	struct note *note = core_note(core, id);

	switch (result) {
	case -ERR_STALE:
		if (note)
			note->retry_ms = core->now.mono_ms + STALE_RETRY_MS;
		forget_claim(peer, id);
		return 0;
	case -ERR_FORKED:
		if (note)
			note->retry_ms = core->now.mono_ms + STALE_RETRY_MS;
		return peer ? pull_forked(core, peer, id) : 0;
	case -ERR_ORPHANS:
		return note_orphans(core, peer, id, note);
	case -ERR_MALFORMED:
	case -ERR_TOO_LARGE:
		return peer ? peer_ban(core, peer, "changes that break the rules") : 0;
	default:
		return core_replica_failed(core, result);
	}
}

/* The next piece, if all went as foreseen; else the stream is looked at anew. */
static int go_on(struct core *core, struct pull *pull, struct peer *peer, bool went_well)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct stream own;
	struct range next;

	pull->token = 0;
	if (!went_well || !peer || !peer_usable(core, peer) || (!pull->has_next && pull->request == 0)) {
		end_pull(core, pull);
		return 0;
	}
	if (!pull->has_next)
		return 0; /* on its way */
	next = pull->next;
	body = pull->next_body;
	pull->next_body = BUF_INIT;
	pull->has_next = false;
	next.body = body.data;
	own = own_of(core, &(struct stream){.id = next.stream, .started = next.started});
	return apply_and_ask(core, pull, peer, &own, &next);
}

int core_applied(struct core *core, struct core_now now, uint32_t token, int result, const struct applied *applied)
{
	struct task task;
	struct pull *pull;
	struct peer *peer;
	bool went_well;
	int r;

	core_at(core, now);
	if (!core_take_task(core, token, &task))
		return 0;
	peer = peer_find(core, &task.peer);
	if (peer && peer->generation != task.generation)
		peer = NULL;
	if (result == 0)
		r = note_applied(core, peer, applied);
	else
		r = note_refused(core, peer, &task.stream, result);
	pull = pull_of(core, &task.stream);
	went_well = result == 0 && applied->held_hlc == 0 && pull && applied->stream.position == pull->upto;
	if (r == 0 && pull && pull->token == token)
		r = go_on(core, pull, peer, went_well);
	return r < 0 ? r : core_step(core);
}
