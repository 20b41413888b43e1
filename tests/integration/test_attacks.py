# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Ways around an egress filter that have worked on others: nothing may leave.

Every attack is first made without any rules (its packets have to leave, else it proves nothing),
and those that a plausible filter lets through are made against such a filter too: NAIVE believes
what conntrack calls a reply, and what is routed to lo. Then they meet podfence, with reverse path
filtering off, strict and loose.
"""
import dataclasses
import itertools
import pathlib
from collections.abc import Callable

import common  # noqa: F401
import netns
import packet
import tap
import traffic
from lab import EXTERNAL, INTERNAL, MARKER_PORT, NODE, OPEN_PORT, OTHER_EXTERNAL4, Lab
from packet import ACK, LOOSE_SOURCE_ROUTE, PSH, STRICT_SOURCE_ROUTE, SYN
from pods import GATEWAY_MAC, Pod
from worker import NOBODY, Worker

NAIVE = f"""
table inet naive {{
	chain forward {{
		type filter hook forward priority -10
		ct direction reply return
		iifname "up0" return
		ip daddr 10.0.0.0/8 return
		ip6 daddr {{ fd00::/8, fe80::/10, ff00::/8 }} return
		drop
	}}
	chain output {{
		type filter hook output priority -10
		oif lo return
		ct direction reply return
		udp dport {MARKER_PORT} return
		ip daddr 10.0.0.0/8 return
		ip6 daddr {{ fd00::/8, fe80::/10, ff00::/8 }} return
		drop
	}}
}}
"""

DNAT = f"""
table inet services {{
	chain output {{
		type nat hook output priority -100
		ip daddr {NODE[4]} tcp dport 30080 dnat ip to {EXTERNAL[4]}:{OPEN_PORT}
		ip daddr {NODE[4]} udp dport 30080 dnat ip to {EXTERNAL[4]}:53
		ip6 daddr {NODE[6]} tcp dport 30080 dnat ip6 to [{EXTERNAL[6]}]:{OPEN_PORT}
		ip6 daddr {NODE[6]} udp dport 30080 dnat ip6 to [{EXTERNAL[6]}]:53
	}}
	chain prerouting {{
		type nat hook prerouting priority -100
		ip daddr {NODE[4]} tcp dport 30080 dnat ip to {EXTERNAL[4]}:{OPEN_PORT}
		ip daddr {NODE[4]} udp dport 30080 dnat ip to {EXTERNAL[4]}:53
		ip6 daddr {NODE[6]} tcp dport 30080 dnat ip6 to [{EXTERNAL[6]}]:{OPEN_PORT}
		ip6 daddr {NODE[6]} udp dport 30080 dnat ip6 to [{EXTERNAL[6]}]:53
	}}
}}
"""

OUTSIDE_PORT = 5353  # not below 1024: nobody may take it
ports = itertools.count(20000)


class Scene:
    """The node under attack, and who is on it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        lab.add_bridge()
        self.pod, self.accomplice = lab.add_pod("attacker"), lab.add_pod("accomplice")
        self.bridged = lab.add_pod("bridged", bridge="cni0")
        self.host = lab.add_pod("host", is_host_network=True)
        self.nobody = self.host.another_worker(NOBODY)
        netns.nft(None, DNAT)
        accept_source_routes(True)
        lab.write_pods()


def accept_source_routes(is_on: bool) -> None:
    """Of every device; and a strict route needs an external neighbour."""
    for path in pathlib.Path("/proc/sys/net/ipv4/conf").glob("*/accept_source_route"):
        path.write_text(f"{int(is_on)}\n")
    netns.ip(None, f"route replace {OTHER_EXTERNAL4} dev up0")


def inject(sender: Pod, data: bytes) -> None:
    """A frame with whatever source, out of the pod's link to its gateway."""
    gateway = bridge_mac() if sender.bridge else GATEWAY_MAC
    sender.call(traffic.frame_send, "eth0", packet.frame("02:00:00:00:00:01", gateway, data))


def bridge_mac() -> str:
    return netns.run("ip", "-br", "link", "show", "cni0").split()[2]


