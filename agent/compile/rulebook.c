/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One table says everything constant about a rule: the compiler takes its token and chain from
 * here, the events its name and reason, so the two cannot drift apart. Tokens, names and categories
 * are a contract with whoever filters events: they are added, never changed.
 *
 * A prefix is accepted only in the exact spelling that rule_prefix_format() has. Any other program
 * may log to our group; what merely resembles a prefix of ours is not ours. */
#include "compile/rulebook.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "podfence:"
#define OVER   ":over"

static const struct rule_facts facts[RULE_N] = {
	[RULE_DENY] =
		{
			.token = "deny",
			.counter = "denied",
			.class = LEDGER_DENIED,
			.chain = "inet podfence/deny",
			.name = "default-deny-external",
			.category = "default",
			.text = "The destination is external and nothing allows it.",
			.asks_policy = true,
			.is_metadata_aware = true,
			.metadata_name = "default-deny-metadata",
			.severity = 47,
		},
	[RULE_REJECT] =
		{
			.token = "reject",
			.counter = "denied",
			.class = LEDGER_DENIED,
			.chain = "inet podfence/deny-reject",
			.name = "default-deny-external",
			.category = "default",
			.text = "The destination is external and nothing allows it.",
			.asks_policy = true,
			.is_metadata_aware = true,
			.metadata_name = "default-deny-metadata",
			.rejects = true,
			.severity = 47,
		},
	[RULE_AUDIT] =
		{
			.token = "audit",
			.counter = "audited",
			.class = LEDGER_AUDITED,
			.chain = "inet podfence/audit",
			.name = "default-audit-external",
			.category = "default",
			.text = "The destination is external and nothing allows it; audit let it "
				"pass.",
			.lets_pass = true,
			.asks_policy = true,
			.is_metadata_aware = true,
			.metadata_name = "default-audit-metadata",
			.severity = 21,
		},
	[RULE_PENDING] =
		{
			.token = "pending",
			.counter = "pending_denied",
			.class = LEDGER_DENIED,
			.chain = "inet podfence/pending",
			.name = "pending-deny-external",
			.category = "pending",
			.text = "The sender is not a registered endpoint and the destination is "
				"external.",
			.is_metadata_aware = true,
			.metadata_name = "pending-deny-metadata",
			.severity = 47,
		},
	[RULE_PENDING_REJECT] =
		{
			.token = "pending-reject",
			.counter = "pending_denied",
			.class = LEDGER_DENIED,
			.chain = "inet podfence/pending",
			.name = "pending-deny-external",
			.category = "pending",
			.text = "The sender is not a registered endpoint and the destination is "
				"external.",
			.is_metadata_aware = true,
			.metadata_name = "pending-deny-metadata",
			.rejects = true,
			.severity = 47,
		},
	[RULE_PENDING_AUDIT] =
		{
			.token = "pending-audit",
			.counter = "pending_audited",
			.class = LEDGER_AUDITED,
			.chain = "inet podfence/pending",
			.name = "pending-audit-external",
			.category = "pending",
			.text = "The sender is not a registered endpoint and the destination is "
				"external; "
				"audit let it pass.",
			.lets_pass = true,
			.is_metadata_aware = true,
			.metadata_name = "pending-audit-metadata",
			.severity = 21,
		},
	[RULE_SPOOF] =
		{
			.token = "spoof",
			.counter = "spoofed",
			.class = LEDGER_SPOOFED,
			.chain = "inet podfence/spoof",
			.name = "spoofed-source",
			.category = "spoof",
			.text = "The source address does not belong to the link the packet came in "
				"by.",
			.judges_source = true,
			.severity = 73,
		},
	[RULE_SPOOF_BRIDGE] =
		{
			.token = "spoof-bridge",
			.counter = "spoofed",
			.class = LEDGER_SPOOFED,
			.chain = "bridge podfence/spoof",
			.name = "spoofed-source-bridge",
			.category = "spoof",
			.text = "The source address does not belong to the bridge port the packet "
				"came in by.",
			.judges_source = true,
			.severity = 73,
		},
	[RULE_SPOOF_OUTPUT] =
		{
			.token = "spoof-out",
			.counter = "spoofed",
			.class = LEDGER_SPOOFED,
			.chain = "inet podfence/spoof-out",
			.name = "spoofed-source-output",
			.category = "spoof",
			.text = "The source address is none of this node's.",
			.judges_source = true,
			.severity = 73,
		},
	[RULE_TUNNEL] =
		{
			.token = "tunnel",
			.counter = "tunneled",
			.class = LEDGER_TUNNELED,
			.chain = "inet podfence/tunnel",
			.name = "tunnel-from-pod",
			.category = "tunnel",
			.text = "Tunnel transport to a node address from a link that leads to "
				"pods.",
			.severity = 73,
		},
	[RULE_SPOOF_AUDIT] =
		{
			.token = "spoof-audit",
			.counter = "spoofed",
			.class = LEDGER_SPOOFED,
			.chain = "inet podfence/spoof",
			.name = "spoofed-source-audit",
			.category = "spoof",
			.text = "The source address does not belong to the link the packet came in "
				"by; audit let it pass.",
			.lets_pass = true,
			.judges_source = true,
			.severity = 47,
		},
	[RULE_SPOOF_BRIDGE_AUDIT] =
		{
			.token = "spoof-bridge-audit",
			.counter = "spoofed",
			.class = LEDGER_SPOOFED,
			.chain = "bridge podfence/spoof",
			.name = "spoofed-source-bridge-audit",
			.category = "spoof",
			.text = "The source address does not belong to the bridge port the packet "
				"came in by; audit let it pass.",
			.lets_pass = true,
			.judges_source = true,
			.severity = 47,
		},
	[RULE_SPOOF_OUTPUT_AUDIT] =
		{
			.token = "spoof-out-audit",
			.counter = "spoofed",
			.class = LEDGER_SPOOFED,
			.chain = "inet podfence/spoof-out",
			.name = "spoofed-source-output-audit",
			.category = "spoof",
			.text = "The source address is none of this node's; audit let it pass.",
			.lets_pass = true,
			.judges_source = true,
			.severity = 47,
		},
	[RULE_TUNNEL_AUDIT] =
		{
			.token = "tunnel-audit",
			.counter = "tunneled",
			.class = LEDGER_TUNNELED,
			.chain = "inet podfence/tunnel",
			.name = "tunnel-from-pod-audit",
			.category = "tunnel",
			.text = "Tunnel transport to a node address from a link that leads to "
				"pods; audit let it pass.",
			.lets_pass = true,
			.severity = 47,
		},
	[RULE_SOURCE_ROUTE] =
		{
			.token = "source-route",
			.counter = "spoofed",
			.class = LEDGER_SPOOFED,
			.chain = "inet podfence/source-route",
			.name = "source-route-from-pod",
			.category = "spoof",
			.text = "The packet names its own route (IPv4 LSRR or SSRR): its "
				"destination is "
				"not where it goes.",
			.severity = 73,
		},
	[RULE_SOURCE_ROUTE_AUDIT] =
		{
			.token = "source-route-audit",
			.counter = "spoofed",
			.class = LEDGER_SPOOFED,
			.chain = "inet podfence/source-route",
			.name = "source-route-from-pod-audit",
			.category = "spoof",
			.text = "The packet names its own route (IPv4 LSRR or SSRR): its "
				"destination is "
				"not where it goes; audit let it pass.",
			.lets_pass = true,
			.severity = 47,
		},
	[RULE_QUARANTINE] =
		{
			.token = "quarantine",
			.counter = "quarantined",
			.class = LEDGER_QUARANTINED,
			.chain = "podfence/quarantine",
			.name = "quarantine",
			.category = "quarantine",
			.text = "The sender is in quarantine.",
			.severity = 47,
		},
	[RULE_QUARANTINE_IN] =
		{
			.token = "quarantine-in",
			.counter = "quarantined",
			.class = LEDGER_QUARANTINED,
			.chain = "podfence/quarantine",
			.name = "quarantine-inbound",
			.category = "quarantine",
			.text = "The receiver is in quarantine.",
			.is_inbound = true,
			.severity = 21,
		},
	[RULE_ALLOW] =
		{
			.token = "allow",
			.counter = "allowed",
			.class = LEDGER_ALLOWED,
			.chain = "inet podfence/allowed",
			.name = "allowed-external",
			.category = "allowed",
			.text = "The destination is external and the agent's configuration allows "
				"it.",
			.lets_pass = true,
			.allows = true,
			.asks_policy = true,
			.is_metadata_aware = true,
			.metadata_name = "allowed-metadata",
			.severity = 21,
		},
	[RULE_PACKET] =
		{
			.token = "packet",
			.counter = "backstopped",
			.class = LEDGER_BACKSTOPPED,
			.chain = "netdev podfence/backstop",
			.name = "packet-socket-external",
			.category = "backstop",
			.text = "A packet socket (AF_PACKET) sent it past all rules of IP, and its "
				"destination is external or cannot be told.",
			.severity = 73,
		},
	[RULE_PACKET_AUDIT] =
		{
			.token = "packet-audit",
			.counter = "backstopped",
			.class = LEDGER_BACKSTOPPED,
			.chain = "netdev podfence/backstop",
			.name = "packet-socket-external-audit",
			.category = "backstop",
			.text = "A packet socket (AF_PACKET) sent it past all rules of IP, and its "
				"destination is external or cannot be told; audit let it pass.",
			.lets_pass = true,
			.severity = 47,
		},
};

