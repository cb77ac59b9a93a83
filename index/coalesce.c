/* One item for each place in a chained hash table. An item is pending (it will be given out) or resting (it was given
 * out a moment ago and remembers when, for the rates). A pending item with `not_before` 0 goes with the window, which
 * opens at the first event and closes when it has been quiet or has lasted long enough; one with a time goes at that
 * time.
 *
 * Always true: `pending` counts the pending items; `next_hold` is at most the least `not_before` of a pending item;
 * `loads` holds, for each directory with pending items, how many of them are names, and whether one is the whole. */
#include "index/coalesce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "index/idmap.h"

#define LOAD_WHOLE (UINT64_C(1) << 32) /* in `loads`: the whole directory is pending; below it the number of names */

struct item {
	struct item *next;
	int64_t dir;
	uint64_t not_before; /* 0: with the window */
	uint64_t taken_ms;   /* when it was given out last; 0 = not yet */
	uint32_t cookie;     /* of the move it waits for; 0 = none */
	unsigned tries;
	bool pending;
	bool whole;
	bool deep;
	bool writing;
	bool rests; /* its rate is limited */
	bool moved; /* something was moved to it */
	uint16_t len;
	char name[];
};

struct coalesce {
	struct item **buckets; /* owned, with the items */
	size_t bucket_count;   /* a power of two */
	size_t count;
	size_t pending;
	struct idmap loads;   /* dir -> names | LOAD_WHOLE */
	struct idmap cookies; /* cookie -> item that waits for it */
	bool window;	      /* is open since first_ms */
	uint64_t first_ms, last_ms;
	uint64_t next_hold;
	bool lost;
};

int coalesce_new(struct coalesce **ret_coalesce)
{
	_cleanup_(free_ptr) struct coalesce *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->bucket_count = 64;
	c->buckets = calloc(c->bucket_count, sizeof(struct item *));
	if (!c->buckets)
		return -ENOMEM;
	c->next_hold = UINT64_MAX;
	*ret_coalesce = TAKE_PTR(c);
	return 0;
}

void coalesce_free(struct coalesce *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->bucket_count; i++)
		while (c->buckets[i]) {
			struct item *item = c->buckets[i];

			c->buckets[i] = item->next;
			free(item);
		}
	free(c->buckets);
	idmap_release(&c->loads);
	idmap_release(&c->cookies);
	free(c);
}

/* --- the table --- */

static struct item **bucket_of(const struct coalesce *c, int64_t dir, bool whole, const char *name, size_t len)
{
	uint64_t hash = ((uint64_t)dir * 2 + whole) * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < len; i++) /* FNV-1a */
		hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	return &c->buckets[(hash >> 24) & (c->bucket_count - 1)];
}

static struct item *find(const struct coalesce *c, int64_t dir, bool whole, const char *name, size_t len)
{
	struct item *item = *bucket_of(c, dir, whole, name, len);

	while (item &&
	       !(item->dir == dir && item->whole == whole && item->len == len && memcmp(item->name, name, len) == 0))
		item = item->next;
	return item;
}

/* A larger table is only faster, so that there is no memory for it does not matter. */
static void grow(struct coalesce *c)
{
	struct coalesce larger = {.bucket_count = c->bucket_count * 4};

	larger.buckets = calloc(larger.bucket_count, sizeof(struct item *));
	if (!larger.buckets)
		return;
	for (size_t i = 0; i < c->bucket_count; i++)
		while (c->buckets[i]) {
			struct item *item = c->buckets[i];
			struct item **to = bucket_of(&larger, item->dir, item->whole, item->name, item->len);

			c->buckets[i] = item->next;
			item->next = *to;
			*to = item;
		}
	free(c->buckets);
	c->buckets = larger.buckets;
	c->bucket_count = larger.bucket_count;
}

static struct item *find_or_add(struct coalesce *c, int64_t dir, bool whole, const char *name, size_t len)
{
	struct item *item = find(c, dir, whole, name, len);
	struct item **bucket;

	if (item)
		return item;
	if (c->count >= c->bucket_count * 2)
		grow(c);
	item = calloc(1, sizeof(*item) + len + 1);
	if (!item)
		return NULL;
	item->dir = dir;
	item->whole = whole;
	item->len = (uint16_t)len;
	if (len > 0)
		memcpy(item->name, name, len);
	bucket = bucket_of(c, dir, whole, name, len);
	item->next = *bucket;
	*bucket = item;
	c->count++;
	return item;
}

/* --- states of an item --- */

static int forget_everything(struct coalesce *c)
{
	c->lost = true;
	return -ENOMEM;
}

static void open_window(struct coalesce *c, uint64_t now_ms)
{
	if (!c->window)
		c->first_ms = now_ms;
	c->window = true;
	c->last_ms = now_ms;
}

static uint64_t window_end(const struct coalesce *c)
{
	uint64_t quiet = c->last_ms + COALESCE_QUIET_MS, longest = c->first_ms + COALESCE_MAX_MS;

	return quiet < longest ? quiet : longest;
}

