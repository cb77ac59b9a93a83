/* net/listener on all addresses, which nodes in tests do not use; reached over loopback only. */
#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"
#include "tests/lib/test.h"

struct seen {
	unsigned connections, gone;
	char from[NODE_ADDRESS_TEXT];
};

static void on_connection(void *arg, int fd, const struct sockaddr *from)
{
	struct seen *seen = arg;

	seen->connections++;
	address_to_text(from, seen->from);
	close(fd);
}

static void on_failed(void *arg, int error)
{
	fail_msg("accept: %d", error);
}

static void on_gone(void *arg)
{
	struct seen *seen = arg;

	seen->gone++;
}

static const struct listener_events events = {.connection = on_connection, .failed = on_failed, .gone = on_gone};

/* -1 where there is no such address family. */
static int connect_to(const char *text)
{
	struct sockaddr_storage address;
	int fd, r;

	assert_int_equal(address_from_text(text, &address), 0);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	r = connect(fd, (struct sockaddr *)&address,
		    address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	close(fd);
	return r;
}

static void hears_both_families(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "[::1]"};
	struct seen seen = {.connections = 0};
	struct listener *listener;
	char text[NODE_ADDRESS_TEXT];
	unsigned connections = 0;
	uv_loop_t loop;

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(listener_open(&loop, NULL, 0, &events, &seen, &listener), 0);
	assert_true(listener_port(listener) > 0);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%s:%u", hosts[i], listener_port(listener));
		if (connect_to(text) < 0 && i == 1)
			continue; /* a machine without IPv6 */
		connections++;
		uv_run(&loop, UV_RUN_ONCE);
		assert_int_equal(seen.connections, connections);
		assert_memory_equal(seen.from, hosts[i], strlen(hosts[i]));
	}
	assert_true(connections > 0);
	listener_close(listener);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(seen.gone, 1);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void taken_ports_are_refused(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct seen seen = {.connections = 0};
	struct listener *listener, *second;
	uv_loop_t loop;

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(listener_open(&loop, (struct sockaddr *)&address, 0, &events, &seen, &listener), 0);
	address.sin_port = htons(listener_port(listener));
	assert_int_equal(listener_open(&loop, (struct sockaddr *)&address, 0, &events, &seen, &second), -EADDRINUSE);
	listener_close(listener);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hears_both_families),
	    cmocka_unit_test(taken_ports_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
