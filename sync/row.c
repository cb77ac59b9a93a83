#include "sync/row.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pack.h"
#include "sync/range.h"

/* A column is a stream of numbers, then a stream of bytes that the numbers are the lengths of (for bytes) or nothing. */

enum column_form { COLUMN_DELTA, COLUMN_PLAIN, COLUMN_SIGNED, COLUMN_BYTES };

enum { NUMBER_LEN_MAX = 10, SIZE_OF_NUMBERS = 4 };

static unsigned columns_of(const struct model *model)
{
	return 1 + model->key_parts + model->field_count;
}

static const struct field *field_of_column(const struct model *model, unsigned column)
{
	return column > model->key_parts ? &model->fields[column - 1 - model->key_parts] : NULL;
}

static bool is_number(const struct field *field)
{
	return field->type == FIELD_BOOL || field->type == FIELD_UINT;
}

static enum column_form form_of(const struct model *model, unsigned column)
{
	const struct field *field = field_of_column(model, column);

	if (!field || field->delta)
		return COLUMN_DELTA;
	if (!is_number(field))
		return COLUMN_BYTES;
	return field->is_signed ? COLUMN_SIGNED : COLUMN_PLAIN;
}

/* Small for small numbers of both signs; also for differences that wrap. */
static uint64_t zigzag(uint64_t bits)
{
	return bits << 1 ^ (bits >> 63 ? UINT64_MAX : 0);
}

static uint64_t unzigzag(uint64_t number)
{
	return number >> 1 ^ (number & 1 ? UINT64_MAX : 0);
}

static void put_number(struct buf *b, uint64_t number)
{
	uint8_t bytes[NUMBER_LEN_MAX];
	size_t len = 0;

	for (; number >= 0x80; number >>= 7)
		bytes[len++] = (uint8_t)(number | 0x80);
	bytes[len++] = (uint8_t)number;
	buf_append(b, bytes, len);
}

/* The shortest form only: one number has one encoding. */
static int take_number(struct cursor *c, uint64_t *ret)
{
	uint64_t number = 0;
	uint8_t byte;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		int r = cursor_u8(c, &byte);

		if (r < 0)
			return r;
		if (shift == 63 && byte > 1)
			return -ERR_MALFORMED;
		number |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (byte == 0 && shift > 0)
			return -ERR_MALFORMED;
		*ret = number;
		return 0;
	}
	return -ERR_MALFORMED;
}

/* --- rules --- */

bool row_is_tombstone(const struct row *row)
{
	return row->values[model_deleted(row->model)].number != 0;
}

static int check_entry(const struct row *row)
{
	uint64_t mode = row->values[ENTRY_MODE].number;
	bool has_parent = row->values[ENTRY_PARENT].number != 0;

	if (mode > UINT16_MAX)
		return -ERR_MALFORMED;
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		break;
	default:
		return -ERR_MALFORMED;
	}
	if (has_parent != (row->values[ENTRY_NAME].len > 0) || row->values[ENTRY_PARENT].number == row->key[1] + 1)
		return -ERR_MALFORMED;
	return has_parent || S_ISDIR(mode) ? 0 : -ERR_MALFORMED;
}

static int check_field(const struct field *field, const struct value *value)
{
	if (!is_number(field))
		return model_bytes_fit(field, value->bytes, value->len) ? 0 : -ERR_MALFORMED;
	if (field->is_signed)
		return 0;
	return value->number <= (field->type == FIELD_BOOL ? 1 : INT64_MAX) ? 0 : -ERR_MALFORMED;
}

int row_check(const struct row *row)
{
	const struct model *model = row->model;

	if (row->version == 0 || row->version > INT64_MAX)
		return -ERR_MALFORMED;
	/* Prefixes use all bits; the counters behind them are signed in SQLite. */
	if (model->key_parts > 1 && row->key[1] >= UINT64_C(1) << 62)
		return -ERR_MALFORMED;
	for (unsigned i = 0; i < model->field_count; i++) {
		int r = check_field(&model->fields[i], &row->values[i]);

		if (r < 0)
			return r;
	}
	return model->kind == MODEL_ENTRY ? check_entry(row) : 0;
}

/* The number of a column that holds numbers. */
static uint64_t number_at(const struct row *row, unsigned column)
{
	if (column == 0)
		return row->version;
	if (column <= row->model->key_parts)
		return row->key[column - 1];
	return row->values[column - 1 - row->model->key_parts].number;
}

/* --- writing --- */

void row_writer_init(struct row_writer *w, const struct model *model)
{
	assert(model->owner == MODEL_OWNED);
	*w = (struct row_writer){.model = model};
}

void row_writer_release(struct row_writer *w)
{
	for (unsigned i = 0; i < ROW_COLUMNS_MAX; i++) {
		buf_release(&w->numbers[i]);
		buf_release(&w->bytes[i]);
	}
	w->count = 0;
	w->size = 0;
}

static void put_column(struct row_writer *w, const struct row *row, unsigned column)
{
	enum column_form form = form_of(w->model, column);
	const struct value *value;
	uint64_t number;

	if (form == COLUMN_BYTES) {
		value = &row->values[column - 1 - w->model->key_parts];
		put_number(&w->numbers[column], value->len);
		buf_append(&w->bytes[column], value->bytes, value->len);
		w->size += 1 + value->len;
		return;
	}
	number = number_at(row, column);
	if (form == COLUMN_DELTA)
		put_number(&w->numbers[column], zigzag(number - w->last[column]));
	else
		put_number(&w->numbers[column], form == COLUMN_SIGNED ? zigzag(number) : number);
	w->last[column] = number;
	w->size += SIZE_OF_NUMBERS;
}

