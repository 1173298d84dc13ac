/* SPDX-License-Identifier: MIT */
/* The folder: which files there are, reading each, where a byte of them stands, and whether any has changed. */
#include "catalog_yaml.h"
#include "catalog_read.h"
#include "file.h"
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

/* ---- agents ---- */

#define AT(member) offsetof(struct catalog_agent, member)
#define LIMIT(member) offsetof(struct catalog_limits, member)

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, KIB = 1024, MIB = 1024 * KIB };

/* The ranges of the options limits.*: config/options.c. */
static const struct catalog_key limit_keys[] = {
	{ "turns", catalog_read_count, LIMIT(turns), 1, 1000 },
	{ "tool_calls", catalog_read_count, LIMIT(tool_calls), 1, 10000 },
	{ "turn_tools", catalog_read_count, LIMIT(turn_tools), 1, 256 },
	{ "parallel_tools", catalog_read_count, LIMIT(parallel_tools), 1, 64 },
	{ "repeats", catalog_read_count, LIMIT(repeats), 1, 100 },
	{ "history", catalog_read_count, LIMIT(history), 1, 100 },
	{ "children", catalog_read_count, LIMIT(children), 1, 100 },
	{ "expire", catalog_read_time, LIMIT(expire_ms), MINUTE, 365LL * 24 * HOUR },
	{ "run_time", catalog_read_time, LIMIT(run_ms), SECOND, 24 * HOUR },
	{ "tool_time", catalog_read_time, LIMIT(tool_ms), 100, HOUR },
	{ "tool_result_bytes", catalog_read_size, LIMIT(result_bytes), KIB, MIB },
	{ 0 },
};

static const struct catalog_key agent_keys[] = {
	{ "type", catalog_read_node, AT(type), .max = 64, .required = true },
	{ "name", catalog_read_text, AT(name), .max = 64 },
	{ "text", catalog_read_text, AT(text), .max = 1000, .required = true },
	{ "prompt", catalog_read_node, AT(prompt), .max = CATALOG_PROMPT_BYTES },
	{ "prompt_file", catalog_read_node, AT(prompt_file), .max = 255 },
	{ "models", catalog_read_list, AT(models), .max = 128 },
	{ "tools", catalog_read_list, AT(tools), .max = 64 },
	{ "agents", catalog_read_list, AT(agents), .max = 64 },
	{ "limits", catalog_read_part, AT(limits), .keys = limit_keys },
	{ "max_tokens", catalog_read_count, AT(max_tokens), 1, 128000 },
	{ "web_searches", catalog_read_count, AT(web_searches), 0, 100 },
	{ "result_schema", catalog_read_schema, AT(result_schema) },
	{ 0 },
};

static void read_agent(struct catalog_reader *r, struct catalog_agent *agent)
{
	struct catalog_key k = { .keys = agent_keys };
	*agent = (struct catalog_agent){ .file = r->file };
	catalog_read_map(r, &k, r->file->root, agent);
	if (r->file->root->kind == YAML_MAP && !agent->prompt == !agent->prompt_file)
		catalog_problem(r->problems, agent->prompt ? agent->prompt_file->key_place : r->file->root->place,
			agent->prompt ? "prompt and prompt_file; keep one of them" : "neither prompt nor prompt_file; write one of them");
}

/* ---- files ---- */

static struct yaml_place place_of_file(const char *path)
{
	return (struct yaml_place){ .file = path };
}

bool catalog_text(struct arena *a, const char *path, size_t limit, struct str *out, struct err *e)
{
	if (!file_read(a, path, limit, out, e))
		return false;
	bool text = utf8_valid(*out) && !memchr(out->p, '\0', out->n);
	return text || FAIL(e, ERR_INPUT, "unreadable_file", "is not text in UTF-8");
}

