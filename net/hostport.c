#include "net/hostport.h"

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static bool is_port(const char *text)
{
	size_t len = strlen(text);
	unsigned value = 0;

	for (size_t i = 0; i < len && len < sizeof("65535"); i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	return value > 0 && value <= UINT16_MAX;
}

/* Where the port's colon is; NULL: nowhere, or the brackets are wrong. */
static const char *find_colon(const char *text)
{
	const char *close = strchr(text, ']');

	if (text[0] == '[')
		return close && close[1] == ':' ? close + 1 : NULL;
	return !close && strchr(text, ':') == strrchr(text, ':') ? strchr(text, ':') : NULL;
}

int hostport_parse(const char *text, struct hostport *ret_hostport)
{
	const char *colon = find_colon(text);
	bool bracketed = text[0] == '[';
	struct hostport hp = {0};
	size_t len;

	if (!colon || !is_port(colon + 1))
		return -ERR_MALFORMED;
	len = (size_t)(colon - text) - (bracketed ? 2 : 0);
	if (len == 0 || len > HOSTPORT_HOST_MAX)
		return -ERR_MALFORMED;
	memcpy(hp.host, text + bracketed, len);
	memcpy(hp.port, colon + 1, strlen(colon + 1));
	*ret_hostport = hp;
	return 0;
}

socklen_t hostport_sockaddr_len(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return sizeof(struct sockaddr_in);
	return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : 0;
}

char *hostport_text(const struct sockaddr *address, char ret_text[HOSTPORT_TEXT_MAX])
{
	char host[HOSTPORT_TEXT_MAX - 10], port[sizeof("65535")];
	const char *format = address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s";

	if (getnameinfo(address, hostport_sockaddr_len(address), host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(ret_text, HOSTPORT_TEXT_MAX, "?");
	else
		snprintf(ret_text, HOSTPORT_TEXT_MAX, format, host, port);
	return ret_text;
}
