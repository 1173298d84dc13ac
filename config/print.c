/* SPDX-License-Identifier: MIT */
/* What people read about options, made from the table: a sample file, the help, the values in force. */
#include "config.h"
#include "options.h"

/* "user:password" whose "@host" was forgotten, unlike "host:port". */
static bool is_half_url(const char *start)
{
	size_t n = strcspn(start, "/?#");
	const char *colon = memrchr(start, ':', n);
	size_t port = colon ? (size_t)(start + n - colon - 1) : 0;
	return colon && *start != '[' && strspn(colon + 1, "0123456789") < port;
}

/*
 * By the last '@', because a password may hold '@', '/' or '?' that somebody forgot to escape: rather too much is
 * hidden than too little. What follows '?' may be a password as well.
 */
const char *config_redact_url(struct arena *a, const char *url)
{
	const char *start = strstr(url, "://");
	if (!start)
		return *url ? "***" : "";
	start += 3;
	const char *host = strrchr(start, '@');
	if (!host && is_half_url(start))
		return arena_printf(a, "%.*s***", (int)(start - url), url);
	const char *colon = host ? memchr(start, ':', (size_t)(host - start)) : NULL;
	size_t shown = (size_t)((colon ? colon + 1 : start) - url);
	const char *rest = host ? host : start;
	size_t n = strcspn(rest, "?#");
	return arena_printf(a, "%.*s%s%.*s%s", (int)shown, url, host ? "***" : "", (int)n, rest, rest[n] ? "?***" : "");
}

static const char *show_value(const struct config_option *o, struct arena *a, const struct config *c)
{
	const char *value = option_get(o, a, c);
	if (o->type == OPTION_URL)
		return config_redact_url(a, value);
	return o->secret && *value ? "***" : value;
}

void config_print(FILE *to, const struct config *c)
{
	ARENA_SCOPE(a);
	for (size_t i = 0; i < config_options_n; i++) {
		const struct config_option *o = &config_options[i];
		fprintf(to, "%-26s %-32s %s\n", o->path, show_value(o, a, c), c->from[i]);
	}
}

static const char *name_in_section(const struct config_option *o)
{
	return strchr(o->path, '.') + 1;
}

static bool is_in_section(const struct config_option *o, const char *section)
{
	size_t n = strlen(section);
	return strncmp(o->path, section, n) == 0 && o->path[n] == '.';
}

static void print_option_sample(FILE *to, const struct config_option *o, struct arena *a)
{
	const char *name = name_in_section(o);
	fprintf(to, "  # %s (%s)\n", o->text, option_range(o, a));
	if (o->secret)
		fprintf(to, "  # A secret: better from the environment, or as %s_file: path of a file with it.\n", name);
	if (*o->preset)
		fprintf(to, "  %s: %s\n", name, o->preset);
	else
		fprintf(to, "  # %s: %s\n", name, o->example);
}

void config_sample(FILE *to)
{
	ARENA_SCOPE(a);
	fprintf(to, "# All options of Drover with their defaults; leave out what you do not change.\n"
		"# Each can come from the environment instead: DROVER_, the section, _ and the name, in capitals.\n");
	for (size_t s = 0; s < config_sections_n; s++) {
		fprintf(to, "\n# %s\n%s:\n", config_sections[s].text, config_sections[s].name);
		for (size_t i = 0; i < config_options_n; i++)
			if (is_in_section(&config_options[i], config_sections[s].name))
				print_option_sample(to, &config_options[i], a);
	}
}

static void print_option_help(FILE *to, const struct config_option *o, const char *variable, struct arena *a)
{
	fprintf(to, "  %-26s %s%s%s\n", o->path, option_range(o, a), *o->preset ? "; default " : "", o->preset);
	fprintf(to, "  %-26s %s\n", "", o->text);
	fprintf(to, "  %-26s %s%s%s\n", "", variable, o->alias ? ", " : "", o->alias ? o->alias : "");
	if (o->secret)
		fprintf(to, "  %-26s or the path of a file with it: %s_file, %s_FILE\n", "", o->path, variable);
}

void config_help(FILE *to)
{
	ARENA_SCOPE(a);
	struct option_names all;
	option_names(a, &all);
	fprintf(to, "Options of the file, and their variables of the environment, which win over the file.\n");
	for (size_t s = 0; s < config_sections_n; s++) {
		fprintf(to, "\n%s: %s\n", config_sections[s].name, config_sections[s].text);
		for (size_t i = 0; i < all.n; i++)
			if (!all.names[i].is_file && is_in_section(all.names[i].option, config_sections[s].name))
				print_option_help(to, all.names[i].option, all.variables[i], a);
	}
}
