/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What Kubernetes says in words about egress, sentence by sentence, from a manifest to a verdict. Of:
 *
 *	TYPES	the comments of k8s.io/api/networking/v1, which are the API reference
 *	DOCS	"Network Policies" in the documentation of Kubernetes
 *	CRD	the comments of the resource definition of ClusterNetworkPolicy v1alpha2, bundle v0.2.0
 *
 * The pod is a/web with labels app=web and tier=front, in a namespace with the label team=x. The agent's default
 * is off, so that what no policy says is allowed, as in a cluster without podfence. Sentences about ingress,
 * and about destinations inside the cluster, are not ours; that replies pass is shown with packets. */
#include <arpa/inet.h>
#include <stdio.h>

#include "kube/manifest_set.h"
#include "policies.h"
#include "policy/verdict.h"
#include "test.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define NP(name, spec)                                                                             \
	"---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: a, "   \
	"name: " name "}, spec: " spec "}\n"
#define EGRESS(rules) "{podSelector: {}, policyTypes: [Egress], egress: [" rules "]}"
#define SELECTS(pods) "{podSelector: " pods ", policyTypes: [Egress]}"
#define BLOCK(cidr)   "{ipBlock: {cidr: " cidr "}}"
#define CNP(name, spec)                                                                            \
	"---\n{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, "        \
	"metadata: "                                                                               \
	"{name: " name "}, spec: " spec "}\n"
#define TIER(tier, priority, rules)                                                                \
	"{tier: " tier ", priority: " priority ", subject: {namespaces: {}}, egress: [" rules "]}"
#define SUBJECT(subject)                                                                           \
	"{tier: Admin, priority: 1, subject: {" subject "}, egress: [" DENY_ALL "]}"
#define RULE(action, to) "{action: " action ", to: [" to "]}"
#define NETS(list)	 "{networks: [" list "]}"
#define DENY_ALL	 RULE("Deny", NETS("0.0.0.0/0, '::/0'"))

#define CLOSED "-tcp/443@192.0.2.1 -udp/53@2001:db8::1 -icmp@192.0.2.1"
#define OPEN   "+tcp/443@192.0.2.1 +udp/53@2001:db8::1 +icmp@192.0.2.1"