def datagram_reply(sender: Pod, own: str, port: int, version: int) -> None:
    sender.call(traffic.open_datagram, f"reply-{port}", own, port)
    for number in range(3):
        sender.call(traffic.send_to, f"reply-{port}", EXTERNAL[version], OUTSIDE_PORT,
                    b"leak %d" % number)
    sender.call(traffic.close, f"reply-{port}")


def spoof_udp(spoofer: Pod, sender: Pod, version: int) -> None:
    """A datagram "from outside" to the pod; then the pod answers it."""
    own, port = sender.address(version), next(ports)
    inject(spoofer, packet.udp(EXTERNAL[version], OUTSIDE_PORT, own, port, b"spoofed"))
    datagram_reply(sender, own, port, version)


def spoof_tcp(spoofer: Pod, sender: Pod, version: int) -> None:
    """The same with segments; the pod's own kernel may answer too."""
    own, outside, port = sender.address(version), EXTERNAL[version], next(ports)
    inject(spoofer, packet.tcp(outside, 80, own, port, SYN, 1000))
    for flags, payload in ((SYN | ACK, b""), (SYN, b""), (ACK | PSH, b"leak")):
        inject(sender, packet.tcp(own, port, outside, 80, flags, 5000, 1001, payload))


def spoof_to_host_pod_udp(scene: Scene, version: int) -> None:
    port = next(ports)
    inject(scene.pod, packet.udp(EXTERNAL[version], OUTSIDE_PORT, NODE[version], port, b"spoofed"))
    datagram_reply(scene.host, NODE[version], port, version)


def spoof_to_host_pod_tcp(scene: Scene, version: int) -> None:
    """The listener's SYN-ACK would leave, without any socket an OUTPUT rule could ask for."""
    port = next(ports)
    scene.host.call(traffic.listen, f"listener-{port}", port)
    inject(scene.pod, packet.tcp(EXTERNAL[version], 80, NODE[version], port))
    scene.host.call(traffic.close, f"listener-{port}")


def foreign_source_udp(scene: Scene, sender: Worker, version: int) -> None:
    """A datagram over lo whose source is the outside address; then its answer. On IPv6 nobody needs
    no capability for it (IPV6_FREEBIND)."""
    port = next(ports)
    sender.call(traffic.open_datagram, "foreign", EXTERNAL[version], OUTSIDE_PORT, True)
    sender.call(traffic.send_to, "foreign", NODE[version], port, b"spoofed")
    sender.call(traffic.close, "foreign")
    sender.call(traffic.open_datagram, "reply", NODE[version], port)
    sender.call(traffic.send_to, "reply", EXTERNAL[version], OUTSIDE_PORT, b"leak")
    sender.call(traffic.close, "reply")


def foreign_source_tcp(scene: Scene, sender: Worker, version: int) -> None:
    port = next(ports)
    scene.host.call(traffic.listen, f"listener-{port}", port)
    sender.call(traffic.connect_from, EXTERNAL[version], next(ports), NODE[version], port)
    scene.host.call(traffic.close, f"listener-{port}")


def raw_source(scene: Scene, version: int) -> None:
    """A hand-made packet over lo from a raw socket, then its answer."""
    port = next(ports)
    spoofed = packet.udp(EXTERNAL[version], OUTSIDE_PORT, NODE[version], port, b"spoofed")
    scene.host.call(traffic.raw_send, spoofed, NODE[version])
    datagram_reply(scene.host, NODE[version], port, version)


def dnat_tcp(sender: Pod, version: int) -> None:
    sender.call(traffic.tcp_connect, NODE[version], 30080, 0.2)


def dnat_udp(sender: Pod, version: int) -> None:
    sender.call(traffic.udp_send, NODE[version], 30080)


def source_route(sender: Pod, option: int) -> None:
    """A datagram to the node, which is to send it on to an external address. Where the packet is
    forwarded, its destination is still the node's."""
    outside = EXTERNAL[4] if option == LOOSE_SOURCE_ROUTE else OTHER_EXTERNAL4
    data = packet.udp(sender.address(4), next(ports), outside, OUTSIDE_PORT, b"leak")
    inject(sender, packet.source_routed(option, NODE[4], data))


