# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Audit lets pass and says what it would have done; deny cuts what audit let begin, at the next
packet; back in audit the same connection goes on."""
import common  # noqa: F401
import tap
import traffic
from agent import Agent
from lab import EXTERNAL, OPEN_PORT, Lab
from pods import Pod


def payloads(lab: Lab, mark: int, pod: Pod, version: int) -> list[bytes]:
    return [one.payload for one in lab.left(mark, source=pod.address(version), dport=OPEN_PORT)
            if one.payload]


def begin(lab: Lab, check: tap.Tap, agent: Agent, pod: Pod, version: int) -> None:
    where = f"{pod.name} v{version}"
    outcome = pod.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT, 3.0, f"open-{version}")
    check.equal(outcome, "connected", f"audit: {where} connects")
    lab.internet.call(traffic.accept, "open", f"{pod.name}-{version}")
    mark = lab.outside.mark()
    pod.call(traffic.send_on, f"open-{version}", b"first")
    check.equal(payloads(lab, mark, pod, version), [b"first"], f"audit: {where}: data passes")
    event = agent.wait_event(event__action="would-drop", kubernetes__pod__name=pod.name,
                             destination__ip=EXTERNAL[version], destination__port=OPEN_PORT,
                             network__transport="tcp")
    check.check(event, f"audit: {where}: an event says would-drop")


def cut(lab: Lab, check: tap.Tap, agent: Agent, pod: Pod, version: int) -> None:
    where = f"{pod.name} v{version}"
    mark = lab.outside.mark()
    pod.call(traffic.send_on, f"open-{version}", b"second")
    check.equal(lab.left(mark, source=pod.address(version)), [],
                f"deny: {where}: the next packet of the open connection stays")
    event = agent.wait_event(event__action="dropped", kubernetes__pod__name=pod.name,
                             destination__ip=EXTERNAL[version], destination__port=OPEN_PORT)
    check.check(event, f"deny: {where}: an event says dropped")


def resume(lab: Lab, check: tap.Tap, pod: Pod, version: int) -> None:
    """TCP sends again what was not confirmed, so the data comes through by itself."""
    received = lab.internet.call(traffic.receive_exactly, f"{pod.name}-{version}", 11, 20.0)
    check.equal(received, b"firstsecond",
                f"audit again: {pod.name} v{version}: the same connection goes on")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent(default={"mode": "audit"})
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        cases = [(pod, version) for pod in lab.pods for version in (4, 6)]
        for case in cases:
            begin(lab, check, agent, *case)
        check.equal(agent.find_events(event__action="dropped"), [], "audit: no event says dropped")
        agent.configure(default={"mode": "deny"})
        agent.reload()
        for case in cases:
            cut(lab, check, agent, *case)
        agent.configure(default={"mode": "audit"})
        agent.reload()
        for case in cases:
            resume(lab, check, *case)


tap.main(test)
