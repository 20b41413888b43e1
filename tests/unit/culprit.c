/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The pure parts of a look-up: what the kernel says of sockets and processes, which socket a packet can have come
 * from, and how it is said. */
#include "culprit/culprit.h"
#include "culprit/keep.h"

#include <arpa/inet.h>
#include <errno.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>

#include "culprit/socket.h"
#include "handmade.h"
#include "test.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define TCP	 6
#define UDP	 17

static char buffer[512] __attribute__((aligned(4)));

static struct nlmsghdr *message_new(uint8_t family, const char *local, const char *remote)
{
	struct inet_diag_msg body = {
		.idiag_family = family,
		.idiag_state = SOCKET_ESTABLISHED,
		.id = {.idiag_sport = htons(40000), .idiag_dport = htons(443)},
		.idiag_uid = 1000,
		.idiag_inode = 4711,
	};

	assert_int_equal(inet_pton(family, local, body.id.idiag_src), 1);
	assert_int_equal(inet_pton(family, remote, body.id.idiag_dst), 1);
	memset(buffer, 0, sizeof(buffer));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	memcpy(mnl_nlmsg_put_extra_header(message, sizeof(body)), &body, sizeof(body));
	mnl_attr_put_u8(message, INET_DIAG_SHUTDOWN, 3);
	mnl_attr_put_u64(message, INET_DIAG_CGROUP_ID, 0x100000123);
	return message;
}

static void diag_is_parsed(void **state)
{
	struct nlmsghdr *message = message_new(AF_INET, "10.0.0.5", "203.0.113.9");
	struct pf_address local = handmade_address("10.0.0.5"),
			  remote = handmade_address("203.0.113.9");
	struct socket_facts facts;

	assert_int_equal(socket_diag_parse(message, message->nlmsg_len, &facts), 0);
	assert_true(pf_address_equal(&facts.local, &local));
	assert_true(pf_address_equal(&facts.remote, &remote));
	assert_int_equal(facts.local_port, 40000);
	assert_int_equal(facts.remote_port, 443);
	assert_int_equal(facts.state, SOCKET_ESTABLISHED);
	assert_int_equal(facts.uid, 1000);
	assert_int_equal(facts.inode, 4711);
	assert_true(facts.has_cgroup && facts.cgroup == 0x100000123);
	assert_false(facts.is_v6);
	for (size_t cut = 0; cut < message->nlmsg_len; cut++)
		assert_int_equal(socket_diag_parse(message, cut, &facts), SOCKET_E_MALFORMED);
	message->nlmsg_type = NLMSG_DONE;
	assert_int_equal(socket_diag_parse(message, message->nlmsg_len, &facts), SOCKET_E_OTHER);
}

static void mapped_is_v4(void **state)
{
	struct nlmsghdr *message = message_new(AF_INET6, "::ffff:10.0.0.5", "::ffff:203.0.113.9");
	struct pf_address local = handmade_address("10.0.0.5");
	struct socket_facts facts;

	assert_int_equal(socket_diag_parse(message, message->nlmsg_len, &facts), 0);
	assert_true(pf_address_equal(&facts.local, &local));
	assert_true(facts.is_v6);
	message = message_new(AF_INET6, "::", "::");
	assert_int_equal(socket_diag_parse(message, message->nlmsg_len, &facts), 0);
	assert_int_equal(facts.local.family, 0);
	assert_int_equal(facts.remote.family, 0);
}

static void attributes_that_lie_are_refused(void **state)
{
	struct nlmsghdr *message = message_new(AF_INET, "10.0.0.5", "203.0.113.9");
	struct nlattr *attribute = (struct nlattr *)(buffer + message->nlmsg_len - 12);
	struct socket_facts facts;

	assert_int_equal(attribute->nla_type, INET_DIAG_CGROUP_ID);
	static const uint16_t lengths[] = {0, 3, 8, 13, 65535};
	for (size_t i = 0; i < N(lengths); i++) {
		attribute->nla_len = lengths[i];
		assert_int_equal(socket_diag_parse(message, message->nlmsg_len, &facts),
				 SOCKET_E_MALFORMED);
	}
}

static struct nlmsghdr *packet_message_new(void)
{
	const struct packet_diag_msg body = {
		.pdiag_family = AF_PACKET,
		.pdiag_type = SOCK_RAW,
		.pdiag_ino = 4712,
	};
	const struct packet_diag_info info = {.pdi_index = 7};

