/* SPDX-License-Identifier: MIT */
/* The quotes agent: rate card and draft quotes. Every amount is computed by the database: schema/psa/004_quotes.sql. */
#include "agents_sql.h"
#include "prompts.h"
#include "psa.h"

struct search_args {
	const char *words, *status, *valid_until;
};
static const char *const quote_states[] = {
	"draft", "submitted", "approved", "sent", "accepted", "declined", "expired", "superseded", NULL,
};
static const struct field search_fields[] = {
	{ "words", FIELD_TEXT, offsetof(struct search_args, words), .text = "Part of number, title, customer or project.",
		.max = 100 },
	{ "status", FIELD_TEXT, offsetof(struct search_args, status), .text = "Only this status.",
		.choices = quote_states },
	{ "valid_until", FIELD_DATE, offsetof(struct search_args, valid_until), .text = "Only those valid no longer than "
		"this day." },
	{ 0 },
};

static bool search_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct search_args *in = args;
	return tool_rows(env, &sql_psa_quote_search, PG_ARGS(PG(env->workspace_id), PG(in->words), PG(in->status),
		PG(in->valid_until)), "quotes", result, e);
}

static const struct tool tool_quote_search = {
	.name = "quote_search",
	.text = "Finds quotes, newest first: number, title, customer, project, status, net, gross, valid until, version. "
		"At most 50.",
	.fields = search_fields, .args_size = sizeof(struct search_args), .run = search_run,
};

struct get_args {
	const char *quote;
};
static const struct field get_fields[] = {
	{ "quote", FIELD_TEXT, offsetof(struct get_args, quote), true, "Number of the quote: Q-0001.", 1, 20 },
	{ 0 },
};

static bool get_quote(struct tool_env *env, const char *number, const cJSON **result, struct err *e)
{
	return tool_row(env, &sql_psa_quote_get, PG_ARGS(PG(env->workspace_id), PG(number)), "no such quote", result, e);
}

static bool get_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	return get_quote(env, ((const struct get_args *)args)->quote, result, e);
}

static const struct tool tool_quote_get = {
	.name = "quote_get",
	.text = "One quote with its lines, tax table and totals.",
	.fields = get_fields, .args_size = sizeof(struct get_args), .run = get_run,
};

struct rate_args {
	const char *role, *currency, *day, *price_list;
};
static const struct field rate_fields[] = {
	{ "role", FIELD_TEXT, offsetof(struct rate_args, role), true, "Name of the role.", 1, 100 },
	{ "currency", FIELD_TEXT, offsetof(struct rate_args, currency), true, "ISO code: EUR.", 3, 3 },
	{ "day", FIELD_DATE, offsetof(struct rate_args, day), true, "The day whose rate you want." },
	{ "price_list", FIELD_TEXT, offsetof(struct rate_args, price_list), .text = "Name of the price list, when several "
		"hold.", .max = 100 },
	{ 0 },
};

static bool rate_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct rate_args *in = args;
	return tool_row(env, &sql_psa_ratecard_lookup, PG_ARGS(PG(env->workspace_id), PG(in->role), PG(in->currency),
		PG(in->day), PG(in->price_list)), "no such price list", result, e);
}

static const struct tool tool_ratecard_lookup = {
	.name = "ratecard_lookup",
	.text = "The one rate of a role on a day, or not_covered with the roles that are covered. There is no other source "
		"of prices.",
	.fields = rate_fields, .args_size = sizeof(struct rate_args), .run = rate_run,
};

struct draft_args {
	const char *title, *project, *customer, *currency, *price_list, *price_date, *valid_until;
};
static const struct field draft_fields[] = {
	{ "title", FIELD_TEXT, offsetof(struct draft_args, title), true, "What is offered, one line.", 1, 200 },
	{ "project", FIELD_TEXT, offsetof(struct draft_args, project), .text = "Project code: customer, currency and price "
		"date come from it.", .max = 20 },
	{ "customer", FIELD_TEXT, offsetof(struct draft_args, customer), .text = "Customer, when there is no project.",
		.max = 200 },
	{ "currency", FIELD_TEXT, offsetof(struct draft_args, currency), .text = "ISO code, when it differs.",
		.min = 3, .max = 3 },
	{ "price_list", FIELD_TEXT, offsetof(struct draft_args, price_list), .text = "Name, when several hold.",
		.max = 100 },
	{ "price_date", FIELD_DATE, offsetof(struct draft_args, price_date), .text = "Day whose rates apply; if left out "
		"the project's first day, else today." },
	{ "valid_until", FIELD_DATE, offsetof(struct draft_args, valid_until), .text = "Last day of the offer; if left out "
		"as many days from today as the workspace says." },
	{ 0 },
};

static bool draft_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct draft_args *in = args;
	return tool_row(env, &sql_psa_quote_create_draft, PG_ARGS(PG(env->workspace_id), PG(in->project), PG(in->customer),
		PG(in->title), PG(in->currency), PG(in->price_list), PG(in->price_date), PG(in->valid_until),
		PG(env->request_id)), "give project or customer", result, e);
}

