/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	matchLabels		{key: value}
 *	matchExpressions	[{key, operator: In | NotIn | Exists | DoesNotExist, values: []}]
 */
#include "kube/policy_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

#define REQUIREMENTS_MAX 256
#define VALUES_MAX	 1024

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct label_requirement *add_requirement(struct policy_reader *reader,
						 struct label_selector *selector, const char *key,
						 enum label_operator operator, size_t n_values)
{
	struct label_requirement *added = &selector->requirements[selector->n_requirements++];

	*added = (struct label_requirement){
		.key = object_copy(&reader->object, key, strlen(key)),
		.operator= operator,
		.values = n_values ? calloc(n_values, sizeof(*added->values)) : NULL,
	};
	if (n_values && !added->values)
		reader->object.error = -ENOMEM;
	return reader->object.error ? NULL : added;
}

static void add_value(struct policy_reader *reader, struct label_requirement *requirement,
		      struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : NULL;

	if (!text)
		policy_refuse(reader, "is no text");
	else if (strlen(text) > NAME_LABEL_MAX)
		policy_refuse(reader, "is longer than %d characters", NAME_LABEL_MAX);
	else if (strlen(text) != (size_t)json_object_get_string_len(value) || !label_is_value(text))
		policy_refuse(reader, "\"%.80s\" is no label value", text);
	else if (requirement)
		requirement->values[requirement->n_values++] = object_copy(&reader->object, text,
									   strlen(text));
}

static void check_key(struct policy_reader *reader, const char *key)
{
	if (!label_is_key(key))
		policy_refuse(reader, "\"%.80s\" is no label key", key);
}

static void read_labels(struct policy_reader *reader, struct json_object *labels,
			struct label_selector *selector)
{
	size_t back = policy_reader_enter(reader, ".matchLabels");

	json_object_object_foreach(labels, key, value)
	{
		size_t inner = policy_reader_enter(reader, "[%.80s]", key);
		check_key(reader, key);
		add_value(reader, add_requirement(reader, selector, key, LABEL_IN, 1), value);
		policy_reader_leave(reader, inner);
	}
	policy_reader_leave(reader, back);
}

static bool read_operator(struct policy_reader *reader, struct json_object *object,
			  enum label_operator *ret_operator)
{
	static const char *const words[] = {
		[LABEL_IN] = "In",
		[LABEL_NOT_IN] = "NotIn",
		[LABEL_EXISTS] = "Exists",
		[LABEL_DOES_NOT_EXIST] = "DoesNotExist",
	};
	const char *said = policy_text(reader, object, "operator");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(said, words[i])) {
			*ret_operator = (enum label_operator)i;
			return true;
		}
	size_t back = policy_reader_enter(reader, ".operator");
	policy_refuse(reader, "\"%.64s\" is none of In, NotIn, Exists, DoesNotExist", said);
	policy_reader_leave(reader, back);
	return false;
}

static void read_values(struct policy_reader *reader, struct json_object *list, bool wants_values,
			struct label_requirement *requirement)
{
	size_t back = policy_reader_enter(reader, ".values");
	size_t n = policy_items(reader, list, VALUES_MAX);

	if (wants_values && !(list && json_object_array_length(list)))
		policy_refuse(reader, "is empty, and In and NotIn need one");
	if (!wants_values && n)
		policy_refuse(reader, "has to be empty with Exists and DoesNotExist");
	for (size_t i = 0; i < n; i++) {
		size_t inner = policy_reader_enter(reader, "[%zu]", i);
		add_value(reader, requirement, json_object_array_get_idx(list, i));
		policy_reader_leave(reader, inner);
	}
	if (requirement && requirement->n_values && !reader->object.error)
		qsort(requirement->values, requirement->n_values, sizeof(char *), compare_texts);
	policy_reader_leave(reader, back);
}

static void read_expression(struct policy_reader *reader, struct json_object *object,
			    struct label_selector *selector)
{
	static const char *const known[] = {"key", "operator", "values", NULL};
	enum label_operator operator;

	if (!json_object_is_type(object, json_type_object)) {
		policy_refuse(reader, "is no object");
		return;
	}
	const char *stranger = policy_stranger(object, known);
	if (stranger)
		policy_refuse(reader, "no such field: \"%.64s\"", stranger);
	const char *key = policy_text(reader, object, "key");
	check_key(reader, key);
	struct json_object *values = policy_member(reader, object, "values", json_type_array);
	if (!read_operator(reader, object, &operator))
		return;
	size_t n = values ? json_object_array_length(values) : 0;
	struct label_requirement *requirement = add_requirement(reader, selector, key, operator,
								n <= VALUES_MAX ? n : 0);
	read_values(reader, values, operator== LABEL_IN || operator== LABEL_NOT_IN, requirement);
}

void policy_read_selector(struct policy_reader *reader, struct json_object *object,
			  struct label_selector *selector)
{
	static const char *const known[] = {"matchLabels", "matchExpressions", NULL};

	if (!object)
		return;
	/* A field that is not known would select fewer, or others: nobody knows whom. */
	const char *stranger = policy_stranger(object, known);
	if (stranger)
		policy_refuse(reader, "no such field: \"%.64s\"", stranger);
	struct json_object *labels = policy_member(reader, object, "matchLabels", json_type_object);
	struct json_object *list = policy_member(reader, object, "matchExpressions",
						 json_type_array);
	size_t n_labels = labels ? (size_t)json_object_object_length(labels) : 0;
	size_t n_expressions = list ? json_object_array_length(list) : 0;
	if (n_labels + n_expressions > REQUIREMENTS_MAX) {
		policy_refuse(reader, "asks for %zu labels, at most %d are allowed",
			      n_labels + n_expressions, REQUIREMENTS_MAX);
		return;
	}
	selector->requirements = calloc(n_labels + n_expressions + 1,
					sizeof(*selector->requirements));
	if (!selector->requirements) {
		reader->object.error = -ENOMEM;
		return;
	}
	if (labels)
		read_labels(reader, labels, selector);
	for (size_t i = 0; i < n_expressions; i++) {
		size_t back = policy_reader_enter(reader, ".matchExpressions[%zu]", i);
		read_expression(reader, json_object_array_get_idx(list, i), selector);
		policy_reader_leave(reader, back);
	}
}

void policy_check_selector(struct policy_reader *reader, struct json_object *object,
			   const char *key)
{
	struct label_selector selector = {};
	struct json_object *value = policy_member(reader, object, key, json_type_object);
	size_t back = policy_reader_enter(reader, ".%s", key);

	policy_read_selector(reader, value, &selector);
	label_selector_done(&selector);
	policy_reader_leave(reader, back);
}
