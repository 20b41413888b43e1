/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a ClusterNetworkPolicy says, as the comments of its resource definition have it, and what is
 * refused. */
#include "kube/policy_parse.h"

#include <stdio.h>

#include "policies.h"
#include "test.h"
#include "text.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD                                                                                       \
	"{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: "   \
	"{name: b}, spec: "
#define EGRESS HEAD "{tier: Admin, priority: 7, subject: {namespaces: {}}, egress: "
#define ACCEPT EGRESS "[{action: Accept, "
#define TO     ACCEPT "to: "
#define PORTS  ACCEPT "to: [{networks: [192.0.2.0/24]}], protocols: "
#define DENY   EGRESS "[{action: Deny, to: "

static void check(const char *yaml, bool is_file, int result, const char *expected,
		  const char *said)
{
	print_message("# %.400s\n", yaml);
	policies_check(yaml, is_file, result, expected, said);
}

static void it_says(void **state)
{
	static const struct {
		const char *yaml, *expected;
	} cases[] = {
		{HEAD
		 "{tier: Baseline, priority: 1000, subject: {namespaces: {}}, egress: [{action: "
		 "Deny, to: [{networks: [0.0.0.0/0, '::/0']}]}]}}",
		 "Baseline 1000 b\nDeny 0.0.0.0/0 ::/0"},
		{HEAD
		 "{tier: Admin, priority: 0, subject: {namespaces: {matchLabels: {kubernetes.io/"
		 "metadata.name: kube-system}}}, ingress: [], egress: [{name: some rule, action: "
		 "Pass, to: [{pods: {podSelector: {}}}]}]}}",
		 "Admin 0 b namespaces[kubernetes.io/metadata.name In (kube-system)]\nPass \"some "
		 "rule\""},
		{HEAD
		 "{tier: Admin, priority: 0, subject: {pods: {namespaceSelector: {matchLabels: "
		 "{a: b}}, podSelector: {matchExpressions: [{key: c, operator: Exists}]}}}, "
		 "egress: "
		 "[{action: Accept, to: [{nodes: {}}, {namespaces: {}}]}]}}",
		 "Admin 0 b namespaces[a In (b)] pods[c Exists]\nAccept"},
		{HEAD
		 "{tier: Admin, priority: 0, subject: {pods: {podSelector: {}}}, egress: [{action: "
		 "Accept, to: [{networks: [192.0.2.0/24]}, {networks: [198.51.100.0/24]}]}, "
		 "{action: Deny, to: [{networks: [203.0.113.0/24]}]}]}}",
		 "Admin 0 b\nAccept 192.0.2.0/24 198.51.100.0/24\nDeny 203.0.113.0/24"},
		{PORTS "[{tcp: {destinationPort: {number: 443}}}, {udp: {destinationPort: {range: "
		       "{start: 1, end: 65535}}}}, {sctp: {destinationPort: {number: 9}}}]}]}}",
		 "Admin 7 b\nAccept 192.0.2.0/24 : tcp/443 udp/1-65535 sctp/9"},
		{EGRESS "[{name: \"a\\nb\\e[1m\", action: Deny, to: [{nodes: {}}]}]}}",
		 "Admin 7 b\nDeny \"a?b?[1m\""},
		{PORTS "null}]}}", "Admin 7 b\nAccept 192.0.2.0/24"},
		{TO "[{namespaces: {}}], protocols: [{destinationNamedPort: web}]}]}}",
		 "Admin 7 b\nAccept :"},
	};
	char expected[256];

	for (size_t i = 0; i < N(cases); i++) {
		snprintf(expected, sizeof(expected), "%s\n", cases[i].expected);
		check(cases[i].yaml, true, 0, expected, "");
		check(cases[i].yaml, false, 0, expected, "");
	}
	check(HEAD "{tier: Admin, priority: 0, subject: {namespaces: {}}, ingress: []}}", true,
	      POLICY_E_NOT_WANTED, "", "");
	check(EGRESS "[]}}", true, POLICY_E_NOT_WANTED, "", "");
}

