/* What is found is gathered and printed at the end: the check may hold the write gate, and a client that reads slowly
 * must not make others wait. */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mount/command.h"
#include "mount/library.h"
#include "store/check.h"

struct findings {
	struct buf lines; /* owned */
};

static void say(void *arg, bool problem, const char *line)
{
	struct findings *findings = arg;

	buf_printf(&findings->lines, "%s%s\n", problem ? "problem: " : "", line);
}

static void print(struct out *out, const struct buf *lines)
{
	const char *at = (const char *)lines->data;
	size_t left = lines->len;

	while (left > 0) {
		const char *end = memchr(at, '\n', left);
		size_t len = end ? (size_t)(end - at) : left;

		out_name(out, at, len);
		out_bytes(out, "\n", 1);
		left -= end ? len + 1 : len;
		at += len + 1;
	}
}

int cmd_check(struct call *call)
{
	_cleanup_(buf_release) struct buf lines = BUF_INIT;
	struct findings findings = {0};
	struct check_opts opts = {
	    .repair = args_has(call->args, "repair"),
	    .quick = args_has(call->args, "quick"),
	    .say = say,
	    .arg = &findings,
	};
	uint64_t problems = 0;
	int r;

	out_progress(call->out, "  checking ...");
	r = store_check(call->library->store, &opts, &problems);
	lines = findings.lines;
	out_progress_end(call->out);
	print(call->out, &lines);
	if (r < 0)
		return out_fail(call->out, r, "the check could not be finished");
	if (problems == 0) {
		out_printf(call->out, "Nothing is wrong.\n");
		return EXITCODE_DONE;
	}
	out_printf(call->out, "%llu problem%s%s.\n", (unsigned long long)problems, problems == 1 ? "" : "s",
		   opts.repair ? " remain" : "; `shelf check --repair` mends what can be rebuilt");
	return EXITCODE_PARTIAL;
}
