/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#define PF_NFLOG_PREFIX_MAX 128 /* NF_LOG_PREFIXLEN, linux/netfilter/nf_log.h, with its NUL */

/* One NFLOG message (linux/netfilter/nfnetlink_log.h). payload points into the parsed message. */
struct pf_nflog_record {
	uint8_t family;	    /* nfgenmsg: NFPROTO_INET is logged as AF_INET or AF_INET6; AF_BRIDGE;
			       NFPROTO_NETDEV */
	uint8_t hook;	    /* NF_INET_*, NF_BR_* or NF_NETDEV_* */
	uint16_t ethertype; /* host order */
	uint32_t link_in, link_out; /* ifindex, 0: none */
	uint32_t port_in;	    /* bridge port (PHYSINDEV), 0: none */
	uint32_t mark;		    /* 0 where the kernel sent none (it omits a zero mark) */
	bool has_uid, has_gid;	    /* only in OUTPUT, only for full sockets with a file */
	uint32_t uid, gid;
	bool has_sequence;
	uint32_t sequence; /* per group, from 0 at bind; counts logged, not delivered */
	bool has_timestamp;
	uint64_t timestamp_usec; /* CLOCK_REALTIME; absent at OUTPUT and behind, or where absurd */
	uint8_t source_mac[8];
	uint8_t source_mac_length;
	/* Records with the same number had all been sent before the first of them was handed out; 0: not known. */
	uint64_t batch;
	const uint8_t
		*payload; /* begins with the network header; at egress with that of the frame */
	size_t payload_length;
	char prefix[PF_NFLOG_PREFIX_MAX];
};

enum {
	PF_NFLOG_E_MALFORMED =
		1,	  /* an attribute is too short or the message does not hold together */
	PF_NFLOG_E_OTHER, /* a well-formed netlink message that is no NFLOG packet */
};

/* One netlink message (struct nlmsghdr and what follows, `length` readable bytes) to a record.
 * Pure. 0 or PF_NFLOG_E_*; ret_record is then untouched. */
PF_MUST_CHECK int pf_nflog_record_parse(const void *message, size_t length,
					struct pf_nflog_record *ret_record);

struct pf_nflog_options {
	uint16_t group;
	uint32_t copy_bytes;	     /* NFULNL_COPY_PACKET range */
	uint32_t kernel_buffer;	     /* nlbufsiz in bytes, at most 131072 */
	uint32_t queue_threshold;    /* messages the kernel collects before it sends */
	uint32_t flush_centiseconds; /* or sends after this time, in 1/100 s */
	uint32_t socket_buffer;	     /* SO_RCVBUFFORCE in bytes */
};

struct pf_nflog_counts {
	uint64_t received;  /* records handed out */
	uint64_t lost;	    /* gaps in the sequence numbers, from the bind on */
	uint64_t overruns;  /* ENOBUFS seen on the socket */
	uint64_t malformed; /* did not parse (also a gap), or somebody else than the kernel sent it
			     */
};

struct pf_nflog; /* a bound NFLOG group */

/* Opens a netlink socket in this network namespace and binds the group. -EBUSY where somebody else
 * holds it, -EPERM without CAP_NET_ADMIN in the initial user namespace (SO_RCVBUFFORCE), -EAGAIN
 * where a flood left no room for the kernel's answer. */
PF_MUST_CHECK int pf_nflog_open(const struct pf_nflog_options *options,
				struct pf_nflog **ret_nflog);
struct pf_nflog *pf_nflog_free(struct pf_nflog *nflog); /* NULL is fine; returns NULL */

/* Gives the group back: what the kernel had collected can be dispatched now, nothing comes after it. */
PF_MUST_CHECK int pf_nflog_unbind(struct pf_nflog *nflog);

int pf_nflog_fd(const struct pf_nflog *nflog);

typedef void (*pf_nflog_fn)(const struct pf_nflog_record *record, void *userdata);

/* Reads what is there, without waiting, until at least `limit` records were handed to fn, `limit`
 * datagrams were read or nothing is left; what was read is handed out (some hundred
 * records). The record and its payload live during the call only. Number of records handed out, or
 * a negative errno; an overrun (ENOBUFS) is counted, not an error. */
PF_MUST_CHECK int pf_nflog_dispatch(struct pf_nflog *nflog, unsigned limit, pf_nflog_fn fn,
				    void *userdata);

/* Changes the queue threshold of a bound group: 1 for latency, 100 and more for throughput. Records
 * that wait are kept for the next dispatch (the descriptor stays readable); it may be called from
 * fn. -EAGAIN where a flood left no room for the answer: the change may have been made. */
PF_MUST_CHECK int pf_nflog_set_queue_threshold(struct pf_nflog *nflog, uint32_t queue_threshold);

struct pf_nflog_counts pf_nflog_counts(const struct pf_nflog *nflog);
