/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The directory of policies as the daemon reads and watches it, and what it makes of both sources. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "policies.h"
#include "test.h"

#define POLICY(name)                                                                               \
	"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: a, "        \
	"name: " name "}, spec: {policyTypes: [Egress]}}\n"

struct world {
	char root[64], directory[80], nowhere[1];
	struct config config;
	struct daemon daemon;
};

/* The loop's own answer to a source without one would be to end. */
static int on_work(sd_event_source *source, uint64_t usec, void *userdata)
{
	return 0;
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	strcpy(world->root, "/tmp/podfence-policies-XXXXXX");
	if (!mkdtemp(world->root))
		return -1;
	snprintf(world->directory, sizeof(world->directory), "%s/policies.d", world->root);
	world->config.policies.directory = world->directory;
	world->config.state.directory = world->nowhere;
	world->daemon = (struct daemon){.config = &world->config, .policies.watch = -1};
	if (sd_event_new(&world->daemon.loop) < 0 ||
	    sd_event_add_time(world->daemon.loop, &world->daemon.work_source, CLOCK_MONOTONIC,
			      UINT64_MAX, 0, on_work, NULL) < 0)
		return -1;
	*state = world;
	return 0;
}

static void remove_all(const char *directory)
{
	char path[512];
	DIR *stream = opendir(directory);
	struct dirent *entry;

	while (stream && (entry = readdir(stream))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    unlink(path) < 0)
			remove_all(path);
	}
	if (stream)
		closedir(stream);
	(void)rmdir(directory);
}

static int tear_down(void **state)
{
	struct world *world = *state;

	policies_done(&world->daemon);
	pod_list_free(world->daemon.pods);
	cluster_free(world->daemon.cluster);
	sd_event_source_disable_unref(world->daemon.work_source);
	sd_event_unref(world->daemon.loop);
	remove_all(world->root);
	free(world);
	return 0;
}

