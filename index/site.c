#include "index/site.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "index/beneath.h"
#include "index/root.h"

/* The part of `path` below `folder`, NULL when it is not below it. */
static const char *below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	if (strcmp(folder, "/") == 0)
		return path[1] ? path + 1 : NULL;
	return strncmp(path, folder, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

static int take_borders(struct site *site, const char *const *forbidden)
{
	size_t count = 0;

	while (forbidden && forbidden[count])
		count++;
	site->borders = calloc(count + 1, sizeof(char *));
	if (!site->borders)
		return -ENOMEM;
	for (size_t i = 0, used = 0; i < count; i++) {
		const char *path = below(forbidden[i], site->path);

		if (!path)
			continue;
		site->borders[used] = strdup(path);
		if (!site->borders[used++])
			return -ENOMEM;
	}
	return 0;
}

/* Whether the root has a row below it. */
static int has_rows(struct db *db, int64_t root, bool *ret_has)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_list(db, root, 0, false, &rows);

	if (r >= 0)
		r = entry_next(&rows, &entry);
	if (r >= 0)
		*ret_has = r == 0;
	return r < 0 ? r : 0;
}

static int take_row(struct site *site, struct db *db, int64_t id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	bool has = true;
	int r;

	r = location_get(db, id, &location, &rows);
	if (r < 0)
		return r;
	site->id = id;
	site->root = location.root;
	site->identity = location.identity;
	site->unscanned = location.state == LOCATION_UNSCANNED;
	site->returning = location.state == LOCATION_OFFLINE;
	site->name = strndup(location.name, location.name_len);
	site->path = strdup(location.path);
	if (!site->name || !site->path)
		return -ENOMEM;
	r = ignore_parse(location.exclude, strlen(location.exclude), &site->exclude);
	if (r >= 0 && site->unscanned)
		r = has_rows(db, site->root, &has);
	site->pristine = !has;
	return r;
}

static void site_freep(struct site **site)
{
	site_free(*site);
}

int site_load(struct index *index, struct db *db, int64_t location, const char *const *forbidden,
	      struct site **ret_site)
{
	_cleanup_(site_freep) struct site *site = calloc(1, sizeof(*site));
	int r;

	if (!site)
		return -ENOMEM;
	site->index = index;
	site->root_fd = -1;
	r = take_row(site, db, location);
	if (r >= 0)
		r = ignore_defaults(&site->defaults);
	if (r >= 0)
		r = take_borders(site, forbidden);
	if (r >= 0)
		*ret_site = TAKE_PTR(site);
	return r;
}

void site_free(struct site *site)
{
	uint64_t key, value;

	if (!site)
		return;
	site_leave(site);
	watch_close(site->watch);
	for (size_t at = 0; idmap_next(&site->ignores, &at, &key, &value);)
		ignore_unref((struct ignore *)(uintptr_t)value);
	idmap_release(&site->ignores);
	idmap_release(&site->pending);
	idmap_release(&site->vanished);
	for (char **border = site->borders; border && *border; border++)
		free(*border);
	free(site->borders);
	ignore_unref(site->defaults);
	ignore_unref(site->exclude);
	free(site->tally.first_unreadable);
	free(site->tally.first_mount);
	free(site->name);
	free(site->path);
	free(site);
}

int site_read_identity(struct site *site, struct db *db)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int r;

	r = location_get(db, site->id, &location, &rows);
	if (r < 0)
		return r;
	r = !root_is_same(&location.identity, &site->identity);
	site->identity = location.identity;
	return r;
}

int site_enter(struct site *site)
{
	struct beneath_stat st;
	int fd, r;

	if (site->root_fd >= 0)
		return 0;
	fd = root_open(site->path, &site->identity);
	if (fd < 0)
		return fd;
	r = beneath_look(fd, "", 0, &st);
	if (r < 0) {
		close(fd);
		return r == -ENOMEM ? r : -ENODEV;
	}
	site->root_fd = fd;
	site->device = st.device;
	site->remote = root_is_remote(fd);
	return 0;
}

void site_leave(struct site *site)
{
	close_fd(&site->root_fd);
	site->root_fd = -1;
}

int site_look(const struct site *site)
{
	_cleanup_(close_fd) int fd = root_open(site->path, &site->identity);

	return fd < 0 ? fd : 0;
}

struct ignore *site_ignore(const struct site *site, int64_t dir)
{
	return (struct ignore *)(uintptr_t)idmap_get(&site->ignores, (uint64_t)dir, 0);
}

int site_set_ignore(struct site *site, int64_t dir, struct ignore *ignore)
{
	struct ignore *old = site_ignore(site, dir);

	if (ignore && idmap_put(&site->ignores, (uint64_t)dir, (uintptr_t)ignore_ref(ignore)) < 0) {
		ignore_unref(ignore);
		return -ENOMEM;
	}
	if (!ignore)
		idmap_remove(&site->ignores, (uint64_t)dir);
	ignore_unref(old);
	return 0;
}

void site_forget_dir(struct site *site, int64_t dir)
{
	if (site->watch)
		watch_remove(site->watch, dir);
	site_set_ignore(site, dir, NULL);
}
