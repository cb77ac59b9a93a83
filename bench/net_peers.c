/* What idle connections cost: net_peers COUNT SECONDS. One node in this process has COUNT members, which live in
 * another one; once all are connected and quiet, and nobody has anything to say, its processor time is counted.
 *
 * Prints the processor time for each second, and what its private memory grew by, in MiB. */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "net/node.h"

enum { CONNECT_MS = 60 * 1000, QUIET_MS = 2000 };

struct peer {
	struct node *node;
	uint8_t secret[KEY_SECRET_LEN];
	uint8_t public_key[KEY_PUBLIC_LEN];
};

static uv_loop_t loop;
static struct peer hub, peers[KEYRING_PEERS_MAX];
static unsigned count, connected;

static void make_keys(struct peer *peer)
{
	random_bytes(peer->secret, KEY_SECRET_LEN);
	crypto_scalarmult_curve25519_base(peer->public_key, peer->secret);
}

static void on_up(void *arg, const struct uuid *device, const struct node_up *info)
{
	connected++;
}

static void on_down(void *arg, const struct uuid *device, int reason)
{
	connected--;
}

static const struct node_events events = {.up = on_up, .down = on_down};

static void open_node(struct peer *peer, const uint8_t (*members)[KEY_PUBLIC_LEN], size_t member_count)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct node_opts opts = {.secret = peer->secret, .listen = (struct sockaddr *)&any, .events = &events};

	if (node_open(&loop, &opts, &peer->node) < 0 || node_set_members(peer->node, members, member_count) < 0)
		errx(1, "opening a node failed");
}

/* They dial, one process for all of them, until it is ended. */
static void __attribute__((noreturn)) live_as_peers(uint16_t port)
{
	struct uuid hub_id = key_id_of_public(hub.public_key);
	uint8_t members[1][KEY_PUBLIC_LEN];
	char address[NODE_ADDRESS_TEXT];

	memcpy(members[0], hub.public_key, KEY_PUBLIC_LEN);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	for (unsigned i = 0; i < count; i++) {
		open_node(&peers[i], (const uint8_t(*)[KEY_PUBLIC_LEN])members, 1);
		if (node_add_address(peers[i].node, &hub_id, address) < 0)
			errx(1, "dialling failed");
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	_exit(0);
}

static double busy_s(void)
{
	struct timespec busy;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &busy);
	return (double)busy.tv_sec + (double)busy.tv_nsec / 1e9;
}

static double private_mib(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long sum = 0, kib;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Private_Clean: %ld", &kib) == 1 || sscanf(line, "Private_Dirty: %ld", &kib) == 1)
			sum += kib;
	}
	if (f)
		fclose(f);
	return (double)sum / 1024;
}

static void on_time(uv_timer_t *timer)
{
	uv_stop(&loop);
}

static void run_for(uint64_t ms)
{
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_time, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

static void connect_all(void)
{
	uint64_t deadline_ms = clock_monotonic_ms() + CONNECT_MS;

	while (connected < count && clock_monotonic_ms() < deadline_ms)
		run_for(100);
	if (connected < count)
		errx(1, "only %u of %u are connected", connected, count);
	run_for(QUIET_MS);
}

/* The node's port must be known before the peers' process begins, and its connections belong to this one only. */
static pid_t start_peers(int port_fd[2])
{
	pid_t pid = fork();
	uint16_t port;

	if (pid != 0)
		return pid;
	if (uv_loop_init(&loop) < 0 || read(port_fd[0], &port, sizeof(port)) != sizeof(port))
		errx(1, "the peers did not start");
	live_as_peers(port);
}

int main(int argc, char **argv)
{
	static uint8_t members[KEYRING_PEERS_MAX][KEY_PUBLIC_LEN];
	long seconds = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	int port_fd[2];
	double before_mib, before_s;

	count = argc == 3 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	if (count == 0 || count > KEYRING_PEERS_MAX || seconds <= 0)
		errx(2, "usage: net_peers COUNT SECONDS");
	if (base_init() < 0 || pipe(port_fd) < 0)
		errx(1, "starting failed");
	make_keys(&hub);
	for (unsigned i = 0; i < count; i++) {
		make_keys(&peers[i]);
		memcpy(members[i], peers[i].public_key, KEY_PUBLIC_LEN);
	}
	pid_t pid = start_peers(port_fd);
	if (pid < 0 || uv_loop_init(&loop) < 0)
		errx(1, "starting failed");
	before_mib = private_mib();
	open_node(&hub, (const uint8_t(*)[KEY_PUBLIC_LEN])members, count);
	uint16_t port = node_port(hub.node);
	if (write(port_fd[1], &port, sizeof(port)) != sizeof(port))
		err(1, "pipe");
	connect_all();
	before_s = busy_s();
	run_for((uint64_t)seconds * 1000);
	before_s = busy_s() - before_s;
	if (connected < count)
		errx(1, "only %u of %u stayed", connected, count);
	printf("%.7f %.3f\n", before_s / (double)seconds, private_mib() - before_mib);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return 0;
}
