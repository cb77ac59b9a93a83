/* The machine: takes the input apart into messages, looks up what the state allows in the table below, calls the
 * side's handler, moves on. Anything that is not in the table ends the run.
 *
 * A shower takes hold of the code (holds_run) with START. It lets go with success in enter(), when it comes to DECIDE,
 * else in end(), where every run ends. Outside of DECIDE, `outcome` is RUNNING exactly while the state is not ENDED. */
#include "net/pairing.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/lv.h"
#include "net/pairing_machine.h"

#define APP_LABEL "shelf-pair-v1"
#define PSK_LABEL "shelf noise psk v1"

_Static_assert(PAIRING_HASH_LEN == NOISE_HASH_LEN, "the handshake's");
_Static_assert(sizeof(APP_LABEL) + 2 + 2 * 2 <= CPACE_CI_MAX && PAIRING_AD_LEN <= CPACE_AD_MAX, "room");
_Static_assert(2 * PAIRING_HALF_LEN <= CPACE_SID_MAX && PAIRING_CODE_LEN <= CPACE_PASSWORD_MAX, "room");

static const struct transition {
	enum pairing_state state;
	enum pairing_kind kind;
	size_t min_len;
	size_t max_len;
	pairing_handler *handle;
	enum pairing_state next;
} transitions[] = {
    {SHOWER_AWAITS_START, KIND_START, VERSION_LEN, START_LEN, shower_reads_start, SHOWER_AWAITS_CONFIRM},
    {SHOWER_AWAITS_CONFIRM, KIND_CONFIRM, CONFIRM_LEN, CONFIRM_LEN, shower_reads_confirm, SHOWER_AWAITS_NOISE3},
    {SHOWER_AWAITS_NOISE3, KIND_NOISE3, NOISE3_LEN, NOISE3_LEN, shower_reads_noise3, SHOWER_AWAITS_PAIRED},
    {SHOWER_AWAITS_PAIRED, KIND_PAIRED, NOISE_TAG_LEN, PAIRED_MAX, shower_reads_paired, SHOWER_DECIDES},
    {TYPER_AWAITS_HELLO, KIND_HELLO, VERSION_LEN, HELLO_LEN, typer_reads_hello, TYPER_AWAITS_REPLY},
    {TYPER_AWAITS_REPLY, KIND_REPLY, REPLY_LEN, REPLY_LEN, typer_reads_reply, TYPER_AWAITS_NOISE2},
    {TYPER_AWAITS_REPLY, KIND_REFUSAL, REFUSAL_LEN, REFUSAL_LEN, typer_reads_refusal, PAIRING_ENDED},
    {TYPER_AWAITS_NOISE2, KIND_NOISE2, NOISE2_LEN, NOISE2_LEN, typer_reads_noise2, TYPER_AWAITS_PAIRED},
    {TYPER_AWAITS_PAIRED, KIND_PAIRED, NOISE_TAG_LEN, PAIRED_MAX, typer_reads_paired, TYPER_AWAITS_VERDICT},
    {TYPER_AWAITS_VERDICT, KIND_VERDICT, VERDICT_LEN, VERDICT_LEN, typer_reads_verdict, PAIRING_ENDED},
};

static int pairing_new(const struct pairing_opts *opts, bool is_shower, uint64_t now_ms, struct pairing **ret_pairing)
{
	_cleanup_(pairing_freep) struct pairing *p = NULL;

	if (opts->payload_len > PAIRING_PAYLOAD_MAX)
		return -ERR_TOO_LARGE;
	p = sodium_malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	memset(p, 0, sizeof(*p));
	p->is_shower = is_shower;
	p->asks = opts->asks && !is_shower;
	p->state = is_shower ? SHOWER_AWAITS_START : TYPER_AWAITS_HELLO;
	p->now_ms = now_ms;
	p->deadline_ms = now_ms + PAIRING_HELLO_MS;
	memcpy(p->static_secret, opts->static_secret, KEY_SECRET_LEN);
	p->payload_len = opts->payload_len;
	if (p->payload_len > 0)
		memcpy(p->payload, opts->payload, p->payload_len);
	if (crypto_scalarmult_curve25519_base(p->static_public, p->static_secret) != 0)
		return -ERR_MALFORMED;
	*ret_pairing = TAKE_PTR(p);
	return 0;
}

int pairing_new_shower(const struct pairing_opts *opts, struct pairing_code *code, uint64_t now_ms, struct buf *out,
		       struct pairing **ret_pairing)
{
	_cleanup_(pairing_freep) struct pairing *p = NULL;
	uint8_t hello[HELLO_LEN];
	int r = pairing_new(opts, true, now_ms, &p);

