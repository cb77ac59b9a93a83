/* One run: the scalar and the point of this side from the start, after cpace_finish the shared key ISK, the tags of
 * both sides and the name of the run; the scalar is gone then. */
#include "net/cpace.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/inject.h"
#include "net/lv.h"

#define DSI	"CPaceRistretto255"
#define DSI_ISK "CPaceRistretto255_ISK"

enum { HASH_BLOCK_LEN = 128, HASH_LEN = crypto_hash_sha512_BYTES };

_Static_assert(CPACE_POINT_LEN == crypto_scalarmult_ristretto255_BYTES, "ristretto255");
_Static_assert(CPACE_TAG_LEN == crypto_auth_hmacsha512_BYTES && CPACE_SHARED_LEN == HASH_LEN, "SHA-512");
_Static_assert(CPACE_SID_OUTPUT_LEN == HASH_LEN, "SHA-512");
_Static_assert(crypto_core_ristretto255_HASHBYTES == HASH_LEN, "from_hash takes a whole hash");
_Static_assert(sizeof(DSI) + HASH_BLOCK_LEN + CPACE_PASSWORD_MAX + CPACE_CI_MAX + CPACE_SID_MAX + 16 <= LV_MAX, "room");

struct cpace {
	enum cpace_role role;
	bool finished;
	uint8_t scalar[crypto_core_ristretto255_SCALARBYTES];
	uint8_t point[CPACE_POINT_LEN];
	uint8_t sid[CPACE_SID_MAX];
	size_t sid_len;
	uint8_t ad[CPACE_AD_MAX];
	size_t ad_len;
	uint8_t shared[CPACE_SHARED_LEN];
	uint8_t tag[CPACE_TAG_LEN];
	uint8_t peer_tag[CPACE_TAG_LEN];
	uint8_t sid_output[CPACE_SID_OUTPUT_LEN];
};

/* generator_string: padded so that the password fills the first block of the hash alone. */
void inject_generator_string(const struct cpace_opts *opts, struct lv *ret_string)
{
	static const uint8_t zeros[HASH_BLOCK_LEN];
	size_t dsi_len = strlen(DSI);
	size_t before = 1 + lv_prefix_len(opts->password_len) + opts->password_len + lv_prefix_len(dsi_len) + dsi_len;

	ret_string->len = 0;
	lv_add(ret_string, DSI, dsi_len);
	lv_add(ret_string, opts->password, opts->password_len);
	lv_add(ret_string, zeros, before < HASH_BLOCK_LEN ? HASH_BLOCK_LEN - before : 0);
	lv_add(ret_string, opts->channel, opts->channel_len);
	lv_add(ret_string, opts->sid, opts->sid_len);
}

static void make_generator(const struct cpace_opts *opts, uint8_t ret_point[CPACE_POINT_LEN])
{
	struct lv string;
	uint8_t digest[HASH_LEN];

	inject_generator_string(opts, &string);
	crypto_hash_sha512(digest, string.bytes, string.len);
	crypto_core_ristretto255_from_hash(ret_point, digest);
	sodium_memzero(&string, sizeof(string));
	sodium_memzero(digest, sizeof(digest));
}

static bool lengths_fit(const struct cpace_opts *opts)
{
	return opts->password_len <= CPACE_PASSWORD_MAX && opts->channel_len <= CPACE_CI_MAX &&
	       opts->sid_len <= CPACE_SID_MAX && opts->ad_len <= CPACE_AD_MAX;
}

static size_t copy(uint8_t *to, const void *from, size_t len)
{
	if (len > 0) /* `from` may be NULL then */
		memcpy(to, from, len);
	return len;
}

int inject_cpace(const struct cpace_opts *opts, const uint8_t scalar[CPACE_POINT_LEN], struct cpace **ret_cpace)
{
	_cleanup_(cpace_freep) struct cpace *c = NULL;
	uint8_t generator[CPACE_POINT_LEN];
	int r;

	if (!lengths_fit(opts))
		return -ERR_TOO_LARGE;
	c = sodium_malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	memset(c, 0, sizeof(*c));
	c->role = opts->role;
	memcpy(c->scalar, scalar, sizeof(c->scalar));
	c->sid_len = copy(c->sid, opts->sid, opts->sid_len);
	c->ad_len = copy(c->ad, opts->ad, opts->ad_len);
	make_generator(opts, generator);
	r = crypto_scalarmult_ristretto255(c->point, c->scalar, generator);
	sodium_memzero(generator, sizeof(generator));
	if (r != 0) /* a scalar of zero */
		return -ERR_MALFORMED;
	*ret_cpace = TAKE_PTR(c);
	return 0;
}

int cpace_new(const struct cpace_opts *opts, struct cpace **ret_cpace)
{
	uint8_t scalar[crypto_core_ristretto255_SCALARBYTES];
	int r;

	crypto_core_ristretto255_scalar_random(scalar);
	r = inject_cpace(opts, scalar, ret_cpace);
	sodium_memzero(scalar, sizeof(scalar));
	return r;
}

const uint8_t *cpace_point(const struct cpace *c)
{
	return c->point;
}

static void hash_lv(crypto_hash_sha512_state *state, const struct lv *s)
{
	crypto_hash_sha512_update(state, s->bytes, s->len);
}

