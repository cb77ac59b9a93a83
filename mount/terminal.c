/* The state of the terminal of this process: whether a progress line stands there, which everything else that is
 * written has to wipe first. A piece of output may end in the middle of a line, so progress is only shown between whole
 * lines: commands see to that. */
#include "mount/terminal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"

enum { COLUMNS_DEFAULT = 80 };

static bool progress_stands;
static volatile sig_atomic_t interrupted;

static int write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int show_progress(const char *line, size_t len)
{
	static const char wipe[] = "\r\033[K";
	int r = write_all(STDERR_FILENO, wipe, sizeof(wipe) - 1);

	progress_stands = len > 0;
	if (r < 0)
		return r;
	return write_all(STDERR_FILENO, line, text_cut(line, len, terminal_columns() - 1));
}

static int terminal_write(void *arg, enum out_stream stream, const void *data, size_t len)
{
	int r = 0;

	if (stream == OUT_PROGRESS)
		return show_progress(data, len);
	if (progress_stands)
		r = show_progress("", 0);
	if (r < 0)
		return r;
	return write_all(stream == OUT_STDOUT ? STDOUT_FILENO : STDERR_FILENO, data, len);
}

static bool terminal_cancelled(void *arg)
{
	return terminal_interrupted();
}

const struct out_sink terminal_sink = {.write = terminal_write, .cancelled = terminal_cancelled};

void terminal_init(struct out *ret_out)
{
	out_init(ret_out, &terminal_sink, NULL, isatty(STDOUT_FILENO) == 1, isatty(STDERR_FILENO) == 1);
}

unsigned terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		return size.ws_col;
	return COLUMNS_DEFAULT;
}

static void on_interrupt(int signal)
{
	interrupted = 1;
}

void terminal_catch_interrupts(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	/* Restarting: whoever waits polls, and poll is never restarted. */
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART | (int)SA_RESETHAND};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

bool terminal_interrupted(void)
{
	return interrupted;
}
