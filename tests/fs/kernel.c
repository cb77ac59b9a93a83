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
	assert_int_equal(pthread_rwlock_init(&k->dirs, NULL), 0);
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
	pthread_rwlock_destroy(&k->dirs);
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
	inode->drops++;
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
	pthread_rwlock_wrlock(&k->dirs);
	pthread_mutex_lock(&k->lock);
	if (tree)
		remove_tree(k, parent, text);
	else
		remove_dentry(k, parent, text);
	pthread_mutex_unlock(&k->lock);
	pthread_rwlock_unlock(&k->dirs);
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
	inode_of(k, ino)->drops++;
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

static uint64_t known_name(struct kernel *k, uint64_t parent, const char *name)
{
	pthread_mutex_lock(&k->lock);
	const struct kernel_dentry *d = find_dentry(k, parent, name);
	uint64_t ino = d ? d->ino : 0;
	pthread_mutex_unlock(&k->lock);
	return ino;
}

/* The directories are locked. */
static int look_up_locked(struct kernel *k, uint64_t parent, const char *name, uint64_t *ret_ino)
{
	struct fs_attr attr;
	unsigned slot;
	int r;

	*ret_ino = known_name(k, parent, name);
	if (*ret_ino != 0)
		return 0;
	slot = grace_enter(k->grace);
	r = fs_lookup(k->fs, parent, name, &attr);
	grace_leave(k->grace, slot);
	if (r < 0)
		return r;
	pthread_mutex_lock(&k->lock);
	set_dentry(k, parent, name, attr.ino);
	set_attr(k, &attr);
	pthread_mutex_unlock(&k->lock);
	*ret_ino = attr.ino;
	return 0;
}

static int look_up(struct kernel *k, uint64_t parent, const char *name, uint64_t *ret_ino)
{
	pthread_rwlock_rdlock(&k->dirs);
	int r = look_up_locked(k, parent, name, ret_ino);
	pthread_rwlock_unlock(&k->dirs);
	return r;
}

