/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Files of objects: what is taken, passed over and refused, what stays of the version before, and what
 * stands twice. */
#include "kube/manifest_saved.h"

#include <stdio.h>

#include "policies.h"
#include "test.h"
#include "text.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
/* A policy that accepts one address, told apart by its last number. */
#define POLICY(name, number)                                                                       \
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: a, "         \
	"name: " name                                                                              \
	"}\nspec: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2." number         \
	"/32}}]}]}\n"
#define SAYS(name, number) "NetworkPolicy a/" name "\nAccept 192.0.2." number "/32\n"
#define CLUSTER_POLICY(name, priority)                                                             \
	"apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: "    \
	"{name: " name "}\nspec: {tier: Admin, priority: " priority                                \
	", subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]}\n"
#define NEXT "---\n"

struct file {
	const char *path, *text;
};

/* The set of these files, after `before`. */
static struct manifest_set *read_files(const struct file *files, size_t n,
				       const struct manifest_set *before, struct report *report)
{
	struct manifest_set *set;
	struct manifest *manifest;

	assert_int_equal(manifest_set_new(&set), 0);
	for (size_t i = 0; i < n && files[i].path; i++) {
		int r = manifest_parse(files[i].path, files[i].text, strlen(files[i].text), report,
				       &manifest);
		assert_in_range(r, 0, MANIFEST_E_BROKEN);
		assert_int_equal(manifest_set_add(set, files[i].path, manifest, before), 0);
	}
	assert_int_equal(manifest_set_finish(set, report), 0);
	policy_list_check(set->policies, report);
	return set;
}

/* Its policies, its namespaces, and what was said. */
static char *describe(const struct manifest_set *set, const struct report *report)
{
	char *text = NULL, *said = policies_report(report);
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	for (size_t i = 0; i < set->policies->n_policies; i++) {
		char *one = policies_describe(set->policies->policies[i]);
		fputs(one, stream);
		free(one);
	}
	for (size_t i = 0; i < set->namespaces->n_namespaces; i++)
		fprintf(stream, "Namespace %s\n", set->namespaces->namespaces[i]->name);
	fputs(said, stream);
	fclose(stream);
	free(said);
	return text;
}

static void check(const struct file *files, size_t n, struct manifest_set *before,
		  const char *expected, struct manifest_set **ret_set)
{
	struct report report;

	report_init(&report);
	struct manifest_set *set = read_files(files, n, before, &report);
	char *text = describe(set, &report);
	assert_string_equal(text, expected);
	free(text);
	report_done(&report);
	manifest_set_free(before);
	if (ret_set)
		*ret_set = set;
	else
		manifest_set_free(set);
}

