/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * ListFlows: some buckets of the table a turn. Nothing is read from the kernel for it: it tells what the last
 * reading said. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "control/call.h"
#include "daemon/control.h"
#include "daemon/ledger.h"
#include "event/message.h"

#define PIECE	    50	 /* flows of a reply, about: a bucket is finished */
#define BUCKETS_MAX 2000 /* looked at in a turn */

int control_start_flows(struct control_request *request)
{
	static const struct call_field fields[] = {
		{"namespace", CALL_STRING, false, CONTROL_NAME_MAX,
		 offsetof(struct control_flows, namespace)},
		{"name", CALL_STRING, false, CONTROL_NAME_MAX,
		 offsetof(struct control_flows, name)},
		{"destination", CALL_STRING, false, PF_PREFIX_TEXT,
		 offsetof(struct control_flows, destination)},
	};
	struct control_flows *list = request->state;
	const char *bad;

	if (call_parameters(request->parameters, fields, sizeof(fields) / sizeof(fields[0]), list,
			    &bad) != 0)
		return control_fail_parameter(request, bad);
	if (list->destination && pf_prefix_parse(list->destination, &list->network) != 0)
		return control_fail_parameter(request, "destination");
	return CONTROL_DONE;
}

struct telling {
	const struct daemon *daemon;
	const struct control_flows *list;
	struct json *json;
	size_t n;
};

static bool is_wanted(const struct control_flows *list, const struct flow_facts *facts,
		      const struct endpoint *owner)
{
	if (list->namespace && (!owner || strcmp(list->namespace, endpoint_namespace(owner)) != 0))
		return false;
	if (list->name && (!owner || strcmp(list->name, endpoint_name(owner)) != 0))
		return false;
	return !list->destination || (facts->destination.family &&
				      pf_prefix_contains(&list->network, &facts->destination));
}

static void add_owner(struct json *json, const struct endpoint *owner)
{
	if (!owner)
		return;
	json_string(json, "namespace", endpoint_namespace(owner));
	json_string(json, "name", endpoint_name(owner));
	json_string(json, "kind", endpoint_kind_name(owner));
}

static void add_facts(struct json *json, const struct flow_facts *facts)
{
	if (facts->source.family)
		json_address(json, "source", &facts->source);
	if (facts->destination.family)
		json_address(json, "destination", &facts->destination);
	json_uint(json, "protocol", facts->protocol);
	if (facts->protocol)
		json_string(json, "transport", transport_name(facts->protocol));
	if (facts->has_port)
		json_uint(json, "port", facts->port);
	if (facts->has_icmp) {
		json_uint(json, "icmp_type", facts->icmp_type);
		json_uint(json, "icmp_code", facts->icmp_code);
	}
}

static void add_id(struct json *json, const struct flow *flow)
{
	char text[2 * sizeof(flow->id) + 1];

	for (size_t i = 0; i < sizeof(flow->id); i++)
		snprintf(text + 2 * i, 3, "%02x", flow->id[i]);
	json_string(json, "id", text);
}

static const char *verdict_of(const struct daemon *daemon, const struct flow *flow,
			      const struct endpoint *owner)
{
	const struct rule_facts *facts = rule_facts(ledger_rule(daemon, flow, owner));

	return ledger_class_name(facts->allows	    ? LEDGER_ALLOWED
				 : facts->lets_pass ? LEDGER_AUDITED
						    : LEDGER_DENIED);
}

static void tell(const struct flow *flow, void *userdata)
{
	struct telling *telling = userdata;
	const struct ledger_set *set = flow_set(&flow->key);
	struct flow_count total = flow_total(flow);
	struct json *json = telling->json;
	struct flow_facts facts;

	if (!flow_key_read(&flow->key, &facts))
		return;
	const struct endpoint *owner = ledger_owner(telling->daemon->snapshot, &facts);
	if (!is_wanted(telling->list, &facts, owner))
		return;
	if (total.packets < flow->told.packets)
		total = flow->told; /* its element was not read yet */
	telling->n++;
	json_object_begin(json, NULL);
	add_id(json, flow);
	json_string(json, "verdict", verdict_of(telling->daemon, flow, owner));
	add_owner(json, owner);
	add_facts(json, &facts);
	json_boolean(json, "beyond", set->kind == LEDGER_OVER);
	json_string(json, "rule", flow->rule == RULE_N ? NULL : rule_facts(flow->rule)->name);
	json_uint(json, "packets", total.packets);
	json_uint(json, "bytes", total.bytes);
	json_uint(json, "start_usec", flow->start_usec);
	json_uint(json, "last_usec", flow->moved_usec);
	json_object_end(json);
}

int control_list_flows(struct control_request *request, struct json *reply)
{
	const struct daemon *daemon = request->userdata;
	struct control_flows *list = request->state;
	struct telling telling = {daemon, list, reply, 0};

	if (!list->has_begun && list->namespace && list->name &&
	    !control_find_endpoint(request, list->namespace, list->name))
		return CONTROL_FAILED;
	list->has_begun = true;
	json_array_begin(reply, "flows");
	for (size_t i = 0; i < BUCKETS_MAX && telling.n < PIECE; i++) {
		list->cursor = flow_table_scan(daemon->ledger.flows, list->cursor, tell, &telling);
		if (!list->cursor)
			break;
	}
	json_array_end(reply);
	return list->cursor ? CONTROL_AGAIN : CONTROL_DONE;
}
