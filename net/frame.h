/* Messages on an established connection: the frames that carry them through Noise.
 *
 * On the wire, a frame is a length (16 bits, big-endian) and a Noise transport message of that length. Its text is one
 * byte of flags and a piece of a message. All pieces but the last are as large as fits and say that more follows. A
 * message may be compressed as a whole (one zstd frame that states its size); all its pieces say so then. The last
 * frame of a connection is the goodbye: without it the stream was cut, by an accident or an attacker.
 *
 * Step machines without I/O. All limits are in net/limits.h: an encoder holds at most one compressed message, a
 * decoder one frame and one message, plus its compressed form; both hold almost nothing between messages.
 * Threads: one at a time; encoder and decoder are independent of each other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "net/limits.h"
#include "net/transport.h"

#define FRAME_LENGTH_BYTES 2
#define FRAME_PIECE_BYTES  (NOISE_PLAINTEXT_MAX - 1) /* of a message, in one frame */
#define FRAME_BYTES_MAX	   (FRAME_LENGTH_BYTES + NOISE_MESSAGE_MAX)

struct frame_encoder;

struct frame_encoder_opts {
	bool never_compress;
};

/* Takes over `send`, on success only. Errors: -ENOMEM. */
int frame_encoder_new(struct transport *send, const struct frame_encoder_opts *opts,
		      struct frame_encoder **ret_encoder);

/* Begins a message; `message` must stay until frame_encoder_next has returned 1. Not before the last one is through.
 * Errors: -ERR_TOO_LARGE (beyond FRAME_MESSAGE_MAX_BYTES; nothing has begun), -ESHUTDOWN (after the goodbye). */
int frame_encoder_begin(struct frame_encoder *e, const void *message, size_t len);

/* Appends the next frame to `out`: at most FRAME_BYTES_MAX. Returns 0, or 1 when the message is through and nothing
 * was appended. Errors, after which the connection cannot go on: -ENOMEM, -ERR_TOO_LARGE (2^64-1 frames). */
int frame_encoder_next(struct frame_encoder *e, struct buf *out);

/* Appends the last frame. Not within a message. Errors: as frame_encoder_next; -ESHUTDOWN (said already). */
int frame_encoder_goodbye(struct frame_encoder *e, struct buf *out);

void frame_encoder_free(struct frame_encoder *e);
void frame_encoder_freep(struct frame_encoder **e);

struct frame_decoder;

enum frame_event {
	FRAME_MESSAGE,
	FRAME_GOODBYE, /* nothing may follow */
};

/* Takes over `receive`, on success only. Errors: -ENOMEM. */
int frame_decoder_new(struct transport *receive, struct frame_decoder **ret_decoder);

/* Takes bytes off `in`, up to the next event. Returns 0 with an event; 1 when `in` is used up before one. The message
 * is borrowed until the next call; not written with FRAME_GOODBYE.
 * Errors, all final (the same again in further calls): -ERR_MALFORMED, -ERR_TOO_LARGE (message, or a bomb),
 * -ERR_WRONG_KEY (changed on the way), -ENOMEM. */
int frame_decoder_next(struct frame_decoder *d, struct cursor *in, enum frame_event *ret_event,
		       const uint8_t **ret_message, size_t *ret_len);

/* The stream has ended here. 0 after a goodbye; -ECONNRESET: it was cut, whatever was not delivered is lost. */
int frame_decoder_end(const struct frame_decoder *d);

size_t frame_decoder_held_bytes(const struct frame_decoder *d); /* memory for frames and messages at the moment */

void frame_decoder_free(struct frame_decoder *d);
void frame_decoder_freep(struct frame_decoder **d);
