/* The -o options of a mount. Internal to the adapter, without libfuse. Threads: any. */
#pragma once

#include "fs/session.h"

/* The option text for libfuse, on the heap. Always default_permissions, nosuid and nodev; the name escaped.
 * Errors: -EINVAL (an option of `extra` is unknown), -ENOMEM. */
int mount_options_build(const struct session_opts *opts, char **ret_options);
