/* `pair`: shows a code, and waits until another device has joined by it. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "mount/command.h"
#include "mount/library.h"
#include "mount/network.h"
#include "mount/network_options.h"
#include "mount/qr.h"
#include "store/store.h"

enum { LOOK_MS = 250, ADDRESSES_SHOWN = 4, ARRIVAL_MS = 60 * 1000 };

/* --- showing the code --- */

static void show_qr(struct call *call, const char *code)
{
	_cleanup_(buf_release) struct buf text = BUF_INIT;
	_cleanup_(buf_release) struct buf picture = BUF_INIT;

	if (!call->out->stdout_tty)
		return;
	buf_printf(&text, "shelf join %s", code);
	buf_append(&text, "", 1);
	if (buf_error(&text) == 0 && qr_render((const char *)text.data, 80, &picture) == 0)
		out_bytes(call->out, picture.data, picture.len);
	explicit_bzero(text.data, text.len);
	if (picture.len > 0)
		explicit_bzero(picture.data, picture.len);
}

static void show_code(struct call *call, const char *code)
{
	if (!call->out->stdout_tty) {
		out_printf(call->out, "%s\n", code);
		return;
	}
	out_printf(call->out, "\n    \033[1m");
	for (const char *c = code; *c; c++)
		out_printf(call->out, "%c  ", *c);
	out_printf(call->out, "\033[0m\n\n");
}

static bool is_reachable_from_outside(const struct ifaddrs *a)
{
	if (!a->ifa_addr || (a->ifa_flags & IFF_LOOPBACK) != 0 || (a->ifa_flags & IFF_UP) == 0)
		return false;
	if (a->ifa_addr->sa_family == AF_INET)
		return true;
	return a->ifa_addr->sa_family == AF_INET6 &&
	       !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)a->ifa_addr)->sin6_addr);
}

