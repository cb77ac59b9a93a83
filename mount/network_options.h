/* The options of commands that go on the network, as rows of their tables and as what the network wants. Threads: any. */
#pragma once

#include "mount/network.h"
#include "mount/options.h"

#define OPTION_LISTEN                                                                                                          \
	{                                                                                                                      \
		"listen", 0, "[ADDRESS]:PORT", "where other devices reach this one (default: all addresses)"                   \
	}
#define OPTION_INTERFACE                                                                                                       \
	{                                                                                                                      \
		"interface", 0, "NAME", "look for devices on this network interface only; may be given several times"          \
	}
#define OPTION_NO_DISCOVERY                                                                                                    \
	{                                                                                                                      \
		"no-discovery", 0, NULL, "do not look for devices on the local network, and do not announce this one"          \
	}

struct network_options {
	struct network_opts opts; /* borrows from the args and from below */
	const char *interfaces[OPTIONS_GIVEN_MAX];
};

/* `ret_options` must stay where it is while its opts are used. */
void network_options_read(const struct args *args, struct network_options *ret_options);
