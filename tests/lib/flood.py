# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Steady traffic while something else happens: numbered datagrams from some workloads to a
destination that every state allows and to one that every state denies, and the count of both at the
end."""
import dataclasses
import time

import tap
import traffic
from lab import EXTERNAL, INTERNAL, Lab
from pods import Pod
from worker import Worker

ALLOWED_PORT, DENIED_PORT = 7000, 7001
DESTINATIONS = [(INTERNAL[4], ALLOWED_PORT), (INTERNAL[6], ALLOWED_PORT),
                (EXTERNAL[4], DENIED_PORT), (EXTERNAL[6], DENIED_PORT)]


@dataclasses.dataclass
class Flood:
    lab: Lab
    pods: list[Pod]

    def __post_init__(self) -> None:
        self.mark = self.lab.outside.mark()
        self.collector = Worker("int")
        self.collector.start(traffic.collect, ALLOWED_PORT)
        time.sleep(0.2)  # until it listens
        self.senders = [pod.another_worker() for pod in self.pods]
        for number, sender in enumerate(self.senders):
            sender.start(traffic.flood, DESTINATIONS, number)

    def end(self, check: tap.Tap, when: str, is_lossy: bool = False) -> None:
        """Stops, and compares what was sent with what came; lossy: somebody else drops too."""
        sent = [sender.finish() for sender in self.senders]
        self.lab.settle()
        came = self.collector.finish()
        for one in (self.collector, *self.senders):
            one.stop()
        for number, pod in enumerate(self.pods):
            rounds = sent[number]["rounds"]
            check.check(rounds > 0, f"{when}: {pod.name} sent ({rounds} rounds)")
            for version in (4, 6):
                missing = sorted(set(range(rounds)) - set(came.get((number, version), [])))
                if is_lossy:
                    check.check(len(missing) < rounds, f"{when}: {pod.name} internal v{version}: "
                                                       f"{rounds - len(missing)} of {rounds} came")
                    continue
                check.equal(len(missing), 0, f"{when}: {pod.name} internal v{version}: "
                                             f"all of {rounds} arrived",
                            f"missing, the first: {missing[:20]}; the sender saw {sent[number]}")
        for version in (4, 6):
            left = self.lab.outside.since(self.mark, destination=EXTERNAL[version],
                                          dport=DENIED_PORT)
            check.equal(len(left), 0, f"{when}: external v{version}: none arrived", left[:5])
        check.equal(self.lab.outside.lost(), 0, f"{when}: the witness saw everything")