@dataclasses.dataclass
class Attack:
    name: str
    make: Callable[[Scene, int], None]
    passes_naive: bool = True
    versions: tuple[int, ...] = (4, 6)


ATTACKS = [
    Attack("own address spoofed into a reply, udp", lambda s, v: spoof_udp(s.pod, s.pod, v)),
    Attack("own address spoofed into a reply, tcp", lambda s, v: spoof_tcp(s.pod, s.pod, v)),
    Attack("the same by an accomplice, udp", lambda s, v: spoof_udp(s.accomplice, s.pod, v)),
    Attack("the same by an accomplice, tcp", lambda s, v: spoof_tcp(s.accomplice, s.pod, v)),
    Attack("the same on a bridge, udp", lambda s, v: spoof_udp(s.bridged, s.bridged, v)),
    Attack("the same on a bridge, tcp", lambda s, v: spoof_tcp(s.bridged, s.bridged, v)),
    Attack("a pod spoofs for a host pod, udp", spoof_to_host_pod_udp),
    Attack("a pod spoofs for a host pod, tcp", spoof_to_host_pod_tcp),
    Attack("IPV6_FREEBIND as nobody, udp", lambda s, v: foreign_source_udp(s, s.nobody, v),
           versions=(6,)),
    Attack("IPV6_FREEBIND as nobody, tcp", lambda s, v: foreign_source_tcp(s, s.nobody, v),
           versions=(6,)),
    Attack("IP_TRANSPARENT, udp", lambda s, v: foreign_source_udp(s, s.host.worker, v),
           versions=(4,)),
    Attack("IP_TRANSPARENT, tcp", lambda s, v: foreign_source_tcp(s, s.host.worker, v),
           versions=(4,)),
    Attack("raw socket over lo", raw_source),
    Attack("DNAT of a local address, host pod, tcp", lambda s, v: dnat_tcp(s.host, v)),
    Attack("DNAT of a local address, host pod, udp", lambda s, v: dnat_udp(s.host, v)),
    Attack("DNAT of a local address, pod, tcp", lambda s, v: dnat_tcp(s.pod, v),
           passes_naive=False),
    Attack("DNAT of a local address, pod, udp", lambda s, v: dnat_udp(s.pod, v),
           passes_naive=False),
    Attack("loose source route through the node",
           lambda s, v: source_route(s.pod, LOOSE_SOURCE_ROUTE), versions=(4,)),
    Attack("strict source route through the node",
           lambda s, v: source_route(s.pod, STRICT_SOURCE_ROUTE), versions=(4,)),
    Attack("loose source route through the node, on a bridge",
           lambda s, v: source_route(s.bridged, LOOSE_SOURCE_ROUTE), versions=(4,)),
]
SOURCE_ROUTES = [attack for attack in ATTACKS if "source route" in attack.name]


def leaks(scene: Scene, attack: Attack, version: int) -> list[packet.Caught]:
    netns.flush_conntrack()
    mark = scene.lab.outside.mark()
    attack.make(scene, version)
    return scene.lab.left(mark)


def twins(scene: Scene, check: tap.Tap, when: str) -> None:
    cases = [(attack, version) for attack in ATTACKS for version in attack.versions]
    for attack, version in cases:
        check.check(leaks(scene, attack, version),
                    f"{when}, no rules: {attack.name}, v{version}: leaves")
    netns.nft(None, NAIVE)
    for attack, version in cases:
        if attack.passes_naive:
            check.check(leaks(scene, attack, version),
                        f"{when}, naive rules: {attack.name}, v{version}: leaves")


def open_connections(scene: Scene) -> None:
    for pod in (scene.pod, scene.bridged, scene.host):
        for version in (4, 6):
            pod.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT, 3.0, f"old-{version}")
            scene.lab.internet.call(traffic.accept, "open", f"{pod.name}-{version}")


