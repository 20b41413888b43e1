/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	spec.tier, spec.priority	Admin or Baseline, 0 to 1000
 *	spec.subject			namespaces | pods {namespaceSelector, podSelector}
 *	spec.egress[]			.name, .action: Accept | Deny | Pass
 *					.to[]: networks[] | nodes | namespaces | pods | domainNames[]
 *					.protocols[]: tcp | udp | sctp | destinationNamedPort
 *
 * Limits are those of the resource definition. */
#include "kube/policy_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/text.h"
#include "kube/policy_reader.h"

#define PRIORITY_MAX  1000
#define RULE_NAME_MAX 100 /* characters */

static const char *const actions[] = {
	[POLICY_ACCEPT] = "Accept",
	[POLICY_DENY] = "Deny",
	[POLICY_PASS] = "Pass",
};

static const char *effect_of_unknown(const struct policy_rule *rule)
{
	return rule->action == POLICY_ACCEPT ? "the rule accepts nothing"
					     : "the rule denies everything";
}

/* At least one, as the definition wants it. */
static size_t some_items(struct policy_reader *reader, struct json_object *list)
{
	size_t n = policy_items(reader, list, POLICY_ITEMS_MAX);

	if (!list || !json_object_array_length(list))
		policy_refuse(reader, "needs one item at least");
	return n;
}

static void read_networks(struct policy_reader *reader, struct json_object *list,
			  struct policy_rule *rule)
{
	size_t back = policy_reader_enter(reader, ".networks");
	size_t n = some_items(reader, list);
	struct pf_prefix prefix;

	for (size_t i = 0; i < n; i++) {
		const char *text = policy_item_text(list, i);
		size_t inner = policy_reader_enter(reader, "[%zu]", i);
		if (policy_prefix(reader, text, &prefix))
			policy_add_network(reader, rule, &prefix, NULL, 0);
		policy_reader_leave(reader, inner);
	}
	policy_reader_leave(reader, back);
}

/* "*." may stand in front, a dot at the end. */
static bool is_domain_name(const char *text)
{
	char name[NAME_SUBDOMAIN_MAX + 2];
	const char *from = strncmp(text, "*.", 2) ? text : text + 2;
	size_t n = strnlen(from, sizeof(name));

	if (n == sizeof(name))
		return false;
	for (size_t i = 0; i <= n; i++)
		name[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] - 'A' + 'a')
			  : from[i] == '_'		   ? 'x'
							   : from[i];
	if (n && name[n - 1] == '.')
		name[n - 1] = '\0';
	return name_is_subdomain(name) && strchr(name, '.');
}

static void read_domain_names(struct policy_reader *reader, struct json_object *list,
			      struct policy_rule *rule)
{
	size_t back = policy_reader_enter(reader, ".domainNames");
	size_t n = some_items(reader, list);

	for (size_t i = 0; i < n; i++) {
		const char *text = policy_item_text(list, i);
		size_t inner = policy_reader_enter(reader, "[%zu]", i);
		if (!is_domain_name(text))
			policy_refuse(reader, "\"%.80s\" is no domain name", text);
		policy_reader_leave(reader, inner);
	}
	if (rule->action != POLICY_ACCEPT && reader->is_file)
		policy_refuse(reader, "can stand in Accept rules only");
	else
		policy_rule_unknown(reader, rule, "domain names are not enforced: %s",
				    effect_of_unknown(rule));
	policy_reader_leave(reader, back);
}

/* namespaceSelector may be absent: all of them. */
static void check_pods(struct policy_reader *reader, struct json_object *pods,
		       struct label_selector *namespaces, struct label_selector *selected)
{
	static const char *const known[] = {"namespaceSelector", "podSelector", NULL};
	struct json_object *in = policy_member(reader, pods, "namespaceSelector", json_type_object);
	struct json_object *which = policy_member(reader, pods, "podSelector", json_type_object);
	const char *stranger = policy_stranger(pods, known);
	size_t back;

	if (stranger)
		policy_refuse(reader, "no such field: \"%.64s\"", stranger);
	back = policy_reader_enter(reader, ".namespaceSelector");
	policy_read_selector(reader, in, namespaces);
	policy_reader_leave(reader, back);
	back = policy_reader_enter(reader, ".podSelector");
	if (!policy_has(pods, "podSelector"))
		policy_refuse(reader, "missing");
	policy_read_selector(reader, which, selected);
	policy_reader_leave(reader, back);
}

