/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a server can do wrong, one reply at a time: what the sink hears, what is refused, what is
 * asked next, and when. Whole courses of requests are in reflector.c. */
#include <errno.h>
#include <stdio.h>

#include "kube/cluster.h"
#include "kube/reflector.h"

#include "test.h"
#include "text.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define SECOND	1000000u
#define HIGHEST UINT32_MAX /* as chance: just below the longest delay */
#define LIMIT	1024u	   /* of an object */

#define PATH  "/api/v1/pods?limit=2"
#define WATCH "/api/v1/pods?watch=1&allowWatchBookmarks=true&resourceVersion="
#define TIME  "&timeoutSeconds=300"

struct world {
	struct reflector *reflector;
	struct report report;
	struct reflector_request request;
	struct cluster *cluster; /* NULL: what is heard goes to the log only */
	uint64_t now;
	size_t chunk; /* bytes of a piece of a reply */
	int answer;   /* of the sink */
	FILE *log;
	char *log_text;
	size_t log_length;
};

static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *metadata, *value;

	if (!json_object_object_get_ex(object, "metadata", &metadata) ||
	    !json_object_object_get_ex(metadata, key, &value))
		return "-";
	return json_object_get_string(value);
}

static void log_object(struct world *world, const char *verb, struct json_object *object,
		       const char *place)
{
	fprintf(world->log, "%s %s %s v%s\n", place, verb, text_of(object, "name"),
		text_of(object, "resourceVersion"));
}

static void hear_begin(void *userdata)
{
	struct world *world = userdata;

	fputs("begin\n", world->log);
	if (world->cluster)
		cluster_begin(world->cluster, CLUSTER_PODS);
}

static int hear_put(void *userdata, struct json_object *object, const char *place)
{
	struct world *world = userdata;

	log_object(world, "put", object, place);
	if (world->cluster)
		return cluster_put(world->cluster, CLUSTER_PODS, object, place, &world->report);
	return world->answer;
}

static int hear_remove(void *userdata, struct json_object *object, const char *place)
{
	struct world *world = userdata;

	log_object(world, "remove", object, place);
	if (world->cluster)
		cluster_remove(world->cluster, CLUSTER_PODS, object);
	return world->answer;
}

static int hear_end(void *userdata)
{
	struct world *world = userdata;

	fputs("end\n", world->log);
	if (world->cluster)
		cluster_end(world->cluster, CLUSTER_PODS);
	return world->answer;
}

static const struct reflector_options usual = {
	.name = "pods",
	.path = "/api/v1/pods",
	.query = "",
	.page_items = 2,
	.watch_seconds = 300,
	.object_limit = LIMIT,
};

static void open_log(struct world *world)
{
	world->log = open_memstream(&world->log_text, &world->log_length);
	assert_non_null(world->log);
}

static void close_log(struct world *world)
{
	fclose(world->log);
	free(world->log_text);
}

static void world_init(struct world *world, const struct reflector_options *options)
{
	*world = (struct world){.now = 1000 * (uint64_t)SECOND, .chunk = SIZE_MAX};
	const struct reflector_sink sink = {world, hear_begin, hear_put, hear_remove, hear_end};

	report_init(&world->report);
	open_log(world);
	assert_int_equal(reflector_new(options, &sink, &world->report, &world->reflector), 0);
	assert_int_equal(reflector_due(world->reflector), 0);
}

static void world_done(struct world *world)
{
	world->reflector = reflector_free(world->reflector);
	cluster_free(world->cluster);
	report_done(&world->report);
	close_log(world);
}

/* What was heard and what was refused since it was asked last. */
static void assert_heard(struct world *world, const char *expected)
{
	report_print(&world->report, world->log);
	fflush(world->log);
	assert_string_equal(world->log_text, expected);
	close_log(world);
	open_log(world);
	report_done(&world->report);
}

/* The problem has this in it, so many times in a row; "": there is none. */
static void assert_problem(const struct world *world, const char *part, unsigned expected)
{
	unsigned n_failures;
	const char *problem = reflector_problem(world->reflector, &n_failures);

	if (part[0] ? !strstr(problem, part) : problem[0])
		assert_string_equal(problem, part); /* says both */
	assert_int_equal(n_failures, expected);
}

/* Waits until it is due and asks. */
static void ask(struct world *world, const char *target)
{
	uint64_t due = reflector_due(world->reflector);

	if (world->now < due)
		world->now = due;
	reflector_begin(world->reflector, world->now, 0, &world->request);
	assert_string_equal(world->request.target, target);
	assert_int_equal(world->request.is_watch, !!strstr(target, "watch=1"));
}

/* In pieces of their own memory, so that the sanitizer sees a byte read beyond one. */
static void feed(struct world *world, const char *bytes, size_t length)
{
	int r = 0;

	while (length && !r) {
		size_t n = length < world->chunk ? length : world->chunk;
		char *piece = malloc(n);
		assert_non_null(piece);
		memcpy(piece, bytes, n);
		r = reflector_feed(world->reflector, piece, n);
		free(piece);
		bytes += n;
		length -= n;
	}
	assert_true(r >= 0);
	if (r)
		assert_int_equal(reflector_feed(world->reflector, "{", 1), REFLECTOR_E_ENOUGH);
}

static void end(struct world *world, const char *error, uint32_t random)
{
	reflector_end(world->reflector, error, world->now, random);
}

static void answer(struct world *world, unsigned status, const char *text)
{
	reflector_status(world->reflector, status, 0);
	feed(world, text, strlen(text));
	end(world, NULL, HIGHEST);
}

