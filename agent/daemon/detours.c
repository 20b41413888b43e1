/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Flowtables and IPVS services of this network namespace. Nobody tells of them in a way that is worth hearing
 * (IPVS not at all), so they are asked for every ten seconds, and again when what is external may have
 * changed. What cannot be read stays as it was read last. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address_text.h"
#include "base/diag.h"
#include "base/file.h"
#include "node/ipvs.h"
#include "policy/classify.h"

#define IPVS_MAX (64u << 20)

struct ipvs_search {
	const struct daemon *daemon;
	struct ipvs_server found;
};

/* 1: this one leads out. */
static int judge_server(const struct ipvs_server *server, void *userdata)
{
	struct ipvs_search *search = userdata;
	const struct policy_packet packet = {
		.destination = server->address,
		.protocol = server->protocol,
		.has_port = true,
		.port = server->port,
	};
	struct destination_facts facts;

	destination_classify(search->daemon->config, search->daemon->networks, &packet, &facts);
	if (facts.class == DESTINATION_INTERNAL || facts.class == DESTINATION_LOCAL)
		return 0;
	search->found = *server;
	return 1;
}

static char *ipvs_sentence(const struct ipvs_server *server)
{
	char to[PF_ADDRESS_TEXT], service[PF_ADDRESS_TEXT] = "of a firewall mark", *text;

	address_text(&server->address, to);
	if (server->service.family)
		address_text(&server->service, service);
	int n = asprintf(&text, "IPVS service %s, port %u, leads to %s, port %u, past the rules",
			 service, server->service_port, to, server->port);
	return n < 0 ? NULL : text;
}

/* No file: no IPVS. */
static int find_ipvs(const struct daemon *daemon, char **ret_sentence)
{
	struct ipvs_search search = {.daemon = daemon};
	size_t length;
	char *text;
	int r = file_read(IPVS_PATH, IPVS_MAX, &text, &length);

	*ret_sentence = NULL;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = ipvs_parse(text, length, judge_server, &search);
	free(text);
	if (!r)
		return 0;
	*ret_sentence = ipvs_sentence(&search.found);
	return *ret_sentence ? 0 : -ENOMEM;
}

static void say_once(struct daemon *daemon, const char *what, int error)
{
	if (!daemon->were_detours_hidden)
		diag_cannot(what, error);
	daemon->were_detours_hidden = true;
}

bool detours_look(struct daemon *daemon)
{
	struct detours now = {};
	int r = pf_nft_flow_devices(daemon->lock, &now.devices, &now.n_devices);

	if (r < 0) {
		say_once(daemon, "look for flowtables", r);
		return false;
	}
	r = find_ipvs(daemon, &now.ipvs);
	if (r < 0)
		say_once(daemon, "read " IPVS_PATH, r);
	else
		daemon->were_detours_hidden = false;
	if (r < 0 || detours_is_equal(&daemon->detours, &now)) {
		detours_done(&now);
		return false;
	}
	detours_done(&daemon->detours);
	daemon->detours = now;
	return true;
}
