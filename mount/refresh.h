/* Comparing all locations of this device with the disk, on a thread that exists only meanwhile: what SIGHUP asks for.
 * Threads: refresh_begin any; the others the owner. */
#pragma once

struct library;
struct refresh;

int refresh_new(struct library *library, struct refresh **ret_refresh);
void refresh_begin(struct refresh *refresh); /* does nothing while one is under way, nor after refresh_stop */
void refresh_stop(struct refresh *refresh);  /* ends one that is under way at its next step. NULL does nothing */
void refresh_free(struct refresh *refresh);  /* after refresh_stop. NULL does nothing */
