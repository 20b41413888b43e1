/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One event to its line of ECS: by the streaming writer, as podfenced does it, and the way of a json-c
 * tree, which is built member by member and then printed. Both give the same members; rounds are
 * interleaved. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "lab.h"
#include "scene.h"

#define ROUNDS 15
#define EVENTS 20000

static void die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

/* What code that fills a tree does: an object for each object, a copy of each key and text. */
static struct json_object *build_tree(struct json_object *model)
{
	struct json_object *made;
	size_t n;

	switch (json_object_get_type(model)) {
	case json_type_object:
		made = json_object_new_object();
		json_object_object_foreach(model, key, value)
			json_object_object_add(made, key, build_tree(value));
		return made;
	case json_type_array:
		n = json_object_array_length(model);
		made = json_object_new_array_ext((int)n);
		for (size_t i = 0; i < n; i++)
			json_object_array_add(made,
					      build_tree(json_object_array_get_idx(model, i)));
		return made;
	case json_type_string:
		return json_object_new_string_len(json_object_get_string(model),
						  json_object_get_string_len(model));
	case json_type_boolean: return json_object_new_boolean(json_object_get_boolean(model));
	case json_type_int: return json_object_new_int64(json_object_get_int64(model));
	default: return NULL;
	}
}

static double tree_nsec(struct json_object *model, size_t *length)
{
	uint64_t begun = cpu_thread_nsec();

	for (int i = 0; i < EVENTS; i++) {
		struct json_object *tree = build_tree(model);
		*length = strlen(json_object_to_json_string_ext(
			tree, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(tree);
	}
	return (double)(cpu_thread_nsec() - begun) / EVENTS;
}

static double writer_nsec(const struct event *event, const struct rulebook *rulebook,
			  struct buffer *line)
{
	uint64_t begun = cpu_thread_nsec();

	for (int i = 0; i < EVENTS; i++) {
		buffer_clear(line);
		event_format(event, &scene_context, rulebook, line);
	}
	return (double)(cpu_thread_nsec() - begun) / EVENTS;
}

/* The endpoint's members are made once for all its events, as the daemon does. */
static void keep_members(struct snapshot *snapshot, struct buffer *members)
{
	for (size_t i = 0; i < snapshot->n_endpoints; i++) {
		struct endpoint *endpoint = &snapshot->endpoints[i];
		buffer_clear(members);
		event_endpoint_members(endpoint, NULL, &scene_context, members);
		if (members->is_broken)
			die("no memory");
		endpoint->event_members = strndup(members->bytes, members->length);
		endpoint->event_members_length = members->length;
	}
}

int main(void)
{
	static const struct scene scene = {"drop-tcp", "podfence:deny",
					   FORWARD,    10,
					   2,	       0,
					   0,	       {WEB, EXTERNAL, 6, 50514, 443, SYN}};
	struct rulebook rulebook = {.generation = 12};
	struct buffer line = BUFFER_INIT, members = BUFFER_INIT;
	struct snapshot *snapshot = scene_snapshot();
	struct scene_memory memory;
	double tree[ROUNDS], writer[ROUNDS];
	size_t length = 0;

	keep_members(snapshot, &members);
	struct event event = scene_play(&scene, snapshot, &rulebook, &memory);
	event_format(&event, &scene_context, &rulebook, &line);
	buffer_add_char(&line, '\0');
	struct json_object *model = json_tokener_parse(line.bytes);
	if (!model)
		die("the line is no JSON");
	for (int i = 0; i < ROUNDS; i++) {
		writer[i] = writer_nsec(&event, &rulebook, &line);
		tree[i] = tree_nsec(model, &length);
	}
	struct statistics ours = statistics_of(writer, ROUNDS),
			  theirs = statistics_of(tree, ROUNDS);
	printf("one event to a line, CPU in nanoseconds, %d interleaved rounds of %d: median "
	       "[min-max]\n"
	       "  writer       %7.0f [%.0f-%.0f]  %zu bytes\n"
	       "  json-c tree  %7.0f [%.0f-%.0f]  %zu bytes\n"
	       "  the writer takes 1/%.1f\n",
	       ROUNDS, EVENTS, ours.median, ours.low, ours.high, line.length, theirs.median,
	       theirs.low, theirs.high, length, theirs.median / ours.median);
	json_object_put(model);
	buffer_done(&line);
	buffer_done(&members);
	return 0;
}
