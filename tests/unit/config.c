/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Every message stands here word for word: it is what an operator gets to see. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "config/config.h"

#include "test.h"
#include "text.h"

static struct config *parse(const char *text, size_t length, char **ret_said)
{
	struct config *config = NULL;
	struct report report;
	size_t said_length;
	FILE *stream = open_memstream(ret_said, &said_length);

	assert_non_null(stream);
	report_init(&report);
	int r = config_parse("f", text, length, &report, &config);
	assert_int_equal(r, config ? 0 : CONFIG_E_INVALID);
	assert_int_equal(report_is_empty(&report), !r);
	report_print(&report, stream);
	report_done(&report);
	fclose(stream);
	return config;
}

static struct config *parse_good(const char *text)
{
	char *said;
	struct config *config = parse(text, strlen(text), &said);

	assert_string_equal(said, "");
	assert_non_null(config);
	free(said);
	return config;
}

static void assert_defaults(const struct config *config)
{
	assert_string_equal(config->node.name, "");
	assert_string_equal(config->node.cgroup_root, "");
	assert_int_equal(config->node.pod_roots.n_strings, 0);
	assert_string_equal(config->pods.file, "");
	assert_int_equal(config->fallback.mode, CONFIG_MODE_AUDIT);
	assert_int_equal(config->fallback.action, CONFIG_ACTION_DROP);
	assert_int_equal(config->fallback.ceiling, CONFIG_ON);
	assert_int_equal(config->fallback.allow.n_destinations, 0);
	assert_int_equal(config->fallback.overrides.n_overrides, 0);
	assert_int_equal(config->units.n_rules, 0);
	assert_int_equal(config->network.uplinks.n_strings, 0);
	assert_int_equal(config->network.internal.n_prefixes, 0);
	assert_int_equal(config->network.pod_cidrs.n_prefixes, 0);
	assert_int_equal(config->network.service_cidrs.n_prefixes, 0);
	assert_int_equal(config->network.node_cidrs.n_prefixes, 0);
	assert_int_equal(config->network.nat64.n_prefixes, 0);
	static const uint32_t ports[] = {4789, 8472, 6081}, protocols[] = {4, 41, 47};
	assert_int_equal(config->network.tunnel_ports.n_numbers, 3);
	assert_memory_equal(config->network.tunnel_ports.numbers, ports, sizeof(ports));
	assert_int_equal(config->network.tunnel_protocols.n_numbers, 3);
	assert_memory_equal(config->network.tunnel_protocols.numbers, protocols, sizeof(protocols));
	assert_int_equal(config->conntrack.label_bit, 100);
	assert_int_equal(config->nflog.group, 1789);
	assert_int_equal(config->nflog.copy_bytes, 128);
	assert_int_equal(config->nflog.queue_threshold, 100);
	assert_int_equal(config->nflog.flush_milliseconds, 10);
	assert_int_equal(config->nflog.socket_buffer, 8 << 20);
	assert_int_equal(config->events.buffer, 4 << 20);
	assert_string_equal(config->events.cluster_name, "");
}

static void nothing_said_is_the_default(void **state)
{
	static const char *const texts[] = {
		"",
		"\n# nothing\n",
		"---\n",
		"{}\n",
		"%YAML 1.1\n---\n",
		"null",
		"\xef\xbb\xbf---\n...\n",
		"network:\n",
		"network:\n  internal:\n  tunnels:\n    udpPorts:\n    protocols: ~\n",
		"node: {}\nevents: null\n",
		"units:\ndefault:\n  overrides:\n",
		"units: []\ndefault: {overrides: [], allow: ~}\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config *config = parse_good(texts[i]);
		assert_defaults(config);
		config_free(config);
	}
}

