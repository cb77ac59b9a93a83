/* An event as three cells of a table: when, how bad, what; with how often it came. Threads: any. */
#pragma once

#include "mount/table.h"
#include "store/event.h"

void event_cells(const struct event *event, struct table *table);
