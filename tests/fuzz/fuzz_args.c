/* SPDX-License-Identifier: MIT */
/* Any bytes as a tool's arguments: refused with a path, or a struct in which every promise of its field table holds. */
#include "field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct item {
	const char *name, *due;
	int64_t hours;
	struct field_list tags;
};

struct args {
	const char *text, *word, *date;
	int64_t n, any;
	bool yes;
	const cJSON *json;
	struct field_list words, items, choices;
};

static const char *const words[] = { "low", "high", NULL };

static const struct field item_fields[] = {
	{ "name", FIELD_TEXT, offsetof(struct item, name), true, "Name.", .min = 1, .max = 20 },
	{ "due", FIELD_DATE, offsetof(struct item, due), false, "Day." },
	{ "hours", FIELD_I64, offsetof(struct item, hours), false, "Hours.", .min = 1, .max = 80 },
	{ "tags", FIELD_TEXTS, offsetof(struct item, tags), false, "Tags.", .max = 3 },
	{ 0 },
};

static const struct field fields[] = {
	{ "text", FIELD_TEXT, offsetof(struct args, text), true, "Text." },
	{ "word", FIELD_TEXT, offsetof(struct args, word), false, "Word.", .choices = words },
	{ "date", FIELD_DATE, offsetof(struct args, date), false, "Day." },
	{ "n", FIELD_I64, offsetof(struct args, n), false, "Number.", .min = -5, .max = 5 },
	{ "any", FIELD_I64, offsetof(struct args, any), false, "Any number." },
	{ "yes", FIELD_BOOL, offsetof(struct args, yes), false, "Flag." },
	{ "json", FIELD_JSON, offsetof(struct args, json), false, "Object." },
	{ "words", FIELD_TEXTS, offsetof(struct args, words), false, "List.", .min = 1, .max = 4 },
	{ "choices", FIELD_TEXTS, offsetof(struct args, choices), false, "Choices.", .choices = words },
	{ "items", FIELD_OBJECTS, offsetof(struct args, items), false, "Items.", .max = 3, .items = item_fields,
		.item_size = sizeof(struct item) },
	{ 0 },
};

static void expect(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "fuzz_args: %s\n", what);
		abort();
	}
}

static void check_text(const char *text, size_t min, size_t max)
{
	expect(!text || (strlen(text) >= min && strlen(text) <= max), "text out of its bounds");
	expect(!text || utf8_valid(str_of(text)), "text is not UTF-8");
}

static void check_date(const char *date)
{
	expect(!date || (strlen(date) == 10 && strspn(date, "0123456789-") == 10 && date[4] == '-' && date[7] == '-'),
		"a date is not a day");
}

static void check_texts(const struct field_list *list, size_t max)
{
	const char *const *texts = list->items;
	expect(list->n <= max, "too many texts");
	for (size_t i = 0; i < list->n; i++) {
		expect(texts[i] != NULL, "a text is missing");
		check_text(texts[i], 0, 8192);
	}
}

static void check_items(const struct field_list *list)
{
	const struct item *items = list->items;
	expect(list->n <= 3, "too many items");
	for (size_t i = 0; i < list->n; i++) {
		expect(items[i].name != NULL, "a required text is missing");
		check_text(items[i].name, 1, 20);
		check_date(items[i].due);
		expect(items[i].hours >= 0 && items[i].hours <= 80, "a number out of its range");
		check_texts(&items[i].tags, 3);
	}
}

static bool is_word(const char *text)
{
	return !text || strcmp(text, words[0]) == 0 || strcmp(text, words[1]) == 0;
}

static void check_args(const struct args *args)
{
	static const int64_t exact = 9007199254740991;
	expect(args->text != NULL, "a required text is missing");
	check_text(args->text, 0, 8192);
	expect(is_word(args->word), "a word that is no choice");
	check_date(args->date);
	expect(args->n >= -5 && args->n <= 5 && args->any >= -exact && args->any <= exact, "a number out of its range");
	expect(!args->json || cJSON_IsObject(args->json), "an object that is none");
	check_texts(&args->words, 4);
	check_texts(&args->choices, 100);
	for (size_t i = 0; i < args->choices.n; i++)
		expect(is_word(((const char *const *)args->choices.items)[i]), "a list with a word that is no choice");
	check_items(&args->items);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	struct args args = { 0 };
	const cJSON *json = json_parse(a, (struct str){ (const char *)data, size }, &e);
	if (json && field_read(a, fields, json, &args, &e))
		check_args(&args);
	else
		expect(e.kind == ERR_INPUT && utf8_valid(str_of(e.msg)) && *e.msg, "a refusal without words");
	if (json)
		expect(json_parse(a, str_of(json_print(a, json)), &e), "what is printed cannot be read");
	expect(field_schema(a, fields) != NULL, "no schema");
	return 0;
}
