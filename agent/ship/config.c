/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A file read by the tables of config_keys.c: each key's value by its row's type and bounds, then what only several
 * keys say together. */
#include "ship/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/near.h"
#include "base/yaml_json.h"

#define FILE_MAX (1u << 20)
#define TEXT_MAX 2048
#define PATH_LEN 192

struct reader {
	const char *file;
	struct report *report;
	struct ship_config *config;
	bool is_refused, has_no_memory;
};

PF_PRINTF(3, 4)
static void say(struct reader *reader, const char *path, const char *format, ...)
{
	char place[2 * PATH_LEN], text[256];
	va_list arguments;

	snprintf(place, sizeof(place), "%s: %s", reader->file, path);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	report_add(reader->report, place, "%s", text);
	reader->is_refused = true;
}

static void store_text(struct reader *reader, char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy) {
		reader->has_no_memory = true;
		return;
	}
	free(*field);
	*field = copy;
}

static void say_none_of(struct reader *reader, const char *path, const char *text,
			const char *const *words)
{
	char list[160] = "";

	for (size_t n = 0; *words; words++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", *words);
	say(reader, path, "\"%.60s\" is none of %s", text, list);
}

static void store_word(struct reader *reader, const struct ship_key *key, const char *path,
		       const char *text, uint32_t *field)
{
	uint32_t i = 0;

	while (key->words[i] && strcmp(key->words[i], text) != 0)
		i++;
	if (key->words[i])
		*field = i;
	else
		say_none_of(reader, path, text, key->words);
}

static bool is_word(const char *text, const char *const *words)
{
	while (*words && strcmp(*words, text) != 0)
		words++;
	return *words;
}

static void store_list(struct reader *reader, const struct ship_key *key, const char *path,
		       struct json_object *value, struct ship_list *list)
{
	size_t n = json_object_is_type(value, json_type_array) ? json_object_array_length(value)
							       : SIZE_MAX;

	if (n > key->maximum) {
		say(reader, path, "is not a list of at most %u texts", key->maximum);
		return;
	}
	list->texts = calloc(n ? n : 1, sizeof(*list->texts));
	if (!list->texts) {
		reader->has_no_memory = true;
		return;
	}
	for (; list->n_texts < n && !reader->is_refused && !reader->has_no_memory;
	     list->n_texts++) {
		struct json_object *item = json_object_array_get_idx(value, list->n_texts);
		const char *text = json_object_is_type(item, json_type_string)
					   ? json_object_get_string(item)
					   : "";
		if (!text[0] || strlen(text) > TEXT_MAX || strpbrk(text, "\r\n"))
			say(reader, path, "item %zu is not a text of one line", list->n_texts);
		else if (key->words && !is_word(text, key->words))
			say_none_of(reader, path, text, key->words);
		store_text(reader, &list->texts[list->n_texts], text);
	}
}

static void store_string(struct reader *reader, const struct ship_key *key, const char *path,
			 struct json_object *value, char **field)
{
	const char *text = json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : NULL;

	if (!text || strpbrk(text, "\r\n") ||
	    strlen(text) != (size_t)json_object_get_string_len(value))
		say(reader, path, "is not a text of one line");
	else if (key->type == SHIP_PATH && text[0] && text[0] != '/')
		say(reader, path, "\"%s\" is not an absolute path", text);
	else if (strlen(text) > TEXT_MAX ||
		 (key->type == SHIP_STRING && strlen(text) > key->maximum))
		say(reader, path, "is too long");
	else if (key->type == SHIP_STRING && strlen(text) < key->minimum)
		say(reader, path, "is empty");
	else
		store_text(reader, field, text);
}

static void store_value(struct reader *reader, const struct ship_key *key, const char *path,
			struct json_object *value, void *base)
{
	void *field = (char *)base + key->offset;
	int64_t number;

	switch (key->type) {
	case SHIP_STRING:
	case SHIP_PATH: store_string(reader, key, path, value, field); break;
	case SHIP_NUMBER:
		number = json_object_get_int64(value);
		if (!json_object_is_type(value, json_type_int) || number < key->minimum ||
		    number > key->maximum)
			say(reader, path, "is not a number from %u to %u", key->minimum,
			    key->maximum);
		else
			*(uint32_t *)field = (uint32_t)number;
		break;
	case SHIP_WORD:
		store_word(reader, key, path,
			   json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : "",
			   field);
		break;
	case SHIP_LIST: store_list(reader, key, path, value, field); break;
	}
}

static void store_defaults(struct reader *reader, const struct ship_key *keys, size_t n, void *base)
{
	for (size_t i = 0; i < n; i++) {
		void *field = (char *)base + keys[i].offset;
		if (keys[i].type == SHIP_STRING || keys[i].type == SHIP_PATH)
			store_text(reader, field, keys[i].fallback);
		else if (keys[i].type == SHIP_NUMBER)
			*(uint32_t *)field = (uint32_t)strtoul(keys[i].fallback, NULL, 10);
		else if (keys[i].type == SHIP_WORD && keys[i].fallback[0])
			store_word(reader, &keys[i], keys[i].path, keys[i].fallback, field);
	}
}

static void say_unknown(struct reader *reader, const char *path, const char *key,
			const struct ship_key *keys, size_t n)
{
	const char *nearest = NULL;
	unsigned best = 4;

	for (size_t i = 0; i < n; i++) {
		unsigned d = near_distance(keys[i].path, key);
		if (d >= best)
			continue;
		best = d;
		nearest = keys[i].path;
	}
	if (nearest)
		say(reader, path, "no such key; did you mean %s?", nearest);
	else
		say(reader, path, "no such key");
}

static const struct ship_key *find_key(const struct ship_key *keys, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(keys[i].path, path))
			return &keys[i];
	return NULL;
}

