/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Pods as a list and a watch tell of them. */
#include <stdio.h>

#include "kube/cluster.h"

#include "test.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

struct world {
	struct cluster *cluster;
	struct report report;
};

static void with_one(void (*test)(struct world *world))
{
	struct world world = {};

	assert_int_equal(cluster_new("n1", &world.cluster), 0);
	report_init(&world.report);
	test(&world);
	report_done(&world.report);
	assert_null(cluster_free(world.cluster));
}

static void put(struct world *world, const char *text)
{
	struct json_object *object = json_tokener_parse(text);

	assert_true(object || !strcmp(text, "null"));
	assert_int_equal(cluster_put(world->cluster, CLUSTER_PODS, object, "p", &world->report), 0);
	json_object_put(object);
}

static void take_away(struct world *world, const char *text)
{
	struct json_object *object = json_tokener_parse(text);

	cluster_remove(world->cluster, CLUSTER_PODS, object);
	json_object_put(object);
}

static void begin(struct world *world)
{
	cluster_begin(world->cluster, CLUSTER_PODS);
}

static void end(struct world *world)
{
	cluster_end(world->cluster, CLUSTER_PODS);
}

static struct pod_list *list_of(struct world *world)
{
	struct pod_list *list;

	assert_int_equal(cluster_pods(world->cluster, &list), 0);
	return list;
}

/* Pods as "a/p1=LABEL ", the label being x. */
static void assert_pods(struct world *world, const char *expected)
{
	struct pod_list *list = list_of(world);
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	for (size_t i = 0; i < list->n_pods; i++) {
		const struct pod *pod = list->pods[i];
		fprintf(stream, "%s/%s=%s ", pod->namespace, pod->name,
			pod->labels.n_labels ? pod->labels.labels[0].value : "");
	}
	fclose(stream);
	assert_string_equal(text, expected);
	assert_int_equal(list->n_refused, 0);
	free(text);
	pod_list_free(list);
}

static void assert_said(struct world *world, const char *expected)
{
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	report_print(&world->report, stream);
	fclose(stream);
	assert_string_equal(text, expected);
	free(text);
	report_done(&world->report);
}

#define META(namespace, name)                                                                      \
	"\"namespace\":\"" namespace "\",\"name\":\"" name "\",\"uid\":\"u-" name "\""
#define POD_WITH(namespace, name, label, more)                                                     \
	"{\"metadata\":{" META(namespace, name) ",\"labels\":{\"x\":\"" label "\"}},"              \
						"\"spec\":{\"nodeName\":\"n1\"}" more "}"
#define POD(namespace, name, label) POD_WITH(namespace, name, label, "")
#define NO_UID(namespace, name)                                                                    \
	"{\"metadata\":{\"namespace\":\"" namespace "\",\"name\":\"" name "\"},"                   \
						    "\"spec\":{\"nodeName\":\"n1\"}}"
#define ELSEWHERE(namespace, name)                                                                 \
	"{\"metadata\":{" META(namespace, name) "},\"spec\":{\"nodeName\":\"n2\"}}"

static void keep_what_is_put(struct world *world)
{
	assert_pods(world, "");
	put(world, POD("b", "p2", "1"));
	put(world, POD("a", "p9", "2"));
	put(world, POD("b", "p1", "3"));
	put(world, POD("c", "p1", "4"));
	assert_pods(world, "a/p9=2 b/p1=3 b/p2=1 c/p1=4 ");
	put(world, POD("b", "p1", "5"));
	assert_pods(world, "a/p9=2 b/p1=5 b/p2=1 c/p1=4 ");
	take_away(world, POD("b", "p2", "9")); /* by its name alone */
	take_away(world, POD("b", "p9", "2"));
	take_away(world, "{\"metadata\":{\"namespace\":\"c\",\"name\":\"p1\"}}");
	assert_pods(world, "a/p9=2 b/p1=5 ");
	put(world, POD("b", "p2", "6"));
	assert_pods(world, "a/p9=2 b/p1=5 b/p2=6 ");
	assert_said(world, "");
}

static void what_is_put_is_there(void **state)
{
	with_one(keep_what_is_put);
}

static void sweep_at_the_end(struct world *world)
{
	begin(world);
	put(world, POD("a", "p1", "1"));
	put(world, POD("a", "p2", "1"));
	put(world, POD("a", "p3", "1"));
	end(world);
	begin(world);
	put(world, POD("a", "p2", "1"));
	assert_pods(world, "a/p1=1 a/p2=1 a/p3=1 ");
	begin(world); /* the first one broke off */
	put(world, POD("a", "p3", "2"));
	put(world, POD("a", "p4", "2"));
	assert_pods(world, "a/p1=1 a/p2=1 a/p3=2 a/p4=2 ");
	end(world);
	assert_pods(world, "a/p3=2 a/p4=2 ");
	put(world, POD("a", "p5", "3")); /* by a watch */
	put(world, POD("a", "p3", "3"));
	assert_pods(world, "a/p3=3 a/p4=2 a/p5=3 ");
	begin(world);
	end(world);
	assert_pods(world, "");
	assert_said(world, "");
}

