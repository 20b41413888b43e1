/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What is kept is what was known; a file with one wrong bit is not used. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/last_known.h"
#include "policies.h"
#include "test.h"

static const char *const items[] = {
	"{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"a\",\"name\":\"web-1\",\"uid\":\"u-1\","
	"\"labels\":{\"app\":\"web\",\"pod-template-hash\":\"1\"},\"ownerReferences\":[{\"kind\":"
	"\"ReplicaSet\",\"name\":\"web-1\",\"uid\":\"o\",\"controller\":true}]},"
	"\"spec\":{\"nodeName\":\"n1\",\"serviceAccountName\":\"s\",\"containers\":[{\"name\":"
	"\"c\","
	"\"image\":\"i\"}],\"initContainers\":[{\"name\":\"d\",\"image\":\"j\"}]},\"status\":{"
	"\"podIPs\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"fd00::1\"}],\"containerStatuses\":[{\"name\":"
	"\"c\","
	"\"containerID\":\"containerd://abcd\"}]}}",
	"{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"kube-system\",\"name\":\"etcd-n1\","
	"\"uid\":\"u-2\","
	"\"annotations\":{\"kubernetes.io/config.hash\":\"0123456789abcdef0123456789abcdef\"}},"
	"\"spec\":{\"nodeName\":\"n1\",\"hostNetwork\":true}}",
	"{\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\",\"labels\":{\"team\":\"x\"}}}",
	"{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"},\"spec\":{\"podCIDRs\":[\"10.1.0.0/"
	"24\"]},"
	"\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"192.0.2.1\"}]}}",
	"{\"kind\":\"ServiceCIDR\",\"metadata\":{\"name\":\"k\"},\"spec\":{\"cidrs\":[\"10.96.0.0/"
	"12\"]}}",
	"{\"kind\":\"EndpointSlice\",\"metadata\":{\"namespace\":\"default\",\"name\":\"k\"},"
	"\"endpoints\":[{\"addresses\":[\"192.0.2.5\"]}]}",
	"{\"kind\":\"NetworkPolicy\",\"metadata\":{\"namespace\":\"a\",\"name\":\"p\",\"uid\":"
	"\"u\","
	"\"annotations\":{\"podfence.io/mode\":\"audit\"}},\"spec\":{\"podSelector\":{"
	"\"matchLabels\":{\"app\":\"web\"}},\"policyTypes\":[\"Egress\"],\"egress\":[{},{\"to\":[{"
	"\"ipBlock\":{\"cidr\":\"192.0.2.0/24\",\"except\":[\"192.0.2.128/25\"]}}],\"ports\":[{"
	"\"port\":443},{\"protocol\":\"UDP\"},{\"protocol\":\"SCTP\",\"port\":1,\"endPort\":9}]},{"
	"\"to\":[{\"namespaceSelector\":{}}],\"ports\":[{\"port\":\"web\"}]}]}}",
	"{\"kind\":\"NetworkPolicy\",\"metadata\":{\"namespace\":\"a\",\"name\":\"none\"},\"spec\":"
	"{"
	"\"policyTypes\":[\"Egress\"]}}",
	"{\"kind\":\"ClusterNetworkPolicy\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"tier\":"
	"\"Admin\",\"priority\":1000,\"subject\":{\"namespaces\":{\"matchExpressions\":[{\"key\":"
	"\"k\",\"operator\":\"NotIn\",\"values\":[\"z\",\"y\"]},{\"key\":\"e\",\"operator\":"
	"\"Exists\"},{\"key\":\"d\",\"operator\":\"DoesNotExist\"}]}},\"egress\":[{\"name\":\"r\","
	"\"action\":\"Accept\",\"to\":[{\"networks\":[\"::/0\",\"192.0.2.0/24\"]}],\"protocols\":[{"
	"\"tcp\":{\"destinationPort\":{\"number\":443}}},{\"udp\":{\"destinationPort\":{\"range\":{"
	"\"start\":1,\"end\":65535}}}},{\"sctp\":{\"destinationPort\":{\"number\":9}}}]},{"
	"\"action\":"
	"\"Pass\",\"to\":[{\"nodes\":{}}],\"protocols\":[{\"destinationNamedPort\":\"web\"}]},{"
	"\"action\":\"Deny\",\"podfence.io/unknown\":true,\"to\":[{\"namespaces\":{}}]}]}}",
	"{\"kind\":\"ClusterNetworkPolicy\",\"metadata\":{\"name\":\"q\"},\"spec\":{\"tier\":"
	"\"Baseline\",\"priority\":0,\"subject\":{\"pods\":{\"podSelector\":{\"matchLabels\":{"
	"\"a\":"
	"\"b\"}}}},\"egress\":[{\"action\":\"Deny\",\"to\":[{\"networks\":[\"0.0.0.0/0\"]}]}]}}",
	"{\"kind\":\"Connection\",\"address\":\"192.0.2.9\"}",
};

