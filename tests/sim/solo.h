/* One device with the real core over a replica in memory, and peers that are made up: a test sends what they say by
 * hand, and looks at what the core does about it. Every function asserts that it works. Threads: one. */
#pragma once

#include "sync/core.h"
#include "tests/sim/memory.h"

#define WALL_MS UINT64_C(1760000000000)

enum { EPOCH = 5, SOLO_EVENTS = 32, SOLO_STATES = 32 };

extern const struct uuid me, honest, forger, third, library; /* all members; honest and forger are connected */

struct sent {
	struct uuid to;
	struct buf bytes;
	struct message message; /* borrows from bytes */
};

struct solo {
	struct memory *replica;
	struct core *core;
	struct core_now now;
	unsigned events[SOLO_EVENTS];
	enum core_state states[SOLO_STATES]; /* that were told */
	unsigned state_count;
	struct uuid named; /* by the last event about rules */
	struct uuid closed;
	struct sent *sent; /* since solo_forget */
	size_t sent_count, sent_capacity;
	struct range_request asked; /* the last request for a range, with its number */
	uint32_t request;
	unsigned cuts; /* calls until all is cut, if not at once */
	int apply_fails; /* with this error; 0: it does not */
	uint64_t cut_upto;
	enum message_error said; /* the last error that was sent */
};

/* For cmocka. */
int solo_setup(void **state);
int solo_teardown(void **state);

/* As solo_setup, with core_opts.log_records_max. */
struct solo *solo_new(uint64_t log_records_max);

void solo_settle(struct solo *s); /* carries out all effects */
void solo_pass(struct solo *s, uint64_t ms);
void solo_reload(struct solo *s); /* tells the core what the replica holds */

/* --- what peers send --- */

void solo_give(struct solo *s, const struct uuid *from, const struct message *m);
struct message solo_hello(const struct uuid *peer, struct vector *vector);
void solo_connect(struct solo *s, const struct uuid *peer, struct vector *vector); /* NULL: it holds nothing */
struct stream_id solo_stream(const struct uuid *device, uint8_t kind);
void solo_append_tag(struct buf *body, uint64_t hlc, uint8_t number);
struct message solo_range(const struct stream_id *id, uint64_t since, uint64_t upto, const struct buf *body);
void solo_push_tag(struct solo *s, const struct uuid *from, uint64_t hlc); /* the first record of its log */
/* It says that it has something, is asked, and answers. */
void solo_push_row(struct solo *s, const struct uuid *from, const struct uuid *owner, struct row *row, uint64_t upto,
		   bool listed);
struct row solo_location(uint64_t prefix, uint64_t version);

/* --- what happens here --- */

void solo_commit_tag(struct solo *s);
uint64_t solo_position(const struct solo *s, const struct uuid *device, uint8_t kind);

/* --- what was sent --- */

void solo_forget(struct solo *s);
unsigned solo_count(const struct solo *s, const struct uuid *to, enum message_kind kind); /* to: NULL for anybody */
const struct message *solo_last(const struct solo *s, const struct uuid *to, enum message_kind kind); /* NULL: none */
