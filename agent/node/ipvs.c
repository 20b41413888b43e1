/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	IP Virtual Server version 1.2.1 (size=4096)
 *	Prot LocalAddress:Port Scheduler Flags
 *	  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
 *	TCP  0A600001:01BB rr
 *	  -> CB007109:01BB      Masq    1      0          0
 *	UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 rr
 *	FWM  00000001 wlc
 *
 * Numbers are hexadecimal, addresses as they would be written from left to right. */
#include "node/ipvs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define LINE_MAX_LENGTH 160
#define IPVS_MAX	(64u << 20)

static bool read_hex(const char **text, unsigned n_digits, uint32_t *ret_value)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < n_digits; i++, ++*text) {
		static const char digits[] = "0123456789ABCDEF";
		const char *digit = **text ? strchr(digits, **text) : NULL;
		if (!digit)
			return false;
		value = value << 4 | (uint32_t)(digit - digits);
	}
	*ret_value = value;
	return true;
}

static bool read_address(const char **text, struct pf_address *address)
{
	char inner[INET6_ADDRSTRLEN];
	uint32_t four;

	*address = (struct pf_address){.family = AF_INET};
	if (**text != '[') {
		if (!read_hex(text, 8, &four))
			return false;
		four = htonl(four);
		memcpy(address->bytes, &four, sizeof(four));
		return true;
	}
	const char *end = strchr(*text, ']');
	size_t n = end ? (size_t)(end - *text - 1) : sizeof(inner);
	if (n >= sizeof(inner))
		return false;
	memcpy(inner, *text + 1, n);
	inner[n] = '\0';
	*text = end + 1;
	address->family = AF_INET6;
	return inet_pton(AF_INET6, inner, address->bytes) == 1;
}

/* "0A600001:01BB", and a blank or the end behind it. */
static bool read_place(const char *text, struct pf_address *ret_address, uint16_t *ret_port)
{
	struct pf_address address;
	uint32_t port;

	if (!read_address(&text, &address) || *text++ != ':' || !read_hex(&text, 4, &port) ||
	    (*text && *text != ' '))
		return false;
	*ret_address = address;
	*ret_port = (uint16_t)port;
	return true;
}

/* True where the line begins a service. */
static bool read_service(const char *line, struct ipvs_server *server)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} protocols[] = {{"TCP  ", IPPROTO_TCP}, {"UDP  ", IPPROTO_UDP}, {"SCTP ", IPPROTO_SCTP}};

	if (!strncmp(line, "FWM  ", 5)) {
		*server = (struct ipvs_server){};
		return true;
	}
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		struct ipvs_server found = {.protocol = protocols[i].protocol};
		if (strncmp(line, protocols[i].name, 5) != 0 ||
		    !read_place(line + 5, &found.service, &found.service_port))
			continue;
		*server = found;
		return true;
	}
	return false;
}

int ipvs_parse(const char *text, size_t length, ipvs_fn fn, void *userdata)
{
	struct ipvs_server server = {};
	const char *end = text + length;

	for (const char *next; text < end; text = next) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		char line[LINE_MAX_LENGTH];
		size_t n = (size_t)((stop ? stop : end) - text);
		next = stop ? stop + 1 : end;
		if (n >= sizeof(line) || memchr(text, '\0', n))
			continue;
		memcpy(line, text, n);
		line[n] = '\0';
		if (strncmp(line, "  -> ", 5) != 0) {
			(void)read_service(line, &server);
			continue;
		}
		if (!read_place(line + 5, &server.address, &server.port))
			continue;
		int r = fn(&server, userdata);
		if (r)
			return r;
	}
	return 0;
}

int ipvs_read(char **ret_text, size_t *ret_length)
{
	int r = file_read(IPVS_PATH, IPVS_MAX, ret_text, ret_length);

	if (r != -ENOENT)
		return r;
	*ret_text = calloc(1, 1);
	*ret_length = 0;
	return *ret_text ? 0 : -ENOMEM;
}
