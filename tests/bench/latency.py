# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""From what the node shows to rules in the kernel, beside many pods that are there already.

A pod is whole but for one thing; that thing is done, and the clock runs until the kernel announces
the transaction that carries the pod's link. Three things, each the last one to come: the address in
the pod's namespace, the first process in its cgroup, the pod's object in the API (whose server is
the tests' own, in a thread of this process; the clock runs from before it writes to the watch).
Beside it stands one `nft -f` of the same ruleset, into a namespace of its own.

        sudo PODFENCE_BUILD=build-release python3 tests/bench/latency.py [PODS [ROUNDS]]
"""
import os
import pathlib
import select
import socket
import statistics
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import cgroup  # noqa: E402
import netns  # noqa: E402
from agent import program  # noqa: E402
from api_server import ApiServer  # noqa: E402
from lab import Lab  # noqa: E402
from pods import Pod  # noqa: E402
from worker import Worker  # noqa: E402

NETLINK_NETFILTER = 12
NFNLGRP_NFTABLES = 7
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
NEWADDR = 20
PATIENCE = 10.0


class Announcements:
    """Transactions as the kernel announces them once they are in force."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket.bind((0, 0))
        self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE

    def forget(self) -> None:
        while select.select([self.socket], [], [], 0)[0]:
            self.socket.recv(1 << 16)

    def wait(self, key: bytes) -> float:
        """When an element with this key came."""
        end = time.monotonic() + PATIENCE
        while select.select([self.socket], [], [], max(0, end - time.monotonic()))[0]:
            message = self.socket.recv(1 << 16)
            now = time.monotonic()
            if key in message and b"links_v1" in message:
                return now
        raise TimeoutError("no such element was announced")


def device_index(name: str) -> int:
    return int(pathlib.Path(f"/sys/class/net/{name}/ifindex").read_text()) \
        if pathlib.Path(f"/sys/class/net/{name}").exists() else socket.if_nametoindex(name)


def add_address(device: str, address: str) -> float:
    """In the namespace the calling process is in; returns when the kernel was asked."""
    body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, socket.if_nametoindex(device))
    for kind in (1, 2):  # IFA_ADDRESS, IFA_LOCAL
        body += struct.pack("=HH", 8, kind) + socket.inet_aton(address)
    request = struct.pack("=IHHII", 16 + len(body), NEWADDR, 0x605, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        begun = time.monotonic()
        netlink.send(request)
        error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
    if error:
        raise OSError(-error, os.strerror(-error))
    return begun


def make_link(pod: Pod) -> None:
    netns.add(pod.netns)
    netns.ip(None, f"link add {pod.link} type veth peer name eth0 netns {pod.netns}",
             f"link set {pod.link} up")
    netns.ip(pod.netns, "link set eth0 up")


def make_whole(lab: Lab, pod: Pod) -> None:
    make_link(pod)
    netns.ip(pod.netns, f"addr add {pod.address(4)}/32 dev eth0")
    pod.directory = lab.cgroups.make(pod.container_path())
    pod.sleeper = Worker(pod.netns, pod.directory)


def measure_address(lab: Lab, pod: Pod, heard: Announcements) -> float:
    make_link(pod)
    pod.directory = lab.cgroups.make(pod.container_path())
    pod.sleeper = Worker(pod.netns, pod.directory)
    time.sleep(0.1)
    heard.forget()
    begun = pod.sleeper.call(add_address, "eth0", pod.address(4))
    return heard.wait(struct.pack("=I", socket.if_nametoindex(pod.link))) - begun


def measure_process(lab: Lab, pod: Pod, heard: Announcements) -> float:
    make_link(pod)
    netns.ip(pod.netns, f"addr add {pod.address(4)}/32 dev eth0")
    pod.directory = lab.cgroups.make(pod.container_path())
    pod.sleeper = Worker(pod.netns)
    time.sleep(0.1)
    heard.forget()
    cgroup.attach(pod.directory, pod.sleeper.pid)
    begun = time.monotonic()  # before it comes a grace period of the kernel's, milliseconds long
    return heard.wait(struct.pack("=I", socket.if_nametoindex(pod.link))) - begun


def measure_object(lab: Lab, pod: Pod, heard: Announcements) -> float:
    make_whole(lab, pod)
    time.sleep(0.1)
    heard.forget()
    lab.api.put(pod.api_object())
    seen = heard.wait(struct.pack("=I", socket.if_nametoindex(pod.link)))
    return seen - lab.api.told["Pod"][1]


def nft_seconds(config: pathlib.Path, pods: pathlib.Path) -> float:
    """One `nft -f` of the ruleset as it is now, the namespace empty."""
    text = subprocess.run([program("podfence"), "render", "--config", str(config)],
                          capture_output=True, text=True, check=True).stdout
    netns.add("bench")
    with netns.inside("bench"):
        begun = time.monotonic()
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
        seconds = time.monotonic() - begun
    netns.delete("bench")
    return seconds


def spread(seconds: list[float]) -> str:
    ordered = sorted(1000 * one for one in seconds)
    return (f"median {statistics.median(ordered):.2f} ms, "
            f"p90 {ordered[len(ordered) * 9 // 10]:.2f}, worst {ordered[-1]:.2f}")


def main() -> None:
    n_pods, rounds = (int(one) for one in (sys.argv[1:] + ["250", "25"][len(sys.argv) - 1:]))
    with Lab() as lab:
        subnets = iter(range(1 << 16))

        def new_pod(name: str) -> Pod:
            pod = lab.new_pod(name)
            number = next(subnets)
            pod.addresses = (f"10.244.{number >> 8}.{number & 255}",)
            return pod

        for number in range(n_pods):
            make_whole(lab, new_pod(f"steady-{number}"))
        later = {name: [new_pod(f"{name}-{number}") for number in range(rounds)]
                 for name in ("address", "process", "object")}
        lab.write_pods()  # for `podfence render`
        lab.api = ApiServer(lab.directory)
        lab.api.start()
        lab.stack.callback(lab.api.stop)
        for pod in lab.pods:
            if pod not in later["object"]:
                lab.api.put(pod.api_object())
        agent = lab.agent(network={"podCIDRs": ["10.244.0.0/16"]}, kubernetes={
            "source": "kubeconfig", "kubeconfig": str(lab.api.kubeconfig())})
        agent.start()
        agent.wait_for(lambda: "list complete" in agent.said(), "the lists")
        agent.wait_endpoints(n_pods + 2 * rounds, 2 * rounds)
        heard = Announcements()
        print(f"{n_pods} pods, {rounds} rounds; from the last thing to come to the kernel's word")
        for name, measure in (("address", measure_address), ("process", measure_process),
                              ("object", measure_object)):
            print(f"  {name:8} last: {spread([measure(lab, pod, heard) for pod in later[name]])}")
        status = pathlib.Path(f"/proc/{agent.process.pid}/status").read_text()
        memory = next(line for line in status.splitlines() if line.startswith("RssAnon"))
        print(f"  podfenced: {' '.join(memory.split())}")
        agent.stop()
        agent.configure(kubernetes={"source": "none"})
        loads = [nft_seconds(agent.config, lab.directory) for _ in range(5)]
        print(f"  one nft -f: {spread(loads)}")


main()
