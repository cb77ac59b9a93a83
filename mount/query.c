/* A parser by recursive descent, in which only parentheses recurse. It looks one token ahead. */
#include "mount/query.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

enum token { TOKEN_END, TOKEN_NAME, TOKEN_AND, TOKEN_OR, TOKEN_NOT, TOKEN_OPEN, TOKEN_CLOSE };

struct parser {
	const char *text;
	size_t len;
	size_t next; /* where the token after this one is looked for */
	enum token token;
	size_t token_at;
	struct buf name; /* of TOKEN_NAME */
	unsigned depth;
	struct query *query;
	struct query_problem *problem;
};

static int complain(struct parser *p, size_t at, const char *text)
{
	*p->problem = (struct query_problem){.at = at, .text = text};
	return -ERR_MALFORMED;
}

/* --- tokens --- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool ends_word(char c)
{
	return is_space(c) || c == '(' || c == ')' || c == '"' || c == '\'';
}

static int read_quoted(struct parser *p)
{
	char quote = p->text[p->next++];

	while (p->next < p->len && p->text[p->next] != quote) {
		char c = p->text[p->next++];

		if (c == '\\' && p->next < p->len)
			c = p->text[p->next++];
		if (c == '\0')
			return complain(p, p->next - 1, "a name cannot hold NUL");
		buf_append(&p->name, &c, 1);
	}
	if (p->next >= p->len)
		return complain(p, p->token_at, "this quote has no end");
	p->next++;
	if (p->name.len == 0)
		return complain(p, p->token_at, "an empty name");
	p->token = TOKEN_NAME;
	return buf_error(&p->name);
}

static bool is_word(const char *word, size_t len, const char *operator)
{
	return len == strlen(operator) && strncasecmp(word, operator, len) == 0;
}

static int read_word(struct parser *p)
{
	const char *word = p->text + p->next;
	size_t len = 0;

	while (p->next < p->len && !ends_word(p->text[p->next])) {
		if (p->text[p->next] == '\0')
			return complain(p, p->next, "a name cannot hold NUL");
		p->next++;
		len++;
	}
	if (is_word(word, len, "and"))
		p->token = TOKEN_AND;
	else if (is_word(word, len, "or"))
		p->token = TOKEN_OR;
	else if (is_word(word, len, "not"))
		p->token = TOKEN_NOT;
	else
		p->token = TOKEN_NAME;
	buf_append(&p->name, word, len);
	return buf_error(&p->name);
}

static int advance(struct parser *p)
{
	buf_clear(&p->name);
	while (p->next < p->len && is_space(p->text[p->next]))
		p->next++;
	p->token_at = p->next;
	if (p->next == p->len) {
		p->token = TOKEN_END;
		return 0;
	}
	switch (p->text[p->next]) {
	case '(':
		p->token = TOKEN_OPEN;
		p->next++;
		return 0;
	case ')':
		p->token = TOKEN_CLOSE;
		p->next++;
		return 0;
	case '"':
	case '\'':
		return read_quoted(p);
	default:
		return read_word(p);
	}
}

/* --- grammar --- */

static int emit(struct parser *p, enum query_op op, char *name, size_t at)
{
	struct query *q = p->query;
	struct query_node *nodes;

	if (q->count == QUERY_NODES_MAX)
		return complain(p, at, "the query is too long");
	nodes = reallocarray(q->nodes, q->count + 1, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	nodes[q->count++] = (struct query_node){.op = op, .name = name, .at = at};
	q->nodes = nodes;
	return 0;
}

static int emit_name(struct parser *p)
{
	char *name = strndup((const char *)p->name.data, p->name.len);
	int r = name ? emit(p, QUERY_NAME, name, p->token_at) : -ENOMEM;

	if (r < 0)
		free(name);
	return r < 0 ? r : advance(p);
}

static int parse_query(struct parser *p);

static int parse_parentheses(struct parser *p)
{
	size_t opened_at = p->token_at;
	int r;

	if (p->depth == QUERY_DEPTH_MAX)
		return complain(p, p->token_at, "too many parentheses inside each other");
	p->depth++;
	r = advance(p);
	if (r == 0)
		r = parse_query(p);
	if (r < 0)
		return r;
	if (p->token != TOKEN_CLOSE)
		return complain(p, opened_at, "this parenthesis is never closed");
	p->depth--;
	return advance(p);
}

static int parse_one(struct parser *p)
{
	bool negated = false;
	int r = 0;

	for (; r == 0 && p->token == TOKEN_NOT; negated = !negated)
		r = advance(p);
	if (r < 0)
		return r;
	if (p->token == TOKEN_NAME)
		r = emit_name(p);
	else if (p->token == TOKEN_OPEN)
		r = parse_parentheses(p);
	else if (p->token == TOKEN_END)
		r = complain(p, p->token_at, "a tag is missing at the end");
	else
		r = complain(p, p->token_at, "a tag is missing before this");
	return r == 0 && negated ? emit(p, QUERY_NOT, NULL, p->token_at) : r;
}

static bool begins_one(enum token token)
{
	return token == TOKEN_NAME || token == TOKEN_NOT || token == TOKEN_OPEN;
}

static int parse_all(struct parser *p)
{
	int r = parse_one(p);

	while (r == 0 && (p->token == TOKEN_AND || begins_one(p->token))) {
		if (p->token == TOKEN_AND)
			r = advance(p);
		if (r == 0)
			r = parse_one(p);
		if (r == 0)
			r = emit(p, QUERY_AND, NULL, p->token_at);
	}
	return r;
}

static int parse_query(struct parser *p)
{
	int r = parse_all(p);

	while (r == 0 && p->token == TOKEN_OR) {
		r = advance(p);
		if (r == 0)
			r = parse_all(p);
		if (r == 0)
			r = emit(p, QUERY_OR, NULL, p->token_at);
	}
	return r;
}

static int parse_whole(struct parser *p)
{
	int r = advance(p);

	if (r == 0 && p->token == TOKEN_END)
		return complain(p, p->token_at, "the query is empty");
	if (r == 0)
		r = parse_query(p);
	if (r == 0 && p->token == TOKEN_CLOSE)
		r = complain(p, p->token_at, "this parenthesis was never opened");
	return r;
}

int query_parse(const char *text, size_t len, struct query *ret_query, struct query_problem *ret_problem)
{
	_cleanup_(query_release) struct query query = QUERY_INIT;
	struct query_problem problem = {0};
	struct parser p = {.text = text, .len = len, .query = &query, .problem = &problem};
	int r = parse_whole(&p);

	buf_release(&p.name);
	if (r == -ERR_MALFORMED)
		*ret_problem = problem;
	if (r < 0)
		return r;
	*ret_query = query;
	query = QUERY_INIT;
	return 0;
}

void query_release(struct query *query)
{
	for (size_t i = 0; i < query->count; i++)
		free(query->nodes[i].name);
	free(query->nodes);
	*query = QUERY_INIT;
}
