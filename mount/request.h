/* From the words that were typed to those that a command gets: options first, then "--", then words whose paths are
 * absolute. Files may be many (also from --from), so they come in batches: one request each. Reads files and the
 * working directory. Threads: the main thread. */
#pragma once

#include "mount/command.h"

#define REQUEST_BATCH_FILES 4000
#define REQUEST_BATCH_BYTES (1024 * 1024)

struct request;

/* Says on `out` what is wrong: -EINVAL (no file was named), errno (--from cannot be opened). */
int request_new(const struct command *command, const struct args *args, struct out *out, struct request **ret_request);

/* The words of the next request, which are valid until the next call: 1 = there are none any more, 0, errors. There is
 * at least one request, unless --from gave no file. */
int request_next(struct request *request, int *ret_count, char ***ret_words);

void request_free(struct request *request);
void request_freep(struct request **request); /* for _cleanup_ */
