/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One value of the configuration into its field, or a sentence about what is wrong with it. A value
 * is taken as it is written: YAML 1.1 would read 010 as eight and no as false, here the one is no
 * number and the other a word. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/server_url.h"
#include "config/schema.h"
#include "kube/selector_text.h"

#define DEVICE_NAME_MAX 15 /* IFNAMSIZ - 1 */
#define GLOB_STARS_MAX	8  /* each may be tried at each place */

/* What the functions of this file hand to each other. */
struct store {
	const struct schema_key *key;
	void *object;
	const struct schema_value *value;
	struct report *report;
};

/* "VALUE" why */
static int refuse(const struct store *store, const char *why)
{
	report_add(store->report, store->value->place, "\"%.64s\" %s", store->value->text, why);
	return CONFIG_E_INVALID;
}

/* The same for a value that is known to be made of harmless characters. */
static int refuse_bare(const struct store *store, const char *why)
{
	report_add(store->report, store->value->place, "%.64s %s", store->value->text, why);
	return CONFIG_E_INVALID;
}

static bool has_control_character(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

/* Whatever is before an "@" may be a password. */
static int refuse_url(const struct store *store, const char *why)
{
	if (!strchr(store->value->text, '@'))
		return refuse(store, why);
	report_add(store->report, store->value->place, "%s", why);
	return CONFIG_E_INVALID;
}

static int store_string(const struct store *store, char **field)
{
	const char *text = store->value->text;
	size_t maximum = store->key->type == SCHEMA_PATH ? PATH_MAX - 1 : store->key->maximum;

	if (has_control_character(text))
		return refuse(store, "holds a control character");
	if (store->key->is_required && !text[0])
		return refuse(store, "is empty");
	if (store->key->type == SCHEMA_PATH && text[0] && text[0] != '/')
		return refuse(store, "is no absolute path");
	if (store->key->type == SCHEMA_NAME && text[0] && !name_is_subdomain(text))
		return refuse(store, "is no name: lower case letters, digits, '-' and '.', at most "
				     "253");
	if (store->key->type != SCHEMA_NAME && strlen(text) > maximum)
		return refuse(store, "is too long");
	const char *problem = store->key->type == SCHEMA_SERVER && text[0]
				      ? server_url_problem(text)
				      : NULL;
	if (problem)
		return refuse_url(store, problem);
	char *copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int store_enum(const struct store *store, unsigned *field)
{
	char choices[128] = "";

	for (unsigned i = 0; store->key->words[i]; i++) {
		if (!strcmp(store->key->words[i], store->value->text)) {
			*field = i;
			return 0;
		}
		bool is_last = !store->key->words[i + 1];
		strncat(choices,
			!i	  ? "is not "
			: is_last ? " or "
				  : ", ",
			sizeof(choices) - strlen(choices) - 1);
		strncat(choices, store->key->words[i], sizeof(choices) - strlen(choices) - 1);
	}
	return refuse(store, choices);
}

static int store_number(const struct store *store, uint32_t *ret_number)
{
	const struct schema_key *key = store->key;
	const char *text = store->value->text;
	size_t n = strspn(text, "0123456789");
	uint64_t number = 0;

	if (store->value->is_quoted)
		return refuse(store, "is a text; a number stands without quotes");
	if (!n || text[n] || (text[0] == '0' && n > 1))
		return refuse(store, "is no whole number");
	for (size_t i = 0; i < n && number <= UINT32_MAX; i++)
		number = number * 10 + (uint64_t)(text[i] - '0');
	if (number < key->minimum || number > key->maximum) {
		report_add(store->report, store->value->place, "%.20s is not between %u and %u",
			   text, key->minimum, key->maximum);
		return CONFIG_E_INVALID;
	}
	*ret_number = (uint32_t)number;
	return 0;
}

static int list_push(const struct store *store, const void *item, size_t size)
{
	void *room = object_list_grow(store->key, store->object);

	if (!room)
		return -ENOMEM;
	memcpy(room, item, size);
	return 0;
}

/* As dev_valid_name() of net/core/dev.c has it. */
static bool is_device_name(const char *text)
{
	return text[0] && strlen(text) <= DEVICE_NAME_MAX && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0 && !strpbrk(text, "/: \t\n\v\f\r") &&
	       !has_control_character(text);
}

/* "a/b": no slash at the ends, no empty component, none that leads elsewhere. */
static bool is_cgroup_path(const char *text)
{
	if (strlen(text) >= PATH_MAX || has_control_character(text))
		return false;
	for (;;) {
		size_t n = strcspn(text, "/");
		if (!n || n > NAME_MAX || !strncmp(text, ".", n) ||
		    (n == 2 && !strncmp(text, "..", n)))
			return false;
		if (!text[n])
			return true;
		text += n + 1;
	}
}

/* "postfix@*.service", or a path below the cgroup root: "/system.slice/foo.slice/" and a star. */
static const char *glob_problem(const char *text)
{
	size_t n_stars = 0;

	for (const char *c = text; *c; c++)
		n_stars += *c == '*';
	if (n_stars > GLOB_STARS_MAX)
		return "has more than 8 stars";
	if (text[0] == '/' && !is_cgroup_path(text + 1))
		return "is no path below the cgroup root";
	if (text[0] != '/' && strchr(text, '/'))
		return "is a path; paths begin with a slash, names of units have none";
	if (text[0] != '/' && !is_cgroup_path(text))
		return "is no name of a unit";
	return NULL;
}

static int store_text_item(const struct store *store)
{
	const char *text = store->value->text;
	const char *problem = store->key->type == SCHEMA_UNIT_LIST ? glob_problem(text) : NULL;

	if (store->key->type == SCHEMA_DEVICE_LIST && !is_device_name(text))
		problem = "is no device name";
	if (store->key->type == SCHEMA_CGROUP_LIST && !is_cgroup_path(text))
		problem = "is no path below the cgroup root";
	if (problem)
		return refuse(store, problem);
	char *copy = strdup(text);
	int r = copy ? list_push(store, &copy, sizeof(copy)) : -ENOMEM;
	if (r < 0)
		free(copy);
	return r;
}

/* "10.0.0.1/8" has host bits set: what was probably meant is 10.0.0.0/8. */
static int refuse_host_bits(const struct store *store)
{
	char text[PF_PREFIX_TEXT];
	struct pf_prefix prefix = {};

	snprintf(text, sizeof(text), "%s", store->value->text);
	char *slash = strchr(text, '/');
	if (!slash)
		return refuse(store, "has host bits set");
	*slash = '\0';
	if (pf_address_parse(text, &prefix.address) < 0)
		return refuse(store, "has host bits set");
	prefix.length = (uint8_t)strtoul(slash + 1, NULL, 10);
	for (size_t bit = prefix.length; bit < 8 * pf_address_size(&prefix.address); bit++)
		prefix.address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	report_add(store->report, store->value->place, "%.64s has host bits set; write %s",
		   store->value->text, pf_prefix_format(&prefix, text));
	return CONFIG_E_INVALID;
}

static int check_nat64(const struct store *store, const struct pf_prefix *prefix)
{
	uint8_t length = prefix->length;

	if (prefix->address.family == AF_INET6 && length == 96)
		return 0;
	if (prefix->address.family == AF_INET6 && length >= 32 && length <= 64 && length % 8 == 0)
		return refuse_bare(store, "may be a NAT64 prefix, but only /96 is understood");
	return refuse_bare(store, "is no NAT64 prefix: IPv6 and /96");
}

static int store_prefix_item(const struct store *store)
{
	struct pf_prefix prefix;
	int r = 0;

	switch (pf_prefix_parse(store->value->text, &prefix)) {
	case 0: break;
	case -EDOM: return refuse_host_bits(store);
	case -ERANGE: return refuse_bare(store, "has a prefix length beyond the address");
	default: return refuse(store, "is no network in CIDR notation");
	}
	if (store->key->type == SCHEMA_NAT64_LIST)
		r = check_nat64(store, &prefix);
	else if (!prefix.length)
		r = refuse_bare(store, "is every address: nothing would be external");
	return r ? r : list_push(store, &prefix, sizeof(prefix));
}

static int store_number_item(const struct store *store)
{
	uint32_t number;
	int r = store_number(store, &number);

	return r ? r : list_push(store, &number, sizeof(number));
}

static int store_destination_item(const struct store *store)
{
	struct destination destination;
	int r = destination_parse(store->value->text, &destination);

	return r ? refuse(store, destination_error(r))
		 : list_push(store, &destination, sizeof(destination));
}

static int store_selector(const struct store *store, struct label_selector *field)
{
	struct label_selector selector;
	const char *why;
	int r = label_selector_parse(store->value->text, &selector, &why);

	if (r == SELECTOR_E_INVALID)
		return refuse(store, why);
	if (r < 0)
		return r;
	label_selector_done(field);
	*field = selector;
	return 0;
}

int schema_store(const struct schema_key *key, const struct schema_value *value, void *object,
		 struct report *report)
{
	const struct store store = {key, object, value, report};
	void *field = (char *)object + key->offset;

	switch (key->type) {
	case SCHEMA_STRING:
	case SCHEMA_NAME:
	case SCHEMA_PATH:
	case SCHEMA_SERVER: return store_string(&store, field);
	case SCHEMA_ENUM: return store_enum(&store, field);
	case SCHEMA_NUMBER: return store_number(&store, field);
	case SCHEMA_SELECTOR: return store_selector(&store, field);
	case SCHEMA_CGROUP_LIST:
	case SCHEMA_DEVICE_LIST:
	case SCHEMA_UNIT_LIST: return store_text_item(&store);
	case SCHEMA_PREFIX_LIST:
	case SCHEMA_NAT64_LIST: return store_prefix_item(&store);
	case SCHEMA_NUMBER_LIST: return store_number_item(&store);
	case SCHEMA_DESTINATION_LIST: return store_destination_item(&store);
	case SCHEMA_OBJECT_LIST: break; /* has no value of one word */
	}
	return -EINVAL;
}