static void only_an_end_sweeps(void **state)
{
	with_one(sweep_at_the_end);
}

static const struct {
	const char *text, *said;
} refused[] = {
	{NO_UID("a", "p1"), "p (a/p1): metadata.uid: missing\n"},
	{POD_WITH("a", "p1", "2", ",\"status\":5"),
	 "p (a/p1): status: is a number, not an object\n"},
	{POD_WITH("a", "p1", "2", ",\"kind\":\"Service\""),
	 "p (a/p1): kind: is \"Service\", not Pod\n"},
	{POD_WITH("a", "p1", "2", ",\"status\":{\"phase\":7}"),
	 "p (a/p1): status.phase: is a number, not a text\n"},
};

static void keep_what_was_known(struct world *world)
{
	for (size_t i = 0; i < N(refused); i++) {
		begin(world);
		put(world, POD("a", "p1", "1"));
		put(world, POD("a", "p2", "1"));
		end(world);
		assert_said(world, "");
		struct pod_list *before = list_of(world);
		put(world, refused[i].text); /* by a watch */
		assert_said(world, refused[i].said);
		begin(world);
		put(world, refused[i].text); /* by a list: it is there all the same */
		put(world, POD("a", "p2", "1"));
		end(world);
		assert_said(world, refused[i].said);
		struct pod_list *after = list_of(world);
		assert_ptr_equal(before, after);
		pod_list_free(before);
		pod_list_free(after);
		begin(world);
		put(world, POD("a", "p2", "1"));
		end(world);
		assert_pods(world, "a/p2=1 ");
	}
}

static void a_refused_pod_is_what_was_known_of_it(void **state)
{
	with_one(keep_what_was_known);
}

static void survive_what_is_no_pod(struct world *world)
{
	static const char *const texts[] = {"null",
					    "5",
					    "[]",
					    "{}",
					    "{\"metadata\":[]}",
					    "{\"metadata\":{\"namespace\":1,\"name\":2}}",
					    "{\"metadata\":{\"namespace\":\"a\",\"name\":\"B!\"}}"};

	put(world, POD("a", "p1", "1"));
	for (size_t i = 0; i < N(texts); i++) {
		put(world, texts[i]);
		take_away(world, texts[i]);
	}
	assert_pods(world, "a/p1=1 ");
	put(world, NO_UID("a", "p7")); /* nothing was known of it */
	assert_pods(world, "a/p1=1 ");
}

static void what_is_no_pod_is_survived(void **state)
{
	with_one(survive_what_is_no_pod);
}

static void leave_out_what_does_not_run_here(struct world *world)
{
	static const char *const gone[] = {
		ELSEWHERE("a", "p1"),
		"{\"metadata\":{" META("a", "p1") "}}", /* on no node yet */
		POD_WITH("a", "p1", "2", ",\"status\":{\"phase\":\"Succeeded\"}"),
		POD_WITH("a", "p1", "2", ",\"status\":{\"phase\":\"Failed\"}"),
	};

	for (size_t i = 0; i < N(gone); i++) {
		put(world, POD_WITH("a", "p1", "1", ",\"status\":{\"phase\":\"Running\"}"));
		put(world, POD("a", "p2", "1"));
		assert_pods(world, "a/p1=1 a/p2=1 ");
		put(world, gone[i]);
		assert_pods(world, "a/p2=1 ");
		put(world, gone[i]);
		assert_pods(world, "a/p2=1 ");
		assert_said(world, "");
	}
}

static void pods_that_do_not_run_here_are_gone(void **state)
{
	with_one(leave_out_what_does_not_run_here);
}

/* The next list is the same one, or another one, as this says. */
static void assert_same(struct world *world, struct pod_list **before, bool is_same)
{
	struct pod_list *after = list_of(world);

	if (is_same)
		assert_ptr_equal(*before, after);
	else
		assert_ptr_not_equal(*before, after);
	pod_list_free(*before);
	*before = after;
}

static void keep_the_list(struct world *world)
{
	begin(world);
	put(world, POD_WITH("a", "p1", "1", ",\"status\":{\"phase\":\"Running\"}"));
	put(world, POD("a", "p2", "1"));
	end(world);
	struct pod_list *list = list_of(world);
	assert_same(world, &list, true);
	/* what podfence does not look at */
	put(world,
	    POD_WITH("a", "p1", "1", ",\"status\":{\"phase\":\"Pending\",\"conditions\":[{}]}"));
	assert_same(world, &list, true);
	begin(world);
	assert_same(world, &list, true);
	put(world, POD("a", "p2", "1"));
	put(world, POD("a", "p1", "1"));
	end(world);
	assert_same(world, &list, true);
	take_away(world, POD("a", "p3", "1"));
	put(world, ELSEWHERE("a", "p3"));
	put(world, "{}");
	assert_same(world, &list, true);
	/* what it does look at */
	put(world, POD("a", "p1", "2"));
	assert_same(world, &list, false);
	put(world, POD_WITH("a", "p1", "2", ",\"status\":{\"podIPs\":[{\"ip\":\"10.0.0.1\"}]}"));
	assert_same(world, &list, false);
	put(world, POD("a", "p3", "1"));
	assert_same(world, &list, false);
	take_away(world, POD("a", "p3", "1"));
	assert_same(world, &list, false);
	begin(world);
	put(world, POD("a", "p2", "1"));
	assert_same(world, &list, true);
	end(world);
	assert_same(world, &list, false);
	assert_int_equal(list->n_pods, 1);
	pod_list_free(list);
}

