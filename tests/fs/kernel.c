#include "tests/fs/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "store/object.h"
#include "tests/lib/test.h"

void kernel_init(struct kernel *k, struct fs *fs, struct grace *grace)
{
	*k = (struct kernel){ .fs = fs, .grace = grace };
	assert_int_equal(pthread_mutex_init(&k->lock, NULL), 0);
}

void kernel_release(struct kernel *k)
{
	for (size_t i = 0; i < k->inode_count; i++) {
		free(k->inodes[i].target);
		free(k->inodes[i].listing);
	}
	free(k->inodes);
	free(k->dentries);
	pthread_mutex_destroy(&k->lock);
}

/* --- what is known; the lock is held --- */

static struct kernel_dentry *find_dentry(struct kernel *k, uint64_t parent, const char *name)
{
	for (size_t i = 0; i < k->dentry_count; i++)
		if (k->dentries[i].parent == parent && strcmp(k->dentries[i].name, name) == 0)
			return &k->dentries[i];
	return NULL;
}

static void remove_dentry(struct kernel *k, uint64_t parent, const char *name)
{
	struct kernel_dentry *d = find_dentry(k, parent, name);

	if (d)
		*d = k->dentries[--k->dentry_count];
}

static void remove_tree(struct kernel *k, uint64_t parent, const char *name)
{
	struct kernel_dentry *d = find_dentry(k, parent, name);
	uint64_t ino = d ? d->ino : 0;

	remove_dentry(k, parent, name);
	for (size_t i = 0; d && i < k->dentry_count; i++) {
		if (k->dentries[i].parent == ino) {
			char below[256];
			strcpy(below, k->dentries[i].name);
			remove_tree(k, ino, below);
			i = SIZE_MAX; /* from the start: others moved */
		}
	}
}

static void set_dentry(struct kernel *k, uint64_t parent, const char *name, uint64_t ino)
{
	remove_dentry(k, parent, name);
	k->dentries = reallocarray(k->dentries, k->dentry_count + 1, sizeof(*k->dentries));
	assert_non_null(k->dentries);
	struct kernel_dentry *d = &k->dentries[k->dentry_count++];
	*d = (struct kernel_dentry){ .parent = parent, .ino = ino };
	snprintf(d->name, sizeof(d->name), "%s", name);
}

static struct kernel_inode *inode_of(struct kernel *k, uint64_t ino)
{
	for (size_t i = 0; i < k->inode_count; i++)
		if (k->inodes[i].ino == ino)
			return &k->inodes[i];
	k->inodes = reallocarray(k->inodes, k->inode_count + 1, sizeof(*k->inodes));
	assert_non_null(k->inodes);
	k->inodes[k->inode_count] = (struct kernel_inode){ .ino = ino };
	return &k->inodes[k->inode_count++];
}

static void set_attr(struct kernel *k, const struct fs_attr *attr)
{
	struct kernel_inode *inode = inode_of(k, attr->ino);

	inode->attr = *attr;
	inode->has_attr = true;
}

static void forget_content(struct kernel *k, uint64_t ino)
{
	struct kernel_inode *inode = inode_of(k, ino);

	inode->has_attr = false;
	free(inode->target);
	free(inode->listing);
	inode->target = inode->listing = NULL;
}

/* --- what it is told --- */

static void forget_name(struct kernel *k, uint64_t parent, const char *name, size_t len, bool tree)
{
	char text[256];

	assert_true(len < sizeof(text));
	memcpy(text, name, len);
	text[len] = '\0';
	pthread_mutex_lock(&k->lock);
	if (tree)
		remove_tree(k, parent, text);
	else
		remove_dentry(k, parent, text);
	pthread_mutex_unlock(&k->lock);
}

static void expire_entry(void *arg, uint64_t parent, const char *name, size_t len)
{
	forget_name(arg, parent, name, len, false);
}

