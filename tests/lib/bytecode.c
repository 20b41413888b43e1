/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "bytecode.h"

#include <stdio.h>
#include <unistd.h>

#include "namespace.h"
#include "test.h"

struct lines {
	char *text[1024];
	size_t n;
};

static void keep(const char *family, const char *chain, const char *bytecode, void *userdata)
{
	struct lines *lines = userdata;
	size_t length = strlen(family) + strlen(chain) + strlen(bytecode) + 4;

	assert_true(lines->n < 1024);
	lines->text[lines->n] = malloc(length);
	snprintf(lines->text[lines->n++], length, "%s %s\n%s", family, chain, bytecode);
}

/* Chains come in another order from nft; within a chain order is the meaning and must be kept. */
static void sort_chains(struct lines *lines)
{
	for (size_t i = 1; i < lines->n; i++)
		for (size_t k = i; k > 0; k--) {
			char *a = lines->text[k - 1], *b = lines->text[k];
			size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
			int order = strncmp(a, b, n < m ? n : m);
			if (order < 0 || (!order && n <= m))
				break;
			lines->text[k - 1] = b;
			lines->text[k] = a;
		}
}

static struct lines *lines_of(const struct pf_ruleset *ruleset)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	assert_non_null(lines);
	assert_int_equal(pf_ruleset_bytecode(ruleset, keep, lines), 0);
	sort_chains(lines);
	return lines;
}

void assert_same_bytecode(const struct pf_ruleset *ruleset, const struct pf_ruleset *other)
{
	struct lines *a = lines_of(ruleset), *b = lines_of(other);

	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_string_equal(a->text[i], b->text[i]);
		free(a->text[i]);
		free(b->text[i]);
	}
	free(a);
	free(b);
}

bool nft_loads(const struct pf_ruleset *ruleset)
{
	char path[] = "/tmp/podfence-test-XXXXXX";
	FILE *stream = fdopen(mkstemp(path), "w");

	assert_int_equal(pf_ruleset_print(ruleset, stream), 0);
	fclose(stream);
	bool loaded = namespace_run("nft -f %s", path);
	unlink(path);
	return loaded;
}
