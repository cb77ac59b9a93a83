#include "net/vault.h"

#include <sodium.h>

static _Atomic(struct vault *) spare; /* wiped; NULL: none */

static struct vault *take_spare(size_t len)
{
	struct vault *vault = atomic_exchange(&spare, NULL);

	if (vault && vault->len != len) {
		sodium_free(vault);
		vault = NULL;
	}
	return vault;
}

void *vault_new(size_t len)
{
	struct vault *vault = take_spare(len);

	if (!vault) {
		vault = sodium_malloc(len);
		if (!vault)
			return NULL;
		sodium_memzero(vault, len);
		vault->len = len;
	}
	atomic_init(&vault->refs, 1);
	return vault;
}

void vault_ref(struct vault *vault)
{
	atomic_fetch_add(&vault->refs, 1);
}

void vault_unref(struct vault *vault)
{
	size_t len;

	if (!vault || atomic_fetch_sub(&vault->refs, 1) != 1)
		return;
	len = vault->len;
	sodium_memzero(vault, len);
	vault->len = len;
	vault = atomic_exchange(&spare, vault);
	if (vault)
		sodium_free(vault);
}
