# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""An agent whose sets have other names and formats takes over the tables of another version, under
traffic: nothing denied gets out and nothing allowed is lost, forwards and back again.
"""
import re

import common  # noqa: F401
import tap
import traffic
from agent import BUILD, program
from flood import Flood
from lab import EXTERNAL, OPEN_PORT, Lab, rules

OLDER = str(BUILD / "tests" / "integration" / "podfenced-older")


def versions() -> set[str]:
    return set(re.findall(r"^\s(?:set|map) \S+?(_v\d+) \{", "\n".join(rules()), re.M))


def networks() -> list[str]:
    """More than are compared one by one, so that they stand in sets."""
    return ["10.99.0.0/24", "fd00:99::/64"] + [f"10.{n}.0.0/16" for n in range(100, 120)] + \
        [f"fd00:{n}::/32" for n in range(100, 120)]


def upgrade(check: tap.Tap, owner: str) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent(tables={"owner": owner}, network={"internal": networks()})
        for step, (binary, number, expected) in enumerate((
            (OLDER, 15, {"_v0"}), (program("podfenced"), 15, {"_v1"}), (OLDER, 9, {"_v0"}),
            (program("podfenced"), 9, {"_v1"}),
        )):
            what = f"owner {owner}, step {step}"
            agent.program = binary
            flood = Flood(lab, lab.pods) if step else None
            agent.start()
            agent.wait_endpoints(len(lab.pods))
            if flood:
                flood.end(check, f"{what}: tables are taken over")
            check.equal(versions() - {"_v2"}, expected, f"{what}: the sets are its own, no others")
            mark = lab.outside.mark()
            for pod in lab.pods:
                for version in (4, 6):
                    pod.call(traffic.udp_send, EXTERNAL[version], OPEN_PORT)
            check.equal(lab.left(mark), [], f"{what}: nothing leaves")
            check.check("refused" not in agent.said(), f"{what}: the kernel took it", agent.said())
            agent.stop(number)


def test(check: tap.Tap) -> None:
    for owner in ("off", "auto"):
        upgrade(check, owner)


tap.main(test)
