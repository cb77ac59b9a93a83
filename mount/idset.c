#include "mount/idset.h"

#include <errno.h>
#include <stdlib.h>

bool idset_has(const struct idset *set, int64_t id)
{
	size_t from = 0, to = set->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (set->ids[middle] < id)
			from = middle + 1;
		else
			to = middle;
	}
	return (from < set->count && set->ids[from] == id) != set->complement;
}

void idset_negate(struct idset *set)
{
	set->complement = !set->complement;
}

/* Merges the two lists and keeps what is only in a, only in b, in both: as the three flags say. */
static int merge(struct idset *a, const struct idset *b, bool only_a, bool only_b, bool both, bool complement)
{
	int64_t *ids = malloc((a->count + b->count + 1) * sizeof(*ids));
	size_t i = 0, j = 0, count = 0;

	if (!ids)
		return -ENOMEM;
	while (i < a->count || j < b->count) {
		bool in_a = i < a->count && (j == b->count || a->ids[i] <= b->ids[j]);
		bool in_b = j < b->count && (i == a->count || b->ids[j] <= a->ids[i]);

		if (in_a && in_b ? both : in_a ? only_a : only_b)
			ids[count++] = in_a ? a->ids[i] : b->ids[j];
		i += in_a;
		j += in_b;
	}
	free(a->ids);
	*a = (struct idset){.ids = ids, .count = count, .complement = complement};
	return 0;
}

int idset_and(struct idset *a, const struct idset *b)
{
	if (a->complement && b->complement) /* neither in the one list nor in the other */
		return merge(a, b, true, true, true, true);
	if (a->complement)
		return merge(a, b, false, true, false, false);
	if (b->complement)
		return merge(a, b, true, false, false, false);
	return merge(a, b, false, false, true, false);
}

/* a or b = not (not a and not b) */
int idset_or(struct idset *a, const struct idset *b)
{
	struct idset not_b = {.ids = b->ids, .count = b->count, .complement = !b->complement};
	int r;

	idset_negate(a);
	r = idset_and(a, &not_b);
	idset_negate(a);
	return r;
}

void idset_release(struct idset *set)
{
	free(set->ids);
	*set = IDSET_INIT;
}
