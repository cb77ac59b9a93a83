#include "mount/network_options.h"

void network_options_read(const struct args *args, struct network_options *ret_options)
{
	const char *name;
	int count = 0;

	while (count < OPTIONS_GIVEN_MAX && (name = args_value_at(args, "interface", count)))
		ret_options->interfaces[count++] = name;
	ret_options->opts = (struct network_opts){
		.listen = args_value(args, "listen"),
		.no_discovery = args_has(args, "no-discovery"),
		.interfaces = count > 0 ? ret_options->interfaces : NULL,
		.interface_count = (size_t)count,
	};
}
