#include <sodium.h>
#include <string.h>

#include "net/pairing_machine.h"

/* A shower of another version gets as much as it needs to say the same to its user. */
static enum pairing_outcome say_version(enum pairing_outcome outcome, struct buf *out)
{
	uint8_t version[VERSION_LEN];

	pairing_put_version(version);
	if (outcome == PAIRING_OTHER_VERSION)
		pairing_put(out, KIND_START, version, sizeof(version));
	return outcome;
}

static void put_start(const struct pairing *p, struct buf *out)
{
	uint8_t start[START_LEN];
	uint8_t *at = start + VERSION_LEN;

	pairing_put_version(start);
	memcpy(at, p->sid + PAIRING_HALF_LEN, PAIRING_HALF_LEN);
	memcpy(at + PAIRING_HALF_LEN, cpace_point(p->cpace), CPACE_POINT_LEN);
	memcpy(at + PAIRING_HALF_LEN + CPACE_POINT_LEN, pairing_ad(false), PAIRING_AD_LEN);
	pairing_put(out, KIND_START, start, sizeof(start));
}

enum pairing_outcome typer_reads_hello(struct pairing *p, struct cursor *body, struct buf *out)
{
	enum pairing_outcome outcome = pairing_check_version(body);
	const uint8_t *half;

	if (outcome != PAIRING_RUNNING)
		return say_version(outcome, out);
	if (cursor_bytes(body, PAIRING_HALF_LEN, &half) < 0)
		return PAIRING_MALFORMED;
	memcpy(p->sid, half, PAIRING_HALF_LEN);
	randombytes_buf(p->sid + PAIRING_HALF_LEN, PAIRING_HALF_LEN);
	outcome = pairing_start_cpace(p, p->typed);
	if (outcome == PAIRING_RUNNING)
		put_start(p, out);
	return outcome;
}

enum pairing_outcome typer_reads_refusal(struct pairing *p, struct cursor *body, struct buf *out)
{
	switch (body->at[0]) {
	case PAIRING_BUSY:
	case PAIRING_EXPIRED:
	case PAIRING_USED_UP:
		return (enum pairing_outcome)body->at[0];
	default:
		return PAIRING_MALFORMED;
	}
}

static enum pairing_outcome put_confirm(struct pairing *p, struct buf *out)
{
	uint8_t confirm[CONFIRM_LEN];
	enum pairing_outcome outcome;

	memcpy(confirm, cpace_tag(p->cpace), CPACE_TAG_LEN);
	outcome = pairing_start_noise(p);
	if (outcome == PAIRING_RUNNING)
		outcome = pairing_write_noise(p, confirm + CPACE_TAG_LEN);
	if (outcome == PAIRING_RUNNING)
		pairing_put(out, KIND_CONFIRM, confirm, sizeof(confirm));
	return outcome;
}

enum pairing_outcome typer_reads_reply(struct pairing *p, struct cursor *body, struct buf *out)
{
	const uint8_t *point = body->at;
	const uint8_t *ad = point + CPACE_POINT_LEN;
	enum pairing_outcome outcome = pairing_finish_cpace(p, point, ad);

	if (outcome != PAIRING_RUNNING)
		return outcome;
	if (cpace_verify(p->cpace, ad + PAIRING_AD_LEN) < 0)
		return PAIRING_WRONG_CODE; /* in silence: our tag would let a wrong shower test its guess */
	return put_confirm(p, out);
}

/* NOISE3 goes out even to our own device: so that the window that shows the code can say so as well. */
enum pairing_outcome typer_reads_noise2(struct pairing *p, struct cursor *body, struct buf *out)
{
	uint8_t message[NOISE3_LEN];
	enum pairing_outcome outcome = pairing_read_noise(p, body->at, body->left);

	if (outcome == PAIRING_RUNNING)
		outcome = pairing_write_noise(p, message);
	if (outcome == PAIRING_RUNNING)
		pairing_put(out, KIND_NOISE3, message, sizeof(message));
	if (outcome == PAIRING_RUNNING && pairing_is_same_device(p))
		outcome = PAIRING_SAME_DEVICE;
	if (outcome == PAIRING_RUNNING)
		outcome = pairing_finish_noise(p);
	return outcome;
}

enum pairing_outcome typer_reads_paired(struct pairing *p, struct cursor *body, struct buf *out)
{
	enum pairing_outcome outcome = pairing_read_paired(p, body);

	return outcome == PAIRING_RUNNING && !p->asks ? pairing_put_paired(p, out) : outcome;
}

enum pairing_outcome typer_reads_verdict(struct pairing *p, struct cursor *body, struct buf *out)
{
	enum pairing_outcome outcome;
	uint8_t verdict;

	outcome = pairing_outcome_of(transport_decrypt(p->receive, body->at, body->left, &verdict));
	if (outcome != PAIRING_RUNNING)
		return outcome;
	switch (verdict) {
	case PAIRING_PAIRED:
	case PAIRING_ALREADY_MEMBER:
	case PAIRING_REFUSED:
		return (enum pairing_outcome)verdict;
	default:
		return PAIRING_MALFORMED;
	}
}
