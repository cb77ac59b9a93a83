#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>

struct hash {
	crypto_generichash_state state;
	size_t out_len;
};

static bool out_len_fits(size_t out_len)
{
	return out_len >= crypto_generichash_BYTES_MIN && out_len <= crypto_generichash_BYTES_MAX;
}

int hash_new(size_t out_len, struct hash **ret_hash)
{
	struct hash *h;

	if (!out_len_fits(out_len))
		return -EINVAL;
	h = aligned_alloc(alignof(struct hash), sizeof(*h)); /* the state wants 64, malloc gives 16 */
	if (!h)
		return -ENOMEM;
	h->out_len = out_len;
	crypto_generichash_init(&h->state, NULL, 0, out_len);
	*ret_hash = h;
	return 0;
}

void hash_update(struct hash *h, const void *data, size_t len)
{
	crypto_generichash_update(&h->state, data, len);
}

void hash_final(struct hash *h, uint8_t *ret_out)
{
	crypto_generichash_final(&h->state, ret_out, h->out_len);
}

void hash_free(struct hash *h)
{
	free(h);
}

void hash_freep(struct hash **h)
{
	hash_free(*h);
}

void hash_pair(const void *a, size_t a_len, const void *b, size_t b_len, uint8_t *ret_out, size_t out_len)
{
	crypto_generichash_state state;

	assert(out_len_fits(out_len));
	crypto_generichash_init(&state, NULL, 0, out_len);
	crypto_generichash_update(&state, a, a_len);
	crypto_generichash_update(&state, b, b_len);
	crypto_generichash_final(&state, ret_out, out_len);
}
