/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The kernel's register machine on a ruleset value: what would happen to a packet, without a kernel. Written
 * for tests that ask many questions; it knows the expressions by what they mean, not by their bytecode. */
#pragma once

#include <podfence/address.h>
#include <podfence/ruleset.h>

#define MACHINE_LEVELS 8

struct machine_packet {
	uint32_t iif;
	struct pf_address source, destination;
	uint8_t protocol;
	bool has_ports;
	uint16_t destination_port;
	uint64_t cgroups[MACHINE_LEVELS]; /* of the socket, by level; 0: none */
	bool is_reply, has_label;
	bool is_to_local; /* the destination is an address of the node */
};

struct machine_outcome {
	enum pf_verdict verdict; /* PF_ACCEPT or PF_DROP; an answer (reject) is PF_DROP too */
	bool is_rejected;
	char prefix[64];  /* of the last log statement; "" */
	char counter[32]; /* the last one that counted; "" */
};

/* The packet at this base chain of inet podfence. Fails the test where the ruleset does what a kernel would
 * not take. */
struct machine_outcome machine_run(const struct pf_ruleset *ruleset, const char *base_chain,
				   const struct machine_packet *packet);
