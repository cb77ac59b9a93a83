#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>

int base_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

void random_bytes(void *buf, size_t len)
{
	randombytes_buf(buf, len);
}

uint32_t random_below(uint32_t bound)
{
	assert(bound > 0);
	return randombytes_uniform(bound);
}
