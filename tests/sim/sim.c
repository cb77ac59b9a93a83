/* Many lives of a few devices, each from one seed: random changes and misfortune, then everything heals and all devices
 * must agree. `sim` runs the committed seeds and 2,000 more; `sim N` runs N; `sim from FIRST N` N from FIRST on;
 * `sim one SEED` replays one and tells what happens. */
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/random.h"

enum {
	DEFAULT_SEEDS = 2000,
	QUICK_SEEDS = 100, /* under sanitizers */
	STEPS = 60,
	LONG_STEPS = 400,
	HEAL_STEP_MS = 5000,
	HEAL_MAX_MS = 30 * 60 * 1000,
	HOUR_MS = 60 * 60 * 1000,
};

#define TEN_YEARS_MS (INT64_C(10) * 365 * 24 * HOUR_MS)

/* Seeds that once failed, with what they found. */
static const uint64_t committed[] = {
    374,			  /* stamps ahead, cut while alone: nobody could take a snapshot */
    1521,			  /* a state stream was compared though its locations were missing */
    1863, 3644, 5458, 6538, 6718, /* a copy restored while the clock is ahead: registers without records */
    770035540,			  /* a list of a life that was lost ended where its owner has nothing */
};

/* --- misfortune --- */

static void jump_clock(struct world *w, unsigned i)
{
	static const int64_t jumps[] = {-HOUR_MS, TEN_YEARS_MS, HOUR_MS, -60 * 1000, 2 * 60 * 1000};

	for (unsigned k = 0; k < w->count; k++) {
		if (w->devices[k].clock_ms != 0) {
			w->devices[k].clock_ms = 0; /* one at a time */
			return;
		}
	}
	w->devices[i].clock_ms = jumps[world_random(w, sizeof(jumps) / sizeof(jumps[0]))];
}

static void keep_copy(struct world *w, unsigned i)
{
	struct device *d = &w->devices[i];

	if (d->copy_count == WORLD_COPIES_MAX)
		memory_free(d->copies[--d->copy_count]);
	d->copies[d->copy_count++] = memory_copy(d->replica);
}

static unsigned random_device(struct world *w)
{
	unsigned i;

	do
		i = (unsigned)world_random(w, w->count);
	while (!w->devices[i].exists);
	return i;
}

static void join_or_remove(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		unsigned by = random_device(w);

		if (w->devices[i].exists || w->devices[by].removed)
			continue;
		/* Pairing refuses clocks that differ, and repairs stamps that are ahead first. */
		if (w->devices[by].clock_ms != 0 || w->devices[by].replica->clock.last > (WORLD_START_MS + w->now_ms)
											     << 16)
			continue;
		operation_join(w, i, by);
		if (w->verbose)
			printf("%8llu  %u joins by %u\n", (unsigned long long)w->now_ms, i, by);
		return;
	}
	if (w->count > 3 && w->seed % 3 == 0 && world_chance(w, 10) && !w->devices[w->count - 1].removed) {
		operation_remove(w, w->count - 1, 0);
		if (w->verbose)
			printf("%8llu  %u is removed\n", (unsigned long long)w->now_ms, w->count - 1);
	}
}

/* A copy with its state folder is put back, and used before anybody is met. */
static void fork_history(struct world *w, unsigned i)
{
	unsigned changes = 1 + (unsigned)world_random(w, 12);

	for (unsigned k = 0; k < w->count; k++)
		world_cut(w, i, k, true);
	if (w->devices[i].copy_count == 0)
		keep_copy(w, i);
	world_run(w, w->now_ms + 1 + world_random(w, 3000));
	for (unsigned k = 0; k < changes / 2 && w->devices[i].running; k++)
		operation_random(w, i);
	for (unsigned k = 0; k < w->count && world_chance(w, 50); k++)
		world_cut(w, i, k, false);
	world_run(w, w->now_ms + 1 + world_random(w, 3000));
	w->devices[i].anchor_epoch = 0;
	world_restore(w, i);
	for (unsigned k = 0; k < w->count; k++)
		world_cut(w, i, k, true);
	while (changes-- > 0)
		operation_random(w, i);
}

static void misfortune(struct world *w)
{
	unsigned i = random_device(w), other = random_device(w);
	uint64_t dice = world_random(w, 100);

	if (dice < 25 && i != other)
		world_cut(w, i, other, !w->cut[i][other]);
	else if (dice < 40)
		w->devices[i].running ? world_crash(w, i) : world_start(w, i);
	else if (dice < 50)
		keep_copy(w, i);
	else if (dice < 55 && w->seed % 2 == 0)
		world_restore(w, i);
	else if (dice < 62 && w->seed % 5 >= 3)
		jump_clock(w, i);
	else if (dice < 75)
		join_or_remove(w);
	else if (dice < 80 && w->seed % 5 == 2)
		world_settings(w, i, false);
	else if (dice < 92 && w->seed % 6 == 4)
		dice < 87 ? keep_copy(w, i) : world_restore(w, i);
	else if (w->seed % 6 == 4)
		fork_history(w, i);
}

