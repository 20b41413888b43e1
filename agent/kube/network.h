/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <podfence/address.h>

#include "base/json.h"
#include "kube/object_store.h"

/* What an object of the cluster says of its networks: a Node of its addresses and pod networks, a
 * ServiceCIDR of service networks, an EndpointSlice of the API servers' addresses. */
struct network_object {
	char *namespace, *name;	    /* namespace: "" for a kind that has none */
	struct pf_prefix *prefixes; /* as the object orders them, of a Node the addresses first */
	size_t n_prefixes;
	size_t n_addresses; /* of a Node: so many of them are its addresses */
};

/* All of struct network_object. A prefix that does not parse is named and left out. */
extern const struct object_store_kind node_kind, service_cidr_kind, endpoint_slice_kind;
/* As the object of this kind that says the same. */
void network_object_write(struct json *json, const struct object_store_kind *kind,
			  const struct network_object *object);
