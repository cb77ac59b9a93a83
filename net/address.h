/* Addresses as text, "1.2.3.4:80", "[2001:db8::1%eth0]:80" or "host.example:80", and as the kernel knows them.
 * Threads: any. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/limits.h"

#define ADDRESS_SOURCE_LEN 16

/* A numeric address. IPv4 in IPv6 is shown as IPv4. Empty when it is neither. */
void address_to_text(const struct sockaddr *address, char ret_text[NODE_ADDRESS_TEXT]);

socklen_t address_len(const struct sockaddr *address); /* 0 for families other than IPv4 and IPv6 */

/* Cuts "host:port" in two. A port of 1 to 65535 is needed. Errors: -ERR_MALFORMED. */
int address_split(const char *text, char ret_host[NODE_ADDRESS_TEXT], uint16_t *ret_port);

/* Errors: -ENOENT (a name, to be looked up), -ERR_MALFORMED. */
int address_from_text(const char *text, struct sockaddr_storage *ret_address);

/* Who is counted as one caller: an IPv4 address, or the first 64 bits of an IPv6 one. */
void address_source(const struct sockaddr *address, uint8_t ret_source[ADDRESS_SOURCE_LEN]);
