#include "net/pairing.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "tests/lib/test.h"
#include "tests/net/handshake.h"
#include "tests/net/meeting.h"

enum { MESSAGES = 9 }; /* HELLO to VERDICT; the even ones go to the typer */

static struct pairing_code *new_code(void)
{
	struct pairing_code *code;

	assert_int_equal(pairing_code_new(MEETING_START_MS, &code), 0);
	return code;
}

/* One that is never right. */
static const char *wrong_code(const struct pairing_code *code)
{
	return pairing_code_text(code)[0] == 'A' ? "BAAA2222" : "AAAA2222";
}

static void start_at(struct meeting *m, struct pairing_code *code, const char *typed, uint64_t now_ms)
{
	meeting_init(m, code, typed, MEETING_SHOWER_SEED, MEETING_TYPER_SEED, now_ms);
}

static void start(struct meeting *m, struct pairing_code *code)
{
	start_at(m, code, NULL, MEETING_START_MS);
}

/* Delivers the first `count` messages. */
static void deliver(struct meeting *m, int count)
{
	for (int i = 0; i < count; i++) {
		assert_true(meeting_deliver(m, i % 2 == 0 ? &m->to_typer : &m->to_shower));
		if (pairing_outcome(m->shower) == PAIRING_DECIDE)
			pairing_decide(m->shower, m->now_ms, PAIRING_PAIRED, &m->to_typer);
	}
}

static void assert_outcomes(const struct meeting *m, enum pairing_outcome shower, enum pairing_outcome typer)
{
	assert_int_equal(pairing_outcome(m->shower), shower);
	assert_int_equal(pairing_outcome(m->typer), typer);
}

static void assert_peer(const struct pairing *p, uint8_t seed, const char *payload)
{
	size_t len;
	const void *said = pairing_peer_payload(p, &len);

	assert_int_equal(len, strlen(payload));
	assert_memory_equal(said, payload, len);
	assert_memory_equal(pairing_peer_key(p), keys_from(seed).public_key, KEY_PUBLIC_LEN);
}

static void pairs(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;

	start(&m, code);
	meeting_run(&m);
	assert_outcomes(&m, PAIRING_PAIRED, PAIRING_PAIRED);
	assert_peer(m.shower, MEETING_TYPER_SEED, "Phone");
	assert_peer(m.typer, MEETING_SHOWER_SEED, "Laptop");
	assert_memory_equal(pairing_hash(m.shower), pairing_hash(m.typer), PAIRING_HASH_LEN);
	assert_int_equal(pairing_code_state(code, m.now_ms), PAIRING_CODE_DONE);
	assert_true(pairing_deadline_ms(m.shower) == UINT64_MAX && pairing_deadline_ms(m.typer) == UINT64_MAX);
	assert_int_equal(m.to_typer.len + m.to_shower.len, 0);
}

static void byte_by_byte(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;

	start(&m, code);
	while (m.to_typer.len + m.to_shower.len > 0) {
		bool to_typer = m.to_typer.len > 0;
		struct buf *wire = to_typer ? &m.to_typer : &m.to_shower;
		uint8_t byte = wire->data[0];

		memmove(wire->data, wire->data + 1, --wire->len);
		pairing_receive(to_typer ? m.typer : m.shower, m.now_ms, &byte, 1,
				to_typer ? &m.to_shower : &m.to_typer);
		if (pairing_outcome(m.shower) == PAIRING_DECIDE)
			pairing_decide(m.shower, m.now_ms, PAIRING_PAIRED, &m.to_typer);
	}
	assert_outcomes(&m, PAIRING_PAIRED, PAIRING_PAIRED);
}