static int get_attr(struct kernel *k, uint64_t ino, struct fs_attr *ret_attr)
{
	struct kernel_inode *inode;
	unsigned slot, drops;
	bool known;
	int r;

	pthread_mutex_lock(&k->lock);
	inode = inode_of(k, ino);
	known = inode->has_attr;
	drops = inode->drops;
	*ret_attr = inode->attr;
	pthread_mutex_unlock(&k->lock);
	if (known)
		return 0;
	slot = grace_enter(k->grace);
	r = fs_getattr(k->fs, ino, ret_attr);
	grace_leave(k->grace, slot);
	if (r < 0)
		return r;
	pthread_mutex_lock(&k->lock);
	if (inode_of(k, ino)->drops == drops)
		set_attr(k, ret_attr);
	pthread_mutex_unlock(&k->lock);
	return 0;
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

/* Asks for the target or the listing of an inode, if it is not known: a copy on the heap; NULL when the tree has none. */
static char *ask_text(struct kernel *k, uint64_t ino, bool listing)
{
	char *text = NULL;

	pthread_mutex_lock(&k->lock);
	struct kernel_inode *inode = inode_of(k, ino);
	const char *known = listing ? inode->listing : inode->target;
	unsigned drops = inode->drops;
	text = known ? strdup(known) : NULL;
	pthread_mutex_unlock(&k->lock);
	if (text)
		return text;
	unsigned slot = grace_enter(k->grace);
	int r = listing ? ask_listing(k, ino, &text) : ask_target(k, ino, &text);
	grace_leave(k->grace, slot);
	if (r < 0)
		return NULL;
	pthread_mutex_lock(&k->lock);
	inode = inode_of(k, ino);
	if (listing || inode->drops == drops) {
		char **place = listing ? &inode->listing : &inode->target;
		free(*place);
		*place = strdup(text);
	}
	pthread_mutex_unlock(&k->lock);
	return text;
}

static char *get_target(struct kernel *k, uint64_t ino)
{
	return ask_text(k, ino, false);
}

static char *get_listing(struct kernel *k, uint64_t ino)
{
	pthread_rwlock_rdlock(&k->dirs);
	char *listing = ask_text(k, ino, true);
	pthread_rwlock_unlock(&k->dirs);
	return listing;
}

static void walk(struct kernel *k, uint64_t dir, unsigned percent, unsigned *seed)
{
	_cleanup_(free_ptr) char *listing = get_listing(k, dir);
	char *at = NULL;

	for (char *line = listing ? strtok_r(listing, "\n", &at) : NULL; line; line = strtok_r(NULL, "\n", &at)) {
		struct fs_attr attr;
		uint64_t ino;

		*strrchr(line, '=') = '\0';
		if ((unsigned)rand_r(seed) % 100 >= percent || look_up(k, dir, line, &ino) < 0 || get_attr(k, ino, &attr) < 0)
			continue;
		if (S_ISLNK(attr.mode))
			free(get_target(k, ino));
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
static void made(struct kernel *k, uint64_t dir, const char *name, const struct fs_attr *attr)
{
	pthread_mutex_lock(&k->lock);
	set_dentry(k, dir, name, attr->ino);
	if (!attr->partial)
		set_attr(k, attr);
	dir_changed(k, dir);
	pthread_mutex_unlock(&k->lock);
}

static int make(struct kernel *k, uint64_t dir, const char *name, const char *target)
{
	struct fs_attr attr;
	uint64_t ino;

	if (look_up_locked(k, dir, name, &ino) == 0)
		return -EEXIST;
	unsigned slot = grace_enter(k->grace);
	int r = target ? fs_symlink(k->fs, dir, name, target, &attr) : fs_mkdir(k->fs, dir, name, &attr);
	grace_leave(k->grace, slot);
	if (r == 0)
		made(k, dir, name, &attr);
	return r;
}

int kernel_symlink(struct kernel *k, const char *dir, const char *name, const char *target)
{
	uint64_t parent;
	int r = look_up_path(k, dir, &parent);

	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&k->dirs);
	r = make(k, parent, name, target);
	pthread_rwlock_unlock(&k->dirs);
	return r;
}

int kernel_mkdir(struct kernel *k, const char *dir, const char *name)
{
	return kernel_symlink(k, dir, name, NULL);
}

static int take_away(struct kernel *k, uint64_t dir, const char *name, int (*call)(struct fs *, uint64_t, const char *))
{
	uint64_t ino;
	int r = look_up_locked(k, dir, name, &ino);

	if (r == 0)
		r = call(k->fs, dir, name); /* answers nothing that could be old: it is not in the grace period */
	if (r == 0) {
		pthread_mutex_lock(&k->lock);
		remove_tree(k, dir, name);
		dir_changed(k, dir);
		pthread_mutex_unlock(&k->lock);
	}
	return r;
}

static int removal(struct kernel *k, const char *dir, const char *name, int (*call)(struct fs *, uint64_t, const char *))
{
	uint64_t parent;
	int r = look_up_path(k, dir, &parent);

	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&k->dirs);
	r = take_away(k, parent, name, call);
	pthread_rwlock_unlock(&k->dirs);
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

static void moved(struct kernel *k, uint64_t from, const char *name, uint64_t to, const char *new_name, uint64_t ino)
{
	pthread_mutex_lock(&k->lock);
	remove_tree(k, to, new_name);
	remove_dentry(k, from, name);
	set_dentry(k, to, new_name, ino); /* the kernel takes the inode along */
	dir_changed(k, from);
	dir_changed(k, to);
	pthread_mutex_unlock(&k->lock);
}

static int rename_locked(struct kernel *k, uint64_t from, const char *name, uint64_t to, const char *new_name)
{
	uint64_t ino, onto;
	int r = look_up_locked(k, from, name, &ino);

	if (r < 0)
		return r;
	if (look_up_locked(k, to, new_name, &onto) == 0 && onto == ino)
		return 0; /* as vfs_rename does */
	unsigned slot = grace_enter(k->grace);
	r = fs_rename(k->fs, from, name, to, new_name, 0);
	grace_leave(k->grace, slot);
	if (r == 0)
		moved(k, from, name, to, new_name, ino);
	return r;
}

int kernel_rename(struct kernel *k, const char *dir, const char *name, const char *new_dir, const char *new_name)
{
	uint64_t from, to;
	int r = look_up_path(k, dir, &from);

	if (r == 0)
		r = look_up_path(k, new_dir, &to);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&k->dirs);
	r = rename_locked(k, from, name, to, new_name);
	pthread_rwlock_unlock(&k->dirs);
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