static const char everything[] =
	"# everything\n"
	"node:\n"
	"  name: ip-10-0-2-15.ec2.internal\n"
	"  cgroupRoot: /sys/fs/cgroup/unified\n"
	"  podRoots: [kubelet.slice/kubelet-kubepods.slice, ..a/b..]\n"
	"pods:\n"
	"  file: \"/var/lib/podfence/pods.json\"\n"
	"default:\n"
	"  mode: deny\n"
	"  action: reject\n"
	"network:\n"
	"  uplinks:\n"
	"    - eth0\n"
	"    - \"bond0.123456789\"\n"
	"  internal: [10.0.0.0/8, 'fc00::/7', 192.0.2.1, 64:ff9b::/96, 64:ff9b::a00:0/104]\n"
	"  podCIDRs: [10.244.0.0/16]\n"
	"  serviceCIDRs: [10.96.0.0/12]\n"
	"  nodeCIDRs: [192.0.2.0/24, 2001:DB8::/64]\n"
	"  nat64: [2001:db8:64::/96]\n"
	"  tunnels:\n"
	"    udpPorts: [1, 65535]\n"
	"    protocols: []\n"
	"conntrack:\n"
	"  labelBit: 0\n"
	"nflog: {group: 65535, copyBytes: 64, queueThreshold: 10000, flushMilliseconds: 1000,\n"
	"        socketBuffer: 268435456}\n"
	"events:\n"
	"  buffer: 1073741824\n"
	"  clusterName: no\n";

static void everything_can_be_said(void **state)
{
	char text[PF_PREFIX_TEXT];
	struct config *config = parse_good(everything);

	assert_string_equal(config->node.name, "ip-10-0-2-15.ec2.internal");
	assert_string_equal(config->node.cgroup_root, "/sys/fs/cgroup/unified");
	assert_int_equal(config->node.pod_roots.n_strings, 2);
	assert_string_equal(config->node.pod_roots.strings[0],
			    "kubelet.slice/kubelet-kubepods.slice");
	assert_string_equal(config->pods.file, "/var/lib/podfence/pods.json");
	assert_int_equal(config->fallback.mode, CONFIG_MODE_DENY);
	assert_int_equal(config->fallback.action, CONFIG_ACTION_REJECT);
	assert_int_equal(config->network.uplinks.n_strings, 2);
	assert_string_equal(config->network.uplinks.strings[1], "bond0.123456789");
	assert_int_equal(config->network.internal.n_prefixes, 5);
	assert_string_equal(pf_prefix_format(&config->network.internal.prefixes[2], text),
			    "192.0.2.1/32");
	assert_int_equal(config->network.pod_cidrs.n_prefixes, 1);
	assert_int_equal(config->network.service_cidrs.n_prefixes, 1);
	assert_int_equal(config->network.node_cidrs.n_prefixes, 2);
	assert_string_equal(pf_prefix_format(&config->network.node_cidrs.prefixes[1], text),
			    "2001:db8::/64");
	assert_int_equal(config->network.nat64.n_prefixes, 1);
	assert_int_equal(config->network.tunnel_ports.n_numbers, 2);
	assert_int_equal(config->network.tunnel_ports.numbers[1], 65535);
	assert_int_equal(config->network.tunnel_protocols.n_numbers, 0);
	assert_int_equal(config->conntrack.label_bit, 0);
	assert_int_equal(config->nflog.group, 65535);
	assert_int_equal(config->nflog.copy_bytes, 64);
	assert_int_equal(config->nflog.queue_threshold, 10000);
	assert_int_equal(config->nflog.flush_milliseconds, 1000);
	assert_int_equal(config->nflog.socket_buffer, 256 << 20);
	assert_int_equal(config->events.buffer, 1 << 30);
	assert_string_equal(config->events.cluster_name, "no");
	config_free(config);
}