static void drop_entry(void *arg, uint64_t parent, const char *name, size_t len)
{
	forget_name(arg, parent, name, len, true);
}

static void drop_attr(void *arg, uint64_t ino)
{
	struct kernel *k = arg;

	pthread_mutex_lock(&k->lock);
	inode_of(k, ino)->has_attr = false;
	pthread_mutex_unlock(&k->lock);
}

static void drop_content(void *arg, uint64_t ino)
{
	struct kernel *k = arg;

	pthread_mutex_lock(&k->lock);
	forget_content(k, ino);
	pthread_mutex_unlock(&k->lock);
}

const struct announce_calls kernel_calls = {
	.expire_entry = expire_entry,
	.drop_entry = drop_entry,
	.drop_attr = drop_attr,
	.drop_content = drop_content,
};

/* --- requests: what is known answers, the tree otherwise --- */

static int look_up(struct kernel *k, uint64_t parent, const char *name, uint64_t *ret_ino)
{
	struct kernel_dentry *d;
	struct fs_attr attr;
	unsigned slot;
	int r;

	pthread_mutex_lock(&k->lock);
	d = find_dentry(k, parent, name);
	*ret_ino = d ? d->ino : 0;
	pthread_mutex_unlock(&k->lock);
	if (*ret_ino != 0)
		return 0;
	slot = grace_enter(k->grace);
	r = fs_lookup(k->fs, parent, name, &attr);
	if (r == 0) {
		pthread_mutex_lock(&k->lock);
		set_dentry(k, parent, name, attr.ino);
		set_attr(k, &attr);
		pthread_mutex_unlock(&k->lock);
		*ret_ino = attr.ino;
	}
	grace_leave(k->grace, slot);
	return r;
}

static int get_attr(struct kernel *k, uint64_t ino, struct fs_attr *ret_attr)
{
	struct kernel_inode *inode;
	unsigned slot;
	bool known;
	int r;

	pthread_mutex_lock(&k->lock);
	inode = inode_of(k, ino);
	known = inode->has_attr;
	*ret_attr = inode->attr;
	pthread_mutex_unlock(&k->lock);
	if (known)
		return 0;
	slot = grace_enter(k->grace);
	r = fs_getattr(k->fs, ino, ret_attr);
	if (r == 0) {
		pthread_mutex_lock(&k->lock);
		set_attr(k, ret_attr);
		pthread_mutex_unlock(&k->lock);
	}
	grace_leave(k->grace, slot);
	return r;
}

static int ask_target(struct kernel *k, uint64_t ino, char **ret_target)
{
	struct buf text = BUF_INIT;
	int r = fs_readlink(k->fs, ino, &text);

	*ret_target = r == 0 ? buf_take_str(&text) : NULL;
	buf_release(&text);
	return r;
}

static int add_line(void *arg, const char *name, const struct fs_attr *attr, uint64_t next)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	return buf_printf(arg, "%s=%llx\n", name, (unsigned long long)attr->ino);
}

static int ask_listing(struct kernel *k, uint64_t ino, char **ret_listing)
{
	struct buf text = BUF_INIT;
	int r = fs_list(k->fs, ino, 0, false, add_line, &text);

	*ret_listing = r == 0 ? buf_take_str(&text) : NULL;
	buf_release(&text);
	return r;
}

/* The target or the listing of an inode, a copy on the heap; NULL when the tree has none. */
static char *get_text(struct kernel *k, uint64_t ino, bool listing)
{
	char *text = NULL;
	unsigned slot;

	pthread_mutex_lock(&k->lock);
	struct kernel_inode *inode = inode_of(k, ino);
	const char *known = listing ? inode->listing : inode->target;
	text = known ? strdup(known) : NULL;
	pthread_mutex_unlock(&k->lock);
	if (text)
		return text;
	slot = grace_enter(k->grace);
	if ((listing ? ask_listing(k, ino, &text) : ask_target(k, ino, &text)) == 0) {
		pthread_mutex_lock(&k->lock);
		inode = inode_of(k, ino);
		char **place = listing ? &inode->listing : &inode->target;
		free(*place);
		*place = strdup(text);
		pthread_mutex_unlock(&k->lock);
	}
	grace_leave(k->grace, slot);
	return text;
}

