/* The messages of replication and their wire form: msgpack arrays [kind, ...] (design section 5). Pushed changes and
 * answers have one form, the range; an answer carries the number of the request.
 *
 * Decoding is strict and bounded: lengths, counts, kinds, text, trailing bytes. Bytes stay borrowed from the input.
 * Pure. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "sync/acks.h"
#include "sync/range.h"
#include "sync/vector.h"

#define MESSAGE_VERSION	      1 /* of this protocol; Hello says the lowest and highest that are spoken */
#define MESSAGE_MAX_BYTES     (4 * 1024 * 1024 - 1024)
#define MESSAGE_SOFTWARE_MAX  64
#define MESSAGE_TEXT_MAX      200
#define MESSAGE_MEMBERS_MAX   (1024 * 1024) /* registers of all devices */
#define MESSAGE_CURSOR_MAX    256
#define MESSAGE_SNAPSHOT_MAX  (1024 * 1024) /* a piece; one record of RANGE_BYTES_MAX is the larger bound */

enum message_kind { /* on the wire: never reused */
	MESSAGE_HELLO = 1,
	MESSAGE_RANGE = 2,	      /* StateChange, StateBatch, SharedChange, SharedChangeBatch (request 0); the Responses */
	MESSAGE_RANGE_REQUEST = 3,    /* StateRequest, SharedChangeRequest */
	MESSAGE_SNAPSHOT_REQUEST = 4,
	MESSAGE_SNAPSHOT = 5,
	MESSAGE_ACKS = 6,	      /* AckSharedChanges, and whole state positions */
	MESSAGE_HEARTBEAT = 7,
	MESSAGE_ERROR = 8,
	MESSAGE_GOODBYE = 9,
};

enum message_error { /* of MESSAGE_ERROR and MESSAGE_GOODBYE */
	MESSAGE_ERROR_NONE = 0,
	MESSAGE_ERROR_CUT = 1,	   /* the records are cut here: ask others, then a snapshot */
	MESSAGE_ERROR_FORKED = 2,  /* another running hash at that position */
	MESSAGE_ERROR_STALE = 3,   /* nothing to give: not whole, not further, not held */
	MESSAGE_ERROR_BUSY = 4,	   /* later */
	MESSAGE_ERROR_VERSION = 5, /* no version that both speak */
	MESSAGE_ERROR_LIBRARY = 6, /* another library */
	MESSAGE_ERROR_CLOCK = 7,   /* clocks differ too much */
	MESSAGE_ERROR_RULES = 8,   /* the other side broke the rules */
	MESSAGE_ERROR_REMOVED = 9, /* the other side is no member here */
	MESSAGE_ERROR_CLONE = 10,  /* two live devices with one key */
	MESSAGE_ERROR_LAST
};

struct message_hello {
	uint32_t version_min, version_max;
	const char *software; /* borrowed, not terminated; printable text */
	size_t software_len;
	struct uuid library;
	struct uuid instance; /* random, new with each start of the process */
	uint64_t wall_ms;
	uint64_t epoch;	      /* of the sender's present origin */
	uint16_t port;	      /* where it listens; 0: nowhere */
	const uint8_t *members; /* registers of all devices, opaque here (sync/registers.h) */
	size_t members_len;
	struct vector vector; /* owned by the message */
};

struct message_heartbeat {
	uint64_t wall_ms;
	uint64_t epoch;
	uint32_t load;	  /* 0 idle to 100 */
	uint64_t stamp;	  /* comes back as echo: the round trip is measured in the sender's own time; 0: none */
	uint64_t echo;	  /* 0: none */
	bool partial;	  /* the vector holds only the streams that changed */
	struct vector vector; /* owned by the message */
};

struct message_range {
	uint32_t request; /* 0: pushed */
	struct range range;
};

struct message_range_request {
	uint32_t request;
	struct range_request range;
};

struct message_snapshot_request {
	uint32_t request;
	const uint8_t *cursor; /* empty: from the beginning */
	size_t cursor_len;
};

struct message_snapshot {
	uint32_t request;
	const uint8_t *rows;
	size_t rows_len;
	const uint8_t *cursor; /* of the next piece; empty: this was the last */
	size_t cursor_len;
	struct vector covers; /* in the first piece: the logs that the snapshot covers. Owned by the message */
};

struct message_error_body {
	enum message_error code;
	uint32_t request; /* 0: none in particular */
	const char *text; /* borrowed, not terminated; UTF-8 without control characters */
	size_t text_len;
};

struct message {
	enum message_kind kind;
	union {
		struct message_hello hello;
		struct message_heartbeat heartbeat;
		struct message_range range;
		struct message_range_request range_request;
		struct message_snapshot_request snapshot_request;
		struct message_snapshot snapshot;
		struct acks acks;
		struct message_error_body error; /* MESSAGE_ERROR, MESSAGE_GOODBYE */
	};
};

/* Appends. Errors: -ENOMEM, -ERR_TOO_LARGE (nothing appended). */
int message_encode(const struct message *m, struct buf *b);

/* ret_message is filled on success and released by the caller. Errors: -ERR_MALFORMED, -ERR_TOO_LARGE, -ENOMEM. */
int message_decode(const void *data, size_t len, struct message *ret_message);

void message_release(struct message *m); /* zeroes it */
