/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a NetworkPolicy says, as the documentation of Kubernetes has it, and what is refused. */
#include "kube/policy_parse.h"

#include <stdio.h>

#include "policies.h"
#include "test.h"
#include "text.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD                                                                                       \
	"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: a, name: "  \
	"b}, "                                                                                     \
	"spec: "
#define EGRESS HEAD "{policyTypes: [Egress], egress: "
#define TO     EGRESS "[{to: "
#define PORTS  EGRESS "[{ports: "

/* What is made of it and what is said about it. */
static void check(const char *what, const char *yaml, bool is_file, int result,
		  const char *expected, const char *said)
{
	print_message("# %s\n", what);
	policies_check(yaml, is_file, result, expected, said);
}

static void it_says(void **state)
{
	static const struct {
		const char *yaml, *expected;
	} cases[] = {
		/* whom */
		{EGRESS "[]}}", ""},
		{HEAD "{podSelector: {}, policyTypes: [Egress]}}", ""},
		{HEAD "{podSelector: {matchLabels: {app: web, tier: ''}}, policyTypes: [Egress]}}",
		 " pods[app In (web), tier In ()]"},
		{HEAD "{podSelector: {matchExpressions: [{key: a/b, operator: In, values: [z, y]}, "
		      "{key: c, operator: NotIn, values: [x]}, {key: d, operator: Exists}, "
		      "{key: e, operator: DoesNotExist, values: []}]}, policyTypes: [Egress]}}",
		 " pods[a/b In (y z), c NotIn (x), d Exists, e DoesNotExist]"},
		/* when it is about egress */
		{HEAD "{policyTypes: [Ingress, Egress]}}", ""},
		{HEAD "{egress: [{}]}}", "\nAccept everybody"},
		/* to */
		{EGRESS "[{}]}}", "\nAccept everybody"},
		{EGRESS "[{to: [], ports: []}]}}", "\nAccept everybody"},
		{EGRESS "[{to: null, ports: null}]}}", "\nAccept everybody"},
		{TO "[{ipBlock: {cidr: 192.0.2.0/24}}]}]}}", "\nAccept 192.0.2.0/24"},
		{TO "[{ipBlock: {cidr: '2001:DB8::/32', except: ['2001:db8:1::/48', "
		    "2001:db8::1/128]}}]}]}}",
		 "\nAccept 2001:db8::/32 -2001:db8:1::/48 -2001:db8::1/128"},
		{TO "[{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12]}}, "
		    "{ipBlock: {cidr: 10.1.2.0/24}}, {ipBlock: {cidr: '::/0'}}]}]}}",
		 "\nAccept 0.0.0.0/0 -10.0.0.0/8 -172.16.0.0/12 10.1.2.0/24 ::/0"},
		{TO "[{podSelector: {}}]}]}}", "\nAccept"},
		{TO "[{namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}, "
		    "{ipBlock: {cidr: 192.0.2.1/32}}]}]}}",
		 "\nAccept 192.0.2.1/32"},
		/* ports */
		{PORTS "[{port: 443}]}]}}", "\nAccept everybody : tcp/443"},
		{PORTS "[{}]}]}}", "\nAccept everybody : tcp"},
		{PORTS "[{protocol: UDP}, {protocol: SCTP, port: 7}]}]}}",
		 "\nAccept everybody : udp sctp/7"},
		{PORTS "[{port: 32000, endPort: 32768}, {port: 1, endPort: 1}, {port: 65535}]}]}}",
		 "\nAccept everybody : tcp/32000-32768 tcp/1 tcp/65535"},
		{PORTS "[{port: https}]}]}}", "\nAccept everybody :"},
		{PORTS "[{port: https}, {protocol: UDP, port: 53}]}]}}",
		 "\nAccept everybody : udp/53"},
		/* rules in order */
		{EGRESS "[{to: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 1}]}, "
			"{to: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 2}]}]}}",
		 "\nAccept 192.0.2.0/24 : tcp/1\nAccept 192.0.2.0/24 : tcp/2"},
	};
	char expected[256];

	for (size_t i = 0; i < N(cases); i++) {
		snprintf(expected, sizeof(expected), "NetworkPolicy a/b%s\n", cases[i].expected);
		check(cases[i].yaml, cases[i].yaml, true, 0, expected, "");
		check(cases[i].yaml, cases[i].yaml, false, 0, expected, "");
	}
}

