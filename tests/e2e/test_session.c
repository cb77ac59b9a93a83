/* The adapter through a real mount: what each kind of call answers, and every way in which a session ends. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "fs/mount_options.h"
#include "tests/e2e/world.h"
#include "tests/lib/test.h"

#define TARGET "../../devices/laptop/photos/"

/* The errno of a call that returned `r`, 0 when it worked. */
static int errno_of(long r)
{
	return r < 0 ? errno : 0;
}

/* How often `name` is listed in `dir`; NULL counts all but "." and "..". */
static int listed(const char *dir, const char *name)
{
	DIR *d = opendir(dir);
	int count = 0;

	assert_non_null(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			count += !name || strcmp(e->d_name, name) == 0;
	closedir(d);
	return count;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	world_init(w);
	*state = w;
	return 0;
}

static int setup_mounted(void **state)
{
	setup(state);
	world_mount(*state);
	return 0;
}

static int teardown(void **state)
{
	world_release(*state);
	free(*state);
	return 0;
}

/* --- what the calls answer --- */

static void test_the_fixed_directories_are_there(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *devices = world_path(w->mount, "devices");
	struct stat st;

	assert_int_equal(listed(w->mount, NULL), 4);
	assert_int_equal(listed(w->mount, "tags"), 1);
	assert_int_equal(listed(devices, "laptop"), 1);
	assert_int_equal(stat(w->mount, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0555);
	assert_int_equal(st.st_uid, getuid());
}

/* Names as Linux allows them come back unchanged, in listings and in look-ups. */
static void test_any_name_is_listed(void **state)
{
	struct world *w = *state;
	char longest[256];
	const char *names[] = {
		"a b", "-x", ".hidden-one", "quo'te\"", "new\nline", "inv\xff\xfe", "back\\slash", longest,
	};

	memset(longest, 'n', 255);
	longest[255] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		world_file(w, w->root, names[i], "content");
	assert_int_equal(listed(w->photos, NULL), sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_(free_ptr) char *path = world_path(w->photos, names[i]);
		_cleanup_(free_ptr) char *real = world_path(w->real, names[i]);
		struct stat shown, st;
		assert_int_equal(listed(w->photos, names[i]), 1);
		assert_int_equal(stat(path, &shown), 0);
		assert_int_equal(stat(real, &st), 0);
		assert_int_equal(shown.st_size, st.st_size);
		assert_int_equal(shown.st_mode, st.st_mode);
		assert_memory_equal(&shown.st_mtim, &st.st_mtim, sizeof(st.st_mtim));
	}
}

/* Many batches of READDIRPLUS: each name once. */
static void test_a_large_directory_is_whole(void **state)
{
	struct world *w = *state;
	char name[64];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "%.*s%d", i % 40, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i);
		library_file(&w->library, w->location, w->root, name, (uint64_t)i);
	}
	assert_int_equal(listed(w->photos, NULL), 3000);
	assert_int_equal(listed(w->photos, NULL), 3000); /* from the kernel's cache */
	assert_int_equal(listed(w->photos, "2999"), 0);
	assert_int_equal(listed(w->photos, name), 1);
}

