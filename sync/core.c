/* The core holds its own vector, one struct peer for each device that was up, and what is on its way: pulls (one range
 * of a stream at a time), tasks (what the driver was asked for) and the queue of effects.
 *
 *   core_peer.c      Hello, heartbeats, clocks, who is usable
 *   core_pull.c      which stream is asked from whom; ranges that come in
 *   core_push.c      own changes, told at once
 *   core_serve.c     answers
 *   core_snapshot.c  shared rows as a whole: when a log is cut, when histories fork, when digests differ
 *   core_house.c     what may be cut, epochs, the state
 *
 * Each event changes what is known, then core_step looks for everything that there is to do now. So nothing depends on
 * the order of events: what was lost or refused is found again by the next step. */
#include "sync/core_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { FIRST_CAPACITY = 16 };

static int grow(void **items, size_t count, size_t *capacity, size_t size)
{
	size_t more = *capacity ? *capacity * 2 : FIRST_CAPACITY;
	void *moved;

	if (count < *capacity)
		return 0;
	moved = reallocarray(*items, more, size);
	if (!moved)
		return -ENOMEM;
	*items = moved;
	*capacity = more;
	return 0;
}

/* --- effects --- */

void effect_release(struct effect *e)
{
	buf_release(&e->bytes);
	vector_release(&e->covers);
}

static void close_gap(struct core *core)
{
	if (core->effect_first == 0)
		return;
	memmove(core->effects, core->effects + core->effect_first, core->effect_count * sizeof(*core->effects));
	core->effect_first = 0;
}

int core_effect(struct core *core, enum effect_kind kind, struct effect **ret_effect)
{
	int r;

	if (core->effect_first + core->effect_count == core->effect_capacity)
		close_gap(core);
	r = grow((void **)&core->effects, core->effect_count, &core->effect_capacity, sizeof(*core->effects));
	if (r < 0)
		return r;
	*ret_effect = &core->effects[core->effect_first + core->effect_count++];
	**ret_effect = (struct effect){.kind = kind};
	return 0;
}

int core_next(struct core *core, struct effect *ret_effect)
{
	if (core->effect_count == 0)
		return 1;
	*ret_effect = core->effects[core->effect_first++];
	core->effect_count--;
	if (core->effect_count == 0)
		core->effect_first = 0;
	return 0;
}

int core_send(struct core *core, struct peer *peer, const struct message *m)
{
	struct effect *e;
	int r = core_effect(core, EFFECT_SEND, &e);

	if (r < 0)
		return r;
	e->peer = peer->device;
	r = message_encode(m, &e->bytes);
	if (r < 0) {
		effect_release(e);
		core->effect_count--;
	}
	return r;
}

int core_send_error(struct core *core, struct peer *peer, enum message_error code, uint32_t request, const char *text)
{
	struct message m = {.kind = MESSAGE_ERROR,
			    .error = {.code = code, .request = request, .text = text, .text_len = strlen(text)}};

	return core_send(core, peer, &m);
}

int core_tell(struct core *core, enum core_event event, const struct uuid *peer, const struct stream_id *stream,
	      const char *text)
{
	struct effect *e;
	int r = core_effect(core, EFFECT_EVENT, &e);

	if (r < 0)
		return r;
	e->event = event;
	if (peer)
		e->peer = *peer;
	if (stream)
		e->stream = *stream;
	snprintf(e->text, sizeof(e->text), "%s", text);
	return 0;
}

void core_due(struct core *core, uint64_t at_ms)
{
	if (at_ms < core->wake_ms)
		core->wake_ms = at_ms;
}

/* --- tasks --- */

int core_task(struct core *core, enum task_kind kind, const struct peer *peer, struct task **ret_task)
{
	int r = grow((void **)&core->tasks, core->task_count, &core->task_capacity, sizeof(*core->tasks));

	if (r < 0)
		return r;
	*ret_task = &core->tasks[core->task_count++];
	**ret_task = (struct task){.token = ++core->last_token, .kind = kind};
	if (peer) {
		(*ret_task)->peer = peer->device;
		(*ret_task)->generation = peer->generation;
	}
	return 0;
}

bool core_take_task(struct core *core, uint32_t token, struct task *ret_task)
{
	for (size_t i = 0; i < core->task_count; i++) {
		if (core->tasks[i].token != token)
			continue;
		*ret_task = core->tasks[i];
		core->tasks[i] = core->tasks[--core->task_count];
		return true;
	}
	return false;
}

/* --- time --- */

/* Nothing that was asked for is waited for any more. */
static void stop_asking(struct core *core)
{
	for (size_t i = 0; i < core->peer_count; i++) {
		pull_drop_peer(core, &core->peers[i]->device);
		snapshot_drop_peer(core, &core->peers[i]->device);
	}
}

