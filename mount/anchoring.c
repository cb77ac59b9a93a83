/* A library's anchor while it is open.
 *
 * The file is written anew under another name and renamed over the old one, so that it is always whole: it is read
 * before the store writes, and from then on only written, by a thread of the store whenever the catalogue has come to
 * rest, and at the end. A failure to write is told once and does no harm by itself: the anchor lags, and an anchor may.
 *
 * The lock is that of the state folder itself, as the file is another one each time. */
#include "mount/anchoring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "mount/library.h"
#include "mount/statedir.h"
#include "store/anchor.h"
#include "store/epoch.h"
#include "store/event.h"
#include "store/store.h"

static const char rewound_text[] =
    "this library was set back to an older state, perhaps from a backup: it goes on under "
    "a new epoch, and other devices bring back what was lost";

struct anchoring {
	struct library *library; /* borrowed */
	char *path;
	char *draft_path;
	int folder_fd;		 /* the state folder, locked */
	struct anchor_file file; /* constant from judge on */
	struct anchor written;	 /* the writer's: one thread at a time */
	bool failed;		 /* and it was told */
};

/* --- the file --- */

static int read_all(int fd, uint8_t *bytes, size_t max, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, bytes + len, max - len);
		if (n > 0)
			len += (size_t)n;
	} while (len < max && (n > 0 || (n < 0 && errno == EINTR)));
	if (n < 0)
		return -errno;
	*ret_len = len;
	return 0;
}

/* Errors: -ENOENT, -ERR_MALFORMED. */
static int read_anchor(const char *path, struct anchor *ret_anchor)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint8_t bytes[ANCHOR_BYTES_MAX + 1]; /* one more, to notice a file that is too long */
	size_t len = 0;
	int r = fd < 0 ? -errno : read_all(fd, bytes, sizeof(bytes), &len);

	return r < 0 ? r : anchor_decode(bytes, len, ret_anchor);
}

