#include "tests/sim/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { LATENCY_MS = 40, WORK_MS = 15, REPORT_MS = 8, TICK_MS = 1 };

uint64_t world_random(struct world *w, uint64_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (w->random * UINT64_C(0x2545F4914F6CDD1D) >> 16) % below;
}

bool world_chance(struct world *w, unsigned percent)
{
	return world_random(w, 100) < percent;
}

uint64_t world_wall(const struct world *w, unsigned i)
{
	return (uint64_t)((int64_t)(WORLD_START_MS + w->now_ms) + w->devices[i].clock_ms);
}

static struct core_now now_of(const struct world *w, unsigned i)
{
	return (struct core_now){.mono_ms = w->now_ms + 1, .wall_ms = world_wall(w, i)};
}

static int find_device(const struct world *w, const struct uuid *id)
{
	for (unsigned i = 0; i < w->count; i++) {
		if (uuid_cmp(&w->devices[i].id, id) == 0)
			return (int)i;
	}
	return -1;
}

/* --- the network --- */

static void clear_link(struct link *link)
{
	for (size_t i = 0; i < link->count; i++)
		buf_release(&link->packets[i].bytes);
	link->count = 0;
	link->up = false;
}

static void drain(struct world *w, unsigned i);

static void drop_link(struct world *w, unsigned a, unsigned b)
{
	clear_link(&w->links[a][b]);
	clear_link(&w->links[b][a]);
	for (unsigned k = 0; k < 2; k++) {
		unsigned i = k ? b : a, other = k ? a : b;
		struct device *d = &w->devices[i];

		/* Sometimes a side does not hear of it, and finds out by silence. */
		if (d->core && !world_chance(w, 20)) {
			core_peer_down(d->core, now_of(w, i), &w->devices[other].id);
			drain(w, i);
		}
	}
}

void world_cut(struct world *w, unsigned a, unsigned b, bool cut)
{
	w->cut[a][b] = w->cut[b][a] = cut;
	if (cut && (w->links[a][b].up || w->links[b][a].up))
		drop_link(w, a, b);
}

static bool is_range(const struct buf *bytes)
{
	return bytes->len > 1 && bytes->data[1] == MESSAGE_RANGE;
}

static void put_packet(struct world *w, struct link *link, const struct buf *bytes, uint64_t at_ms, size_t at)
{
	link->packets = mem_grow(link->packets, link->count, &link->capacity, sizeof(*link->packets));
	memmove(&link->packets[at + 1], &link->packets[at], (link->count - at) * sizeof(*link->packets));
	link->count++;
	link->packets[at] = (struct packet){.at_ms = at_ms, .bytes = BUF_INIT};
	buf_append(&link->packets[at].bytes, bytes->data, bytes->len);
	(void)w;
}

static void send_message(struct world *w, unsigned from, unsigned to, const struct buf *bytes)
{
	struct link *link = &w->links[from][to];
	uint64_t at = w->now_ms + 1 + world_random(w, LATENCY_MS);

	if (!link->up)
		return;
	if (at < link->last_ms)
		at = link->last_ms;
	link->last_ms = at;
	/* Ranges must bear being lost, doubled and late. */
	if (is_range(bytes) && !w->healing && world_chance(w, 3))
		return;
	put_packet(w, link, bytes, at, link->count);
	if (is_range(bytes) && !w->calm && world_chance(w, 5))
		put_packet(w, link, bytes, at + world_random(w, 2000), link->count);
}

/* The first packet that is due; late doubles stand behind others. */
static int due_packet(const struct world *w, const struct link *link)
{
	for (size_t i = 0; i < link->count; i++) {
		if (link->packets[i].at_ms <= w->now_ms)
			return (int)i;
	}
	return -1;
}

/* 1: a member, -1: removed, 0: not heard of. */
static int standing(const struct world *w, unsigned i, unsigned other)
{
	const struct mem_record *rec = memory_record(w->devices[i].replica, MODEL_DEVICE, &w->devices[other].id, NULL);

	if (!rec || rec->fields[DEVICE_MEMBER].stamp.hlc == 0)
		return 0;
	return rec->fields[DEVICE_MEMBER].value.number ? 1 : -1;
}

