/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Every message carries the path of what it is about, so the reader walks with the parser: enter() and
 * leave() around each member. A parser goes on after a complaint, to name all of them at once; what is
 * wrong is left out of the value, which nobody sees then. */
#include "kube/policy_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

#define MODE_ANNOTATION "podfence.io/mode"
#define UID_CHARACTERS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
#define UID_MAX		64

size_t policy_reader_enter(struct policy_reader *reader, const char *format, ...)
{
	size_t back = reader->path_length, room = sizeof(reader->path) - back;
	va_list arguments;

	va_start(arguments, format);
	int n = vsnprintf(reader->path + back, room, format, arguments);
	va_end(arguments);
	if (n > 0)
		reader->path_length += (size_t)n < room ? (size_t)n : room - 1;
	return back;
}

void policy_reader_leave(struct policy_reader *reader, size_t back)
{
	reader->path_length = back;
	reader->path[back] = '\0';
}

void policy_refuse(struct policy_reader *reader, const char *format, ...)
{
	va_list arguments;

	reader->object.n_wrong++;
	va_start(arguments, format);
	object_say(&reader->object, reader->path, format, arguments);
	va_end(arguments);
}

void policy_note(struct policy_reader *reader, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	object_say(&reader->object, reader->path, format, arguments);
	va_end(arguments);
}

struct json_object *policy_member(struct policy_reader *reader, struct json_object *object,
				  const char *key, enum json_type type)
{
	size_t back = policy_reader_enter(reader, "%s%s", reader->path_length ? "." : "", key);
	struct json_object *value = object_member(&reader->object, object, key, type, reader->path);

	policy_reader_leave(reader, back);
	return value;
}

const char *policy_text(struct policy_reader *reader, struct json_object *object, const char *key)
{
	size_t back = policy_reader_enter(reader, "%s%s", reader->path_length ? "." : "", key);
	const char *text = object_text(&reader->object, object, key, reader->path);

	policy_reader_leave(reader, back);
	return text;
}

bool policy_has(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) && value;
}

bool policy_number(struct policy_reader *reader, struct json_object *object, const char *key,
		   int minimum, int maximum, int *ret_number)
{
	struct json_object *value = policy_member(reader, object, key, json_type_int);

	if (!value)
		return false;
	int64_t number = json_object_get_int64(value);
	if (number >= minimum && number <= maximum) {
		*ret_number = (int)number;
		return true;
	}
	size_t back = policy_reader_enter(reader, ".%s", key);
	policy_refuse(reader, "is %lld, not from %d to %d", (long long)number, minimum, maximum);
	policy_reader_leave(reader, back);
	return false;
}

const char *policy_stranger(struct json_object *object, const char *const *known)
{
	json_object_object_foreach(object, key, value)
	{
		size_t i = 0;
		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i] && value)
			return key;
	}
	return NULL;
}

void policy_refuse_stranger(struct policy_reader *reader, struct json_object *object,
			    const char *const *known)
{
	const char *key = reader->is_file ? policy_stranger(object, known) : NULL;

	if (key)
		policy_refuse(reader, "no such field: \"%.64s\"", key);
}

const char *policy_item_text(struct json_object *list, size_t i)
{
	struct json_object *item = json_object_array_get_idx(list, i);

	return json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
}

size_t policy_items(struct policy_reader *reader, struct json_object *list, size_t maximum)
{
	size_t n = list ? json_object_array_length(list) : 0;

	if (n <= maximum)
		return n;
	policy_refuse(reader, "holds %zu, at most %zu are allowed", n, maximum);
	return 0;
}

/* The annotation means less than the policy says, so what is not understood does not count. */
static void read_mode(struct policy_reader *reader, struct json_object *metadata)
{
	struct json_object *annotations = policy_member(reader, metadata, "annotations",
							json_type_object);
	struct json_object *mode;

	if (!annotations || !json_object_object_get_ex(annotations, MODE_ANNOTATION, &mode))
		return;
	reader->policy->is_audit = json_object_is_type(mode, json_type_string) &&
				   !strcmp(json_object_get_string(mode), "audit");
	if (reader->policy->is_audit)
		return;
	size_t back = policy_reader_enter(reader, ".annotations[%s]", MODE_ANNOTATION);
	policy_note(reader, "is %.64s, not \"audit\": the policy is enforced",
		    json_object_to_json_string_ext(mode, JSON_C_TO_STRING_PLAIN));
	policy_reader_leave(reader, back);
}

static char *read_name(struct policy_reader *reader, struct json_object *metadata, const char *key,
		       bool (*is_name)(const char *), size_t maximum)
{
	const char *text = policy_text(reader, metadata, key);
	size_t back = policy_reader_enter(reader, ".%s", key);

	if (!text[0])
		policy_refuse(reader, "missing");
	else if (strlen(text) > maximum)
		policy_refuse(reader, "is longer than %zu characters", maximum);
	else if (!is_name(text))
		policy_refuse(reader, "\"%.80s\" is no name", text);
	policy_reader_leave(reader, back);
	return object_copy(&reader->object, text, strlen(text));
}

static void read_metadata(struct policy_reader *reader, struct json_object *metadata,
			  bool is_namespaced)
{
	struct policy *policy = reader->policy;
	size_t back = policy_reader_enter(reader, "metadata");
	const char *uid = policy_text(reader, metadata, "uid");

	policy->name = read_name(reader, metadata, "name", name_is_subdomain, NAME_SUBDOMAIN_MAX);
	policy->namespace = is_namespaced ? read_name(reader, metadata, "namespace", name_is_label,
						      NAME_LABEL_MAX)
					  : object_copy(&reader->object, "", 0);
	if (!name_is_made_of(uid, UID_CHARACTERS, UID_MAX))
		policy_refuse(reader, "uid \"%.80s\" is none", uid);
	policy->uid = object_copy(&reader->object, uid, strlen(uid));
	read_mode(reader, metadata);
	policy_reader_leave(reader, back);
}

int policy_reader_init(struct policy_reader *reader, struct json_object *root,
		       const struct policy_source *source, const char *kind, bool is_namespaced,
		       struct json_object **ret_spec)
{
	static const char *const known[] = {"apiVersion", "kind",   "metadata",
					    "spec",	  "status", NULL};
	struct json_object *metadata;

	*reader = (struct policy_reader){.is_file = source->is_file};
	int r = object_reader_init(&reader->object, root, source->place, kind, source->report,
				   &metadata);
	if (r != 0)
		return r < 0 ? r : POLICY_E_REFUSED;
	reader->policy = calloc(1, sizeof(*reader->policy));
	if (!reader->policy)
		return -ENOMEM;
	reader->policy->n_references = 1;
	reader->policy->origin = object_copy(&reader->object, source->origin,
					     strlen(source->origin));
	policy_refuse_stranger(reader, root, known);
	read_metadata(reader, metadata, is_namespaced);
	*ret_spec = policy_member(reader, root, "spec", json_type_object);
	(void)policy_reader_enter(reader, "spec");
	if (!policy_has(root, "spec"))
		policy_refuse(reader, "missing");
	if (reader->object.error)
		return reader->object.error;
	return *ret_spec ? 0 : POLICY_E_REFUSED;
}

int policy_reader_finish(struct policy_reader *reader, struct policy **ret_policy)
{
	if (reader->object.error)
		return reader->object.error;
	if (reader->object.n_wrong)
		return POLICY_E_REFUSED;
	*ret_policy = reader->policy;
	reader->policy = NULL;
	return 0;
}

void policy_reader_done(struct policy_reader *reader)
{
	policy_free(reader->policy);
	object_reader_done(&reader->object);
}
