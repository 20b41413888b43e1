# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""On a bridge the address alone says nothing: a thief on one port uses the address of a neighbour
on another, towards the node and the network, and tells everybody that the address is his.

And from a bridge that leads out by itself frames leave unrouted, so unjudged: the agent says so."""
import itertools

import common  # noqa: F401
import netns
import packet
import tap
import traffic
from agent import Agent
from lab import EXTERNAL, INTERNAL, NODE, TO_SERVICE, Lab
from pods import Pod

THIEF_MAC = "02:00:00:00:00:66"


def bridge_facts(device: str = "cni0") -> str:
    return netns.run("ip", "-br", "link", "show", device).split()[2]


def steal(lab: Lab, thief: Pod, victim: Pod, version: int, target: str, witness) -> list:
    """A frame of the thief with the victim's source address."""
    mark = witness.mark()
    data = packet.udp(victim.address(version), 4000, target, 4001, b"stolen")
    thief.call(traffic.frame_send, "eth0", packet.frame(THIEF_MAC, bridge_facts(), data))
    lab.settle()
    return witness.since(mark, source=victim.address(version), payload=b"stolen")


def believed_mac(namespace: str | None, device: str, address: str) -> str:
    where = ["-n", namespace] if namespace else []
    words = netns.run("ip", *where, "neigh", "show", address, "dev", device).split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


def poison(lab: Lab, thief: Pod, victim: Pod, version: int) -> list[str]:
    """The thief claims the victim's address; who believes it, of the node and a third pod."""
    third = next(pod for pod in lab.pods if pod.name == "third")
    places = [(None, "cni0"), (third.netns, "eth0")]
    for namespace, device in places:  # the true entry first, so that a claim changes it
        command = ("ip", "-n", namespace) if namespace else ("ip",)
        netns.run(*command, "neigh", "replace", victim.address(version), "lladdr",
                  "02:00:00:00:00:01", "dev", device, "nud", "stale")
    if version == 4:
        thief.call(traffic.frame_send, "eth0", packet.arp_claim(victim.address(4), THIEF_MAC))
    else:
        own = thief.address(6)
        thief.call(traffic.frame_send, "eth0", *(
            packet.neighbour_claim(victim.address(6), own, THIEF_MAC, to, to_mac)
            for to, to_mac in (("ff02::1", "33:33:00:00:00:01"),)))
    lab.settle()
    return [device if namespace is None else namespace for namespace, device in places
            if believed_mac(namespace, device, victim.address(version)) == THIEF_MAC]


def try_all(lab: Lab, check: tap.Tap, when: str, works: bool) -> None:
    thief, victim = lab.pods[0], lab.pods[1]
    verb = "works" if works else "fails"
    for version in (4, 6):
        for target, witness in ((EXTERNAL[version], lab.outside), (INTERNAL[version], lab.inside)):
            check.equal(bool(steal(lab, thief, victim, version, target, witness)), works,
                        f"{when}: stolen address towards {target} {verb}")
        believers = poison(lab, thief, victim, version)
        expected = ["cni0", "pod-third"] if works else []
        check.equal(believers, expected,
                    f"{when}: {'ARP' if version == 4 else 'neighbour'} claim {verb}")


def own_traffic(lab: Lab, check: tap.Tap, when: str) -> None:
    for pod in lab.pods:
        for version in (4, 6):
            netns.run("ip", "neigh", "flush", "dev", "cni0")
            mark = lab.inside.mark()
            pod.call(traffic.udp_send, INTERNAL[version], 4002, b"own")
            lab.settle()
            check.check(lab.inside.since(mark, source=pod.address(version), payload=b"own"),
                        f"{when}: {pod.name}'s own traffic passes, v{version}")
    third = lab.pods[2]
    third.call(traffic.listen, "neighbour", 4003)
    for pod in lab.pods[:2]:
        for version in (4, 6):
            netns.ip(pod.netns, "neigh flush dev eth0")
            netns.ip(third.netns, "neigh flush dev eth0")
            check.equal(pod.call(traffic.tcp_connect, third.address(version), 4003), "connected",
                        f"{when}: {pod.name} reaches its neighbour, v{version}")
    third.call(traffic.close, "neighbour")


