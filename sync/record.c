#include "sync/record.h"

#include "base/err.h"
#include "base/pack.h"
#include "sync/change.h"

void record_append(struct buf *body, const void *record, size_t len)
{
	pack_bin(body, record, len);
}

int record_next(struct cursor *body, const uint8_t **ret_record, size_t *ret_len)
{
	const uint8_t *record;
	size_t len;
	int r;

	if (body->left == 0)
		return 1;
	r = cursor_pack_bin(body, &record, &len);
	if (r < 0)
		return r;
	if (len > CHANGE_RECORD_MAX)
		return -ERR_TOO_LARGE;
	*ret_record = record;
	*ret_len = len;
	return 0;
}
