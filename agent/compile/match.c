/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Rules overlap as they like; elements of a set must not. Networks of all ports are one list of ranges a family,
 * joined where they meet. Networks of some ports are cut at every address where one begins or ends; between two
 * cuts the same ports hold, and neighbours with the same ports are joined again. */
#include "compile/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define IPV4 0
#define IPV6 1

static const size_t sizes[2] = {4, 16};

/* Room for one more; false: no memory. */
static bool grow(void **array, size_t n, size_t *capacity, size_t size)
{
	if (n < *capacity)
		return true;
	size_t wanted = *capacity ? 2 * *capacity : 8;
	void *grown = reallocarray(*array, wanted, size);
	if (!grown)
		return false;
	*array = grown;
	*capacity = wanted;
	return true;
}

static int range_put(struct range_list *list, const struct range *range)
{
	if (!grow((void **)&list->ranges, list->n, &list->capacity, sizeof(*range)))
		return -ENOMEM;
	list->ranges[list->n++] = *range;
	return 0;
}

static int box_put(struct box_list *list, const struct box *box)
{
	if (!grow((void **)&list->boxes, list->n, &list->capacity, sizeof(*box)))
		return -ENOMEM;
	list->boxes[list->n++] = *box;
	return 0;
}

static int port_put(struct port_list *list, const struct policy_port *port)
{
	if (!grow((void **)&list->ports, list->n, &list->capacity, sizeof(*port)))
		return -ENOMEM;
	list->ports[list->n++] = *port;
	return 0;
}

/* The address after this one; false: it is the last there is. */
static bool increment(uint8_t *address, size_t size)
{
	for (size_t i = size; i-- > 0;)
		if (++address[i])
			return true;
	return false;
}

static void decrement(uint8_t *address, size_t size)
{
	for (size_t i = size; i-- > 0;)
		if (address[i]--)
			return;
}

static struct range range_of(const struct pf_prefix *prefix)
{
	size_t size = pf_address_size(&prefix->address);
	struct range range = {};

	memcpy(range.first, prefix->address.bytes, size);
	memcpy(range.last, prefix->address.bytes, size);
	for (size_t bit = prefix->length; bit < 8 * size; bit++)
		range.last[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
	return range;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	int order = memcmp(x->first, y->first, sizeof(x->first));

	return order ? order : memcmp(x->last, y->last, sizeof(x->last));
}

/* Sorted, and joined where one meets the next. */
static void ranges_join(struct range_list *list, size_t size)
{
	size_t kept = 0;

	if (list->n)
		qsort(list->ranges, list->n, sizeof(*list->ranges), compare_ranges);
	for (size_t i = 0; i < list->n; i++) {
		struct range *range = &list->ranges[i];
		struct range *last = kept ? &list->ranges[kept - 1] : NULL;
		uint8_t after[16];
		if (last) {
			memcpy(after, last->last, sizeof(after));
			bool is_end = !increment(after, size);
			if (is_end || memcmp(range->first, after, size) <= 0) {
				if (memcmp(range->last, last->last, size) > 0)
					memcpy(last->last, range->last, size);
				continue;
			}
		}
		list->ranges[kept++] = *range;
	}
	list->n = kept;
}

/* What is left of the ranges without this one. */
static int ranges_cut(struct range_list *list, const struct range *hole, size_t size)
{
	struct range_list left = {};
	int r = 0;

	for (size_t i = 0; i < list->n && !r; i++) {
		struct range before = list->ranges[i], after = list->ranges[i];
		if (memcmp(before.last, hole->first, size) < 0 ||
		    memcmp(before.first, hole->last, size) > 0) {
			r = range_put(&left, &before);
			continue;
		}
		if (memcmp(before.first, hole->first, size) < 0) {
			memcpy(before.last, hole->first, size);
			decrement(before.last, size);
			r = range_put(&left, &before);
		}
		if (!r && memcmp(after.last, hole->last, size) > 0) {
			memcpy(after.first, hole->last, size);
			increment(after.first, size);
			r = range_put(&left, &after);
		}
	}
	free(list->ranges);
	*list = left;
	return r;
}

static int network_ranges(const struct policy_network *network, struct range_list *list)
{
	struct range range = range_of(&network->prefix);
	int r = range_put(list, &range);

	for (size_t i = 0; i < network->n_except && !r; i++) {
		struct range hole = range_of(&network->except[i]);
		r = ranges_cut(list, &hole, pf_address_size(&network->prefix.address));
	}
	return r;
}

static int add_ports(struct match *match, const struct policy_rule *rule)
{
	int r = 0;

	for (size_t i = 0; i < rule->n_ports && !r; i++)
		r = port_put(&match->services, &rule->ports[i]);
	return r;
}

/* One range, on every port or on those of the rule. */
static int add_range(struct match *match, int family, const struct range *range,
		     const struct policy_rule *rule)
{
	int r = 0;

	if (rule->matches_all_ports)
		return range_put(&match->networks[family], range);
	for (size_t i = 0; i < rule->n_ports && !r; i++)
		r = box_put(&match->boxes[family], &(struct box){*range, rule->ports[i]});
	return r;
}

static int add_network(struct match *match, const struct policy_network *network,
		       const struct policy_rule *rule)
{
	int family = network->prefix.address.family == AF_INET ? IPV4 : IPV6;
	struct range_list ranges = {};
	int r = network_ranges(network, &ranges);

	for (size_t i = 0; i < ranges.n && !r; i++)
		r = add_range(match, family, &ranges.ranges[i], rule);
	free(ranges.ranges);
	return r;
}

void match_add(struct match *match, const struct policy_rule *rule)
{
	int r = 0;

	if (match->error)
		return;
	if (rule->matches_all_networks && rule->matches_all_ports)
		match->is_everything = true;
	else if (rule->matches_all_networks)
		r = add_ports(match, rule);
	else
		for (size_t i = 0; i < rule->n_networks && !r; i++)
			r = add_network(match, &rule->networks[i], rule);
	match->error = r;
}

static int compare_ports(const void *a, const void *b)
{
	const struct policy_port *x = a, *y = b;

	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->last > y->last) - (x->last < y->last);
}