	if (r < 0)
		return r;
	p->code = code;
	randombytes_buf(p->sid, PAIRING_HALF_LEN);
	pairing_put_version(hello);
	memcpy(hello + VERSION_LEN, p->sid, PAIRING_HALF_LEN);
	pairing_put(out, KIND_HELLO, hello, sizeof(hello));
	if (buf_error(out))
		return buf_error(out);
	*ret_pairing = TAKE_PTR(p);
	return 0;
}

int pairing_new_typer(const struct pairing_opts *opts, const char *code, uint64_t now_ms, struct pairing **ret_pairing)
{
	struct pairing *p;
	int r;

	if (strlen(code) != PAIRING_CODE_LEN)
		return -ERR_MALFORMED;
	r = pairing_new(opts, false, now_ms, &p);
	if (r < 0)
		return r;
	memcpy(p->typed, code, PAIRING_CODE_LEN);
	*ret_pairing = p;
	return 0;
}

/* Whether the peer is proven, and what it said is still there. */
static bool knows_peer(const struct pairing *p)
{
	return p->outcome == PAIRING_DECIDE || p->outcome == PAIRING_PAIRED || p->outcome == PAIRING_REFUSED;
}

/* Gives up what only a run needs. */
static enum pairing_outcome end(struct pairing *p, enum pairing_outcome outcome)
{
	p->state = PAIRING_ENDED;
	p->outcome = outcome;
	p->deadline_ms = UINT64_MAX;
	if (p->holds_run)
		pairing_code_end(p->code, false, p->now_ms);
	p->holds_run = false;
	cpace_free(p->cpace);
	p->cpace = NULL;
	transport_free(p->send);
	p->send = NULL;
	transport_free(p->receive);
	p->receive = NULL;
	if (!knows_peer(p)) {
		noise_free(p->noise);
		p->noise = NULL;
	}
	sodium_memzero(p->typed, sizeof(p->typed));
	sodium_memzero(p->static_secret, sizeof(p->static_secret));
	return outcome;
}

static bool is_final(const struct pairing *p)
{
	return p->state == PAIRING_ENDED;
}

static const struct transition *find_transition(const struct pairing *p, uint8_t kind, size_t len)
{
	for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
		const struct transition *t = &transitions[i];

		if (t->state == p->state && t->kind == kind && len >= t->min_len && len <= t->max_len)
			return t;
	}
	return NULL;
}

/* DECIDE burns the code: both sides have proven that they have it, whatever may still break. */
static enum pairing_outcome enter(struct pairing *p, enum pairing_state next)
{
	if (p->state == SHOWER_AWAITS_START || p->state == TYPER_AWAITS_HELLO)
		p->deadline_ms = p->now_ms + PAIRING_RUN_MS;
	p->state = next;
	if (next == SHOWER_DECIDES) {
		p->outcome = PAIRING_DECIDE;
		pairing_code_end(p->code, true, p->now_ms);
		p->holds_run = false;
	}
	if (next == TYPER_AWAITS_VERDICT && p->asks) {
		p->state = TYPER_DECIDES;
		p->outcome = PAIRING_DECIDE;
	}
	return p->outcome;
}

static enum pairing_outcome take_message(struct pairing *p, uint8_t kind, struct cursor *body, struct buf *out)
{
	const struct transition *t = find_transition(p, kind, body->left);
	enum pairing_outcome outcome = t ? t->handle(p, body, out) : PAIRING_MALFORMED;

	if (outcome == PAIRING_RUNNING && buf_error(out))
		outcome = PAIRING_FAILED;
	return outcome == PAIRING_RUNNING ? enter(p, t->next) : end(p, outcome);
}

/* How many bytes the message at the start of the input has, as far as one can see; 0: no message can be that long. */
static size_t wanted(const struct pairing *p)
{
	size_t len;

	if (p->input_len < HEADER_LEN)
		return HEADER_LEN;
	len = (size_t)p->input[0] << 8 | p->input[1];
	return len >= 1 && len <= 1 + BODY_MAX ? HEADER_LEN - 1 + len : 0;
}

enum pairing_outcome pairing_receive(struct pairing *p, uint64_t now_ms, const void *data, size_t len, struct buf *out)
{
	const uint8_t *at = data;

	pairing_tick(p, now_ms);
	while (len > 0 && !is_final(p)) {
		size_t want = wanted(p);
		size_t take = want - p->input_len < len ? want - p->input_len : len;

		memcpy(p->input + p->input_len, at, take);
		p->input_len += take;
		at += take;
		len -= take;
		want = wanted(p);
		if (want == 0)
			return end(p, PAIRING_MALFORMED);
		if (p->input_len >= HEADER_LEN && p->input_len == want) {
			struct cursor body = cursor_on(p->input + HEADER_LEN, want - HEADER_LEN);

			p->input_len = 0;
			take_message(p, p->input[HEADER_LEN - 1], &body, out);
		}
	}
	return p->outcome;
}

