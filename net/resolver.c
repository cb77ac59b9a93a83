#include "net/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "net/address.h"

struct resolver {
	uv_loop_t *loop;
	uv_getaddrinfo_t request;
	bool running; /* the request */
	bool calling; /* a callback may be on: whoever called it frees */
	bool closing;
	size_t at; /* the name that is being looked up */
	struct resolver_opts opts;
	struct name {
		char host[NODE_ADDRESS_TEXT];
		char service[sizeof("65535")];
	} names[PAIRING_ADDRESSES_MAX];
	void (*closed)(void *arg);
	void *closed_arg;
};

static int error_of(int r)
{
	bool is_eai = r <= UV_EAI_ADDRFAMILY && r > UV_EAI_ADDRFAMILY - 100; /* libuv's range for them */

	return is_eai ? (r == UV_EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH) : r;
}

static void release(struct resolver *r)
{
	void (*closed)(void *) = r->closed;
	void *arg = r->closed_arg;

	free(r);
	if (closed)
		closed(arg);
}

static void look_up(struct resolver *r);

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct resolver *r = request->data;
	size_t which = r->at;

	r->running = false;
	if (r->closing) {
		uv_freeaddrinfo(list);
		release(r);
		return;
	}
	r->calling = true;
	for (const struct addrinfo *at = list; at; at = at->ai_next)
		if (address_len(at->ai_addr) > 0)
			r->opts.found(r->opts.arg, which, at->ai_addr);
	uv_freeaddrinfo(list);
	r->at++;
	r->opts.looked_up(r->opts.arg, which, error_of(status));
	look_up(r);
}

/* What cannot even be asked goes the same way as what has no answer. */
static void look_up(struct resolver *r)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

	r->calling = true;
	while (r->at < r->opts.count && !r->running && !r->closing) {
		const struct name *name = &r->names[r->at];
		int error = uv_getaddrinfo(r->loop, &r->request, on_resolved, name->host, name->service, &hints);

		r->running = error == 0;
		if (error < 0)
			r->opts.looked_up(r->opts.arg, r->at++, error_of(error));
	}
	r->calling = false;
	if (r->closing && !r->running)
		release(r);
}

static int take_name(const char *text, struct name *ret_name)
{
	uint16_t port;
	int r = address_split(text, ret_name->host, &port);

	if (r == 0)
		snprintf(ret_name->service, sizeof(ret_name->service), "%u", port);
	return r;
}

int resolver_new(const struct resolver_opts *opts, struct resolver **ret_resolver)
{
	struct resolver *r;
	int error = 0;

	if (opts->count > PAIRING_ADDRESSES_MAX)
		return -ERR_TOO_LARGE;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	for (size_t i = 0; error == 0 && i < opts->count; i++)
		error = take_name(opts->names[i], &r->names[i]);
	if (error < 0) {
		free(r);
		return error;
	}
	r->opts = *opts;
	r->request.data = r;
	*ret_resolver = r;
	return 0;
}

void resolver_start(struct resolver *r, uv_loop_t *loop)
{
	r->loop = loop;
	look_up(r);
}

bool resolver_is_done(const struct resolver *r)
{
	return r->at == r->opts.count;
}

void resolver_close(struct resolver *r, void (*closed)(void *arg), void *arg)
{
	r->closing = true;
	r->closed = closed;
	r->closed_arg = arg;
	if (r->running)
		uv_cancel((uv_req_t *)&r->request);
	else if (!r->calling)
		release(r);
}
