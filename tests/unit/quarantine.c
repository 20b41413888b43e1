/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "inventory/quarantine.h"

#include <errno.h>
#include <stdio.h>

#include "handmade.h"
#include "test.h"

static struct quarantine make(const char *namespace, const char *name, uint64_t until)
{
	struct quarantine item = {
		.namespace = strdup(namespace),
		.name = strdup(name),
		.reason = strdup("a \"reason\""),
		.since_usec = 5,
		.until_usec = until,
		.uid = 1000,
	};

	item.allow.prefixes = calloc(1, sizeof(struct pf_prefix));
	item.allow.n_prefixes = 1;
	assert_int_equal(pf_prefix_parse("10.0.0.0/8", &item.allow.prefixes[0]), 0);
	return item;
}

static void fill(struct quarantine_list *list)
{
	static const struct {
		const char *namespace, *name;
		uint64_t until;
	} items[] = {{"b", "one", 30}, {"a", "two", 0}, {"b", "a", 20}, {"a", "one", 40}};

	for (size_t i = 0; i < 4; i++) {
		struct quarantine item = make(items[i].namespace, items[i].name, items[i].until);
		assert_int_equal(quarantine_set(list, &item), 0);
	}
}

static void test_list(void **state)
{
	struct quarantine_list list = {};
	struct quarantine taken;

	fill(&list);
	assert_int_equal(list.n_items, 4);
	assert_string_equal(list.items[0].name, "one");
	assert_string_equal(list.items[3].namespace, "b");
	assert_int_equal(quarantine_next_end(&list), 20);
	assert_null(quarantine_find_over(&list, 19));
	assert_string_equal(quarantine_find_over(&list, 20)->name, "a");
	struct quarantine again = make("b", "a", 0);
	assert_int_equal(quarantine_set(&list, &again), 0);
	assert_int_equal(list.n_items, 4);
	assert_int_equal(quarantine_next_end(&list), 30);
	assert_false(quarantine_take(&list, "b", "two", &taken));
	assert_true(quarantine_take(&list, "a", "two", &taken));
	assert_string_equal(taken.name, "two");
	quarantine_done(&taken);
	assert_null(quarantine_find(&list, "a", "two"));
	assert_non_null(quarantine_find(&list, "b", "one"));
	quarantine_list_done(&list);
	for (unsigned i = 0; i <= QUARANTINE_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "n%u", i);
		struct quarantine item = make("ns", name, 0);
		assert_int_equal(quarantine_set(&list, &item), i < QUARANTINE_MAX ? 0 : -ENOSPC);
	}
	quarantine_list_done(&list);
}

static void test_terms(void **state)
{
	static const struct {
		const char *label;
		enum quarantine_origin origin;
		bool keeps_probes;
	} cases[] = {
		{NULL, QUARANTINE_NONE, false},
		{"true", QUARANTINE_LABELLED, false},
		{"", QUARANTINE_LABELLED, false},
		{"false", QUARANTINE_NONE, false},
		{"keep-probes", QUARANTINE_LABELLED, true},
	};
	struct quarantine_list list = {};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pod *pod = handmade_pod("ns", "x", "u", false);
		const struct endpoint endpoint = {.pod = pod};
		if (cases[i].label)
			handmade_pod_label(pod, QUARANTINE_LABEL, cases[i].label);
		struct quarantine_terms terms = quarantine_terms(&list, &endpoint);
		assert_int_equal(terms.origin, cases[i].origin);
		assert_int_equal(terms.keeps_probes, cases[i].keeps_probes);
		struct quarantine item = make("ns", "x", 0);
		assert_int_equal(quarantine_set(&list, &item), 0);
		terms = quarantine_terms(&list, &endpoint);
		assert_int_equal(terms.origin, QUARANTINE_MANUAL);
		assert_false(terms.keeps_probes);
		assert_int_equal(terms.allow->n_prefixes, 1);
		quarantine_list_done(&list);
		pod_free(pod);
	}
}

static void test_file(void **state)
{
	struct quarantine_list list = {}, read = {};
	struct buffer text = BUFFER_INIT, again = BUFFER_INIT;
	struct report report;

	fill(&list);
	quarantine_list_write(&list, &text);
	report_init(&report);
	assert_int_equal(quarantine_list_parse("f", text.bytes, text.length, &report, &read), 0);
	quarantine_list_write(&read, &again);
	assert_int_equal(text.length, again.length);
	assert_memory_equal(text.bytes, again.bytes, text.length);
	quarantine_list_done(&list);
	quarantine_list_done(&read);
	buffer_done(&text);
	buffer_done(&again);
	report_done(&report);
}

#define ITEM                                                                                       \
	"\"namespace\":\"a\",\"name\":\"b\",\"reason\":\"\",\"since_usec\":1,\"until_usec\":0,"    \
	"\"probes\":false,"

static void test_bad_files(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"items\":{}}",
		"{\"items\":[1]}",
		"{\"items\":[{}]}",
		"{\"items\":[{" ITEM "\"uid\":0}]}",
		"{\"items\":[{" ITEM "\"uid\":-1,\"allow\":[]}]}",
		"{\"items\":[{" ITEM "\"uid\":4294967296,\"allow\":[]}]}",
		"{\"items\":[{" ITEM "\"uid\":0,\"allow\":[\"x\"]}]}",
		"{\"items\":[{" ITEM
		"\"uid\":0,\"allow\":[\"::\",\"::\",\"::\",\"::\",\"::\",\"::\",\"::\","
		"\"::\",\"::\"]}]}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct quarantine_list list = {};
		struct report report;
		report_init(&report);
		if (quarantine_list_parse("f", texts[i], strlen(texts[i]), &report, &list) !=
		    QUARANTINE_E_INVALID)
			fail_msg("%s is taken", texts[i]);
		assert_int_equal(report.n_entries, 1);
		report_done(&report);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_bad_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