static void it_is_not_about_egress(void **state)
{
	check("ingress only", HEAD "{ingress: [{}]}}", true, POLICY_E_NOT_WANTED, "", "");
	check("nothing", HEAD "{podSelector: {}}}", true, POLICY_E_NOT_WANTED, "", "");
	check("egress without its type", HEAD "{policyTypes: [Ingress], egress: [{}]}}", true,
	      POLICY_E_NOT_WANTED, "",
	      "f (a/b): spec.egress: does nothing: policyTypes does not name Egress\n");
	check("an empty list", HEAD "{egress: []}}", true, POLICY_E_NOT_WANTED, "",
	      "f (a/b): spec.egress: is empty and does nothing without policyTypes: [Egress]\n");
	check("an empty list from the API", HEAD "{egress: []}}", false, POLICY_E_NOT_WANTED, "",
	      "");
}

static void its_mode(void **state)
{
	static const struct {
		const char *value;
		bool is_audit;
		const char *said;
	} cases[] = {
		{"audit", true, ""},	       {"'audit'", true, ""},
		{"Audit", false, "\"Audit\""}, {"enforce", false, "\"enforce\""},
		{"''", false, "\"\""},	       {"true", false, "true"},
		{"null", false, "null"},
	};
	char yaml[512], said[256];

	for (size_t i = 0; i < N(cases); i++) {
		snprintf(yaml, sizeof(yaml),
			 "{kind: NetworkPolicy, metadata: {namespace: a, name: b, uid: 1-f, "
			 "annotations: "
			 "{x: y, podfence.io/mode: %s}}, spec: {policyTypes: [Egress]}}",
			 cases[i].value);
		snprintf(said, sizeof(said),
			 "f (a/b): metadata.annotations[podfence.io/mode]: is %s, not \"audit\": "
			 "the "
			 "policy is enforced\n",
			 cases[i].said);
		check(yaml, yaml, true, 0,
		      cases[i].is_audit ? "NetworkPolicy a/b audit\n" : "NetworkPolicy a/b\n",
		      cases[i].said[0] ? said : "");
	}
}

/* What the API server lets in means what Kubernetes says. */
static void a_file_is_judged_strictly(void **state)
{
	static const struct {
		const char *yaml, *expected, *said;
	} cases[] = {
		{TO "[{ipBlock: {cidr: 10.1.2.3/8}}]}]}}", "10.0.0.0/8",
		 "to[0].ipBlock.cidr: \"10.1.2.3/8\" has bits set behind its length; the network "
		 "is "
		 "10.0.0.0/8"},
		{TO "[{ipBlock: {cidr: '2001:db8::1/64'}}]}]}}", "2001:db8::/64",
		 "to[0].ipBlock.cidr: \"2001:db8::1/64\" has bits set behind its length; the "
		 "network "
		 "is 2001:db8::/64"},
		{TO "[{ipBlock: {cidr: 10.0.0.0/8}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]}}",
		 "10.0.0.0/8 10.0.0.0/8", "to: 10.0.0.0/8 stands twice"},
		{TO "[{ipBlock: {cidr: 10.9.0.0/16}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]}}",
		 "10.9.0.0/16 10.0.0.0/8",
		 "to: 10.9.0.0/16 is part of 10.0.0.0/8, which stands there too"},
		{TO "[{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: {cidr: "
		    "10.2.0.0/16}}]}]}}",
		 "10.0.0.0/8 -10.1.0.0/16 10.2.0.0/16",
		 "to: 10.2.0.0/16 is part of 10.0.0.0/8, which stands there too"},
		{TO "[{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/24, 10.1.0.0/16]}}]}]}}",
		 "10.0.0.0/8 -10.1.0.0/24 -10.1.0.0/16",
		 "to: 10.1.0.0/24 is part of 10.1.0.0/16, which stands there too"},
		{PORTS "[{port: 80}, {port: 1, endPort: 99}]}]}}", "everybody : tcp/80 tcp/1-99",
		 "ports: [0] and [1] are both about TCP port 80"},
		{PORTS "[{protocol: UDP, port: 80}, {protocol: UDP}]}]}}", "everybody : udp/80 udp",
		 "ports: [0] and [1] are both about UDP port 80"},
		{PORTS "[{protocol: ICMP}]}]}}", "everybody : unknown",
		 "ports[0].protocol: \"ICMP\" is none of TCP, UDP, SCTP"},
	};
	char text[256];

	for (size_t i = 0; i < N(cases); i++) {
		snprintf(text, sizeof(text), "f (a/b): spec.egress[0].%s\n", cases[i].said);
		check(cases[i].yaml, cases[i].yaml, true, POLICY_E_REFUSED, "", text);
		snprintf(text, sizeof(text), "NetworkPolicy a/b\nAccept %s\n", cases[i].expected);
		check(cases[i].yaml, cases[i].yaml, false, 0, text,
		      strstr(cases[i].yaml, "ICMP")
			      ? "networkpolicies (a/b): spec.egress[0].ports[0].protocol: \"ICMP\" "
				"is not known: the rule allows nothing\n"
			      : "");
	}
}

