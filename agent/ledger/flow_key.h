/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <podfence/attributes.h>
#include <podfence/nflog.h>
#include <podfence/packet.h>

#include "compile/ledger_set.h"
#include "compile/rulebook.h"

/* A flow as the kernel tells one from another: an element of a set of the ledger. */
struct flow_key {
	uint8_t set; /* its place in ledger_sets */
	struct pf_key key;
};

/* What a key says. */
struct flow_facts {
	uint32_t link;	 /* ifindex of what it came in by, a bridge's port in its table; else 0 */
	uint32_t index;	 /* of the node's own sockets, denied: endpoint index, 0: nobody's */
	uint64_t cgroup; /* the same, audited */
	uint32_t device; /* ifindex of what it left by, of a packet socket's frames; else 0 */
	uint32_t held;	 /* endpoint index of who is in quarantine, whatever he is */
	struct pf_address source, destination; /* family 0: not said */
	uint8_t protocol;
	bool has_port, has_icmp;
	uint16_t port;
	uint8_t icmp_type, icmp_code;
};

enum {
	FLOW_E_NONE = 1, /* the ledger does not count it */
	FLOW_E_UNKNOWN,	 /* the packet was not captured far enough, or its cgroup is not known */
};

/* Which flow a logged packet belongs to. `cgroup` is the id of the cgroup whose index the prefix names, 0: not
 * known. packet may be NULL for one that is counted for its sender alone (meaning->is_over) and was made on
 * the node. 0 or one of the above. */
PF_MUST_CHECK int flow_key_of(const struct prefix_meaning *meaning,
			      const struct pf_nflog_record *record, const struct pf_packet *packet,
			      uint64_t cgroup, struct flow_key *ret_key);

/* False: no such set, or the key is not one of it. */
PF_MUST_CHECK bool flow_key_read(const struct flow_key *key, struct flow_facts *ret_facts);

const struct ledger_set *flow_set(const struct flow_key *key);
