/* Peers in sync.db: what is remembered, what is forgotten, and that an older file is made anew. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/event.h"
#include "store/internal.h"
#include "store/migrate.h"
#include "store/peer.h"
#include "tests/lib/library.h"

static const struct uuid phone = {{0xaa, 1}}, desk = {{0xbb, 2}};

static int setup(void **state)
{
	struct library *l = calloc(1, sizeof(*l));

	library_init(l);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	library_release(*state);
	free(*state);
	return 0;
}

/* "a m:b": addresses in order, manual ones with m. */
static void assert_addresses(struct library *l, const struct uuid *device, const char *expected)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	_cleanup_(free_ptr) char *text = NULL;
	struct peer_addresses addresses;

	assert_int_equal(peer_addresses(l->store, device, &addresses), 0);
	for (size_t i = 0; i < addresses.count; i++)
		buf_printf(&b, "%s%s%s", i > 0 ? " " : "", addresses.items[i].manual ? "m:" : "",
			   addresses.items[i].text);
	text = buf_take_str(&b);
	assert_string_equal(text ? text : "", expected);
}

static void test_defaults(void **state)
{
	struct library *l = *state;
	struct peer peer;

	assert_int_equal(peer_get(l->store, &phone, &peer), 0);
	assert_int_equal(uuid_cmp(&peer.device, &phone), 0);
	assert_int_equal(peer.seen_ms, 0);
	assert_string_equal(peer.address, "");
	assert_true(peer.settings.sync);
	assert_true(peer.settings.kinds == PEER_KINDS_ALL);
	assert_int_equal(peer.settings.limit_bytes, 0);
	assert_string_equal(peer.error, "");
	assert_addresses(l, &phone, "");
}

static void test_seen_and_failed(void **state)
{
	struct library *l = *state;
	char text[400];
	struct peer peer;

	assert_int_equal(peer_seen(l->store, &phone, 1000, "10.0.0.2:4000"), 0);
	assert_int_equal(peer_failed(l->store, &phone, 2000, "no route"), 0);
	library_reopen(l);
	assert_int_equal(peer_get(l->store, &phone, &peer), 0);
	assert_int_equal(peer.seen_ms, 1000);
	assert_string_equal(peer.address, "10.0.0.2:4000");
	assert_string_equal(peer.error, "no route");
	assert_int_equal(peer.error_ms, 2000);
	/* A success ends the error; where it came from may be unknown. */
	assert_int_equal(peer_seen(l->store, &phone, 3000, NULL), 0);
	assert_int_equal(peer_get(l->store, &phone, &peer), 0);
	assert_int_equal(peer.seen_ms, 3000);
	assert_string_equal(peer.address, "10.0.0.2:4000");
	assert_string_equal(peer.error, "");
	memset(text, 'x', sizeof(text));
	text[254] = '\xc3', text[255] = '\xa9', text[399] = '\0'; /* a character across the limit */
	assert_int_equal(peer_failed(l->store, &phone, 4000, text), 0);
	assert_int_equal(peer_get(l->store, &phone, &peer), 0);
	assert_int_equal(strlen(peer.error), 254);
	assert_int_equal(peer_get(l->store, &desk, &peer), 0);
	assert_int_equal(peer.seen_ms, 0);
}

static void test_addresses(void **state)
{
	struct library *l = *state;
	char address[300];

	assert_int_equal(peer_seen(l->store, &phone, 1, "a:1"), 0);
	assert_int_equal(peer_seen(l->store, &phone, 2, "b:1"), 0);
	assert_addresses(l, &phone, "b:1 a:1");
	assert_int_equal(peer_seen(l->store, &phone, 3, "a:1"), 0);
	assert_addresses(l, &phone, "a:1 b:1");
	assert_int_equal(peer_add_address(l->store, &phone, "host:9"), 0);
	assert_int_equal(peer_add_address(l->store, &phone, "a:1"), 0);
	assert_addresses(l, &phone, "m:a:1 m:host:9 b:1");
	assert_int_equal(peer_add_address(l->store, &phone, "host:9"), 0);
	assert_addresses(l, &phone, "m:host:9 m:a:1 b:1");
	assert_int_equal(peer_remove_address(l->store, &phone, "a:1"), 0);
	assert_int_equal(peer_remove_address(l->store, &phone, "a:1"), -ENOENT);
	assert_addresses(l, &phone, "m:host:9 a:1 b:1");
	assert_addresses(l, &desk, "");
	memset(address, 'x', sizeof(address));
	address[256] = '\0';
	assert_int_equal(peer_seen(l->store, &phone, 4, address), -EINVAL);
	assert_int_equal(peer_add_address(l->store, &phone, ""), -EINVAL);
	address[255] = '\0';
	assert_int_equal(peer_seen(l->store, &phone, 4, address), 0);
}

