#include "net/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "tests/lib/test.h"

static void numeric_addresses_come_back(void **state)
{
	static const char *const texts[] = {"127.0.0.1:1", "255.255.255.255:65535", "[::1]:80", "[2001:db8::1]:7000",
					    "[fe80::1%lo]:7000"};
	struct sockaddr_storage address;
	char text[NODE_ADDRESS_TEXT];

	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(address_from_text(texts[i], &address), 0);
		address_to_text((struct sockaddr *)&address, text);
		assert_string_equal(text, texts[i]);
	}
	assert_int_equal(address_from_text("[::ffff:1.2.3.4]:5", &address), 0);
	address_to_text((struct sockaddr *)&address, text);
	assert_string_equal(text, "1.2.3.4:5");
	assert_int_equal(address_len((struct sockaddr *)&address), sizeof(struct sockaddr_in6));
	address.ss_family = AF_UNIX;
	assert_int_equal(address_len((struct sockaddr *)&address), 0);
	address_to_text((struct sockaddr *)&address, text);
	assert_string_equal(text, "");
}

static void names_are_left_to_others(void **state)
{
	struct sockaddr_storage address;
	char host[NODE_ADDRESS_TEXT];
	uint16_t port;

	assert_int_equal(address_from_text("host.example:80", &address), -ENOENT);
	assert_int_equal(address_split("host.example:80", host, &port), 0);
	assert_string_equal(host, "host.example");
	assert_int_equal(port, 80);
	assert_int_equal(address_split("[host.example]:81", host, &port), 0);
	assert_string_equal(host, "host.example");
	assert_int_equal(address_split("[fe80::1%eth0]:4000", host, &port), 0);
	assert_string_equal(host, "fe80::1%eth0");
}

static void nonsense_is_refused(void **state)
{
	static const char *const texts[] = {"",	    "host",	":80",	   "host:",   "host:0", "host:65536",
					    "h:-1", "h: 1",	"h:1x",	   "::1:80",  "[]:80",	"[host]:80",
					    "h:+1", "h:00001x", "[::1]80", "h:999999", "[::1:80", "::1]:8", "a:1:2", "[a]b:80",
					    "h:99999999999", "[::1]"};
	char text[NODE_ADDRESS_TEXT + 10];
	struct sockaddr_storage address;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(address_from_text(texts[i], &address), -ERR_MALFORMED);
	memset(text, 'h', sizeof(text));
	strcpy(text + NODE_ADDRESS_TEXT - 3, ":80");
	assert_int_equal(address_from_text(text, &address), -ERR_MALFORMED);
	memmove(text, text + 1, NODE_ADDRESS_TEXT);
	assert_int_equal(address_from_text(text, &address), -ENOENT);
}

static void source_of(const char *text, uint8_t ret_source[ADDRESS_SOURCE_LEN])
{
	struct sockaddr_storage address;

	assert_int_equal(address_from_text(text, &address), 0);
	address_source((struct sockaddr *)&address, ret_source);
}

static void sources_are_addresses_or_networks(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
	    {"1.2.3.4:5", "1.2.3.4:6", true},
	    {"1.2.3.4:5", "1.2.3.5:5", false},
	    {"[2001:db8::1]:1", "[2001:db8::2]:1", true},
	    {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
	    {"1.2.3.4:5", "[::ffff:1.2.3.4]:5", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t a[ADDRESS_SOURCE_LEN], b[ADDRESS_SOURCE_LEN];

		source_of(rows[i].a, a);
		source_of(rows[i].b, b);
		assert_int_equal(memcmp(a, b, sizeof(a)) == 0, rows[i].same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numeric_addresses_come_back),
	    cmocka_unit_test(names_are_left_to_others),
	    cmocka_unit_test(nonsense_is_refused),
	    cmocka_unit_test(sources_are_addresses_or_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
