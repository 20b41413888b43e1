/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Networks and ports of a rule. Prefixes are nested or disjoint, so sorted ones meet their
 * neighbours first. */
#include "kube/policy_reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CIDR_MAX 43 /* characters; the longest IPv6 address and "/128" */

static const char protocols[][5] = {
	[IPPROTO_TCP] = "TCP", [IPPROTO_UDP] = "UDP", [IPPROTO_SCTP] = "SCTP"};

static void read_part(struct policy_reader *reader, struct json_object *list, size_t i,
		      struct policy_rule *rule, policy_part_fn read)
{
	struct json_object *part = json_object_array_get_idx(list, i);
	size_t back = policy_reader_enter(reader, "[%zu]", i);

	if (json_object_is_type(part, json_type_object))
		read(reader, part, rule);
	else
		policy_refuse(reader, "is no object");
	policy_reader_leave(reader, back);
}

void policy_each(struct policy_reader *reader, struct json_object *list, size_t n,
		 struct policy_rule *rule, policy_part_fn read)
{
	for (size_t i = 0; i < n; i++)
		read_part(reader, list, i, rule, read);
}

size_t policy_read_rules(struct policy_reader *reader, struct json_object *list, size_t maximum,
			 policy_part_fn read)
{
	size_t back = policy_reader_enter(reader, ".egress");
	size_t n = policy_items(reader, list, maximum);
	struct policy *policy = reader->policy;

	policy->rules = calloc(n + 1, sizeof(*policy->rules));
	if (policy->rules)
		policy->n_rules = n;
	else
		reader->object.error = -ENOMEM;
	for (size_t i = 0; i < policy->n_rules; i++)
		read_part(reader, list, i, &policy->rules[i], read);
	policy_reader_leave(reader, back);
	return n;
}

void policy_rule_unknown(struct policy_reader *reader, struct policy_rule *rule, const char *format,
			 ...)
{
	va_list arguments;

	rule->has_unknown = true;
	va_start(arguments, format);
	object_say(&reader->object, reader->path, format, arguments);
	va_end(arguments);
}

static bool is_mapped(const struct pf_address *address)
{
	static const uint8_t head[12] = {[10] = 0xff, [11] = 0xff};

	return address->family == AF_INET6 && !memcmp(address->bytes, head, sizeof(head));
}

/* "10.0.0.1/8" as Kubernetes takes it: 10.0.0.0/8. */
static bool parse_without_host_bits(const char *text, struct pf_prefix *ret_prefix)
{
	char address[PF_ADDRESS_TEXT];
	size_t n = strcspn(text, "/");

	if (n >= sizeof(address) || !text[n])
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	*ret_prefix = (struct pf_prefix){.length = (uint8_t)atoi(text + n + 1)};
	if (pf_address_parse(address, &ret_prefix->address) < 0)
		return false;
	for (unsigned bit = ret_prefix->length; bit < 8 * pf_address_size(&ret_prefix->address);
	     bit++)
		ret_prefix->address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return true;
}

bool policy_prefix(struct policy_reader *reader, const char *text, struct pf_prefix *ret_prefix)
{
	char right[PF_PREFIX_TEXT];
	int r = strlen(text) <= CIDR_MAX ? pf_prefix_parse(text, ret_prefix) : -EINVAL;

	if (r == -EDOM && !parse_without_host_bits(text, ret_prefix))
		r = -EINVAL;
	if (r == -EINVAL) {
		policy_refuse(reader, "\"%.80s\" is no network", text);
	} else if (r == -ERANGE) {
		policy_refuse(reader, "\"%s\" has more bits than its addresses", text);
	} else if (!strchr(text, '/')) {
		policy_refuse(reader, "\"%s\" has no length; %s is this address alone", text,
			      pf_prefix_format(ret_prefix, right));
	} else if (is_mapped(&ret_prefix->address)) {
		policy_refuse(reader, "\"%s\" is IPv4 written as IPv6, no packet has it", text);
	} else if (r == -EDOM && reader->is_file) {
		policy_refuse(reader, "\"%s\" has bits set behind its length; the network is %s",
			      text, pf_prefix_format(ret_prefix, right));
	} else {
		return true;
	}
	return false;
}

void policy_add_network(struct policy_reader *reader, struct policy_rule *rule,
			const struct pf_prefix *prefix, struct pf_prefix *except, size_t n_except)
{
	struct policy_network *grown = NULL;

	reader->n_networks += 1 + n_except;
	if (reader->n_networks > POLICY_NETWORKS_MAX) {
		policy_refuse(reader, "more than %d networks in one policy", POLICY_NETWORKS_MAX);
	} else {
		grown = reallocarray(rule->networks, rule->n_networks + 1, sizeof(*grown));
		if (!grown)
			reader->object.error = -ENOMEM;
	}
	if (!grown) {
		free(except);
		return;
	}
	rule->networks = grown;
	rule->networks[rule->n_networks++] = (struct policy_network){*prefix, except, n_except};
}

