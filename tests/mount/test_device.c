/* `shelf device`: which device a word means, and what a removal says. On a real store, as the daemon runs it. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "mount/command.h"
#include "mount/library.h"
#include "store/device.h"
#include "store/peer.h"
#include "sync/naming.h"
#include "tests/lib/scratch.h"

struct world {
	struct scratch scratch;
	char *dir;
	struct key *self;
	struct library library;
	struct out out;
	struct buf said; /* on both streams */
};

static int sink_write(void *arg, enum out_stream stream, const void *data, size_t len)
{
	return stream == OUT_PROGRESS ? 0 : buf_append(arg, data, len);
}

static bool sink_cancelled(void *arg)
{
	return false;
}

static const struct out_sink sink = {.write = sink_write, .cancelled = sink_cancelled};

static int setup(void **state)
{
	const struct store_create_opts opts = {
	    .library_name = "Test", .device_name = "laptop", .library = uuid_random()};
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	assert_int_equal(base_init(), 0);
	assert_int_equal(scratch_init(&w->scratch), 0);
	w->dir = scratch_path(&w->scratch, "test.sdlibrary");
	assert_int_equal(key_generate(&w->self), 0);
	assert_int_equal(store_create(w->dir, &opts, w->self), 0);
	assert_int_equal(store_open(w->dir, w->self, &w->library.store), 0);
	out_init(&w->out, &sink, &w->said, false, false);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	out_release(&w->out);
	store_close(w->library.store);
	key_free(w->self);
	buf_release(&w->said);
	free(w->dir);
	scratch_release(&w->scratch);
	free(w);
	return 0;
}

struct addition {
	uint8_t public_key[KEY_PUBLIC_LEN];
	const char *name;
	const struct uuid *added_by;
};

static int do_add(struct txn *txn, void *arg)
{
	const struct addition *a = arg;

	return device_add(txn, a->public_key, a->name, strlen(a->name), a->added_by, NULL);
}

static struct uuid add(struct world *w, const char *name, const struct uuid *added_by)
{
	const struct store_write_opts opts = {.priority = STORE_INTERACTIVE};
	struct addition a = {.name = name, .added_by = added_by};

	random_bytes(a.public_key, sizeof(a.public_key));
	assert_int_equal(store_write(w->library.store, &opts, do_add, &a), 0);
	return key_id_of_public(a.public_key);
}

/* The exit code; what it said is in w->said, as text. */
static int run(struct world *w, const char *verb, const char *word, const char *more)
{
	char *words[] = {"device", (char *)verb, (char *)word, (char *)more};

	buf_clear(&w->said);
	return command_run(&w->library, &w->out, word == NULL ? 2 : more == NULL ? 3 : 4, words);
}

static void assert_said(struct world *w, const char *part)
{
	buf_append(&w->said, "", 1);
	w->said.len--;
	if (!strstr((const char *)w->said.data, part))
		fail_msg("\"%s\" is not in \"%s\"", part, (const char *)w->said.data);
}

static void assert_members(struct world *w, const char *expected)
{
	_cleanup_(buf_release) struct buf names = BUF_INIT;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	_cleanup_(free_ptr) char *text = NULL;
	struct device device;
	struct db *db;

	assert_int_equal(store_reader(w->library.store, &db), 0);
	assert_int_equal(device_list(db, 0, &rows), 0);
	while (device_next(&rows, &device) == 0)
		buf_printf(&names, "%s%.*s", names.len > 0 ? " " : "", (int)device.name_len, device.name);
	text = buf_take_str(&names);
	assert_string_equal(text, expected);
}

static void test_remove(void **state)
{
	struct world *w = *state;
	struct uuid phone = add(w, "phone", NULL);
	struct peer peer;

	add(w, "tablet", &phone);
	assert_int_equal(peer_seen(w->library.store, &phone, 5, "a:1"), 0);
	assert_int_equal(run(w, "remove", "phone", NULL), EXITCODE_DONE);
	assert_said(w, "Removed phone  (");
	assert_said(w, "It had added:\n  tablet  (");
	assert_members(w, "laptop tablet");
	assert_int_equal(peer_get(w->library.store, &phone, &peer), 0);
	assert_int_equal(peer.seen_ms, 0);
	assert_int_equal(run(w, "remove", "phone", NULL), EXITCODE_PARTIAL);
	assert_said(w, "no device called 'phone'");
}

