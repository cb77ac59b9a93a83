/* A simulated world: devices with the real core over replicas in memory, a network between them, one clock for each,
 * and random misfortune. Everything comes from one seed. */
#pragma once

#include "sync/core.h"
#include "tests/sim/memory.h"

enum { WORLD_DEVICES_MAX = 6, WORLD_COPIES_MAX = 3 };

struct job { /* an effect that takes its time, or the report of a commit */
	uint64_t at_ms;
	bool is_report;
	struct effect effect;
};

struct packet {
	uint64_t at_ms;
	struct buf bytes;
};

struct link { /* one direction */
	bool up;
	uint64_t generation;
	struct packet *packets;
	size_t count, capacity;
	uint64_t last_ms; /* in order */
};

struct device {
	struct uuid id;
	bool exists, running, removed;
	struct memory *replica;
	struct core *core;
	struct acks acks;			/* its sync.db */
	int64_t clock_ms;			/* wall clock less true time */
	uint64_t anchor_epoch, anchor_position; /* outside the library */
	uint64_t restart_ms;
	struct job *jobs;
	size_t job_count, job_capacity;
	uint64_t jobs_busy_ms; /* writes are one after the other */
	struct memory *copies[WORLD_COPIES_MAX];
	size_t copy_count;
};

struct world {
	uint64_t seed, random;
	uint64_t now_ms;
	bool verbose;
	bool healing;
	bool calm; /* whole pieces, nothing twice, nothing lost */
	unsigned count; /* of devices that may exist */
	struct device devices[WORLD_DEVICES_MAX];
	struct link links[WORLD_DEVICES_MAX][WORLD_DEVICES_MAX];
	bool cut[WORLD_DEVICES_MAX][WORLD_DEVICES_MAX];
	bool line;		/* only neighbours reach each other */
	unsigned events[32];	/* core events by kind */
	unsigned state_differs; /* alarms of digests of state streams */
	unsigned restores;	/* of old copies: without them no history is ever doubled */
};

#define WORLD_START_MS UINT64_C(1760000000000) /* true time at 0 */

uint64_t world_random(struct world *w, uint64_t below);
bool world_chance(struct world *w, unsigned percent);

void world_init(struct world *w, uint64_t seed, unsigned devices);
void world_release(struct world *w);

/* Runs until `until_ms` of the world's time. */
void world_run(struct world *w, uint64_t until_ms);

void world_start(struct world *w, unsigned i);
void world_crash(struct world *w, unsigned i);
void world_restore(struct world *w, unsigned i); /* to a copy of earlier, if there is one */
void world_settings(struct world *w, unsigned i,
		    bool plain); /* pause, peers off, kinds not taken: random, or none of it */
void world_cut(struct world *w, unsigned a, unsigned b, bool cut);
void world_report(struct world *w, unsigned i); /* its replica committed something */
uint64_t world_wall(const struct world *w, unsigned i);

/* operations.c */
void operation_random(struct world *w, unsigned i);
void operation_create(struct world *w, unsigned i); /* the first device of the library */
void operation_join(struct world *w, unsigned i, unsigned by);
void operation_remove(struct world *w, unsigned i, unsigned by);
