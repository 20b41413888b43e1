/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	spec.podSelector	whom
 *	spec.policyTypes[]	Ingress, Egress; absent: Egress only if there are egress rules
 *	spec.egress[]		.to[]: ipBlock {cidr, except[]} | podSelector, namespaceSelector
 *				.ports[]: {protocol, port, endPort}
 *
 * A rule without `to` is for everybody, one without `ports` for all ports. */
#include "kube/policy_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "kube/policy_reader.h"

#define PEERS_MAX	 16384
#define PORT_NAME_MAX	 15
#define PORT_NAME_LETTER "abcdefghijklmnopqrstuvwxyz"
#define PORT_NAME	 PORT_NAME_LETTER "0123456789-"

static struct pf_prefix *read_excepts(struct policy_reader *reader, struct json_object *list,
				      const struct pf_prefix *prefix, size_t *ret_n)
{
	size_t back = policy_reader_enter(reader, ".except");
	size_t n = policy_items(reader, list, POLICY_NETWORKS_MAX);
	struct pf_prefix *excepts = n ? calloc(n, sizeof(*excepts)) : NULL;
	char outer[PF_PREFIX_TEXT];

	if (n && !excepts)
		reader->object.error = -ENOMEM;
	*ret_n = excepts ? n : 0;
	for (size_t i = 0; i < *ret_n; i++) {
		const char *text = policy_item_text(list, i);
		size_t inner = policy_reader_enter(reader, "[%zu]", i);
		if (policy_prefix(reader, text, &excepts[i]) && prefix->address.family &&
		    (excepts[i].length <= prefix->length ||
		     !pf_prefix_contains(prefix, &excepts[i].address)))
			policy_refuse(reader, "\"%s\" is not a part of %s", text,
				      pf_prefix_format(prefix, outer));
		policy_reader_leave(reader, inner);
	}
	policy_reader_leave(reader, back);
	return excepts;
}

static void read_block(struct policy_reader *reader, struct json_object *block,
		       struct policy_rule *rule)
{
	static const char *const known[] = {"cidr", "except", NULL};
	struct pf_prefix prefix = {}, *except;
	size_t back = policy_reader_enter(reader, ".ipBlock"), inner, n_except;
	const char *text = policy_text(reader, block, "cidr"),
		   *stranger = policy_stranger(block, known);
	struct json_object *list = policy_member(reader, block, "except", json_type_array);

	inner = policy_reader_enter(reader, ".cidr");
	if (!policy_prefix(reader, text, &prefix))
		prefix = (struct pf_prefix){};
	policy_reader_leave(reader, inner);
	except = read_excepts(reader, list, &prefix, &n_except);
	if (stranger) {
		policy_rule_unknown(reader, rule, "\"%.64s\" is not known: the rule allows nothing",
				    stranger);
		free(except);
	} else if (prefix.address.family) {
		policy_add_network(reader, rule, &prefix, except, n_except);
	} else {
		free(except);
	}
	policy_reader_leave(reader, back);
}

static void read_peer(struct policy_reader *reader, struct json_object *peer,
		      struct policy_rule *rule)
{
	static const char *const known[] = {"ipBlock", "podSelector", "namespaceSelector", NULL};

	const char *stranger = policy_stranger(peer, known);
	struct json_object *block = policy_member(reader, peer, "ipBlock", json_type_object);
	bool has_selector = policy_has(peer, "podSelector") ||
			    policy_has(peer, "namespaceSelector");
	if (policy_has(peer, "ipBlock") && has_selector)
		policy_refuse(reader, "has an ipBlock and selectors; it can have one of both");
	policy_check_selector(reader, peer, "podSelector");
	policy_check_selector(reader, peer, "namespaceSelector");
	if (stranger)
		policy_rule_unknown(reader, rule, "\"%.64s\" is not known: the rule allows nothing",
				    stranger);
	else if (!policy_has(peer, "ipBlock") && !has_selector)
		policy_rule_unknown(reader, rule, "names nobody: the rule allows nothing");
	if (block)
		read_block(reader, block, rule);
}