static const struct catalog_file *file_load(struct arena *a, const char *path, struct catalog_problems *problems)
{
	struct err e = { 0 };
	struct catalog_file *file = arena_alloc(a, sizeof(*file));
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
	*file = (struct catalog_file){ .path = path, .stem = arena_text(a, (struct str){ name, (size_t)(dot - name) }) };
	if (!file_read(a, path, YAML_MAX_BYTES, &file->text, &e)) {
		catalog_problem(problems, place_of_file(path), "%s", e.msg);
		return NULL;
	}
	if ((file->root = yaml_load(a, path, file->text, &e)))
		return file;
	catalog_problem(problems, (struct yaml_place){ 0 }, "%s", e.msg); /* it has its place in front already */
	return NULL;
}

static bool is_yaml(const char *name)
{
	size_t n = strlen(name);
	return name[0] != '.' && n > 5 && strcmp(name + n - 5, ".yaml") == 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void dir_end(void *dir)
{
	closedir(dir);
}

/* Sorted paths of the folder's .yaml files, ends with NULL. A name beside them that nearly is one is a mistake. */
static const char **list(struct arena *a, const char *dir, struct catalog_problems *problems)
{
	ARENA_SCOPE(tmp);
	const char **all = arena_alloc(a, (CATALOG_FILES + 1) * sizeof(*all));
	size_t n = 0;
	DIR *d = opendir(dir);
	if (!d) {
		if (errno != ENOENT)
			catalog_problem(problems, place_of_file(dir), "cannot be listed: %s", strerror(errno));
		return all;
	}
	arena_defer(tmp, dir_end, d);
	for (struct dirent *entry; (entry = readdir(d));) {
		const char *name = entry->d_name, *dot = strrchr(name, '.');
		if (dot && name[0] != '.' && (strcmp(dot, ".yml") == 0 || strcmp(dot, ".YAML") == 0))
			catalog_problem(problems, place_of_file(arena_printf(a, "%s/%s", dir, name)), "is not looked at; name it .yaml");
		if (!is_yaml(name))
			continue;
		if (n == CATALOG_FILES) {
			catalog_problem(problems, place_of_file(dir), "more than %d files; take some away", CATALOG_FILES);
			break;
		}
		all[n++] = arena_printf(a, "%s/%s", dir, name);
	}
	qsort(all, n, sizeof(*all), compare_names);
	return all;
}

static void read_tools(struct catalog_reader r, const char *dir, struct catalog_files *out)
{
	struct catalog_tool **end = &out->tools;
	for (const char **path = list(r.a, arena_printf(r.a, "%s/tools", dir), r.problems); *path; path++) {
		if (!(r.file = file_load(r.a, *path, r.problems)))
			continue;
		struct catalog_tool *tool = *end = arena_alloc(r.a, sizeof(*tool));
		catalog_read_tool(&r, tool);
		end = &tool->next;
	}
}

static void read_agents(struct catalog_reader r, const char *dir, struct catalog_files *out)
{
	struct catalog_agent **end = &out->agents;
	for (const char **path = list(r.a, arena_printf(r.a, "%s/agents", dir), r.problems); *path; path++) {
		if (!(r.file = file_load(r.a, *path, r.problems)))
			continue;
		struct catalog_agent *agent = *end = arena_alloc(r.a, sizeof(*agent));
		read_agent(&r, agent);
		end = &agent->next;
	}
}

void catalog_read(struct arena *a, const char *dir, struct catalog_files *out, struct catalog_problems *problems)
{
	struct catalog_reader r = { .a = a, .problems = problems };
	struct stat st;
	const char *models = arena_printf(a, "%s/models.yaml", dir);
	*out = (struct catalog_files){ 0 };
	if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
		catalog_problem(problems, place_of_file(dir), "%s; option catalog.dir must name a folder",
			stat(dir, &st) != 0 ? strerror(errno) : "is no folder");
		return;
	}
	read_tools(r, dir, out);
	read_agents(r, dir, out);
	if (stat(models, &st) == 0 && (r.file = file_load(a, models, problems)))
		catalog_read_models(&r, out);
}

