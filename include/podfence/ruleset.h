/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

/* A ruleset as one plain value: tables with named counters, sets, maps, chains and rules. It is
 * built once, sealed, and never changed again. Two values make a plan (podfence/plan.h), a plan
 * makes one transaction (podfence/nft.h).
 *
 * The builder cannot produce half a rule: the first thing that fails (no memory, a name too long, a
 * key of the wrong width, a set that does not exist) is remembered in the ruleset, every later call
 * does nothing, and pf_ruleset_seal() returns the error. Builder calls therefore have no result to
 * check. */

#define PF_NAME_MAX	 32 /* of tables, chains, sets, counters, with NUL; the kernel takes 255 */
#define PF_KEY_MAX	 44 /* bytes of a set key: all its fields, each padded to four bytes */
#define PF_SELECTORS_MAX 5
#define PF_LOG_PREFIX	 64
#define PF_DEVICE_MAX	 16 /* IFNAMSIZ, with NUL */

/* NFPROTO_INET, NFPROTO_NETDEV, NFPROTO_BRIDGE */
enum pf_family { PF_FAMILY_INET = 1, PF_FAMILY_NETDEV = 5, PF_FAMILY_BRIDGE = 7 };

/* What of a packet is looked at. What a field needs (an IPv4 packet for ip saddr) is matched first
 * by itself, the way nft does it. */
enum pf_field {
	PF_IIF = 1, /* meta iif: ifindex; in the bridge family the port */
	PF_OIF,	    /* meta oif */
	PF_NFPROTO, /* meta nfproto: AF_INET or AF_INET6, in the inet family */
	PF_L4PROTO, /* meta l4proto */
	PF_MARK,    /* meta mark */
	PF_IP_SADDR,
	PF_IP_DADDR,
	PF_IP6_SADDR,
	PF_IP6_DADDR,
	PF_ARP_SADDR_IP, /* arp saddr ip: the sender's protocol address; bridge family only */
	PF_UDP_DPORT,
	PF_TH_DPORT, /* th dport: where ports stand in TCP, UDP and SCTP; beside PF_L4PROTO */
	PF_TH_SPORT, /* th sport; in ICMP type and code stand there */
	PF_TCP_FLAGS,
	PF_ICMPV6_TYPE,
	PF_ND_TARGET, /* @th,64,128: target of a neighbour solicitation or advertisement, RFC
			 4861 4.3 */
	PF_CT_STATE,  /* ct state: bits, compared as flags */
	PF_CT_DIRECTION,
	PF_CT_LABEL, /* ct label: 128 bits, compared as flags */
	PF_CGROUP, /* socket cgroupv2 level N: id of the socket's ancestor at that depth, if it has
		      one */
	PF_FIB_SADDR_IIF, /* fib saddr . iif oif: 1 where the route back to the source leaves by iif
			   */
	PF_FIB_SADDR_TYPE,
	PF_FIB_DADDR_TYPE,
	PF_LOOSE_SOURCE_ROUTE,	/* ip option lsrr: 1 where the packet has it */
	PF_STRICT_SOURCE_ROUTE, /* ip option ssrr */
	PF_ROUTE_REALM, /* meta rtclassid: realm of the packet's route, 0 where the route has none; a
			   packet that was never routed has no such field */
	/* Of an Ethernet frame, wherever its sender says that its headers begin; a packet whose frame
	 * cannot be found (af_packet.c past the queueing discipline) has none of these. */
	PF_FRAME_TYPE,
	PF_FRAME_IP_DADDR,
	PF_FRAME_IP6_DADDR,
	PF_TAGGED_TYPE, /* the same of one that begins with one VLAN tag */
	PF_TAGGED_IP_DADDR,
	PF_TAGGED_IP6_DADDR,
	PF_PROTOCOL, /* meta protocol: the ethertype that the sender says */
	PF_ARP_HEAD, /* @nh,0,48: hardware and protocol type and address lengths */
	PF_FIELD_N,
};

/* Values are compared as memory: no padding. */
struct pf_selector {
	enum pf_field field;
	uint32_t level; /* PF_CGROUP only */
};

/* Fields as a pair of arguments: pf_rule_lookup(rule, "pods4", PF_FIELDS({PF_IIF}, {PF_IP_SADDR}))
 */
#define PF_FIELDS(...)                                                                             \
	((const struct pf_selector[]){__VA_ARGS__}),                                               \
		(sizeof((const struct pf_selector[]){__VA_ARGS__}) / sizeof(struct pf_selector))

enum pf_verdict { PF_ACCEPT = 1, PF_DROP, PF_RETURN, PF_JUMP, PF_GOTO };

