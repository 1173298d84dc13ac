/* SPDX-License-Identifier: MIT */
/* Small files, read whole and never beyond a limit, so that /dev/zero is an error and not the end of the memory. */
#include "file.h"
#include <errno.h>

static void file_end(void *f)
{
	fclose(f);
}

bool file_read(struct arena *a, const char *path, size_t limit, struct str *out, struct err *e)
{
	ARENA_SCOPE(tmp);
	FILE *f = fopen(path, "rbe");
	if (!f)
		return FAIL(e, ERR_INPUT, "unreadable_file", "cannot be opened: %s", strerror(errno));
	arena_defer(tmp, file_end, f);

	char *bytes = arena_alloc(tmp, limit + 1);
	size_t n = fread(bytes, 1, limit + 1, f);
	if (ferror(f))
		return FAIL(e, ERR_INPUT, "unreadable_file", "cannot be read: %s", strerror(errno));
	if (n > limit)
		return FAIL(e, ERR_INPUT, "unreadable_file", "is larger than %zu bytes", limit);
	*out = (struct str){ arena_text(a, (struct str){ bytes, n }), n };
	return true;
}