static bool may_connect(const struct world *w, unsigned a, unsigned b)
{
	const struct device *x = &w->devices[a], *y = &w->devices[b];

	if (!x->running || !y->running || w->cut[a][b] || w->links[a][b].up)
		return false;
	if (w->line && !w->healing && a + 1 != b && b + 1 != a)
		return false;
	/* One that was restored to before the other joined is reminded of it by the other's Hello. */
	return standing(w, a, b) + standing(w, b, a) > 0;
}

static void connect_devices(struct world *w)
{
	for (unsigned a = 0; a < w->count; a++) {
		for (unsigned b = a + 1; b < w->count; b++) {
			if (!may_connect(w, a, b) || !world_chance(w, 30))
				continue;
			clear_link(&w->links[a][b]);
			clear_link(&w->links[b][a]);
			w->links[a][b].up = w->links[b][a].up = true;
			core_peer_up(w->devices[a].core, now_of(w, a), &w->devices[b].id);
			core_peer_up(w->devices[b].core, now_of(w, b), &w->devices[a].id);
			drain(w, a);
			drain(w, b);
		}
	}
}

static void deliver(struct world *w, unsigned from, unsigned to)
{
	struct link *link = &w->links[from][to];
	int i;

	while (link->up && (i = due_packet(w, link)) >= 0) {
		struct buf bytes = link->packets[i].bytes;

		memmove(&link->packets[i], &link->packets[i + 1],
			(link->count - (size_t)i - 1) * sizeof(*link->packets));
		link->count--;
		if (w->devices[to].core) {
			core_message(w->devices[to].core, now_of(w, to), &w->devices[from].id, bytes.data, bytes.len);
			drain(w, to);
		}
		buf_release(&bytes);
	}
}

/* --- the driver of one core --- */

static void add_job(struct world *w, struct device *d, const struct effect *e, bool is_read)
{
	struct job job = {.at_ms = w->now_ms + 1 + world_random(w, WORK_MS)};

	if (e)
		job.effect = *e;
	else
		job.is_report = true;
	if (!is_read) {
		if (job.at_ms < d->jobs_busy_ms)
			job.at_ms = d->jobs_busy_ms;
		d->jobs_busy_ms = job.at_ms;
	}
	d->jobs = mem_grow(d->jobs, d->job_count, &d->job_capacity, sizeof(*d->jobs));
	d->jobs[d->job_count++] = job;
}

static void tell_members(struct world *w, unsigned i)
{
	struct device *d = &w->devices[i];
	_cleanup_(buf_release) struct buf rows = BUF_INIT;
	struct uuid members[MEMORY_DEVICES_MAX];
	size_t n = memory_members(d->replica, members);

	memory_devices(d->replica, &rows);
	core_members(d->core, now_of(w, i), members, n, rows.data, rows.len);
}

void world_report(struct world *w, unsigned i)
{
	struct device *d = &w->devices[i];
	struct effect none = {.kind = EFFECT_STATE};

	if (!d->core)
		return;
	add_job(w, d, &none, true);
	d->jobs[d->job_count - 1].is_report = true;
	d->jobs[d->job_count - 1].at_ms = w->now_ms + 1 + world_random(w, REPORT_MS);
}

static void report(struct world *w, unsigned i)
{
	struct device *d = &w->devices[i];
	_cleanup_(vector_release) struct vector all = VECTOR_INIT;

	memory_ops.vector(d->replica, &all);
	if (d->anchor_epoch == d->replica->epoch || world_chance(w, 50)) {
		struct stream_id id = {.origin = {.device = d->id, .epoch = d->replica->epoch}};

		d->anchor_epoch = id.origin.epoch;
		d->anchor_position = vector_find(&all, &id)->position;
	}
	core_reload(d->core, now_of(w, i), &all, d->replica->epoch);
	tell_members(w, i);
}

/* A disk that is full or broken for a moment. */
static bool fails(struct world *w)
{
	return !w->healing && w->seed % 8 == 1 && world_chance(w, 2);
}