	memset(buffer, 0, sizeof(buffer));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	memcpy(mnl_nlmsg_put_extra_header(message, sizeof(body)), &body, sizeof(body));
	mnl_attr_put(message, PACKET_DIAG_INFO, sizeof(info), &info);
	mnl_attr_put_u32(message, PACKET_DIAG_UID, 1000);
	return message;
}

static void packet_sockets_are_parsed(void **state)
{
	struct nlmsghdr *message = packet_message_new();
	struct nlattr *user = (struct nlattr *)(buffer + message->nlmsg_len - 8);
	struct socket_facts facts;

	assert_int_equal(socket_packet_parse(message, message->nlmsg_len, &facts), 0);
	assert_int_equal(facts.inode, 4712);
	assert_int_equal(facts.uid, 1000);
	assert_false(facts.has_cgroup);
	for (size_t cut = 0; cut < message->nlmsg_len; cut++)
		assert_int_equal(socket_packet_parse(message, cut, &facts), SOCKET_E_MALFORMED);
	assert_int_equal(user->nla_type, PACKET_DIAG_UID);
	static const uint16_t lengths[] = {0, 3, 7, 9, 65535};
	for (size_t i = 0; i < N(lengths); i++) {
		user->nla_len = lengths[i];
		assert_int_equal(socket_packet_parse(message, message->nlmsg_len, &facts),
				 SOCKET_E_MALFORMED);
	}
}

static void either_parser_refuses_the_other(void **state)
{
	struct nlmsghdr *message = packet_message_new();
	struct socket_facts facts;

	assert_int_equal(socket_diag_parse(message, message->nlmsg_len, &facts),
			 SOCKET_E_MALFORMED); /* it is shorter */
	message = message_new(AF_INET, "10.0.0.5", "203.0.113.9");
	assert_int_equal(socket_packet_parse(message, message->nlmsg_len, &facts), SOCKET_E_OTHER);
	message->nlmsg_type = NLMSG_DONE;
	assert_int_equal(socket_packet_parse(message, message->nlmsg_len, &facts), SOCKET_E_OTHER);
}

static void lines_are_parsed(void **state)
{
	struct pf_address local = handmade_address("127.0.0.1"),
			  local6 = handmade_address("fd00::5");
	char line[256];
	struct socket_facts facts;

	assert_int_equal(
		socket_line_parse(
			"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
			"retrnsmt   uid  timeout inode ref pointer drops",
			&facts),
		SOCKET_E_OTHER);
	assert_int_equal(socket_line_parse("", &facts), SOCKET_E_OTHER);
	snprintf(line, sizeof(line),
		 " 1234: %08X:002A 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000   "
		 "  "
		 "   0 98765 2 0000000000000000 0",
		 htonl(0x7f000001) == 0x7f000001 ? 0x7f000001 : 0x0100007f);
	assert_int_equal(socket_line_parse(line, &facts), 0);
	assert_true(pf_address_equal(&facts.local, &local));
	assert_int_equal(facts.remote.family, 0);
	assert_int_equal(facts.local_port, 42);
	assert_int_equal(facts.state, SOCKET_CLOSE);
	assert_int_equal(facts.uid, 1000);
	assert_int_equal(facts.inode, 98765);
	assert_false(facts.has_cgroup);

	uint32_t words[4];
	memcpy(words, local6.bytes, sizeof(words));
	snprintf(line, sizeof(line),
		 "   58: %08X%08X%08X%08X:003A 00000000000000000000000000000000:0000 07 "
		 "00000000:00000000 00:00000000 00000000     0        0 17 2 0000000000000000 0",
		 words[0], words[1], words[2], words[3]);
	assert_int_equal(socket_line_parse(line, &facts), 0);
	assert_true(pf_address_equal(&facts.local, &local6));
	assert_int_equal(facts.local_port, 58);
	assert_int_equal(facts.inode, 17);
}

/* A socket in short: local, remote, ports, state; "" is any. */
struct shape {
	const char *local;
	uint16_t local_port;
	const char *remote;
	uint16_t remote_port;
	uint8_t state;
	bool is_v6;
};

