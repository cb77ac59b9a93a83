/* A running query of any kind of record. The typed `*_next` functions step it: 0 = a row, 1 = end, negative = error.
 * Text and bytes in the row are borrowed until the next step or rows_release. A query must be released on its thread,
 * before the same `*_list` function is called again on that connection (nesting of the same query: -EBUSY). */
#pragma once

struct sqlite3_stmt;

struct rows {
	struct sqlite3_stmt *stmt;
};

#define ROWS_INIT ((struct rows){ 0 })

void rows_release(struct rows *rows); /* for _cleanup_; does nothing on ROWS_INIT */