static void check_pods_peer(struct policy_reader *reader, struct json_object *pods)
{
	struct label_selector namespaces = {}, selected = {};
	size_t back = policy_reader_enter(reader, ".pods");

	check_pods(reader, pods, &namespaces, &selected);
	label_selector_done(&namespaces);
	label_selector_done(&selected);
	policy_reader_leave(reader, back);
}

static void read_peer(struct policy_reader *reader, struct json_object *peer,
		      struct policy_rule *rule)
{
	static const char *const known[] = {"networks", "nodes",       "namespaces",
					    "pods",	"domainNames", NULL};
	size_t n_known = 0;

	for (size_t i = 0; known[i]; i++)
		n_known += policy_has(peer, known[i]);
	const char *stranger = policy_stranger(peer, known);
	if (n_known > 1 || (n_known && stranger && reader->is_file))
		policy_refuse(reader, "says several things; a peer can say one");
	else if (stranger)
		policy_rule_unknown(reader, rule, "\"%.64s\" is not known: %s", stranger,
				    effect_of_unknown(rule));
	else if (!n_known)
		policy_rule_unknown(reader, rule, "says nothing that is known: %s",
				    effect_of_unknown(rule));
	policy_check_selector(reader, peer, "nodes");
	policy_check_selector(reader, peer, "namespaces");
	struct json_object *pods = policy_member(reader, peer, "pods", json_type_object);
	if (pods)
		check_pods_peer(reader, pods);
	struct json_object *networks = policy_member(reader, peer, "networks", json_type_array);
	if (networks)
		read_networks(reader, networks, rule);
	struct json_object *names = policy_member(reader, peer, "domainNames", json_type_array);
	if (names)
		read_domain_names(reader, names, rule);
}

static void read_peers(struct policy_reader *reader, struct json_object *object,
		       struct policy_rule *rule)
{
	struct json_object *list = policy_member(reader, object, "to", json_type_array);
	size_t back = policy_reader_enter(reader, ".to");
	size_t n = some_items(reader, list);

	policy_each(reader, list, n, rule, read_peer);
	policy_refuse_same_networks(reader, rule);
	policy_reader_leave(reader, back);
}

static bool read_range(struct policy_reader *reader, struct json_object *range, int *ret_first,
		       int *ret_last)
{
	static const char *const known[] = {"start", "end", NULL};
	size_t back = policy_reader_enter(reader, ".range");
	bool has_start = policy_number(reader, range, "start", 1, 65535, ret_first);
	bool has_end = policy_number(reader, range, "end", 1, 65535, ret_last);
	bool is_right = has_start && has_end && *ret_first < *ret_last;

	policy_refuse_stranger(reader, range, known);
	if (has_start && has_end && !is_right)
		policy_refuse(reader, "end %d is not greater than start %d", *ret_last, *ret_first);
	else if (!policy_has(range, "start") || !policy_has(range, "end"))
		policy_refuse(reader, "needs start and end");
	policy_reader_leave(reader, back);
	return is_right;
}

static void read_destination_port(struct policy_reader *reader, struct json_object *port,
				  uint8_t protocol, struct policy_rule *rule)
{
	static const char *const known[] = {"number", "range", NULL};
	struct json_object *range = policy_member(reader, port, "range", json_type_object);
	const char *stranger = policy_stranger(port, known);
	int first = 0, last = 0;

	if (policy_has(port, "number") && policy_has(port, "range"))
		policy_refuse(reader, "has a number and a range; it can have one of both");
	if (stranger)
		policy_rule_unknown(reader, rule, "\"%.64s\" is not known: %s", stranger,
				    effect_of_unknown(rule));
	else if (!policy_has(port, "number") && !policy_has(port, "range"))
		policy_rule_unknown(reader, rule, "says nothing that is known: %s",
				    effect_of_unknown(rule));
	if (policy_number(reader, port, "number", 1, 65535, &first))
		policy_add_port(reader, rule, protocol, first, first);
	else if (range && read_range(reader, range, &first, &last))
		policy_add_port(reader, rule, protocol, first, last);
}

