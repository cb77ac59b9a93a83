#include "fs/callset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 64, KEPT_NAMES_BYTES = 256 * 1024 };

enum call_kind { CALL_NAME, CALL_INODE };

struct callset_item {
	uint64_t ino;      /* CALL_NAME: of the directory */
	uint32_t name_at;  /* in `names` */
	uint16_t name_len;
	uint8_t kind;
	bool strong;       /* drop_entry instead of expire_entry, drop_content instead of drop_attr */
};

struct key {
	enum call_kind kind;
	uint64_t ino;
	const char *name;
	size_t len;
};

/* FNV-1a. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t hash_key(const struct key *key)
{
	uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325) + key->kind, &key->ino, sizeof(key->ino));

	return hash_bytes(hash, key->name, key->len);
}

static struct key key_of(const struct callset *set, const struct callset_item *item)
{
	return (struct key){
		.kind = (enum call_kind)item->kind,
		.ino = item->ino,
		.name = (const char *)set->names.data + item->name_at,
		.len = item->name_len,
	};
}

static bool key_equal(const struct key *a, const struct key *b)
{
	if (a->kind != b->kind || a->ino != b->ino || a->len != b->len)
		return false;
	return a->len == 0 || memcmp(a->name, b->name, a->len) == 0;
}

/* The slot of the key, or the free one where it belongs. */
static uint32_t *find_slot(const struct callset *set, const struct key *key)
{
	size_t mask = set->capacity * 2 - 1;

	for (size_t at = hash_key(key) & mask;; at = (at + 1) & mask) {
		if (set->slots[at] == 0)
			return &set->slots[at];
		struct key other = key_of(set, &set->items[set->slots[at] - 1]);
		if (key_equal(key, &other))
			return &set->slots[at];
	}
}

static int grow(struct callset *set)
{
	size_t capacity = set->capacity ? set->capacity * 2 : CAPACITY_FIRST;
	struct callset_item *items = reallocarray(set->items, capacity, sizeof(*items));
	uint32_t *slots;

	if (!items)
		return -ENOMEM;
	set->items = items;
	slots = calloc(capacity * 2, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(set->slots);
	set->slots = slots;
	set->capacity = capacity;
	for (size_t i = 0; i < set->count; i++) {
		struct key key = key_of(set, &set->items[i]);
		*find_slot(set, &key) = (uint32_t)(i + 1);
	}
	return 0;
}

static int add(struct callset *set, const struct key *key, bool strong)
{
	struct callset_item *item;
	uint32_t *slot;
	int r = set->count == set->capacity ? grow(set) : 0;

	if (r < 0)
		return r;
	slot = find_slot(set, key);
	if (*slot != 0) {
		item = &set->items[*slot - 1];
		item->strong = item->strong || strong;
		return 0;
	}
	item = &set->items[set->count];
	*item = (struct callset_item){
		.ino = key->ino,
		.name_at = (uint32_t)set->names.len,
		.name_len = (uint16_t)key->len,
		.kind = (uint8_t)key->kind,
		.strong = strong,
	};
	r = buf_append(&set->names, key->name, key->len);
	if (r < 0)
		return r;
	*slot = (uint32_t)++set->count;
	return 0;
}

int callset_expire_entry(struct callset *set, uint64_t parent, const char *name, size_t len)
{
	return add(set, &(struct key){ CALL_NAME, parent, name, len }, false);
}

int callset_drop_entry(struct callset *set, uint64_t parent, const char *name, size_t len)
{
	return add(set, &(struct key){ CALL_NAME, parent, name, len }, true);
}

int callset_drop_attr(struct callset *set, uint64_t ino)
{
	return add(set, &(struct key){ .kind = CALL_INODE, .ino = ino }, false);
}

int callset_drop_content(struct callset *set, uint64_t ino)
{
	return add(set, &(struct key){ .kind = CALL_INODE, .ino = ino }, true);
}

static void call_name(const struct callset *set, const struct callset_item *item)
{
	const char *name = (const char *)set->names.data + item->name_at;

	if (item->strong)
		set->calls->drop_entry(set->arg, item->ino, name, item->name_len);
	else
		set->calls->expire_entry(set->arg, item->ino, name, item->name_len);
}

static void call_inode(const struct callset *set, const struct callset_item *item)
{
	if (item->strong)
		set->calls->drop_content(set->arg, item->ino);
	else
		set->calls->drop_attr(set->arg, item->ino);
}

static void empty(struct callset *set)
{
	set->count = 0;
	buf_clear(&set->names);
	if (set->names.capacity > KEPT_NAMES_BYTES) /* a large batch, of which there are few */
		buf_release(&set->names);
	if (set->capacity > CALLSET_FULL) {
		free(set->items);
		free(set->slots);
		set->items = NULL;
		set->slots = NULL;
		set->capacity = 0;
	} else if (set->slots) {
		memset(set->slots, 0, set->capacity * 2 * sizeof(*set->slots));
	}
}

void callset_run(struct callset *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->items[i].kind == CALL_NAME)
			call_name(set, &set->items[i]);
	for (size_t i = 0; i < set->count; i++)
		if (set->items[i].kind == CALL_INODE)
			call_inode(set, &set->items[i]);
	empty(set);
}

void callset_release(struct callset *set)
{
	free(set->items);
	free(set->slots);
	buf_release(&set->names);
}
