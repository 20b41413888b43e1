# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Frames that a host pod sends by packet sockets, past all rules of IP: denied to external
destinations however they are made, and nothing else of the node is.
"""
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import struct
import time
from collections.abc import Callable

import common  # noqa: F401
import netns
import packet
import sender as senders
import tap
import traffic
from agent import Agent, field, wait_until
from books import QUICK, books, check_balance
from lab import EXTERNAL, INTERNAL, NODE, OPEN_PORT, Lab
from worker import NOBODY, Worker

PORT = 5353
ETH_VLAN, ETH_QINQ = 0x8100, 0x88A8
N_FLOOD = 20000
PACE, BURST = 10, 20  # messages of one device: a second, and at once


def inside(namespace: str, *command: str) -> str:
    with netns.inside(namespace):
        return netns.run(*command)


def mac_of(namespace: str | None, device: str) -> str:
    with netns.inside(namespace):
        said = netns.run("ip", "-o", "link", "show", device)
    return re.findall(r"link/ether (\S+)", said)[0]


def datagram(version: int, is_external: bool = True, payload: bytes = b"podfence") -> bytes:
    to = (EXTERNAL if is_external else INTERNAL)[version]
    return packet.udp(NODE[version], 999, to, PORT, payload)


class Wire:
    """Every frame that comes out of the node, with its tags."""

    def __init__(self) -> None:
        with netns.inside("ext"):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.setsockopt(socket.SOL_SOCKET, traffic.SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind(("to-node", traffic.ETH_P_ALL))
        self.socket.setblocking(False)
        self.caught: list[bytes] = []

    def mark(self) -> int:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.caught.append(self.socket.recv(65536))
        return len(self.caught)

    def has(self, mark: int, part: bytes) -> bool:
        self.mark()
        return any(part in one for one in self.caught[mark:])


class Sender:
    """A host pod that makes frames."""

    def __init__(self, lab: Lab, worker: Worker, device: str = "up0") -> None:
        self.lab, self.worker, self.device = lab, worker, device
        self.own, self.router = mac_of(None, device), mac_of("ext", "fabric")
        self.wire = Wire()
        self.number = 0

    def frame(self, data: bytes, *tags: tuple[int, int]) -> bytes:
        """With VLAN tags by hand: (TPID, TCI)."""
        whole = packet.frame(self.own, self.router, data)
        stack = b"".join(struct.pack("!HH", *tag) for tag in tags)
        return whole[:12] + stack + whole[12:]

    def send(self, data: bytes, protocol: int = 0, bypass: bool = False) -> None:
        self.worker.call(traffic.frame_send_as, self.device, data, protocol, bypass)

    def cooked(self, data: bytes, bypass: bool) -> None:
        self.worker.call(traffic.cooked_send, self.device, packet.mac(self.router), data, bypass)

    def ring(self, data: bytes) -> None:
        self.worker.call(traffic.ring_send, self.device, self.frame(data))

    def arrives(self, way: Callable[[bytes], None], version: int, is_external: bool) -> bool:
        self.number += 1
        payload = b"frame %d of %s" % (self.number, self.device.encode())
        mark = self.wire.mark()
        way(datagram(version, is_external, payload))
        self.lab.settle()
        return self.wire.has(mark, payload)

    def disguised_arrives(self, bypass: bool) -> bool:
        mark = self.wire.mark()
        self.send(self.frame(disguised()), ETH_VLAN, bypass)
        self.lab.settle()
        return self.wire.has(mark, disguised())


def ways(sender: Sender) -> dict[str, Callable[[bytes], None]]:
    tagged, outer = (ETH_VLAN, 7), (ETH_QINQ, 9)
    return {
        "a raw frame": lambda data: sender.send(sender.frame(data)),
        "a raw frame that says it is ARP":
            lambda data: sender.send(sender.frame(data), packet.ETH_ARP),
        "a raw frame that says it is tagged":
            lambda data: sender.send(sender.frame(data), ETH_VLAN),
        "a frame of a SOCK_PACKET":
            lambda data: sender.worker.call(traffic.old_send, sender.device, sender.frame(data)),
        "a cooked frame": lambda data: sender.cooked(data, False),
        "a frame of a ring": sender.ring,
        "a frame with a tag by hand": lambda data: sender.send(sender.frame(data, tagged)),
        "a frame with a tag by hand that says it is tagged":
            lambda data: sender.send(sender.frame(data, tagged), ETH_VLAN),
        "a frame with a service tag": lambda data: sender.send(sender.frame(data, outer)),
    }


def disguised() -> bytes:
    """A late fragment (IPv4 only) that reads as ARP from its fifth byte on, which is where "the
    network header" stands when the sender says that the frame is tagged."""
    whole = packet.ip_packet(NODE[4], EXTERNAL[4], 4, b"podfence")
    head = whole[:4] + b"\x00\x01\x08\x00\x06\x04\x00\x00" + whole[12:20]
    return head[:10] + struct.pack("!H", packet.checksum(head)) + head[12:] + whole[20:]


