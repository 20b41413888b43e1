/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The ruleset library against the kernel: what we send is what we read, what nft makes of our text
 * is what we send, every change is in place, and what the kernel refuses is named. */
#include <errno.h>
#include <stdio.h>

#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <podfence/nft.h>

#include "bytecode.h"
#include "namespace.h"
#include "nft/handle.h"
#include "sample.h"
#include "test.h"

static struct pf_nft *nft;

static int apply(const struct pf_ruleset *from, const struct pf_ruleset *to,
		 struct pf_nft_errors *errors)
{
	struct pf_plan *plan;
	const char *object = "";

	if (pf_plan_new(from, to, &plan, &object) != 0) {
		print_error("incompatible: %s\n", object);
		return -1;
	}
	int r = pf_nft_commit(nft, plan, errors);
	for (size_t i = 0; i < errors->n_errors && i < 16; i++)
		print_error("%s: %s\n", errors->errors[i].object,
			    strerror(errors->errors[i].error));
	pf_plan_free(plan);
	return r;
}

static struct pf_ruleset *read_back(const char *table)
{
	struct pf_ruleset *ruleset = NULL;

	assert_int_equal(pf_nft_read(nft, table, &ruleset), 0);
	return ruleset;
}

static size_t n_steps(const struct pf_ruleset *from, const struct pf_ruleset *to)
{
	struct pf_plan *plan;

	assert_int_equal(pf_plan_new(from, to, &plan, NULL), 0);
	size_t n = pf_plan_n_steps(plan);
	if (n)
		assert_int_equal(pf_plan_print(plan, stderr), 0);
	pf_plan_free(plan);
	return n;
}

static void assert_same(const struct pf_ruleset *a, const struct pf_ruleset *b)
{
	struct pf_digest x, y;

	assert_int_equal(n_steps(a, b), 0);
	assert_int_equal(n_steps(b, a), 0);
	assert_int_equal(pf_ruleset_digest(a, &x), 0);
	assert_int_equal(pf_ruleset_digest(b, &y), 0);
	assert_memory_equal(&x, &y, sizeof(x));
}

static int remove_table(void **state)
{
	struct pf_ruleset *none = pf_ruleset_new(), *old = read_back("podfence");
	struct pf_nft_errors errors;

	assert_int_equal(pf_ruleset_seal(none), 0);
	assert_int_equal(apply(old, none, &errors), 0);
	pf_ruleset_free(none);
	pf_ruleset_free(old);
	return 0;
}

static void what_is_sent_is_read(void **state)
{
	struct pf_nft_errors errors;
	struct pf_ruleset *ruleset = sample_ruleset("podfence", 3000);

	assert_non_null(ruleset);
	assert_int_equal(apply(NULL, ruleset, &errors), 0);
	struct pf_ruleset *read = read_back("podfence");
	assert_int_equal(pf_ruleset_n_elements(read), pf_ruleset_n_elements(ruleset));
	assert_same(ruleset, read);
	pf_ruleset_free(read);
	pf_ruleset_free(ruleset);
}

static void nft_makes_the_same_bytes_of_our_text(void **state)
{
	struct pf_ruleset *ruleset = sample_ruleset("podfence", 10);

	assert_non_null(ruleset);
	assert_true(nft_loads(ruleset));
	struct pf_ruleset *read = read_back("podfence");
	assert_same_bytecode(ruleset, read);
	pf_ruleset_free(read);
	pf_ruleset_free(ruleset);
}

static void changes_are_in_place(void **state)
{
	struct pf_nft_errors errors;
	struct pf_ruleset *variants[4], *read;
	uint32_t before, after;

	for (unsigned i = 0; i < 4; i++)
		assert_non_null(variants[i] = sample_variant("podfence", i));
	assert_int_equal(apply(NULL, variants[0], &errors), 0);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 4; k++) {
			read = read_back("podfence");
			assert_int_equal(apply(read, variants[i], &errors), 0);
			pf_ruleset_free(read);
			read = read_back("podfence");
			assert_same(variants[i], read);
			pf_ruleset_free(read);
			assert_int_equal(pf_nft_generation(nft, &before), 0);
			assert_int_equal(apply(variants[i], variants[k], &errors), 0);
			assert_int_equal(pf_nft_generation(nft, &after), 0);
			assert_int_equal(after - before, i != k); /* one transaction, or none */
			read = read_back("podfence");
			assert_same(variants[k], read);
			pf_ruleset_free(read);
		}
	for (unsigned i = 0; i < 4; i++)
		pf_ruleset_free(variants[i]);
}

