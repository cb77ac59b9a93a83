/* `join` and `discover`: the side of a device that is not a member yet. Both run where they are typed, on a loop of their
 * own; when `join` has made the library it goes on the network with it, and stays until everything has arrived. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "mount/command.h"
#include "mount/introduction.h"
#include "mount/join.h"
#include "mount/library.h"
#include "mount/network_options.h"
#include "mount/path.h"
#include "mount/place.h"
#include "mount/statedir.h"
#include "mount/target.h"
#include "net/address.h"
#include "net/nearby.h"
#include "net/pairing_code.h"
#include "net/pairing_guest.h"
#include "store/device.h"
#include "store/store.h"

enum { POLL_MS = 100, DISCOVER_MS = 5000, ARRIVAL_MS = 60 * 1000, WAIT_MAX_S = 24 * 3600 };

#define ROOM_BYTES (8 * 1024 * 1024) /* that an empty library needs, with what SQLite writes beside it */

/* --- pairing --- */

struct joining {
	struct call *call;
	uv_loop_t loop;
	uv_timer_t poll; /* for Ctrl-C */
	struct pairing_guest *guest;
	const struct key *key;
	const char *device_name;
	uint64_t wait_ms;
	enum pairing_outcome outcome;
	int error;
	bool cancelled;
	int refused;			  /* why we have left; 0: we have not */
	bool was_asked;			  /* the other device knows of this one: it may have let it in */
	struct introduction introduction; /* owned; of PAIRED and REFUSED */
	struct uuid peer;
	char address[NODE_ADDRESS_TEXT]; /* empty: none */
	char name[TEXT_NAME_MAX + 1];	 /* of the other device, unproven */
};

static void on_closed(uv_handle_t *handle)
{
}

static void stop(struct joining *j)
{
	if (j->guest)
		pairing_guest_close(j->guest, NULL, NULL);
	j->guest = NULL;
	if (!uv_is_closing((uv_handle_t *)&j->poll))
		uv_close((uv_handle_t *)&j->poll, on_closed);
}

static void on_poll(uv_timer_t *timer)
{
	struct joining *j = timer->data;

	if (!out_cancelled(j->call->out))
		return;
	j->cancelled = true;
	stop(j);
}

/* The time that it tells is of now. When that fails the old text is as good, but for the time. */
static void renew_introduction(struct joining *j)
{
	_cleanup_(buf_release) struct buf payload = BUF_INIT;

	if (introduction_of_device(j->device_name, clock_wall_ms(), &payload) == 0)
		(void)pairing_guest_set_payload(j->guest, payload.data, payload.len);
}

static void on_progress(void *arg, const struct pairing_guest_progress *p)
{
	struct joining *j = arg;
	struct out *out = j->call->out;
	char address[NODE_ADDRESS_TEXT] = "";
	const char *name = p->name[0] != '\0' ? p->name : "a device";

	if (p->address)
		address_to_text(p->address, address);
	switch (p->stage) {
	case GUEST_SEARCHING:
		out_progress(out, "Looking for a device that shows a code");
		break;
	case GUEST_FOUND:
		out_note(out, "Found %s at %s.", name, address);
		break;
	case GUEST_CONNECTING:
		renew_introduction(j);
		out_progress(out, "Connecting to %s", address);
		break;
	case GUEST_CHECKING:
		out_progress(out, "Checking the code with %s", name);
		break;
	case GUEST_WAITING:
		j->was_asked = true;
		out_progress(out, "The code is right; waiting for %s", name);
		break;
	}
}

static enum pairing_outcome on_decide(void *arg, const uint8_t *peer_key, const void *payload, size_t len)
{
	struct joining *j = arg;
	struct introduction introduction;
	int r = introduction_read(payload, len, peer_key, &introduction);

