/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	Node		status.addresses[].address, where type is InternalIP or ExternalIP
 *			spec.podCIDRs[], else spec.podCIDR
 *	ServiceCIDR	spec.cidrs[] (networking.k8s.io/v1, v1beta1)
 *	EndpointSlice	endpoints[].addresses[] (discovery.k8s.io/v1)
 */
#include "kube/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/name.h"
#include "kube/object.h"

#define PREFIXES_MAX 1024 /* of one object */

struct parser {
	struct object_reader reader;
	struct network_object *object;
};

static void network_release(void *value)
{
	struct network_object *object = value;

	if (!object)
		return;
	free(object->namespace);
	free(object->name);
	free(object->prefixes);
	free(object);
}

static void add(struct parser *parser, const char *text, const char *path)
{
	struct network_object *object = parser->object;
	struct pf_prefix prefix, *grown;

	if (pf_prefix_parse(text, &prefix) != 0) {
		object_complain(&parser->reader, path, "\"%.80s\" is no address and no network",
				text);
		return;
	}
	if (object->n_prefixes == PREFIXES_MAX) {
		object_complain(&parser->reader, path, "more than %d; left out", PREFIXES_MAX);
		return;
	}
	grown = reallocarray(object->prefixes, object->n_prefixes + 1, sizeof(*grown));
	if (!grown) {
		parser->reader.error = -ENOMEM;
		return;
	}
	object->prefixes = grown;
	object->prefixes[object->n_prefixes++] = prefix;
}

static void add_texts(struct parser *parser, struct json_object *parent, const char *key,
		      const char *path)
{
	struct json_object *list = object_member(&parser->reader, parent, key, json_type_array,
						 path);

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		if (json_object_is_type(item, json_type_string))
			add(parser, json_object_get_string(item), path);
		else
			object_complain(&parser->reader, path, "holds something that is no text");
	}
}

static void parse_node(struct parser *parser, struct json_object *root)
{
	struct object_reader *reader = &parser->reader;
	struct json_object *spec = object_member(reader, root, "spec", json_type_object, "spec");
	struct json_object *status = object_member(reader, root, "status", json_type_object,
						   "status");
	struct json_object *list = object_member(reader, status, "addresses", json_type_array,
						 "status.addresses");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		if (!json_object_is_type(item, json_type_object))
			continue;
		const char *type = object_text(reader, item, "type", "status.addresses.type");
		if (!strcmp(type, "InternalIP") || !strcmp(type, "ExternalIP"))
			add(parser, object_text(reader, item, "address", "status.addresses"),
			    "status.addresses");
	}
	parser->object->n_addresses = parser->object->n_prefixes;
	const char *single = object_text(reader, spec, "podCIDR", "spec.podCIDR");
	if (spec && json_object_object_get_ex(spec, "podCIDRs", NULL))
		add_texts(parser, spec, "podCIDRs", "spec.podCIDRs");
	else if (single[0])
		add(parser, single, "spec.podCIDR");
}

static void parse_service_cidr(struct parser *parser, struct json_object *root)
{
	struct json_object *spec = object_member(&parser->reader, root, "spec", json_type_object,
						 "spec");

	add_texts(parser, spec, "cidrs", "spec.cidrs");
}

static void parse_endpoint_slice(struct parser *parser, struct json_object *root)
{
	struct json_object *list = object_member(&parser->reader, root, "endpoints",
						 json_type_array, "endpoints");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		if (json_object_is_type(item, json_type_object))
			add_texts(parser, item, "addresses", "endpoints.addresses");
	}
}

static int parse_names(struct parser *parser, struct json_object *metadata)
{
	struct object_reader *reader = &parser->reader;
	const char *name = object_text(reader, metadata, "name", "metadata.name");
	const char *namespace = object_text(reader, metadata, "namespace", "metadata.namespace");

	if (!name_is_subdomain(name) || (namespace[0] && !name_is_label(namespace))) {
		object_complain(reader, "metadata.name", "\"%.80s\" is no name", name);
		return OBJECT_STORE_E_REFUSED;
	}
	parser->object->name = object_copy(reader, name, strlen(name));
	parser->object->namespace = object_copy(reader, namespace, strlen(namespace));
	return reader->error;
}

static int parse(const struct object_store_kind *kind,
		 void (*parse_body)(struct parser *parser, struct json_object *root),
		 struct json_object *root, const char *place, struct report *report,
		 void **ret_value)
{
	struct parser parser = {};
	struct json_object *metadata;
	int r = object_reader_init(&parser.reader, root, place, kind->kind, report, &metadata);

	parser.object = r == 0 ? calloc(1, sizeof(*parser.object)) : NULL;
	if (r == 0 && !parser.object)
		r = -ENOMEM;
	if (r == 0)
		r = parse_names(&parser, metadata);
	if (r == 0) {
		parse_body(&parser, root);
		r = parser.reader.error;
	}
	object_reader_done(&parser.reader);
	if (r == 0)
		*ret_value = parser.object;
	else
		network_release(parser.object);
	return r;
}