static void do_read(struct world *w, unsigned i, struct effect *e)
{
	struct device *d = &w->devices[i];
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct range range = {.since = 0};
	int r;

	/* Small pieces, so that many are needed. */
	if (!w->calm && world_chance(w, 50) && e->request.max_rows > 8)
		e->request.max_rows = (uint32_t)(1 + world_random(w, 8));
	r = fails(w) ? -EIO : memory_ops.read(d->replica, &e->request, &range, &body);
	range.body = body.data;
	range.body_len = body.len;
	core_read_done(d->core, now_of(w, i), e->token, r, &range);
}

static void do_apply(struct world *w, unsigned i, struct effect *e)
{
	struct device *d = &w->devices[i];
	struct applied applied = {.held_hlc = 0};
	int r = fails(w) ? -EIO : memory_ops.apply(d->replica, &e->range, world_wall(w, i), &applied);

	core_applied(d->core, now_of(w, i), e->token, r, &applied);
	tell_members(w, i);
}

static void do_snapshot_read(struct world *w, unsigned i, struct effect *e)
{
	_cleanup_(buf_release) struct buf rows = BUF_INIT;
	_cleanup_(buf_release) struct buf cursor = BUF_INIT;
	int r = fails(w) ? -EIO
			 : memory_ops.snapshot_read(w->devices[i].replica, &e->bytes,
						    (uint32_t)(200 + world_random(w, 4000)), &rows, &cursor);

	core_snapshot_read(w->devices[i].core, now_of(w, i), e->token, r, &rows, &cursor);
}

static void do_other(struct world *w, unsigned i, struct effect *e)
{
	struct device *d = &w->devices[i];
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;
	struct core_now now = now_of(w, i);
	int r = 0;

	switch (e->kind) {
	case EFFECT_SNAPSHOT_MERGE:
		r = fails(w) ? -ENOSPC
			     : memory_ops.snapshot_merge(d->replica, e->bytes.data, e->bytes.len,
							 e->last ? &e->covers : NULL, now.wall_ms);
		memory_ops.vector(d->replica, &own);
		core_snapshot_merged(d->core, now, e->token, r, &own);
		break;
	case EFFECT_CUT:
		r = fails(w) ? -EIO : memory_ops.cut(d->replica, &e->stream, e->upto);
		memory_ops.vector(d->replica, &own);
		core_cut_done(d->core, now, e->token, r, &own);
		break;
	case EFFECT_RELIST:
		r = memory_ops.relist(d->replica, &e->stream);
		memory_ops.vector(d->replica, &own);
		core_reloaded(d->core, now, e->token, r, &own);
		break;
	case EFFECT_NEW_EPOCH:
		e->epoch.keep = &e->covers;
		r = memory_ops.new_epoch(d->replica, &e->epoch, now.wall_ms);
		d->anchor_epoch = d->replica->epoch;
		d->anchor_position = 0;
		memory_ops.vector(d->replica, &own);
		core_epoch_done(d->core, now, e->token, r, &own, d->replica->epoch);
		break;
	case EFFECT_MEMBERS:
		memory_ops.snapshot_merge(d->replica, e->bytes.data, e->bytes.len, NULL, now.wall_ms);
		memory_ops.vector(d->replica, &own);
		core_reload(d->core, now, &own, d->replica->epoch);
		break;
	default:
		abort();
	}
	tell_members(w, i);
}

static void run_job(struct world *w, unsigned i, struct job *job)
{
	struct effect *e = &job->effect;

	if (job->is_report)
		report(w, i);
	else if (e->kind == EFFECT_READ)
		do_read(w, i, e);
	else if (e->kind == EFFECT_APPLY)
		do_apply(w, i, e);
	else if (e->kind == EFFECT_SNAPSHOT_READ)
		do_snapshot_read(w, i, e);
	else
		do_other(w, i, e);
}

static void tell(const struct world *w, unsigned i, const struct effect *e)
{
	int peer = find_device(w, &e->peer);

	if (w->verbose && e->kind == EFFECT_EVENT)
		printf("%8llu  %u: %s (peer %d, kind %d, owner %u) %s\n", (unsigned long long)w->now_ms, i,
		       core_event_name(e->event), peer, e->stream.kind, e->stream.origin.device.bytes[0], e->text);
	if (w->verbose && e->kind == EFFECT_STATE)
		printf("%8llu  %u: %s\n", (unsigned long long)w->now_ms, i, core_state_name(e->state));
}

