# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What a flood, a storm and a single packet cost the agent, beside ulogd2 with JSON output.

Flood: many packets of one pod to 16 destinations, at the full speed of a sender in Python.
Storm: as many flows as packets, while another pod sends one packet now and then. Latency: from
before the system call that sends a packet to the line at the reader of the socket of events, of
ulogd2 to the line in a pipe (qthreshold 1).

        sudo PODFENCE_BUILD=build-release python3 tests/bench/ledger.py [PACKETS [FLOWS]]
"""
import collections
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import netns  # noqa: E402
import traffic  # noqa: E402
import worker  # noqa: E402
from agent import Agent, wait_until  # noqa: E402
from lab import EXTERNAL4, OTHER_EXTERNAL4, Lab  # noqa: E402
from pods import Pod  # noqa: E402

import events  # noqa: E402

PROBES = 300
PACE = 0.03  # seconds between two of them
FLOOD = [(address, port) for address in (EXTERNAL4, OTHER_EXTERNAL4) for port in range(5000, 5008)]
TABLE = "table inet bench {\n\tchain before {\n\t\ttype filter hook forward priority -20\n\t}\n}\n"


def send_probes(first_port: int) -> dict[int, int]:
    """Single packets to new ports; when each was sent, by port."""
    sent = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for port in range(first_port, first_port + PROBES):
            time.sleep(PACE)
            sent[port] = time.monotonic_ns()
            sender.sendto(b"x" * 18, (EXTERNAL4, port))
    return sent


class Lines:
    """Lines of a descriptor with the time they came, in a thread."""

    def __init__(self, descriptor: int) -> None:
        self.came: list[tuple[int, bytes]] = []
        self.descriptor = descriptor
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        rest = b""
        while more := os.read(self.descriptor, 1 << 20):
            now = time.monotonic_ns()
            *lines, rest = (rest + more).split(b"\n")
            self.came += [(now, line) for line in lines]

    def ports(self, key: str) -> dict[int, int]:
        """When the first line of each port came."""
        found: dict[int, int] = {}
        for now, line in list(self.came):
            value = json.loads(line)
            for part in key.split("."):
                value = value.get(part, {}) if isinstance(value, dict) else {}
            if isinstance(value, int):
                found.setdefault(value, now)
        return found


def send_attempts(first_port: int) -> dict[int, int]:
    """The same of connections, each by a socket of its own."""
    sent, sockets = {}, collections.deque[socket.socket](maxlen=4)
    for port in range(first_port, first_port + PROBES):
        time.sleep(PACE)
        if len(sockets) == 4:
            sockets.popleft().close()
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        sockets[-1].setblocking(False)
        sent[port] = time.monotonic_ns()
        sockets[-1].connect_ex((EXTERNAL4, port))
    return sent


def latency(sent: dict[int, int], came: dict[int, int]) -> str:
    """In milliseconds."""
    values = sorted((came[port] - sent[port]) / 1e6 for port in sent if port in came)
    return (f"p50 {statistics.median(values):.2f} ms, "
            f"p99 {values[len(values) * 99 // 100]:.2f} ms, {len(values)} of {len(sent)} seen")


def cpu_ms(pid: int) -> float:
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def resident_mb(pid: int) -> float:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def books(agent: Agent) -> str:
    said = len(agent.said())
    agent.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: ": books: " in agent.said()[said:], "the books")
    return agent.said()[said:].split(": books: ")[1].splitlines()[0]


def settled_books(agent: Agent) -> str:
    for _ in range(20):
        found = books(agent)
        if found.endswith("books balance"):
            break
        time.sleep(0.2)
    return found


class Ulogd:
    """ulogd2 on group 5, in front of podfence's rules while its table is there."""

    def __init__(self, directory: pathlib.Path, threshold: int, output: pathlib.Path) -> None:
        text = events.ULOGD.format(directory=directory, plugins=events.PLUGINS)
        text = text.replace("netlink_qthreshold=100", f"netlink_qthreshold={threshold}")
        text = text.replace(f'file="{directory}/ulogd.json"', f'file="{output}"')
        text = text.replace("sync=0", f"sync={int(threshold == 1)}")
        (directory / "ulogd.conf").write_text(text)
        self.process = subprocess.Popen(["ulogd", "-c", str(directory / "ulogd.conf")],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=worker.die_with_parent)
        log = pathlib.Path("/proc/net/netfilter/nfnetlink_log")
        wait_until(lambda: "5" in log.read_text().split()[::8], "ulogd2's group")
        netns.nft(None, TABLE)
        netns.run("nft", *f"add rule {events.RULE}".split())

    def stop(self) -> None:
        netns.run("nft", "delete", "table", "inet", "bench")
        self.process.terminate()
        self.process.wait()


def quiet(pid: int) -> None:
    last = -1.0
    while (now := cpu_ms(pid)) != last:
        last = now
        time.sleep(0.3)


