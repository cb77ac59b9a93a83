#include "net/cpace.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "net/inject.h"
#include "tests/lib/test.h"

/* What each side says and believes; the same on both by default. */
struct side {
	const char *password, *channel, *sid, *ad;
};

static const struct side initiator = {"ABCD2345", "channel", "session", "adI"};
static const struct side responder = {"ABCD2345", "channel", "session", "adR"};

static struct cpace *start(enum cpace_role role, const struct side *side)
{
	struct cpace_opts opts = {.role = role,
				  .password = side->password,
				  .password_len = strlen(side->password),
				  .channel = side->channel,
				  .channel_len = strlen(side->channel),
				  .sid = side->sid,
				  .sid_len = strlen(side->sid),
				  .ad = side->ad,
				  .ad_len = strlen(side->ad)};
	struct cpace *c;

	assert_int_equal(cpace_new(&opts, &c), 0);
	return c;
}

/* Both tags are right, or neither is. */
static bool agree(const struct side *i, const struct side *r)
{
	_cleanup_(cpace_freep) struct cpace *a = start(CPACE_INITIATOR, i);
	_cleanup_(cpace_freep) struct cpace *b = start(CPACE_RESPONDER, r);
	uint8_t a_psk[CPACE_PSK_LEN], b_psk[CPACE_PSK_LEN];
	bool agreed;

	assert_int_equal(cpace_finish(a, cpace_point(b), r->ad, strlen(r->ad)), 0);
	assert_int_equal(cpace_finish(b, cpace_point(a), i->ad, strlen(i->ad)), 0);
	agreed = cpace_verify(a, cpace_tag(b)) == 0;
	assert_int_equal(cpace_verify(b, cpace_tag(a)), agreed ? 0 : -ERR_WRONG_KEY);
	cpace_psk(a, "label", a_psk);
	cpace_psk(b, "label", b_psk);
	assert_int_equal(memcmp(a_psk, b_psk, CPACE_PSK_LEN) == 0, agreed);
	cpace_psk(b, "other", b_psk);
	assert_memory_not_equal(a_psk, b_psk, CPACE_PSK_LEN);
	return agreed;
}

static void same_code(void **state)
{
	assert_true(agree(&initiator, &responder));
}

static void whatever_differs_fails(void **state)
{
	struct side other = responder;

	other.password = "ABCD2346";
	assert_false(agree(&initiator, &other));
	other = responder;
	other.channel = "channel2";
	assert_false(agree(&initiator, &other));
	other = responder;
	other.sid = "sessiom";
	assert_false(agree(&initiator, &other));
}

/* A byte of what was said changes on the way: the other side's tag shows it. */
static void changed_ad_or_point(void **state)
{
	_cleanup_(cpace_freep) struct cpace *a = start(CPACE_INITIATOR, &initiator);
	_cleanup_(cpace_freep) struct cpace *b = start(CPACE_RESPONDER, &responder);
	_cleanup_(cpace_freep) struct cpace *other = start(CPACE_INITIATOR, &initiator);

	assert_int_equal(cpace_finish(a, cpace_point(b), "adX", 3), 0);
	assert_int_equal(cpace_finish(b, cpace_point(other), "adI", 3), 0);
	assert_int_equal(cpace_verify(a, cpace_tag(b)), -ERR_WRONG_KEY);
	assert_int_equal(cpace_verify(b, cpace_tag(a)), -ERR_WRONG_KEY);
}

static void changed_tag(void **state)
{
	_cleanup_(cpace_freep) struct cpace *a = start(CPACE_INITIATOR, &initiator);
	_cleanup_(cpace_freep) struct cpace *b = start(CPACE_RESPONDER, &responder);
	uint8_t tag[CPACE_TAG_LEN];

	assert_int_equal(cpace_finish(a, cpace_point(b), "adR", 3), 0);
	assert_int_equal(cpace_finish(b, cpace_point(a), "adI", 3), 0);
	memcpy(tag, cpace_tag(b), sizeof(tag));
	for (size_t i = 0; i < sizeof(tag); i++) {
		tag[i] ^= 1;
		assert_int_equal(cpace_verify(a, tag), -ERR_WRONG_KEY);
		tag[i] ^= 1;
	}
	assert_int_equal(cpace_verify(a, tag), 0);
	assert_int_equal(cpace_verify(a, cpace_tag(a)), -ERR_WRONG_KEY); /* reflected */
}

static void reflected_point(void **state)
{
	_cleanup_(cpace_freep) struct cpace *a = start(CPACE_INITIATOR, &initiator);

	assert_int_equal(cpace_finish(a, cpace_point(a), "adR", 3), 0);
	assert_int_equal(cpace_verify(a, cpace_tag(a)), -ERR_WRONG_KEY);
}

static void bad_points(void **state)
{
	uint8_t points[3][CPACE_POINT_LEN] = {{0}};

	memset(points[1], 0xff, CPACE_POINT_LEN);
	points[2][0] = 1; /* negative */
	for (int i = 0; i < 3; i++) {
		_cleanup_(cpace_freep) struct cpace *a = start(CPACE_INITIATOR, &initiator);
		_cleanup_(cpace_freep) struct cpace *b = start(CPACE_RESPONDER, &responder);

		assert_int_equal(cpace_finish(a, points[i], NULL, 0), -ERR_MALFORMED);
		assert_int_equal(cpace_finish(b, points[i], NULL, 0), -ERR_MALFORMED);
	}
}

static void points_are_fresh(void **state)
{
	_cleanup_(cpace_freep) struct cpace *a = start(CPACE_INITIATOR, &initiator);
	_cleanup_(cpace_freep) struct cpace *b = start(CPACE_INITIATOR, &initiator);

	assert_memory_not_equal(cpace_point(a), cpace_point(b), CPACE_POINT_LEN);
}

static void limits(void **state)
{
	static const char text[CPACE_PASSWORD_MAX + 1] = {0};
	struct cpace_opts opts = {.password = text, .password_len = sizeof(text)};
	struct cpace *c = NULL;

	assert_int_equal(cpace_new(&opts, &c), -ERR_TOO_LARGE);
	opts = (struct cpace_opts){.password = text,
				   .password_len = CPACE_PASSWORD_MAX,
				   .channel = text,
				   .channel_len = CPACE_CI_MAX,
				   .sid = text,
				   .sid_len = CPACE_SID_MAX,
				   .ad = text,
				   .ad_len = CPACE_AD_MAX};
	assert_int_equal(cpace_new(&opts, &c), 0);
	assert_int_equal(cpace_finish(c, cpace_point(c), text, CPACE_AD_MAX + 1), -ERR_TOO_LARGE);
	cpace_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_code),	   cmocka_unit_test(whatever_differs_fails),
	    cmocka_unit_test(changed_ad_or_point), cmocka_unit_test(changed_tag),
	    cmocka_unit_test(reflected_point),	   cmocka_unit_test(bad_points),
	    cmocka_unit_test(points_are_fresh),	   cmocka_unit_test(limits),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
