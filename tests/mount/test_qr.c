#include "mount/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/test.h"

enum { BORDER = 4, FINDER = 7, SQUARES_MAX = 200 };

#define COLOURS "\033[30;107m"
#define PLAIN	"\033[0m"

struct picture {
	bool dark[SQUARES_MAX][SQUARES_MAX]; /* row, column */
	int rows;
	int columns;
};

static const char *pass_over(const char *at, const char *expected)
{
	assert_memory_equal(at, expected, strlen(expected));
	return at + strlen(expected);
}

/* One character of a line: two squares. */
static const char *read_blocks(const char *at, bool *ret_upper, bool *ret_lower)
{
	static const struct {
		const char *text;
		bool upper, lower;
	} blocks[] = {{" ", false, false}, {"\u2580", true, false}, {"\u2584", false, true}, {"\u2588", true, true}};

	for (int i = 0; i < 4; i++)
		if (strncmp(at, blocks[i].text, strlen(blocks[i].text)) == 0) {
			*ret_upper = blocks[i].upper;
			*ret_lower = blocks[i].lower;
			return at + strlen(blocks[i].text);
		}
	fail_msg("neither a half block nor a space");
	return NULL;
}

static struct picture read_picture(const char *at)
{
	struct picture p = {0};

	while (*at) {
		int x = 0;

		at = pass_over(at, COLOURS);
		for (; *at != '\033'; x++)
			at = read_blocks(at, &p.dark[p.rows][x], &p.dark[p.rows + 1][x]);
		at = pass_over(at, PLAIN "\n");
		assert_true(p.rows == 0 || x == p.columns);
		p.columns = x;
		p.rows += 2;
	}
	return p;
}

/* The square in a corner by which readers find the code: a dark ring, a light one, a dark middle. */
static void assert_finder(const struct picture *p, int row, int column)
{
	for (int y = 0; y < FINDER; y++)
		for (int x = 0; x < FINDER; x++) {
			int from_edge = x < y ? x : y;

			from_edge = FINDER - 1 - x < from_edge ? FINDER - 1 - x : from_edge;
			from_edge = FINDER - 1 - y < from_edge ? FINDER - 1 - y : from_edge;
			assert_int_equal(p->dark[row + y][column + x], from_edge != 1);
		}
}

static struct picture draw(const char *text)
{
	_cleanup_(buf_release) struct buf out = BUF_INIT;

	assert_int_equal(qr_render(text, 0, &out), 0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	return read_picture((const char *)out.data);
}

static void a_readers_marks_are_there(void **state)
{
	struct picture p = draw("shelf join WXYZ-2345");
	int last = p.columns - BORDER - FINDER;

	assert_int_equal((p.columns - 2 * BORDER - 17) % 4, 0); /* the sizes that there are */
	assert_int_equal(p.rows, p.columns + 1);		/* an odd number of squares in rows of two */
	assert_finder(&p, BORDER, BORDER);
	assert_finder(&p, BORDER, last);
	assert_finder(&p, last, BORDER);
}

/* Neither mirrored nor turned, and no square lost. */
static void square_by_square(void **state)
{
	static const char text[] = "shelf join WXYZ-2345 --address 192.0.2.1:4000";
	struct picture p = draw(text);
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

	assert_int_equal(code->width, p.columns - 2 * BORDER);
	for (int y = 0; y < code->width; y++)
		for (int x = 0; x < code->width; x++)
			assert_int_equal(p.dark[BORDER + y][BORDER + x], code->data[y * code->width + x] & 1);
	QRcode_free(code);
}

static void a_light_border(void **state)
{
	struct picture p = draw("x");

	for (int y = 0; y < p.columns; y++)
		for (int x = 0; x < p.columns; x++)
			if (x < BORDER || y < BORDER || x >= p.columns - BORDER || y >= p.columns - BORDER)
				assert_false(p.dark[y][x]);
}

static void another_text_is_another_picture(void **state)
{
	struct picture a = draw("ABCD-2345"), b = draw("ABCD-2346"), again = draw("ABCD-2345");

	assert_int_equal(a.columns, b.columns);
	assert_memory_not_equal(a.dark, b.dark, sizeof(a.dark));
	assert_memory_equal(a.dark, again.dark, sizeof(a.dark));
}

static void limits(void **state)
{
	_cleanup_(buf_release) struct buf out = BUF_INIT;
	char text[QR_TEXT_MAX + 2];
	unsigned columns = (unsigned)draw("x").columns;

	memset(text, 'x', sizeof(text));
	text[QR_TEXT_MAX + 1] = '\0';
	assert_int_equal(qr_render(text, 0, &out), -ERR_TOO_LARGE);
	assert_int_equal(qr_render("", 0, &out), -EINVAL);
	assert_int_equal(qr_render("x", columns - 1, &out), -ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	assert_int_equal(qr_render("x", columns, &out), 0);
	text[QR_TEXT_MAX] = '\0';
	assert_int_equal(qr_render(text, 0, &out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_readers_marks_are_there),
	    cmocka_unit_test(square_by_square),
	    cmocka_unit_test(a_light_border),
	    cmocka_unit_test(another_text_is_another_picture),
	    cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
