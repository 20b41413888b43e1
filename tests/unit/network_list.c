/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What objects of the cluster say of networks, and what of it is believed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/network_list.h"
#include "test.h"

static struct cluster *cluster_of(const char *const *objects, size_t n, char **ret_said)
{
	struct cluster *cluster;
	struct report report;
	size_t length;
	FILE *stream = open_memstream(ret_said, &length);

	report_init(&report);
	assert_int_equal(cluster_new("n1", &cluster), 0);
	for (size_t i = 0; i < n; i++) {
		struct json_object *object = json_tokener_parse(objects[i]);
		assert_non_null(object);
		assert_true(cluster_take_item(cluster, object, "p", &report) >= 0);
		json_object_put(object);
	}
	report_print(&report, stream);
	report_done(&report);
	fclose(stream);
	return cluster;
}

static char *listed(const struct network_facts *facts)
{
	struct network_list *list;
	size_t length;
	char *text, prefix[PF_PREFIX_TEXT];
	FILE *stream = open_memstream(&text, &length);

	assert_int_equal(network_list_new(facts, &list), 0);
	for (size_t i = 0; i < list->n_networks; i++) {
		const struct network *network = &list->networks[i];
		fprintf(stream, "%s %s (%s)%s%s\n", pf_prefix_format(&network->prefix, prefix),
			network_origin_name(network->origin), network->source,
			network->refused ? ": " : "", network->refused ? network->refused : "");
		assert_int_equal(network_is_internal(network),
				 !network->refused && network->origin != NETWORK_RESOLVER);
	}
	network_list_free(list);
	fclose(stream);
	return text;
}

static void everything_is_listed_with_its_source(void **state)
{
	static const char *const objects[] = {
		"{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"},\"spec\":{\"podCIDR\":\"10.1.0."
		"0/24\","
		"\"podCIDRs\":[\"10.1.0.0/24\",\"fd00:1::/64\"]},\"status\":{\"addresses\":["
		"{\"type\":\"InternalIP\",\"address\":\"192.0.2.1\"},"
		"{\"type\":\"Hostname\",\"address\":\"192.0.2.77\"},"
		"{\"type\":\"ExternalIP\",\"address\":\"198.51.100.1\"}]}}",
		"{\"kind\":\"Node\",\"metadata\":{\"name\":\"n2\"},\"spec\":{\"podCIDR\":\"10.2.0."
		"0/24\"}}",
		"{\"kind\":\"ServiceCIDR\",\"metadata\":{\"name\":\"kubernetes\"},"
		"\"spec\":{\"cidrs\":[\"10.96.0.0/12\",\"fd00:96::/108\"]}}",
		"{\"kind\":\"EndpointSlice\",\"metadata\":{\"namespace\":\"default\",\"name\":\"k-"
		"1\"},"
		"\"endpoints\":[{\"addresses\":[\"192.0.2.5\"]},{\"addresses\":[\"192.0.2.6\"]}]}",
	};
	struct pf_address resolvers[2], server;
	char *said, *text;
	struct cluster *cluster = cluster_of(objects, 4, &said);

	assert_string_equal(said, "");
	assert_int_equal(pf_address_parse("192.0.2.53", &resolvers[0]), 0);
	assert_int_equal(pf_address_parse("2001:db8::53", &resolvers[1]), 0);
	assert_int_equal(pf_address_parse("192.0.2.9", &server), 0);
	cluster_note_server(cluster, &server);
	text = listed(&(struct network_facts){cluster, resolvers, 2, "/etc/resolv.conf"});
	assert_string_equal(text, "10.1.0.0/24 pod network (Node n1)\n"
				  "10.96.0.0/12 service network (ServiceCIDR kubernetes)\n"
				  "192.0.2.1/32 node address (Node n1)\n"
				  "192.0.2.5/32 API server (EndpointSlice default/k-1)\n"
				  "192.0.2.6/32 API server (EndpointSlice default/k-1)\n"
				  "192.0.2.9/32 API server (connection)\n"
				  "192.0.2.53/32 resolver (/etc/resolv.conf)\n"
				  "198.51.100.1/32 node address (Node n1)\n"
				  "2001:db8::53/128 resolver (/etc/resolv.conf)\n"
				  "fd00:1::/64 pod network (Node n1)\n"
				  "fd00:96::/108 service network (ServiceCIDR kubernetes)\n");
	free(text);
	free(said);
	cluster_free(cluster);
}

