#include "base/err.h"

#include <errno.h>
#include <string.h>

/* The kernel refuses a FUSE reply with an errno of 512 or more: those are its own. */
enum { KERNEL_ERRNO_END = 512 };

static const struct {
	const char *text;
	int kernel_errno;
} meanings[] = {
    [ERR_STALE - ERR_FIRST] = {"The view is no longer current", ESTALE},
    [ERR_MALFORMED - ERR_FIRST] = {"Malformed data", EINVAL},
    [ERR_WRONG_KEY - ERR_FIRST] = {"Wrong key", EPERM},
    [ERR_TOO_LARGE - ERR_FIRST] = {"Too large", EFBIG},
    [ERR_AHEAD - ERR_FIRST] = {"The stamp is too far ahead of this device's clock", EAGAIN},
    [ERR_CORRUPT - ERR_FIRST] = {"The database is damaged", EIO},
    [ERR_CUT - ERR_FIRST] = {"The records are no longer in the log", ENODATA},
    [ERR_FORKED - ERR_FIRST] = {"Two histories of one origin", EIO},
    [ERR_ORPHANS - ERR_FIRST] = {"Rows hang on others that have not come", EIO},
};

_Static_assert(sizeof(meanings) / sizeof(meanings[0]) == ERR_LAST - ERR_FIRST, "a row for each code");

const char *err_str(int err)
{
	const char *text;

	if (err > -ERR_LAST && err < 0)
		err = -err;
	if (err >= ERR_FIRST && err < ERR_LAST)
		return meanings[err - ERR_FIRST].text;
	text = err < 0 ? NULL : strerrordesc_np(err);
	return text ? text : "Unknown error";
}

int err_errno(int err)
{
	if (err > -ERR_LAST && err < 0)
		err = -err;
	if (err >= ERR_FIRST && err < ERR_LAST)
		return meanings[err - ERR_FIRST].kernel_errno;
	return err > 0 && err < KERNEL_ERRNO_END ? err : EIO;
}
