/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What goes out without ever having been asked anything: frames of AF_PACKET sockets, which no hook of IP sees.
 * The egress hook of a device sees them (since 5.16, PACKET_QDISC_BYPASS too), and what came through forward or
 * output still has the route it was sent by there; theirs have none, and whoever makes them cannot give them one.
 *
 *	uNUMBER-DEVICE	 egress of a device: has a route -> return; else frame
 *	frame		 by the type in the Ethernet header: frame4, frame6, tagged; another type -> return
 *	tagged		 the same behind one VLAN tag; a second tag -> backstop
 *	frame4 ...	 metadata -> backstop; internal, multicast, broadcast, link-local -> return; else backstop
 *	backstop	 counted for the device as sender (sender.c), dropped or let pass
 *
 * Everything is read where the Ethernet header says that it is: what the sender says of its frame
 * (sockaddr_ll.sll_protocol, and with it where "the network header" begins) need not be true. A frame whose header
 * cannot be found was sent past the queueing discipline, which nobody but tools does: ARP only.
 *
 * Nothing of such a frame says who sent it: the socket of a packet cannot be asked for at this hook
 * (EOPNOTSUPP), its mark is the sender's to choose. So it holds for everybody who sends by these
 * devices, while there is somebody it is meant for. */
#include <stdio.h>
#include <string.h>

#include <linux/if_ether.h>

#include "compile/internal.h"
#include "inventory/backstop.h"

#define EGRESS_PRIORITY	  0
#define ARP_OVER_ETHERNET 0x000108000604 /* RFC 826: hardware, protocol, and how long both are */
#define NO_REALM                                                                                   \
	UINT32_MAX /* that of a route is 16 bits twice, of which 0 and 1 to 255 have names */

static const struct pf_selector frame_type = {PF_FRAME_TYPE}, tagged_type = {PF_TAGGED_TYPE};

bool compile_backstop_is_needed(const struct config *config, const struct snapshot *snapshot)
{
	if (config->backstop.mode == CONFIG_MODE_OFF || !snapshot)
		return false;
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		if (snapshot->endpoints[i].kind != ENDPOINT_POD && snapshot->endpoints[i].cgroup)
			return true;
	return false;
}

bool compile_backstop_denies(const struct config *config)
{
	return config->backstop.mode == CONFIG_MODE_DENY &&
	       config->fallback.mode == CONFIG_MODE_DENY;
}

static void add_type(struct pf_chain *chain, struct pf_selector selector, uint16_t type,
		     const char *target)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_equal(rule, selector, type);
	pf_rule_verdict(rule, target ? PF_GOTO : PF_RETURN, target);
}

static void add_lookup(const struct compiler *compiler, struct pf_chain *chain, const char *set,
		       enum pf_field field, enum pf_verdict verdict)
{
	if (!pf_set_find(compiler->netdev, set))
		return;
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_lookup(rule, set, PF_FIELDS({field}));
	pf_rule_verdict(rule, verdict, verdict == PF_GOTO ? "backstop" : NULL);
}

static void add_sets(const struct compiler *compiler)
{
	const struct pf_set_options some = {.size = 64}, interval = {.is_interval = true};
	const struct pf_selector four = {PF_FRAME_IP_DADDR}, six = {PF_FRAME_IP6_DADDR};
	struct pf_table *table = compiler->netdev;
	struct pf_prefix nat64[NAT64_MAX];
	size_t n = nat64_prefixes(compiler, nat64);
	struct pf_set *metadata4 = pf_set_add(table, METADATA4, &some, &four, 1);
	struct pf_set *metadata6 = pf_set_add(table, METADATA6, &some, &six, 1);
	struct pf_set *internal4 = pf_set_add(table, INTERNAL4, &interval, &four, 1);
	struct pf_set *internal6 = pf_set_add(table, INTERNAL6, &interval, &six, 1);

	metadata_fill(compiler, metadata4, metadata6);
	internal_fill(compiler, internal4, internal6);
	local_fill(internal4, internal6);
	translated_fill(compiler, pf_set_add(table, TRANSLATED6, &interval, &six, 1));
	struct pf_set *translators = pf_set_add(table, NAT64, &interval, &six, 1);
	for (size_t i = 0; i < n; i++)
		pf_element_add_prefix(translators, &nat64[i]);
}

