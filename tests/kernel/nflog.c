/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A bound NFLOG group against the kernel: what a dropped packet looks like, and that the books
 * balance: what the rule counted was handed out or is known to be lost, whatever happens to the
 * queue meanwhile. Packets are sent in this namespace and dropped at OUTPUT, so everything the
 * kernel does with them is done when sendto() returns, and nothing here waits. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>

#include <podfence/nflog.h>
#include <podfence/nft.h>
#include <podfence/packet.h>

#include "namespace.h"
#include "test.h"

#define GROUP	    1789
#define BURST	    20000
#define USER	    1001
#define OTHER_GROUP 1002

#define NEVER 360000 /* centiseconds */

static const struct pf_nflog_options prompt = {
	.group = GROUP,
	.copy_bytes = 256,
	.kernel_buffer = 128u << 10,
	.queue_threshold = 1,
	.flush_centiseconds = NEVER,
	.socket_buffer = 16u << 20,
};

static const char ruleset[] = "table inet podfence {\n"
			      "	counter denied { }\n"
			      "	chain output {\n"
			      "		type filter hook output priority 0\n"
			      "		ip daddr 203.0.113.0/24 counter name denied"
			      " log prefix \"podfence:deny\" group 1789 snaplen 128 drop\n"
			      "		ip6 daddr 2001:db8:ffff::/48 counter name denied"
			      " log prefix \"podfence:deny\" group 1789 snaplen 128 drop\n"
			      "	}\n"
			      "}\n";

static struct pf_nft *nft;
static struct pf_nflog *bound; /* freed behind every test, or the next could not bind */

static int load_ruleset(void **state)
{
	return namespace_run("nft -f - <<'end'\n%send\n", ruleset) ? 0 : -1;
}

static int delete_ruleset(void **state)
{
	bound = pf_nflog_free(bound);
	return namespace_run("nft delete table inet podfence") ? 0 : -1;
}

static uint64_t counted(void)
{
	struct pf_counter_value *values;
	size_t n;

	assert_int_equal(pf_nft_counters(nft, "podfence", &values, &n), 0);
	assert_int_equal(n, 1);
	uint64_t packets = values[0].packets;
	free(values);
	return packets;
}

static struct pf_nflog *open_group(uint32_t queue_threshold, uint32_t socket_buffer)
{
	struct pf_nflog_options options = prompt;

	options.queue_threshold = queue_threshold;
	options.socket_buffer = socket_buffer;
	assert_int_equal(pf_nflog_open(&options, &bound), 0);
	return bound;
}

/* Both families; the first bytes of either are the same. */
union destination {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union destination destination_new(int family, uint16_t port)
{
	union destination destination = {};

	destination.any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		destination.v4.sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, "203.0.113.9", &destination.v4.sin_addr), 1);
	} else {
		destination.v6.sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, "2001:db8:ffff::9", &destination.v6.sin6_addr),
				 1);
	}
	return destination;
}

/* The credentials are those of the moment the socket is made. */
static int socket_of_user(int family, int type, int protocol)
{
	assert_int_equal(setegid(OTHER_GROUP), 0);
	assert_int_equal(seteuid(USER), 0);
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_true(fd >= 0);
	return fd;
}

static void send_to(int fd, const union destination *destination, const void *bytes, size_t length)
{
	socklen_t size = destination->any.sa_family == AF_INET ? sizeof(destination->v4)
							       : sizeof(destination->v6);

	/* A packet dropped at OUTPUT is refused to its sender. */
	assert_int_equal(sendto(fd, bytes, length, 0, &destination->any, size), -1);
	assert_int_equal(errno, EPERM);
}

static void send_udp(int family, size_t length, unsigned n)
{
	static const uint8_t zeros[1400];
	union destination destination = destination_new(family, 53);
	int fd = socket_of_user(family, SOCK_DGRAM, 0);
	uint32_t mark = 0x1789;

	assert_true(length <= sizeof(zeros));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	for (unsigned i = 0; i < n; i++)
		send_to(fd, &destination, zeros, length);
	close(fd);
}

