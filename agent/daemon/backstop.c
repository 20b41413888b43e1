/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Whether this kernel has the egress hook (5.16, CONFIG_NETFILTER_EGRESS) and lets a route be asked for there
 * is found by asking, once. What it refuses later, a device that is just going away, must not keep other rules from
 * being made: they are made without the backstop, which is tried again a little later. */
#include "daemon/daemon.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/json.h"
#include "compile/compile.h"
#include "inventory/backstop.h"

#define PROBE_TABLE "podfence-probe" /* is judged, never made */
#define LOOPBACK    "lo"	     /* every namespace has one */
#define AGAIN_USEC  (10 * 1000000u)

static struct pf_ruleset *make_probe(void)
{
	struct pf_ruleset *ruleset = pf_ruleset_new();

	if (!ruleset)
		return NULL;
	struct pf_rule *rule = pf_rule_add(pf_egress_chain_add(
		pf_table_add(ruleset, PF_FAMILY_NETDEV, PROBE_TABLE), "egress", LOOPBACK, 0));
	pf_rule_not_equal(rule, (struct pf_selector){PF_ROUTE_REALM}, UINT32_MAX);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	return pf_ruleset_seal(ruleset) < 0 ? pf_ruleset_free(ruleset) : ruleset;
}

/* 0, or why not. */
static int probe(void)
{
	struct pf_nft_errors errors;
	struct pf_ruleset *ruleset = make_probe();
	struct pf_plan *plan = NULL;
	struct pf_nft *nft;
	int r = ruleset ? pf_nft_open(&nft) : -ENOMEM;

	if (r < 0) {
		pf_ruleset_free(ruleset);
		return r;
	}
	r = pf_plan_new(NULL, ruleset, &plan, NULL);
	if (r == 0)
		r = pf_nft_check(nft, plan, &errors);
	if (r == -EREMOTEIO)
		r = -errors.errors[0].error;
	pf_plan_free(plan);
	pf_ruleset_free(ruleset);
	pf_nft_free(nft);
	return r;
}

void backstop_open(struct daemon *daemon)
{
	int r = daemon->config->backstop.mode == CONFIG_MODE_OFF ? 0 : probe();

	daemon->backstop.is_unsupported = r < 0;
	if (r < 0)
		diag_no_backstop(r);
}

void backstop_change(struct daemon *daemon, const struct config *before)
{
	if (before->backstop.mode == CONFIG_MODE_OFF)
		backstop_open(daemon);
}

bool backstop_is_out(const struct daemon *daemon)
{
	return daemon->backstop.is_unsupported ||
	       daemon->backstop.again_usec > clock_usec(CLOCK_MONOTONIC);
}

bool backstop_failed(struct daemon *daemon, const struct snapshot *snapshot)
{
	if (backstop_is_out(daemon) || !compile_backstop_is_needed(daemon->config, snapshot))
		return false;
	diag_backstop_failed();
	daemon->backstop.again_usec = clock_usec(CLOCK_MONOTONIC) + AGAIN_USEC;
	daemon_schedule(daemon, AGAIN_USEC + 1000);
	return true;
}

const char *backstop_mode(const struct daemon *daemon)
{
	if (daemon->config->backstop.mode == CONFIG_MODE_OFF)
		return "off";
	if (backstop_is_out(daemon))
		return "unavailable";
	if (!compile_backstop_is_needed(daemon->config, daemon->snapshot))
		return "idle";
	return compile_backstop_denies(daemon->config) ? "deny" : "audit";
}

void backstop_write(const struct daemon *daemon, struct json *json)
{
	const struct snapshot *snapshot = daemon->snapshot;

	json_object_begin(json, "backstop");
	json_string(json, "mode", backstop_mode(daemon));
	json_uint(json, "frames", daemon->ledger.books.classes[LEDGER_BACKSTOPPED].counted);
	json_array_begin(json, "devices");
	for (size_t i = 0; snapshot && i < snapshot->n_backstops; i++) {
		const struct backstop_device *device = &snapshot->backstops[i];
		const struct node_link *link = node_view_link(snapshot->view, device->link);
		if (!link)
			continue;
		json_object_begin(json, NULL);
		json_string_n(json, "device", link->name, strnlen(link->name, sizeof(link->name)));
		json_string(json, "reason", device->reason);
		json_object_end(json);
	}
	json_array_end(json);
	json_object_end(json);
}
