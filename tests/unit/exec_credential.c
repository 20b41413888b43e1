/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a program may write as its credentials, and what it may not. */
#include <stdio.h>
#include <stdlib.h>

#include "kube/exec_credential.h"

#include "test.h"

#define N(array)	(sizeof(array) / sizeof((array)[0]))
#define VERSION		"client.authentication.k8s.io/v1"
#define HEAD		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" VERSION "\""
#define STATUS(members) HEAD ",\"status\":{" members "}}"
#define SECRET		"hunter2"

static void good_ones_are_taken(void **state)
{
	static const struct {
		const char *text, *token, *certificate, *key;
		uint64_t expires_usec;
	} cases[] = {
		{STATUS("\"token\":\"a.b-c\""), "a.b-c", NULL, NULL, 0},
		{STATUS("\"token\":\"a\"") " \n\t\r\n", "a", NULL, NULL, 0},
		{HEAD ",\"spec\":{},\"status\":{\"token\":\"a\",\"new\":[1]}}", "a", NULL, NULL, 0},
		{STATUS("\"clientCertificateData\":\"c\\nd\",\"clientKeyData\":\"k\""), NULL,
		 "c\nd", "k", 0},
		{STATUS("\"token\":\"a\",\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\""),
		 "a", "c", "k", 0},
		{STATUS("\"token\":\"a\",\"clientCertificateData\":null,\"clientKeyData\":\"\""),
		 "a", NULL, NULL, 0},
		{STATUS("\"token\":\"a\",\"expirationTimestamp\":\"1970-01-01T00:01:00Z\""), "a",
		 NULL, NULL, 60000000},
		{STATUS("\"token\":\"a\",\"expirationTimestamp\":\"1970-01-01T02:00:01.999+02:"
			"00\""),
		 "a", NULL, NULL, 1000000},
		{STATUS("\"token\":\"a\",\"expirationTimestamp\":\"2026-11-26T17:00:00-05:30\""),
		 "a", NULL, NULL, 1795732200000000},
		{STATUS("\"token\":\"a\",\"expirationTimestamp\":null"), "a", NULL, NULL, 0},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct exec_credential credential = {};
		char reason[EXEC_REASON_MAX] = "";
		int r = exec_credential_parse(cases[i].text, strlen(cases[i].text), VERSION, reason,
					      &credential);
		assert_string_equal(reason, "");
		assert_int_equal(r, 0);
		assert_string_equal(credential.token ? credential.token : "-",
				    cases[i].token ? cases[i].token : "-");
		assert_string_equal(credential.certificate ? credential.certificate : "-",
				    cases[i].certificate ? cases[i].certificate : "-");
		assert_string_equal(credential.key ? credential.key : "-",
				    cases[i].key ? cases[i].key : "-");
		assert_int_equal(credential.expires_usec, cases[i].expires_usec);
		exec_credential_done(&credential);
		assert_null(credential.token);
	}
}

#define BEYOND "something stands behind its JSON"
#define WHEN   "status.expirationTimestamp is no time"
#define TOKEN  "status.token holds a blank or a control character"
#define HALF   "status has one of clientCertificateData and clientKeyData, not both"

static void others_are_refused(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{"", "it is empty"},
		{" ", "it is no JSON: it ends in the middle"},
		{"{", "it is no JSON: it ends in the middle"},
		{SECRET, "it is no JSON: unexpected character"},
		{"[]", "it is no JSON object"},
		{"null ", "it is no JSON object"},
		{"\"" SECRET "\"", "it is no JSON object"},
		{"{}", "its kind is not ExecCredential"},
		{"{\"kind\":5}", "kind is no text"},
		{"{\"kind\":\"ExecCredential\"}", "its apiVersion is not " VERSION},
		{"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" VERSION "beta1\"}",
		 "its apiVersion is not " VERSION},
		{HEAD "}", "it has no status"},
		{HEAD ",\"status\":null}", "it has no status"},
		{HEAD ",\"status\":[\"" SECRET "\"]}", "it has no status"},
		{STATUS(""), "status has neither a token nor a client certificate"},
		{STATUS("\"token\":\"\""), "status has neither a token nor a client certificate"},
		{STATUS("\"token\":{\"" SECRET "\":1}"), "token is no text"},
		{STATUS("\"token\":\"" SECRET "\\u0000\""), "token holds a NUL character"},
		{STATUS("\"token\":\"" SECRET "\\r\\nX: y\""), TOKEN},
		{STATUS("\"token\":\"" SECRET " \""), TOKEN},
		{STATUS("\"token\":\"" SECRET "\\u007f\""), TOKEN},
		{STATUS("\"clientCertificateData\":\"c\""), HALF},
		{STATUS("\"clientKeyData\":\"" SECRET "\""), HALF},
		{STATUS("\"token\":\"a\",\"clientKeyData\":\"" SECRET "\""), HALF},
		{STATUS("\"token\":\"a\",\"expirationTimestamp\":5"),
		 "expirationTimestamp is no text"},
		{STATUS("\"token\":\"a\",\"expirationTimestamp\":\"soon\""), WHEN},
		{STATUS("\"token\":\"a\",\"expirationTimestamp\":\"2026-11-26T17:00:00\""), WHEN},
		{STATUS("\"token\":\"a\",\"expirationTimestamp\":\"2026-11-26T17:00:00Zulu\""),
		 WHEN},
		{STATUS("\"token\":\"a\",\"expirationTimestamp\":\"1969-01-01T00:00:00Z\""), WHEN},
		{STATUS("\"token\":\"" SECRET "\"") "x", BEYOND},
		{STATUS("\"token\":\"" SECRET "\"") "\n{}", BEYOND},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct exec_credential credential = {};
		char reason[EXEC_REASON_MAX] = "";
		int r = exec_credential_parse(cases[i].text, strlen(cases[i].text), VERSION, reason,
					      &credential);
		assert_int_equal(r, EXEC_E_INVALID);
		assert_string_equal(reason, cases[i].reason);
		assert_null(credential.token);
	}
}

static void every_beginning_is_refused(void **state)
{
	static const char text[] = STATUS("\"token\":\"" SECRET
					  "\",\"expirationTimestamp\":\"2026-11-26T17:00:00Z\"");

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		struct exec_credential credential = {};
		char reason[EXEC_REASON_MAX] = "", *exact = malloc(n ? n : 1);
		assert_non_null(exact);
		memcpy(exact, text, n);
		assert_int_equal(exec_credential_parse(exact, n, VERSION, reason, &credential),
				 EXEC_E_INVALID);
		assert_null(strstr(reason, SECRET));
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_are_taken),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(every_beginning_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
