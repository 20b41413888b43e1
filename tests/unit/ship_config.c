/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Every message stands here word for word: it is what an operator gets to see. */
#include <stdio.h>

#include "ship/config.h"

#include "test.h"
#include "text.h"

static struct ship_config *parse(const char *text, char **ret_said)
{
	struct ship_config *config = NULL;
	struct report report;
	size_t said_length;
	FILE *stream = open_memstream(ret_said, &said_length);

	assert_non_null(stream);
	report_init(&report);
	int r = ship_config_parse("f", text, strlen(text), &report, &config);
	assert_int_equal(r, config ? 0 : SHIP_CONFIG_E_INVALID);
	assert_int_equal(report_is_empty(&report), !r);
	report_print(&report, stream);
	report_done(&report);
	fclose(stream);
	return config;
}

static struct ship_config *parse_good(const char *text)
{
	char *said;
	struct ship_config *config = parse(text, &said);

	assert_string_equal(said, "");
	assert_non_null(config);
	free(said);
	return config;
}

static void nothing_said_is_the_default(void **state)
{
	static const char *const texts[] = {"",
					    "# nothing\n",
					    "{}",
					    "outputs:\n",
					    "outputs: []\n",
					    "store:\n",
					    "store: {}\nmetrics: null\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct ship_config *config = parse_good(texts[i]);
		assert_string_equal(config->seam_socket, "/run/podfence/events.sock");
		assert_string_equal(config->store_directory, "/var/lib/podfence/ship");
		assert_int_equal(config->store_mebibytes, 512);
		assert_int_equal(config->store_hours, 168);
		assert_string_equal(config->metrics_address, "127.0.0.1");
		assert_int_equal(config->metrics_port, 9789);
		assert_int_equal(config->alert_interval, 300);
		assert_int_equal(config->alert_quiet, 900);
		assert_int_equal(config->alert_groups, 2048);
		assert_int_equal(config->n_outputs, 0);
		ship_config_free(config);
	}
}

static void outputs_are_read(void **state)
{
	struct ship_config *config = parse_good(
		"clusterName: prod\n"
		"outputs:\n"
		"- {name: es, kind: elasticsearch, urls: ['https://a:9200', 'http://b:9200'],\n"
		"   apiKeyFile: /k, caFile: /ca, certificateFile: /c, keyFile: /y, gzip: off,\n"
		"   streamNamespace: prod, batchEvents: 10, batchKibibytes: 16,\n"
		"   timeoutSeconds: 1}\n"
		"- {name: f, kind: file, path: /var/log/x, maxMebibytes: 0, keep: 1,\n"
		"   content: all, actions: [dropped, rejected], namespaces: [shop],\n"
		"   minimumSeverity: 47}\n"
		"- {name: d, kind: dingtalk, urlFile: /u, secretFile: /s, keyword: podfence,\n"
		"   perMinute: 5}\n"
		"- {name: w, kind: webhook, urls: ['http://w/'], headers: ['X-A: b']}\n");
	const struct ship_output_config *outputs = config->outputs;

	assert_int_equal(config->n_outputs, 4);
	assert_string_equal(config->cluster_name, "prod");
	assert_int_equal(outputs[0].kind, SHIP_ELASTICSEARCH);
	assert_int_equal(outputs[0].urls.n_texts, 2);
	assert_string_equal(outputs[0].urls.texts[1], "http://b:9200");
	assert_string_equal(outputs[0].stream, "prod");
	assert_int_equal(outputs[0].gzip, 0);
	assert_int_equal(outputs[0].timeout, 1);
	assert_int_equal(outputs[1].kind, SHIP_FILE);
	assert_int_equal(outputs[1].file_bytes, 0);
	assert_int_equal(outputs[1].content, SHIP_CONTENT_ALL);
	assert_int_equal(outputs[1].actions.n_texts, 2);
	assert_string_equal(outputs[2].keyword, "podfence");
	assert_int_equal(outputs[2].per_minute, 5);
	assert_string_equal(outputs[3].headers.texts[0], "X-A: b");
	assert_int_equal(outputs[3].batch_events, 1600);
	assert_int_equal(outputs[3].gzip, 1);
	ship_config_free(config);
}

