/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

/* Where an IPVS service of this network namespace leads to. */
struct ipvs_server {
	uint8_t protocol;	   /* IPPROTO_TCP, _UDP, _SCTP; 0: a service of a firewall mark */
	struct pf_address service; /* family 0: of a firewall mark */
	uint16_t service_port;
	struct pf_address address;
	uint16_t port;
};

/* Not 0: enough, which ipvs_parse() returns. */
typedef int (*ipvs_fn)(const struct ipvs_server *server, void *userdata);

#define IPVS_PATH "/proc/self/net/ip_vs"

/* The text that is parsed, with a NUL behind it, to be freed: of the caller's network namespace; empty where the kernel
 * has no IPVS. */
PF_MUST_CHECK int ipvs_read(char **ret_text, size_t *ret_length);

/* Each server of the text of /proc/net/ip_vs (ip_vs_info_seq_show() of the kernel's ip_vs_ctl.c). What is no
 * line of it is passed over. Pure. */
int ipvs_parse(const char *text, size_t length, ipvs_fn fn, void *userdata);
