#include "net/preamble.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

enum { MAGIC_LEN = 6, VERSION_AT = MAGIC_LEN, PURPOSE_AT };

static const uint8_t magic[MAGIC_LEN] = {'s', 'h', 'e', 'l', 'f', 0};

void preamble_put(enum preamble_purpose purpose, uint8_t ret_bytes[PREAMBLE_LEN])
{
	memcpy(ret_bytes, magic, MAGIC_LEN);
	ret_bytes[VERSION_AT] = PREAMBLE_VERSION;
	ret_bytes[PURPOSE_AT] = (uint8_t)purpose;
}

int preamble_get(const uint8_t bytes[PREAMBLE_LEN], enum preamble_purpose *ret_purpose)
{
	if (memcmp(bytes, magic, MAGIC_LEN) != 0)
		return -ERR_MALFORMED;
	if (bytes[VERSION_AT] != PREAMBLE_VERSION)
		return -EPROTONOSUPPORT;
	if (bytes[PURPOSE_AT] != PREAMBLE_LINK && bytes[PURPOSE_AT] != PREAMBLE_PAIR)
		return -ERR_MALFORMED;
	*ret_purpose = (enum preamble_purpose)bytes[PURPOSE_AT];
	return 0;
}
