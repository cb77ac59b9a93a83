/* The other end of a connection, done by hand: sockets and handshakes that do what no node would do. */
#pragma once

#include "net/frame.h"
#include "tests/net/devices.h"

struct stranger {
	struct devices *devices;
	int fd;
	bool ended;	 /* the device has closed */
	bool reset;	 /* ... and bytes were lost */
	struct buf read; /* all that came */
	size_t taken;	 /* of it, by stranger_take */
	struct noise *noise;
	struct frame_encoder *encoder;
	struct frame_decoder *decoder;
	uint8_t hello[PREAMBLE_LEN + NOISE_KK_MESSAGE_LEN];
};

void stranger_connect(struct stranger *s, struct devices *d, unsigned device);
/* The other way round: listens, and takes what a node dials. Returns the listening socket. */
int stranger_listen(char ret_address[NODE_ADDRESS_TEXT]);
void stranger_accept(struct stranger *s, struct devices *d, int listener);

void stranger_write(struct stranger *s, const void *data, size_t len);
void stranger_read(struct stranger *s); /* what has come, without waiting */
void stranger_until_ended(struct stranger *s);
void stranger_until_read(struct stranger *s, size_t len);
void stranger_close(struct stranger *s);

/* Preamble and message 1, with these keys, to `device` in the library of all. */
void stranger_hello(struct stranger *s, const struct pair_of_keys *keys, unsigned device);
/* Answers the hello of `device` as device `as`; the greeting behind it is read. */
void stranger_answer(struct stranger *s, unsigned as, unsigned device);
void stranger_finish(struct stranger *s);				 /* reads message 2, splits */
void stranger_send(struct stranger *s, const void *message, size_t len); /* as frames */
void stranger_greet(struct stranger *s, uint8_t instance, uint8_t serial);

/* hello, finish, greet as `as` and until `device` is up. */
void stranger_become(struct stranger *s, struct devices *d, unsigned as, unsigned device, uint8_t instance);
