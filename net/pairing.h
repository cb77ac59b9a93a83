/* Pairing: two devices that do not know each other exchange their static keys, protected by a code that one shows and
 * the other is given (protocols 2.3). The shower answers, the typer dials.
 *
 *      typer                                shower
 *                                <-         HELLO     magic, version, half of the session id
 *      START                     ->                   magic, version, the other half, Ya, ADa
 *                                <-         REPLY     Yb, ADb, Tb: from here on the run is a guess (or REFUSAL)
 *      CONFIRM                   ->                   Ta, Noise XXpsk3 message 1
 *                                <-         NOISE2
 *      NOISE3                    ->
 *                                <-         PAIRED    encrypted: the shower's payload
 *      DECIDE, if it `asks`
 *      PAIRED                    ->                   encrypted: the typer's payload
 *                                           DECIDE: the shower stores the typer's key, or refuses
 *                                <-         VERDICT   encrypted; on yes the typer stores the shower's key
 *
 * Each message: length (16 bits, big-endian, of what follows), kind, body. What is open shows neither names, codes nor
 * keys. So the shower stores first, when both have read "paired", and the typer only when it knows that. When VERDICT
 * gets lost, the shower knows a device that does not know the shower, which is harmless; never the reverse.
 *
 * A step machine for one connection: bytes and times in, bytes and an outcome out; no I/O, no clock. The caller sends
 * what was put into `out` (also after the outcome), and closes once the outcome is final. It holds a bounded amount of
 * what the peer sent. Lies in sodium memory; pairing_free wipes it. Threads: one at a time. base_init() comes first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/key.h"
#include "net/pairing_code.h"

#define PAIRING_VERSION	 1 /* pins the CPace draft of 2026-04, too */
#define PAIRING_HASH_LEN 32

struct pairing;

/* Six of them travel between the two sides: the numbers are part of PAIRING_VERSION. */
enum pairing_outcome {
	PAIRING_RUNNING = 0,
	PAIRING_PAIRED = 1,
	PAIRING_ALREADY_MEMBER = 2, /* as PAIRED and REFUSED, the shower's verdict, proven */
	PAIRING_REFUSED = 3,
	PAIRING_EXPIRED = 4, /* the code; the typer hears it from the shower, unproven, as the next two */
	PAIRING_USED_UP = 5, /* too many wrong or broken runs, or it has paired already */
	PAIRING_BUSY = 6,    /* another run is on, or was a moment ago: try again */
	PAIRING_DECIDE,	     /* the one besides RUNNING that is not final: look at the peer, (shower) store its key
				durably, then pairing_decide */
	PAIRING_WRONG_CODE,  /* or somebody in the middle */
	PAIRING_OTHER_VERSION,
	PAIRING_SAME_DEVICE, /* the peer has our own key */
	PAIRING_HUNG_UP,     /* the peer closed before the end. For the shower after REPLY: mostly a wrong code */
	PAIRING_TIMED_OUT,
	PAIRING_MALFORMED, /* the peer does not speak this protocol, or its messages were changed on the way */
	PAIRING_FAILED,	   /* no memory */
};

struct pairing_opts {		      /* everything is copied */
	const uint8_t *static_secret; /* KEY_SECRET_LEN bytes */
	const void *payload;	      /* what the peer is to know: device name, library, ... */
	size_t payload_len;	      /* up to PAIRING_PAYLOAD_MAX */
	bool asks; /* typer: comes to DECIDE, too, when the shower is proven and before it is told of */
};

/* The side that shows the code; HELLO is put into `out`. The code is borrowed and must outlive the object; any number
 * of connections may share it. Errors: -ENOMEM, -ERR_TOO_LARGE (payload), -ERR_MALFORMED (secret). */
int pairing_new_shower(const struct pairing_opts *opts, struct pairing_code *code, uint64_t now_ms, struct buf *out,
		       struct pairing **ret_pairing);

/* The side where `code` (from pairing_code_normalise) was typed. Errors: -ENOMEM, -ERR_TOO_LARGE, -ERR_MALFORMED. */
int pairing_new_typer(const struct pairing_opts *opts, const char *code, uint64_t now_ms, struct pairing **ret_pairing);

/* Steps. Each gives the outcome so far; after a final one they do nothing. Bytes to send are appended to `out`. */
enum pairing_outcome pairing_receive(struct pairing *p, uint64_t now_ms, const void *data, size_t len, struct buf *out);
enum pairing_outcome pairing_hang_up(struct pairing *p, uint64_t now_ms); /* the peer closed, or the connection broke */
enum pairing_outcome pairing_tick(struct pairing *p, uint64_t now_ms);	  /* at pairing_deadline_ms, or any time */

/* In DECIDE: `verdict` is PAIRING_PAIRED (the peer's key is stored), PAIRING_ALREADY_MEMBER or PAIRING_REFUSED. For the
 * typer PAIRED means to go on, and the others that it leaves without having told anything: then that is the outcome. */
enum pairing_outcome pairing_decide(struct pairing *p, uint64_t now_ms, enum pairing_outcome verdict, struct buf *out);

enum pairing_outcome pairing_outcome(const struct pairing *p);
bool pairing_awaits_verdict(const struct pairing *p); /* typer: the code was right, the other side decides */
uint64_t
pairing_deadline_ms(const struct pairing *p); /* when pairing_tick has something to do; UINT64_MAX after the end */

/* The peer, proven; in DECIDE, and after PAIRED and REFUSED. Borrowed. */
const uint8_t *pairing_peer_key(const struct pairing *p); /* KEY_PUBLIC_LEN bytes */
const void *pairing_peer_payload(const struct pairing *p, size_t *ret_len);

/* PAIRING_HASH_LEN bytes that both sides have and no other run: for digits that a careful user compares. As above. */
const uint8_t *pairing_hash(const struct pairing *p);

void pairing_free(struct pairing *p); /* a run that is still on ends here, as at the last time that was passed in */
void pairing_freep(struct pairing **p);
