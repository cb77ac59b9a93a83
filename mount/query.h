/* The query language of `find`: names of tags with and, or, not and parentheses.
 *
 *     query   = all *("or" all)
 *     all     = one *(["and"] one)
 *     one     = *"not" (name | "(" query ")")
 *     name    = a word without spaces, quotes and parentheses, or anything in quotes '...' "..." with \ before a quote
 * or \
 *
 * The operators may be written in any case; in quotes they are names. Pure. Threads: any. */
#pragma once

#include <stddef.h>

#define QUERY_DEPTH_MAX 100 /* of parentheses */
#define QUERY_NODES_MAX 1000

enum query_op { QUERY_NAME, QUERY_NOT, QUERY_AND, QUERY_OR };

struct query_node {
	enum query_op op;
	char *name; /* QUERY_NAME: owned, NUL-terminated, not empty */
	size_t at;  /* QUERY_NAME: the byte of the text that it began at */
};

/* In postfix order: an operator takes what one (NOT) or two nodes before it gave. */
struct query {
	struct query_node *nodes; /* owned */
	size_t count;
};

#define QUERY_INIT ((struct query){0})

struct query_problem {
	size_t at;	  /* byte offset in the text */
	const char *text; /* what is wrong there; static */
};

/* Errors: -ERR_MALFORMED (*ret_problem says where and why), -ENOMEM. */
int query_parse(const char *text, size_t len, struct query *ret_query, struct query_problem *ret_problem);
void query_release(struct query *query);
