/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "random_policy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "test.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

uint64_t random_seed(void)
{
	const char *text = getenv("PODFENCE_SEED");
	uint64_t number = 0;

	if (text)
		return strtoull(text, NULL, 0);
	assert_int_equal(getrandom(&number, sizeof(number), 0), sizeof(number));
	return number;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
uint32_t random_below(struct random_state *random, uint32_t bound)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 32) % bound;
}

static bool one_in(struct random_state *random, uint32_t n)
{
	return random_below(random, n) == 0;
}

/* Few bases and few hosts below them, so that networks meet. */
static struct pf_address random_address(struct random_state *random)
{
	static const char *const bases[] = {
		"203.0.113.0",	   "203.0.112.0",	 "198.51.100.0",
		"169.254.169.254", "2001:db8::",	 "2001:db8:1::",
		"2001:db8::",	   "64:ff9b::cb00:7100", "64:ff9b::c633:6400",
	};
	struct pf_address address;

	assert_int_equal(pf_address_parse(bases[random_below(random, N(bases))], &address), 0);
	uint8_t *last = &address.bytes[pf_address_size(&address) - 1];
	if (*last != 254) /* the metadata address stays one */
		*last = (uint8_t)random_below(random, 8);
	return address;
}

static struct pf_prefix random_prefix(struct random_state *random)
{
	struct pf_prefix prefix = {.address = random_address(random)};
	unsigned bits = 8 * (unsigned)pf_address_size(&prefix.address);

	prefix.length = (uint8_t)(one_in(random, 8) ? random_below(random, bits + 1)
						    : bits - random_below(random, 10));
	for (unsigned bit = prefix.length; bit < bits; bit++)
		prefix.address.bytes[bit / 8] &= (uint8_t) ~(0x80 >> (bit % 8));
	return prefix;
}

static struct policy_network random_network(struct random_state *random)
{
	struct policy_network network = {.prefix = random_prefix(random)};
	unsigned bits = 8 * (unsigned)pf_address_size(&network.prefix.address);

	if (network.prefix.length == bits || one_in(random, 2))
		return network;
	network.n_except = 1 + random_below(random, 3);
	network.except = calloc(network.n_except, sizeof(*network.except));
	for (size_t i = 0; i < network.n_except; i++) {
		struct pf_prefix *hole = &network.except[i];
		hole->address = network.prefix.address;
		hole->address.bytes[bits / 8 - 1] |= (uint8_t)random_below(random, 8);
		hole->length = (uint8_t)bits;
		if (!pf_prefix_contains(&network.prefix, &hole->address))
			hole->address = network.prefix.address;
	}
	return network;
}

static struct policy_port random_port(struct random_state *random)
{
	static const uint8_t protocols[] = {6, 17, 132};
	struct policy_port port = {.protocol = protocols[random_below(random, 3)],
				   .first = (uint16_t)random_below(random, 8)};

	port.last = (uint16_t)(port.first + random_below(random, 4));
	if (one_in(random, 5)) {
		port.first = 0;
		port.last = 65535;
	}
	return port;
}

static void fill_rule(struct random_state *random, struct policy_rule *rule, enum policy_tier tier)
{
	rule->name = strdup("");
	rule->action = tier == POLICY_TIER_NETWORK_POLICY
			       ? POLICY_ACCEPT
			       : (enum policy_action)random_below(random, 3);
	rule->matches_all_networks = one_in(random, 8);
	rule->n_networks = rule->matches_all_networks ? 0 : random_below(random, 4);
	rule->networks = calloc(rule->n_networks + 1, sizeof(*rule->networks));
	for (size_t i = 0; i < rule->n_networks; i++)
		rule->networks[i] = random_network(random);
	rule->matches_all_ports = one_in(random, 3);
	rule->n_ports = rule->matches_all_ports ? 0 : random_below(random, 4);
	rule->ports = calloc(rule->n_ports + 1, sizeof(*rule->ports));
	for (size_t i = 0; i < rule->n_ports; i++)
		rule->ports[i] = random_port(random);
	rule->has_unknown = one_in(random, 20);
}

static const char *const keys[] = {"app", "env"}, *const values[] = {"a", "b"};

static void fill_selector(struct random_state *random, struct label_selector *selector)
{
	selector->n_requirements = random_below(random, 3) ? 1 : 0;
	selector->requirements = calloc(1, sizeof(*selector->requirements));
	if (!selector->n_requirements)
		return;
	struct label_requirement *one = &selector->requirements[0];
	one->key = strdup(keys[random_below(random, 2)]);
	one->operator=(enum label_operator) random_below(random, 4);
	if (one->operator!= LABEL_IN && one->operator!= LABEL_NOT_IN)
		return;
	one->n_values = 1;
	one->values = calloc(1, sizeof(*one->values));
	one->values[0] = strdup(values[random_below(random, 2)]);
}