static int set_pending(struct coalesce *c, struct item *item)
{
	uint64_t load = idmap_get(&c->loads, (uint64_t)item->dir, 0);

	if (item->pending)
		return 0;
	if (idmap_put(&c->loads, (uint64_t)item->dir, item->whole ? load | LOAD_WHOLE : load + 1) < 0)
		return forget_everything(c);
	item->pending = true;
	c->pending++;
	return 0;
}

static void clear_pending(struct coalesce *c, struct item *item)
{
	uint64_t load = idmap_get(&c->loads, (uint64_t)item->dir, 0);

	load = item->whole ? load & ~LOAD_WHOLE : load - 1;
	if (load == 0)
		idmap_remove(&c->loads, (uint64_t)item->dir);
	else
		idmap_put(&c->loads, (uint64_t)item->dir, load); /* the key is there: cannot fail */
	if (item->cookie != 0)
		idmap_remove(&c->cookies, item->cookie);
	item->cookie = 0;
	item->pending = false;
	c->pending--;
}

static void hold_until(struct coalesce *c, struct item *item, uint64_t when_ms)
{
	item->not_before = when_ms;
	if (when_ms < c->next_hold)
		c->next_hold = when_ms;
}

static uint64_t rest_end(const struct item *item)
{
	return item->taken_ms + COALESCE_WRITTEN_MS;
}

static bool is_resting(const struct item *item, uint64_t now_ms)
{
	return item->rests && item->taken_ms != 0 && now_ms < rest_end(item);
}

/* --- events --- */

static void stop_waiting(struct coalesce *c, struct item *item)
{
	if (item->cookie != 0)
		idmap_remove(&c->cookies, item->cookie);
	item->cookie = 0;
	item->not_before = 0;
}

static void wait_for_cookie(struct coalesce *c, struct item *item, uint64_t now_ms, uint32_t cookie)
{
	stop_waiting(c, item);
	if (cookie == 0 || idmap_put(&c->cookies, cookie, (uintptr_t)item) < 0)
		return; /* looked at with the window, which is right as well: a tombstone is known again */
	item->cookie = cookie;
	hold_until(c, item, now_ms + COALESCE_COOKIE_MS);
}

static void meet_cookie(struct coalesce *c, uint32_t cookie)
{
	struct item *other = (struct item *)(uintptr_t)idmap_get(&c->cookies, cookie, 0);

	if (cookie != 0 && other)
		stop_waiting(c, other);
}

/* A change of content: not more often than the rate allows. */
static void note_written(struct coalesce *c, struct item *item, uint64_t now_ms, bool was_pending, bool closed)
{
	item->writing = !closed;
	if (is_resting(item, now_ms)) {
		if (!was_pending)
			hold_until(c, item, rest_end(item));
	} else if (!was_pending || closed) {
		open_window(c, now_ms);
	}
	item->rests = true;
}

static int too_many(struct coalesce *c, int64_t dir)
{
	return (idmap_get(&c->loads, (uint64_t)dir, 0) & (LOAD_WHOLE - 1)) >= COALESCE_NAMES_MAX ||
	       c->count >= COALESCE_TOTAL_MAX;
}

int coalesce_name(struct coalesce *c, uint64_t now_ms, enum coalesce_kind kind, uint32_t cookie, int64_t dir,
		  const char *name, size_t len)
{
	struct item *item;
	bool was_pending;

	if (kind == COALESCE_MOVED_TO)
		meet_cookie(c, cookie);
	if (idmap_get(&c->loads, (uint64_t)dir, 0) & LOAD_WHOLE)
		return 0;
	if (!find(c, dir, false, name, len) && too_many(c, dir))
		return coalesce_dir(c, now_ms, dir, false);
	item = find_or_add(c, dir, false, name, len);
	if (!item)
		return forget_everything(c);
	was_pending = item->pending;
	if (!was_pending) {
		item->not_before = 0;
		item->tries = 0;
	}
	if (set_pending(c, item) < 0)
		return -ENOMEM;
	if (kind == COALESCE_WRITTEN || kind == COALESCE_CLOSED) {
		note_written(c, item, now_ms, was_pending, kind == COALESCE_CLOSED);
		return 0;
	}
	if (kind == COALESCE_MOVED_FROM)
		wait_for_cookie(c, item, now_ms, cookie);
	else
		stop_waiting(c, item);
	item->moved |= kind == COALESCE_MOVED_TO;
	open_window(c, now_ms);
	return 0;
}

int coalesce_dir(struct coalesce *c, uint64_t now_ms, int64_t dir, bool deep)
{
	struct item *item = find_or_add(c, dir, true, "", 0);

	if (!item)
		return forget_everything(c);
	item->deep = deep || (item->pending && item->deep);
	item->rests = true;
	if (item->pending)
		return 0;
	item->tries = 0;
	item->not_before = 0;
	if (set_pending(c, item) < 0)
		return -ENOMEM;
	if (is_resting(item, now_ms))
		hold_until(c, item, rest_end(item));
	else
		open_window(c, now_ms);
	return 0;
}

