/* How a device stands to this one: for `status` and `device list`, from one place. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "mount/network.h"
#include "store/device.h"
#include "store/peer.h"

struct library;

struct standing {
	bool self;
	bool sync; /* as was set: false: nothing is exchanged with it, or, this device, with anybody */
	bool online;
	uint64_t seen_ms; /* wall clock; 0: never */
	char address[PEER_ADDRESS_MAX + 1];
	uint32_t round_trip_us; /* 0: not known */
	uint64_t bytes_in, bytes_out; /* since this process began, on the wire */
	bool has_core;		/* the next are set */
	/* Changes: shared ones, and rows of devices (entries above all). */
	uint64_t behind_shared, behind_files; /* that we have and it lacks */
	uint64_t ahead_shared, ahead_files;   /* that it has and we lack */
	int64_t clock_offset_ms;
	bool clock_differs;
	char error[PEER_ERROR_MAX + 1]; /* of the last attempt; empty: none */
};

struct standing standing_of(struct library *library, const struct uuid *device);

/* "online, 3 changes behind", "offline, last seen 2026-11-20 14:03": appended. */
void standing_text(const struct standing *standing, struct buf *ret_text);
/* Members of a JSON object, each with a comma before it. */
void standing_json(const struct standing *standing, struct buf *ret_json);
