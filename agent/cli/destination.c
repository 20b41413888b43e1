/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "cli/destination.h"

#include "base/destination.h"
#include "cli/cli.h"

int cli_destination(const char *text, struct policy_packet *ret_packet)
{
	struct destination destination;
	int r = destination_parse(text, &destination);

	if (r)
		return cli_fail(2, "\"%s\" %s", text, destination_error(r));
	if (destination.prefix.length != 8 * pf_address_size(&destination.prefix.address))
		return cli_fail(2, "\"%s\" is a network; one address is asked for", text);
	if (destination.first != destination.last)
		return cli_fail(2, "\"%s\" names many ports; one is asked for", text);
	bool has_port = destination.first > 0;
	*ret_packet = (struct policy_packet){
		.destination = destination.prefix.address,
		.protocol = has_port && !destination.protocol ? 6 : destination.protocol,
		.has_port = has_port,
		.port = destination.first,
	};
	return 0;
}
