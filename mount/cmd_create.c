#include <stdlib.h>

#include "base/cleanup.h"
#include "mount/command.h"
#include "mount/library.h"
#include "mount/path.h"
#include "mount/place.h"

/* The folder that the new one is to be in must suit a database. */
static int check_parent(const char *dir, struct out *out)
{
	_cleanup_(free_ptr) char *parent = NULL;
	int r = path_above(dir, &parent);

	return r < 0 ? r : place_check_library(parent, out);
}

int cmd_create(struct call *call)
{
	_cleanup_(free_ptr) char *dir = NULL;
	struct library_create_opts opts = {
	    .name = args_value(call->args, "name"),
	    .device_name = args_value(call->args, "device"),
	};
	int r = place_new_library(call->args->words[0], call->out, &dir);

	if (r == 0)
		r = check_parent(dir, call->out);
	opts.dir = dir;
	if (r == 0)
		r = library_create(&opts, call->out);
	if (r < 0)
		return (int)exitcode_of(r);
	out_printf(call->out, "Made the library ");
	out_name_text(call->out, dir);
	out_printf(call->out, ".\n");
	return EXITCODE_DONE;
}