/* Neither side has the other's key before both have read "paired". */
static void nothing_is_final_before_both_have_read_paired(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;

	start(&m, code);
	for (int i = 0; i < MESSAGES - 1; i++) {
		assert_outcomes(&m, PAIRING_RUNNING, PAIRING_RUNNING);
		assert_true(meeting_deliver(&m, i % 2 == 0 ? &m.to_typer : &m.to_shower));
	}
	assert_outcomes(&m, PAIRING_DECIDE, PAIRING_RUNNING);
	assert_int_equal(m.to_typer.len, 0);
	assert_peer(m.shower, MEETING_TYPER_SEED, "Phone");
	assert_int_equal(pairing_decide(m.shower, m.now_ms, PAIRING_PAIRED, &m.to_typer), PAIRING_PAIRED);
	assert_int_equal(pairing_outcome(m.typer), PAIRING_RUNNING);
	assert_true(meeting_deliver(&m, &m.to_typer));
	assert_outcomes(&m, PAIRING_PAIRED, PAIRING_PAIRED);
}

static void the_shower_may_refuse(void **state)
{
	static const enum pairing_outcome verdicts[] = {PAIRING_ALREADY_MEMBER, PAIRING_REFUSED};

	for (int i = 0; i < 2; i++) {
		_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
		_cleanup_(meeting_release) struct meeting m;

		start(&m, code);
		for (int k = 0; k < MESSAGES - 1; k++)
			meeting_deliver(&m, k % 2 == 0 ? &m.to_typer : &m.to_shower);
		pairing_decide(m.shower, m.now_ms, verdicts[i], &m.to_typer);
		meeting_run(&m);
		assert_outcomes(&m, verdicts[i], verdicts[i]);
		assert_int_equal(pairing_code_state(code, m.now_ms), PAIRING_CODE_DONE);
	}
}

/* Tb fails at the typer, which hangs up without a word; the guess is counted. */
static void wrong_code_fails_at_the_typer(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;

	start_at(&m, code, wrong_code(code), MEETING_START_MS);
	meeting_run(&m);
	assert_outcomes(&m, PAIRING_RUNNING, PAIRING_WRONG_CODE);
	assert_int_equal(m.to_shower.len, 0);
	assert_int_equal(pairing_code_runs_left(code), PAIRING_CODE_RUNS - 1);
	assert_int_equal(pairing_hang_up(m.shower, m.now_ms), PAIRING_HUNG_UP);
}

/* Two runs that know two codes, spliced: the shower of the one hears the tag of the other's typer. */
static void wrong_code_fails_at_the_shower(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(pairing_code_freep) struct pairing_code *other = new_code();
	_cleanup_(meeting_release) struct meeting m;
	_cleanup_(meeting_release) struct meeting n;

	start(&m, code);
	start(&n, other);
	deliver(&m, 3);
	deliver(&n, 3);
	pairing_receive(m.shower, m.now_ms, n.to_shower.data, n.to_shower.len, &m.to_typer);
	assert_int_equal(pairing_outcome(m.shower), PAIRING_WRONG_CODE);
	assert_int_equal(m.to_typer.len, 0);
	assert_int_equal(pairing_code_runs_left(code), PAIRING_CODE_RUNS - 1);
}

static void hanging_up_after_the_tag_counts(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();

	for (int messages = 0; messages <= 2; messages++) { /* none, HELLO, START (so that REPLY left) */
		_cleanup_(meeting_release) struct meeting m;

		start(&m, code);
		deliver(&m, messages);
		assert_int_equal(pairing_hang_up(m.shower, m.now_ms), PAIRING_HUNG_UP);
		assert_int_equal(pairing_code_runs_left(code), PAIRING_CODE_RUNS - (messages == 2));
	}
}

static void a_fourth_run_is_refused(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	uint64_t now_ms = MEETING_START_MS;

	for (int i = 0; i < PAIRING_CODE_RUNS; i++, now_ms += PAIRING_CODE_PAUSE_MS) {
		_cleanup_(meeting_release) struct meeting m;

		start_at(&m, code, wrong_code(code), now_ms);
		meeting_run(&m);
		pairing_hang_up(m.shower, now_ms);
	}
	for (int i = 0; i < 2; i++) {
		_cleanup_(meeting_release) struct meeting m;

		start_at(&m, code, i == 0 ? NULL : wrong_code(code), now_ms);
		meeting_run(&m);
		assert_outcomes(&m, PAIRING_USED_UP, PAIRING_USED_UP);
	}
}

