/* A request has a head, which is the same in each batch, and paths that are made and dropped with their batch. */
#include "mount/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mount/path.h"

struct words {
	char **items; /* owned, like the words; NULL-terminated */
	int count;
	size_t bytes;
};

struct request {
	const struct command *command;
	const struct args *args;
	struct words words;
	int head;   /* how many of them are in each batch */
	int next;   /* the argument that follows */
	FILE *from; /* NULL: there is none, or it is read */
	int delimiter;
	bool began;
};

static int words_add(struct words *words, char *word)
{
	char **items = word ? reallocarray(words->items, (size_t)words->count + 2, sizeof(*items)) : NULL;

	if (!items) {
		free(word);
		return -ENOMEM;
	}
	items[words->count++] = word;
	items[words->count] = NULL;
	words->items = items;
	words->bytes += strlen(word) + 1;
	return 0;
}

static void words_cut(struct words *words, int count)
{
	while (words->count > count) {
		char *word = words->items[--words->count];

		words->bytes -= strlen(word) + 1;
		free(word);
		words->items[words->count] = NULL;
	}
}

static bool has_files(const struct command *command)
{
	return command->paths == PATHS_FILES;
}

/* What this process has done itself. */
static bool is_for_client(const struct command *command, const char *option)
{
	if (strcmp(option, "library") == 0)
		return true;
	return has_files(command) && (strcmp(option, "from") == 0 || strcmp(option, "null") == 0);
}

static int add_name(struct request *request)
{
	const char *at = request->command->name;
	size_t len = strcspn(at, " ");
	int r = words_add(&request->words, strndup(at, len));

	return r == 0 && at[len] ? words_add(&request->words, strdup(at + len + 1)) : r;
}

static int add_options(struct request *request)
{
	int r = 0;

	for (int i = 0; r == 0 && i < request->args->given_count; i++) {
		const char *name = request->args->given[i].row->name, *value = request->args->given[i].value;
		char *word;

		if (is_for_client(request->command, name))
			continue;
		if (asprintf(&word, "--%s%s%s", name, value ? "=" : "", value ? value : "") < 0)
			return -ENOMEM;
		r = words_add(&request->words, word);
	}
	return r == 0 ? words_add(&request->words, strdup("--")) : r;
}

static int add_path(struct request *request, const char *given)
{
	char *path;
	int r = has_files(request->command) ? path_of_file(given, &path) : path_canonical(given, &path);

	return r < 0 ? r : words_add(&request->words, path);
}

static bool is_path(const struct request *request, int argument)
{
	return request->command->paths != PATHS_NONE && argument >= request->command->first_path;
}

static int add_head(struct request *request)
{
	int r = add_name(request);

	if (r == 0)
		r = add_options(request);
	for (; r == 0 && request->next < request->args->count && !is_path(request, request->next); request->next++)
		r = words_add(&request->words, strdup(request->args->words[request->next]));
	request->head = request->words.count;
	return r;
}

static int open_from(struct request *request, struct out *out)
{
	const char *name = args_value(request->args, "from");
	int r;

	if (!name)
		return 0;
	request->delimiter = args_has(request->args, "null") ? '\0' : '\n';
	request->from = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	if (request->from)
		return 0;
	r = -errno;
	out_fail(out, r, "cannot read the list %s", name);
	return r;
}

/* `tag add TAG` alone is a mistake; with a list, even an empty one, it is not. */
static int check_files(const struct request *request, struct out *out)
{
	const struct command *command = request->command;

	if (!has_files(command) || command->first_path == 0 || request->args->count > command->first_path ||
	    request->from)
		return 0;
	out_error(out, "%s: name at least one FILE", command->name);
	out_note(out, "Usage: shelf %s %s", command->name, command->usage);
	return -EINVAL;
}

int request_new(const struct command *command, const struct args *args, struct out *out, struct request **ret_request)
{
	_cleanup_(request_freep) struct request *request = calloc(1, sizeof(*request));
	int r;

	if (!request)
		return -ENOMEM;
	request->command = command;
	request->args = args;
	r = add_head(request);
	if (r == 0 && has_files(command))
		r = open_from(request, out);
	if (r == 0)
		r = check_files(request, out);
	if (r < 0)
		return r;
	*ret_request = TAKE_PTR(request);
	return 0;
}

/* A list is one answer, so it is not cut. */
static bool is_full(const struct request *request)
{
	if (request->command->first_path == 0)
		return false;
	return request->words.count - request->head >= REQUEST_BATCH_FILES ||
	       request->words.bytes >= REQUEST_BATCH_BYTES;
}

static int add_arguments(struct request *request)
{
	int r = 0;

	for (; r == 0 && request->next < request->args->count && !is_full(request); request->next++)
		r = add_path(request, request->args->words[request->next]);
	return r;
}

static void close_from(struct request *request)
{
	if (request->from && request->from != stdin)
		fclose(request->from);
	request->from = NULL;
}

static int add_from(struct request *request)
{
	_cleanup_(free_ptr) char *line = NULL;
	size_t capacity = 0;
	int r = 0;

	while (r == 0 && request->from && !is_full(request)) {
		ssize_t n = getdelim(&line, &capacity, request->delimiter, request->from);

		if (n < 0) {
			r = ferror(request->from) ? -EIO : 0;
			close_from(request);
			break;
		}
		if (n > 0 && line[n - 1] == request->delimiter)
			line[n - 1] = '\0';
		if (line[0] != '\0')
			r = add_path(request, line);
	}
	return r;
}

int request_next(struct request *request, int *ret_count, char ***ret_words)
{
	bool first = !request->began, with_list = request->from != NULL;
	int r;

	request->began = true;
	words_cut(&request->words, request->head);
	r = add_arguments(request);
	if (r == 0)
		r = add_from(request);
	if (r < 0)
		return r;
	if (request->words.count == request->head && (!first || with_list))
		return 1;
	*ret_count = request->words.count;
	*ret_words = request->words.items;
	return 0;
}

void request_free(struct request *request)
{
	if (!request)
		return;
	close_from(request);
	words_cut(&request->words, 0);
	free(request->words.items);
	free(request);
}

void request_freep(struct request **request)
{
	request_free(*request);
}