static const struct tool tool_quote_create_draft = {
	.name = "quote_create_draft",
	.text = "Makes an empty draft for a project or customer. Gives its number and version. Sending is for people.",
	.fields = draft_fields, .args_size = sizeof(struct draft_args), .effect = TOOL_WRITES, .run = draft_run,
};

struct line {
	int64_t position, minutes, qty_milli;
	const char *kind, *role, *description, *tax_code;
};
struct put_args {
	const char *quote;
	int64_t version;
	struct field_list lines;
};
static const char *const line_kinds[] = { "time", "section", "note", NULL };
static const struct field line_fields[] = {
	{ "position", FIELD_I64, offsetof(struct line, position), true, "Place on the quote; a line there is replaced.",
		1, 1000 },
	{ "kind", FIELD_TEXT, offsetof(struct line, kind), true, "time: work of a role; section, note: words only.",
		.choices = line_kinds },
	{ "description", FIELD_TEXT, offsetof(struct line, description), true, "What the customer reads.", 1, 500 },
	{ "role", FIELD_TEXT, offsetof(struct line, role), .text = "Role of a time line; its rate is the price.",
		.max = 100 },
	{ "minutes", FIELD_I64, offsetof(struct line, minutes), .text = "Of a time line whose rate is per hour: minutes of "
		"work.", .min = 1, .max = 6000000 },
	{ "qty_milli", FIELD_I64, offsetof(struct line, qty_milli), .text = "Instead of minutes: "
		"thousandths of the rate's unit; 1.5 days are 1500.", .min = 1, .max = 1000000000 },
	{ "tax_code", FIELD_TEXT, offsetof(struct line, tax_code), .text = "When it differs from the customer's.",
		.max = 12 },
	{ 0 },
};
static const struct field put_fields[] = {
	{ "quote", FIELD_TEXT, offsetof(struct put_args, quote), true, "Number of the quote: Q-0001.", 1, 20 },
	{ "version", FIELD_I64, offsetof(struct put_args, version), true, "Its version as you read it.", 1, INT32_MAX },
	{ "lines", FIELD_OBJECTS, offsetof(struct put_args, lines), true, "The lines.", 1, 50,
		.items = line_fields, .item_size = sizeof(struct line) },
	{ 0 },
};

static const char *lines_json(struct arena *a, const struct field_list *lines)
{
	cJSON *list = json_array(a);
	const struct line *line = lines->items;
	for (size_t i = 0; i < lines->n; i++) {
		cJSON *o = json_add_object(list);
		json_put_i64(o, "position", line[i].position);
		json_put_text(o, "kind", line[i].kind);
		json_put_text(o, "role", line[i].role);
		json_put_text(o, "description", line[i].description);
		json_put_i64(o, "minutes", line[i].minutes);
		json_put_i64(o, "qty_milli", line[i].qty_milli);
		json_put_text(o, "tax_code", line[i].tax_code);
	}
	return json_print(a, list);
}

static bool line_check(const struct line *line, size_t i, struct err *e)
{
	bool time = str_is(str_of(line[i].kind), "time");
	if (time != (line[i].role != NULL))
		return FAIL(e, ERR_INPUT, "bad_arguments", "lines[%zu].role: a time line needs one, others have none", i);
	int given = (line[i].minutes > 0) + (line[i].qty_milli > 0);
	if (given != time)
		return FAIL(e, ERR_INPUT, "bad_arguments", "lines[%zu]: a time line needs minutes or qty_milli, one of the "
			"two; others have neither", i);
	for (size_t k = 0; k < i; k++)
		if (line[k].position == line[i].position)
			return FAIL(e, ERR_INPUT, "bad_arguments", "lines[%zu].position: lines[%zu] has it already", i, k);
	return true;
}

static bool put_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct put_args *in = args;
	for (size_t i = 0; i < in->lines.n; i++)
		if (!line_check(in->lines.items, i, e))
			return false;
	const char *lines = lines_json(env->arena, &in->lines);
	if (!pg_query(env->db, env->arena, &sql_psa_quote_line_put, PG_ARGS(PG(env->workspace_id), PG(in->quote),
		PG(in->version), PG(lines), PG(env->request_id)), env->deadline, NULL, e))
		return false;
	return get_quote(env, in->quote, result, e);
}

static const struct tool tool_quote_line_put = {
	.name = "quote_line_put",
	.text = "Puts lines on a draft, all or none, and gives the whole quote with its new totals and version. Prices "
		"come from the rate card; a role that it does not cover is refused.",
	.fields = put_fields, .args_size = sizeof(struct put_args), .effect = TOOL_WRITES, .run = put_run,
};

static const struct tool *const tools[] = {
	&tool_booking_list, &tool_project_get, &tool_quote_create_draft, &tool_quote_get, &tool_quote_line_put,
	&tool_quote_search, &tool_ratecard_lookup, &tool_task_list, NULL,
};

const struct agent agent_quotes = {
	.type = "quotes", .name = "quotes",
	.text = "Writes draft quotes from the rate card, finds and explains quotes.",
	.prompt = prompt_quotes, .tools = tools, .run = agent_loop,
};
