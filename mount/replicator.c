/* Each effect that needs the database becomes a job on libuv's pool (a small read is done on the loop) and is reported to
 * the core when it is done, on the loop. Until the last job is back, the core and the store must stay: `jobs` counts them.
 *
 * Jobs and commits of other threads end in one order and are heard of in another. So the core is never told a vector
 * that was read when they ended: each report reads it anew, on the loop, and what the core holds never goes back.
 * Positions and sums are of one read transaction, or a peer at equal positions would seem to have other rows. */
#include "mount/replicator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "mount/outboxes.h"
#include "mount/sync_events.h"
#include "store/ack.h"
#include "store/replica.h"
#include "sync/model.h"

#define ACKS_SAVE_MS  2000
#define LOOP_READ_MAX 16 /* changes */
#define SOFTWARE      "shelf 0.1"
#define CLAIMS_MAX    3 /* epochs because of what a peer claims, in CLAIMS_MS */
#define CLAIMS_MS    (10 * 60 * 1000)

struct replicator {
	struct replicator_opts opts;
	struct core *core;
	uv_timer_t wake;
	uv_timer_t save; /* of acknowledgements */
	uint64_t acks_saved; /* revision of those in sync.db */
	struct outboxes outboxes;
	unsigned jobs;
	unsigned handles;   /* that are not closed yet */
	bool epoch_running; /* a job begins an epoch: what is committed meanwhile is told with its result */
	bool closing;
	bool at_once; /* a new epoch is not for the pool */
	void (*done)(void *arg);
	void *done_arg;
	uint64_t claims_ms[CLAIMS_MAX]; /* when such an epoch began; the oldest is at claims % CLAIMS_MAX */
	unsigned claims;
};

struct job {
	uv_work_t work;
	struct replicator *replicator;
	struct effect effect;
	int result;
	struct range range;
	struct buf body;   /* READ: the range's; SNAPSHOT_READ: the rows */
	struct buf cursor; /* SNAPSHOT_READ */
	struct applied applied;
};

static struct core_now now_of(void)
{
	return (struct core_now){.mono_ms = clock_monotonic_ms(), .wall_ms = clock_wall_ms()};
}

static void pump(struct replicator *r);

/* --- jobs --- */

static void on_pool(uv_work_t *work)
{
	struct job *job = work->data;
	struct effect *e = &job->effect;
	struct store *store = job->replicator->opts.store;
	uint64_t wall_ms = clock_wall_ms();

	switch (e->kind) {
	case EFFECT_READ:
		job->result = store_replica.read(store, &e->request, &job->range, &job->body);
		break;
	case EFFECT_APPLY:
		job->result = store_replica.apply(store, &e->range, wall_ms, &job->applied);
		break;
	case EFFECT_SNAPSHOT_READ:
		job->result = store_replica.snapshot_read(store, &e->bytes, RANGE_BYTES_PULL, &job->body, &job->cursor);
		break;
	case EFFECT_SNAPSHOT_MERGE:
		job->result = store_replica.snapshot_merge(store, e->bytes.data, e->bytes.len,
							   e->last ? &e->covers : NULL, wall_ms);
		break;
	case EFFECT_CUT:
		job->result = store_replica.cut(store, &e->stream, e->upto);
		break;
	case EFFECT_RELIST:
		job->result = store_replica.relist(store, &e->stream);
		break;
	case EFFECT_NEW_EPOCH:
		e->epoch.keep = &e->covers;
		job->result = store_replica.new_epoch(store, &e->epoch, wall_ms);
		break;
	case EFFECT_MEMBERS:
		job->result = store_replica.snapshot_merge(store, e->bytes.data, e->bytes.len, NULL, wall_ms);
		break;
	default:
		job->result = -EINVAL;
	}
}

/* As it is stored now; a job that is to tell it fails without. */
static int read_vector(struct replicator *r, int result, struct vector *ret_own)
{
	int read = result < 0 ? result : store_replica.vector(r->opts.store, ret_own);

	return read < 0 ? read : result;
}

static int tell_vector(struct replicator *r)
{
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;
	int result = store_replica.vector(r->opts.store, &own);

	return result < 0 ? result : core_reload(r->core, now_of(), &own, store_info(r->opts.store)->epoch);
}