static void a_file_is_judged_strictly(void **state)
{
	static const struct {
		const char *yaml, *expected, *said;
	} cases[] = {
		{TO "[{networks: [10.1.2.3/8]}]}]}}", "10.0.0.0/8",
		 ".to[0].networks[0]: \"10.1.2.3/8\" has bits set behind its length; the network "
		 "is "
		 "10.0.0.0/8"},
		{TO "[{networks: [10.0.0.0/8, 10.0.0.0/8]}]}]}}", "10.0.0.0/8 10.0.0.0/8",
		 ".to: 10.0.0.0/8 stands twice"},
		{TO "[{networks: [10.0.0.0/8]}, {networks: [10.9.0.0/16]}]}]}}",
		 "10.0.0.0/8 10.9.0.0/16",
		 ".to: 10.9.0.0/16 is part of 10.0.0.0/8, which stands there too"},
		{PORTS
		 "[{tcp: {destinationPort: {number: 80}}}, {tcp: {destinationPort: {range: {start: "
		 "79, end: 81}}}}]}]}}",
		 "192.0.2.0/24 : tcp/80 tcp/79-81",
		 ".protocols: [0] and [1] are both about TCP port 80"},
		{PORTS "[{destinationNamedPort: web}]}]}}", "192.0.2.0/24 :",
		 ": networks, nodes and domain names have no named ports: make two rules of it"},
	};
	char text[256];

	for (size_t i = 0; i < N(cases); i++) {
		snprintf(text, sizeof(text), "f (b): spec.egress[0]%s\n", cases[i].said);
		check(cases[i].yaml, true, POLICY_E_REFUSED, "", text);
		snprintf(text, sizeof(text), "Admin 7 b\nAccept %s\n", cases[i].expected);
		check(cases[i].yaml, false, 0, text, "");
	}
	check(DENY "[{domainNames: [a.example]}]}]}}", true, POLICY_E_REFUSED, "",
	      "f (b): spec.egress[0].to[0].domainNames: can stand in Accept rules only\n");
}

static void it_fails_closed(void **state)
{
	static const struct {
		const char *rule, *expected, *said;
	} cases[] = {
		{"to: [{}]", "", ".to[0]: says nothing that is known"},
		{"to: [{services: {}}]", "", ".to[0]: \"services\" is not known"},
		{"to: [{networks: [192.0.2.0/24]}, {services: {}}]", " 192.0.2.0/24",
		 ".to[1]: \"services\" is not known"},
		{"to: [{domainNames: ['*.Example.org', b.example., a_b.example]}]", "",
		 ".to[0].domainNames: domain names are not enforced"},
		{"to: [{nodes: {}}], protocols: [{}]", " :",
		 ".protocols[0]: says nothing that is known"},
		{"to: [{nodes: {}}], protocols: [{icmp: {}}]", " :",
		 ".protocols[0]: \"icmp\" is not known"},
		{"to: [{nodes: {}}], protocols: [{tcp: {}}]", " :",
		 ".protocols[0].tcp: says nothing that is known"},
		{"to: [{nodes: {}}], protocols: [{tcp: {flags: 1}}]", " :",
		 ".protocols[0].tcp: \"flags\" is not known"},
		{"to: [{nodes: {}}], protocols: [{tcp: {destinationPort: {}}}]", " :",
		 ".protocols[0].tcp.destinationPort: says nothing that is known"},
		{"to: [{nodes: {}}], protocols: [{tcp: {destinationPort: {set: [1]}}}]", " :",
		 ".protocols[0].tcp.destinationPort: \"set\" is not known"},
		{"to: [{nodes: {}}], when: dark", "", ": \"when\" is not known"},
	};
	static const char *const actions[] = {"Accept", "Deny", "Pass"};
	char yaml[512], expected[256], said[256];

	for (size_t i = 0; i < N(cases) * N(actions); i++) {
		const char *action = actions[i % N(actions)], *rule = cases[i / N(actions)].rule;
		snprintf(yaml, sizeof(yaml), EGRESS "[{action: %s, %s}]}}", action, rule);
		snprintf(expected, sizeof(expected), "Admin 7 b\n%s%s unknown\n", action,
			 cases[i / N(actions)].expected);
		snprintf(said, sizeof(said), "networkpolicies (b): spec.egress[0]%s: the rule %s\n",
			 cases[i / N(actions)].said,
			 i % N(actions) ? "denies everything" : "accepts nothing");
		check(yaml, false, 0, expected, said);
	}
}

