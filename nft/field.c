/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The fields a rule can look at, in one table: nft's words and type numbers (nftables datatype.h),
 * the kernel's keys (linux/netfilter/nf_tables.h) and where the bytes stand. To add a match, add a
 * row. */
#include <linux/netfilter/nf_tables.h>

#include "internal.h"

#define FIB_PRESENT (NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT)

const struct field fields[PF_FIELD_N] = {
	/* text, type name, type, length, big endian, layer, needs, key, offset or flags */
	[PF_IIF] = {"iif", "iface_index", 20, 4, false, LAYER_META, NEEDS_NOTHING, NFT_META_IIF, 0},
	[PF_OIF] = {"oif", "iface_index", 20, 4, false, LAYER_META, NEEDS_NOTHING, NFT_META_OIF, 0},
	[PF_NFPROTO] = {"meta nfproto", "nf_proto", 2, 1, false, LAYER_META, NEEDS_NOTHING,
			NFT_META_NFPROTO, 0},
	[PF_L4PROTO] = {"meta l4proto", "inet_proto", 12, 1, false, LAYER_META, NEEDS_NOTHING,
			NFT_META_L4PROTO, 0},
	[PF_MARK] = {"meta mark", "mark", 19, 4, false, LAYER_META, NEEDS_NOTHING, NFT_META_MARK,
		     0},
	[PF_IP_SADDR] = {"ip saddr", "ipv4_addr", 7, 4, true, LAYER_NETWORK, NEEDS_IP, 0, 12},
	[PF_IP_DADDR] = {"ip daddr", "ipv4_addr", 7, 4, true, LAYER_NETWORK, NEEDS_IP, 0, 16},
	[PF_IP6_SADDR] = {"ip6 saddr", "ipv6_addr", 8, 16, true, LAYER_NETWORK, NEEDS_IP6, 0, 8},
	[PF_IP6_DADDR] = {"ip6 daddr", "ipv6_addr", 8, 16, true, LAYER_NETWORK, NEEDS_IP6, 0, 24},
	[PF_ARP_SADDR_IP] = {"arp saddr ip", "ipv4_addr", 7, 4, true, LAYER_NETWORK, NEEDS_ARP, 0,
			     14},
	[PF_UDP_DPORT] = {"udp dport", "inet_service", 13, 2, true, LAYER_TRANSPORT, NEEDS_UDP, 0,
			  2},
	[PF_TH_DPORT] = {"th dport", "inet_service", 13, 2, true, LAYER_TRANSPORT, NEEDS_NOTHING, 0,
			 2},
	[PF_TH_SPORT] = {"th sport", "inet_service", 13, 2, true, LAYER_TRANSPORT, NEEDS_NOTHING, 0,
			 0},
	[PF_TCP_FLAGS] = {"tcp flags", "tcp_flag", 15, 1, true, LAYER_TRANSPORT, NEEDS_TCP, 0, 13},
	[PF_ICMPV6_TYPE] = {"icmpv6 type", "icmpv6_type", 29, 1, true, LAYER_TRANSPORT,
			    NEEDS_ICMPV6, 0, 0},
	[PF_ND_TARGET] = {"@th,64,128", NULL, 8, 16, true, LAYER_TRANSPORT, NEEDS_NOTHING, 0, 8},
	[PF_CT_STATE] = {"ct state", "ct_state", 26, 4, false, LAYER_CT, NEEDS_NOTHING,
			 NFT_CT_STATE, 0},
	[PF_CT_DIRECTION] = {"ct direction", "ct_dir", 27, 1, false, LAYER_CT, NEEDS_NOTHING,
			     NFT_CT_DIRECTION, 0},
	[PF_CT_LABEL] = {"ct label", "ct_label", 30, 16, false, LAYER_CT, NEEDS_NOTHING,
			 NFT_CT_LABELS, 0},
	[PF_CGROUP] = {"socket cgroupv2 level", "cgroupsv2", 46, 8, false, LAYER_SOCKET,
		       NEEDS_NOTHING, NFT_SOCKET_CGROUPV2, 0},
	[PF_FIB_SADDR_IIF] = {"fib saddr . iif oif", NULL, 39, 1, false, LAYER_FIB, NEEDS_NOTHING,
			      NFT_FIB_RESULT_OIF, FIB_PRESENT},
	[PF_FIB_SADDR_TYPE] = {"fib saddr type", "fib_addrtype", 38, 4, false, LAYER_FIB,
			       NEEDS_NOTHING, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_SADDR},
	[PF_FIB_DADDR_TYPE] = {"fib daddr type", "fib_addrtype", 38, 4, false, LAYER_FIB,
			       NEEDS_NOTHING, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR},
	[PF_LOOSE_SOURCE_ROUTE] = {"ip option lsrr", NULL, 39, 1, false, LAYER_IP_OPTION, NEEDS_IP,
				   131, 0},
	[PF_STRICT_SOURCE_ROUTE] = {"ip option ssrr", NULL, 39, 1, false, LAYER_IP_OPTION, NEEDS_IP,
				    137, 0},
	[PF_ROUTE_REALM] = {"meta rtclassid", "realm", 22, 4, false, LAYER_META, NEEDS_NOTHING,
			    NFT_META_RTCLASSID, 0},
	[PF_FRAME_TYPE] = {"@ll,96,16", NULL, 4, 2, true, LAYER_LINK, NEEDS_NOTHING, 0, 12},
	[PF_FRAME_IP_DADDR] = {"@ll,240,32", NULL, 7, 4, true, LAYER_LINK, NEEDS_NOTHING, 0, 30},
	[PF_FRAME_IP6_DADDR] = {"@ll,304,128", NULL, 8, 16, true, LAYER_LINK, NEEDS_NOTHING, 0, 38},
	[PF_TAGGED_TYPE] = {"@ll,128,16", NULL, 4, 2, true, LAYER_LINK, NEEDS_NOTHING, 0, 16},
	[PF_TAGGED_IP_DADDR] = {"@ll,272,32", NULL, 7, 4, true, LAYER_LINK, NEEDS_NOTHING, 0, 34},
	[PF_TAGGED_IP6_DADDR] = {"@ll,336,128", NULL, 8, 16, true, LAYER_LINK, NEEDS_NOTHING, 0,
				 42},
	[PF_PROTOCOL] = {"meta protocol", "ether_type", 10, 2, true, LAYER_META, NEEDS_NOTHING,
			 NFT_META_PROTOCOL, 0},
	[PF_ARP_HEAD] = {"@nh,0,48", NULL, 4, 6, true, LAYER_NETWORK, NEEDS_NOTHING, 0, 0},
};