/* Microseconds until it asks again. */
static uint64_t delay(const struct world *world)
{
	return reflector_due(world->reflector) - world->now;
}

#define META(more)    "{\"kind\":\"PodList\",\"metadata\":{" more "},"
#define LIST(version) META("\"resourceVersion\":\"" version "\"") "\"items\":["
#define PAGE(version, next)                                                                        \
	META("\"resourceVersion\":\"" version "\",\"continue\":\"" next "\"") "\"items\":["
#define POD(name, version)                                                                         \
	"{\"metadata\":{\"namespace\":\"a\",\"name\":\"" name "\",\"uid\":\"u-" name               \
	"\",\"resourceVersion\":\"" version "\"},\"spec\":{\"nodeName\":\"n1\"}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define BOOKMARK(version)   EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version "\"}}")

/* Up to the watch from version 5, nothing heard. */
static void begin_watch(struct world *world)
{
	ask(world, PATH "&resourceVersion=0");
	answer(world, 200, LIST("5") "]}");
	assert_heard(world, "begin\nend\n");
	assert_int_equal(delay(world), 0);
	ask(world, WATCH "5" TIME);
}

static void a_list_is_read_page_by_page(void **state)
{
	struct world world;

	world_init(&world, &usual);
	ask(&world, PATH "&resourceVersion=0");
	assert_heard(&world, "begin\n");
	assert_int_equal(world.request.stall_seconds, 30);
	assert_int_equal(world.request.total_seconds, 300);
	answer(&world, 200, PAGE("7", "a+b/=&?~") POD("p1", "1") "," POD("p2", "2") "]}");
	assert_heard(&world, "pods: items[0] put p1 v1\npods: items[1] put p2 v2\n");
	assert_false(reflector_is_synced(world.reflector));
	assert_int_equal(delay(&world), 0);
	ask(&world, PATH "&continue=a%2Bb%2F%3D%26%3F~");
	answer(&world, 200, PAGE("7", "second") "]}");
	assert_heard(&world, "");
	ask(&world, PATH "&continue=second");
	/* members in another order */
	answer(&world, 200,
	       "{\"items\":[" POD(
		       "p3",
		       "3") "],\"x\":{},\"metadata\":"
			    "{\"resourceVersion\":\"8\",\"continue\":\"\"},\"kind\":\"PodList\"}");
	assert_heard(&world, "pods: items[0] put p3 v3\nend\n");
	assert_true(reflector_is_synced(world.reflector));
	assert_int_equal(delay(&world), 0);
	ask(&world, WATCH "8" TIME);
	assert_heard(&world, "");
	assert_int_equal(reflector_counts(world.reflector).n_lists, 1);
	assert_int_equal(reflector_counts(world.reflector).n_watches, 1);
	world_done(&world);
}

static void a_watch_tells_what_changes(void **state)
{
	struct world world;

	world_init(&world, &usual);
	begin_watch(&world);
	reflector_status(world.reflector, 200, 0);
	feed(&world, EVENT("ADDED", POD("p1", "6")), strlen(EVENT("ADDED", POD("p1", "6"))));
	assert_heard(&world, "pods: watch put p1 v6\n"); /* at once */
	static const char more[] = EVENT("MODIFIED", POD("p1", "7"))
		EVENT("DELETED", POD("p1", "8")) "\n" BOOKMARK("31");
	feed(&world, more, strlen(more));
	assert_heard(&world, "pods: watch put p1 v7\npods: watch remove p1 v8\n");
	world.now += SECOND;
	end(&world, NULL, HIGHEST);
	assert_heard(&world, "");
	assert_problem(&world, "", 0);
	assert_int_equal(delay(&world), 0);
	struct reflector_counts counts = reflector_counts(world.reflector);
	assert_int_equal(counts.n_events, 3);
	assert_int_equal(counts.n_bookmarks, 1);
	assert_int_equal(counts.n_refused, 0);
	ask(&world, WATCH "31" TIME);
	assert_heard(&world, ""); /* no list */
	world_done(&world);
}

static void watches_do_not_end_together(void **state)
{
	static const struct {
		uint32_t random;
		unsigned seconds;
	} cases[] = {{0, 300}, {UINT32_MAX / 2 + 1, 338}, {UINT32_MAX, 375}};
	const struct reflector_options options = {
		.name = "pods",
		.path = "/p",
		.query = "fieldSelector=spec.nodeName%3Dn1",
		.page_items = 500,
		.watch_seconds = 300,
		.object_limit = LIMIT,
	};
	char expected[256];
	struct world world;

	for (size_t i = 0; i < N(cases); i++) {
		world_init(&world, &options);
		ask(&world, "/p?fieldSelector=spec.nodeName%3Dn1&limit=500&resourceVersion=0");
		answer(&world, 200, LIST("5") "]}");
		reflector_begin(world.reflector, world.now, cases[i].random, &world.request);
		snprintf(expected, sizeof(expected),
			 "/p?fieldSelector=spec.nodeName%%3Dn1&watch=1&allowWatchBookmarks=true"
			 "&resourceVersion=5&timeoutSeconds=%u",
			 cases[i].seconds);
		assert_string_equal(world.request.target, expected);
		assert_int_equal(world.request.stall_seconds, 0);
		assert_int_equal(world.request.total_seconds, cases[i].seconds + 30);
		world_done(&world);
	}
}

static char *file_text(const char *name, size_t *ret_length)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", getenv("TEST_DATA"), name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	char *text = calloc(1, 1 << 20);
	assert_non_null(text);
	*ret_length = fread(text, 1, (1 << 20) - 1, file);
	fclose(file);
	return text;
}

