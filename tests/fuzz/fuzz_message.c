/* message_decode: whatever it takes is within its bounds, and message_encode writes it so that it decodes to the same
 * bytes. The body of a state range goes on into the row reader, that of a log range into the record reader. */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sync/message.h"
#include "sync/record.h"
#include "sync/row.h"
#include "tests/fuzz/fuzz.h"

static void check_rows_again(const struct model *model, const struct buf *body)
{
	_cleanup_(buf_release) struct buf again = BUF_INIT;
	_cleanup_(row_writer_release) struct row_writer w;
	struct row_reader reader;
	struct row row;

	row_writer_init(&w, model);
	FUZZ_CHECK(row_reader_init(&reader, model, body->data, body->len) == 0);
	while (row_reader_next(&reader, &row) == 0)
		FUZZ_CHECK(row_writer_add(&w, &row) == 0);
	FUZZ_CHECK(row_writer_finish(&w, &again) == 0);
	FUZZ_CHECK(again.len == body->len && (body->len == 0 || memcmp(again.data, body->data, body->len) == 0));
}

static void read_rows(const struct range *range)
{
	const struct model *model = model_find(range->stream.kind);
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	_cleanup_(row_writer_release) struct row_writer w;
	struct row_reader reader;
	struct row row;
	uint64_t last = 0;
	int r;

	row_writer_init(&w, model);
	r = row_reader_init(&reader, model, range->body, range->body_len);
	while (r == 0 && (r = row_reader_next(&reader, &row)) == 0) {
		FUZZ_CHECK(row.version > last && row_check(&row) == 0);
		last = row.version;
		FUZZ_CHECK(row_writer_add(&w, &row) == 0);
	}
	FUZZ_CHECK(r == 1 || r == -ERR_MALFORMED || r == -ERR_TOO_LARGE);
	if (r != 1)
		return;
	FUZZ_CHECK(row_writer_finish(&w, &body) == 0);
	check_rows_again(model, &body);
}

static void read_records(const struct range *range)
{
	struct cursor c = cursor_on(range->body, range->body_len);
	const uint8_t *record;
	size_t len;
	int r;

	while ((r = record_next(&c, &record, &len)) == 0)
		FUZZ_CHECK(len <= CHANGE_RECORD_MAX);
	FUZZ_CHECK(r == 1 || r == -ERR_MALFORMED || r == -ERR_TOO_LARGE);
}

static void check_range(const struct range *range)
{
	FUZZ_CHECK(range->since <= range->upto && range->upto <= range->head);
	if (range->stream.kind == STREAM_LOG)
		read_records(range);
	else
		read_rows(range);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(message_release) struct message m = {.kind = 0};
	_cleanup_(message_release) struct message back = {.kind = 0};
	_cleanup_(buf_release) struct buf first = BUF_INIT;
	_cleanup_(buf_release) struct buf second = BUF_INIT;
	int r = message_decode(data, len, &m);

	if (r < 0) {
		FUZZ_CHECK(r == -ERR_MALFORMED || r == -ERR_TOO_LARGE);
		return 0;
	}
	if (m.kind == MESSAGE_RANGE)
		check_range(&m.range.range);
	FUZZ_CHECK(message_encode(&m, &first) == 0);
	FUZZ_CHECK(message_decode(first.data, first.len, &back) == 0);
	FUZZ_CHECK(message_encode(&back, &second) == 0);
	FUZZ_CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	return 0;
}
