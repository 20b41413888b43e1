/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "compile/internal.h"

static void add_default(const struct compiler *compiler, const char *name, bool is_output)
{
	const char *end = end_of(compiler->config->fallback.mode, compiler->config->fallback.action,
				 is_output);
	struct pf_chain *chain = pf_chain_add(compiler->inet, name);

	if (end)
		pf_rule_verdict(pf_rule_add(chain), PF_GOTO, end);
}

void compile_policies(const struct compiler *compiler)
{
	add_default(compiler, "default", false);
	add_default(compiler, "default-out", true);
}
