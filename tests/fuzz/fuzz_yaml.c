/* SPDX-License-Identifier: MIT */
/* Any bytes as a config file: never a crash, a problem whenever it fails, and only clean text from the tree. */
#include "config.h"
#include "yamldoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "fuzz_yaml: %s\n", what);
		abort();
	}
}

static size_t check_tree(const struct yaml_node *node, int depth)
{
	size_t count = 1, n = 0;
	expect(depth <= YAML_MAX_DEPTH + 1, "the tree is too deep");
	expect(utf8_valid(str_of(node->text)) && utf8_valid(str_of(node->key)), "text of a node is not UTF-8");
	yaml_each(item, node) {
		count += check_tree(item, depth + 1);
		n++;
	}
	expect(n == node->n, "a node counts its items wrongly");
	return count;
}

static void print_all(const struct config *c)
{
	FILE *null = fopen("/dev/null", "w");
	expect(null, "/dev/null does not open");
	config_print(null, c);
	fclose(null);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ARENA_SCOPE(a);
	struct err e = { 0 };
	struct str text = { (const char *)data, size };
	const struct yaml_node *root = yaml_load(a, "fuzz.yaml", text, &e);
	expect(root ? check_tree(root, 0) <= YAML_MAX_NODES : e.kind == ERR_INPUT, "neither a tree nor an error");

	struct config c;
	struct config_problems problems;
	bool ok = config_load_text(a, "fuzz.yaml", text, NULL, &c, &problems);
	expect(ok == (problems.n == 0) && (root || !ok), "a failure without a problem, or a problem without a failure");
	for (const struct config_problem *p = problems.first; p; p = p->next)
		expect(utf8_valid(str_of(p->text)) && !strchr(p->text, '\n'), "a problem is not one clean line");
	if (ok)
		print_all(&c);
	return 0;
}
