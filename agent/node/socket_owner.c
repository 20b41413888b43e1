/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A netlink port is not a process id: it looks like one for the first socket of a process only. So
 * /proc/net/netlink says which inode the socket is, and descriptors say who has it. */
#include "node/socket_owner.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/netlink.h>

/* Lines of "sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode". */
static unsigned long find_inode(uint32_t port)
{
	FILE *file = fopen("/proc/net/netlink", "re");
	char line[256];
	unsigned long inode = 0;

	while (file && !inode && fgets(line, sizeof(line), file)) {
		unsigned protocol, pid;
		unsigned long number;
		if (sscanf(line, "%*s %u %u %*s %*s %*s %*s %*s %*s %lu", &protocol, &pid,
			   &number) == 3 &&
		    protocol == NETLINK_NETFILTER && pid == port)
			inode = number;
	}
	if (file)
		fclose(file);
	return inode;
}

static bool has_socket(const char *process, const char *wanted)
{
	char path[64], target[64];
	bool is_found = false;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", process);
	DIR *descriptors = opendir(path);
	const struct dirent *entry;
	while (descriptors && !is_found && (entry = readdir(descriptors))) {
		ssize_t n = readlinkat(dirfd(descriptors), entry->d_name, target,
				       sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		is_found = !strcmp(target, wanted);
	}
	if (descriptors)
		closedir(descriptors);
	return is_found;
}

pid_t socket_owner_find(uint32_t port)
{
	char wanted[64];
	unsigned long inode = find_inode(port);
	DIR *processes = inode ? opendir("/proc") : NULL;
	const struct dirent *entry;
	pid_t pid = 0;

	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	while (processes && !pid && (entry = readdir(processes)))
		if (isdigit((unsigned char)entry->d_name[0]) && has_socket(entry->d_name, wanted))
			pid = (pid_t)strtol(entry->d_name, NULL, 10);
	if (processes)
		closedir(processes);
	return pid;
}
