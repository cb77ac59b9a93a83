#include "tests/fuzz/steady.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/fuzz/fuzz.h"

static uint64_t drawn;

static const char *steady_name(void)
{
	return "steady";
}

/* splitmix64 */
static uint32_t steady_draw(void)
{
	uint64_t z = drawn += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(z ^ z >> 31);
}

static void steady_fill(void *const bytes, const size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)bytes)[i] = (uint8_t)steady_draw();
}

void steady_random(void)
{
	static randombytes_implementation steady = {
	    .implementation_name = steady_name, .random = steady_draw, .buf = steady_fill};
	static bool ready;

	if (!ready) {
		FUZZ_CHECK(randombytes_set_implementation(&steady) == 0);
		FUZZ_CHECK(sodium_init() >= 0);
		ready = true;
	}
	drawn = 0;
}