static void ports_join(struct port_list *list)
{
	size_t kept = 0;

	if (list->n)
		qsort(list->ports, list->n, sizeof(*list->ports), compare_ports);
	for (size_t i = 0; i < list->n; i++) {
		const struct policy_port *port = &list->ports[i];
		struct policy_port *last = kept ? &list->ports[kept - 1] : NULL;
		if (!last || last->protocol != port->protocol ||
		    (uint32_t)last->last + 1 < port->first)
			list->ports[kept++] = *port;
		else if (port->last > last->last)
			last->last = port->last;
	}
	list->n = kept;
}

/* Where what holds changes: the first address of each range, and the one after its last. */
struct cut {
	uint8_t at[16];
};

static int compare_cuts(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct cut));
}

static size_t find_cuts(const struct box_list *boxes, size_t size, struct cut *cuts)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < boxes->n; i++) {
		memcpy(cuts[n++].at, boxes->boxes[i].range.first, sizeof(cuts->at));
		memcpy(cuts[n].at, boxes->boxes[i].range.last, sizeof(cuts->at));
		n += increment(cuts[n].at, size);
	}
	qsort(cuts, n, sizeof(*cuts), compare_cuts);
	for (size_t i = 0; i < n; i++)
		if (!kept || memcmp(&cuts[kept - 1], &cuts[i], sizeof(*cuts)) != 0)
			cuts[kept++] = cuts[i];
	return kept;
}