static void read_peers(struct policy_reader *reader, struct json_object *object,
		       struct policy_rule *rule)
{
	struct json_object *list = policy_member(reader, object, "to", json_type_array);
	size_t back = policy_reader_enter(reader, ".to");
	size_t n = policy_items(reader, list, PEERS_MAX);

	rule->matches_all_networks = !list || !json_object_array_length(list);
	policy_each(reader, list, n, rule, read_peer);
	policy_refuse_same_networks(reader, rule);
	policy_reader_leave(reader, back);
}

/* 0: none that is known. */
static uint8_t read_protocol(struct policy_reader *reader, struct json_object *object,
			     struct policy_rule *rule)
{
	const char *said = policy_text(reader, object, "protocol");

	if (!said[0] || !strcmp(said, "TCP"))
		return IPPROTO_TCP;
	if (!strcmp(said, "UDP"))
		return IPPROTO_UDP;
	if (!strcmp(said, "SCTP"))
		return IPPROTO_SCTP;
	size_t back = policy_reader_enter(reader, ".protocol");
	if (reader->is_file)
		policy_refuse(reader, "\"%.64s\" is none of TCP, UDP, SCTP", said);
	else
		policy_rule_unknown(reader, rule, "\"%.64s\" is not known: the rule allows nothing",
				    said);
	policy_reader_leave(reader, back);
	return 0;
}

/* IANA's service names: at most 15 of a-z, 0-9 and '-', one letter at least. */
static bool is_port_name(const char *text)
{
	size_t n = strlen(text);

	return name_is_made_of(text, PORT_NAME, PORT_NAME_MAX) && strpbrk(text, PORT_NAME_LETTER) &&
	       !strstr(text, "--") && text[0] != '-' && text[n - 1] != '-';
}

/* Only pods have named ports. */
static void check_port_name(struct policy_reader *reader, struct json_object *object)
{
	const char *name = policy_text(reader, object, "port");

	if (policy_has(object, "endPort"))
		policy_refuse(reader, "endPort needs a port that is a number, not \"%.64s\"", name);
	size_t back = policy_reader_enter(reader, ".port");
	if (name[0] && strspn(name, "0123456789") == strlen(name))
		policy_refuse(reader, "\"%.64s\" is a name; a number stands without quotes", name);
	else if (!is_port_name(name))
		policy_refuse(reader, "\"%.64s\" is no name a port can have", name);
	policy_reader_leave(reader, back);
}

static void read_numbers(struct policy_reader *reader, struct json_object *object, uint8_t protocol,
			 struct policy_rule *rule)
{
	int first = 0, last = 65535;

	if (!policy_has(object, "port")) {
		if (policy_has(object, "endPort"))
			policy_refuse(reader, "endPort needs a port");
	} else if (!policy_number(reader, object, "port", 1, 65535, &first)) {
		return;
	} else {
		last = first;
	}
	if (first && policy_number(reader, object, "endPort", 1, 65535, &last) && last < first)
		policy_refuse(reader, "endPort %d is smaller than port %d", last, first);
	else if (protocol)
		policy_add_port(reader, rule, protocol, first, last);
}

static void read_port(struct policy_reader *reader, struct json_object *object,
		      struct policy_rule *rule)
{
	static const char *const known[] = {"protocol", "port", "endPort", NULL};
	struct json_object *port;

	const char *stranger = policy_stranger(object, known);
	if (stranger)
		policy_rule_unknown(reader, rule, "\"%.64s\" is not known: the rule allows nothing",
				    stranger);
	uint8_t protocol = read_protocol(reader, object, rule);
	if (json_object_object_get_ex(object, "port", &port) &&
	    json_object_is_type(port, json_type_string))
		check_port_name(reader, object);
	else
		read_numbers(reader, object, protocol, rule);
}