static struct socket_facts socket_make(const struct shape *shape)
{
	struct socket_facts facts = {
		.local_port = shape->local_port,
		.remote_port = shape->remote_port,
		.state = shape->state,
		.is_v6 = shape->is_v6,
	};

	if (shape->local[0])
		facts.local = handmade_address(shape->local);
	if (shape->remote[0])
		facts.remote = handmade_address(shape->remote);
	return facts;
}

#define POD "10.0.0.5"
#define OUT "203.0.113.9"

static const struct {
	const char *name;
	uint8_t protocol;
	struct shape shape;
	enum socket_match match;
} matches[] = {
	{"both ends", TCP, {POD, 40000, OUT, 443, 2}, SOCKET_MATCH_EXACT},
	{"another destination, before it was translated",
	 TCP,
	 {POD, 40000, "10.96.0.10", 80, 1},
	 SOCKET_MATCH_PORT},
	{"no destination", TCP, {POD, 40000, "", 0, 7}, SOCKET_MATCH_NONE},
	{"a listener of the port", TCP, {"", 40000, "", 0, SOCKET_LISTEN}, SOCKET_MATCH_NONE},
	{"connected datagrams", UDP, {POD, 40000, OUT, 443, 1}, SOCKET_MATCH_EXACT},
	{"unconnected", UDP, {"", 40000, "", 0, 7}, SOCKET_MATCH_PORT},
	{"unconnected, of both families", UDP, {"", 40000, "", 0, 7, true}, SOCKET_MATCH_PORT},
	{"unconnected, IPv6 alone", UDP, {"fd00::5", 40000, "", 0, 7, true}, SOCKET_MATCH_NONE},
	{"connected to somebody else", UDP, {POD, 40000, OUT, 53, 1}, SOCKET_MATCH_PORT},
	{"another address of the host", UDP, {"10.0.0.6", 40000, "", 0, 7}, SOCKET_MATCH_NONE},
	{"another port", UDP, {"", 40001, "", 0, 7}, SOCKET_MATCH_NONE},
};

static struct wanted_socket wanted_make(uint8_t protocol)
{
	return (struct wanted_socket){
		.protocol = protocol,
		.local = handmade_address(POD),
		.remote = handmade_address(OUT),
		.local_port = 40000,
		.remote_port = 443,
	};
}

static void sockets_match(void **state)
{
	for (size_t i = 0; i < N(matches); i++) {
		struct wanted_socket wanted = wanted_make(matches[i].protocol);
		struct socket_facts facts = socket_make(&matches[i].shape);
		print_message("# %s\n", matches[i].name);
		assert_int_equal(socket_match(&wanted, &facts), matches[i].match);
		wanted.has_uid = true;
		wanted.uid = facts.uid + 1;
		assert_int_equal(socket_match(&wanted, &facts), SOCKET_MATCH_NONE);
	}
	struct wanted_socket wanted = wanted_make(UDP);
	const struct shape any = {"", 40000, "", 0, 7};
	struct socket_facts facts = socket_make(&any);
	wanted.local = handmade_address("fd00::5");
	assert_int_equal(socket_match(&wanted, &facts), SOCKET_MATCH_NONE);
}

static void the_best_are_chosen(void **state)
{
	static const struct shape shapes[] = {
		{"", 40000, "", 0, 7},
		{"10.0.0.6", 40000, "", 0, 7},
		{POD, 40000, OUT, 443, 1},
		{"", 40000, "", 0, 7},
	};
	struct wanted_socket wanted = wanted_make(UDP);
	struct socket_facts sockets[N(shapes)];
	enum socket_match match;

	for (size_t i = 0; i < N(shapes); i++) {
		sockets[i] = socket_make(&shapes[i]);
		sockets[i].inode = i + 1;
	}
	assert_int_equal(sockets_choose(&wanted, sockets, N(shapes), &match), 1);
	assert_int_equal(match, SOCKET_MATCH_EXACT);
	assert_int_equal(sockets[0].inode, 3);
	wanted.remote_port =
		444; /* nobody is connected there: all three that are bound to the port may */
	assert_int_equal(sockets_choose(&wanted, sockets, N(shapes), &match), 3);
	assert_int_equal(match, SOCKET_MATCH_PORT);
	wanted.local_port = 1;
	assert_int_equal(sockets_choose(&wanted, sockets, N(shapes), &match), 0);
	assert_int_equal(match, SOCKET_MATCH_NONE);
	assert_int_equal(sockets_choose(&wanted, sockets, 0, &match), 0);
}

