/* READY -> BUSY (a run) -> BUSY (the pause) -> READY ..., until EXPIRED, USED_UP or DONE. The state is not stored: it
 * follows from the times and counts below. */
#include "net/pairing_code.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "base/random.h"

enum { LETTERS = 4 };

struct pairing_code {
	char text[PAIRING_CODE_TEXT_LEN + 1];
	bool running;
	bool counted; /* the run that is on */
	bool done;
	bool pausing; /* pause_end_ms holds */
	unsigned runs;
	uint64_t end_ms;
	uint64_t pause_end_ms;
};

static char pick(const char *alphabet)
{
	return alphabet[random_below((uint32_t)strlen(alphabet))];
}

int pairing_code_new(uint64_t now_ms, struct pairing_code **ret_code)
{
	struct pairing_code *code = sodium_malloc(sizeof(*code));

	if (!code)
		return -ENOMEM;
	memset(code, 0, sizeof(*code));
	code->end_ms = now_ms + PAIRING_CODE_LIFE_MS;
	for (size_t i = 0; i < PAIRING_CODE_TEXT_LEN; i++)
		code->text[i] = pick(i < LETTERS ? PAIRING_CODE_LETTERS : i > LETTERS ? PAIRING_CODE_DIGITS : "-");
	*ret_code = code;
	return 0;
}

const char *pairing_code_text(const struct pairing_code *code)
{
	return code->text;
}

enum pairing_code_state pairing_code_state(const struct pairing_code *code, uint64_t now_ms)
{
	if (code->done)
		return PAIRING_CODE_DONE;
	if (code->running)
		return PAIRING_CODE_BUSY; /* also the last one, and beyond the end */
	if (code->runs >= PAIRING_CODE_RUNS)
		return PAIRING_CODE_USED_UP;
	if (now_ms >= code->end_ms)
		return PAIRING_CODE_EXPIRED;
	return code->pausing && now_ms < code->pause_end_ms ? PAIRING_CODE_BUSY : PAIRING_CODE_READY;
}

uint64_t pairing_code_left_ms(const struct pairing_code *code, uint64_t now_ms)
{
	return now_ms < code->end_ms ? code->end_ms - now_ms : 0;
}

unsigned pairing_code_runs_left(const struct pairing_code *code)
{
	return PAIRING_CODE_RUNS - code->runs;
}

enum pairing_code_state pairing_code_begin(struct pairing_code *code, uint64_t now_ms)
{
	enum pairing_code_state state = pairing_code_state(code, now_ms);

	if (state == PAIRING_CODE_READY) {
		code->running = true;
		code->counted = false;
	}
	return state;
}

void pairing_code_count(struct pairing_code *code)
{
	assert(code->running && !code->counted && code->runs < PAIRING_CODE_RUNS);
	code->counted = true;
	code->runs++;
}

void pairing_code_end(struct pairing_code *code, bool success, uint64_t now_ms)
{
	assert(code->running);
	code->running = false;
	code->done = success;
	code->pausing = code->counted; /* what was no guess costs no pause */
	code->pause_end_ms = now_ms + PAIRING_CODE_PAUSE_MS;
}

static bool is_separator(char c)
{
	return c != '\0' && strchr(" -._\t\r\n", c) != NULL;
}

int pairing_code_normalise(const char *typed, char ret_code[PAIRING_CODE_LEN + 1])
{
	char code[PAIRING_CODE_LEN + 1] = {0};
	size_t len = 0;
	int r = 0;

	for (const char *at = typed; *at && r == 0; at++) {
		char c = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;

		if (is_separator(c))
			continue;
		if (len == PAIRING_CODE_LEN || !strchr(len < LETTERS ? PAIRING_CODE_LETTERS : PAIRING_CODE_DIGITS, c))
			r = -ERR_MALFORMED;
		else
			code[len++] = c;
	}
	if (len < PAIRING_CODE_LEN)
		r = -ERR_MALFORMED;
	if (r == 0)
		memcpy(ret_code, code, sizeof(code));
	sodium_memzero(code, sizeof(code));
	return r;
}

void pairing_code_free(struct pairing_code *code)
{
	sodium_free(code); /* wipes; NULL is fine */
}

void pairing_code_freep(struct pairing_code **code)
{
	pairing_code_free(*code);
}