static void it_fails_closed(void **state)
{
	static const struct {
		const char *yaml, *expected, *said;
	} cases[] = {
		{TO "[{}]}]}}", "", "to[0]: names nobody"},
		{TO "[{domainNames: [a.example]}]}]}}", "", "to[0]: \"domainNames\" is not known"},
		{TO "[{ipBlock: {cidr: 192.0.2.0/24, only: x}}]}]}}", "",
		 "to[0].ipBlock: \"only\" is not known"},
		{TO "[{ipBlock: {cidr: 192.0.2.0/24}}, {x: y}]}]}}", " 192.0.2.0/24",
		 "to[1]: \"x\" is not known"},
		{PORTS "[{port: 1, icmp: 8}]}]}}", " everybody : tcp/1",
		 "ports[0]: \"icmp\" is not known"},
		{EGRESS "[{when: dark}]}}", " everybody", ": \"when\" is not known"},
	};
	char expected[256], said[256];

	for (size_t i = 0; i < N(cases); i++) {
		const char *dot = cases[i].said[0] == ':' ? "" : ".";
		snprintf(expected, sizeof(expected), "NetworkPolicy a/b\nAccept%s unknown\n",
			 cases[i].expected);
		snprintf(said, sizeof(said),
			 "f (a/b): spec.egress[0]%s%s: the rule allows nothing\n", dot,
			 cases[i].said);
		check(cases[i].yaml, cases[i].yaml, true, 0, expected, said);
	}
}