static void live(struct world *w)
{
	static const uint64_t pauses[] = {5, 50, 300, 2000, 20000, 90000};

	operation_create(w, 0);
	w->line = w->seed % 7 == 0;
	for (unsigned step = 0; step < (w->seed % 20 == 0 ? LONG_STEPS : STEPS); step++) {
		unsigned i = random_device(w);

		if (world_chance(w, 70))
			operation_random(w, i);
		if (world_chance(w, 40))
			misfortune(w);
		world_run(w,
			  w->now_ms + 1 + world_random(w, pauses[world_random(w, sizeof(pauses) / sizeof(pauses[0]))]));
	}
}

/* --- after healing --- */

struct best { /* the greatest stamp of each register before it heals: nothing of it may be lost */
	struct memory *all;
	uint64_t at_hlc; /* the true time of this */
};

static void collect_best(struct world *w, struct best *best)
{
	struct uuid nobody = {.bytes = {0xff}};

	best->all = memory_new(&nobody, 1, 1);
	best->at_hlc = (WORLD_START_MS + w->now_ms) << 16;
	for (unsigned i = 0; i < w->count; i++) {
		struct device *d = &w->devices[i];

		for (size_t k = 0; d->exists && !d->removed && k < d->replica->record_count; k++) {
			const struct mem_record *rec = &d->replica->records[k];
			struct mem_record *into = mem_record(best->all, rec->model, rec->key);

			for (unsigned f = 0; f < rec->model->field_count; f++) {
				if (rec->fields[f].stamp.hlc != 0)
					mem_put_register(best->all, into, f, &rec->fields[f].value,
							 &rec->fields[f].stamp, 0);
			}
		}
	}
}

static bool lost(const struct mem_record *rec, unsigned f, const struct mem_record *has)
{
	printf("%s %02x%02x %02x%02x %s: stamp %llx.%02x, has %llx.%02x\n", rec->model->name, rec->key[0].bytes[0],
	       rec->key[0].bytes[1], rec->key[1].bytes[0], rec->key[1].bytes[1], rec->model->fields[f].name,
	       (unsigned long long)rec->fields[f].stamp.hlc, rec->fields[f].stamp.device.bytes[0],
	       has ? (unsigned long long)has->fields[f].stamp.hlc : 0, has ? has->fields[f].stamp.device.bytes[0] : 0);
	return false;
}

/* A register that was ahead of all clocks may be written again with a lower stamp. */
static bool kept_best(const struct best *best, const struct memory *m, bool tells)
{
	for (size_t k = 0; k < best->all->record_count; k++) {
		const struct mem_record *rec = &best->all->records[k];
		const struct mem_record *has = memory_record(m, (uint8_t)rec->model->kind, &rec->key[0], &rec->key[1]);

		for (unsigned f = 0; f < rec->model->field_count; f++) {
			if (rec->fields[f].stamp.hlc == 0 ||
			    rec->fields[f].stamp.hlc > best->at_hlc + ((uint64_t)1 << 16))
				continue;
			if (!has || stamp_cmp(&has->fields[f].stamp, &rec->fields[f].stamp) < 0)
				return tells && lost(rec, f, has);
		}
	}
	return true;
}

static bool in_play(const struct world *w, unsigned i)
{
	return w->devices[i].exists && !w->devices[i].removed;
}

static const char *find_unpruned(const struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		const struct vector *v = in_play(w, i) ? &w->devices[i].replica->streams : NULL;

		for (size_t k = 0; v && k < v->count; k++) {
			if (v->items[k].id.kind == STREAM_LOG && v->items[k].floor != v->items[k].position)
				return "a log is not pruned";
		}
	}
	return NULL;
}

static const char *find_fault(struct world *w, const struct best *best, bool tells)
{
	_cleanup_(buf_release) struct buf first = BUF_INIT;
	const struct device *d0 = &w->devices[0];

	memory_dump(d0->replica, &first);
	for (unsigned i = 0; i < w->count; i++) {
		_cleanup_(buf_release) struct buf dump = BUF_INIT;
		struct device *d = &w->devices[i];

		if (!in_play(w, i))
			continue;
		memory_dump(d->replica, &dump);
		if (dump.len != first.len || memcmp(dump.data, first.data, dump.len) != 0)
			return "dumps differ";
		if (d->replica->shared_digest != d0->replica->shared_digest)
			return "digests differ";
		if (core_vector(d->core)->shared_digest != d->replica->shared_digest)
			return "the core knows another digest";
		if (core_state(d->core) != CORE_READY)
			return "not ready";
		if (!kept_best(best, d->replica, tells))
			return "a change was lost";
	}
	return find_unpruned(w);
}

