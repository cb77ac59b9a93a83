/* A peer: from connection to Hello, its heartbeats, its clock, and whether streams are exchanged with it. */
#include "sync/core_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/hlc.h"

enum { ACKS_COALESCE_MS = 500, ACKS_AGAIN_MS = 60 * 1000, ACKS_IN_MESSAGE = 4096 };

struct peer *peer_find(const struct core *core, const struct uuid *device)
{
	for (size_t i = 0; i < core->peer_count; i++) {
		if (uuid_cmp(&core->peers[i]->device, device) == 0)
			return core->peers[i];
	}
	return NULL;
}

static int add_peer(struct core *core, const struct uuid *device, struct peer **ret_peer)
{
	struct peer *peer;

	if (core->peer_count >= CORE_PEERS_MAX)
		return -ERR_TOO_LARGE;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	peer->device = *device;
	core->peers[core->peer_count++] = peer;
	*ret_peer = peer;
	return 0;
}

bool peer_usable(const struct core *core, const struct peer *peer)
{
	return peer->up && peer->greeted && !peer->disabled && !peer->clock_differs && !peer->clock_unsure &&
	       !core->paused && core->now.mono_ms >= peer->banned_until_ms && core_is_member(core, &peer->device) &&
	       core_is_member(core, &core->opts.self);
}

/* --- coming and going --- */

int peer_say_hello(struct core *core, struct peer *peer)
{
	struct message m = {.kind = MESSAGE_HELLO,
			    .hello = {.version_min = MESSAGE_VERSION,
				      .version_max = MESSAGE_VERSION,
				      .software = core->software,
				      .software_len = strlen(core->software),
				      .library = core->opts.library,
				      .instance = core->opts.instance,
				      .wall_ms = core->now.wall_ms < HLC_MS_MAX ? core->now.wall_ms : HLC_MS_MAX,
				      .epoch = core->epoch,
				      .port = core->opts.port,
				      .members = core->registers.data,
				      .members_len = core->registers.len,
				      .vector = core->own}};

	peer->beat_ms = core->now.mono_ms;
	peer->told_revision = core->revision;
	return core_send(core, peer, &m);
}

int core_peer_up(struct core *core, struct core_now now, const struct uuid *device)
{
	struct peer *peer = peer_find(core, device);
	int r = 0;

	core_at(core, now);
	if (!peer)
		r = add_peer(core, device, &peer);
	if (r == -ERR_TOO_LARGE)
		return 0;
	if (r == 0 && peer->up)
		r = peer_gone(core, peer);
	if (r < 0)
		return r;
	peer->generation++;
	peer->up = true;
	peer->greeted = false;
	peer->clock_differs = peer->clock_warned = peer->clock_unsure = false;
	peer->heard_ms = now.mono_ms;
	peer->echo = 0;
	peer->acks_revision = 0;
	peer->acks_full_ms = now.mono_ms;
	peer->push_count = peer->unacknowledged = 0;
	vector_clear(&peer->vector);
	if (now.mono_ms < peer->banned_until_ms)
		return peer->cloned ? peer_close(core, peer, MESSAGE_ERROR_CLONE, "two devices with one key")
				    : peer_close(core, peer, MESSAGE_ERROR_RULES, "broke the rules before");
	peer->cloned = false;
	r = peer_say_hello(core, peer);
	return r < 0 ? r : core_step(core);
}

int peer_gone(struct core *core, struct peer *peer)
{
	bool was_online = peer->up && peer->greeted;

	peer->up = peer->greeted = false;
	pull_drop_peer(core, &peer->device);
	snapshot_drop_peer(core, &peer->device);
	return was_online ? core_tell(core, CORE_EVENT_PEER_OFFLINE, &peer->device, NULL, "") : 0;
}

int core_peer_down(struct core *core, struct core_now now, const struct uuid *device)
{
	struct peer *peer = peer_find(core, device);
	int r = 0;

	core_at(core, now);
	if (peer && peer->up)
		r = peer_gone(core, peer);
	return r < 0 ? r : core_step(core);
}

int core_enable_peer(struct core *core, struct core_now now, const struct uuid *device, bool enabled)
{
	struct peer *peer = peer_find(core, device);
	int r = 0;

	core_at(core, now);
	if (!peer)
		r = add_peer(core, device, &peer);
	if (r < 0)
		return r;
	peer->disabled = !enabled;
	if (!enabled) {
		pull_drop_peer(core, device);
		snapshot_drop_peer(core, device);
	}
	return core_step(core);
}