enum pairing_outcome pairing_hang_up(struct pairing *p, uint64_t now_ms)
{
	pairing_tick(p, now_ms);
	return is_final(p) ? p->outcome : end(p, PAIRING_HUNG_UP);
}

enum pairing_outcome pairing_tick(struct pairing *p, uint64_t now_ms)
{
	p->now_ms = now_ms;
	if (!is_final(p) && now_ms >= p->deadline_ms)
		end(p, PAIRING_TIMED_OUT);
	return p->outcome;
}

static enum pairing_outcome typer_decides(struct pairing *p, enum pairing_outcome verdict, struct buf *out)
{
	enum pairing_outcome outcome = verdict == PAIRING_PAIRED ? pairing_put_paired(p, out) : verdict;

	if (outcome == PAIRING_RUNNING && buf_error(out))
		outcome = PAIRING_FAILED;
	if (outcome != PAIRING_RUNNING)
		return end(p, outcome);
	p->state = TYPER_AWAITS_VERDICT;
	p->outcome = PAIRING_RUNNING;
	return p->outcome;
}

enum pairing_outcome pairing_decide(struct pairing *p, uint64_t now_ms, enum pairing_outcome verdict, struct buf *out)
{
	uint8_t text = (uint8_t)verdict;
	uint8_t message[VERDICT_LEN];
	int r;

	assert(verdict == PAIRING_PAIRED || verdict == PAIRING_ALREADY_MEMBER || verdict == PAIRING_REFUSED);
	p->now_ms = now_ms;
	if (is_final(p)) /* hung up or too late: the caller has stored a key that it may keep */
		return p->outcome;
	if (p->state == TYPER_DECIDES)
		return typer_decides(p, verdict, out);
	assert(p->state == SHOWER_DECIDES);
	r = transport_encrypt(p->send, &text, sizeof(text), message);
	if (r == 0)
		pairing_put(out, KIND_VERDICT, message, sizeof(message));
	return end(p, r < 0 || buf_error(out) ? PAIRING_FAILED : verdict);
}

enum pairing_outcome pairing_outcome(const struct pairing *p)
{
	return p->outcome;
}

bool pairing_awaits_verdict(const struct pairing *p)
{
	return p->state == TYPER_AWAITS_VERDICT;
}

uint64_t pairing_deadline_ms(const struct pairing *p)
{
	return p->deadline_ms;
}

const uint8_t *pairing_peer_key(const struct pairing *p)
{
	assert(knows_peer(p));
	return noise_remote_static(p->noise);
}

const void *pairing_peer_payload(const struct pairing *p, size_t *ret_len)
{
	assert(knows_peer(p));
	*ret_len = p->peer_payload_len;
	return p->peer_payload;
}

const uint8_t *pairing_hash(const struct pairing *p)
{
	assert(knows_peer(p));
	return noise_hash(p->noise);
}

void pairing_free(struct pairing *p)
{
	if (!p)
		return;
	if (!is_final(p))
		end(p, PAIRING_HUNG_UP);
	noise_free(p->noise);
	sodium_free(p); /* wipes */
}

void pairing_freep(struct pairing **p)
{
	pairing_free(*p);
}

/* What both sides do. */

void pairing_put(struct buf *out, enum pairing_kind kind, const void *body, size_t len)
{
	uint8_t header[HEADER_LEN] = {(uint8_t)((len + 1) >> 8), (uint8_t)(len + 1), (uint8_t)kind};

	buf_append(out, header, sizeof(header));
	buf_append(out, body, len);
}

void pairing_put_version(uint8_t body[VERSION_LEN])
{
	memcpy(body, PAIRING_MAGIC, PAIRING_MAGIC_LEN);
	body[PAIRING_MAGIC_LEN] = PAIRING_VERSION;
}

enum pairing_outcome pairing_check_version(struct cursor *body)
{
	const uint8_t *bytes;

	if (cursor_bytes(body, VERSION_LEN, &bytes) < 0 || memcmp(bytes, PAIRING_MAGIC, PAIRING_MAGIC_LEN) != 0)
		return PAIRING_MALFORMED;
	return bytes[PAIRING_MAGIC_LEN] == PAIRING_VERSION ? PAIRING_RUNNING : PAIRING_OTHER_VERSION;
}

