#include "base/key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

/* RFC 7748, section 6.1: Alice. */
static const uint8_t alice_secret[KEY_SECRET_LEN] = {
    0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
    0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
};
static const uint8_t alice_public[KEY_PUBLIC_LEN] = {
    0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a,
    0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
};

static int load(const struct scratch *s, const char *name)
{
	_cleanup_(free_ptr) char *path = scratch_path(s, name);
	_cleanup_(key_freep) struct key *key = NULL;
	int r = key_load(path, &key);

	if (r < 0)
		assert_null(key);
	return r;
}

static int load_with_mode(const struct scratch *s, unsigned mode)
{
	assert_int_equal(scratch_write(s, "mode", alice_secret, KEY_SECRET_LEN, mode), 0);
	return load(s, "mode");
}

static void save_and_load(void **state)
{
	struct scratch *s = *state;
	_cleanup_(free_ptr) char *path = scratch_path(s, "key");
	_cleanup_(key_freep) struct key *made = NULL;
	_cleanup_(key_freep) struct key *loaded = NULL;
	struct uuid made_id, loaded_id;
	struct stat st;

	assert_int_equal(key_generate(&made), 0);
	assert_int_equal(key_save(made, path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, KEY_SECRET_LEN);
	assert_int_equal(scratch_count(s), 1);
	assert_int_equal(key_load(path, &loaded), 0);
	assert_memory_equal(key_public(made), key_public(loaded), KEY_PUBLIC_LEN);
	made_id = key_device_id(made);
	loaded_id = key_device_id(loaded);
	assert_int_equal(uuid_cmp(&made_id, &loaded_id), 0);
}

static void save_ignores_the_umask(void **state)
{
	struct scratch *s = *state;
	_cleanup_(free_ptr) char *path = scratch_path(s, "key");
	_cleanup_(key_freep) struct key *key = NULL;
	mode_t old = umask(0777);
	struct stat st;
	int r;

	assert_int_equal(key_generate(&key), 0);
	r = key_save(key, path);
	umask(old);
	assert_int_equal(r, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
}

static void save_never_replaces(void **state)
{
	struct scratch *s = *state;
	_cleanup_(free_ptr) char *path = scratch_path(s, "key");
	_cleanup_(free_ptr) char *elsewhere = scratch_path(s, "no/such/folder");
	_cleanup_(key_freep) struct key *key = NULL;

	assert_int_equal(key_generate(&key), 0);
	assert_int_equal(scratch_write(s, "key", "old", 3, 0600), 0);
	assert_int_equal(key_save(key, path), -EEXIST);
	assert_int_equal(scratch_count(s), 1);
	assert_int_equal(load(s, "key"), -ERR_MALFORMED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(key_save(key, path), -EEXIST);
	assert_int_equal(key_save(key, elsewhere), -ENOENT);
	assert_int_equal(scratch_count(s), 1);
}

static void the_public_half_is_x25519(void **state)
{
	struct scratch *s = *state;
	_cleanup_(free_ptr) char *path = scratch_path(s, "alice");
	_cleanup_(key_freep) struct key *key = NULL;
	char text[UUID_TEXT_LEN + 1];
	struct uuid id;

	assert_int_equal(scratch_write(s, "alice", alice_secret, KEY_SECRET_LEN, 0600), 0);
	assert_int_equal(key_load(path, &key), 0);
	assert_memory_equal(key_public(key), alice_public, KEY_PUBLIC_LEN);
	assert_memory_equal(key_secret(key), alice_secret, KEY_SECRET_LEN);
	id = key_id_of_public(alice_public);
	uuid_to_text(&id, text);
	assert_string_equal(text, "7a91869e-4c11-8964-a069-72403b0a3d81"); /* Python's hashlib.blake2b, stamped */
	id = key_device_id(key);
	assert_memory_equal(id.bytes, key_id_of_public(alice_public).bytes, UUID_LEN);
}

static void modes(void **state)
{
	static const unsigned wrong[] = {0601, 0602, 0604, 0610,  0620,	 0640, 0644,
					 0660, 0666, 0700, 01600, 04600, 02600};

	assert_int_equal(load_with_mode(*state, 0600), 0);
	assert_int_equal(load_with_mode(*state, 0400), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(load_with_mode(*state, wrong[i]), -EACCES);
}

static void other_owner(void **state)
{
	struct scratch *s = *state;
	_cleanup_(free_ptr) char *path = scratch_path(s, "key");

	if (geteuid() != 0)
		skip();
	assert_int_equal(scratch_write(s, "key", alice_secret, KEY_SECRET_LEN, 0600), 0);
	assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
	assert_int_equal(load(s, "key"), -EACCES);
}

static void lengths(void **state)
{
	struct scratch *s = *state;
	uint8_t data[KEY_SECRET_LEN + 1] = {1};

	for (size_t len = 0; len <= sizeof(data); len++) {
		assert_int_equal(scratch_write(s, "key", data, len, 0600), 0);
		assert_int_equal(load(s, "key"), len == KEY_SECRET_LEN ? 0 : -ERR_MALFORMED);
	}
}

static void things_that_are_no_file(void **state)
{
	struct scratch *s = *state;
	_cleanup_(free_ptr) char *fifo = scratch_path(s, "fifo");
	_cleanup_(free_ptr) char *link = scratch_path(s, "link");
	_cleanup_(free_ptr) char *folder = scratch_path(s, "folder");

	assert_int_equal(load(s, "missing"), -ENOENT);
	assert_int_equal(scratch_write(s, "key", alice_secret, KEY_SECRET_LEN, 0600), 0);
	assert_int_equal(symlink("key", link), 0);
	assert_int_equal(load(s, "link"), -ELOOP);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(load(s, "fifo"), -ERR_MALFORMED);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(load(s, "folder"), -EACCES);
}

static void generated_keys_differ(void **state)
{
	_cleanup_(key_freep) struct key *a = NULL;
	_cleanup_(key_freep) struct key *b = NULL;

	assert_int_equal(key_generate(&a), 0);
	assert_int_equal(key_generate(&b), 0);
	assert_memory_not_equal(key_public(a), key_public(b), KEY_PUBLIC_LEN);
	key_free(NULL);
}

static int prepare(void **state)
{
	return base_init();
}

static int set_up(void **state)
{
	static struct scratch s;

	*state = &s;
	return scratch_init(&s);
}

static int tear_down(void **state)
{
	scratch_release(*state);
	return 0;
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_SCRATCH(save_and_load),
	    WITH_SCRATCH(save_ignores_the_umask),
	    WITH_SCRATCH(save_never_replaces),
	    WITH_SCRATCH(the_public_half_is_x25519),
	    WITH_SCRATCH(modes),
	    WITH_SCRATCH(other_owner),
	    WITH_SCRATCH(lengths),
	    WITH_SCRATCH(things_that_are_no_file),
	    cmocka_unit_test(generated_keys_differ),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