static void lists_of_objects_are_read(void **state)
{
	char text[DESTINATION_TEXT];
	/* The order of keys means nothing: what is inherited stands below. */
	struct config *config = parse_good("units:\n"
					   "  - {name: a, match: [a.service, '/x.slice/*']}\n"
					   "  - name: b\n"
					   "    mode: off\n"
					   "    action: drop\n"
					   "    allow: [203.0.113.0/24, '[2001:db8::]:25-26/tcp']\n"
					   "    match: [b@*.service]\n"
					   "default:\n"
					   "  overrides:\n"
					   "    - namespaceSelector: a=b\n"
					   "    - {namespaceSelector: '', mode: audit}\n"
					   "  mode: deny\n"
					   "  action: reject\n"
					   "  ceiling: off\n"
					   "  allow: ['198.51.100.7:53/udp']\n");
	const struct unit_rule *units = config->units.rules;
	const struct default_override *overrides = config->fallback.overrides.overrides;

	assert_int_equal(config->units.n_rules, 2);
	assert_string_equal(units[0].name, "a");
	assert_int_equal(units[0].match.n_strings, 2);
	assert_string_equal(units[0].match.strings[1], "/x.slice/*");
	assert_int_equal(units[0].mode, CONFIG_MODE_DENY);
	assert_int_equal(units[0].action, CONFIG_ACTION_REJECT);
	assert_int_equal(units[0].allow.n_destinations, 0);
	assert_int_equal(units[1].mode, CONFIG_MODE_OFF);
	assert_int_equal(units[1].action, CONFIG_ACTION_DROP);
	assert_int_equal(units[1].allow.n_destinations, 2);
	assert_string_equal(destination_format(&units[1].allow.destinations[1], text),
			    "[2001:db8::/128]:25-26/tcp");
	assert_int_equal(config->fallback.overrides.n_overrides, 2);
	assert_int_equal(overrides[0].namespaces.n_requirements, 1);
	assert_string_equal(overrides[0].namespaces.requirements[0].key, "a");
	assert_int_equal(overrides[0].mode, CONFIG_MODE_DENY);
	assert_int_equal(overrides[0].action, CONFIG_ACTION_REJECT);
	assert_int_equal(overrides[1].namespaces.n_requirements, 0);
	assert_int_equal(overrides[1].mode, CONFIG_MODE_AUDIT);
	assert_int_equal(config->fallback.ceiling, CONFIG_OFF);
	assert_int_equal(config->fallback.allow.n_destinations, 1);
	config_free(config);
}

#define SECTION(section, line) section ":\n  " line "\n"
#define NOT_A_NAME	       " is no name: lower case letters, digits, '-' and '.', at most 253\n"