static void the_list_is_the_same_while_nothing_changes(void **state)
{
	with_one(keep_the_list);
}

/* Lists outlive what happens to their store, and unchanged pods are shared between them. */
static void share_pods(struct world *world)
{
	put(world, POD("a", "p1", "1"));
	put(world, POD("a", "p2", "1"));
	struct pod_list *first = list_of(world);
	put(world, POD("a", "p2", "2"));
	struct pod_list *second = list_of(world);
	take_away(world, POD("a", "p1", "1"));
	assert_ptr_equal(first->pods[0], second->pods[0]);
	assert_ptr_not_equal(first->pods[1], second->pods[1]);
	assert_string_equal(first->pods[1]->labels.labels[0].value, "1");
	assert_string_equal(second->pods[1]->labels.labels[0].value, "2");
	assert_string_equal(second->pods[0]->name, "p1");
	pod_list_free(first);
	pod_list_free(second);
}

static void lists_do_not_change(void **state)
{
	with_one(share_pods);
}

static void fill_with_a_list(struct world *world)
{
	struct world other = {};
	struct pod_list *filled;

	assert_int_equal(cluster_new("n1", &other.cluster), 0);
	report_init(&other.report);
	put(&other, POD("a", "p2", "2"));
	put(&other, POD("a", "p3", "3"));
	struct pod_list *list = list_of(&other);
	put(world, POD("a", "p1", "1"));
	put(world, POD("a", "p2", "1"));
	assert_int_equal(cluster_know_pods(world->cluster, list), 0);
	assert_pods(world, "a/p2=2 a/p3=3 ");
	filled = list_of(world);
	assert_ptr_equal(filled->pods[0], list->pods[0]);
	assert_int_equal(cluster_know_pods(world->cluster, list), 0);
	assert_same(world, &filled, true);
	pod_list_free(filled);
	report_done(&other.report);
	cluster_free(other.cluster);
	assert_string_equal(list->pods[0]->name, "p2");
	pod_list_free(list);
	list = pod_list_empty();
	assert_non_null(list);
	assert_int_equal(cluster_know_pods(world->cluster, list), 0);
	assert_pods(world, "");
	pod_list_free(list);
}

static void a_list_can_fill_it(void **state)
{
	with_one(fill_with_a_list);
}

static void hold_many(struct world *world)
{
	char text[256];

	for (unsigned round = 0; round < 2; round++) {
		begin(world);
		for (unsigned i = 0; i < 1000; i++) {
			/* in no order: 617 and 1000 have no common divisor */
			snprintf(text, sizeof(text), POD("a", "p%03u", "1"), i * 617 % 1000,
				 i * 617 % 1000);
			put(world, text);
		}
		end(world);
	}
	struct pod_list *list = list_of(world);
	assert_int_equal(list->n_pods, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "p%03u", i);
		assert_string_equal(list->pods[i]->name, text);
	}
	pod_list_free(list);
	begin(world);
	put(world, POD("a", "p500", "1"));
	end(world);
	assert_pods(world, "a/p500=1 ");
}

static void many_pods_are_sorted(void **state)
{
	with_one(hold_many);
}

static void say_changes(struct world *world)
{
	uint64_t version = cluster_version(world->cluster);

	put(world, POD("a", "p1", "1"));
	assert_true(cluster_version(world->cluster) > version);
	version = cluster_version(world->cluster);
	put(world, POD("a", "p1", "1"));
	assert_int_equal(cluster_version(world->cluster), version);
	take_away(world, POD("a", "p1", "1"));
	assert_true(cluster_version(world->cluster) > version);
}

static void the_version_says_whether_it_has_changed(void **state)
{
	with_one(say_changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_there),
		cmocka_unit_test(only_an_end_sweeps),
		cmocka_unit_test(a_refused_pod_is_what_was_known_of_it),
		cmocka_unit_test(what_is_no_pod_is_survived),
		cmocka_unit_test(pods_that_do_not_run_here_are_gone),
		cmocka_unit_test(the_list_is_the_same_while_nothing_changes),
		cmocka_unit_test(lists_do_not_change),
		cmocka_unit_test(a_list_can_fill_it),
		cmocka_unit_test(many_pods_are_sorted),
		cmocka_unit_test(the_version_says_whether_it_has_changed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
