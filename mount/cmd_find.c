/* `find`: parse, evaluate on sorted ids, print paths. A result that is everything but some (`not a`) is printed by a
 * walk through all locations. Ids are read in pieces and nothing is held while they are written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "fs/tree.h"
#include "mount/command.h"
#include "mount/evaluate.h"
#include "mount/library.h"
#include "mount/titles.h"
#include "store/entry.h"
#include "store/location.h"
#include "store/object.h"
#include "store/pair.h"
#include "store/store.h"

enum find_form { FORM_LINES, FORM_NUL, FORM_JSON, FORM_COUNT };

struct finding {
	struct call *call;
	struct db *db;
	enum find_form form;
	uint64_t count;
};

/* --- the answer --- */

/* A name may have several collections: any of them will do. */
static int look_up(void *arg, const struct query_node *node, struct idset *ret_set)
{
	struct finding *f = arg;
	_cleanup_(free_ptr) int64_t *ids = NULL;
	size_t count = 0;
	int r = titles_find_or_say(f->db, COLLECTION_TAG, node->name, f->call->out, &ids, &count);

	for (size_t i = 0; r == 0 && i < count; i++) {
		_cleanup_(idset_release) struct idset one = IDSET_INIT;

		r = pair_entries_of(f->db, ids[i], &one.ids, &one.count);
		if (r == 0)
			r = idset_or(ret_set, &one);
	}
	if (r < 0 && r != -ENOENT)
		out_fail(f->call->out, r, "cannot read the tag '%s'", node->name);
	return r;
}

/* --- printing --- */

/* The real path of a file of this device; of others that below the mount. */
static int path_of(struct finding *f, int64_t entry, struct buf *path, bool *ret_local)
{
	const struct library *library = f->call->library;
	int r = fs_real_path(library->fs, entry, path);

	*ret_local = r == 0;
	if (r != -EREMOTE)
		return r;
	buf_clear(path);
	if (library->mountpoint)
		buf_printf(path, "%s/", library->mountpoint);
	return fs_path(library->fs, object(OBJECT_ENTRY, entry), path);
}

static void put_json(struct finding *f, const struct buf *path, bool local)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	buf_append_str(&b, f->count > 0 ? ",\n  {\"path\": " : "\n  {\"path\": ");
	buf_json(&b, path->data, path->len);
	buf_printf(&b, ", \"local\": %s}", local ? "true" : "false");
	if (buf_error(&b) == 0)
		out_bytes(f->call->out, b.data, b.len);
}

static void put_path(struct finding *f, const struct buf *path, bool local)
{
	struct out *out = f->call->out;

	if (f->form == FORM_JSON) {
		put_json(f, path, local);
	} else if (f->form == FORM_NUL) {
		out_bytes(out, path->data, path->len);
		out_bytes(out, "", 1);
	} else {
		out_name(out, path->data, path->len);
		out_bytes(out, "\n", 1);
	}
}

static int print_entry(struct finding *f, int64_t entry)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;
	bool local;
	int r = 0;

	if (f->form != FORM_COUNT) {
		r = path_of(f, entry, &path, &local);
		if (r == -ENOENT) /* deleted meanwhile */
			return 0;
		if (r == 0)
			r = buf_error(&path);
		if (r == 0)
			put_path(f, &path, local);
	}
	f->count++;
	return r;
}

static int print_listed(struct finding *f, const struct idset *set)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < set->count && !out_cancelled(f->call->out); i++)
		r = print_entry(f, set->ids[i]);
	return r;
}

/* --- everything but some --- */

struct ids {
	int64_t *items; /* owned */
	size_t count;
	size_t capacity;
};

static int ids_push(struct ids *ids, int64_t id)
{
	if (ids->count == ids->capacity) {
		size_t capacity = ids->capacity ? 2 * ids->capacity : 64;
		int64_t *items = reallocarray(ids->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		ids->items = items;
		ids->capacity = capacity;
	}
	ids->items[ids->count++] = id;
	return 0;
}

static void ids_release(struct ids *ids)
{
	free(ids->items);
}

static int read_roots(struct finding *f, struct ids *roots)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int r = location_list(f->db, 0, 0, &rows);

	while (r == 0 && (r = location_next(&rows, &location)) == 0)
		r = ids_push(roots, location.root);
	return r < 0 ? r : 0;
}

