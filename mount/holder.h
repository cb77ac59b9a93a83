/* Who has a library open: the lock, and a note about its holder for those who find it taken.
 *
 * Only one process has a library open: the one with an flock on LIBRARY/lock, which the kernel ends with the process.
 * In a folder that cannot be written the same lock is taken for reading the file or, if there is none, on the folder
 * itself. The note is a hint, true only as long as the lock is held: it is written into the `run` file of the state
 * folder and, where that can be written, into the lock file (for a user with another state folder, as root). One field
 * after the other, each ended by NUL: pid, socket, mount point, library folder; empty = none.
 *
 * Threads: any. Errors: errno, -ENOMEM, -ERR_MALFORMED. */
#pragma once

#include <sys/types.h>

#include "base/uuid.h"

struct holder {
	pid_t pid;
	char *socket;	  /* owned; "" for a command that has the library open itself */
	char *mountpoint; /* owned; "" without a mount */
	char *library;	  /* owned; the library folder */
};

#define HOLDER_INIT ((struct holder){0})

/* Never waits. Errors: -EBUSY: another process has it. Closing the descriptor ends it. */
int holder_lock(const char *library_dir, int *ret_fd);

/* The lock file, made when the library is. Errors: errno. */
int holder_make_lock(const char *library_dir);

/* Writes the note of this process; the socket and mount point may be NULL. Only the holder of the lock may. */
int holder_write(int lock_fd, const struct uuid *library, const char *library_dir, const char *socket,
		 const char *mountpoint);
/* Wipes it; before the lock is given back. */
void holder_clear(int lock_fd, const struct uuid *library);

int holder_of_library(const struct uuid *library,
		      struct holder *ret_holder);			  /* from the state folder. -ENOENT: no note */
int holder_of_folder(const char *library_dir, struct holder *ret_holder); /* from the lock file. -ENOENT: no note */

/* The holder whose mount is at `mountpoint`, of any library of this user. Errors: -ENOENT. */
int holder_of_mount(const char *mountpoint, struct holder *ret_holder);

int holder_parse(const void *data, size_t len, struct holder *ret_holder); /* -ERR_MALFORMED, -ENOENT (empty) */
void holder_release(struct holder *holder);