static const struct {
	const char *text;
	int result;
	const char *name;
	pid_t parent;
	uint64_t ticks;
} stats[] = {
	{"17 (curl) S 4 17 17 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 112233 9 9\n", 0, "curl", 4,
	 112233},
	{"17 (a) (b c) S 4) S 9 17 17 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 5 9\n", 0,
	 "a) (b c) S 4", 9, 5},
	{"17 () R 0 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0\n", 0, "", 0, 1},
	{"17 (curl) S 4 17 17", -EINVAL, "", 0, 0},
	{"17 (curl", -EINVAL, "", 0, 0},
	{"17 (curl) S -4 17 17 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 112233 9\n", -EINVAL, "", 0,
	 0},
	{"17 (curl) S 4 17 17 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 99999999999999999999 9\n",
	 -EINVAL, "", 0, 0},
	{"", -EINVAL, "", 0, 0},
};

static void stats_are_parsed(void **state)
{
	static struct process_facts facts;

	for (size_t i = 0; i < N(stats); i++) {
		facts = (struct process_facts){};
		print_message("# %s\n", stats[i].text);
		assert_int_equal(process_stat_parse(stats[i].text, strlen(stats[i].text), &facts),
				 stats[i].result);
		assert_string_equal(facts.name, stats[i].name);
		assert_int_equal(facts.parent, stats[i].parent);
		assert_int_equal(facts.start_ticks, stats[i].ticks);
		assert_int_equal(facts.has_start, !stats[i].result);
	}
}

/* Fields 3 to 52 as the kernel writes them; those that are asked for have their own number. */
static void images_are_told_apart(void **state)
{
	static const char rest[] =
		"S 4 17 17 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 112233 23 24 25 26 27 28 29 30 "
		"31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52\n";
	struct process_image image, none = {};
	char text[512];

	snprintf(text, sizeof(text), "17 (a) (b) %s", rest);
	process_image_parse(text, strlen(text), &image);
	assert_int_equal(image.start_ticks, 112233);
	assert_int_equal(image.parent, 4);
	assert_int_equal(image.stack, 28);
	assert_int_equal(image.arguments_begin, 48);
	assert_int_equal(image.arguments_end, 49);
	assert_string_equal(image.name, "a) (b");
	size_t needed = (size_t)(strstr(text, "49") - text) + 2;
	for (size_t n = 0; n < needed - 1; n++) { /* cut, so nothing is known */
		process_image_parse(text, n, &image);
		assert_memory_equal(&image, &none, sizeof(image));
	}
	snprintf(text, sizeof(text), "17 (a) %s", rest);
	memcpy(strstr(text, " 28 "), " 00 ", 4); /* of a process we may not look into */
	process_image_parse(text, strlen(text), &image);
	assert_memory_equal(&image, &none, sizeof(image));
}

static void users_are_parsed(void **state)
{
	static const char good[] =
		"Name:\tUid:\t7\nUmask:\t0022\nUid:\t1000\t1001\t1002\t1003\nGid:\t1\n";
	static const char *const bad[] = {"", "Name:\tx\n", "Name:\tx\nUid:\t1000",
					  "Name:\tx\nUid:\t1\t", "Name:\tx\nUid:\t1\t4294967296\t"};
	static struct process_facts facts;

	assert_int_equal(process_status_parse(good, strlen(good), &facts), 0);
	assert_true(facts.has_user);
	assert_int_equal(facts.user, 1001);
	for (size_t i = 0; i < N(bad); i++)
		assert_int_equal(process_status_parse(bad[i], strlen(bad[i]), &facts), -EINVAL);
}

