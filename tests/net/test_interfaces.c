#include "net/interfaces.h"

#include <arpa/inet.h>
#include <string.h>

#include "tests/lib/test.h"

enum { RUNS = IFF_UP | IFF_RUNNING, LAN = RUNS | IFF_BROADCAST | IFF_MULTICAST };

static void which_by_default(void **state)
{
	static const char *const virtual[] = {"docker0", "br-1a2b", "veth12", "virbr0", "vnet3", "lxcbr0"};
	const struct interfaces_opts opts = {0};

	assert_true(interfaces_selects(&opts, "eth0", LAN));
	assert_true(interfaces_selects(&opts, "wlp3s0", LAN));
	assert_true(interfaces_selects(&opts, "br0", LAN)); /* somebody's real bridge */
	assert_false(interfaces_selects(&opts, "eth0", LAN & ~IFF_RUNNING));
	assert_false(interfaces_selects(&opts, "eth0", LAN & ~IFF_UP));
	assert_false(interfaces_selects(&opts, "lo", RUNS | IFF_LOOPBACK));
	assert_false(interfaces_selects(&opts, "tun0", RUNS | IFF_POINTOPOINT | IFF_MULTICAST));
	for (size_t i = 0; i < sizeof(virtual) / sizeof(virtual[0]); i++)
		assert_false(interfaces_selects(&opts, virtual[i], LAN));
}

static void named_or_all(void **state)
{
	static const char *const names[] = {"veth1", "lo"};
	const struct interfaces_opts named = {.names = names, .count = 2};
	const struct interfaces_opts all = {.all = true};

	assert_true(interfaces_selects(&named, "veth1", LAN));
	assert_true(interfaces_selects(&named, "lo", RUNS | IFF_LOOPBACK));
	assert_false(interfaces_selects(&named, "eth0", LAN));
	assert_false(interfaces_selects(&named, "veth1", IFF_BROADCAST));
	assert_true(interfaces_selects(&all, "docker0", LAN));
	assert_false(interfaces_selects(&all, "docker0", 0));
}

static void loopback_has_a_broadcast_address(void **state)
{
	static const char *const names[] = {"lo"};
	const struct interfaces_opts opts = {.names = names, .count = 1};
	struct interfaces first, second;

	assert_int_equal(interfaces_read(&opts, &first), 0);
	assert_int_equal(first.count, 1); /* no IPv6 there: it does not multicast */
	assert_string_equal(first.all[0].name, "lo");
	assert_int_equal(first.all[0].broadcast.s_addr, inet_addr("127.255.255.255"));
	assert_int_equal(interfaces_read(&opts, &second), 0);
	assert_true(interfaces_equal(&first, &second));
	assert_false(interfaces_has_network(&first));
	second.all[0].address.s_addr = inet_addr("192.0.2.1");
	assert_true(interfaces_has_network(&second));
	assert_false(interfaces_equal(&first, &second));
	second.count = 0;
	assert_false(interfaces_equal(&first, &second));
}

static void named_ones_that_are_not_there(void **state)
{
	static const char *const names[] = {"no-such-one"};
	const struct interfaces_opts opts = {.names = names, .count = 1};
	struct interfaces read;

	assert_int_equal(interfaces_read(&opts, &read), 0);
	assert_int_equal(read.count, 0);
	assert_false(interfaces_has_network(&read));
}

/* Where nothing else runs, there is loopback. */
static void never_nothing_by_default(void **state)
{
	const struct interfaces_opts opts = {0};
	struct interfaces read;

	assert_int_equal(interfaces_read(&opts, &read), 0);
	assert_true(read.count > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(which_by_default),
	    cmocka_unit_test(named_or_all),
	    cmocka_unit_test(loopback_has_a_broadcast_address),
	    cmocka_unit_test(named_ones_that_are_not_there),
	    cmocka_unit_test(never_nothing_by_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