def disguise(_: Lab, check: tap.Tap, sender: Sender) -> None:
    for bypass in (False, True):
        check.check(not sender.disguised_arrives(bypass),
                    f"a fragment that looks like ARP, past the queue {bypass}: stopped")


def ways_past_the_queue(sender: Sender) -> dict[str, Callable[[bytes], None]]:
    """Of these nothing but ARP is let out: where their headers stand the sender decides."""
    twice = ((ETH_QINQ, 9), (ETH_VLAN, 7))
    return {
        "a raw frame past the queue": lambda data: sender.send(sender.frame(data),
                                                               packet.ETH_IP4, True),
        "a raw frame past the queue that says it is ARP":
            lambda data: sender.send(sender.frame(data), packet.ETH_ARP, True),
        "a tagged frame past the queue that says it is ARP":
            lambda data: sender.send(sender.frame(data, (ETH_VLAN, 1)), packet.ETH_ARP, True),
        "a cooked frame past the queue": lambda data: sender.cooked(data, True),
        "a frame with two tags": lambda data: sender.send(sender.frame(data, *twice)),
    }


def without(check: tap.Tap, sender: Sender) -> None:
    """That each of these ways leads out, or stopping it would prove nothing."""
    for name, way in (ways(sender) | ways_past_the_queue(sender)).items():
        check.check(sender.arrives(way, 4, True), f"{name}: arrives without podfenced")
    for bypass in (False, True):
        check.check(sender.disguised_arrives(bypass), "the disguised fragment too")


def deny(_: Lab, check: tap.Tap, sender: Sender) -> None:
    for name, way in ways(sender).items():
        for version in (4, 6):
            if name == "a frame of a ring" and version == 6:
                continue  # one ring, bound to IPv4
            check.check(not sender.arrives(way, version, True), f"{name}, v{version}: stopped")
            check.check(sender.arrives(way, version, False),
                        f"{name}, v{version}: internal arrives")
    for name, way in ways_past_the_queue(sender).items():
        for version in (4, 6):
            check.check(not sender.arrives(way, version, True), f"{name}, v{version}: stopped")


def arp(lab: Lab, check: tap.Tap, sender: Sender) -> None:
    claim = packet.arp_claim("10.0.0.77", sender.own)
    for bypass in (False, True):
        mark = sender.wire.mark()
        sender.send(claim, packet.ETH_ARP, bypass)
        lab.settle()
        check.check(sender.wire.has(mark, claim),
                    f"ARP of a packet socket passes, past the queue: {bypass}")


def transfer(worker: Worker, address: str, size: int) -> int:
    """A stream in segments as large as the device takes them (GSO)."""
    worker.call(traffic.tcp_connect, address, OPEN_PORT, 3.0, "stream")
    worker.call(traffic.send_on, "stream", bytes(size))
    worker.call(traffic.close, "stream")
    return size