static void send_syn(int family)
{
	union destination destination = destination_new(family, 443);
	int fd = socket_of_user(family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(
		connect(fd, &destination.any,
			family == AF_INET ? sizeof(destination.v4) : sizeof(destination.v6)),
		-1);
	assert_int_equal(errno, EINPROGRESS);
	close(fd);
}

static void send_echo(int family)
{
	uint8_t echo[8] = {family == AF_INET ? 8 : 128};
	union destination destination = destination_new(family, 0);
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC,
			family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	assert_true(fd >= 0);
	send_to(fd, &destination, echo, sizeof(echo));
	close(fd);
}

struct caught {
	struct pf_nflog *nflog; /* where the callback is to change the threshold */
	struct pf_nflog_record records[16];
	struct pf_packet packets[16];
	unsigned n;
	uint32_t next; /* sequence number */
	bool has_gap;
};

static void catch (const struct pf_nflog_record *record, void *userdata)
{
	struct caught *caught = userdata;

	if (caught->n < 16) {
		caught->records[caught->n] = *record;
		assert_int_equal(pf_packet_parse(record->payload, record->payload_length,
						 record->ethertype, &caught->packets[caught->n]),
				 0);
	}
	if (caught->nflog && caught->n % 4 == 0)
		assert_int_equal(pf_nflog_set_queue_threshold(caught->nflog, 1 + caught->n % 3), 0);
	caught->n++;
	assert_true(record->has_sequence);
	caught->has_gap |= record->sequence != caught->next;
	caught->next = record->sequence + 1;
}

static void dispatch_all(struct pf_nflog *nflog, struct caught *caught)
{
	unsigned before = caught->n;
	int r = pf_nflog_dispatch(nflog, UINT_MAX, catch, caught);

	assert_true(r >= 0);
	assert_int_equal(caught->n - before, r);
}

static bool is_readable(const struct pf_nflog *nflog)
{
	struct pollfd poll_fd = {.fd = pf_nflog_fd(nflog), .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

static const struct pf_packet *find(const struct caught *caught, uint16_t ethertype,
				    uint8_t protocol)
{
	for (unsigned i = 0; i < caught->n; i++) {
		const struct pf_nflog_record *record = &caught->records[i];
		const struct pf_packet *packet = &caught->packets[i];
		if (record->ethertype != ethertype || packet->protocol != protocol)
			continue;
		assert_int_equal(record->family, ethertype == 0x0800 ? AF_INET : AF_INET6);
		assert_int_equal(record->hook, NF_INET_LOCAL_OUT);
		assert_int_equal(record->link_in, 0);
		assert_int_equal(record->link_out, if_nametoindex("d0"));
		assert_string_equal(record->prefix, "podfence:deny");
		assert_true(record->has_uid && record->has_gid);
		bool is_raw = packet->has_icmp;
		assert_int_equal(record->uid, is_raw ? 0 : USER);
		assert_int_equal(record->gid, is_raw ? 0 : OTHER_GROUP);
		assert_int_equal(record->mark, protocol == IPPROTO_UDP ? 0x1789 : 0);
		assert_int_equal(packet->ethertype, ethertype);
		assert_false(packet->is_truncated);
		return packet;
	}
	return NULL;
}

static void check_family(const struct caught *caught, int family)
{
	union destination destination = destination_new(family, 0);
	uint16_t ethertype = family == AF_INET ? 0x0800 : 0x86dd;
	size_t header = family == AF_INET ? 20 : 40;
	const void *address = family == AF_INET ? (const void *)&destination.v4.sin_addr
						: &destination.v6.sin6_addr;
	const struct pf_packet *udp = find(caught, ethertype, IPPROTO_UDP);
	const struct pf_packet *tcp = find(caught, ethertype, IPPROTO_TCP);
	const struct pf_packet *icmp = find(caught, ethertype,
					    family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	assert_true(udp && tcp && icmp);
	assert_memory_equal(udp->destination.bytes, address, family == AF_INET ? 4 : 16);
	assert_true(udp->has_ports && udp->destination_port == 53);
	assert_int_equal(udp->length, header + 8 + 1000);
	assert_true(tcp->has_ports && tcp->destination_port == 443);
	assert_true(tcp->has_tcp_flags);
	assert_int_equal(tcp->tcp_flags & 0x17, 0x02); /* SYN, no FIN, RST, ACK; ECN as set up */
	assert_true(icmp->has_icmp);
	assert_int_equal(icmp->icmp_type, family == AF_INET ? 8 : 128);
	assert_int_equal(icmp->length, header + 8);
}

static void a_dropped_packet_is_told(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct pf_nflog *nflog = open_group(1, prompt.socket_buffer);
	struct caught caught = {};

	for (unsigned i = 0; i < 2; i++) {
		send_udp(families[i], 1000, 1);
		send_syn(families[i]);
		send_echo(families[i]);
	}
	assert_true(is_readable(nflog));
	dispatch_all(nflog, &caught);
	assert_true(caught.n >= 6 && caught.n <= 16);
	assert_false(caught.has_gap);
	assert_int_equal(caught.n, counted());
	assert_int_equal(caught.records[0].payload_length, 128); /* snaplen */
	check_family(&caught, AF_INET);
	check_family(&caught, AF_INET6);
	assert_int_equal(pf_nflog_counts(nflog).malformed, 0);
}

static void a_limit_is_kept(void **state)
{
	struct pf_nflog *nflog = open_group(1, prompt.socket_buffer);
	struct caught caught = {};

	send_udp(AF_INET, 10, 25);
	for (unsigned i = 1; i <= 3; i++) {
		int expected = i < 3 ? 10 : 5;
		assert_int_equal(pf_nflog_dispatch(nflog, 10, catch, &caught), expected);
	}
	assert_int_equal(pf_nflog_dispatch(nflog, 10, catch, &caught), 0);
	assert_int_equal(pf_nflog_counts(nflog).received, 25);
}

static void a_group_has_one_owner(void **state)
{
	struct pf_nflog *second = NULL;

	open_group(1, prompt.socket_buffer);
	assert_int_equal(pf_nflog_open(&prompt, &second), -EBUSY);
	assert_null(second);
	bound = pf_nflog_free(bound);
	open_group(1, prompt.socket_buffer);
	bound = pf_nflog_free(bound);

	assert_int_equal(seteuid(USER), 0);
	int r = pf_nflog_open(&prompt, &second);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(r, -EPERM);
}

/* Drains, and has one packet more logged, which makes visible what was lost at the end. */
static void assert_balanced(struct pf_nflog *nflog, struct caught *caught)
{
	dispatch_all(nflog, caught);
	struct pf_nflog_counts counts = pf_nflog_counts(nflog);
	assert_true(counts.received + counts.lost <= counted());
	send_udp(AF_INET, 10, 1);
	dispatch_all(nflog, caught);
	counts = pf_nflog_counts(nflog);
	assert_int_equal(counts.received, caught->n);
	assert_int_equal(counts.received + counts.lost, counted());
	assert_int_equal(counts.malformed, 0);
}

static void losses_are_counted(void **state)
{
	struct pf_nflog *nflog = open_group(1, 16384);
	struct caught caught = {};

	send_udp(AF_INET, 1000, BURST);
	assert_int_equal(counted(), BURST);
	assert_balanced(nflog, &caught);
	struct pf_nflog_counts counts = pf_nflog_counts(nflog);
	assert_true(counts.overruns >= 1);
	assert_true(counts.received > 1 && counts.lost > 0);
	assert_true(caught.has_gap);
}

/* With some hundred records in a datagram a lost one is a large gap; here several of them. */
static void losses_of_whole_datagrams_are_counted(void **state)
{
	struct pf_nflog *nflog = open_group(100, 65536);
	struct caught caught = {};

	for (unsigned i = 0; i < 4; i++) {
		send_udp(AF_INET6, 1000, BURST / 4);
		dispatch_all(nflog, &caught);
	}
	assert_int_equal(pf_nflog_set_queue_threshold(nflog, 1), 0);
	assert_balanced(nflog, &caught);
	assert_true(pf_nflog_counts(nflog).overruns >= 4);
	assert_true(pf_nflog_counts(nflog).lost > 0);
}

static void a_threshold_collects(void **state)
{
	struct pf_nflog *nflog = open_group(10, prompt.socket_buffer);
	struct caught caught = {};

	send_udp(AF_INET, 10, 9);
	assert_false(is_readable(nflog));
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 0);
	assert_int_equal(pf_nflog_set_queue_threshold(nflog, 1), 0);
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 0);
	send_udp(AF_INET, 10, 1);
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 10);
	send_udp(AF_INET, 10, 1);
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 11);
	assert_false(caught.has_gap);
}