/* Its directories go onto the stack, all that is in it into `children`. */
static int read_directory(struct finding *f, int64_t directory, struct ids *stack, struct ids *children)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_list(f->db, directory, 0, false, &rows);

	children->count = 0;
	while (r == 0 && (r = entry_next(&rows, &entry)) == 0) {
		r = ids_push(children, entry.id);
		if (r == 0 && S_ISDIR(entry.mode))
			r = ids_push(stack, entry.id);
	}
	return r < 0 ? r : 0;
}

static int print_all_but(struct finding *f, const struct idset *set)
{
	_cleanup_(ids_release) struct ids stack = {0};
	_cleanup_(ids_release) struct ids children = {0};
	int r = read_roots(f, &stack);

	while (r == 0 && stack.count > 0 && !out_cancelled(f->call->out)) {
		r = read_directory(f, stack.items[--stack.count], &stack, &children);
		for (size_t i = 0; r == 0 && i < children.count && !out_cancelled(f->call->out); i++) {
			if (idset_has(set, children.items[i]))
				r = print_entry(f, children.items[i]);
		}
	}
	return r;
}

/* --- the command --- */

static int print_result(struct finding *f, const struct idset *set)
{
	struct out *out = f->call->out;
	int r;

	if (f->form == FORM_JSON)
		out_printf(out, "[");
	r = set->complement ? print_all_but(f, set) : print_listed(f, set);
	if (f->form == FORM_JSON)
		out_printf(out, f->count > 0 ? "\n]\n" : "]\n");
	if (f->form == FORM_COUNT && r == 0)
		out_printf(out, "%llu\n", (unsigned long long)f->count);
	if (r < 0)
		return out_fail(out, r, "cannot print all that was found");
	return out_cancelled(out) ? EXITCODE_PARTIAL : EXITCODE_DONE;
}

static void say_problem(struct out *out, const char *text, const struct query_problem *problem)
{
	size_t columns = 0;

	for (size_t i = 0; i < problem->at; i++)
		columns += ((unsigned char)text[i] & 0xc0) != 0x80;
	out_error(out, "find: %s, at character %zu:", problem->text, columns + 1);
	out_note(out, "  %s", text);
	out_note(out, "  %*s^", (int)columns, "");
}

static int join_words(const struct args *args, char **ret_text)
{
	_cleanup_(buf_release) struct buf text = BUF_INIT;

	for (int i = 0; i < args->count; i++)
		buf_printf(&text, "%s%s", i > 0 ? " " : "", args->words[i]);
	*ret_text = buf_take_str(&text);
	return *ret_text ? 0 : -ENOMEM;
}

static int choose_form(struct call *call, enum find_form *ret_form)
{
	bool nul = args_has(call->args, "null"), json = args_has(call->args, "json"),
	     count = args_has(call->args, "count");

	if (nul + json + count > 1) {
		out_error(call->out, "find: -0, --json and --count exclude each other");
		return -EINVAL;
	}
	*ret_form = nul ? FORM_NUL : json ? FORM_JSON : count ? FORM_COUNT : FORM_LINES;
	return 0;
}

int cmd_find(struct call *call)
{
	_cleanup_(free_ptr) char *text = NULL;
	_cleanup_(query_release) struct query query = QUERY_INIT;
	_cleanup_(idset_release) struct idset set = IDSET_INIT;
	struct finding f = {.call = call};
	struct query_problem problem;
	int r = choose_form(call, &f.form);

	if (r < 0)
		return EXITCODE_USAGE;
	r = join_words(call->args, &text);
	if (r == 0)
		r = query_parse(text, strlen(text), &query, &problem);
	if (r == -ERR_MALFORMED) {
		say_problem(call->out, text, &problem);
		return EXITCODE_USAGE;
	}
	if (r == 0)
		r = store_reader(call->library->store, &f.db);
	if (r < 0)
		return out_fail(call->out, r, "find");
	r = evaluate_query(&query, look_up, &f, &set);
	return r < 0 ? (int)exitcode_of(r) : print_result(&f, &set);
}