static void read_transport(struct policy_reader *reader, struct json_object *transport,
			   uint8_t protocol, struct policy_rule *rule)
{
	static const char *const known[] = {"destinationPort", NULL};
	struct json_object *port = policy_member(reader, transport, "destinationPort",
						 json_type_object);
	const char *stranger = policy_stranger(transport, known);

	if (stranger)
		policy_rule_unknown(reader, rule, "\"%.64s\" is not known: %s", stranger,
				    effect_of_unknown(rule));
	else if (!policy_has(transport, "destinationPort"))
		policy_rule_unknown(reader, rule, "says nothing that is known: %s",
				    effect_of_unknown(rule));
	if (!port)
		return;
	size_t back = policy_reader_enter(reader, ".destinationPort");
	read_destination_port(reader, port, protocol, rule);
	policy_reader_leave(reader, back);
}

static void read_protocol(struct policy_reader *reader, struct json_object *object,
			  struct policy_rule *rule)
{
	static const struct {
		const char *key;
		uint8_t protocol;
	} transports[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};
	static const char *const known[] = {"tcp", "udp", "sctp", "destinationNamedPort", NULL};
	size_t n_known = 0;

	for (size_t i = 0; known[i]; i++)
		n_known += policy_has(object, known[i]);
	const char *stranger = policy_stranger(object, known);
	if (n_known > 1)
		policy_refuse(reader, "says several things; one is allowed");
	else if (stranger)
		policy_rule_unknown(reader, rule, "\"%.64s\" is not known: %s", stranger,
				    effect_of_unknown(rule));
	else if (!n_known)
		policy_rule_unknown(reader, rule, "says nothing that is known: %s",
				    effect_of_unknown(rule));
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		struct json_object *transport = policy_member(reader, object, transports[i].key,
							      json_type_object);
		if (!transport)
			continue;
		size_t back = policy_reader_enter(reader, ".%s", transports[i].key);
		read_transport(reader, transport, transports[i].protocol, rule);
		policy_reader_leave(reader, back);
	}
	(void)policy_text(reader, object, "destinationNamedPort");
}

/* Only pods have named ports. */
static void refuse_named_ports(struct policy_reader *reader, struct json_object *object)
{
	struct json_object *peers = policy_member(reader, object, "to", json_type_array);
	struct json_object *protocols = policy_member(reader, object, "protocols", json_type_array);
	bool has_nameless = false, has_name = false;

	for (size_t i = 0; peers && i < json_object_array_length(peers); i++) {
		struct json_object *peer = json_object_array_get_idx(peers, i);
		has_nameless |= policy_has(peer, "networks") || policy_has(peer, "nodes") ||
				policy_has(peer, "domainNames");
	}
	for (size_t i = 0; protocols && i < json_object_array_length(protocols); i++)
		has_name |= policy_has(json_object_array_get_idx(protocols, i),
				       "destinationNamedPort");
	if (has_nameless && has_name)
		policy_refuse(reader,
			      "networks, nodes and domain names have no named ports: make two "
			      "rules of it");
}

static void read_protocols(struct policy_reader *reader, struct json_object *object,
			   struct policy_rule *rule)
{
	struct json_object *list = policy_member(reader, object, "protocols", json_type_array);
	size_t back = policy_reader_enter(reader, ".protocols");
	size_t n = policy_has(object, "protocols") ? some_items(reader, list) : 0;

	rule->matches_all_ports = !policy_has(object, "protocols");
	policy_each(reader, list, n, rule, read_protocol);
	policy_refuse_same_ports(reader, rule);
	policy_reader_leave(reader, back);
}

static void read_action(struct policy_reader *reader, struct json_object *object,
			struct policy_rule *rule)
{
	const char *said = policy_text(reader, object, "action");

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (!strcmp(said, actions[i])) {
			rule->action = (enum policy_action)i;
			return;
		}
	size_t back = policy_reader_enter(reader, ".action");
	policy_refuse(reader, "\"%.64s\" is none of Accept, Deny, Pass", said);
	policy_reader_leave(reader, back);
}

static void read_rule(struct policy_reader *reader, struct json_object *object,
		      struct policy_rule *rule)
{
	static const char *const known[] = {
		"name", "action", "to", "protocols", POLICY_UNKNOWN_MARK, NULL};

