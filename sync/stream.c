#include "sync/stream.h"

#include <string.h>

int origin_cmp(const struct origin *a, const struct origin *b)
{
	int r = uuid_cmp(&a->device, &b->device);

	if (r != 0)
		return r;
	return a->epoch == b->epoch ? 0 : a->epoch < b->epoch ? -1 : 1;
}

int stream_id_cmp(const struct stream_id *a, const struct stream_id *b)
{
	int r = origin_cmp(&a->origin, &b->origin);

	return r != 0 ? r : (int)a->kind - (int)b->kind;
}

bool stream_is_whole(const struct stream *s)
{
	return s->id.kind == STREAM_LOG || (!s->listing && s->position >= s->head);
}

struct stream stream_none(const struct stream_id *id, uint64_t started)
{
	return (struct stream){.id = *id, .started = started, .listing = id->kind != STREAM_LOG};
}
