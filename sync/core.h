/* The replication core of one device (design section 5): a step machine. Events and the time go in, effects come out;
 * it does no I/O, reads no clock and touches no database. Whoever drives it carries the effects out in order and
 * reports results with the effect's token. One mechanism (sync/range.h) serves broadcast, catch-up, backfill and relay.
 *
 * The core knows positions, not rows: what is stored is behind the contract of a replica (sync/replica.h). Only what is
 * committed may be reported to it, so only what is committed is ever sent or acknowledged. Lost results are not
 * allowed: each READ, APPLY, SNAPSHOT_READ, SNAPSHOT_MERGE, CUT, RELIST and NEW_EPOCH is answered once, with an error
 * if need be. Messages to a peer are delivered in order while it is up, or not at all.
 *
 * Threads: one at a time. Errors: the functions return 0 or -ENOMEM; then the core is still sound, but what was to be
 * said or asked is missing until the next heartbeat. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "sync/acks.h"
#include "sync/message.h"
#include "sync/range.h"
#include "sync/replica.h"
#include "sync/vector.h"

#define CORE_HEARTBEAT_MS	(10 * 1000)
#define CORE_SILENCE_MS		(3 * CORE_HEARTBEAT_MS) /* then a peer counts as gone */
#define CORE_COALESCE_MS	100
#define CORE_BROADCAST_ROWS	1000 /* more than that is not pushed: the peer pulls */
#define CORE_BROADCAST_BYTES	(256 * 1024)
#define CORE_PUSHES_MAX		4 /* not yet acknowledged, to one peer; then it is slow, and pulls */
#define CORE_PULLS_MAX		8 /* streams that are being pulled at a time */
#define CORE_PULLS_OF_PEER_MAX	4
#define CORE_SERVES_OF_PEER_MAX 8 /* requests of one peer that wait for their read */
#define CORE_PULL_TIMEOUT_MS	(60 * 1000)
#define CORE_GRACE_MS		500 /* before a stream of an owner that is here is pulled from somebody else */
#define CORE_PEERS_MAX		256
#define CORE_BAN_MS		(10 * 60 * 1000) /* no dealings with a peer that broke the rules, or whose key two devices use */
#define CORE_CLOCK_WARN_MS	(60 * 1000)
#define CORE_RETRY_MS		(5 * 1000) /* after an error of the replica */
#define CORE_STATE_LASTS_MS	(5 * 1000) /* before a state is told that may be a blip */
#define CORE_LOG_RECORDS_MAX	200000	   /* then it is cut without waiting for who is away */

struct core;

struct core_now {
	uint64_t mono_ms; /* never goes back; timers */
	uint64_t wall_ms; /* stamps and clocks */
};

struct core_opts {
	struct uuid self;
	struct uuid library;
	struct uuid instance; /* random, new with each start */
	const char *software; /* copied; printable ASCII */
	uint16_t port;
	uint64_t log_records_max; /* 0: CORE_LOG_RECORDS_MAX */
};

/* `own`: the replica's vector; copied. `epoch`: of this device's present origin. */
int core_new(const struct core_opts *opts, const struct vector *own, uint64_t epoch, struct core_now now,
	     struct core **ret_core);
void core_free(struct core *core);

/* --- events --- */

int core_tick(struct core *core, struct core_now now); /* at core_wake_ms, or any time */

/* The whole vector as it is now, read in one transaction: after this device committed something, and whenever anything
 * moved that the core did not ask for. */
int core_reload(struct core *core, struct core_now now, const struct vector *own, uint64_t epoch);

/* Who is a member, this device included, and the registers of all devices (opaque; sent in Hello, and to peers that are
 * up when they change). At the start, and whenever it changes. */
int core_members(struct core *core, struct core_now now, const struct uuid *members, size_t count,
		 const void *registers, size_t len);

/* A connection to a member stands, is gone. Up again without down: a new connection replaced the old one. */
int core_peer_up(struct core *core, struct core_now now, const struct uuid *peer);
int core_peer_down(struct core *core, struct core_now now, const struct uuid *peer);
int core_message(struct core *core, struct core_now now, const struct uuid *peer, const void *bytes, size_t len);

/* Acknowledgements kept from an earlier run. */
int core_restore_acks(struct core *core, const struct acks *acks);

int core_pause(struct core *core, struct core_now now, bool paused); /* nothing is asked for, served or pushed */
int core_enable_peer(struct core *core, struct core_now now, const struct uuid *peer, bool enabled);

void core_set_load(struct core *core, uint32_t load); /* 0 idle to 100; told in heartbeats, others pull elsewhere */

/* Selective sync: whether state kind `kind` of `owner` is taken. Default: everything. */
int core_take(struct core *core, struct core_now now, const struct uuid *owner, uint8_t kind, bool taken);

/* The clock agrees with that of a device that is being paired: if the stamps ran ahead of it, they are repaired now, so
 * that the new member can take what it is told. Before its member row is written. */
int core_clock_confirmed(struct core *core, struct core_now now);

/* --- effects --- */

