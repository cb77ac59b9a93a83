/* Real nodes on one loop of loopback, and what they tell. Failures end the running test; nothing sleeps: the loop runs
 * until something is true, or a deadline fails the test. */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"
#include "net/node.h"
#include "tests/net/handshake.h"

#define DEVICES_MAX 4

struct devices;

struct device {
	struct devices *all;
	struct pair_of_keys keys;
	struct uuid id;
	struct node *node; /* NULL: closed */
	bool pairing_refused;
	bool closes_on_pairing;
	unsigned ups, downs, messages, writables, pairings, clones;
	int reason;							    /* of the last down */
	bool initiated;							    /* of the last up */
	size_t bytes;							    /* of messages */
	struct buf last;						    /* the last message */
	unsigned connected;						    /* ups without downs */
	void (*on_message)(struct device *device, const struct uuid *from); /* or NULL */
};

struct devices {
	uv_loop_t loop;
	uv_timer_t step; /* what is waited for may come from somewhere that the loop does not see */
	unsigned closed; /* nodes */
	struct link_limits limits;
	struct uuid library;
	struct device all[DEVICES_MAX];
};

void devices_init(struct devices *d);
void devices_release(struct devices *d); /* closes all, and proves that the loop is empty */

/* Device `i` starts to listen on 127.0.0.1, with a key of its own; with `members`, all DEVICES_MAX keys are members. */
void device_open(struct devices *d, unsigned i, bool members);
void device_close(struct devices *d, unsigned i);
void device_knows(struct devices *d, unsigned i, unsigned other);		    /* the address of the other */
void device_members(struct devices *d, unsigned i, unsigned first, unsigned count); /* exactly these */
void device_hint(struct devices *d, unsigned i, unsigned other);

struct sockaddr_in device_address(const struct devices *d, unsigned i);

/* Runs the loop until `is_true(arg)`. */
void devices_until(struct devices *d, bool (*is_true)(void *arg), void *arg);

/* Both are up for each other, over one connection, and everything else is over. */
void devices_connect(struct devices *d, unsigned i, unsigned other);

void devices_run(struct devices *d); /* everything that can be done without waiting */

unsigned open_files(void);
