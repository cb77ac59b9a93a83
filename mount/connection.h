/* The kernel's side of a mount: its FUSE connection, which can be cut when nobody serves it any more.
 *
 * Usually it ends with the daemon. But a daemon that is killed while its notifier waits in the kernel for a directory
 * cannot die: the directory is locked by a client, the client waits for an answer, and the connection, whose end would
 * wake both, stays open for as long as the daemon's threads exist (kernel documentation, filesystems/fuse, "Tricky
 * deadlock"). Cutting it frees all. Never touches what is mounted. Threads: the only one of its process. */
#pragma once

/* The number of the connection of the shelf mount on `mountpoint`. Errors: -ENOENT (there is none), errno. */
int connection_of(const char *mountpoint, unsigned *ret_number);

/* Cuts it if it is still the one of the mount there, so that nobody else's is cut. Whoever waits gets ECONNABORTED, the
 * mount answers ENOTCONN from then on. Errors: -ENOENT (no such mount any more, or fusectl is not mounted and we may
 * not do that), errno. */
int connection_cut(const char *mountpoint, unsigned number);

/* Cuts the connection of a mount whose daemon was killed and cannot die. Returns 0 also when nothing is stuck.
 * Errors: -EBUSY: it is stuck, and whoever touches the mount will be: only root can cut it here. */
int connection_free_stuck(const char *mountpoint);
