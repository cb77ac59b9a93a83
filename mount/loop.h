/* The sync thread: a libuv loop on a thread of its own, and how others have something done there.
 *
 * Threads: loop_call and loop_stop from any but the loop's own; loop_uv's handles belong to the loop's thread. */
#pragma once

#include <uv.h>

struct loop;

/* Starts the thread, with all signals blocked. Errors: -ENOMEM, errno. */
int loop_start(struct loop **ret_loop);

uv_loop_t *loop_uv(struct loop *loop);

/* Runs `fn` on the loop's thread and returns what it returned. Blocks until then: `fn` must not wait for anything long. */
int loop_call(struct loop *loop, int (*fn)(void *arg), void *arg);

/* Ends the thread once every handle but the loop's own is closed: whoever opened one closes it before, with loop_call.
 * NULL does nothing. */
void loop_stop(struct loop *loop);