/* ---- places ---- */

static struct str line_of(struct str text, int line)
{
	struct str part = { "", 0 };
	for (int i = 0; i < line; i++)
		if (!str_next(&text, '\n', &part))
			return (struct str){ "", 0 };
	return part;
}

static size_t characters(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

static size_t byte_of_column(struct str line, int column)
{
	size_t at = 0;
	for (int i = 1; at < line.n && (i < column || ((unsigned char)line.p[at] & 0xC0) == 0x80); at++)
		i += ((unsigned char)line.p[at] & 0xC0) != 0x80;
	return at;
}

/* In characters, from 0, of text[at] on its own line; *line counts the lines before it. */
static int column_in(const char *text, size_t at, int *line)
{
	size_t begin = 0;
	*line = 0;
	for (size_t i = 0; i < at; i++)
		if (text[i] == '\n') {
			begin = i + 1;
			++*line;
		}
	return (int)characters((struct str){ text + begin, at - begin });
}

/* Of the first line that is not empty: that is what the block's lines are indented by. */
static int indent_below(struct str text, int line)
{
	struct str below = text, part;
	for (int i = 0; str_next(&below, '\n', &part); i++) {
		size_t blanks = 0;
		while (blanks < part.n && part.p[blanks] == ' ')
			blanks++;
		if (i >= line && str_trim(part).n)
			return (int)blanks;
	}
	return 0;
}

/* A literal block keeps its lines; what is on one line stands there as it is. Of all else only the beginning is known. */
struct yaml_place catalog_place(const struct catalog_file *file, const struct yaml_node *node, size_t at)
{
	struct yaml_place place = node->place;
	struct str value = str_of(node->text), text = file->text;
	if (str_starts(text, "\xEF\xBB\xBF"))
		text = (struct str){ text.p + 3, text.n - 3 };
	struct str line = line_of(text, place.line);
	size_t begin = byte_of_column(line, place.column), quote = 0;
	int lines, column = column_in(value.p, MIN_OF(at, value.n), &lines);
	if (begin >= line.n)
		return place;
	if (line.p[begin] == '|')
		return (struct yaml_place){ place.file, place.line + 1 + lines, indent_below(text, place.line) + column + 1 };
	quote = line.p[begin] == '"' || line.p[begin] == '\'';
	struct str rest = { line.p + begin + quote, line.n - begin - quote };
	if (str_starts(rest, value.p))
		place.column += column + (int)quote;
	return place;
}

/* ---- changes ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	for (int i = 0; i < 8; i++, v >>= 8)
		h = (h ^ (v & 0xFF)) * 1099511628211u; /* FNV-1a */
	return h;
}

static uint64_t mix_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return mix(h, 0);
}

static uint64_t mark_file(uint64_t h, const char *path)
{
	struct stat st = { 0 };
	h = mix_text(h, path);
	if (stat(path, &st) != 0)
		return mix(h, (uint64_t)errno);
	h = mix(mix(h, (uint64_t)st.st_ino), (uint64_t)st.st_size);
	return mix(mix(h, (uint64_t)st.st_mtim.tv_sec), (uint64_t)st.st_mtim.tv_nsec);
}

static uint64_t mark_dir(uint64_t h, struct arena *a, const char *dir)
{
	struct catalog_problems ignored = { .a = a };
	for (const char **path = list(a, dir, &ignored); *path; path++)
		h = mark_file(h, *path);
	return mix(h, ignored.all.n);
}

uint64_t catalog_mark(const char *dir, const char *const *more)
{
	ARENA_SCOPE(tmp);
	uint64_t h = mark_dir(14695981039346656037u, tmp, arena_printf(tmp, "%s/tools", dir));
	h = mark_dir(h, tmp, arena_printf(tmp, "%s/agents", dir));
	h = mark_file(h, arena_printf(tmp, "%s/models.yaml", dir));
	for (; more && *more; more++)
		h = mark_file(h, *more);
	return h;
}
