/* Scans a folder into a new library and prints how long that took: bench_scan FOLDER [watch] [again]. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "store/location.h"
#include "index/index.h"
#include "tests/lib/library.h"
#include "tests/lib/test.h"

static struct location_new new;
static int64_t location;

static int add(struct txn *txn, void *arg)
{
	return location_add(txn, &new, &location);
}

static void hear(void *arg, const char *level, const char *text)
{
	printf("%s: %s\n", level, text);
}

int main(int argc, char **argv)
{
	struct index_opts opts = {.say = hear};
	struct index_progress total;
	struct library l;
	struct index *index;
	struct rusage usage;
	char *path, *reason = NULL;
	uint64_t t0;
	int r;

	opts.watch = argc > 2 && strstr(argv[2], "w");
	opts.hash = argc > 2 && strstr(argv[2], "h");
	library_init(&l);
	r = index_check_root(library_db(&l), argv[1], NULL, &path, &new, &reason);
	if (r < 0) {
		printf("%s\n", reason);
		return 1;
	}
	new.name = "x";
	library_write(&l, add, NULL);
	index_start(l.store, &opts, &index);
	for (int i = 0; i < 2; i++) {
		t0 = clock_monotonic_ms();
		r = index_rescan(index, location, NULL, NULL, &total);
		getrusage(RUSAGE_SELF, &usage);
		printf("scan %d: %d, %llu entries, %llu changed, %llu ms, user %ld.%02ld sys %ld.%02ld rss %ld\n", i, r,
		       (unsigned long long)total.entries, (unsigned long long)total.changed,
		       (unsigned long long)(clock_monotonic_ms() - t0), usage.ru_utime.tv_sec,
		       usage.ru_utime.tv_usec / 10000, usage.ru_stime.tv_sec, usage.ru_stime.tv_usec / 10000,
		       usage.ru_maxrss);
	}
	if (opts.hash) {
		t0 = clock_monotonic_ms();
		r = index_settle(index, 1000000, true);
		printf("hashed: %d %llu ms\n", r, (unsigned long long)(clock_monotonic_ms() - t0));
	}
	t0 = clock_monotonic_ms();
	index_stop(index);
	printf("stop %llu ms\n", (unsigned long long)(clock_monotonic_ms() - t0));
	library_release(&l);
	return 0;
}