def pickup(scene: Scene, pod: Pod, version: int) -> list[packet.Caught]:
    """The connection is forgotten, the outside says one byte first: now it seems the originator."""
    netns.flush_conntrack()
    mark = scene.lab.outside.mark()
    scene.lab.internet.call(traffic.send_on, f"{pod.name}-{version}", b"!")
    pod.call(traffic.receive_on, f"old-{version}")
    pod.call(traffic.send_on, f"old-{version}", b"leak")
    return scene.lab.left(mark)


def borrowed(scene: Scene, version: int) -> list[packet.Caught]:
    """A pod with its neighbour's address, towards the internal service: who would be blamed?"""
    mark = scene.lab.inside.mark()
    own = scene.accomplice.address(version)
    inject(scene.pod, packet.udp(own, 4000, INTERNAL[version], 4001, b"borrowed"))
    scene.lab.settle()
    return scene.lab.inside.since(mark, source=own)


def attack_all(check: tap.Tap, rp_filter: int) -> None:
    when = f"rp_filter {rp_filter}"
    with Lab(rp_filter) as lab:
        scene = Scene(lab)
        lab.set_rp_filter(rp_filter)
        open_connections(scene)
        victims = [(pod, version) for pod in (scene.pod, scene.bridged, scene.host)
                   for version in (4, 6)]
        if rp_filter != 1:  # strict filtering stops some of them by itself
            for version in (4, 6):
                check.check(borrowed(scene, version), f"{when}, no rules: a neighbour's address "
                                                      f"towards internal, v{version}: arrives")
            twins(scene, check, when)
            for pod, version in victims:
                check.check(pickup(scene, pod, version), f"{when}, naive rules: loose pickup by "
                                                         f"{pod.name}, v{version}: leaves")
            netns.nft(None, "delete table inet naive")
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        for attack in ATTACKS:
            for version in attack.versions:
                check.equal(leaks(scene, attack, version), [],
                            f"{when}, podfence: {attack.name}, v{version}")
        for version in (4, 6):
            check.equal(borrowed(scene, version), [],
                        f"{when}, podfence: a neighbour's address towards internal, v{version}")
        for pod, version in victims:
            check.equal(pickup(scene, pod, version), [],
                        f"{when}, podfence: loose pickup by {pod.name}, v{version}")
        check.check(agent.wait_event(5, rule__category="spoof"), f"{when}: events say spoof")
        for pod in (scene.pod, scene.bridged):
            check.check(agent.wait_event(5, rule__name="source-route-from-pod",
                                         kubernetes__pod__name=pod.name),
                        f"{when}: an event names {pod.name} for its source route",
                        *agent.find_events(rule__name="source-route-from-pod"))
        check.equal(lab.outside.lost(), 0, f"{when}: the witness saw everything")
        scene.nobody.stop()


def late_source_routes(check: tap.Tap) -> None:
    """The kernel tells nobody that it follows source routes from now on; the agent looks when it
    looks at the node for another reason, as on SIGHUP."""
    with Lab() as lab:
        scene = Scene(lab)
        for attack in SOURCE_ROUTES:
            check.check(leaks(scene, attack, 4), f"no rules: {attack.name}: leaves")
        accept_source_routes(False)
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        for attack in SOURCE_ROUTES:
            check.equal(leaks(scene, attack, 4), [], f"accept_source_route 0: {attack.name}")
        check.equal(agent.find_events(rule__name="source-route-from-pod"), [],
                    "accept_source_route 0: no rule looks for what the kernel drops")
        accept_source_routes(True)
        agent.reload()
        for attack in SOURCE_ROUTES:
            check.equal(leaks(scene, attack, 4), [],
                        f"accept_source_route switched on, SIGHUP: {attack.name}")
        check.check(agent.wait_event(5, rule__name="source-route-from-pod",
                                     kubernetes__pod__name="attacker"),
                    "accept_source_route switched on, SIGHUP: an event names the pod")
        scene.nobody.stop()


def test(check: tap.Tap) -> None:
    for rp_filter in (0, 1, 2):
        attack_all(check, rp_filter)
    late_source_routes(check)


tap.main(test)
