/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <podfence/attributes.h>

#include "config/config.h"
#include "inventory/network_list.h"

/* Whether an IPVS service of the text (ipvs_read()) has a server that is neither internal nor local: what
 * a service leads to leaves by the output hook without a socket, so nobody is asked who sent it. derived: NULL
 * where nothing is. *ret_sentence says of the first which service and where to, without its end, for the caller to
 * free; NULL: there is none. 0 or -ENOMEM. Pure. */
PF_MUST_CHECK int ipvs_leads_out(const struct config *config, const struct network_list *derived,
				 const char *text, size_t length, char **ret_sentence);
