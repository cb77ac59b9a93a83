#include "tests/lib/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value; those of an array or object hang below `first`, one behind the other by `next`. */
struct json {
	char *key;
	char *text;
	struct json *first;
	struct json *next;
};

static void give_up(const char *what, const char *at)
{
	fprintf(stderr, "json: %s at: %.40s\n", what, at);
	abort();
}

static const char *skip_space(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

static const char *expect(const char *at, char c)
{
	at = skip_space(at);
	if (*at != c)
		give_up("unexpected", at);
	return at + 1;
}

/* A string without the quotes. Escapes: the next character stands for itself, which the vectors need no more than. */
static const char *parse_string(const char *at, char **ret_text)
{
	char *to;

	at = expect(at, '"');
	to = *ret_text = malloc(strlen(at) + 1);
	if (!to)
		give_up("no memory", at);
	for (; *at != '"'; at++) {
		if (*at == '\\')
			at++;
		if (!*at)
			give_up("end in a string", at);
		*to++ = *at;
	}
	*to = '\0';
	return at + 1;
}

static const char *parse_value(const char *at, struct json *value);

static const char *parse_members(const char *at, struct json *value, char end)
{
	struct json **tail = &value->first;

	at = skip_space(at + 1);
	while (*at != end) {
		struct json *member = calloc(1, sizeof(*member));

		if (!member)
			give_up("no memory", at);
		*tail = member;
		tail = &member->next;
		if (end == '}')
			at = expect(parse_string(at, &member->key), ':');
		at = skip_space(parse_value(at, member));
		if (*at != end)
			at = skip_space(expect(at, ','));
	}
	return at + 1;
}

static const char *parse_value(const char *at, struct json *value)
{
	size_t len;

	at = skip_space(at);
	if (*at == '{' || *at == '[')
		return parse_members(at, value, *at == '{' ? '}' : ']');
	if (*at == '"')
		return parse_string(at, &value->text);
	len = strcspn(at, ",]} \n\r\t");
	if (len == 0)
		give_up("no value", at);
	value->text = strndup(at, len);
	return at + len;
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t capacity = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &capacity, '\0', file) < 0)
		give_up("cannot read", path);
	fclose(file);
	return text;
}

struct json *json_load(const char *path)
{
	char *text = read_file(path);
	struct json *root;

	if (!text)
		return NULL;
	root = calloc(1, sizeof(*root));
	if (!root)
		give_up("no memory", path);
	if (*skip_space(parse_value(text, root)))
		give_up("more than one value", path);
	free(text);
	return root;
}

void json_free(struct json *root)
{
	while (root) {
		struct json *next = root->next;

		json_free(root->first);
		free(root->key);
		free(root->text);
		free(root);
		root = next;
	}
}

void json_freep(struct json **root)
{
	json_free(*root);
}

const struct json *json_get(const struct json *object, const char *key)
{
	for (const struct json *v = object ? object->first : NULL; v; v = v->next)
		if (v->key && strcmp(v->key, key) == 0)
			return v;
	return NULL;
}

const struct json *json_at(const struct json *array_or_object, size_t index)
{
	const struct json *v = array_or_object ? array_or_object->first : NULL;

	while (v && index-- > 0)
		v = v->next;
	return v;
}

size_t json_count(const struct json *array_or_object)
{
	size_t count = 0;

	for (const struct json *v = array_or_object ? array_or_object->first : NULL; v; v = v->next)
		count++;
	return count;
}

const char *json_text(const struct json *value)
{
	return value ? value->text : NULL;
}

size_t json_bytes(const struct json *value, uint8_t *ret_bytes, size_t max)
{
	const char *text = json_text(value);
	size_t len = text ? strlen(text) / 2 : 0;

	if (len > max || (text && strlen(text) % 2))
		give_up("hex of a wrong length", text);
	for (size_t i = 0; i < len; i++) {
		unsigned byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			give_up("no hex", text);
		ret_bytes[i] = (uint8_t)byte;
	}
	return len;
}
