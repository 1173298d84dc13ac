/* SPDX-License-Identifier: MIT */
/* hiredis' replies, copied: its own are freed when the callback returns. */
#include "redis_impl.h"

struct budget {
	size_t bytes, items;
};

static bool reply_fits(const redisReply *from, int depth, struct budget *left)
{
	size_t bytes = from->str ? from->len : 0, items = from->type == REDIS_REPLY_ARRAY ? from->elements : 0;
	if (depth > REDIS_REPLY_DEPTH || bytes > left->bytes || items > left->items)
		return false;
	left->bytes -= bytes;
	left->items -= items;
	for (size_t i = 0; i < items; i++)
		if (!reply_fits(from->element[i], depth + 1, left))
			return false;
	return true;
}

static void reply_copy(struct arena *a, const redisReply *from, struct redis_reply *to)
{
	*to = (struct redis_reply){ .kind = REDIS_NIL };
	switch (from->type) {
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
	case REDIS_REPLY_ERROR: /* inside a list: EXEC */
		to->kind = REDIS_TEXT;
		to->text = (struct str){ arena_text(a, (struct str){ from->str, from->len }), from->len };
		break;
	case REDIS_REPLY_INTEGER:
		to->kind = REDIS_I64;
		to->i64 = from->integer;
		break;
	case REDIS_REPLY_ARRAY:
		to->kind = REDIS_LIST;
		to->n = from->elements;
		to->items = arena_alloc(a, from->elements * sizeof(*to->items));
		for (size_t i = 0; i < from->elements; i++)
			reply_copy(a, from->element[i], &to->items[i]);
	}
}

bool redis_reply_copy(struct arena *a, const redisReply *from, struct redis_reply *to)
{
	struct budget left = { REDIS_REPLY_BYTES, REDIS_REPLY_ITEMS };
	bool ok = reply_fits(from, 0, &left);
	if (ok)
		reply_copy(a, from, to);
	return ok;
}
