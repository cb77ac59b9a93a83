/* `lock` guards the state; the thread is joined before the next one is started, and at the end. */
#include "mount/refresh.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "index/index.h"
#include "mount/library.h"
#include "mount/locations.h"

enum refresh_state { REFRESH_IDLE, REFRESH_RUNNING, REFRESH_ENDED };

struct refresh {
	pthread_mutex_t lock;
	enum refresh_state state;
	pthread_t thread;
	struct library *library;
	atomic_bool stopping;
};

int refresh_new(struct library *library, struct refresh **ret_refresh)
{
	struct refresh *refresh = calloc(1, sizeof(*refresh));

	if (!refresh)
		return -ENOMEM;
	pthread_mutex_init(&refresh->lock, NULL);
	refresh->library = library;
	*ret_refresh = refresh;
	return 0;
}

static int on_progress(void *arg, const struct index_progress *progress)
{
	struct refresh *refresh = arg;

	return atomic_load(&refresh->stopping);
}

static void compare_all(struct refresh *refresh)
{
	_cleanup_(locations_release) struct locations locations = LOCATIONS_INIT;
	struct index_progress total;
	int r = locations_read(refresh->library->store, &locations);

	if (r < 0)
		log_warn("cannot list the locations: %s", err_str(r));
	for (size_t i = 0; i < locations.count && !atomic_load(&refresh->stopping); i++) {
		r = index_rescan(refresh->library->index, locations.items[i].id, on_progress, refresh, &total);
		if (r < 0 && r != -EINTR)
			log_warn("location %s: %s", locations.items[i].name, err_str(r));
	}
}

static void *refresh_main(void *arg)
{
	struct refresh *refresh = arg;

	compare_all(refresh);
	pthread_mutex_lock(&refresh->lock);
	refresh->state = REFRESH_ENDED;
	pthread_mutex_unlock(&refresh->lock);
	return NULL;
}

void refresh_begin(struct refresh *refresh)
{
	pthread_mutex_lock(&refresh->lock);
	if (atomic_load(&refresh->stopping)) { /* refresh_stop joins the last one */
		pthread_mutex_unlock(&refresh->lock);
		return;
	}
	if (refresh->state == REFRESH_ENDED) {
		pthread_join(refresh->thread, NULL);
		refresh->state = REFRESH_IDLE;
	}
	if (refresh->state == REFRESH_IDLE && pthread_create(&refresh->thread, NULL, refresh_main, refresh) == 0)
		refresh->state = REFRESH_RUNNING;
	pthread_mutex_unlock(&refresh->lock);
}

void refresh_stop(struct refresh *refresh)
{
	bool join;

	if (!refresh)
		return;
	pthread_mutex_lock(&refresh->lock);
	atomic_store(&refresh->stopping, true);
	join = refresh->state != REFRESH_IDLE;
	pthread_mutex_unlock(&refresh->lock);
	if (join)
		pthread_join(refresh->thread, NULL);
}

void refresh_free(struct refresh *refresh)
{
	if (!refresh)
		return;
	pthread_mutex_destroy(&refresh->lock);
	free(refresh);
}
