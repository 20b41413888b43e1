/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compile/compile.h"
#include "compile/ledger_set.h"
#include "compile/rulebook.h"

/* Every set carries the version of its format: a new agent that changes a type takes a new name,
 * and both live side by side for the one transaction that replaces the old. */
#ifndef SET_VERSION
#define SET_VERSION "_v1" /* that of all whose type never changed */
#endif
#define SET(name) name SET_VERSION

#define UPLINKS	  SET("uplinks")
#define POD_ROOTS SET("pod_roots") /* and units: sockets below these are judged */
#define EXEMPT	  SET("exempt")	   /* sockets below these are not */
#define LINKS	  SET("links")
#define PODS4	  SET("pods4")
#define PODS6	  SET("pods6")
#define CGROUPS	  SET("cgroups")
#define SENDERS	  SET("senders") /* all of them that are cgroups, whatever holds for them */
/* The same for whom something else than the agent's default holds: maps to their chains. */
#define POLICY_LINKS   SET("policy_links")
#define POLICY_PODS4   SET("policy_pods4")
#define POLICY_PODS6   SET("policy_pods6")
#define POLICY_CGROUPS SET("policy_cgroups")
#define MARKS	       SET("marks")
#define TAGS	       SET("tags")
#define SPOOF_TAGS     SET("spoof_tags")
#define TUNNEL_TAGS    SET("tunnel_tags")
#define METADATA4      SET("metadata4")
#define METADATA6      SET("metadata6")
#define INTERNAL4      SET("internal4")
#define INTERNAL6      SET("internal6")
#define TRANSLATED6    SET("translated6") /* what NAT64 makes of internal IPv4 networks */
#define NAT64	       SET("nat64")
#define RESOLVERS4     SET("resolvers4")
#define RESOLVERS6     SET("resolvers6")
#define TUNNEL_PORT    SET("tunnel_ports")
#define TUNNEL_IP      SET("tunnel_protocols")
#define PORTS	       SET("ports")
#define PORTS4	       SET("ports4")
#define PORTS6	       SET("ports6")
#define TARGETS6       "targets6_v2"
#define ADDRESSES4     SET("addresses4")
#define ADDRESSES6     SET("addresses6")
/* Who is in quarantine, and the chain that judges what comes from or goes to him. */
#define HELD_LINKS	  SET("held_links")
#define HELD_LINKS_TO	  SET("held_links_to")
#define HELD_PODS4	  SET("held_pods4")
#define HELD_PODS4_TO	  SET("held_pods4_to")
#define HELD_PODS6	  SET("held_pods6")
#define HELD_PODS6_TO	  SET("held_pods6_to")
#define HELD_CGROUPS	  SET("held_cgroups")
#define HELD_CGROUPS_TO	  SET("held_cgroups_to")
#define HELD_PORTS	  SET("held_ports")
#define HELD_PORTS_TO	  SET("held_ports_to")
#define HELD_PORTS_FORGED SET("held_ports_forged")
#define ADVERTISED6	  SET("advertised6") /* the addresses again, as targets of advertisements */

/* How fast somebody begins new flows (ledger.c). */
#define PACE4	     SET("pace4")
#define PACE6	     SET("pace6")
#define PACE_LINKS   SET("pace_links")
#define PACE_OUT     SET("pace_out")
#define PACE_CGROUPS SET("pace_cgroups")
#define LOGGED	     "logged" /* NFLOG messages sent; in each table */
#define ANSWER	     "answer" /* the chain that rejects */

/* Of what is not logged one by one. */
#define SAMPLES_PER_SECOND 10

/* A set with a size gets the kernel's fixed hash, half the cost of the resizable one. */
#define ENDPOINTS_MAX 16384
/* Of sets that packets fill. The kernel makes room at once for as many as the size says, 16 bytes each, but takes its
 * low 16 bits alone (struct rhashtable_params, nelem_hint): this one makes room as it is needed. */
#define DYNAMIC_MAX 65536
#define LEVELS_MAX  16 /* depths of the cgroup tree a pod can have */

/* A few linear compares beat an interval set; about ten prefixes cost the same. */
#define LINEAR_MAX 8

struct levels {
	uint8_t levels[LEVELS_MAX];
	size_t n;
};

/* The compilation in progress: what several stages need. */
struct compiler {
	const struct config *config;
	const struct snapshot *snapshot;   /* or NULL */
	const struct decisions *decisions; /* or NULL */
	const struct pf_ruleset *before;   /* or NULL; compile_input has more on both */
	const struct decisions *before_decisions;
	const struct quarantine_list *quarantines; /* or NULL */
	struct pf_table *inet;
	struct pf_table *bridge; /* NULL: no pod has stood behind a bridge yet */
	struct pf_table *netdev; /* NULL: there has been no backstop yet */
	bool keeps_bridge, keeps_netdev;
	bool is_audit; /* the guards record and let pass: the agent's default denies nothing */
	struct prefix_list internal; /* all of them, configured and derived */
	/* Depths of the cgroup tree, the deepest first: a unit may stand in a unit. */
	struct levels roots, pods, exempt;
};

