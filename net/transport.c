#include "net/transport.h"

#include <errno.h>
#include <sodium.h>

#include "base/err.h"
#include "net/inject.h"
#include "net/limits.h"
#include "net/transport_parts.h"

void transport_init(struct transport *t, struct vault *vault, const uint8_t key[CIPHER_KEY_LEN])
{
	vault_ref(vault);
	t->vault = vault;
	cipher_set_key(&t->cipher, key);
}

int transport_new(const uint8_t key[CIPHER_KEY_LEN], struct transport **ret_transport)
{
	struct transport *t = sodium_malloc(sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->vault = NULL;
	cipher_set_key(&t->cipher, key);
	*ret_transport = t;
	return 0;
}

/* The counter is the count: no state besides it can disagree with the peer's. */
static void rekey_when_due(struct transport *t)
{
	if (t->cipher.nonce % NOISE_REKEY_MESSAGES == 0)
		cipher_rekey(&t->cipher);
}

static int die(struct transport *t, int error)
{
	sodium_memzero(&t->cipher, sizeof(t->cipher));
	return error;
}

int transport_encrypt(struct transport *t, const void *text, size_t len, uint8_t *ret_message)
{
	int r;

	if (!t->cipher.has_key)
		return -ESHUTDOWN;
	if (len > NOISE_PLAINTEXT_MAX)
		return -ERR_TOO_LARGE;
	r = cipher_encrypt(&t->cipher, NULL, 0, text, len, ret_message);
	if (r < 0)
		return die(t, r);
	rekey_when_due(t);
	return 0;
}

int transport_decrypt(struct transport *t, const void *message, size_t len, uint8_t *ret_text)
{
	int r;

	if (!t->cipher.has_key)
		return -ESHUTDOWN;
	if (len > NOISE_MESSAGE_MAX)
		return die(t, -ERR_TOO_LARGE);
	r = cipher_decrypt(&t->cipher, NULL, 0, message, len, ret_text);
	if (r < 0)
		return die(t, r);
	rekey_when_due(t);
	return 0;
}

void inject_nonce(struct transport *t, uint64_t nonce)
{
	t->cipher.nonce = nonce;
}

void transport_free(struct transport *t)
{
	if (!t || !t->vault) {
		sodium_free(t); /* wipes; NULL is fine */
		return;
	}
	sodium_memzero(&t->cipher, sizeof(t->cipher));
	vault_unref(t->vault);
}

void transport_freep(struct transport **t)
{
	transport_free(*t);
}