/* For devices that no beacon reaches. */
static void show_addresses(struct call *call, uint16_t port)
{
	struct ifaddrs *all = NULL;
	int shown = 0;

	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *a = all; a && shown < ADDRESSES_SHOWN; a = a->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		bool six;

		if (!is_reachable_from_outside(a))
			continue;
		six = a->ifa_addr->sa_family == AF_INET6;
		if (!inet_ntop(a->ifa_addr->sa_family,
			       six ? (void *)&((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr
				   : (void *)&((struct sockaddr_in *)a->ifa_addr)->sin_addr,
			       text, sizeof(text)))
			continue;
		out_note(call->out, "%s --address %s%s%s:%u", shown++ == 0 ? "If it does not find this device, add" : "  or",
			 six ? "[" : "", text, six ? "]" : "", port);
	}
	freeifaddrs(all);
}

static void show(struct call *call, const struct pairing_news *news)
{
	out_note(call->out, "Type this on the other device within five minutes: shelf join CODE LIBRARY");
	show_code(call, news->code);
	show_qr(call, news->code);
	(void)out_flush(call->out);
	show_addresses(call, network_port(call->library->network));
}

/* --- waiting --- */

static int tell_removed(struct call *call)
{
	out_error(call->out, "this device was removed from the library, so it can let nobody in");
	return EXITCODE_NOT_ALLOWED;
}

static void tell_run(struct call *call, const struct pairing_news *news)
{
	switch (news->last_outcome) {
	case PAIRING_PAIRED:
	case PAIRING_ALREADY_MEMBER:
	case PAIRING_REFUSED:
		return; /* tell_end says it */
	case PAIRING_OTHER_VERSION:
		out_note(call->out, "A device with another version of shelf has tried.");
		return;
	case PAIRING_SAME_DEVICE:
		out_note(call->out, "This device has tried to join itself.");
		return;
	default:
		out_note(call->out, "Somebody tried a wrong code, or broke off; %u %s left.", news->runs_left,
			 news->runs_left == 1 ? "try is" : "tries are");
	}
}

static int tell_refusal(struct call *call, const struct pairing_news *news)
{
	char apart[OUT_OFFSET_LEN];

	if (news->error == -EACCES)
		return tell_removed(call);
	if (news->error != -ERR_AHEAD)
		return out_fail(call->out, news->error, "'%s' had the right code, but could not be let in",
				news->device);
	out_error(call->out,
		  "'%s' had the right code, but its clock is %s this one's: set the clocks, then `shelf pair` again",
		  news->device, out_offset_text(news->clock_offset_ms, apart));
	return EXITCODE_NOT_ALLOWED;
}

static int tell_verdict(struct call *call, const struct pairing_news *news)
{
	if (news->verdict == PAIRING_REFUSED)
		return tell_refusal(call, news);
	if (news->verdict == PAIRING_ALREADY_MEMBER) {
		out_error(call->out, "'%s' is a member already", news->device);
		return EXITCODE_CANNOT_CREATE;
	}
	out_name_text(call->out, news->device);
	out_printf(call->out, " has joined the library.\n");
	return EXITCODE_DONE;
}

static int tell_end(struct call *call, const struct pairing_news *news)
{
	if (news->reason == PAIRING_CODE_DONE)
		return tell_verdict(call, news);
	if (news->reason == PAIRING_CODE_EXPIRED) {
		out_error(call->out, "the code has expired: nobody joined within five minutes; `shelf pair` makes a new one");
		return EXITCODE_UNREACHABLE;
	}
	out_error(call->out, "the code is used up after %u tries with a wrong code or that broke off; if those were not yours, "
			     "somebody is guessing. `shelf pair` makes a new one",
		  news->runs);
	return EXITCODE_NOT_ALLOWED;
}

static int wait_for_it(struct call *call, struct pairing_window *window, struct pairing_news *news)
{
	unsigned told = 0;

	for (;;) {
		pairing_window_look(window, news);
		if (news->runs > told) {
			told = news->runs;
			out_progress_end(call->out);
			tell_run(call, news);
		}
		if (news->over)
			break;
		if (news->removed) {
			out_progress_end(call->out);
			return tell_removed(call);
		}
		if (out_cancelled(call->out)) {
			out_progress_end(call->out);
			out_note(call->out, "The code is dead now; nobody has joined.");
			return EXITCODE_PARTIAL;
		}
		out_progress(call->out, "Waiting for the other device, %u:%02u left", (unsigned)(news->left_ms / 60000),
			     (unsigned)(news->left_ms / 1000 % 60));
		pairing_window_wait(window, LOOK_MS);
	}
	out_progress_end(call->out);
	return tell_end(call, news);
}

/* The new device comes at once for the catalogue and leaves when it has it; without us it would wait in vain. */
static void hand_over(struct call *call, const struct uuid *device)
{
	uint64_t since_ms = clock_monotonic_ms();

	while (!out_cancelled(call->out) && clock_monotonic_ms() - since_ms < ARRIVAL_MS) {
		struct network_peer peer = {0};
		bool online = network_peer(call->library->network, device, &peer) == 0 && peer.node.connected;
		char left[OUT_NUMBER_LEN];

		if (!online && peer.node.last_seen_ms > 0) /* it was there */
			break;
		if (online) {
			since_ms = clock_monotonic_ms();
			out_progress(
			    call->out, "Handing over the catalogue: %s changes to go",
			    out_count_text(peer.has_core ? peer.core.behind_log + peer.core.behind_state : 0, left));
		}
		nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
	}
	out_progress_end(call->out);
}

/* A library that nobody keeps open is on the network only as long as this command runs. */
static int ensure_network(struct call *call)
{
	struct network_options options;

	if (call->library->network)
		return 0;
	network_options_read(call->args, &options);
	return network_start(call->library, &options.opts, call->out, &call->library->network);
}

int cmd_pair(struct call *call)
{
	struct pairing_window *window;
	struct pairing_news news;
	int code, r = ensure_network(call);

	if (r < 0)
		return (int)exitcode_of(r);
	r = network_pair_open(call->library->network, &window);
	if (r == -EALREADY) {
		out_error(call->out, "a code is shown already, by another `shelf pair`; use that one, or end it");
		return EXITCODE_BUSY;
	}
	if (r == -EACCES)
		return tell_removed(call);
	if (r < 0)
		return out_fail(call->out, r, "cannot make a code");
	pairing_window_look(window, &news);
	show(call, &news);
	code = wait_for_it(call, window, &news);
	network_pair_close(call->library->network, window);
	explicit_bzero(news.code, sizeof(news.code));
	if (code == EXITCODE_DONE && !call->library->is_daemon) {
		(void)out_flush(call->out);
		hand_over(call, &news.device_id);
		out_note(call->out, "Mount or serve the library, here and there: then they find each other.");
	}
	return code;
}
