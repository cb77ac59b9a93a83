/* Where a command writes to: the terminal of its own process, or the client at the other end of a control connection.
 *
 * Standard output is buffered; each function may therefore do nothing visible before out_flush. A failure to write is
 * remembered and counts as cancelled: a command polls out_cancelled in its loops and ends early.
 * Names in messages are always escaped (text_printable), so that no name can imitate a message or steer a terminal; on
 * standard output out_name escapes only for a terminal. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "mount/exitcode.h"

enum out_stream {
	OUT_STDOUT,
	OUT_STDERR,
	OUT_PROGRESS, /* one line that replaces the last one; empty = none */
};

struct out_sink {
	int (*write)(void *arg, enum out_stream stream, const void *data, size_t len); /* all of it, or an error */
	bool (*cancelled)(void *arg);
};

struct out {
	const struct out_sink *sink; /* borrowed */
	void *arg;
	bool stdout_tty;
	bool stderr_tty; /* progress is shown only then */
	bool progress_shown;
	uint64_t progress_ms; /* when the last one was written, monotonic */
	struct buf pending;   /* owned; standard output that is not written yet */
	int error;	      /* the first error of the sink */
};

void out_init(struct out *out, const struct out_sink *sink, void *arg, bool stdout_tty, bool stderr_tty);
void out_release(struct out *out); /* writes nothing: out_flush comes before */

void out_bytes(struct out *out, const void *data, size_t len); /* as they are */
void out_printf(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void out_name(struct out *out, const void *name, size_t len); /* escaped when standard output is a terminal */
void out_name_text(struct out *out, const char *name);	      /* the same, NUL-terminated */
int out_flush(struct out *out);

/* One line "shelf: ..." on standard error; the newline is added. */
void out_error(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line that follows out_error and says what to do next, or one that says what is going on. */
void out_note(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* out_error with what `err` means and what to do about it. Returns the exit code. */
int out_fail(struct out *out, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* At most every 100 ms, on a terminal. */
void out_progress(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void out_progress_end(struct out *out); /* takes the line away */

bool out_cancelled(struct out *out);

/* Numbers for people: "12,345", "1.2 GB" (powers of 1,000). `ret_text` has room for OUT_NUMBER_LEN. Return ret_text. */
#define OUT_NUMBER_LEN 32
char *out_count_text(uint64_t count, char ret_text[OUT_NUMBER_LEN]);
char *out_size_text(uint64_t bytes, char ret_text[OUT_NUMBER_LEN]);
/* Of two clocks, roughly: "7 minutes ahead of", "3 hours behind". */
#define OUT_OFFSET_LEN 48
char *out_offset_text(int64_t offset_ms, char ret_text[OUT_OFFSET_LEN]);
