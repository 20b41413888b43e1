/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "policy/own.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fill_rule(struct policy_rule *rule, const struct destination *destination)
{
	static const uint8_t both[] = {6, 17};
	bool is_one = destination->protocol != 0;

	rule->action = POLICY_ACCEPT;
	rule->name = strdup("");
	rule->networks = calloc(1, sizeof(*rule->networks));
	rule->ports = calloc(2, sizeof(*rule->ports));
	if (!rule->name || !rule->networks || !rule->ports)
		return -ENOMEM;
	rule->n_networks = 1;
	rule->networks[0].prefix = destination->prefix;
	rule->matches_all_ports = !destination->first && !destination->last && !is_one;
	for (size_t i = 0; !rule->matches_all_ports && i < (is_one ? 1 : 2); i++)
		rule->ports[rule->n_ports++] = (struct policy_port){
			.protocol = is_one ? destination->protocol : both[i],
			.first = destination->first,
			.last = destination->last ? destination->last : UINT16_MAX,
		};
	return 0;
}

static int fill_rules(struct policy *policy, const struct destination_list *list)
{
	int r = 0;

	for (size_t i = 0; list && i < list->n_destinations && r == 0; i++)
		r = fill_rule(&policy->rules[policy->n_rules++], &list->destinations[i]);
	return r;
}

int own_policy_new(const char *name, const struct destination_list *list,
		   const struct destination_list *more, struct policy **ret_policy)
{
	size_t n = list->n_destinations + (more ? more->n_destinations : 0);
	struct policy *policy = n ? calloc(1, sizeof(*policy)) : NULL;

	*ret_policy = NULL;
	if (!n)
		return 0;
	if (!policy)
		return -ENOMEM;
	policy->n_references = 1;
	policy->tier = POLICY_TIER_AGENT;
	policy->namespace = strdup("");
	policy->name = strdup(name);
	policy->uid = strdup("");
	policy->origin = strdup("configuration");
	policy->rules = calloc(n, sizeof(*policy->rules));
	int r = policy->namespace && policy->name && policy->uid && policy->origin && policy->rules
			? 0
			: -ENOMEM;
	if (r == 0)
		r = fill_rules(policy, list);
	if (r == 0)
		r = fill_rules(policy, more);
	if (r < 0) {
		policy_free(policy);
		return r;
	}
	*ret_policy = policy;
	return 0;
}

/* An entry without a list of its own has the default's, and with it perhaps the default's chain. */
static int make_unit(const struct config *config, size_t i, struct own_policies *own)
{
	const struct unit_rule *rule = &config->units.rules[i];
	char name[128];

	if (!rule->allow.n_destinations) {
		own->units[i] = own->fallback ? policy_ref(own->fallback) : NULL;
		return 0;
	}
	snprintf(name, sizeof(name), "units/%s", rule->name);
	return own_policy_new(name, &rule->allow, &config->fallback.allow, &own->units[i]);
}

int own_policies_make(const struct config *config, struct own_policies *ret_own)
{
	struct own_policies own = {
		.units = calloc(config->units.n_rules + 1, sizeof(*own.units)),
	};
	int r = own.units ? own_policy_new("default.allow", &config->fallback.allow, NULL,
					   &own.fallback)
			  : -ENOMEM;

	for (; r == 0 && own.n_units < config->units.n_rules; own.n_units++)
		r = make_unit(config, own.n_units, &own);
	if (r < 0)
		own_policies_done(&own);
	else
		*ret_own = own;
	return r;
}

void own_policies_done(struct own_policies *own)
{
	policy_free(own->fallback);
	for (size_t i = 0; i < own->n_units; i++)
		policy_free(own->units[i]);
	free(own->units);
	*own = (struct own_policies){};
}
