#include "tests/store/heard.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "store/notice.h"
#include "store/object.h"
#include "tests/lib/test.h"

static const char *const changes[] = {
    [NOTICE_LISTING] = "listing", [NOTICE_NAME] = "name",   [NOTICE_ATTR] = "attr",
    [NOTICE_LINKS] = "links",	  [NOTICE_BELOW] = "below",
};

static void put_object(struct buf *b, uint64_t number)
{
	buf_printf(b, "%c%lld", "fdecp"[object_kind(number)], (long long)object_id(number));
}

static void put(struct buf *b, const struct notice *notice)
{
	buf_printf(b, "%s ", changes[notice->change]);
	if (notice->parent) {
		put_object(b, notice->parent);
		if (notice->name) {
			buf_append_str(b, "/");
			buf_append(b, notice->name, notice->name_len);
			buf_append_str(b, "=");
		}
	}
	if (notice->object)
		put_object(b, notice->object);
	buf_append_str(b, "\n");
}

static void hear(void *arg, const struct notice *notices, size_t count, bool bulk)
{
	struct heard *heard = arg;

	pthread_mutex_lock(&heard->lock);
	for (size_t i = 0; i < count; i++)
		put(&heard->text, &notices[i]);
	heard->count += count;
	heard->calls++;
	heard->bulk = bulk;
	pthread_mutex_unlock(&heard->lock);
}

void heard_init(struct heard *heard, struct store *store)
{
	*heard = (struct heard){.lock = PTHREAD_MUTEX_INITIALIZER, .text = BUF_INIT, .store = store};
	store_subscribe(store, hear, heard);
}

void heard_release(struct heard *heard)
{
	store_subscribe(heard->store, NULL, NULL);
	buf_release(&heard->text);
	pthread_mutex_destroy(&heard->lock);
}

void heard_exactly(struct heard *heard, const char *format, ...)
{
	_cleanup_(free_ptr) char *expected = NULL;
	_cleanup_(free_ptr) char *got = NULL;
	va_list args;

	va_start(args, format);
	assert_true(vasprintf(&expected, format, args) >= 0);
	va_end(args);
	pthread_mutex_lock(&heard->lock);
	got = buf_take_str(&heard->text);
	heard->count = 0;
	heard->calls = 0;
	pthread_mutex_unlock(&heard->lock);
	assert_string_equal(got, expected);
}
