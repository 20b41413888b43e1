# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Whoever flushes, deletes or edits our tables: they are repaired at once, and we say who did.

Between a flush and its repair there is a window (the table has no owner); after it nothing leaves.
"""
import common  # noqa: F401
import netns
import tap
import traffic
from agent import Agent
from lab import EXTERNAL, OPEN_PORT, Lab, rules
from pods import Pod

CHANGES = {
    "nft flush ruleset": ("flush", "ruleset"),
    "the table deleted": ("delete", "table", "inet", "podfence"),
    "a chain flushed": ("flush", "chain", "inet", "podfence", "forward"),
    "a rule put in front": ("insert", "rule", "inet", "podfence", "forward", "accept"),
    "a set emptied": ("flush", "set", "inet", "podfence", "cgroups_v1"),
    "a set added to": ("add", "element", "inet", "podfence", "metadata4_v1", "{ 192.0.2.77 }"),
    "a chain added": ("add", "chain", "inet", "podfence", "foreign"),
    "the bridge table deleted": ("delete", "table", "bridge", "podfence"),
}


def leaks(lab: Lab, pods: list[Pod]) -> list:
    mark = lab.outside.mark()
    for pod in pods:
        for version in (4, 6):
            pod.call(traffic.udp_send, EXTERNAL[version], OPEN_PORT)
    return lab.left(mark)


def tamper(lab: Lab, agent: Agent, check: tap.Tap, what: str, command: tuple[str, ...]) -> None:
    told = agent.said().count("our rules were changed by nft")
    netns.run("nft", *command)
    agent.wait_for(lambda: agent.said().count("our rules were changed by nft") > told, what)
    check.equal(leaks(lab, lab.pods), [], f"{what}: repaired, nothing leaves")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        check.check(leaks(lab, lab.pods), "without podfence everything leaves")
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        check.equal(leaks(lab, lab.pods), [], "with podfence nothing leaves")
        before = rules()
        for what, command in CHANGES.items():
            tamper(lab, agent, check, what, command)
            check.equal(rules(), before, f"{what}: the rules are what they were")

        told = agent.said().count("our rules were changed")
        netns.run("nft", "add", "table", "inet", "other")
        netns.run("nft", "delete", "table", "inet", "other")
        check.equal(leaks(lab, lab.pods), [], "a foreign table comes and goes: nothing leaves")
        check.equal(agent.said().count("our rules were changed"), told,
                    "and nobody is accused of it")
        agent.stop()


tap.main(test)
