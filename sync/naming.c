#include "sync/naming.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"

/* Random, version 4. They are part of the protocol: never changed. */
const struct uuid naming_favorites = {
    {0xd2, 0xe2, 0xc9, 0x7a, 0x26, 0xdd, 0x40, 0x7a, 0xb7, 0x09, 0x39, 0x76, 0xb6, 0x5a, 0xe4, 0xcd}};
static const struct uuid tag_space = {
    {0x7b, 0x21, 0x4a, 0x71, 0xc2, 0x11, 0x49, 0xcb, 0x81, 0x3a, 0x6c, 0x98, 0x53, 0xb5, 0x4f, 0x1c}};
static const struct uuid album_space = {
    {0x60, 0xc9, 0x26, 0x2a, 0x9c, 0x9c, 0x4b, 0xaf, 0x91, 0x98, 0x5e, 0x9e, 0x88, 0x19, 0xee, 0xab}};

enum {
	SUFFIX_DIGITS = 8,
	SUFFIX_LEN = SUFFIX_DIGITS + 3, /* " (", ")" */
	EXTENSION_MAX = 32,		/* with the dot; what is longer is part of the name */
};

struct uuid naming_collection(enum model_kind kind, const char *nfc, size_t len)
{
	assert(kind == MODEL_TAG || kind == MODEL_ALBUM);
	return uuid_v5(kind == MODEL_TAG ? &tag_space : &album_space, nfc, len);
}

struct uuid naming_collection_next(const struct uuid *held, const char *nfc, size_t len)
{
	return uuid_v5(held, nfc, len);
}

/* Where the extension starts, with its dot; `len` when there is none. Dots at the start of a name begin no extension,
 * and no extension has a space in it ("Mr. Smith"): as every suffix has one, a suffix at the end of a name is never
 * taken for a part of its extension, so a suffix is found again where it was put. */
static size_t extension_at(const char *name, size_t len)
{
	size_t first = 0;

	while (first < len && name[first] == '.')
		first++;
	for (size_t at = len; at-- > first + 1 && len - at <= EXTENSION_MAX;) {
		if (name[at] == ' ')
			return len;
		if (name[at] == '.')
			return at;
	}
	return len;
}

static void make_suffix(const struct uuid *id, char ret_suffix[SUFFIX_LEN])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[HASH_LEN];
	char *at = ret_suffix;

	hash_pair(id->bytes, UUID_LEN, NULL, 0, digest, sizeof(digest));
	*at++ = ' ';
	*at++ = '(';
	for (size_t i = 0; i < SUFFIX_DIGITS / 2; i++) {
		*at++ = digits[digest[i] >> 4];
		*at++ = digits[digest[i] & 0x0f];
	}
	*at = ')';
}

size_t naming_suffixed(const void *name, size_t len, bool is_file, const struct uuid *id,
		       char ret_name[TEXT_NAME_MAX + 1])
{
	const char *text = name;
	size_t base_len = is_file ? extension_at(text, len) : len;
	size_t extension_len = len - base_len;
	size_t kept = text_cut(text, base_len, TEXT_NAME_MAX - SUFFIX_LEN - extension_len);
	char *at = ret_name;

	at = mempcpy(at, text, kept);
	make_suffix(id, at);
	at = mempcpy(at + SUFFIX_LEN, text + base_len, extension_len);
	*at = '\0';
	return (size_t)(at - ret_name);
}

static bool is_suffix(const char *at)
{
	if (at[0] != ' ' || at[1] != '(' || at[SUFFIX_LEN - 1] != ')')
		return false;
	for (size_t i = 2; i < SUFFIX_LEN - 1; i++) {
		if (!memchr("0123456789abcdef", at[i], 16))
			return false;
	}
	return true;
}

/* Whether the plain name, which is `name` without the suffix at `at`, would get its suffix there. `extension` is where
 * the extension of `name` starts. */
static bool suffix_belongs(const char *name, size_t len, size_t at, size_t extension)
{
	char plain[TEXT_NAME_MAX];
	size_t plain_len = len - SUFFIX_LEN;

	/* A cut takes three bytes too many at most. Of a name that may have been cut, the start of the base is all that
	 * is known. */
	if (len + 3 >= TEXT_NAME_MAX)
		return true;
	memcpy(plain, name, at);
	memcpy(plain + at, name + extension, len - extension);
	return text_is_filename(plain, plain_len) && (extension == len || extension_at(plain, plain_len) == at);
}

bool naming_has_suffix(const void *name, size_t len, size_t *ret_at, size_t *ret_cut)
{
	const char *text = name;
	size_t extension, at;

	if (!text_is_filename(name, len))
		return false;
	extension = extension_at(text, len);
	if (extension <= SUFFIX_LEN)
		return false;
	at = extension - SUFFIX_LEN;
	if (!is_suffix(text + at) || !suffix_belongs(text, len, at, extension))
		return false;
	*ret_at = at;
	*ret_cut = SUFFIX_LEN;
	return true;
}