static const struct {
	const char *text, *said;
} bad[] = {
	/* keys */
	{SECTION("default", "mood: deny"),
	 "f:2: default.mood: no such key; did you mean default.mode?\n"},
	{SECTION("network", "podCidrs: []"),
	 "f:2: network.podCidrs: no such key; did you mean network.podCIDRs?\n"},
	{"netwrok:\n  internal: [10.0.0.1/8]\n",
	 "f:1: netwrok: no such key; did you mean network?\n"},
	{"internal: []\n", "f:1: internal: no such key; did you mean network.internal?\n"},
	{SECTION("node", "labelBit: 3"),
	 "f:2: node.labelBit: no such key; did you mean conntrack.labelBit?\n"},
	{"zzzzzzzzzz: 1\n", "f:1: zzzzzzzzzz: no such key\n"},
	{"\"\": 1\n", "f:1: no such key\n"},
	{"network.internal: [10.0.0.0/8]\n",
	 "f:1: network.internal: no such key; keys are nested, not joined by dots\n"},
	{"\"no\\nde\": 1\n", "f:1: no?de: no such key; did you mean node?\n"},
	{"\"no\\0de\": 1\n", "f:1: holds a NUL byte\n"},
	{"? [a]\n: 1\n", "f:1: is a list, not a key\n"},
	{"node:\n  ? {a: b}\n  : 1\n", "f:2: node: is a mapping, not a key\n"},
	{"default:\n  mode: deny\n  mode: audit\n",
	 "f:3: default.mode: stands twice, first in line 2\n"},
	{"default: {mode: deny}\ndefault: {action: drop}\n",
	 "f:2: default: stands twice, first in line 1\n"},
	{"network:\n  internal: []\n  internal: []\n",
	 "f:3: network.internal: stands twice, first in line 2\n"},
	/* types */
	{"default:\n  - deny\n", "f:2: default: is a list, not a mapping\n"},
	{"default: deny\n", "f:1: default: is one value, not a mapping\n"},
	{SECTION("default", "mode: [deny]"), "f:2: default.mode: is a list, not one value\n"},
	{SECTION("default", "mode: {deny: 1}"), "f:2: default.mode: is a mapping, not one value\n"},
	{SECTION("network", "internal: 10.0.0.0/8"),
	 "f:2: network.internal: is one value, not a list\n"},
	{SECTION("network", "internal: {a: b}"),
	 "f:2: network.internal: is a mapping, not a list\n"},
	{SECTION("network", "internal: [[10.0.0.0/8]]"),
	 "f:2: network.internal[0]: is a list, not one value\n"},
	{SECTION("network", "internal: [10.0.0.0/8, ]\n  podCIDRs:\n    -\n    - null"),
	 "f:4: network.podCIDRs[0]: has no value\nf:5: network.podCIDRs[1]: has no value\n"},
	{"- a\n", "f:1: is a list, not a mapping of keys\n"},
	{"words\n", "f:1: is one value, not a mapping of keys\n"},
	/* lists of objects */
	{"units: {name: a}\n", "f:1: units: is a mapping, not a list\n"},
	{"units: [a, [b], ~]\n", "f:1: units[0]: is one value, not a mapping\n"
				 "f:1: units[1]: is a list, not a mapping\n"
				 "f:1: units[2]: is one value, not a mapping\n"},
	{"units:\n  - name: a\n    match: [x]\n  - {}\n  - match: [y]\n",
	 "f:4: units[1]: has no name\nf:4: units[1]: has no match\nf:5: units[2]: has no name\n"},
	{"units:\n  - name: a\n    match: [x]\n    mdoe: deny\n    allow.x: 1\n",
	 "f:4: units[0].mdoe: no such key; did you mean units[0].mode?\n"
	 "f:5: units[0].allow.x: no such key; keys are nested, not joined by dots\n"},
	{"units:\n  - name: a\n    match: [x]\n    mode: deny\n    mode: deny\n",
	 "f:5: units[0].mode: stands twice, first in line 4\n"},
	{"units:\n  - name: a\n    match: [x]\n  - name: b\n    match: [x]\n  - match: [x]\n    "
	 "name: a\n",
	 "f:7: units[2].name: is what another one of units says too\n"},
	{"units:\n  - {name: '', match: []}\n  - {name: b, match: }\n  - name: c\n    match: "
	 "c.service\n",
	 "f:2: units[0].name: \"\" is empty\nf:2: units[0].match: is empty\n"
	 "f:3: units[1].match: is empty\n"
	 "f:5: units[2].match: is one value, not a list\n"},
	{"units: [{name: a, match: [/, a/b, /a//b, /a/../b, '', .., '*********', \"a\\eb\"]}]\n",
	 "f:1: units[0].match[0]: \"/\" is no path below the cgroup root\n"
	 "f:1: units[0].match[1]: \"a/b\" is a path; paths begin with a slash, names of units have "
	 "none\n"
	 "f:1: units[0].match[2]: \"/a//b\" is no path below the cgroup root\n"
	 "f:1: units[0].match[3]: \"/a/../b\" is no path below the cgroup root\n"
	 "f:1: units[0].match[4]: \"\" is no name of a unit\n"
	 "f:1: units[0].match[5]: \"..\" is no name of a unit\n"
	 "f:1: units[0].match[6]: \"*********\" has more than 8 stars\n"
	 "f:1: units[0].match[7]: \"a?b\" is no name of a unit\n"},
	{"default:\n  overrides:\n    - mode: deny\n    - namespaceSelector: a in b\n      acton: "
	 "drop\n",
	 "f:3: default.overrides[0]: has no namespaceSelector\n"
	 "f:4: default.overrides[1].namespaceSelector: \"a in b\" has something else than =, ==, "
	 "!=, "
	 "in (...) or notin (...) after a label key\n"
	 "f:5: default.overrides[1].acton: no such key; did you mean "
	 "default.overrides[1].action?\n"},
	{SECTION("default", "allow: [203.0.113.1/24, '203.0.113.0/24:0', a]"),
	 "f:2: default.allow[0]: \"203.0.113.1/24\" has host bits set\n"
	 "f:2: default.allow[1]: \"203.0.113.0/24:0\" has no port from 1 to 65535 after the "
	 "network\n"
	 "f:2: default.allow[2]: \"a\" is no address or network in CIDR notation\n"},
	/* scalars */
	{SECTION("default", "mode: perhaps"),
	 "f:2: default.mode: \"perhaps\" is not audit, deny or off\n"},
	{SECTION("default", "mode: Deny"),
	 "f:2: default.mode: \"Deny\" is not audit, deny or off\n"},
	{SECTION("default", "mode:"), "f:2: default.mode: has no value\n"},
	{SECTION("default", "action: \"\""), "f:2: default.action: \"\" is not drop or reject\n"},
	{SECTION("node", "name: ~"), "f:2: node.name: has no value\n"},
	{SECTION("node", "name: null"), "f:2: node.name: has no value\n"},
	{SECTION("node", "name: Node-1"), "f:2: node.name: \"Node-1\"" NOT_A_NAME},
	{SECTION("node", "name: \"a\\0b\""), "f:2: node.name: holds a NUL byte\n"},
	{SECTION("events", "clusterName: \"a\\x1b[31m\""),
	 "f:2: events.clusterName: \"a?[31m\" holds a control character\n"},
	{SECTION("pods", "file: pods.json"), "f:2: pods.file: \"pods.json\" is no absolute path\n"},
	{SECTION("kubernetes", "server: 192.0.2.10:6443"),
	 "f:2: kubernetes.server: \"192.0.2.10:6443\" is no http or https URL\n"},
	{SECTION("kubernetes", "server: ftp://192.0.2.10"),
	 "f:2: kubernetes.server: \"ftp://192.0.2.10\" is no http or https URL\n"},
	{SECTION("kubernetes", "server: 'https://a/?b'"),
	 "f:2: kubernetes.server: \"https://a/?b\" has a query or fragment\n"},
	{SECTION("kubernetes", "server: 'https://u:secret@a'"),
	 "f:2: kubernetes.server: holds a user; that does not belong into a URL\n"},
	{SECTION("node", "cgroupRoot: ./cgroup"),
	 "f:2: node.cgroupRoot: \"./cgroup\" is no absolute path\n"},
	{SECTION("node", "podRoots: [/kubepods, a/../b, a//b, a/, '', .]"),
	 "f:2: node.podRoots[0]: \"/kubepods\" is no path below the cgroup root\n"
	 "f:2: node.podRoots[1]: \"a/../b\" is no path below the cgroup root\n"
	 "f:2: node.podRoots[2]: \"a//b\" is no path below the cgroup root\n"
	 "f:2: node.podRoots[3]: \"a/\" is no path below the cgroup root\n"
	 "f:2: node.podRoots[4]: \"\" is no path below the cgroup root\n"
	 "f:2: node.podRoots[5]: \".\" is no path below the cgroup root\n"},
	{SECTION("network", "uplinks: [abcdefghijklmnop, a/b, a b, .., '', 'a:b', \"a\\eb\"]"),
	 "f:2: network.uplinks[0]: \"abcdefghijklmnop\" is no device name\n"
	 "f:2: network.uplinks[1]: \"a/b\" is no device name\n"
	 "f:2: network.uplinks[2]: \"a b\" is no device name\n"
	 "f:2: network.uplinks[3]: \"..\" is no device name\n"
	 "f:2: network.uplinks[4]: \"\" is no device name\n"
	 "f:2: network.uplinks[5]: \"a:b\" is no device name\n"
	 "f:2: network.uplinks[6]: \"a?b\" is no device name\n"},
	/* numbers */
	{SECTION("nflog", "group: 0"), "f:2: nflog.group: 0 is not between 1 and 65535\n"},
	{SECTION("nflog", "group: 65536"), "f:2: nflog.group: 65536 is not between 1 and 65535\n"},
	{SECTION("nflog", "group: 4294967297"),
	 "f:2: nflog.group: 4294967297 is not between 1 and 65535\n"},
	{SECTION("nflog", "group: 18446744073709551617"),
	 "f:2: nflog.group: 18446744073709551617 is not between 1 and 65535\n"},
	{SECTION("nflog", "group: \"1789\""),
	 "f:2: nflog.group: \"1789\" is a text; a number stands without quotes\n"},
	{SECTION("nflog", "group: 01789"), "f:2: nflog.group: \"01789\" is no whole number\n"},
	{SECTION("nflog", "group: 0x10"), "f:2: nflog.group: \"0x10\" is no whole number\n"},
	{SECTION("nflog", "group: -1"), "f:2: nflog.group: \"-1\" is no whole number\n"},
	{SECTION("nflog", "group: 1_000"), "f:2: nflog.group: \"1_000\" is no whole number\n"},
	{SECTION("nflog", "group: 1.5"), "f:2: nflog.group: \"1.5\" is no whole number\n"},
	{SECTION("nflog", "group: 1 2"), "f:2: nflog.group: \"1 2\" is no whole number\n"},
	{SECTION("conntrack", "labelBit: 128"),
	 "f:2: conntrack.labelBit: 128 is not between 0 and 127\n"},
	{SECTION("nflog", "copyBytes: 63"),
	 "f:2: nflog.copyBytes: 63 is not between 64 and 65535\n"},
	{SECTION("nflog", "queueThreshold: 10001"),
	 "f:2: nflog.queueThreshold: 10001 is not between 1 and 10000\n"},
	{SECTION("nflog", "flushMilliseconds: 9"),
	 "f:2: nflog.flushMilliseconds: 9 is not between 10 and 1000\n"},
	{SECTION("nflog", "socketBuffer: 65535"),
	 "f:2: nflog.socketBuffer: 65535 is not between 65536 and 268435456\n"},
	{SECTION("events", "buffer: 1073741825"),
	 "f:2: events.buffer: 1073741825 is not between 65536 and 1073741824\n"},
	{"network:\n  tunnels:\n    udpPorts: [4789, 0]\n    protocols: [256, gre]\n",
	 "f:3: network.tunnels.udpPorts[1]: 0 is not between 1 and 65535\n"
	 "f:4: network.tunnels.protocols[0]: 256 is not between 1 and 255\n"
	 "f:4: network.tunnels.protocols[1]: \"gre\" is no whole number\n"},
	/* networks */
	{"network:\n  internal:\n    - 10.0.0.0/8\n    - 192.0.2.0/24\n    - 10.0.0.1/8\n",
	 "f:5: network.internal[2]: 10.0.0.1/8 has host bits set; write 10.0.0.0/8\n"},
	{SECTION("network", "podCIDRs: ['2001:db8:0:1::1/63']"),
	 "f:2: network.podCIDRs[0]: 2001:db8:0:1::1/63 has host bits set; write 2001:db8::/63\n"},
	{SECTION("network", "internal: [0.0.0.0/0, '::/0', 0.0.0.0]"),
	 "f:2: network.internal[0]: 0.0.0.0/0 is every address: nothing would be external\n"
	 "f:2: network.internal[1]: ::/0 is every address: nothing would be external\n"},
	{SECTION("network", "nodeCIDRs: [0.0.0.0/0]"),
	 "f:2: network.nodeCIDRs[0]: 0.0.0.0/0 is every address: nothing would be external\n"},
	{SECTION("network", "serviceCIDRs: [10.0.0.0/33, '::/129']"),
	 "f:2: network.serviceCIDRs[0]: 10.0.0.0/33 has a prefix length beyond the address\n"
	 "f:2: network.serviceCIDRs[1]: ::/129 has a prefix length beyond the address\n"},
	{SECTION("network", "internal: [10.0.0/8, example.org, 'fe80::1%eth0', '', 10.0.0.0/08]"),
	 "f:2: network.internal[0]: \"10.0.0/8\" is no network in CIDR notation\n"
	 "f:2: network.internal[1]: \"example.org\" is no network in CIDR notation\n"
	 "f:2: network.internal[2]: \"fe80::1%eth0\" is no network in CIDR notation\n"
	 "f:2: network.internal[3]: \"\" is no network in CIDR notation\n"
	 "f:2: network.internal[4]: \"10.0.0.0/08\" is no network in CIDR notation\n"},
	{SECTION("network",
		 "nat64: ['2001:db8::/32', '2001:db8::/64', '2001:db8::/65', 10.0.0.0/8, "
		 "'::/0', '2001:db8::/128']"),
	 "f:2: network.nat64[0]: 2001:db8::/32 may be a NAT64 prefix, but only /96 is understood\n"
	 "f:2: network.nat64[1]: 2001:db8::/64 may be a NAT64 prefix, but only /96 is understood\n"
	 "f:2: network.nat64[2]: 2001:db8::/65 is no NAT64 prefix: IPv6 and /96\n"
	 "f:2: network.nat64[3]: 10.0.0.0/8 is no NAT64 prefix: IPv6 and /96\n"
	 "f:2: network.nat64[4]: ::/0 is no NAT64 prefix: IPv6 and /96\n"
	 "f:2: network.nat64[5]: 2001:db8::/128 is no NAT64 prefix: IPv6 and /96\n"},
	/* YAML that is not for us */
	{"node:\n  name: &a web\npods:\n  file: *a\n",
	 "f:2: anchors, aliases and tags are not allowed\n"
	 "f:4: anchors, aliases and tags are not allowed\n"},
	{"nflog: !!map\n  group: !!int 5\n", "f:1: anchors, aliases and tags are not allowed\n"
					     "f:2: anchors, aliases and tags are not allowed\n"},
	{"network: &n\n  internal: &l []\n", "f:1: anchors, aliases and tags are not allowed\n"
					     "f:2: anchors, aliases and tags are not allowed\n"},
	{"network:\n  internal: [*x]\n", "f:2: anchors, aliases and tags are not allowed\n"},
	{"\xef\xbb\xbfnode: {}\n---\nnflog: {}\n", "f:2: a second document begins\n"},
	{"a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\nnode: 5\n",
	 "f:1: a: no such key\nf:1: is nested deeper than 16 levels\n"},
	/* no YAML */
	{"default: [\n",
	 "f:1: default: is a list, not a mapping\n"
	 "f:2: no YAML: while parsing a flow node did not find expected node content\n"},
	{"nflog:\n\tgroup: 1\n",
	 "f:2: no YAML: while scanning for the next token found character that "
	 "cannot start any token\n"},
	{"nflog:\n  group: 1\n badly: indented\n",
	 "f:3: no YAML: while parsing a block mapping did not find expected key\n"},
	{"node:\n  name: \"open\n",
	 "f:3: no YAML: while scanning a quoted scalar found unexpected end "
	 "of stream\n"},
	{"node: {}\n# \x01\n", "f:2: no YAML: control characters are not allowed\n"},
	{"node: {}\n\n# \xff\n", "f:3: no YAML: invalid leading UTF-8 octet\n"},
	{"# \xc3(\n", "f:1: no YAML: invalid trailing UTF-8 octet\n"},
	{"# \xed\xa0\x80\n", "f:1: no YAML: invalid Unicode character\n"},
	{"# \xc0\x80\n", "f:1: no YAML: invalid length of a UTF-8 sequence\n"},
	{"%YAML 2.0\n---\n", "f:1: no YAML: found incompatible YAML document\n"},
	/* all at once */
	{"node:\n  nmae: x\n  name: X\nnflog:\n  group: none\ndefault:\n  mode: on\npods: x\n",
	 "f:2: node.nmae: no such key; did you mean node.name?\n"
	 "f:3: node.name: \"X\"" NOT_A_NAME "f:5: nflog.group: \"none\" is no whole number\n"
	 "f:7: default.mode: \"on\" is not audit, deny or off\n"
	 "f:8: pods: is one value, not a mapping\n"},
};

