/* SPDX-License-Identifier: MIT */
/* One content block: as it arrives it is a start and what grew on it; as it goes back it is one JSON object again. */
#include "model_answer.h"
#include "wire.h"
#include "wire_scan.h"
#include <ctype.h>

enum { TOOL_NAME_BYTES = 128, TOOL_ID_BYTES = 256, SHOWN_BYTES = 200 };

/* Leaves room for the levels of a whole conversation around it, which may have to pass json_parse again. */
enum { BLOCK_DEPTH = JSON_MAX_DEPTH - 16 };

static int tree_depth(const cJSON *tree)
{
	int deepest = 0;
	const cJSON *item;
	json_each(item, tree) {
		int depth = tree_depth(item);
		deepest = MAX_OF(deepest, depth);
	}
	return deepest + 1;
}

/* ---- arriving ---- */

static enum model_block_kind block_kind(const char *type)
{
	if (strcmp(type, "text") == 0)
		return BLOCK_TEXT;
	if (strcmp(type, "thinking") == 0)
		return BLOCK_THINKING;
	return strcmp(type, "tool_use") == 0 ? BLOCK_TOOL_CALL : BLOCK_OTHER;
}

bool answer_tool_check(const char *id, const char *name, struct err *e)
{
	size_t id_n = id ? strlen(id) : 0, name_n = name ? strlen(name) : 0;
	bool ok = id_n > 0 && id_n <= TOOL_ID_BYTES && name_n > 0 && name_n <= TOOL_NAME_BYTES;
	for (size_t i = 0; ok && i < id_n; i++)
		ok = id[i] > ' ' && id[i] < 0x7F;
	for (size_t i = 0; ok && i < name_n; i++)
		ok = isalnum((unsigned char)name[i]) || name[i] == '_' || name[i] == '-';
	return ok || GARBAGE(e, "a tool call came without an id and a name of at most %d letters, digits, _ and -",
		TOOL_NAME_BYTES);
}

struct answer_block *answer_block_empty(struct arena *a, enum model_block_kind kind, size_t limit)
{
	struct answer_block *b = arena_alloc(a, sizeof(*b));
	*b = (struct answer_block){ .kind = kind, .text = buf_new(a, limit), .json = buf_new(a, limit) };
	return b;
}

struct answer_block *answer_block_new(struct arena *a, const cJSON *start, size_t limit, struct err *e)
{
	const char *type = json_text(start, "type");
	if (!type) {
		GARBAGE(e, "a content block came without a type");
		return NULL;
	}
	if (tree_depth(start) > BLOCK_DEPTH) {
		GARBAGE(e, "a content block is nested deeper than %d", BLOCK_DEPTH);
		return NULL;
	}
	enum model_block_kind kind = block_kind(type);
	if (kind == BLOCK_TOOL_CALL && !answer_tool_check(json_text(start, "id"), json_text(start, "name"), e))
		return NULL;
	struct answer_block *b = answer_block_empty(a, kind, limit);
	b->start = start;
	if (kind <= BLOCK_THINKING)
		buf_add(b->text, str_of(json_text(start, kind == BLOCK_TEXT ? "text" : "thinking")));
	return b;
}

bool answer_block_cite(struct arena *a, struct answer_block *b, const cJSON *citation, struct err *e)
{
	if (tree_depth(citation) > BLOCK_DEPTH)
		return GARBAGE(e, "a citation is nested deeper than %d", BLOCK_DEPTH);
	if (!b->citations)
		b->citations = json_array(a);
	json_add_copy(b->citations, citation);
	return true;
}

/* ---- going back ---- */

/* The parsed input, in a; NULL and e when it is not one JSON object. */
static const cJSON *read_input(struct arena *a, const struct answer_block *b, struct err *e)
{
	const cJSON *given = json_get(b->start, "input");
	struct str text = str_trim(buf_str(b->json));
	if (text.n == 0 && given && !cJSON_IsNull(given))
		text = str_of(json_print(a, given));
	else if (text.n == 0)
		text = STR("{}");
	const cJSON *input = json_parse(a, wire_mend_json(a, text), e);
	if (!input)
		return NULL;
	bool shallow = tree_depth(input) < BLOCK_DEPTH;
	if (cJSON_IsObject(input) && shallow)
		return input;
	FAIL(e, ERR_INPUT, "bad_json", shallow ? "not a JSON object" : "nested too deep");
	return NULL;
}

static const char *input_error(struct arena *a, const struct answer_block *b, const struct err *why)
{
	const char *shown = wire_excerpt(a, buf_str(b->json), SHOWN_BYTES, NULL);
	return arena_printf(a, "The arguments could not be read (%s). Send the call again with one JSON object.%s%s",
		why->msg, *shown ? " What came begins: " : "", shown);
}

static const char *signature_of(const struct answer_block *b)
{
	return b->signature ? b->signature : json_text(b->start, "signature");
}

