/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as a kubeconfig: it can be used, with a server and whole credentials, or is refused
 * with a reason. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "kube/access.h"
#include "kube/exec_credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct access *access = NULL;
	struct report report;

	report_init(&report);
	int r = access_parse_kubeconfig("fuzz", "/nonexistent", (const char *)bytes, length,
					&report, &access);
	if (r < 0 || (r > 0 && report_is_empty(&report)) || !r != !!access)
		abort();
	if (access && (!access->server || strncmp(access->server, "http", 4) != 0 ||
		       !access->certificate != !access->key))
		abort();
	if (access && access->exec &&
	    (!access->exec->arguments[0] || !access->exec->environment[0] || access->token ||
	     !exec_command_is_equal(access->exec, access->exec)))
		abort();
	access_free(access);
	report_done(&report);
	return 0;
}
