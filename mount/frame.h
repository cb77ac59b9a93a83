/* The frames of a control connection: 4 bytes of length, big-endian, then one msgpack array `[kind, ...]`.
 *
 *     [1, version, flags, [word, ...]]  request: the words of a command    client, once, first
 *     [2, bytes]                        standard output                    daemon
 *     [3, bytes]                        standard error                     daemon
 *     [4, text]                         progress line                      daemon
 *     [5, code]                         exit code, the last frame          daemon
 *
 * The client sends nothing more; that it closes its side of the connection means "stop". The same frames bring the
 * outcome of a start from a new daemon to the process that waits for it. Decoding is pure; frame_read and frame_write
 * block. Threads: one at a time for one connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "mount/out.h"

#define FRAME_VERSION		1
#define FRAME_REQUEST_MAX_BYTES (8 * 1024 * 1024) /* as many words as Linux lets a command line have */
#define FRAME_REPLY_MAX_BYTES	(64 * 1024 + 16)
#define FRAME_CHUNK_BYTES	(64 * 1024) /* of output in one frame */
#define FRAME_WORDS_MAX		(1024 * 1024)

enum frame_kind {
	FRAME_REQUEST = 1,
	FRAME_STDOUT = 2,
	FRAME_STDERR = 3,
	FRAME_PROGRESS = 4,
	FRAME_EXIT = 5,
};

enum { FRAME_STDOUT_TTY = 1, FRAME_STDERR_TTY = 2 }; /* flags */

struct frame {
	enum frame_kind kind;
	const uint8_t *bytes; /* output and progress: borrowed from the payload */
	size_t len;
	int code;	  /* exit */
	uint32_t version; /* request. Of another version than ours, nothing below is filled */
	unsigned flags;
	int word_count;
	char **words; /* owned, NULL-terminated, one block with its texts: free() frees all */
};

/* Append a whole frame, length included. Errors stay in the buf. */
void frame_put_request(struct buf *b, unsigned flags, int word_count, char *const *words);
void frame_put_output(struct buf *b, enum out_stream stream, const void *data,
		      size_t len); /* up to FRAME_CHUNK_BYTES */
void frame_put_exit(struct buf *b, int code);

/* Errors: -ERR_MALFORMED, -ENOMEM. */
int frame_decode(const void *payload, size_t len, struct frame *ret_frame);

/* Replaces the content of `payload` by that of the next frame. Errors: -EPIPE (the end of the connection, before a
 * frame), -ETIMEDOUT (timeout_ms without a byte; negative = none), -ERR_TOO_LARGE, -ERR_MALFORMED (the end inside a
 * frame), errno. Without a timeout it calls `wake` (NULL = none) every now and then, and when a signal arrives. */
int frame_read(int fd, size_t max_bytes, int timeout_ms, void (*wake)(int fd), struct buf *payload);

/* Writes all of `b`. Errors: errno (-EPIPE: nobody reads). */
int frame_write(int fd, const struct buf *b);
