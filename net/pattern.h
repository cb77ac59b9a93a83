/* The handshake patterns of Noise (revision 34, sections 7 and 9), as tables that net/noise.c runs.
 * The product uses KK and XXpsk3; the others cost one row each and are there so that every published vector runs
 * through the same engine. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PATTERN_MESSAGES_MAX 3
#define PATTERN_TOKENS_MAX   6
#define PATTERN_PSKS_MAX     2

enum pattern_id {
	PATTERN_XX,
	PATTERN_KK,
	PATTERN_IK,
	PATTERN_XK,
	PATTERN_XXPSK3,
	PATTERN_XXPSK0_PSK3,
	PATTERN_KKPSK0,
	PATTERN_KKPSK2,
	PATTERN_IKPSK2,
	PATTERN_NNPSK0,
	PATTERN_COUNT,
};

enum token { TOKEN_END, TOKEN_E, TOKEN_S, TOKEN_EE, TOKEN_ES, TOKEN_SE, TOKEN_SS, TOKEN_PSK };

struct pattern {
	const char *protocol_name;   /* with DH, cipher and hash */
	bool initiator_static_known; /* pre-messages */
	bool responder_static_known;
	bool initiator_has_static;
	bool responder_has_static;
	unsigned psk_count;
	unsigned message_count;						   /* the initiator writes the even ones */
	enum token messages[PATTERN_MESSAGES_MAX][PATTERN_TOKENS_MAX + 1]; /* each ends with TOKEN_END */
};

const struct pattern *pattern_get(enum pattern_id id);