def test_bridge(check: tap.Tap, filters: bool) -> None:
    name = f"bridge-nf-call-iptables {int(filters)}"
    with Lab() as lab:
        lab.add_bridge(filters=filters)
        for pod in ("thief", "victim", "third"):
            lab.add_pod(pod, bridge="cni0")
        lab.write_pods()
        for device in ("cni0", *(pod.netns for pod in lab.pods)):
            namespace = None if device == "cni0" else device
            with netns.inside(namespace):
                netns.sysctl(net__ipv4__conf__all__arp_accept=1)
        own_traffic(lab, check, f"{name}, without podfence")
        try_all(lab, check, f"{name}, without podfence", True)
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        try_all(lab, check, f"{name}, podfence", False)
        own_traffic(lab, check, f"{name}, podfence")
        check.check(agent.wait_event(5, rule__category="spoof", kubernetes__pod__name="thief"),
                    f"{name}: an event says spoof and names the thief",
                    *agent.find_events(rule__category="spoof")[:2])
        blamed = agent.find_events(kubernetes__pod__name="victim")
        check.equal(blamed, [], f"{name}: nobody blames the victim")


def flatten(lab: Lab) -> Pod:
    """The node's segment is a bridge with the uplink and a pod as ports, the pod's gateway is the
    segment's router."""
    netns.ip(None, "link add br0 type bridge", "link set br0 up", "link set up0 down",
             "addr flush dev up0", "link set up0 master br0 up", f"addr add {NODE[4]}/24 dev br0",
             f"addr add {NODE[6]}/64 dev br0 nodad", "route replace default via 10.0.0.254",
             "route replace default via fd00:10::fe", *TO_SERVICE)
    pod = lab.new_pod("flat", bridge="br0")
    pod.addresses = ("10.0.0.50", "fd00:10::50")
    pod.wire()
    netns.ip(pod.netns, "route replace default via 10.0.0.254",
             "route replace default via fd00:10::fe")
    pod.run(lab.cgroups)
    return pod


def test_flat(check: tap.Tap) -> None:
    with Lab() as lab:
        pod = flatten(lab)
        lab.write_pods()
        agent = lab.agent()
        agent.start()
        mark = lab.outside.mark()
        for version in (4, 6):
            pod.call(traffic.udp_send, EXTERNAL[version], 5353)
        check.equal({one.source for one in lab.left(mark)}, set(pod.addresses),
                    "flat network: frames leave unjudged")
        agent.wait_for(lambda: "shop/flat is not covered: its bridge is an uplink itself" in
                       agent.said(), "the agent to say that the pod is not covered")
        check.check("flat is not resolved" not in agent.said().split("not covered")[1],
                    "flat network: nor is it said to meet pending", agent.said())


def uncovered(lab: Lab, agent: Agent, port: str) -> None:
    """Waits until both pods are said not to be covered because of this port."""
    for pod in lab.pods:
        said = f"shop/{pod.name} is not covered: its bridge has port {port} too, by which frames " \
               f"leave without being routed\n"
        agent.wait_for(lambda: said in agent.said(), said)


def test_way_out(check: tap.Tap) -> None:
    """A port that leads out, of a bridge in use."""
    with Lab() as lab:
        lab.add_bridge()
        for pod in ("one", "two"):
            lab.add_pod(pod, bridge="cni0")
        lab.write_pods()
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(2)
        check.check("not covered" not in agent.said(), "only pods are ports: they are covered")
        for port, kind in (("vxlan9", "vxlan id 9 dstport 4789 dev up0"),
                           ("here9", "veth peer name here8")):
            netns.ip(None, f"link add {port} type {kind}", f"link set {port} master cni0")
            uncovered(lab, agent, port)
            check.check(True, f"port {port}: both pods are said not to be covered")
            for pod, version in itertools.product(lab.pods, (4, 6)):
                mark = lab.outside.mark()
                pod.call(traffic.udp_send, EXTERNAL[version], 5353)
                check.equal(lab.left(mark), [], f"port {port}: what {pod.name} has routed is "
                                                f"denied all the same, v{version}")
            netns.ip(None, f"link delete {port}")


def test(check: tap.Tap) -> None:
    test_flat(check)
    test_way_out(check)
    for filters in (True, False):
        test_bridge(check, filters)


tap.main(test)
