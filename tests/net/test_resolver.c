#include "net/resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/err.h"
#include "tests/lib/test.h"

enum { NAMES_MAX = PAIRING_ADDRESSES_MAX };

struct answers {
	struct resolver *resolver;
	unsigned found[NAMES_MAX];
	in_port_t port[NAMES_MAX];
	int error[NAMES_MAX];
	unsigned looked_up;
	bool close_at_first;
	bool closed;
};

static void on_closed(void *arg)
{
	((struct answers *)arg)->closed = true;
}

static void on_found(void *arg, size_t which, const struct sockaddr *address)
{
	struct answers *a = arg;

	a->found[which]++;
	a->port[which] = ntohs(address->sa_family == AF_INET ? ((const struct sockaddr_in *)address)->sin_port
							     : ((const struct sockaddr_in6 *)address)->sin6_port);
}

static void on_looked_up(void *arg, size_t which, int error)
{
	struct answers *a = arg;

	assert_int_equal(which, a->looked_up++);
	a->error[which] = error;
	if (a->close_at_first)
		resolver_close(a->resolver, on_closed, a);
}

static void start(uv_loop_t *loop, struct answers *a, const char *const *names, size_t count)
{
	struct resolver_opts opts = {
	    .names = names, .count = count, .found = on_found, .looked_up = on_looked_up, .arg = a};

	assert_int_equal(uv_loop_init(loop), 0);
	assert_int_equal(resolver_new(&opts, &a->resolver), 0);
	assert_false(resolver_is_done(a->resolver));
	resolver_start(a->resolver, loop);
}

static void one_after_another(void **state)
{
	static const char *const names[] = {"127.0.0.1:4000", "a..b:80", "[::1]:4001", "localhost:4002"};
	struct answers a = {0};
	uv_loop_t loop;

	start(&loop, &a, names, 4);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(a.looked_up, 4);
	assert_true(resolver_is_done(a.resolver));
	assert_int_equal(a.found[0], 1);
	assert_int_equal(a.port[0], 4000);
	assert_int_equal(a.found[1], 0);
	assert_true(a.error[1] < 0); /* no such name can be */
	assert_int_equal(a.port[2], 4001);
	assert_true(a.found[3] >= 1);
	assert_int_equal(a.port[3], 4002);
	assert_int_equal(a.error[0] | a.error[2] | a.error[3], 0);
	resolver_close(a.resolver, on_closed, &a);
	assert_true(a.closed);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* Within the callback, for a name that can be asked for and for one that cannot. */
static void closed_within_its_callback(void **state)
{
	static const char *const names[] = {"127.0.0.1:4000", "\xff\xff:80", "127.0.0.1:4001"};

	for (size_t first = 0; first < 2; first++) {
		struct answers a = {.close_at_first = true};
		uv_loop_t loop;

		start(&loop, &a, names + first, 2);
		uv_run(&loop, UV_RUN_DEFAULT);
		assert_int_equal(a.looked_up, 1);
		assert_true(a.closed);
		assert_int_equal(uv_loop_close(&loop), 0);
	}
}

static void closed_while_it_looks(void **state)
{
	static const char *const names[] = {"127.0.0.1:4000"};
	struct answers a = {0};
	uv_loop_t loop;

	start(&loop, &a, names, 1);
	resolver_close(a.resolver, on_closed, &a);
	assert_false(a.closed);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(a.closed);
	assert_int_equal(a.looked_up, 0);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void bad_names(void **state)
{
	static const char *const names[NAMES_MAX + 1] = {"localhost"};
	struct resolver_opts opts = {.names = names, .count = 1};
	struct resolver *r = NULL;

	assert_int_equal(resolver_new(&opts, &r), -ERR_MALFORMED);
	opts.count = NAMES_MAX + 1;
	assert_int_equal(resolver_new(&opts, &r), -ERR_TOO_LARGE);
	assert_null(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_after_another),
	    cmocka_unit_test(closed_within_its_callback),
	    cmocka_unit_test(closed_while_it_looks),
	    cmocka_unit_test(bad_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