static void expired(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;

	start_at(&m, code, NULL, MEETING_START_MS + PAIRING_CODE_LIFE_MS);
	meeting_run(&m);
	assert_outcomes(&m, PAIRING_EXPIRED, PAIRING_EXPIRED);
	assert_int_equal(pairing_code_runs_left(code), PAIRING_CODE_RUNS);
}

static void two_parallel_runs(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting first;
	_cleanup_(meeting_release) struct meeting second;
	_cleanup_(meeting_release) struct meeting third;

	start(&first, code);
	start(&second, code); /* both connected; only a START takes hold of the code */
	deliver(&first, 2);
	meeting_run(&second);
	assert_outcomes(&second, PAIRING_BUSY, PAIRING_BUSY);
	meeting_run(&first);
	assert_outcomes(&first, PAIRING_PAIRED, PAIRING_PAIRED);
	start(&third, code);
	meeting_run(&third);
	assert_outcomes(&third, PAIRING_USED_UP, PAIRING_USED_UP);
}

static void a_pause_between_runs(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();

	for (int ms = 0; ms <= PAIRING_CODE_PAUSE_MS; ms += PAIRING_CODE_PAUSE_MS / 2) {
		_cleanup_(meeting_release) struct meeting m;
		bool first = ms == 0;

		start_at(&m, code, first ? wrong_code(code) : NULL, MEETING_START_MS + (uint64_t)ms);
		meeting_run(&m);
		if (first)
			pairing_hang_up(m.shower, m.now_ms);
		else if (ms < PAIRING_CODE_PAUSE_MS)
			assert_outcomes(&m, PAIRING_BUSY, PAIRING_BUSY);
		else
			assert_outcomes(&m, PAIRING_PAIRED, PAIRING_PAIRED);
	}
}

static void other_version(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;
	_cleanup_(meeting_release) struct meeting n;

	start(&m, code);
	m.to_typer.data[3 + 10]++; /* HELLO: header, magic, version */
	deliver(&m, 1);
	assert_int_equal(pairing_outcome(m.typer), PAIRING_OTHER_VERSION);
	assert_int_equal(m.to_shower.len, 3 + 11); /* the typer says its own, so that the shower hears it as well */
	m.to_shower.data[3 + 10]++;
	assert_true(meeting_deliver(&m, &m.to_shower));
	assert_int_equal(pairing_outcome(m.shower), PAIRING_OTHER_VERSION);

	start(&n, code);
	deliver(&n, 1);
	n.to_shower.data[3 + 10]++; /* START */
	assert_true(meeting_deliver(&n, &n.to_shower));
	assert_int_equal(pairing_outcome(n.shower), PAIRING_OTHER_VERSION);
	assert_int_equal(pairing_code_runs_left(code), PAIRING_CODE_RUNS);
	assert_int_equal(pairing_code_state(code, MEETING_START_MS), PAIRING_CODE_READY);
}

static void same_device(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;

	meeting_init(&m, code, NULL, MEETING_SHOWER_SEED, MEETING_SHOWER_SEED, MEETING_START_MS);
	meeting_run(&m);
	assert_outcomes(&m, PAIRING_SAME_DEVICE, PAIRING_SAME_DEVICE);
}

/* Both published invalid points, to the shower in START and to the typer in REPLY. */
static void invalid_points_in_both_directions(void **state)
{
	static const uint8_t points[][32] = {
	    {0x2b, 0x3c, 0x6b, 0x8c, 0x4f, 0x38, 0x00, 0xe7, 0xae, 0xf6, 0x86, 0x40, 0x25, 0xb4, 0xed, 0x79,
	     0xbd, 0x59, 0x91, 0x17, 0xe4, 0x27, 0xc4, 0x1b, 0xd4, 0x7d, 0x93, 0xd6, 0x54, 0xb4, 0xa5, 0x1c},
	    {0},
	};

	for (int i = 0; i < 2; i++) {
		_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
		_cleanup_(meeting_release) struct meeting m;
		_cleanup_(meeting_release) struct meeting n;

		start(&m, code);
		deliver(&m, 1);
		memcpy(m.to_shower.data + 3 + 11 + 16, points[i], 32);
		meeting_deliver(&m, &m.to_shower);
		assert_int_equal(pairing_outcome(m.shower), PAIRING_MALFORMED);
		assert_int_equal(m.to_typer.len, 0);
		assert_int_equal(pairing_code_runs_left(code), PAIRING_CODE_RUNS);

		start(&n, code);
		deliver(&n, 2);
		memcpy(n.to_typer.data + 3, points[i], 32);
		meeting_deliver(&n, &n.to_typer);
		assert_int_equal(pairing_outcome(n.typer), PAIRING_MALFORMED);
		assert_int_equal(n.to_shower.len, 0);
	}
}

