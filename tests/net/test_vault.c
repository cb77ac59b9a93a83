#include "net/vault.h"

#include <string.h>

#include "base/random.h"
#include "tests/lib/test.h"

struct secret {
	struct vault vault;
	uint8_t bytes[200];
};

static void assert_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(bytes[i], 0);
}

static void freed_with_the_last_reference(void **state)
{
	struct secret *s = vault_new(sizeof(*s));

	assert_zero(s->bytes, sizeof(s->bytes));
	vault_ref(&s->vault);
	memset(s->bytes, 7, sizeof(s->bytes));
	vault_unref(&s->vault);
	assert_int_equal(s->bytes[0], 7);
	vault_unref(&s->vault);
	vault_unref(NULL);
}

static void nothing_is_left_for_the_next(void **state)
{
	for (int i = 0; i < 5; i++) {
		struct secret *a = vault_new(sizeof(*a)), *b = vault_new(sizeof(*b));

		assert_zero(a->bytes, sizeof(a->bytes));
		assert_zero(b->bytes, sizeof(b->bytes));
		memset(a->bytes, 7, sizeof(a->bytes));
		memset(b->bytes, 9, sizeof(b->bytes));
		vault_unref(&a->vault);
		vault_unref(&b->vault);
	}
}

static void another_size(void **state)
{
	struct secret *small = vault_new(sizeof(*small));
	uint8_t *large;

	memset(small->bytes, 7, sizeof(small->bytes));
	vault_unref(&small->vault);
	large = vault_new(10000);
	assert_zero(large + sizeof(struct vault), 10000 - sizeof(struct vault));
	memset(large + sizeof(struct vault), 7, 10000 - sizeof(struct vault)); /* all of it is there */
	vault_unref((struct vault *)large);
	small = vault_new(sizeof(*small));
	assert_zero(small->bytes, sizeof(small->bytes));
	vault_unref(&small->vault);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(freed_with_the_last_reference),
		cmocka_unit_test(nothing_is_left_for_the_next),
		cmocka_unit_test(another_size),
	};

	return base_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
