#include "net/interfaces.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

/* What these begin with belongs to virtual machines and containers of this device. */
static const char *const virtual[] = {"docker", "br-",	  "veth",    "virbr", "vnet",  "vmnet",
				      "cni",	"podman", "flannel", "lxcbr", "lxdbr", "vboxnet"};

static bool is_virtual(const char *name)
{
	for (size_t i = 0; i < sizeof(virtual) / sizeof(virtual[0]); i++)
		if (strncmp(name, virtual[i], strlen(virtual[i])) == 0)
			return true;
	return false;
}

bool interfaces_selects(const struct interfaces_opts *opts, const char *name, unsigned flags)
{
	if ((flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING))
		return false;
	if (opts->all)
		return true;
	for (size_t i = 0; opts->names && i < opts->count; i++)
		if (strcmp(opts->names[i], name) == 0)
			return true;
	return !opts->names && !(flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) && !is_virtual(name);
}

/* Loopback has a broadcast address as well (127.255.255.255), though it does not say so. */
static bool take_v4(const struct ifaddrs *from, struct interface *ret)
{
	const struct sockaddr_in *address = (const void *)from->ifa_addr;
	const struct sockaddr_in *mask = (const void *)from->ifa_netmask;
	in_addr_t host = mask ? ~mask->sin_addr.s_addr : 0;

	if (!(from->ifa_flags & (IFF_BROADCAST | IFF_LOOPBACK)) || ntohl(host) < 3) /* /31, /32: nobody else there */
		return false;
	ret->address = address->sin_addr;
	ret->broadcast.s_addr = address->sin_addr.s_addr | host;
	return true;
}

/* Loopback does not multicast. */
static bool take_v6(const struct ifaddrs *from, struct interface *ret)
{
	const struct sockaddr_in6 *address = (const void *)from->ifa_addr;

	if (!(from->ifa_flags & IFF_MULTICAST) || from->ifa_flags & IFF_LOOPBACK)
		return false;
	ret->address6 = address->sin6_addr;
	return true;
}

static bool take(const struct ifaddrs *from, struct interface *ret)
{
	*ret = (struct interface){0};
	ret->family = from->ifa_addr->sa_family;
	ret->index = if_nametoindex(from->ifa_name);
	strncpy(ret->name, from->ifa_name, sizeof(ret->name) - 1);
	if (ret->family == AF_INET)
		return take_v4(from, ret);
	return ret->family == AF_INET6 && take_v6(from, ret);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct interface));
}

static void select_from(const struct ifaddrs *list, const struct interfaces_opts *opts, struct interfaces *ret)
{
	ret->count = 0;
	for (const struct ifaddrs *i = list; i && ret->count < DISCOVERY_INTERFACES_MAX; i = i->ifa_next)
		if (i->ifa_addr && interfaces_selects(opts, i->ifa_name, i->ifa_flags) &&
		    take(i, &ret->all[ret->count]))
			ret->count++;
	qsort(ret->all, ret->count, sizeof(ret->all[0]), compare);
}

int interfaces_read(const struct interfaces_opts *opts, struct interfaces *ret_interfaces)
{
	static const char *const loopback[] = {"lo"};
	const struct interfaces_opts fallback = {.names = loopback, .count = 1};
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return -errno;
	select_from(list, opts, ret_interfaces);
	if (ret_interfaces->count == 0 && !opts->names)
		select_from(list, &fallback, ret_interfaces);
	freeifaddrs(list);
	return 0;
}

bool interfaces_has_network(const struct interfaces *i)
{
	for (unsigned k = 0; k < i->count; k++)
		if (i->all[k].family == AF_INET6 || ntohl(i->all[k].address.s_addr) >> 24 != IN_LOOPBACKNET)
			return true;
	return false;
}

bool interfaces_equal(const struct interfaces *a, const struct interfaces *b)
{
	return a->count == b->count && memcmp(a->all, b->all, a->count * sizeof(a->all[0])) == 0;
}