int coalesce_again(struct coalesce *c, uint64_t now_ms, unsigned delay_ms, const struct coalesce_place *place)
{
	struct item *item = find_or_add(c, place->dir, !place->name, place->name ? place->name : "", place->len);
	bool was_pending;

	if (!item)
		return forget_everything(c);
	was_pending = item->pending;
	if (set_pending(c, item) < 0)
		return -ENOMEM;
	item->deep |= place->deep;
	item->writing |= place->writing;
	item->tries = place->tries + 1;
	if (!was_pending)
		hold_until(c, item, now_ms + delay_ms);
	return 0;
}

uint64_t coalesce_due(const struct coalesce *c)
{
	uint64_t due = c->next_hold;

	if (c->pending == 0)
		return UINT64_MAX;
	if (c->window && window_end(c) < due)
		due = window_end(c);
	return due;
}

bool coalesce_is_empty(const struct coalesce *c)
{
	return c->pending == 0;
}

bool coalesce_lost(struct coalesce *c)
{
	bool lost = c->lost;

	c->lost = false;
	return lost;
}

/* --- giving out --- */

static bool is_due(const struct item *item, uint64_t now_ms, bool window_over)
{
	return item->pending && (item->not_before != 0 ? now_ms >= item->not_before : window_over);
}

static int by_dir(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;

	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	if (x->whole != y->whole)
		return x->whole ? -1 : 1;
	return (int)y->moved - (int)x->moved;
}

static size_t collect_due(const struct coalesce *c, uint64_t now_ms, bool window_over, struct item **ret_items)
{
	size_t count = 0;

	for (size_t i = 0; i < c->bucket_count; i++)
		for (struct item *item = c->buckets[i]; item; item = item->next)
			if (is_due(item, now_ms, window_over))
				ret_items[count++] = item;
	if (count > 1)
		qsort(ret_items, count, sizeof(*ret_items), by_dir);
	return count;
}

/* Names beside their whole directory are left out: it covers them. */
static int fill_batch(struct item **items, size_t count, struct coalesce_batch *ret_batch)
{
	_cleanup_(free_ptr) struct coalesce_place *places = calloc(count, sizeof(*places));
	size_t bytes = 0, used = 0;
	int64_t whole = 0;
	char *names;

	for (size_t i = 0; i < count; i++)
		bytes += items[i]->len + 1u;
	names = malloc(bytes);
	if (!places || !names) {
		free(names);
		return -ENOMEM;
	}
	ret_batch->names = names;
	for (size_t i = 0; i < count; i++) {
		const struct item *item = items[i];

		if (item->whole)
			whole = item->dir;
		else if (item->dir == whole)
			continue;
		memcpy(names, item->name, item->len + 1u);
		places[used++] = (struct coalesce_place){
		    .dir = item->dir,
		    .name = item->whole ? NULL : names,
		    .len = item->len,
		    .deep = item->deep,
		    .writing = item->writing,
		    .tries = item->tries,
		};
		names += item->len + 1u;
	}
	ret_batch->places = TAKE_PTR(places);
	ret_batch->count = used;
	return 0;
}

static void take_item(struct coalesce *c, struct item *item, uint64_t now_ms)
{
	clear_pending(c, item);
	item->taken_ms = now_ms;
	item->not_before = 0;
	item->deep = item->moved = false;
	item->tries = 0;
}

/* Drops the items that neither wait nor rest, and finds the next time. */
static void sweep(struct coalesce *c, uint64_t now_ms)
{
	c->next_hold = UINT64_MAX;
	for (size_t i = 0; i < c->bucket_count; i++)
		for (struct item **at = &c->buckets[i]; *at;) {
			struct item *item = *at;

			if (!item->pending && !is_resting(item, now_ms)) {
				*at = item->next;
				free(item);
				c->count--;
				continue;
			}
			if (item->pending && item->not_before != 0 && item->not_before < c->next_hold)
				c->next_hold = item->not_before;
			at = &item->next;
		}
}

int coalesce_take(struct coalesce *c, uint64_t now_ms, struct coalesce_batch *ret_batch)
{
	bool window_over = c->window && now_ms >= window_end(c);
	_cleanup_(free_ptr) struct item **items = NULL;
	size_t count;
	int r;

	if (now_ms < coalesce_due(c))
		return 0;
	items = calloc(c->pending, sizeof(struct item *));
	if (!items)
		return -ENOMEM;
	count = collect_due(c, now_ms, window_over, items);
	if (count > 0) {
		r = fill_batch(items, count, ret_batch);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < count; i++)
		take_item(c, items[i], now_ms);
	if (window_over)
		c->window = false;
	sweep(c, now_ms);
	return 0;
}

void coalesce_batch_release(struct coalesce_batch *batch)
{
	free(batch->places);
	free(batch->names);
	*batch = COALESCE_BATCH_INIT;
}