static void it_is_refused(void **state)
{
	static const struct {
		const char *yaml, *said;
	} cases[] = {
		{HEAD "{priority: 0, subject: {namespaces: {}}}}",
		 ".tier: \"\" is none of Admin, Baseline"},
		{HEAD "{tier: admin, priority: 0, subject: {namespaces: {}}}}",
		 ".tier: \"admin\" is none of Admin, Baseline"},
		{HEAD "{tier: Admin, subject: {namespaces: {}}}}", ".priority: missing"},
		{HEAD "{tier: Admin, priority: 1001, subject: {namespaces: {}}}}",
		 ".priority: is 1001, not from 0 to 1000"},
		{HEAD "{tier: Admin, priority: -1, subject: {namespaces: {}}}}",
		 ".priority: is -1, not from 0 to 1000"},
		{HEAD "{tier: Admin, priority: '1', subject: {namespaces: {}}}}",
		 ".priority: is a text, not a number"},
		{HEAD "{tier: Admin, priority: 0}}",
		 ".subject: has to say either namespaces or pods"},
		{HEAD "{tier: Admin, priority: 0, subject: {}}}",
		 ".subject: has to say either namespaces or pods"},
		{HEAD
		 "{tier: Admin, priority: 0, subject: {namespaces: {}, pods: {podSelector: {}}}}}",
		 ".subject: has to say either namespaces or pods"},
		{HEAD "{tier: Admin, priority: 0, subject: {nodes: {}}}}",
		 ".subject: no such field: \"nodes\""},
		{HEAD "{tier: Admin, priority: 0, subject: {pods: {}}}}",
		 ".subject.pods.podSelector: missing"},
		{HEAD
		 "{tier: Admin, priority: 0, subject: {namespaces: {matchLabels: {a: 'b c'}}}}}",
		 ".subject.namespaces.matchLabels[a]: \"b c\" is no label value"},
		{HEAD "{tier: Admin, priority: 0, subject: {namespaces: {}}, egres: []}}",
		 ": no such field: \"egres\""},
		{EGRESS "[{to: [{nodes: {}}]}]}}",
		 ".egress[0].action: \"\" is none of Accept, Deny, Pass"},
		{EGRESS "[{action: Allow, to: [{nodes: {}}]}]}}",
		 ".egress[0].action: \"Allow\" is none of Accept, Deny, Pass"},
		{EGRESS "[{action: Deny}]}}", ".egress[0].to: needs one item at least"},
		{TO "[]}]}}", ".egress[0].to: needs one item at least"},
		{TO "[7]}]}}", ".egress[0].to[0]: is no object"},
		{TO "[{networks: []}]}]}}", ".egress[0].to[0].networks: needs one item at least"},
		{TO "[{networks: [10.0.0.0/33]}]}]}}",
		 ".egress[0].to[0].networks[0]: \"10.0.0.0/33\" has more bits than its addresses"},
		{TO "[{networks: [1]}]}]}}", ".egress[0].to[0].networks[0]: \"\" is no network"},
		{TO "[{networks: ['::ffff:0:0/96']}]}]}}",
		 ".egress[0].to[0].networks[0]: \"::ffff:0:0/96\" is IPv4 written as IPv6, no "
		 "packet "
		 "has it"},
		{TO "[{networks: [10.0.0.0/8], nodes: {}}]}]}}",
		 ".egress[0].to[0]: says several things; a peer can say one"},
		{TO "[{networks: [10.0.0.0/8], x: {}}]}]}}",
		 ".egress[0].to[0]: says several things; a peer can say one"},
		{TO "[{pods: {}}]}]}}", ".egress[0].to[0].pods.podSelector: missing"},
		{TO "[{nodes: {matchExpressions: [{key: a, operator: X}]}}]}]}}",
		 ".egress[0].to[0].nodes.matchExpressions[0].operator: \"X\" is none of In, NotIn, "
		 "Exists, DoesNotExist"},
		{TO "[{domainNames: [example]}]}]}}",
		 ".egress[0].to[0].domainNames[0]: \"example\" is no domain name\n"
		 "f (b): spec.egress[0].to[0].domainNames: domain names are not enforced: the rule "
		 "accepts nothing"},
		{PORTS "[]}]}}", ".egress[0].protocols: needs one item at least"},
		{PORTS
		 "[{tcp: {destinationPort: {number: 1}}, udp: {destinationPort: {number: 1}}}]}]}}",
		 ".egress[0].protocols[0]: says several things; one is allowed"},
		{PORTS "[{tcp: {destinationPort: {number: 0}}}]}]}}",
		 ".egress[0].protocols[0].tcp.destinationPort.number: is 0, not from 1 to 65535"},
		{PORTS "[{udp: {destinationPort: {number: 1, range: {start: 1, end: 2}}}}]}]}}",
		 ".egress[0].protocols[0].udp.destinationPort: has a number and a range; it can "
		 "have "
		 "one of both"},
		{PORTS "[{sctp: {destinationPort: {range: {start: 2, end: 2}}}}]}]}}",
		 ".egress[0].protocols[0].sctp.destinationPort.range: end 2 is not greater than "
		 "start "
		 "2"},
		{PORTS "[{tcp: {destinationPort: {range: {start: 2}}}}]}]}}",
		 ".egress[0].protocols[0].tcp.destinationPort.range: needs start and end"},
		{PORTS "[{tcp: 443}]}]}}",
		 ".egress[0].protocols[0].tcp: is a number, not an object"},
	};
	char said[512];

	for (size_t i = 0; i < N(cases); i++) {
		snprintf(said, sizeof(said), "f (b): spec%s\n", cases[i].said);
		check(cases[i].yaml, true, POLICY_E_REFUSED, "", said);
	}
}