static struct buffer known(void)
{
	struct buffer buffer = BUFFER_INIT;
	struct cluster *cluster;
	struct report report;

	report_init(&report);
	assert_int_equal(cluster_new("n1", &cluster), 0);
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		struct json_object *object = json_tokener_parse(items[i]);
		assert_int_equal(cluster_take_item(cluster, object, "p", &report), 0);
		json_object_put(object);
	}
	last_known_format("a boot", cluster, &buffer);
	assert_false(buffer.is_broken);
	cluster_free(cluster);
	report_done(&report);
	return buffer;
}

static int parse(const char *text, size_t length, const char *node, struct cluster **ret_cluster)
{
	struct report report;
	char *exact = malloc(length ? length : 1);

	assert_non_null(exact);
	memcpy(exact, text, length);
	report_init(&report);
	int r = last_known_parse("file", exact, length, node, &report, ret_cluster);
	assert_int_equal(report_is_empty(&report), r == 0);
	report_done(&report);
	free(exact);
	return r;
}

static void check_policies(struct cluster *cluster)
{
	static const char *const expected[] = {
		("Admin 1000 p namespaces[k NotIn (y z), e Exists, d DoesNotExist]\n"
		 "Accept \"r\" ::/0 192.0.2.0/24 : tcp/443 udp/1-65535 sctp/9\nPass :\nDeny "
		 "unknown\n"),
		"NetworkPolicy a/none\n",
		("NetworkPolicy a/p pods[app In (web)] audit\nAccept everybody\n"
		 "Accept 192.0.2.0/24 -192.0.2.128/25 : tcp/443 udp sctp/1-9\nAccept :\n"),
		"Baseline 0 q pods[a In (b)]\nDeny 0.0.0.0/0\n",
	};
	struct namespace_list *namespaces, *same;
	struct policy_list *list, *again;

	assert_int_equal(cluster_policies(cluster, &list), 0);
	assert_int_equal(cluster_policies(cluster, &again), 0);
	assert_ptr_equal(list, again);
	assert_int_equal(list->n_policies, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < list->n_policies; i++) {
		char *text = policies_describe(list->policies[i]);
		assert_string_equal(text, expected[i]);
		assert_string_equal(list->policies[i]->origin, "API");
		free(text);
	}
	policy_list_free(list);
	policy_list_free(again);
	assert_int_equal(cluster_namespaces(cluster, &namespaces), 0);
	assert_int_equal(cluster_namespaces(cluster, &same), 0);
	assert_ptr_equal(namespaces, same);
	const struct namespace *found = namespace_list_find(namespaces, "a");
	assert_non_null(found);
	assert_string_equal(label_list_find(&found->labels, "team"), "x");
	assert_string_equal(label_list_find(&found->labels, "kubernetes.io/metadata.name"), "a");
	assert_null(namespace_list_find(namespaces, "b"));
	namespace_list_free(namespaces);
	namespace_list_free(same);
}

