#include <sodium.h>
#include <string.h>

#include "net/pairing_machine.h"

/* The typer is told why, unproven: it has shown nothing either. */
static enum pairing_outcome refuse(enum pairing_code_state state, struct buf *out)
{
	static const enum pairing_outcome outcomes[] = {[PAIRING_CODE_BUSY] = PAIRING_BUSY,
							[PAIRING_CODE_EXPIRED] = PAIRING_EXPIRED,
							[PAIRING_CODE_USED_UP] = PAIRING_USED_UP,
							[PAIRING_CODE_DONE] = PAIRING_USED_UP};
	uint8_t reason = (uint8_t)outcomes[state];

	pairing_put(out, KIND_REFUSAL, &reason, sizeof(reason));
	return outcomes[state];
}

/* The code without its dash. */
static enum pairing_outcome start_cpace(struct pairing *p)
{
	char code[PAIRING_CODE_LEN + 1];
	enum pairing_outcome outcome = PAIRING_FAILED;

	if (pairing_code_normalise(pairing_code_text(p->code), code) == 0)
		outcome = pairing_start_cpace(p, code);
	sodium_memzero(code, sizeof(code));
	return outcome;
}

/* The tag leaves with this: whatever comes then, the run was a guess. */
static void put_reply(struct pairing *p, struct buf *out)
{
	uint8_t reply[REPLY_LEN];

	memcpy(reply, cpace_point(p->cpace), CPACE_POINT_LEN);
	memcpy(reply + CPACE_POINT_LEN, pairing_ad(true), PAIRING_AD_LEN);
	memcpy(reply + CPACE_POINT_LEN + PAIRING_AD_LEN, cpace_tag(p->cpace), CPACE_TAG_LEN);
	pairing_code_count(p->code);
	pairing_put(out, KIND_REPLY, reply, sizeof(reply));
}

enum pairing_outcome shower_reads_start(struct pairing *p, struct cursor *body, struct buf *out)
{
	enum pairing_outcome outcome = pairing_check_version(body);
	const uint8_t *half, *point, *ad;
	enum pairing_code_state state;

	if (outcome != PAIRING_RUNNING)
		return outcome;
	if (cursor_bytes(body, PAIRING_HALF_LEN, &half) < 0 || cursor_bytes(body, CPACE_POINT_LEN, &point) < 0 ||
	    cursor_bytes(body, PAIRING_AD_LEN, &ad) < 0)
		return PAIRING_MALFORMED;
	state = pairing_code_begin(p->code, p->now_ms);
	if (state != PAIRING_CODE_READY)
		return refuse(state, out);
	p->holds_run = true;
	memcpy(p->sid + PAIRING_HALF_LEN, half, PAIRING_HALF_LEN);
	outcome = start_cpace(p);
	if (outcome == PAIRING_RUNNING)
		outcome = pairing_finish_cpace(p, point, ad);
	if (outcome == PAIRING_RUNNING)
		put_reply(p, out);
	return outcome;
}

enum pairing_outcome shower_reads_confirm(struct pairing *p, struct cursor *body, struct buf *out)
{
	uint8_t message[NOISE2_LEN];
	enum pairing_outcome outcome;

	if (cpace_verify(p->cpace, body->at) < 0)
		return PAIRING_WRONG_CODE;
	outcome = pairing_start_noise(p);
	if (outcome == PAIRING_RUNNING)
		outcome = pairing_read_noise(p, body->at + CPACE_TAG_LEN, NOISE1_LEN);
	if (outcome == PAIRING_RUNNING)
		outcome = pairing_write_noise(p, message);
	if (outcome == PAIRING_RUNNING)
		pairing_put(out, KIND_NOISE2, message, sizeof(message));
	return outcome;
}

enum pairing_outcome shower_reads_noise3(struct pairing *p, struct cursor *body, struct buf *out)
{
	enum pairing_outcome outcome = pairing_read_noise(p, body->at, body->left);

	if (outcome == PAIRING_RUNNING && pairing_is_same_device(p))
		outcome = PAIRING_SAME_DEVICE;
	if (outcome == PAIRING_RUNNING)
		outcome = pairing_finish_noise(p);
	if (outcome == PAIRING_RUNNING)
		outcome = pairing_put_paired(p, out);
	return outcome;
}

enum pairing_outcome shower_reads_paired(struct pairing *p, struct cursor *body, struct buf *out)
{
	return pairing_read_paired(p, body);
}