static void drain(struct world *w, unsigned i)
{
	struct device *d = &w->devices[i];
	struct effect e;

	while (d->core && core_next(d->core, &e) == 0) {
		int peer = find_device(w, &e.peer);

		switch (e.kind) {
		case EFFECT_SEND:
			send_message(w, i, (unsigned)peer, &e.bytes);
			break;
		case EFFECT_CLOSE:
			if (w->links[i][peer].up || w->links[peer][i].up)
				drop_link(w, i, (unsigned)peer);
			break;
		case EFFECT_ACKS_CHANGED:
			acks_release(&d->acks);
			for (size_t k = 0; k < core_acks(d->core)->count; k++)
				acks_note(&d->acks, &core_acks(d->core)->items[k]);
			break;
		case EFFECT_EVENT:
			w->events[e.event]++;
			w->state_differs += e.event == CORE_EVENT_DIGEST && e.stream.kind != STREAM_LOG;
			tell(w, i, &e);
			break;
		case EFFECT_STATE:
			tell(w, i, &e);
			break;
		default: {
			bool is_read = e.kind == EFFECT_READ || e.kind == EFFECT_SNAPSHOT_READ;

			add_job(w, d, &e, is_read);
			if (e.kind == EFFECT_APPLY)
				d->jobs[d->job_count - 1].effect.range.body =
				    d->jobs[d->job_count - 1].effect.bytes.data;
			continue;
		}
		}
		effect_release(&e);
	}
}

static void run_jobs(struct world *w, unsigned i)
{
	struct device *d = &w->devices[i];

	for (;;) {
		size_t first = d->job_count;
		struct job job;

		for (size_t k = 0; k < d->job_count; k++) {
			if (d->jobs[k].at_ms <= w->now_ms &&
			    (first == d->job_count || d->jobs[k].at_ms < d->jobs[first].at_ms))
				first = k;
		}
		if (first == d->job_count)
			return;
		job = d->jobs[first];
		memmove(&d->jobs[first], &d->jobs[first + 1], (d->job_count - first - 1) * sizeof(*d->jobs));
		d->job_count--;
		run_job(w, i, &job);
		effect_release(&job.effect);
		/* Committed, and nobody is told. */
		if (!w->healing && w->seed % 4 == 3 && world_random(w, 500) == 0) {
			world_crash(w, i);
			world_start(w, i);
			return;
		}
		drain(w, i);
	}
}

/* --- life of a device --- */

void world_start(struct world *w, unsigned i)
{
	struct device *d = &w->devices[i];
	struct core_opts opts = {.self = d->id, .library = {.bytes = {1}}, .software = "simulated"};
	_cleanup_(vector_release) struct vector own = VECTOR_INIT;
	struct stream_id log = {.origin = {.device = d->id, .epoch = d->replica->epoch}};

	if (d->running)
		return;
	/* The anchor knows of a later life. */
	if (d->anchor_epoch != 0 && (d->anchor_epoch != d->replica->epoch ||
				     d->anchor_position > vector_find(&d->replica->streams, &log)->position)) {
		struct epoch_request request = {.keep = NULL};

		memory_ops.new_epoch(d->replica, &request, world_wall(w, i));
	}
	log.origin.epoch = d->replica->epoch;
	d->anchor_epoch = d->replica->epoch;
	d->anchor_position = vector_find(&d->replica->streams, &log)->position;
	for (size_t k = 0; k < UUID_LEN; k++)
		opts.instance.bytes[k] = (uint8_t)world_random(w, 256);
	opts.log_records_max = w->seed % 4 == 0 ? 60 : 0;
	memory_ops.vector(d->replica, &own);
	if (core_new(&opts, &own, d->replica->epoch, now_of(w, i), &d->core) < 0)
		abort();
	if (!w->calm && world_chance(w, 30))
		acks_release(&d->acks); /* sync.db was deleted */
	core_restore_acks(d->core, &d->acks);
	d->running = true;
	tell_members(w, i);
	drain(w, i);
}

