/* An open library: its lock, store, index and tree. One owner; threads may use store, index and tree as their headers
 * say while it is open. */
#pragma once

#include <stdbool.h>

#include "base/text.h"
#include "base/uuid.h"
#include "mount/out.h"

struct anchoring;
struct store;
struct index;
struct fs;
struct key;
struct network;

struct library {
	char *dir; /* absolute, resolved */
	struct uuid id;
	int lock_fd;
	struct store *store;
	struct anchoring *anchoring;
	struct index *index;
	struct fs *fs;
	char *mountpoint;	  /* NULL: not mounted */
	const char *forbidden[3]; /* what the index never enters: borrowed from the two above */
	struct network *network;  /* NULL: not on the network; ended by library_close */
	bool is_daemon;		  /* it stays open, watches and identifies content */
};

struct library_opts {
	bool is_daemon;
	const char *mountpoint; /* NULL = none */
};

/* Opens `dir`, whose lock the caller took (holder_lock): it becomes the library's on success. Signals are blocked in
 * the threads that this starts. Says on `out` what is wrong; returns a negative error. */
int library_open(const char *dir, int lock_fd, const struct library_opts *opts, struct out *out,
		 struct library **ret_library);

/* Ends its threads, wipes the holder's note and gives the lock back. NULL does nothing. */
void library_close(struct library *library);

/* The key of this device in it; the caller frees it. Says on `out` what is wrong. */
int library_load_key(const struct library *library, struct out *out, struct key **ret_key);

struct library_create_opts {
	const char *dir;	 /* as place_new_library made it */
	const char *name;	 /* NULL: that of the folder */
	const char *device_name; /* NULL: the host name */
};

/* Makes key and library; leaves nothing behind when it fails. Says on `out` what is wrong; returns a negative error. */
int library_create(const struct library_create_opts *opts, struct out *out);

/* The name of a new device: `given`, or the host name. -EINVAL after a message when it cannot be one. */
int library_device_name(const char *given, struct out *out, char ret_name[TEXT_NAME_MAX + 1]);