static void answer_file(struct world *world, unsigned status, const char *name)
{
	size_t length;
	char *text = file_text(name, &length);

	answer(world, status, text);
	free(text);
}

/* One piece ends at each byte of the reply. */
static void a_reply_can_be_cut_anywhere(void **state)
{
	static const char list[] = LIST("5")
		POD("p1", "1") ",\n{\"a\":x}," POD("p2", "\\u0032") "]}";
	static const char watch[] = EVENT("ADDED", POD("p\\u0033", "6")) BOOKMARK("7")
		EVENT("DELETED", POD("p1", "8"));
	size_t length = sizeof(list) > sizeof(watch) ? sizeof(list) : sizeof(watch);

	for (size_t cut = 0; cut < length; cut++) {
		size_t in_list = cut < sizeof(list) ? cut : 0;
		size_t in_watch = cut < sizeof(watch) ? cut : 0;
		struct world world;
		world_init(&world, &usual);
		ask(&world, PATH "&resourceVersion=0");
		reflector_status(world.reflector, 200, 0);
		feed(&world, list, in_list);
		feed(&world, list + in_list, strlen(list) - in_list);
		end(&world, NULL, 0);
		assert_heard(&world, "begin\npods: items[0] put p1 v1\npods: items[2] put p2 v2\n"
				     "end\npods: items[1] is no JSON: unexpected character\n");
		ask(&world, WATCH "5" TIME);
		reflector_status(world.reflector, 200, 0);
		feed(&world, watch, in_watch);
		feed(&world, watch + in_watch, strlen(watch) - in_watch);
		end(&world, NULL, 0);
		assert_heard(&world, "pods: watch put p3 v6\npods: watch remove p1 v8\n");
		ask(&world, WATCH "8" TIME);
		world_done(&world);
	}
}

static void an_expired_version_makes_a_list(void **state)
{
	struct world world;

	world_init(&world, &usual);
	begin_watch(&world);
	answer(&world, 410, "{\"message\":\"too old\"}");
	assert_problem(&world, "HTTP status 410: too old", 1);
	assert_true(reflector_is_synced(world.reflector));
	assert_int_equal(delay(&world), 0); /* once is ordinary */
	ask(&world, PATH);
	answer(&world, 200, LIST("9") "]}");
	assert_heard(&world, "begin\nend\n");
	ask(&world, WATCH "9" TIME);
	answer(&world, 410, "");
	assert_int_equal(delay(&world), 2 * SECOND - 1); /* twice is not */
	ask(&world, PATH);
	answer(&world, 200, LIST("9") "]}");
	ask(&world, WATCH "9" TIME);
	answer(&world, 200,
	       EVENT("ADDED", POD("p1", "10"))
		       EVENT("ERROR", "{\"code\":500,\"message\":\"etcd\"}"));
	/* Another error: what the list's answer is to be not older than is known. */
	assert_problem(&world, "the server ended the watch: etcd", 3);
	ask(&world, PATH "&resourceVersion=10");
	world_done(&world);
}

static void an_expired_page_begins_anew(void **state)
{
	struct world world;

	world_init(&world, &usual);
	ask(&world, PATH "&resourceVersion=0");
	answer(&world, 200, PAGE("7", "next") POD("p1", "1") "]}");
	ask(&world, PATH "&continue=next");
	assert_heard(&world, "begin\npods: items[0] put p1 v1\n");
	answer(&world, 410, "{\"message\":\"The provided continue parameter is too old\"}");
	assert_heard(&world, "");
	assert_problem(&world, "continue parameter is too old", 1);
	assert_false(reflector_is_synced(world.reflector));
	assert_int_equal(delay(&world), 0);
	ask(&world, PATH);
	answer(&world, 200, LIST("8") POD("p2", "2") "]}");
	assert_heard(&world, "begin\npods: items[0] put p2 v2\nend\n");
	assert_true(reflector_is_synced(world.reflector));
	assert_problem(&world, "", 1); /* until a watch works */
	ask(&world, WATCH "8" TIME);
	world_done(&world);
}

/* The pods that are known, "p1 p2 ". */
static void assert_pods(struct world *world, const char *expected)
{
	char names[128] = "";
	struct pod_list *list;

	assert_int_equal(cluster_pods(world->cluster, &list), 0);
	for (size_t i = 0; i < list->n_pods; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s ",
			 list->pods[i]->name);
	assert_string_equal(names, expected);
	pod_list_free(list);
}

static void only_a_whole_list_sweeps(void **state)
{
	struct world world;

	world_init(&world, &usual);
	assert_int_equal(cluster_new("n1", &world.cluster), 0);
	ask(&world, PATH "&resourceVersion=0");
	answer(&world, 200, LIST("5") POD("p1", "1") "," POD("p2", "2") "," POD("p3", "3") "]}");
	assert_pods(&world, "p1 p2 p3 ");
	ask(&world, WATCH "5" TIME);
	answer(&world, 410, "");
	ask(&world, PATH);
	answer(&world, 200, LIST("6") POD("p4", "4")); /* cut */
	assert_pods(&world, "p1 p2 p3 p4 ");
	ask(&world, PATH);
	answer(&world, 200, PAGE("6", "next") POD("p4", "4") "]}");
	ask(&world, PATH "&continue=next");
	end(&world, "Connection reset by peer", 0); /* no reply at all */
	assert_pods(&world, "p1 p2 p3 p4 ");
	ask(&world, PATH);
	answer(&world, 200, PAGE("6", "next") POD("p2", "2") "]}");
	ask(&world, PATH "&continue=next");
	answer(&world, 200,
	       LIST("6") POD(
		       "p3",
		       "3") ",{\"metadata\":{\"namespace\":\"a\","
			    "\"name\":\"p4\"},\"spec\":{\"nodeName\":\"n1\"}}]}"); /* refused: no uid */
	assert_pods(&world, "p2 p3 p4 ");
	ask(&world, WATCH "6" TIME);
	world_done(&world);
}