const struct rule_facts *rule_facts(enum rule_id id)
{
	return &facts[id];
}

const char *rule_prefix_format(const struct prefix_meaning *meaning,
			       char buffer[static RULE_PREFIX_MAX])
{
	const char *token = facts[meaning->rule].token;

	const char *over = meaning->is_over ? OVER : "";

	if (meaning->has_index)
		snprintf(buffer, RULE_PREFIX_MAX, PREFIX "%s:%x%s", token, meaning->index, over);
	else
		snprintf(buffer, RULE_PREFIX_MAX, PREFIX "%s%s", token, over);
	return buffer;
}

/* Lower-case hexadecimal of one to eight digits without leading zeros, in `length` bytes. */
static int index_parse(const char *text, size_t length, uint32_t *ret_index)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strspn(text, digits);
	uint32_t index = 0;

	if (!n || n > 8 || n != length || (text[0] == '0' && n > 1))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		index = index << 4 | (uint32_t)(strchr(digits, text[i]) - digits);
	*ret_index = index;
	return 0;
}

int rule_prefix_parse(const char *prefix, struct prefix_meaning *ret_meaning)
{
	if (strncmp(prefix, PREFIX, strlen(PREFIX)) != 0)
		return -EINVAL;
	const char *token = prefix + strlen(PREFIX);
	size_t n = strcspn(token, ":"), length = strlen(token);
	bool is_over = length > strlen(OVER) && !strcmp(token + length - strlen(OVER), OVER);

	if (is_over)
		length -= strlen(OVER);

	for (enum rule_id id = 0; id < RULE_N; id++) {
		if (strlen(facts[id].token) != n || memcmp(facts[id].token, token, n) != 0)
			continue;
		struct prefix_meaning meaning = {.rule = id, .is_over = is_over};
		meaning.has_index = n < length;
		if (meaning.has_index &&
		    index_parse(token + n + 1, length - n - 1, &meaning.index) < 0)
			return -EINVAL;
		*ret_meaning = meaning;
		return 0;
	}
	return -EINVAL;
}
