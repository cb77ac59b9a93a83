#include "mount/exitcode.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

static const struct {
	int err;
	enum exitcode code;
	const char *hint;
} meanings[] = {
    {0, EXITCODE_DONE, NULL},
    {EINVAL, EXITCODE_USAGE, NULL},
    {ERR_MALFORMED, EXITCODE_BAD_DATA, NULL},
    {ERR_TOO_LARGE, EXITCODE_BAD_DATA, NULL},
    {ERR_STALE, EXITCODE_BAD_DATA, NULL},
    {ERR_CORRUPT, EXITCODE_BAD_DATA,
     "`shelf check` says what is wrong, `shelf check --repair` rebuilds what can be rebuilt"},
    {EBADMSG, EXITCODE_BAD_DATA, NULL},
    {EREMOTE, EXITCODE_UNREACHABLE, "its content is on another device"},
    {EHOSTUNREACH, EXITCODE_UNREACHABLE, NULL},
    {ENETUNREACH, EXITCODE_UNREACHABLE, NULL},
    {ECONNREFUSED, EXITCODE_UNREACHABLE, NULL},
    {EEXIST, EXITCODE_CANNOT_CREATE, NULL},
    {ENOTEMPTY, EXITCODE_CANNOT_CREATE, NULL},
    {ENOTDIR, EXITCODE_CANNOT_CREATE, NULL},
    {EOPNOTSUPP, EXITCODE_CANNOT_CREATE, NULL},
    {ENOSPC, EXITCODE_CANNOT_CREATE, "make room on the disk that holds the library and try again"},
    {EDQUOT, EXITCODE_CANNOT_CREATE, "make room below your disk quota and try again"},
    {EROFS, EXITCODE_CANNOT_CREATE, "the library folder cannot be written, so it can only be read"},
    {EAGAIN, EXITCODE_BUSY, "something else keeps the database busy: try again"},
    {EBUSY, EXITCODE_BUSY, "try again"},
    {ETIMEDOUT, EXITCODE_BUSY, "try again"},
    {EINTR, EXITCODE_PARTIAL, NULL},
    {EPERM, EXITCODE_NOT_ALLOWED, NULL},
    {EACCES, EXITCODE_NOT_ALLOWED, "look at the owner and the mode of the file and of the folders above it"},
    {ERR_WRONG_KEY, EXITCODE_NOT_ALLOWED, NULL},
    {ENODEV, EXITCODE_PARTIAL, "the disk is not there: connect it and try again"},
};

enum exitcode exitcode_of(int err)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (err == meanings[i].err || err == -meanings[i].err)
			return meanings[i].code;
	}
	return EXITCODE_PARTIAL;
}

const char *exitcode_hint(int err)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (err == meanings[i].err || err == -meanings[i].err)
			return meanings[i].hint;
	}
	return NULL;
}
