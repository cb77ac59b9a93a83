/* change_set_decode: whatever it takes, change_set_encode writes, and that decodes to the same record again. */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/change.h"
#include "sync/hlc.h"
#include "tests/fuzz/fuzz.h"

static void check_values(const struct change *change)
{
	FUZZ_CHECK(change->model->owner == MODEL_SHARED);
	FUZZ_CHECK(change->fields != 0 && change->fields >> change->model->field_count == 0);
	for (unsigned i = 0; i < change->model->field_count; i++) {
		const struct field *field = &change->model->fields[i];
		const struct value *value = &change->values[i];

		if (!(change->fields & 1u << i))
			continue;
		if (field->type == FIELD_BOOL)
			FUZZ_CHECK(value->number <= 1);
		else if (field->type != FIELD_UINT)
			FUZZ_CHECK(model_bytes_fit(field, value->bytes, value->len));
	}
}

static void check_round_trip(const struct change_set *set, uint64_t hlc)
{
	_cleanup_(change_set_release) struct change_set back = CHANGE_SET_INIT;
	_cleanup_(buf_release) struct buf first = BUF_INIT;
	_cleanup_(buf_release) struct buf second = BUF_INIT;
	uint64_t hlc_back;

	FUZZ_CHECK(change_set_encode(set, hlc, &first) == 0);
	FUZZ_CHECK(change_set_decode(first.data, first.len, &hlc_back, &back) == 0);
	FUZZ_CHECK(hlc_back == hlc && back.count == set->count);
	FUZZ_CHECK(change_set_encode(&back, hlc, &second) == 0);
	FUZZ_CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	uint64_t hlc;
	int r = change_set_decode(data, len, &hlc, &set);

	if (r < 0) {
		FUZZ_CHECK(r == -ERR_MALFORMED || r == -ERR_TOO_LARGE);
		FUZZ_CHECK(set.count == 0 && !set.items && !set.arena);
		return 0;
	}
	FUZZ_CHECK(hlc > 0 && hlc_ms(hlc) <= HLC_MS_MAX);
	FUZZ_CHECK(set.count > 0 && set.count <= CHANGE_SET_MAX);
	for (size_t i = 0; i < set.count; i++)
		check_values(&set.items[i]);
	check_round_trip(&set, hlc);
	return 0;
}
