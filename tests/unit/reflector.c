/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Replies in, requests and news out, as one text; whatever the sizes of the pieces that a reply
 * comes in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reflection.h"
#include "test.h"

#define LIST(version, members, items)                                                              \
	"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" version "\"" members          \
	"},\"items\":[" items "]}"
#define NAMED(name) "{\"metadata\":{\"name\":\"" name "\"}}"
#define AT(name, version)                                                                          \
	"{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define EXPIRED		    "{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":410,\"message\":\"too old\"}"
#define WATCH(version)                                                                             \
	"WATCH /p?watch=1&allowWatchBookmarks=true&resourceVersion=" version "&timeoutSeconds="    \
	"338\n"

static const struct reflector_options options = {
	.name = "pods",
	.path = "/p",
	.query = "",
	.page_items = 2,
	.watch_seconds = 300,
	.object_limit = 200,
};

#define REPLIES(...)                                                                               \
	((const struct reply[]){__VA_ARGS__}),                                                     \
		(sizeof((const struct reply[]){__VA_ARGS__}) / sizeof(struct reply))

static void check(const struct reflector_options *with, const struct reply *replies, size_t n,
		  const char *wanted)
{
	for (size_t chunk = 1; chunk < 400; chunk = chunk < 20 ? chunk + 1 : chunk * 3) {
		char *text = reflect(with, replies, n, chunk);
		assert_string_equal(text, wanted);
		free(text);
	}
}

static void a_list_is_watched_on(void **state)
{
	check(&options,
	      REPLIES({200, LIST("5", "", NAMED("a") "," NAMED("b"))},
		      {200,
		       EVENT("ADDED", AT("c", "6")) EVENT("DELETED", AT("a", "7"))
			       EVENT("BOOKMARK", AT("", "9")),
		       .seconds = 300},
		      {200, EVENT("MODIFIED", AT("c", "12")), .seconds = 300}, {0}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "put a (pods: items[0])\n"
	      "put b (pods: items[1])\n"
	      "end\n" WATCH(
		      "5") "put c (pods: watch)\n"
			   "remove a (pods: watch)\n" WATCH("9") "put c (pods: watch)\n" WATCH(
				   "12") "problem 1: the watch ended at once\n"
					 "synced\n");
}

static void pages_are_one_list(void **state)
{
	check(&options,
	      REPLIES({200, LIST("5", ",\"continue\":\"a/b\"", NAMED("a"))},
		      {200, LIST("5", "", NAMED("b"))}, {0}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "put a (pods: items[0])\n"
	      "LIST /p?limit=2&continue=a%2Fb\n"
	      "put b (pods: items[0])\n"
	      "end\n" WATCH("5") "problem 1: the watch ended at once\n"
				 "synced\n");
}

static void what_is_expired_is_listed_again(void **state)
{
	check(&options,
	      REPLIES({200, LIST("5", "", "")}, {200, EVENT("ERROR", EXPIRED)},
		      {200, LIST("9", "", NAMED("a"))}, {410, EXPIRED}, {200, LIST("11", "", "")}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "end\n" WATCH("5") "problem 1: the server ended the watch: too old\n"
				 "begin\n"
				 "LIST /p?limit=2\n"
				 "put a (pods: items[0])\n"
				 "end\n" WATCH("9") "problem 2: HTTP status 410: too old\n"
						    "after 1.0 s: begin\n"
						    "LIST /p?limit=2\n"
						    "end\n"
						    "synced\n");
	check(&options,
	      REPLIES({200, LIST("5", ",\"continue\":\"x\"", NAMED("a"))}, {410, EXPIRED},
		      {200, LIST("7", "", NAMED("a"))}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "put a (pods: items[0])\n"
	      "LIST /p?limit=2&continue=x\n"
	      "problem 1: HTTP status 410: too old\n"
	      "begin\n"
	      "LIST /p?limit=2\n"
	      "put a (pods: items[0])\n"
	      "end\n"
	      "synced\n");
}

static void a_list_that_breaks_off_sweeps_nothing(void **state)
{
	check(&options,
	      REPLIES({200,
		       "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":"
		       "[" NAMED("a") ",",
		       .error = "cut"},
		      {200, "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"},"
			    "\"items\":[" NAMED("a") ","},
		      {200, LIST("2", "", NAMED("a"))}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "put a (pods: items[0])\n"
	      "problem 1: cut\n"
	      "after 0.5 s: begin\n"
	      "LIST /p?limit=2&resourceVersion=1\n"
	      "put a (pods: items[0])\n"
	      "problem 2: the list ends in the middle\n"
	      "after 1.0 s: begin\n"
	      "LIST /p?limit=2&resourceVersion=1\n"
	      "put a (pods: items[0])\n"
	      "end\n"
	      "synced\n");
}

static void refusals_wait_longer_each_time(void **state)
{
	check(&options,
	      REPLIES({401, "{\"kind\":\"Status\",\"message\":\"Unauthorized\"}"}, {403, ""},
		      {429, "", .retry_after = 7}, {500, "<html>"}, {503, ""},
		      {0, .error = "refused"}, {0, .error = "refused"}, {0, .error = "refused"},
		      {200, LIST("1", "", "")}, {0, .error = "refused"}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "problem 1: HTTP status 401: Unauthorized\n"
	      "after 0.5 s: begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "problem 2: HTTP status 403\n"
	      "after 1.0 s: begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "problem 3: HTTP status 429\n"
	      "after 7.0 s: begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "problem 4: HTTP status 500\n"
	      "after 4.0 s: begin\n"
	      "LIST /p?limit=2\n"
	      "problem 5: HTTP status 503\n"
	      "after 8.0 s: begin\n"
	      "LIST /p?limit=2\n"
	      "problem 6: refused\n"
	      "after 16.0 s: begin\n"
	      "LIST /p?limit=2\n"
	      "problem 7: refused\n"
	      "after 30.0 s: begin\n"
	      "LIST /p?limit=2\n"
	      "problem 8: refused\n"
	      "after 30.0 s: begin\n"
	      "LIST /p?limit=2\n"
	      "end\n" WATCH("1") "problem 9: refused\n"
				 "synced\n");
}

static void a_watch_that_ends_at_once_waits(void **state)
{
	check(&options,
	      REPLIES({200, LIST("1", "", "")}, {200, ""}, {200, ""},
		      {200, "", .error = "reset", .seconds = 60}, {200, "", .seconds = 60}, {0}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "end\n" WATCH("1") "problem 1: the watch ended at once\n"
				 "after 0.5 s: " WATCH(
					 "1") "problem 2: the watch ended at once\n"
					      "after 1.0 s: " WATCH(
						      "1") "problem 1: reset\n"
							   "after 0.5 s: " WATCH("1") WATCH(
								   "1") "problem 1: the watch "
									"ended at once\n"
									"synced\n");
}

static void odd_objects_are_refused_alone(void **state)
{
	char large[512];

	snprintf(large, sizeof(large), LIST("1", "", "{\"x\":\"%0250d\"},7," NAMED("a")), 0);
	check(&options,
	      REPLIES({200, large},
		      {200, EVENT("ADDED", AT("b", "2")) "{\"type\":\"ADDED\"}\n" EVENT(
				    "WHAT", AT("c", "3")) EVENT("ADDED", AT("d", "4"))},
		      {200, LIST("9", "", "")}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "put ? (pods: items[1])\n"
	      "put a (pods: items[2])\n"
	      "end\n" WATCH("1") "put b (pods: watch)\n"
				 "put ? (pods: watch)\n"
				 "problem 1: an object of the watch has no usable resourceVersion\n"
				 "after 0.5 s: begin\n"
				 "LIST /p?limit=2&resourceVersion=2\n"
				 "end\n"
				 "synced\n"
				 "pods: items[0] is larger than 200 bytes\n");
}

static void a_kind_may_be_absent(void **state)
{
	struct reflector_options optional = options;

	optional.may_be_absent = true;
	check(&optional, REPLIES({404, "404 page not found"}, {200, LIST("1", "", "")}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "after 225.0 s: begin\n"
	      "LIST /p?limit=2\n"
	      "end\n"
	      "synced\n");
	check(&options, REPLIES({404, "404 page not found"}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "problem 1: HTTP status 404\n"
	      "not synced\n");
}

#define BARE "{\"kind\":\"PodList\",\"items\":[]}"

/* Its version would be the one of the list before, and everything would be swept. */
static void a_list_without_a_version_is_none(void **state)
{
	check(&options,
	      REPLIES({200, LIST("5", "", NAMED("a"))}, {410, EXPIRED}, {200, BARE},
		      {200, LIST("7", ",\"continue\":\"x\"", NAMED("a"))}, {200, BARE}, {0}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "put a (pods: items[0])\n"
	      "end\n" WATCH("5") "problem 1: HTTP status 410: too old\n"
				 "begin\n"
				 "LIST /p?limit=2\n"
				 "problem 2: the list has no metadata.resourceVersion\n"
				 "after 1.0 s: begin\n"
				 "LIST /p?limit=2\n"
				 "put a (pods: items[0])\n"
				 "LIST /p?limit=2&continue=x\n"
				 "problem 3: the list has no metadata.resourceVersion\n"
				 "after 2.0 s: begin\n"
				 "LIST /p?limit=2\n"
				 "problem 4: the reply is no list: it has no kind or no items\n"
				 "synced\n");
}

static void a_refused_watch_makes_a_list(void **state)
{
	check(&options,
	      REPLIES({200, LIST("5", "", "")}, {500, ""}, {200, LIST("6", "", "")}, {403, ""},
		      {200, EVENT("ERROR", EXPIRED), .seconds = 3600}, {200, LIST("9", "", "")}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "end\n" WATCH("5") "problem 1: HTTP status 500\n"
				 "after 0.5 s: begin\n"
				 "LIST /p?limit=2&resourceVersion=5\n"
				 "end\n" WATCH("6") "problem 2: HTTP status 403\n"
						    "after 1.0 s: " WATCH(
							    "6") "problem 1: the server ended the "
								 "watch: too old\n"
								 "begin\n"
								 "LIST /p?limit=2\n"
								 "end\n"
								 "synced\n");
}

static void what_is_absent_stays_absent(void **state)
{
	struct reflector_options optional = options;

	optional.may_be_absent = true;
	check(&optional, REPLIES({404, ""}, {0, .error = "refused"}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "after 225.0 s: begin\n"
	      "LIST /p?limit=2\n"
	      "problem 1: refused\n"
	      "not synced, absent\n");
}

static char *recorded(const char *name)
{
	char path[4096], *text = NULL;
	size_t size = 0;

	snprintf(path, sizeof(path), "%s/kubernetes/%s", getenv("TEST_DATA"), name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	fclose(file);
	return text;
}

/* What a real server said: a list, a watch, an expired one, 401 and 403. */
static void recordings_are_understood(void **state)
{
	struct reflector_options real = options;
	char *list = recorded("../pods-list.json"), *watch = recorded("pods-watch.ndjson"),
	     *expired = recorded("watch-expired.ndjson"),
	     *unauthorized = recorded("status-401.json"), *forbidden = recorded("status-403.json");

	real.object_limit = 1u << 20;
	check(&real,
	      REPLIES({401, unauthorized}, {403, forbidden}, {200, list},
		      {200, watch, .seconds = 60}, {200, expired}),
	      "begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "problem 1: HTTP status 401: Unauthorized\n"
	      "after 0.5 s: begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "problem 2: HTTP status 403: pods is forbidden: User "
	      "\"system:serviceaccount:podfence:podfence\" "
	      "cannot list resource \"pods\" in API group \"\" at the cluster scope\n"
	      "after 1.0 s: begin\n"
	      "LIST /p?limit=2&resourceVersion=0\n"
	      "put guaranteed (pods: items[0])\n"
	      "put hostnet (pods: items[1])\n"
	      "put web (pods: items[2])\n"
	      "put api-7c9d8b5f6-x2k4q (pods: items[3])\n"
	      "end\n" WATCH("389") "put api-7c9d8b5f6-x2k4q (pods: watch)\n"
				   "put api-7c9d8b5f6-x2k4q (pods: watch)\n"
				   "put api-7c9d8b5f6-x2k4q (pods: watch)\n"
				   "put api-7c9d8b5f6-x2k4q (pods: watch)\n"
				   "put web (pods: watch)\n"
				   "put guaranteed (pods: watch)\n"
				   "put guaranteed (pods: watch)\n"
				   "put guaranteed (pods: watch)\n"
				   "remove guaranteed (pods: watch)\n" WATCH(
					   "399") "problem 1: the server ended the watch: too old "
						  "resource version: 1 (360)\n"
						  "synced\n");
	free(list);
	free(watch);
	free(expired);
	free(unauthorized);
	free(forbidden);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_watched_on),
		cmocka_unit_test(pages_are_one_list),
		cmocka_unit_test(what_is_expired_is_listed_again),
		cmocka_unit_test(a_list_that_breaks_off_sweeps_nothing),
		cmocka_unit_test(refusals_wait_longer_each_time),
		cmocka_unit_test(a_watch_that_ends_at_once_waits),
		cmocka_unit_test(odd_objects_are_refused_alone),
		cmocka_unit_test(a_kind_may_be_absent),
		cmocka_unit_test(a_list_without_a_version_is_none),
		cmocka_unit_test(a_refused_watch_makes_a_list),
		cmocka_unit_test(what_is_absent_stays_absent),
		cmocka_unit_test(recordings_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
