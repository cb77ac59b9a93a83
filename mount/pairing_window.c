/* `lock` guards `news` and `closed`; the loop writes, the command reads. */
#include "mount/pairing_window.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "mount/introduction.h"
#include "net/pairing_host.h"
#include "store/audit.h"
#include "store/device.h"
#include "store/event.h"

struct pairing_window {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct pairing_news news; /* lock; left_ms is of the moment `at_ms` */
	uint64_t at_ms;		  /* constant */
	bool closed;		  /* lock */
	unsigned seen;		  /* lock; the waiter's */
	unsigned version;	  /* lock; counts changes */
	struct pairing_window_opts opts;
	struct pairing_host *host; /* the loop's; NULL once shut */
	bool revoked;		   /* the loop's */
};

static void tell_change(struct pairing_window *w)
{
	w->version++;
	pthread_cond_broadcast(&w->changed);
}

/* --- letting in --- */

struct addition {
	const uint8_t *key;
	const char *name;
};

static int do_add(struct txn *txn, void *arg)
{
	const struct addition *a = arg;
	int r = device_add(txn, a->key, a->name, strlen(a->name), NULL, NULL);

	return r < 0 ? r : audit_add(txn, "pair", a->name);
}

static enum pairing_outcome refuse(struct pairing_window *w, int error, int64_t clock_offset_ms)
{
	pthread_mutex_lock(&w->lock);
	w->news.error = error;
	w->news.clock_offset_ms = clock_offset_ms;
	pthread_mutex_unlock(&w->lock);
	return PAIRING_REFUSED;
}

static enum pairing_outcome let_in(struct pairing_window *w, const struct addition *addition)
{
	const struct store_write_opts opts = {.priority = STORE_INTERACTIVE};
	int r = store_write(w->opts.store, &opts, do_add, (void *)addition);
	char line[400];

	if (r == -EEXIST)
		return PAIRING_ALREADY_MEMBER;
	if (r < 0)
		return refuse(w, r, 0);
	snprintf(line, sizeof(line), "%s has joined the library", addition->name);
	(void)event_add(w->opts.store, "info", line);
	return PAIRING_PAIRED;
}

static enum pairing_outcome judge(struct pairing_window *w, const uint8_t *key, const struct newcomer *newcomer)
{
	const struct addition addition = {.key = key, .name = newcomer->name};
	int64_t offset_ms = introduction_clock_offset_ms(newcomer->wall_ms, clock_wall_ms());

	if (w->revoked)
		return refuse(w, -EACCES, 0);
	if (offset_ms != 0)
		return refuse(w, -ERR_AHEAD, offset_ms);
	w->opts.clock_confirmed(w->opts.arg);
	return let_in(w, &addition);
}

static enum pairing_outcome decide(void *arg, const uint8_t *peer_key, const void *payload, size_t len)
{
	struct pairing_window *w = arg;
	struct newcomer newcomer = {0};
	enum pairing_outcome verdict;

	if (introduction_read_device(payload, len, &newcomer) == 0)
		verdict = judge(w, peer_key, &newcomer);
	else
		verdict = refuse(w, -ERR_MALFORMED, 0);
	pthread_mutex_lock(&w->lock);
	snprintf(w->news.device, sizeof(w->news.device), "%s", newcomer.name);
	w->news.device_id = key_id_of_public(peer_key);
	w->news.verdict = verdict;
	tell_change(w);
	pthread_mutex_unlock(&w->lock);
	return verdict;
}

static void ended(void *arg, enum pairing_outcome outcome, unsigned runs_left)
{
	struct pairing_window *w = arg;

	pthread_mutex_lock(&w->lock);
	w->news.last_outcome = outcome;
	w->news.runs_left = runs_left;
	w->news.runs++;
	tell_change(w);
	pthread_mutex_unlock(&w->lock);
}

static void over(void *arg, enum pairing_code_state reason)
{
	struct pairing_window *w = arg;

	pthread_mutex_lock(&w->lock);
	w->news.over = true;
	w->news.reason = reason;
	tell_change(w);
	pthread_mutex_unlock(&w->lock);
}

/* --- opening and closing --- */

