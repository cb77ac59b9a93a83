/* net/cpace and net/lv against the vectors of the draft, and the tags that were computed from them. */
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "net/inject.h"
#include "tests/lib/test.h"
#include "tests/net/vectors.h"

enum { FIELD_MAX = 256 };

#define PUBLISHED "cpace/cpace_ristretto255_sha512.json"
#define COMPUTED  "cpace/keyconf_hmacsha512_local.json"

struct field {
	uint8_t bytes[FIELD_MAX];
	size_t len;
};

static struct field get(const struct json *object, const char *name)
{
	struct field f;

	assert_non_null(json_get(object, name));
	f.len = json_bytes(json_get(object, name), f.bytes, sizeof(f.bytes));
	return f;
}

static void assert_field(const struct json *object, const char *name, const void *bytes, size_t len)
{
	struct field f = get(object, name);

	assert_int_equal(f.len, len);
	assert_memory_equal(f.bytes, bytes, len);
}

/* The options of one side of the published run; the fields live as long as `run`. */
struct run {
	struct field password, channel, sid, ad[2], scalar[2], point[2];
	struct cpace *sides[2];
};

static struct cpace_opts opts_of(const struct run *run, enum cpace_role role)
{
	return (struct cpace_opts){.role = role,
				   .password = run->password.bytes,
				   .password_len = run->password.len,
				   .channel = run->channel.bytes,
				   .channel_len = run->channel.len,
				   .sid = run->sid.bytes,
				   .sid_len = run->sid.len,
				   .ad = run->ad[role].bytes,
				   .ad_len = run->ad[role].len};
}

static void run_init(struct run *run, const struct json *published)
{
	const struct json *p = json_get(published, "protocol_run");

	*run = (struct run){.password = get(p, "PRS"),
			    .channel = get(p, "CI"),
			    .sid = get(p, "sid"),
			    .ad = {get(p, "ADa"), get(p, "ADb")},
			    .scalar = {get(p, "ya"), get(p, "yb")},
			    .point = {get(p, "Ya"), get(p, "Yb")}};
	for (enum cpace_role role = CPACE_INITIATOR; role <= CPACE_RESPONDER; role++) {
		struct cpace_opts opts = opts_of(run, role);

		assert_int_equal(inject_cpace(&opts, run->scalar[role].bytes, &run->sides[role]), 0);
	}
}

static void run_release(struct run *run)
{
	cpace_free(run->sides[0]);
	cpace_free(run->sides[1]);
}

static void whole_run(void **state)
{
	_cleanup_(json_freep) struct json *published = vectors_load(PUBLISHED);
	_cleanup_(json_freep) struct json *computed = vectors_load(COMPUTED);
	const struct json *p = json_get(published, "protocol_run");
	const struct json *tags = json_get(computed, "IR");
	_cleanup_(run_release) struct run run;

	run_init(&run, published);
	assert_field(p, "Ya", cpace_point(run.sides[0]), CPACE_POINT_LEN);
	assert_field(p, "Yb", cpace_point(run.sides[1]), CPACE_POINT_LEN);
	for (int i = 0; i < 2; i++) {
		int other = 1 - i;

		assert_int_equal(
		    cpace_finish(run.sides[i], run.point[other].bytes, run.ad[other].bytes, run.ad[other].len), 0);
		assert_field(p, "ISK_IR", inject_cpace_shared(run.sides[i]), CPACE_SHARED_LEN);
		assert_field(p, "sid_output_ir", cpace_sid_output(run.sides[i]), CPACE_SID_OUTPUT_LEN);
		assert_field(tags, i == 0 ? "Ta" : "Tb", cpace_tag(run.sides[i]), CPACE_TAG_LEN);
	}
	assert_int_equal(cpace_verify(run.sides[0], cpace_tag(run.sides[1])), 0);
	assert_int_equal(cpace_verify(run.sides[1], cpace_tag(run.sides[0])), 0);
}

static void generator(void **state)
{
	_cleanup_(json_freep) struct json *published = vectors_load(PUBLISHED);
	const struct json *c = json_get(published, "calculate_generator");
	uint8_t digest[crypto_hash_sha512_BYTES], point[CPACE_POINT_LEN];
	struct run run = {.password = get(c, "PRS"), .channel = get(c, "CI"), .sid = get(c, "sid")};
	struct cpace_opts opts = opts_of(&run, CPACE_INITIATOR);
	struct lv string;

	inject_generator_string(&opts, &string);
	assert_field(c, "generator_string(G.DSI,PRS,CI,sid,H.s_in_bytes)", string.bytes, string.len);
	crypto_hash_sha512(digest, string.bytes, string.len);
	assert_field(c, "hash result", digest, sizeof(digest));
	crypto_core_ristretto255_from_hash(point, digest);
	assert_field(c, "encoded generator g", point, sizeof(point));
}

