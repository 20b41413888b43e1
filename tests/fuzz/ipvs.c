/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as /proc/net/ip_vs. */
#include "node/ipvs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"

static int take(const struct ipvs_server *server, void *userdata)
{
	if (server->address.family != AF_INET && server->address.family != AF_INET6)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *text = malloc(length ? length : 1); /* no byte longer */

	if (!text)
		abort();
	memcpy(text, bytes, length);
	(void)ipvs_parse(text, length, take, NULL);
	free(text);
	return 0;
}