static void what_is_kept_is_what_was_known(void **state)
{
	struct buffer text = known(), again = BUFFER_INIT;
	struct cluster_network *networks;
	struct cluster *cluster;
	struct pod_list *pods;
	size_t n_networks;

	assert_int_equal(parse(text.bytes, text.length, "n1", &cluster), 0);
	last_known_format("a boot", cluster, &again);
	assert_int_equal(text.length, again.length);
	assert_memory_equal(text.bytes, again.bytes, text.length);
	assert_int_equal(cluster_pods(cluster, &pods), 0);
	assert_int_equal(pods->n_pods, 2);
	assert_string_equal(pods->pods[0]->workload_name, "web");
	assert_string_equal(pods->pods[0]->containers[1].id, "abcd");
	assert_string_equal(pods->pods[1]->cgroup_uid, "0123456789abcdef0123456789abcdef");
	pod_list_free(pods);
	check_policies(cluster);
	assert_int_equal(cluster_networks(cluster, &networks, &n_networks), 0);
	assert_int_equal(n_networks, 5);
	free(networks);
	for (enum cluster_kind kind = 0; kind < CLUSTER_KINDS; kind++)
		assert_true(cluster_is_whole(cluster, kind));
	cluster_free(cluster);
	buffer_done(&text);
	buffer_done(&again);
}

/* The boot id is for people: nothing hangs on it. All else is noticed. */
static void one_wrong_bit_is_damage(void **state)
{
	struct buffer text = known(), again = BUFFER_INIT;
	const char *boot = memmem(text.bytes, text.length, "\"boot\":\"a boot\"", 15);

	assert_non_null(boot);
	for (size_t i = 0; i < text.length * 8; i++) {
		const char *wrong = &text.bytes[i / 8];
		struct cluster *cluster = NULL;
		text.bytes[i / 8] ^= (char)(1 << i % 8);
		int r = parse(text.bytes, text.length, "n1", &cluster);
		text.bytes[i / 8] ^= (char)(1 << i % 8);
		if (wrong < boot || wrong >= boot + 15)
			assert_int_equal(r, LAST_KNOWN_E_DAMAGED);
		if (r) {
			assert_int_equal(r, LAST_KNOWN_E_DAMAGED);
			assert_null(cluster);
			continue;
		}
		buffer_clear(&again);
		last_known_format("a boot", cluster, &again);
		assert_int_equal(again.length, text.length);
		assert_memory_equal(again.bytes, text.bytes, text.length);
		cluster_free(cluster);
	}
	buffer_done(&text);
	buffer_done(&again);
}

static void what_is_cut_is_damage(void **state)
{
	struct buffer text = known();
	struct cluster *cluster;

	for (size_t length = 0; length < text.length; length++)
		assert_int_equal(parse(text.bytes, length, "n1", &cluster), LAST_KNOWN_E_DAMAGED);
	buffer_add_char(&text, '\n');
	assert_int_equal(parse(text.bytes, text.length, "n1", &cluster), LAST_KNOWN_E_DAMAGED);
	buffer_done(&text);
}

static void another_node_is_not_this_one(void **state)
{
	struct buffer text = known();
	struct cluster *cluster;

	assert_int_equal(parse(text.bytes, text.length, "n2", &cluster), LAST_KNOWN_E_DAMAGED);
	buffer_done(&text);
}

