/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Derived again when the cluster has changed, and when the node is read anew: nobody tells of a
 * changed resolv.conf. The resolvers are those of the host, whoever's file system we run in; where
 * systemd-resolved answers on a loopback address, the ones it asks. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/file.h"

#define RESOLV_CONF_MAX (64u << 10)

static const char *const file_systems[] = {"/proc/1/root", ""};
static const char *const resolv_confs[] = {"/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"};

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* What names none is as good as absent. */
static bool read_from(const char *file_system, const char *path, struct network_facts *facts,
		      struct pf_address addresses[static NETWORKS_RESOLVERS_MAX])
{
	char *text, whole[4096];
	size_t length;

	snprintf(whole, sizeof(whole), "%s%s", file_system, path);
	if (file_read(whole, RESOLV_CONF_MAX, &text, &length) < 0)
		return false;
	facts->n_resolvers = resolv_conf_parse(text, addresses);
	facts->resolvers = addresses;
	facts->resolvers_source = path;
	free(text);
	return facts->n_resolvers;
}

static void read_resolvers(const struct config *config, struct network_facts *facts,
			   struct pf_address addresses[static NETWORKS_RESOLVERS_MAX])
{
	bool is_found = config->network.resolv_conf[0];

	if (is_found)
		(void)read_from("", config->network.resolv_conf, facts, addresses);
	for (size_t i = 0; !is_found && i < N(file_systems) * N(resolv_confs); i++)
		is_found = read_from(file_systems[i / N(resolv_confs)],
				     resolv_confs[i % N(resolv_confs)], facts, addresses);
}

static void say_refused(const struct network_list *list)
{
	for (size_t i = 0; i < list->n_networks; i++)
		if (list->networks[i].refused)
			diag_network_refused(&list->networks[i].prefix, list->networks[i].source,
					     list->networks[i].refused);
}

int networks_derive(struct daemon *daemon)
{
	struct pf_address resolvers[NETWORKS_RESOLVERS_MAX];
	struct network_facts facts = {.cluster = daemon->cluster};
	struct network_list *list;

	uint64_t version = daemon->cluster ? cluster_version(daemon->cluster) : 0;

	if (!daemon->must_derive && version == daemon->networks_version)
		return 0;
	if (daemon->config->network.derive == CONFIG_OFF) {
		daemon->networks = network_list_free(daemon->networks);
		return 0;
	}
	read_resolvers(daemon->config, &facts, resolvers);
	int r = network_list_new(&facts, &list);
	if (r < 0)
		return r;
	daemon->must_derive = false;
	daemon->networks_version = version;
	if (daemon->networks && network_list_is_equal(daemon->networks, list)) {
		network_list_free(list);
		return 0;
	}
	network_list_free(daemon->networks);
	daemon->networks = list;
	say_refused(list);
	return 0;
}
