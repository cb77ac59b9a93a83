/* Which errors of the store pass by themselves: those of the disk and of this machine's means. All others would come
 * again each time the same thing is written. Threads: any. */
#pragma once

#include <errno.h>
#include <stdbool.h>

static inline bool retry_helps(int error)
{
	switch (-error) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EAGAIN:
	case EIO:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return true;
	default:
		return false;
	}
}