static void test_times_before_1970(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *real = world_path(w->real, "old");
	_cleanup_(free_ptr) char *shown = world_path(w->photos, "old");
	struct timespec times[2] = { { .tv_sec = -5, .tv_nsec = 999999999 }, { .tv_sec = -5, .tv_nsec = 999999999 } };
	struct stat st;
	int fd = open(real, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
	world_entry(w, w->root, "old");
	assert_int_equal(stat(shown, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, -5);
	assert_int_equal(st.st_mtim.tv_nsec, 999999999);
}

static void test_files_are_read(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *path = world_path(w->photos, "big");
	size_t size = 3 * 1024 * 1024 + 17;
	char *content = malloc(size + 1), *got = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		content[i] = (char)('a' + (i * 7 + i / 4096) % 26);
	content[size] = '\0';
	world_file(w, w->root, "big", content);
	for (int round = 0; round < 2; round++) {
		FILE *file = fopen(path, "re");
		assert_non_null(file);
		assert_int_equal(fread(got, 1, size + 1, file), size);
		assert_memory_equal(got, content, size);
		fclose(file);
	}
	assert_int_equal(errno_of(open(path, O_WRONLY)), EROFS);
	assert_int_equal(errno_of(open(path, O_RDONLY | O_TRUNC)), EROFS);
	free(content);
	free(got);
}

static void test_links_in_a_location(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *good = world_path(w->photos, "good");
	_cleanup_(free_ptr) char *bad = world_path(w->photos, "bad");
	char target[64] = "";

	world_link(w, w->root, "good", "sub/dir/../file");
	world_link(w, w->root, "bad", "/etc/passwd");
	assert_int_equal(readlink(good, target, sizeof(target) - 1), strlen("sub/dir/../file"));
	assert_string_equal(target, "sub/dir/../file");
	assert_int_equal(errno_of(readlink(bad, target, sizeof(target))), EPERM);
}

/* One file, tagged: mkdir, ln -s, mv, rm, rmdir, each seen at once through the kernel's caches. */
static void test_a_tag_from_birth_to_death(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *tags = world_path(w->mount, "tags");
	_cleanup_(free_ptr) char *tag = world_path(tags, "holiday");
	_cleanup_(free_ptr) char *renamed = world_path(tags, "vacation");
	_cleanup_(free_ptr) char *link = world_path(tag, "beach.jpg");
	_cleanup_(free_ptr) char *moved = world_path(renamed, "sea.jpg");
	char target[128] = "";
	struct stat st;

	world_file(w, w->root, "beach.jpg", "sand");
	assert_int_equal(listed(tags, NULL), 0);
	assert_int_equal(mkdir(tag, 0755), 0);
	assert_int_equal(errno_of(mkdir(tag, 0755)), EEXIST);
	assert_int_equal(listed(tags, "holiday"), 1);
	assert_int_equal(listed(tag, NULL), 0);
	assert_int_equal(symlink(TARGET "beach.jpg", link), 0);
	assert_int_equal(listed(tag, "beach.jpg"), 1);
	assert_int_equal(readlink(link, target, sizeof(target) - 1), strlen(TARGET "beach.jpg"));
	assert_string_equal(target, TARGET "beach.jpg");
	assert_int_equal(stat(link, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(errno_of(rmdir(tag)), ENOTEMPTY);
	assert_int_equal(rename(tag, renamed), 0);
	assert_int_equal(errno_of(stat(tag, &st)), ENOENT);
	assert_int_equal(renameat(AT_FDCWD, renamed, AT_FDCWD, renamed), 0);
	_cleanup_(free_ptr) char *link_now = world_path(renamed, "beach.jpg");
	assert_int_equal(rename(link_now, moved), 0);
	assert_int_equal(listed(renamed, "sea.jpg"), 1);
	assert_int_equal(listed(renamed, "beach.jpg"), 0);
	assert_int_equal(unlink(moved), 0);
	assert_int_equal(listed(renamed, NULL), 0);
	assert_int_equal(rmdir(renamed), 0);
	assert_int_equal(listed(tags, NULL), 0);
	library_assert_clean(&w->library);
}

/* --- saving by rename while somebody reads --- */

struct new_row {
	int64_t id;
	struct entry_attr attr;
};

static int write_row(struct txn *txn, void *arg)
{
	const struct new_row *row = arg;

	return entry_update(txn, row->id, &row->attr);
}

/* Another file of the same size at its place, as editors save, and its row after it. */
static void save_by_rename(struct world *w, int64_t id, const char *name, const char *content)
{
	_cleanup_(free_ptr) char *real = world_path(w->real, name), *fresh = world_path(w->real, "fresh");
	FILE *file = fopen(fresh, "we");
	struct stat st;

	assert_non_null(file);
	fputs(content, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(fresh, real), 0);
	assert_int_equal(stat(real, &st), 0);
	struct new_row row = {
		.id = id,
		.attr = {
			.mode = st.st_mode,
			.size = (uint64_t)st.st_size,
			.mtime_ns = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
			.ino = st.st_ino,
		},
	};
	assert_int_equal(library_write(&w->library, write_row, &row), 0);
}

static void assert_reads(int fd, const char *content)
{
	char got[16] = "";

	assert_int_equal(pread(fd, got, sizeof(got) - 1, 0), (ssize_t)strlen(content));
	assert_string_equal(got, content);
}

static void test_saved_while_open(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *path = world_path(w->photos, "f");
	int64_t id = world_file(w, w->root, "f", "old");
	int first = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(first >= 0);
	save_by_rename(w, id, "f", "new");
	poll(NULL, 0, 200); /* the notifier has dropped the pages */
	int second = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(second >= 0);
	assert_reads(first, "old");
	assert_reads(second, "new");
	close(second);
	second = open(path, O_RDONLY | O_CLOEXEC);
	assert_reads(second, "new");
	assert_reads(first, "old");
	close(first);
	for (int i = 0; i < 3; i++) { /* also once the release has arrived */
		int later = open(path, O_RDONLY | O_CLOEXEC);
		assert_reads(later, "new");
		close(later);
		poll(NULL, 0, 50);
	}
	assert_reads(second, "new");
	close(second);
}

/* --- links that are made by way of a bind mount --- */

struct linking {
	const char *target, *path;
	int error;
};

static void *linking_main(void *arg)
{
	struct linking *l = arg;

	l->error = errno_of(symlink(l->target, l->path));
	return NULL;
}

/* Does symlink(2), which must end: it holds a lock that whoever looks into that directory waits for. */
static int link_within(const char *target, const char *path)
{
	struct linking l = { .target = target, .path = path };
	struct timespec end;
	pthread_t thread;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 10;
	assert_int_equal(pthread_create(&thread, NULL, linking_main, &l), 0);
	if (pthread_timedjoin_np(thread, NULL, &end) != 0) {
		fprintf(stderr, "symlink(2) to %s hangs\n", target);
		_exit(1); /* ends the mount, too */
	}
	return l.error;
}

static void test_links_through_a_bind_mount(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *bind = scratch_path(&w->library.scratch, "bind");
	_cleanup_(free_ptr) char *part = scratch_path(&w->library.scratch, "a part");
	_cleanup_(free_ptr) char *alias = scratch_path(&w->library.scratch, "alias");
	_cleanup_(free_ptr) char *laptop = world_path(w->mount, "devices/laptop");
	_cleanup_(free_ptr) char *tag = world_path(w->mount, "tags/t"), *other = world_path(w->mount, "tags/other");
	_cleanup_(free_ptr) char *link = world_path(tag, "link"), *other_link = world_path(other, "f");
	const struct {
		const char *base, *rest;
		int error;
	} rows[] = {
		{ bind, "tags/t/none/x", ENOENT }, /* looks into the directory that is locked */
		{ bind, "tags/t/none", ENOENT },
		{ bind, "tags/other/f", 0 },
		{ bind, "devices/laptop/photos/f", 0 },
		{ part, "photos/f", 0 },
		{ part, "photos", 0 },
		{ alias, "tags/other/../other/f", 0 },
		{ alias, "tags/t/none/x", ENOENT },
	};

	if (geteuid() != 0)
		skip();
	world_file(w, w->root, "f", "x");
	assert_int_equal(mkdir(tag, 0755), 0);
	assert_int_equal(mkdir(other, 0755), 0);
	assert_int_equal(symlink(TARGET "f", other_link), 0);
	assert_int_equal(mkdir(bind, 0755), 0);
	assert_int_equal(mkdir(part, 0755), 0);
	assert_int_equal(mount(w->mount, bind, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(laptop, part, NULL, MS_BIND, NULL), 0);
	assert_int_equal(symlink(bind, alias), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(free_ptr) char *target = world_path(rows[i].base, rows[i].rest);
		int error = link_within(target, link);
		if (error != rows[i].error)
			fprintf(stderr, "row %zu\n", i);
		assert_int_equal(error, rows[i].error);
		if (error == 0)
			assert_int_equal(unlink(link), 0);
	}
	assert_int_equal(umount2(part, MNT_DETACH), 0);
	assert_int_equal(umount2(bind, MNT_DETACH), 0);
}

static void test_what_is_refused(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *tag = world_path(w->mount, "tags/t");
	_cleanup_(free_ptr) char *file = world_path(w->photos, "f");
	_cleanup_(free_ptr) char *new_file = world_path(w->photos, "new");
	_cleanup_(free_ptr) char *in_tag = world_path(tag, "new");

	world_file(w, w->root, "f", "x");
	assert_int_equal(mkdir(tag, 0755), 0);
	assert_int_equal(errno_of(open(in_tag, O_CREAT | O_WRONLY, 0644)), EPERM);
	assert_int_equal(errno_of(mkfifo(in_tag, 0644)), EPERM);
	assert_int_equal(errno_of(chmod(tag, 0700)), EPERM);
	assert_int_equal(errno_of(setxattr(tag, "user.x", "1", 1, 0)), EPERM);
	assert_int_equal(errno_of(open(new_file, O_CREAT | O_WRONLY, 0644)), EROFS);
	assert_int_equal(errno_of(link(file, new_file)), EROFS);
	assert_int_equal(errno_of(mkdir(new_file, 0755)), EROFS);
	assert_int_equal(errno_of(unlink(file)), EROFS);
	assert_int_equal(errno_of(truncate(file, 0)), EROFS);
	assert_int_equal(errno_of(chmod(file, 0600)), EROFS);
	assert_int_equal(errno_of(chown(file, getuid(), getgid())), EROFS);
	assert_int_equal(errno_of(setxattr(file, "user.x", "1", 1, 0)), EROFS);
	assert_int_equal(errno_of(removexattr(file, "user.x")), EROFS);
}

static void test_attributes_with_names(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *tag = world_path(w->mount, "tags/red");
	_cleanup_(free_ptr) char *link = world_path(tag, "f");
	_cleanup_(free_ptr) char *file = world_path(w->photos, "f");
	char value[16] = "";

	world_file(w, w->root, "f", "x");
	assert_int_equal(errno_of(getxattr(file, "security.selinux", value, sizeof(value))), EOPNOTSUPP);
	assert_int_equal(errno_of(getxattr(file, "user.xdg.tags", value, sizeof(value))), ENODATA);
	assert_int_equal(mkdir(tag, 0755), 0);
	assert_int_equal(symlink(TARGET "f", link), 0);
	assert_int_equal(getxattr(file, "user.xdg.tags", NULL, 0), 3);
	assert_int_equal(errno_of(getxattr(file, "user.xdg.tags", value, 2)), ERANGE);
	assert_int_equal(getxattr(file, "user.xdg.tags", value, sizeof(value)), 3);
	assert_string_equal(value, "red");
	assert_int_equal(listxattr(file, NULL, 0), sizeof("user.xdg.tags"));
	assert_int_equal(errno_of(listxattr(file, value, 3)), ERANGE);
}

static void test_statfs_and_litter(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *litter = world_path(w->mount, "tags/.DS_Store");
	_cleanup_(free_ptr) char *trash = world_path(w->mount, ".Trash-1000");
	struct statvfs vfs;

	assert_int_equal(statvfs(w->mount, &vfs), 0);
	assert_true(vfs.f_bsize > 0 && vfs.f_blocks > 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(errno_of(access(litter, F_OK)), ENOENT);
		assert_int_equal(errno_of(access(trash, F_OK)), ENOENT);
	}
	assert_true(errno_of(mkdir(litter, 0755)) != 0);
}

/* --- how it ends --- */

static void test_stop_before_run(void **state)
{
	struct world *w = *state;
	struct fs_opts fs_opts = { .mountpoint = w->mount };
	struct session_opts opts = { .mountpoint = w->mount, .name = "x" };

	assert_int_equal(fs_new(w->library.store, &fs_opts, &w->fs), 0);
	assert_int_equal(session_open(w->fs, w->library.store, &opts, &w->session), 0);
	session_stop(w->session);
	session_stop(w->session);
	assert_int_equal(session_run(w->session), 0);
	session_close(w->session);
	fs_free(w->fs);
	w->session = NULL;
	w->fs = NULL;
	world_mount(w);
	assert_int_equal(listed(w->mount, NULL), 4);
}

/* Closed without ever having run. */
static void test_close_without_run(void **state)
{
	struct world *w = *state;
	struct fs_opts fs_opts = { .mountpoint = w->mount };
	struct session_opts opts = { .mountpoint = w->mount, .name = "x" };

	assert_int_equal(fs_new(w->library.store, &fs_opts, &w->fs), 0);
	assert_int_equal(session_open(w->fs, w->library.store, &opts, &w->session), 0);
	session_close(w->session);
	fs_free(w->fs);
	w->session = NULL;
	w->fs = NULL;
	assert_int_equal(listed(w->mount, NULL), 0);
}

static void test_unmounted_from_outside(void **state)
{
	struct world *w = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(listed(w->mount, NULL), 4);
	assert_int_equal(umount2(w->mount, 0), 0);
	pthread_join(w->runner, NULL);
	assert_int_equal(w->run_result, 0);
	session_close(w->session);
	fs_free(w->fs);
	w->session = NULL;
	w->fs = NULL;
	assert_int_equal(listed(w->mount, NULL), 0);
}

static void assert_options(const char *name, const char *extra, const char *end)
{
	struct session_opts opts = { .mountpoint = "/", .name = name, .extra = extra };
	_cleanup_(free_ptr) char *text = NULL;
	const char *start = "default_permissions,nosuid,nodev,subtype=shelf,fsname=";

	assert_int_equal(mount_options_build(&opts, &text), 0);
	assert_memory_equal(text, start, strlen(start));
	assert_string_equal(text + strlen(start), end);
}

static void test_options_as_text(void **state)
{
	const char *refused[] = { "bogus", "suid", "dev", "ro,bogus", "fsname=x", "ro=1", "x" };

	assert_options("a, b\\", NULL, "a\\, b\\\\");
	assert_options("", "", "shelf");
	assert_options("l", "ro,,noexec,noatime,", "l,ro,noexec,noatime");
	assert_options("l", "rw,user,noauto,nofail,_netdev,x-systemd.automount,x-a=b\\,c,ro", "l,ro");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct session_opts opts = { .mountpoint = "/", .name = "l", .extra = refused[i] };
		char *text = NULL;
		assert_int_equal(mount_options_build(&opts, &text), -EINVAL);
		assert_null(text);
	}
}

static void test_options(void **state)
{
	struct world *w = *state;
	struct session_opts opts = { .mountpoint = w->mount, .name = "x", .extra = "bogus" };

	assert_int_equal(session_open(NULL, w->library.store, &opts, &w->session), -EINVAL);
	opts = (struct session_opts){ .mountpoint = "/nonexistent/at/all", .name = "x" };
	assert_int_equal(session_open(NULL, w->library.store, &opts, &w->session), -ENOTDIR);
	assert_null(w->session);
}

struct client {
	struct world *w;
	pthread_t thread;
	unsigned number;
};

/* Works until the mount is gone. */
static void *client_main(void *arg)
{
	struct client *c = arg;
	_cleanup_(free_ptr) char *tags = world_path(c->w->mount, "tags");
	char dir[320];
	struct stat st;

	snprintf(dir, sizeof(dir), "%s/t%u", tags, c->number);
	for (;;) {
		int r = mkdir(dir, 0755);
		DIR *d = opendir(tags);
		if (d) {
			while (readdir(d))
				;
			closedir(d);
		}
		if (r == 0)
			r = rmdir(dir);
		if (r == 0)
			r = stat(c->w->mount, &st);
		if (r < 0)
			return NULL;
	}
}

static void test_stop_under_load(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *path = world_path(w->photos, "f");
	char byte;

	world_file(w, w->root, "f", "x");
	for (int round = 0; round < 5; round++) {
		struct client clients[6];
		if (!w->session)
			world_mount(w);
		_cleanup_(close_fd) int file = open(path, O_RDONLY | O_CLOEXEC);
		_cleanup_(close_fd) int dir = open(w->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(file >= 0 && dir >= 0);
		for (unsigned i = 0; i < 6; i++) {
			clients[i] = (struct client){ .w = w, .number = i };
			assert_int_equal(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]), 0);
		}
		poll(NULL, 0, 100);
		uint64_t start = clock_monotonic_ms();
		world_unmount(w);
		assert_true(clock_monotonic_ms() - start < 5000);
		assert_int_equal(w->run_result, 0);
		for (unsigned i = 0; i < 6; i++)
			pthread_join(clients[i].thread, NULL);
		assert_true(read(file, &byte, 1) <= 0 || byte == 'x');
		assert_int_equal(listed(w->mount, NULL), 0);
	}
	library_assert_clean(&w->library);
}

/* Clients that are killed in the middle of calls leave nothing behind. */
static void test_killed_clients(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *tags = world_path(w->mount, "tags");

	for (int i = 0; i < 500; i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%d", i);
		library_file(&w->library, w->location, w->root, name, 1);
	}
	for (int round = 0; round < 30; round++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			execlp("find", "find", w->mount, w->mount, w->mount, w->mount, "-fprintf", "/dev/null", "%s %l",
			       (char *)NULL);
			_exit(1);
		}
		poll(NULL, 0, round % 10);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	assert_int_equal(listed(tags, NULL), 0);
	assert_int_equal(listed(w->photos, NULL), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_fixed_directories_are_there, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_any_name_is_listed, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_a_large_directory_is_whole, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_times_before_1970, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_files_are_read, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_links_in_a_location, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_a_tag_from_birth_to_death, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_saved_while_open, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_links_through_a_bind_mount, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_refused, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_attributes_with_names, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_statfs_and_litter, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_stop_before_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_without_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmounted_from_outside, setup_mounted, teardown),
		cmocka_unit_test(test_options_as_text),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_under_load, setup_mounted, teardown),
		cmocka_unit_test_setup_teardown(test_killed_clients, setup_mounted, teardown),
	};

	alarm(300);
	if (!world_can_mount())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
