/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * --alert-test: one alert that says it is a test, the whole way to one output, from a store of its
 * own that goes again. What the operator sees is what the output would do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "event/timestamp.h"
#include "podfence-config.h"
#include "ship/ship.h"

#define PATIENCE_USEC 60000000u

static int write_alert(struct alerts *alerts, struct buffer *line)
{
	char now[TIMESTAMP_LENGTH + 1] = "", text[900];
	struct ship_parser *parser = NULL;
	struct json_object *tree;
	struct ship_event event;

	timestamp_text(clock_usec(CLOCK_REALTIME), now);
	snprintf(
		text, sizeof(text),
		"{\"@timestamp\":\"%s\",\"event\":{\"dataset\":\"podfence.flow\",\"action\":"
		"\"dropped\",\"severity\":47},\"network\":{\"packets\":1,\"iana_number\":\"6\"},"
		"\"destination\":{\"ip\":\"192.0.2.1\",\"port\":443},\"kubernetes\":{\"namespace\":"
		"\"podfence-test\",\"pod\":{\"name\":\"this-is-a-test\"}},\"rule\":{\"name\":"
		"\"podfence-ship --alert-test\"}}",
		now);
	int r = ship_parser_new(&parser);
	if (r == 0)
		r = ship_parse(parser, text, strlen(text), &tree, &event);
	if (r == 0) {
		r = alerts_see(alerts, &event, tree, &(struct alert_now){}, line);
		json_object_put(tree);
	}
	ship_parser_free(parser);
	return r;
}

static int store_alert(struct store *store, const struct buffer *line)
{
	struct ship_parser *parser = NULL;
	struct json_object *tree;
	struct ship_event event;
	uint64_t lost;
	int r = ship_parser_new(&parser);

	if (r == 0)
		r = ship_parse(parser, line->bytes, line->length, &tree, &event);
	if (r == 0) {
		r = store_add(store, &event, line->bytes, line->length);
		json_object_put(tree);
	}
	if (r == 0)
		r = store_commit(store, &lost);
	ship_parser_free(parser);
	return r;
}

/* Until it is settled, fails, or takes too long. */
static int deliver(sd_event *loop, struct delivery *delivery)
{
	uint64_t end = clock_usec(CLOCK_MONOTONIC) + PATIENCE_USEC;

	delivery_kick(delivery);
	while (!delivery->books.delivered && !delivery->books.dead && !delivery->books.filtered &&
	       !delivery->problem[0] && clock_usec(CLOCK_MONOTONIC) < end) {
		int r = sd_event_run(loop, 100000);
		if (r < 0)
			return r;
	}
	if (delivery->books.delivered)
		return 0;
	fprintf(stderr, "podfence-ship: %s: not delivered: %s\n", delivery->config->name,
		delivery->problem[0]	   ? delivery->problem
		: delivery->books.filtered ? "the output's filter does not let it pass"
					   : "refused for good");
	return 1;
}

static int test_in(const char *directory, struct ship_config *config,
		   struct ship_output_config *output)
{
	struct own_author author = {.version = PODFENCE_VERSION};
	const struct alert_options options = {16, 1, 1, &author, {}};
	const struct store_options where = {directory, 1u << 24, UINT64_MAX / 2};
	struct store *store = NULL;
	struct delivery_context context = {.store = &store, .config = config};
	struct delivery *delivery = NULL;
	struct alerts *alerts = NULL;
	struct buffer line = BUFFER_INIT;
	char *set_aside = NULL;

	(void)gethostname(author.node, sizeof(author.node) - 1);
	int r = alerts_new(&options, &alerts);
	if (r == 0)
		r = write_alert(alerts, &line);
	if (r == 1)
		r = store_open(&where, &store, &set_aside);
	if (r == 0)
		r = sd_event_new(&context.loop);
	if (r >= 0)
		r = http_client_new(context.loop, 0, &context.http);
	if (r >= 0)
		r = delivery_new(&context, output, &delivery);
	if (r >= 0)
		r = store_alert(store, &line);
	if (r == 0)
		r = deliver(context.loop, delivery);
	delivery_free(delivery);
	http_client_free(context.http);
	sd_event_unref(context.loop);
	store_free(store);
	alerts_free(alerts);
	buffer_done(&line);
	free(set_aside);
	return r;
}

int ship_alert_test(struct ship_config *config, const char *name)
{
	static const char *const parts[] = {"", "-wal", "-shm"};
	char directory[] = "/tmp/podfence-ship-XXXXXX", path[80];
	struct ship_output_config *output = NULL;

	for (size_t i = 0; i < config->n_outputs; i++)
		if (!strcmp(config->outputs[i].name, name))
			output = &config->outputs[i];
	if (!output) {
		fprintf(stderr, "podfence-ship: no output is named %s\n", name);
		return 1;
	}
	if (!mkdtemp(directory))
		return -errno;
	int r = test_in(directory, config, output);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/events.db%s", directory, parts[i]);
		(void)unlink(path);
	}
	(void)rmdir(directory);
	return r;
}
