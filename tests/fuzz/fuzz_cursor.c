/* base/cursor: walks any bytes as msgpack. No reader leaves the input, moves on failure or takes what another takes,
 * and no count is greater than what is left can hold. */
#include "base/cursor.h"
#include "base/err.h"
#include "tests/fuzz/fuzz.h"

static void check_step(const struct cursor *before, const struct cursor *after, int r)
{
	if (r < 0) {
		FUZZ_CHECK(r == -ERR_MALFORMED);
		FUZZ_CHECK(after->at == before->at && after->left == before->left);
		return;
	}
	FUZZ_CHECK(r == 0 && after->left < before->left);
	FUZZ_CHECK(after->at + after->left == before->at + before->left);
}

static bool read_count(struct cursor *c, int (*reader)(struct cursor *, uint32_t *), size_t element_bytes)
{
	struct cursor at = *c;
	uint32_t count = 0;
	int r = reader(&at, &count);

	check_step(c, &at, r);
	if (r < 0)
		return false;
	FUZZ_CHECK(count <= at.left / element_bytes);
	*c = at;
	return true;
}

static bool read_bytes(struct cursor *c, int (*reader)(struct cursor *, const uint8_t **, size_t *))
{
	struct cursor at = *c;
	const uint8_t *bytes = NULL;
	size_t len = 0;
	unsigned sum = 0;
	int r = reader(&at, &bytes, &len);

	check_step(c, &at, r);
	if (r < 0)
		return false;
	FUZZ_CHECK(bytes > c->at && bytes + len == at.at);
	for (size_t i = 0; i < len; i++) /* so that ASan sees each of them */
		sum += bytes[i];
	FUZZ_CHECK(sum <= 255 * len);
	*c = at;
	return true;
}

static bool read_uint(struct cursor *c)
{
	struct cursor at = *c;
	uint64_t number;
	int r = cursor_pack_uint(&at, &number);

	check_step(c, &at, r);
	*c = at;
	return r == 0;
}

static bool read_bool(struct cursor *c)
{
	struct cursor at = *c;
	bool flag;
	int r = cursor_pack_bool(&at, &flag);

	check_step(c, &at, r);
	*c = at;
	return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cursor c = cursor_on(data, len);

	while (c.left > 0) {
		struct cursor array = c, map = c, bin = c, str = c, number = c, flag = c;
		struct cursor *moved[] = {&array, &map, &bin, &str, &number, &flag};
		int readers = read_count(&array, cursor_pack_array, 1) + read_count(&map, cursor_pack_map, 2) +
			      read_bytes(&bin, cursor_pack_bin) + read_bytes(&str, cursor_pack_str) +
			      read_uint(&number) + read_bool(&flag);
		uint8_t skipped;

		FUZZ_CHECK(readers <= 1);
		for (size_t i = 0; i < 6; i++)
			if (moved[i]->left < c.left)
				c = *moved[i];
		if (readers == 0)
			FUZZ_CHECK(cursor_u8(&c, &skipped) == 0);
	}
	return 0;
}
