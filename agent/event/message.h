/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "event/event.h"
#include "policy/ruling_text.h"

struct address_words {
	char text[PF_ADDRESS_TEXT];
	size_t length; /* 0: no address */
};

/* What several members of one event say again. */
struct words {
	const struct rule_facts *facts;
	const char *rule_name, *category, *description, *reason;
	char name_text[RULING_NAME_MAX], reason_text[RULING_REASON_MAX];
	struct address_words source, destination;
};

/* The sentence for people. Names in it are foreign: plain text that is still to be escaped. */
struct message {
	char text[640];
	size_t length;
};

void message_make(struct message *message, const struct event *event, const struct words *words);

/* ECS wants lower-case IANA keywords; Elastic's own packages write ipv6-icmp so. NULL: no name. */
const char *transport_name(uint8_t protocol);

/* The packet was read and is IP, not ARP. */
bool event_is_ip(const struct event *event);
