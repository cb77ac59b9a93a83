#include "base/key.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/random.h"

_Static_assert(KEY_PUBLIC_LEN == crypto_scalarmult_BYTES && KEY_SECRET_LEN == crypto_scalarmult_SCALARBYTES, "X25519");

/* The whole struct lies in sodium memory. Bytes only: sodium_malloc aligns to the end of a page. */
struct key {
	uint8_t secret[KEY_SECRET_LEN];
	uint8_t public_key[KEY_PUBLIC_LEN];
};

/* Fills in the public half; from here on the key does not change. */
static int key_complete(struct key *key)
{
	if (crypto_scalarmult_base(key->public_key, key->secret) != 0)
		return -ERR_MALFORMED;
	sodium_mprotect_readonly(key);
	return 0;
}

int key_generate(struct key **ret_key)
{
	_cleanup_(key_freep) struct key *key = sodium_malloc(sizeof(*key));
	int r;

	if (!key)
		return -ENOMEM;
	random_bytes(key->secret, sizeof(key->secret));
	r = key_complete(key);
	if (r < 0)
		return r;
	*ret_key = TAKE_PTR(key);
	return 0;
}

static int check_key_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 07777 & ~(mode_t)(S_IRUSR | S_IWUSR)) != 0)
		return -EACCES;
	if (!S_ISREG(st.st_mode) || st.st_size != KEY_SECRET_LEN)
		return -ERR_MALFORMED;
	return 0;
}

static int read_secret(int fd, uint8_t secret[KEY_SECRET_LEN])
{
	ssize_t n;

	do
		n = read(fd, secret, KEY_SECRET_LEN);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == KEY_SECRET_LEN ? 0 : -ERR_MALFORMED;
}

int key_load(const char *path, struct key **ret_key)
{
	/* O_NONBLOCK: whoever put a FIFO there must not make us wait. */
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_(key_freep) struct key *key = NULL;
	int r;

	if (fd < 0)
		return -errno;
	r = check_key_file(fd);
	if (r < 0)
		return r;
	key = sodium_malloc(sizeof(*key));
	if (!key)
		return -ENOMEM;
	r = read_secret(fd, key->secret);
	if (r < 0)
		return r;
	r = key_complete(key);
	if (r < 0)
		return r;
	*ret_key = TAKE_PTR(key);
	return 0;
}

static int write_secret(int fd, const uint8_t secret[KEY_SECRET_LEN])
{
	ssize_t n;

	if (fchmod(fd, S_IRUSR | S_IWUSR) < 0) /* whatever the umask took away */
		return -errno;
	do
		n = write(fd, secret, KEY_SECRET_LEN);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n != KEY_SECRET_LEN)
		return -EIO;
	return fsync(fd) < 0 ? -errno : 0;
}

static int sync_folder_of(const char *path)
{
	_cleanup_(free_ptr) char *copy = strdup(path); /* dirname writes into it */
	_cleanup_(close_fd) int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* The file gets its name when it is complete: a crash in between must not leave a key that cannot be read. */
static int write_and_rename(const struct key *key, const char *draft, const char *path)
{
	_cleanup_(close_fd) int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = write_secret(fd, key->secret);
	if (r == 0 && renameat2(AT_FDCWD, draft, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0)
		unlink(draft);
	return r;
}

int key_save(const struct key *key, const char *path)
{
	_cleanup_(buf_release) struct buf draft = BUF_INIT;
	_cleanup_(free_ptr) char *draft_path = NULL;
	int r;

	buf_printf(&draft, "%s.%08x", path, random_below(UINT32_MAX));
	draft_path = buf_take_str(&draft);
	if (!draft_path)
		return -ENOMEM;
	r = write_and_rename(key, draft_path, path);
	if (r < 0)
		return r;
	return sync_folder_of(path);
}

const uint8_t *key_public(const struct key *key)
{
	return key->public_key;
}

const uint8_t *key_secret(const struct key *key)
{
	return key->secret;
}

struct uuid key_device_id(const struct key *key)
{
	return key_id_of_public(key->public_key);
}

struct uuid key_id_of_public(const uint8_t public_key[KEY_PUBLIC_LEN])
{
	uint8_t digest[HASH_LEN];

	hash_pair(public_key, KEY_PUBLIC_LEN, NULL, 0, digest, sizeof(digest));
	return uuid_v8(digest);
}

void key_free(struct key *key)
{
	sodium_free(key); /* wipes; NULL is fine */
}

void key_freep(struct key **key)
{
	key_free(*key);
}