/* Runs with one byte changed on the way; whoever it is, somebody notices, and the typer never has a key from it. A
 * verdict that was changed comes after the shower's end. */
static void tamper(int message, size_t at)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;
	struct buf *wire;

	start(&m, code);
	deliver(&m, message);
	wire = message % 2 == 0 ? &m.to_typer : &m.to_shower;
	wire->data[at] ^= 0x20;
	meeting_run(&m);
	if (pairing_outcome(m.typer) == PAIRING_PAIRED ||
	    (message < MESSAGES - 1 && pairing_outcome(m.shower) == PAIRING_PAIRED))
		fail_msg("message %d, byte %zu was accepted", message + 1, at);
	/* A changed length may leave both waiting: the clock ends that. */
	m.now_ms += PAIRING_HELLO_MS + PAIRING_RUN_MS;
	pairing_tick(m.shower, m.now_ms);
	pairing_tick(m.typer, m.now_ms);
	assert_true(pairing_outcome(m.shower) != PAIRING_RUNNING && pairing_outcome(m.typer) != PAIRING_RUNNING);
}

static void each_tampered_byte_fails(void **state)
{
	for (int message = 0; message < MESSAGES; message++) {
		_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
		_cleanup_(meeting_release) struct meeting m;
		size_t len;

		start(&m, code);
		deliver(&m, message);
		len = meeting_message_len(message % 2 == 0 ? &m.to_typer : &m.to_shower);
		assert_true(len > 0);
		for (size_t at = 0; at < len; at++)
			tamper(message, at);
	}
}

/* Every message in every state but its own ends the run. */
static void messages_out_of_turn(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;
	struct buf seen[MESSAGES] = {BUF_INIT};

	start(&m, code);
	for (int i = 0; i < MESSAGES; i++) {
		struct buf *wire = i % 2 == 0 ? &m.to_typer : &m.to_shower;

		buf_append(&seen[i], wire->data, wire->len);
		assert_true(meeting_deliver(&m, wire));
		if (pairing_outcome(m.shower) == PAIRING_DECIDE)
			pairing_decide(m.shower, m.now_ms, PAIRING_PAIRED, &m.to_typer);
	}
	for (int state_at = 0; state_at < MESSAGES; state_at++)
		for (int i = 0; i < MESSAGES; i++) {
			_cleanup_(pairing_code_freep) struct pairing_code *fresh = new_code();
			_cleanup_(meeting_release) struct meeting n;
			struct pairing *reader;

			start(&n, fresh);
			deliver(&n, state_at);
			reader = state_at % 2 == 0 ? n.typer : n.shower;
			pairing_receive(reader, n.now_ms, seen[i].data, seen[i].len,
					state_at % 2 == 0 ? &n.to_shower : &n.to_typer);
			/* A recorded HELLO or START is as good as a new one; all others are bound to their run. */
			if (i == state_at && i < 2)
				assert_int_equal(pairing_outcome(reader), PAIRING_RUNNING);
			else
				assert_true(pairing_outcome(reader) != PAIRING_RUNNING &&
					    pairing_outcome(reader) != PAIRING_PAIRED);
		}
	for (int i = 0; i < MESSAGES; i++)
		buf_release(&seen[i]);
}

