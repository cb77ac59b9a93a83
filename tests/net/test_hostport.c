#include "net/hostport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/err.h"
#include "tests/lib/test.h"

static void good(void **state)
{
	static const struct {
		const char *text, *host, *port;
	} cases[] = {{"laptop:4000", "laptop", "4000"},
		     {"192.0.2.1:1", "192.0.2.1", "1"},
		     {"[2001:db8::1]:65535", "2001:db8::1", "65535"},
		     {"[fe80::1%eth0]:4000", "fe80::1%eth0", "4000"},
		     {"[laptop]:4000", "laptop", "4000"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hostport hp;

		assert_int_equal(hostport_parse(cases[i].text, &hp), 0);
		assert_string_equal(hp.host, cases[i].host);
		assert_string_equal(hp.port, cases[i].port);
	}
}

static void bad(void **state)
{
	static const char *const texts[] = {
	    "",	      "laptop", "laptop:", ":4000",  "laptop:0", "laptop:65536", "laptop:99999999999",
	    "l:+1",   "l: 1",	"::1:80",  "[::1]",  "[::1]80",	 "[]:80",	 "[::1:80",
	    "::1]:8", "l:80x",	"a:1:2",   "[a]b:80"};
	char longest[HOSTPORT_HOST_MAX + 8];
	struct hostport hp;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(hostport_parse(texts[i], &hp), -ERR_MALFORMED);
	memset(longest, 'a', sizeof(longest));
	strcpy(longest + HOSTPORT_HOST_MAX, ":80");
	assert_int_equal(hostport_parse(longest, &hp), 0);
	strcpy(longest + HOSTPORT_HOST_MAX, "a:80");
	assert_int_equal(hostport_parse(longest, &hp), -ERR_MALFORMED);
}

static void text(void **state)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(4000), .sin_addr.s_addr = htonl(0xc0000201)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(1), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr other = {.sa_family = AF_UNIX};
	char out[HOSTPORT_TEXT_MAX];

	assert_string_equal(hostport_text((struct sockaddr *)&v4, out), "192.0.2.1:4000");
	assert_string_equal(hostport_text((struct sockaddr *)&v6, out), "[::1]:1");
	inet_pton(AF_INET6, "fe80::1", &v6.sin6_addr);
	v6.sin6_scope_id = 1;
	assert_string_equal(hostport_text((struct sockaddr *)&v6, out), "[fe80::1%lo]:1");
	assert_string_equal(hostport_text(&other, out), "?");
	assert_int_equal(hostport_sockaddr_len(&other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good),
	    cmocka_unit_test(bad),
	    cmocka_unit_test(text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