/* A clock that is set makes what was known of the peers' clocks wrong: until each tells its own again, nothing is
 * exchanged with it. Otherwise a step back looked as if this device's stamps had run ahead of a clock that all agree
 * with. */
void core_at(struct core *core, struct core_now now)
{
	int64_t step = (int64_t)(now.wall_ms - core->now.wall_ms) - (int64_t)(now.mono_ms - core->now.mono_ms);

	core->now = now;
	if (step > -CORE_CLOCK_WARN_MS && step < CORE_CLOCK_WARN_MS)
		return;
	for (size_t i = 0; i < core->peer_count; i++)
		core->peers[i]->clock_unsure = true;
	stop_asking(core);
}

/* --- streams --- */

struct note *core_find_note(const struct core *core, const struct stream_id *id)
{
	for (size_t i = 0; i < core->note_count; i++) {
		if (stream_id_cmp(&core->notes[i].id, id) == 0)
			return &core->notes[i];
	}
	return NULL;
}

struct note *core_note(struct core *core, const struct stream_id *id)
{
	struct note *note = core_find_note(core, id);

	if (note)
		return note;
	if (core->note_count >= (size_t)2 * VECTOR_STREAMS_MAX)
		return NULL;
	if (grow((void **)&core->notes, core->note_count, &core->note_capacity, sizeof(*core->notes)) < 0)
		return NULL;
	note = &core->notes[core->note_count++];
	*note = (struct note){.id = *id};
	return note;
}

bool core_is_member(const struct core *core, const struct uuid *device)
{
	for (size_t i = 0; i < core->member_count; i++) {
		if (uuid_cmp(&core->members[i], device) == 0)
			return true;
	}
	return false;
}

bool core_is_own(const struct core *core, const struct stream_id *id)
{
	return id->origin.epoch == core->epoch && uuid_cmp(&id->origin.device, &core->opts.self) == 0;
}

bool core_takes(const struct core *core, const struct stream_id *id)
{
	if (id->kind == STREAM_LOG)
		return true;
	if (!core_is_member(core, &id->origin.device))
		return false;
	for (size_t i = 0; i < core->not_taken_count; i++) {
		if (core->not_taken[i].kind == id->kind && uuid_cmp(&core->not_taken[i].owner, &id->origin.device) == 0)
			return false;
	}
	return true;
}

static bool is_later(const struct stream *a, const struct stream *b)
{
	return a->started != b->started ? a->started > b->started : a->id.origin.epoch > b->id.origin.epoch;
}

bool core_is_latest(const struct core *core, const struct stream *s)
{
	const struct stream *other = vector_current(&core->own, &s->id.origin.device, s->id.kind);

	if (other && is_later(other, s))
		return false;
	for (size_t i = 0; i < core->peer_count; i++) {
		other = peer_usable(core, core->peers[i])
			    ? vector_current(&core->peers[i]->vector, &s->id.origin.device, s->id.kind)
			    : NULL;
		if (other && is_later(other, s))
			return false;
	}
	return true;
}

bool core_keeps_ack(const void *arg, const struct ack *ack)
{
	const struct core *core = arg;
	const struct stream_id *id = &ack->stream;

	return core_is_member(core, &ack->member) && (id->kind == STREAM_LOG || vector_find(&core->own, id) ||
						      !vector_current(&core->own, &id->origin.device, id->kind));
}

/* The stream of an earlier epoch is replaced by that of a later one. */
static void drop_earlier(struct core *core, const struct stream *s)
{
	for (size_t i = 0; i < core->own.count;) {
		const struct stream *other = &core->own.items[i];
		struct stream_id id = other->id;

		if (id.kind == s->id.kind && id.kind != STREAM_LOG && is_later(s, other) &&
		    uuid_cmp(&id.origin.device, &s->id.origin.device) == 0)
			vector_remove(&core->own, &id);
		else
			i++;
	}
}

void core_moved(struct core *core, const struct stream *s)
{
	struct stream moved = *s;
	struct note *note = core_note(core, &moved.id);

	bool news = !vector_find(&core->own, &moved.id);

	drop_earlier(core, &moved);
	if (vector_set(&core->own, &moved) == 0 && note)
		note->revision = ++core->revision;
	if (news)
		acks_keep(&core->acks, core_keeps_ack, core);
}

int core_replica_failed(struct core *core, int result)
{
	core->retry_ms = core->now.mono_ms + CORE_RETRY_MS;
	return core_tell(core, CORE_EVENT_REPLICA, NULL, NULL, err_str(result));
}

/* --- life --- */

int core_new(const struct core_opts *opts, const struct vector *own, uint64_t epoch, struct core_now now,
	     struct core **ret_core)
{
	struct core *core = calloc(1, sizeof(*core));

