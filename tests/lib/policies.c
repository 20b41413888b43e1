/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/yaml_json.h"
#include "kube/policy_parse.h"

#include "test.h"

struct hearing {
	const struct policy_source *source;
	struct policy *policy;
	int result;
};

static int hear(void *userdata, struct json_object *object, size_t line)
{
	struct hearing *hearing = userdata;
	struct json_object *kind = NULL;
	bool is_cluster = json_object_object_get_ex(object, "kind", &kind) &&
			  !strcmp(json_object_get_string(kind), "ClusterNetworkPolicy");

	hearing->result =
		is_cluster ? cluster_network_policy_parse(object, hearing->source, &hearing->policy)
			   : network_policy_parse(object, hearing->source, &hearing->policy);
	return 0;
}

int policies_parse(const char *yaml, bool is_file, struct report *report,
		   struct policy **ret_policy)
{
	const struct policy_source source = {is_file ? "f" : "networkpolicies",
					     is_file ? "f" : "API", is_file, report};
	struct hearing hearing = {.source = &source, .result = -1};
	int r = yaml_json_parse("f", yaml, strlen(yaml), report, hear, &hearing);

	*ret_policy = hearing.policy;
	return r ? r : hearing.result;
}

static void describe_selector(FILE *stream, const char *name, const struct label_selector *selector)
{
	static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist"};

	fprintf(stream, " %s[", name);
	for (size_t i = 0; i < selector->n_requirements; i++) {
		const struct label_requirement *one = &selector->requirements[i];
		fprintf(stream, "%s%s %s", i ? ", " : "", one->key, operators[one->operator]);
		for (size_t k = 0; k < one->n_values; k++)
			fprintf(stream, "%s%s%s", k ? " " : " (", one->values[k],
				k + 1 == one->n_values ? ")" : "");
	}
	fputc(']', stream);
}

static void describe_rule(FILE *stream, const struct policy_rule *rule)
{
	static const char *const actions[] = {"Accept", "Deny", "Pass"};
	char text[PF_PREFIX_TEXT];

	fputs(actions[rule->action], stream);
	if (rule->name[0])
		fprintf(stream, " \"%s\"", rule->name);
	if (rule->matches_all_networks)
		fputs(" everybody", stream);
	for (size_t i = 0; i < rule->n_networks; i++) {
		const struct policy_network *network = &rule->networks[i];
		fprintf(stream, " %s", pf_prefix_format(&network->prefix, text));
		for (size_t k = 0; k < network->n_except; k++)
			fprintf(stream, " -%s", pf_prefix_format(&network->except[k], text));
	}
	if (!rule->matches_all_ports)
		fputs(" :", stream);
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct policy_port *port = &rule->ports[i];
		fprintf(stream, " %s",
			port->protocol == 6    ? "tcp"
			: port->protocol == 17 ? "udp"
					       : "sctp");
		if (port->first || port->last != 65535)
			fprintf(stream, "/%u", port->first);
		if (port->first && port->last != port->first)
			fprintf(stream, "-%u", port->last);
	}
	fputs(rule->has_unknown ? " unknown\n" : "\n", stream);
}

char *policies_describe(const struct policy *policy)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		abort();
	if (policy->tier == POLICY_TIER_NETWORK_POLICY)
		fprintf(stream, "NetworkPolicy %s/%s", policy->namespace, policy->name);
	else
		fprintf(stream, "%s %d %s",
			policy->tier == POLICY_TIER_ADMIN ? "Admin" : "Baseline", policy->priority,
			policy->name);
	if (policy->namespaces.n_requirements)
		describe_selector(stream, "namespaces", &policy->namespaces);
	if (policy->pods.n_requirements)
		describe_selector(stream, "pods", &policy->pods);
	fputs(policy->is_audit ? " audit\n" : "\n", stream);
	for (size_t i = 0; i < policy->n_rules; i++)
		describe_rule(stream, &policy->rules[i]);
	fclose(stream);
	return text;
}

char *policies_report(const struct report *report)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		abort();
	report_print(report, stream);
	fclose(stream);
	return text;
}

static void verify(bool is_so)
{
	if (!is_so)
		abort();
}

static void verify_selector(const struct label_selector *selector)
{
	for (size_t i = 0; i < selector->n_requirements; i++) {
		const struct label_requirement *one = &selector->requirements[i];
		bool wants_values = one->operator== LABEL_IN || one->operator== LABEL_NOT_IN;
		verify(label_is_key(one->key) && (one->n_values > 0) == wants_values);
		for (size_t k = 0; k < one->n_values; k++)
			verify(label_is_value(one->values[k]) &&
			       (!k || strcmp(one->values[k - 1], one->values[k]) <= 0));
	}
}

static void verify_prefix(const struct pf_prefix *prefix)
{
	struct pf_prefix again;
	char text[PF_PREFIX_TEXT];

	verify(pf_prefix_parse(pf_prefix_format(prefix, text), &again) == 0 &&
	       again.length == prefix->length &&
	       pf_address_equal(&again.address, &prefix->address));
}

static void verify_rule(const struct policy_rule *rule, bool is_namespaced)
{
	verify(rule->name && (!is_namespaced || rule->action == POLICY_ACCEPT));
	verify(!rule->matches_all_networks || !rule->n_networks);
	verify(!rule->matches_all_ports || !rule->n_ports);
	for (size_t i = 0; i < rule->n_networks; i++) {
		const struct policy_network *network = &rule->networks[i];
		verify_prefix(&network->prefix);
		for (size_t k = 0; k < network->n_except; k++) {
			verify_prefix(&network->except[k]);
			verify(network->except[k].length > network->prefix.length &&
			       pf_prefix_contains(&network->prefix, &network->except[k].address));
		}
	}
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct policy_port *port = &rule->ports[i];
		verify(port->protocol == 6 || port->protocol == 17 || port->protocol == 132);
		verify(port->first ? port->first <= port->last : port->last == 65535);
	}
}

void policies_verify(const struct policy *policy)
{
	bool is_namespaced = policy->tier == POLICY_TIER_NETWORK_POLICY;

	verify(policy->n_references > 0 && policy->uid && policy->origin);
	verify(name_is_subdomain(policy->name));
	verify(is_namespaced ? name_is_label(policy->namespace) : !policy->namespace[0]);
	verify(!is_namespaced || (!policy->priority && !policy->namespaces.n_requirements));
	verify(policy->priority >= 0 && policy->priority <= 1000);
	verify_selector(&policy->namespaces);
	verify_selector(&policy->pods);
	for (size_t i = 0; i < policy->n_rules; i++)
		verify_rule(&policy->rules[i], is_namespaced);
}

void policies_check(const char *yaml, bool is_file, int result, const char *expected,
		    const char *said)
{
	struct policy *policy = NULL;
	struct report report;

	report_init(&report);
	int r = policies_parse(yaml, is_file, &report, &policy);
	char *report_text = policies_report(&report);
	char *text = policy ? policies_describe(policy) : strdup("");
	assert_string_equal(report_text, said);
	assert_string_equal(text, expected);
	assert_int_equal(r, result);
	free(text);
	free(report_text);
	policy_free(policy);
	report_done(&report);
}
