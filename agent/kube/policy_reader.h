/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "kube/object.h"
#include "kube/policy_parse.h"

/* What both kinds of policy are read with: an object reader that knows where in the object it is. */

#define POLICY_PATH_MAX	    192
#define POLICY_ITEMS_MAX    25	  /* of each list of a ClusterNetworkPolicy */
#define POLICY_RULES_MAX    1024  /* of a NetworkPolicy; the other kind has its own limits */
#define POLICY_NETWORKS_MAX 16384 /* of one policy, `except` included */
#define POLICY_PORTS_MAX    1024  /* of one rule */
/* A member of a rule in our own state file: the rule failed closed when it was read. */
#define POLICY_UNKNOWN_MARK "podfence.io/unknown"

struct policy_reader {
	struct object_reader object;
	struct policy *policy;
	bool is_file;
	size_t n_networks; /* so far */
	size_t path_length;
	char path[POLICY_PATH_MAX]; /* "spec.egress[0].to[1]" */
};

/* Makes a policy of its metadata. 0, with the reader at its spec, also after complaints: the rest is to
 * be looked at all the same; POLICY_E_REFUSED where there is no spec; -ENOMEM. To be done in any case. */
PF_MUST_CHECK int policy_reader_init(struct policy_reader *reader, struct json_object *root,
				     const struct policy_source *source, const char *kind,
				     bool is_namespaced, struct json_object **ret_spec);
/* Hands the policy over where nothing is wrong with it. */
PF_MUST_CHECK int policy_reader_finish(struct policy_reader *reader, struct policy **ret_policy);
void policy_reader_done(struct policy_reader *reader);

/* One step down; what it returns leads back. */
PF_PRINTF(2, 3)
size_t policy_reader_enter(struct policy_reader *reader, const char *format, ...);
void policy_reader_leave(struct policy_reader *reader, size_t back);

/* About the place where it is. The first refuses the object, the second only says. */
PF_PRINTF(2, 3) void policy_refuse(struct policy_reader *reader, const char *format, ...);
PF_PRINTF(2, 3) void policy_note(struct policy_reader *reader, const char *format, ...);

/* Members of the object where it is; NULL, "" where absent, null or of another type. */
struct json_object *policy_member(struct policy_reader *reader, struct json_object *object,
				  const char *key, enum json_type type);
const char *policy_text(struct policy_reader *reader, struct json_object *object, const char *key);
/* There, and not null. */
bool policy_has(struct json_object *object, const char *key);
/* A whole number from `minimum` to `maximum`; false where absent or after a message. */
bool policy_number(struct policy_reader *reader, struct json_object *object, const char *key,
		   int minimum, int maximum, int *ret_number);
/* The first member that is none of `known` (a NULL ends them); NULL: there is none. */
const char *policy_stranger(struct json_object *object, const char *const *known);
/* Refuses it where nobody has judged it before. */
void policy_refuse_stranger(struct policy_reader *reader, struct json_object *object,
			    const char *const *known);
/* Items of a list, at most `maximum`; 0 after a message that there are more. */
size_t policy_items(struct policy_reader *reader, struct json_object *list, size_t maximum);
/* The text of one; "" where it is none. */
const char *policy_item_text(struct json_object *list, size_t i);

typedef void (*policy_part_fn)(struct policy_reader *reader, struct json_object *part,
			       struct policy_rule *rule);
/* What a rule says in the first n items of a list, each read at its place; one that is no object is refused. */
void policy_each(struct policy_reader *reader, struct json_object *list, size_t n,
		 struct policy_rule *rule, policy_part_fn read);
/* spec.egress, at most `maximum` rules, of a policy that has none yet; how many it has now. Before one is read it
 * accepts, matches nobody and no port. */
size_t policy_read_rules(struct policy_reader *reader, struct json_object *list, size_t maximum,
			 policy_part_fn read);
/* Fails closed for what is not known or not enforced. */
PF_PRINTF(3, 4)
void policy_rule_unknown(struct policy_reader *reader, struct policy_rule *rule, const char *format,
			 ...);
/* A CIDR; false after a message. */
bool policy_prefix(struct policy_reader *reader, const char *text, struct pf_prefix *ret_prefix);
/* A network more, with what it leaves out; both are taken over. */
void policy_add_network(struct policy_reader *reader, struct policy_rule *rule,
			const struct pf_prefix *prefix, struct pf_prefix *except, size_t n_except);
void policy_add_port(struct policy_reader *reader, struct policy_rule *rule, uint8_t protocol,
		     int first, int last);
/* Where a file says the same twice, in `to` or in `ports`. */
void policy_refuse_same_networks(struct policy_reader *reader, const struct policy_rule *rule);
void policy_refuse_same_ports(struct policy_reader *reader, const struct policy_rule *rule);

/* A LabelSelector; NULL selects everything. */
void policy_read_selector(struct policy_reader *reader, struct json_object *object,
			  struct label_selector *selector);
/* One that selects only inside the cluster: it has to be right all the same. */
void policy_check_selector(struct policy_reader *reader, struct json_object *object,
			   const char *key);
