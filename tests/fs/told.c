#include "tests/fs/told.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/object.h"
#include "sync/naming.h"
#include "tests/lib/test.h"

static void say_object(struct buf *text, uint64_t object)
{
	buf_printf(text, "%c%lld", "fdecp"[object_kind(object)], (long long)object_id(object));
}

static void say_name(struct told *t, const char *call, uint64_t parent, const char *name, size_t len)
{
	size_t at, cut;

	if (len == strlen(".fuse_hidden-listing") && memcmp(name, ".fuse_hidden-listing", len) == 0)
		return;
	buf_printf(&t->text, "%s ", call);
	say_object(&t->text, parent);
	if (naming_has_suffix(name, len, &at, &cut))
		buf_printf(&t->text, "/%.*s$%.*s\n", (int)at, name, (int)(len - at - cut), name + at + cut);
	else
		buf_printf(&t->text, "/%.*s\n", (int)len, name);
	t->count++;
}

static void say_inode(struct told *t, const char *call, uint64_t ino)
{
	buf_printf(&t->text, "%s ", call);
	say_object(&t->text, ino);
	buf_append_str(&t->text, "\n");
	t->count++;
}

static void expire_entry(void *arg, uint64_t parent, const char *name, size_t len)
{
	struct told *t = arg;

	say_name(t, "expire", parent, name, len);
	if (t->model)
		t->model->expire_entry(t->arg, parent, name, len);
}

static void drop_entry(void *arg, uint64_t parent, const char *name, size_t len)
{
	struct told *t = arg;

	say_name(t, "drop", parent, name, len);
	if (t->model)
		t->model->drop_entry(t->arg, parent, name, len);
}

static void drop_attr(void *arg, uint64_t ino)
{
	struct told *t = arg;

	say_inode(t, "attr", ino);
	if (t->model)
		t->model->drop_attr(t->arg, ino);
}

static void drop_content(void *arg, uint64_t ino)
{
	struct told *t = arg;

	say_inode(t, "content", ino);
	if (t->model)
		t->model->drop_content(t->arg, ino);
}

static const struct announce_calls calls = {
	.expire_entry = expire_entry,
	.drop_entry = drop_entry,
	.drop_attr = drop_attr,
	.drop_content = drop_content,
};

void told_init(struct told *t, struct world *w)
{
	*t = (struct told){ .w = w };
	assert_int_equal(grace_new(&t->grace), 0);
	assert_int_equal(announce_new(w->fs, w->library.store, t->grace, &calls, t, &t->announce), 0);
	store_subscribe(w->library.store, announce_put, t->announce);
}

static void *run(void *arg)
{
	struct told *t = arg;

	assert_int_equal(announce_run(t->announce), 0);
	return NULL;
}

void told_start(struct told *t)
{
	assert_int_equal(pthread_create(&t->thread, NULL, run, t), 0);
	t->running = true;
}

void told_release(struct told *t)
{
	announce_stop(t->announce);
	store_subscribe(t->w->library.store, NULL, NULL);
	if (t->running)
		pthread_join(t->thread, NULL);
	announce_free(t->announce);
	grace_free(t->grace);
	buf_release(&t->text);
}

void told_settle(struct told *t)
{
	announce_settle(t->announce);
}

void told_exactly(struct told *t, const char *format, ...)
{
	_cleanup_(free_ptr) char *expected = NULL, *found = NULL;
	va_list args;

	told_settle(t);
	va_start(args, format);
	assert_true(vasprintf(&expected, format, args) >= 0);
	va_end(args);
	found = buf_take_str(&t->text);
	assert_string_equal(found, expected);
	t->count = 0;
}