static void objects_are_taken(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"", ""},
		{"---\n---\n# nothing\n", ""},
		{POLICY("p", "1"), SAYS("p", "1")},
		{POLICY("q", "2") NEXT POLICY("p", "1"), SAYS("p", "1") SAYS("q", "2")},
		{"{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\", "
		 "\"metadata\": "
		 "{\"namespace\": \"a\", \"name\": \"p\"}, \"spec\": {\"policyTypes\": "
		 "[\"Egress\"], "
		 "\"egress\": [{\"to\": [{\"ipBlock\": {\"cidr\": \"192.0.2.1/32\"}}]}]}}",
		 SAYS("p", "1")},
		{"{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {b: c}}}",
		 "Namespace a\n"},
		{"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, "
		 "metadata: {name: "
		 "a}}\n- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: "
		 "{namespace: a, "
		 "name: p}, spec: {policyTypes: [Egress]}}\n",
		 "NetworkPolicy a/p\nNamespace a\n"},
		{"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicyList, metadata: {}, items: "
		 "[{metadata: {namespace: a, name: p}, spec: {policyTypes: [Egress]}}]}",
		 "NetworkPolicy a/p\n"},
		{"{apiVersion: v1, kind: List, items: []}", ""},
		{CLUSTER_POLICY("c", "1"), "Admin 1 c\nDeny 0.0.0.0/0\n"},
		/* not ours */
		{"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n" NEXT POLICY("p",
											    "1"),
		 SAYS("p", "1") "f:1: document 1: Deployment of apps/v1 is passed over\n"},
		{"{apiVersion: projectcalico.org/v3, kind: NetworkPolicy}",
		 "f:1: document 1: NetworkPolicy of projectcalico.org/v3 is passed over\n"},
		{"{apiVersion: v1, kind: PodList, items: []}",
		 "f:1: document 1: PodList of v1 is passed over\n"},
		{"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: a, "
		 "name: "
		 "p}, spec: {ingress: []}}",
		 ""},
		/* not so */
		{"\n\n[]", "f:3: document 1: is no object\n"},
		{"{kind: Namespace}", "f:1: document 1: apiVersion: missing\n"},
		{"{apiVersion: v1}", "f:1: document 1: kind: missing\n"},
		{"{apiVersion: networking.k8s.io/v1beta1, kind: NetworkPolicy}",
		 "f:1: document 1: apiVersion: is \"networking.k8s.io/v1beta1\"; NetworkPolicy is "
		 "known as "
		 "version v1\n"},
		{"{apiVersion: v1, kind: List, items: {}}", "f:1: document 1: items: is no list\n"},
		{"{apiVersion: v1, kind: List, items: [1, {kind: List}]}",
		 "f:1: document 1: items[0]: is no object\nf:1: document 1: items[1]: apiVersion: "
		 "missing\n"},
		{"{apiVersion: v1, kind: Namespace, metadata: {name: A}}",
		 "f:1: document 1 (A): metadata.name: \"A\" is no name\n"},
		{POLICY("p", "300") NEXT POLICY("q", "2"),
		 SAYS("q", "2") "f:1: document 1 (a/p): spec.egress[0].to[0].ipBlock.cidr: "
				"\"192.0.2.300/32\" is no network\n"},
		{POLICY("p", "1") NEXT "a: &b c\n" NEXT POLICY("q", "2"),
		 SAYS("p", "1") "f:6: anchors, aliases and tags are not allowed\n"},
		{POLICY("p", "1") NEXT "a: [b\n",
		 SAYS("p", "1") "f:7: no YAML: did not find expected ',' or ']'\n"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		const struct file file = {"f", cases[i].text};
		print_message("# case %zu\n", i);
		check(&file, 1, NULL, cases[i].expected, NULL);
	}
}

/* What the next agent knows of these files. */
static struct manifest_set *through_state(const struct file *files)
{
	struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
	struct manifest_set *set, *again;
	struct report report;

	report_init(&report);
	set = read_files(files, 2, NULL, &report);
	manifest_saved_format("boot", "n1", set, &first);
	manifest_set_free(set);
	assert_int_equal(
		manifest_saved_parse("s", first.bytes, first.length, "n1", &report, &again), 0);
	assert_true(report_is_empty(&report));
	manifest_saved_format("boot", "n1", again, &second);
	assert_int_equal(first.length, second.length);
	assert_memory_equal(first.bytes, second.bytes, first.length);
	report_done(&report);
	buffer_done(&first);
	buffer_done(&second);
	return again;
}

static void a_damaged_state_is_refused(void **state)
{
	const struct file file = {"f", POLICY("p", "1") NEXT CLUSTER_POLICY("c", "5") NEXT
				  "{apiVersion: v1, kind: Namespace, metadata: {name: a}}"};
	struct buffer text = BUFFER_INIT;
	struct manifest_set *set, *again;
	struct report report;

	report_init(&report);
	set = read_files(&file, 1, NULL, &report);
	manifest_saved_format("boot", "n1", set, &text);
	for (size_t i = 0; i < text.length; i++) {
		struct report said;
		report_init(&said);
		assert_int_equal(manifest_saved_parse("s", text.bytes, i, "n1", &said, &again),
				 MANIFEST_SAVED_E_DAMAGED);
		text.bytes[i] ^= 4;
		int r = manifest_saved_parse("s", text.bytes, text.length, "n1", &said, &again);
		text.bytes[i] ^= 4;
		if (r == 0) /* the boot id, which nobody looks at */
			manifest_set_free(again);
		else
			assert_false(report_is_empty(&said));
		assert_true(r == MANIFEST_SAVED_E_DAMAGED ||
			    (r == 0 && i < strcspn(text.bytes, "\n")));
		report_done(&said);
	}
	assert_int_equal(manifest_saved_parse("s", text.bytes, text.length, "n2", &report, &again),
			 MANIFEST_SAVED_E_DAMAGED); /* another node's */
	manifest_set_free(set);
	report_done(&report);
	buffer_done(&text);
}

