#include "mount/event_cells.h"

#include <stdio.h>
#include <time.h>

enum { TIME_TEXT_MAX = 32, TEXT_MAX = 1024 };

static void time_text(int64_t at_ms, const char *format, char ret_text[TIME_TEXT_MAX])
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(ret_text, TIME_TEXT_MAX, format, &tm);
}

void event_cells(const struct event *event, struct table *table)
{
	char when[TIME_TEXT_MAX], last[TIME_TEXT_MAX], text[TEXT_MAX];

	time_text(event->at_ms, "%Y-%m-%d %H:%M:%S", when);
	time_text(event->last_ms, "%H:%M:%S", last);
	snprintf(text, sizeof(text), "%s (%lld times, last at %s)", event->text, (long long)event->times, last);
	table_cell(table, when);
	table_cell(table, event->level);
	table_cell(table, event->times > 1 ? text : event->text);
}
