/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/address.h>

#include "config/config.h"
#include "inventory/network_list.h"
#include "policy/verdict.h"

/* What a destination is, whoever sends to it: the same that the kernel's `judge` chains ask. */
enum destination_class {
	DESTINATION_METADATA, /* judged, whatever network it lies in */
	DESTINATION_INTERNAL, /* not judged */
	DESTINATION_LOCAL,    /* not judged: multicast, broadcast, link-local */
	DESTINATION_EXTERNAL,
};

struct destination_facts {
	enum destination_class class;
	/* Internal and local: what it lies in and where that comes from. */
	struct pf_prefix network;
	const char *origin; /* "network.internal", "node address", ...: static text */
	const char *source; /* of a derived network, the list's: "Node node-1"; "" */
	/* Inside a NAT64 prefix: it is judged by the IPv4 address in it, which is `address`. */
	bool is_translated;
	struct pf_address address;
};

/* Pure. derived: NULL where nothing is. */
void destination_classify(const struct config *config, const struct network_list *derived,
			  const struct policy_packet *packet, struct destination_facts *ret_facts);

/* Cloud metadata: AWS, GCP, Azure, OpenStack (169.254.169.254); ECS tasks; Alibaba; Azure wire server; Oracle;
 * AWS over IPv6. The last is the only one of IPv6. */
extern const char *const metadata_addresses[];
extern const size_t n_metadata_addresses;
/* Of an address as it is written, not inside a NAT64 prefix. */
bool address_is_metadata(const struct pf_address *address);

/* The IPv4 address that one inside 64:ff9b::/96 (RFC 6052) or a prefix of nat64 (or NULL) stands for; false
 * where it is in none, and ret_address is the address itself. */
bool address_translate(const struct pf_address *address, const struct prefix_list *nat64,
		       struct pf_address *ret_address);
