/* What net/link.c shares with the parts that it is made of: link_send.c and link_handshake.c. Nothing else includes
 * this. Threads: the loop's. The states and who owns what: see link.c. */
#pragma once

#include "net/frame.h"
#include "net/link.h"
#include "net/noise.h"

enum link_state { CONNECTING, AWAIT_KK1, AWAIT_KK2, AWAIT_GREETING, HELD, UP, CLOSING, SHUT };

struct link {
	struct link_context *ctx;
	void *owner;
	enum link_state state;
	bool initiated;
	bool knows_peer;
	bool heard_goodbye;
	bool released; /* from HELD, for the timer to go on */
	bool was_full; /* somebody waits for `writable` */
	int failed;    /* before there was a loop to say so in */
	unsigned handles;
	uv_tcp_t *tcp;
	uv_timer_t timer;
	uv_connect_t connecting;
	struct noise *noise; /* until the keys are split */
	struct frame_encoder *encoder;
	struct frame_decoder *decoder;
	size_t handshake_len;
	uint8_t handshake[NOISE_KK_MESSAGE_LEN];
	uint8_t peer_key[KEY_PUBLIC_LEN];
	uint8_t peer_instance[LINK_INSTANCE_LEN];
	uint64_t serial;
	uint64_t since_ms; /* of the handshake, later of the goodbye */
	uint64_t heard_ms;
	uint64_t excused_ms; /* when this loop was late: counts as heard */
	uint64_t probe_ms;   /* the deadline of a probe, or UINT64_MAX */
	uint64_t sent_ms;
	uint64_t progress_ms;	   /* when the peer was seen to take something, or the queue began */
	uint64_t progress;	   /* how much it had taken then */
	size_t held_bytes;	   /* in write requests */
	struct link_write *spares; /* for the next messages, while bytes are held */
	size_t spare_bytes;
	uint64_t bytes_in, bytes_out;
};

/* link.c */
uint64_t link_now_ms(const struct link *link);
uint64_t link_taken(const struct link *link); /* bytes that the kernel has taken, of bytes_out */
void link_arm(struct link *link);	      /* after a change of state, or when a queue begins */
void link_end(struct link *link, int reason); /* cuts it, and tells the owner unless he has heard of the end */

/* link_send.c: of what goes out; errors are final for the link */
int link_put_copy(struct link *link, const void *data, size_t len); /* as it is */
int link_put_message(struct link *link, const void *message, size_t len);
int link_put_goodbye(struct link *link);
void link_drop_spares(struct link *link);
void link_close_when_done(struct link *link); /* both have said goodbye, and nothing is queued */

/* link_handshake.c */
int link_send_hello(struct link *link);
void link_take_handshake(struct link *link, size_t len); /* so many bytes have come into `handshake` */
int link_come_up(struct link *link);			 /* both have greeted, or do now */
int link_take_greeting(struct link *link, const uint8_t *greeting, size_t len);