static void test_remove_json(void **state)
{
	struct world *w = *state;
	struct uuid phone = add(w, "phone", NULL);

	add(w, "tab\"let", &phone);
	add(w, "other", NULL);
	assert_int_equal(run(w, "remove", "tab\"let", "--json"), EXITCODE_DONE);
	assert_said(w, "\"had_added\": []}");
	assert_int_equal(run(w, "remove", "phone", "--json"), EXITCODE_DONE);
	assert_said(w, "{\"removed\": {\"name\": \"phone\", \"id\": \"");
	assert_said(w, "{\"name\": \"tab\\\"let\", \"id\": \"");
	assert_said(w, "\"member\": false}\n]}");
	assert_members(w, "laptop other");
}

static void test_not_this_device(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, "remove", "laptop", NULL), EXITCODE_NOT_ALLOWED);
	assert_said(w, "'laptop' is this device");
	assert_members(w, "laptop");
}

static void test_rename(void **state)
{
	struct world *w = *state;

	add(w, "phone", NULL);
	assert_int_equal(run(w, "rename", "phone", "old phone"), EXITCODE_DONE);
	assert_int_equal(run(w, "rename", "laptop", "desk"), EXITCODE_DONE);
	assert_members(w, "desk old phone");
	assert_int_equal(run(w, "rename", "desk", "a/b"), EXITCODE_USAGE);
	assert_int_equal(run(w, "rename", "nobody", "x"), EXITCODE_PARTIAL);
	assert_members(w, "desk old phone");
}

static void test_two_of_one_name(void **state)
{
	struct world *w = *state;
	struct uuid first = add(w, "phone", NULL), second = add(w, "phone", NULL);
	char id[UUID_TEXT_LEN + 1], shown[TEXT_NAME_MAX + 1];

	assert_int_equal(run(w, "remove", "phone", NULL), EXITCODE_PARTIAL);
	assert_said(w, "more than one device is called 'phone'");
	uuid_to_text(&first, id);
	assert_said(w, id);
	assert_members(w, "laptop phone phone");
	assert_int_equal(run(w, "rename", id, "one"), EXITCODE_DONE);
	assert_members(w, "laptop one phone");
	naming_suffixed("phone", 5, false, &second, shown);
	assert_int_equal(run(w, "remove", shown, NULL), EXITCODE_DONE);
	assert_members(w, "laptop one");
}

static int set(struct world *w, const char *device, const char *what, const char *value)
{
	char *words[] = {"device", "set", (char *)device, (char *)what, (char *)value};

	buf_clear(&w->said);
	return command_run(&w->library, &w->out, 5, words);
}

static void test_set(void **state)
{
	static const struct {
		const char *device, *what, *value, *said;
		int code;
	} cases[] = {
		{"laptop", "sync", "off", "", EXITCODE_DONE},
		{"laptop", "sync", "maybe", "neither on nor off", EXITCODE_USAGE},
		{"laptop", "files", "off", "only sync can be set for it", EXITCODE_USAGE},
		{"laptop", "limit", "2M", "only sync can be set for it", EXITCODE_USAGE},
		{"laptop", "address", "nas.local:21000", "only sync can be set for it", EXITCODE_USAGE},
		{"phone", "sync", "off", "", EXITCODE_DONE},
		{"phone", "limit", "2M", "", EXITCODE_DONE},
		{"phone", "colour", "red", "cannot be set", EXITCODE_USAGE},
	};
	struct world *w = *state;
	struct uuid phone = add(w, "phone", NULL);
	const struct uuid *self = &store_info(w->library.store)->device;
	struct peer peer;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(set(w, cases[i].device, cases[i].what, cases[i].value), cases[i].code);
		assert_said(w, cases[i].said);
	}
	assert_int_equal(peer_get(w->library.store, self, &peer), 0);
	assert_false(peer.settings.sync);
	assert_int_equal(peer_get(w->library.store, &phone, &peer), 0);
	assert_false(peer.settings.sync);
	assert_int_equal(peer.settings.limit_bytes, 2000000);
	assert_int_equal(run(w, "list", NULL, NULL), EXITCODE_DONE);
	assert_said(w, "this device, sync off");
	assert_said(w, "offline, never seen, sync off");
	assert_int_equal(run(w, "list", "--json", NULL), EXITCODE_DONE);
	assert_said(w, "\"this\": true, \"sync\": false");
	assert_int_equal(set(w, "laptop", "sync", "on"), EXITCODE_DONE);
	assert_int_equal(peer_get(w->library.store, self, &peer), 0);
	assert_true(peer.settings.sync);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_remove), TEST(test_remove_json),	   TEST(test_not_this_device),
	    TEST(test_set), TEST(test_rename), TEST(test_two_of_one_name),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
