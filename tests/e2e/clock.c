/* Loaded into a program (LD_PRELOAD) whose wall clock is to be wrong by $CLOCK_OFFSET seconds. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	const char *offset = getenv("CLOCK_OFFSET");
	int r = (int)syscall(SYS_clock_gettime, clock, ret_time);

	if (r == 0 && clock == CLOCK_REALTIME && offset)
		ret_time->tv_sec += atol(offset);
	return r;
}
