/* The anchor of an open library (store/anchor.h): the file `anchor` in the state folder, which tells at the next start
 * whether the library was set back, copied or moved. A library that cannot be written has none. */
#pragma once

#include "mount/out.h"

struct anchoring;
struct library;

/* Right after the store is open, before anything is written: compares. A library that was set back gets a new epoch and
 * an event; a copy of one that still stands is refused. Locks the state folder of the library: two folders of one
 * library are never open at once. From then on the anchor follows what is committed, every few seconds. Says on `out`
 * what is wrong. Errors: -EPERM (a copy), -EBUSY (the library is open from another folder), store.h. */
int anchoring_open(struct library *library, struct out *out, struct anchoring **ret_anchoring);

/* Writes the last state. Before store_close. NULL does nothing. */
void anchoring_close(struct anchoring *anchoring);