static int device_name(struct store *store, char ret_name[TEXT_NAME_MAX + 1])
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	struct db *db;
	int r = store_reader(store, &db);

	if (r == 0)
		r = device_find(db, &store_info(store)->device, &device, &rows);
	if (r < 0)
		return r;
	snprintf(ret_name, TEXT_NAME_MAX + 1, "%.*s", (int)device.name_len, device.name);
	return 0;
}

static int open_host(struct pairing_window *w)
{
	_cleanup_(buf_release) struct buf payload = BUF_INIT;
	char name[TEXT_NAME_MAX + 1];
	struct pairing_host_opts opts = {
		.static_secret = key_secret(w->opts.key),
		.discovery = w->opts.discovery,
		.name = name,
		.decide = decide,
		.ended = ended,
		.over = over,
		.arg = w,
	};
	int r = device_name(w->opts.store, name);

	if (r == 0)
		r = introduction_of_library(w->opts.store, clock_wall_ms(), &payload);
	if (r < 0)
		return r;
	opts.payload = payload.data;
	opts.payload_len = payload.len;
	return pairing_host_open(w->opts.loop, &opts, &w->host);
}

static void window_destroy(struct pairing_window *w)
{
	explicit_bzero(w->news.code, sizeof(w->news.code));
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int pairing_window_open(const struct pairing_window_opts *opts, struct pairing_window **ret_window)
{
	struct pairing_window *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	int r;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	w->opts = *opts;
	r = open_host(w);
	if (r < 0) {
		window_destroy(w);
		return r;
	}
	snprintf(w->news.code, sizeof(w->news.code), "%s", pairing_host_code(w->host));
	w->news.left_ms = pairing_host_left_ms(w->host);
	w->news.runs_left = PAIRING_CODE_RUNS;
	w->at_ms = clock_monotonic_ms();
	*ret_window = w;
	return 0;
}

/* Each one is told what time it is now. When that fails the old text is as good, but for the time. */
static void renew_introduction(struct pairing_window *w)
{
	_cleanup_(buf_release) struct buf payload = BUF_INIT;

	if (introduction_of_library(w->opts.store, clock_wall_ms(), &payload) == 0)
		(void)pairing_host_set_payload(w->host, payload.data, payload.len);
}

void pairing_window_take(struct pairing_window *window, uv_tcp_t *tcp)
{
	renew_introduction(window);
	(void)pairing_host_take(window->host, tcp);
}

void pairing_window_revoke(struct pairing_window *w)
{
	pthread_mutex_lock(&w->lock);
	w->news.removed = true;
	tell_change(w);
	pthread_mutex_unlock(&w->lock);
	w->revoked = true;
}

static void on_closed(void *arg)
{
	struct pairing_window *w = arg;

	pthread_mutex_lock(&w->lock);
	w->closed = true;
	tell_change(w);
	pthread_mutex_unlock(&w->lock);
}

void pairing_window_shut(struct pairing_window *w)
{
	struct pairing_host *host = w->host;

	w->host = NULL;
	if (host)
		pairing_host_close(host, on_closed, w);
}

void pairing_window_free(struct pairing_window *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->closed)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	window_destroy(w);
}

/* --- looking --- */

void pairing_window_look(struct pairing_window *w, struct pairing_news *ret_news)
{
	uint64_t gone_ms = clock_monotonic_ms() - w->at_ms;

	pthread_mutex_lock(&w->lock);
	*ret_news = w->news;
	w->seen = w->version;
	pthread_mutex_unlock(&w->lock);
	ret_news->left_ms = gone_ms < ret_news->left_ms ? ret_news->left_ms - gone_ms : 0;
}

void pairing_window_wait(struct pairing_window *w, unsigned ms)
{
	uint64_t until_ns = clock_monotonic_ns() + (uint64_t)ms * 1000000;
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / 1000000000),
		.tv_nsec = (long)(until_ns % 1000000000),
	};
	int r = 0;

	pthread_mutex_lock(&w->lock);
	while (w->seen == w->version && r == 0)
		r = pthread_cond_timedwait(&w->changed, &w->lock, &until);
	pthread_mutex_unlock(&w->lock);
}
