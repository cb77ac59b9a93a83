/* Errors of the whole project: 0 or a negative number, everywhere.
 *
 * Most are negative errno values. The few meanings that errno lacks are below; they start above every errno, so both
 * kinds share one int. Codes of libraries (SQLite, libuv, sodium) are translated where the call is made.
 *
 * Threads: any. */
#pragma once

enum err {
	ERR_FIRST = 10000,
	ERR_STALE = ERR_FIRST, /* the view that the caller worked from is no longer current: read again */
	ERR_MALFORMED,         /* bytes from a disk, a peer or a user that break the rules of their format */
	ERR_WRONG_KEY,         /* the key at hand is not the one that this thing was made with */
	ERR_TOO_LARGE,         /* a size or count beyond the named limit */
	ERR_AHEAD,             /* a stamp more than HLC_AHEAD_MAX_MS ahead of this device's clock */
	ERR_CORRUPT,           /* the database is damaged */
	ERR_CUT,               /* the records that were asked for are gone from the log */
	ERR_FORKED,            /* two histories of one origin: another running hash at the same position */
	ERR_ORPHANS,	       /* rows hang on others that have not come */
	ERR_LAST,
};

/* A short English sentence without a full stop, for `err` as returned by any function of the project (negative) or
 * for its absolute value. Never NULL; static storage. */
const char *err_str(int err);

/* The errno to give to the kernel for `err` (negative or positive): project codes map to EIO, EINVAL, EPERM, ...
 * Returns a positive errno. */
int err_errno(int err);
