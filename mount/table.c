#include "mount/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

void table_cell(struct table *table, const char *text)
{
	buf_append(&table->text, text, strlen(text) + 1);
	table->cells++;
}

/* Characters, near enough to columns. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Calls for each cell: its column and text. */
static void each_cell(const struct table *table, void (*fn)(void *arg, int column, const char *text), void *arg)
{
	const char *at = (const char *)table->text.data;

	for (size_t i = 0; i < table->cells; i++) {
		fn(arg, (int)(i % (size_t)table->columns), at);
		at += strlen(at) + 1;
	}
}

struct printing {
	const struct table *table;
	struct out *out;
	size_t widths[TABLE_COLUMNS_MAX];
};

static char *shown_text(const struct out *out, const char *text)
{
	return out->stdout_tty ? text_printable(text, strlen(text)) : strdup(text);
}

static void measure(void *arg, int column, const char *text)
{
	struct printing *p = arg;
	_cleanup_(free_ptr) char *shown = shown_text(p->out, text);
	size_t width = shown ? width_of(shown) : 0;

	if (width > p->widths[column])
		p->widths[column] = width;
}

static void print(void *arg, int column, const char *text)
{
	struct printing *p = arg;
	_cleanup_(free_ptr) char *shown = shown_text(p->out, text);
	size_t width = shown ? width_of(shown) : 0;
	int pad = (int)(p->widths[column] - width);
	bool last = column == p->table->columns - 1, right = p->table->right >> column & 1;

	out_printf(p->out, "%s%*s%s",
		   column > 0	      ? "  "
		   : p->table->indent ? p->table->indent
				      : "",
		   right ? pad : 0, "", shown ? shown : "?");
	if (last)
		out_printf(p->out, "\n");
	else
		out_printf(p->out, "%*s", right ? 0 : pad, "");
}

void table_print(struct table *table, struct out *out)
{
	struct printing p = {.table = table, .out = out};

	assert(table->columns > 0 && table->columns <= TABLE_COLUMNS_MAX && table->cells % (size_t)table->columns == 0);
	if (buf_error(&table->text))
		return;
	each_cell(table, measure, &p);
	each_cell(table, print, &p);
}

void table_release(struct table *table)
{
	buf_release(&table->text);
}