static bool is_same_ports(const struct box *boxes, size_t n, const struct port_list *ports)
{
	if (n != ports->n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (compare_ports(&boxes[i].port, &ports->ports[i]) != 0)
			return false;
	return true;
}

/* One box for each of the ports; where the last ones end at this range and have the same ports they are made
 * longer instead. */
static int slab_put(struct box_list *made, size_t *n_last, const struct range *slab, size_t size,
		    const struct port_list *ports)
{
	struct box *before = made->n ? &made->boxes[made->n - *n_last] : NULL;
	int r = 0;

	if (before) {
		uint8_t after[16];
		memcpy(after, before->range.last, sizeof(after));
		if (increment(after, size) && !memcmp(after, slab->first, size) &&
		    is_same_ports(before, *n_last, ports)) {
			for (size_t i = 0; i < *n_last; i++)
				memcpy(before[i].range.last, slab->last, size);
			return 0;
		}
	}
	for (size_t i = 0; i < ports->n && !r; i++)
		r = box_put(made, &(struct box){*slab, ports->ports[i]});
	*n_last = ports->n;
	return r;
}

static int compare_boxes(const void *a, const void *b)
{
	return compare_ranges(&((const struct box *)a)->range, &((const struct box *)b)->range);
}

/* The boxes that hold between two cuts. */
struct active {
	const struct box **boxes;
	size_t n;
	size_t next; /* of all boxes, sorted by their first address: the first that has not begun */
};

static void active_move(struct active *active, const struct box_list *boxes, const uint8_t *at,
			size_t size)
{
	size_t kept = 0;

	for (size_t i = 0; i < active->n; i++)
		if (memcmp(active->boxes[i]->range.last, at, size) >= 0)
			active->boxes[kept++] = active->boxes[i];
	for (; active->next < boxes->n &&
	       memcmp(boxes->boxes[active->next].range.first, at, size) <= 0;
	     active->next++)
		active->boxes[kept++] = &boxes->boxes[active->next];
	active->n = kept;
}

static int make_slabs(const struct box_list *boxes, const struct cut *cuts, size_t n_cuts,
		      size_t size, struct active *active, struct box_list *made)
{
	struct port_list ports = {};
	size_t n_last = 0;
	int r = 0;

	for (size_t c = 0; c < n_cuts && !r; c++) {
		struct range slab = {};
		memcpy(slab.first, cuts[c].at, size);
		memset(slab.last, 0xff, size);
		if (c + 1 < n_cuts) {
			memcpy(slab.last, cuts[c + 1].at, size);
			decrement(slab.last, size);
		}
		active_move(active, boxes, slab.first, size);
		ports.n = 0;
		for (size_t i = 0; i < active->n && !r; i++)
			r = port_put(&ports, &active->boxes[i]->port);
		ports_join(&ports);
		if (!r && ports.n)
			r = slab_put(made, &n_last, &slab, size, &ports);
	}
	free(ports.ports);
	return r;
}

static int boxes_join(struct box_list *list, size_t size)
{
	struct cut *cuts = calloc(2 * list->n + 1, sizeof(*cuts));
	struct active active = {.boxes = calloc(list->n + 1, sizeof(*active.boxes))};
	struct box_list made = {};
	int r = cuts && active.boxes ? 0 : -ENOMEM;

	if (!r && list->n) {
		qsort(list->boxes, list->n, sizeof(*list->boxes), compare_boxes);
		r = make_slabs(list, cuts, find_cuts(list, size, cuts), size, &active, &made);
	}
	free(cuts);
	free(active.boxes);
	free(list->boxes);
	*list = made;
	return r;
}

static int boxes_cut(struct box_list *list, const struct range *hole)
{
	struct box_list left = {};
	int r = 0;

	for (size_t i = 0; i < list->n && !r; i++) {
		struct range_list ranges = {};
		r = range_put(&ranges, &list->boxes[i].range);
		if (!r)
			r = ranges_cut(&ranges, hole, sizes[IPV6]);
		for (size_t k = 0; k < ranges.n && !r; k++)
			r = box_put(&left, &(struct box){ranges.ranges[k], list->boxes[i].port});
		free(ranges.ranges);
	}
	free(list->boxes);
	*list = left;
	return r;
}

static struct range embed(const struct pf_prefix *nat64, const struct range *four)
{
	struct range six;

	memcpy(six.first, nat64->address.bytes, sizeof(six.first));
	memcpy(six.last, nat64->address.bytes, sizeof(six.last));
	memcpy(&six.first[12], four->first, 4);
	memcpy(&six.last[12], four->last, 4);
	return six;
}

/* An address inside a NAT64 prefix is the IPv4 one in it. */
static int translate(struct match *match, const struct pf_prefix *nat64)
{
	struct range hole = range_of(nat64);
	int r = ranges_cut(&match->networks[IPV6], &hole, sizes[IPV6]);

	if (!r)
		r = boxes_cut(&match->boxes[IPV6], &hole);
	for (size_t i = 0; i < match->networks[IPV4].n && !r; i++) {
		struct range six = embed(nat64, &match->networks[IPV4].ranges[i]);
		r = range_put(&match->networks[IPV6], &six);
	}
	for (size_t i = 0; i < match->boxes[IPV4].n && !r; i++) {
		struct box six = match->boxes[IPV4].boxes[i];
		six.range = embed(nat64, &match->boxes[IPV4].boxes[i].range);
		r = box_put(&match->boxes[IPV6], &six);
	}
	return r;
}

int match_finish(struct match *match, const struct pf_prefix *nat64, size_t n_nat64)
{
	int r = match->error;

	ports_join(&match->services);
	ranges_join(&match->networks[IPV4], sizes[IPV4]);
	if (!r)
		r = boxes_join(&match->boxes[IPV4], sizes[IPV4]);
	for (size_t i = 0; i < n_nat64 && !r; i++)
		r = translate(match, &nat64[i]);
	ranges_join(&match->networks[IPV6], sizes[IPV6]);
	if (!r)
		r = boxes_join(&match->boxes[IPV6], sizes[IPV6]);
	return r;
}

bool match_is_nothing(const struct match *match)
{
	return !match->is_everything && !match->services.n && !match->networks[IPV4].n &&
	       !match->networks[IPV6].n && !match->boxes[IPV4].n && !match->boxes[IPV6].n;
}

void match_done(struct match *match)
{
	for (int i = 0; i < 2; i++) {
		free(match->networks[i].ranges);
		free(match->boxes[i].boxes);
	}
	free(match->services.ports);
	*match = (struct match){};
}
