/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>

#include "base/json.h"
#include "inventory/quarantine.h"
#include "policy/classify.h"
#include "policy/decision.h"
#include "policy/verdict.h"

/* What an endpoint's packet to a destination meets, and because of what: `podfence why`, asked of the agent or
 * of the files of a node. */

struct answer {
	const struct endpoint *endpoint;
	const struct decision *decision;
	struct policy_packet packet;
	struct destination_facts facts;
	bool is_judged; /* else internal or local, and there is no ruling */
	struct ruling ruling;
	enum quarantine_origin quarantine; /* goes before everything else */
};

struct answer_input {
	const struct config *config;
	const struct network_list *networks;	   /* derived; NULL: none */
	const struct quarantine_list *quarantines; /* NULL: labels alone */
	const struct endpoint *endpoint;
	const struct decision *decision; /* of the endpoint */
	struct policy_packet packet;
};

/* Pure. It points into the input, which has to stay as long. */
void answer_make(const struct answer_input *input, struct answer *ret_answer);

/* Members of type Answer of io.podfence.Agent. */
void answer_write(const struct answer *answer, struct json *json);
