/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as what an exec plugin wrote: credentials that can stand in a request, or a reason. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "kube/exec_credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct exec_credential credential = {};
	char reason[EXEC_REASON_MAX] = "";
	int r = exec_credential_parse((const char *)bytes, length,
				      "client.authentication.k8s.io/v1", reason, &credential);

	if (r < 0 || (r > 0) != !!reason[0])
		abort();
	if (r == 0 && ((!credential.token && !credential.certificate) ||
		       !credential.certificate != !credential.key))
		abort();
	if (credential.token && strpbrk(credential.token, " \t\r\n"))
		abort();
	exec_credential_done(&credential);
	return 0;
}