static void walk(struct kernel *k, uint64_t dir, unsigned percent, unsigned *seed)
{
	_cleanup_(free_ptr) char *listing = get_text(k, dir, true);
	char *at = NULL;

	for (char *line = listing ? strtok_r(listing, "\n", &at) : NULL; line; line = strtok_r(NULL, "\n", &at)) {
		struct fs_attr attr;
		uint64_t ino;

		*strrchr(line, '=') = '\0';
		if ((unsigned)rand_r(seed) % 100 >= percent || look_up(k, dir, line, &ino) < 0 || get_attr(k, ino, &attr) < 0)
			continue;
		if (S_ISLNK(attr.mode))
			free(get_text(k, ino, false));
		if (S_ISDIR(attr.mode))
			walk(k, ino, percent, seed);
	}
}

void kernel_walk(struct kernel *k, unsigned percent, unsigned *seed)
{
	walk(k, OBJECT_ROOT, percent, seed);
}

/* --- changes: the kernel knows what it asked for --- */

static int look_up_path(struct kernel *k, const char *path, uint64_t *ret_ino)
{
	char *copy = strdup(path), *at = NULL;
	uint64_t ino = OBJECT_ROOT;
	int r = 0;

	for (char *name = strtok_r(copy, "/", &at); r == 0 && name; name = strtok_r(NULL, "/", &at))
		r = look_up(k, ino, name, &ino);
	free(copy);
	*ret_ino = ino;
	return r;
}

static void dir_changed(struct kernel *k, uint64_t dir)
{
	struct kernel_inode *inode = inode_of(k, dir);

	inode->has_attr = false;
	free(inode->listing);
	inode->listing = NULL;
}

/* The end of a call that made something. */
static int made(struct kernel *k, int r, uint64_t dir, const char *name, const struct fs_attr *attr, unsigned slot)
{
	if (r == 0) {
		pthread_mutex_lock(&k->lock);
		set_dentry(k, dir, name, attr->ino);
		set_attr(k, attr);
		dir_changed(k, dir);
		pthread_mutex_unlock(&k->lock);
	}
	grace_leave(k->grace, slot);
	return r;
}

/* That the name is free, as the kernel sees it. */
static int check_free(struct kernel *k, const char *dir, const char *name, uint64_t *ret_dir)
{
	uint64_t ino;
	int r = look_up_path(k, dir, ret_dir);

	if (r == 0 && look_up(k, *ret_dir, name, &ino) == 0)
		r = -EEXIST;
	return r;
}

int kernel_mkdir(struct kernel *k, const char *dir, const char *name)
{
	struct fs_attr attr;
	uint64_t parent;
	int r = check_free(k, dir, name, &parent);

	if (r < 0)
		return r;
	unsigned slot = grace_enter(k->grace);
	return made(k, fs_mkdir(k->fs, parent, name, &attr), parent, name, &attr, slot);
}

int kernel_symlink(struct kernel *k, const char *dir, const char *name, const char *target)
{
	struct fs_attr attr;
	uint64_t parent;
	int r = check_free(k, dir, name, &parent);

	if (r < 0)
		return r;
	unsigned slot = grace_enter(k->grace);
	return made(k, fs_symlink(k->fs, parent, name, target, &attr), parent, name, &attr, slot);
}

