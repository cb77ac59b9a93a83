/* Output to the standard streams of this process, and its interrupts (Ctrl-C). Threads: the main thread. */
#pragma once

#include "mount/out.h"

extern const struct out_sink terminal_sink; /* its arg is NULL */

void terminal_init(struct out *ret_out); /* an out on terminal_sink, knowing what the streams are */
unsigned terminal_columns(void);	 /* of standard error; 80 when it is no terminal */

/* From now on the first SIGINT, SIGTERM or SIGHUP only sets what terminal_interrupted tells; a second one ends the
 * process as usual. */
void terminal_catch_interrupts(void);
bool terminal_interrupted(void);