/* Packets: + passes, - does not. NULL: the document is refused. */
static const struct {
	const char *sentence, *manifest, *packets;
} cases[] = {
	/* DOCS */
	{"By default, a pod is non-isolated for egress; all outbound connections are allowed.", "",
	 OPEN},
	{"A pod is isolated for egress if there is any NetworkPolicy that both selects the pod and "
	 "has "
	 "\"Egress\" in its policyTypes",
	 NP("p", EGRESS("")), CLOSED},
	{"A pod is isolated for egress if there is any NetworkPolicy that both selects the pod and "
	 "has "
	 "\"Egress\" in its policyTypes (it does not select it)",
	 NP("p", SELECTS("{matchLabels: {app: db}}")), OPEN},
	{"A pod is isolated for egress if there is any NetworkPolicy that both selects the pod and "
	 "has "
	 "\"Egress\" in its policyTypes (it has not)",
	 NP("p", "{podSelector: {}, policyTypes: [Ingress]}"), OPEN},
	{"the only allowed connections from the pod are those allowed by the egress list of some "
	 "NetworkPolicy that applies to the pod for egress",
	 NP("p", EGRESS("{to: [" BLOCK("192.0.2.0/24") "]}")),
	 "+tcp/1@192.0.2.1 -tcp/1@198.51.100.1"},
	{"The effects of those egress lists combine additively.",
	 NP("p", EGRESS("{to: [" BLOCK("192.0.2.0/24") "]}"))
		 NP("q", EGRESS("{to: [" BLOCK("198.51.100.0/24") "]}")),
	 "+tcp/1@192.0.2.1 +tcp/1@198.51.100.1 -tcp/1@203.0.113.1"},
	{"Each rule allows traffic which matches both the to and ports sections.",
	 NP("p", EGRESS("{to: [" BLOCK("192.0.2.0/24") "], ports: [{port: 443}]}")),
	 "+tcp/443@192.0.2.1 -tcp/80@192.0.2.1 -tcp/443@198.51.100.1"},
	{"creating a NetworkPolicy that selects all pods but does not allow any egress traffic "
	 "from those pods",
	 NP("p", SELECTS("{}")), CLOSED},
	{"you can create a policy that explicitly allows all outgoing connections from pods in "
	 "that namespace",
	 NP("p", EGRESS("{}")) NP("q", SELECTS("{}")), OPEN},
	{"The endPort field must be equal to or greater than the port field.",
	 NP("p", EGRESS("{ports: [{port: 443, endPort: 442}]}")), NULL},
	{"endPort can only be defined if port is also defined.",
	 NP("p", EGRESS("{ports: [{endPort: 442}]}")), NULL},
	{"Both ports must be numeric.", NP("p", EGRESS("{ports: [{port: web, endPort: 442}]}")),
	 NULL},
	{"target a range of ports instead of a single port",
	 NP("p", EGRESS("{ports: [{port: 32000, endPort: 32768}]}")),
	 "-tcp/31999@192.0.2.1 +tcp/32000@192.0.2.1 +tcp/32768@192.0.2.1 -tcp/32769@192.0.2.1 "
	 "-udp/32000@192.0.2.1"},
	/* TYPES: NetworkPolicySpec */
	{"An empty podSelector matches all pods in this namespace.", NP("p", SELECTS("{}")),
	 CLOSED},
	{"This field [...] follows standard label selector semantics.",
	 NP("p",
	    SELECTS("{matchExpressions: [{key: tier, operator: NotIn, values: [back]}, {key: app, "
		    "operator: In, values: [db, web]}]}")),
	 CLOSED},
	{"This field [...] follows standard label selector semantics (all requirements).",
	 NP("p", SELECTS("{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: "
			 "DoesNotExist}]}")),
	 OPEN},
	{"pods in this namespace (and no other)",
	 "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: b, name: "
	 "p}, spec: " SELECTS("{}") "}",
	 OPEN},
	{"Outgoing traffic is allowed if there are no NetworkPolicies selecting the pod [...], OR "
	 "if the "
	 "traffic matches at least one egress rule across all of the NetworkPolicy objects whose "
	 "podSelector "
	 "matches the pod.",
	 NP("p", SELECTS("{}")) NP("q", EGRESS("{to: [" BLOCK("192.0.2.0/24") "]}")),
	 "+tcp/1@192.0.2.1 -tcp/1@198.51.100.1"},
	{"If this field is empty then this NetworkPolicy limits all outgoing traffic",
	 NP("p", EGRESS("")), CLOSED},
	{"policies that contain an Egress section are assumed to affect Egress",
	 NP("p", "{podSelector: {}, egress: [{to: [" BLOCK("192.0.2.0/24") "]}]}"),
	 "+tcp/1@192.0.2.1 -tcp/1@198.51.100.1"},
	{"such a policy would not include an Egress section and would otherwise default to just [ "
	 "\"Ingress\" ]",
	 NP("p", "{podSelector: {}}"), OPEN},
	/* TYPES: NetworkPolicyEgressRule */
	{"The traffic must match both ports and to.",
	 NP("p",
	    EGRESS("{to: [" BLOCK("'2001:db8::/32'") "], ports: [{protocol: UDP, port: 53}]}")),
	 "+udp/53@2001:db8::1 -udp/54@2001:db8::1 -udp/53@192.0.2.1"},
	{"Each item in this list is combined using a logical OR. (ports)",
	 NP("p", EGRESS("{ports: [{port: 443}, {protocol: UDP, port: 53}]}")),
	 "+tcp/443@192.0.2.1 +udp/53@192.0.2.1 -tcp/53@192.0.2.1 -udp/443@192.0.2.1"},
	{"If this field is empty or missing, this rule matches all ports",
	 NP("p", EGRESS("{to: [" BLOCK("192.0.2.0/24") "], ports: []}")),
	 "+tcp/1@192.0.2.1 +sctp/9@192.0.2.1 +icmp@192.0.2.1 -icmp@198.51.100.1"},
	{"allows traffic only if the traffic matches at least one port in the list",
	 NP("p", EGRESS("{ports: [{port: web}]}")), CLOSED},
	{"Items in this list are combined using a logical OR operation. (to)",
	 NP("p", EGRESS("{to: [" BLOCK("192.0.2.0/25") ", " BLOCK("198.51.100.0/24") "]}")),
	 "+tcp/1@192.0.2.1 -tcp/1@192.0.2.129 +tcp/1@198.51.100.1"},
	{"If this field is empty or missing, this rule matches all destinations",
	 NP("p", EGRESS("{to: [], ports: [{port: 443}]}")),
	 "+tcp/443@192.0.2.1 +tcp/443@2001:db8::1 -tcp/80@192.0.2.1"},
	{"allows traffic only if the traffic matches at least one item in the to list",
	 NP("p", EGRESS("{to: [{podSelector: {}, namespaceSelector: {}}]}")), CLOSED},
	/* TYPES: NetworkPolicyPort */
	{"If not specified, this field defaults to TCP.", NP("p", EGRESS("{ports: [{port: 53}]}")),
	 "+tcp/53@192.0.2.1 -udp/53@192.0.2.1"},
	{"The protocol (TCP, UDP, or SCTP) which traffic must match.",
	 NP("p", EGRESS("{ports: [{protocol: SCTP, port: 9}]}")),
	 "+sctp/9@192.0.2.1 -tcp/9@192.0.2.1 -udp/9@192.0.2.1"},
	{"If this field is not provided, this matches all port names and numbers.",
	 NP("p", EGRESS("{ports: [{protocol: UDP}]}")),
	 "+udp/0@192.0.2.1 +udp/65535@192.0.2.1 -tcp/53@192.0.2.1 -icmp@192.0.2.1"},
	{"a numerical or named port on a pod",
	 NP("p", EGRESS("{ports: [{port: web}, {port: 80}]}")),
	 "+tcp/80@192.0.2.1 -tcp/443@192.0.2.1"},
	/* TYPES: IPBlock, NetworkPolicyPeer */
	{"a particular CIDR [...] that is allowed",
	 NP("p", EGRESS("{to: [" BLOCK("192.0.2.1/32") "]}")), "+tcp/1@192.0.2.1 -tcp/1@192.0.2.2"},
	{"The except entry describes CIDRs that should not be included within this rule.",
	 NP("p", EGRESS("{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.64/26, "
			"192.0.2.7/32]}}]}")),
	 "+tcp/1@192.0.2.1 -tcp/1@192.0.2.7 -tcp/1@192.0.2.65 +tcp/1@192.0.2.128"},
	{"CIDRs that should not be included within this rule (another one may include them)",
	 NP("p",
	    EGRESS("{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.64/26]}}]}, {to: [" BLOCK(
		    "192.0.2.65/32") "]}")),
	 "+tcp/1@192.0.2.65 -tcp/1@192.0.2.66"},
	{"Except values will be rejected if they are outside the CIDR range",
	 NP("p", EGRESS("{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [10.0.0.0/8]}}]}")), NULL},
	{"If this field is set then neither of the other fields can be. (ipBlock)",
	 NP("p", EGRESS("{to: [{ipBlock: {cidr: 192.0.2.0/24}, podSelector: {}}]}")), NULL},
	/* CRD: spec.egress */
	{"A maximum of 25 rules is allowed in this block.",
	 CNP("p", TIER("Admin", "1",
		       DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL
				"," DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL
				"," DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL
				"," DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL
				"," DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL "," DENY_ALL)),
	 NULL},
	{"a rule that appears at the top of the egress rules would take the highest precedence",
	 CNP("p", TIER("Admin", "1", RULE("Accept", NETS("192.0.2.1/32")) "," DENY_ALL)),
	 "+tcp/1@192.0.2.1 -tcp/1@192.0.2.2"},
	{"CNPs with no egress rules do not affect egress traffic.",
	 CNP("p", TIER("Admin", "1", "")), OPEN},
	{"Accept: [...] No further egress ClusterNetworkPolicy or NetworkPolicy rules will be "
	 "processed",
	 CNP("p", TIER("Admin", "1", RULE("Accept", NETS("192.0.2.0/24"))))
		 CNP("q", TIER("Admin", "2", DENY_ALL)) NP("r", SELECTS("{}")),
	 "+tcp/1@192.0.2.1 -tcp/1@198.51.100.1"},
	{"Deny: Drops the selected traffic. No further ClusterNetworkPolicy or NetworkPolicy rules "
	 "will be "
	 "processed.",
	 CNP("p", TIER("Admin", "1", RULE("Deny", NETS("192.0.2.0/24"))))
		 CNP("q", TIER("Admin", "2", RULE("Accept", NETS("192.0.2.0/24"))))
			 NP("r", EGRESS("{}")),
	 "-tcp/1@192.0.2.1 +tcp/1@198.51.100.1"},
	{"Pass: Skips all further ClusterNetworkPolicy rules in the current tier for the selected "
	 "traffic, and "
	 "passes evaluation to the next tier.",
	 CNP("p", TIER("Admin", "1", RULE("Pass", NETS("192.0.2.0/24")) "," DENY_ALL))
		 CNP("q", TIER("Admin", "2", DENY_ALL))
			 NP("r", EGRESS("{to: [" BLOCK("192.0.2.0/25") "]}")),
	 "+tcp/1@192.0.2.1 -tcp/1@192.0.2.129 -tcp/1@198.51.100.1"},
	{"passes evaluation to the next tier (Baseline: to the default)",
	 CNP("p", TIER("Baseline", "1", RULE("Pass", NETS("192.0.2.0/24")) "," DENY_ALL))
		 CNP("q", TIER("Baseline", "2", DENY_ALL)),
	 "+tcp/1@192.0.2.1 -tcp/1@198.51.100.1"},
	/* CRD: protocols */
	{"If unspecified, protocol-specific attributes will not be used to match traffic.",
	 CNP("p", TIER("Admin", "1", RULE("Deny", NETS("192.0.2.0/24")))),
	 "-tcp/1@192.0.2.1 -udp/1@192.0.2.1 -sctp/1@192.0.2.1 -icmp@192.0.2.1"},
	{"Number defines a network port value.",
	 CNP("p",
	     TIER("Admin", "1",
		  "{action: Deny, to: [" NETS("0.0.0.0/0") "], protocols: [{udp: {destinationPort: "
							   "{number: 53}}}]}")),
	 "-udp/53@192.0.2.1 +udp/54@192.0.2.1 +tcp/53@192.0.2.1"},
	{"Range defines a contiguous range of ports.",
	 CNP("p",
	     TIER("Admin", "1",
		  "{action: Deny, to: [" NETS("0.0.0.0/0") "], protocols: [{tcp: {destinationPort: "
							   "{range: {start: 80, end: 90}}}}]}")),
	 "+tcp/79@192.0.2.1 -tcp/80@192.0.2.1 -tcp/90@192.0.2.1 +tcp/91@192.0.2.1"},
	{"the Start value must be less than End",
	 CNP("p", TIER("Admin", "1",
		       "{action: Deny, to: [{nodes: {}}], protocols: [{tcp: {destinationPort: "
		       "{range: {start: "
		       "90, end: 90}}}}]}")),
	 NULL},
	{"You can't use this in a rule that targets resources without named ports (e.g. Nodes or "
	 "Networks).",
	 CNP("p", TIER("Admin", "1",
		       "{action: Deny, to: [" NETS(
			       "0.0.0.0/0") "], protocols: [{destinationNamedPort: web}]}")),
	 NULL},
	/* CRD: to */
	{"If any element matches the destination of outgoing traffic then the specified action is "
	 "applied.",
	 CNP("p", TIER("Admin", "1", RULE("Deny", "{namespaces: {}}, " NETS("192.0.2.0/24")))),
	 "-tcp/1@192.0.2.1 +tcp/1@198.51.100.1"},
	{"This field must be defined and contain at least one item.",
	 CNP("p", TIER("Admin", "1", RULE("Deny", ""))), NULL},
	{"Exactly one of the fields must be set for a given peer",
	 CNP("p", TIER("Admin", "1", RULE("Deny", "{nodes: {}, namespaces: {}}"))), NULL},
	{"If an implementation sees no fields are set [...] it should fail closed. For \"Accept\" "
	 "rules, \"fail "
	 "closed\" means: \"treat the rule as matching no traffic\".",
	 CNP("p", TIER("Admin", "1", RULE("Accept", "{}, " NETS("192.0.2.0/24")) "," DENY_ALL)),
	 CLOSED},
	{"For \"Deny\" and \"Pass\" rules, \"fail closed\" means: \"treat the rule as a 'Deny all' "
	 "rule\". (Deny)",
	 CNP("p", TIER("Admin", "1", RULE("Deny", "{}"))), CLOSED},
	{"For \"Deny\" and \"Pass\" rules, \"fail closed\" means: \"treat the rule as a 'Deny all' "
	 "rule\". (Pass)",
	 CNP("p", TIER("Admin", "1", RULE("Pass", "{services: {}}"))) NP("q", EGRESS("{}")),
	 CLOSED},
	{"a Networks entry of \"0.0.0.0/0\" will match both IPv4 and ICMP traffic, while \"::/0\" "
	 "will match both "
	 "IPv6 and ICMPv6 traffic",
	 CNP("p", TIER("Admin", "1", RULE("Deny", NETS("0.0.0.0/0")))),
	 "-tcp/1@192.0.2.1 -icmp@192.0.2.1 +tcp/1@2001:db8::1 +icmp6@2001:db8::1"},
	{"while \"::/0\" will match both IPv6 and ICMPv6 traffic",
	 CNP("p", TIER("Admin", "1", RULE("Deny", NETS("'::/0'")))),
	 "+tcp/1@192.0.2.1 -tcp/1@2001:db8::1 -icmp6@2001:db8::1"},
	{"DomainNames is only supported for Accept rules.",
	 CNP("p", TIER("Admin", "1", RULE("Deny", "{domainNames: [a.example]}"))), NULL},
	/* CRD: priority, tier */
	{"Policies with lower priority values have higher precedence",
	 CNP("z", TIER("Admin", "1", RULE("Accept", NETS("192.0.2.0/24"))))
		 CNP("a", TIER("Admin", "2", DENY_ALL)),
	 "+tcp/1@192.0.2.1 -tcp/1@198.51.100.1"},
	{"All Admin tier rules have higher precedence than NetworkPolicy or Baseline tier rules.",
	 CNP("p", TIER("Admin", "1000", RULE("Accept", NETS("192.0.2.0/24"))))
		 CNP("q", TIER("Baseline", "0", DENY_ALL)),
	 "+tcp/1@192.0.2.1 -tcp/1@198.51.100.1"},
	{"Priority is a value from 0 to 1000", CNP("p", TIER("Admin", "1001", DENY_ALL)), NULL},
	{"v1.NetworkPolicy always makes a final decision for selected pods.",
	 NP("p", EGRESS("{to: [" BLOCK("192.0.2.0/24") "]}"))
		 CNP("q", TIER("Baseline", "0",
			       RULE("Deny", NETS("192.0.2.0/24")) "," RULE("Accept",
									   NETS("0.0.0.0/0")))),
	 "+tcp/1@192.0.2.1 -tcp/1@198.51.100.1"},
	{"Further evaluation only happens for Pods not selected by a v1.NetworkPolicy.",
	 NP("p", SELECTS("{matchLabels: {app: db}}")) CNP("q", TIER("Baseline", "0", DENY_ALL)),
	 CLOSED},
	{"If a given connection wasn't allowed or denied by any of the tiers, the default "
	 "kubernetes policy is "
	 "applied",
	 CNP("p", TIER("Baseline", "0", RULE("Deny", NETS("192.0.2.0/24")))),
	 "-tcp/1@192.0.2.1 +tcp/1@198.51.100.1"},
	{"ClusterNetworkPolicy can use 2 of these tiers: Admin and Baseline.",
	 CNP("p", TIER("NetworkPolicy", "0", DENY_ALL)), NULL},
	/* CRD: subject */
	{"Namespaces is used to select pods via namespace selectors.",
	 CNP("p", SUBJECT("namespaces: {matchLabels: {team: x}}")), CLOSED},
	{"Namespaces is used to select pods via namespace selectors. (another)",
	 CNP("p", SUBJECT("namespaces: {matchLabels: {team: y}}")), OPEN},
	{"NamespaceSelector follows standard label selector semantics; if empty, it selects all "
	 "Namespaces.",
	 CNP("p", SUBJECT("pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}")),
	 CLOSED},
	{"PodSelector is used to explicitly select pods within a namespace; if empty, it selects "
	 "all Pods.",
	 CNP("p",
	     SUBJECT("pods: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}, "
		     "podSelector: {}}")),
	 CLOSED},
	{"PodSelector is used to explicitly select pods within a namespace",
	 CNP("p", SUBJECT("pods: {namespaceSelector: {matchLabels: {team: y}}, podSelector: {}}"))
		 CNP("q", SUBJECT("pods: {podSelector: {matchLabels: {app: db}}}")),
	 OPEN},
	/* CRD: label selectors */
	{"If the operator is In or NotIn, the values array must be non-empty.",
	 CNP("p",
	     SUBJECT("namespaces: {matchExpressions: [{key: a, operator: NotIn, values: []}]}")),
	 NULL},
	{"If the operator is Exists or DoesNotExist, the values array must be empty.",
	 CNP("p",
	     SUBJECT("namespaces: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}")),
	 NULL},
	{"Valid operators are In, NotIn, Exists and DoesNotExist.",
	 CNP("p",
	     SUBJECT("namespaces: {matchExpressions: [{key: a, operator: Gt, values: ['1']}]}")),
	 NULL},
	{"The requirements are ANDed.",
	 CNP("p", SUBJECT("namespaces: {matchLabels: {team: x}, matchExpressions: [{key: team, "
			  "operator: "
			  "DoesNotExist}]}")),
	 OPEN},
};

