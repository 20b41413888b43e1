# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Whoever flushes, deletes or edits our tables.

Where they belong to the agent (kernel 6.9) nobody can, not for a moment. Where they do not, they
are repaired at once and the agent says who did it, in its messages and by an event; between a flush
and its repair there is a window, and the packets that found it are counted and printed.
"""
import pathlib

import common  # noqa: F401
import netns
import tap
import traffic
from agent import Agent, field
from flood import Flood
from lab import EXTERNAL, OPEN_PORT, Lab, rules
from pods import Pod

ECS_CHECK = str(pathlib.Path(__file__).parents[1] / "golden" / "ecs_check.py")
FLOOD_PORT = 7002
N_FLUSHES = 20
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


def repaired(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        check.check(leaks(lab, lab.pods), "without podfence everything leaves")
        agent = lab.agent(tables={"owner": "off"})
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
        told = agent.find_events(event__action="rules-tampered")
        check.equal(len(told), len(CHANGES), "each is an event")
        check.equal({(field(event, "process.name"), field(event, "process.pid") > 0)
                     for event in told}, {("nft", True)}, "which names the process")
        check.equal(netns.run("python3", ECS_CHECK, str(agent.output)), "", "the events are ECS")
        count_escaped(lab, agent, check)
        agent.stop()


def count_escaped(lab: Lab, agent: Agent, check: tap.Tap) -> None:
    """How many packets of a steady flood find the window of a flush."""
    sender = lab.pods[0].another_worker()
    sender.start(traffic.flood, [(EXTERNAL[4], FLOOD_PORT)], 0)
    mark = lab.outside.mark()
    for number in range(N_FLUSHES):
        told = agent.said().count("our rules were changed by nft")
        netns.run("nft", "flush", "ruleset")
        agent.wait_for(lambda: agent.said().count("our rules were changed by nft") > told,
                       f"flush {number}")
    sent = sender.finish()
    sender.stop()
    escaped = len(lab.left(mark, destination=EXTERNAL[4], dport=FLOOD_PORT))
    print(f"# {N_FLUSHES} flushes of the ruleset, {sent['rounds']} packets sent meanwhile: "
          f"{escaped} escaped, {escaped / N_FLUSHES:.1f} a flush")
    check.equal(leaks(lab, lab.pods), [], "after the last flush nothing leaves")


def prevented(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        before = rules()
        flood = Flood(lab, list(lab.pods))
        for what, command in CHANGES.items():
            try:
                netns.run("nft", *command)
                is_refused = False
            except RuntimeError:
                is_refused = True
            check.equal(is_refused, command[0] != "flush" or command[1] != "ruleset",
                        f"{what}: refused, or goes around our tables")
            check.equal(rules(), before, f"{what}: the rules are what they were")
        netns.run("nft", "-f", "-", text="flush ruleset\nadd table inet filter\n")
        check.check("table inet filter {" in rules(),
                    "nftables.service reloads a ruleset of its own")
        pod = lab.add_pod("late")
        lab.write_pods()
        agent.wait_endpoints(len(lab.pods))
        check.equal(leaks(lab, [pod]), [], "the agent itself changes its tables")
        flood.end(check, "foreign changes under traffic")
        check.check("our rules were changed" not in agent.said(), "nobody is accused")
        agent.stop()


def plain_stays(check: tap.Tap) -> None:
    """Tables of an agent that took no ownership, then one that would."""
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent(tables={"owner": "off"})
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        agent.stop()
        agent.configure(tables={"owner": "auto"})
        flood = Flood(lab, lab.pods)
        agent.start()
        flood.end(check, "an older agent's tables are taken over")
        check.equal(agent.said().count("our nftables tables have no owner, they were made without"),
                    1, "plain tables stay plain, and that is said once")
        tamper(lab, agent, check, "then they are repaired", ("flush", "ruleset"))
        check.check("flags owner" in "".join(rules()),
                    "and the tables made anew have an owner")
        agent.stop()


def test(check: tap.Tap) -> None:
    repaired(check)
    if netns.has_owners():
        prevented(check)
        plain_stays(check)
    else:
        print("# this kernel has no tables that outlive their owner (6.9 has)")


tap.main(test)
