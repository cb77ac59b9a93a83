/* A pairing code: what one device shows and a person types on the other, `WXYZ-1234`.
 *
 * The device that shows it owns the object. It allows PAIRING_CODE_RUNS runs within PAIRING_CODE_LIFE_MS, one at a
 * time with a pause between, and is dead after one success (protocols 2.3 and 2.4). A run counts as a guess from the
 * moment our tag leaves (pairing_code_count), whatever happens to it then: a guesser has all it can get by that.
 *
 * The code never leaves the process but through the eyes of its user: not in a beacon, a file name or a log. It lies in
 * sodium memory, wiped by pairing_code_free. Times are of one monotonic clock. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/limits.h"

#define PAIRING_CODE_LETTERS  "ABCDEFGHJKMNPRSTUVWXYZ" /* without I, L, O, Q */
#define PAIRING_CODE_DIGITS   "23456789"	       /* without 0, 1 */
#define PAIRING_CODE_LEN      8			       /* four letters, four digits */
#define PAIRING_CODE_TEXT_LEN (PAIRING_CODE_LEN + 1)   /* with the dash, as shown */

struct pairing_code;

enum pairing_code_state {
	PAIRING_CODE_READY,
	PAIRING_CODE_BUSY, /* a run is on, or ended less than PAIRING_CODE_PAUSE_MS ago */
	PAIRING_CODE_EXPIRED,
	PAIRING_CODE_USED_UP, /* as many wrong or broken runs as there may be */
	PAIRING_CODE_DONE,    /* it has paired two devices */
};

int pairing_code_new(uint64_t now_ms, struct pairing_code **ret_code); /* Errors: -ENOMEM */

/* "WXYZ-1234", to show; borrowed. Secret: do not log it. */
const char *pairing_code_text(const struct pairing_code *code);

enum pairing_code_state pairing_code_state(const struct pairing_code *code, uint64_t now_ms);
uint64_t pairing_code_left_ms(const struct pairing_code *code, uint64_t now_ms); /* until it expires; 0 after */
unsigned pairing_code_runs_left(const struct pairing_code *code);

/* A run wants to start. READY: it has, and must end with pairing_code_end; else it may not, for that reason. A run that
 * started in time may end later. */
enum pairing_code_state pairing_code_begin(struct pairing_code *code, uint64_t now_ms);
void pairing_code_count(struct pairing_code *code); /* our tag is about to leave: this run is a guess. Once in a run. */
void pairing_code_end(struct pairing_code *code, bool success, uint64_t now_ms);

/* What was typed, as the code of PAIRING_CODE_LEN characters that both sides compute with: upper case, without
 * spaces, dashes, dots and underscores. Errors: -ERR_MALFORMED (no code can look like that: tell the user at once). */
int pairing_code_normalise(const char *typed, char ret_code[PAIRING_CODE_LEN + 1]);

void pairing_code_free(struct pairing_code *code);
void pairing_code_freep(struct pairing_code **code);