def nobody_else(lab: Lab, check: tap.Tap) -> None:
    """The node's own traffic and what it forwards: frames with a route."""
    counted = frames(lab.agents[0])
    routed = next(pod for pod in lab.pods if not pod.is_host_network)
    for version in (4, 6):
        for what, send in (
            ("udp", lambda: lab.host.call(traffic.udp_send, EXTERNAL[version], PORT)),
            ("fragments of udp", lambda: lab.host.call(traffic.udp_send, EXTERNAL[version], PORT,
                                                       bytes(5000))),
            ("tcp", lambda: lab.host.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT)),
            ("icmp", lambda: lab.host.call(traffic.icmp_send, EXTERNAL[version])),
            ("a raw IP packet", lambda: lab.host.call(traffic.raw_send, datagram(version),
                                                      EXTERNAL[version])),
            ("a large stream", lambda: transfer(lab.host, EXTERNAL[version], 1 << 20)),
        ):
            mark = lab.outside.mark()
            send()
            check.check(lab.left(mark, destination=EXTERNAL[version]),
                        f"{what} of the node itself passes, v{version}")
        check.equal(routed.call(traffic.tcp_connect, INTERNAL[version], OPEN_PORT), "connected",
                    f"what the node forwards passes, v{version}")
    check.equal(frames(lab.agents[0]), counted, "nothing of it counts as a packet socket's")


def tables() -> str:
    return netns.run("nft", "list", "ruleset")


def frames(agent: Agent) -> int:
    found = re.search(r"counter backstopped \{\s*packets (\d+)", tables())
    return int(found.group(1)) if found else 0


def status(agent: Agent) -> dict:
    return json.loads(agent.podfence("status", "-o", "json")[1])["backstop"]


def told(lab: Lab, check: tap.Tap, agent: Agent, sender: Sender) -> None:
    before = frames(agent)
    sender.arrives(lambda data: sender.send(sender.frame(data, (ETH_VLAN, 7))), 4, True)
    sender.arrives(lambda data: sender.send(sender.frame(data)), 6, True)
    check.equal(frames(agent), before + 2, "each is counted")
    for version in (4, 6):
        event = agent.wait_event(5, rule__name="packet-socket-external", event__action="dropped",
                                 destination__ip=EXTERNAL[version], destination__port=PORT)
        check.check(event, f"an event tells of it, v{version}", *agent.events()[-2:])
        if event:
            check.equal(field(event, "rule.category"), "backstop", "by its rule")
            check.equal(field(event, "podfence.link.out"), "up0", "and device")
    wait_until(lambda: status(agent)["frames"] == frames(agent), "the status to say how many")
    now = status(agent)
    check.equal(now["mode"], "deny", "the status says what is done")
    check.equal(now["devices"], [{"device": "up0"}], "and where")
    check.check("backstop" in agent.podfence("status")[1], "people are told too")


def flood(lab: Lab, check: tap.Tap, agent: Agent, sender: Sender) -> None:
    """Counted to the last, told within reason."""
    before, begun = check_balance(check, agent, "flood: before"), time.monotonic()
    sender.worker.call(traffic.frame_flood, "up0", sender.frame(datagram(4)), N_FLOOD)
    seconds = time.monotonic() - begun
    after = check_balance(check, agent, "flood")
    check.equal(after["backstopped"] - before["backstopped"], N_FLOOD,
                "a flood is counted frame by frame")
    check.equal(after["backstopped_unkept"], 0, "all of it for the device")
    messages, bound = after["sent"] - before["sent"], BURST + PACE * (seconds + 1)
    check.check(1 <= messages <= bound, f"flood: {messages} messages, at most {bound:.0f}")
    all_are_told(check, agent, "flood")


