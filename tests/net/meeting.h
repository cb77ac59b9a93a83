/* A shower and a typer with fixed static keys, and the wire between them, message by message. Failures end the running
 * test. Also for the fuzz target, which links no cmocka: nothing here needs it. */
#pragma once

#include "base/buf.h"
#include "net/pairing.h"

#define MEETING_START_MS 1000000

enum { MEETING_SHOWER_SEED = 1, MEETING_TYPER_SEED = 2 };

struct meeting {
	uint64_t now_ms;
	struct pairing *shower;
	struct pairing *typer;
	struct buf to_typer; /* on the wire */
	struct buf to_shower;
};

/* The typer types `typed`; NULL: the right code. Seeds make static keys. */
void meeting_init(struct meeting *m, struct pairing_code *code, const char *typed, uint8_t shower_seed,
		  uint8_t typer_seed, uint64_t now_ms);
void meeting_release(struct meeting *m);

/* The whole message at the head of a wire is handed over. False when there is none. */
bool meeting_deliver(struct meeting *m, struct buf *wire);
size_t meeting_message_len(const struct buf *wire); /* of the one at the head; 0 without one */

/* Delivers until nothing is left. The shower that has to decide says yes. */
void meeting_run(struct meeting *m);

struct pairing_opts meeting_opts(uint8_t seed, const char *payload);
