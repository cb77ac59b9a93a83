/* What net/pairing.c, the machine, shares with the sides that it is made of: pairing_shower.c and pairing_typer.c.
 * Nothing else includes this. Threads: one at a time. */
#pragma once

#include <stdbool.h>

#include "base/cursor.h"
#include "net/cpace.h"
#include "net/noise.h"
#include "net/pairing.h"

#define PAIRING_MAGIC	  "shelf-pair"
#define PAIRING_MAGIC_LEN 10
#define PAIRING_HALF_LEN  16 /* each side's half of the session id */
#define PAIRING_AD_LEN	  6  /* version, role, capabilities (32 bits, none so far) */

enum pairing_kind {
	KIND_HELLO = 1,
	KIND_START,
	KIND_REPLY,
	KIND_REFUSAL,
	KIND_CONFIRM,
	KIND_NOISE2,
	KIND_NOISE3,
	KIND_PAIRED,
	KIND_VERDICT,
};

/* Bodies. VERSION_LEN: what stays in front of HELLO and START in all versions to come. */
enum {
	VERSION_LEN = PAIRING_MAGIC_LEN + 1,
	HELLO_LEN = VERSION_LEN + PAIRING_HALF_LEN,
	START_LEN = VERSION_LEN + PAIRING_HALF_LEN + CPACE_POINT_LEN + PAIRING_AD_LEN,
	REPLY_LEN = CPACE_POINT_LEN + PAIRING_AD_LEN + CPACE_TAG_LEN,
	REFUSAL_LEN = 1,
	NOISE1_LEN = 48,
	NOISE2_LEN = 96,
	NOISE3_LEN = 64,
	CONFIRM_LEN = CPACE_TAG_LEN + NOISE1_LEN,
	VERDICT_LEN = 1 + NOISE_TAG_LEN,
	PAIRED_MAX = PAIRING_PAYLOAD_MAX + NOISE_TAG_LEN,
	BODY_MAX = PAIRED_MAX,
	HEADER_LEN = 3, /* length and kind */
};

enum pairing_state {
	SHOWER_AWAITS_START,
	SHOWER_AWAITS_CONFIRM,
	SHOWER_AWAITS_NOISE3,
	SHOWER_AWAITS_PAIRED,
	SHOWER_DECIDES,
	TYPER_AWAITS_HELLO,
	TYPER_AWAITS_REPLY,
	TYPER_AWAITS_NOISE2,
	TYPER_AWAITS_PAIRED,
	TYPER_DECIDES,
	TYPER_AWAITS_VERDICT,
	PAIRING_ENDED,
};

struct pairing {
	enum pairing_state state;
	enum pairing_outcome outcome;
	bool is_shower;
	bool asks;	/* typer: DECIDE comes before PAIRED is sent */
	bool holds_run; /* shower: pairing_code_end is due */
	uint64_t now_ms;
	uint64_t deadline_ms;
	struct pairing_code *code; /* shower: borrowed */
	char typed[PAIRING_CODE_LEN + 1];
	uint8_t sid[2 * PAIRING_HALF_LEN]; /* the shower's half first */
	struct cpace *cpace;		   /* owned, as the next three; NULL when not yet or no longer needed */
	struct noise *noise;
	struct transport *send;
	struct transport *receive;
	uint8_t static_secret[KEY_SECRET_LEN];
	uint8_t static_public[KEY_PUBLIC_LEN];
	size_t payload_len;
	size_t peer_payload_len;
	size_t input_len; /* of a message that is not complete yet */
	uint8_t payload[PAIRING_PAYLOAD_MAX];
	uint8_t peer_payload[PAIRING_PAYLOAD_MAX];
	uint8_t input[HEADER_LEN + BODY_MAX];
};

/* Takes a whole message of the kind and length that its row of the table allows. RUNNING: the row's next state. */
typedef enum pairing_outcome pairing_handler(struct pairing *p, struct cursor *body, struct buf *out);

pairing_handler shower_reads_start, shower_reads_confirm, shower_reads_noise3, shower_reads_paired;
pairing_handler typer_reads_hello, typer_reads_reply, typer_reads_refusal, typer_reads_noise2, typer_reads_paired,
    typer_reads_verdict;

/* What both sides do. Those that return an outcome return RUNNING when all is well. */
void pairing_put(struct buf *out, enum pairing_kind kind, const void *body, size_t len);
void pairing_put_version(uint8_t body[VERSION_LEN]);
enum pairing_outcome pairing_check_version(struct cursor *body); /* moves past it */
enum pairing_outcome pairing_start_cpace(struct pairing *p, const char *code);
enum pairing_outcome pairing_finish_cpace(struct pairing *p, const uint8_t *peer_point, const uint8_t *peer_ad);
const uint8_t *pairing_ad(bool of_shower); /* PAIRING_AD_LEN bytes */
enum pairing_outcome pairing_start_noise(struct pairing *p);
enum pairing_outcome pairing_write_noise(struct pairing *p, uint8_t *ret_message); /* with an empty payload, as below */
enum pairing_outcome pairing_read_noise(struct pairing *p, const uint8_t *message, size_t len);
enum pairing_outcome pairing_finish_noise(struct pairing *p);
bool pairing_is_same_device(const struct pairing *p);
enum pairing_outcome pairing_put_paired(struct pairing *p, struct buf *out);
enum pairing_outcome pairing_read_paired(struct pairing *p, const struct cursor *body);
enum pairing_outcome pairing_outcome_of(int error); /* of something that the peer sent */