static void a_list_that_breaks_off_begins_anew(void **state)
{
	static const char list[] = LIST("5") POD("p1", "1") "," POD("p2", "2") "]}";

	for (size_t n = 0; n < strlen(list); n++) {
		bool has_first = n >= strlen(LIST("5") POD("p1", "1"));
		bool has_second = n >= strlen(LIST("5") POD("p1", "1") "," POD("p2", "2"));
		/* its last two are } and the comma behind it */
		bool has_version = n >= strlen(META("\"resourceVersion\":\"5\"")) - 1;
		char heard[128];
		snprintf(heard, sizeof(heard), "begin\n%s%s",
			 has_first ? "pods: items[0] put p1 v1\n" : "",
			 has_second ? "pods: items[1] put p2 v2\n" : "");
		for (int i = 0; i < 2; i++) {
			const char *error = i ? "transfer closed" : NULL;
			struct world world;
			world_init(&world, &usual);
			ask(&world, PATH "&resourceVersion=0");
			reflector_status(world.reflector, 200, 0);
			feed(&world, list, n);
			end(&world, error, HIGHEST);
			assert_heard(&world, heard);
			assert_problem(&world, error ? error : "the list ends in the middle", 1);
			assert_false(reflector_is_synced(world.reflector));
			assert_int_equal(delay(&world), SECOND - 1);
			ask(&world,
			    has_version ? PATH "&resourceVersion=5" : PATH "&resourceVersion=0");
			assert_heard(&world, "begin\n");
			world_done(&world);
		}
	}
}

/* Of a first list, and of a watch from version 5. */
static const struct {
	unsigned status;
	const char *file, *text, *problem;
	const char *list; /* asked after a list that failed so */
} statuses[] = {
	{401, "kubernetes/status-401.json", NULL, "HTTP status 401: Unauthorized",
	 PATH "&resourceVersion=0"},
	{403, "kubernetes/status-403.json", NULL,
	 "HTTP status 403: pods is forbidden: User \"system:serviceaccount:podfence:podfence\" "
	 "cannot list resource \"pods\" in API group \"\" at the cluster scope",
	 PATH "&resourceVersion=0"},
	{404, NULL, "404 page not found\n", "HTTP status 404", PATH},
	{429, NULL, "", "HTTP status 429", PATH "&resourceVersion=0"},
	{400, NULL, "{\"message\":\"resourceVersion: Invalid value\"}",
	 "HTTP status 400: resourceVersion: Invalid value", PATH},
	{500, NULL, "<html>", "HTTP status 500", PATH},
	{503, NULL, "{\"message\":5}", "HTTP status 503", PATH},
	{302, NULL, "", "HTTP status 302", PATH "&resourceVersion=0"},
	{204, NULL, "", "HTTP status 204", PATH "&resourceVersion=0"},
};

static void answer_status(struct world *world, size_t i)
{
	if (statuses[i].file)
		answer_file(world, statuses[i].status, statuses[i].file);
	else
		answer(world, statuses[i].status, statuses[i].text);
	unsigned n_failures;
	assert_string_equal(reflector_problem(world->reflector, &n_failures), statuses[i].problem);
	assert_int_equal(n_failures, 1);
	assert_int_equal(delay(world), SECOND - 1);
	assert_false(reflector_is_absent(world->reflector));
}

static void refused_requests_are_repeated(void **state)
{
	for (size_t i = 0; i < N(statuses); i++)
		for (size_t chunk = 1; chunk < 100; chunk += 50) {
			struct world world;
			world_init(&world, &usual);
			world.chunk = chunk;
			ask(&world, PATH "&resourceVersion=0");
			answer_status(&world, i);
			assert_heard(&world, "begin\n");
			ask(&world, statuses[i].list);
			world_done(&world);

			world_init(&world, &usual);
			world.chunk = chunk;
			begin_watch(&world);
			answer_status(&world, i);
			assert_heard(&world, "");
			assert_true(reflector_is_synced(world.reflector));
			/* Where a list would be repeated as it was, so is the watch. */
			if (strstr(statuses[i].list, "resourceVersion=0"))
				ask(&world, WATCH "5" TIME);
			else
				ask(&world, PATH "&resourceVersion=5");
			world_done(&world);
		}
}

static void the_body_of_an_error_is_bounded(void **state)
{
	char *text = text_repeat("{\"message\":\"", "0123456789abcdef", 1 << 16, "\"}");

	for (size_t chunk = 1; chunk < 10000; chunk += 4500) {
		struct world world;
		world_init(&world, &usual);
		world.chunk = chunk;
		ask(&world, PATH "&resourceVersion=0");
		reflector_status(world.reflector, 500, 0);
		size_t n = 0;
		int r = 0;
		for (; !r && n + chunk < strlen(text); n += chunk)
			r = reflector_feed(world.reflector, text + n, chunk);
		assert_int_equal(r, REFLECTOR_E_ENOUGH);
		assert_true(n < 4096 + chunk);
		end(&world, NULL, 0);
		assert_problem(&world, "HTTP status 500", 1);
		world_done(&world);
	}
	free(text);
}

