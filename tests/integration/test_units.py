# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A node without Kubernetes: systemd units, as cgroups of a private tree, are fenced or not.

The cgroup root of the agent is the lab's own directory, so that names of units are looked for there
and nowhere else on this machine.
"""
import os
import pathlib
from typing import Any

import common  # noqa: F401
import cgroup
import tap
import traffic
from agent import Agent, field
from lab import EXTERNAL, INTERNAL, NODE, OPEN_PORT, OTHER_EXTERNAL4, Lab
from worker import Worker

UDP_PORT = 5353
SLICE = "system.slice"
TRIES = {
    "tcp": lambda worker, address: worker.call(traffic.tcp_connect, address, OPEN_PORT, 0.3),
    "udp": lambda worker, address: worker.call(traffic.udp_send, address, UDP_PORT),
}
PORTS = {"tcp": OPEN_PORT, "udp": UDP_PORT}


def start(lab: Lab, path: str) -> Worker:
    return Worker(directory=lab.cgroups.make(path))


def arrives(lab: Lab, worker: Worker, transport: str, version: int, is_external: bool = True,
            address: str = "") -> bool:
    witness = lab.outside if is_external else lab.inside
    address = address or (EXTERNAL if is_external else INTERNAL)[version]
    mark = witness.mark()
    TRIES[transport](worker, address)
    lab.settle()
    return bool(witness.since(mark, source=NODE[version], destination=address,
                              transport=transport, dport=PORTS[transport]))


def expect(lab: Lab, check: tap.Tap, worker: Worker, expected: bool, what: str,
           is_external: bool = True) -> None:
    for version in (4, 6):
        for transport in TRIES:
            verb = "arrives" if expected else "does not arrive"
            check.equal(arrives(lab, worker, transport, version, is_external), expected,
                        f"{what}: {transport} v{version} {verb}")


def agent_with(lab: Lab, units: list[dict[str, Any]], **sections: dict[str, Any]) -> Agent:
    """No source of pods, and no pod root that is there."""
    agent = lab.agent(**sections)
    agent.settings["units"] = units
    agent.settings["pods"] = {"file": ""}
    agent.configure(node={"cgroupRoot": str(lab.cgroups.root), "podRoots": ["kubepods.slice"]})
    return agent


def configure(agent: Agent, units: list[dict[str, Any]]) -> None:
    agent.settings["units"] = units
    agent.configure()
    agent.reload()


def check_event(check: tap.Tap, agent: Agent, action: str, name: str, **more: Any) -> None:
    event = agent.wait_event(5, event__action=action, podfence__endpoint__kind="unit",
                             podfence__endpoint__name=name, **more)
    check.check(event, f"an event says {action} of {name}", more, *agent.events()[-2:])
    if event:
        check.equal(field(event, "kubernetes.namespace"), None, f"{name} is in no namespace")


def deny(lab: Lab, check: tap.Tap, agent: Agent, web: Worker, other: Worker) -> None:
    expect(lab, check, web, False, "a unit that is fenced")
    expect(lab, check, web, True, "a unit that is fenced, internal", is_external=False)
    expect(lab, check, other, True, "another unit")
    for transport in TRIES:
        check_event(check, agent, "dropped", "web.service", network__transport=transport,
                    destination__ip=EXTERNAL[6], destination__port=PORTS[transport],
                    service__name="web", podfence__endpoint__group="web",
                    podfence__cgroup__path=f"/{SLICE}/web.service")
    check.check(arrives(lab, web, "udp", 4, address=OTHER_EXTERNAL4),
                "what its own list allows arrives")
    check.check(not arrives(lab, web, "tcp", 4, address=OTHER_EXTERNAL4),
                "another protocol does not")


def later(lab: Lab, check: tap.Tap, agent: Agent) -> None:
    """Units that start while the agent runs, in slices that come with them; below a service nobody
    takes another one's name."""
    late = start(lab, f"{SLICE}/system-web.slice/web@2.service")
    inner = start(lab, "user.slice/user@7.service/app.slice/web@3.service")
    agent.wait_endpoints(2)
    expect(lab, check, late, False, "a unit that starts later")
    check_event(check, agent, "dropped", "web@2.service", service__name="web")
    expect(lab, check, inner, True, "a cgroup that took a unit's name below a service")
    late.stop()
    cgroup.remove(lab.cgroups.root / SLICE / "system-web.slice" / "web@2.service")
    agent.wait_endpoints(1)
    inner.stop()


def restart(lab: Lab, check: tap.Tap, agent: Agent, web: Worker) -> None:
    agent.stop(9)
    expect(lab, check, web, False, "while the agent is away")
    agent.start()
    expect(lab, check, web, False, "after a restart")


