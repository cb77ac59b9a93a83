/* The pairing machines: a shower and typers that meet by a script. Each step is one byte: what happens, to whom. At no
 * time does a wrong code or a changed message pair, and a code never allows more guesses than it may. */
#include <string.h>

#include "base/cursor.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/steady.h"
#include "tests/net/meeting.h"

enum op { OP_DELIVER, OP_DELIVER_PART, OP_CHANGE, OP_INJECT, OP_WAIT, OP_HANG_UP, OP_NEW_RIGHT, OP_NEW_WRONG };

enum { OP_MASK = 7, TO_SHOWER = 8, MOST_OUT = 4096, STEP_MS = 250 };

struct script {
	struct cursor in;
	struct meeting m;
	struct pairing_code *code;
	bool wrong_code;
	bool changed;	    /* one message, once: changing it back would be no change */
	bool injected;	    /* bytes of the input, which may be genuine by now */
	unsigned runs_left; /* before this step */
};

static uint8_t take(struct script *s)
{
	uint8_t byte = 0;

	cursor_u8(&s->in, &byte);
	return byte;
}

static void meet(struct script *s, bool wrong)
{
	const char *typed = pairing_code_text(s->code)[0] == 'A' ? "BBBB-2222" : "AAAA-2222";
	uint64_t now_ms = s->m.now_ms;

	meeting_release(&s->m);
	meeting_init(&s->m, s->code, wrong ? typed : NULL, MEETING_SHOWER_SEED, MEETING_TYPER_SEED, now_ms);
	s->wrong_code = wrong;
	s->changed = s->injected = false;
}

static void receive(struct script *s, bool shower, const void *bytes, size_t len)
{
	struct buf *out = shower ? &s->m.to_typer : &s->m.to_shower;
	size_t before = out->len;

	pairing_receive(shower ? s->m.shower : s->m.typer, s->m.now_ms, bytes, len, out);
	FUZZ_CHECK(out->len - before <= MOST_OUT);
	if (pairing_outcome(s->m.shower) == PAIRING_DECIDE)
		pairing_decide(s->m.shower, s->m.now_ms, PAIRING_PAIRED, &s->m.to_typer);
}

static void deliver_part(struct script *s, bool shower)
{
	struct buf *wire = shower ? &s->m.to_shower : &s->m.to_typer;
	size_t len = take(s);
	uint8_t bytes[256];

	if (len > wire->len)
		len = wire->len;
	if (len == 0)
		return;
	memcpy(bytes, wire->data, len);
	memmove(wire->data, wire->data + len, wire->len - len);
	wire->len -= len;
	receive(s, shower, bytes, len);
}

/* One bit of what is on the wire. */
static void change(struct script *s, bool shower)
{
	struct buf *wire = shower ? &s->m.to_shower : &s->m.to_typer;
	size_t at = take(s);
	uint8_t bit = take(s) % 8;

	if (s->changed || wire->len == 0)
		return;
	wire->data[at % wire->len] ^= (uint8_t)(1u << bit);
	s->changed = true;
}

static void inject(struct script *s, bool shower)
{
	size_t len = take(s);
	const uint8_t *bytes;

	if (cursor_bytes(&s->in, len, &bytes) < 0 || len == 0)
		return;
	s->injected = true;
	receive(s, shower, bytes, len);
}

static void step(struct script *s)
{
	uint8_t byte = take(s);
	bool shower = byte & TO_SHOWER;

	switch ((enum op)(byte & OP_MASK)) {
	case OP_DELIVER:
		meeting_deliver(&s->m, shower ? &s->m.to_shower : &s->m.to_typer);
		if (pairing_outcome(s->m.shower) == PAIRING_DECIDE)
			pairing_decide(s->m.shower, s->m.now_ms, PAIRING_PAIRED, &s->m.to_typer);
		break;
	case OP_DELIVER_PART:
		deliver_part(s, shower);
		break;
	case OP_CHANGE:
		change(s, shower);
		break;
	case OP_INJECT:
		inject(s, shower);
		break;
	case OP_WAIT:
		s->m.now_ms += (uint64_t)take(s) * STEP_MS;
		pairing_tick(shower ? s->m.shower : s->m.typer, s->m.now_ms);
		break;
	case OP_HANG_UP:
		pairing_hang_up(shower ? s->m.shower : s->m.typer, s->m.now_ms);
		break;
	case OP_NEW_RIGHT:
	case OP_NEW_WRONG:
		meet(s, (byte & OP_MASK) == OP_NEW_WRONG);
		break;
	}
}

static void check(struct script *s)
{
	bool shower = pairing_outcome(s->m.shower) == PAIRING_PAIRED;
	bool typer = pairing_outcome(s->m.typer) == PAIRING_PAIRED;
	unsigned runs_left = pairing_code_runs_left(s->code);
	size_t len;

	FUZZ_CHECK(runs_left <= s->runs_left);
	s->runs_left = runs_left;
	FUZZ_CHECK(shower || !typer);
	if (s->wrong_code)
		FUZZ_CHECK(!shower && !typer);
	if (shower)
		FUZZ_CHECK(pairing_code_state(s->code, s->m.now_ms) == PAIRING_CODE_DONE);
	if (typer) {
		FUZZ_CHECK(!s->changed || s->m.to_typer.len > 0 || s->injected);
		FUZZ_CHECK(memcmp(pairing_hash(s->m.shower), pairing_hash(s->m.typer), PAIRING_HASH_LEN) == 0);
		FUZZ_CHECK(memcmp(pairing_peer_payload(s->m.typer, &len), "Laptop", 6) == 0 && len == 6);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct script s = {
	    .in = cursor_on(data, len), .m = {.now_ms = MEETING_START_MS}, .runs_left = PAIRING_CODE_RUNS};

	steady_random();
	FUZZ_CHECK(pairing_code_new(MEETING_START_MS, &s.code) == 0);
	meet(&s, false);
	for (int steps = 0; s.in.left > 0 && steps < 256; steps++) {
		step(&s);
		check(&s);
	}
	meeting_release(&s.m);
	pairing_code_free(s.code);
	return 0;
}