def all_are_told(check: tap.Tap, agent: Agent, what: str) -> None:
    counted = books(agent)["backstopped"]

    def told_of() -> int:
        return sum(field(event, "network.packets") or 0
                   for event in agent.find_events(rule__category="backstop"))

    with contextlib.suppress(TimeoutError):
        wait_until(lambda: told_of() >= counted, "the counts", 10)
    check.equal(told_of(), counted, f"{what}: events tell of every frame")
    last = agent.find_events(rule__category="backstop", podfence__flow__overflow=True)[-1]
    check.equal(field(last, "podfence.link.out"), "up0", f"{what}: by its device", last)


def modes(lab: Lab, check: tap.Tap, agent: Agent, sender: Sender) -> None:
    raw = ways(sender)["a raw frame"]
    for default, mode, action, now in (("deny", "audit", "would-drop", "audit"),
                                       ("audit", "deny", "would-drop", "audit"),
                                       ("deny", "off", None, "off")):
        agent.configure(default={"mode": default}, backstop={"mode": mode})
        agent.reload()
        said = len(agent.find_events(rule__category="backstop", event__action=action))
        check.check(sender.arrives(raw, 4, True), f"default {default}, backstop {mode}: it passes")
        if action:
            wait_until(lambda: len(agent.find_events(rule__category="backstop",
                                                     event__action=action)) > said,
                       "an event of what would have been dropped")
        check.equal(status(agent)["mode"], now, f"default {default}, backstop {mode}: told")
    check.check("hook egress" not in tables(), "off leaves no chain behind")
    agent.configure(default={"mode": "deny"}, backstop={"mode": "deny"})
    agent.reload()
    check.check(not sender.arrives(raw, 4, True), "and on again it stops")
    check_balance(check, agent, "modes")
    all_are_told(check, agent, "modes")


SEVERAL = "by-uid: several packet sockets can have sent it"
RESTED = ("by-uid: who has a packet socket open did not run, and who sent it has closed his",)
CLOSED = "by-uid: it has ended or closed the socket"
FOREIGN = "by-uid: it may come from a device in another network namespace"
SOLE = ("by-protocol", "by-protocol (others may have the socket open too)")
BUSY = ("by-uid: too many processes and open files to look at",
        "by-uid: too many look-ups at once")
ports = itertools.count(30001)


class Who:
    """Whose frame an event says it was."""

    def __init__(self, check: tap.Tap, agent: Agent, sender: Sender) -> None:
        self.check, self.agent, self.sender = check, agent, sender

    def send(self, worker: Worker, name: str, device: str = "up0") -> dict | None:
        """By a socket that stays open, until one is told by itself: only so many a second are."""
        return self.event_of(lambda frame: worker.call(traffic.frame_send_by, name, device, frame))

    def event_of(self, send: Callable[[bytes], object]) -> dict | None:
        event = None
        for _ in range(20):
            port = next(ports)
            send(self.frame(port))
            event = self.agent.wait_event(0.5, rule__name="packet-socket-external",
                                          destination__port=port)
            if event and field(event, "podfence.process.attribution") not in BUSY:
                break
        return event

    def frame(self, port: int) -> bytes:
        return self.sender.frame(packet.udp(NODE[4], 999, EXTERNAL[4], port, b"podfence"))

    def is_named(self, event: dict | None, what: str, worker: Worker | None, pod: str | None,
                 *attributions: str) -> None:
        """worker None: nobody is."""
        if not self.check.check(event, f"{what}: an event"):
            return
        said = field(event, "podfence.process.attribution")
        self.check.check(said in attributions, f"{what}: how sure it is", said, *attributions)
        self.check.equal(field(event, "process.pid"), worker and worker.pid,
                         f"{what}: the process", event.get("process"), said)
        self.check.equal(field(event, "kubernetes.pod.name"), pod, f"{what}: the pod",
                         field(event, "podfence.attribution"))
        self.check.equal(field(event, "container.name"), pod and "main", f"{what}: the container")
        self.check.equal(field(event, "podfence.attribution").startswith("socket"), bool(pod),
                         f"{what}: what proves it", field(event, "podfence.attribution"))