static int write_all(int fd, const struct buf *bytes)
{
	size_t done = 0;

	while (done < bytes->len) {
		ssize_t n = write(fd, bytes->data + done, bytes->len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int write_draft(const char *path, const struct buf *bytes)
{
	_cleanup_(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : write_all(fd, bytes);
}

static int write_anchor(struct anchoring *a, const struct anchor *anchor)
{
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;
	int r = anchor_encode(anchor, &bytes);

	if (r == 0)
		r = write_draft(a->draft_path, &bytes);
	if (r == 0 && rename(a->draft_path, a->path) < 0)
		r = -errno;
	if (r == 0 && fsync(a->folder_fd) < 0)
		r = -errno;
	return r;
}

/* --- following --- */

static void tell_failure(struct anchoring *a, int r)
{
	char text[256];

	if (!a->failed) {
		snprintf(text, sizeof(text), "cannot keep %.160s: %s; a library that is set back may not be noticed",
			 a->path, err_str(r));
		log_warn("%s", text);
		(void)event_add(a->library->store, "warning", text);
	}
	a->failed = true;
}

static int follow(struct anchoring *a)
{
	_cleanup_(anchor_release) struct anchor now = ANCHOR_INIT;
	int r = anchor_of_store(a->library->store, &a->file, a->library->dir, &now);

	if (r < 0 || (a->written.dir && anchor_equal(&now, &a->written)))
		return r;
	r = write_anchor(a, &now);
	if (r < 0)
		return r;
	anchor_release(&a->written);
	a->written = now;
	now = ANCHOR_INIT; /* handed over */
	a->failed = false;
	return 0;
}

static void on_rest(void *arg)
{
	struct anchoring *a = arg;
	int r = follow(a);

	if (r < 0)
		tell_failure(a, r);
}

/* --- opening --- */

static int begin_epoch(struct txn *txn, void *arg)
{
	const struct anchor *kept = arg;

	return store_new_epoch(txn, kept->hlc);
}

static int go_on_anew(struct library *library, struct anchor *kept, struct out *out)
{
	const struct store_write_opts opts = {.priority = STORE_INTERACTIVE};
	int r = store_write(library->store, &opts, begin_epoch, kept);

	if (r < 0) {
		out_fail(out, r, "%s was set back to an older state, and a new epoch cannot begin", library->dir);
		return r;
	}
	log_warn("%s: %s", library->dir, rewound_text);
	(void)event_add(library->store, "warning", rewound_text);
	return 0;
}

static int refuse_copy(const struct library *library, const struct anchor *kept, struct out *out)
{
	out_error(out, "%s is a copy of a library that is still at %s: use that one", library->dir, kept->dir);
	out_note(out, "  Two copies would both speak for this device. To go on with the copy instead, move the other "
		      "one away first.");
	return -EPERM;
}

static int judge(struct anchoring *a, struct out *out)
{
	_cleanup_(anchor_release) struct anchor now = ANCHOR_INIT;
	struct library *library = a->library;
	struct anchor *kept = a->written.dir ? &a->written : NULL;
	struct anchor_held held = {0};
	int r = anchor_identify(library->store, &a->file);

	if (r == 0)
		r = anchor_of_store(library->store, &a->file, library->dir, &now);
	if (r == 0 && kept)
		r = anchor_look_up(library->store, kept, &held);
	if (r < 0) {
		out_fail(out, r, "cannot compare %s with its anchor %s", library->dir, a->path);
		return r;
	}
	switch (anchor_compare(kept, &now, &held, kept && anchor_original_stands(kept))) {
	case ANCHOR_COPIED:
		return refuse_copy(library, kept, out);
	case ANCHOR_REWOUND:
		return go_on_anew(library, kept, out);
	case ANCHOR_NONE:
	case ANCHOR_SAME:
	case ANCHOR_MOVED:
		break;
	}
	return 0;
}

/* One that cannot be read is as good as none: its library may be the only copy that there is. */
static int read_kept(struct anchoring *a)
{
	int r = read_anchor(a->path, &a->written);

	if (r < 0 && r != -ENOENT && r != -ENOMEM)
		log_warn("%s: %s; it is made anew", a->path, err_str(r));
	return r == -ENOMEM ? r : 0;
}

static int lock_folder(struct anchoring *a, struct out *out)
{
	_cleanup_(free_ptr) char *folder = NULL;
	int r = statedir_library(&a->library->id, &folder);

	if (r < 0)
		return r;
	a->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->folder_fd < 0)
		return -errno;
	if (flock(a->folder_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		out_error(out, "the library %s is open already, from another folder", a->library->dir);
		return -EBUSY;
	}
	return 0; /* a filesystem without locks has to do */
}

static int find_paths(struct anchoring *a)
{
	int r = statedir_file(&a->library->id, "anchor", &a->path);

	return r < 0 ? r : statedir_file(&a->library->id, "anchor.new", &a->draft_path);
}

static void anchoring_free(struct anchoring *a)
{
	if (a->folder_fd >= 0)
		close(a->folder_fd);
	anchor_release(&a->written);
	free(a->path);
	free(a->draft_path);
	free(a);
}

static int open_anchor(struct anchoring *a, struct out *out)
{
	int r = find_paths(a);

	if (r == 0)
		r = lock_folder(a, out);
	if (r == 0)
		r = read_kept(a);
	return r < 0 ? r : judge(a, out);
}

int anchoring_open(struct library *library, struct out *out, struct anchoring **ret_anchoring)
{
	struct anchoring *a;
	int r;

	if (store_is_read_only(library->store))
		return 0;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->library = library;
	a->folder_fd = -1;
	r = open_anchor(a, out);
	if (r < 0) {
		anchoring_free(a);
		return r;
	}
	on_rest(a); /* at once: the new place, or the new epoch */
	store_on_rest(library->store, on_rest, a);
	*ret_anchoring = a;
	return 0;
}

void anchoring_close(struct anchoring *a)
{
	if (!a)
		return;
	store_on_rest(a->library->store, NULL, NULL);
	on_rest(a);
	anchoring_free(a);
}