static struct policy_packet read_packet(const char *text)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} protocols[] = {{"tcp", IPPROTO_TCP},
			 {"udp", IPPROTO_UDP},
			 {"sctp", IPPROTO_SCTP},
			 {"icmp", IPPROTO_ICMP},
			 {"icmp6", IPPROTO_ICMPV6}};
	struct policy_packet packet = {};
	char name[8] = "", address[PF_ADDRESS_TEXT];
	unsigned port = 0;

	packet.has_port = sscanf(text, "%7[a-z6]/%u@%47s", name, &port, address) == 3;
	if (!packet.has_port)
		assert_int_equal(sscanf(text, "%7[a-z6]@%47s", name, address), 2);
	packet.port = (uint16_t)port;
	assert_int_equal(pf_address_parse(address, &packet.destination), 0);
	for (size_t i = 0; i < N(protocols); i++)
		if (!strcmp(protocols[i].name, name))
			packet.protocol = protocols[i].protocol;
	assert_int_not_equal(packet.protocol, 0);
	return packet;
}

static void judge(const struct decision *decision, const char *packets)
{
	char *copy = strdup(packets), *rest = NULL;

	for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
		const struct policy_packet packet = read_packet(one + 1);
		struct ruling ruling;
		decision_judge(decision, &packet, NULL, &ruling);
		if ((ruling.verdict == RULING_ALLOW) != (one[0] == '+'))
			fail_msg("%s: the verdict is another", one);
	}
	free(copy);
}

