# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A node, the internet and an internal network, made of network namespaces.

        pods (pod-NAME)                 ext: the internet, and the router of the segment
          |  veth, routed or on cni0     |  203.0.113.9 198.51.100.9 2001:db8::9
        the node (this process) --up0-- fabric (a bridge in ext) -- int:   10.99.0.2 fd00:99::2
          host pods: cgroups only        10.0.0.0/24 fd00:10::/64  -- nodeb: another node

What counts as "left the node" is what the router's device in ext saw (Lab.outside): every packet to
an address that is not on the segment goes through it, from this node or from another, with or
without a listener behind. Lab.inside is the same for the internal service.
"""
import contextlib
import itertools
import json
import os
import pathlib
import shutil
import tempfile
from typing import Any

import cgroup
import netns
import traffic
from agent import Agent, wait_until
from pods import NODE_NAME, Pod
from worker import Worker

EXTERNAL4, EXTERNAL6 = "203.0.113.9", "2001:db8::9"
OTHER_EXTERNAL4 = "198.51.100.9"
INTERNAL4, INTERNAL6 = "10.99.0.2", "fd00:99::2"
NODE4, NODE6 = "10.0.0.1", "fd00:10::1"
NODEB4, NODEB6 = "10.0.0.2", "fd00:10::2"
EXTERNAL = {4: EXTERNAL4, 6: EXTERNAL6}
INTERNAL = {4: INTERNAL4, 6: INTERNAL6}
NODE = {4: NODE4, 6: NODE6}
NODEB = {4: NODEB4, 6: NODEB6}
TO_SERVICE = (f"route add {INTERNAL4} via 10.0.0.3", f"route add {INTERNAL6} via fd00:10::3")
OPEN_PORT = 8080  # TCP listeners in ext and int
MARKER_PORT = 9  # discard: only settle() sends there


def rules() -> list[str]:
    """The ruleset without its counts."""
    lines = netns.run("nft", "list", "ruleset").splitlines()
    return sorted(line for line in lines if "packets" not in line)


class Lab:
    def __init__(self, rp_filter: int = 0) -> None:
        self.pods: list[Pod] = []
        self.agents: list[Agent] = []
        self.markers = itertools.count(1)
        self.stack = contextlib.ExitStack()
        try:
            self.build(rp_filter)
        except BaseException:
            self.stack.close()
            raise

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def build(self, rp_filter: int) -> None:
        netns.enter_private()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="podfence-lab-"))
        self.stack.callback(shutil.rmtree, self.directory)
        self.cgroups = cgroup.CgroupTree()
        self.stack.callback(self.cgroups.remove)
        self.pod_roots = ["kubepods.slice", "kubepods"]
        for root in self.pod_roots:
            self.cgroups.make(root)
        self.stack.callback(self.stop)
        self.build_segment()
        self.build_node(rp_filter)
        self.outside = traffic.Witness("ext", "fabric")
        self.stack.callback(self.outside.stop)
        self.inside = traffic.Witness("int", "eth0")
        self.stack.callback(self.inside.stop)
        self.internet, self.service = Worker("ext"), Worker("int")
        self.host = Worker()  # a process of the node that belongs to no pod
        for server in (self.internet, self.service):
            server.call(traffic.listen, "open", OPEN_PORT)

    def build_segment(self) -> None:
        for name in ("ext", "int", "nodeb"):
            netns.add(name)
        with netns.inside("ext"):
            netns.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1,
                         net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0,
                         net__bridge__bridge_nf_call_iptables=0,
                         net__bridge__bridge_nf_call_ip6tables=0)
        netns.ip("ext", "link add fabric type bridge", "link set fabric up",
                 "addr add 10.0.0.254/24 dev fabric", "addr add fd00:10::fe/64 dev fabric nodad",
                 *(f"addr add {one} dev lo" for one in
                   (f"{EXTERNAL4}/32", f"{OTHER_EXTERNAL4}/32", f"{EXTERNAL6}/128")))
        for name, device, number in ((None, "up0", 1), ("nodeb", "eth0", 2), ("int", "eth0", 3)):
            port = f"to-{name or 'node'}"
            netns.ip("ext", f"link add {port} type veth peer name {device}",
                     f"link set {port} master fabric", f"link set {port} up",
                     f"link set {device} netns {name or os.getpid()}")
            netns.ip(name, f"link set {device} up", f"addr add 10.0.0.{number}/24 dev {device}",
                     f"addr add fd00:10::{number}/64 dev {device} nodad",
                     "route add default via 10.0.0.254", "route add default via fd00:10::fe")
        netns.ip("int", f"addr add {INTERNAL4}/32 dev lo", f"addr add {INTERNAL6}/128 dev lo")
        for name in ("ext", "int", "nodeb"):
            netns.ip(name, f"route add 10.244.0.0/16 via {NODE4}",
                     f"route add fd00:244::/32 via {NODE6}")
        netns.ip("ext", *TO_SERVICE)

    def build_node(self, rp_filter: int) -> None:
        netns.ip(None, *TO_SERVICE)
        netns.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        self.set_rp_filter(rp_filter)

    def set_rp_filter(self, value: int) -> None:
        netns.sysctl(net__ipv4__conf__all__rp_filter=value,
                     net__ipv4__conf__default__rp_filter=value)
        for path in pathlib.Path("/proc/sys/net/ipv4/conf").glob("*/rp_filter"):
            path.write_text(f"{value}\n")

    def add_bridge(self, name: str = "cni0", subnet: int = 9, filters: bool = True) -> None:
        """A CNI bridge; `filters`: bridged frames pass the IP hooks, as kube-proxy wants it."""
        netns.sysctl(net__bridge__bridge_nf_call_iptables=int(filters),
                     net__bridge__bridge_nf_call_ip6tables=int(filters))
        netns.ip(None, f"link add {name} type bridge", f"link set {name} up",
                 f"addr add 10.244.{subnet}.1/24 dev {name}",
                 f"addr add fd00:244:{subnet}::1/64 dev {name} nodad")

    def add_pod(self, name: str, **facts: Any) -> Pod:
        """Makes a pod that runs. Addresses are given out where it needs some."""
        pod = self.new_pod(name, **facts)
        pod.wire()
        pod.run(self.cgroups)
        return pod

    def add_three_pods(self) -> None:
        """One of each kind, in the list of pods too: routed, behind a bridge, of the host."""
        self.add_bridge()
        self.add_pod("routed")
        self.add_pod("bridged", bridge="cni0")
        self.add_pod("host", is_host_network=True)
        self.write_pods()

    def new_pod(self, name: str, **facts: Any) -> Pod:
        """A pod the lab knows of, not yet on the node."""
        number = len(self.pods) + 5
        subnet = 9 if facts.get("bridge") else 1
        addresses = (NODE4, NODE6) if facts.get("is_host_network") else \
            (f"10.244.{subnet}.{number}", f"fd00:244:{subnet}::{number:x}")
        pod = Pod(name, addresses=addresses, **facts)
        self.pods.append(pod)
        return pod

    def write_pods(self, *pods: Pod) -> None:
        """The PodList as an export or a kubelet's mirror would write it: whole, then renamed."""
        items = [pod.api_object() for pod in (pods or self.pods)]
        self.write_pod_list(json.dumps({"apiVersion": "v1", "kind": "PodList", "items": items}))

    def write_pod_list(self, text: str) -> None:
        fresh = self.directory / "pods.new"
        fresh.write_text(text)
        fresh.rename(self.directory / "pods.json")

    def settings(self) -> dict[str, Any]:
        return {
            "node": {"name": NODE_NAME,
                     "podRoots": [self.cgroups.from_mount(root) for root in self.pod_roots]},
            "pods": {"file": str(self.directory / "pods.json")},
            "default": {"mode": "deny", "action": "drop"},
            "network": {"derive": "off", "podCIDRs": ["10.244.0.0/16", "fd00:244::/32"],
                        "nodeCIDRs": ["10.0.0.0/24", "fd00:10::/64"],
                        "internal": ["10.99.0.0/24", "fd00:99::/64"]},
        }

    def agent(self, namespace: str | None = None, **sections: dict[str, Any]) -> Agent:
        """An agent that is not running yet: agent(default={"mode": "audit"})."""
        directory = self.directory / f"agent-{len(self.agents)}"
        directory.mkdir()
        agent = Agent(directory, self.settings(), namespace)
        agent.configure(**sections)
        self.agents.append(agent)
        return agent

    def settle(self) -> None:
        """Returns when everything sent before has been seen by the witnesses, if it got there: a
        packet of the node itself, sent now, has come through behind it."""
        for address, witness in ((OTHER_EXTERNAL4, self.outside), (INTERNAL4, self.inside)):
            payload = b"marker %d" % next(self.markers)
            mark = witness.mark()  # after a flood there is much that need not be looked at again

            def has_arrived() -> bool:
                self.host.call(traffic.udp_send, address, MARKER_PORT, payload)
                return bool(witness.since(mark, dport=MARKER_PORT, payload=payload))

            wait_until(has_arrived, f"a marker at {address}", 120)

    def left(self, mark: int, **facts: Any) -> list[Any]:
        """What reached the internet side since then, markers left out."""
        self.settle()
        return [one for one in self.outside.since(mark, **facts) if one.dport != MARKER_PORT]

    def stop(self) -> None:
        for agent in self.agents:
            with contextlib.suppress(Exception):
                agent.stop(9)
        workers = [getattr(self, name, None) for name in ("internet", "service", "host")]
        for one in (*self.pods, *workers):
            if one:
                one.stop()
        self.pods.clear()
