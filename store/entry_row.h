/* Rows of entries as entry.c, entry_write.c and location.c share them. Internal to store/. */
#pragma once

#include "store/entry.h"
#include "store/notice.h"

/* entry_insert without checks and notices: also for the root of a location (parent 0, empty name). */
int entry_insert_row(struct txn *txn, const struct entry_place *place, const struct entry_attr *attr, int64_t *ret_id);

/* Whether `id` is `ancestor` or below it: 1 or 0. Errors: -ELOOP (a cycle that does not pass through `ancestor`). */
int entry_is_below(struct db *db, int64_t id, int64_t ancestor);

/* --- notices (entry_links.c) --- */

int entry_tell_attr(struct txn *txn, const struct entry *entry);
int entry_tell_listing(struct txn *txn, int64_t parent);
int entry_tell_gone(struct txn *txn, const struct entry *entry);
int entry_tell_move(struct txn *txn, const struct entry *from, const struct entry *to);

/* Of a row that became another, both shown: a move, other attributes, or both. */
int entry_tell_change(struct txn *txn, const struct entry *from, const struct entry *to);

/* Of a row that is shown now; `is_back`: it had its inode before. */
int entry_tell_new(struct txn *txn, const struct entry *entry, bool is_back);

/* LINKS or BELOW. */
int entry_tell(struct txn *txn, enum notice_change change, int64_t id);

/* LINKS, if a link may lead to the entry when its content id is `content` (NULL: unknown). */
int entry_tell_links(struct txn *txn, const struct entry *entry, const uint8_t *content);

/* `entry` had `entry->content` and has it no more: tells of the links by that content, one by one. */
int entry_tell_lost_content(struct txn *txn, const struct entry *entry);
