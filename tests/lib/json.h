/* Reads the JSON of test vectors: small files that are trusted. Anything unexpected ends the test program with a
 * message. Numbers, true, false and null are kept as their text. Threads: one at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct json;

struct json *json_load(const char *path); /* NULL when the file cannot be opened; freed by json_free */
void json_free(struct json *root);
void json_freep(struct json **root);

/* Borrowed from the root. NULL when there is none; a NULL value is an empty one. */
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_at(const struct json *array_or_object, size_t index);
size_t json_count(const struct json *array_or_object);
const char *json_text(const struct json *value);

/* The bytes that a text spells in hex, up to `max`; returns how many. No value: none. */
size_t json_bytes(const struct json *value, uint8_t *ret_bytes, size_t max);
