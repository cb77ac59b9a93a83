/* A listening TCP socket on a loop. Connections come as plain descriptors, so that those that are refused cost nothing
 * but the system calls. After an error such as EMFILE it pauses for NODE_ACCEPT_PAUSE_MS instead of spinning.
 * Threads: the loop's. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

struct listener;

struct listener_events {
	/* Takes over `fd`, which does not block and is closed on exec. */
	void (*connection)(void *arg, int fd, const struct sockaddr *from);
	void (*failed)(void *arg, int error); /* once for each pause */
	void (*gone)(void *arg);	      /* after listener_close: nothing more will come */
};

/* `address` NULL: all addresses of this machine, IPv6 and IPv4, at `port` (0: any). Else `port` is not looked at.
 * Errors: those of socket, bind and listen; -ENOMEM. */
int listener_open(uv_loop_t *loop, const struct sockaddr *address, uint16_t port, const struct listener_events *events,
		  void *arg, struct listener **ret_listener);

uint16_t listener_port(const struct listener *listener);

void listener_close(struct listener *listener); /* takes it; `gone` follows */