static void a_server_can_ask_for_patience(void **state)
{
	static const struct {
		unsigned retry_after;
		uint32_t random;
		uint64_t delay;
	} cases[] = {
		{7, 0, 7 * SECOND},	    {7, HIGHEST, 7 * SECOND}, {0, 0, 0},
		{3600, 0, 3600ul * SECOND}, {1, HIGHEST, SECOND},
	};
	struct world world;

	for (size_t i = 0; i < N(cases); i++) {
		world_init(&world, &usual);
		ask(&world, PATH "&resourceVersion=0");
		reflector_status(world.reflector, 429, cases[i].retry_after);
		end(&world, NULL, cases[i].random);
		assert_int_equal(delay(&world), cases[i].delay);
		/* It was that reply's; now there is none. */
		ask(&world, PATH "&resourceVersion=0");
		end(&world, "Connection refused", HIGHEST);
		assert_int_equal(delay(&world), 2 * SECOND - 1);
		world_done(&world);
	}
}

static void a_kind_may_be_absent(void **state)
{
	struct reflector_options options = usual;
	struct world world;

	options.may_be_absent = true;
	world_init(&world, &options);
	for (unsigned i = 0; i < 3; i++) {
		ask(&world, i ? PATH : PATH "&resourceVersion=0");
		answer(&world, 404, "404 page not found");
		assert_heard(&world, "begin\n");
		assert_problem(&world, "", 0);
		assert_true(reflector_is_absent(world.reflector));
		assert_false(reflector_is_synced(world.reflector));
		assert_int_equal(delay(&world), 300ul * SECOND - 1);
	}
	ask(&world, PATH);
	reflector_status(world.reflector, 404, 0);
	end(&world, NULL, 0);
	assert_int_equal(delay(&world), 150 * SECOND);
	ask(&world, PATH);
	answer(&world, 200, LIST("5") "]}"); /* it came */
	assert_true(reflector_is_synced(world.reflector));
	assert_false(reflector_is_absent(world.reflector));
	ask(&world, WATCH "5" TIME);
	answer(&world, 404, ""); /* and went */
	assert_true(reflector_is_absent(world.reflector));
	ask(&world, PATH);
	world_done(&world);
}

static void failures_are_repeated_ever_more_rarely(void **state)
{
	static const unsigned seconds[] = {1, 2, 4, 8, 16, 32, 60, 60, 60, 60};
	struct world world;

	world_init(&world, &usual);
	for (unsigned i = 0; i < N(seconds); i++) {
		uint64_t most = seconds[i] * (uint64_t)SECOND;
		ask(&world, PATH "&resourceVersion=0");
		/* anything between nothing and that */
		uint32_t random = i % 3 == 0 ? HIGHEST : i % 3 == 1 ? 0 : UINT32_MAX / 4 + 1;
		end(&world, "Connection refused", random);
		assert_problem(&world, "Connection refused", i + 1);
		assert_int_equal(delay(&world), i % 3 == 0 ? most - 1 : i % 3 == 1 ? 0 : most / 4);
	}
	ask(&world, PATH "&resourceVersion=0");
	answer(&world, 200, LIST("5") "]}");
	assert_int_equal(delay(&world), 0);
	ask(&world, WATCH "5" TIME);
	answer(&world, 200, BOOKMARK("6"));
	assert_problem(&world, "", 0);
	ask(&world, WATCH "6" TIME);
	end(&world, "Connection refused", HIGHEST);
	assert_problem(&world, "Connection refused", 1);
	assert_int_equal(delay(&world), SECOND - 1); /* from the beginning */
	ask(&world, WATCH "6" TIME);
	world_done(&world);
}

static void a_watch_has_to_hold(void **state)
{
	struct world world;

	world_init(&world, &usual);
	begin_watch(&world);
	for (unsigned i = 1; i < 4; i++) {
		world.now += 9 * SECOND;
		answer(&world, 200, "");
		assert_problem(&world, "the watch ended at once", i);
		assert_int_equal(delay(&world), (SECOND << (i - 1)) - 1);
		ask(&world, WATCH "5" TIME);
	}
	world.now += 10 * SECOND;
	answer(&world, 200, "");
	assert_problem(&world, "", 0);
	assert_int_equal(delay(&world), 0);
	ask(&world, WATCH "5" TIME);
	assert_heard(&world, "");
	world_done(&world);
}

/* Half an event is none; the watch goes on where it was. */
static void a_watch_that_stalls_goes_on(void **state)
{
	struct world world;

	world_init(&world, &usual);
	begin_watch(&world);
	reflector_status(world.reflector, 200, 0);
	static const char half[] = EVENT("ADDED", POD("p1", "6")) "{\"type\":\"DELETED\",\"obj";
	feed(&world, half, strlen(half));
	world.now += 330ul * SECOND;
	end(&world, "no byte for 330 s", HIGHEST);
	assert_heard(&world, "pods: watch put p1 v6\n");
	assert_problem(&world, "no byte for 330 s", 1);
	assert_int_equal(delay(&world), SECOND - 1);
	ask(&world, WATCH "6" TIME);
	answer(&world, 200, "ect\":5}\n"); /* the other half is nothing now */
	assert_problem(&world, "the watch is no JSON", 2);
	ask(&world, PATH "&resourceVersion=6");
	world_done(&world);

	world_init(&world, &usual);
	begin_watch(&world);
	for (unsigned i = 1; i < 4; i++) { /* broken off at once */
		reflector_status(world.reflector, 200, 0);
		end(&world, "Connection reset by peer", 0);
		assert_problem(&world, "Connection reset by peer", i);
		ask(&world, WATCH "5" TIME);
	}
	world_done(&world);
}

