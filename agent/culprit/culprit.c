/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The value: what is known of a culprit, in words, and what several have in common. */
#include "culprit/culprit.h"

#include <stdio.h>
#include <string.h>

static const char *socket_words(enum culprit_socket socket)
{
	switch (socket) {
	case CULPRIT_SOCKET_EXACT: return "exact";
	case CULPRIT_SOCKET_BY_PORT: return "by-port";
	case CULPRIT_SOCKET_BY_PROTOCOL: return "by-protocol";
	default: return "none";
	}
}

static const char *holder_words(const struct culprit *culprit)
{
	if (culprit->holder == CULPRIT_HOLDER_SHARED)
		return "several processes have the socket open";
	if (culprit->is_outside)
		return "the process does not belong to the endpoint";
	if (culprit->is_inherited)
		return "the socket was made in another cgroup";
	if (culprit->holder == CULPRIT_HOLDER_FIRST)
		return "others may have the socket open too";
	return "";
}

const char *culprit_attribution(const struct culprit *culprit, char buffer[static CULPRIT_TEXT_MAX])
{
	const char *words = holder_words(culprit);

	if (culprit->holder == CULPRIT_HOLDER_NONE)
		snprintf(buffer, CULPRIT_TEXT_MAX, "%s: %s", culprit->has_user ? "by-uid" : "none",
			 culprit->why);
	else if (words[0])
		snprintf(buffer, CULPRIT_TEXT_MAX, "%s (%s)", socket_words(culprit->socket), words);
	else
		return socket_words(culprit->socket);
	return buffer;
}

void culprit_container(const char *cgroup_path, struct cgroup_name *ret_container)
{
	char name[256];

	for (const char *at = cgroup_path; *at;) {
		size_t n = strcspn(at, "/");
		if (n && n < sizeof(name)) {
			memcpy(name, at, n);
			name[n] = '\0';
			cgroup_name_parse(name, ret_container);
			if (ret_container->kind == CGROUP_CONTAINER)
				return;
		}
		at += n + (at[n] == '/');
	}
	*ret_container = (struct cgroup_name){.kind = CGROUP_OTHER, .runtime = ""};
}

void culprit_common(struct process_facts *process, const struct process_facts *other)
{
	bool are_equal = process->arguments_length == other->arguments_length &&
			 !memcmp(process->arguments, other->arguments, other->arguments_length);

	process->pid = 0;
	process->has_start = false;
	if (!are_equal)
		process->arguments_length = process->n_arguments = 0;
	if (strcmp(process->name, other->name) != 0)
		process->name[0] = '\0';
	if (strcmp(process->executable, other->executable) != 0)
		process->executable[0] = '\0';
	if (process->parent != other->parent) {
		process->parent = 0;
		process->parent_name[0] = '\0';
	}
	if (!other->has_user || process->user != other->user)
		process->has_user = false;
}