enum pf_reject { PF_REJECT_TCP_RESET, PF_REJECT_ADMIN_PROHIBITED };

/* Set data: nothing (a set), a verdict, or a 32 bit mark. */
enum pf_data { PF_DATA_NONE, PF_DATA_VERDICT, PF_DATA_MARK };

struct pf_set_options {
	enum pf_data data;
	uint32_t size; /* elements at most; 0: no limit (then the kernel picks a resizable hash) */
	/* Elements are ranges of the one field, or of each field of a concatenation, which then must
	 * not overlap: the kernel refuses those (nft_set_pipapo). Sets, not maps. */
	bool is_interval;
	/* Rules add the elements (pf_rule_set_add()). They are the kernel's: a plan makes, keeps and
	 * removes the set and never looks inside, pf_nft_read() leaves it empty, and of a set that is
	 * there the size stays what it is. */
	bool is_dynamic;
	bool has_counter; /* each element of a dynamic set counts its packets and bytes */
	uint32_t
		timeout_seconds; /* elements of a dynamic set go so long after their last update; 0: never */
};

/* linux/netfilter.h and netfilter_bridge.h hook numbers */
enum pf_hook { PF_PREROUTING = 0, PF_INPUT = 1, PF_FORWARD = 2, PF_OUTPUT = 3, PF_POSTROUTING = 4 };
#define PF_EGRESS ((enum pf_hook)1) /* of the netdev family, NF_NETDEV_EGRESS: kernel 5.16 */

struct pf_ruleset;
struct pf_table;
struct pf_set;
struct pf_chain;
struct pf_rule;

struct pf_ruleset *pf_ruleset_new(void); /* NULL: no memory */
struct pf_ruleset *pf_ruleset_free(struct pf_ruleset *ruleset);

struct pf_table *pf_table_add(struct pf_ruleset *ruleset, enum pf_family family, const char *name);
/* What was to be added could not be made: as if a builder call had failed. The text is a literal. */
void pf_table_fail(struct pf_table *table, int error, const char *text);
void pf_counter_add(struct pf_table *table, const char *name);
struct pf_set *pf_set_add(struct pf_table *table, const char *name,
			  const struct pf_set_options *options, const struct pf_selector *selectors,
			  size_t n_selectors);
/* One that was added to this table before; NULL: none. */
struct pf_set *pf_set_find(struct pf_table *table, const char *name);
struct pf_chain *pf_chain_add(struct pf_table *table, const char *name);
/* A base chain of type filter with policy accept. Its rules change like those of any chain; its
 * name, hook and priority never do: the kernel cannot (EOPNOTSUPP). Nothing can jump to it. */
struct pf_chain *pf_base_chain_add(struct pf_table *table, const char *name, enum pf_hook hook,
				   int priority);
/* The same at the hook of what a device sends, of a table of the netdev family. The device must be there when
 * the chain is made; before kernel 6.16 the chain goes away with it. */
struct pf_chain *pf_egress_chain_add(struct pf_table *table, const char *name, const char *device,
				     int priority);

/* Key fields in order, each in the byte order of the packet (addresses, ports) or of the host
 * (ifindex, cgroup id, protocol). The key is made with these, then added. */
struct pf_key {
	uint8_t bytes[PF_KEY_MAX];
	uint8_t length;
};
void pf_key_add_u8(struct pf_key *key, uint8_t value);
void pf_key_add_port(struct pf_key *key, uint16_t value); /* host order in, network order stored */
void pf_key_add_u32(struct pf_key *key, uint32_t value);
void pf_key_add_u64(struct pf_key *key, uint64_t value);
void pf_key_add_address(struct pf_key *key, const struct pf_address *address);

void pf_element_add(struct pf_set *set, const struct pf_key *key);
void pf_element_add_verdict(struct pf_set *map, const struct pf_key *key, enum pf_verdict verdict,
			    const char *chain);
void pf_element_add_mark(struct pf_set *map, const struct pf_key *key, uint32_t mark);
void pf_element_add_prefix(struct pf_set *set, const struct pf_prefix *prefix);
/* Of an interval set: from `first` to `last` inclusive, each field for itself. */
void pf_element_add_range(struct pf_set *set, const struct pf_key *first,
			  const struct pf_key *last);

/* Takes a chain of another ruleset, sealed, with the sets its rules look things up in (sets, not maps), as
 * they are: nothing is copied, and a plan between the two sees at once that they are the same. False where
 * there is no such chain there, or one here already; then nothing happened. */
bool pf_chain_share(struct pf_table *table, const struct pf_ruleset *from, const char *name);