	if (!core)
		return -ENOMEM;
	core->opts = *opts;
	if (core->opts.log_records_max == 0)
		core->opts.log_records_max = CORE_LOG_RECORDS_MAX;
	snprintf(core->software, sizeof(core->software), "%s", opts->software ? opts->software : "");
	core->now = now;
	core->epoch = epoch;
	core->revision = 1;
	core->state = core->told_state = CORE_UNINITIALIZED;
	if (vector_copy(own, &core->own) < 0) {
		core_free(core);
		return -ENOMEM;
	}
	*ret_core = core;
	return 0;
}

static void free_peer(struct peer *peer)
{
	vector_release(&peer->vector);
	free(peer);
}

void core_free(struct core *core)
{
	if (!core)
		return;
	for (size_t i = 0; i < core->peer_count; i++)
		free_peer(core->peers[i]);
	for (size_t i = 0; i < core->pull_count; i++)
		buf_release(&core->pulls[i].next_body);
	for (size_t i = 0; i < core->task_count; i++)
		vector_release(&core->tasks[i].covers);
	for (size_t i = 0; i < core->effect_count; i++)
		effect_release(&core->effects[core->effect_first + i]);
	free(core->effects);
	free(core->tasks);
	free(core->notes);
	free(core->members);
	free(core->not_taken);
	buf_release(&core->registers);
	buf_release(&core->snapshot.cursor);
	vector_release(&core->snapshot.covers);
	vector_release(&core->own);
	acks_release(&core->acks);
	free(core);
}

/* --- events --- */

static int note_acks_dirty(struct core *core)
{
	struct effect *e;

	if (!core->acks_dirty)
		return 0;
	core->acks_dirty = false;
	return core_effect(core, EFFECT_ACKS_CHANGED, &e);
}

int core_step(struct core *core)
{
	int r;

	core->wake_ms = core->now.mono_ms + CORE_HEARTBEAT_MS;
	r = house_repair_clock(core);
	if (r == 0)
		r = house_count_lives(core);
	for (size_t i = 0; i < core->peer_count && r == 0; i++) {
		r = push_plan(core, core->peers[i]);
		if (r == 0)
			r = peer_beat(core, core->peers[i]);
	}
	if (r == 0)
		r = pull_plan(core);
	if (r == 0)
		r = snapshot_plan(core);
	if (r == 0)
		r = house_keep(core);
	if (r == 0)
		r = house_state(core);
	return r < 0 ? r : note_acks_dirty(core);
}

int core_tick(struct core *core, struct core_now now)
{
	core_at(core, now);
	for (size_t i = 0; i < core->peer_count; i++) {
		struct peer *peer = core->peers[i];

		if (peer->up && now.mono_ms >= peer->heard_ms + CORE_SILENCE_MS) {
			int r = peer_close(core, peer, MESSAGE_ERROR_NONE, "silent");

			if (r < 0)
				return r;
		}
	}
	return core_step(core);
}

/* Whether what peers are told of a stream is another than before. */
static bool tells_more(const struct stream *before, const struct stream *now)
{
	return !before || before->position != now->position || memcmp(before->hash, now->hash, HASH_LEN) != 0 ||
	       stream_is_whole(before) != stream_is_whole(now);
}

int core_replace_own(struct core *core, const struct vector *own)
{
	_cleanup_(vector_release) struct vector before = core->own;
	bool news = false; /* a stream, perhaps of a later epoch */
	int r;

	core->own = VECTOR_INIT;
	r = vector_copy(own, &core->own);
	if (r < 0) {
		core->own = before;
		before = VECTOR_INIT;
		return r;
	}
	for (size_t i = 0; i < own->count; i++) {
		const struct stream *old = vector_find(&before, &own->items[i].id);
		struct note *note = core_note(core, &own->items[i].id);

		news |= !old;
		if (note && tells_more(old, &own->items[i]))
			note->revision = ++core->revision;
	}
	if (news)
		acks_keep(&core->acks, core_keeps_ack, core);
	return 0;
}

int core_reload(struct core *core, struct core_now now, const struct vector *own, uint64_t epoch)
{
	int r;

	core_at(core, now);
	core->epoch = epoch;
	r = core_replace_own(core, own);
	return r < 0 ? r : core_step(core);
}

int core_members(struct core *core, struct core_now now, const struct uuid *members, size_t count,
		 const void *registers, size_t len)
{
	struct uuid *copy = malloc((count ? count : 1) * sizeof(*copy));
	bool changed = len != core->registers.len || (len > 0 && memcmp(registers, core->registers.data, len) != 0);
	int r;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, members, count * sizeof(*copy));
	free(core->members);
	core->members = copy;
	core->member_count = count;
	core_at(core, now);
	acks_keep(&core->acks, core_keeps_ack, core);
	buf_clear(&core->registers);
	r = buf_append(&core->registers, registers, len);
	for (size_t i = 0; i < core->peer_count && r == 0; i++) {
		struct peer *peer = core->peers[i];

		if (!core_is_member(core, &peer->device) && peer->up)
			r = peer_close(core, peer, MESSAGE_ERROR_REMOVED, "not a member");
		else if (changed && peer->up && peer->greeted)
			r = peer_say_hello(core, peer);
	}
	return r < 0 ? r : core_step(core);
}