static void a_change_of_threshold_keeps_records(void **state)
{
	struct pf_nflog *nflog = open_group(1, prompt.socket_buffer);
	struct caught caught = {};

	send_udp(AF_INET, 1000, 500);
	assert_int_equal(pf_nflog_set_queue_threshold(nflog, 2), 0);
	assert_int_equal(pf_nflog_set_queue_threshold(nflog, 1), 0);
	assert_true(is_readable(nflog));
	send_udp(AF_INET, 1000, 20);
	assert_int_equal(pf_nflog_dispatch(nflog, 100, catch, &caught), 100);
	assert_int_equal(pf_nflog_set_queue_threshold(nflog, 1), 0);
	assert_true(is_readable(nflog));
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 520);
	assert_false(caught.has_gap); /* in order, too */
	assert_int_equal(pf_nflog_counts(nflog).lost, 0);
	assert_false(is_readable(nflog));

	send_udp(AF_INET, 10, 5);
	assert_int_equal(pf_nflog_set_queue_threshold(nflog, 2), 0);
	/* The group is freed with records kept. */
}

static void the_callback_may_change_the_threshold(void **state)
{
	struct pf_nflog *nflog = open_group(7, prompt.socket_buffer);
	struct caught caught = {.nflog = nflog};

	send_udp(AF_INET, 1000, 70);
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 70);
	assert_false(caught.has_gap);
}

