/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "policy/leads_out.h"

#include <errno.h>
#include <stdio.h>

#include "base/address_text.h"
#include "node/ipvs.h"
#include "policy/classify.h"

struct search {
	const struct config *config;
	const struct network_list *derived;
	struct ipvs_server found;
};

/* 1: this one leads out. */
static int judge_server(const struct ipvs_server *server, void *userdata)
{
	struct search *search = userdata;
	const struct policy_packet packet = {
		.destination = server->address,
		.protocol = server->protocol,
		.has_port = true,
		.port = server->port,
	};
	struct destination_facts facts;

	destination_classify(search->config, search->derived, &packet, &facts);
	if (facts.class == DESTINATION_INTERNAL || facts.class == DESTINATION_LOCAL)
		return 0;
	search->found = *server;
	return 1;
}

static char *sentence(const struct ipvs_server *server)
{
	char to[PF_ADDRESS_TEXT], service[PF_ADDRESS_TEXT] = "of a firewall mark", *text;

	address_text(&server->address, to);
	if (server->service.family)
		address_text(&server->service, service);
	int n = asprintf(&text, "IPVS service %s, port %u, leads to %s, port %u, past the rules",
			 service, server->service_port, to, server->port);
	return n < 0 ? NULL : text;
}

int ipvs_leads_out(const struct config *config, const struct network_list *derived,
		   const char *text, size_t length, char **ret_sentence)
{
	struct search search = {.config = config, .derived = derived};

	*ret_sentence = NULL;
	if (!ipvs_parse(text, length, judge_server, &search))
		return 0;
	*ret_sentence = sentence(&search.found);
	return *ret_sentence ? 0 : -ENOMEM;
}
