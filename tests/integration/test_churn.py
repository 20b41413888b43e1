# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A thousand rulesets under traffic: not one packet to what every one of them denies, none missing
to what every one of them allows.

Changes come from everywhere they come from in life: pods whose cgroups and links appear and vanish,
pods that enter and leave the PodList, reloads that add and remove internal networks and change the
action, and agents that are killed and started again. How many rulesets there were is counted in
what the agent says, not in what was asked of it.
"""
import contextlib
import os
import signal
import time

import common  # noqa: F401
import tap
from agent import Agent, wait_until
from flood import Flood
from lab import Lab
from pods import Pod

CHANGES = int(os.environ.get("PODFENCE_CHURN_CHANGES", "1000"))
SECONDS = 240


class Churn:
    def __init__(self, lab: Lab, agent: Agent, steady: list[Pod]) -> None:
        self.lab, self.agent, self.steady = lab, agent, steady
        self.hosts = [lab.new_pod(f"flapping-{number}", is_host_network=True)
                      for number in range(3)]
        self.routed = [lab.new_pod(f"moving-{number}") for number in range(2)]
        self.is_wide = False
        lab.write_pods()

    def turn(self, number: int) -> None:
        """One change, and then the next ruleset."""
        before = self.agent.generations()
        if number % 2:
            self.flap(self.hosts[number // 2 % len(self.hosts)])
        if number % 100 == 99:
            self.restart(signal.SIGKILL if number % 200 == 99 else signal.SIGTERM)
        elif number % 50 == 49:
            self.lab.write_pods(*(self.lab.pods if number % 100 == 49 else self.steady))
        elif number % 3 == 0:
            self.flap(self.routed[number // 3 % len(self.routed)])
        else:
            self.reconfigure(number)
        with contextlib.suppress(TimeoutError):  # some changes are none: a pod that is not listed
            wait_until(lambda: self.agent.generations() > before, "a ruleset", 0.5)

    def flap(self, pod: Pod) -> None:
        if pod.worker:
            pod.stop()
        else:
            pod.wire()
            pod.run(self.lab.cgroups)

    def reconfigure(self, number: int) -> None:
        networks = ["10.99.0.0/24", "fd00:99::/64"]
        self.is_wide = not self.is_wide
        if self.is_wide:
            networks += [f"172.16.{number % 256}.0/24", f"fd00:172:{number:x}::/64"]
        action = "reject" if number % 4 == 0 else "drop"
        self.agent.configure(network={"internal": networks}, default={"action": action})
        self.agent.process.send_signal(signal.SIGHUP)

    def restart(self, number: int) -> None:
        self.agent.stop(number)
        self.agent.start()


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_bridge()
        steady = [lab.add_pod("routed"), lab.add_pod("bridged", bridge="cni0"),
                  lab.add_pod("host", is_host_network=True)]
        lab.write_pods()
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(steady))
        churn = Churn(lab, agent, steady)
        flood = Flood(lab, steady)
        end, number = time.monotonic() + SECONDS, 0
        while agent.generations() < CHANGES and time.monotonic() < end:
            churn.turn(number)
            number += 1
        flood.end(check, "churn")
        check.check(agent.generations() >= CHANGES,
                    f"{agent.generations()} rulesets of {CHANGES} in {number} turns",
                    f"stopped after {SECONDS} s")


tap.main(test)