static struct namespace_list *make_namespaces(void)
{
	struct namespace *namespaces[2];
	struct namespace_list *list;

	assert_int_equal(namespace_new("a", &namespaces[0]), 0);
	assert_int_equal(namespace_new("b", &namespaces[1]), 0);
	assert_int_equal(label_list_put(&namespaces[0]->labels, "team", "x"), 0);
	assert_int_equal(namespace_list_new(namespaces, 2, &list), 0);
	namespace_free(namespaces[0]);
	namespace_free(namespaces[1]);
	return list;
}

static void decide(const struct manifest_set *set, const char *packets)
{
	struct namespace_list *namespaces = make_namespaces();
	const struct config config = {.fallback.mode = CONFIG_MODE_OFF};
	struct pod pod = {.namespace = strdup("a"), .name = strdup("web")};
	struct endpoint endpoint = {.kind = ENDPOINT_POD, .pod = &pod};
	const struct snapshot snapshot = {.endpoints = &endpoint, .n_endpoints = 1};
	const struct decision_input input = {
		.config = &config, .policies = set->policies, .namespaces = namespaces};
	struct decisions *decisions;

	pod.n_references = 2; /* the decisions hold one, this function the last */
	assert_int_equal(label_list_put(&pod.labels, "app", "web"), 0);
	assert_int_equal(label_list_put(&pod.labels, "tier", "front"), 0);
	assert_int_equal(decisions_new(&input, &snapshot, NULL, &decisions), 0);
	judge(decisions_of(decisions, &snapshot, &endpoint), packets);
	decisions_free(decisions);
	free(pod.namespace);
	free(pod.name);
	label_list_done(&pod.labels);
	namespace_list_free(namespaces);
}

static void every_sentence_holds(void **state)
{
	for (size_t i = 0; i < N(cases); i++) {
		struct manifest_set *set;
		struct manifest *manifest;
		struct report report;
		report_init(&report);
		print_message("# %s\n", cases[i].sentence);
		assert_int_equal(manifest_parse("f", cases[i].manifest, strlen(cases[i].manifest),
						&report, &manifest),
				 0);
		assert_int_equal(manifest->n_refused, cases[i].packets ? 0 : 1);
		assert_int_equal(manifest_set_new(&set), 0);
		assert_int_equal(manifest_set_add(set, "f", manifest, NULL), 0);
		assert_int_equal(manifest_set_finish(set, &report), 0);
		if (cases[i].packets)
			decide(set, cases[i].packets);
		manifest_set_free(set);
		report_done(&report);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sentence_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
