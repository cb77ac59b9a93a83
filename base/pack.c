#include "base/pack.h"

#include <assert.h>
#include <msgpack/pack.h>

static int append(void *b, const char *data, size_t len)
{
	return buf_append(b, data, len);
}

static msgpack_packer packer_on(struct buf *b)
{
	return (msgpack_packer){.data = b, .callback = append};
}

void pack_array(struct buf *b, uint32_t count)
{
	msgpack_packer packer = packer_on(b);

	msgpack_pack_array(&packer, count);
}

void pack_map(struct buf *b, uint32_t pairs)
{
	msgpack_packer packer = packer_on(b);

	msgpack_pack_map(&packer, pairs);
}

void pack_uint(struct buf *b, uint64_t value)
{
	msgpack_packer packer = packer_on(b);

	msgpack_pack_uint64(&packer, value);
}

void pack_bool(struct buf *b, bool value)
{
	msgpack_packer packer = packer_on(b);

	if (value)
		msgpack_pack_true(&packer);
	else
		msgpack_pack_false(&packer);
}

void pack_bin(struct buf *b, const void *bytes, size_t len)
{
	msgpack_packer packer = packer_on(b);

	assert(len <= UINT32_MAX);
	msgpack_pack_bin(&packer, len);
	msgpack_pack_bin_body(&packer, bytes, len);
}

void pack_str(struct buf *b, const char *text, size_t len)
{
	msgpack_packer packer = packer_on(b);

	assert(len <= UINT32_MAX);
	msgpack_pack_str(&packer, len);
	msgpack_pack_str_body(&packer, text, len);
}