static void it_is_refused(void **state)
{
	static const struct {
		const char *yaml, *said;
	} cases[] = {
		{"{kind: Pod, metadata: {name: b}}", "f (b): kind: is \"Pod\", not NetworkPolicy"},
		{"{kind: NetworkPolicy}", "f: metadata: missing"},
		{"[]", "f: is no object"},
		{"{metadata: {name: b, namespace: a}}", "f (a/b): spec: missing"},
		{"{metadata: {name: b, namespace: a}, spec: 1}",
		 "f (a/b): spec: is a number, not an object"},
		{"{metadata: {name: b}, spec: {policyTypes: [Egress]}}",
		 "f (b): metadata.namespace: missing"},
		{"{metadata: {namespace: a, name: B}, spec: {policyTypes: [Egress]}}",
		 "f (a/B): metadata.name: \"B\" is no name"},
		{"{metadata: {namespace: a.b, name: b}, spec: {policyTypes: [Egress]}}",
		 "f (a.b/b): metadata.namespace: \"a.b\" is no name"},
		{"{metadata: {namespace: a, name: b, uid: '../x'}, spec: {policyTypes: [Egress]}}",
		 "f (a/b): metadata: uid \"../x\" is none"},
		{"{metadata: {namespace: a, name: b}, more: x, spec: {policyTypes: [Egress]}}",
		 "f (a/b): no such field: \"more\""},
		{HEAD "{policyTypes: [Egress], egres: []}}",
		 "f (a/b): spec: no such field: \"egres\""},
		{HEAD "{policyTypes: [egress]}}",
		 "f (a/b): spec.policyTypes: \"egress\" is none of Ingress, Egress"},
		{HEAD "{policyTypes: Egress}}", "f (a/b): spec.policyTypes: is a text, not a list"},
		{HEAD "{policyTypes: [Egress, Egress, Egress]}}",
		 "f (a/b): spec.policyTypes: holds 3, at most 2 are allowed"},
		{EGRESS "{}}}", "f (a/b): spec.egress: is an object, not a list"},
		{EGRESS "[1]}}", "f (a/b): spec.egress[0]: is no object"},
		{TO "{}}]}}", "f (a/b): spec.egress[0].to: is an object, not a list"},
		{TO "[[]]}]}}", "f (a/b): spec.egress[0].to[0]: is no object"},
		{TO "[{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}}",
		 "f (a/b): spec.egress[0].to[0]: has an ipBlock and selectors; it can have one of "
		 "both"},
		{TO "[{ipBlock: {}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.cidr: \"\" is no network"},
		{TO "[{ipBlock: {cidr: 10.0.0.0/33}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.cidr: \"10.0.0.0/33\" has more bits than "
		 "its "
		 "addresses"},
		{TO "[{ipBlock: {cidr: '2001:db8::/129'}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.cidr: \"2001:db8::/129\" has more bits "
		 "than "
		 "its addresses"},
		{TO "[{ipBlock: {cidr: 10.0.0.1}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.cidr: \"10.0.0.1\" has no length; "
		 "10.0.0.1/32 is this address alone"},
		{TO "[{ipBlock: {cidr: 10.0.0/8}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.cidr: \"10.0.0/8\" is no network"},
		{TO "[{ipBlock: {cidr: 010.0.0.0/8}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.cidr: \"010.0.0.0/8\" is no network"},
		{TO "[{ipBlock: {cidr: example.org}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.cidr: \"example.org\" is no network"},
		{TO "[{ipBlock: {cidr: '::ffff:10.0.0.0/104'}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.cidr: \"::ffff:10.0.0.0/104\" is IPv4 "
		 "written "
		 "as IPv6, no packet has it"},
		{TO "[{ipBlock: {cidr: 10.0.0.0/8, except: [192.0.2.0/24]}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.except[0]: \"192.0.2.0/24\" is not a part "
		 "of "
		 "10.0.0.0/8"},
		{TO "[{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.0.0.0/8]}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.except[1]: \"10.0.0.0/8\" is not a part of "
		 "10.0.0.0/8"},
		{TO "[{ipBlock: {cidr: '::/0', except: [10.0.0.0/8]}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.except[0]: \"10.0.0.0/8\" is not a part of "
		 "::/0"},
		{TO "[{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/7]}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.except[0]: \"10.0.0.0/7\" is not a part of "
		 "10.0.0.0/8"},
		{TO "[{ipBlock: {cidr: 10.0.0.0/8, except: 10.1.0.0/16}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.except: is a text, not a list"},
		{PORTS "[{port: 0}]}]}}",
		 "f (a/b): spec.egress[0].ports[0].port: is 0, not from 1 to 65535"},
		{PORTS "[{port: 65536}]}]}}",
		 "f (a/b): spec.egress[0].ports[0].port: is 65536, not from 1 to 65535"},
		{PORTS "[{port: -1}]}]}}",
		 "f (a/b): spec.egress[0].ports[0].port: is -1, not from 1 to 65535"},
		{PORTS "[{port: 1.5}]}]}}", "f (a/b): spec.egress[0].ports[0].port: is a number "
					    "with a fraction, not a number"},
		{PORTS "[{port: '443'}]}]}}", "f (a/b): spec.egress[0].ports[0].port: \"443\" is a "
					      "name; a number stands without "
					      "quotes"},
		{PORTS "[{port: a_b}]}]}}",
		 "f (a/b): spec.egress[0].ports[0].port: \"a_b\" is no name a port can have"},
		{PORTS "[{port: abcdefghijklmnop}]}]}}",
		 "f (a/b): spec.egress[0].ports[0].port: \"abcdefghijklmnop\" is no name a port "
		 "can "
		 "have"},
		{PORTS "[{port: 443, endPort: 442}]}]}}",
		 "f (a/b): spec.egress[0].ports[0]: endPort 442 is smaller than port 443"},
		{PORTS "[{endPort: 442}]}]}}",
		 "f (a/b): spec.egress[0].ports[0]: endPort needs a port"},
		{PORTS "[{port: https, endPort: 442}]}]}}",
		 "f (a/b): spec.egress[0].ports[0]: endPort needs a port that is a number, not "
		 "\"https\""},
		{PORTS "[{port: 443, endPort: 70000}]}]}}",
		 "f (a/b): spec.egress[0].ports[0].endPort: is 70000, not from 1 to 65535"},
		{HEAD "{policyTypes: [Egress], podSelector: {matchExpressions: [{key: a, operator: "
		      "Is}]}}}",
		 "f (a/b): spec.podSelector.matchExpressions[0].operator: \"Is\" is none of In, "
		 "NotIn, "
		 "Exists, DoesNotExist"},
		{HEAD "{policyTypes: [Egress], podSelector: {matchExpressions: [{key: a, operator: "
		      "In}]}}}",
		 "f (a/b): spec.podSelector.matchExpressions[0].values: is empty, and In and NotIn "
		 "need one"},
		{HEAD "{policyTypes: [Egress], podSelector: {matchExpressions: [{key: a, operator: "
		      "Exists, values: [b]}]}}}",
		 "f (a/b): spec.podSelector.matchExpressions[0].values: has to be empty with "
		 "Exists "
		 "and DoesNotExist"},
		{HEAD
		 "{policyTypes: [Egress], podSelector: {matchExpressions: [{key: a, operator: In, "
		 "values: [b c]}]}}}",
		 "f (a/b): spec.podSelector.matchExpressions[0].values[0]: \"b c\" is no label "
		 "value"},
		{HEAD
		 "{policyTypes: [Egress], podSelector: {matchExpressions: [{operator: Exists}]}}}",
		 "f (a/b): spec.podSelector.matchExpressions[0]: \"\" is no label key"},
		{HEAD "{policyTypes: [Egress], podSelector: {matchLabels: {a: 1}}}}",
		 "f (a/b): spec.podSelector.matchLabels[a]: is no text"},
		{HEAD "{policyTypes: [Egress], podSelector: {matchLables: {a: b}}}}",
		 "f (a/b): spec.podSelector: no such field: \"matchLables\""},
		{TO "[{podSelector: {matchLabels: {a: 'x y'}}}]}]}}",
		 "f (a/b): spec.egress[0].to[0].podSelector.matchLabels[a]: \"x y\" is no label "
		 "value"},
		/* all at once */
		{EGRESS
		 "[{to: [{ipBlock: {cidr: x}}], ports: [{port: 0}]}, {ports: [{endPort: 1}]}]}}",
		 "f (a/b): spec.egress[0].to[0].ipBlock.cidr: \"x\" is no network\n"
		 "f (a/b): spec.egress[0].ports[0].port: is 0, not from 1 to 65535\n"
		 "f (a/b): spec.egress[1].ports[0]: endPort needs a port"},
	};
	char said[512];

	for (size_t i = 0; i < N(cases); i++) {
		snprintf(said, sizeof(said), "%s\n", cases[i].said);
		check(cases[i].yaml, cases[i].yaml, true, POLICY_E_REFUSED, "", said);
	}
}