	if (r == 0) {
		r = library_join_check(&introduction.library, j->call->out);
		introduction_release(&introduction);
	} else {
		out_error(j->call->out,
			  "the other device introduces itself in a way that this version does not understand");
	}
	j->refused = r;
	return r < 0 ? PAIRING_REFUSED : PAIRING_PAIRED;
}

static void on_end(void *arg, const struct pairing_guest_end *end)
{
	struct joining *j = arg;

	j->outcome = end->outcome;
	j->error = end->error;
	snprintf(j->name, sizeof(j->name), "%s", end->name ? end->name : "");
	if (end->address)
		address_to_text(end->address, j->address);
	if (end->peer_key) {
		j->peer = key_id_of_public(end->peer_key);
		if (introduction_read(end->payload, end->payload_len, end->peer_key, &j->introduction) < 0)
			j->outcome = PAIRING_MALFORMED;
	}
	stop(j);
}

static int run_guest(struct joining *j, const char *code)
{
	_cleanup_(buf_release) struct buf payload = BUF_INIT;
	const char *addresses[PAIRING_ADDRESSES_MAX];
	struct network_options options;
	struct pairing_guest_opts opts = {
	    .code = code,
	    .static_secret = key_secret(j->key),
	    .time_ms = j->wait_ms,
	    .progress = on_progress,
	    .decide = on_decide,
	    .end = on_end,
	    .arg = j,
	};
	const char *value;
	int r = introduction_of_device(j->device_name, clock_wall_ms(), &payload);

	network_options_read(j->call->args, &options);
	opts.discovery.interfaces = (struct interfaces_opts){.names = options.opts.interfaces,
							     .count = options.opts.interface_count};
	while (opts.address_count < PAIRING_ADDRESSES_MAX &&
	       (value = args_value_at(j->call->args, "address", (int)opts.address_count)))
		addresses[opts.address_count++] = value;
	opts.addresses = opts.address_count > 0 ? addresses : NULL;
	opts.payload = payload.data;
	opts.payload_len = payload.len;
	if (r == 0)
		r = pairing_guest_open(&j->loop, &opts, &j->guest);
	if (r < 0)
		stop(j);
	else
		uv_timer_start(&j->poll, on_poll, POLL_MS, POLL_MS);
	uv_run(&j->loop, UV_RUN_DEFAULT);
	return r;
}

static int pair(struct joining *j, const char *code)
{
	int r = uv_loop_init(&j->loop);

	if (r < 0)
		return r;
	uv_timer_init(&j->loop, &j->poll);
	j->poll.data = j;
	r = run_guest(j, code);
	uv_loop_close(&j->loop);
	out_progress_end(j->call->out);
	return r;
}

/* --- what came of it --- */

struct ending {
	enum pairing_outcome outcome;
	enum exitcode code;
	const char *text;
};

static const struct ending endings[] = {
	{PAIRING_WRONG_CODE, EXITCODE_NOT_ALLOWED, "the code is wrong: look at it again (it is used up after three tries)"},
	{PAIRING_EXPIRED, EXITCODE_NOT_ALLOWED, "the code has expired; `shelf pair` on the other device makes a new one"},
	{PAIRING_USED_UP, EXITCODE_NOT_ALLOWED,
	 "the code is used up: too many tries, or it has been used; `shelf pair` on the other device makes a new one"},
	{PAIRING_BUSY, EXITCODE_BUSY, "the other device is busy with somebody else's try; try again in a moment"},
	{PAIRING_REFUSED, EXITCODE_NOT_ALLOWED, "the other device could not let this one in; it says why"},
	{PAIRING_ALREADY_MEMBER, EXITCODE_CANNOT_CREATE, "this device is a member of that library already"},
	{PAIRING_SAME_DEVICE, EXITCODE_CANNOT_CREATE, "that is this device itself; run `shelf join` on another one"},
	{PAIRING_OTHER_VERSION, EXITCODE_BAD_DATA, "the other device has another version of shelf; update the older one"},
	{PAIRING_MALFORMED, EXITCODE_BAD_DATA, "what answered does not speak the language of shelf, or was changed on the way"},
	{PAIRING_TIMED_OUT, EXITCODE_UNREACHABLE, "the other device did not answer in time; is `shelf pair` still running there?"},
	{PAIRING_HUNG_UP, EXITCODE_UNREACHABLE, "the other device ended the connection; is `shelf pair` still running there?"},
};

