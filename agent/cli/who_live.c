/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The live half of the answer: what is being denied at this moment is known to the agent before, and without,
 * any store. */
#include <errno.h>
#include <string.h>

#include "cli/who.h"
#include "event/timestamp.h"

static const char *text_of(struct json_object *item, const char *key)
{
	const char *text = json_object_get_string(table_value(item, key));

	return text ? text : "";
}

static bool is_unit(struct json_object *flow)
{
	return !strcmp(text_of(flow, "kind"), "unit");
}

static bool is_denied(struct json_object *flow)
{
	return !strcmp(text_of(flow, "verdict"), "denied");
}

/* As events say it; which of the denied are answered is not told of a flow. */
static const char *action_of(struct json_object *flow)
{
	if (is_denied(flow))
		return "dropped";
	return !strcmp(text_of(flow, "verdict"), "audited") ? "would-drop" : "allowed";
}

static bool is_same(struct json_object *item, struct json_object *flow)
{
	const char *action = text_of(item, "action");

	if (strcmp(action, action_of(flow)) != 0 &&
	    !(is_denied(flow) && !strcmp(action, "rejected")))
		return false;
	return !strcmp(text_of(item, is_unit(flow) ? "unit" : "name"), text_of(flow, "name")) &&
	       !strcmp(text_of(item, "namespace"), text_of(flow, "namespace")) &&
	       !strcmp(text_of(item, "transport"), text_of(flow, "transport")) &&
	       !strcmp(text_of(item, "port"), text_of(flow, "port"));
}

static int copy(struct json_object *item, const char *key, struct json_object *flow,
		const char *from)
{
	struct json_object *value = table_value(flow, from);

	return value ? json_object_object_add(item, key, json_object_get(value)) : 0;
}

static int add_time(struct json_object *item, const char *key, struct json_object *flow,
		    const char *from)
{
	char text[TIMESTAMP_LENGTH];

	timestamp_text(json_object_get_uint64(table_value(flow, from)), text);
	return json_object_object_add(item, key, json_object_new_string_len(text, sizeof(text)));
}

/* One that no event tells of yet. */
static struct json_object *make_item(struct json_object *flow)
{
	struct json_object *item = json_object_new_object();

	if (!item)
		return NULL;
	if (copy(item, "namespace", flow, "namespace") == 0 &&
	    copy(item, is_unit(flow) ? "unit" : "name", flow, "name") == 0 &&
	    copy(item, "kind", flow, "kind") == 0 &&
	    copy(item, "transport", flow, "transport") == 0 &&
	    copy(item, "port", flow, "port") == 0 && copy(item, "rule", flow, "rule") == 0 &&
	    copy(item, "destination", flow, "destination") == 0 &&
	    json_object_object_add(item, "action", json_object_new_string(action_of(flow))) == 0 &&
	    json_object_object_add(item, "here", json_object_new_boolean(true)) == 0 &&
	    json_object_object_add(item, "events", json_object_new_uint64(0)) == 0 &&
	    add_time(item, "first", flow, "start_usec") == 0 &&
	    add_time(item, "last", flow, "last_usec") == 0)
		return item;
	json_object_put(item);
	return NULL;
}

static struct json_object *find_or_make(struct json_object *items, struct json_object *flow)
{
	size_t n = json_object_array_length(items);

	for (size_t i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		if (is_same(item, flow))
			return item;
	}
	struct json_object *item = make_item(flow);
	if (item && json_object_array_add(items, item) < 0) {
		json_object_put(item);
		return NULL;
	}
	return item;
}

int who_live(struct json_object *items, struct json_object *flows)
{
	size_t n = json_object_array_length(flows);

	for (size_t i = 0; i < n; i++) {
		struct json_object *flow = json_object_array_get_idx(flows, i);
		if (json_object_get_boolean(table_value(flow, "beyond")) ||
		    !table_value(flow, "name"))
			continue; /* nobody that is here */
		struct json_object *item = find_or_make(items, flow);
		if (!item)
			return -ENOMEM;
		uint64_t live = json_object_get_uint64(table_value(item, "live")) +
				json_object_get_uint64(table_value(flow, "packets"));
		if (json_object_object_add(item, "live", json_object_new_uint64(live)) < 0)
			return -ENOMEM;
	}
	return 0;
}
