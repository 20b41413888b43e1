/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What the reference says of a packet is what the kernel does with it: 2,000 packets through the forward path
 * of a node whose pods and uplink are tun devices, under random policies. The seed is printed; PODFENCE_SEED
 * plays it again. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <podfence/nft.h>

#include "compile/compile.h"
#include "namespace.h"
#include "random_policy.h"
#include "test.h"

#define WORLDS	  50
#define PER_WORLD 40
#define PODS	  4

struct device {
	int fd;
	uint32_t index;
};

static struct pf_nft *nft;
static struct device uplink, pods[PODS];

static struct device device_open(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	struct device device = {.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};

	strcpy(request.ifr_name, name);
	if (device.fd < 0 || ioctl(device.fd, TUNSETIFF, &request) < 0)
		fail_msg("%s: %s", name, strerror(errno));
	device.index = if_nametoindex(name);
	assert_true(namespace_run("ip link set %s up", name));
	return device;
}

/* Pod addresses are those of made nodes. */
static int devices_open(void **state)
{
	assert_true(
		namespace_run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
			      "net.ipv6.conf.default.accept_dad=0 "
			      "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0"));
	uplink = device_open("up0");
	assert_true(
		namespace_run("ip address add 192.0.2.1/24 dev up0 && "
			      "ip -6 address add 2001:db8:f::1/64 dev up0 && "
			      "ip route add default dev up0 && ip -6 route add default dev up0"));
	for (unsigned i = 0; i < PODS; i++) {
		char name[16];
		snprintf(name, sizeof(name), "pod%u", i);
		pods[i] = device_open(name);
		assert_true(namespace_run("ip route add 10.244.0.%u dev %s && "
					  "ip -6 route add fd00::%x dev %s",
					  i, name, i, name));
	}
	return 0;
}

static void link_pods(struct made_node *made)
{
	struct snapshot *snapshot = &made->snapshot;

	snapshot->uplinks[0] = uplink.index;
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		for (size_t k = 0; k < snapshot->endpoints[i].n_attachments; k++)
			snapshot->endpoints[i].attachments[k].link = pods[i].index;
	for (size_t i = 0; i < snapshot->n_by_link; i++) /* later devices have greater indexes */
		snapshot->by_link[i].link = pods[snapshot->by_link[i].link - 1000].index;
}