/* Others may have committed since: the result goes with the sums that belong to the vector. */
static void report_applied(struct replicator *r, const struct job *job)
{
	struct applied applied = job->applied;

	if (job->result >= 0 && tell_vector(r) >= 0) {
		const struct vector *own = core_vector(r->core);
		const struct stream *stream = vector_find(own, &applied.stream.id);

		if (stream)
			applied.stream = *stream;
		applied.also = (struct stream){.started = 0};
		applied.shared_digest = own->shared_digest;
		applied.clock = own->clock;
	}
	core_applied(r->core, now_of(), job->effect.token, job->result, &applied);
}

static void report_members(struct replicator *r, int result)
{
	if (result >= 0)
		result = tell_vector(r);
	if (result < 0)
		log_warn("what a peer says of the members cannot be merged: %s", err_str(result));
}

static void report_house(struct replicator *r, const struct job *job)
{
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;
	const struct effect *e = &job->effect;
	int result = read_vector(r, job->result, &own);
	struct core_now now = now_of();

	switch (e->kind) {
	case EFFECT_SNAPSHOT_MERGE:
		core_snapshot_merged(r->core, now, e->token, result, &own);
		break;
	case EFFECT_CUT:
		core_cut_done(r->core, now, e->token, result, &own);
		break;
	case EFFECT_RELIST:
		core_reloaded(r->core, now, e->token, result, &own);
		break;
	case EFFECT_NEW_EPOCH:
		r->epoch_running = false;
		core_epoch_done(r->core, now, e->token, result, &own, store_info(r->opts.store)->epoch);
		break;
	default:
		break;
	}
}

static void report_job(struct replicator *r, struct job *job)
{
	uint32_t token = job->effect.token;

	switch (job->effect.kind) {
	case EFFECT_READ:
		job->range.body = job->body.data;
		job->range.body_len = job->body.len;
		core_read_done(r->core, now_of(), token, job->result, &job->range);
		break;
	case EFFECT_APPLY:
		report_applied(r, job);
		break;
	case EFFECT_SNAPSHOT_READ:
		core_snapshot_read(r->core, now_of(), token, job->result, &job->body, &job->cursor);
		break;
	case EFFECT_MEMBERS:
		report_members(r, job->result);
		break;
	default:
		report_house(r, job);
		break;
	}
}

static bool tells_of_members(const struct job *job)
{
	return job->effect.kind == EFFECT_MEMBERS || job->effect.kind == EFFECT_SNAPSHOT_MERGE ||
	       (job->effect.kind == EFFECT_APPLY && job->applied.members_changed);
}

static void job_free(struct job *job)
{
	buf_release(&job->body);
	buf_release(&job->cursor);
	effect_release(&job->effect);
	free(job);
}

static void finish(struct replicator *r);

static void after_pool(uv_work_t *work, int status)
{
	struct job *job = work->data;
	struct replicator *r = job->replicator;

	r->jobs--;
	if (r->closing) {
		job_free(job);
		finish(r);
		return;
	}
	report_job(r, job);
	if (job->result >= 0 && tells_of_members(job))
		r->opts.members_changed(r->opts.arg);
	job_free(job);
	pump(r);
}

/* A few changes are read on the loop, where the vector was just read: somebody waits for them, and the way to the pool and
 * back takes longer. */
static bool is_small_read(const struct replicator *r, const struct effect *e)
{
	const struct stream *stream = e->kind == EFFECT_READ ? vector_find(core_vector(r->core), &e->request.stream) : NULL;

	/* A base below the floor is answered by the beginning of a list. */
	return stream && !e->request.listing && (stream->id.kind == STREAM_LOG || e->request.base >= stream->floor) &&
	       stream->position >= e->request.since && stream->position - e->request.since <= LOOP_READ_MAX;
}

/* Takes over the effect. */
static void start_job(struct replicator *r, struct effect *e)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		struct job none = {.replicator = r, .effect = *e, .result = -ENOMEM};

		log_error("no memory for replication");
		report_job(r, &none); /* a result that is lost would leave the core waiting */
		effect_release(e);
		return;
	}
	if (e->kind == EFFECT_NEW_EPOCH)
		r->epoch_running = true;
	job->replicator = r;
	job->effect = *e;
	job->effect.range.body = job->effect.bytes.data;
	job->work.data = job;
	r->jobs++;
	if (is_small_read(r, &job->effect) || (r->at_once && job->effect.kind == EFFECT_NEW_EPOCH)) {
		on_pool(&job->work);
		after_pool(&job->work, 0);
		return;
	}
	uv_queue_work(r->opts.loop, &job->work, on_pool, after_pool);
}

