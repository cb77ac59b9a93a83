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

/* Discovery (reference "LAN discovery") */
#define BEACON_BYTES_MAX	   512	       /* a datagram that is longer is dropped unread */
#define DISCOVERY_PARSED_MAX	   100	       /* datagrams looked into in one second */
#define DISCOVERY_SIGHTINGS_MAX	   64	       /* devices and addresses remembered */
#define DISCOVERY_SIGHTING_LIFE_MS (90 * 1000) /* from the last beacon */
#define DISCOVERY_TELL_MS	   (10 * 1000) /* one sighting is told at most once in this time: a hint to dial */
#define DISCOVERY_INTERVAL_MS	   (30 * 1000) /* between announcements, +- 20 % */
#define DISCOVERY_OPEN_INTERVAL_MS (2 * 1000)  /* the same while a pairing code is shown: somebody waits */
#define DISCOVERY_REPEAT_MS	   (1 * 1000)  /* after the first one, or a change: the first may get lost */
#define DISCOVERY_REPLY_MS	   (2 * 1000)  /* a newcomer is answered after a random part of this */
#define DISCOVERY_REPLY_EVERY_MS   (5 * 1000)  /* and newcomers all together at most once in this time */
#define DISCOVERY_INTERFACES_MS	   (30 * 1000) /* how often the interfaces are read again */
#define DISCOVERY_OFFLINE_MS	   (2 * 1000)  /* the same while there is no network: a cable is soon plugged in */
#define DISCOVERY_INTERFACES_MAX   64	       /* addresses of this device that are announced on */

/* Pairing over sockets */
#define PAIRING_CONNECTIONS_MAX 8	   /* to the device that shows a code; one of them runs */
#define CANDIDATES_MAX		32	   /* devices that may show the code, as far as remembered */
#define CANDIDATE_ADDRESSES_MAX 4	   /* of one of them */
#define PAIRING_GUESSES_MAX	6	   /* devices that one typed code is tried on: each may guess it once */
#define PAIRING_CONNECT_MS	(5 * 1000) /* for the TCP connection to a candidate */
#define PAIRING_BUSY_WAIT_MS	(PAIRING_CODE_PAUSE_MS + 200)
#define PAIRING_LINGER_MS	(5 * 1000) /* after a wrong code: for a beacon of another device */
#define PAIRING_SEARCH_MS	(60 * 1000)
#define PAIRING_ADDRESSES_MAX	8 /* that a user may name */
/* Connections (protocols 1.3); the times are defaults of struct link_limits */
#define LINK_HANDSHAKE_MS     (5 * 1000)  /* from the accepted or established TCP connection to the peer's greeting */
#define LINK_HEARD_MS	      (30 * 1000) /* nothing heard for so long: dead */
#define LINK_PROBE_MS	      (12 * 1000) /* the same, once there is a doubt; longer than LINK_KEEPALIVE_MS */
#define LINK_LATE_MS	      1000	  /* this loop stood still for so long: no peer is judged by it */
#define LINK_KEEPALIVE_MS     (10 * 1000) /* nothing sent for so long: an empty message */
#define LINK_STALL_MS	      (30 * 1000) /* bytes wait, and the peer takes none */
#define LINK_GOODBYE_MS	      (2 * 1000)  /* from our goodbye to the peer's */
#define LINK_QUEUE_BYTES      (8 * 1024 * 1024) /* encrypted, not yet taken by the kernel */
#define LINK_SPARE_MIN_BYTES  (64 * 1024)	/* buffers that are kept while a queue lasts, up to its limit */
#define LINK_GREETING_MAX     64
#define LINK_READ_BYTES	      (256 * 1024) /* one read, shared by all links of a node */
#define NODE_HALF_OPEN_MAX    64	   /* accepted, and not yet proven to be a member; the oldest makes room */
#define NODE_HALF_OPEN_SOURCE 8		   /* of one IPv4 address, or one IPv6 network of 64 bits */
#define NODE_ACCEPT_BATCH     64	   /* taken from the kernel before others get their turn */
#define NODE_ACCEPT_PAUSE_MS  200	   /* after an error such as EMFILE */
#define NODE_ADDRESS_TEXT     272	   /* "host:port" with its NUL */
#define NODE_RESOLVED_MAX     4		   /* addresses that one name is tried at */
#define NODE_INSTANCES_MAX    4		   /* lives of a peer that are remembered, to find two at once */
#define DIALER_ADDRESSES_MAX  16	   /* of one peer */
#define DIALER_FLIGHTS_MAX    4		   /* dials to one peer at the same time */
#define DIALER_STAGGER_MS     1000	   /* between two addresses of one round */
#define DIALER_BACKOFF_MIN_MS 1000
#define DIALER_BACKOFF_MAX_MS (5 * 60 * 1000)
#define DIALER_HINT_MS	      (10 * 1000) /* between two hints of one address; as many addresses as HINTS_MAX in that time */
#define DIALER_HINTS_MAX      16
#define DIALER_STABLE_MS      (30 * 1000) /* a connection that lasted so long ends the back-off */