/* Thinking of a dialect without signatures. */
static bool is_reasoning(const struct answer_block *b)
{
	return str_is(str_of(json_text(b->start, "type")), "reasoning");
}

static bool is_blank(struct str text)
{
	return str_trim(text).n == 0;
}

/* The keys of the start that have grown since; they are put behind the others. */
static bool has_grown(const struct answer_block *b, const cJSON *input, const char *key)
{
	if (strcmp(key, "text") == 0)
		return b->kind == BLOCK_TEXT || is_reasoning(b);
	if (strcmp(key, "thinking") == 0 || strcmp(key, "signature") == 0)
		return b->kind == BLOCK_THINKING;
	if (strcmp(key, "citations") == 0)
		return b->citations != NULL;
	return strcmp(key, "input") == 0 && (input || b->kind == BLOCK_TOOL_CALL);
}

static void put_citations(cJSON *raw, const struct answer_block *b)
{
	cJSON *all = json_put_array(raw, "citations");
	const cJSON *item;
	json_each(item, json_get(b->start, "citations"))
		json_add_copy(all, item);
	json_each(item, b->citations)
		json_add_copy(all, item);
}

static void put_grown(cJSON *raw, const struct answer_block *b, const cJSON *input)
{
	if (b->citations)
		put_citations(raw, b);
	if (b->kind == BLOCK_TEXT)
		json_put_str(raw, "text", buf_str(b->text));
	if (b->kind == BLOCK_THINKING && is_reasoning(b)) {
		json_put_str(raw, "text", buf_str(b->text));
	} else if (b->kind == BLOCK_THINKING) {
		json_put_str(raw, "thinking", buf_str(b->text));
		json_put_text(raw, "signature", signature_of(b));
	}
	if (input)
		json_put_copy(raw, "input", input);
	else if (b->kind == BLOCK_TOOL_CALL)
		json_put_object(raw, "input"); /* the API takes nothing but an object, even of a call that failed */
}

static const char *raw_print(struct arena *a, const struct answer_block *b, const cJSON *input)
{
	ARENA_SCOPE(tmp);
	cJSON *raw = json_object(tmp);
	const cJSON *field;
	json_each(field, b->start)
		if (!has_grown(b, input, field->string))
			json_put_copy(raw, field->string, field);
	put_grown(raw, b, input);
	return json_print(a, raw);
}

static void read_tool(struct arena *a, const struct answer_block *b, struct model_block *out)
{
	struct err why;
	out->tool_id = arena_text(a, str_of(json_text(b->start, "id")));
	out->tool_name = arena_text(a, str_of(json_text(b->start, "name")));
	out->input = read_input(a, b, &why);
	if (!out->input)
		out->input_error = input_error(a, b, &why);
	out->raw = raw_print(a, b, out->input);
}

/* The bytes that came, with the pieces of the input in the place of the one in the start. */
static const char *with_input(struct arena *a, struct str bytes, struct str input)
{
	struct str old;
	if (!wire_json_member(bytes, "input", &old))
		return NULL;
	struct str behind = { old.p + old.n, (size_t)(bytes.p + bytes.n - old.p) - old.n };
	struct str before = { bytes.p, (size_t)(old.p - bytes.p) };
	return arena_printf(a, "%.*s%.*s%.*s", STR_ARGS(before), STR_ARGS(input), STR_ARGS(behind));
}

/*
 * What only the provider understands goes back with the very bytes that came: a number must not pass through a double.
 * A server tool's input grows as a tool's does; one that cannot be read stays as its start had it.
 */
static void read_other(struct arena *a, const struct answer_block *b, struct model_block *out)
{
	ARENA_SCOPE(tmp);
	struct err ignored;
	const cJSON *input = b->json->n > 0 ? read_input(tmp, b, &ignored) : NULL;
	struct str pieces = utf8_clean(tmp, wire_mend_json(tmp, str_trim(buf_str(b->json))));
	const char *raw = input ? with_input(tmp, b->bytes, pieces) : arena_text(tmp, b->bytes);
	out->raw = raw && wire_json_strict(str_of(raw)) ? arena_text(a, str_of(raw)) : raw_print(a, b, input);
}

bool answer_block_read(struct arena *a, const struct answer_block *b, struct model_block *out)
{
	struct str text = buf_str(b->text);
	*out = (struct model_block){ .kind = b->kind, .text = "" };
	if (b->kind == BLOCK_TEXT && is_blank(text))
		return false;
	if (b->kind == BLOCK_THINKING && (is_reasoning(b) ? is_blank(text) : str_of(signature_of(b)).n == 0))
		return false;
	if (b->kind == BLOCK_TOOL_CALL) {
		read_tool(a, b, out);
	} else if (b->kind == BLOCK_OTHER) {
		read_other(a, b, out);
	} else {
		out->text = arena_text(a, text);
		out->raw = raw_print(a, b, NULL);
	}
	return true;
}
