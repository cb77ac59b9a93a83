/* Making a library. The key comes first: a library whose key was never written could not be opened by anyone. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/key.h"
#include "base/text.h"
#include "mount/holder.h"
#include "mount/library.h"
#include "mount/path.h"
#include "mount/place.h"
#include "mount/statedir.h"
#include "store/store.h"

static void name_of_folder(const char *dir, char ret_name[TEXT_NAME_MAX + 1])
{
	snprintf(ret_name, TEXT_NAME_MAX + 1, "%s", path_base(dir));
	ret_name[strlen(ret_name) - strlen(PLACE_LIBRARY_SUFFIX)] = '\0';
}

static void name_of_host(char ret_name[TEXT_NAME_MAX + 1])
{
	if (gethostname(ret_name, TEXT_NAME_MAX + 1) < 0)
		ret_name[0] = '\0';
	ret_name[TEXT_NAME_MAX] = '\0';
	if (!text_is_title(ret_name, strlen(ret_name)))
		snprintf(ret_name, TEXT_NAME_MAX + 1, "device");
}

static int check_name(const char *what, const char *option, const char *name, struct out *out)
{
	if (text_is_title(name, strlen(name)))
		return 0;
	out_error(out,
		  "'%s' cannot be the name of a %s: 1 to 255 bytes of UTF-8 without '/' and control characters "
		  "(choose one with %s)",
		  name, what, option);
	return -EINVAL;
}

int library_device_name(const char *given, struct out *out, char ret_name[TEXT_NAME_MAX + 1])
{
	char host_name[TEXT_NAME_MAX + 1];
	int r;

	name_of_host(host_name);
	if (!given)
		given = host_name;
	r = check_name("device", "--device", given, out);
	if (r == 0)
		snprintf(ret_name, TEXT_NAME_MAX + 1, "%s", given);
	return r;
}

static int make_key(const struct uuid *id, struct out *out, struct key **ret_key)
{
	_cleanup_(key_freep) struct key *key = NULL;
	_cleanup_(free_ptr) char *path = NULL;
	int r = statedir_make(id);

	if (r == 0)
		r = statedir_file(id, "key", &path);
	if (r == 0)
		r = key_generate(&key);
	if (r == 0)
		r = key_save(key, path);
	if (r < 0)
		out_fail(out, r, "cannot keep the key of this device in %s", path ? path : "the state folder");
	else
		*ret_key = TAKE_PTR(key);
	return r;
}

static int make_library(const char *dir, const struct store_create_opts *opts, struct out *out)
{
	_cleanup_(key_freep) struct key *key = NULL;
	int r = make_key(&opts->library, out, &key);

	if (r < 0)
		return r;
	r = store_create(dir, opts, key);
	if (r == 0)
		r = holder_make_lock(dir);
	if (r < 0)
		out_fail(out, r, "cannot make the library %s", dir);
	return r;
}

int library_create(const struct library_create_opts *opts, struct out *out)
{
	char folder_name[TEXT_NAME_MAX + 1], device_name[TEXT_NAME_MAX + 1];
	struct store_create_opts create = {.library = uuid_random()};
	int r;

	name_of_folder(opts->dir, folder_name);
	create.library_name = opts->name ? opts->name : folder_name;
	create.device_name = device_name;
	r = check_name("library", "--name", create.library_name, out);
	if (r == 0)
		r = library_device_name(opts->device_name, out, device_name);
	if (r < 0)
		return r;
	r = make_library(opts->dir, &create, out);
	if (r < 0)
		statedir_remove(&create.library);
	return r;
}