/* The server may be of another life, whose versions are lower: then a watch of ours never hears a thing. */
static void a_silent_watch_is_followed_by_a_list(void **state)
{
	static const char bookmark[] = EVENT("BOOKMARK", POD("", "6"));
	struct world world;

	world_init(&world, &usual);
	begin_watch(&world);
	world.now += 149 * SECOND;
	answer(&world, 200, "");
	ask(&world, WATCH "5" TIME);
	world.now += 150 * SECOND;
	answer(&world, 200, "");
	assert_problem(&world, "", 0);
	assert_int_equal(delay(&world), 0);
	ask(&world, PATH "&resourceVersion=5");
	answer(&world, 504, "{\"message\":\"Too large resource version: 5, current: 3\"}");
	ask(&world, PATH);
	answer(&world, 200, LIST("3") "]}");
	assert_heard(&world, "begin\nbegin\nend\n");

	ask(&world, WATCH "3" TIME);
	world.now += 330 * SECOND;
	answer(&world, 200, bookmark);
	ask(&world, WATCH "6" TIME);
	reflector_status(world.reflector, 200, 0);
	world.now += 200 * SECOND;
	end(&world, "Connection reset by peer", 0);
	ask(&world, PATH "&resourceVersion=6");
	world_done(&world);
}

static char *nested(const char *head, unsigned depth, const char *tail)
{
	char *open = text_repeat(head, "[", depth, ""), *text = text_repeat(open, "]", depth, tail);

	free(open);
	return text;
}

/* An item of this text between two good ones. */
static void list_with(const char *item, const char *said)
{
	char *head = text_repeat(LIST("5") POD("p1", "1") ",", item, 1, "," POD("p2", "2") "]}");

	for (size_t chunk = 1; chunk < 2000; chunk += 333) {
		char heard[512];
		struct world world;
		world_init(&world, &usual);
		world.chunk = chunk;
		ask(&world, PATH "&resourceVersion=0");
		answer(&world, 200, head);
		snprintf(heard, sizeof(heard),
			 "begin\npods: items[0] put p1 v1\n"
			 "pods: items[2] put p2 v2\nend\n%s",
			 said);
		assert_heard(&world, heard);
		assert_int_equal(reflector_counts(world.reflector).n_refused, 1);
		assert_problem(&world, "", 0);
		ask(&world, WATCH "5" TIME);
		world_done(&world);
	}
	free(head);
}

static void items_are_refused_alone(void **state)
{
	char *text = text_repeat("{\"a\":\"", "x", LIMIT - 7, "\"}");

	list_with(text, "pods: items[1] is larger than 1024 bytes\n");
	free(text);
	text = nested("{\"a\":", 64, "}");
	list_with(text, "pods: items[1] is nested deeper than 64 levels\n");
	free(text);
	list_with("{\"a\":1,}", "pods: items[1] is no JSON: unexpected character\n");
	list_with("{\"a\":'b'}", "pods: items[1] is no JSON: unexpected character\n");
	list_with("truth", "pods: items[1] is no JSON: boolean expected\n");
	list_with("{\"a\":\"\xff\"}", "pods: items[1] is no JSON: invalid utf-8 string\n");
}

static void items_up_to_the_limit_are_taken(void **state)
{
	static const char head[] = "{\"metadata\":{\"name\":\"p1\"},\"a\":\"";
	char *item = text_repeat(head, "x", LIMIT - strlen(head) - 2, "\"}");
	char *deep = nested("{\"metadata\":{\"name\":\"p2\"},\"a\":", 63, "}");
	char *start = text_repeat(LIST("5"), item, 1, ","),
	     *text = text_repeat(start, deep, 1, "]}");
	struct world world;

	assert_int_equal(strlen(item), LIMIT);
	world_init(&world, &usual);
	ask(&world, PATH "&resourceVersion=0");
	answer(&world, 200, text);
	assert_heard(&world, "begin\npods: items[0] put p1 v-\npods: items[1] put p2 v-\nend\n");
	world_done(&world);
	free(item);
	free(deep);
	free(start);
	free(text);
}

/* A line of this text between two good ones. */
static void watch_with(const char *line, const char *said)
{
	char *text = text_repeat(EVENT("ADDED", POD("p1", "6")), line, 1,
				 EVENT("ADDED", POD("p2", "7")));

	for (size_t chunk = 1; chunk < 2000; chunk += 333) {
		char heard[512];
		struct world world;
		world_init(&world, &usual);
		begin_watch(&world);
		world.chunk = chunk;
		answer(&world, 200, text);
		snprintf(heard, sizeof(heard), "pods: watch put p1 v6\npods: watch put p2 v7\n%s",
			 said);
		assert_heard(&world, heard);
		assert_int_equal(reflector_counts(world.reflector).n_refused, said[0] != '\0');
		assert_problem(&world, "", 0);
		ask(&world, WATCH "7" TIME);
		world_done(&world);
	}
	free(text);
}

static void objects_of_a_watch_are_refused_alone(void **state)
{
	char *text = text_repeat("{\"type\":\"DELETED\",\"object\":\"", "x", 2 * LIMIT, "\"}\n");

	watch_with(text,
		   "pods: an object of the watch is larger than 1024 bytes; what was known of it "
		   "stays\n");
	free(text);
	text = nested("{\"type\":\"DELETED\",\"object\":", 64, "}\n");
	watch_with(text, "pods: an object of the watch is nested deeper than 64 levels\n");
	free(text);
	watch_with("\n", "");
}

