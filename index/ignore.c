#include "index/ignore.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Most patterns are a plain name or end or begin with one star: these need no matcher. */
enum shape { SHAPE_GLOB, SHAPE_NAME, SHAPE_ENDS, SHAPE_BEGINS };

struct pattern {
	const char *text; /* NUL-terminated, in ignore->text */
	size_t len;
	enum shape shape;
	bool keep;	/* '!' */
	bool only_dir;	/* trailing '/' */
	bool with_path; /* has a '/': matches the path from the folder of the list, not only the name */
};

struct ignore {
	atomic_uint refs;
	char *text;		  /* owned */
	struct pattern *patterns; /* owned */
	size_t count;
};

static const char default_patterns[] = ".git\nnode_modules\n.Trash-*\n.DS_Store\nThumbs.db\n*.part\n.fuse_hidden*\n";

/* --- matching one component --- */

struct class
{
	const char *name;
	bool (*has)(unsigned char c);
};

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(unsigned char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(unsigned char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_alpha(unsigned char c)
{
	return is_lower(c) || is_upper(c);
}

static bool is_alnum(unsigned char c)
{
	return is_alpha(c) || is_digit(c);
}

static bool is_graph(unsigned char c)
{
	return c > ' ' && c < 0x7f;
}

static bool is_punct(unsigned char c)
{
	return is_graph(c) && !is_alnum(c);
}

static bool is_print(unsigned char c)
{
	return is_graph(c) || c == ' ';
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

static bool is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_cntrl(unsigned char c)
{
	return c < ' ' || c == 0x7f;
}

static bool is_xdigit(unsigned char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const struct class classes[] = {
    {"alnum", is_alnum}, {"alpha", is_alpha}, {"blank", is_blank}, {"cntrl", is_cntrl},
    {"digit", is_digit}, {"graph", is_graph}, {"lower", is_lower}, {"print", is_print},
    {"punct", is_punct}, {"space", is_space}, {"upper", is_upper}, {"xdigit", is_xdigit},
};

/* `p` stands behind "[:". Returns what is behind ":]", NULL when this is no class. */
static const char *match_class(const char *p, const char *end, unsigned char c, bool *ret_matches)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		size_t len = strlen(classes[i].name);

		if ((size_t)(end - p) < len + 2 || memcmp(p, classes[i].name, len) != 0 ||
		    memcmp(p + len, ":]", 2) != 0)
			continue;
		*ret_matches |= classes[i].has(c);
		return p + len + 2;
	}
	return NULL;
}

/* One character of a set, without its backslash. Returns what is behind it, NULL at the end of the pattern. */
static const char *set_char(const char *p, const char *end, unsigned char *ret_char)
{
	if (p < end && *p == '\\')
		p++;
	if (p >= end)
		return NULL;
	*ret_char = (unsigned char)*p;
	return p + 1;
}

/* One element of a set: a class, a range or a character. Returns what is behind it, NULL when it is broken. */
static const char *match_element(const char *p, const char *end, unsigned char c, bool *ret_matches)
{
	unsigned char low, high;

	if (end - p >= 2 && p[0] == '[' && p[1] == ':' && memchr(p + 2, ']', (size_t)(end - p) - 2))
		return match_class(p + 2, end, c, ret_matches);
	p = set_char(p, end, &low);
	high = low;
	if (p && end - p >= 2 && p[0] == '-' && p[1] != ']')
		p = set_char(p + 1, end, &high);
	if (p)
		*ret_matches |=
		    c == low || (c >= low && c <= high); /* as git: a range that runs backwards is its first */
	return p;
}

/* `p` stands behind '['. Returns what is behind ']', NULL when the set is broken (then the pattern matches nothing). */
static const char *match_set(const char *p, const char *end, unsigned char c, bool *ret_matches)
{
	bool negated = p < end && (*p == '!' || *p == '^');
	bool matches = false;

	p += negated;
	do {
		p = match_element(p, end, c, &matches);
		if (!p || p >= end)
			return NULL;
	} while (*p != ']');
	*ret_matches = matches != negated;
	return p + 1;
}

/* Takes one character of the text. Returns what is behind its pattern, NULL when it does not match. */
static const char *match_one(const char *p, const char *end, unsigned char c)
{
	bool matches = false;

	switch (*p) {
	case '?':
		return p + 1;
	case '[':
		p = match_set(p + 1, end, c, &matches);
		return p && matches ? p : NULL;
	case '\\':
		return p + 1 < end && (unsigned char)p[1] == c ? p + 2 : NULL;
	default:
		return (unsigned char)*p == c ? p + 1 : NULL;
	}
}

/* Both without '/'. After a mismatch only the last star needs to be tried again, so the work is at most p * t. */
static bool match_component(const char *p, size_t p_len, const char *t, size_t t_len)
{
	const char *p_end = p + p_len, *t_end = t + t_len;
	const char *star = NULL, *star_t = NULL;

	while (t < t_end) {
		const char *next = NULL;

		if (p < p_end && *p == '*') {
			star = ++p;
			star_t = t;
			continue;
		}
		if (p < p_end)
			next = match_one(p, p_end, (unsigned char)*t);
		if (next) {
			p = next;
			t++;
		} else if (star) {
			p = star;
			t = ++star_t;
		} else {
			return false;
		}
	}
	while (p < p_end && *p == '*')
		p++;
	return p == p_end;
}

/* --- matching paths --- */

static size_t component_len(const char *p)
{
	return (size_t)(strchrnul(p, '/') - p);
}

static const char *next_component(const char *p, size_t len)
{
	return p[len] == '/' ? p + len + 1 : p + len;
}

/* The same as match_component one level up: components for characters, a component of two stars for the star. At the
 * end two stars want at least one component ("abc/ **" is what is inside abc). */
static bool match_path(const char *p, const char *t)
{
	const char *star = NULL, *star_t = NULL;

	while (*t) {
		size_t p_len = component_len(p), t_len = component_len(t);

		if (p_len == 2 && memcmp(p, "**", 2) == 0) {
			if (p[2] == '\0')
				return true;
			star = p = next_component(p, p_len);
			star_t = t;
			continue;
		}
		if (*p && match_component(p, p_len, t, t_len)) {
			p = next_component(p, p_len);
			t = next_component(t, t_len);
		} else if (star) {
			star_t = next_component(star_t, component_len(star_t));
			p = star;
			t = star_t;
		} else {
			return false;
		}
	}
	return *p == '\0';
}

static bool matches(const struct pattern *pattern, const char *path, const char *name, size_t name_len)
{
	size_t len = pattern->len;

	switch (pattern->shape) {
	case SHAPE_NAME:
		return name_len == len && memcmp(name, pattern->text, len) == 0;
	case SHAPE_ENDS: /* text begins with the star */
		return name_len >= len - 1 && memcmp(name + name_len - (len - 1), pattern->text + 1, len - 1) == 0;
	case SHAPE_BEGINS:
		return name_len >= len - 1 && memcmp(name, pattern->text, len - 1) == 0;
	case SHAPE_GLOB:
		break;
	}
	if (pattern->with_path)
		return match_path(pattern->text, path);
	return match_component(pattern->text, len, name, name_len);
}

enum ignore_verdict ignore_match(const struct ignore *ignore, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t name_len = strlen(name);

	for (size_t i = ignore->count; i > 0; i--) {
		const struct pattern *pattern = &ignore->patterns[i - 1];

		if (pattern->only_dir && !is_dir)
			continue;
		if (matches(pattern, path, name, name_len))
			return pattern->keep ? IGNORE_KEEP : IGNORE_DROP;
	}
	return IGNORE_SILENT;
}

/* --- reading --- */

/* Blanks at the end do not count, unless a backslash stands before them. */
static size_t without_blanks(const char *line, size_t len)
{
	size_t keep = 0;

	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\\' && i + 1 < len)
			i++;
		else if (line[i] == ' ')
			continue;
		keep = i + 1;
	}
	return keep;
}

/* A slash means the same with a backslash before it. Returns the new length. */
static size_t without_escaped_slashes(char *text, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\' && i + 1 < len) {
			if (text[i + 1] != '/')
				text[out++] = text[i];
			i++;
		}
		text[out++] = text[i];
	}
	return out;
}