/* The answer got lost: the other device may show a member that does not exist. */
static void tell_doubt(const struct joining *j)
{
	if (j->was_asked && (j->cancelled || j->outcome == PAIRING_HUNG_UP || j->outcome == PAIRING_TIMED_OUT))
		out_note(j->call->out,
			 "If the other device says that this one has joined, take it away there with `shelf device "
			 "remove` before you try again.");
}

static bool tell_clocks(const struct joining *j)
{
	int64_t offset_ms = introduction_clock_offset_ms(clock_wall_ms(), j->introduction.wall_ms);
	char apart[OUT_OFFSET_LEN];

	if (offset_ms != 0)
		out_error(j->call->out,
			  "the clock of this device is %s that of the other one: set the clocks, then `shelf pair` "
			  "again there",
			  out_offset_text(offset_ms, apart));
	return offset_ms != 0;
}

static int tell_failure(const struct joining *j)
{
	struct out *out = j->call->out;

	if (j->cancelled) {
		out_note(out, "Not joined; nothing was made.");
		tell_doubt(j);
		return EXITCODE_PARTIAL;
	}
	if (j->refused < 0)
		return (int)exitcode_of(j->refused);
	if (j->outcome == PAIRING_REFUSED && tell_clocks(j))
		return EXITCODE_NOT_ALLOWED;
	if (j->error == -ENOENT && !args_has(j->call->args, "address")) {
		out_error(out, "no device on this network shows a code: run `shelf pair` on one that is in the library; if it is "
			       "elsewhere, add --address HOST:PORT, which it shows");
		return EXITCODE_UNREACHABLE;
	}
	if (j->error < 0) {
		out_fail(out, j->error, "cannot reach %s", j->address[0] != '\0' ? j->address : "the other device");
		return EXITCODE_UNREACHABLE;
	}
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (endings[i].outcome != j->outcome)
			continue;
		out_error(out, "%s", endings[i].text);
		tell_doubt(j);
		return endings[i].code;
	}
	return out_fail(out, -EIO, "pairing failed");
}

/* --- the first time on the network --- */

static bool is_member(struct library *library)
{
	struct db *db;

	return store_reader(library->store, &db) == 0 && device_is_member(db, &store_info(library->store)->device) == 1;
}

/* Until this device has all that the other one has; Ctrl-C leaves the rest to the next mount. */
static int wait_for_arrival(struct joining *j, struct library *library)
{
	struct out *out = j->call->out;
	uint64_t alone_since_ms = clock_monotonic_ms();
	struct network_peer peer;

	for (;;) {
		bool online = network_peer(library->network, &j->peer, &peer) == 0 && peer.has_core && peer.core.online;
		char left[OUT_NUMBER_LEN];

		if (online && is_member(library) && network_state(library->network) == CORE_READY)
			return 0;
		if (online)
			alone_since_ms = clock_monotonic_ms();
		if (out_cancelled(out))
			return -EINTR;
		if (clock_monotonic_ms() - alone_since_ms > ARRIVAL_MS)
			return -EHOSTUNREACH;
		if (online)
			out_progress(out, "Taking over the catalogue: %s changes to come",
				     out_count_text(peer.core.ahead_log + peer.core.ahead_state, left));
		else
			out_progress(out, "Connecting to %s", j->name[0] != '\0' ? j->name : "the other device");
		nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
	}
}

