# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""podfence-ship stopped in the middle of denied traffic: podfenced goes on as if nothing were.
Every event is on standard output, flushed rules are repaired, calls are answered; and when the
shipper goes on, what it got and what it lost are all there was.

PODFENCE_STALL: for how many seconds it is stopped.
"""
import itertools
import os
import pathlib
import signal
import statistics
import time
from datetime import datetime

import common  # noqa: F401
import netns
import tap
import traffic
from agent import Agent, field, wait_until
from lab import EXTERNAL4, Lab, rules
from pods import Pod
from shipper import Shipper

SECONDS = int(os.environ.get("PODFENCE_STALL", "12"))
FLOWS = 40  # new ones a second
ports = itertools.count(5000)


def when(event: dict, name: str) -> float:
    return datetime.fromisoformat(field(event, name)).timestamp()


class Phase:
    """So many seconds of new flows, with a flush of the rules every third one."""

    def __init__(self, agent: Agent, pod: Pod, name: str, whole: list[str]) -> None:
        self.agent, self.name, self.whole = agent, name, whole
        self.ports: set[int] = set()
        self.repairs: list[float] = []
        for second in range(SECONDS):
            begun = time.monotonic()
            fresh = list(itertools.islice(ports, FLOWS))
            pod.worker.call(traffic.volley, [(EXTERNAL4, port) for port in fresh], 1)
            self.ports |= set(fresh)
            if second % 3 == 2:
                self.flush()
            time.sleep(max(0.0, 1 - (time.monotonic() - begun)))

    def flush(self) -> None:
        told = self.agent.said().count("our rules were changed by nft")
        begun = time.monotonic()
        netns.run("nft", "flush", "chain", "inet", "podfence", "forward")
        self.agent.wait_for(lambda: self.agent.said().count("our rules were changed by nft") > told,
                            f"{self.name}: the repair")
        self.repairs.append((time.monotonic() - begun) * 1000)

    def events(self) -> dict[int, dict]:
        """The first event of each flow, by port."""
        found: dict[int, dict] = {}
        for event in self.agent.events():
            port = field(event, "destination.port")
            if port in self.ports:
                found.setdefault(port, event)
        return found

    def check(self, check: tap.Tap) -> None:
        self.agent.wait_for(lambda: len(self.events()) == len(self.ports),
                            f"{self.name}: an event of each flow on standard output")
        delays = sorted((when(event, "event.created") - when(event, "@timestamp")) * 1000
                        for event in self.events().values())
        check.check(True, f"{self.name}: {len(self.ports)} flows, an event of each on stdout")
        check.equal(rules(), self.whole, f"{self.name}: {len(self.repairs)} flushes, all repaired")
        check.equal(self.agent.podfence("status", "-o", "json")[0], 0,
                    f"{self.name}: calls are answered")
        print(f"# {self.name}: from packet to event {statistics.median(delays):.2f} ms in the "
              f"middle, {delays[len(delays) * 99 // 100]:.2f} ms for 99 of 100; from a flush to "
              f"its repair told {statistics.median(self.repairs):.0f} ms")


def check_books(check: tap.Tap, agent: Agent, shipper: Shipper) -> None:
    def taken() -> tuple[int, int]:
        return shipper.lines("stored"), shipper.lines("lost-before")

    wait_until(lambda: sum(taken()) == len(agent.events()), "the shipper to know of all", 60)
    stored, lost = taken()
    check.equal(stored + lost, len(agent.events()),
                f"gone on: {stored} stored + {lost} lost = {stored + lost} events of the agent")
    check.check(lost > 0, "the seam's buffer was too small for all, and nobody waited")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent(tables={"owner": "off"}, events={"buffer": 65536})
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        directory = pathlib.Path(agent.config).parent
        shipper = Shipper(directory, [], seam={"socket": str(agent.events_socket)})
        shipper.start()
        wait_until(lambda: shipper.metric("podfence_agent_up") == 1, "the shipper to be told")
        whole = rules()
        Phase(agent, lab.pods[0], "running", whole).check(check)
        shipper.process.send_signal(signal.SIGSTOP)
        Phase(agent, lab.pods[0], f"stopped for {SECONDS} s", whole).check(check)
        shipper.process.send_signal(signal.SIGCONT)
        check_books(check, agent, shipper)
        check.equal((shipper.stop(), agent.stop()), (0, 0), "both end well")


tap.main(test)