const uint8_t *pairing_ad(bool of_shower)
{
	static const uint8_t shower[PAIRING_AD_LEN] = {PAIRING_VERSION, 'R'};
	static const uint8_t typer[PAIRING_AD_LEN] = {PAIRING_VERSION, 'I'};

	return of_shower ? shower : typer;
}

enum pairing_outcome pairing_outcome_of(int error)
{
	if (error == 0)
		return PAIRING_RUNNING;
	return error == -ENOMEM ? PAIRING_FAILED : PAIRING_MALFORMED;
}

enum pairing_outcome pairing_start_cpace(struct pairing *p, const char *code)
{
	struct lv channel = LV_INIT;
	struct cpace_opts opts = {.role = p->is_shower ? CPACE_RESPONDER : CPACE_INITIATOR,
				  .password = code,
				  .password_len = PAIRING_CODE_LEN,
				  .channel = channel.bytes,
				  .sid = p->sid,
				  .sid_len = sizeof(p->sid),
				  .ad = pairing_ad(p->is_shower),
				  .ad_len = PAIRING_AD_LEN};

	lv_add(&channel, APP_LABEL, strlen(APP_LABEL));
	lv_add(&channel, "I", 1);
	lv_add(&channel, "R", 1);
	opts.channel_len = channel.len;
	return pairing_outcome_of(cpace_new(&opts, &p->cpace));
}

enum pairing_outcome pairing_finish_cpace(struct pairing *p, const uint8_t *peer_point, const uint8_t *peer_ad)
{
	/* Version and role; capabilities are for later. Both sides' tags cover all of it. */
	if (memcmp(peer_ad, pairing_ad(!p->is_shower), 2) != 0)
		return PAIRING_MALFORMED;
	return pairing_outcome_of(cpace_finish(p->cpace, peer_point, peer_ad, PAIRING_AD_LEN));
}

enum pairing_outcome pairing_start_noise(struct pairing *p)
{
	uint8_t prologue[sizeof(APP_LABEL) - 1 + sizeof(p->sid) + CPACE_SID_OUTPUT_LEN];
	uint8_t psk[CPACE_PSK_LEN];
	struct noise_opts opts = {.pattern = PATTERN_XXPSK3,
				  .role = p->is_shower ? NOISE_RESPONDER : NOISE_INITIATOR,
				  .prologue = prologue,
				  .prologue_len = sizeof(prologue),
				  .static_secret = p->static_secret,
				  .static_public = p->static_public,
				  .psks = psk};
	int r;

	memcpy(prologue, APP_LABEL, sizeof(APP_LABEL) - 1);
	memcpy(prologue + sizeof(APP_LABEL) - 1, p->sid, sizeof(p->sid));
	memcpy(prologue + sizeof(APP_LABEL) - 1 + sizeof(p->sid), cpace_sid_output(p->cpace), CPACE_SID_OUTPUT_LEN);
	cpace_psk(p->cpace, PSK_LABEL, psk);
	r = noise_new(&opts, &p->noise);
	sodium_memzero(psk, sizeof(psk));
	cpace_free(p->cpace);
	p->cpace = NULL;
	return pairing_outcome_of(r);
}

enum pairing_outcome pairing_write_noise(struct pairing *p, uint8_t *ret_message)
{
	return pairing_outcome_of(noise_write(p->noise, NULL, 0, ret_message));
}

enum pairing_outcome pairing_read_noise(struct pairing *p, const uint8_t *message, size_t len)
{
	uint8_t no_payload[1];

	assert(len == noise_overhead(p->noise)); /* the table says so */
	return pairing_outcome_of(noise_read(p->noise, message, len, no_payload));
}

enum pairing_outcome pairing_finish_noise(struct pairing *p)
{
	return pairing_outcome_of(noise_split(p->noise, &p->send, &p->receive));
}

bool pairing_is_same_device(const struct pairing *p)
{
	return memcmp(noise_remote_static(p->noise), p->static_public, KEY_PUBLIC_LEN) == 0;
}

enum pairing_outcome pairing_put_paired(struct pairing *p, struct buf *out)
{
	uint8_t message[PAIRED_MAX];
	int r = transport_encrypt(p->send, p->payload, p->payload_len, message);

	if (r == 0)
		pairing_put(out, KIND_PAIRED, message, p->payload_len + NOISE_TAG_LEN);
	return pairing_outcome_of(r);
}

enum pairing_outcome pairing_read_paired(struct pairing *p, const struct cursor *body)
{
	int r = transport_decrypt(p->receive, body->at, body->left, p->peer_payload);

	if (r == 0)
		p->peer_payload_len = body->left - NOISE_TAG_LEN;
	return pairing_outcome_of(r);
}