/* Messages that waited together have one number, and no others have it, of a group that is bound anew either. */
static void what_waits_is_one_batch(void **state)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct pf_nflog *nflog = open_group(1, prompt.socket_buffer);
		for (unsigned k = 0; k < 3; k++) {
			struct caught caught = {};
			send_udp(AF_INET, 10, 4);
			dispatch_all(nflog, &caught);
			assert_int_equal(caught.n, 4);
			assert_true(caught.records[0].batch > last);
			for (unsigned n = 1; n < 4; n++)
				assert_int_equal(caught.records[n].batch, caught.records[0].batch);
			last = caught.records[0].batch;
		}
		bound = pf_nflog_free(bound);
	}
}

/* What waits for its queue to fill comes with the end of the group, and nothing after it. */
static void the_last_come_with_the_end(void **state)
{
	struct pf_nflog *nflog = open_group(1000, prompt.socket_buffer);
	struct caught caught = {};

	send_udp(AF_INET, 10, 3);
	assert_int_equal(pf_nflog_unbind(nflog), 0);
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 3);
	send_udp(AF_INET, 10, 3);
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 3);
}

/* The first answer finds no room. */
static void a_full_buffer_takes_a_change(void **state)
{
	struct pf_nflog *nflog = open_group(1, 16384);
	struct caught caught = {};

	send_udp(AF_INET, 1000, 1000);
	assert_int_equal(pf_nflog_counts(nflog).overruns, 0);
	assert_int_equal(pf_nflog_set_queue_threshold(nflog, 1), 0);
	assert_int_equal(pf_nflog_counts(nflog).overruns, 1);
	assert_balanced(nflog, &caught);
	assert_true(caught.n > 1 && pf_nflog_counts(nflog).lost > 0);
}

