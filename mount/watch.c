#include "mount/watch.h"

#include <time.h>

#include "base/cleanup.h"

enum { EVERY_MS = 2000, STEP_MS = 100 };

struct gathered {
	struct out *out;
	struct buf text; /* owned */
};

/* Messages are part of the picture. */
static int gather(void *arg, enum out_stream stream, const void *data, size_t len)
{
	struct gathered *gathered = arg;

	return stream == OUT_PROGRESS ? 0 : buf_append(&gathered->text, data, len);
}

static bool is_cancelled(void *arg)
{
	struct gathered *gathered = arg;

	return out_cancelled(gathered->out);
}

static const struct out_sink gathering = {.write = gather, .cancelled = is_cancelled};

static void show(struct out *out, const struct buf *text)
{
	static const char from_the_top[] = "\033[H\033[J";

	if (out->stdout_tty)
		out_bytes(out, from_the_top, sizeof(from_the_top) - 1);
	out_bytes(out, text->data, text->len);
	out_flush(out);
}

static void wait_a_while(struct out *out)
{
	for (int ms = 0; ms < EVERY_MS && !out_cancelled(out); ms += STEP_MS)
		nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
}

int watch_run(struct out *out, int (*run)(void *arg, struct out *out), void *arg)
{
	int code;

	do {
		struct gathered gathered = {.out = out};
		struct out inner;

		out_init(&inner, &gathering, &gathered, out->stdout_tty, false);
		code = run(arg, &inner);
		out_flush(&inner);
		out_release(&inner);
		show(out, &gathered.text);
		buf_release(&gathered.text);
		wait_a_while(out);
	} while (!out_cancelled(out));
	return code;
}