static void read_ports(struct policy_reader *reader, struct json_object *object,
		       struct policy_rule *rule)
{
	struct json_object *list = policy_member(reader, object, "ports", json_type_array);
	size_t back = policy_reader_enter(reader, ".ports");
	size_t n = policy_items(reader, list, POLICY_PORTS_MAX);

	rule->matches_all_ports = !list || !json_object_array_length(list);
	policy_each(reader, list, n, rule, read_port);
	policy_refuse_same_ports(reader, rule);
	policy_reader_leave(reader, back);
}

static void read_rule(struct policy_reader *reader, struct json_object *object,
		      struct policy_rule *rule)
{
	static const char *const known[] = {"to", "ports", POLICY_UNKNOWN_MARK, NULL};

	rule->name = object_copy(&reader->object, "", 0);
	const char *stranger = policy_stranger(object, known);
	if (stranger)
		policy_rule_unknown(reader, rule, "\"%.64s\" is not known: the rule allows nothing",
				    stranger);
	rule->has_unknown |= policy_has(object, POLICY_UNKNOWN_MARK);
	read_peers(reader, object, rule);
	read_ports(reader, object, rule);
}

static bool has_type_egress(struct policy_reader *reader, struct json_object *types)
{
	size_t back = policy_reader_enter(reader, ".policyTypes");
	size_t n = policy_items(reader, types, 2);
	bool has_egress = false;

	for (size_t i = 0; i < n; i++) {
		const char *said = policy_item_text(types, i);
		if (!strcmp(said, "Egress"))
			has_egress = true;
		else if (strcmp(said, "Ingress") != 0)
			policy_refuse(reader, "\"%.64s\" is none of Ingress, Egress", said);
	}
	policy_reader_leave(reader, back);
	return has_egress;
}

/* Nothing is wrong with a policy that says nothing about egress, but maybe it was meant to. */
static void note_unused(struct policy_reader *reader, struct json_object *spec, bool has_types)
{
	if (!reader->is_file || !policy_has(spec, "egress"))
		return;
	size_t back = policy_reader_enter(reader, ".egress");
	policy_note(reader, has_types ? "does nothing: policyTypes does not name Egress"
				      : "is empty and does nothing without policyTypes: [Egress]");
	policy_reader_leave(reader, back);
}

static int read_spec(struct policy_reader *reader, struct json_object *spec)
{
	static const char *const known[] = {"podSelector", "policyTypes", "ingress", "egress",
					    NULL};
	struct json_object *types = policy_member(reader, spec, "policyTypes", json_type_array);
	struct json_object *rules = policy_member(reader, spec, "egress", json_type_array);
	struct json_object *pods = policy_member(reader, spec, "podSelector", json_type_object);
	bool has_types = types && json_object_array_length(types);
	bool is_wanted = has_type_egress(reader, types) ||
			 (!has_types && rules && json_object_array_length(rules));
	size_t back;

	policy_refuse_stranger(reader, spec, known);
	if (!is_wanted && !reader->object.n_wrong) {
		note_unused(reader, spec, has_types);
		return POLICY_E_NOT_WANTED;
	}
	back = policy_reader_enter(reader, ".podSelector");
	policy_read_selector(reader, pods, &reader->policy->pods);
	policy_reader_leave(reader, back);
	(void)policy_read_rules(reader, rules, POLICY_RULES_MAX, read_rule);
	return 0;
}

int network_policy_parse(struct json_object *object, const struct policy_source *source,
			 struct policy **ret_policy)
{
	struct policy_reader reader;
	struct json_object *spec;
	int r = policy_reader_init(&reader, object, source, "NetworkPolicy", true, &spec);

	if (r == 0) {
		reader.policy->tier = POLICY_TIER_NETWORK_POLICY;
		r = read_spec(&reader, spec);
	}
	if (r == 0)
		r = policy_reader_finish(&reader, ret_policy);
	policy_reader_done(&reader);
	return r;
}
