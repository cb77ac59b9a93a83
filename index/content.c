#include "index/content.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

static int add_piece(struct hash *hash, int fd, uint64_t from, uint64_t len, void *buffer, const atomic_bool *stop)
{
	while (len > 0) {
		ssize_t got;

		if (stop && atomic_load_explicit(stop, memory_order_relaxed))
			return -ECANCELED;
		got = pread(fd, buffer, len < CONTENT_BUFFER ? len : CONTENT_BUFFER, (off_t)from);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -ERR_STALE;
		hash_update(hash, buffer, (size_t)got);
		from += (uint64_t)got;
		len -= (uint64_t)got;
	}
	return 0;
}

static int add_samples(struct hash *hash, int fd, uint64_t size, void *buffer, const atomic_bool *stop)
{
	uint64_t gap = size - 2 * CONTENT_END_BYTES;
	int r;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* what lies between the pieces is not wanted */
	r = add_piece(hash, fd, 0, CONTENT_END_BYTES, buffer, stop);
	for (unsigned i = 0; i < CONTENT_BLOCKS && r >= 0; i++) {
		uint64_t middle = CONTENT_END_BYTES + gap / (2 * CONTENT_BLOCKS) * (2 * i + 1);

		r = add_piece(hash, fd, middle - CONTENT_BLOCK_BYTES / 2, CONTENT_BLOCK_BYTES, buffer, stop);
	}
	if (r >= 0)
		r = add_piece(hash, fd, size - CONTENT_END_BYTES, CONTENT_END_BYTES, buffer, stop);
	return r;
}

int content_id(int fd, uint64_t size, void *buffer, const atomic_bool *stop, uint8_t ret_id[HASH128_LEN])
{
	_cleanup_(hash_freep) struct hash *hash = NULL;
	uint8_t head[8];
	int r;

	r = hash_new(HASH128_LEN, &hash);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < sizeof(head); i++)
		head[i] = (uint8_t)(size >> (8 * i));
	hash_update(hash, head, sizeof(head));
	if (size <= CONTENT_WHOLE_MAX)
		r = add_piece(hash, fd, 0, size, buffer, stop);
	else
		r = add_samples(hash, fd, size, buffer, stop);
	if (r >= 0)
		hash_final(hash, ret_id);
	return r;
}