def who(lab: Lab, check: tap.Tap, agent: Agent, sender: Sender) -> None:
    """The one packet socket there is leads to its process; of several none is picked."""
    said, host, other = Who(check, agent, sender), sender.worker, lab.host
    host.call(traffic.open_frames, "mine", "up0")
    said.is_named(said.send(host, "mine"), "the only one", host, "host", *SOLE)
    other.call(traffic.open_frames, "other", "lo")
    said.is_named(said.send(host, "mine"), "one of two", None, None, SEVERAL)
    said.is_named(said.send(other, "other"), "one of two, bound to another device", None, None,
                  SEVERAL)
    host.call(traffic.close, "mine")
    said.is_named(said.send(other, "other"), "the only one, bound to another device", other, None,
                  *SOLE)
    other.call(traffic.close, "other")
    closed(said, host, other)
    rested(said, host, other)
    shared(said)
    by_another_way(lab, said)


def closed(said: Who, host: Worker, other: Worker) -> None:
    """Before anybody asked."""
    def close_first(frame: bytes) -> None:
        os.kill(said.agent.process.pid, signal.SIGSTOP)
        host.call(traffic.frame_flood, "up0", frame, 1)
        os.kill(said.agent.process.pid, signal.SIGCONT)

    for is_another_there in (False, True):
        if is_another_there:
            other.call(traffic.open_frames, "other", "up0", NOBODY)
        said.is_named(said.event_of(close_first),
                      f"closed, another user's is there: {is_another_there}", None, None, CLOSED)
    other.call(traffic.close, "other")


def rested(said: Who, host: Worker, other: Worker) -> None:
    """One of the same user is there, of a process that did nothing for a while."""
    other.call(traffic.open_frames, "other", "up0")

    def is_noted() -> bool:
        event = said.event_of(lambda frame: host.call(traffic.frame_flood, "up0", frame, 1))
        return field(event or {}, "podfence.process.attribution") in RESTED

    wait_until(is_noted, "who sleeps to be known for it", 30)
    event = said.event_of(lambda frame: host.call(traffic.frame_flood, "up0", frame, 1))
    said.is_named(event, "closed, another's is there who sleeps", None, None, *RESTED)
    said.is_named(said.send(other, "other"), "and when he sends he is named", other, None, *SOLE)
    other.call(traffic.close, "other")


def shared(said: Who) -> None:
    """Two processes of a pod have it open: the pod is named, and neither of them."""
    host = said.sender.worker
    host.call(traffic.open_frames, "mine", "up0")
    child = host.call(senders.bystander)
    event = said.send(host, "mine")
    said.check.equal(field(event or {}, "podfence.process.attribution"),
                     "by-protocol (several processes have the socket open)", "shared: how sure")
    said.check.equal(field(event or {}, "process.pid"), None, "shared: no process")
    said.check.equal(field(event or {}, "kubernetes.pod.name"), "host", "shared: their pod")
    host.call(senders.end, child)
    host.call(traffic.close, "mine")


def by_another_way(lab: Lab, said: Who) -> None:
    """A device of a pod stands on the uplink: a socket of the pod's sends frames there too."""
    routed = next(pod for pod in lab.pods if not pod.is_host_network)
    said.sender.worker.call(traffic.open_frames, "innocent", "lo")
    netns.ip(None, "link add above link up0 type macvlan mode bridge",
             f"link set above netns {routed.netns}")
    netns.ip(routed.netns, "link set above up")
    said.agent.wait_for(lambda: "above" in said.agent.podfence("pods")[1], "the device to be seen")
    routed.call(traffic.open_frames, "its", "above")
    said.is_named(said.send(routed, "its", "above"), "by a macvlan of a pod", None, None, FOREIGN)
    routed.call(traffic.close, "its")
    netns.ip(routed.netns, "link del above")
    said.agent.wait_for(lambda: "above" not in said.agent.podfence("pods")[1], "it to be gone")
    said.sender.worker.call(traffic.close, "innocent")


