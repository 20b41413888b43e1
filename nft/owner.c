/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Whose tables these are. Flag OWNER (kernel 5.12) ties a table to the socket that made it: others get
 * EPERM, and when that socket is closed the table goes. With PERSIST (6.9) it stays without an owner
 * (OWNER is cleared), and whoever sends both flags again is its next one (nf_tables_updtable()).
 *
 * Rules that must outlive their agent want both or none. A lock wants OWNER alone: it is gone as soon
 * as the process that held it is, however that ended. */
#include <podfence/nft.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <linux/netfilter/nf_tables.h>

#include "handle.h"
#include "internal.h"

#define TABLE_F_OWNER	0x2 /* linux/netfilter/nf_tables.h of 5.12 and 6.9 */
#define TABLE_F_PERSIST 0x4
#define PROBE_TABLE	"podfence-probe" /* is judged, never made */

struct table_facts {
	const char *name;
	bool is_there;
	uint32_t flags;
	uint32_t port; /* of its owner; 0: none */
};

static int on_table(const struct nlmsghdr *header, void *data)
{
	struct table_facts *facts = data;
	struct nftnl_table *table = nftnl_table_alloc();

	if (!table || nftnl_table_nlmsg_parse(header, table) < 0) {
		errno = table ? EPROTO : ENOMEM;
		nftnl_table_free(table);
		return MNL_CB_ERROR;
	}
	const char *name = nftnl_table_get_str(table, NFTNL_TABLE_NAME);
	if (name && !strcmp(name, facts->name)) {
		facts->is_there = true;
		facts->flags = nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS);
		facts->port = nftnl_table_is_set(table, NFTNL_TABLE_OWNER)
				      ? nftnl_table_get_u32(table, NFTNL_TABLE_OWNER)
				      : 0;
	}
	nftnl_table_free(table);
	return MNL_CB_OK;
}

static int table_look(struct pf_nft *nft, enum pf_family family, const char *name,
		      struct table_facts *ret_facts)
{
	char buffer[64];
	struct table_facts facts;
	int r;

	do {
		facts = (struct table_facts){.name = name};
		r = nft_request(nft,
				nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, family, NLM_F_DUMP,
						      nft->sequence++),
				on_table, &facts);
	} while (r == -EINTR); /* somebody changed something meanwhile */
	if (!r)
		*ret_facts = facts;
	return r;
}

/* Makes one, or gives one that is there these flags. The kernel's errno, negative. */
static int table_send(struct pf_nft *nft, enum pf_family family, const char *name, uint32_t flags,
		      bool commits)
{
	struct pf_table table = {.family = family};
	struct step step = {STEP_ADD_TABLE, .table = &table};
	const struct pf_plan plan = {.steps = &step, .n_steps = 1};
	struct pf_nft_errors errors;

	strncpy(table.name, name, sizeof(table.name) - 1);
	int r = nft_exchange(nft, &plan, flags, commits, &errors);
	return r == -EREMOTEIO ? -errors.errors[0].error : r;
}

/* 0: it is ours now, or is not there and will be. */
static int table_own(struct pf_nft *nft, enum pf_family family, const char *name,
		     uint32_t *ret_port)
{
	struct table_facts facts = {};
	int r = table_look(nft, family, name, &facts);

	if (r < 0 || !facts.is_there || (facts.port && facts.port == nft->port))
		return r;
	if (facts.port) {
		*ret_port = facts.port;
		return -EBUSY;
	}
	if (!(facts.flags & TABLE_F_PERSIST))
		return PF_NFT_OWN_PLAIN;
	return table_send(nft, family, name, TABLE_F_OWNER | TABLE_F_PERSIST, true);
}

int pf_nft_own(struct pf_nft *nft, const char *table, uint32_t *ret_port)
{
	const uint32_t flags = TABLE_F_OWNER | TABLE_F_PERSIST;
	int result = 0;
	int r = table_send(nft, PF_FAMILY_INET, PROBE_TABLE, flags, false);

	if (r == -EOPNOTSUPP || r == -EINVAL)
		return PF_NFT_OWN_UNSUPPORTED;
	for (size_t i = 0; i < n_families && r >= 0; i++) {
		r = table_own(nft, families[i], table, ret_port);
		if (r > 0)
			result = r;
	}
	if (r < 0)
		return r;
	nft->table_flags = flags;
	return result;
}

int pf_nft_lock(const char *name, struct pf_nft **ret_lock, uint32_t *ret_port)
{
	struct pf_nft *lock;
	struct table_facts facts;
	int r = pf_nft_open(&lock);

	if (r < 0)
		return r;
	r = table_send(lock, PF_FAMILY_INET, name, TABLE_F_OWNER, true);
	if (!r) {
		*ret_lock = lock;
		return 0;
	}
	/* EPERM is the answer to those who may not change anything, too. */
	if (r == -EPERM && !table_look(lock, PF_FAMILY_INET, name, &facts) && facts.port) {
		*ret_port = facts.port;
		r = -EBUSY;
	}
	pf_nft_free(lock);
	return r;
}
