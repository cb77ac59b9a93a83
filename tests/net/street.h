/* Devices on one machine for pairing over real sockets: hosts (each a listener, a pairing_host and, if asked for,
 * beacons on loopback), guests, and a relay in the middle. One loop, run until something has happened, with a deadline
 * and without sleeping. Failures end the running test. */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"
#include "net/address.h"
#include "net/nearby.h"
#include "net/pairing_guest.h"
#include "net/pairing_host.h"
#include "tests/net/handshake.h"

enum { HOST_SEED = 1, GUEST_SEED = 2, OTHER_SEED = 3, OUTCOMES_MAX = 8, CLOSE_AT_END = 100 };

#define HOST_PAYLOAD  "Payload-of-the-shower"
#define GUEST_PAYLOAD "Payload-of-the-typer"
#define HOST_NAME     "Kitchen table"

struct street {
	uv_loop_t loop;
	uint16_t udp_port;  /* of this test only */
	unsigned accepting; /* connections whose preamble is awaited */
	enum pairing_outcome guests_decide; /* those that open from now on; RUNNING: they are not asked */
};

/* What pairing runs are timed by: the monotonic clock and what street_pass has added. */
uint64_t street_now_ms(void);
void street_pass(uint64_t ms);

void street_init(struct street *s);
void street_release(struct street *s); /* everything has been closed before: checked */
void street_run(struct street *s, bool (*until)(void *arg), void *arg);
struct discovery_opts street_discovery(const struct street *s); /* on loopback */

struct test_host {
	struct street *street;
	uv_tcp_t listener;
	uint16_t port;
	struct pair_of_keys keys;
	struct discovery *discovery; /* NULL: no beacons */
	struct pairing_host *host;
	enum pairing_outcome verdict; /* what decide answers */
	bool close_at_ended;	      /* from within the callback, as the next */
	bool close_at_over;
	unsigned decided;
	uint8_t peer_key[KEY_PUBLIC_LEN];
	struct buf peer_payload;
	enum pairing_outcome outcomes[OUTCOMES_MAX];
	unsigned ended;
	unsigned runs_left;
	bool over;
	enum pairing_code_state reason;
	unsigned closing;
};

struct test_host_opts {
	bool beacons;
	uint64_t life_ms;
};

void test_host_open(struct test_host *h, struct street *s, const struct test_host_opts *opts);
void test_host_close(struct test_host *h);
const char *test_host_address(const struct test_host *h, char ret_text[NODE_ADDRESS_TEXT]);
bool test_host_is_over(void *host);

struct test_guest {
	struct street *street;
	struct pair_of_keys keys;
	struct pairing_guest *guest;
	unsigned stages[GUEST_WAITING + 1]; /* how often each was told */
	char found_name[BEACON_NAME_MAX + 1];
	unsigned decided;
	unsigned ended;
	enum pairing_outcome outcome;
	int error;
	bool has_address;
	struct sockaddr_storage address;
	uint8_t peer_key[KEY_PUBLIC_LEN];
	struct buf peer_payload;
	unsigned pass_ms; /* of the clock, when stage `pass_at` is told for the `pass_time`-th time */
	enum pairing_guest_stage pass_at;
	unsigned pass_time;
	int close_at; /* a stage: from within its callback; CLOSE_AT_END; -1: not */
	bool closed;
};

/* `code` as shown or typed; `addresses` end with NULL; NULL: by beacons. */
void test_guest_open(struct test_guest *g, struct street *s, uint8_t seed, const char *code,
		     const char *const *addresses, uint64_t time_ms);
void test_guest_close(struct test_guest *g);
bool test_guest_has_ended(void *guest);

/* Somebody in the middle: passes on whole messages (0 is HELLO, 8 VERDICT), keeps all of it, and changes, stops at or
 * hangs up instead of one of them. One connection in its life. */
struct relay {
	struct street *street;
	uv_tcp_t listener;
	uint16_t port;
	uint16_t to_port;
	uv_tcp_t typer;
	uv_tcp_t shower;
	uv_connect_t connect;
	bool accepted;
	bool closed;
	struct buf pending[2]; /* from the typer, from the shower */
	bool preamble_done;
	struct buf captured;
	int message;   /* the next one */
	int flip;      /* message to change; -1: none, as in the next two */
	int flip_back; /* the byte, from its end */
	int cut;
	int stop;
	unsigned handles;
	char input[4096];
};

void relay_open(struct relay *r, struct street *s, uint16_t to_port);
void relay_cut(struct relay *r); /* hangs up both ways */
void relay_close(struct relay *r);
bool relay_has_stopped(void *relay);
