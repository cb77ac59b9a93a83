/* Addresses as people write them: HOST:PORT, where HOST is a name, an IPv4 address or an IPv6 address in brackets.
 * Threads: any. */
#pragma once

#include <sys/socket.h>

#define HOSTPORT_HOST_MAX 255
#define HOSTPORT_TEXT_MAX 96 /* with the NUL */

struct hostport {
	char host[HOSTPORT_HOST_MAX + 1];
	char port[sizeof("65535")];
};

/* Errors: -ERR_MALFORMED (also: no port, port 0). */
int hostport_parse(const char *text, struct hostport *ret_hostport);

/* "192.0.2.1:4000", "[fe80::1%eth0]:4000"; "?" for other families. Returns ret_text. */
char *hostport_text(const struct sockaddr *address, char ret_text[HOSTPORT_TEXT_MAX]);

socklen_t hostport_sockaddr_len(const struct sockaddr *address); /* 0 for families other than IPv4 and IPv6 */
