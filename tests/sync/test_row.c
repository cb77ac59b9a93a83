#include "sync/row.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hash.h"
#include "sync/digest.h"
#include "sync/range.h"
#include "tests/lib/test.h"

enum { PLAIN_MAX = 40, CONTENT_MAX = 56, PREFIX = 77 };

static struct value text_value(const char *text)
{
	return (struct value){.bytes = (const uint8_t *)text, .len = strlen(text)};
}

static struct row entry(uint64_t seq, uint64_t parent, const char *name, uint64_t version)
{
	struct row row = {.model = model_find(MODEL_ENTRY), .key = {PREFIX, seq}, .version = version};

	row.values[ENTRY_PARENT].number = parent;
	row.values[ENTRY_NAME] = text_value(name);
	row.values[ENTRY_MODE].number = S_IFREG | 0644;
	row.values[ENTRY_CONTENT] = text_value("");
	return row;
}

static int write_one(const struct row *row, struct buf *body)
{
	_cleanup_(row_writer_release) struct row_writer w;
	int r;

	row_writer_init(&w, row->model);
	r = row_writer_add(&w, row);
	return r < 0 ? r : row_writer_finish(&w, body);
}

static void comes_back_as_it_was(void **state)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	_cleanup_(row_writer_release) struct row_writer w;
	struct row rows[3] = {entry(0, 0, "", 5), entry(UINT64_C(1) << 61, 1, "a\xff\n", 6),
			      entry(1, 1, "b", INT64_MAX)};
	struct row_reader reader;
	struct row row;

	rows[0].values[ENTRY_MODE].number = S_IFDIR | 0755;
	rows[1].values[ENTRY_MTIME].number = (uint64_t)INT64_MIN; /* long before 1970 */
	rows[1].values[ENTRY_SIZE].number = INT64_MAX;
	rows[2].key[0] = UINT64_MAX; /* another location */
	rows[2].values[ENTRY_MTIME].number = INT64_MAX;
	rows[2].values[ENTRY_CONTENT] = text_value("0123456789abcdef");
	rows[2].values[ENTRY_DELETED].number = 1;
	row_writer_init(&w, model_find(MODEL_ENTRY));
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(row_writer_add(&w, &rows[i]), 0);
	assert_int_equal(row_writer_finish(&w, &body), 0);
	assert_int_equal(row_reader_init(&reader, model_find(MODEL_ENTRY), body.data, body.len), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(row_reader_next(&reader, &row), 0);
		assert_true(row.version == rows[i].version && row.key[0] == rows[i].key[0] &&
			    row.key[1] == rows[i].key[1]);
		assert_true(row.values[ENTRY_MTIME].number == rows[i].values[ENTRY_MTIME].number);
		assert_true(digest_row(&row) == digest_row(&rows[i]));
		assert_int_equal(row_is_tombstone(&row), i == 2);
	}
	assert_int_equal(row_reader_next(&reader, &row), 1);
}

static void nothing_is_an_empty_body(void **state)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	_cleanup_(row_writer_release) struct row_writer w;
	struct row_reader reader;
	struct row row;

	row_writer_init(&w, model_find(MODEL_AUDIT));
	assert_int_equal(row_writer_finish(&w, &body), 0);
	assert_int_equal(body.len, 0);
	assert_int_equal(row_reader_init(&reader, model_find(MODEL_AUDIT), body.data, 0), 0);
	assert_int_equal(row_reader_next(&reader, &row), 1);
}

/* The reader's refusals of wire forms are in the corpus of fuzz_message. */
static void rules(void **state)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	struct row row = entry(3, 1, "name", 1);

	assert_int_equal(write_one(&row, &body), 0);
	row = entry(3, 1, "", 1);
	assert_int_equal(row_check(&row), -ERR_MALFORMED);
	row = entry(3, 0, "name", 1);
	assert_int_equal(row_check(&row), -ERR_MALFORMED);
	row = entry(3, 4, "itself", 1);
	assert_int_equal(row_check(&row), -ERR_MALFORMED);
	row = entry(3, 1, "..", 1);
	assert_int_equal(row_check(&row), -ERR_MALFORMED);
	row = entry(3, 1, "name", 0);
	assert_int_equal(row_check(&row), -ERR_MALFORMED);
	row = entry(UINT64_C(1) << 62, 1, "name", 1);
	assert_int_equal(row_check(&row), -ERR_MALFORMED);
	row = entry(3, 1, "name", 1);
	row.values[ENTRY_MODE].number = 0644;
	assert_int_equal(row_check(&row), -ERR_MALFORMED);
	row = entry(3, 1, "name", 1);
	row.values[ENTRY_SIZE].number = UINT64_C(1) << 63;
	assert_int_equal(row_check(&row), -ERR_MALFORMED);
	assert_int_equal(write_one(&row, &body), -EINVAL);
}

