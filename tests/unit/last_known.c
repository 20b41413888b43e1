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
