/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Where a packet ends that nothing allows: denied, answered or let pass on record, and `pending` for a sender
 * nobody knows. They are few however many policies there are: which of the policies had it denied is found
 * by the same decision in user space (policy/verdict.h).
 *
 * Which endpoint it was must reach user space too, and NFLOG tells no cgroup: on a packet about to die the
 * mark carries its index (a mark somebody else had set is cleared first); one that lives on goes through a
 * chain of its endpoint with a prefix of its own. The ledger's key says the same in the same way. */
#include "compile/internal.h"

static const struct {
	const char *name, *name_out;
	enum rule_id rule;
} ends[END_N] = {
	[END_DENY] = {"deny", "deny-out", RULE_DENY},
	[END_REJECT] = {"deny-reject", "deny-reject-out", RULE_REJECT},
	[END_AUDIT] = {"audit", "audit-out", RULE_AUDIT},
};

static enum end find_end(enum config_mode mode, enum config_action action)
{
	if (mode == CONFIG_MODE_AUDIT)
		return END_AUDIT;
	return action == CONFIG_ACTION_REJECT ? END_REJECT : END_DENY;
}

const char *end_of(enum config_mode mode, enum config_action action, bool is_output)
{
	enum end end = find_end(mode, action);

	return is_output ? ends[end].name_out : ends[end].name;
}

static void add_audit_out(const struct compiler *compiler, struct pf_chain *chain)
{
	for (size_t i = 0; i < compiler->pods.n; i++)
		pf_rule_vmap(pf_rule_add(chain), TAGS,
			     PF_FIELDS({PF_CGROUP, compiler->pods.levels[i]}));
	nobody_add(compiler, chain, &(struct prefix_meaning){.rule = RULE_AUDIT});
}

static void add_ledger(const struct compiler *compiler, struct pf_chain *chain, const char *name,
		       enum rule_id rule, bool is_output)
{
	const struct ledger_end end = {.meaning.rule = rule, .is_output = is_output};

	ledger_add(compiler, chain, name, &end);
}

static void add_end(const struct compiler *compiler, enum end end)
{
	add_ledger(compiler, pf_chain_add(compiler->inet, ends[end].name), ends[end].name,
		   ends[end].rule, false);
	struct pf_chain *chain = pf_chain_add(compiler->inet, ends[end].name_out);
	if (end == END_AUDIT) {
		add_audit_out(compiler, chain);
		return;
	}
	mark_add(compiler, chain);
	add_ledger(compiler, chain, ends[end].name_out, ends[end].rule, true);
}

/* Those that some decision leads to. */
static void add_ends(const struct compiler *compiler)
{
	const struct decisions *decisions = compiler->decisions;
	bool is_used[END_N] = {};

	is_used[find_end(compiler->config->fallback.mode, compiler->config->fallback.action)] =
		true;
	for (size_t i = 0; decisions && i < decisions->n_distinct; i++) {
		const struct decision *decision = decisions->distinct[i];
		is_used[END_AUDIT] |= decision->has_audit;
		is_used[find_end(decision->mode, decision->action)] = true;
	}
	for (enum end end = 0; end < END_N; end++)
		if (is_used[end])
			add_end(compiler, end);
}

/* Nobody has no index; what is told apart is below which root the socket is. */
static void add_pending_audit_out(const struct compiler *compiler, struct pf_chain *chain)
{
	for (size_t i = 0; i < compiler->roots.n; i++)
		pf_rule_vmap(pf_rule_add(chain), TAGS,
			     PF_FIELDS({PF_CGROUP, compiler->roots.levels[i]}));
	nobody_add(compiler, chain, &(struct prefix_meaning){.rule = RULE_PENDING_AUDIT});
}

static void add_pending(const struct compiler *compiler)
{
	enum rule_id rule = compiler->is_audit ? RULE_PENDING_AUDIT
			    : compiler->config->fallback.action == CONFIG_ACTION_REJECT
				    ? RULE_PENDING_REJECT
				    : RULE_PENDING;
	struct pf_chain *chain = pf_chain_add(compiler->inet, "pending");

	add_ledger(compiler, chain, "pending", rule, false);
	chain = pf_chain_add(compiler->inet, "pending-out");
	if (compiler->is_audit) {
		add_pending_audit_out(compiler, chain);
		return;
	}
	pf_rule_set_mark(pf_rule_add(chain), 0);
	add_ledger(compiler, chain, "pending-out", rule, true);
}

static void add_tunnel(const struct compiler *compiler)
{
	const struct sender_end end = {
		.meaning.rule = compiler->is_audit ? RULE_TUNNEL_AUDIT : RULE_TUNNEL,
		.who = LEDGER_BY_SOURCE,
	};

	sender_add(compiler, pf_chain_add(compiler->inet, "tunnel"), "tunnel", &end);
	sender_add_out(compiler, pf_chain_add(compiler->inet, "tunnel-out"), "tunnel-out",
		       end.meaning.rule);
}

void compile_ends(const struct compiler *compiler)
{
	add_ends(compiler);
	add_pending(compiler);
	add_tunnel(compiler);
}
