#include "tests/net/stranger.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"
#include "net/noise.h"
#include "tests/lib/test.h"

void stranger_connect(struct stranger *s, struct devices *d, unsigned device)
{
	struct sockaddr_in address = device_address(d, device);

	memset(s, 0, sizeof(*s));
	s->devices = d;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(connect(s->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

int stranger_listen(char ret_address[NODE_ADDRESS_TEXT])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	address_to_text((struct sockaddr *)&address, ret_address);
	return fd;
}

struct accepting {
	int listener, fd;
};

static bool has_accepted(void *arg)
{
	struct accepting *accepting = arg;

	accepting->fd = accept4(accepting->listener, NULL, NULL, SOCK_CLOEXEC);
	return accepting->fd >= 0;
}

void stranger_accept(struct stranger *s, struct devices *d, int listener)
{
	struct accepting accepting = {.listener = listener};

	memset(s, 0, sizeof(*s));
	s->devices = d;
	devices_until(d, has_accepted, &accepting);
	s->fd = accepting.fd;
}

void stranger_write(struct stranger *s, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len > 0) {
		ssize_t n = send(s->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			uv_run(&s->devices->loop, UV_RUN_NOWAIT);
			continue;
		}
		if (n < 0) { /* it has hung up */
			s->ended = true;
			return;
		}
		at += n;
		len -= (size_t)n;
	}
}

void stranger_read(struct stranger *s)
{
	static uint8_t bytes[1 << 16];
	ssize_t n;

	while ((n = recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		buf_append(&s->read, bytes, (size_t)n);
	s->reset = s->reset || (n < 0 && errno == ECONNRESET);
	s->ended = s->ended || n == 0 || s->reset;
}

static bool has_ended(void *arg)
{
	struct stranger *s = arg;

	stranger_read(s);
	return s->ended;
}

void stranger_until_ended(struct stranger *s)
{
	devices_until(s->devices, has_ended, s);
}

struct wanted {
	struct stranger *stranger;
	size_t len;
};

static bool has_read(void *arg)
{
	struct wanted *wanted = arg;

	stranger_read(wanted->stranger);
	return wanted->stranger->read.len >= wanted->len;
}

void stranger_until_read(struct stranger *s, size_t len)
{
	struct wanted wanted = {s, len};

	devices_until(s->devices, has_read, &wanted);
}

void stranger_close(struct stranger *s)
{
	close(s->fd);
	buf_release(&s->read);
	noise_free(s->noise);
	frame_encoder_free(s->encoder);
	frame_decoder_free(s->decoder);
}

static void start_noise(struct stranger *s, enum noise_role role, const uint8_t *secret, const uint8_t *remote)
{
	uint8_t prologue[LINK_PROLOGUE_LEN];
	struct noise_opts opts = {.pattern = PATTERN_KK,
				  .role = role,
				  .prologue = prologue,
				  .prologue_len = sizeof(prologue),
				  .static_secret = secret,
				  .remote_static = remote};

	preamble_write(PREAMBLE_LINK, prologue);
	memcpy(prologue + PREAMBLE_LEN, s->devices->library.bytes, UUID_LEN);
	assert_int_equal(noise_new(&opts, &s->noise), 0);
}

void stranger_hello(struct stranger *s, const struct pair_of_keys *keys, unsigned device)
{
	start_noise(s, NOISE_INITIATOR, keys->secret, s->devices->all[device].keys.public_key);
	preamble_write(PREAMBLE_LINK, s->hello);
	assert_int_equal(noise_write(s->noise, NULL, 0, s->hello + PREAMBLE_LEN), 0);
	stranger_write(s, s->hello, sizeof(s->hello));
}

static void split(struct stranger *s)
{
	struct frame_encoder_opts defaults = {.never_compress = false};
	struct transport *send, *receive;

	assert_int_equal(noise_split(s->noise, &send, &receive), 0);
	assert_int_equal(frame_encoder_new(send, &defaults, &s->encoder), 0);
	assert_int_equal(frame_decoder_new(receive, &s->decoder), 0);
}

void stranger_finish(struct stranger *s)
{
	uint8_t no_payload[1];

	stranger_until_read(s, NOISE_KK_MESSAGE_LEN);
	assert_int_equal(noise_read(s->noise, s->read.data, NOISE_KK_MESSAGE_LEN, no_payload), 0);
	split(s);
}

void stranger_answer(struct stranger *s, unsigned as, unsigned device)
{
	uint8_t message2[NOISE_KK_MESSAGE_LEN], no_payload[1];

	stranger_until_read(s, sizeof(s->hello));
	start_noise(s, NOISE_RESPONDER, s->devices->all[as].keys.secret, s->devices->all[device].keys.public_key);
	assert_int_equal(noise_read(s->noise, s->read.data + PREAMBLE_LEN, NOISE_KK_MESSAGE_LEN, no_payload), 0);
	assert_int_equal(noise_write(s->noise, NULL, 0, message2), 0);
	stranger_write(s, message2, sizeof(message2));
	split(s);
	stranger_until_read(s, sizeof(s->hello) + 1);
}

void stranger_send(struct stranger *s, const void *message, size_t len)
{
	struct buf out = BUF_INIT;

	assert_int_equal(frame_encoder_begin(s->encoder, message, len), 0);
	while (frame_encoder_next(s->encoder, &out) == 0)
		;
	stranger_write(s, out.data, out.len);
	buf_release(&out);
}

void stranger_greet(struct stranger *s, uint8_t instance, uint8_t serial)
{
	uint8_t greeting[LINK_INSTANCE_LEN + 8] = {instance};

	greeting[sizeof(greeting) - 1] = serial;
	stranger_send(s, greeting, sizeof(greeting));
}

struct ups {
	struct device *device;
	unsigned count;
};

static bool is_up(void *arg)
{
	struct ups *ups = arg;

	return ups->device->ups == ups->count;
}

void stranger_become(struct stranger *s, struct devices *d, unsigned as, unsigned device, uint8_t instance)
{
	struct ups ups = {&d->all[device], d->all[device].ups + 1};

	stranger_connect(s, d, device);
	stranger_hello(s, &d->all[as].keys, device);
	stranger_finish(s);
	stranger_greet(s, instance, 1);
	devices_until(d, is_up, &ups);
}