static void a_check_changes_nothing(void **state)
{
	struct pf_nft_errors errors;
	struct pf_ruleset *ruleset = sample_ruleset("podfence", 10), *read;
	struct pf_plan *plan;
	uint32_t before, after;

	assert_int_equal(pf_plan_new(NULL, ruleset, &plan, NULL), 0);
	assert_int_equal(pf_nft_generation(nft, &before), 0);
	assert_int_equal(pf_nft_check(nft, plan, &errors), 0);
	assert_int_equal(pf_nft_generation(nft, &after), 0);
	assert_int_equal(before, after);
	read = read_back("podfence");
	assert_int_equal(pf_ruleset_n_tables(read), 0);
	pf_ruleset_free(read);
	pf_plan_free(plan);
	pf_ruleset_free(ruleset);
}

/* The kernel is told to change a table that is no longer what the plan thinks. */
static void every_refusal_names_its_object(void **state)
{
	struct pf_nft_errors errors;
	struct pf_ruleset *zero = sample_variant("podfence", 0),
			  *two = sample_variant("podfence", 2);
	struct pf_ruleset *read;
	struct pf_plan *plan;
	bool has_flush = false, has_element = false;

	/* Nothing is there, so everything that changes something existing must fail; all of it is
	 * named. */
	assert_int_equal(pf_plan_new(zero, two, &plan, NULL), 0);
	assert_int_equal(pf_nft_commit(nft, plan, &errors), -EREMOTEIO);
	assert_true(errors.n_errors >= 2);
	for (size_t i = 0; i < errors.n_errors && i < 16; i++) {
		assert_int_equal(errors.errors[i].error, ENOENT);
		has_flush |= strstr(errors.errors[i].object, "chain inet podfence") != NULL;
		has_element |= strstr(errors.errors[i].object,
				      "element inet podfence links { 101 : goto") != NULL;
	}
	assert_true(has_flush);
	assert_true(has_element);
	read = read_back("podfence");
	assert_int_equal(pf_ruleset_n_tables(read), 0);
	pf_ruleset_free(read);
	pf_plan_free(plan);
	pf_ruleset_free(zero);
	pf_ruleset_free(two);
}

