#include "mount/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"

enum { FLUSH_AT_BYTES = 32 * 1024, PROGRESS_EVERY_MS = 100 };

void out_init(struct out *out, const struct out_sink *sink, void *arg, bool stdout_tty, bool stderr_tty)
{
	*out = (struct out){.sink = sink, .arg = arg, .stdout_tty = stdout_tty, .stderr_tty = stderr_tty};
}

void out_release(struct out *out)
{
	buf_release(&out->pending);
}

static void write_to(struct out *out, enum out_stream stream, const void *data, size_t len)
{
	int r = out->error ? out->error : out->sink->write(out->arg, stream, data, len);

	if (r < 0 && !out->error)
		out->error = r;
}

int out_flush(struct out *out)
{
	if (buf_error(&out->pending) && !out->error)
		out->error = buf_error(&out->pending);
	if (out->pending.len > 0)
		write_to(out, OUT_STDOUT, out->pending.data, out->pending.len);
	buf_clear(&out->pending);
	return out->error;
}

static void flush_if_full(struct out *out)
{
	if (out->pending.len >= FLUSH_AT_BYTES || buf_error(&out->pending))
		out_flush(out);
}

void out_bytes(struct out *out, const void *data, size_t len)
{
	buf_append(&out->pending, data, len);
	flush_if_full(out);
}

void out_printf(struct out *out, const char *format, ...)
{
	_cleanup_(free_ptr) char *text = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		out->error = -ENOMEM;
		return;
	}
	out_bytes(out, text, (size_t)n);
}

void out_name(struct out *out, const void *name, size_t len)
{
	_cleanup_(free_ptr) char *shown = out->stdout_tty ? text_printable(name, len) : NULL;

	if (shown)
		out_bytes(out, shown, strlen(shown));
	else
		out_bytes(out, name, len);
}

void out_name_text(struct out *out, const char *name)
{
	out_name(out, name, strlen(name));
}

/* A whole line of standard error in one write, so that lines of several threads do not mix. */
static void write_line(struct out *out, const char *prefix, const char *text)
{
	_cleanup_(free_ptr) char *shown = text_printable(text, strlen(text));
	_cleanup_(buf_release) struct buf line = BUF_INIT;

	out_progress_end(out);
	out_flush(out);
	buf_printf(&line, "%s%s\n", prefix, shown ? shown : "(no memory for this message)");
	if (buf_error(&line) == 0)
		write_to(out, OUT_STDERR, line.data, line.len);
}

static void write_formatted(struct out *out, const char *prefix, const char *format, va_list args)
{
	_cleanup_(free_ptr) char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	write_line(out, prefix, text ? text : "(no memory for this message)");
}

void out_error(struct out *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_formatted(out, "shelf: ", format, args);
	va_end(args);
}

void out_note(struct out *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_formatted(out, "", format, args);
	va_end(args);
}

int out_fail(struct out *out, int err, const char *format, ...)
{
	_cleanup_(free_ptr) char *text = NULL;
	const char *hint = exitcode_hint(err);
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	out_error(out, "%s: %s%s%s", text ? text : "shelf", err_str(err), hint ? "; " : "", hint ? hint : "");
	return (int)exitcode_of(err);
}

void out_progress(struct out *out, const char *format, ...)
{
	_cleanup_(free_ptr) char *text = NULL;
	_cleanup_(free_ptr) char *shown = NULL;
	uint64_t now = clock_monotonic_ms();
	va_list args;
	int n;

	if (!out->stderr_tty || (out->progress_shown && now - out->progress_ms < PROGRESS_EVERY_MS))
		return;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		return;
	}
	shown = text_printable(text, (size_t)n);
	if (!shown)
		return;
	out_flush(out);
	write_to(out, OUT_PROGRESS, shown, strlen(shown));
	out->progress_shown = true;
	out->progress_ms = now;
}

void out_progress_end(struct out *out)
{
	if (!out->progress_shown)
		return;
	out->progress_shown = false;
	write_to(out, OUT_PROGRESS, "", 0);
}

bool out_cancelled(struct out *out)
{
	return out->error || out->sink->cancelled(out->arg);
}

char *out_count_text(uint64_t count, char ret_text[OUT_NUMBER_LEN])
{
	char digits[OUT_NUMBER_LEN];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
	char *to = ret_text;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return ret_text;
}

char *out_size_text(uint64_t bytes, char ret_text[OUT_NUMBER_LEN])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		unit++;
	}
	snprintf(ret_text, OUT_NUMBER_LEN, unit > 0 && value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return ret_text;
}

char *out_offset_text(int64_t offset_ms, char ret_text[OUT_OFFSET_LEN])
{
	static const struct {
		const char *name;
		uint64_t seconds, up_to;
	} units[] = {
	    {"second", 1, 100}, {"minute", 60, 100 * 60}, {"hour", 3600, 48 * 3600}, {"day", 24 * 3600, UINT64_MAX}};
	uint64_t seconds = (offset_ms < 0 ? -(uint64_t)offset_ms : (uint64_t)offset_ms) / 1000;
	uint64_t count;
	size_t unit = 0;

	while (seconds >= units[unit].up_to)
		unit++;
	count = (seconds + units[unit].seconds / 2) / units[unit].seconds;
	snprintf(ret_text, OUT_OFFSET_LEN, "%llu %s%s %s", (unsigned long long)count, units[unit].name,
		 count == 1 ? "" : "s", offset_ms < 0 ? "behind" : "ahead of");
	return ret_text;
}