/* What was in force, what comes, what is in force then. */
static void the_last_good_version_stays(void **state)
{
	static const struct {
		const char *what;
		struct file before[2], now[2];
		const char *expected;
	} cases[] = {
		{"an edit", {{"f", POLICY("p", "1")}}, {{"f", POLICY("p", "2")}}, SAYS("p", "2")},
		{"gone with its file", {{"f", POLICY("p", "1")}}, {}, ""},
		{"gone from its file",
		 {{"f", POLICY("p", "1") NEXT POLICY("q", "2")}},
		 {{"f", POLICY("q", "2")}},
		 SAYS("q", "2")},
		{"an edit that is wrong",
		 {{"f", POLICY("p", "1") NEXT POLICY("q", "2")}},
		 {{"f", POLICY("q", "3") NEXT POLICY("p", "x")}},
		 SAYS("p", "1")
			 SAYS("q", "3") "f:5: document 2 (a/p): spec.egress[0].to[0].ipBlock.cidr: "
					"\"192.0.2.x/32\" is no network\n"},
		{"one that does not say its name any more",
		 {{"f", POLICY("p", "1") NEXT POLICY("q", "2")}},
		 {{"f", "[]\n" NEXT POLICY("q", "3")}},
		 SAYS("p", "1") SAYS("q", "3") "f:1: document 1: is no object\n"},
		{"a file that breaks off",
		 {{"f", POLICY("p", "1") NEXT POLICY("q", "2") NEXT POLICY("r", "3")}},
		 {{"f", POLICY("q", "4") NEXT "[\n"}},
		 SAYS("p", "1") SAYS("q", "4")
			 SAYS("r", "3") "f:7: no YAML: did not find expected node "
					"content\n"},
		{"another file is not touched",
		 {{"f", POLICY("p", "1")}, {"g", POLICY("q", "2")}},
		 {{"f", "["}, {"g", POLICY("q", "3")}},
		 SAYS("p", "1")
			 SAYS("q", "3") "f:2: no YAML: did not find expected node content\n"},
		{"a policy that is about ingress only now",
		 {{"f", POLICY("p", "1")}},
		 {{"f", "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: "
			"{namespace: a, "
			"name: p}, spec: {policyTypes: [Ingress]}}"}},
		 ""},
		{"a new one that is wrong",
		 {{"f", POLICY("p", "1")}},
		 {{"f", POLICY("p", "1") NEXT POLICY("q", "x")}},
		 SAYS("p", "1") "f:5: document 2 (a/q): spec.egress[0].to[0].ipBlock.cidr: "
				"\"192.0.2.x/32\" is no network\n"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct manifest_set *before, *now, *again;
		struct report report;
		report_init(&report);
		print_message("# %s\n", cases[i].what);
		before = read_files(cases[i].before, 2, NULL, &report);
		assert_true(report_is_empty(&report));
		check(cases[i].now, 2, before, cases[i].expected, &now);
		check(cases[i].now, 2, through_state(cases[i].before), cases[i].expected, NULL);
		/* And it stays for as long as nothing else is said. */
		check(cases[i].now, 2, now, cases[i].expected, &again);
		manifest_set_free(again);
		report_done(&report);
	}
}

static void what_says_the_same_is_the_same(void **state)
{
	const struct file before = {"f", POLICY("p", "1") NEXT POLICY("q", "2")},
			  after = {"f", POLICY("p", "1") NEXT POLICY("q", "3")};
	struct manifest_set *first, *second;
	struct report report;

	report_init(&report);
	first = read_files(&before, 1, NULL, &report);
	second = read_files(&after, 1, first, &report);
	assert_ptr_equal(first->policies->policies[0], second->policies->policies[0]);
	assert_ptr_not_equal(first->policies->policies[1], second->policies->policies[1]);
	assert_string_equal(second->policies->policies[1]->origin, "f: document 2");
	manifest_set_free(first);
	manifest_set_free(second);
	report_done(&report);
}

static void twins_are_named(void **state)
{
	static const struct file files[] = {
		{"a.yaml", POLICY("p", "1") NEXT POLICY("q", "2") NEXT POLICY("p", "3")},
		{"b.yaml", POLICY("q", "4") NEXT CLUSTER_POLICY("p", "5")},
		{"c.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: n}}\n" NEXT
			   "{apiVersion: v1, kind: Namespace, metadata: {name: n}}\n"},
	};

	check(files, N(files), NULL,
	      "Admin 5 p\nDeny 0.0.0.0/0\n" SAYS("p", "1")
		      SAYS("q", "2") "Namespace n\n"
				     "c.yaml: document 2: Namespace n is left out: it stands in "
				     "c.yaml: document 1 too\n"
				     "a.yaml: document 3: NetworkPolicy a/p is left out: it stands "
				     "in a.yaml: document 1 too\n"
				     "b.yaml: document 1: NetworkPolicy a/q is left out: it stands "
				     "in a.yaml: document 2 too\n",
	      NULL);
}

static void equal_priorities_are_named(void **state)
{
	static const struct file file = {"f", CLUSTER_POLICY("b", "5") NEXT CLUSTER_POLICY("a", "5")
						      NEXT CLUSTER_POLICY("c", "4")};

	check(&file, 1, NULL,
	      "Admin 4 c\nDeny 0.0.0.0/0\nAdmin 5 a\nDeny 0.0.0.0/0\nAdmin 5 b\nDeny 0.0.0.0/0\n"
	      "f: document 1: ClusterNetworkPolicy b has priority 5 of the Admin tier, as a (f: "
	      "document "
	      "2) has: podfence asks them by name\n",
	      NULL);
}

static void it_has_bounds(void **state)
{
	static const char *const said[] = {
		"f: is larger than 10 MiB\n",
		"f:1: document 1: items[10000]: more than 10000 objects in one file\n",
		"f:1: is nested deeper than 64 levels\n",
	};
	struct report report;
	struct manifest *manifest;
	char *large = text_repeat("#", "x", MANIFEST_MAX, ""),
	     *many = text_repeat("{apiVersion: v1, kind: List, items: [",
				 "{apiVersion: v1, kind: Namespace, metadata: {name: a}},",
				 MANIFEST_OBJECTS_MAX + 1, "]}"),
	     *deep = text_repeat("a: ", "[", 1000, "");
	const char *const texts[] = {large, many, deep};

	for (size_t i = 0; i < N(texts); i++) {
		report_init(&report);
		assert_int_equal(
			manifest_parse("f", texts[i], strlen(texts[i]), &report, &manifest),
			MANIFEST_E_BROKEN);
		assert_true(manifest->is_broken);
		char *text = policies_report(&report);
		assert_string_equal(text, said[i]);
		free(text);
		manifest_free(manifest);
		report_done(&report);
	}
	free(large);
	free(many);
	free(deep);
	report_init(&report);
	assert_int_equal(manifest_read("/nonexistent/f", &report, &manifest), MANIFEST_E_BROKEN);
	assert_string_equal(report.entries[0].text, "No such file or directory");
	assert_int_equal(manifest->n_objects, 0);
	manifest_free(manifest);
	report_done(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_taken),
		cmocka_unit_test(the_last_good_version_stays),
		cmocka_unit_test(a_damaged_state_is_refused),
		cmocka_unit_test(what_says_the_same_is_the_same),
		cmocka_unit_test(twins_are_named),
		cmocka_unit_test(equal_priorities_are_named),
		cmocka_unit_test(it_has_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
