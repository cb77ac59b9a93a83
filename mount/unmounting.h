/* Taking mounts away, and who keeps them busy. Never touches what is mounted. Threads: any. */
#pragma once

#include <stdbool.h>

#include "mount/out.h"

/* Errors: -EBUSY (files are in use there; never with `lazy`), -EINVAL (nothing is mounted there), -EPERM, -ENOENT (an
 * ordinary user without fusermount3), -EIO. Waits for fusermount3, which ordinary users need for it. */
int unmounting_run(const char *mountpoint, bool lazy);

/* Whether fusermount3 can be found; as root it is not needed. */
bool unmounting_has_fusermount(void);

/* Notes on `out` who uses files below `mountpoint`, as far as this user may know. */
void unmounting_say_users(const char *mountpoint, struct out *out);
