/* A small process beside the daemon that cuts the connection of the mount when the daemon is killed and cannot die
 * (mount/connection.h). Threads: the main thread of the daemon. */
#pragma once

struct guard;

/* Forks: no other thread may exist yet. The guard ends with the process. Errors: errno. */
int guard_start(const char *mountpoint, struct guard **ret_guard);

/* The mount is there: from now on it is guarded. */
void guard_arm(struct guard *guard);

/* The mount is gone, or goes in order: ends the guard. NULL does nothing. */
void guard_end(struct guard *guard);