static void versions_grow(void **state)
{
	_cleanup_(row_writer_release) struct row_writer w;
	struct row row = entry(3, 1, "name", 4);

	row_writer_init(&w, row.model);
	assert_int_equal(row_writer_add(&w, &row), 0);
	assert_int_equal(row_writer_add(&w, &row), -EINVAL);
	row.version = 3;
	assert_int_equal(row_writer_add(&w, &row), -EINVAL);
	row.version = 5;
	assert_int_equal(row_writer_add(&w, &row), 0);
}

static void digests_tell_rows_apart(void **state)
{
	struct row a = entry(3, 1, "name", 4), b = entry(3, 1, "name", 5), c = entry(3, 1, "nam", 4);
	struct row gone = entry(3, 1, "name", 4), doubtful = entry(3, 1, "name", 0);

	gone.values[ENTRY_DELETED].number = 1;
	assert_true(digest_row(&a) != digest_row(&b));
	assert_true(digest_row(&a) != digest_row(&c));
	assert_true(digest_row(&gone) == 0);
	assert_true(digest_row(&doubtful) == 0);
}

/* --- size --- */

static uint64_t seed = 1;

static uint64_t draw(uint64_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % below;
}

/* Names as people have them: photographs, papers, sources, music. */
static void realistic_name(char *name, size_t size)
{
	static const char *const words[] = {"report", "invoice", "holiday", "draft",   "notes",	 "budget",
					    "letter", "summary", "review",  "meeting", "config", "parser",
					    "main",   "index",	 "README",  "photo"};
	static const char *const ends[] = {"pdf", "docx", "txt", "c", "h", "py", "html", "png", "xlsx", "mp3"};

	switch (draw(4)) {
	case 0:
		snprintf(name, size, "IMG_2023%02u%02u_%06u.jpg", 1 + (unsigned)draw(12), 1 + (unsigned)draw(28),
			 (unsigned)draw(240000));
		break;
	case 1:
		snprintf(name, size, "DSC%05u.JPG", (unsigned)draw(100000));
		break;
	default:
		snprintf(name, size, "%s-%s-%u.%s", words[draw(16)], words[draw(16)], (unsigned)draw(3000),
			 ends[draw(10)]);
		break;
	}
}

static double bytes_for_each(bool with_content)
{
	_cleanup_(buf_release) struct buf body = BUF_INIT;
	_cleanup_(row_writer_release) struct row_writer w;
	static uint8_t packed[RANGE_BYTES_MAX];
	uint64_t parent = 1;
	size_t len;

	row_writer_init(&w, model_find(MODEL_ENTRY));
	for (uint64_t i = 0; i < RANGE_ROWS_PULL; i++) {
		char name[64];
		uint8_t content[HASH128_LEN];
		struct row row;

		realistic_name(name, sizeof(name));
		if (draw(12) == 0)
			parent = 1 + draw(i + 1);
		row = entry(i + 1, parent, name, i + 1);
		row.values[ENTRY_SIZE].number = draw(4) ? draw(60000) : draw(8000000);
		row.values[ENTRY_MTIME].number =
		    (UINT64_C(1690000000) + draw(30000000)) * 1000000000 + draw(1000000000);
		hash_pair(&i, sizeof(i), NULL, 0, content, sizeof(content));
		if (with_content)
			row.values[ENTRY_CONTENT] = (struct value){.bytes = content, .len = sizeof(content)};
		assert_int_equal(row_writer_add(&w, &row), 0);
	}
	assert_int_equal(row_writer_finish(&w, &body), 0);
	len = ZSTD_compress(packed, sizeof(packed), body.data, body.len, 1);
	assert_false(ZSTD_isError(len));
	return (double)len / RANGE_ROWS_PULL;
}

static void an_entry_is_small(void **state)
{
	double plain = bytes_for_each(false), content = bytes_for_each(true);

	print_message("an entry: %.1f bytes, %.1f with content id\n", plain, content);
	assert_true(plain <= PLAIN_MAX);
	assert_true(content <= CONTENT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comes_back_as_it_was),
	    cmocka_unit_test(nothing_is_an_empty_body),
	    cmocka_unit_test(rules),
	    cmocka_unit_test(versions_grow),
	    cmocka_unit_test(digests_tell_rows_apart),
	    cmocka_unit_test(an_entry_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
