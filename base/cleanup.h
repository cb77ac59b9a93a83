/* Cleanup attributes: one for each kind of resource, so that a function has at most one way out.
 *
 *     _cleanup_(free_ptr) char *name = NULL;
 *     ...
 *     *ret_name = TAKE_PTR(name);
 *
 * Variables are initialised where they are declared. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void free_ptr(void *p)
{
	free(*(void **)p);
}

static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* The value of `p`; `p` itself becomes NULL, so that its cleanup does nothing. */
#define TAKE_PTR(p)                     \
	({                              \
		__typeof__(p) p_ = (p); \
		(p) = NULL;             \
		p_;                     \
	})

/* The same for a file descriptor, which becomes -1. */
static inline int take_fd(int *fd)
{
	int r = *fd;
	*fd = -1;
	return r;
}
#define TAKE_FD(fd) take_fd(&(fd))