/* Names become labels of metrics, namespaces of streams parts of requests. */
static void check_texts(struct reader *reader, const char *place,
			const struct ship_output_config *output)
{
	static const char small[] = "abcdefghijklmnopqrstuvwxyz0123456789._";
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (output->name[strspn(output->name, letters)])
		say(reader, place, "name is not of letters, digits, '.', '_' and '-'");
	if (output->stream[strspn(output->stream, small)])
		say(reader, place, "streamNamespace is not of small letters, digits, '.' and '_'");
	for (size_t i = 0; i < output->headers.n_texts; i++)
		if (!strchr(output->headers.texts[i], ':'))
			say(reader, place, "headers[%zu] is not \"Name: value\"", i);
}

/* What a kind cannot do without. */
static void check_output(struct reader *reader, const char *place,
			 struct ship_output_config *output)
{
	bool is_remote = output->kind >= SHIP_ELASTICSEARCH && output->kind < SHIP_OUTPUT_KINDS;

	if (!output->name[0])
		say(reader, place, "has no name");
	if (output->kind >= SHIP_OUTPUT_KINDS)
		say(reader, place, "has no kind");
	if (output->kind == SHIP_FILE && !output->path[0])
		say(reader, place, "is a file without path");
	if (is_remote && !output->urls.n_texts && !output->url_file[0])
		say(reader, place, "has neither urls nor urlFile");
	if (output->proxy[0] && strncmp(output->proxy, "http://", 7) != 0 &&
	    strncmp(output->proxy, "https://", 8) != 0)
		say(reader, place, "proxy is neither http nor https");
	if (!!output->certificate_file[0] != !!output->key_file[0])
		say(reader, place, "has one of certificateFile and keyFile");
	for (size_t i = 0; i < output->urls.n_texts; i++)
		if (strncmp(output->urls.texts[i], "http://", 7) != 0 &&
		    strncmp(output->urls.texts[i], "https://", 8) != 0)
			say(reader, place, "urls[%zu] is neither http nor https", i);
	for (size_t i = 0; i < reader->config->n_outputs; i++)
		if (&reader->config->outputs[i] != output &&
		    !strcmp(reader->config->outputs[i].name, output->name))
			say(reader, place, "has the name of another one");
}

static void read_output(struct reader *reader, size_t index, struct json_object *value)
{
	struct ship_output_config *output = &reader->config->outputs[index];
	char place[PATH_LEN], path[2 * PATH_LEN];
	bool was_refused = reader->is_refused;

	reader->is_refused = false;
	snprintf(place, sizeof(place), "outputs[%zu]", index);
	store_defaults(reader, ship_output_keys, n_ship_output_keys, output);
	output->kind = SHIP_OUTPUT_KINDS;
	reader->config->n_outputs = index + 1;
	if (reader->has_no_memory)
		return;
	if (!json_object_is_type(value, json_type_object)) {
		say(reader, place, "is not a mapping");
		return;
	}
	json_object_object_foreach(value, word, item)
	{
		const struct ship_key *key = find_key(ship_output_keys, n_ship_output_keys, word);
		snprintf(path, sizeof(path), "%s.%.100s", place, word);
		if (key)
			store_value(reader, key, path, item, output);
		else
			say_unknown(reader, path, word, ship_output_keys, n_ship_output_keys);
	}
	if (!reader->has_no_memory && !reader->is_refused) {
		check_output(reader, place, output);
		check_texts(reader, place, output);
	}
	reader->is_refused |= was_refused;
}

static void read_outputs(struct reader *reader, struct json_object *value)
{
	size_t n = json_object_is_type(value, json_type_array) ? json_object_array_length(value)
							       : SIZE_MAX;

	if (n > SHIP_OUTPUTS_MAX) {
		say(reader, "outputs", "is not a list of at most %u mappings", SHIP_OUTPUTS_MAX);
		return;
	}
	reader->config->outputs = calloc(n ? n : 1, sizeof(*reader->config->outputs));
	reader->has_no_memory |= !reader->config->outputs;
	for (size_t i = 0; i < n && !reader->has_no_memory; i++)
		read_output(reader, i, json_object_array_get_idx(value, i));
}