static void bad_files_are_refused(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *said;
		struct config *config = parse(bad[i].text, strlen(bad[i].text), &said);
		assert_string_equal(said, bad[i].said);
		assert_null(config);
		free(said);
	}
}

static void assert_refused(char *text, const char *said_first)
{
	char *said;
	struct config *config = parse(text, strlen(text), &said);

	assert_null(config);
	assert_memory_equal(said, said_first, strlen(said_first));
	assert_true(strlen(said) < 64 << 10);
	free(said);
	free(text);
}

static void large_files_are_bounded(void **state)
{
	assert_refused(text_repeat("", "#\n", 512 << 10, "#"), "f: is larger than 1 MiB\n");
	assert_refused(text_repeat("a: ", "[", 900000, ""),
		       "f:1: a: no such key\nf:1: is nested deeper than 16 levels\n");
	assert_refused(text_repeat("", "? ", 500000, ""),
		       "f:1: is a mapping, not a key\nf:1: is nested deeper than 16 levels\n");
	assert_refused(text_repeat("", "unknown: 1\n", 90000, ""), "f:1: unknown: no such key");
	assert_refused(text_repeat("node:\n  name: ", "a", 1000000, "\n"),
		       "f:2: node.name: \"aaaa");
	assert_refused(text_repeat("pods:\n  file: /", "a", 4095, "\n"), "f:2: pods.file: \"/aaa");
	assert_refused(text_repeat("node:\n  podRoots: [", "a, ", 17, "]\n"),
		       "f:2: node.podRoots[16]: is too much: at most 16\n");
	assert_refused(text_repeat("network: {tunnels: {udpPorts: [", "1, ", 65, "]}}\n"),
		       "f:1: network.tunnels.udpPorts[64]: is too much: at most 64\n");
	assert_refused(text_repeat("network: {nat64: [", "'64:ff9b::/96', ", 70000, "]}\n"),
		       "f: is larger");
	assert_refused(text_repeat("", "k", 1000, ": 1\n"), "f:1: ");
	assert_refused(text_repeat("units: [", "{}, ", 257, "]\n"), "f:1: units[0]: has no name\n");

	char *text = text_repeat("", "#\n", 512 << 10, "");
	config_free(parse_good(text));
	free(text);
	text = text_repeat("network: {internal: [", "10.0.0.0/8, ", 16384, "]}\n");
	struct config *config = parse_good(text);
	assert_int_equal(config->network.internal.n_prefixes, 16384);
	config_free(config);
	free(text);
}