/* What the core told of that did not happen. */
static const char *find_alarm(const struct world *w)
{
	if (w->events[CORE_EVENT_PEER_RULES] > 0)
		return "an honest device was banned";
	if (w->seed % 8 != 1 && w->events[CORE_EVENT_REPLICA] > 0)
		return "a replica failed";
	if (w->events[CORE_EVENT_PEER_CLONE] > 0)
		return "a clone was seen";
	if (w->restores > 0)
		return NULL;
	if (w->events[CORE_EVENT_REWOUND] > 0)
		return "a device thinks that it was rewound";
	if (w->events[CORE_EVENT_FORKED] > 0)
		return "a history is thought to be forked";
	/* Shared rows may differ for a while: after a snapshot they are ahead of the positions. */
	return w->state_differs > 0 ? "rows are thought to differ" : NULL;
}

static void heal(struct world *w)
{
	w->healing = true;
	for (unsigned a = 0; a < w->count; a++) {
		w->devices[a].clock_ms = 0;
		for (unsigned b = 0; b < w->count; b++)
			w->cut[a][b] = false;
		if (w->devices[a].exists)
			world_start(w, a);
		world_settings(w, a, true);
	}
}

static void print_differences(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		_cleanup_(buf_release) struct buf dump = BUF_INIT;
		const struct device *d = &w->devices[i];

		if (!in_play(w, i))
			continue;
		memory_dump(d->replica, &dump);
		printf("--- device %u: %s, epoch %llx\n", i, d->core ? core_state_name(core_state(d->core)) : "down",
		       (unsigned long long)d->replica->epoch);
		for (size_t k = 0; k < d->replica->streams.count; k++) {
			const struct stream *s = &d->replica->streams.items[k];

			printf("  stream %02x.%llx.%u position %llu floor %llu head %llu base %llu%s hash %02x%02x\n",
			       s->id.origin.device.bytes[0], (unsigned long long)s->id.origin.epoch, s->id.kind,
			       (unsigned long long)s->position, (unsigned long long)s->floor,
			       (unsigned long long)s->head, (unsigned long long)s->base, s->listing ? " listing" : "",
			       s->hash[0], s->hash[1]);
		}
		printf("%.*s", (int)dump.len, (const char *)dump.data);
	}
}

/* --- one life --- */

static bool run_seed(uint64_t seed, bool verbose, unsigned events[32])
{
	static struct world w;
	struct best best;
	const char *fault = "not run";
	uint64_t until;

	world_init(&w, seed, 3 + (unsigned)(seed % 3));
	w.verbose = verbose;
	live(&w);
	collect_best(&w, &best);
	if (verbose)
		printf("%8llu  healing\n", (unsigned long long)w.now_ms);
	heal(&w);
	until = w.now_ms + HEAL_MAX_MS;
	while (fault && w.now_ms < until) {
		world_run(&w, w.now_ms + HEAL_STEP_MS);
		fault = find_fault(&w, &best, false);
	}
	if (fault)
		find_fault(&w, &best, true);
	if (!fault)
		fault = find_alarm(&w);
	for (unsigned i = 0; i < w.count; i++) {
		if (w.devices[i].exists)
			memory_check_digests(w.devices[i].replica);
	}
	if (fault) {
		if (verbose)
			print_differences(&w);
		printf("seed %llu: %s. Replay: sim one %llu\n", (unsigned long long)seed, fault,
		       (unsigned long long)seed);
	}
	for (size_t i = 0; i < 32; i++)
		events[i] += w.events[i];
	memory_free(best.all);
	world_release(&w);
	return fault == NULL;
}

static unsigned run_seeds(uint64_t first, uint64_t count, unsigned events[32])
{
	unsigned failed = 0;

	for (uint64_t i = 0; i < count && failed < 10; i++)
		failed += !run_seed(first + i, false, events);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned events[32] = {0}, failed = 0;
	uint64_t first = 1, count = getenv("SHELF_QUICK") ? QUICK_SEEDS : DEFAULT_SEEDS;

	if (base_init() < 0)
		return 1;
	if (argc == 3 && strcmp(argv[1], "one") == 0)
		return run_seed(strtoull(argv[2], NULL, 10), true, events) ? 0 : 1;
	if (argc == 4 && strcmp(argv[1], "from") == 0) {
		first = strtoull(argv[2], NULL, 10);
		count = strtoull(argv[3], NULL, 10);
	} else if (argc == 2) {
		count = strtoull(argv[1], NULL, 10);
	}
	for (size_t i = 0; i < sizeof(committed) / sizeof(committed[0]); i++)
		failed += !run_seed(committed[i], false, events);
	failed += run_seeds(first, count, events);
	for (unsigned i = 0; i <= CORE_EVENT_REPLICA; i++)
		printf("%8u  %s\n", events[i], core_event_name((enum core_event)i));
	printf("%llu seeds, %u failed\n", (unsigned long long)count, failed);
	return failed ? 1 : 0;
}