static void arguments_are_cut(void **state)
{
	static const char text[] = "curl\0-H\0Authorization: secret\0https://example.org/";
	static struct process_facts facts;

	process_arguments_parse(text, sizeof(text), 1024, &facts);
	assert_int_equal(facts.n_arguments, 4);
	assert_int_equal(facts.arguments_length, sizeof(text));
	assert_memory_equal(facts.arguments, text, sizeof(text));
	assert_false(facts.are_arguments_cut);
	process_arguments_parse(text, sizeof(text), 16, &facts);
	assert_true(facts.are_arguments_cut);
	assert_int_equal(facts.arguments_length, 16);
	assert_memory_equal(facts.arguments, "curl\0-H\0Auth...", 16);
	process_arguments_parse(text, sizeof(text), 0, &facts);
	assert_int_equal(facts.arguments_length, 0);
	assert_int_equal(facts.n_arguments, 0);
	/* Without a last NUL, as a process can make it. */
	process_arguments_parse("abcd", 4, 1024, &facts);
	assert_int_equal(facts.n_arguments, 1);
	assert_string_equal(facts.arguments, "abcd");
	process_arguments_parse("abcd", 4, 4, &facts);
	assert_int_equal(facts.n_arguments, 1);
	assert_string_equal(facts.arguments, "abc");
	static char full[PROCESS_ARGUMENTS_MAX + 1];
	memset(full, 'x', sizeof(full));
	process_arguments_parse(full, sizeof(full), SIZE_MAX, &facts);
	assert_int_equal(facts.arguments_length, PROCESS_ARGUMENTS_MAX);
	assert_int_equal(facts.n_arguments, 1);
}

static void links_are_parsed(void **state)
{
	static const struct {
		const char *target;
		uint64_t inode;
	} links[] = {
		{"socket:[4711]", 4711},   {"socket:[4711", 0}, {"socket:[4711]x", 0},
		{"socket:[]", 0},	   {"socket:[-1]", 0},	{"pipe:[4711]", 0},
		{"/tmp/socket:[4711]", 0}, {"socket:[", 0},	{"", 0},
	};

	for (size_t i = 0; i < N(links); i++)
		assert_int_equal(process_socket_inode(links[i].target, strlen(links[i].target)),
				 links[i].inode);
}

#define ID "5f1b3c9f0c8a4d2e9b7a6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f"

static void containers_are_found(void **state)
{
	struct cgroup_name name;

	culprit_container("kubepods.slice/kubepods-pod12.slice/cri-containerd-" ID ".scope/inner",
			  &name);
	assert_int_equal(name.kind, CGROUP_CONTAINER);
	assert_string_equal(name.container_id, ID);
	assert_string_equal(name.runtime, "containerd");
	culprit_container("system.slice/sshd.service", &name);
	assert_int_equal(name.kind, CGROUP_OTHER);
	assert_string_equal(name.runtime, "");
	culprit_container("", &name);
	assert_int_equal(name.kind, CGROUP_OTHER);
}

static const struct {
	const char *text;
	struct culprit culprit;
} attributions[] = {
	{"exact", {.socket = CULPRIT_SOCKET_EXACT, .holder = CULPRIT_HOLDER_SOLE}},
	{"by-port", {.socket = CULPRIT_SOCKET_BY_PORT, .holder = CULPRIT_HOLDER_SOLE}},
	{"by-protocol", {.socket = CULPRIT_SOCKET_BY_PROTOCOL, .holder = CULPRIT_HOLDER_SOLE}},
	{"exact (others may have the socket open too)",
	 {.socket = CULPRIT_SOCKET_EXACT, .holder = CULPRIT_HOLDER_FIRST}},
	{"exact (several processes have the socket open)",
	 {.socket = CULPRIT_SOCKET_EXACT, .holder = CULPRIT_HOLDER_SHARED}},
	{"by-port (the socket was made in another cgroup)",
	 {.socket = CULPRIT_SOCKET_BY_PORT, .holder = CULPRIT_HOLDER_SOLE, .is_inherited = true}},
	{"exact (the process does not belong to the endpoint)",
	 {.socket = CULPRIT_SOCKET_EXACT, .holder = CULPRIT_HOLDER_SOLE, .is_outside = true}},
	{"none: it is late", {.socket = CULPRIT_SOCKET_GONE, .why = "it is late"}},
	{"by-uid: it is late",
	 {.socket = CULPRIT_SOCKET_GONE, .why = "it is late", .has_user = true}},
};

static void it_is_said_how_sure(void **state)
{
	char text[CULPRIT_TEXT_MAX];

	for (size_t i = 0; i < N(attributions); i++)
		assert_string_equal(culprit_attribution(&attributions[i].culprit, text),
				    attributions[i].text);
}