void policy_add_port(struct policy_reader *reader, struct policy_rule *rule, uint8_t protocol,
		     int first, int last)
{
	struct policy_port *grown = reallocarray(rule->ports, rule->n_ports + 1, sizeof(*grown));

	if (!grown) {
		reader->object.error = -ENOMEM;
		return;
	}
	rule->ports = grown;
	rule->ports[rule->n_ports++] = (struct policy_port){protocol, (uint16_t)first,
							    (uint16_t)last};
}

static int compare_prefixes(const struct pf_prefix *a, const struct pf_prefix *b)
{
	int order = memcmp(&a->address, &b->address, sizeof(a->address));

	return order ? order : a->length - b->length;
}

static int compare_networks(const void *a, const void *b)
{
	return compare_prefixes(&((const struct policy_network *)a)->prefix,
				&((const struct policy_network *)b)->prefix);
}

static int compare_excepts(const void *a, const void *b)
{
	return compare_prefixes(a, b);
}

static bool has_inside(const struct pf_prefix *outer, const struct pf_prefix *inner)
{
	return outer->length <= inner->length && pf_prefix_contains(outer, &inner->address);
}

/* Inside the one and not what it leaves out: then it says nothing new. */
static bool says_nothing_new(const struct policy_network *outer, const struct policy_network *inner)
{
	if (!has_inside(&outer->prefix, &inner->prefix))
		return false;
	for (size_t i = 0; i < outer->n_except; i++)
		if (has_inside(&outer->except[i], &inner->prefix) ||
		    has_inside(&inner->prefix, &outer->except[i]))
			return false;
	return true;
}

static void refuse_pair(struct policy_reader *reader, const struct pf_prefix *outer,
			const struct pf_prefix *inner)
{
	char a[PF_PREFIX_TEXT], b[PF_PREFIX_TEXT];

	if (!compare_prefixes(outer, inner))
		policy_refuse(reader, "%s stands twice", pf_prefix_format(inner, a));
	else
		policy_refuse(reader, "%s is part of %s, which stands there too",
			      pf_prefix_format(inner, a), pf_prefix_format(outer, b));
}

static void refuse_same_excepts(struct policy_reader *reader, const struct policy_network *network)
{
	struct pf_prefix *sorted = calloc(network->n_except + 1, sizeof(*sorted));

	if (!sorted) {
		reader->object.error = -ENOMEM;
		return;
	}
	if (network->n_except)
		memcpy(sorted, network->except, network->n_except * sizeof(*sorted));
	qsort(sorted, network->n_except, sizeof(*sorted), compare_excepts);
	for (size_t i = 1; i < network->n_except; i++)
		if (has_inside(&sorted[i - 1], &sorted[i])) {
			refuse_pair(reader, &sorted[i - 1], &sorted[i]);
			break;
		}
	free(sorted);
}

/* `open` are those that the next one may be inside of, each inside the one before. */
static void refuse_among(struct policy_reader *reader, const struct policy_network *sorted,
			 size_t n)
{
	const struct policy_network *open[130];
	size_t n_open = 0;

	for (size_t i = 0; i < n && !reader->object.n_wrong; i++) {
		while (n_open && !has_inside(&open[n_open - 1]->prefix, &sorted[i].prefix))
			n_open--;
		for (size_t k = 0; k < n_open && !reader->object.n_wrong; k++)
			if (says_nothing_new(open[k], &sorted[i]) ||
			    !compare_prefixes(&open[k]->prefix, &sorted[i].prefix))
				refuse_pair(reader, &open[k]->prefix, &sorted[i].prefix);
		open[n_open++] = &sorted[i];
	}
}

void policy_refuse_same_networks(struct policy_reader *reader, const struct policy_rule *rule)
{
	struct policy_network *sorted;

	if (!reader->is_file || !rule->n_networks || reader->object.n_wrong)
		return;
	for (size_t i = 0; i < rule->n_networks; i++)
		refuse_same_excepts(reader, &rule->networks[i]);
	sorted = calloc(rule->n_networks, sizeof(*sorted));
	if (!sorted) {
		reader->object.error = -ENOMEM;
		return;
	}
	memcpy(sorted, rule->networks, rule->n_networks * sizeof(*sorted));
	qsort(sorted, rule->n_networks, sizeof(*sorted), compare_networks);
	refuse_among(reader, sorted, rule->n_networks);
	free(sorted);
}

void policy_refuse_same_ports(struct policy_reader *reader, const struct policy_rule *rule)
{
	/* At most POLICY_PORTS_MAX of them. */
	for (size_t i = 0; reader->is_file && i < rule->n_ports; i++)
		for (size_t k = 0; k < i; k++) {
			const struct policy_port *a = &rule->ports[k], *b = &rule->ports[i];
			if (a->protocol != b->protocol || a->last < b->first || b->last < a->first)
				continue;
			policy_refuse(reader, "[%zu] and [%zu] are both about %s port %u", k, i,
				      protocols[a->protocol],
				      a->first > b->first ? a->first : b->first);
			return;
		}
}
