# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What workloads may reach: nothing external, everything internal; and who is named for it.

The same attempts are made before the agent starts (all arrive) and under it (none does), so that a
test cannot pass because a packet was wrong.
"""
import common  # noqa: F401
import tap
import traffic
from agent import Agent, field
from lab import EXTERNAL, INTERNAL, OPEN_PORT, Lab
from pods import Pod

UDP_PORT = 5353
ATTEMPTS = {
    "tcp": lambda pod, address: pod.call(traffic.tcp_connect, address, OPEN_PORT, 0.3),
    "udp": lambda pod, address: pod.call(traffic.udp_send, address, UDP_PORT),
    "icmp": lambda pod, address: pod.call(traffic.icmp_send, address),
}
PORTS = {"tcp": OPEN_PORT, "udp": UDP_PORT, "icmp": 0}


def make_pods(lab: Lab) -> list[Pod]:
    lab.add_bridge()
    return [
        lab.add_pod("routed"),
        lab.add_pod("guaranteed", qos="guaranteed"),
        lab.add_pod("bridged", bridge="cni0"),
        lab.add_pod("host", is_host_network=True, namespace_name="monitoring"),
        lab.add_pod("static", is_host_network=True, is_static=True, namespace_name="kube-system"),
        lab.add_pod("cgroupfs", is_host_network=True, driver="cgroupfs"),
        lab.add_pod("besteffort", is_host_network=True, driver="cgroupfs", qos="besteffort"),
        lab.add_pod("whole", is_host_network=True, driver="cgroupfs", qos="guaranteed"),
    ]


def arrives(lab: Lab, pod: Pod, transport: str, version: int, is_external: bool) -> bool:
    """Makes an attempt and asks the receiving side."""
    witness = lab.outside if is_external else lab.inside
    address = (EXTERNAL if is_external else INTERNAL)[version]
    mark = witness.mark()
    ATTEMPTS[transport](pod, address)
    lab.settle()
    return bool(witness.since(mark, source=pod.address(version), destination=address,
                              transport=transport, dport=PORTS[transport]))


def try_all(lab: Lab, check: tap.Tap, pods: list[Pod], is_external: bool, expected: bool,
            when: str) -> None:
    for pod in pods:
        for version in (4, 6):
            for transport in ATTEMPTS:
                place = "external" if is_external else "internal"
                verb = "arrives" if expected else "does not arrive"
                check.equal(arrives(lab, pod, transport, version, is_external), expected,
                            f"{when}: {pod.name} {place} {transport} v{version} {verb}")


def check_events(lab: Lab, check: tap.Tap, agent: Agent, pods: list[Pod]) -> None:
    for pod in pods:
        kind = "host-pod" if pod.is_host_network else "pod"
        for version in (4, 6):
            for transport in ATTEMPTS:
                facts = {"kubernetes__namespace": pod.namespace_name,
                         "kubernetes__pod__name": pod.name, "event__action": "dropped",
                         "source__ip": pod.address(version),
                         "destination__ip": EXTERNAL[version],
                         "rule__name": "default-deny-external", "rule__category": "default",
                         "podfence__endpoint__kind": kind}
                if transport == "icmp":
                    facts["network__transport"] = "icmp" if version == 4 else "ipv6-icmp"
                else:
                    facts |= {"network__transport": transport,
                              "destination__port": PORTS[transport]}
                event = agent.wait_event(5, **facts)
                check.check(event, f"event names {pod.name} for {transport} v{version}", facts,
                            "instead: ", *agent.find_events(destination__ip=EXTERNAL[version],
                                                            kubernetes__pod__name=pod.name)[:3])
    stray = [event for event in agent.events() if field(event, "kubernetes.pod.name") not in
             [pod.name for pod in pods]]
    check.equal(stray, [], "no event accuses anybody else")


def established(lab: Lab, check: tap.Tap, pods: list[Pod]) -> None:
    for pod in pods:
        for version in (4, 6):
            name = f"before-{version}"
            mark = lab.outside.mark()
            outcome = pod.call(traffic.send_on, name, f"late {pod.name} {version}".encode())
            lab.settle()
            late = [one for one in lab.outside.since(mark, source=pod.address(version),
                                                     dport=OPEN_PORT) if one.payload]
            check.equal(late, [], f"{pod.name}: payload of a connection older than the "
                                  f"agent stays, v{version} ({outcome})")


def reject(lab: Lab, check: tap.Tap, agent: Agent, pods: list[Pod]) -> None:
    agent.configure(default={"action": "reject"})
    agent.reload()
    mark = lab.outside.mark()
    for pod in pods:
        for version in (4, 6):
            tcp = pod.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT, 8.0)
            check.equal(tcp, "ECONNREFUSED", f"reject: {pod.name} tcp v{version} is refused")
            udp = pod.call(traffic.udp_reject, EXTERNAL[version], UDP_PORT)
            check.check(udp in ("EHOSTUNREACH", "EACCES", "EPERM"),
                        f"reject: {pod.name} udp v{version} is told ({udp})", udp)
    senders = {pod.address(version) for pod in pods for version in (4, 6)}
    check.equal([one for one in lab.left(mark) if one.source in senders], [],
                "reject: nothing arrives")
    check.check(agent.wait_event(5, event__action="rejected"), "reject: events say rejected")
    agent.configure(default={"action": "drop"})
    agent.reload()


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        pods = make_pods(lab)
        try_all(lab, check, pods, is_external=True, expected=True, when="without podfenced")
        for pod in pods:
            for version in (4, 6):
                check.equal(pod.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT, 3.0,
                                     f"before-{version}"), "connected",
                            f"{pod.name} has an open connection, v{version}")
        lab.write_pods()
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(pods))
        established(lab, check, pods)
        try_all(lab, check, pods, is_external=True, expected=False, when="deny")
        try_all(lab, check, pods, is_external=False, expected=True, when="deny")
        check_events(lab, check, agent, pods)
        for version in (4, 6):
            check.equal(lab.host.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT),
                        "connected", f"a process outside all pods connects, v{version}")
        reject(lab, check, agent, [pods[0], pods[2], pods[3]])
        check.equal(lab.outside.lost(), 0, "the witness saw everything")


tap.main(test)