static void a_damaged_file_is_set_aside(void **state)
{
	char directory[] = "/tmp/last-known-XXXXXX", path[128], aside[160];
	struct buffer text = known();
	struct cluster *cluster;
	struct report report;
	struct stat status;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/%s", directory, LAST_KNOWN_NAME);
	snprintf(aside, sizeof(aside), "%s.damaged", path);
	report_init(&report);
	assert_int_equal(last_known_load(directory, "n1", &report, &cluster), -ENOENT);
	assert_int_equal(last_known_save(directory, &text), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(last_known_load(directory, "n1", &report, &cluster), 0);
	cluster_free(cluster);
	assert_true(report_is_empty(&report));

	assert_int_equal(truncate(path, (off_t)text.length - 1), 0);
	assert_int_equal(last_known_load(directory, "n1", &report, &cluster), LAST_KNOWN_E_DAMAGED);
	assert_int_equal(report.n_entries, 2);
	assert_string_equal(report.entries[1].text,
			    "not used; kept as " LAST_KNOWN_NAME ".damaged");
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(unlink(aside), 0);
	report_done(&report);
	buffer_done(&text);
	assert_int_equal(rmdir(directory), 0);
}

static struct buffer file_bytes(const char *path)
{
	struct buffer buffer = BUFFER_INIT;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	char *room = buffer_extend(&buffer, 65536);
	assert_non_null(room);
	ssize_t n = read(fd, room, 65536);
	assert_in_range(n, 0, 65535);
	buffer.length = (size_t)n;
	close(fd);
	return buffer;
}

static void assert_holds(const char *path, const struct buffer *expected)
{
	struct buffer bytes = file_bytes(path);

	assert_int_equal(bytes.length, expected->length);
	assert_memory_equal(bytes.bytes, expected->bytes, bytes.length);
	buffer_done(&bytes);
}

/* A second name holds on to the old file: nothing was written into it. */
static void a_file_is_replaced_whole(void **state)
{
	char directory[] = "/tmp/last-known-XXXXXX", path[128], held[160], fresh[160];
	struct buffer old = known(), new = BUFFER_INIT;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/%s", directory, LAST_KNOWN_NAME);
	snprintf(held, sizeof(held), "%s.held", path);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	buffer_add_text(&new, "shorter\n");
	assert_int_equal(last_known_save(directory, &old), 0);
	assert_int_equal(link(path, held), 0);
	assert_int_equal(last_known_save(directory, &new), 0);
	assert_holds(path, &new);
	assert_holds(held, &old);
	assert_int_equal(access(fresh, F_OK), -1);
	/* what a crash left behind */
	assert_int_equal(rename(held, fresh), 0);
	assert_int_equal(last_known_save(directory, &new), 0);
	assert_holds(path, &new);
	assert_int_equal(access(fresh, F_OK), -1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	buffer_done(&old);
	buffer_done(&new);
}

static void what_cannot_be_saved_leaves_the_old_file(void **state)
{
	char directory[] = "/tmp/last-known-XXXXXX", path[128], fresh[160], within[160];
	struct buffer text = known(), broken = {.is_broken = true};

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/%s", directory, LAST_KNOWN_NAME);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	snprintf(within, sizeof(within), "%s/a/b", directory);
	assert_int_equal(last_known_save(directory, &text), 0);
	assert_int_equal(last_known_save(directory, &broken), -ENOMEM);
	assert_holds(path, &text);
	assert_int_equal(mkdir(fresh, 0700), 0);
	assert_int_equal(last_known_save(directory, &text), -EISDIR);
	assert_int_equal(rmdir(fresh), 0);
	assert_int_equal(symlink(path, fresh), 0);
	assert_int_equal(last_known_save(directory, &text), -ELOOP);
	assert_int_equal(unlink(fresh), 0);
	assert_holds(path, &text);
	assert_int_equal(last_known_save(path, &text), -ENOTDIR);
	assert_int_equal(last_known_save(within, &text), -ENOENT);
	assert_holds(path, &text);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	/* the directory itself is made */
	assert_int_equal(last_known_save(directory, &text), 0);
	assert_holds(path, &text);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	buffer_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_what_was_known),
		cmocka_unit_test(one_wrong_bit_is_damage),
		cmocka_unit_test(what_is_cut_is_damage),
		cmocka_unit_test(another_node_is_not_this_one),
		cmocka_unit_test(a_damaged_file_is_set_aside),
		cmocka_unit_test(a_file_is_replaced_whole),
		cmocka_unit_test(what_cannot_be_saved_leaves_the_old_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
