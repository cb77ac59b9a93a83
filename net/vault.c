#include "net/vault.h"

#include <sodium.h>

void *vault_new(size_t len)
{
	struct vault *vault = sodium_malloc(len);

	if (!vault)
		return NULL;
	sodium_memzero(vault, len);
	atomic_init(&vault->refs, 1);
	return vault;
}

void vault_ref(struct vault *vault)
{
	atomic_fetch_add(&vault->refs, 1);
}

void vault_unref(struct vault *vault)
{
	if (vault && atomic_fetch_sub(&vault->refs, 1) == 1)
		sodium_free(vault);
}