/* The same questions in the same order as judge(), for a frame without and with a VLAN tag. */
static void add_judges(const struct compiler *compiler)
{
	static const struct {
		const char *name;
		enum pf_field field;
	} four[] = {{"frame4", PF_FRAME_IP_DADDR}, {"tagged4", PF_TAGGED_IP_DADDR}},
	  six[] = {{"frame6", PF_FRAME_IP6_DADDR}, {"tagged6", PF_TAGGED_IP6_DADDR}};

	for (size_t i = 0; i < 2; i++) {
		struct pf_chain *chain = pf_chain_add(compiler->netdev, four[i].name);
		add_lookup(compiler, chain, METADATA4, four[i].field, PF_GOTO);
		add_lookup(compiler, chain, INTERNAL4, four[i].field, PF_RETURN);
		pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "backstop");
		chain = pf_chain_add(compiler->netdev, six[i].name);
		add_lookup(compiler, chain, METADATA6, six[i].field, PF_GOTO);
		add_lookup(compiler, chain, TRANSLATED6, six[i].field, PF_RETURN);
		add_lookup(compiler, chain, NAT64, six[i].field, PF_GOTO);
		add_lookup(compiler, chain, INTERNAL6, six[i].field, PF_RETURN);
		pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "backstop");
	}
}

static void add_frames(const struct compiler *compiler)
{
	struct pf_chain *chain = pf_chain_add(compiler->netdev, "tagged");

	add_type(chain, tagged_type, ETH_P_IP, "tagged4");
	add_type(chain, tagged_type, ETH_P_IPV6, "tagged6");
	add_type(chain, tagged_type, ETH_P_8021Q, "backstop");
	add_type(chain, tagged_type, ETH_P_8021AD, "backstop");
	pf_rule_verdict(pf_rule_add(chain), PF_RETURN, NULL);
	chain = pf_chain_add(compiler->netdev, "frame");
	add_type(chain, frame_type, ETH_P_IP, "frame4");
	add_type(chain, frame_type, ETH_P_IPV6, "frame6");
	add_type(chain, frame_type, ETH_P_8021Q, "tagged");
	add_type(chain, frame_type, ETH_P_8021AD, "tagged");
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_not_equal(rule, frame_type, UINT16_MAX); /* whatever it is, it was found */
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	/* Who says VLAN chooses where "the network header" begins (packet_parse_headers()); not he who says
	 * ARP. */
	pf_rule_equal(rule, (struct pf_selector){PF_PROTOCOL}, ETH_P_ARP);
	pf_rule_equal(rule, (struct pf_selector){PF_ARP_HEAD}, ARP_OVER_ETHERNET);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "backstop");
}

static void add_end(const struct compiler *compiler)
{
	bool denies = compile_backstop_denies(compiler->config);
	const struct sender_end end = {
		.meaning.rule = denies ? RULE_PACKET : RULE_PACKET_AUDIT,
		.who = LEDGER_BY_DEVICE,
	};

	sender_add(compiler, pf_chain_add(compiler->netdev, "backstop"), "backstop", &end);
}

/* Index and name: a device that is renamed, or made anew under its name, gets a chain anew. */
static void add_device(const struct compiler *compiler, const struct node_link *link)
{
	char name[PF_NAME_MAX], device[LINK_NAME_MAX];

	memcpy(device, link->name, sizeof(device));
	device[sizeof(device) - 1] = '\0';
	snprintf(name, sizeof(name), "u%u-%s", link->index, device);
	struct pf_chain *chain = pf_egress_chain_add(compiler->netdev, name, device,
						     EGRESS_PRIORITY);
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_not_equal(rule, (struct pf_selector){PF_ROUTE_REALM}, NO_REALM);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "frame");
}

void compile_backstop(const struct compiler *compiler)
{
	const struct snapshot *snapshot = compiler->snapshot;

	add_sets(compiler);
	add_end(compiler);
	add_judges(compiler);
	add_frames(compiler);
	for (size_t i = 0; i < snapshot->n_backstops; i++) {
		const struct backstop_device *device = &snapshot->backstops[i];
		const struct node_link *link = node_view_link(snapshot->view, device->link);
		if (!device->reason && link)
			add_device(compiler, link);
	}
}