static int removal(struct kernel *k, const char *dir, const char *name, int (*call)(struct fs *, uint64_t, const char *))
{
	uint64_t parent, ino;
	int r = look_up_path(k, dir, &parent);

	if (r == 0)
		r = look_up(k, parent, name, &ino);
	if (r < 0)
		return r;
	unsigned slot = grace_enter(k->grace);
	r = call(k->fs, parent, name);
	if (r == 0) {
		pthread_mutex_lock(&k->lock);
		remove_tree(k, parent, name);
		dir_changed(k, parent);
		pthread_mutex_unlock(&k->lock);
	}
	grace_leave(k->grace, slot);
	return r;
}

int kernel_rmdir(struct kernel *k, const char *dir, const char *name)
{
	return removal(k, dir, name, fs_rmdir);
}

int kernel_unlink(struct kernel *k, const char *dir, const char *name)
{
	return removal(k, dir, name, fs_unlink);
}

int kernel_rename(struct kernel *k, const char *dir, const char *name, const char *new_dir, const char *new_name)
{
	uint64_t from, to, ino = 0, onto = 0;
	int r = look_up_path(k, dir, &from);

	if (r == 0)
		r = look_up_path(k, new_dir, &to);
	if (r == 0)
		r = look_up(k, from, name, &ino);
	if (r < 0)
		return r;
	if (look_up(k, to, new_name, &onto) == 0 && onto == ino)
		return 0; /* as vfs_rename does */
	unsigned slot = grace_enter(k->grace);
	r = fs_rename(k->fs, from, name, to, new_name, 0);
	if (r == 0) {
		pthread_mutex_lock(&k->lock);
		struct kernel_dentry *moved = find_dentry(k, from, name);
		if (onto != 0)
			remove_tree(k, to, new_name);
		remove_dentry(k, from, name);
		if (moved)
			set_dentry(k, to, new_name, ino);
		else
			remove_dentry(k, to, new_name);
		dir_changed(k, from);
		dir_changed(k, to);
		pthread_mutex_unlock(&k->lock);
	}
	grace_leave(k->grace, slot);
	return r;
}

/* --- is it right? --- */

static void assert_text_right(const char *known, const char *now)
{
	if (known)
		assert_string_equal(known, now ? now : "(nothing)");
}

static void assert_inode_right(struct kernel *k, const struct kernel_inode *inode)
{
	_cleanup_(free_ptr) char *target = NULL, *listing = NULL;
	struct fs_attr now;

	if (inode->has_attr) {
		assert_int_equal(fs_getattr(k->fs, inode->ino, &now), 0);
		assert_int_equal(inode->attr.mode, now.mode);
		assert_int_equal(inode->attr.size, now.size);
		assert_int_equal(inode->attr.mtime_ns, now.mtime_ns);
		assert_int_equal(inode->attr.blocks, now.blocks);
	}
	if (inode->target)
		ask_target(k, inode->ino, &target);
	if (inode->listing)
		ask_listing(k, inode->ino, &listing);
	assert_text_right(inode->target, target);
	assert_text_right(inode->listing, listing);
}

/* By names that are known, from the root: what no path reaches, no program sees. */
static void assert_reachable_right(struct kernel *k, uint64_t dir)
{
	assert_inode_right(k, inode_of(k, dir));
	for (size_t i = 0; i < k->dentry_count; i++) {
		const struct kernel_dentry *d = &k->dentries[i];
		struct fs_attr now = { 0 };

		if (d->parent != dir)
			continue;
		int r = fs_lookup(k->fs, dir, d->name, &now);
		if (r < 0 || now.ino != d->ino)
			print_message("%llx/%s: %llx is known, %llx is there (%d)\n", (unsigned long long)dir, d->name,
				      (unsigned long long)d->ino, (unsigned long long)now.ino, r);
		assert_int_equal(r, 0);
		assert_int_equal(now.ino, d->ino);
		assert_reachable_right(k, d->ino);
	}
}

void kernel_assert_right(struct kernel *k)
{
	pthread_mutex_lock(&k->lock);
	assert_reachable_right(k, OBJECT_ROOT);
	pthread_mutex_unlock(&k->lock);
}
