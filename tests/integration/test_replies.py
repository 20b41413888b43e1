# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Answers to connections that began outside arrive: directly, through a NodePort, from host pods;
the same workload's own attempts to reach the same peer do not."""
import common  # noqa: F401
import netns
import tap
import traffic
from lab import EXTERNAL, NODE, OPEN_PORT, Lab
from pods import Pod

SERVER_PORT, NODE_PORT, DATAGRAM_PORT = 9100, 30080, 9101


def add_node_port(pod: Pod) -> None:
    """What kube-proxy makes of a Service of type NodePort with externalTrafficPolicy: Local."""
    rules = [f"{family} daddr {node} {transport} dport {NODE_PORT} dnat {family} to {target}:{port}"
             for family, node, target in (("ip", NODE[4], pod.address(4)),
                                          ("ip6", NODE[6], f"[{pod.address(6)}]"))
             for transport, port in (("tcp", SERVER_PORT), ("udp", DATAGRAM_PORT))]
    netns.nft(None, "\n".join(["table inet services {", "chain prerouting {",
                               "type nat hook prerouting priority dstnat", *rules, "}", "}", ""]))


def connect_in(lab: Lab, check: tap.Tap, server: Pod, address: str, port: int, how: str) -> None:
    own = EXTERNAL[6 if ":" in address else 4]
    outcome = lab.internet.call(traffic.tcp_connect, address, port, 3.0, "client", own)
    if not check.equal(outcome, "connected", f"tcp {how}: the connection opens"):
        return
    server.call(traffic.accept, "server", "session")
    server.call(traffic.send_on, "session", b"answer")
    check.equal(lab.internet.call(traffic.receive_on, "client"), (b"answer", ""),
                f"tcp {how}: the answer arrives")
    lab.internet.call(traffic.close, "client")
    server.call(traffic.close, "session")


def ask_in(lab: Lab, check: tap.Tap, server: Pod, address: str, port: int, how: str) -> None:
    own = EXTERNAL[6 if ":" in address else 4]
    lab.internet.call(traffic.open_datagram, "client", own, 0)
    lab.internet.call(traffic.send_to, "client", address, port, b"question")
    server.call(traffic.answer_datagram, f"datagram-{own}", b"answer")
    check.equal(lab.internet.call(traffic.receive_on, "client"), (b"answer", ""),
                f"udp {how}: the answer arrives")
    lab.internet.call(traffic.close, "client")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_bridge()
        routed = lab.add_pod("routed")
        lab.add_pod("bridged", bridge="cni0")
        lab.add_pod("host", is_host_network=True)
        lab.write_pods()
        add_node_port(routed)
        for pod in lab.pods:
            pod.call(traffic.listen, "server", SERVER_PORT)
            for version in (4, 6):
                pod.call(traffic.open_datagram, f"datagram-{EXTERNAL[version]}",
                         pod.address(version), DATAGRAM_PORT)
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        for version in (4, 6):
            for pod in lab.pods:
                how = f"to {pod.name} directly, v{version}"
                connect_in(lab, check, pod, pod.address(version), SERVER_PORT, how)
                ask_in(lab, check, pod, pod.address(version), DATAGRAM_PORT, how)
            how = f"to {routed.name} by a NodePort, v{version}"
            connect_in(lab, check, routed, NODE[version], NODE_PORT, how)
            ask_in(lab, check, routed, NODE[version], NODE_PORT, how)
        check.equal(agent.events(), [], "answers cause no event")
        mark = lab.outside.mark()
        for pod in lab.pods:
            for version in (4, 6):
                pod.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT, 0.3)
                pod.call(traffic.udp_send, EXTERNAL[version], OPEN_PORT)
        begun = [one for one in lab.left(mark) if one.dport == OPEN_PORT]
        check.equal(begun, [], "what the same workloads begin does not arrive")


tap.main(test)