static enum shape shape_of(const char *text, size_t len)
{
	size_t specials = 0;

	for (size_t i = 0; i < len; i++)
		specials += strchr("*?[\\", text[i]) != NULL;
	if (specials == 0)
		return SHAPE_NAME;
	if (specials == 1 && text[0] == '*')
		return SHAPE_ENDS;
	if (specials == 1 && text[len - 1] == '*')
		return SHAPE_BEGINS;
	return SHAPE_GLOB;
}

/* False: the line holds no pattern. `line` is cut and NUL-terminated in place. */
static bool parse_line(char *line, size_t len, struct pattern *ret_pattern)
{
	struct pattern pattern = {0};

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len == 0 || line[0] == '#')
		return false;
	len = without_blanks(line, len);
	if (len > 0 && line[0] == '!') {
		pattern.keep = true;
		line++;
		len--;
	}
	if (len > 0 && line[len - 1] == '/') {
		pattern.only_dir = true;
		len--;
	}
	pattern.with_path = memchr(line, '/', len) != NULL;
	if (len > 0 && line[0] == '/') {
		line++;
		len--;
	}
	if (len == 0)
		return false;
	if (pattern.with_path)
		len = without_escaped_slashes(line, len);
	line[len] = '\0';
	pattern.text = line;
	pattern.len = len;
	pattern.shape = pattern.with_path ? SHAPE_GLOB : shape_of(line, len);
	*ret_pattern = pattern;
	return true;
}