static void tell_arrival(struct joining *j, int r)
{
	struct out *out = j->call->out;

	out_progress_end(out);
	if (r == 0)
		out_printf(out, "The catalogue is here. ");
	else if (r == -EINTR)
		out_note(out, "The rest of the catalogue comes as soon as the library is mounted or served.");
	else
		out_note(out, "The other device cannot be reached just now; the catalogue comes when both have the library open.");
}

static int go_online(struct joining *j, const char *dir)
{
	const struct library_opts opts = {.is_daemon = false};
	struct network_options options;
	struct library *library = NULL;
	int lock_fd = -1;
	int r = target_lock(dir, j->call->out, &lock_fd);

	if (r == 0)
		r = library_open(dir, lock_fd, &opts, j->call->out, &library);
	if (r < 0) {
		close_fd(&lock_fd);
		return r;
	}
	network_options_read(j->call->args, &options);
	r = network_start(library, &options.opts, j->call->out, &library->network);
	if (r == 0)
		tell_arrival(j, wait_for_arrival(j, library));
	library_close(library);
	return r;
}

static int finish(struct joining *j, const char *dir)
{
	const struct library_join_opts opts = {
		.dir = dir,
		.key = j->key,
		.introduction = &j->introduction,
		.peer = &j->peer,
		.address = j->address[0] != '\0' ? j->address : NULL,
	};
	struct out *out = j->call->out;
	int r = library_join(&opts, out);

	if (r < 0) {
		out_note(out, "The other device believes that this one has joined: take it away there with `shelf device remove`.");
		return (int)exitcode_of(r);
	}
	out_printf(out, "Joined the library '");
	out_name_text(out, j->introduction.name);
	out_printf(out, "' as ");
	out_name_text(out, dir);
	out_printf(out, ".\n");
	(void)out_flush(out);
	r = go_online(j, dir);
	out_printf(out, "`shelf mount ");
	out_name_text(out, dir);
	out_printf(out, " DIR` shows it.\n");
	return r < 0 ? (int)exitcode_of(r) : EXITCODE_DONE;
}

/* What would let the other device take in one that then cannot be made: found out before the code is used. */
static int check_room(const char *parent, struct out *out)
{
	struct statvfs fs;
	int r = access(parent, W_OK | X_OK) < 0 || statvfs(parent, &fs) < 0 ? -errno : 0;

	if (r == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < ROOM_BYTES)
		r = -ENOSPC;
	if (r < 0)
		out_fail(out, r, "cannot make a library in %s", parent);
	return r;
}

static int check_parent(const char *dir, struct out *out)
{
	_cleanup_(free_ptr) char *parent = NULL;
	int r = path_above(dir, &parent);

	if (r == 0)
		r = place_check_library(parent, out);
	return r < 0 ? r : check_room(parent, out);
}

static int check_state(struct out *out)
{
	_cleanup_(free_ptr) char *root = NULL;
	int r = statedir_check(&root);

	if (r < 0)
		out_fail(out, r, "cannot keep the key of this device in %s", root ? root : "the state folder");
	return r;
}

/* Seconds; 0 when there is no such option. */
static int check_wait(struct call *call, uint64_t *ret_ms)
{
	const char *text = args_value(call->args, "wait");
	char *end = NULL;
	unsigned long seconds;

	*ret_ms = 0;
	if (!text)
		return 0;
	seconds = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || seconds < 1 || seconds > WAIT_MAX_S) {
		out_error(call->out, "--wait wants seconds, from 1 to %d", WAIT_MAX_S);
		return -EINVAL;
	}
	*ret_ms = seconds * 1000;
	return 0;
}

static int check_words(struct call *call, char ret_code[PAIRING_CODE_LEN + 1], char ret_name[TEXT_NAME_MAX + 1], char **ret_dir)
{
	const char *name = args_value(call->args, "device");
	int r;

	if (pairing_code_normalise(call->args->words[0], ret_code) < 0) {
		out_error(call->out, "that is no code: it has four letters and four digits, as in WXYZ-2345");
		return -EINVAL;
	}
	r = place_new_library(call->args->words[1], call->out, ret_dir);
	if (r == 0)
		r = check_parent(*ret_dir, call->out);
	if (r == 0)
		r = check_state(call->out);
	return r < 0 ? r : library_device_name(name, call->out, ret_name);
}

