#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/err.h"

enum { IPV4_AT = 12, NETWORK_LEN = 8, PORT_DIGITS_MAX = 5 };

static void ipv6_to_text(const struct sockaddr_in6 *in6, char ret_text[NODE_ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN];
	char zone[IF_NAMESIZE] = "";

	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[IPV4_AT], host, sizeof(host));
		snprintf(ret_text, NODE_ADDRESS_TEXT, "%s:%u", host, ntohs(in6->sin6_port));
		return;
	}
	inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
	if (in6->sin6_scope_id != 0 && !if_indextoname(in6->sin6_scope_id, zone))
		snprintf(zone, sizeof(zone), "%u", in6->sin6_scope_id);
	snprintf(ret_text, NODE_ADDRESS_TEXT, "[%s%s%s]:%u", host, zone[0] ? "%" : "", zone, ntohs(in6->sin6_port));
}

void address_to_text(const struct sockaddr *address, char ret_text[NODE_ADDRESS_TEXT])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	char host[INET_ADDRSTRLEN];

	ret_text[0] = '\0';
	if (address->sa_family == AF_INET6) {
		ipv6_to_text((const struct sockaddr_in6 *)address, ret_text);
	} else if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(ret_text, NODE_ADDRESS_TEXT, "%s:%u", host, ntohs(in->sin_port));
	}
}

socklen_t address_len(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return sizeof(struct sockaddr_in);
	return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : 0;
}

static int parse_port(const char *text, uint16_t *ret_port)
{
	uint32_t port = 0;
	size_t len = strlen(text);

	if (len == 0 || len > PORT_DIGITS_MAX)
		return -ERR_MALFORMED;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -ERR_MALFORMED;
		port = port * 10 + (uint32_t)(text[i] - '0');
	}
	if (port == 0 || port > UINT16_MAX)
		return -ERR_MALFORMED;
	*ret_port = (uint16_t)port;
	return 0;
}

int address_split(const char *text, char ret_host[NODE_ADDRESS_TEXT], uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	const char *from = text;
	size_t len;
	uint16_t port;

	if (!colon || strlen(text) >= NODE_ADDRESS_TEXT || parse_port(colon + 1, &port) < 0)
		return -ERR_MALFORMED;
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		from++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return -ERR_MALFORMED; /* IPv6 without brackets: where would the port begin? */
	}
	if (len == 0 || memchr(from, '[', len) || memchr(from, ']', len))
		return -ERR_MALFORMED;
	memcpy(ret_host, from, len);
	ret_host[len] = '\0';
	*ret_port = port;
	return 0;
}

int address_from_text(const char *text, struct sockaddr_storage *ret_address)
{
	char host[NODE_ADDRESS_TEXT];
	uint16_t port;
	int r = address_split(text, host, &port);

	if (r < 0)
		return r;
	memset(ret_address, 0, sizeof(*ret_address));
	if (uv_ip4_addr(host, port, (struct sockaddr_in *)ret_address) == 0 ||
	    uv_ip6_addr(host, port, (struct sockaddr_in6 *)ret_address) == 0)
		return 0;
	return text[0] == '[' ? -ERR_MALFORMED : -ENOENT;
}

void address_source(const struct sockaddr *address, uint8_t ret_source[ADDRESS_SOURCE_LEN])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	memset(ret_source, 0, ADDRESS_SOURCE_LEN);
	if (address->sa_family == AF_INET)
		memcpy(ret_source + IPV4_AT, &in->sin_addr, sizeof(in->sin_addr));
	else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		memcpy(ret_source + IPV4_AT, &in6->sin6_addr.s6_addr[IPV4_AT], sizeof(in->sin_addr));
	else if (address->sa_family == AF_INET6)
		memcpy(ret_source, &in6->sin6_addr, NETWORK_LEN);
}
