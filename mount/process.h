/* What has become of another process. Threads: any. */
#pragma once

#include <sys/types.h>

enum process_state {
	PROCESS_GONE, /* there is none, or nothing is left of it but its exit code */
	PROCESS_ALIVE,
	PROCESS_STUCK, /* it was killed, but a thread of it waits in the kernel and cannot end */
};

enum process_state process_look(pid_t pid);
void process_name(pid_t pid, char ret_name[32]); /* empty when it cannot be known */
