/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What podfence-ship may do: nothing. Started by root it keeps no capability either. */
#include <errno.h>
#include <sys/socket.h>

#include "base/diag.h"
#include "privilege/privilege.h"
#include "ship/ship.h"

int ship_privileges(void)
{
	/* AF_NETLINK: libc asks which addresses there are before it chooses among those of a name. */
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
	static const struct privilege_profile profile = {
		.calls = podfence_ship_calls,
		.families = families,
		.n_families = sizeof(families) / sizeof(families[0]),
	};
	int r = privilege_begin(&profile);

	if (r < 0) {
		diag_cannot("give up all privileges", r);
		return r;
	}
	r = privilege_filter(&profile);
	if (r < 0)
		diag_no_filter(r);
	return 0;
}