void core_set_load(struct core *core, uint32_t load)
{
	core->load = load < 100 ? load : 100;
}

int peer_close(struct core *core, struct peer *peer, enum message_error code, const char *text)
{
	struct message m = {.kind = MESSAGE_GOODBYE, .error = {.code = code, .text = text, .text_len = strlen(text)}};
	struct effect *e;
	int r = core_send(core, peer, &m);

	if (r == 0)
		r = core_effect(core, EFFECT_CLOSE, &e);
	if (r < 0)
		return r;
	e->peer = peer->device;
	return peer_gone(core, peer);
}

int peer_ban(struct core *core, struct peer *peer, const char *why)
{
	int r;

	if (!peer->up)
		return 0;
	peer->banned_until_ms = core->now.mono_ms + CORE_BAN_MS;
	r = core_tell(core, CORE_EVENT_PEER_RULES, &peer->device, NULL, why);
	return r < 0 ? r : peer_close(core, peer, MESSAGE_ERROR_RULES, why);
}

/* --- clocks --- */

static uint64_t distance(int64_t offset)
{
	return offset < 0 ? -(uint64_t)offset : (uint64_t)offset;
}

static int judge_clock(struct core *core, struct peer *peer, uint64_t wall_ms)
{
	uint64_t off;
	bool differs;

	peer->clock_offset_ms = (int64_t)wall_ms - (int64_t)core->now.wall_ms + peer->round_trip_ms / 2;
	peer->clock_unsure = false;
	off = distance(peer->clock_offset_ms);
	differs = off > HLC_AHEAD_MAX_MS;
	if (differs != peer->clock_differs) {
		peer->clock_differs = differs;
		if (differs) {
			pull_drop_peer(core, &peer->device);
			snapshot_drop_peer(core, &peer->device);
		}
		return core_tell(core, differs ? CORE_EVENT_PEER_CLOCK : CORE_EVENT_PEER_CLOCK_OK, &peer->device, NULL,
				 "");
	}
	if (off > CORE_CLOCK_WARN_MS && !peer->clock_warned) {
		peer->clock_warned = true;
		return core_tell(core, CORE_EVENT_PEER_CLOCK_WARN, &peer->device, NULL, "");
	}
	return 0;
}

/* --- what it holds --- */

static int acknowledge(struct core *core, struct peer *peer, const struct vector *v)
{
	for (size_t i = 0; i < v->count; i++) {
		const struct ack ack = {.member = peer->device, .stream = v->items[i].id};
		int r = core_keeps_ack(core, &ack) ? acks_note_stream(&core->acks, &peer->device, &v->items[i]) : 0;

		if (r == -ENOMEM)
			return r;
		core->acks_dirty |= r == 1;
	}
	return 0;
}

int peer_learn(struct core *core, struct peer *peer, const struct vector *v, bool partial)
{
	int r = 0;

	if (!partial)
		r = vector_copy(v, &peer->vector);
	for (size_t i = 0; partial && i < v->count && r == 0; i++)
		r = vector_set(&peer->vector, &v->items[i]);
	peer->vector.shared_digest = v->shared_digest;
	if (r == 0)
		r = acknowledge(core, peer, v);
	if (r < 0)
		return r == -ERR_TOO_LARGE ? peer_ban(core, peer, "too many streams") : r;
	if (vector_lives(&peer->vector, &peer->device) > LIVES_MAX)
		return peer_ban(core, peer, "too many lives of its database");
	push_acknowledged(core, peer);
	r = peer_usable(core, peer) ? house_check_own(core, peer) : 0;
	return r < 0 || partial ? r : snapshot_compare(core, peer);
}

/* --- messages --- */

static int refuse(struct core *core, struct peer *peer, enum core_event event, enum message_error code,
		  const char *text)
{
	int r = core_tell(core, event, &peer->device, NULL, text);

	return r < 0 ? r : peer_close(core, peer, code, text);
}

/* A process draws its instance once, so one that was replaced cannot come back: two are alive. */
static bool is_clone(const struct peer *peer, const struct uuid *instance)
{
	return !uuid_is_nil(&peer->instance_before) && uuid_cmp(instance, &peer->instance_before) == 0 &&
	       uuid_cmp(instance, &peer->instance) != 0;
}

/* Which of them is the copy cannot be known. Later the first one that comes is let in: the other may be gone by then,
 * and if it is not, that shows again. */
