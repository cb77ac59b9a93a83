/* What is found is gathered and printed at the end: the check may hold the write gate, and a client that reads slowly
 * must not make others wait. */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mount/command.h"
#include "mount/devices.h"
#include "mount/library.h"
#include "mount/network.h"
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

/* --- with others --- */

/* Returns the problems found: 0 or 1. */
static uint64_t print_comparison(struct call *call, const struct device_copy *device, int result,
				 const struct core_comparison *c)
{
	unsigned compared = c->same + c->different;

	out_name_text(call->out, device->name);
	if (result < 0) {
		out_printf(call->out, ": offline, not compared\n");
		return 0;
	}
	if (c->different > 0)
		out_printf(call->out, ": problem: %u of %u streams hold other rows at the same position\n",
			   c->different, compared);
	else if (compared == 0)
		out_printf(call->out, ": nothing could be compared yet\n");
	else
		out_printf(call->out, ": the same rows in %u stream%s\n", compared, compared == 1 ? "" : "s");
	if (c->apart > 0)
		out_printf(call->out, "  %u more %s at another position, or not taken: not compared\n", c->apart,
			   c->apart == 1 ? "is" : "are");
	return c->different > 0;
}

static int check_peers(struct call *call, uint64_t *problems)
{
	_cleanup_(devices_release) struct devices devices = DEVICES_INIT;
	const struct library *library = call->library;
	struct db *db;
	int r;

	if (!library->network) {
		out_printf(call->out, "Other devices are not compared: the library is not mounted or served.\n");
		return 0;
	}
	r = store_reader(library->store, &db);
	if (r == 0)
		r = devices_read(db, NULL, &devices);
	for (size_t i = 0; r == 0 && i < devices.count; i++) {
		struct core_comparison comparison = {0};

		if (devices.items[i].self)
			continue;
		*problems += print_comparison(call, &devices.items[i],
					      network_compare(library->network, &devices.items[i].uuid, &comparison),
					      &comparison);
	}
	return r;
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
	if (r == 0 && args_has(call->args, "peers"))
		r = check_peers(call, &problems);
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