int cmd_join(struct call *call)
{
	_cleanup_(key_freep) struct key *key = NULL;
	_cleanup_(free_ptr) char *dir = NULL;
	struct joining j = {.call = call};
	char code[PAIRING_CODE_LEN + 1], name[TEXT_NAME_MAX + 1];
	int r = check_words(call, code, name, &dir);

	j.device_name = name;
	if (r == 0)
		r = check_wait(call, &j.wait_ms);
	if (r == 0)
		r = key_generate(&key);
	if (r < 0)
		return r == -EINVAL ? EXITCODE_USAGE : (int)exitcode_of(r);
	j.key = key;
	r = pair(&j, code);
	explicit_bzero(code, sizeof(code));
	if (r == -ERR_MALFORMED) {
		out_error(call->out, "--address wants HOST:PORT, as in 192.168.1.5:21000 or [2001:db8::5]:21000");
		r = EXITCODE_USAGE;
	} else if (r < 0) {
		r = out_fail(call->out, r, "cannot look for the other device");
	} else {
		r = j.outcome == PAIRING_PAIRED && !j.cancelled ? finish(&j, dir) : tell_failure(&j);
	}
	introduction_release(&j.introduction);
	return r;
}

/* --- discover --- */

struct looking {
	struct call *call;
	uv_loop_t loop;
	uv_timer_t poll;
	struct nearby *nearby;
	unsigned found;
};

static void end_looking(struct looking *l)
{
	if (l->nearby)
		nearby_close(l->nearby, NULL, NULL);
	l->nearby = NULL;
	if (!uv_is_closing((uv_handle_t *)&l->poll))
		uv_close((uv_handle_t *)&l->poll, on_closed);
}

static void on_found(void *arg, const struct candidate *device)
{
	struct looking *l = arg;
	char address[NODE_ADDRESS_TEXT];

	if (device->count != 1)
		return; /* told already: another address of it */
	address_to_text((const struct sockaddr *)&device->addresses[0], address);
	out_name_text(l->call->out, device->name[0] != '\0' ? device->name : "(no name)");
	out_printf(l->call->out, "\t%s\n", address);
	(void)out_flush(l->call->out);
	l->found++;
}

static void on_done(void *arg)
{
	end_looking(arg);
}

static void on_look_poll(uv_timer_t *timer)
{
	struct looking *l = timer->data;

	if (out_cancelled(l->call->out))
		end_looking(l);
}

int cmd_discover(struct call *call)
{
	struct looking l = {.call = call};
	struct network_options options;
	struct nearby_opts opts = {.time_ms = DISCOVER_MS, .found = on_found, .done = on_done, .arg = &l};
	int r = uv_loop_init(&l.loop);

	if (r < 0)
		return out_fail(call->out, r, "cannot look for devices");
	network_options_read(call->args, &options);
	opts.discovery.interfaces = (struct interfaces_opts){.names = options.opts.interfaces,
							     .count = options.opts.interface_count};
	uv_timer_init(&l.loop, &l.poll);
	l.poll.data = &l;
	r = nearby_open(&l.loop, &opts, &l.nearby);
	if (r < 0)
		end_looking(&l);
	else
		uv_timer_start(&l.poll, on_look_poll, POLL_MS, POLL_MS);
	uv_run(&l.loop, UV_RUN_DEFAULT);
	uv_loop_close(&l.loop);
	if (r < 0)
		return out_fail(call->out, r, "cannot look for devices");
	if (l.found == 0)
		out_note(call->out, "No device on this network shows a pairing code just now. (`shelf pair` does, on a device that is in "
				    "a library.)");
	return EXITCODE_DONE;
}