static void test_addresses_are_bounded(void **state)
{
	struct library *l = *state;
	struct peer_addresses addresses;
	char address[32];

	for (int i = 0; i < 40; i++) {
		snprintf(address, sizeof(address), "10.0.0.%d:1", i);
		assert_int_equal(peer_seen(l->store, &phone, (uint64_t)i, address), 0);
		snprintf(address, sizeof(address), "manual%d:1", i);
		assert_int_equal(peer_add_address(l->store, &phone, address),
				 i < PEER_ADDRESSES_MAX ? 0 : -ERR_TOO_LARGE);
	}
	assert_int_equal(peer_seen(l->store, &desk, 1, "only:1"), 0);
	assert_int_equal(peer_addresses(l->store, &phone, &addresses), 0);
	assert_int_equal(addresses.count, 2 * PEER_ADDRESSES_MAX);
	assert_string_equal(addresses.items[0].text, "manual15:1");
	assert_string_equal(addresses.items[PEER_ADDRESSES_MAX].text, "10.0.0.39:1");
	assert_string_equal(addresses.items[2 * PEER_ADDRESSES_MAX - 1].text, "10.0.0.24:1");
	assert_addresses(l, &desk, "only:1");
}

static void test_settings(void **state)
{
	struct library *l = *state;
	const struct peer_settings wanted = {.sync = false, .kinds = 5, .limit_bytes = 1000000};
	const struct peer_settings beyond = {.limit_bytes = UINT64_MAX};
	const struct peer_settings defaults = PEER_SETTINGS_DEFAULT;
	struct peer peer;

	assert_int_equal(peer_set(l->store, &phone, &wanted), 0);
	assert_int_equal(peer_set(l->store, &phone, &beyond), -EINVAL);
	assert_int_equal(peer_seen(l->store, &phone, 7, "a:1"), 0);
	library_reopen(l);
	assert_int_equal(peer_get(l->store, &phone, &peer), 0);
	assert_false(peer.settings.sync);
	assert_int_equal(peer.settings.kinds, 5);
	assert_int_equal(peer.settings.limit_bytes, 1000000);
	assert_int_equal(peer_set(l->store, &phone, &defaults), 0);
	assert_int_equal(peer_get(l->store, &phone, &peer), 0);
	assert_true(peer.settings.kinds == PEER_KINDS_ALL);
	assert_int_equal(peer.seen_ms, 7);
}

static void test_forget_and_clean(void **state)
{
	struct library *l = *state;
	const struct uuid *self = &store_info(l->store)->device; /* a member */
	struct peer peer;

	assert_int_equal(peer_seen(l->store, self, 7, "a:1"), 0);
	assert_int_equal(peer_seen(l->store, &phone, 7, "a:1"), 0);
	assert_int_equal(peer_add_address(l->store, &desk, "a:1"), 0);
	assert_int_equal(peer_forget(l->store, &phone), 0);
	assert_int_equal(peer_get(l->store, &phone, &peer), 0);
	assert_int_equal(peer.seen_ms, 0);
	assert_addresses(l, &phone, "");
	assert_addresses(l, &desk, "m:a:1");
	assert_int_equal(peer_clean(l->store), 1);
	assert_addresses(l, &desk, "");
	assert_addresses(l, self, "a:1");
	assert_int_equal(peer_clean(l->store), 0);
}

static int tell(void *arg, const struct event *event)
{
	assert_non_null(strstr(event->text, "of another version"));
	++*(int *)arg;
	return 0;
}

static void assert_made_anew(struct library *l, int version)
{
	_cleanup_(free_ptr) char *path = scratch_path(&l->scratch, "test.sdlibrary/sync.db");
	_cleanup_(connection_closep) sqlite3 *connection = NULL;
	char sql[64];
	int events = 0;

	store_close(l->store);
	l->store = NULL;
	assert_int_equal(connection_open(path, DB_WRITE, &connection), 0);
	snprintf(sql, sizeof(sql), "DROP TABLE peer; PRAGMA user_version = %d", version);
	assert_int_equal(connection_exec(connection, sql), 0);
	connection_closep(&connection);
	connection = NULL;
	assert_int_equal(store_open(l->dir, l->key, &l->store), 0);
	assert_int_equal(event_list(l->store, 10, tell, &events), 0);
	assert_int_equal(events, 1);
	assert_int_equal(peer_seen(l->store, &phone, 1, "a:1"), 0);
}

static void test_another_version_is_made_anew(void **state)
{
	assert_made_anew(*state, 1);
	assert_made_anew(*state, SYNC_DB_VERSION + 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_defaults),
	    TEST(test_seen_and_failed),
	    TEST(test_addresses),
	    TEST(test_addresses_are_bounded),
	    TEST(test_settings),
	    TEST(test_forget_and_clean),
	    TEST(test_another_version_is_made_anew),
	};

	return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
