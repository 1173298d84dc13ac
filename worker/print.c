/* SPDX-License-Identifier: MIT */
/* Text on its way to a terminal: what it would obey is shown instead, and colours are only ours. */
#include "print.h"
#include "print_inner.h"
#include <sys/ioctl.h>
#include <unistd.h>

static const char *const codes[PRINT_STYLES] = {
	[STYLE_PLAIN] = "",       [STYLE_BOLD] = "\x1b[1m",    [STYLE_DIM] = "\x1b[2m",  [STYLE_RED] = "\x1b[31m",
	[STYLE_GREEN] = "\x1b[32m", [STYLE_YELLOW] = "\x1b[33m", [STYLE_CYAN] = "\x1b[36m",
};

/* C0, DEL and C1; marks that turn the direction or break lines; invisible tags. */
static const struct {
	uint32_t first, last;
} controls[] = {
	{ 0x00, 0x1f },     { 0x7f, 0x9f },     { 0x61c, 0x61c },   { 0x200b, 0x200b }, { 0x200e, 0x200f },
	{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
};

bool print_is_control(uint32_t c)
{
	for (size_t i = 0; i < COUNT(controls); i++)
		if (c >= controls[i].first && c <= controls[i].last)
			return true;
	return false;
}

uint32_t print_decode(struct str s, size_t *n)
{
	const unsigned char *p = (const unsigned char *)s.p;
	*n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = *n == 1 ? p[0] : p[0] & (0xffu >> (*n + 1));
	for (size_t i = 1; i < *n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

struct printer print_to(FILE *to)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	bool terminal = isatty(fileno(to));
	struct winsize size = { 0 };
	if (terminal)
		ioctl(fileno(to), TIOCGWINSZ, &size);
	return (struct printer){
		.to = to,
		.colour = terminal && !(no && *no) && term && *term && strcmp(term, "dumb") != 0,
		.width = size.ws_col,
	};
}

const char *print_on(const struct printer *p, enum print_style style)
{
	return p->colour ? codes[style] : "";
}

const char *print_off(const struct printer *p, enum print_style style)
{
	return p->colour && style != STYLE_PLAIN ? "\x1b[0m" : "";
}

void print_styled(const struct printer *p, enum print_style style, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs(print_on(p, style), p->to);
	vfprintf(p->to, format, args);
	fputs(print_off(p, style), p->to);
	va_end(args);
}

/* ---- foreign text ---- */

static void add_break(struct buf *b, int indent)
{
	if (indent < 0)
		buf_add(b, STR(" "));
	else
		buf_printf(b, "\n%*s", indent, "");
}

static void add_character(struct buf *b, struct str at, uint32_t c, size_t n, int indent)
{
	if (c == '\n')
		add_break(b, indent);
	else if (c == '\t')
		buf_add(b, indent < 0 ? STR(" ") : STR("\t"));
	else if (!print_is_control(c))
		buf_add(b, (struct str){ at.p, n });
	else if (c < 0x80)
		buf_printf(b, "\\x%02x", c);
	else
		buf_printf(b, "\\u%04x", c);
}

/* At most max characters, 0 = all; one more becomes an ellipsis. */
static struct str clean(struct arena *a, struct str s, int indent, size_t max)
{
	s = utf8_clean(a, s);
	size_t largest = s.n * (size_t)(8 + MAX_OF(indent, 0)); /* each byte becomes an escape or an indented line */
	struct buf *b = buf_new(a, largest + 8);
	size_t shown = 0;
	for (size_t n; s.n; s.p += n, s.n -= n) {
		uint32_t c = print_decode(s, &n);
		if (c == '\r' && s.n > 1 && s.p[1] == '\n')
			continue;
		if (max && ++shown > max) {
			buf_add(b, STR("…"));
			break;
		}
		add_character(b, s, c, n, indent);
	}
	return buf_str(b);
}

void print_text(const struct printer *p, enum print_style style, struct str s, int indent)
{
	ARENA_SCOPE(tmp);
	struct str shown = clean(tmp, s, indent, 0);
	fputs(print_on(p, style), p->to);
	fwrite(shown.p, 1, shown.n, p->to);
	fputs(print_off(p, style), p->to);
}

const char *print_clean(struct arena *a, const char *text, size_t n)
{
	return arena_text(a, clean(a, str_of(text), -1, n));
}

void print_brief(const struct printer *p, enum print_style style, const char *text, size_t n)
{
	ARENA_SCOPE(tmp);
	print_text(p, style, str_of(print_clean(tmp, text, n)), -1);
}

/* ---- numbers ---- */

const char *print_number(struct arena *a, int64_t n)
{
	const char *digits = arena_printf(a, "%lld", (long long)n);
	size_t length = strlen(digits), sign = *digits == '-';
	struct buf *b = buf_new(a, 64);
	for (size_t i = 0; i < length; i++) {
		size_t left = length - i;
		buf_printf(b, "%s%c", i > sign && left % 3 == 0 ? "," : "", digits[i]);
	}
	return buf_str(b).p;
}

const char *print_duration(struct arena *a, int64_t ms)
{
	static const struct {
		int64_t ms, small_ms;
		const char *unit, *small;
	} units[] = {
		{ 86400000, 3600000, "d", "h" }, { 3600000, 60000, "h", "min" }, { 60000, 1000, "min", "s" },
	};
	for (size_t i = 0; i < COUNT(units); i++)
		if (ms >= units[i].ms)
			return arena_printf(a, "%lld %s %lld %s", (long long)(ms / units[i].ms), units[i].unit,
				(long long)(ms % units[i].ms / units[i].small_ms), units[i].small);
	if (ms >= 1000)
		return arena_printf(a, "%lld.%lld s", (long long)(ms / 1000), (long long)(ms % 1000 / 100));
	return arena_printf(a, "%lld ms", (long long)ms);
}
