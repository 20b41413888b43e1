/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a schema table describes, from its defaults to its end: the configuration, and the items of its lists
 * of objects. Every list is a pointer and a count, whatever it points to, so one code grows and forgets them
 * all; what is inherited is marked until the whole file is read, since the order of keys means nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

#define INHERITED                                                                                  \
	UINT32_MAX /* no place in words[]; of a number, beyond every maximum that inherits */

#define LIKE_A_LIST(type, pointer)                                                                 \
	_Static_assert(sizeof(type) == sizeof(struct schema_list) && !offsetof(type, pointer), "")
LIKE_A_LIST(struct string_list, strings);
LIKE_A_LIST(struct prefix_list, prefixes);
LIKE_A_LIST(struct number_list, numbers);
LIKE_A_LIST(struct destination_list, destinations);
LIKE_A_LIST(struct default_override_list, overrides);
LIKE_A_LIST(struct unit_rule_list, rules);

static void *field_at(const struct schema_key *key, void *object)
{
	return (char *)object + key->offset;
}

static size_t item_size(const struct schema_key *key)
{
	switch (key->type) {
	case SCHEMA_PREFIX_LIST:
	case SCHEMA_NAT64_LIST: return sizeof(struct pf_prefix);
	case SCHEMA_NUMBER_LIST: return sizeof(uint32_t);
	case SCHEMA_DESTINATION_LIST: return sizeof(struct destination);
	case SCHEMA_OBJECT_LIST: return key->items->size;
	default: return sizeof(char *);
	}
}

static bool is_list_of_texts(const struct schema_key *key)
{
	return key->type == SCHEMA_CGROUP_LIST || key->type == SCHEMA_DEVICE_LIST ||
	       key->type == SCHEMA_UNIT_LIST;
}

/* Copied, not cast: the field is a list of another type. */
struct schema_list object_list(const struct schema_key *key, const void *object)
{
	struct schema_list list;

	memcpy(&list, (const char *)object + key->offset, sizeof(list));
	return list;
}

void *object_list_grow(const struct schema_key *key, void *object)
{
	struct schema_list list = object_list(key, object);
	size_t size = item_size(key);
	char *grown = reallocarray(list.items, list.n + 1, size);

	if (!grown)
		return NULL;
	void *item = memset(grown + list.n * size, 0, size);
	list = (struct schema_list){grown, list.n + 1};
	memcpy(field_at(key, object), &list, sizeof(list));
	return item;
}

void object_list_clear(const struct schema_key *key, void *object)
{
	struct schema_list list = object_list(key, object);

	for (size_t i = 0; i < list.n; i++) {
		char *item = (char *)list.items + i * item_size(key);
		if (is_list_of_texts(key))
			free(*(char **)item);
		else if (key->type == SCHEMA_OBJECT_LIST)
			object_done(key->items, item);
	}
	free(list.items);
	memset(field_at(key, object), 0, sizeof(list));
}

bool object_list_has_twin(const struct schema_key *list_key, const void *object,
			  const struct schema_key *key)
{
	struct schema_list list = object_list(list_key, object);
	const char *last = (const char *)list.items + (list.n - 1) * list_key->items->size;
	const char *text = *(char *const *)(last + key->offset);

	for (const char *item = list.items; item < last; item += list_key->items->size)
		if (text[0] && !strcmp(*(char *const *)(item + key->offset), text))
			return true;
	return false;
}

static int default_store(const struct schema_key *key, void *object, struct report *report)
{
	char text[128], *rest = text;
	int r = 0;

	if (key->inherits) {
		*(uint32_t *)field_at(key, object) = INHERITED;
		return 0;
	}
	if (key->is_required && key->type <= SCHEMA_SERVER) { /* "" is refused of a file */
		char *empty = strdup("");
		memcpy(field_at(key, object), &empty, sizeof(empty));
		return empty ? 0 : -ENOMEM;
	}
	snprintf(text, sizeof(text), "%s", key->fallback);
	if (!schema_is_list(key))
		return schema_store(key, &(struct schema_value){key->path, text, false}, object,
				    report);
	for (char *item; !r && (item = strsep(&rest, " "));)
		if (item[0])
			r = schema_store(key, &(struct schema_value){key->path, item, false},
					 object, report);
	return r;
}

int object_defaults(const struct schema_table *table, void *object)
{
	struct report report;
	int r = 0;

	report_init(&report);
	for (size_t i = 0; i < table->n_keys && !r; i++)
		r = default_store(&table->keys[i], object, &report);
	report_done(&report);
	return r > 0 ? -EINVAL : r;
}

void object_done(const struct schema_table *table, void *object)
{
	for (size_t i = 0; i < table->n_keys; i++) {
		const struct schema_key *key = &table->keys[i];
		if (schema_is_list(key))
			object_list_clear(key, object);
		else if (key->type == SCHEMA_SELECTOR)
			label_selector_done(field_at(key, object));
		else if (key->type <= SCHEMA_SERVER)
			free(*(char **)field_at(key, object));
	}
}

void object_inherit(const struct schema_table *table, void *object, const struct config *config)
{
	for (size_t i = 0; i < table->n_keys; i++) {
		const struct schema_key *key = &table->keys[i];
		if (key->type == SCHEMA_OBJECT_LIST) {
			struct schema_list list = object_list(key, object);
			for (size_t k = 0; k < list.n; k++)
				object_inherit(key->items,
					       (char *)list.items + k * key->items->size, config);
		} else if (key->inherits && *(uint32_t *)field_at(key, object) == INHERITED) {
			const struct schema_key *from = schema_find(&config_schema, key->inherits);
			memcpy(field_at(key, object), (const char *)config + from->offset,
			       sizeof(uint32_t));
		}
	}
}

struct config *config_free(struct config *config)
{
	if (!config)
		return NULL;
	object_done(&config_schema, config);
	free(config);
	return NULL;
}