def flood(lab: Lab, agent: Agent, pod: Pod, directory: pathlib.Path, packets: int) -> float:
    """What a line costs ulogd2, in milliseconds of CPU."""
    rounds = packets // len(FLOOD)
    before = cpu_ms(agent.process.pid)
    begun = time.monotonic()
    sent = pod.call(traffic.volley, FLOOD, rounds)
    seconds = time.monotonic() - begun
    found = settled_books(agent)
    ours = cpu_ms(agent.process.pid) - before
    print(f"flood: {sent:,} packets to {len(FLOOD)} destinations in {seconds:.1f} s")
    print(f"  podfenced  {ours:8.1f} ms of CPU; {found}")
    output = directory / "flood.json"
    ulogd = Ulogd(directory, 100, output)
    quiet(ulogd.process.pid)
    before = cpu_ms(ulogd.process.pid)
    pod.call(traffic.volley, FLOOD, rounds)
    quiet(ulogd.process.pid)
    theirs = cpu_ms(ulogd.process.pid) - before
    ulogd.stop()
    lines = sum(1 for _ in output.open("rb"))
    each = theirs / max(lines, 1)
    print(f"  ulogd2     {theirs:8.1f} ms of CPU for {lines:,} lines, "
          f"{100 * (1 - lines / sent):.1f} % lost: {each * sent:.0f} ms for all")
    print(f"  podfenced takes 1/{each * sent / ours:.0f}")
    return each


def storm(lab: Lab, agent: Agent, pod: Pod, other: Pod, lines: Lines, flows: int,
          line_of_theirs: float) -> None:
    each = flows // 4
    destinations = [(f"203.0.113.{host}", port) for host in range(1, 5)
                    for port in range(2000, 2000 + each)]
    before, written = cpu_ms(agent.process.pid), len(agent.events())
    memory = resident_mb(agent.process.pid)
    sender = pod.another_worker()
    sender.start(traffic.volley, destinations, 1)
    sent = other.call(send_probes, 52000)
    total = sender.result()
    sender.stop()
    found = settled_books(agent)
    cost = cpu_ms(agent.process.pid) - before
    told = len(agent.events()) - written
    print(f"storm: {total:,} flows of one pod, {len(sent)} packets of another")
    print(f"  podfenced  {cost:8.1f} ms of CPU, {told} events; {found}")
    print(f"  {1000 * cost / (total + len(sent)):.2f} us a packet that is accounted for, "
          f"1/{line_of_theirs * (total + len(sent)) / cost:.0f} of ulogd2's line; "
          f"{1000 * cost / told:.0f} us an event")
    print(f"  memory     {memory:.1f} MB before, {resident_mb(agent.process.pid):.1f} behind")
    print(f"  the other's packets: {latency(sent, lines.ports('destination.port'))}")


def idle(lab: Lab, agent: Agent, pod: Pod, lines: Lines, directory: pathlib.Path) -> None:
    print("a packet to its line, idle: connections, each by a new socket; datagrams of one socket")
    for send, port in (send_attempts, 48000), (send_probes, 50000):
        sent = pod.call(send, port)
        time.sleep(0.5)
        print(f"  podfenced  {latency(sent, lines.ports('destination.port'))}")
    pipe = directory / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    ulogd = Ulogd(directory, 1, pipe)
    theirs = Lines(reader)
    for send, port in (send_attempts, 49000), (send_probes, 51000):
        sent = pod.call(send, port)
        time.sleep(0.5)
        print(f"  ulogd2     {latency(sent, theirs.ports('dest_port'))}")
    ulogd.stop()


def bench(lab: Lab, directory: pathlib.Path, packets: int, flows: int) -> None:
    pod, other = lab.add_pod("web"), lab.add_pod("other")
    lab.write_pods()
    agent = lab.agent()
    agent.output = directory / "events.jsonl"
    agent.output.touch()
    agent.start()
    agent.wait_endpoints(2)
    seam = socket.socket(socket.AF_UNIX)
    seam.connect(str(agent.events_socket))
    lines = Lines(seam.fileno())
    idle(lab, agent, other, lines, directory)
    theirs = flood(lab, agent, pod, directory, packets)
    storm(lab, agent, pod, other, lines, flows, theirs)
    agent.stop()


if __name__ == "__main__":
    if not shutil.which("ulogd"):
        sys.exit("ulogd2 is missing: apt-get install ulogd2 ulogd2-json")
    numbers = [int(one) for one in sys.argv[1:]] + [1_000_000, 200_000][len(sys.argv) - 1:]
    with Lab() as laboratory:
        sink = laboratory.directory / "sink"
        sink.mkdir()
        netns.run("mount", "-t", "tmpfs", "tmpfs", str(sink))
        try:
            bench(laboratory, sink, *numbers)
        finally:
            netns.run("umount", "--lazy", str(sink))
