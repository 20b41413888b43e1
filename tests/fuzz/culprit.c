/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as an answer of NETLINK_SOCK_DIAG, as a line of /proc/net and as what a process says of itself in
 * /proc/PID. */
#include "culprit/culprit.h"

#include <stdlib.h>
#include <string.h>

#include "culprit/socket.h"
#include "fuzz.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_arguments(const char *text, size_t length, size_t limit)
{
	static struct process_facts facts;
	size_t n = 0;

	process_arguments_parse(text, length, limit, &facts);
	require(facts.arguments_length <= sizeof(facts.arguments));
	require(facts.arguments_length <= limit || !limit);
	for (size_t at = 0; at < facts.arguments_length; n++) {
		const char *end = memchr(facts.arguments + at, 0, facts.arguments_length - at);
		require(end != NULL);
		at = (size_t)(end - facts.arguments) + 1;
	}
	require(n == facts.n_arguments);
}

static void parse_process(const char *text, size_t length)
{
	static struct process_facts facts;
	struct cgroup_name container;

	facts = (struct process_facts){};
	if (!process_stat_parse(text, length, &facts))
		require(facts.has_start && facts.parent >= 0 &&
			memchr(facts.name, 0, sizeof(facts.name)));
	struct process_image image;
	process_image_parse(text, length, &image);
	require(!image.stack || memchr(image.name, 0, sizeof(image.name)));
	if (!process_status_parse(text, length, &facts))
		require(facts.has_user);
	(void)process_socket_inode(text, length);
	check_arguments(text, length, 0);
	check_arguments(text, length, 5);
	check_arguments(text, length, 64);
	check_arguments(text, length, SIZE_MAX);
	char *string = strndup(text, length);
	require(string != NULL);
	culprit_container(string, &container);
	require(container.kind == CGROUP_CONTAINER || !container.container_id[0]);
	struct socket_facts line;
	(void)!socket_line_parse(string, &line);
	free(string);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	void *message = malloc(length ? length : 1); /* aligned, and no byte longer */
	struct socket_facts facts;

	require(message != NULL);
	memcpy(message, bytes, length);
	if (!socket_diag_parse(message, length, &facts)) {
		const struct wanted_socket wanted = {.protocol = 17, .local = facts.local};
		require(facts.has_cgroup || !facts.cgroup);
		(void)socket_match(&wanted, &facts);
	}
	if (!socket_packet_parse(message, length, &facts))
		require(!facts.has_cgroup && !facts.local.family && !facts.local_port);
	parse_process(message, length);
	free(message);
	return 0;
}
