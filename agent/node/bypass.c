/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "node/bypass.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <libnftnl/flowtable.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "base/file.h"

#define BUFFER_SIZE 32768
#define IPVS_MAX    (4u << 20) /* bytes of its file that are looked at */

static struct bypass *add(struct bypass_list *list)
{
	struct bypass *more = reallocarray(list->items, list->n_items + 1, sizeof(*more));

	if (!more)
		return NULL;
	list->items = more;
	more[list->n_items] = (struct bypass){};
	return &more[list->n_items++];
}

void bypass_list_done(struct bypass_list *list)
{
	free(list->items);
	*list = (struct bypass_list){};
}

/* A dump with its own socket: this is asked once in a while. */
static int dump(int bus, struct nlmsghdr *request, mnl_cb_t take, void *userdata)
{
	char buffer[BUFFER_SIZE];
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int r = -1;

	if (!socket)
		return -errno;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = 1;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(socket, request, request->nlmsg_len) >= 0)
		r = MNL_CB_OK;
	unsigned port = mnl_socket_get_portid(socket);
	while (r == MNL_CB_OK) {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		r = n < 0 ? -1 : mnl_cb_run(buffer, (size_t)n, 1, port, take, userdata);
	}
	r = r < 0 ? -errno : 0;
	mnl_socket_close(socket);
	return r;
}

static int take_flowtable(const struct nlmsghdr *message, void *userdata)
{
	struct bypass_list *list = userdata;
	struct nftnl_flowtable *flowtable = nftnl_flowtable_alloc();

	if (!flowtable)
		return MNL_CB_ERROR;
	int r = nftnl_flowtable_nlmsg_parse(message, flowtable);
	const char *const *devices =
		r < 0 ? NULL : nftnl_flowtable_get_array(flowtable, NFTNL_FLOWTABLE_DEVICES);
	for (size_t i = 0; devices && devices[i]; i++) {
		struct bypass *found = add(list);
		if (!found) {
			r = -1;
			break;
		}
		found->kind = BYPASS_FLOWTABLE;
		snprintf(found->link, sizeof(found->link), "%s", devices[i]);
		snprintf(found->name, sizeof(found->name), "%s/%s",
			 nftnl_flowtable_get_str(flowtable, NFTNL_FLOWTABLE_TABLE),
			 nftnl_flowtable_get_str(flowtable, NFTNL_FLOWTABLE_NAME));
	}
	nftnl_flowtable_free(flowtable);
	return r < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int read_flowtables(struct bypass_list *list)
{
	char buffer[MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg)] = {};
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	request->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETFLOWTABLE;
	body->nfgen_family = NFPROTO_UNSPEC;
	int r = dump(NETLINK_NETFILTER, request, take_flowtable, list);
	return r == -EOPNOTSUPP || r == -EINVAL || r == -ENOENT ? 0 : r;
}

/* Links with a place for programs. */
struct hooked {
	int *links;
	size_t n_links;
};

static int take_qdisc(const struct nlmsghdr *message, void *userdata)
{
	const struct tcmsg *body = mnl_nlmsg_get_payload(message);
	struct hooked *hooked = userdata;
	const struct nlattr *attribute;
	const char *kind = "";

	mnl_attr_for_each(attribute, message,
			  sizeof(*body)) if (mnl_attr_get_type(attribute) == TCA_KIND &&
					     mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
		kind = mnl_attr_get_str(attribute);
	if (strcmp(kind, "clsact") != 0 && strcmp(kind, "ingress") != 0)
		return MNL_CB_OK;
	int *more = reallocarray(hooked->links, hooked->n_links + 1, sizeof(*more));
	if (!more)
		return MNL_CB_ERROR;
	hooked->links = more;
	more[hooked->n_links++] = body->tcm_ifindex;
	return MNL_CB_OK;
}

struct program {
	struct bypass_list *list;
	const char *link;
};

static int take_filter(const struct nlmsghdr *message, void *userdata)
{
	const struct program *program = userdata;
	const struct nlattr *attribute, *options = NULL, *nested;
	const char *kind = "", *name = "";

	mnl_attr_for_each(attribute, message, sizeof(struct tcmsg))
	{
		if (mnl_attr_get_type(attribute) == TCA_KIND &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
			kind = mnl_attr_get_str(attribute);
		else if (mnl_attr_get_type(attribute) == TCA_OPTIONS)
			options = attribute;
	}
	if (strcmp(kind, "bpf") != 0 || !options) /* a chain without a filter has no options */
		return MNL_CB_OK;
	mnl_attr_for_each_nested(nested,
				 options) if (mnl_attr_get_type(nested) == TCA_BPF_NAME &&
					      mnl_attr_validate(nested, MNL_TYPE_NUL_STRING) == 0)
		name = mnl_attr_get_str(nested);
	struct bypass *found = add(program->list);
	if (!found)
		return MNL_CB_ERROR;
	found->kind = BYPASS_BPF;
	snprintf(found->link, sizeof(found->link), "%s", program->link);
	snprintf(found->name, sizeof(found->name), "%s", name);
	return MNL_CB_OK;
}

static struct nlmsghdr *tc_request(char *buffer, uint16_t type, int link, uint32_t parent)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	request->nlmsg_type = type;
	body->tcm_family = AF_UNSPEC;
	body->tcm_ifindex = link;
	body->tcm_parent = parent;
	return request;
}

static int read_programs(struct bypass_list *list)
{
	char buffer[MNL_NLMSG_HDRLEN + sizeof(struct tcmsg)] = {}, name[IF_NAMESIZE];
	struct hooked hooked = {};
	int r = dump(NETLINK_ROUTE, tc_request(buffer, RTM_GETQDISC, 0, 0), take_qdisc, &hooked);

	for (size_t i = 0; r == 0 && i < hooked.n_links; i++) {
		const struct program program = {list, name};
		if (!if_indextoname((unsigned)hooked.links[i], name))
			continue; /* it is gone */
		memset(buffer, 0, sizeof(buffer));
		r = dump(NETLINK_ROUTE,
			 tc_request(buffer, RTM_GETTFILTER, hooked.links[i],
				    TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)),
			 take_filter, (void *)(uintptr_t)&program);
		if (r == -ENODEV || r == -EINVAL)
			r = 0;
	}
	free(hooked.links);
	return r == -EOPNOTSUPP ? 0 : r;
}