/* tail.c: how a chain ends, by what the rulebook says of the rule */
void verdict_add(struct pf_rule *rule, enum rule_id id);
void mark_add(const struct compiler *compiler, struct pf_chain *chain);
/* Counts the message and logs the packet. */
void log_add(const struct compiler *compiler, struct pf_rule *rule,
	     const struct prefix_meaning *meaning);
/* A few packets a second are logged, whosever they are; then the verdict. */
void sample_add(const struct compiler *compiler, struct pf_chain *chain,
		const struct prefix_meaning *meaning);
/* The counter of packets whose sender is not known or has no room. */
const char *unkept_counter(enum ledger_class class);
/* All rules of such a packet: counted there, sampled, the verdict. */
void nobody_add(const struct compiler *compiler, struct pf_chain *chain,
		const struct prefix_meaning *meaning);

/* sender.c: an end that keeps only whose packets they are */
struct sender_end {
	struct prefix_meaning meaning;
	enum ledger_who who;
	bool is_bridge;
	uint8_t level; /* LEDGER_BY_CGROUP: the depth of the cgroup that is the key */
};
/* All rules to the verdict; `name` is that of the chain. LEDGER_BY_INDEX: the mark is set. */
void sender_add(const struct compiler *compiler, struct pf_chain *chain, const char *name,
		const struct sender_end *end);
/* The same of the node's own sockets, where nobody has set the mark yet; its tags are in SPOOF_TAGS or TUNNEL_TAGS. */
void sender_add_out(const struct compiler *compiler, struct pf_chain *chain, const char *name,
		    enum rule_id rule);
/* In audit: the chain of one of these, which both of his tags lead to. */
void sender_add_tags(const struct compiler *compiler, uint64_t cgroup, unsigned level);
/* Sets and counters of one of the tables. */
void compile_senders(const struct compiler *compiler, enum pf_family family);

/* ledger.c: an end that keeps a flow in the ledger */
struct ledger_end {
	struct prefix_meaning meaning;
	bool is_output;
	uint8_t level; /* audited, of the node's own sockets: the depth of the cgroup that is the key */
};
/* All rules from here to the verdict; `name` begins those of further chains and has at most 20 letters. */
void ledger_add(const struct compiler *compiler, struct pf_chain *chain, const char *name,
		const struct ledger_end *end);
/* What is let out to external addresses; chains of these names. */
#define ALLOWED	    "allowed"
#define ALLOWED_OUT "allowed-out"
/* Sets and counters, and what is common to all ends. */
void compile_ledger(const struct compiler *compiler);

/* ends.c: what meets a packet that nothing allows. Chains END, and END-out for the output hook. */
enum end { END_DENY, END_REJECT, END_AUDIT, END_N };
/* Of what is denied while this mode holds: off denies too, what a policy denies. */
const char *end_of(enum config_mode mode, enum config_action action, bool is_output);
void compile_ends(const struct compiler *compiler);

/* guard.c: what is decided before conntrack and about replies */
void compile_guards(const struct compiler *compiler);
/* judge.c: metadata, internal, local; what is neither goes to the sender's policy */
void compile_judges(const struct compiler *compiler);
/* The NAT64 prefixes: network.nat64 and the well-known one. Returns how many. */
#define NAT64_MAX 9
size_t nat64_prefixes(const struct compiler *compiler,
		      struct pf_prefix ret_prefixes[static NAT64_MAX]);
/* Fill sets of destinations, IPv4 and IPv6: metadata addresses; networks that are internal; those that are
 * local to the segment or the node. Into an interval set: internal IPv4 as NAT64 embeds it. */
void metadata_fill(const struct compiler *compiler, struct pf_set *four, struct pf_set *six);
void internal_fill(const struct compiler *compiler, struct pf_set *four, struct pf_set *six);
void local_fill(struct pf_set *four, struct pf_set *six);
void translated_fill(const struct compiler *compiler, struct pf_set *six);
/* A prefix written in the code: that it parses is seen in the golden rulesets. */
struct pf_prefix prefix_constant(const char *text);
/* To `target` with destinations that are internal whoever sends; "judge" and "judge-out" do not ask for these. */
void plainly_internal_add(const struct compiler *compiler, struct pf_chain *chain,
			  const char *target);
/* bridge.c */
void compile_bridge(const struct compiler *compiler);
/* policy.c: one chain for each distinct decision */
void compile_policies(const struct compiler *compiler);
/* endpoints.c: who is who */
void compile_endpoint_chains(const struct compiler *compiler);
void compile_endpoints(const struct compiler *compiler);
void compile_bridge_endpoints(const struct compiler *compiler);
/* backstop.c */
void compile_backstop(const struct compiler *compiler);
/* quarantine.c */
void compile_quarantines(const struct compiler *compiler);