static void write_file(const struct world *world, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", world->directory, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void move_file(const struct world *world, const char *from, const char *to)
{
	char a[256], b[256];

	snprintf(a, sizeof(a), "%s/%s", world->directory, from);
	snprintf(b, sizeof(b), "%s/%s", world->directory, to);
	assert_int_equal(rename(a, b), 0);
}

static void remove_file(const struct world *world, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", world->directory, name);
	assert_int_equal(unlink(path), 0);
}

/* Whether the loop has noticed something. */
static bool has_heard(struct world *world)
{
	int r;

	while ((r = sd_event_run(world->daemon.loop, 0)) > 0)
		continue;
	assert_int_equal(r, 0);
	return world->daemon.policies.must_read;
}

/* The names of the policies in force, "a b ". */
static void expect(struct world *world, const char *expected)
{
	struct policies_now now;
	char names[256] = "";

	assert_int_equal(policies_now(&world->daemon, &now), 0);
	for (size_t i = 0; i < now.policies->n_policies; i++) {
		strcat(names, now.policies->policies[i]->name);
		strcat(names, " ");
	}
	assert_string_equal(names, expected);
}

static void read_and_expect(struct world *world, const char *expected)
{
	policy_files_read(&world->daemon);
	expect(world, expected);
	assert_false(has_heard(world));
}

static void a_directory_is_read(void **state)
{
	struct world *world = *state;

	read_and_expect(world, "");
	assert_int_equal(mkdir(world->directory, 0755), 0);
	assert_true(has_heard(world)); /* by the one above it */
	read_and_expect(world, "");
	write_file(world, "b.yaml", POLICY("b") "---\n" POLICY("c"));
	assert_true(has_heard(world));
	write_file(world, "a.json",
		   "{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": "
		   "\"NetworkPolicy\", \"metadata\": {\"namespace\": \"a\", \"name\": "
		   "\"a\"}, \"spec\": {\"policyTypes\": [\"Egress\"]}}");
	write_file(world, "d.yml", POLICY("d"));
	write_file(world, "e.txt", POLICY("e"));
	write_file(world, ".f.yaml", POLICY("f"));
	write_file(world, "yaml", POLICY("g"));
	read_and_expect(world, "a b c d ");
	write_file(world, "new", POLICY("x"));
	assert_true(has_heard(world));
	read_and_expect(world, "a b c d ");
	world->daemon.policies.read_usec = 0; /* long ago: work is due at once */
	move_file(world, "new", "b.yaml");    /* as an editor saves */
	assert_true(has_heard(world));
	read_and_expect(world, "a d x ");
	remove_file(world, "a.json");
	assert_true(has_heard(world));
	read_and_expect(world, "d x ");
	write_file(world, "d.yml", "[");
	read_and_expect(world, "d x ");
	remove_file(world, "d.yml");
	read_and_expect(world, "x ");
	remove_all(world->directory);
	assert_true(has_heard(world));
	read_and_expect(world, "");
}

/* A ConfigMap: file -> ..data/file, ..data -> a directory, which another replaces. */
static void a_config_map_is_followed(void **state)
{
	struct world *world = *state;
	char path[256];

	assert_int_equal(mkdir(world->directory, 0755), 0);
	for (int i = 1; i <= 2; i++) {
		char name[32];
		snprintf(path, sizeof(path), "%s/..%d", world->directory, i);
		assert_int_equal(mkdir(path, 0755), 0);
		snprintf(name, sizeof(name), "..%d/p.yaml", i);
		write_file(world, name, i == 1 ? POLICY("one") : POLICY("two"));
	}
	snprintf(path, sizeof(path), "%s/..data", world->directory);
	assert_int_equal(symlink("..1", path), 0);
	snprintf(path, sizeof(path), "%s/p.yaml", world->directory);
	assert_int_equal(symlink("..data/p.yaml", path), 0);
	read_and_expect(world, "one ");
	snprintf(path, sizeof(path), "%s/..data_tmp", world->directory);
	assert_int_equal(symlink("..2", path), 0);
	move_file(world, "..data_tmp", "..data");
	assert_true(has_heard(world));
	read_and_expect(world, "two ");
}

static void put(struct world *world, enum cluster_kind kind, const char *json)
{
	struct json_object *object = json_tokener_parse(json);
	struct report report;

	assert_non_null(object);
	report_init(&report);
	assert_int_equal(cluster_put(world->daemon.cluster, kind, object, "p", &report), 0);
	assert_true(report_is_empty(&report));
	report_done(&report);
	json_object_put(object);
}

static void both_sources_count(void **state)
{
	struct world *world = *state;
	struct policies_now now, again;

	assert_int_equal(mkdir(world->directory, 0755), 0);
	write_file(world, "f.yaml",
		   POLICY("b") "---\n{apiVersion: v1, kind: Namespace, metadata: {name: "
			       "a, labels: {from: file}}}\n---\n{apiVersion: v1, kind: "
			       "Namespace, metadata: {name: f, labels: {from: file}}}\n");
	assert_int_equal(cluster_new("n1", &world->daemon.cluster), 0);
	put(world, CLUSTER_NETWORK_POLICIES,
	    "{\"metadata\":{\"namespace\":\"a\",\"name\":\"c\"},\"spec\":{\"policyTypes\":["
	    "\"Egress\"]}}");
	put(world, CLUSTER_NETWORK_POLICIES,
	    "{\"metadata\":{\"namespace\":\"a\",\"name\":\"b\"},\"spec\":{\"policyTypes\":["
	    "\"Egress\"]}}");
	put(world, CLUSTER_NAMESPACES,
	    "{\"metadata\":{\"name\":\"a\",\"labels\":{\"from\":\"API\"}}}");
	put(world, CLUSTER_PODS,
	    "{\"metadata\":{\"namespace\":\"p\",\"name\":\"x\",\"uid\":\"u\"},\"spec\":{"
	    "\"nodeName\":\"n1\"}}");
	assert_int_equal(cluster_pods(world->daemon.cluster, &world->daemon.pods), 0);
	policy_files_read(&world->daemon);
	expect(world, "b b c ");
	assert_int_equal(policies_now(&world->daemon, &now), 0);
	assert_string_equal(now.policies->policies[0]->origin + strlen(world->directory),
			    "/f.yaml: document 1");
	assert_string_equal(now.policies->policies[1]->origin, "API");
	static const char *const expected[][3] = {{"a", "from", "API"},
						  {"f", "from", "file"},
						  {"p", "kubernetes.io/metadata.name", "p"}};
	assert_int_equal(now.namespaces->n_namespaces, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct namespace *one = now.namespaces->namespaces[i];
		assert_string_equal(one->name, expected[i][0]);
		assert_string_equal(label_list_find(&one->labels, expected[i][1]), expected[i][2]);
	}
	/* Nothing new: the same lists, also where everything was read again. */
	assert_int_equal(policies_now(&world->daemon, &again), 0);
	assert_memory_equal(&now, &again, sizeof(now));
	policy_files_read(&world->daemon);
	put(world, CLUSTER_NAMESPACES,
	    "{\"metadata\":{\"name\":\"a\",\"labels\":{\"from\":\"API\"},\"uid\":\"x\"}}");
	assert_int_equal(policies_now(&world->daemon, &again), 0);
	assert_memory_equal(&now, &again, sizeof(now));
	put(world, CLUSTER_NAMESPACES, "{\"metadata\":{\"name\":\"b\"}}");
	assert_int_equal(policies_now(&world->daemon, &again), 0);
	assert_ptr_equal(now.policies, again.policies);
	assert_int_equal(again.namespaces->n_namespaces, 4);
	remove_file(world, "f.yaml");
	policy_files_read(&world->daemon);
	expect(world, "b c ");
	world->config.policies.directory = (char *)(uintptr_t) "";
	policy_files_read(&world->daemon);
	assert_int_equal(world->daemon.policies.watch, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_directory_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_config_map_is_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(both_sources_count, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
