#include "net/preamble.h"

#include <string.h>

#include "base/err.h"

#define MAGIC "shelf" /* with its NUL */

enum { VERSION_AT = sizeof(MAGIC), PURPOSE_AT };

_Static_assert(PURPOSE_AT + 1 == PREAMBLE_LEN, "the layout");

void preamble_write(enum preamble_purpose purpose, uint8_t ret_bytes[PREAMBLE_LEN])
{
	memcpy(ret_bytes, MAGIC, sizeof(MAGIC));
	ret_bytes[VERSION_AT] = PREAMBLE_VERSION;
	ret_bytes[PURPOSE_AT] = (uint8_t)purpose;
}

int preamble_read(const uint8_t bytes[PREAMBLE_LEN], enum preamble_purpose *ret_purpose)
{
	uint8_t purpose = bytes[PURPOSE_AT];

	if (memcmp(bytes, MAGIC, sizeof(MAGIC)) != 0)
		return -ERR_MALFORMED;
	if (bytes[VERSION_AT] != PREAMBLE_VERSION)
		return -ERR_STALE;
	if (purpose != PREAMBLE_LINK && purpose != PREAMBLE_PAIR)
		return -ERR_MALFORMED;
	*ret_purpose = (enum preamble_purpose)purpose;
	return 0;
}