static void it_has_bounds(void **state)
{
	static const struct {
		const char *head, *unit, *tail, *said;
	} cases[] = {
		{EGRESS "[", "{action: Deny, to: [{nodes: {}}]},", "]}}", "egress"},
		{TO "[", "{nodes: {}},", "]}]}}", "egress[0].to"},
		{TO "[{networks: [", "'::/0',", "]}]}]}}", "egress[0].to[0].networks"},
		{PORTS "[", "{destinationNamedPort: a},", "]}]}}", "egress[0].protocols"},
	};
	char said[256];

	for (size_t i = 0; i < N(cases); i++) {
		char *yaml = text_repeat(cases[i].head, cases[i].unit, 26, cases[i].tail);
		snprintf(said, sizeof(said), "f (b): spec.%s: holds 26, at most 25 are allowed\n",
			 cases[i].said);
		check(yaml, true, POLICY_E_REFUSED, "", said);
		free(yaml);
	}
	char *yaml = text_repeat(EGRESS "[{name: ", "a", 101,
				 ", action: Deny, to: [{nodes: {}}]}]}}");
	check(yaml, true, POLICY_E_REFUSED, "",
	      "f (b): spec.egress[0].name: is longer than 100 characters\n");
	free(yaml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says),	   cmocka_unit_test(a_file_is_judged_strictly),
		cmocka_unit_test(it_fails_closed), cmocka_unit_test(it_is_refused),
		cmocka_unit_test(it_has_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