static int node_parse(struct json_object *root, const char *place, const void *context,
		      struct report *report, void **ret_value)
{
	int r = parse(&node_kind, parse_node, root, place, report, ret_value);

	if (r == 0 && context &&
	    strcmp(((struct network_object *)*ret_value)->name, context) != 0) {
		network_release(*ret_value);
		r = OBJECT_STORE_E_NOT_WANTED;
	}
	return r;
}

static int service_cidr_parse(struct json_object *root, const char *place, const void *context,
			      struct report *report, void **ret_value)
{
	return parse(&service_cidr_kind, parse_service_cidr, root, place, report, ret_value);
}

static int endpoint_slice_parse(struct json_object *root, const char *place, const void *context,
				struct report *report, void **ret_value)
{
	return parse(&endpoint_slice_kind, parse_endpoint_slice, root, place, report, ret_value);
}

static bool network_peek(struct json_object *object, const char **ret_namespace,
			 const char **ret_name)
{
	const char *namespace = object_peek(object, "namespace");

	*ret_namespace = namespace ? namespace : "";
	*ret_name = object_peek(object, "name");
	return *ret_name;
}

static void network_name(const void *value, const char **ret_namespace, const char **ret_name)
{
	const struct network_object *object = value;

	*ret_namespace = object->namespace;
	*ret_name = object->name;
}

static bool network_is_equal(const void *a_pointer, const void *b_pointer)
{
	const struct network_object *a = a_pointer, *b = b_pointer;

	return !strcmp(a->name, b->name) && !strcmp(a->namespace, b->namespace) &&
	       a->n_addresses == b->n_addresses && a->n_prefixes == b->n_prefixes &&
	       (!a->n_prefixes ||
		!memcmp(a->prefixes, b->prefixes, a->n_prefixes * sizeof(*a->prefixes)));
}

const struct object_store_kind node_kind = {
	"Node", "v1", node_parse, network_peek, network_name, network_is_equal, network_release,
};
const struct object_store_kind service_cidr_kind = {
	"ServiceCIDR", "networking.k8s.io/v1", service_cidr_parse, network_peek,
	network_name,  network_is_equal,       network_release,
};
const struct object_store_kind endpoint_slice_kind = {
	"EndpointSlice", "discovery.k8s.io/v1", endpoint_slice_parse, network_peek,
	network_name,	 network_is_equal,	network_release,
};

static void write_prefixes(struct json *json, const char *key, const struct pf_prefix *prefixes,
			   size_t n)
{
	char text[PF_PREFIX_TEXT];

	json_array_begin(json, key);
	for (size_t i = 0; i < n; i++)
		json_string(json, NULL, pf_prefix_format(&prefixes[i], text));
	json_array_end(json);
}

static void write_node(struct json *json, const struct network_object *object)
{
	size_t n = object->n_addresses;
	char text[PF_PREFIX_TEXT];

	json_object_begin(json, "status");
	json_array_begin(json, "addresses");
	for (size_t i = 0; i < n; i++) {
		json_object_begin(json, NULL);
		json_string(json, "type", "InternalIP");
		json_string(json, "address", pf_prefix_format(&object->prefixes[i], text));
		json_object_end(json);
	}
	json_array_end(json);
	json_object_end(json);
	json_object_begin(json, "spec");
	write_prefixes(json, "podCIDRs", object->prefixes + n, object->n_prefixes - n);
	json_object_end(json);
}

void network_object_write(struct json *json, const struct object_store_kind *kind,
			  const struct network_object *object)
{
	json_object_begin(json, NULL);
	json_string(json, "kind", kind->kind);
	json_object_begin(json, "metadata");
	json_string(json, "name", object->name);
	if (object->namespace[0])
		json_string(json, "namespace", object->namespace);
	json_object_end(json);
	if (kind == &node_kind) {
		write_node(json, object);
	} else if (kind == &service_cidr_kind) {
		json_object_begin(json, "spec");
		write_prefixes(json, "cidrs", object->prefixes, object->n_prefixes);
		json_object_end(json);
	} else {
		json_array_begin(json, "endpoints");
		json_object_begin(json, NULL);
		write_prefixes(json, "addresses", object->prefixes, object->n_prefixes);
		json_object_end(json);
		json_array_end(json);
	}
	json_object_end(json);
}
