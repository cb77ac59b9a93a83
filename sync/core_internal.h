/* What the files of the core share. core.c says how they belong together. */
#pragma once

#include "sync/core.h"

enum { PUSH_STREAMS_MAX = 8, TASKS_MAX = 1024 };

/* How far this device's own streams were pushed to a peer. */
struct push {
	uint8_t kind;
	uint64_t pushed;  /* up to here it was sent, or the peer has it */
	uint64_t tried;	  /* our position for which the read was too much; 0: none */
	uint32_t reading; /* token of the read on its way; 0: none */
};

struct peer {
	struct uuid device;
	uint32_t generation; /* grows with each connection: what belongs to an older one is dropped */
	bool up;
	bool greeted; /* its Hello came */
	bool disabled;
	bool clock_differs, clock_warned;
	bool clock_unsure; /* this device's clock was set since it told its own */
	uint64_t banned_until_ms;
	bool cloned; /* that is why: two devices use its key */
	struct uuid instance, instance_before;
	char software[MESSAGE_SOFTWARE_MAX + 1];
	uint64_t epoch; /* of its present origin */
	int64_t clock_offset_ms;
	uint32_t round_trip_ms, load;
	uint64_t heard_ms, beat_ms; /* last word from it, last full heartbeat to it */
	uint64_t echo, echo_ms;	    /* its stamp, to be sent back, and when it came */
	struct vector vector;	    /* what it holds, as far as it told */
	struct push pushes[PUSH_STREAMS_MAX];
	unsigned push_count, unacknowledged;
	uint64_t push_ms, partial_ms, acks_ms, acks_full_ms;
	uint64_t told_revision; /* of streams */
	uint64_t acks_revision;
	bool wants_snapshot; /* of its shared rows */
	bool resync;	     /* because the rows differ, not because the log is cut */
	uint64_t snapshot_ms, snapshot_after_ms;
	unsigned digest_misses;
	uint64_t missed_mine, missed_its;
	struct core_comparison compared; /* at its last full heartbeat: ranges move positions without their sums */
};

/* What the core remembers of a stream beside its position. */
struct note {
	struct stream_id id;
	uint64_t revision;   /* core.revision when its position last moved */
	uint64_t held_until; /* wall_ms; 0: not held */
	uint64_t retry_ms;   /* not before */
	uint64_t noticed_ms; /* since when somebody else than its owner is known to be ahead; 0: nobody */
	uint64_t left;	     /* own streams: the highest head that left this device in a range */
	struct uuid server;  /* gave the last pieces: so many, none of which was the last one */
	unsigned pieces;
	uint64_t purge_ms; /* last purge */
	unsigned digest_misses;
	unsigned orphans; /* times in a row that its list ended with rows whose parents had not come */
};

/* While one piece is being applied, the next is asked for already and waits here: one applied, one on its way. */
struct pull {
	struct stream_id id;
	struct uuid peer;
	uint32_t request;     /* waiting for the answer; 0: none, or pushed to us */
	uint64_t asked_since; /* with it */
	bool asked_listing;
	uint64_t deadline_ms;
	uint32_t token; /* being applied; 0: nothing */
	uint64_t upto;	/* where that leads to */
	bool has_next;
	struct range next;    /* its body is in next_body */
	struct buf next_body; /* owned */
};

enum task_kind {
	TASK_SERVE,
	TASK_PUSH,
	TASK_SERVE_SNAPSHOT,
	TASK_MERGE,
	TASK_APPLY,
	TASK_CUT,
	TASK_RELIST,
	TASK_EPOCH
};

struct task {
	uint32_t token;
	enum task_kind kind;
	struct uuid peer;
	uint32_t generation;
	uint32_t request;
	struct stream_id stream;
	uint64_t upto;	      /* CUT */
	struct vector covers; /* owned */
};

struct snapshot_pull {
	bool active;
	struct uuid peer;
	uint32_t request; /* waiting for a piece; 0: merging */
	bool last;
	unsigned pieces; /* that came */
	uint64_t deadline_ms;
	struct buf cursor;    /* owned */
	struct vector covers; /* owned */
};

struct not_taken {
	struct uuid owner;
	uint8_t kind;
};

struct core {
	struct core_opts opts;
	char software[MESSAGE_SOFTWARE_MAX + 1];
	struct core_now now;
	struct vector own;
	uint64_t epoch;
	struct acks acks;
	bool acks_dirty;
	struct buf registers;
	struct uuid *members;
	size_t member_count;
	struct peer *peers[CORE_PEERS_MAX];
	size_t peer_count;
	struct note *notes;
	size_t note_count, note_capacity;
	struct pull pulls[CORE_PULLS_MAX];
	size_t pull_count;
	struct task *tasks;
	size_t task_count, task_capacity;
	struct snapshot_pull snapshot;
	struct not_taken *not_taken;
	size_t not_taken_count;
	struct effect *effects; /* a queue: from effect_first */
	size_t effect_first, effect_count, effect_capacity;
	uint32_t last_token, last_request;
	uint64_t revision;
	uint64_t wake_ms;
	uint64_t retry_ms; /* after the replica failed */
	uint64_t repair_ms;
	uint32_t load;
	bool paused, cutting, epoch_pending;
	bool clock_confirmed;		   /* by somebody who is no member yet */
	bool told_lives;		   /* CORE_EVENT_LIVES */
	enum core_state state, told_state; /* what holds; the last that was told */
	uint64_t state_ms;		   /* since when it holds */
};