/* ISK and sid_output; the initiator's part comes first (transcript_ir). */
static void derive(struct cpace *c, const uint8_t k[CPACE_POINT_LEN], const struct lv *initiator,
		   const struct lv *responder)
{
	static const char output_label[] = "CPaceSidOutput";
	crypto_hash_sha512_state state;
	struct lv prefix = LV_INIT;

	lv_add(&prefix, DSI_ISK, strlen(DSI_ISK));
	lv_add(&prefix, c->sid, c->sid_len);
	lv_add(&prefix, k, CPACE_POINT_LEN);
	crypto_hash_sha512_init(&state);
	hash_lv(&state, &prefix);
	hash_lv(&state, initiator);
	hash_lv(&state, responder);
	crypto_hash_sha512_final(&state, c->shared);
	sodium_memzero(&prefix, sizeof(prefix));

	crypto_hash_sha512_init(&state);
	crypto_hash_sha512_update(&state, (const uint8_t *)output_label, strlen(output_label));
	hash_lv(&state, initiator);
	hash_lv(&state, responder);
	crypto_hash_sha512_final(&state, c->sid_output);
	sodium_memzero(&state, sizeof(state));
}

static void make_tag(const uint8_t mac_key[HASH_LEN], const struct lv *sent, uint8_t ret_tag[CPACE_TAG_LEN])
{
	crypto_auth_hmacsha512_state state;

	crypto_auth_hmacsha512_init(&state, mac_key, HASH_LEN);
	crypto_auth_hmacsha512_update(&state, sent->bytes, sent->len);
	crypto_auth_hmacsha512_final(&state, ret_tag);
	sodium_memzero(&state, sizeof(state));
}

/* Key confirmation: each side's tag is over what that side sent. */
static void make_tags(struct cpace *c, const struct lv *mine, const struct lv *theirs)
{
	static const char label[] = "CPaceMac";
	crypto_hash_sha512_state state;
	uint8_t mac_key[HASH_LEN];

	crypto_hash_sha512_init(&state);
	crypto_hash_sha512_update(&state, (const uint8_t *)label, strlen(label));
	crypto_hash_sha512_update(&state, c->sid, c->sid_len);
	crypto_hash_sha512_update(&state, c->shared, CPACE_SHARED_LEN);
	crypto_hash_sha512_final(&state, mac_key);
	make_tag(mac_key, mine, c->tag);
	make_tag(mac_key, theirs, c->peer_tag);
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(mac_key, sizeof(mac_key));
}

int cpace_finish(struct cpace *c, const uint8_t peer_point[CPACE_POINT_LEN], const void *peer_ad, size_t peer_ad_len)
{
	struct lv mine = LV_INIT, theirs = LV_INIT;
	bool initiator = c->role == CPACE_INITIATOR;
	uint8_t k[CPACE_POINT_LEN];
	int r;

	assert(!c->finished);
	if (peer_ad_len > CPACE_AD_MAX)
		return -ERR_TOO_LARGE;
	r = crypto_scalarmult_ristretto255(k, c->scalar, peer_point);
	sodium_memzero(c->scalar, sizeof(c->scalar));
	if (r != 0) /* invalid encodings and the neutral element */
		return -ERR_MALFORMED;
	lv_add(&mine, c->point, CPACE_POINT_LEN);
	lv_add(&mine, c->ad, c->ad_len);
	lv_add(&theirs, peer_point, CPACE_POINT_LEN);
	lv_add(&theirs, peer_ad, peer_ad_len);
	derive(c, k, initiator ? &mine : &theirs, initiator ? &theirs : &mine);
	sodium_memzero(k, sizeof(k));
	make_tags(c, &mine, &theirs);
	c->finished = true;
	return 0;
}

const uint8_t *cpace_tag(const struct cpace *c)
{
	assert(c->finished);
	return c->tag;
}

int cpace_verify(const struct cpace *c, const uint8_t peer_tag[CPACE_TAG_LEN])
{
	assert(c->finished);
	return sodium_memcmp(c->peer_tag, peer_tag, CPACE_TAG_LEN) == 0 ? 0 : -ERR_WRONG_KEY;
}

const uint8_t *cpace_sid_output(const struct cpace *c)
{
	assert(c->finished);
	return c->sid_output;
}

void cpace_psk(const struct cpace *c, const char *label, uint8_t ret_psk[CPACE_PSK_LEN])
{
	crypto_auth_hmacsha512_state state;
	uint8_t mac[crypto_auth_hmacsha512_BYTES];

	assert(c->finished);
	crypto_auth_hmacsha512_init(&state, c->shared, CPACE_SHARED_LEN);
	crypto_auth_hmacsha512_update(&state, (const uint8_t *)label, strlen(label));
	crypto_auth_hmacsha512_update(&state, c->sid, c->sid_len);
	crypto_auth_hmacsha512_update(&state, c->sid_output, CPACE_SID_OUTPUT_LEN);
	crypto_auth_hmacsha512_final(&state, mac);
	memcpy(ret_psk, mac, CPACE_PSK_LEN);
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(mac, sizeof(mac));
}

const uint8_t *inject_cpace_shared(const struct cpace *c)
{
	assert(c->finished);
	return c->shared;
}

void cpace_free(struct cpace *c)
{
	sodium_free(c); /* wipes; NULL is fine */
}

void cpace_freep(struct cpace **c)
{
	cpace_free(*c);
}