static void counters_survive_a_change_of_rules(void **state)
{
	struct pf_nft_errors errors;
	struct pf_counter_value *values;
	size_t n;
	struct pf_ruleset *first = sample_ruleset("podfence", 1), *second;

	/* The rule that counts is a foreign one in front of ours.
	 */
	assert_int_equal(apply(NULL, first, &errors), 0);
	assert_true(namespace_run("nft insert rule inet podfence output counter name denied"));
	assert_true(namespace_run("ping -q -c 3 -i 0.1 127.0.0.1 >/dev/null"));
	assert_int_equal(pf_nft_counters(nft, "podfence", &values, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(values[0].name, "denied");
	uint64_t counted = values[0].packets;
	assert_true(counted >= 6);
	free(values);
	struct pf_ruleset *read = read_back("podfence");
	second = sample_ruleset("podfence", 5);
	assert_int_equal(apply(read, second, &errors), 0);
	assert_int_equal(pf_nft_counters(nft, "podfence", &values, &n), 0);
	assert_int_equal(values[0].packets, counted);
	free(values);
	pf_ruleset_free(read);
	read = read_back("podfence");
	assert_same(second, read); /* the foreign rule is gone */
	pf_ruleset_free(read);
	pf_ruleset_free(first);
	pf_ruleset_free(second);
}

static void other_tables_are_not_touched(void **state)
{
	struct pf_nft_errors errors;
	struct pf_ruleset *ruleset = sample_ruleset("podfence", 1), *read;

	assert_true(namespace_run("nft 'add table inet other; add chain inet other c; "
				  "add rule inet other c drop'"));
	assert_int_equal(apply(NULL, ruleset, &errors), 0);
	read = read_back("podfence");
	assert_same(ruleset, read);
	pf_ruleset_free(read);
	remove_table(NULL);
	assert_true(namespace_run("nft list chain inet other c | grep -q drop"));
	assert_true(namespace_run("nft delete table inet other"));
	pf_ruleset_free(ruleset);
}

static void foreign_changes_are_heard(void **state)
{
	struct pf_nft_errors errors;
	struct pf_nft_culprit culprit;
	struct pf_nft_monitor *monitor;
	struct pf_ruleset *ruleset = sample_variant("podfence", 0),
			  *other = sample_variant("podfence", 2);

	assert_int_equal(pf_nft_monitor_open(nft, "podfence", &monitor), 0);
	assert_int_equal(apply(NULL, ruleset, &errors), 0);
	assert_int_equal(apply(ruleset, other, &errors), 0);
	assert_int_equal(pf_nft_monitor_dispatch(monitor, &culprit), 0); /* our own */
	assert_true(namespace_run("nft 'add table inet other; add chain inet other c'"));
	assert_int_equal(pf_nft_monitor_dispatch(monitor, &culprit), 0); /* not our table */
	static const char *const changes[] = {
		"nft add rule inet podfence forward drop",
		"nft delete element inet podfence nets4 '{ 10.0.0.0/8 }'",
		"nft add counter inet podfence foreign",
		"nft flush ruleset",
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		assert_false(pf_nft_monitor_is_deleted(monitor, PF_FAMILY_INET));
		assert_true(namespace_run("%s", changes[i]));
		assert_int_equal(pf_nft_monitor_dispatch(monitor, &culprit), 1);
		assert_string_equal(culprit.process, "nft");
		assert_true(culprit.pid > 0);
		assert_int_equal(pf_nft_monitor_dispatch(monitor, &culprit), 0);
	}
	assert_true(pf_nft_monitor_is_deleted(monitor, PF_FAMILY_INET));
	assert_int_equal(apply(NULL, ruleset, &errors), 0);
	assert_int_equal(pf_nft_monitor_dispatch(monitor, &culprit), 0);
	assert_false(pf_nft_monitor_is_deleted(monitor, PF_FAMILY_INET)); /* we made it again */
	pf_nft_monitor_free(monitor);
	pf_ruleset_free(ruleset);
	pf_ruleset_free(other);
}

static void what_is_ready_is_sent_as_often_as_needed(void **state)
{
	struct pf_nft_errors errors;
	struct pf_nft_ready *ready;
	struct pf_ruleset *ruleset = sample_variant("podfence", 0), *read;
	struct pf_plan *plan;
	int r;

	assert_int_equal(pf_plan_new(NULL, ruleset, &plan, NULL), 0);
	assert_int_equal(pf_nft_prepare(nft, plan, &ready), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pf_nft_commit_ready(nft, ready, &errors), 0);
		assert_int_equal(pf_nft_read(nft, "podfence", &read), 0);
		assert_int_equal(pf_plan_new(read, ruleset, &plan, NULL), 0);
		assert_int_equal(pf_plan_n_steps(plan), 0);
		pf_plan_free(plan);
		pf_ruleset_free(read);
		assert_true(namespace_run("nft flush ruleset"));
	}
	assert_true(namespace_run("nft 'table inet podfence { set nets4 { type mark; }; }'"));
	r = pf_nft_commit_ready(nft, ready, &errors);
	assert_int_equal(r, -EREMOTEIO); /* somebody's set of that name and another type */
	assert_int_not_equal(errors.n_errors, 0);
	assert_non_null(strstr(errors.errors[0].object, "nets4"));
	pf_nft_ready_free(ready);
	pf_ruleset_free(ruleset);
}

/* Table `podfence` whose output counts ICMP by destination and type; `extra` makes it another value. */
static struct pf_ruleset *counting_ruleset(bool extra)
{
	const struct pf_set_options dynamic = {.size = 4, .is_dynamic = true, .has_counter = true};
	struct pf_ruleset *ruleset = pf_ruleset_new();
	struct pf_table *table = pf_table_add(ruleset, PF_FAMILY_INET, "podfence");

	pf_set_add(table, "pings", &dynamic, PF_FIELDS({PF_IP_DADDR}, {PF_L4PROTO}, {PF_TH_DPORT}));
	if (extra)
		pf_counter_add(table, "extra");
	struct pf_chain *chain = pf_base_chain_add(table, "output", PF_OUTPUT, -10);
	struct pf_rule *rule = pf_rule_add(chain);
	if (extra)
		pf_rule_counter(rule, "extra");
	pf_rule_set_add(rule, "pings", PF_FIELDS({PF_IP_DADDR}, {PF_L4PROTO}, {PF_TH_SPORT}));
	pf_rule_verdict(rule, PF_DROP, NULL);
	assert_int_equal(pf_ruleset_seal(ruleset), 0);
	return ruleset;
}

struct counted {
	size_t n;
	uint64_t packets;
	struct pf_key keys[16];
};

static void count(const struct pf_count *one, void *userdata)
{
	struct counted *counted = userdata;

	assert_true(counted->n < 16);
	counted->keys[counted->n++] = one->key;
	counted->packets += one->packets;
	assert_int_equal(one->bytes, 84 * one->packets);
}

static const struct pf_set_name pings = {PF_FAMILY_INET, "podfence", "pings"};

static struct counted read_counts(void)
{
	struct counted counted = {};

	assert_int_equal(pf_nft_counts(nft, &pings, count, &counted), 0);
	return counted;
}

static void send_pings(unsigned from, unsigned to)
{
	for (unsigned i = from; i <= to; i++)
		assert_true(namespace_run(
			"ping -q -c 2 -i 0.01 -W 0.01 127.0.0.%u >/dev/null; true", i));
}

static void elements_of_a_dynamic_set_are_the_kernels(void **state)
{
	struct pf_nft_errors errors;
	struct pf_ruleset *ruleset = counting_ruleset(false), *other = counting_ruleset(true);

	assert_int_equal(apply(NULL, ruleset, &errors), 0);
	send_pings(1, 3);
	assert_int_equal(read_counts().packets, 6);
	struct pf_ruleset *read = read_back("podfence");
	assert_same(ruleset, read);
	assert_int_equal(apply(read, other, &errors), 0);
	send_pings(3, 3);
	struct counted counted = read_counts(); /* a change of rules took nothing away */
	assert_int_equal(counted.n, 3);
	assert_int_equal(counted.packets, 8);
	send_pings(4, 6); /* there is room for one of these */
	counted = read_counts();
	assert_int_equal(counted.n, 4);
	assert_int_equal(counted.packets, 10);
	pf_ruleset_free(read);
	pf_ruleset_free(ruleset);
	pf_ruleset_free(other);
}

static void a_removed_element_tells_its_last_count(void **state)
{
	struct pf_nft_errors errors;
	struct pf_ruleset *ruleset = counting_ruleset(false);
	struct counted last = {}, none = {};

	assert_int_equal(apply(NULL, ruleset, &errors), 0);
	send_pings(1, 4);
	struct counted before = read_counts();
	assert_int_equal(before.n, 4);
	send_pings(1, 4); /* not in the counts read before */
	assert_int_equal(pf_nft_remove_counted(nft, &pings, before.keys, 3, count, &last), 0);
	assert_int_equal(last.n, 3);
	assert_int_equal(last.packets, 12);
	assert_int_equal(read_counts().n, 1);
	/* One that is not there: nothing is removed. */
	assert_int_equal(pf_nft_remove_counted(nft, &pings, before.keys, 4, count, &none), -ENOENT);
	assert_int_equal(none.n, 0);
	assert_int_equal(read_counts().n, 1);
	send_pings(1, 1); /* it begins anew */
	assert_int_equal(read_counts().packets, 4 + 2);
	pf_ruleset_free(ruleset);
}

static void flowtables_of_others_are_read(void **state)
{
	struct pf_flow_device *devices;
	size_t n;

	assert_int_equal(pf_nft_flow_devices(nft, &devices, &n), 0);
	assert_int_equal(n, 0);
	free(devices);
	assert_true(namespace_run("ip link add flow-a type veth peer name flow-b"));
	if (!namespace_run("nft 'add table inet other; add flowtable inet other ft { hook ingress "
			   "priority 0; devices = { flow-a, flow-b }; }; add table ip more; add "
			   "flowtable ip more f { hook ingress priority 1; devices = { lo }; }'")) {
		assert_true(
			namespace_run("nft delete table inet other || true; ip link del flow-a"));
		print_message("# not in this kernel: flowtables\n");
		return;
	}
	assert_int_equal(pf_nft_flow_devices(nft, &devices, &n), 0);
	assert_int_equal(n, 3);
	unsigned found = 0;
	for (size_t i = 0; i < n; i++) {
		bool is_lo = !strcmp(devices[i].device, "lo");
		assert_string_equal(devices[i].flowtable, is_lo ? "ip more f" : "inet other ft");
		found |= is_lo ? 1 : !strcmp(devices[i].device, "flow-a") ? 2 : 4;
	}
	assert_int_equal(found, 7);
	free(devices);
	assert_true(namespace_run("nft delete table inet other; nft delete table ip more; "
				  "ip link del flow-a"));
}

static void lost_notifications_are_noticed(void **state)
{
	struct pf_nft_errors errors;
	struct pf_nft_culprit culprit;
	struct pf_nft_monitor *monitor;
	struct pf_ruleset *ruleset = sample_variant("podfence", 0);
	uint32_t generation;

	assert_int_equal(pf_nft_monitor_open(nft, "podfence", &monitor), 0);
	assert_int_equal(apply(NULL, ruleset, &errors), 0);
	assert_int_equal(pf_nft_monitor_dispatch(monitor, &culprit), 0);
	assert_int_equal(pf_nft_generation(nft, &generation), 0);
	assert_int_equal(pf_nft_monitor_generation(monitor), generation);
	/* More than the receive buffer holds, all of it about somebody else's table. */
	assert_true(namespace_run("{ echo 'add table inet other'; for i in $(seq 20000); do "
				  "echo add chain inet other c$i; done; } | nft -f -"));
	assert_int_equal(pf_nft_monitor_dispatch(monitor, &culprit), 1);
	assert_int_equal(culprit.pid, 0);
	assert_int_equal(pf_nft_generation(nft, &generation), 0);
	assert_int_not_equal(pf_nft_monitor_generation(monitor), generation);
	assert_true(namespace_run("nft delete table inet other"));
	pf_nft_monitor_free(monitor);
	pf_ruleset_free(ruleset);
}

static int meanwhile(const struct nlmsghdr *header, void *data)
{
	unsigned *n_messages = data;

	if (!(*n_messages)++)
		assert_true(namespace_run("nft add table inet meanwhile"));
	return MNL_CB_OK;
}

/* Of many messages; what comes after the interruption is no answer to the next question. */
static void an_interrupted_dump_is_received_to_its_end(void **state)
{
	char buffer[512];
	unsigned n_messages = 0;
	uint32_t generation;
	struct pf_nft_errors errors;
	struct pf_ruleset *ruleset = sample_variant("podfence", 0);

	assert_int_equal(apply(NULL, ruleset, &errors), 0);
	assert_true(namespace_run("{ echo 'add table inet other'; for i in $(seq 20000); do "
				  "echo add chain inet other c$i; done; } | nft -f -"));
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETCHAIN, NFPROTO_INET,
							NLM_F_DUMP, nft->sequence++);
	assert_int_equal(nft_request(nft, header, meanwhile, &n_messages), -EINTR);
	assert_in_range(n_messages, 1, 19999);
	assert_int_equal(pf_nft_generation(nft, &generation), 0);
	struct pf_ruleset *read = read_back("podfence");
	assert_same(ruleset, read);
	assert_true(namespace_run("nft 'delete table inet other; delete table inet meanwhile'"));
	pf_ruleset_free(read);
	pf_ruleset_free(ruleset);
}

