/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "policy/classify.h"

#include <string.h>
#include <sys/socket.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define PORT_DNS 53

const char *const metadata_addresses[] = {
	"169.254.169.254", "169.254.170.2", "100.100.100.200",
	"168.63.129.16",   "192.0.0.192",   "fd00:ec2::254",
};
const size_t n_metadata_addresses = N(metadata_addresses);

bool address_is_metadata(const struct pf_address *address)
{
	static const uint8_t four[][4] = {
		{169, 254, 169, 254}, {169, 254, 170, 2}, {100, 100, 100, 200},
		{168, 63, 129, 16},   {192, 0, 0, 192},
	};
	static const uint8_t six[16] = {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54};

	if (address->family == AF_INET6)
		return !memcmp(address->bytes, six, sizeof(six));
	for (size_t i = 0; address->family == AF_INET && i < N(four); i++)
		if (!memcmp(address->bytes, four[i], sizeof(four[i])))
			return true;
	return false;
}

static bool is_translated(const struct pf_address *address, const struct prefix_list *nat64)
{
	static const uint8_t well_known[12] = {0x00, 0x64, 0xff, 0x9b};

	if (address->family != AF_INET6)
		return false;
	if (!memcmp(address->bytes, well_known, sizeof(well_known)))
		return true;
	for (size_t i = 0; nat64 && i < nat64->n_prefixes; i++)
		if (pf_prefix_contains(&nat64->prefixes[i], address))
			return true;
	return false;
}

bool address_translate(const struct pf_address *address, const struct prefix_list *nat64,
		       struct pf_address *ret_address)
{
	struct pf_address four = {.family = AF_INET};
	bool is_inside = is_translated(address, nat64);

	memcpy(four.bytes, &address->bytes[12], 4);
	*ret_address = is_inside ? four : *address;
	return is_inside;
}

/* True where it lies in one of the list. */
static bool find_listed(const struct prefix_list *list, const char *origin,
			struct destination_facts *facts)
{
	for (size_t i = 0; i < list->n_prefixes; i++) {
		if (!pf_prefix_contains(&list->prefixes[i], &facts->address))
			continue;
		facts->class = DESTINATION_INTERNAL;
		facts->network = list->prefixes[i];
		facts->origin = origin;
		return true;
	}
	return false;
}

static bool find_configured(const struct config *config, struct destination_facts *facts)
{
	return find_listed(&config->network.internal, "network.internal", facts) ||
	       find_listed(&config->network.pod_cidrs, "network.podCIDRs", facts) ||
	       find_listed(&config->network.service_cidrs, "network.serviceCIDRs", facts) ||
	       find_listed(&config->network.node_cidrs, "network.nodeCIDRs", facts);
}

/* Of a resolver only its port counts, and only where it is meant itself. */
static bool counts(const struct network *network, const struct policy_packet *packet,
		   bool is_inside)
{
	if (network->origin != NETWORK_RESOLVER)
		return network_is_internal(network);
	return !network->refused && !is_inside && packet->has_port && packet->port == PORT_DNS &&
	       (packet->protocol == 6 || packet->protocol == 17);
}

static bool find_derived(const struct network_list *derived, const struct policy_packet *packet,
			 struct destination_facts *facts)
{
	for (size_t i = 0; derived && i < derived->n_networks; i++) {
		const struct network *network = &derived->networks[i];
		if (!pf_prefix_contains(&network->prefix, &facts->address) ||
		    !counts(network, packet, facts->is_translated))
			continue;
		facts->class = DESTINATION_INTERNAL;
		facts->network = network->prefix;
		facts->origin = network_origin_name(network->origin);
		facts->source = network->source;
		return true;
	}
	return false;
}

static bool find_local(struct destination_facts *facts)
{
	static const char *const local[] = {"224.0.0.0/4", "255.255.255.255", "ff00::/8",
					    "fe80::/10"};

	for (size_t i = 0; i < N(local) && !facts->is_translated; i++) {
		struct pf_prefix prefix;
		if (pf_prefix_parse(local[i], &prefix) != 0 ||
		    !pf_prefix_contains(&prefix, &facts->address))
			continue;
		facts->class = DESTINATION_LOCAL;
		facts->network = prefix;
		facts->origin = "node-local or multicast";
		return true;
	}
	return false;
}

void destination_classify(const struct config *config, const struct network_list *derived,
			  const struct policy_packet *packet, struct destination_facts *ret_facts)
{
	struct destination_facts facts = {
		.class = DESTINATION_EXTERNAL, .origin = "", .source = ""};

	facts.is_translated = address_translate(&packet->destination, &config->network.nat64,
						&facts.address);
	if (address_is_metadata(&facts.address))
		facts.class = DESTINATION_METADATA;
	else if (!find_configured(config, &facts) && !find_derived(derived, packet, &facts))
		(void)find_local(&facts);
	*ret_facts = facts;
}