static int refuse_both(struct core *core, struct peer *peer)
{
	peer->instance = peer->instance_before = (struct uuid){0};
	peer->banned_until_ms = core->now.mono_ms + CORE_BAN_MS;
	peer->cloned = true;
	return refuse(core, peer, CORE_EVENT_PEER_CLONE, MESSAGE_ERROR_CLONE, "two devices with one key");
}

static int accept(struct core *core, struct peer *peer, const struct message_hello *hello)
{
	bool again = peer->greeted;
	struct effect *e;
	int r = 0;

	if (uuid_cmp(&peer->instance, &hello->instance) != 0) {
		peer->instance_before = peer->instance;
		peer->instance = hello->instance;
	}
	memcpy(peer->software, hello->software, hello->software_len);
	peer->software[hello->software_len] = '\0';
	peer->epoch = hello->epoch;
	peer->greeted = true;
	if (!again)
		r = core_tell(core, CORE_EVENT_PEER_ONLINE, &peer->device, NULL, peer->software);
	if (r == 0 && hello->members_len > 0) {
		r = core_effect(core, EFFECT_MEMBERS, &e);
		if (r < 0)
			return r;
		e->peer = peer->device;
		r = buf_append(&e->bytes, hello->members, hello->members_len);
	}
	if (r == 0)
		r = judge_clock(core, peer, hello->wall_ms);
	return r < 0 ? r : peer_learn(core, peer, &hello->vector, false);
}

int peer_hello(struct core *core, struct peer *peer, const struct message_hello *hello)
{
	if (!message_speaks(hello))
		return refuse(core, peer, CORE_EVENT_PEER_VERSION, MESSAGE_ERROR_VERSION, "no version that both speak");
	if (uuid_cmp(&hello->library, &core->opts.library) != 0)
		return refuse(core, peer, CORE_EVENT_PEER_LIBRARY, MESSAGE_ERROR_LIBRARY, "another library");
	if (uuid_cmp(&peer->device, &core->opts.self) == 0)
		return refuse(core, peer, CORE_EVENT_PEER_CLONE, MESSAGE_ERROR_CLONE, "two devices with one key");
	if (is_clone(peer, &hello->instance))
		return refuse_both(core, peer);
	return accept(core, peer, hello);
}

int peer_heartbeat(struct core *core, struct peer *peer, const struct message_heartbeat *beat)
{
	int r;

	if (beat->echo != 0 && beat->echo <= core->now.mono_ms && core->now.mono_ms - beat->echo < CORE_SILENCE_MS)
		peer->round_trip_ms = (uint32_t)(core->now.mono_ms - beat->echo);
	peer->echo = beat->stamp;
	peer->echo_ms = core->now.mono_ms;
	peer->load = beat->load;
	peer->epoch = beat->epoch;
	r = judge_clock(core, peer, beat->wall_ms);
	return r < 0 ? r : peer_learn(core, peer, &beat->vector, beat->partial);
}

static const char *reason_of(enum message_error code)
{
	static const char *const reasons[] = {
	    [MESSAGE_ERROR_NONE] = "it stops",
	    [MESSAGE_ERROR_CUT] = "cut",
	    [MESSAGE_ERROR_FORKED] = "forked",
	    [MESSAGE_ERROR_STALE] = "stale",
	    [MESSAGE_ERROR_BUSY] = "busy",
	    [MESSAGE_ERROR_VERSION] = "no version that both speak",
	    [MESSAGE_ERROR_LIBRARY] = "another library",
	    [MESSAGE_ERROR_CLOCK] = "clocks differ",
	    [MESSAGE_ERROR_RULES] = "it says that this device broke the rules",
	    [MESSAGE_ERROR_REMOVED] = "not a member there",
	    [MESSAGE_ERROR_CLONE] = "two devices with one key",
	};

	return reasons[code];
}

int peer_error(struct core *core, struct peer *peer, const struct message *m)
{
	struct effect *e;
	int r;

	if (m->kind == MESSAGE_ERROR)
		return m->error.request != 0 ? pull_refused(core, peer, m->error.request, m->error.code) : 0;
	r = m->error.code != MESSAGE_ERROR_NONE
		? core_tell(core, CORE_EVENT_PEER_REFUSED, &peer->device, NULL, reason_of(m->error.code))
		: 0;
	if (r == 0)
		r = core_effect(core, EFFECT_CLOSE, &e);
	if (r < 0)
		return r;
	e->peer = peer->device;
	return peer_gone(core, peer);
}

/* --- telling --- */