/* "CB007109:01BB" or "[2001:0db8:0000:...]:01BB" */
static bool parse_server(const char *text, struct pf_address *address, unsigned *port)
{
	unsigned long value;
	char *end;

	if (text[0] != '[') {
		value = strtoul(text, &end, 16);
		if (end != text + 8 || *end != ':')
			return false;
		*address = (struct pf_address){.family = AF_INET};
		for (size_t i = 0; i < 4; i++)
			address->bytes[i] = (uint8_t)(value >> (24 - 8 * i));
	} else {
		char six[PF_ADDRESS_TEXT];
		const char *close = strchr(text, ']');
		if (!close || close[1] != ':' || (size_t)(close - text) > sizeof(six))
			return false;
		snprintf(six, sizeof(six), "%.*s", (int)(close - text - 1), text + 1);
		if (pf_address_parse(six, address) != 0)
			return false;
		end = (char *)(uintptr_t)close + 1;
	}
	value = strtoul(end + 1, &end, 16);
	*port = (unsigned)value;
	return value <= 65535 && (*end == ' ' || *end == '\n' || !*end);
}

/* "TCP  0A600001:01BB rr", "FWM  00000005 rr" */
static void parse_service(const char *line, char *name, size_t size)
{
	char protocol[5], where[64], text[PF_ADDRESS_TEXT];
	struct pf_address address;
	unsigned port;

	if (sscanf(line, "%4s %63s", protocol, where) != 2)
		return;
	if (!parse_server(where, &address, &port))
		snprintf(name, size, "%s %s", protocol, where);
	else
		snprintf(name, size, "%s %s port %u", protocol, pf_address_format(&address, text),
			 port);
}

int bypass_parse_ipvs(const char *text, struct bypass_list *list)
{
	char service[128] = "";

	for (const char *line = text; line && *line;) {
		const char *next = strchr(line, '\n');
		struct pf_address server;
		unsigned port;
		if (!strncmp(line, "TCP ", 4) || !strncmp(line, "UDP ", 4) ||
		    !strncmp(line, "SCTP", 4) || !strncmp(line, "FWM ", 4)) {
			parse_service(line, service, sizeof(service));
		} else if (!strncmp(line, "  -> ", 5) && parse_server(line + 5, &server, &port)) {
			struct bypass *found = add(list);
			if (!found)
				return -ENOMEM;
			found->kind = BYPASS_IPVS;
			found->server = server;
			memcpy(found->name, service, sizeof(found->name));
		}
		line = next ? next + 1 : NULL;
	}
	return 0;
}

static int read_ipvs(struct bypass_list *list)
{
	size_t length;
	char *text;
	int r = file_read("/proc/thread-self/net/ip_vs", IPVS_MAX, &text, &length);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = bypass_parse_ipvs(text, list);
	free(text);
	return r;
}

int bypass_read(struct bypass_list *list)
{
	int r = read_flowtables(list);

	if (r == 0)
		r = read_programs(list);
	return r < 0 ? r : read_ipvs(list);
}