static int parse_lines(struct ignore *ignore, char *at, char *end)
{
	size_t capacity = 0;

	while (at < end) {
		char *newline = memchr(at, '\n', (size_t)(end - at));
		char *stop = newline ? newline : end;

		if (ignore->count == capacity) {
			struct pattern *more;

			capacity = capacity ? capacity * 2 : 8;
			more = reallocarray(ignore->patterns, capacity, sizeof(*more));
			if (!more)
				return -ENOMEM;
			ignore->patterns = more;
		}
		ignore->count += parse_line(at, (size_t)(stop - at), &ignore->patterns[ignore->count]);
		at = stop + 1;
	}
	return 0;
}

int ignore_parse(const char *text, size_t len, struct ignore **ret_ignore)
{
	_cleanup_(ignore_unrefp) struct ignore *ignore = calloc(1, sizeof(*ignore));
	int r;

	if (!ignore)
		return -ENOMEM;
	atomic_init(&ignore->refs, 1);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* the byte order mark of some editors */
		text += 3;
		len -= 3;
	}
	ignore->text = malloc(len + 1);
	if (!ignore->text)
		return -ENOMEM;
	memcpy(ignore->text, text, len);
	ignore->text[len] = '\0';
	r = parse_lines(ignore, ignore->text, ignore->text + len);
	if (r < 0)
		return r;
	*ret_ignore = TAKE_PTR(ignore);
	return 0;
}

int ignore_defaults(struct ignore **ret_ignore)
{
	return ignore_parse(default_patterns, sizeof(default_patterns) - 1, ret_ignore);
}

struct ignore *ignore_ref(struct ignore *ignore)
{
	if (ignore)
		atomic_fetch_add(&ignore->refs, 1);
	return ignore;
}

void ignore_unref(struct ignore *ignore)
{
	if (!ignore || atomic_fetch_sub(&ignore->refs, 1) != 1)
		return;
	free(ignore->patterns);
	free(ignore->text);
	free(ignore);
}

void ignore_unrefp(struct ignore **ignore)
{
	ignore_unref(*ignore);
}

/* --- scopes --- */

int ignore_scope_add(struct ignore_scope *scope, const struct ignore *ignore, size_t base)
{
	if (!ignore || ignore->count == 0)
		return 0;
	if (scope->count == scope->capacity) {
		size_t capacity = scope->capacity ? scope->capacity * 2 : 4;
		struct ignore_level *levels = reallocarray(scope->levels, capacity, sizeof(*levels));

		if (!levels)
			return -ENOMEM;
		scope->levels = levels;
		scope->capacity = capacity;
	}
	scope->levels[scope->count++] = (struct ignore_level){.ignore = ignore, .base = base};
	return 0;
}

bool ignore_scope_drops(struct ignore_scope *scope, const char *name, size_t len, bool is_dir)
{
	enum ignore_verdict verdict = IGNORE_SILENT;
	size_t folder = scope->path.len;

	if (scope->count == 0)
		return false;
	if (buf_append(&scope->path, name, len) == 0 && buf_append(&scope->path, "", 1) == 0)
		for (size_t i = scope->count; i > 0 && verdict == IGNORE_SILENT; i--) {
			const struct ignore_level *level = &scope->levels[i - 1];

			verdict = ignore_match(level->ignore, (const char *)scope->path.data + level->base, is_dir);
		}
	scope->path.len = folder;
	return verdict == IGNORE_DROP;
}

void ignore_scope_release(struct ignore_scope *scope)
{
	buf_release(&scope->path);
	free(scope->levels);
	*scope = IGNORE_SCOPE_INIT;
}