static void read_entry(struct reader *reader, const char *path, struct json_object *value)
{
	const struct ship_key *key = find_key(ship_keys, n_ship_keys, path);
	char inner[PATH_LEN];
	bool is_section = false;

	for (size_t i = 0; i < n_ship_keys; i++)
		is_section |= !strncmp(ship_keys[i].path, path, strlen(path)) &&
			      ship_keys[i].path[strlen(path)] == '.';
	if (!strcmp(path, "outputs")) {
		if (value)
			read_outputs(reader, value);
	} else if (key) {
		store_value(reader, key, path, value, reader->config);
	} else if (is_section && json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, word, item)
		{
			snprintf(inner, sizeof(inner), "%s.%.100s", path, word);
			read_entry(reader, inner, item);
		}
	} else if (!is_section) {
		say_unknown(reader, path, path, ship_keys, n_ship_keys);
	} else if (value) {
		say(reader, path, "is not a mapping");
	}
}

static int read_document(void *userdata, struct json_object *object, size_t line)
{
	struct reader *reader = userdata;

	if (!json_object_is_type(object, json_type_object)) {
		say(reader, "document", "is not a mapping");
		return 0;
	}
	if (reader->config->outputs) {
		say(reader, "document", "a second one begins");
		return 0;
	}
	json_object_object_foreach(object, word, value)
	{
		char path[PATH_LEN];
		snprintf(path, sizeof(path), "%.100s", word);
		if (strchr(word, '.'))
			say(reader, path, "no such key; keys are nested, not joined by dots");
		else
			read_entry(reader, path, value);
	}
	return 0;
}

static void check_address(struct reader *reader)
{
	const char *text = reader->config->metrics_address;
	unsigned char bytes[16];

	if (text[0] && inet_pton(AF_INET, text, bytes) != 1 &&
	    inet_pton(AF_INET6, text, bytes) != 1)
		say(reader, "metrics.address", "\"%s\" is not an address", text);
}

int ship_config_parse(const char *name, const char *text, size_t length, struct report *report,
		      struct ship_config **ret_config)
{
	struct reader reader = {.file = name, .report = report};

	reader.config = calloc(1, sizeof(*reader.config));
	if (!reader.config)
		return -ENOMEM;
	store_defaults(&reader, ship_keys, n_ship_keys, reader.config);
	int r = reader.has_no_memory
			? -ENOMEM
			: yaml_json_parse(name, text, length, report, read_document, &reader);
	if (r == 0 && !reader.has_no_memory)
		check_address(&reader);
	if (reader.has_no_memory)
		r = -ENOMEM;
	else if (r > 0 || reader.is_refused)
		r = SHIP_CONFIG_E_INVALID;
	if (r != 0) {
		ship_config_free(reader.config);
		return r;
	}
	*ret_config = reader.config;
	return 0;
}

int ship_config_read(const char *path, struct report *report, struct ship_config **ret_config)
{
	char *text;
	size_t length;
	int r = file_read(path, FILE_MAX, &text, &length);

	if (r < 0) {
		report_add(report, path, "%s", strerror(-r));
		return r;
	}
	r = ship_config_parse(path, text, length, report, ret_config);
	free(text);
	return r;
}

static void keys_free(const struct ship_key *keys, size_t n, void *base)
{
	for (size_t i = 0; i < n; i++) {
		void *field = (char *)base + keys[i].offset;
		if (keys[i].type == SHIP_STRING || keys[i].type == SHIP_PATH)
			free(*(char **)field);
		if (keys[i].type != SHIP_LIST)
			continue;
		struct ship_list *list = field;
		for (size_t k = 0; k < list->n_texts; k++)
			free(list->texts[k]);
		free(list->texts);
	}
}

struct ship_config *ship_config_free(struct ship_config *config)
{
	if (!config)
		return NULL;
	for (size_t i = 0; i < config->n_outputs; i++)
		keys_free(ship_output_keys, n_ship_output_keys, &config->outputs[i]);
	free(config->outputs);
	keys_free(ship_keys, n_ship_keys, config);
	free(config);
	return NULL;
}

int ship_config_set_taint(struct ship_config *config, const char *key)
{
	char *copy = strdup(key);

	if (!copy)
		return -ENOMEM;
	free(config->taint_key);
	config->taint_key = copy;
	return 0;
}

static bool is_listed(const struct ship_list *list, const char *text)
{
	for (size_t i = 0; i < list->n_texts; i++)
		if (!strcmp(list->texts[i], text))
			return true;
	return !list->n_texts;
}

bool ship_wants(const struct ship_output_config *output, enum ship_kind kind,
		enum ship_action action, unsigned severity, const char *namespace)
{
	uint32_t content = output->content;

	if (content == SHIP_CONTENT_USUAL)
		content = output->kind >= SHIP_SLACK ? SHIP_CONTENT_ALERTS : SHIP_CONTENT_EVENTS;
	if (content != SHIP_CONTENT_ALL && (kind == SHIP_ALERT) != (content == SHIP_CONTENT_ALERTS))
		return false;
	return severity >= output->minimum_severity &&
	       is_listed(&output->actions, ship_action_names[action]) &&
	       is_listed(&output->namespaces, namespace);
}