static struct message heartbeat(const struct core *core, const struct peer *peer)
{
	return (struct message){
	    .kind = MESSAGE_HEARTBEAT,
	    .heartbeat = {.wall_ms = core->now.wall_ms < HLC_MS_MAX ? core->now.wall_ms : HLC_MS_MAX,
			  .epoch = core->epoch,
			  .stamp = core->now.mono_ms,
			  .load = core->load,
			  /* Without the time that it lay here. */
			  .echo = peer->echo == 0 ? 0 : peer->echo + core->now.mono_ms - peer->echo_ms}};
}

static int beat_fully(struct core *core, struct peer *peer)
{
	struct message m = heartbeat(core, peer);

	m.heartbeat.vector = core->own;
	peer->beat_ms = peer->partial_ms = core->now.mono_ms;
	peer->told_revision = core->revision;
	peer->echo = 0;
	return core_send(core, peer, &m);
}

static int collect_untold(struct core *core, struct peer *peer, struct vector *ret_v)
{
	for (size_t i = 0; i < core->own.count; i++) {
		const struct stream *s = &core->own.items[i];
		const struct note *note = core_find_note(core, &s->id);
		int r;

		/* What is being pushed tells itself. */
		if (!note || note->revision <= peer->told_revision || push_covers(core, peer, s))
			continue;
		r = vector_set(ret_v, s);
		if (r < 0)
			return r;
	}
	return 0;
}

/* On change: which streams moved, which is an acknowledgement too. At once, then every CORE_COALESCE_MS. */
static int beat_partly(struct core *core, struct peer *peer)
{
	_cleanup_(vector_release) struct vector untold = VECTOR_INIT;
	struct message m;
	int r = collect_untold(core, peer, &untold);

	if (r < 0)
		return r;
	if (untold.count == 0) {
		peer->told_revision = core->revision;
		return 0;
	}
	if (core->now.mono_ms < peer->partial_ms + CORE_COALESCE_MS) {
		core_due(core, peer->partial_ms + CORE_COALESCE_MS);
		return 0;
	}
	m = heartbeat(core, peer);
	m.heartbeat.partial = true;
	m.heartbeat.vector = untold;
	m.heartbeat.vector.shared_digest = core->own.shared_digest;
	peer->partial_ms = core->now.mono_ms;
	peer->told_revision = core->revision;
	peer->echo = 0;
	return core_send(core, peer, &m);
}

static int send_acks(struct core *core, struct peer *peer, struct acks *acks)
{
	struct message m = {.kind = MESSAGE_ACKS, .acks = *acks};
	int r = acks->count > 0 ? core_send(core, peer, &m) : 0;

	acks_release(acks);
	return r;
}

static int send_acks_after(struct core *core, struct peer *peer, uint64_t told)
{
	_cleanup_(acks_release) struct acks news = ACKS_INIT;
	int r = 0;

	for (size_t i = 0; i < core->acks.count && r >= 0; i++) {
		const struct ack *ack = &core->acks.items[i];

		if (ack->revision <= told || uuid_cmp(&ack->member, &peer->device) == 0)
			continue;
		r = acks_note(&news, ack);
		if (r >= 0 && news.count == ACKS_IN_MESSAGE)
			r = send_acks(core, peer, &news);
	}
	return r < 0 ? r : send_acks(core, peer, &news);
}

/* What is news to it about others. All of it again now and then, should something have been dropped there. */
static int tell_acks(struct core *core, struct peer *peer)
{
	uint64_t told;

	if (core->now.mono_ms >= peer->acks_full_ms + ACKS_AGAIN_MS) {
		peer->acks_revision = 0;
		peer->acks_full_ms = core->now.mono_ms;
	}
	told = peer->acks_revision;
	if (told == core->acks.revision)
		return 0;
	if (core->now.mono_ms < peer->acks_ms + ACKS_COALESCE_MS) {
		core_due(core, peer->acks_ms + ACKS_COALESCE_MS);
		return 0;
	}
	peer->acks_ms = core->now.mono_ms;
	peer->acks_revision = core->acks.revision;
	return send_acks_after(core, peer, told);
}

int peer_beat(struct core *core, struct peer *peer)
{
	int r;

	if (!peer->up || !peer->greeted)
		return 0;
	core_due(core, peer->heard_ms + CORE_SILENCE_MS);
	if (core->now.mono_ms >= peer->beat_ms + CORE_HEARTBEAT_MS)
		r = beat_fully(core, peer);
	else
		r = peer_usable(core, peer) ? beat_partly(core, peer) : 0;
	core_due(core, peer->beat_ms + CORE_HEARTBEAT_MS);
	return r < 0 || !peer_usable(core, peer) ? r : tell_acks(core, peer);
}
