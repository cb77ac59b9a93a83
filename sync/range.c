#include "sync/range.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/change.h"
#include "sync/record.h"
#include "sync/row.h"

static int check_records(const struct range *range)
{
	struct cursor c = cursor_on(range->body, range->body_len);
	uint64_t last = 0, count = 0;
	const uint8_t *record;
	size_t len;
	int r;

	while ((r = record_next(&c, &record, &len)) == 0) {
		_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
		uint64_t hlc;

		r = change_set_decode(record, len, &hlc, &set);
		if (r < 0)
			return r;
		if (hlc <= last)
			return -ERR_MALFORMED;
		last = hlc;
		count++;
	}
	return r < 0 ? r : count == range->upto - range->since ? 0 : -ERR_MALFORMED;
}

static int check_rows(const struct range *range, const struct model *model)
{
	uint64_t last = range->since;
	struct row_reader reader;
	struct row row;
	int r = row_reader_init(&reader, model, range->body, range->body_len);

	while (r == 0 && (r = row_reader_next(&reader, &row)) == 0) {
		if (row.version <= last || row.version > range->upto)
			return -ERR_MALFORMED;
		last = row.version;
	}
	if (r < 0)
		return r;
	return range->upto < range->head && last != range->upto ? -ERR_MALFORMED : 0;
}

int range_check(const struct range *range)
{
	const struct model *model = model_find(range->stream.kind);

	if (range->stream.kind == STREAM_LOG)
		return check_records(range);
	return model && model->owner == MODEL_OWNED ? check_rows(range, model) : -ERR_MALFORMED;
}
