/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One value of the configuration into its field, or a sentence about what is wrong with it. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

#define DEVICE_NAME_MAX 15 /* IFNAMSIZ - 1 */

static void *field_at(const struct schema_key *key, struct config *config)
{
	return (char *)config + key->offset;
}

static int refuse(struct report *report, const char *place, const char *text, const char *why)
{
	report_add(report, place, "\"%.64s\" %s", text, why);
	return CONFIG_E_INVALID;
}

static int store_string(const struct schema_key *key, const char *text, char **field)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int number_parse(const char *text, uint32_t minimum, uint32_t maximum, uint32_t *ret_number)
{
	uint64_t number = 0;
	size_t n = strspn(text, "0123456789");

	if (!n || text[n] || n > 10)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		number = number * 10 + (uint64_t)(text[i] - '0');
	if (number < minimum || number > maximum)
		return -ERANGE;
	*ret_number = (uint32_t)number;
	return 0;
}

static int number_check(const struct schema_key *key, const char *text, uint32_t *ret_number,
			const char *place, struct report *report)
{
	int r = number_parse(text, key->minimum, key->maximum, ret_number);

	if (r == -EINVAL)
		return refuse(report, place, text, "is not a whole number");
	if (r < 0) {
		report_add(report, place, "%.20s is not between %u and %u", text, key->minimum,
			   key->maximum);
		return CONFIG_E_INVALID;
	}
	return 0;
}

static int store_enum(const struct schema_key *key, const char *text, void *field,
		      const char *place, struct report *report)
{
	char choices[128] = "";

	for (unsigned i = 0; key->words[i]; i++) {
		if (!strcmp(key->words[i], text)) {
			*(unsigned *)field = i;
			return 0;
		}
		strncat(choices, i ? " or " : "", sizeof(choices) - strlen(choices) - 1);
		strncat(choices, key->words[i], sizeof(choices) - strlen(choices) - 1);
	}
	report_add(report, place, "\"%.64s\" is not %s", text, choices);
	return CONFIG_E_INVALID;
}

/* Lists grow by one item; they are short. */
static int list_push(void **items, size_t *n, size_t size, const void *item)
{
	void *grown = reallocarray(*items, *n + 1, size);

	if (!grown)
		return -ENOMEM;
	*items = grown;
	memcpy((char *)grown + *n * size, item, size);
	(*n)++;
	return 0;
}

static int store_text_item(const struct schema_key *key, const char *text, struct string_list *list,
			   const char *place, struct report *report)
{
	if (!text[0] || strstr(text, "..") || text[0] == '/')
		return refuse(report, place, text,
			      key->type == SCHEMA_DEVICE_LIST ? "is no device name"
							      : "is no path below the cgroup root");
	if (key->type == SCHEMA_DEVICE_LIST &&
	    (strlen(text) > DEVICE_NAME_MAX || strpbrk(text, "/ :")))
		return refuse(report, place, text, "is no device name");
	char *copy = strdup(text);
	int r = copy ? list_push((void **)&list->strings, &list->n_strings, sizeof(copy), &copy)
		     : -ENOMEM;
	if (r < 0)
		free(copy);
	return r;
}

static int prefix_check(const struct schema_key *key, const char *text, const char *place,
			struct report *report, struct pf_prefix *ret_prefix)
{
	switch (pf_prefix_parse(text, ret_prefix)) {
	case 0: break;
	case -EDOM: return refuse(report, place, text, "has host bits set");
	case -ERANGE: return refuse(report, place, text, "is longer than an address");
	default: return refuse(report, place, text, "is no network in CIDR notation");
	}
	if (!ret_prefix->length)
		return refuse(report, place, text, "would make every address internal");
	if (key->type == SCHEMA_NAT64_LIST &&
	    (ret_prefix->address.family != AF_INET6 || ret_prefix->length != 96))
		return refuse(report, place, text,
			      "is no IPv6 /96, the only NAT64 length understood");
	return 0;
}

