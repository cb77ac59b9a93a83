/* Notices: collected while a transaction runs, delivered when it is committed.
 *
 * A transaction keeps them packed, one after the other, as a bulk writer makes thousands: a struct packed_notice, then
 * the name. Delivery unpacks them into a small array, piece by piece.
 *
 * The subscription's lock guards who subscribes and how many calls are under way; it is not held during a call. */
#include "store/notice.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "store/internal.h"

#define DELIVER_MAX 256 /* notices in one call */

struct packed_notice {
	uint64_t parent;
	uint64_t object;
	uint16_t name_len;
	uint8_t change;
	uint8_t has_name;
};

/* --- collecting --- */

int txn_notice(struct txn *txn, enum notice_change change, uint64_t parent, uint64_t object, const char *name,
	       size_t len, bool always)
{
	struct notices *notices = &txn->notices;
	struct packed_notice packed = {
	    .parent = parent,
	    .object = object,
	    .name_len = (uint16_t)len,
	    .change = (uint8_t)change,
	    .has_name = name != NULL,
	};
	uint8_t record[sizeof(packed) + TEXT_NAME_MAX];
	int r;

	if (!txn->collects || (txn->kernel_knows && !always))
		return 0;
	if (change == NOTICE_LISTING && parent == notices->last_listing)
		return 0;
	if (len > TEXT_NAME_MAX)
		return -ERR_CORRUPT; /* the name of a row */
	memcpy(record, &packed, sizeof(packed));
	if (len > 0)
		memcpy(record + sizeof(packed), name, len);
	r = buf_append(&notices->records, record, sizeof(packed) + len);
	if (r < 0)
		return r;
	notices->count++;
	notices->last_listing = change == NOTICE_LISTING ? parent : 0;
	return 0;
}

void notices_release(struct notices *notices)
{
	buf_release(&notices->records);
	notices->count = 0;
	notices->last_listing = 0;
}

/* --- delivering --- */

static size_t unpack(const uint8_t *at, struct notice *ret_notice)
{
	struct packed_notice packed;

	memcpy(&packed, at, sizeof(packed));
	*ret_notice = (struct notice){
	    .change = packed.change,
	    .parent = packed.parent,
	    .object = packed.object,
	    .name = packed.has_name ? (const char *)at + sizeof(packed) : NULL,
	    .name_len = packed.name_len,
	};
	return sizeof(packed) + packed.name_len;
}

static void call(notice_fn *fn, void *arg, const struct notices *notices, bool bulk)
{
	const uint8_t *at = notices->records.data;
	struct notice list[DELIVER_MAX];
	size_t left = notices->count;

	while (left > 0) {
		size_t n = left < DELIVER_MAX ? left : DELIVER_MAX;
		for (size_t i = 0; i < n; i++)
			at += unpack(at, &list[i]);
		fn(arg, list, n, bulk);
		left -= n;
	}
}

void notices_deliver(struct subscription *subscription, const struct notices *notices, bool bulk)
{
	notice_fn *fn;
	void *arg;

	if (notices->count == 0)
		return;
	pthread_mutex_lock(&subscription->lock);
	fn = subscription->fn;
	arg = subscription->arg;
	if (fn)
		subscription->calls++;
	pthread_mutex_unlock(&subscription->lock);
	if (!fn)
		return;

	call(fn, arg, notices, bulk);

	pthread_mutex_lock(&subscription->lock);
	if (--subscription->calls == 0)
		pthread_cond_broadcast(&subscription->idle);
	pthread_mutex_unlock(&subscription->lock);
}

/* --- subscribing --- */

int subscription_init(struct subscription *subscription)
{
	int r = pthread_cond_init(&subscription->idle, NULL);

	if (r != 0)
		return -r;
	pthread_mutex_init(&subscription->lock, NULL);
	return 0;
}

void subscription_release(struct subscription *subscription)
{
	pthread_cond_destroy(&subscription->idle);
	pthread_mutex_destroy(&subscription->lock);
}

bool subscription_is_on(struct subscription *subscription)
{
	bool on;

	pthread_mutex_lock(&subscription->lock);
	on = subscription->fn != NULL;
	pthread_mutex_unlock(&subscription->lock);
	return on;
}

static void set_subscriber(struct subscription *subscription, notice_fn *fn, void *arg)
{
	pthread_mutex_lock(&subscription->lock);
	subscription->fn = fn;
	subscription->arg = arg;
	while (!fn && subscription->calls > 0)
		pthread_cond_wait(&subscription->idle, &subscription->lock);
	pthread_mutex_unlock(&subscription->lock);
}

void store_subscribe(struct store *store, notice_fn *fn, void *arg)
{
	/* A transaction decides at its begin whether it collects. One that is running now does not, and its changes
	 * would be missed: so a new subscriber begins between two transactions. */
	if (fn)
		while (gate_enter(&store->gate, STORE_INTERACTIVE, UINT64_MAX / 2) < 0)
			;
	set_subscriber(&store->subscription, fn, arg);
	if (fn)
		gate_leave(&store->gate);
}
