/* SPDX-License-Identifier: MIT */
#include "err.h"
#include "str.h"

bool err_set(struct err *e, enum err_kind kind, const char *code, const char *file, int line, const char *format, ...)
{
	*e = (struct err){ .kind = kind, .code = code, .file = file, .line = line };
	va_list args;
	va_start(args, format);
	vsnprintf(e->msg, sizeof(e->msg), format, args);
	va_end(args);
	e->msg[utf8_cut(str_of(e->msg), sizeof(e->msg) - 4)] = '\0';
	return false;
}

bool err_prefix(struct err *e, const char *format, ...)
{
	char words[sizeof(e->msg)], rest[sizeof(e->msg)];
	va_list args;
	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	memcpy(rest, e->msg, sizeof(rest));
	size_t n = strlen(words);
	memcpy(e->msg, words, n);
	size_t room = sizeof(e->msg) - n - 1;
	size_t cut = utf8_cut(str_of(rest), room);
	memcpy(e->msg + n, rest, cut);
	e->msg[n + cut] = '\0';
	return false;
}

const char *err_kind_name(enum err_kind kind)
{
	static const char *const names[ERR_KINDS] = {
		[ERR_NONE] = "none",   [ERR_CANCELLED] = "cancelled", [ERR_TIMEOUT] = "timeout",
		[ERR_BUSY] = "busy",   [ERR_NET] = "net",             [ERR_FENCE] = "fence",
		[ERR_INPUT] = "input", [ERR_REFUSED] = "refused",     [ERR_BUG] = "bug",
	};
	return kind < ERR_KINDS ? names[kind] : "unknown";
}
