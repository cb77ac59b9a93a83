/* The log of a program: one line each to standard error, or, once log_open_file was called, to a file.
 * Library folders log at LOG_DEBUG only; the caller that decides logs once, with the name of the thing. No code, key or
 * secret is ever passed in. Control characters in the text are escaped. Threads: any. */
#pragma once

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level); /* default LOG_INFO; $SHELF_LOG=error|warn|info|debug is read at the first line */
void log_set_default(enum log_level level); /* where $SHELF_LOG says nothing */
int log_open_file(const char *path);      /* appended, 0600; at 1 MiB it is renamed to PATH.1. Errors: errno */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