/* Two showers, or two typers, connected to each other by somebody in the middle. */
static void crossed_roles(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting a;
	_cleanup_(meeting_release) struct meeting b;
	_cleanup_(meeting_release) struct meeting c;

	start(&a, code);
	start(&b, code);
	start(&c, code);
	pairing_receive(a.shower, a.now_ms, b.to_typer.data, b.to_typer.len, &a.to_typer);
	assert_int_equal(pairing_outcome(a.shower), PAIRING_MALFORMED);
	deliver(&c, 1);
	pairing_receive(a.typer, a.now_ms, c.to_shower.data, c.to_shower.len, &a.to_shower);
	assert_int_equal(pairing_outcome(a.typer), PAIRING_MALFORMED);
}

static void time_limits(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting silent;
	_cleanup_(meeting_release) struct meeting slow;

	start(&silent, code);
	assert_int_equal(pairing_deadline_ms(silent.shower), MEETING_START_MS + PAIRING_HELLO_MS);
	assert_int_equal(pairing_tick(silent.shower, MEETING_START_MS + PAIRING_HELLO_MS - 1), PAIRING_RUNNING);
	assert_int_equal(pairing_tick(silent.shower, MEETING_START_MS + PAIRING_HELLO_MS), PAIRING_TIMED_OUT);
	assert_int_equal(pairing_code_runs_left(code), PAIRING_CODE_RUNS);

	start(&slow, code);
	slow.now_ms += PAIRING_HELLO_MS - 1;
	deliver(&slow, 3);
	assert_int_equal(pairing_deadline_ms(slow.shower), slow.now_ms + PAIRING_RUN_MS);
	slow.now_ms += PAIRING_RUN_MS;
	assert_true(meeting_deliver(&slow, &slow.to_shower)); /* what comes at last comes too late */
	assert_outcomes(&slow, PAIRING_TIMED_OUT, PAIRING_RUNNING);
	assert_int_equal(pairing_code_runs_left(code), PAIRING_CODE_RUNS - 1);
	assert_int_equal(pairing_code_state(code, slow.now_ms), PAIRING_CODE_BUSY);
}

static void hang_up_while_deciding(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;

	start(&m, code);
	for (int i = 0; i < MESSAGES - 1; i++)
		meeting_deliver(&m, i % 2 == 0 ? &m.to_typer : &m.to_shower);
	assert_int_equal(pairing_hang_up(m.shower, m.now_ms), PAIRING_HUNG_UP);
	assert_int_equal(pairing_decide(m.shower, m.now_ms, PAIRING_PAIRED, &m.to_typer), PAIRING_HUNG_UP);
	assert_int_equal(m.to_typer.len, 0);
	assert_int_equal(pairing_hang_up(m.typer, m.now_ms), PAIRING_HUNG_UP);
}

static void freed_in_the_middle(void **state)
{
	for (int messages = 0; messages <= MESSAGES; messages++) {
		_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
		struct meeting m;

		start(&m, code);
		deliver(&m, messages);
		meeting_release(&m); /* and the code is free again */
		assert_int_equal(pairing_code_state(code, MEETING_START_MS + PAIRING_CODE_PAUSE_MS),
				 messages < MESSAGES - 1 ? PAIRING_CODE_READY : PAIRING_CODE_DONE);
	}
}

