#include "fs/mount_options.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

/* Meant for mount(8), fstab or systemd; without meaning here. */
static const char *const ignored[] = { "rw",	 "auto",   "noauto",   "user", "users",
				       "nofail", "_netdev", "defaults", "x-*" };
static const char *const passed[] = { "ro", "nodev", "nosuid", "noexec", "noatime", "allow_other" };

/* Whether `text` is one of them; a star at the end stands for anything. */
static bool is_among(const char *const *list, size_t count, const char *text, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(list[i]);
		if (list[i][n - 1] == '*' ? len >= n - 1 && memcmp(list[i], text, n - 1) == 0 :
					    len == n && memcmp(list[i], text, n) == 0)
			return true;
	}
	return false;
}

static void append_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == ',' || *text == '\\')
			buf_append(out, "\\", 1);
		buf_append(out, text, 1);
	}
}

/* The length of the option at `text`: up to the next comma that no backslash precedes. */
static size_t option_len(const char *text)
{
	size_t len = 0;

	while (text[len] && text[len] != ',')
		len += text[len] == '\\' && text[len + 1] ? 2 : 1;
	return len;
}

static int append_extra(struct buf *out, const char *extra)
{
	while (*extra) {
		size_t len = option_len(extra);
		if (is_among(passed, sizeof(passed) / sizeof(passed[0]), extra, len)) {
			buf_append(out, ",", 1);
			buf_append(out, extra, len);
		} else if (len > 0 && !is_among(ignored, sizeof(ignored) / sizeof(ignored[0]), extra, len)) {
			return -EINVAL;
		}
		extra += len;
		extra += *extra == ',';
	}
	return 0;
}

int mount_options_build(const struct session_opts *opts, char **ret_options)
{
	_cleanup_(buf_release) struct buf out = BUF_INIT;

	buf_append_str(&out, "default_permissions,nosuid,nodev,subtype=shelf,fsname=");
	append_escaped(&out, opts->name && opts->name[0] ? opts->name : "shelf");
	if (opts->allow_other)
		buf_append_str(&out, ",allow_other");
	int r = opts->extra ? append_extra(&out, opts->extra) : 0;
	if (r < 0)
		return r;
	*ret_options = buf_take_str(&out);
	return *ret_options ? 0 : -ENOMEM;
}
