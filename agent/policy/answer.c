/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "policy/answer.h"

#include "policy/ruling_text.h"

static const char *const verdicts[] = {
	[RULING_ALLOW] = "allowed",
	[RULING_AUDIT] = "audited",
	[RULING_DENY] = "denied",
};

void answer_make(const struct answer_input *input, struct answer *ret_answer)
{
	struct answer answer = {
		.endpoint = input->endpoint,
		.decision = input->decision,
		.packet = input->packet,
		.quarantine = quarantine_terms(input->quarantines, input->endpoint).origin,
	};

	destination_classify(input->config, input->networks, &answer.packet, &answer.facts);
	answer.is_judged = answer.facts.class == DESTINATION_EXTERNAL ||
			   answer.facts.class == DESTINATION_METADATA;
	if (answer.is_judged)
		decision_judge(answer.decision, &answer.packet, &input->config->network.nat64,
			       &answer.ruling);
	*ret_answer = answer;
}

static const char *verdict_of(const struct answer *answer)
{
	if (answer->quarantine != QUARANTINE_NONE)
		return "quarantined";
	if (answer->is_judged)
		return verdicts[answer->ruling.verdict];
	return answer->facts.class == DESTINATION_INTERNAL ? "internal" : "local";
}

static void write_network(const struct destination_facts *facts, struct json *json)
{
	char network[PF_PREFIX_TEXT];

	json_object_begin(json, "network");
	json_string(json, "prefix", pf_prefix_format(&facts->network, network));
	json_string(json, "origin", facts->origin);
	json_string(json, "source", facts->source);
	json_object_end(json);
}

static void write_policy_names(const struct policy *policy, struct json *json)
{
	json_string(json, "kind", policy_kind(policy));
	json_string(json, "namespace", policy->namespace);
	json_string(json, "name", policy->name);
	json_string(json, "tier", policy_tier_name(policy->tier));
}

/* The agent's own allow list is told by the sentence. */
static void write_policy(const struct ruling *ruling, struct json *json)
{
	const struct policy *policy = ruling->policy;

	if (!policy || policy->tier == POLICY_TIER_AGENT)
		return;
	json_object_begin(json, "policy");
	write_policy_names(policy, json);
	json_string(json, "defined_in", policy->origin);
	if (ruling->rule) {
		json_uint(json, "rule", ruling_rule_index(ruling));
		json_string(json, "rule_name", ruling->rule->name);
	}
	json_object_end(json);
}

static void write_selecting(const struct decision *decision, struct json *json)
{
	json_array_begin(json, "selected_by");
	for (size_t i = 0; i < decision->n_policies; i++) {
		const struct policy *policy = decision->policies[i];
		json_object_begin(json, NULL);
		write_policy_names(policy, json);
		json_uint(json, "priority", (uint64_t)policy->priority);
		json_boolean(json, "audit", policy->is_audit);
		json_object_end(json);
	}
	json_array_end(json);
}

static void write_ruling(const struct answer *answer, struct json *json)
{
	static const char *const modes[] = {"audit", "deny", "off"};
	char reason[RULING_REASON_MAX];

	json_string(json, "why", ruling_reason(&answer->ruling, reason));
	json_boolean(json, "metadata", answer->facts.class == DESTINATION_METADATA);
	write_policy(&answer->ruling, json);
	write_selecting(answer->decision, json);
	json_string(json, "default", modes[answer->decision->mode]);
	json_boolean(json, "ceiling", answer->decision->has_ceiling);
}

void answer_write(const struct answer *answer, struct json *json)
{
	static const char *const origins[] = {
		[QUARANTINE_MANUAL] = "manual",
		[QUARANTINE_LABELLED] = "label",
	};
	char address[PF_ADDRESS_TEXT];

	json_string(json, "namespace", endpoint_namespace(answer->endpoint));
	json_string(json, "name", endpoint_name(answer->endpoint));
	json_string(json, "kind", endpoint_kind_name(answer->endpoint));
	json_string(json, "verdict", verdict_of(answer));
	if (answer->quarantine != QUARANTINE_NONE)
		json_string(json, "quarantine", origins[answer->quarantine]);
	if (answer->is_judged)
		write_ruling(answer, json);
	else
		write_network(&answer->facts, json);
	if (answer->facts.is_translated)
		json_string(json, "translated", pf_address_format(&answer->facts.address, address));
}
