/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "namespace.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

bool namespace_run(const char *format, ...)
{
	char command[4096];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (n < 0 || (size_t)n >= sizeof(command))
		return false;
	fflush(NULL);
	int status = system(command);
	if (status != 0)
		fprintf(stderr, "# failed (%d): %s\n", status, command);
	return status == 0;
}

void namespace_enter_or_skip(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		printf("1..0 # SKIP no private network namespace: %s (needs root)\n",
		       strerror(errno));
		exit(0);
	}
	mkdir("/run/netns", 0755);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run/netns", "tmpfs", 0, NULL) < 0 ||
	    !namespace_run("ip link set lo up")) {
		printf("Bail out! private mounts or loopback: %s\n", strerror(errno));
		exit(1);
	}
}