int main(void)
{
	namespace_enter_or_skip();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_is_sent_is_read, remove_table),
		cmocka_unit_test_teardown(nft_makes_the_same_bytes_of_our_text, remove_table),
		cmocka_unit_test_teardown(changes_are_in_place, remove_table),
		cmocka_unit_test_teardown(a_check_changes_nothing, remove_table),
		cmocka_unit_test_teardown(every_refusal_names_its_object, remove_table),
		cmocka_unit_test_teardown(counters_survive_a_change_of_rules, remove_table),
		cmocka_unit_test_teardown(other_tables_are_not_touched, remove_table),
		cmocka_unit_test_teardown(foreign_changes_are_heard, remove_table),
		cmocka_unit_test_teardown(what_is_ready_is_sent_as_often_as_needed, remove_table),
		cmocka_unit_test_teardown(elements_of_a_dynamic_set_are_the_kernels, remove_table),
		cmocka_unit_test_teardown(a_removed_element_tells_its_last_count, remove_table),
		cmocka_unit_test_teardown(flowtables_of_others_are_read, remove_table),
		cmocka_unit_test_teardown(lost_notifications_are_noticed, remove_table),
		cmocka_unit_test_teardown(an_interrupted_dump_is_received_to_its_end, remove_table),
	};
	if (pf_nft_open(&nft) < 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	pf_nft_free(nft);
	return failed;
}