ROUTES = ("route replace default via 10.0.0.254", "route replace default via fd00:10::fe",
          f"route replace {INTERNAL[4]} via 10.0.0.3",
          f"route replace {INTERNAL[6]} via fd00:10::3")


def rename(device: str, name: str) -> None:
    """Not while it is up, as older kernels want it."""
    netns.ip(None, f"link set {device} down", f"link set {device} name {name}",
             f"link set {name} up", *ROUTES)


def changes(lab: Lab, check: tap.Tap, agent: Agent, sender: Sender) -> None:
    """The device gets another name, goes away and comes back, a virtual machine comes."""
    netns.sysctl(net__ipv6__conf__all__keep_addr_on_down=1)
    rename("up0", "wan")
    agent.wait_for(lambda: '-wan {' in tables(), "a chain for the new name")
    renamed = Sender(lab, sender.worker, "wan")
    check.check(not renamed.arrives(ways(renamed)["a raw frame"], 4, True),
                "a device that was renamed")
    rename("wan", "up0")
    agent.wait_for(lambda: '-up0 {' in tables(), "a chain for the old name")
    check.check(not sender.arrives(ways(sender)["a raw frame"], 4, True), "and back again")
    netns.ip(None, "link add vm0 link up0 type macvlan mode bridge")
    check.equal(status(agent)["devices"], [{"device": "up0"}], "a macvlan changes nothing")
    netns.ip(None, "link del vm0")


def restart(lab: Lab, check: tap.Tap, agent: Agent, sender: Sender) -> None:
    raw = ways(sender)["a raw frame"]
    agent.stop(9)
    check.check(not sender.arrives(raw, 4, True), "while the agent is away")
    agent.start()
    check.check(not sender.arrives(raw, 4, True), "after a restart")
    check_balance(check, agent, "restart")


def bridged(lab: Lab, check: tap.Tap, agent: Agent, sender: Sender) -> None:
    """The uplink becomes a port of a bridge: frames the bridge carries on are not its own."""
    netns.ip(None, "link add br0 type bridge", "link set br0 up", "link set up0 master br0",
             "addr flush dev up0", "addr add 10.0.0.1/24 dev br0",
             "addr add fd00:10::1/64 dev br0 nodad", *ROUTES)
    agent.wait_for(lambda: '-br0 {' in tables() and '-up0 {' not in tables(), "its chain")
    on_bridge = Sender(lab, sender.worker, "br0")
    check.check(not on_bridge.arrives(ways(on_bridge)["a raw frame"], 4, True),
                "by the bridge it is stopped")
    nobody_else(lab, check)
    check.check(sender.arrives(ways(sender)["a raw frame"], 4, True),
                "by the port it is not: what a bridge carries on looks the same")
    devices = {one["device"]: one.get("reason") for one in status(agent)["devices"]}
    check.check("port of br0" in (devices.get("up0") or ""), "and the status says so", devices)
    check.check("not at up0" in agent.podfence("status")[1], "to people too")


def no_host_pod(lab: Lab, check: tap.Tap, agent: Agent) -> None:
    lab.write_pods(*[pod for pod in lab.pods if not pod.is_host_network])
    agent.wait_for(lambda: "hook egress" not in tables(), "the chains to go")
    check.equal(status(agent)["mode"], "idle", "without a host pod nobody pays for it")
    check_balance(check, agent, "and the count stays")
    check.check(frames(agent) > 0, "where it was")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_pod("routed")
        host = lab.add_pod("host", is_host_network=True)
        lab.write_pods()
        agent = lab.agent(backstop={"mode": "deny"}, ledger=QUICK)
        sender = Sender(lab, host.worker)
        without(check, sender)
        agent.start()
        for part in (deny, disguise, arp):
            part(lab, check, sender)
        nobody_else(lab, check)
        for part in (told, who, flood, modes, restart, changes, bridged):
            part(lab, check, agent, sender)
        no_host_pod(lab, check, agent)


tap.main(test)
