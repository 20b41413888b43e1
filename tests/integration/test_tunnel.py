# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A packet wrapped into the overlay's own frames and sent to another node, which unwraps and
forwards it.

The sender needs nothing but a datagram socket. On the sending node podfence refuses tunnel
transport from pods; on the unwrapping node it judges what comes out of a tunnel, whoever wrapped
it.
"""
import common  # noqa: F401
import netns
import packet
import tap
import traffic
from agent import Agent, wait_until
from lab import EXTERNAL, MARKER_PORT, NODE, NODEB, Lab
from pods import Pod

VNI, VXLAN_PORT = 1, 8472
INNER = {4: ("10.244.1.77", 7001), 6: ("fd00:244:1::77", 7001)}
TUNNEL_MAC = "02:00:00:00:0b:01"


def make_overlay(namespace: str | None, local: str, mac: str, address: str) -> None:
    """flannel's device: learning off, and the node forwards what it unwraps."""
    netns.ip(namespace,
             f"link add flannel.1 type vxlan id {VNI} dstport {VXLAN_PORT} local {local} "
             "nolearning",
             f"link set flannel.1 address {mac} up", f"addr add {address}/32 dev flannel.1")
    with netns.inside(namespace):
        netns.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1,
                     net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0)
        netns.sysctl(**{"net__ipv4__conf__flannel.1__rp_filter": 0})


def wrapped(version: int) -> bytes:
    source, port = INNER[version]
    inner = packet.udp(source, port, EXTERNAL[version], port, b"wrapped")
    return packet.vxlan(VNI, packet.frame("02:00:00:00:0a:01", TUNNEL_MAC, inner))


def leak(lab: Lab, sender: Pod, outer: int, inner: int) -> list[packet.Caught]:
    mark = lab.outside.mark()
    sender.call(traffic.udp_send, NODEB[outer], VXLAN_PORT, wrapped(inner))
    return lab.left(mark)


def try_all(lab: Lab, check: tap.Tap, senders: list[Pod], when: str, leaves: bool) -> None:
    for sender in senders:
        for inner in (4, 6):
            caught = leak(lab, sender, 4, inner)
            check.equal(bool(caught), leaves,
                        f"{when}: VXLAN from {sender.name}, v{inner} within: "
                        f"{'leaves' if leaves else 'stays'}", *caught)


def own_node(lab: Lab, check: tap.Tap, senders: list[Pod], when: str, leaves: bool) -> None:
    """The frame goes to this node's own overlay device, which unwraps it."""
    for sender in senders:
        mark = lab.outside.mark()
        sender.call(traffic.udp_send, NODE[4], VXLAN_PORT, wrapped(4))
        check.equal(bool(lab.left(mark)), leaves, f"{when}: VXLAN from {sender.name} to its own "
                                                  f"node: {'leaves' if leaves else 'stays'}")


def settle(lab: Lab, witness: traffic.Witness) -> None:
    """What was sent to the other node before has been seen there: a packet of the node itself, sent
    now, has come through behind it."""
    mark = witness.mark()

    def has_arrived() -> bool:
        lab.host.call(traffic.udp_send, NODEB[4], MARKER_PORT)
        return bool(witness.since(mark, dport=MARKER_PORT))

    wait_until(has_arrived, "a marker at the other node")


def other_transports(lab: Lab, check: tap.Tap, senders: list[Pod], when: str, passes: bool) -> None:
    """Other kinds of tunnel that a node may unwrap: does the other node see them at all?"""
    witness = traffic.Witness("nodeb", "eth0")
    for sender in senders:
        source = sender.address(4)
        for port in (4789, 6081):
            sender.call(traffic.udp_send, NODEB[4], port)
        for protocol in (4, 41, 47):
            data = packet.ip_packet(source, NODEB[4], protocol, b"inner" * 8)
            sender.call(traffic.raw_send, data, NODEB[4])
        settle(lab, witness)
        seen = {one.dport or one.transport for one in witness.since(source=source)
                if one.dport != MARKER_PORT}
        check.equal(seen, {4789, 6081, "4", "41", "47"} if passes else set(),
                    f"{when}: other tunnel transport from {sender.name} "
                    f"{'passes' if passes else 'stays'}")
    witness.stop()


def test_sending_node(lab: Lab, check: tap.Tap, agent: Agent, pods: list[Pod]) -> None:
    try_all(lab, check, pods, "podfence on the sending node", False)
    for pod in pods:
        event = agent.wait_event(5, rule__category="tunnel", kubernetes__pod__name=pod.name,
                                 destination__port=VXLAN_PORT)
        check.check(event, f"an event says tunnel and names {pod.name}")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_bridge()
        routed, bridged = lab.add_pod("routed"), lab.add_pod("bridged", bridge="cni0")
        host = lab.add_pod("host", is_host_network=True)
        lab.write_pods()
        make_overlay("nodeb", NODEB[4], TUNNEL_MAC, "10.244.2.0")
        everybody = [routed, bridged, host]
        make_overlay(None, NODE[4], TUNNEL_MAC, "10.244.1.0")
        try_all(lab, check, everybody, "without podfence", True)
        own_node(lab, check, everybody, "without podfence", True)
        other_transports(lab, check, everybody, "without podfence", True)

        other = lab.agent("nodeb", pods={"file": ""}, node={"name": "nodeb"})
        other.start()
        try_all(lab, check, everybody, "podfence on the other node", False)
        other.stop()

        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        netns.run("ip", "netns", "exec", "nodeb", "nft", "flush", "ruleset")
        check.check(leak_of_host(lab), "the other node forwards again")
        test_sending_node(lab, check, agent, everybody)
        own_node(lab, check, everybody, "podfence", False)
        other_transports(lab, check, everybody, "podfence", False)


def leak_of_host(lab: Lab) -> list[packet.Caught]:
    """From a process of the node itself: nobody's pod, so nothing of ours."""
    mark = lab.outside.mark()
    lab.host.call(traffic.udp_send, NODEB[4], VXLAN_PORT, wrapped(4))
    return lab.left(mark)


tap.main(test)