static char *sample(void)
{
	static char text[16384];
	FILE *stream = fmemopen(text, sizeof(text), "w");

	assert_non_null(stream);
	config_print_sample(stream);
	assert_int_equal(fclose(stream), 0);
	assert_in_range(strlen(text), 1000, sizeof(text) - 2);
	return text;
}

static void the_sample_is_the_default(void **state)
{
	char *text = sample();
	struct config *config = parse_good(text);

	assert_defaults(config);
	config_free(config);
	assert_non_null(strstr(
		text, "\n  #internal: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]  # RFC 1918\n"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
}

/* "#word: value" becomes a key; "# sentence" stays a comment. */
static void the_examples_of_the_sample_are_good(void **state)
{
	char *text = sample(), *to = text;

	for (const char *from = text; *from; from++)
		if (from[0] != '#' || from[1] == ' ')
			*to++ = *from;
	*to = '\0';
	struct config *config = parse_good(text);
	assert_int_equal(config->network.internal.n_prefixes, 3);
	assert_int_equal(config->network.nat64.n_prefixes, 1);
	assert_int_equal(config->network.uplinks.n_strings, 1);
	assert_int_equal(config->node.pod_roots.n_strings, 1);
	assert_string_equal(config->pods.file, "/var/lib/podfence/pods.json");
	assert_string_equal(config->events.cluster_name, "production");
	assert_int_equal(config->units.n_rules, 1);
	assert_int_equal(config->units.rules[0].allow.n_destinations, 2);
	assert_int_equal(config->fallback.allow.n_destinations, 3);
	assert_int_equal(config->fallback.overrides.n_overrides, 1);
	config_free(config);
}

static int read_said(const char *path, char *said, size_t size)
{
	struct config *config = NULL;
	struct report report;

	report_init(&report);
	int r = config_read(path, &report, &config);
	said[0] = '\0';
	if (report.n_entries)
		snprintf(said, size, "%s: %s", report.entries[0].place, report.entries[0].text);
	report_done(&report);
	config_free(config);
	return r;
}

static void files_are_read(void **state)
{
	char path[] = "/tmp/podfence-config-XXXXXX", said[512], expected[512];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(read_said(path, said, sizeof(said)), 0);
	assert_int_equal(dprintf(fd, "nflog:\n  group: x\n"), 18);
	assert_int_equal(read_said(path, said, sizeof(said)), CONFIG_E_INVALID);
	snprintf(expected, sizeof(expected), "%s:2: nflog.group: \"x\" is no whole number", path);
	assert_string_equal(said, expected);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	assert_int_equal(read_said(path, said, sizeof(said)), CONFIG_E_INVALID);
	snprintf(expected, sizeof(expected), "%s: is larger than 1 MiB", path);
	assert_string_equal(said, expected);
	close(fd);
	unlink(path);
	assert_int_equal(read_said(path, said, sizeof(said)), -ENOENT);
	snprintf(expected, sizeof(expected), "%s: No such file or directory", path);
	assert_string_equal(said, expected);
	assert_int_equal(read_said("/tmp", said, sizeof(said)), -EISDIR);
	assert_string_equal(said, "/tmp: Is a directory");
	assert_int_equal(read_said("/dev/zero", said, sizeof(said)), -EINVAL);
	assert_string_equal(said, "/dev/zero: is no regular file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_is_the_default),
		cmocka_unit_test(everything_can_be_said),
		cmocka_unit_test(lists_of_objects_are_read),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(large_files_are_bounded),
		cmocka_unit_test(the_sample_is_the_default),
		cmocka_unit_test(the_examples_of_the_sample_are_good),
		cmocka_unit_test(files_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