static uint16_t checksum(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Ports and what else the transport needs to be taken for one: a SYN, an INIT, an echo request. */
static size_t put_transport(uint8_t *at, const struct policy_packet *packet, uint16_t number)
{
	uint16_t ports[] = {htons(number), htons(packet->port)};

	memset(at, 0, 32);
	if (packet->has_port)
		memcpy(at, ports, sizeof(ports));
	switch (packet->protocol) {
	case 6:
		at[12] = 5 << 4;
		at[13] = 0x02;
		return 20;
	case 17: at[5] = 8; return 8;
	case 132:
		at[12] = 1;
		at[15] = 20;
		at[19] = 1;
		return 32;
	case 1: at[0] = 8; return 8;
	case 58: at[0] = 128; return 8;
	default: return 8;
	}
}

static size_t make_packet(uint8_t bytes[static 128], unsigned pod,
			  const struct policy_packet *packet, uint16_t number)
{
	bool is_v4 = packet->destination.family == AF_INET;
	size_t header = is_v4 ? 20 : 40;
	size_t length = put_transport(bytes + header, packet, number);

	memset(bytes, 0, header);
	if (is_v4) {
		const uint8_t head[] = {0x45,	     0,
					0,	     (uint8_t)(header + length),
					number >> 8, number & 0xff,
					0,	     0,
					64,	     packet->protocol,
					0,	     0,
					10,	     244,
					0,	     (uint8_t)pod};
		memcpy(bytes, head, sizeof(head));
		memcpy(bytes + 16, packet->destination.bytes, 4);
		uint16_t sum = checksum(bytes, 20);
		memcpy(bytes + 10, &sum, 2);
	} else {
		const uint8_t head[] = {0x60, 0,   0, 0, 0, (uint8_t)length, packet->protocol,
					64,   0xfd};
		memcpy(bytes, head, sizeof(head));
		bytes[23] = (uint8_t)pod;
		memcpy(bytes + 24, packet->destination.bytes, 16);
	}
	return header + length;
}

static void drain(const struct device *device)
{
	uint8_t bytes[2048];

	while (read(device->fd, bytes, sizeof(bytes)) > 0)
		;
}

/* Whether it came out of the uplink; what else does (router solicitations) is passed over. */
static bool has_left(const struct policy_packet *packet, int patience)
{
	bool is_v4 = packet->destination.family == AF_INET;
	struct pollfd ready = {.fd = uplink.fd, .events = POLLIN};
	uint8_t bytes[2048];

	while (poll(&ready, 1, patience) == 1) {
		ssize_t n = read(uplink.fd, bytes, sizeof(bytes));
		if (n < (is_v4 ? 20 : 40) || bytes[0] >> 4 != (is_v4 ? 4 : 6))
			continue;
		if (!memcmp(bytes + (is_v4 ? 16 : 24), packet->destination.bytes,
			    pf_address_size(&packet->destination)))
			return true;
	}
	return false;
}

static uint64_t counted(const char *name)
{
	struct pf_counter_value *values;
	uint64_t packets = 0;
	size_t n;

	assert_int_equal(pf_nft_counters(nft, PODFENCE_TABLE, &values, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(values[i].name, name))
			packets += values[i].packets;
	free(values);
	return packets;
}

static enum ruling_verdict send_packet(unsigned pod, const struct policy_packet *packet)
{
	static uint16_t number = 1024;
	uint8_t bytes[128];
	uint64_t denied = counted("denied"), audited = counted("audited");

	drain(&uplink);
	drain(&pods[pod]);
	number = number < 60000 ? number + 1 : 1024; /* a new connection each time */
	size_t length = make_packet(bytes, pod, packet, number);
	assert_int_equal(write(pods[pod].fd, bytes, length), (ssize_t)length);
	if (counted("denied") != denied) {
		assert_false(has_left(packet, 0));
		return RULING_DENY;
	}
	assert_true(has_left(packet, 5000));
	return counted("audited") != audited ? RULING_AUDIT : RULING_ALLOW;
}

static void apply(const struct pf_ruleset *from, const struct pf_ruleset *to)
{
	struct pf_nft_errors errors;
	struct pf_plan *plans[2];

	assert_int_equal(pf_plan_split(from, to, plans, NULL), 0);
	for (size_t i = 0; i < 2; i++) {
		if (pf_nft_commit(nft, plans[i], &errors) != 0)
			fail_msg("%s", errors.errors[0].object);
		pf_plan_free(plans[i]);
	}
}

static struct pf_ruleset *compiled(const struct random_world *world)
{
	const struct compile_input input = {
		.config = &world->made->config,
		.snapshot = &world->made->snapshot,
		.decisions = world->decisions,
	};
	struct pf_ruleset *ruleset;
	char reason[160] = "";

	if (compile(&input, &ruleset, reason) != 0)
		fail_msg("%s", reason);
	return ruleset;
}

static void send_packets(struct random_state *random, const struct random_world *world,
			 unsigned counts[static 3])
{
	static const char *const names[] = {"allow", "audit", "deny"};

	for (unsigned i = 0; i < PER_WORLD; i++) {
		struct policy_packet packet = random_packet(random);
		unsigned pod = random_below(random, PODS);
		const struct decision *decision =
			decisions_of(world->decisions, &world->made->snapshot,
				     &world->made->snapshot.endpoints[pod]);
		char address[PF_ADDRESS_TEXT];
		struct ruling ruling;
		decision_judge(decision, &packet, NULL, &ruling);
		enum ruling_verdict verdict = send_packet(pod, &packet);
		if (verdict != ruling.verdict)
			fail_msg("to %s protocol %u port %u by %s: reference %s, kernel %s",
				 pf_address_format(&packet.destination, address), packet.protocol,
				 packet.port, decision->name, names[ruling.verdict],
				 names[verdict]);
		counts[verdict]++;
	}
}

static void the_kernel_does_what_the_reference_says(void **state)
{
	struct random_state random = {random_seed()};
	struct pf_ruleset *before = NULL;
	unsigned counts[3] = {};

	print_message("# seed 0x%llx\n", (unsigned long long)random.state);
	for (unsigned n = 0; n < WORLDS; n++) {
		struct random_world *world = random_world_new(&random, PODS, 0);
		link_pods(world->made);
		struct pf_ruleset *ruleset = compiled(world);
		apply(before, ruleset);
		pf_ruleset_free(before);
		before = ruleset;
		send_packets(&random, world, counts);
		random_world_free(world);
	}
	pf_ruleset_free(before);
	print_message("# %u allowed, %u audited, %u denied\n", counts[0], counts[1], counts[2]);
	for (size_t i = 0; i < 3; i++)
		assert_true(counts[i] > 0);
}

int main(void)
{
	namespace_enter_or_skip();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_kernel_does_what_the_reference_says, devices_open),
	};
	if (pf_nft_open(&nft) < 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	pf_nft_free(nft);
	return failed;
}