static void payload_limits(void **state)
{
	static const uint8_t big[PAIRING_PAYLOAD_MAX + 1];
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	struct pairing_opts opts = meeting_opts(1, "");
	_cleanup_(buf_release) struct buf out = BUF_INIT;
	_cleanup_(meeting_release) struct meeting m;
	struct pairing *p = NULL;
	size_t len;

	opts.payload = big;
	opts.payload_len = sizeof(big);
	assert_int_equal(pairing_new_shower(&opts, code, MEETING_START_MS, &out, &p), -ERR_TOO_LARGE);
	assert_null(p);
	start(&m, code);
	pairing_free(m.typer);
	pairing_free(m.shower);
	m.typer = m.shower = NULL;
	buf_clear(&m.to_typer);
	opts.payload_len = PAIRING_PAYLOAD_MAX;
	assert_int_equal(pairing_new_shower(&opts, code, m.now_ms, &m.to_typer, &m.shower), 0);
	opts = meeting_opts(2, "");
	{
		char normal[PAIRING_CODE_LEN + 1];

		assert_int_equal(pairing_code_normalise(pairing_code_text(code), normal), 0);
		assert_int_equal(pairing_new_typer(&opts, normal, m.now_ms, &m.typer), 0);
		assert_int_equal(pairing_new_typer(&opts, "short", m.now_ms, &p), -ERR_MALFORMED);
	}
	meeting_run(&m);
	assert_outcomes(&m, PAIRING_PAIRED, PAIRING_PAIRED);
	assert_memory_equal(pairing_peer_payload(m.typer, &len), big, PAIRING_PAYLOAD_MAX);
	assert_int_equal(len, PAIRING_PAYLOAD_MAX);
	pairing_peer_payload(m.shower, &len);
	assert_int_equal(len, 0);
}

/* What crosses the wire shows neither code, names nor static keys. */
static void a_capture_shows_nothing(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(buf_release) struct buf all = BUF_INIT;
	_cleanup_(meeting_release) struct meeting m;
	char normal[PAIRING_CODE_LEN + 1];

	pairing_code_normalise(pairing_code_text(code), normal);
	start(&m, code);
	for (int i = 0; i < MESSAGES; i++) {
		struct buf *wire = i % 2 == 0 ? &m.to_typer : &m.to_shower;

		buf_append(&all, wire->data, wire->len);
		meeting_deliver(&m, wire);
		if (pairing_outcome(m.shower) == PAIRING_DECIDE)
			pairing_decide(m.shower, m.now_ms, PAIRING_PAIRED, &m.to_typer);
	}
	assert_outcomes(&m, PAIRING_PAIRED, PAIRING_PAIRED);
	assert_null(memmem(all.data, all.len, normal, 4));
	assert_null(memmem(all.data, all.len, normal + 4, 4));
	assert_null(memmem(all.data, all.len, "Laptop", 6));
	assert_null(memmem(all.data, all.len, "Phone", 5));
	assert_null(memmem(all.data, all.len, keys_from(1).public_key, 8));
	assert_null(memmem(all.data, all.len, keys_from(2).public_key, 8));
}

static void garbage(void **state)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: example\r\n\r\n";
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	_cleanup_(meeting_release) struct meeting m;

	start(&m, code);
	assert_int_equal(pairing_receive(m.shower, m.now_ms, http, strlen(http), &m.to_typer), PAIRING_MALFORMED);
	assert_int_equal(pairing_receive(m.typer, m.now_ms, "\0\0", 3, &m.to_shower), PAIRING_MALFORMED);
	assert_int_equal(pairing_receive(m.typer, m.now_ms, http, 1, &m.to_shower), PAIRING_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pairs),
	    cmocka_unit_test(byte_by_byte),
	    cmocka_unit_test(nothing_is_final_before_both_have_read_paired),
	    cmocka_unit_test(the_shower_may_refuse),
	    cmocka_unit_test(wrong_code_fails_at_the_typer),
	    cmocka_unit_test(wrong_code_fails_at_the_shower),
	    cmocka_unit_test(hanging_up_after_the_tag_counts),
	    cmocka_unit_test(a_fourth_run_is_refused),
	    cmocka_unit_test(expired),
	    cmocka_unit_test(two_parallel_runs),
	    cmocka_unit_test(a_pause_between_runs),
	    cmocka_unit_test(other_version),
	    cmocka_unit_test(same_device),
	    cmocka_unit_test(invalid_points_in_both_directions),
	    cmocka_unit_test(each_tampered_byte_fails),
	    cmocka_unit_test(messages_out_of_turn),
	    cmocka_unit_test(crossed_roles),
	    cmocka_unit_test(time_limits),
	    cmocka_unit_test(hang_up_while_deciding),
	    cmocka_unit_test(freed_in_the_middle),
	    cmocka_unit_test(payload_limits),
	    cmocka_unit_test(a_capture_shows_nothing),
	    cmocka_unit_test(garbage),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