static void what_is_too_large_is_refused(void **state)
{
	static const char *const objects[] = {
		"{\"kind\":\"ServiceCIDR\",\"metadata\":{\"name\":\"evil\"},\"spec\":{\"cidrs\":["
		"\"0.0.0.0/0\",\"128.0.0.0/1\",\"12.0.0.0/7\",\"10.0.0.0/8\",\"::/0\",\"fc00::/7\","
		"\"2001:db8::/32\",\"127.0.0.0/8\",\"::1/128\",\"0.0.0.0/32\"]}}",
	};
	static const char *const large =
		": too large to be derived; list it in network.internal if it is meant\n";
	char *said, *text, wanted[2048];
	struct cluster *cluster = cluster_of(objects, 1, &said);

	text = listed(&(struct network_facts){.cluster = cluster});
	snprintf(wanted, sizeof(wanted),
		 "0.0.0.0/0 service network (ServiceCIDR evil)%s"
		 "0.0.0.0/32 service network (ServiceCIDR evil): no address\n"
		 "10.0.0.0/8 service network (ServiceCIDR evil)\n"
		 "12.0.0.0/7 service network (ServiceCIDR evil)%s"
		 "127.0.0.0/8 service network (ServiceCIDR evil): a loopback address\n"
		 "128.0.0.0/1 service network (ServiceCIDR evil)%s"
		 "::/0 service network (ServiceCIDR evil)%s"
		 "::1/128 service network (ServiceCIDR evil): a loopback address\n"
		 "2001:db8::/32 service network (ServiceCIDR evil)\n"
		 "fc00::/7 service network (ServiceCIDR evil)%s",
		 large, large, large, large, large);
	assert_string_equal(text, wanted);
	free(text);
	free(said);
	cluster_free(cluster);
}

static void what_is_wrong_is_named(void **state)
{
	static const char *const objects[] = {
		("{\"kind\":\"ServiceCIDR\",\"metadata\":{\"name\":\"c\"},\"spec\":{\"cidrs\":["
		 "\"10.0.0.1/8\",7,\"a\",\"10.9.0.0/16\"]}}"),
		"{\"kind\":\"ServiceCIDR\",\"metadata\":{\"name\":\"No Name\"}}",
		"{\"kind\":\"ServiceCIDR\"}",
		"{\"kind\":\"Secret\",\"metadata\":{\"name\":\"c\"}}",
		"[]",
	};
	char *said, *text;
	struct cluster *cluster = cluster_of(objects, 5, &said);

	assert_string_equal(said, "p (c): spec.cidrs: \"10.0.0.1/8\" is no address and no network\n"
				  "p (c): spec.cidrs: holds something that is no text\n"
				  "p (c): spec.cidrs: \"a\" is no address and no network\n"
				  "p (No Name): metadata.name: \"No Name\" is no name\n"
				  "p: metadata: missing\n"
				  "p: kind: \"Secret\" is none of ours\n"
				  "p: kind: \"\" is none of ours\n");
	text = listed(&(struct network_facts){.cluster = cluster});
	assert_string_equal(text, "10.9.0.0/16 service network (ServiceCIDR c)\n");
	free(text);
	free(said);
	cluster_free(cluster);
}

static void resolv_conf_is_read(void **state)
{
	static const struct {
		const char *text, *addresses;
	} cases[] = {
		{"", ""},
		{"nameserver 192.0.2.53", "192.0.2.53 "},
		{"# nameserver 192.0.2.1\n\n\tnameserver\t2001:db8::1  # ours\nsearch a\n",
		 "2001:db8::1 "},
		{"nameserver 127.0.0.53\nnameserver ::1\nnameserver 192.0.2.2\n", "192.0.2.2 "},
		{"nameserver fe80::1%eth0\nnameservers 192.0.2.2\nnameserver 192.0.2\n",
		 "fe80::1 "},
		{"nameserver 1.1.1.1\nnameserver 1.1.1.2\n", "1.1.1.1 1.1.1.2 "},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pf_address addresses[NETWORKS_RESOLVERS_MAX];
		char text[PF_ADDRESS_TEXT], all[256] = "";
		size_t n = resolv_conf_parse(cases[i].text, addresses);
		for (size_t k = 0; k < n; k++) {
			strcat(all, pf_address_format(&addresses[k], text));
			strcat(all, " ");
		}
		assert_string_equal(all, cases[i].addresses);
	}
}

static void resolvers_are_bounded(void **state)
{
	struct pf_address addresses[NETWORKS_RESOLVERS_MAX];
	char text[64 * 32] = "";

	for (int i = 0; i < 64; i++)
		sprintf(text + strlen(text), "nameserver 192.0.2.%d\n", i + 1);
	assert_int_equal(resolv_conf_parse(text, addresses), NETWORKS_RESOLVERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_listed_with_its_source),
		cmocka_unit_test(what_is_too_large_is_refused),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(resolv_conf_is_read),
		cmocka_unit_test(resolvers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