static void only_what_is_common_is_said(void **state)
{
	static struct process_facts a = {.pid = 5, .parent = 1, .has_user = true, .user = 7};
	static struct process_facts b = {.pid = 6, .parent = 1, .has_user = true, .user = 7};

	strcpy(a.name, "nginx");
	strcpy(b.name, "nginx");
	strcpy(a.executable, "/usr/sbin/nginx");
	strcpy(b.executable, "/usr/sbin/nginx");
	strcpy(a.parent_name, "init");
	process_arguments_parse("nginx: master", 14, 100, &a);
	process_arguments_parse("nginx: worker", 14, 100, &b);
	culprit_common(&a, &b);
	assert_int_equal(a.pid, 0);
	assert_string_equal(a.name, "nginx");
	assert_string_equal(a.executable, "/usr/sbin/nginx");
	assert_int_equal(a.arguments_length, 0);
	assert_int_equal(a.parent, 1);
	assert_true(a.has_user);
	b.parent = 5;
	b.user = 8;
	strcpy(b.executable, "/bin/sh");
	culprit_common(&a, &b);
	assert_int_equal(a.parent, 0);
	assert_string_equal(a.parent_name, "");
	assert_string_equal(a.executable, "");
	assert_false(a.has_user);
}

static struct culprit answer(pid_t pid, const char *argument)
{
	struct culprit culprit = {.socket = CULPRIT_SOCKET_EXACT,
				  .holder = CULPRIT_HOLDER_SOLE,
				  .why = "",
				  .container = {.runtime = ""},
				  .process = {.pid = pid, .has_start = true, .start_usec = 7}};

	process_arguments_parse(argument, strlen(argument) + 1, 100, &culprit.process);
	return culprit;
}

static void answers_are_kept_once(void **state)
{
	static struct culprit a, b;
	struct culprit_store *store;

	assert_int_equal(culprit_store_new(&store), 0);
	a = answer(17, "curl");
	b = answer(17, "curl");
	memset(b.process.arguments + 5, 'x', 9); /* behind the end */
	const struct culprit *kept = culprit_store_take(store, &a);
	assert_ptr_not_equal(kept, &a);
	assert_true(culprit_equal(kept, &a));
	assert_string_equal(kept->process.arguments, "curl");
	assert_ptr_equal(culprit_store_take(store, &b), kept);
	assert_int_equal(culprit_store_count(store), 1);
	b = answer(17, "wget");
	const struct culprit *other = culprit_store_take(store, &b);
	assert_ptr_not_equal(other, kept);
	b = answer(17, "curl");
	b.peer = handmade_address("10.96.0.10");
	assert_false(culprit_equal(&a, &b));
	culprit_store_give_back(store, kept);
	assert_int_equal(culprit_store_count(store), 2);
	culprit_store_give_back(store, kept);
	assert_int_equal(culprit_store_count(store), 1);
	culprit_store_give_back(store, other);
	assert_int_equal(culprit_store_count(store), 0);
	for (int i = 0; i < CULPRITS_KEPT_MAX; i++) {
		a = answer(i + 1, "curl");
		assert_non_null(culprit_store_take(store, &a));
	}
	a = answer(CULPRITS_KEPT_MAX + 1, "curl");
	assert_null(culprit_store_take(store, &a));
	a = answer(CULPRITS_KEPT_MAX, "curl");
	assert_non_null(culprit_store_take(store, &a));
	culprit_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(diag_is_parsed),
		cmocka_unit_test(mapped_is_v4),
		cmocka_unit_test(attributes_that_lie_are_refused),
		cmocka_unit_test(packet_sockets_are_parsed),
		cmocka_unit_test(either_parser_refuses_the_other),
		cmocka_unit_test(lines_are_parsed),
		cmocka_unit_test(sockets_match),
		cmocka_unit_test(the_best_are_chosen),
		cmocka_unit_test(stats_are_parsed),
		cmocka_unit_test(images_are_told_apart),
		cmocka_unit_test(users_are_parsed),
		cmocka_unit_test(arguments_are_cut),
		cmocka_unit_test(links_are_parsed),
		cmocka_unit_test(containers_are_found),
		cmocka_unit_test(it_is_said_how_sure),
		cmocka_unit_test(only_what_is_common_is_said),
		cmocka_unit_test(answers_are_kept_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
