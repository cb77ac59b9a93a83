#include <stdlib.h>
#include <string.h>

#include "mount/idset.h"
#include "tests/lib/test.h"

enum { UNIVERSE = 9 };

/* The set of those ids of 0..8 whose bit is set; with `complement` it lists the others. */
static struct idset set_of_bits(unsigned bits, bool complement)
{
	struct idset set = {.ids = malloc(UNIVERSE * sizeof(*set.ids)), .complement = complement};

	for (int i = 0; i < UNIVERSE; i++) {
		if ((bits >> i & 1) != complement)
			set.ids[set.count++] = i;
	}
	return set;
}

static unsigned bits_of_set(const struct idset *set)
{
	unsigned bits = 0;

	for (int i = 0; i < UNIVERSE; i++)
		bits |= (unsigned)idset_has(set, i) << i;
	for (size_t i = 1; i < set->count; i++)
		assert_true(set->ids[i - 1] < set->ids[i]);
	return bits;
}

/* All pairs of subsets of a few, both as lists and as complements. */
static void the_laws_of_sets_hold(void **state)
{
	static const unsigned samples[] = {0, 1, 3, 0x1ff, 0x155, 0x0aa, 0x1f0, 0x00f, 0x111};

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		for (size_t j = 0; j < 4 * sizeof(samples) / sizeof(samples[0]); j++) {
			unsigned x = samples[i], y = samples[j / 4];
			struct idset a = set_of_bits(x, j & 1), b = set_of_bits(y, j & 2);
			struct idset c = set_of_bits(x, j & 1);

			assert_int_equal(idset_and(&a, &b), 0);
			assert_int_equal(bits_of_set(&a), x & y);
			assert_int_equal(idset_or(&c, &b), 0);
			assert_int_equal(bits_of_set(&c), x | y);
			assert_int_equal(bits_of_set(&b), y); /* untouched */
			idset_negate(&c);
			assert_int_equal(bits_of_set(&c), ~(x | y) & 0x1ff);
			idset_release(&a);
			idset_release(&b);
			idset_release(&c);
		}
	}
}

static void an_empty_set_and_its_complement(void **state)
{
	struct idset set = IDSET_INIT;

	assert_false(idset_has(&set, 5));
	idset_negate(&set);
	assert_true(idset_has(&set, 5));
	idset_release(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_laws_of_sets_hold),
	    cmocka_unit_test(an_empty_set_and_its_complement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
