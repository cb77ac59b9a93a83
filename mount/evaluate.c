#include "mount/evaluate.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct stack {
	struct idset *sets; /* owned, like what is in them */
	size_t count;
};

static int step(struct stack *stack, const struct query_node *node, evaluate_lookup_fn *lookup, void *arg)
{
	struct idset *top;
	int r;

	if (node->op == QUERY_NAME) {
		stack->sets[stack->count] = IDSET_INIT;
		r = lookup(arg, node, &stack->sets[stack->count]);
		stack->count++;
		return r;
	}
	assert(stack->count >= (node->op == QUERY_NOT ? 1u : 2u)); /* the parser saw to it */
	top = &stack->sets[stack->count - 1];
	if (node->op == QUERY_NOT) {
		idset_negate(top);
		return 0;
	}
	r = node->op == QUERY_AND ? idset_and(top - 1, top) : idset_or(top - 1, top);
	idset_release(top);
	stack->count--;
	return r;
}

int evaluate_query(const struct query *query, evaluate_lookup_fn *lookup, void *arg, struct idset *ret_set)
{
	struct stack stack = {.sets = calloc(query->count, sizeof(*stack.sets))};
	int r = stack.sets ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < query->count; i++)
		r = step(&stack, &query->nodes[i], lookup, arg);
	if (r == 0) {
		assert(stack.count == 1);
		*ret_set = stack.sets[--stack.count];
	}
	while (stack.count > 0)
		idset_release(&stack.sets[--stack.count]);
	free(stack.sets);
	return r;
}
