# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The rules outlive the agent, however it ends; the next one takes them over without a gap; only
`podfence uninstall` takes them away."""
import signal

import common  # noqa: F401
import netns
import tap
import traffic
from agent import Agent, run_program
from flood import Flood
from lab import EXTERNAL, INTERNAL, OPEN_PORT, Lab


def leaks(lab: Lab) -> list:
    mark = lab.outside.mark()
    for pod in lab.pods:
        for version in (4, 6):
            pod.call(traffic.udp_send, EXTERNAL[version], OPEN_PORT)
            pod.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT, 0.1)
    return lab.left(mark)


def check_fenced(lab: Lab, check: tap.Tap, when: str) -> None:
    check.equal(leaks(lab), [], f"{when}: nothing leaves")
    for pod in lab.pods:
        for version in (4, 6):
            check.equal(pod.call(traffic.tcp_connect, INTERNAL[version], OPEN_PORT), "connected",
                        f"{when}: {pod.name} reaches the internal service, v{version}")


def is_fenced() -> bool:
    return "podfence" in netns.run("nft", "list", "tables")


def uninstall_refused(lab: Lab, agent: Agent, check: tap.Tap) -> None:
    """While the agent runs the rules are its own."""
    status, _, complaint = run_program("podfence", "uninstall")
    check.equal((status, complaint),
                (1, f"podfence: podfenced is running (pid {agent.process.pid}): stop it first, "
                    "the rules are its own\n"),
                "uninstall refuses while the agent runs, and names it")
    check_fenced(lab, check, "uninstall refused")


def uninstalls(lab: Lab, check: tap.Tap) -> None:
    check.check(is_fenced(), "the agent is stopped, the rules are there")
    status, output, complaint = run_program("podfence", "uninstall")
    check.equal((status, output, complaint), (0, "the rules of podfence are removed\n", ""),
                "uninstall")
    check.check(not is_fenced(), "no table is left")
    check.check(leaks(lab), "uninstalled: everything leaves")
    status, output, complaint = run_program("podfence", "uninstall")
    check.equal((status, output), (0, "there were no rules of podfence\n"), "uninstall once more",
                complaint)


def second_refused(lab: Lab, agent: Agent, check: tap.Tap) -> None:
    """Whatever is configured: the rules of one would be tampering for the other."""
    second = lab.agent(nflog={"group": 1790}, tables={"owner": "off"}, default={"mode": "audit"})
    second.start(is_awaited=False)
    check.equal(second.process.wait(20), 1, "a second agent ends")
    second.process = None
    check.check(f"podfenced is running already (pid {agent.process.pid})" in second.said(),
                "and says which one runs", second.said())
    check_fenced(lab, check, "a second agent refused")


def restart(check: tap.Tap, owner: str) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        check.check(leaks(lab), f"owner {owner}: without podfence everything leaves")
        agent = lab.agent(tables={"owner": owner})
        agent.start()
        agent.wait_endpoints(len(lab.pods))

        flood = Flood(lab, lab.pods)
        for how, number in (("killed", signal.SIGKILL), ("stopped", signal.SIGTERM)):
            status = agent.stop(number)
            expected = 0 if number == signal.SIGTERM else -number
            check.equal(status, expected, f"{how}: exit status")
            check_fenced(lab, check, how)
            agent.start()
            check_fenced(lab, check, f"{how}, started again")
        flood.end(check, "restarts under traffic")

        names = agent.find_events(event__action="dropped")
        check.check(names, "events go on after a restart")
        second_refused(lab, agent, check)
        uninstall_refused(lab, agent, check)
        agent.stop()
        uninstalls(lab, check)


def test(check: tap.Tap) -> None:
    for owner in ("auto", "off"):
        restart(check, owner)


tap.main(test)