	const char *name = policy_text(reader, object, "name");
	if (strlen(name) > RULE_NAME_MAX) {
		size_t back = policy_reader_enter(reader, ".name");
		policy_refuse(reader, "is longer than %d characters", RULE_NAME_MAX);
		policy_reader_leave(reader, back);
	}
	rule->name = object_copy(&reader->object, name, strlen(name));
	if (rule->name)
		text_clean(
			rule->name); /* any text is one, and it is shown in events and messages */
	read_action(reader, object, rule);
	const char *stranger = policy_stranger(object, known);
	if (stranger)
		policy_rule_unknown(reader, rule, "\"%.64s\" is not known: %s", stranger,
				    effect_of_unknown(rule));
	rule->has_unknown |= policy_has(object, POLICY_UNKNOWN_MARK);
	read_peers(reader, object, rule);
	read_protocols(reader, object, rule);
	if (reader->is_file && !reader->object.n_wrong)
		refuse_named_ports(reader, object);
}

static void read_subject(struct policy_reader *reader, struct json_object *spec)
{
	static const char *const known[] = {"namespaces", "pods", NULL};
	struct json_object *subject = policy_member(reader, spec, "subject", json_type_object);
	size_t back = policy_reader_enter(reader, ".subject"), inner;
	struct json_object *namespaces = policy_member(reader, subject, "namespaces",
						       json_type_object);
	struct json_object *pods = policy_member(reader, subject, "pods", json_type_object);
	const char *stranger = subject ? policy_stranger(subject, known) : NULL;

	/* Nobody would know whom an unknown subject means. */
	if (stranger)
		policy_refuse(reader, "no such field: \"%.64s\"", stranger);
	else if (!namespaces == !pods)
		policy_refuse(reader, "has to say either namespaces or pods");
	inner = policy_reader_enter(reader, ".namespaces");
	if (!pods)
		policy_read_selector(reader, namespaces, &reader->policy->namespaces);
	policy_reader_leave(reader, inner);
	inner = policy_reader_enter(reader, ".pods");
	if (pods && !namespaces)
		check_pods(reader, pods, &reader->policy->namespaces, &reader->policy->pods);
	policy_reader_leave(reader, inner);
	policy_reader_leave(reader, back);
}

static void read_order(struct policy_reader *reader, struct json_object *spec)
{
	struct policy *policy = reader->policy;
	const char *said = policy_text(reader, spec, "tier");
	int priority = 0;
	size_t back;

	policy->tier = strcmp(said, "Admin") ? POLICY_TIER_BASELINE : POLICY_TIER_ADMIN;
	if (strcmp(said, "Admin") != 0 && strcmp(said, "Baseline") != 0) {
		back = policy_reader_enter(reader, ".tier");
		policy_refuse(reader, "\"%.64s\" is none of Admin, Baseline", said);
		policy_reader_leave(reader, back);
	}
	if (!policy_has(spec, "priority")) {
		back = policy_reader_enter(reader, ".priority");
		policy_refuse(reader, "missing");
		policy_reader_leave(reader, back);
	}
	(void)policy_number(reader, spec, "priority", 0, PRIORITY_MAX, &priority);
	policy->priority = priority;
}

static int read_spec(struct policy_reader *reader, struct json_object *spec)
{
	static const char *const known[] = {"tier",    "priority", "subject",
					    "ingress", "egress",   NULL};
	struct json_object *rules = policy_member(reader, spec, "egress", json_type_array);

	policy_refuse_stranger(reader, spec, known);
	read_order(reader, spec);
	read_subject(reader, spec);
	size_t n = policy_read_rules(reader, rules, POLICY_ITEMS_MAX, read_rule);
	return !n && !reader->object.n_wrong ? POLICY_E_NOT_WANTED : 0;
}

int cluster_network_policy_parse(struct json_object *object, const struct policy_source *source,
				 struct policy **ret_policy)
{
	struct policy_reader reader;
	struct json_object *spec;
	int r = policy_reader_init(&reader, object, source, "ClusterNetworkPolicy", false, &spec);

	if (r == 0)
		r = read_spec(&reader, spec);
	if (r == 0)
		r = policy_reader_finish(&reader, ret_policy);
	policy_reader_done(&reader);
	return r;
}