static struct policy *random_policy(struct random_state *random, unsigned number)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	char name[32];

	snprintf(name, sizeof(name), "policy-%02u", number);
	policy->n_references = 1;
	policy->tier = (enum policy_tier)random_below(random, 3);
	bool is_network_policy = policy->tier == POLICY_TIER_NETWORK_POLICY;
	policy->priority = is_network_policy ? 0 : (int32_t)number;
	policy->namespace = strdup(is_network_policy ? values[random_below(random, 2)] : "");
	policy->name = strdup(name);
	policy->uid = strdup("");
	policy->origin = strdup("random");
	policy->is_audit = one_in(random, 5);
	fill_selector(random, &policy->pods);
	if (!is_network_policy)
		fill_selector(random, &policy->namespaces);
	policy->n_rules = random_below(random, 5);
	policy->rules = calloc(policy->n_rules + 1, sizeof(*policy->rules));
	for (size_t i = 0; i < policy->n_rules; i++)
		fill_rule(random, &policy->rules[i], policy->tier);
	return policy;
}

static void fill_labels(struct random_state *random, struct label_list *list)
{
	list->labels = calloc(N(keys), sizeof(*list->labels));
	for (size_t i = 0; i < N(keys); i++)
		if (!one_in(random, 3))
			list->labels[list->n_labels++] = (struct label){
				strdup(keys[i]), strdup(values[random_below(random, 2)])};
}

static struct pod *random_pod(struct random_state *random, const char *namespace, unsigned number)
{
	struct pod *pod = calloc(1, sizeof(*pod));
	char name[32];

	snprintf(name, sizeof(name), "pod-%04u", number);
	pod->n_references = 1;
	pod->namespace = strdup(namespace);
	pod->name = strdup(name);
	fill_labels(random, &pod->labels);
	return pod;
}

static struct policy_list *random_policies(struct random_state *random)
{
	unsigned n = random_below(random, 7), at = 0;
	struct policy_list *list = calloc(1, sizeof(*list));

	list->n_references = 1;
	list->policies = calloc(n + 1, sizeof(struct policy *));
	/* In the order of a list: by tier, then priority and name, which grow with the number. */
	struct policy *made[8];
	for (unsigned i = 0; i < n; i++)
		made[i] = random_policy(random, i);
	for (int tier = POLICY_TIER_ADMIN; tier <= POLICY_TIER_BASELINE; tier++)
		for (unsigned i = 0; i < n; i++)
			if ((int)made[i]->tier == tier)
				list->policies[at++] = made[i];
	list->n_policies = n;
	return list;
}

static struct policy *random_own(struct random_state *random)
{
	struct policy *own = one_in(random, 2) ? NULL : random_policy(random, 99);

	for (size_t i = 0; own && i < own->n_rules; i++) {
		own->rules[i].action = POLICY_ACCEPT;
		own->rules[i].has_unknown = false;
	}
	return own;
}

static void fill_world(struct random_state *random, struct random_world *world)
{
	struct namespace *namespaces[N(values)];
	struct snapshot *snapshot = &world->made->snapshot;

	for (size_t i = 0; i < N(values); i++) {
		assert_int_equal(namespace_new(values[i], &namespaces[i]), 0);
		for (size_t k = 0; k < N(keys); k++)
			if (!one_in(random, 3))
				assert_int_equal(label_list_put(&namespaces[i]->labels, keys[k],
								values[random_below(random, 2)]),
						 0);
	}
	assert_int_equal(namespace_list_new(namespaces, N(values), &world->namespaces), 0);
	for (size_t i = 0; i < N(values); i++)
		namespace_free(namespaces[i]);
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		snapshot->endpoints[i].pod = random_pod(
			random, values[2 * i / (snapshot->n_endpoints + 1)], (unsigned)i);
	world->policies = random_policies(random);
	world->own = random_own(random);
}

struct random_world *random_world_new(struct random_state *random, unsigned n_pods,
				      unsigned n_host_pods)
{
	struct random_world *world = calloc(1, sizeof(*world));
	unsigned flags = (one_in(random, 4) ? MADE_AUDIT : 0) |
			 (one_in(random, 4) ? MADE_REJECT : 0);

	world->made = made_node_new(n_pods, n_host_pods, flags);
	world->made->config.fallback.ceiling = one_in(random, 2) ? CONFIG_ON : CONFIG_OFF;
	fill_world(random, world);
	struct decision_input input = {
		.config = &world->made->config,
		.policies = world->policies,
		.namespaces = world->namespaces,
		.own = world->own,
	};
	assert_int_equal(decisions_new(&input, &world->made->snapshot, NULL, &world->decisions), 0);
	return world;
}

struct random_world *random_world_free(struct random_world *world)
{
	struct snapshot *snapshot = &world->made->snapshot;

	decisions_free(world->decisions);
	policy_list_free(world->policies);
	policy_free(world->own);
	namespace_list_free(world->namespaces);
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		pod_free((struct pod *)snapshot->endpoints[i].pod);
	made_node_free(world->made);
	free(world);
	return NULL;
}

struct policy_packet random_packet(struct random_state *random)
{
	static const uint8_t protocols[] = {6, 6, 17, 17, 132, 1, 58, 47};
	struct policy_packet packet = {
		.destination = random_address(random),
		.protocol = protocols[random_below(random, N(protocols))],
	};

	packet.has_port = packet.protocol == 6 || packet.protocol == 17 || packet.protocol == 132;
	packet.port = packet.has_port ? (uint16_t)random_below(random, 12) : 0;
	return packet;
}