/* Its object is as large as one can be: what stands around it does not count. */
static void an_object_up_to_the_limit_is_watched(void **state)
{
	static const char head[] =
		"{\"metadata\":{\"name\":\"p1\",\"resourceVersion\":\"6\"},\"a\":\"";
	char *object = text_repeat(head, "x", LIMIT - strlen(head) - 2, "\"}");
	char *text = text_repeat("{\"type\":\"MODIFIED\",\"object\":", object, 1, "}\n");
	struct world world;

	assert_int_equal(strlen(object), LIMIT);
	world_init(&world, &usual);
	begin_watch(&world);
	answer(&world, 200, text);
	assert_heard(&world, "pods: watch put p1 v6\n");
	world_done(&world);
	free(object);
	free(text);
}

/* Replies of status 200 to a first list that are none. */
static const struct {
	const char *text, *problem;
} no_lists[] = {
	{"", "the list ends in the middle"},
	{"<html>", "the list is no JSON: an object is expected (byte 1)"},
	{"[]", "the list is no JSON: an object is expected (byte 1)"},
	{"null", "the list is no JSON: an object is expected (byte 1)"},
	{"{}", "the reply is no list: it has no kind or no items"},
	{LIST("5") "]", "the list ends in the middle"},
	{LIST("5") "]}x", "the list is no JSON: something follows the list"},
	{LIST("5") POD("p1", "1") POD("p2", "2") "]}", "the list is no JSON: a comma or ] is"},
	{LIST("5") "\x01]}", "the list is no JSON: an item or ] is expected"},
	{"{\"items\":[],\"metadata\":{\"resourceVersion\":\"5\"}}", "no kind or no items"},
	{"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"5\"}}", "no kind or no items"},
	{"{\"kind\":\"PodList\",\"items\":[]}", "the list has no metadata.resourceVersion"},
	{META("") "\"items\":[]}", "the list has no usable metadata.resourceVersion"},
	{META("\"resourceVersion\":5") "\"items\":[]}", "no usable metadata.resourceVersion"},
	{LIST("") "]}", "no usable metadata.resourceVersion"},
	{LIST("1&watch") "]}", "no usable metadata.resourceVersion"},
	{LIST("1=2") "]}", "no usable metadata.resourceVersion"},
	{LIST("1 2") "]}", "no usable metadata.resourceVersion"},
	{LIST("1#2") "]}", "no usable metadata.resourceVersion"},
	{LIST("1\\r\\nHost: x") "]}", "no usable metadata.resourceVersion"},
	{"{\"kind\":\"PodList\",\"metadata\":[],\"items\":[]}",
	 "no usable metadata.resourceVersion"},
	{"{\"kind\":\"Status\",\"code\":200}", "the reply is of kind \"Status\", not a list"},
	{"{\"kind\":\"Pod\",\"items\":[]}", "the reply is of kind \"Pod\", not a list"},
	{"{\"kind\":5}", "the reply is of kind \"\", not a list"},
	{"{\"kind\":tru}", "the list is no JSON: kind: "},
	{"{\"metadata\":{5}}", "the list is no JSON: metadata: "},
};

static void what_is_no_list_is_refused(void **state)
{
	for (size_t i = 0; i < N(no_lists); i++)
		for (size_t chunk = 1; chunk < 200; chunk += 66) {
			struct world world;
			world_init(&world, &usual);
			world.chunk = chunk;
			ask(&world, PATH "&resourceVersion=0");
			answer(&world, 200, no_lists[i].text);
			assert_problem(&world, no_lists[i].problem, 1);
			assert_false(reflector_is_synced(world.reflector));
			fflush(world.log);
			assert_null(strstr(world.log_text, "end\n"));
			assert_int_equal(delay(&world), SECOND - 1);
			reflector_begin(world.reflector, world.now, 0, &world.request);
			assert_false(world.request.is_watch);
			world_done(&world);
		}
}