static void it_has_bounds(void **state)
{
	static const struct {
		const char *head, *unit;
		size_t n;
		const char *tail, *said;
	} cases[] = {
		{EGRESS "[", "{},", 1025, "]}}",
		 "spec.egress: holds 1025, at most 1024 are allowed"},
		{PORTS "[", "{port: a},", 1025, "]}]}}",
		 "spec.egress[0].ports: holds 1025, at most 1024 are allowed"},
		{TO "[", "{podSelector: {}},", 16385, "]}]}}",
		 "spec.egress[0].to: holds 16385, at most 16384 are allowed"},
		{TO "[{ipBlock: {cidr: '::/0', except: [", "'::/1',", 16384, "]}}]}]}}",
		 "spec.egress[0].to[0].ipBlock: more than 16384 networks in one policy"},
		{HEAD "{policyTypes: [Egress], podSelector: {matchExpressions: [",
		 "{key: a, operator: Exists},", 257, "]}}}",
		 "spec.podSelector: asks for 257 labels, at most 256 are allowed"},
		{HEAD
		 "{policyTypes: [Egress], podSelector: {matchExpressions: [{key: a, operator: In, "
		 "values: [",
		 "b,", 1025, "]}]}}}",
		 "spec.podSelector.matchExpressions[0].values: holds 1025, at most 1024 are "
		 "allowed"},
		{HEAD "{policyTypes: [Egress], podSelector: {matchLabels: {k: ", "a", 64, "}}}}",
		 "spec.podSelector.matchLabels[k]: is longer than 63 characters"},
	};
	char said[256];

	for (size_t i = 0; i < N(cases); i++) {
		char *yaml = text_repeat(cases[i].head, cases[i].unit, cases[i].n, cases[i].tail);
		snprintf(said, sizeof(said), "f (a/b): %s\n", cases[i].said);
		check(cases[i].said, yaml, true, POLICY_E_REFUSED, "", said);
		free(yaml);
	}
	char *yaml = text_repeat("{metadata: {namespace: a, name: ", "b", 254,
				 "}, spec: {policyTypes: [Egress]}}");
	char *name = text_repeat("f (a/", "b", 253,
				 "): metadata.name: is longer than 253 characters\n");
	check("a long name", yaml, true, POLICY_E_REFUSED, "", name);
	free(yaml);
	free(name);
	yaml = text_repeat("{metadata: {name: b, namespace: ", "a", 64,
			   "}, spec: {policyTypes: [Egress]}}");
	name = text_repeat("f (", "a", 63,
			   "/b): metadata.namespace: is longer than 63 characters\n");
	check("a long namespace", yaml, true, POLICY_E_REFUSED, "", name);
	free(yaml);
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says),	   cmocka_unit_test(it_is_not_about_egress),
		cmocka_unit_test(its_mode),	   cmocka_unit_test(a_file_is_judged_strictly),
		cmocka_unit_test(it_fails_closed), cmocka_unit_test(it_is_refused),
		cmocka_unit_test(it_has_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