/* core.c */
int core_step(struct core *core); /* after each event: asks, pushes, tells, cuts what there is to */
int core_effect(struct core *core, enum effect_kind kind, struct effect **ret_effect);
void core_at(struct core *core, struct core_now now); /* at each event: what time it is */
void core_due(struct core *core, uint64_t at_ms);     /* something waits for that time */
int core_send(struct core *core, struct peer *peer, const struct message *m);
int core_send_error(struct core *core, struct peer *peer, enum message_error code, uint32_t request, const char *text);
int core_tell(struct core *core, enum core_event event, const struct uuid *peer, const struct stream_id *stream,
	      const char *text);
int core_task(struct core *core, enum task_kind kind, const struct peer *peer, struct task **ret_task);
bool core_take_task(struct core *core, uint32_t token, struct task *ret_task); /* caller releases covers */
int core_replace_own(struct core *core, const struct vector *own);	       /* copied; what moved is to be told */
struct note *core_note(struct core *core, const struct stream_id *id);	       /* NULL: no memory */
struct note *core_find_note(const struct core *core, const struct stream_id *id);
void core_moved(struct core *core, const struct stream *s); /* a stream of `own` is now this */
bool core_is_member(const struct core *core, const struct uuid *device);
/* An acknowledgement (`arg` is the core) of a member, and not of a state stream that a later epoch has replaced. */
bool core_keeps_ack(const void *arg, const struct ack *ack);
bool core_is_own(const struct core *core, const struct stream_id *id); /* of this device's present epoch */
bool core_takes(const struct core *core, const struct stream_id *id);
bool core_is_latest(const struct core *core, const struct stream *s); /* no later epoch of a state stream is known */
int core_replica_failed(struct core *core, int result);

/* core_peer.c */
struct peer *peer_find(const struct core *core, const struct uuid *device);
bool peer_usable(const struct core *core, const struct peer *peer); /* streams are exchanged with it */
int peer_ban(struct core *core, struct peer *peer, const char *why);
int peer_close(struct core *core, struct peer *peer, enum message_error code, const char *text);
int peer_gone(struct core *core, struct peer *peer);
int peer_hello(struct core *core, struct peer *peer, const struct message_hello *hello);
int peer_heartbeat(struct core *core, struct peer *peer, const struct message_heartbeat *beat);
int peer_error(struct core *core, struct peer *peer, const struct message *m);
int peer_beat(struct core *core,
	      struct peer *peer); /* full heartbeats, partial ones and acknowledgements that are due */
int peer_say_hello(struct core *core, struct peer *peer);
int peer_learn(struct core *core, struct peer *peer, const struct vector *v, bool partial);

/* core_pull.c */
int pull_plan(struct core *core);
int pull_range(struct core *core, struct peer *peer, const struct message_range *m);
int pull_refused(struct core *core, struct peer *peer, uint32_t request, enum message_error code);
void pull_drop_peer(struct core *core, const struct uuid *peer);
bool pull_any_ahead(const struct core *core);
int pull_forked(struct core *core, struct peer *peer, const struct stream_id *id);

/* core_push.c */
int push_plan(struct core *core, struct peer *peer);
void push_acknowledged(struct core *core, struct peer *peer);
int push_read(struct core *core, const struct task *task, const struct range *range);
bool push_covers(const struct core *core, const struct peer *peer, const struct stream *s);

/* core_serve.c */
int serve_range(struct core *core, struct peer *peer, const struct message_range_request *m);
int serve_snapshot(struct core *core, struct peer *peer, const struct message_snapshot_request *m);

/* core_snapshot.c */
int snapshot_plan(struct core *core);
int snapshot_piece(struct core *core, struct peer *peer, const struct message_snapshot *m);
void snapshot_drop_peer(struct core *core, const struct uuid *peer);
void snapshot_refused(struct core *core, struct peer *peer, uint32_t request);
int snapshot_compare(struct core *core, struct peer *peer); /* digests at equal positions */

/* core_house.c */
int house_count_lives(struct core *core);
int house_keep(struct core *core); /* cuts, purges */
int house_rewound(struct core *core, struct peer *peer, uint64_t started_after);
int house_check_own(struct core *core,
		    struct peer *peer); /* whether the peer's vector shows that this device was rewound */
int house_repair_clock(struct core *core);
int house_state(struct core *core);