/* Whoever may administer this namespace can write to our socket. */
static int connect_to(const struct pf_nflog *nflog)
{
	struct sockaddr_nl address;
	socklen_t length = sizeof(address);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	assert_true(fd >= 0);
	assert_int_equal(getsockname(pf_nflog_fd(nflog), (struct sockaddr *)&address, &length), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* A record that leaves a large gap in front of it. */
static bool forge(int fd)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg generic;
		struct nlattr attribute;
		uint32_t sequence;
	} forged = {
		{sizeof(forged), NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET, 0, 0, 0},
		{AF_INET, NFNETLINK_V0, htons(GROUP)},
		{sizeof(struct nlattr) + sizeof(uint32_t), NFULA_SEQ},
		htonl(1000),
	};

	return send(fd, &forged, sizeof(forged), MSG_DONTWAIT) == sizeof(forged);
}

static void only_the_kernel_is_believed(void **state)
{
	struct pf_nflog *nflog = open_group(1, prompt.socket_buffer);
	int fd = connect_to(nflog);
	struct caught caught = {};

	assert_true(forge(fd));
	send_udp(AF_INET, 10, 1);
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 1);
	assert_false(caught.has_gap);
	assert_int_equal(pf_nflog_counts(nflog).malformed, 1);
	assert_int_equal(pf_nflog_counts(nflog).lost, 0);

	assert_true(forge(fd)); /* in front of an answer */
	assert_int_equal(pf_nflog_set_queue_threshold(nflog, 1), 0);
	assert_int_equal(pf_nflog_counts(nflog).malformed, 2);
	close(fd);
}

/* Foreign messages leave no room for the first records of all. */
static void losses_before_the_first_record_are_counted(void **state)
{
	struct pf_nflog *nflog = open_group(1, 16384);
	int fd = connect_to(nflog);
	struct caught caught = {};
	unsigned n = 0;

	while (forge(fd))
		n++;
	assert_int_equal(errno, EAGAIN);
	send_udp(AF_INET, 10, 3);
	assert_int_equal(pf_nflog_dispatch(nflog, 2, catch, &caught), 0); /* a limit for them too */
	assert_int_equal(pf_nflog_counts(nflog).malformed, 2);
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 0);
	assert_int_equal(pf_nflog_counts(nflog).malformed, n);
	assert_int_equal(pf_nflog_counts(nflog).overruns, 1);
	send_udp(AF_INET, 10, 1);
	dispatch_all(nflog, &caught);
	assert_int_equal(caught.n, 1);
	assert_int_equal(pf_nflog_counts(nflog).lost, 3);
	close(fd);
}

#define RULESET_TEST(test) cmocka_unit_test_setup_teardown(test, load_ruleset, delete_ruleset)

int main(void)
{
	namespace_enter_or_skip();
	const struct CMUnitTest tests[] = {
		RULESET_TEST(a_dropped_packet_is_told),
		RULESET_TEST(a_limit_is_kept),
		RULESET_TEST(a_group_has_one_owner),
		RULESET_TEST(losses_are_counted),
		RULESET_TEST(losses_of_whole_datagrams_are_counted),
		RULESET_TEST(a_threshold_collects),
		RULESET_TEST(a_change_of_threshold_keeps_records),
		RULESET_TEST(what_waits_is_one_batch),
		RULESET_TEST(the_last_come_with_the_end),
		RULESET_TEST(the_callback_may_change_the_threshold),
		RULESET_TEST(a_full_buffer_takes_a_change),
		RULESET_TEST(only_the_kernel_is_believed),
		RULESET_TEST(losses_before_the_first_record_are_counted),
	};
	if (!namespace_run("ip link add d0 type veth peer name d1 && ip link set d1 up &&"
			   "ip link set d0 up && ip addr add 192.0.2.1/24 dev d0 &&"
			   "ip route add 203.0.113.0/24 dev d0 &&"
			   "ip addr add 2001:db8:1::1/64 dev d0 nodad &&"
			   "ip route add 2001:db8:ffff::/48 dev d0") ||
	    pf_nft_open(&nft) < 0) {
		printf("Bail out! no link to send to\n");
		return 1;
	}
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	pf_nft_free(nft);
	return failed;
}
