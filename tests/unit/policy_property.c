/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What the reference says of a packet is what the compiled rules do with it: 100,000 random cases of policies,
 * pods and packets. The seed is printed; PODFENCE_SEED plays it again. */
#include <stdlib.h>
#include <sys/socket.h>

#include "compile/compile.h"
#include "machine.h"
#include "random_policy.h"
#include "test.h"

#define CASES	  100000
#define PER_WORLD 50
#define NODE_PODS 3
#define NODE_HOST 3
#define POD_ROOT  4000

static struct machine_outcome run(const struct pf_ruleset *ruleset, const struct endpoint *endpoint,
				  const struct policy_packet *packet)
{
	struct machine_packet wire = {
		.destination = packet->destination,
		.protocol = packet->protocol,
		.has_ports = packet->has_port,
		.destination_port = packet->port,
	};

	if (endpoint->kind == ENDPOINT_POD) {
		size_t at = packet->destination.family == AF_INET ? 0 : 1;
		wire.iif = endpoint->attachments[at].link;
		wire.source = endpoint->attachments[at].address;
		return machine_run(ruleset, "forward", &wire);
	}
	wire.source = packet->destination; /* nobody asks */
	wire.cgroups[1] = POD_ROOT;
	wire.cgroups[endpoint->level] = endpoint->cgroup;
	return machine_run(ruleset, "output", &wire);
}

static enum ruling_verdict verdict_of(const struct machine_outcome *outcome)
{
	if (outcome->verdict == PF_DROP)
		return RULING_DENY;
	return outcome->prefix[0] ? RULING_AUDIT : RULING_ALLOW;
}

static void assert_case(const struct random_world *world, const struct pf_ruleset *ruleset,
			const struct endpoint *endpoint, const struct policy_packet *packet,
			unsigned counts[static 3])
{
	static const char *const names[] = {"allow", "audit", "deny"};
	const struct decision *decision = decisions_of(world->decisions, &world->made->snapshot,
						       endpoint);
	char address[PF_ADDRESS_TEXT];
	struct ruling ruling;

	decision_judge(decision, packet, NULL, &ruling);
	struct machine_outcome outcome = run(ruleset, endpoint, packet);
	enum ruling_verdict verdict = verdict_of(&outcome);
	if (verdict != ruling.verdict)
		fail_msg("%s to %s protocol %u port %u by %s: reference %s, rules %s (%s)",
			 endpoint->pod->name, pf_address_format(&packet->destination, address),
			 packet->protocol, packet->port, decision->name, names[ruling.verdict],
			 names[verdict], outcome.prefix);
	if (verdict == RULING_DENY)
		assert_int_equal(outcome.is_rejected, decision->action == CONFIG_ACTION_REJECT);
	counts[verdict]++;
}

static void rules_do_what_the_reference_says(void **state)
{
	struct random_state random = {random_seed()};
	unsigned counts[3] = {};

	print_message("# seed 0x%llx\n", (unsigned long long)random.state);
	for (unsigned n = 0; n < CASES; n += PER_WORLD) {
		struct random_world *world = random_world_new(&random, NODE_PODS, NODE_HOST);
		const struct compile_input input = {
			.config = &world->made->config,
			.snapshot = &world->made->snapshot,
			.decisions = world->decisions,
		};
		struct pf_ruleset *ruleset;
		char reason[160] = "";
		if (compile(&input, &ruleset, reason) != 0)
			fail_msg("%s", reason);
		for (unsigned i = 0; i < PER_WORLD; i++) {
			const struct snapshot *snapshot = &world->made->snapshot;
			struct policy_packet packet = random_packet(&random);
			assert_case(world, ruleset,
				    &snapshot->endpoints[random_below(
					    &random, (uint32_t)snapshot->n_endpoints)],
				    &packet, counts);
		}
		pf_ruleset_free(ruleset);
		random_world_free(world);
	}
	print_message("# %u allowed, %u audited, %u denied\n", counts[0], counts[1], counts[2]);
	for (size_t i = 0; i < 3; i++) /* a test that sees one side only tests nothing */
		assert_true(counts[i] > CASES / 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_do_what_the_reference_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
