#include "tests/e2e/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/location.h"
#include "tests/lib/test.h"

bool world_can_mount(void)
{
	_cleanup_(close_fd) int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "SKIPPED: /dev/fuse: %s\n", strerror(errno));
		return false;
	}
	if (geteuid() != 0 && access("/usr/bin/fusermount3", X_OK) < 0 && access("/bin/fusermount3", X_OK) < 0) {
		fprintf(stderr, "SKIPPED: fusermount3 is missing\n");
		return false;
	}
	return true;
}

char *world_path(const char *dir, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	return path;
}

static struct entry_attr attr_of(const char *path)
{
	struct statx st;

	assert_int_equal(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st), 0);
	return (struct entry_attr){
		.mode = st.stx_mode,
		.size = st.stx_size,
		.mtime_ns = st.stx_mtime.tv_sec * 1000000000 + st.stx_mtime.tv_nsec,
		.ino = st.stx_ino,
		.btime_ns = st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec,
	};
}

/* By inode and birth time, or the filesystem where there is none. */
static int identify(struct txn *txn, void *arg)
{
	struct world *w = arg;
	struct entry_attr attr = attr_of(w->real);
	struct location_identity identity = { .ino = attr.ino, .btime_ns = attr.btime_ns };
	struct statfs fs;

	assert_int_equal(statfs(w->real, &fs), 0);
	memcpy(&identity.fsid, &fs.f_fsid, sizeof(identity.fsid));
	int r = location_set_identity(txn, w->location, &identity);
	return r < 0 ? r : location_set_scanned(txn, w->location, 1);
}

void world_init(struct world *w)
{
	*w = (struct world){ 0 };
	library_init(&w->library);
	w->mount = scratch_path(&w->library.scratch, "mount");
	assert_int_equal(mkdir(w->mount, 0755), 0);
	w->real = scratch_path(&w->library.scratch, "photos");
	assert_int_equal(mkdir(w->real, 0755), 0);
	w->photos = world_path(w->mount, "devices/laptop/photos");
	w->location = library_location(&w->library, "photos");
	w->root = library_root(&w->library, w->location);
	assert_int_equal(library_write(&w->library, identify, w), 0);
}

void world_release(struct world *w)
{
	world_unmount(w);
	library_release(&w->library);
	free(w->photos);
	free(w->real);
	free(w->mount);
}

static void *serve(void *arg)
{
	struct world *w = arg;

	w->run_result = session_run(w->session);
	return NULL;
}

void world_mount(struct world *w)
{
	struct fs_opts fs_opts = { .uid = getuid(), .gid = getgid(), .mountpoint = w->mount };
	struct session_opts opts = { .mountpoint = w->mount, .name = "a test, with \\ and ," };

	assert_int_equal(fs_new(w->library.store, &fs_opts, &w->fs), 0);
	assert_int_equal(session_open(w->fs, w->library.store, &opts, &w->session), 0);
	assert_int_equal(pthread_create(&w->runner, NULL, serve, w), 0);
}

void world_unmount(struct world *w)
{
	if (!w->session)
		return;
	session_stop(w->session);
	pthread_join(w->runner, NULL);
	session_close(w->session);
	w->session = NULL;
	fs_free(w->fs);
	w->fs = NULL;
}

struct insertion {
	struct entry_place place;
	struct entry_attr attr;
	int64_t id;
};

static int insert(struct txn *txn, void *arg)
{
	struct insertion *in = arg;

	return entry_insert(txn, &in->place, &in->attr, &in->id);
}

int64_t world_entry(struct world *w, int64_t parent, const char *path)
{
	_cleanup_(free_ptr) char *real = world_path(w->real, path);
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	struct insertion in = {
		.place = { .location = w->location, .parent = parent, .name = name, .name_len = strlen(name) },
		.attr = attr_of(real),
	};

	assert_int_equal(library_write(&w->library, insert, &in), 0);
	return in.id;
}

int64_t world_file(struct world *w, int64_t parent, const char *path, const char *content)
{
	_cleanup_(free_ptr) char *real = world_path(w->real, path);
	FILE *file = fopen(real, "we");

	assert_non_null(file);
	fputs(content, file);
	assert_int_equal(fclose(file), 0);
	return world_entry(w, parent, path);
}

int64_t world_dir(struct world *w, int64_t parent, const char *path)
{
	_cleanup_(free_ptr) char *real = world_path(w->real, path);

	assert_int_equal(mkdir(real, 0755), 0);
	return world_entry(w, parent, path);
}

int64_t world_link(struct world *w, int64_t parent, const char *path, const char *target)
{
	_cleanup_(free_ptr) char *real = world_path(w->real, path);

	assert_int_equal(symlink(target, real), 0);
	return world_entry(w, parent, path);
}
