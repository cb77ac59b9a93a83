/* The first byte of a frame's text: what net/frame_encoder.c writes and net/frame_decoder.c reads. */
#pragma once

enum frame_flags {
	FRAME_FLAG_MORE = 1,	   /* the piece is FRAME_PIECE_BYTES long, and the message goes on */
	FRAME_FLAG_COMPRESSED = 2, /* on every piece of the message */
	FRAME_FLAG_GOODBYE = 4,	   /* alone, and with no piece */
	FRAME_FLAGS_KNOWN = 7,
};