/* --- effects --- */

static void save_acks(uv_timer_t *timer)
{
	struct replicator *r = timer->data;
	int result = ack_save(r->opts.store, core_acks(r->core), r->acks_saved);

	if (result < 0)
		log_debug("acknowledgements are not kept: %s", err_str(result));
	else
		r->acks_saved = core_acks(r->core)->revision;
}

/* A peer may know of a life of this device that the anchor does not: a whole machine was set back, or a copy of it
 * lived on elsewhere. So a claim is believed, as what is shown would differ for good otherwise; but not one after the
 * other: then a copy is alive, or the peer is wrong. */
static bool believes_claim(struct replicator *r)
{
	uint64_t now_ms = clock_monotonic_ms(), *oldest = &r->claims_ms[r->claims % CLAIMS_MAX];

	if (r->claims >= CLAIMS_MAX && now_ms < *oldest + CLAIMS_MS)
		return false;
	*oldest = now_ms;
	r->claims++;
	return true;
}

static void carry_out(struct replicator *r, struct effect *e)
{
	switch (e->kind) {
	case EFFECT_SEND:
		outboxes_put(&r->outboxes, &e->peer, &e->bytes);
		break;
	case EFFECT_CLOSE:
		r->opts.close(r->opts.arg, &e->peer);
		break;
	case EFFECT_ACKS_CHANGED:
		if (!uv_is_active((uv_handle_t *)&r->save))
			uv_timer_start(&r->save, save_acks, ACKS_SAVE_MS, 0);
		break;
	case EFFECT_EVENT:
		sync_events_tell(r->opts.store, e->event, &e->peer, e->text);
		break;
	case EFFECT_STATE:
		sync_events_tell_state(r->opts.store, e->state);
		break;
	case EFFECT_NEW_EPOCH:
		if (!e->epoch.ahead && !believes_claim(r)) {
			core_epoch_done(r->core, now_of(), e->token, -EPERM, NULL, 0);
			break;
		}
		start_job(r, e);
		return;
	default:
		start_job(r, e);
		return;
	}
	effect_release(e);
}

static void on_timer(uv_timer_t *timer)
{
	struct replicator *r = timer->data;

	core_tick(r->core, now_of());
	pump(r);
}

/* After each event: carries out what came of it, and waits for the next moment that matters. */
static void pump(struct replicator *r)
{
	struct effect e;
	uint64_t wake_ms, now_ms;

	core_set_load(r->core, r->jobs < 10 ? 10 * r->jobs : 100);
	while (core_next(r->core, &e) == 0)
		carry_out(r, &e);
	wake_ms = core_wake_ms(r->core);
	now_ms = clock_monotonic_ms();
	if (wake_ms == UINT64_MAX)
		uv_timer_stop(&r->wake);
	else
		uv_timer_start(&r->wake, on_timer, wake_ms > now_ms ? wake_ms - now_ms : 0, 0);
}

/* --- events --- */

void replicator_up(struct replicator *r, const struct uuid *peer)
{
	outboxes_clear(&r->outboxes, peer);
	core_peer_up(r->core, now_of(), peer);
	pump(r);
}

void replicator_down(struct replicator *r, const struct uuid *peer)
{
	outboxes_clear(&r->outboxes, peer);
	core_peer_down(r->core, now_of(), peer);
	pump(r);
}

void replicator_message(struct replicator *r, const struct uuid *peer, const void *message, size_t len)
{
	outboxes_came(&r->outboxes, peer, len);
	core_message(r->core, now_of(), peer, message, len);
	pump(r);
}

void replicator_committed(struct replicator *r)
{
	int result = r->epoch_running ? 0 : tell_vector(r);

	if (result < 0)
		log_warn("what was changed here is told to peers later: %s", err_str(result));
	pump(r);
}

void replicator_writable(struct replicator *r, const struct uuid *peer)
{
	outboxes_flush(&r->outboxes, peer);
}

void replicator_members(struct replicator *r, const struct uuid *members, size_t count, const void *registers,
			size_t len)
{
	core_members(r->core, now_of(), members, count, registers, len);
	pump(r);
}

static const uint8_t state_kinds[] = {MODEL_LOCATION, MODEL_ENTRY, MODEL_AUDIT, MODEL_VOLUME};