static void errors_are_said_with_their_place(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"[]", "f: document: is not a mapping\n"},
		{"store: 7", "f: store: is not a mapping\n"},
		{"stroe: {}", "f: stroe: no such key\n"},
		{"store: {maxMebibyte: 9}",
		 "f: store.maxMebibyte: no such key; did you mean store.maxMebibytes?\n"},
		{"store.maxHours: 9",
		 "f: store.maxHours: no such key; keys are nested, not joined by dots\n"},
		{"store: {maxMebibytes: 7}",
		 "f: store.maxMebibytes: is not a number from 8 to 1048576\n"},
		{"store: {maxMebibytes: \"9\"}",
		 "f: store.maxMebibytes: is not a number from 8 to 1048576\n"},
		{"store: {directory: relative}",
		 "f: store.directory: \"relative\" is not an absolute path\n"},
		{"metrics: {port: 65536}", "f: metrics.port: is not a number from 0 to 65535\n"},
		{"clusterName: [a]", "f: clusterName: is not a text of one line\n"},
		{"outputs: {}", "f: outputs: is not a list of at most 32 mappings\n"},
		{"outputs: [7]", "f: outputs[0]: is not a mapping\n"},
		{"outputs: [{kind: journald}]", "f: outputs[0]: has no name\n"},
		{"outputs: [{name: a}]", "f: outputs[0]: has no kind\n"},
		{"outputs: [{name: a, kind: kafka}]",
		 "f: outputs[0].kind: \"kafka\" is none of file, journald, elasticsearch, webhook, "
		 "slack, dingtalk, alertmanager, kubernetes\n"},
		{"outputs: [{name: a, kind: file}]", "f: outputs[0]: is a file without path\n"},
		{"outputs: [{name: a, kind: slack}]",
		 "f: outputs[0]: has neither urls nor urlFile\n"},
		{"outputs: [{name: a, kind: webhook, urls: ['ftp://x']}]",
		 "f: outputs[0]: urls[0] is neither http nor https\n"},
		{"outputs: [{name: a, kind: webhook, urls: 'http://x'}]",
		 "f: outputs[0].urls: is not a list of at most 16 texts\n"},
		{"outputs: [{name: a, kind: webhook, urls: ['http://x'], headers: [\"a\\nb\"]}]",
		 "f: outputs[0].headers: item 0 is not a text of one line\n"},
		{"outputs: [{name: a, kind: journald, certificateFile: /c}]",
		 "f: outputs[0]: has one of certificateFile and keyFile\n"},
		{"outputs: [{name: a, kind: journald}, {name: a, kind: journald}]",
		 "f: outputs[1]: has the name of another one\n"},
		{"outputs: [{name: a, kind: journald, actions: [drop]}]",
		 "f: outputs[0].actions: \"drop\" is none of dropped, rejected, would-drop, "
		 "allowed\n"},
		{"outputs: [{name: a, kind: journald, filter: x}]",
		 "f: outputs[0].filter: no such key\n"},
		{"outputs: [{name: a, kind: journald, timeoutSecond: 9}]",
		 "f: outputs[0].timeoutSecond: no such key; did you mean timeoutSeconds?\n"},
		{"outputs: [{name: a, kind: journald, gzip: maybe}]",
		 "f: outputs[0].gzip: \"maybe\" is none of off, on\n"},
		{"outputs: [{name: 'a\"b', kind: journald}]",
		 "f: outputs[0]: name is not of letters, digits, '.', '_' and '-'\n"},
		{"outputs: [{name: a, kind: journald, streamNamespace: 'A\"'}]",
		 "f: outputs[0]: streamNamespace is not of small letters, digits, '.' and '_'\n"},
		{"outputs: [{name: a, kind: webhook, urls: ['http://x'], headers: [x]}]",
		 "f: outputs[0]: headers[0] is not \"Name: value\"\n"},
		{"outputs: [{name: a, kind: webhook, urls: ['http://x'], proxy: 'proxy:3128'}]",
		 "f: outputs[0]: proxy is neither http nor https\n"},
		{"metrics: {address: localhost}",
		 "f: metrics.address: \"localhost\" is not an address\n"},
		{"outputs: [{name: a, kind: file}, {name: b, kind: file}]",
		 "f: outputs[0]: is a file without path\nf: outputs[1]: is a file without path\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *said;
		struct ship_config *config = parse(cases[i].text, &said);
		assert_null(config);
		assert_string_equal(said, cases[i].said);
		free(said);
	}
}

static void lists_are_bounded(void **state)
{
	char *text = text_repeat("outputs: [", "{name: a, kind: journald},", 33, "]"), *said;

	assert_null(parse(text, &said));
	assert_string_equal(said, "f: outputs: is not a list of at most 32 mappings\n");
	free(said);
	free(text);
}

static void filters(void **state)
{
	struct ship_config *config = parse_good(
		"outputs:\n"
		"- {name: a, kind: file, path: /a}\n"
		"- {name: b, kind: slack, urlFile: /u}\n"
		"- {name: c, kind: webhook, urls: ['http://w/'], content: all,\n"
		"   actions: [dropped], namespaces: [shop], minimumSeverity: 40}\n");
	const struct ship_output_config *outputs = config->outputs;
	static const struct {
		unsigned output;
		enum ship_kind kind;
		enum ship_action action;
		unsigned severity;
		const char *namespace;
		bool wants;
	} cases[] = {
		{0, SHIP_FLOW, SHIP_ALLOWED, 0, "", true},
		{0, SHIP_OTHER, SHIP_OTHER_ACTION, 0, "", true},
		{0, SHIP_ALERT, SHIP_DROPPED, 99, "x", false},
		{1, SHIP_FLOW, SHIP_DROPPED, 99, "x", false},
		{1, SHIP_ALERT, SHIP_DROPPED, 0, "", true},
		{2, SHIP_ALERT, SHIP_DROPPED, 40, "shop", true},
		{2, SHIP_FLOW, SHIP_DROPPED, 47, "shop", true},
		{2, SHIP_FLOW, SHIP_DROPPED, 39, "shop", false},
		{2, SHIP_FLOW, SHIP_REJECTED, 47, "shop", false},
		{2, SHIP_FLOW, SHIP_DROPPED, 47, "shop2", false},
		{2, SHIP_FLOW, SHIP_DROPPED, 47, "", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(ship_wants(&outputs[cases[i].output], cases[i].kind,
					    cases[i].action, cases[i].severity, cases[i].namespace),
				 cases[i].wants);
	ship_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_is_the_default),
		cmocka_unit_test(outputs_are_read),
		cmocka_unit_test(errors_are_said_with_their_place),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(filters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
