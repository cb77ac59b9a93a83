/* A library in SQLite as the replica that the replication core works on: the contract of sync/replica.h, where every
 * function is described.
 *
 * `replica` is the struct store. Reading takes the calling thread's reader and one snapshot of the database; the others
 * go through the write gate at bulk priority, and publish what they changed like any other write (store/notice.h).
 * Threads: any, but one at a time for each call that writes.
 *
 * Where the digests are. That of all shared rows travels with the ends of the logs: each record keeps what its origin's
 * records up to it added, so it costs no page of its own, and a snapshot of the database has positions and digest of
 * one moment. Entries are summed in the row of their location, other device-owned rows in that of their stream. */
#pragma once

#include "store/store.h"
#include "sync/replica.h"

extern const struct replica_ops store_replica; /* `replica` is a struct store */