void replicator_set(struct replicator *r, const struct uuid *peer, const struct peer_settings *settings)
{
	outboxes_limit(&r->outboxes, peer, settings->limit_bytes);
	core_enable_peer(r->core, now_of(), peer, settings->sync);
	for (size_t i = 0; i < sizeof(state_kinds); i++)
		core_take(r->core, now_of(), peer, state_kinds[i],
			  (settings->kinds >> (state_kinds[i] - MODEL_LOCATION) & 1) != 0);
	pump(r);
}

void replicator_pause(struct replicator *r, bool paused)
{
	core_pause(r->core, now_of(), paused);
	pump(r);
}

void replicator_clock_confirmed(struct replicator *r)
{
	if (core_clock_confirmed(r->core, now_of()) < 0)
		log_warn("stamps of changes cannot be compared with the clock");
	r->at_once = true;
	pump(r);
	r->at_once = false;
}

/* --- beginning and end --- */

/* Fewer than the default only in tests, which could not make so many in time. */
static uint64_t log_records_max(void)
{
	const char *text = getenv("SHELF_LOG_RECORDS_MAX");

	return text ? strtoull(text, NULL, 10) : 0;
}

static int make_core(struct replicator *r)
{
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;
	_cleanup_(acks_release) struct acks acks = ACKS_INIT;
	const struct store_info *info = store_info(r->opts.store);
	const struct core_opts opts = {
	    .self = info->device,
	    .library = info->library,
	    .instance = uuid_random(),
	    .software = SOFTWARE,
	    .port = r->opts.port,
	    .log_records_max = log_records_max(),
	};
	int result = store_replica.vector(r->opts.store, &own);

	if (result >= 0)
		result = core_new(&opts, &own, info->epoch, now_of(), &r->core);
	if (result >= 0 && ack_load(r->opts.store, &acks) >= 0) /* without them it only takes longer */
		result = core_restore_acks(r->core, &acks);
	return result;
}

int replicator_new(const struct replicator_opts *opts, struct replicator **ret_replicator)
{
	struct replicator *r = calloc(1, sizeof(*r));
	int result;

	if (!r)
		return -ENOMEM;
	r->opts = *opts;
	result = make_core(r);
	if (result < 0) {
		core_free(r->core);
		free(r);
		return result;
	}
	uv_timer_init(opts->loop, &r->wake);
	uv_timer_init(opts->loop, &r->save);
	r->wake.data = r->save.data = r;
	r->outboxes = (struct outboxes){.send = opts->send, .close = opts->close, .arg = opts->arg};
	outboxes_init(&r->outboxes, opts->loop);
	r->handles = 3;
	*ret_replicator = r;
	pump(r);
	return 0;
}

static void finish(struct replicator *r)
{
	if (r->jobs > 0 || r->handles > 0)
		return;
	outboxes_release(&r->outboxes);
	core_free(r->core);
	if (r->done)
		r->done(r->done_arg);
	free(r);
}

static void on_closed(uv_handle_t *handle)
{
	struct replicator *r = handle->data;

	r->handles--;
	finish(r);
}

void replicator_close(struct replicator *r, void (*done)(void *arg), void *arg)
{
	save_acks(&r->save);
	r->closing = true;
	r->done = done;
	r->done_arg = arg;
	uv_close((uv_handle_t *)&r->wake, on_closed);
	uv_close((uv_handle_t *)&r->save, on_closed);
	outboxes_close(&r->outboxes, on_closed, r);
}

/* --- looking --- */

const struct vector *replicator_vector(const struct replicator *r)
{
	return core_vector(r->core);
}

enum core_state replicator_state(const struct replicator *r)
{
	return core_state(r->core);
}

/* Its place in the core. */
static int find_peer(const struct replicator *r, const struct uuid *peer, struct core_peer *ret_peer, size_t *ret_at)
{
	for (size_t i = 0; core_peer_at(r->core, i, ret_peer); i++) {
		if (uuid_cmp(&ret_peer->device, peer) != 0)
			continue;
		*ret_at = i;
		return 0;
	}
	return -ENOENT;
}

int replicator_peer(const struct replicator *r, const struct uuid *peer, struct core_peer *ret_peer)
{
	size_t at;

	return find_peer(r, peer, ret_peer, &at);
}

int replicator_compare(const struct replicator *r, const struct uuid *peer, struct core_comparison *ret_comparison)
{
	struct core_peer unused;
	size_t at = 0;
	int result = find_peer(r, peer, &unused, &at);

	return result == 0 && !core_compare(r->core, at, ret_comparison) ? -ENOENT : result;
}
