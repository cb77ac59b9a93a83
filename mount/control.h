/* The control socket: other processes of the same user give commands to the daemon through it.
 *
 * A Unix stream socket (0600) in the state folder; the uid of the other side is checked on both ends (the same user, or
 * root). One request for each connection, run on a thread of its own; at most CONTROL_CALLS_MAX at a time, others wait
 * a little. Frames: mount/frame.h. Paths longer than a socket address are reached through /proc/self/fd. */
#pragma once

#include <stdbool.h>

struct library;
struct control;
struct holder;

#define CONTROL_CALLS_MAX 8

/* Begins to serve. `path` is replaced if it is there: only the holder of the library's lock may. Errors: errno. */
int control_start(struct library *library, const char *path, struct control **ret_control);

/* Ends all commands (they see out_cancelled), waits for their threads, and removes the socket. NULL does nothing. */
void control_stop(struct control *control);

/* The client's end. Errors: -ECONNREFUSED and -ENOENT (nobody serves it), -EPERM (served by another user), errno. */
int control_connect(const char *path, int *ret_fd);

/* Whether the daemon of a holder's note lives and serves its socket. */
bool control_lives(const struct holder *holder);
