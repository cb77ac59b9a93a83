/* One TCP connection with a pairing machine at its end: feeds it what arrives, sends what it says, hands each step to
 * its owner. For pairing_host.c and pairing_guest.c.
 *
 * A run's messages are few and short: what the kernel does not take at once means a peer that does not read, and is as
 * good as a hang-up. The process ignores SIGPIPE. Threads: that of the loop. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "net/pairing.h"

struct pairing_link;

struct pairing_link_opts {
	uint64_t (*now_ms)(void); /* the clock of the machine */
	/* After each step, and once with a final outcome; the owner closes then, at the latest. */
	void (*stepped)(void *arg, struct pairing_link *link, enum pairing_outcome outcome);
	void (*closed)(void *arg); /* the last thing that comes; may be NULL */
	void *arg;
};

/* On a connected `tcp` (on the heap, initialised, read by nobody). Takes over `tcp` and `pairing`, also on failure.
 * `first`: what to send at the start. Errors: -ENOMEM; what else fails is a step from the loop. */
int pairing_link_new(uv_tcp_t *tcp, struct pairing *pairing, const struct buf *first,
		     const struct pairing_link_opts *opts, struct pairing_link **ret_link);

/* `verdict` as in pairing_decide; the step comes from within. */
void pairing_link_decide(struct pairing_link *link, enum pairing_outcome verdict);
void pairing_link_tick(struct pairing_link *link); /* at its deadline, or any time; the step comes from within */
uint64_t pairing_link_deadline_ms(const struct pairing_link *link);

const struct pairing *pairing_link_pairing(const struct pairing_link *link); /* borrowed */
bool pairing_link_has_spoken(const struct pairing_link *link); /* said more than `first`: a run was asked for */
const uv_tcp_t *pairing_link_tcp(const struct pairing_link *link);

/* What was sent still arrives. The machine is freed: a run that is on counts as broken off. */
void pairing_link_close(struct pairing_link *link);
