/* registers_decode: whatever it takes, registers_encode writes, and that decodes to the same rows again. */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/registers.h"
#include "tests/fuzz/fuzz.h"

static void check_row(const struct change *row, const struct register_stamps *stamps)
{
	FUZZ_CHECK(row->model->owner == MODEL_SHARED);
	FUZZ_CHECK(row->fields != 0 && row->fields >> row->model->field_count == 0);
	for (unsigned i = 0; i < row->model->field_count; i++) {
		const struct field *field = &row->model->fields[i];
		const struct value *value = &row->values[i];

		if (!(row->fields & 1u << i))
			continue;
		FUZZ_CHECK(stamps->of[i].hlc != 0 && hlc_ms(stamps->of[i].hlc) <= HLC_MS_MAX);
		if (field->type == FIELD_BOOL)
			FUZZ_CHECK(value->number <= 1);
		else if (field->type != FIELD_UINT)
			FUZZ_CHECK(model_bytes_fit(field, value->bytes, value->len));
	}
}

static void check_round_trip(const struct registers *registers)
{
	_cleanup_(registers_release) struct registers back = REGISTERS_INIT;
	_cleanup_(buf_release) struct buf first = BUF_INIT;
	_cleanup_(buf_release) struct buf second = BUF_INIT;

	FUZZ_CHECK(registers_encode(registers, &first) == 0);
	FUZZ_CHECK(first.len <= registers->bytes);
	FUZZ_CHECK(registers_decode(first.data, first.len, &back) == 0);
	FUZZ_CHECK(back.set.count == registers->set.count && registers_newest(&back) == registers_newest(registers));
	FUZZ_CHECK(registers_encode(&back, &second) == 0);
	FUZZ_CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	int r = registers_decode(data, len, &registers);

	if (r < 0) {
		FUZZ_CHECK(r == -ERR_MALFORMED || r == -ERR_TOO_LARGE);
		FUZZ_CHECK(registers.set.count == 0 && !registers.set.items && !registers.stamps);
		return 0;
	}
	FUZZ_CHECK(registers.set.count <= REGISTERS_ROWS_MAX);
	for (size_t i = 0; i < registers.set.count; i++)
		check_row(&registers.set.items[i], &registers.stamps[i]);
	check_round_trip(&registers);
	return 0;
}
