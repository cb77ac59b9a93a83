/* One device on a network, for wire.py: announces itself, tells what it hears, line by line, and takes calls.
 *
 *     neighbour DEVICE UDP_PORT TCP_PORT [INTERFACE]        DEVICE: a number; all members of one library
 *
 * It says: ready | heard DEVICE ADDRESS | open NAME ADDRESS | left ADDRESS | changed | called. It is told: look (at the
 * interfaces again), open NAME, close; it leaves at the end of the input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "net/discovery.h"
#include "net/address.h"

static struct discovery *discovery;
static uv_tcp_t listener;
static uv_pipe_t input;
static char line[256];

static void say(const char *what, const char *about, const struct sockaddr *address)
{
	char text[NODE_ADDRESS_TEXT] = "";

	if (address)
		address_to_text(address, text);
	printf("%s %s %s\n", what, about, text);
	fflush(stdout);
}

static void on_heard(void *arg, const struct uuid *device, const struct sockaddr *from)
{
	char number[4];

	snprintf(number, sizeof(number), "%u", device->bytes[0]);
	say("heard", number, from);
}

static void on_open_heard(void *arg, const struct beacon *beacon, const struct sockaddr *from)
{
	say(beacon->flags & BEACON_LEAVING ? "left" : "open", beacon->name, from);
}

static void on_changed(void *arg)
{
	say("changed", "", NULL);
}

static void on_call(uv_stream_t *tcp, int status)
{
	uv_tcp_t *call = calloc(1, sizeof(*call));

	if (!call)
		abort();
	uv_tcp_init(tcp->loop, call);
	if (uv_accept(tcp, (uv_stream_t *)call) == 0)
		say("called", "", NULL);
	uv_close((uv_handle_t *)call, (uv_close_cb)free);
}

static void obey(char *word)
{
	if (strcmp(word, "look") == 0)
		discovery_look_again(discovery);
	else if (strncmp(word, "open ", 5) == 0)
		discovery_open_pairing(discovery, word + 5);
	else if (strcmp(word, "close") == 0)
		discovery_open_pairing(discovery, NULL);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
	*ret_buf = uv_buf_init(line, sizeof(line) - 1);
}

/* wire.py sends one line and waits for its effect: each comes in one piece. */
static void on_input(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	if (len > 0) {
		line[len] = '\0';
		line[strcspn(line, "\n")] = '\0';
		obey(line);
	} else if (len < 0) {
		discovery_close(discovery, NULL, NULL);
		uv_close((uv_handle_t *)&listener, NULL);
		uv_close((uv_handle_t *)stream, NULL);
	}
}

static int listen_everywhere(uv_loop_t *loop, uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	uv_tcp_init(loop, &listener);
	uv_tcp_bind(&listener, (struct sockaddr *)&any, 0);
	return uv_listen((uv_stream_t *)&listener, 8, on_call);
}

int main(int argc, char **argv)
{
	const char *const names[] = {argc > 4 ? argv[4] : NULL};
	uint8_t key[BEACON_KEY_LEN] = {1};
	struct discovery_opts opts = {
	    .key = key, .heard = on_heard, .open_heard = on_open_heard, .network_changed = on_changed};
	uv_loop_t *loop = uv_default_loop();

	if (argc < 4 || base_init() < 0)
		return 2;
	opts.device.bytes[0] = (uint8_t)atoi(argv[1]);
	opts.udp_port = (uint16_t)atoi(argv[2]);
	opts.tcp_port = (uint16_t)atoi(argv[3]);
	if (argc > 4)
		opts.interfaces = (struct interfaces_opts){.names = names, .count = 1};
	if (listen_everywhere(loop, opts.tcp_port) < 0 || discovery_open(loop, &opts, &discovery) < 0)
		return 1;
	uv_pipe_init(loop, &input, 0);
	uv_pipe_open(&input, STDIN_FILENO);
	uv_read_start((uv_stream_t *)&input, on_alloc, on_input);
	say("ready", "", NULL);
	return uv_run(loop, UV_RUN_DEFAULT);
}