enum effect_kind {
	EFFECT_SEND,	       /* bytes: one message to peer */
	EFFECT_READ,	       /* request: replica read, at once and cheaply; answer core_read_done */
	EFFECT_APPLY,	       /* range (its body is in bytes): replica apply; answer core_applied */
	EFFECT_SNAPSHOT_READ,  /* bytes: the cursor; answer core_snapshot_read */
	EFFECT_SNAPSHOT_MERGE, /* bytes: the rows; vector: what it covers when it is the last piece (last); answer
				* core_snapshot_merged */
	EFFECT_CUT,	       /* stream, upto: replica cut; answer core_cut_done */
	EFFECT_RELIST,	       /* stream: answer core_reloaded */
	EFFECT_NEW_EPOCH,      /* epoch, covers (its keep): replica new_epoch, if the driver agrees; answer
				* core_epoch_done */
	EFFECT_MEMBERS, /* bytes: registers of devices that a peer told; merge them, then core_members. No answer */
	EFFECT_ACKS_CHANGED, /* core_acks: keep them some time soon */
	EFFECT_CLOSE,	     /* end the connection to peer; core_peer_down need not follow */
	EFFECT_EVENT,	     /* event, peer, stream, text: tell a person; the driver keeps it in sync.db */
	EFFECT_STATE,	     /* state: the driver keeps it as an event */
};

enum core_event {
	CORE_EVENT_PEER_ONLINE,
	CORE_EVENT_PEER_OFFLINE,
	CORE_EVENT_PEER_RULES, /* broke the rules: no dealings with it for a while */
	CORE_EVENT_PEER_CLOCK, /* its clock differs too much: nothing is exchanged */
	CORE_EVENT_PEER_CLOCK_OK,
	CORE_EVENT_PEER_CLOCK_WARN,
	CORE_EVENT_PEER_VERSION,
	CORE_EVENT_PEER_LIBRARY,
	CORE_EVENT_PEER_CLONE,
	CORE_EVENT_PEER_REFUSED, /* it ended the connection, for the reason in text */
	CORE_EVENT_HELD,	 /* records of stream are stamped in the future */
	CORE_EVENT_REWOUND,	 /* peer has more of this device's changes than this device */
	CORE_EVENT_CLOCK_REPAIR, /* this device's stamps ran ahead */
	CORE_EVENT_FORKED,	 /* two histories of stream's origin */
	CORE_EVENT_DIGEST,	 /* peer has other rows at the same positions; stream or, for kind 0, all shared rows */
	CORE_EVENT_SNAPSHOT,	 /* one was taken from peer */
	CORE_EVENT_LOG_CUT,	 /* by size, though not everybody has it */
	CORE_EVENT_LIVES,	 /* this device has had LIVES_MAX lives: others take no further one */
	CORE_EVENT_REPLICA,	 /* the replica failed */
};

/* A change of it is told when it has lasted CORE_STATE_LASTS_MS, as each change that comes is a moment of CatchingUp;
 * that it is Backfilling or Paused at once. core_state() says what holds now. */
enum core_state { CORE_UNINITIALIZED, CORE_BACKFILLING, CORE_CATCHING_UP, CORE_READY, CORE_PAUSED };

struct effect {
	enum effect_kind kind;
	uint32_t token;
	struct uuid peer;
	struct buf bytes; /* owned */
	struct range_request request;
	struct range range; /* body points into bytes */
	struct stream_id stream;
	uint64_t upto;
	struct vector covers; /* owned */
	bool last;
	struct epoch_request epoch; /* `keep` is not set: it is `covers` */
	enum core_event event;
	enum core_state state;
	char text[128];
};

/* The next effect, the caller's to release. 0, 1 when there is none. */
int core_next(struct core *core, struct effect *ret_effect);
void effect_release(struct effect *e);

uint64_t core_wake_ms(const struct core *core); /* mono_ms at which core_tick is due */

/* --- results --- */

int core_read_done(struct core *core, struct core_now now, uint32_t token, int result, const struct range *range);
int core_applied(struct core *core, struct core_now now, uint32_t token, int result, const struct applied *applied);
int core_snapshot_read(struct core *core, struct core_now now, uint32_t token, int result, const struct buf *rows,
		       const struct buf *cursor);

/* With the vector as it is after the call (result 0). */
int core_snapshot_merged(struct core *core, struct core_now now, uint32_t token, int result, const struct vector *own);
int core_cut_done(struct core *core, struct core_now now, uint32_t token, int result, const struct vector *own);
int core_reloaded(struct core *core, struct core_now now, uint32_t token, int result, const struct vector *own);

/* result -EPERM: the driver does not believe it (the anchor says otherwise): then the peer that claimed it is refused.
 */
int core_epoch_done(struct core *core, struct core_now now, uint32_t token, int result, const struct vector *own,
		    uint64_t epoch);

/* --- looking --- */

enum core_state core_state(const struct core *core);
const char *core_state_name(enum core_state state);
const char *core_event_name(enum core_event event);
const struct vector *core_vector(const struct core *core); /* borrowed until the next event */
const struct acks *core_acks(const struct core *core);

struct core_peer {
	struct uuid device;
	bool online; /* its Hello came and connection stands */
	bool clock_differs;
	int64_t clock_offset_ms; /* its clock less ours */
	uint32_t round_trip_ms;
	uint64_t heard_ms;     /* mono_ms */
	uint64_t behind_log;   /* records that we have and it lacks */
	uint64_t behind_state; /* versions */
	uint64_t ahead_log;    /* that it has and we lack */
	uint64_t ahead_state;
	char software[MESSAGE_SOFTWARE_MAX + 1];
};

/* The i-th peer that was up since the start. False past the end. */
bool core_peer_at(const struct core *core, size_t i, struct core_peer *ret_peer);

/* Digests, compared where both are at the same position: all shared rows count as one, and each state stream. */
struct core_comparison {
	unsigned same;
	unsigned different;
	unsigned apart; /* not at the same position yet, or only half of it is there: they tell nothing */
};

/* With the i-th peer, when it last told all that it has (each heartbeat does). False past the end. */
bool core_compare(const struct core *core, size_t i, struct core_comparison *ret_comparison);

