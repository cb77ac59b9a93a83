/* Grace periods: waiting until everybody who might still answer with an old state has done so.
 *
 * A handler that answers names, attributes or targets is bracketed by grace_enter and grace_leave; leave comes after the
 * reply. grace_wait returns when every handler that had entered before the call has left; later ones are not waited for,
 * because they read a state that is at least as new. Handlers never wait for anything here.
 * Threads: any. */
#pragma once

#include <stdint.h>

struct grace;

int grace_new(struct grace **ret_grace);
void grace_free(struct grace *grace);
unsigned grace_enter(struct grace *grace); /* the returned slot goes to grace_leave, on the same thread */
void grace_leave(struct grace *grace, unsigned slot);
void grace_wait(struct grace *grace);
