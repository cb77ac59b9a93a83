/* Every size, count and time that a peer can reach for, in one place. */
#pragma once

/* Noise (revision 34, section 3) */
#define NOISE_MESSAGE_MAX    65535 /* bytes of one message, handshake or transport */
#define NOISE_TAG_LEN	     16
#define NOISE_PLAINTEXT_MAX  (NOISE_MESSAGE_MAX - NOISE_TAG_LEN) /* of a transport message */
#define NOISE_REKEY_MESSAGES (1 << 16) /* both sides rekey a direction after this many of its messages */
#define NOISE_PROLOGUE_MAX   1024
#define KEYRING_PEERS_MAX    256 /* peers that a KK message 1 of an unknown caller is tried against */

/* CPace */
#define CPACE_PASSWORD_MAX 64
#define CPACE_CI_MAX	   64
#define CPACE_SID_MAX	   64
#define CPACE_AD_MAX	   32

/* Pairing (reference "Code length, lifetime, attempts") */
#define PAIRING_CODE_LIFE_MS  (5 * 60 * 1000)
#define PAIRING_CODE_RUNS     3		  /* guesses: counted when our tag leaves */
#define PAIRING_CODE_PAUSE_MS 1000	  /* after a run that counted */
#define PAIRING_HELLO_MS      (10 * 1000) /* from the connection to the typer's first message */
#define PAIRING_RUN_MS	      (20 * 1000) /* from there to the end; the shower runs one at a time */
#define PAIRING_PAYLOAD_MAX   1024	  /* what each side tells the other about itself */

/* Frames */
#define FRAME_MESSAGE_MAX_BYTES	 (4 * 1024 * 1024) /* one message, as the caller sees it */
#define FRAME_COMPRESS_MIN_BYTES 512		   /* shorter messages are not worth the attempt */
#define FRAME_COMPRESS_RATIO_MAX 64		   /* raw bytes to each compressed byte: more is a bomb */
#define FRAME_DECODER_IDLE_BYTES (16 * 1024)	   /* what a decoder may keep between short messages */
