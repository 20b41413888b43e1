# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Killed 200 times at random moments under traffic, each life with other rules to put in force than
the one before, with tables that belong to the agent and with tables that do not: what is denied
throughout never gets a packet, what is allowed throughout loses none, and in the end nothing has
gathered."""
import os
import pathlib
import random
import signal
import time

import common  # noqa: F401
import tap
from agent import Agent
from flood import Flood
from lab import Lab, rules

LIVES = {"auto": 150, "off": 50}  # tables.owner
OTHER_NETWORKS = [["192.0.2.0/24"], [f"192.0.2.{i}/32" for i in range(20)], []]


def resources(agent: Agent) -> tuple[int, int]:
    """Open descriptors, anonymous memory in kB."""
    proc = pathlib.Path(f"/proc/{agent.process.pid}")
    memory = next(line for line in (proc / "status").read_text().splitlines()
                  if line.startswith("RssAnon"))
    return len(os.listdir(proc / "fd")), int(memory.split()[1])


def live(agent: Agent, life: int, longest: float, chance: random.Random) -> None:
    internal = agent.settings["network"]["internal"][:2] + OTHER_NETWORKS[life % 3]
    agent.configure(network={"internal": internal},
                    default={"action": ("drop", "reject")[life % 2]})
    agent.start(is_awaited=False)
    time.sleep(chance.random() * longest)
    agent.stop(signal.SIGKILL)


def kill(check: tap.Tap, owner: str, chance: random.Random) -> None:
    lives = LIVES[owner]
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent(tables={"owner": owner})
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        agent.stop(signal.SIGKILL)
        began = time.monotonic()
        agent.start()
        longest = 2 * (time.monotonic() - began)  # half of the lives get as far as "ready" here
        agent.wait_endpoints(len(lab.pods))
        before, (n_files, memory) = rules(), resources(agent)
        generations = agent.generations()
        agent.stop(signal.SIGKILL)
        flood = Flood(lab, lab.pods)
        for life in range(lives):
            live(agent, life, longest, chance)
        n_ready = agent.generations() - generations
        check.check(0 < n_ready < lives,
                    f"owner {owner}: {n_ready} of {lives} lives put rules in force",
                    "all or none were killed too late")
        agent.configure(network={"internal": agent.settings["network"]["internal"][:2]},
                        default={"action": "drop"})
        agent.start()
        flood.end(check, f"owner {owner}: {lives} kills")
        agent.wait_endpoints(len(lab.pods))
        check.equal(rules(), before, "the rules are what they were")
        agent.stop()
        agent.start()
        check.equal(resources(agent)[0], n_files, "as many descriptors as in the first life")
        check.check(resources(agent)[1] <= memory + 512, "no more memory than in the first life",
                    f"{resources(agent)[1]} kB, first {memory} kB")
        check.equal(agent.stop(), 0, "ends well")


def test(check: tap.Tap) -> None:
    seed = random.randrange(1 << 32)
    print(f"# seed {seed}")
    chance = random.Random(seed)
    for owner in LIVES:
        kill(check, owner, chance)


tap.main(test)