struct pf_rule *pf_rule_add(struct pf_chain *chain);
/* Matches. Integers are given in host order. */
void pf_rule_equal(struct pf_rule *rule, struct pf_selector selector, uint64_t value);
void pf_rule_not_equal(struct pf_rule *rule, struct pf_selector selector, uint64_t value);
void pf_rule_flags(struct pf_rule *rule, struct pf_selector selector, uint32_t mask,
		   uint32_t value);
void pf_rule_any_flag(struct pf_rule *rule, struct pf_selector selector, uint32_t mask);
void pf_rule_label(struct pf_rule *rule, unsigned bit);
void pf_rule_prefix(struct pf_rule *rule, struct pf_selector selector,
		    const struct pf_prefix *prefix);
void pf_rule_lookup(struct pf_rule *rule, const char *set, const struct pf_selector *selectors,
		    size_t n_selectors);
void pf_rule_lookup_not(struct pf_rule *rule, const char *set, const struct pf_selector *selectors,
			size_t n_selectors);
/* Statements */
void pf_rule_vmap(struct pf_rule *rule, const char *map, const struct pf_selector *selectors,
		  size_t n_selectors);
void pf_rule_counter(struct pf_rule *rule, const char *counter);
void pf_rule_log(struct pf_rule *rule, uint16_t group, uint32_t copy_bytes,
		 uint16_t queue_threshold, const char *prefix);
/* At most so many packets a second; `burst` at once after a pause. */
struct pf_rate {
	uint32_t per_second, burst;
};
/* Goes on only while the rate is not exceeded; one rate for all packets of the rule. */
void pf_rule_limit(struct pf_rule *rule, const struct pf_rate *rate);
/* Adds the key to a dynamic set, or finds it there; its counter counts. Where the set is full the rule ends
 * here. */
void pf_rule_set_add(struct pf_rule *rule, const char *set, const struct pf_selector *selectors,
		     size_t n_selectors);
/* The same with a rate for each element: the rule goes on while that is not exceeded. */
void pf_rule_set_meter(struct pf_rule *rule, const char *set, const struct pf_selector *selectors,
		       size_t n_selectors, const struct pf_rate *rate);
void pf_rule_set_mark(struct pf_rule *rule, uint32_t mark);
void pf_rule_set_mark_map(struct pf_rule *rule, const char *map,
			  const struct pf_selector *selectors, size_t n_selectors);
void pf_rule_set_label(struct pf_rule *rule, unsigned bit);
void pf_rule_reject(struct pf_rule *rule, enum pf_reject reject);
void pf_rule_verdict(struct pf_rule *rule, enum pf_verdict verdict,
		     const char *chain /* or NULL */);

/* Ends the building: everything referred to exists and fits, elements are sorted, equal ones
 * merged, and ranges that another one contains are left out. 0, or a negative errno with a
 * sentence in pf_ruleset_error(): -ENOMEM, -ENAMETOOLONG, -EINVAL (a key or field that does not
 * fit), -ENOENT (no such chain, set or counter), -EEXIST (a name twice, or one key with two
 * meanings). */
PF_MUST_CHECK int pf_ruleset_seal(struct pf_ruleset *ruleset);
const char *pf_ruleset_error(const struct pf_ruleset *ruleset);

/* The sealed value as nft text that `nft -f` takes. -EIO, -ENOMEM. */
PF_MUST_CHECK int pf_ruleset_print(const struct pf_ruleset *ruleset, FILE *stream);

size_t pf_ruleset_n_tables(const struct pf_ruleset *ruleset);
bool pf_ruleset_has_table(const struct pf_ruleset *ruleset, enum pf_family family,
			  const char *name);
size_t pf_ruleset_n_rules(const struct pf_ruleset *ruleset);
size_t pf_ruleset_n_elements(const struct pf_ruleset *ruleset);
/* Rules as the kernel's register machine sees them, one text a rule ("[ meta load iif => reg 1 ]"
 * lines), in chain order: fn(chain, bytecode). For golden files and comparison with nft. Negative
 * errno. */
PF_MUST_CHECK int pf_ruleset_bytecode(const struct pf_ruleset *ruleset,
				      void (*fn)(const char *table, const char *chain,
						 const char *bytecode, void *userdata),
				      void *userdata);
/* 128 bits that are equal for two values exactly when the kernel's view of both is (up to
 * collision). */
struct pf_digest {
	uint64_t half[2];
};
PF_MUST_CHECK int pf_ruleset_digest(const struct pf_ruleset *ruleset, struct pf_digest *ret_digest);
