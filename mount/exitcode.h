/* The exit codes of the commands (design section 7), and the one table that maps errors to them. Threads: any. */
#pragma once

enum exitcode {
	EXITCODE_DONE = 0,
	EXITCODE_PARTIAL = 1, /* failed, or in part */
	EXITCODE_USAGE = 2,
	EXITCODE_BAD_DATA = 65, /* EX_DATAERR and so on of sysexits.h */
	EXITCODE_UNREACHABLE = 69,
	EXITCODE_CANNOT_CREATE = 73,
	EXITCODE_BUSY = 75,
	EXITCODE_NOT_ALLOWED = 77,
};

/* `err` as returned by any function of the project (0 or negative) or its absolute value. */
enum exitcode exitcode_of(int err);

/* What a person can do next, as a clause without a full stop; NULL when there is nothing general to say. */
const char *exitcode_hint(int err);