static void versions_and_pages_are_bounded(void **state)
{
	static const struct {
		const char *head;
		size_t n;
		const char *tail, *problem;
	} cases[] = {
		{META("\"resourceVersion\":\""), 127, "", ""},
		{META("\"resourceVersion\":\""), 128, "", "no usable metadata.resourceVersion"},
		{"\"resourceVersion\":\"5\",\"continue\":\"", 2047, "", ""},
		{"\"resourceVersion\":\"5\",\"continue\":\"", 2048, "",
		 "metadata.continue of the list is too long"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		const char *head = cases[i].head;
		bool is_page = head[0] == '"';
		char *text = text_repeat(
			is_page ? "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":"
				  "\"5\",\"continue\":\""
				: "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"",
			"9", cases[i].n, "\"},\"items\":[]}");
		struct world world;
		world_init(&world, &usual);
		ask(&world, PATH "&resourceVersion=0");
		answer(&world, 200, text);
		assert_problem(&world, cases[i].problem, cases[i].problem[0] != '\0');
		reflector_begin(world.reflector, world.now, 0, &world.request);
		assert_int_equal(strlen(world.request.target) > cases[i].n, !cases[i].problem[0]);
		world_done(&world);
		free(text);
	}
}

static const struct {
	const char *line, *problem;
} no_events[] = {
	{"<html>\n", "the watch is no JSON: unexpected character"},
	{"{\"type\":\"ADDED\",\n", "the watch is no JSON: "},
	{"{\"type\":\"ADDED\",\"object\":{\"a\":\"\xff\"}}\n",
	 "the watch is no JSON: invalid utf-8"},
	{BOOKMARK("6") "x\n", "the watch is no JSON: unexpected character"},
	{"5\n", "the watch has an event of type \"\""},
	{"null\n", "the watch has an event of type \"\""},
	{"{}\n", "the watch has an event of type \"\""},
	{"{\"type\":5}\n", "the watch has an event of type \"\""},
	{EVENT("added", POD("p1", "6")), "the watch has an event of type \"added\""},
	{"{\"kind\":\"Status\",\"code\":410}\n", "the watch has an event of type \"\""},
	{"{\"type\":\"BOOKMARK\"}\n", "an object of the watch has no usable resourceVersion"},
	{EVENT("BOOKMARK", "[]"), "an object of the watch has no usable resourceVersion"},
	{BOOKMARK("6&watch"), "an object of the watch has no usable resourceVersion"},
	{"{\"type\":\"ERROR\"}\n", "the server ended the watch: "},
	{EVENT("ERROR", "{\"code\":\"410\",\"message\":5}"), "the server ended the watch: "},
};

static void what_is_no_event_makes_a_list(void **state)
{
	for (size_t i = 0; i < N(no_events); i++)
		for (size_t chunk = 1; chunk < 200; chunk += 66) {
			struct world world;
			world_init(&world, &usual);
			begin_watch(&world);
			world.chunk = chunk;
			answer(&world, 200, no_events[i].line);
			assert_problem(&world, no_events[i].problem, 1);
			assert_heard(&world, "");
			assert_int_equal(delay(&world), SECOND - 1);
			reflector_begin(world.reflector, world.now, 0, &world.request);
			assert_false(world.request.is_watch);
			/* not older than what is known */
			assert_non_null(strstr(world.request.target, "&resourceVersion="));
			assert_heard(&world, "begin\n");
			world_done(&world);
		}
}

static void an_event_without_an_object_is_survived(void **state)
{
	static const char *const lines[] = {
		"{\"type\":\"ADDED\"}\n",
		"{\"type\":\"DELETED\",\"object\":null}\n",
		EVENT("MODIFIED", "5"),
		EVENT("DELETED", "[[]]"),
		EVENT("ADDED", "{\"metadata\":5}"),
	};

	for (size_t i = 0; i < N(lines); i++) {
		struct world world;
		world_init(&world, &usual);
		assert_int_equal(cluster_new("n1", &world.cluster), 0);
		ask(&world, PATH "&resourceVersion=0");
		answer(&world, 200, LIST("5") POD("p1", "1") "]}");
		ask(&world, WATCH "5" TIME);
		reflector_status(world.reflector, 200, 0);
		feed(&world, lines[i], strlen(lines[i]));
		end(&world, NULL, 0);
		assert_problem(&world, "an object of the watch has no usable resourceVersion", 1);
		assert_pods(&world, "p1 ");
		world_done(&world);
	}
}

static void a_sink_that_fails_ends_the_reply(void **state)
{
	struct world world;

	world_init(&world, &usual);
	world.answer = -ENOMEM;
	ask(&world, PATH "&resourceVersion=0");
	answer(&world, 200, LIST("5") POD("p1", "1") "," POD("p2", "2") "]}");
	assert_heard(&world, "begin\npods: items[0] put p1 v1\n");
	assert_problem(&world, "Cannot allocate memory", 1);
	ask(&world, PATH "&resourceVersion=5");
	answer(&world, 200, LIST("5") "]}");
	assert_heard(&world, "begin\nend\n");
	assert_problem(&world, "out of memory", 2);
	assert_false(reflector_is_synced(world.reflector));
	ask(&world, PATH "&resourceVersion=5");
	world.answer = 0;
	answer(&world, 200, LIST("5") "]}");
	ask(&world, WATCH "5" TIME);
	world.answer = -ENOMEM;
	answer(&world, 200, EVENT("DELETED", POD("p1", "6")) EVENT("DELETED", POD("p2", "7")));
	assert_heard(&world, "begin\nend\npods: watch remove p1 v6\n");
	ask(&world, PATH "&resourceVersion=5");
	assert_null(reflector_free(NULL));
	world_done(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_read_page_by_page),
		cmocka_unit_test(a_watch_tells_what_changes),
		cmocka_unit_test(watches_do_not_end_together),
		cmocka_unit_test(a_reply_can_be_cut_anywhere),
		cmocka_unit_test(an_expired_version_makes_a_list),
		cmocka_unit_test(an_expired_page_begins_anew),
		cmocka_unit_test(only_a_whole_list_sweeps),
		cmocka_unit_test(a_list_that_breaks_off_begins_anew),
		cmocka_unit_test(refused_requests_are_repeated),
		cmocka_unit_test(the_body_of_an_error_is_bounded),
		cmocka_unit_test(a_server_can_ask_for_patience),
		cmocka_unit_test(a_kind_may_be_absent),
		cmocka_unit_test(failures_are_repeated_ever_more_rarely),
		cmocka_unit_test(a_watch_has_to_hold),
		cmocka_unit_test(a_watch_that_stalls_goes_on),
		cmocka_unit_test(a_silent_watch_is_followed_by_a_list),
		cmocka_unit_test(items_are_refused_alone),
		cmocka_unit_test(items_up_to_the_limit_are_taken),
		cmocka_unit_test(objects_of_a_watch_are_refused_alone),
		cmocka_unit_test(an_object_up_to_the_limit_is_watched),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(versions_and_pages_are_bounded),
		cmocka_unit_test(what_is_no_event_makes_a_list),
		cmocka_unit_test(an_event_without_an_object_is_survived),
		cmocka_unit_test(a_sink_that_fails_ends_the_reply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
