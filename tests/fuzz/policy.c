/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any JSON as an object of either kind, as of the API and as of a file. What is taken holds what
 * policy.h promises and is written as something that reads the same, without a word; a file's is never
 * more than the API's. */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "kube/policy_parse.h"
#include "kube/policy_write.h"
#include "policies.h"

#include "fuzz.h"

typedef int (*parse_fn)(struct json_object *object, const struct policy_source *source,
			struct policy **ret_policy);

static int parse(parse_fn parser, struct json_object *object, bool is_file, bool is_silent,
		 struct policy **ret_policy)
{
	struct report report;
	const struct policy_source source = {"p", "API", is_file, &report};

	report_init(&report);
	int r = parser(object, &source, ret_policy);
	if (r < 0 || (r == POLICY_E_REFUSED && report_is_empty(&report)) ||
	    (is_silent && !report_is_empty(&report)))
		abort();
	report_done(&report);
	return r;
}

static void check_round(parse_fn parser, const struct policy *policy)
{
	struct buffer text = BUFFER_INIT;
	struct policy *again;
	struct json json;

	json_init(&json, &text);
	policy_write(&json, policy);
	buffer_add_char(&text, '\0');
	struct json_object *object = text.is_broken ? NULL : json_tokener_parse(text.bytes);
	if (!object || parse(parser, object, false, true, &again) != 0 ||
	    !policy_is_equal(policy, again))
		abort();
	policy_free(again);
	json_object_put(object);
	buffer_done(&text);
}

static void check(parse_fn parser, struct json_object *object)
{
	struct policy *of_api = NULL, *of_file = NULL;
	int r = parse(parser, object, false, false, &of_api);
	int strict = parse(parser, object, true, false, &of_file);

	if (r == 0) {
		policies_verify(of_api);
		check_round(parser, of_api);
	}
	if (strict == 0 && (r != 0 || !policy_is_equal(of_api, of_file)))
		abort();
	policy_free(of_api);
	policy_free(of_file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct json_tokener *tokener = json_tokener_new();

	if (!tokener)
		abort();
	struct json_object *object = json_tokener_parse_ex(tokener, (const char *)bytes,
							   (int)length);
	if (object) {
		check(network_policy_parse, object);
		check(cluster_network_policy_parse, object);
	}
	json_object_put(object);
	json_tokener_free(tokener);
	return 0;
}
