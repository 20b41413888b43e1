# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The ledger: what is denied is counted to the packet, however much it is and whatever happens to
the agent; one NFLOG message a flow; and a sender with too many flows hides nobody else's.

What was sent is what the senders say; what was counted is what the agent's books say, which are
printed; what was told is the sum of network.packets over all events.
"""
import contextlib
import json
import pathlib
import signal
import socket

import common  # noqa: F401
import netns
import packet
import tap
import traffic
from agent import Agent, field, wait_until
from books import QUICK, check_balance, check_told, told
from lab import EXTERNAL, EXTERNAL4, EXTERNAL6, OPEN_PORT, OTHER_EXTERNAL4, Lab
from pods import Pod
from worker import Worker

SIXTEEN = [(address, port) for address in (EXTERNAL4, OTHER_EXTERNAL4)
           for port in range(5000, 5004)] + [(EXTERNAL6, port) for port in range(5000, 5008)]
ECS_CHECK = str(pathlib.Path(__file__).parents[1] / "golden" / "ecs_check.py")


def check_flow(check: tap.Tap, events: list[dict], what: str) -> None:
    """One flow: it starts once, goes on, ends, and its totals are the sums of its deltas."""
    states = [field(event, "podfence.flow.state") for event in events]
    check.check(states[:1] == ["start"] and states[-1:] == ["end"] and
                set(states[1:-1]) <= {"update"}, f"{what}: {states[:3]}...{states[-1:]}", states)
    total = 0
    for number, event in enumerate(events, 1):
        total += field(event, "network.packets")
        is_good = (field(event, "event.sequence") == number and
                   field(event, "podfence.flow.packets_total") == total)
        if not is_good:
            check.check(False, f"{what}: event {number} follows from those before", event)
            return
    check.check(len({field(event, "event.id") for event in events}) == len(events),
                f"{what}: {len(events)} events with ids of their own, totals add up to {total}")


def flood(check: tap.Tap, lab: Lab, agent: Agent, pod: Pod, rounds: int) -> None:
    when = f"flood by {pod.name}"
    before, mark = check_balance(check, agent, f"{when}: before"), lab.outside.mark()
    sent = pod.call(traffic.volley, SIXTEEN, rounds)
    after = check_balance(check, agent, f"{when}: {sent} packets")
    check.equal(after["denied"] - before["denied"], sent, f"{when}: each is counted once")
    check.equal(after["overflow"], before["overflow"], f"{when}: all of it in the ledger")
    messages = after["sent"] - before["sent"]
    check.check(16 <= messages <= 20, f"{when}: one message a flow ({messages})")
    for address, port in SIXTEEN:
        facts = {"destination__ip": address, "destination__port": port}
        check_told(check, agent, pod, rounds, f"{when}: {address} {port}: {rounds} are told",
                   **facts)
    check_flow(check, agent.find_events(kubernetes__pod__name=pod.name, destination__ip=EXTERNAL4,
                                        destination__port=5000), when)
    check.equal(lab.left(mark), [], f"{when}: none of it left the node")


def icmp(check: tap.Tap, lab: Lab, agent: Agent, pod: Pod) -> None:
    """Type and code stand for the port: two kinds of message are two flows."""
    for version in (4, 6):
        for _ in range(3):
            pod.call(traffic.icmp_send, EXTERNAL[version])
        facts = {"destination__ip": EXTERNAL[version],
                 "network__transport": "icmp" if version == 4 else "ipv6-icmp"}
        check_told(check, agent, pod, 3, f"{pod.name}: 3 echo requests v{version} in one flow",
                   **facts)
        check.equal(len({field(event, "podfence.flow.id") for event in agent.find_events(
            kubernetes__pod__name=pod.name, **facts)}), 1, f"{pod.name}: one flow, v{version}")
    check_balance(check, agent, f"icmp by {pod.name}")


def storm(check: tap.Tap, lab: Lab, agent: Agent, pod: Pod, others: list[Pod]) -> None:
    """Far more flows than one may begin, while others send one packet each."""
    before, mark = check_balance(check, agent, "storm: before"), lab.outside.mark()
    told_before = told(agent, pod)
    sender = pod.another_worker()
    sender.start(traffic.volley, [(EXTERNAL4, port) for port in range(1, 20001)], 1)
    for other in others:
        other.call(traffic.udp_send, EXTERNAL4, 6001)
        event = agent.wait_event(5, kubernetes__pod__name=other.name, destination__port=6001)
        check.check(event and field(event, "podfence.flow.detail") and
                    field(event, "source.port"), f"storm: {other.name}'s packet is a whole event",
                    event)
    sent = sender.result()
    sender.stop()
    after = check_balance(check, agent, f"storm: {sent} flows")
    check.equal(after["denied"] - before["denied"], sent + len(others), "storm: all are counted")
    check.check(after["overflow"] - before["overflow"] > sent / 2, "storm: most of it as overflow")
    check_told(check, agent, pod, told_before + sent, "storm: and told, one by one or together")
    check.equal(lab.left(mark), [], "storm: none of it left the node")



def kill(check: tap.Tap, lab: Lab, agent: Agent, pod: Pod) -> None:
    """Killed in the middle of a flood: nothing is lost, and what is told twice is bounded by what
    was told since the last reading."""
    before = check_balance(check, agent, "kill: before")
    destinations = [(EXTERNAL4, port) for port in range(5100, 5108)]
    sender = pod.another_worker()
    sender.start(traffic.volley, destinations, 20000)
    wait_until(lambda: told(agent, pod, destination__port=5100) > 100, "the flood to be told")
    agent.stop(signal.SIGKILL)
    agent.start()
    sent = sender.result()
    sender.stop()
    after = check_balance(check, agent, f"kill: {sent} packets")
    check.equal(after["denied"] - before["denied"], sent, "kill: all are counted")
    total = 0
    for _, port in destinations:
        facts = {"destination__port": port}
        wait_until(lambda: agent.find_events(kubernetes__pod__name=pod.name,
                                             podfence__flow__state="end", **facts), "its end")
        mine = told(agent, pod, **facts)
        check.check(mine >= 20000, f"kill: port {port}: {mine} of 20000 are told", mine)
        total += mine
    check.check(total <= sent + sent / 2, f"kill: {total - sent} of {sent} are told twice")


def stop(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """Stopped and started in the middle of a flow: told once, in one flow."""
    facts = {"destination__port": 5200}
    pod.call(traffic.volley, [(EXTERNAL4, 5200)], 1000)
    check.equal(agent.stop(), 0, "stop: it ends well")
    check.check("books balance" in agent.said().splitlines()[-2], "stop: its last books balance",
                *agent.said().splitlines()[-3:])
    check.equal(told(agent, pod, **facts), 1000, "stop: all is told when it ends")
    pod.call(traffic.volley, [(EXTERNAL4, 5200)], 500)
    agent.start()
    check_told(check, agent, pod, 1500, "stop: and what came meanwhile by the next agent", **facts)
    check_flow(check, agent.find_events(kubernetes__pod__name=pod.name, **facts), "stop")
    check_balance(check, agent, "stop")


def midstream(check: tap.Tap, lab: Lab, agent: Agent, pod: Pod) -> None:
    """Packets of a connection that is older than the rules are no attempt, and hide none."""
    pod.call(traffic.send_on, "old", b"late")
    event = agent.wait_event(5, kubernetes__pod__name=pod.name, network__transport="tcp",
                             podfence__midstream=True)
    check.check(event and field(event, "destination.port") == OPEN_PORT,
                f"{pod.name}: late data is marked", event)
    pod.call(traffic.tcp_connect, EXTERNAL4, OPEN_PORT, 0.2)
    event = agent.wait_event(5, kubernetes__pod__name=pod.name, network__transport="tcp",
                             podfence__midstream=False, destination__port=OPEN_PORT)
    check.check(event, f"{pod.name}: an attempt at the same place is told as one")
    pod.call(traffic.abort, "old")  # later counts are without what it would send again


def full(check: tap.Tap) -> None:
    """A ledger of 16 flows, and a pace of 5 a second."""
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent(ledger=QUICK | {"flows": 16, "newFlows": 100000})
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        for pod in lab.pods:
            mark = lab.outside.mark()
            before = check_balance(check, agent, f"full: {pod.name}: before")
            sent = pod.call(traffic.volley, [(EXTERNAL4, port) for port in range(7000, 7100)], 10)
            after = check_balance(check, agent, f"full: {pod.name}")
            check.equal(after["denied"] - before["denied"], sent, f"full: {pod.name}: all counted")
            check.check(after["overflow"] - before["overflow"] >= 840,
                        f"full: {pod.name}: what has no room is overflow")
            check.equal(lab.left(mark), [], f"full: {pod.name}: nothing passes")
            event = agent.wait_event(5, kubernetes__pod__name=pod.name,
                                     podfence__flow__overflow=True)
            check.check(event, f"full: {pod.name}: an event says so")
        agent.configure(ledger={"newFlows": 5})
        agent.reload()
        for pod in lab.pods:
            mark, before = lab.outside.mark(), check_balance(check, agent, f"pace: {pod.name}")
            sent = pod.call(traffic.volley, [(EXTERNAL6, port) for port in range(7200, 7250)], 1)
            after = check_balance(check, agent, f"pace: {pod.name}: {sent} new flows")
            check.equal(after["denied"] - before["denied"], sent, f"pace: {pod.name}: all counted")
            check.check(after["overflow"] - before["overflow"] >= 34,
                        f"pace: {pod.name}: what is too fast is overflow")
            check.equal(lab.left(mark), [], f"pace: {pod.name}: nothing passes")


def audit(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        stranger = lab.add_pod("stranger", is_host_network=True)
        lab.write_pods(*lab.pods[:3])
        agent = lab.agent(default={"mode": "audit"}, ledger=QUICK)
        agent.start()
        agent.wait_endpoints(3)
        for pod in lab.pods:
            mark, before = lab.outside.mark(), check_balance(check, agent, f"audit: {pod.name}")
            sent = pod.call(traffic.volley, [(EXTERNAL4, 8101), (EXTERNAL6, 8102)], 500)
            after = check_balance(check, agent, f"audit: {pod.name}: {sent} packets")
            check.equal(after["audited"] - before["audited"], sent, f"audit: {pod.name}: counted")
            check.equal(len(lab.left(mark)), sent, f"audit: {pod.name}: and all passed")
            check.check(after["sent"] - before["sent"] <= 4, f"audit: {pod.name}: one message a "
                        f"flow ({after['sent'] - before['sent']})")
            if pod is not stranger:
                for port in (8101, 8102):
                    check_told(check, agent, pod, 500, f"audit: {pod.name}: 500 are told",
                               event__action="would-drop", destination__port=port)
        check.check(agent.wait_event(5, destination__port=8101, rule__category="pending",
                                     podfence__flow__state="end"), "audit: a stranger's too")


def no_bridge(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    """The bridge table counts too; when its last pod goes, its rules go and its counts stay."""
    routed, bridged, host = lab.pods
    before = check_balance(check, agent, "bridge")
    forged = packet.udp("198.51.100.77", 1, EXTERNAL4, 2, b"forged")
    bridged.call(traffic.raw_send, forged, EXTERNAL4)
    check.check(agent.wait_event(5, rule__name="spoofed-source-bridge"), "a frame is forged")
    after = check_balance(check, agent, "bridge: one message more")
    check.equal((after["sent"], after["spoofed"]), (before["sent"] + 1, before["spoofed"] + 1),
                "bridge: it is counted")
    lab.write_pods(routed, host)
    agent.wait_endpoints(2)
    rules = netns.run("nft", "list", "table", "bridge", "podfence")
    check.check("chain" not in rules and "counter spoofed" in rules,
                "bridge: its table looks at nothing, and keeps its counts", rules)
    found = check_balance(check, agent, "bridge: its last pod is gone")
    check.equal((found["sent"], found["spoofed"]), (after["sent"], after["spoofed"]),
                "bridge: what was sent before counts")


def deny(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        for pod in lab.pods:
            check.equal(pod.call(traffic.tcp_connect, EXTERNAL4, OPEN_PORT, 3.0, "old"),
                        "connected", f"{pod.name} has a connection before the rules")
        agent = lab.agent(ledger=QUICK)
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        for pod in lab.pods:
            midstream(check, lab, agent, pod)
            icmp(check, lab, agent, pod)
            flood(check, lab, agent, pod, 3000)
        storm(check, lab, agent, lab.pods[0], lab.pods[1:])
        stop(check, agent, lab.pods[0])
        kill(check, lab, agent, lab.pods[0])
        no_bridge(check, lab, agent)
        check.equal(lab.outside.lost(), 0, "the witness saw everything")


class Seam:
    """What podfence-ship would read."""

    def __init__(self, agent: Agent) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(agent.events_socket))
        self.socket.settimeout(0.1)
        self.text = b""

    def events(self) -> list[dict]:
        with contextlib.suppress(TimeoutError):
            while more := self.socket.recv(65536):
                self.text += more
        return [json.loads(line) for line in self.text.split(b"\n")[:-1]]

    def find(self, **facts: object) -> list[dict]:
        return [event for event in self.events()
                if all(field(event, name.replace("__", ".")) == value
                       for name, value in facts.items())]


def allowed(check: tap.Tap) -> None:
    """What is let out to external addresses is recorded: connections, not packets."""
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent(ledger=QUICK, default={"mode": "deny", "allow": [
            f"{EXTERNAL4}:{OPEN_PORT}/tcp", f"[{EXTERNAL6}]:{OPEN_PORT}/tcp",
            f"{EXTERNAL4}:6100/udp"]})
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        seam = Seam(agent)
        for pod in lab.pods:
            before = check_balance(check, agent, f"allowed: {pod.name}")
            for version in (4, 6):
                for _ in range(3):
                    check.equal(pod.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT),
                                "connected", f"allowed: {pod.name} v{version} connects")
            pod.call(traffic.volley, [(EXTERNAL4, 6100)], 50)
            after = check_balance(check, agent, f"allowed: {pod.name}: 6 connections and 50 "
                                  "datagrams")
            check.check(after["allowed"] - before["allowed"] >= 7, f"allowed: {pod.name}: each "
                        "connection is counted", after)
            check.equal(after["sent"], before["sent"], f"allowed: {pod.name}: nothing is logged")
            for facts in ({"destination__ip": EXTERNAL4, "destination__port": OPEN_PORT},
                          {"destination__ip": EXTERNAL6, "destination__port": OPEN_PORT},
                          {"destination__ip": EXTERNAL4, "destination__port": 6100}):
                facts |= {"kubernetes__pod__name": pod.name, "event__action": "allowed"}
                try:
                    found = wait_until(lambda: seam.find(**facts), "the record", 5)[0]
                except TimeoutError:
                    found = {}
                check.equal([field(found, "event.type"), field(found, "podfence.policy.name")],
                            [["connection", "allowed"], "default.allow"],
                            f"allowed: {pod.name}: on record: {facts}", found)
        check.equal(agent.find_events(event__action="allowed"), [],
                    "allowed: nothing of it is on standard output")
        lines = lab.directory / "seam.jsonl"
        lines.write_text("".join(json.dumps(event) + "\n" for event in seam.events()
                                 if field(event, "event.action") == "allowed"))
        check.equal(netns.run("python3", ECS_CHECK, str(lines)), "", "allowed: events are ECS")
        agent.configure(ledger={"allowed": "off"})
        agent.reload()
        before = check_balance(check, agent, "allowed: off")
        lab.pods[0].call(traffic.tcp_connect, EXTERNAL4, OPEN_PORT)
        check.equal(check_balance(check, agent, "allowed: off")["allowed"], before["allowed"],
                    "allowed: off: nothing is recorded")


def test(check: tap.Tap) -> None:
    deny(check)
    full(check)
    audit(check)
    allowed(check)


tap.main(test)