static int store_prefix_item(const struct schema_key *key, const char *text,
			     struct prefix_list *list, const char *place, struct report *report)
{
	struct pf_prefix prefix;
	int r = prefix_check(key, text, place, report, &prefix);

	return r ? r
		 : list_push((void **)&list->prefixes, &list->n_prefixes, sizeof(prefix), &prefix);
}

static int store_number_item(const struct schema_key *key, const char *text,
			     struct number_list *list, const char *place, struct report *report)
{
	uint32_t number;
	int r = number_check(key, text, &number, place, report);

	return r ? r
		 : list_push((void **)&list->numbers, &list->n_numbers, sizeof(number), &number);
}

int schema_store(const struct schema_key *key, const char *text, struct config *config,
		 const char *place, struct report *report)
{
	void *field = field_at(key, config);

	switch (key->type) {
	case SCHEMA_STRING:
		if (strlen(text) > key->maximum)
			return refuse(report, place, text, "is too long");
		return store_string(key, text, field);
	case SCHEMA_PATH:
		if (text[0] && text[0] != '/')
			return refuse(report, place, text, "is no absolute path");
		return store_string(key, text, field);
	case SCHEMA_ENUM: return store_enum(key, text, field, place, report);
	case SCHEMA_NUMBER: return number_check(key, text, field, place, report);
	case SCHEMA_STRING_LIST:
	case SCHEMA_DEVICE_LIST: return store_text_item(key, text, field, place, report);
	case SCHEMA_PREFIX_LIST:
	case SCHEMA_NAT64_LIST: return store_prefix_item(key, text, field, place, report);
	case SCHEMA_NUMBER_LIST: return store_number_item(key, text, field, place, report);
	}
	return -EINVAL;
}

void schema_list_clear(const struct schema_key *key, struct config *config)
{
	struct string_list *strings = field_at(key, config);
	struct prefix_list *prefixes = field_at(key, config);
	struct number_list *numbers = field_at(key, config);

	switch (key->type) {
	case SCHEMA_STRING_LIST:
	case SCHEMA_DEVICE_LIST:
		for (size_t i = 0; i < strings->n_strings; i++)
			free(strings->strings[i]);
		free(strings->strings);
		*strings = (struct string_list){};
		break;
	case SCHEMA_PREFIX_LIST:
	case SCHEMA_NAT64_LIST:
		free(prefixes->prefixes);
		*prefixes = (struct prefix_list){};
		break;
	case SCHEMA_NUMBER_LIST:
		free(numbers->numbers);
		*numbers = (struct number_list){};
		break;
	default: break;
	}
}

static int default_list(const struct schema_key *key, struct config *config, struct report *report)
{
	char text[128], *rest = text;

	strncpy(text, key->fallback, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (char *item; (item = strsep(&rest, " "));) {
		int r = item[0] ? schema_store(key, item, config, key->path, report) : 0;
		if (r)
			return r;
	}
	return 0;
}

int schema_defaults(struct config *config)
{
	struct report report;
	int r = 0;

	report_init(&report);
	for (size_t i = 0; i < schema_length && !r; i++)
		r = schema_is_list(&schema[i]) ? default_list(&schema[i], config, &report)
					       : schema_store(&schema[i], schema[i].fallback,
							      config, schema[i].path, &report);
	report_done(&report);
	return r > 0 ? -EINVAL
		     : r; /* a default that its own schema refuses: a unit test sees to it */
}

struct config *config_free(struct config *config)
{
	if (!config)
		return NULL;
	for (size_t i = 0; i < schema_length; i++) {
		if (schema_is_list(&schema[i]))
			schema_list_clear(&schema[i], config);
		else if (schema[i].type == SCHEMA_STRING || schema[i].type == SCHEMA_PATH)
			free(*(char **)field_at(&schema[i], config));
	}
	free(config);
	return NULL;
}
