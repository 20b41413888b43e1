/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "config/config.h"
#include "kube/policy.h"

/* What a row of rules matches together, in the form the kernel's sets take: ranges that do not overlap. */

/* Addresses of one family, first and last inclusive, in network order from byte 0. */
struct range {
	uint8_t first[16], last[16];
};

struct range_list {
	struct range *ranges; /* sorted, neither overlapping nor touching */
	size_t n, capacity;
};

/* Ports of one protocol for a range of addresses. */
struct box {
	struct range range;
	struct policy_port port;
};

struct box_list {
	struct box *boxes;
	size_t n, capacity;
};

struct port_list {
	struct policy_port *ports; /* sorted, neither overlapping nor touching */
	size_t n, capacity;
};

struct match {
	bool is_everything;
	struct range_list networks[2]; /* IPv4, IPv6: on every port */
	struct port_list services;     /* to everybody */
	struct box_list boxes[2];      /* the rest */
	int error;
};

/* Adds what a rule matches. -ENOMEM sticks: match_finish() says it. */
void match_add(struct match *match, const struct policy_rule *rule);
/* Ranges are made disjoint, IPv4 is matched inside NAT64 prefixes too, and addresses inside those by nothing
 * else. 0 or -ENOMEM. */
PF_MUST_CHECK int match_finish(struct match *match, const struct pf_prefix *nat64, size_t n_nat64);
bool match_is_nothing(const struct match *match);
void match_done(struct match *match);