int row_writer_add(struct row_writer *w, const struct row *row)
{
	if (row->model != w->model || row_check(row) < 0 || row->version <= w->last[0] || w->count >= RANGE_ROWS_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < columns_of(w->model); i++)
		put_column(w, row, i);
	w->count++;
	for (unsigned i = 0; i < columns_of(w->model); i++) {
		if (buf_error(&w->numbers[i]) < 0 || buf_error(&w->bytes[i]) < 0)
			return -ENOMEM; /* finish would say so too */
	}
	return 0;
}

size_t row_writer_size(const struct row_writer *w)
{
	return w->size;
}

static int finish(struct row_writer *w, struct buf *body)
{
	_cleanup_(buf_release) struct buf column = BUF_INIT;

	pack_array(body, 1 + columns_of(w->model));
	pack_uint(body, w->count);
	for (unsigned i = 0; i < columns_of(w->model); i++) {
		if (buf_error(&w->numbers[i]) < 0 || buf_error(&w->bytes[i]) < 0)
			return -ENOMEM;
		buf_clear(&column);
		buf_append(&column, w->numbers[i].data, w->numbers[i].len);
		buf_append(&column, w->bytes[i].data, w->bytes[i].len);
		if (buf_error(&column) < 0)
			return -ENOMEM;
		pack_bin(body, column.data, column.len);
	}
	return buf_error(body);
}

int row_writer_finish(struct row_writer *w, struct buf *body)
{
	const struct model *model = w->model;
	int r = w->count > 0 ? finish(w, body) : 0;

	row_writer_release(w);
	row_writer_init(w, model);
	return r;
}

/* --- reading --- */

/* Splits a column of bytes behind its `count` lengths. */
static int split_column(struct row_reader *r, unsigned column)
{
	struct cursor c = r->numbers[column];
	uint64_t total = 0, len;

	for (uint32_t i = 0; i < r->left; i++) {
		int e = take_number(&c, &len);

		if (e < 0)
			return e;
		if (len > RANGE_BYTES_MAX)
			return -ERR_MALFORMED;
		total += len;
	}
	if (total != c.left)
		return -ERR_MALFORMED;
	r->bytes[column] = c;
	r->numbers[column].left -= c.left;
	return 0;
}

static int read_columns(struct row_reader *r, struct cursor *c)
{
	for (unsigned i = 0; i < columns_of(r->model); i++) {
		const uint8_t *bytes;
		size_t len;
		int e = cursor_pack_bin(c, &bytes, &len);

		if (e < 0)
			return e;
		r->numbers[i] = cursor_on(bytes, len);
		r->bytes[i] = cursor_on(bytes, 0);
		if (len < r->left)
			return -ERR_MALFORMED;
		e = form_of(r->model, i) == COLUMN_BYTES ? split_column(r, i) : 0;
		if (e < 0)
			return e;
	}
	return c->left == 0 ? 0 : -ERR_MALFORMED;
}

int row_reader_init(struct row_reader *r, const struct model *model, const void *body, size_t len)
{
	struct cursor c = cursor_on(body, len);
	uint64_t rows;
	uint32_t parts;
	int e;

	assert(model->owner == MODEL_OWNED);
	*r = (struct row_reader){.model = model};
	if (len == 0)
		return 0;
	e = cursor_pack_array(&c, &parts);
	if (e == 0)
		e = cursor_pack_uint(&c, &rows);
	if (e < 0)
		return e;
	if (rows > RANGE_ROWS_MAX)
		return -ERR_TOO_LARGE;
	if (parts != 1 + columns_of(model) || rows == 0)
		return -ERR_MALFORMED;
	r->left = (uint32_t)rows;
	return read_columns(r, &c);
}

static int take_bytes(struct row_reader *r, unsigned column, struct value *value)
{
	uint64_t len;
	int e = take_number(&r->numbers[column], &len);

	if (e < 0)
		return e;
	value->len = len;
	return cursor_bytes(&r->bytes[column], len, &value->bytes);
}

static int take_column(struct row_reader *r, unsigned column, struct row *row)
{
	enum column_form form = form_of(r->model, column);
	uint64_t number;
	int e;

	if (form == COLUMN_BYTES)
		return take_bytes(r, column, &row->values[column - 1 - r->model->key_parts]);
	e = take_number(&r->numbers[column], &number);
	if (e < 0)
		return e;
	if (form == COLUMN_DELTA)
		number = r->last[column] + unzigzag(number);
	else if (form == COLUMN_SIGNED)
		number = unzigzag(number);
	r->last[column] = number;
	if (column == 0)
		row->version = number;
	else if (column <= r->model->key_parts)
		row->key[column - 1] = number;
	else
		row->values[column - 1 - r->model->key_parts].number = number;
	return 0;
}

static int check_nothing_left(const struct row_reader *r)
{
	for (unsigned i = 0; i < columns_of(r->model); i++) {
		if (r->numbers[i].left > 0 || r->bytes[i].left > 0)
			return -ERR_MALFORMED;
	}
	return 1;
}

int row_reader_next(struct row_reader *r, struct row *ret_row)
{
	struct row row = {.model = r->model};
	uint64_t before = r->last[0];
	int e;

	if (r->left == 0)
		return check_nothing_left(r);
	for (unsigned i = 0; i < columns_of(r->model); i++) {
		e = take_column(r, i, &row);
		if (e < 0)
			return e;
	}
	e = row.version > before ? row_check(&row) : -ERR_MALFORMED;
	if (e < 0)
		return e;
	r->left--;
	*ret_row = row;
	return 0;
}
