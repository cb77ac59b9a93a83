#include "mount/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <string.h>

#include "base/err.h"

enum { BORDER = 4, ANY_VERSION = 0 };

#define COLOURS "\033[30;107m" /* black on bright white, whatever the terminal's are */
#define PLAIN	"\033[0m"

static bool is_dark(const QRcode *code, int x, int y)
{
	bool inside = x >= 0 && y >= 0 && x < code->width && y < code->width;

	return inside && code->data[y * code->width + x] & 1;
}

static const char *half_blocks(bool upper, bool lower)
{
	if (upper)
		return lower ? "\u2588" : "\u2580";
	return lower ? "\u2584" : " ";
}

static void put_line(const QRcode *code, int y, struct buf *out)
{
	buf_append_str(out, COLOURS);
	for (int x = -BORDER; x < code->width + BORDER; x++)
		buf_append_str(out, half_blocks(is_dark(code, x, y), is_dark(code, x, y + 1)));
	buf_append_str(out, PLAIN "\n");
}

int qr_render(const char *text, unsigned columns, struct buf *out)
{
	QRcode *code;
	int r = 0;

	if (text[0] == '\0')
		return -EINVAL;
	if (strlen(text) > QR_TEXT_MAX)
		return -ERR_TOO_LARGE;
	code = QRcode_encodeString8bit(text, ANY_VERSION, QR_ECLEVEL_L);
	if (!code)
		return errno == ENOMEM ? -ENOMEM : -ERR_TOO_LARGE;
	if (columns > 0 && columns < (unsigned)code->width + 2 * BORDER)
		r = -ERR_TOO_LARGE;
	for (int y = -BORDER; r == 0 && y < code->width + BORDER; y += 2)
		put_line(code, y, out);
	QRcode_free(code);
	return r < 0 ? r : buf_error(out);
}