void world_crash(struct world *w, unsigned i)
{
	struct device *d = &w->devices[i];

	if (!d->running)
		return;
	d->running = false;
	core_free(d->core);
	d->core = NULL;
	for (size_t k = 0; k < d->job_count; k++)
		effect_release(&d->jobs[k].effect);
	d->job_count = 0;
	d->jobs_busy_ms = 0;
	for (unsigned k = 0; k < w->count; k++) {
		if (w->links[i][k].up || w->links[k][i].up)
			drop_link(w, i, k);
	}
}

void world_settings(struct world *w, unsigned i, bool plain)
{
	struct device *d = &w->devices[i];
	unsigned other = (unsigned)world_random(w, w->count);
	static const uint8_t kinds[] = {MODEL_LOCATION, MODEL_ENTRY, MODEL_AUDIT, MODEL_VOLUME};

	if (!d->core)
		return;
	core_pause(d->core, now_of(w, i), !plain && world_chance(w, 20));
	for (unsigned k = 0; k < w->count; k++) {
		if (k == i || !w->devices[k].exists)
			continue;
		core_enable_peer(d->core, now_of(w, i), &w->devices[k].id, plain || world_chance(w, 70));
		for (size_t n = 0; n < sizeof(kinds); n++)
			core_take(d->core, now_of(w, i), &w->devices[k].id, kinds[n],
				  plain || k != other || world_chance(w, 50));
	}
	drain(w, i);
}

void world_restore(struct world *w, unsigned i)
{
	struct device *d = &w->devices[i];

	if (d->copy_count == 0)
		return;
	world_crash(w, i);
	memory_free(d->replica);
	d->replica = memory_copy(d->copies[world_random(w, d->copy_count)]);
	w->restores++;
	if (world_chance(w, 50))
		d->anchor_epoch = 0; /* its state folder came with it */
	world_start(w, i);
}

void world_init(struct world *w, uint64_t seed, unsigned devices)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->random = seed * UINT64_C(0x9E3779B97F4A7C15) + UINT64_C(0x1234567);
	w->count = devices;
	for (unsigned i = 0; i < devices; i++) {
		w->devices[i].id.bytes[0] = (uint8_t)(i + 1);
		for (size_t k = 1; k < UUID_LEN; k++)
			w->devices[i].id.bytes[k] = (uint8_t)world_random(w, 256);
	}
}

void world_release(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct device *d = &w->devices[i];

		world_crash(w, i);
		memory_free(d->replica);
		for (size_t k = 0; k < d->copy_count; k++)
			memory_free(d->copies[k]);
		free(d->jobs);
		acks_release(&d->acks);
		for (unsigned k = 0; k < w->count; k++) {
			clear_link(&w->links[i][k]);
			free(w->links[i][k].packets);
		}
	}
}

/* --- time --- */

static uint64_t next_time(const struct world *w, uint64_t until)
{
	uint64_t next = until;

	for (unsigned i = 0; i < w->count; i++) {
		const struct device *d = &w->devices[i];

		for (size_t k = 0; k < d->job_count; k++)
			next = d->jobs[k].at_ms < next ? d->jobs[k].at_ms : next;
		if (d->core && core_wake_ms(d->core) < next + 1)
			next = core_wake_ms(d->core) - 1;
		for (unsigned k = 0; k < w->count; k++) {
			for (size_t p = 0; w->links[i][k].up && p < w->links[i][k].count; p++)
				next = w->links[i][k].packets[p].at_ms < next ? w->links[i][k].packets[p].at_ms : next;
		}
	}
	return next > w->now_ms ? next : w->now_ms + TICK_MS;
}

void world_run(struct world *w, uint64_t until_ms)
{
	connect_devices(w);
	while (w->now_ms < until_ms) {
		w->now_ms = next_time(w, until_ms);
		for (unsigned i = 0; i < w->count; i++) {
			struct device *d = &w->devices[i];

			run_jobs(w, i);
			for (unsigned k = 0; k < w->count; k++)
				deliver(w, i, k);
			if (d->core && core_wake_ms(d->core) <= w->now_ms + 1) {
				core_tick(d->core, now_of(w, i));
				drain(w, i);
			}
		}
	}
}
