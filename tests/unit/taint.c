/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A Node to the patch that takes the startup taint away, and nothing else of it. */
#include "test.h"

#include <string.h>

#include "ship/taint.h"

#define KEY "podfence.io/agent-not-ready"

static void a_patch_takes_the_taint_alone(void **state)
{
	static const struct {
		const char *node;
		int status;
		const char *patch; /* for status 0 */
	} cases[] = {
		{"{\"kind\":\"Node\",\"spec\":{\"taints\":[{\"key\":\"" KEY
		 "\",\"effect\":\"NoSchedule\"}]}}",
		 0,
		 "[{\"op\":\"test\",\"path\":\"/spec/taints/0\",\"value\":{\"key\":\"" KEY
		 "\",\"effect\":\"NoSchedule\"}},{\"op\":\"remove\",\"path\":\"/spec/taints/0\"}]"},
		/* Others stay; from the end, or places would move. */
		{"{\"kind\":\"Node\",\"spec\":{\"taints\":[{\"key\":\"a\"},{\"key\":\"" KEY
		 "\"},{\"key\":\"b\"},{\"key\":\"" KEY "\",\"value\":\"\\\"x\"}]}}",
		 0,
		 "[{\"op\":\"test\",\"path\":\"/spec/taints/1\",\"value\":{\"key\":\"" KEY
		 "\"}},{\"op\":\"test\",\"path\":\"/spec/taints/3\",\"value\":{\"key\":\"" KEY
		 "\",\"value\":\"\\\"x\"}},{\"op\":\"remove\",\"path\":\"/spec/taints/3\"},"
		 "{\"op\":\"remove\",\"path\":\"/spec/taints/1\"}]"},
		{"{\"kind\":\"Node\",\"spec\":{}}", TAINT_E_NONE, NULL},
		{"{\"kind\":\"Node\",\"spec\":{\"taints\":[]}}", TAINT_E_NONE, NULL},
		{"{\"kind\":\"Node\",\"spec\":{\"taints\":[{\"key\":\"" KEY
		 ".too\"},{\"key\":7},1]}}",
		 TAINT_E_NONE, NULL},
		{"{\"kind\":\"Node\"}", TAINT_E_NOT_A_NODE, NULL},
		{"{\"kind\":\"Node\",\"spec\":{\"taints\":{\"key\":\"" KEY "\"}}}",
		 TAINT_E_NOT_A_NODE, NULL},
		{"{\"kind\":\"Status\",\"spec\":{\"taints\":[{\"key\":\"" KEY "\"}]}}",
		 TAINT_E_NOT_A_NODE, NULL},
		{"{\"kind\":\"Node\",\"spec\":{\"taints\":[{\"key\":\"" KEY "\"}",
		 TAINT_E_NOT_A_NODE, NULL},
		{"[]", TAINT_E_NOT_A_NODE, NULL},
		{"", TAINT_E_NOT_A_NODE, NULL},
	};
	struct buffer patch = BUFFER_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buffer_clear(&patch);
		int r = taint_patch(cases[i].node, strlen(cases[i].node), KEY, &patch);
		assert_int_equal(r, cases[i].status);
		buffer_add_char(&patch, '\0');
		if (r == 0)
			assert_string_equal(patch.bytes, cases[i].patch);
	}
	buffer_done(&patch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_patch_takes_the_taint_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
