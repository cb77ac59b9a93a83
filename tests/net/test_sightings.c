#include "net/sightings.h"

#include <netinet/in.h>

#include "tests/lib/test.h"

enum { START_MS = 1000000 };

static struct sighting seen(uint8_t device, uint64_t instance, uint16_t port)
{
	struct sighting s = {.device = {{device}}, .instance = instance};

	((struct sockaddr_in *)&s.address)->sin_family = AF_INET;
	((struct sockaddr_in *)&s.address)->sin_port = port;
	return s;
}

static enum sighting_kind note(struct sightings *s, uint64_t now_ms, uint8_t device, uint64_t instance, uint16_t port)
{
	struct sighting one = seen(device, instance, port);

	return sightings_note(s, now_ms, &one);
}

static void new_recent_again(void **state)
{
	struct sightings s = {0};

	assert_int_equal(note(&s, START_MS, 1, 1, 1), SIGHTING_NEW);
	assert_int_equal(note(&s, START_MS + 1, 1, 1, 1), SIGHTING_RECENT);
	assert_int_equal(note(&s, START_MS + DISCOVERY_TELL_MS - 1, 1, 1, 1), SIGHTING_RECENT);
	assert_int_equal(note(&s, START_MS + DISCOVERY_TELL_MS, 1, 1, 1), SIGHTING_AGAIN);
	assert_int_equal(note(&s, START_MS + DISCOVERY_TELL_MS + 1, 1, 1, 1), SIGHTING_RECENT);
	assert_int_equal(s.count, 1);
}

static void what_makes_another(void **state)
{
	struct sightings s = {0};

	assert_int_equal(note(&s, START_MS, 1, 1, 1), SIGHTING_NEW);
	assert_int_equal(note(&s, START_MS, 2, 1, 1), SIGHTING_NEW); /* device */
	assert_int_equal(note(&s, START_MS, 1, 2, 1), SIGHTING_NEW); /* restarted */
	assert_int_equal(note(&s, START_MS, 1, 1, 2), SIGHTING_NEW); /* elsewhere */
	assert_int_equal(s.count, 4);
}

static void forgotten_by_age(void **state)
{
	struct sightings s = {0};

	note(&s, START_MS, 1, 1, 1);
	note(&s, START_MS + 1, 2, 1, 1);
	note(&s, START_MS + DISCOVERY_SIGHTING_LIFE_MS, 3, 1, 1);
	assert_int_equal(s.count, 2);
	assert_int_equal(note(&s, START_MS + DISCOVERY_SIGHTING_LIFE_MS, 2, 1, 1), SIGHTING_AGAIN);
	assert_int_equal(note(&s, START_MS + DISCOVERY_SIGHTING_LIFE_MS, 1, 1, 1), SIGHTING_NEW);
}

static void forgotten_by_leaving(void **state)
{
	struct sightings s = {0};
	struct uuid device = {{1}};

	note(&s, START_MS, 1, 1, 1);
	note(&s, START_MS, 1, 1, 2);
	note(&s, START_MS, 1, 2, 1);
	note(&s, START_MS, 2, 1, 1);
	sightings_forget(&s, &device, 1);
	assert_int_equal(s.count, 2);
	assert_int_equal(note(&s, START_MS, 1, 2, 1), SIGHTING_RECENT);
	assert_int_equal(note(&s, START_MS, 2, 1, 1), SIGHTING_RECENT);
	assert_int_equal(note(&s, START_MS, 1, 1, 1), SIGHTING_NEW);
}

static void bounded(void **state)
{
	struct sightings s = {0};

	for (unsigned i = 0; i < 3 * DISCOVERY_SIGHTINGS_MAX; i++)
		assert_int_equal(note(&s, START_MS + i, 1, i, 1), SIGHTING_NEW);
	assert_int_equal(s.count, DISCOVERY_SIGHTINGS_MAX);
	assert_int_equal(note(&s, START_MS + 1000, 1, 3 * DISCOVERY_SIGHTINGS_MAX - 1, 1), SIGHTING_RECENT);
	assert_int_equal(note(&s, START_MS + 1000, 1, 2 * DISCOVERY_SIGHTINGS_MAX, 1), SIGHTING_RECENT);
	assert_int_equal(note(&s, START_MS + 1000, 1, 2 * DISCOVERY_SIGHTINGS_MAX - 1, 1), SIGHTING_NEW);
}

static void so_many_in_a_second(void **state)
{
	struct sightings s = {0};

	for (int second = 0; second < 3; second++) {
		unsigned admitted = 0;

		for (int i = 0; i < 1000; i++)
			admitted += sightings_admit(&s, START_MS + (uint64_t)second * 1000 + (uint64_t)i);
		assert_int_equal(admitted, DISCOVERY_PARSED_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(new_recent_again), cmocka_unit_test(what_makes_another),
	    cmocka_unit_test(forgotten_by_age), cmocka_unit_test(forgotten_by_leaving),
	    cmocka_unit_test(bounded),		cmocka_unit_test(so_many_in_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
