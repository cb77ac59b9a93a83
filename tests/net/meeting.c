#include "tests/net/meeting.h"

#include <stdlib.h>
#include <string.h>

/* Unlike assert, also there with NDEBUG. */
static void must(bool condition)
{
	if (!condition)
		abort();
}

struct pairing_opts meeting_opts(uint8_t seed, const char *payload)
{
	static uint8_t secrets[256][KEY_SECRET_LEN];

	memset(secrets[seed], seed, KEY_SECRET_LEN);
	return (struct pairing_opts){
	    .static_secret = secrets[seed], .payload = payload, .payload_len = strlen(payload)};
}

void meeting_init(struct meeting *m, struct pairing_code *code, const char *typed, uint8_t shower_seed,
		  uint8_t typer_seed, uint64_t now_ms)
{
	struct pairing_opts shower = meeting_opts(shower_seed, "Laptop");
	struct pairing_opts typer = meeting_opts(typer_seed, "Phone");
	char normal[PAIRING_CODE_LEN + 1];

	*m = (struct meeting){.now_ms = now_ms};
	must(pairing_code_normalise(typed ? typed : pairing_code_text(code), normal) == 0);
	must(pairing_new_shower(&shower, code, now_ms, &m->to_typer, &m->shower) == 0);
	must(pairing_new_typer(&typer, normal, now_ms, &m->typer) == 0);
}

void meeting_release(struct meeting *m)
{
	pairing_free(m->shower);
	pairing_free(m->typer);
	buf_release(&m->to_typer);
	buf_release(&m->to_shower);
}

size_t meeting_message_len(const struct buf *wire)
{
	return wire->len < 2 ? 0 : 2 + ((size_t)wire->data[0] << 8 | wire->data[1]);
}

static void drop_head(struct buf *wire, size_t len)
{
	memmove(wire->data, wire->data + len, wire->len - len);
	wire->len -= len;
}

bool meeting_deliver(struct meeting *m, struct buf *wire)
{
	size_t len = meeting_message_len(wire);

	if (len == 0 || len > wire->len)
		return false;
	if (wire == &m->to_typer)
		pairing_receive(m->typer, m->now_ms, wire->data, len, &m->to_shower);
	else
		pairing_receive(m->shower, m->now_ms, wire->data, len, &m->to_typer);
	drop_head(wire, len);
	return true;
}

void meeting_run(struct meeting *m)
{
	while (meeting_deliver(m, &m->to_typer) || meeting_deliver(m, &m->to_shower))
		if (pairing_outcome(m->shower) == PAIRING_DECIDE)
			pairing_decide(m->shower, m->now_ms, PAIRING_PAIRED, &m->to_typer);
}
