/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Packets by their facts, logged on a node with three pods and a unit:
 *	prod/web-...		    behind a link of its own: cali1a2b3c (10), 10.0.0.5, 2001:db8::5
 *	prod/queue-0		    behind a bridge: cni0 (20), port veth21 (21), 10.1.0.2
 *	monitoring/node-exporter-.. hostNetwork, endpoint index 0xbeef
 *	postfix@mx.service	    a unit, endpoint index 0xabc */
#pragma once

#include <arpa/inet.h> /* before linux/netfilter.h, which brings linux/in.h otherwise */
#include <linux/netfilter.h>

#include "event/event.h"

#define SCENE_NOW 1795449197131153ull /* 2026-11-23T15:53:17.131153Z */

#define SCENE_ARP 255 /* as protocol of a shape */

/* A packet by its facts. */
struct shape {
	const char *source, *destination;
	uint8_t protocol;
	uint16_t source_port, destination_port; /* or ICMP type and code */
	uint8_t tcp_flags;
};

struct scene {
	const char *name, *prefix;
	uint8_t hook;
	uint32_t link_in, link_out, port_in, mark;
	struct shape shape;
	bool has_uid;
};

#define WEB	 "10.0.0.5"
#define EXTERNAL "203.0.113.9"
#define SYN	 0x02
#define ACK	 0x10

#define PREROUTING NF_INET_PRE_ROUTING
#define FORWARD	   NF_INET_FORWARD
#define OUTPUT	   NF_INET_LOCAL_OUT

/* What an event points to. */
struct scene_memory {
	struct pf_nflog_record record;
	uint8_t bytes[64];
};

extern const struct event_context scene_context;

struct snapshot *scene_snapshot(void);

/* The event of a scene, which lives as long as the memory and the snapshot. The name "unreadable"
 * cuts the packet off within its header. Fails the test where there is no event. */
struct event scene_play(const struct scene *scene, const struct snapshot *snapshot,
			const struct rulebook *rulebook, struct scene_memory *memory);
