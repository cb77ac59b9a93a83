/* Ranges from one library to another, without a core: read there, applied here. */
#pragma once

#include "store/replica.h"
#include "tests/lib/library.h"

/* What a library holds of all streams. */
void exchange_vector(struct library *l, struct vector *ret_vector);

/* The stream of a library's own device. */
struct stream exchange_own(struct library *l, uint8_t kind);

/* What `l` holds of a stream; stream_none when it has nothing. */
struct stream exchange_held(struct library *l, const struct stream_id *id, uint64_t started);

/* What `to` would ask for next. */
struct range_request exchange_request(const struct stream *held, uint32_t max_rows);

struct piece { /* a range with its body */
	struct range range;
	struct buf body;
};

void piece_release(struct piece *piece);
int exchange_read(struct library *from, const struct range_request *request, struct piece *ret_piece);
int exchange_apply(struct library *to, const struct piece *piece, struct applied *ret_applied); /* NULL: not wanted */

/* Pulls one stream until it is whole. The number of pieces. */
unsigned exchange_pull(struct library *from, struct library *to, const struct stream *stream, uint32_t max_rows);

/* All streams that `from` has and `to` does not own. */
void exchange_all(struct library *from, struct library *to, uint32_t max_rows);

/* Every digest that is kept equals the one that is counted anew. */
void exchange_assert_digests(struct library *l);

/* The same streams at the same positions with the same digests, and the same rows. */
void exchange_assert_equal(struct library *a, struct library *b);

/* What both hold that can be told apart, as text: a line for each live row, sorted. */
void exchange_dump(struct library *l, struct buf *ret_text);
