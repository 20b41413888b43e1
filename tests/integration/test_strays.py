# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Sockets that were made outside of an endpoint and are open in it: what is sent by them is not
judged, and the endpoint says so until they are closed.
"""
import json
import pathlib

import common  # noqa: F401
import cgroup
import tap
import traffic
from agent import Agent, wait_until
from lab import EXTERNAL4, Lab
from worker import Worker

PORT = 5353
UNIT = "system.slice/web.service"
REST = 20  # seconds between two searches of a few endpoints
PATIENCE = 3 * REST


def endpoints(agent: Agent) -> dict[str, tuple[str, str]]:
    """Coverage and reason by name."""
    said = [json.loads(line) for line in agent.podfence("pods", "-o", "jsonl")[1].splitlines()]
    return {one["name"]: (one["coverage"], one.get("reason") or "") for one in said}


def arrives(lab: Lab, sender: Worker, payload: bytes) -> bool:
    mark = lab.outside.mark()
    sender.call(traffic.send_to, "stray", EXTERNAL4, PORT, payload)
    return any(one.payload == payload for one in lab.left(mark, destination=EXTERNAL4))


def hand_on(maker: Worker, taker: Worker, path: pathlib.Path) -> None:
    """A datagram socket that is bound, so that the kernel can tell of it."""
    maker.call(traffic.open_datagram, "stray", "0.0.0.0", 0)
    taker.call(traffic.wait_for_socket, str(path))
    maker.call(traffic.hand_on, "stray", str(path))
    taker.call(traffic.take_over, "stray", str(path))


def coverage(agent: Agent, *names: str) -> list[str]:
    now = endpoints(agent)
    return [now[name][0] for name in names]


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        host = lab.add_pod("host", is_host_network=True)
        other = lab.add_pod("other", is_host_network=True)
        routed = lab.add_pod("routed")
        lab.write_pods()
        unit = Worker(directory=lab.cgroups.make(UNIT))
        moved = Worker()
        agent = lab.agent()
        agent.settings["units"] = [{"name": "web", "mode": "deny",
                                    "match": ["/" + lab.cgroups.from_mount(UNIT).lstrip("/")]}]
        agent.configure()
        agent.start()
        names = ("host", "other", "routed", "web.service")
        wait_until(lambda: set(names) <= set(endpoints(agent)), "all to be found")
        check.equal(coverage(agent, *names), ["enforced"] * 4, "at first all are enforced")

        hand_on(lab.host, host.worker, lab.directory / "a")
        hand_on(lab.host, routed.worker, lab.directory / "b")
        hand_on(host.another_worker(), other.worker, lab.directory / "c")
        moved.call(traffic.open_datagram, "stray", "0.0.0.0", 0)
        moved.call(traffic.move, str(lab.cgroups.root / UNIT))
        for name, sender, is_open in (
            ("a socket of the host handed to a host pod", host.worker, True),
            ("one handed to a pod of its own network", routed.worker, True),
            ("that of a process that came later", moved, True),
            ("one made in another host pod", other.worker, False),
        ):
            check.equal(arrives(lab, sender, name.encode()), is_open,
                        f"{name}: {'is not judged' if is_open else 'is judged'}")
        wait_until(lambda: coverage(agent, "host", "routed", "web.service") == ["uncovered"] * 3,
                   "the three to be uncovered", PATIENCE)
        now = endpoints(agent)
        for name, holder in (("host", host.worker), ("routed", routed.worker),
                             ("web.service", moved)):
            reason = f"process {holder.pid} has a socket open that was made in /"
            check.check(now[name][1].startswith(reason),
                        f"{name}: the reason names who has the socket", now[name])
        check.equal(now["other"][0], "enforced", "a socket made in a pod is judged as that pod's")
        check.check(f"process {host.worker.pid}" in agent.said(),
                    "the journal says it too")

        for worker in (host.worker, routed.worker, other.worker, moved):
            worker.call(traffic.close, "stray")
        wait_until(lambda: coverage(agent, *names) == ["enforced"] * 4,
                   "all to be enforced again", PATIENCE)
        check.check(True, "closed, all are enforced again")
        hand_on(lab.host, other.worker, lab.directory / "d")
        wait_until(lambda: coverage(agent, *names) == ["enforced", "uncovered", "enforced",
                                                       "enforced"],
                   "who is handed one later to be uncovered", PATIENCE)
        check.check(True, "who is handed one later is found too, and nobody else")
        unit.stop()
        moved.stop()
        cgroup.remove(lab.cgroups.root / UNIT)


tap.main(test)
