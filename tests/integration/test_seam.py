# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The socket of events: a reader that comes late, goes, stops reading; and a second one. What it
did not get is told by the lines of state, exactly."""
import itertools
import json
import pathlib
import signal
import socket

import common  # noqa: F401
import tap
import traffic
from agent import Agent, field, wait_until
from lab import EXTERNAL4, Lab
from pods import Pod

ports = itertools.count(7000)


class Reader:
    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.buffer = b""

    def line(self) -> dict:
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def until_state(self, lines: int) -> tuple[list[dict], dict]:
        """Events up to the line of state that speaks of so many."""
        events = []
        while True:
            event = self.line()
            if field(event, "event.dataset") != "podfence.state":
                events.append(event)
            elif (field(event, "podfence.seam.lines") or 0) >= lines:  # the first names only itself
                return events, event

    def close(self) -> None:
        self.socket.close()


def deny(agent: Agent, pod: Pod, count: int) -> None:
    """So many events, seen on standard output."""
    before = len(agent.events())
    for _ in range(count):
        pod.worker.call(traffic.udp_send, EXTERNAL4, next(ports))
    agent.wait_for(lambda: len(agent.events()) >= before + count, "the events")


def identities(events: list[dict]) -> list[str]:
    return [field(event, "event.id") for event in events]


def check_readers(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    deny(agent, pod, 3)
    first = Reader(str(agent.events_socket))
    events, state = first.until_state(3)
    check.equal(identities(events), identities(agent.events()),
                "a reader that comes late gets what stdout got")
    check.equal(field(state, "podfence.seam.lines"), 3, "the line of state says how many")
    check.equal(field(state, "podfence.status.endpoints.enforced"), len(agent.pods_known),
                "and what the agent knows")
    second = Reader(str(agent.events_socket))
    try:
        second.line()
        refused = False
    except (EOFError, ConnectionResetError):
        refused = True
    check.check(refused, "a second reader is turned away")
    first.close()
    deny(agent, pod, 4)
    third = Reader(str(agent.events_socket))
    events, state = third.until_state(7)
    check.equal(identities(events), identities(agent.events())[3:],
                "the next reader gets what came between")
    check.equal(field(state, "podfence.seam.refused"), 1, "the refused one is counted")
    agent.process.send_signal(signal.SIGSTOP)
    third.close()
    fourth = Reader(str(agent.events_socket))
    agent.process.send_signal(signal.SIGCONT)
    _, state = fourth.until_state(7)
    check.equal(field(state, "podfence.seam.refused"), 1,
                "who leaves and comes back at once is not refused")
    fourth.close()


def check_stall(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """A reader that does not read: the buffer fills, stdout goes on, the loss is told."""
    stalled = Reader(str(agent.events_socket))
    stalled.until_state(7)
    before = len(agent.events())
    pod.worker.call(traffic.volley, [(EXTERNAL4, port) for port in range(9000, 12000)], 1)
    agent.wait_for(lambda: len(agent.events()) > before + 500, "events on stdout")
    events: list[dict] = []
    state: dict = {}

    def is_exact() -> bool:
        event = stalled.line()
        if field(event, "event.dataset") != "podfence.state":
            events.append(event)
            return False
        state.update(event)
        return field(event, "podfence.seam.lines") == len(agent.events())

    while not is_exact():
        pass
    offered = field(state, "podfence.seam.lines") - before
    dropped = field(state, "podfence.seam.dropped")
    check.check(dropped > 0, f"{dropped} of {offered} lines found no room")
    check.equal(len(events) + dropped, offered, "received and dropped are all")
    stalled.close()


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent(events={"buffer": 65536}, ledger={"newFlows": 100000})
        agent.pods_known = lab.pods
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        pod = lab.pods[0]
        check.equal(pathlib.Path(agent.events_socket).stat().st_mode & 0o777 & ~0o060, 0o600,
                    "the socket is root's, and at most the group's")
        check_readers(check, agent, pod)
        check_stall(check, agent, pod)
        reader = Reader(str(agent.events_socket))
        agent.stop(signal.SIGKILL)
        agent.start()
        last = wait_until(lambda: Reader(str(agent.events_socket)), "the socket of the next life")
        reader.close()
        last.line()  # it is heard
        check.equal(agent.stop(), 0, "ends well, with a reader to the last")
        last.close()


tap.main(test)