int core_restore_acks(struct core *core, const struct acks *acks)
{
	for (size_t i = 0; i < acks->count; i++) {
		int r = acks_note(&core->acks, &acks->items[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int core_pause(struct core *core, struct core_now now, bool paused)
{
	core_at(core, now);
	core->paused = paused;
	if (paused)
		stop_asking(core); /* the answers would be dropped */
	return core_step(core);
}

int core_take(struct core *core, struct core_now now, const struct uuid *owner, uint8_t kind, bool taken)
{
	size_t i = 0;

	core_at(core, now);
	while (i < core->not_taken_count &&
	       (core->not_taken[i].kind != kind || uuid_cmp(&core->not_taken[i].owner, owner) != 0))
		i++;
	if (taken && i < core->not_taken_count)
		core->not_taken[i] = core->not_taken[--core->not_taken_count];
	if (!taken && i == core->not_taken_count) {
		struct not_taken *more = reallocarray(core->not_taken, i + 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		more[i] = (struct not_taken){.owner = *owner, .kind = kind};
		core->not_taken = more;
		core->not_taken_count++;
	}
	return core_step(core);
}

static int take_acks(struct core *core, const struct acks *acks)
{
	for (size_t i = 0; i < acks->count; i++) {
		const struct ack *ack = &acks->items[i];
		int r;

		if (uuid_cmp(&ack->member, &core->opts.self) == 0)
			continue;
		r = core_keeps_ack(core, ack) ? acks_note(&core->acks, ack) : 0;
		if (r == -ENOMEM)
			return r;
		if (r == 1)
			core->acks_dirty = true;
	}
	return 0;
}

/* So that it asks somebody else. */
static int not_now(struct core *core, struct peer *peer, const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_RANGE_REQUEST:
		return core_send_error(core, peer, MESSAGE_ERROR_BUSY, m->range_request.request, "not now");
	case MESSAGE_SNAPSHOT_REQUEST:
		return core_send_error(core, peer, MESSAGE_ERROR_BUSY, m->snapshot_request.request, "not now");
	default:
		return 0;
	}
}

static int dispatch(struct core *core, struct peer *peer, const struct message *m)
{
	if (m->kind == MESSAGE_HELLO)
		return peer_hello(core, peer, &m->hello);
	if (!peer->greeted)
		return m->kind == MESSAGE_ERROR || m->kind == MESSAGE_GOODBYE ? peer_error(core, peer, m) : 0;
	switch (m->kind) {
	case MESSAGE_HEARTBEAT:
		return peer_heartbeat(core, peer, &m->heartbeat);
	case MESSAGE_ACKS:
		return take_acks(core, &m->acks);
	case MESSAGE_ERROR:
	case MESSAGE_GOODBYE:
		return peer_error(core, peer, m);
	default:
		break;
	}
	if (!peer_usable(core, peer))
		return not_now(core, peer, m);
	switch (m->kind) {
	case MESSAGE_RANGE:
		return pull_range(core, peer, &m->range);
	case MESSAGE_RANGE_REQUEST:
		return serve_range(core, peer, &m->range_request);
	case MESSAGE_SNAPSHOT_REQUEST:
		return serve_snapshot(core, peer, &m->snapshot_request);
	case MESSAGE_SNAPSHOT:
		return snapshot_piece(core, peer, &m->snapshot);
	default:
		return 0;
	}
}

int core_message(struct core *core, struct core_now now, const struct uuid *device, const void *bytes, size_t len)
{
	_cleanup_(message_release) struct message m = {.kind = 0};
	struct peer *peer = peer_find(core, device);
	int r;

	core_at(core, now);
	if (!peer || !peer->up)
		return 0;
	peer->heard_ms = now.mono_ms;
	r = message_decode(bytes, len, &m);
	if (r == -ENOMEM)
		return r;
	r = r < 0 ? peer_ban(core, peer, "a message that cannot be read") : dispatch(core, peer, &m);
	return r < 0 ? r : core_step(core);
}

/* --- looking --- */

const struct vector *core_vector(const struct core *core)
{
	return &core->own;
}

const struct acks *core_acks(const struct core *core)
{
	return &core->acks;
}

enum core_state core_state(const struct core *core)
{
	return core->state;
}

uint64_t core_wake_ms(const struct core *core)
{
	return core->wake_ms;
}
