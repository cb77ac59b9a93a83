#include "net/pattern.h"

#include <assert.h>

#define NAME(pattern) "Noise_" pattern "_25519_ChaChaPoly_SHA256"

#define E_   TOKEN_E
#define S_   TOKEN_S
#define EE_  TOKEN_EE
#define ES_  TOKEN_ES
#define SE_  TOKEN_SE
#define SS_  TOKEN_SS
#define PSK_ TOKEN_PSK

/* Which statics are known before message 1, and which exist at all. */
#define STATICS_XX .initiator_has_static = true, .responder_has_static = true
#define STATICS_XK STATICS_XX, .responder_static_known = true
#define STATICS_KK STATICS_XK, .initiator_static_known = true

/* clang-format off */
static const struct pattern patterns[PATTERN_COUNT] = {
	[PATTERN_XX] = {NAME("XX"), STATICS_XX, .message_count = 3,
		.messages = {{E_}, {E_, EE_, S_, ES_}, {S_, SE_}}},
	[PATTERN_KK] = {NAME("KK"), STATICS_KK, .message_count = 2,
		.messages = {{E_, ES_, SS_}, {E_, EE_, SE_}}},
	[PATTERN_IK] = {NAME("IK"), STATICS_XK, .message_count = 2,
		.messages = {{E_, ES_, S_, SS_}, {E_, EE_, SE_}}},
	[PATTERN_XK] = {NAME("XK"), STATICS_XK, .message_count = 3,
		.messages = {{E_, ES_}, {E_, EE_}, {S_, SE_}}},
	[PATTERN_XXPSK3] = {NAME("XXpsk3"), STATICS_XX, .psk_count = 1, .message_count = 3,
		.messages = {{E_}, {E_, EE_, S_, ES_}, {S_, SE_, PSK_}}},
	[PATTERN_XXPSK0_PSK3] = {NAME("XXpsk0+psk3"), STATICS_XX, .psk_count = 2, .message_count = 3,
		.messages = {{PSK_, E_}, {E_, EE_, S_, ES_}, {S_, SE_, PSK_}}},
	[PATTERN_KKPSK0] = {NAME("KKpsk0"), STATICS_KK, .psk_count = 1, .message_count = 2,
		.messages = {{PSK_, E_, ES_, SS_}, {E_, EE_, SE_}}},
	[PATTERN_KKPSK2] = {NAME("KKpsk2"), STATICS_KK, .psk_count = 1, .message_count = 2,
		.messages = {{E_, ES_, SS_}, {E_, EE_, SE_, PSK_}}},
	[PATTERN_IKPSK2] = {NAME("IKpsk2"), STATICS_XK, .psk_count = 1, .message_count = 2,
		.messages = {{E_, ES_, S_, SS_}, {E_, EE_, SE_, PSK_}}},
	[PATTERN_NNPSK0] = {NAME("NNpsk0"), .psk_count = 1, .message_count = 2,
		.messages = {{PSK_, E_}, {E_, EE_}}},
};
/* clang-format on */

const struct pattern *pattern_get(enum pattern_id id)
{
	assert(id < PATTERN_COUNT);
	return &patterns[id];
}
