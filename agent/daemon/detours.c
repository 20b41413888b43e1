/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Flowtables and IPVS services of this network namespace. Nobody tells of them in a way that is worth hearing
 * (IPVS not at all), so they are asked for every ten seconds, and again when what is external may have
 * changed. What cannot be read stays as it was read last. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "node/ipvs.h"
#include "policy/leads_out.h"

static int find_ipvs(const struct daemon *daemon, char **ret_sentence)
{
	size_t length;
	char *text;
	int r = ipvs_read(&text, &length);

	*ret_sentence = NULL;
	if (r < 0)
		return r;
	r = ipvs_leads_out(daemon->config, daemon->networks, text, length, ret_sentence);
	free(text);
	return r;
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
	/* Those are looked for at their own pace (strays.c). */
	now.sockets = daemon->detours.sockets;
	now.n_sockets = daemon->detours.n_sockets;
	bool is_other = r >= 0 && !detours_is_equal(&daemon->detours, &now);
	struct detours *old = is_other ? &daemon->detours : &now;
	old->sockets = NULL;
	detours_done(old);
	if (is_other)
		daemon->detours = now;
	return is_other;
}
