/* Making this device's copy of a library that is on other devices, after it was paired (mount/introduction.h). */
#pragma once

#include "base/key.h"
#include "mount/introduction.h"
#include "mount/out.h"

struct library_join_opts {
	const char *dir;       /* as place_new_library made it */
	const struct key *key; /* that was proven while pairing */
	const struct introduction *introduction;
	const struct uuid *peer; /* the device that let this one in ... */
	const char *address;	 /* ... and where it was; NULL: not known */
};

/* Whether this user can have a device in that library, which is asked before the other device hears of this one: says
 * on `out` what is wrong. Errors: -EEXIST. */
int library_join_check(const struct uuid *library, struct out *out);

/* Leaves nothing behind when it fails. Says on `out` what is wrong. Errors: -EEXIST (this user has a device in that library
 * already), -ERR_AHEAD (the clocks differ too much), store.h. */
int library_join(const struct library_join_opts *opts, struct out *out);
