/* Showing one command again and again (`status --watch`). Threads: the main thread. */
#pragma once

#include "mount/out.h"

/* Calls `run` every two seconds until the program is interrupted. What it writes is gathered and shown at once, in the
 * place of what was there before if that is a terminal. Returns the last exit code. */
int watch_run(struct out *out, int (*run)(void *arg, struct out *out), void *arg);
