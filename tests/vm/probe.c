/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a pod of these tests runs: datagrams and connection attempts to the same destinations, again and
 * again (MILLISECONDS 0: once), whatever the kernel says. Who got what is for the receiving side to tell: every datagram
 * has the number of its round, so that one that is lost can be told from one that was never sent. Linked statically,
 * so that it runs in any image.
 *
 *	probe MILLISECONDS udp/203.0.113.137/40001 tcp/2001:db8::9/40001 ... */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TARGETS_MAX  16
#define TCP_EACH_NTH 5 /* round a connection is begun */

struct target {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t length;
	int type, fd;
};

/* Of a copy: what stands in argv is this process's command line. */
static int target_parse(const char *argument, struct target *target)
{
	char text[128], *rest = text;
	snprintf(text, sizeof(text), "%s", argument);
	const char *protocol = strsep(&rest, "/"), *address = strsep(&rest, "/");
	unsigned long port = rest ? strtoul(rest, NULL, 10) : 0;

	if (!port || port > UINT16_MAX || (strcmp(protocol, "udp") && strcmp(protocol, "tcp")))
		return -1;
	target->type = protocol[0] == 'u' ? SOCK_DGRAM : SOCK_STREAM;
	target->fd = -1;
	if (inet_pton(AF_INET, address, &target->address.v4.sin_addr) == 1) {
		target->address.v4.sin_family = AF_INET;
		target->address.v4.sin_port = htons((uint16_t)port);
		target->length = sizeof(target->address.v4);
		return 0;
	}
	target->address.v6.sin6_family = AF_INET6;
	target->address.v6.sin6_port = htons((uint16_t)port);
	target->length = sizeof(target->address.v6);
	return inet_pton(AF_INET6, address, &target->address.v6.sin6_addr) == 1 ? 0 : -1;
}

/* One datagram, or one more connection. A refusal is what the tests are about. */
static void target_try(struct target *target, unsigned long round)
{
	char payload[48];
	int size = snprintf(payload, sizeof(payload), "podfence probe %lu", round);

	if (target->type == SOCK_STREAM) {
		if (round % TCP_EACH_NTH)
			return;
		if (target->fd >= 0)
			close(target->fd);
		target->fd = -1;
	}
	if (target->fd < 0)
		target->fd = socket(target->address.any.sa_family, target->type | SOCK_NONBLOCK, 0);
	if (target->fd < 0)
		return;
	if (target->type == SOCK_STREAM)
		(void)!connect(target->fd, &target->address.any, target->length);
	else
		(void)!sendto(target->fd, payload, (size_t)size, 0, &target->address.any,
			      target->length);
}

int main(int argc, char **argv)
{
	static struct target targets[TARGETS_MAX];
	unsigned long milliseconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	bool is_once = argc > 1 && !strcmp(argv[1], "0");
	size_t n = 0;

	for (int i = 2; i < argc && n < TARGETS_MAX; i++)
		if (target_parse(argv[i], &targets[n++]) < 0) {
			fprintf(stderr, "probe: what is target %d?\n", i - 1);
			return 2;
		}
	if ((!milliseconds && !is_once) || !n || argc - 2 > TARGETS_MAX) {
		fputs("usage: probe MILLISECONDS PROTOCOL/ADDRESS/PORT...\n", stderr);
		return 2;
	}
	const struct timespec pause = {.tv_sec = (time_t)(milliseconds / 1000),
				       .tv_nsec = (long)(milliseconds % 1000) * 1000000};
	for (unsigned long round = 0;; round++) {
		for (size_t i = 0; i < n; i++)
			target_try(&targets[i], round);
		if (is_once)
			return 0;
		nanosleep(&pause, NULL);
	}
}