/* With the scalar 1 a side's point is the generator itself. */
static void scalar_one_gives_the_generator(void **state)
{
	_cleanup_(json_freep) struct json *published = vectors_load(PUBLISHED);
	static const uint8_t one[CPACE_POINT_LEN] = {1};
	static const uint8_t zero[CPACE_POINT_LEN];
	_cleanup_(cpace_freep) struct cpace *c = NULL;
	_cleanup_(run_release) struct run run;
	struct cpace_opts opts;

	run_init(&run, published);
	opts = opts_of(&run, CPACE_INITIATOR);
	assert_int_equal(inject_cpace(&opts, zero, &c), -ERR_MALFORMED);
	assert_null(c);
	assert_int_equal(inject_cpace(&opts, one, &c), 0);
	assert_field(json_get(published, "protocol_run"), "g", cpace_point(c), CPACE_POINT_LEN);
}

static void invalid_points_in_both_directions(void **state)
{
	static const char *const names[] = {"Invalid Y1", "Invalid Y2"};
	_cleanup_(json_freep) struct json *published = vectors_load(PUBLISHED);

	for (int i = 0; i < 2; i++) {
		struct field point = get(json_get(published, "points"), names[i]);
		_cleanup_(run_release) struct run run;

		run_init(&run, published);
		assert_int_equal(cpace_finish(run.sides[0], point.bytes, run.ad[1].bytes, run.ad[1].len),
				 -ERR_MALFORMED);
		assert_int_equal(cpace_finish(run.sides[1], point.bytes, run.ad[0].bytes, run.ad[0].len),
				 -ERR_MALFORMED);
	}
}

/* The good point of the draft: K is what it says, so ISK is what one gets from that K by hand. */
static void valid_point(void **state)
{
	_cleanup_(json_freep) struct json *published = vectors_load(PUBLISHED);
	const struct json *valid = json_get(json_get(published, "points"), "Valid");
	struct field scalar = get(valid, "s"), point = get(valid, "X"), k = get(valid, "G.scalar_mult_vfy(s,X)");
	uint8_t expected[CPACE_SHARED_LEN];
	_cleanup_(cpace_freep) struct cpace *c = NULL;
	_cleanup_(run_release) struct run run;
	struct cpace_opts opts;
	struct lv string = LV_INIT;

	run_init(&run, published);
	opts = opts_of(&run, CPACE_INITIATOR);
	assert_int_equal(inject_cpace(&opts, scalar.bytes, &c), 0);
	assert_int_equal(cpace_finish(c, point.bytes, NULL, 0), 0);
	lv_add(&string, "CPaceRistretto255_ISK", 21);
	lv_add(&string, run.sid.bytes, run.sid.len);
	lv_add(&string, k.bytes, k.len);
	lv_add(&string, cpace_point(c), CPACE_POINT_LEN);
	lv_add(&string, run.ad[0].bytes, run.ad[0].len);
	lv_add(&string, point.bytes, point.len);
	lv_add(&string, NULL, 0);
	crypto_hash_sha512(expected, string.bytes, string.len);
	assert_memory_equal(expected, inject_cpace_shared(c), sizeof(expected));
}

static void lengths_of_values(void **state)
{
	_cleanup_(json_freep) struct json *published = vectors_load(PUBLISHED);
	const struct json *p = json_get(published, "prepend_len");
	static const struct {
		const char *name;
		size_t len;
	} cases[] = {
	    {"prepend_len(bytes(range(127)))", 127}, {"prepend_len(bytes(range(128)))", 128}, {"prepend_len(b'')", 0}};
	uint8_t range[128];
	struct lv string = LV_INIT;

	for (size_t i = 0; i < sizeof(range); i++)
		range[i] = (uint8_t)i;
	for (size_t i = 0; i < 3; i++) {
		string.len = 0;
		lv_add(&string, range, cases[i].len);
		assert_field(p, cases[i].name, string.bytes, string.len);
		assert_int_equal(lv_prefix_len(cases[i].len) + cases[i].len, string.len);
	}
	string.len = 0;
	lv_add(&string, "1234", 4);
	assert_field(p, "prepend_len(b'1234')", string.bytes, string.len);
	lv_add(&string, "5", 1);
	lv_add(&string, NULL, 0);
	lv_add(&string, "678", 3);
	assert_field(json_get(published, "lv_cat"), "lv_cat(b'1234',b'5',b'',b'678')", string.bytes, string.len);
}

static void transcript(const struct json *t, const char *name, const char *const parts[4])
{
	struct lv string = LV_INIT;

	for (int i = 0; i < 4; i++)
		lv_add(&string, parts[i], strlen(parts[i]));
	assert_field(t, name, string.bytes, string.len);
}

static void transcripts(void **state)
{
	_cleanup_(json_freep) struct json *published = vectors_load(PUBLISHED);
	const struct json *t = json_get(published, "transcript_ir");

	transcript(t, "transcript_ir(b'123',b'PartyA',b'234',b'PartyB')",
		   (const char *[]){"123", "PartyA", "234", "PartyB"});
	transcript(t, "transcript_ir(b'3456',b'PartyA',b'2345',b'PartyB')",
		   (const char *[]){"3456", "PartyA", "2345", "PartyB"});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_run),
	    cmocka_unit_test(generator),
	    cmocka_unit_test(scalar_one_gives_the_generator),
	    cmocka_unit_test(invalid_points_in_both_directions),
	    cmocka_unit_test(valid_point),
	    cmocka_unit_test(lengths_of_values),
	    cmocka_unit_test(transcripts),
	};

	if (vectors_check() != 0)
		return vectors_check();
	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