def rule(name: str, *match: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "match": list(match), **more}


def modes(lab: Lab, check: tap.Tap, agent: Agent, web: Worker) -> None:
    configure(agent, [rule("web", "web.service", action="reject")])
    for version in (4, 6):
        outcome = web.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT, 8.0)
        check.equal(outcome, "ECONNREFUSED", f"reject: tcp v{version} is refused")
    check_event(check, agent, "rejected", "web.service")
    configure(agent, [rule("web", "web.service", mode="audit")])
    expect(lab, check, web, True, "audit")
    check_event(check, agent, "would-drop", "web.service", destination__ip=EXTERNAL[4])


def exempt(lab: Lab, check: tap.Tap, agent: Agent, web: Worker, other: Worker) -> None:
    """The whole slice is fenced: the unit inside it by its own entry, one whose mode is off not at
    all, and the agent, which stands in it too, never."""
    agent.stop()
    directory = lab.cgroups.make(f"{SLICE}/podfenced.service")
    ship = start(lab, f"{SLICE}/podfence-ship.service")
    loose = start(lab, f"{SLICE}/loose.service")
    agent.settings["units"] = [
        rule("web", "web.service", allow=[f"{EXTERNAL[4]}:{UDP_PORT}/udp"]),
        rule("loose", "loose.service", mode="off"),
        rule("all", f"/{SLICE}", "podfenced.service"),
    ]
    agent.configure()
    before = pathlib.Path("/proc/self/cgroup").read_text().split("0::", 1)[1].splitlines()[0]
    cgroup.attach(directory)  # the agent starts where its parent is
    try:
        agent.start()
        beside = Worker()
    finally:
        cgroup.attach(cgroup.mount_point() / before.lstrip("/"), os.getpid())
    expect(lab, check, other, False, "a unit of a fenced slice")
    check_event(check, agent, "dropped", SLICE, podfence__endpoint__group="all")
    check.check(arrives(lab, web, "udp", 4), "the entry of the unit itself counts, not the slice's")
    check.check(not arrives(lab, web, "udp", 6), "it allows nothing else")
    expect(lab, check, loose, True, "a unit in it with mode off")
    expect(lab, check, beside, True, "the agent's own cgroup")
    expect(lab, check, ship, True, "the shipper's service")
    names = {field(event, "podfence.endpoint.name") for event in agent.events()}
    check.check("podfenced.service" not in names, "no event accuses the agent", names)
    for one in (beside, ship, loose):
        one.stop()


def isolate(lab: Lab, check: tap.Tap, agent: Agent, web: Worker, other: Worker) -> None:
    """A unit in quarantine exchanges nothing, internal or not; its connections end."""
    check.equal(web.call(traffic.tcp_connect, INTERNAL[4], OPEN_PORT, 3.0, "open"), "connected",
                "a unit is connected")
    status, _, wrong = agent.podfence("quarantine", "unit:web.service", "--kill-sockets")
    check.equal((status, wrong), (0, "1 connections ended\n"), "a unit is put into quarantine")
    check.equal(web.call(traffic.receive_on, "open", 3.0), (b"", "ECONNABORTED"),
                "its connection is aborted")
    web.call(traffic.close, "open")
    expect(lab, check, web, False, "a unit in quarantine, internal", is_external=False)
    check.check(not arrives(lab, web, "udp", 4, address=OTHER_EXTERNAL4),
                "nor does what its own list allows arrive")
    expect(lab, check, other, True, "another unit, internal", is_external=False)
    status, said, _ = agent.podfence("release", "unit:web.service")
    check.equal((status, said), (0, "unit:web.service is out of quarantine\n"), "released")
    expect(lab, check, web, True, "a unit that is released, internal", is_external=False)


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        web, other = start(lab, f"{SLICE}/web.service"), start(lab, f"{SLICE}/db.service")
        expect(lab, check, web, True, "without podfenced")
        agent = agent_with(lab, [rule("web", "web.service", "web@*.service",
                                      allow=[f"{OTHER_EXTERNAL4}:{UDP_PORT}/udp"])])
        agent.start()
        agent.wait_endpoints(1)
        check.check("no-pod-root" not in agent.said(), "no pods are missed")
        deny(lab, check, agent, web, other)
        isolate(lab, check, agent, web, other)
        later(lab, check, agent)
        restart(lab, check, agent, web)
        modes(lab, check, agent, web)
        exempt(lab, check, agent, web, other)
        check.equal(lab.outside.lost(), 0, "the witness saw everything")
        for one in (web, other):
            one.stop()


tap.main(test)
