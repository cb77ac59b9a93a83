/* When to dial one peer, and where: rounds through its known addresses, with growing pauses and jitter in between.
 *
 * A step machine: events and the time in, dials out, no I/O. Call dialer_next until it has nothing more, after each
 * event and at dialer_deadline_ms. Every dial that it gave out ends with one dialer_ended.
 *
 * Known addresses stand in the order in which they are tried: the one that worked last comes first. A round dials the
 * next one when the last dial has failed, or after DIALER_STAGGER_MS. The pause after a round doubles from
 * DIALER_BACKOFF_MIN_MS to DIALER_BACKOFF_MAX_MS. A hint (somebody claims that the peer is there) dials once, at once,
 * and becomes a known address only when that works. While the peer is connected, nothing is dialled.
 *
 * Times are of one clock, in milliseconds. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/limits.h"

struct dialer;

/* `below` gives a number under its argument, for jitter. The first round is due at once. Errors: -ENOMEM. */
int dialer_new(uint32_t (*below)(uint32_t bound), uint64_t now_ms, struct dialer **ret_dialer);

/* A new address is due at once. When DIALER_ADDRESSES_MAX are known, the last one goes. Errors: -EEXIST,
 * -ERR_MALFORMED (NODE_ADDRESS_TEXT or longer, or empty). */
int dialer_add(struct dialer *d, const char *address, uint64_t now_ms);
int dialer_remove(struct dialer *d, const char *address); /* Errors: -ENOENT */
size_t dialer_count(const struct dialer *d);
const char *dialer_address(const struct dialer *d, size_t index); /* borrowed until the next call */

/* Errors: -EISCONN, -EBUSY (this address, or too many, were hinted at within DIALER_HINT_MS, or all flights are
 * taken), -EALREADY (it is being dialled), -ERR_MALFORMED. */
int dialer_hint(struct dialer *d, const char *address, uint64_t now_ms);

void dialer_network_changed(struct dialer *d, uint64_t now_ms); /* begins anew, all pauses are forgotten */

void dialer_up(struct dialer *d, uint64_t now_ms); /* connected, by whatever way */
void dialer_down(struct dialer *d, uint64_t now_ms);

/* What a dial came to: up (then dialer_up comes besides), or not. */
void dialer_ended(struct dialer *d, const char *address, bool success, uint64_t now_ms);

/* 0: dial this address, NODE_ADDRESS_TEXT bytes at most. 1: nothing to do. */
int dialer_next(struct dialer *d, uint64_t now_ms, char ret_address[NODE_ADDRESS_TEXT]);

uint64_t dialer_deadline_ms(const struct dialer *d); /* UINT64_MAX: there is none */

void dialer_free(struct dialer *d);
