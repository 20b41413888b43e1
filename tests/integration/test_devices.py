# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A second device inside a pod, which has no address yet and leads out past the node's links: the
pod is not covered from the moment it is there, and covered again when it is gone.
"""
import json
import re

import common  # noqa: F401
import netns
import packet
import tap
import traffic
from agent import Agent, wait_until
from lab import EXTERNAL4, Lab

PORT = 5353


def endpoint(agent: Agent) -> tuple[str, str]:
    said = json.loads(agent.podfence("pods", "-o", "jsonl")[1].splitlines()[0])
    return said["coverage"], said.get("reason") or ""


def reach(lab: Lab, device: str) -> bool:
    """A frame with a source of its own, by a packet socket."""
    pod = lab.pods[0]
    with netns.inside("ext"):
        router = re.findall(r"ether (\S+)", netns.run("ip", "link", "show", "fabric"))[0]
    data = packet.udp("10.0.0.77", 999, EXTERNAL4, PORT, device.encode())
    mark = lab.outside.mark()
    pod.call(traffic.frame_send, device, packet.frame("02:00:00:00:00:77", router, data))
    return bool(lab.left(mark, destination=EXTERNAL4, dport=PORT))


def comes_and_goes(lab: Lab, check: tap.Tap, agent: Agent, kind: str, *made: str) -> None:
    pod = lab.pods[0]
    netns.ip(None, *made, f"link set second netns {pod.netns}")
    wait_until(lambda: endpoint(agent)[0] == "uncovered", f"{kind}: the pod to be uncovered")
    coverage, reason = endpoint(agent)
    check.check(reason.startswith(f"its device second ({kind}) sends past the links"),
                f"{kind}: the reason names it", reason)
    if kind == "macvlan":
        netns.ip(pod.netns, "link set second up")
        check.check(reach(lab, "second"), "and it does lead out past the rules")
    netns.ip(pod.netns, "link del second")
    wait_until(lambda: endpoint(agent)[0] == "enforced", f"{kind}: the pod to be enforced again")
    check.check(True, f"{kind}: gone, it is enforced again")


def harmless(lab: Lab, check: tap.Tap, agent: Agent) -> None:
    """What sends by the devices that are there."""
    pod = lab.pods[0]
    before = agent.generations()
    netns.ip(pod.netns, "link add inner type bridge", "link add one type veth peer name two")
    late = lab.add_pod("late")
    lab.write_pods()
    agent.wait_for(lambda: agent.generations() > before, "another pod to be known")
    check.equal(endpoint(agent), ("enforced", ""), "a bridge, a pair inside are none")
    late.stop()


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_pod("a-pod")
        lab.write_pods()
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(1)
        check.equal(endpoint(agent), ("enforced", ""), "with its own device it is enforced")
        comes_and_goes(lab, check, agent, "macvlan",
                       "link add second link up0 type macvlan mode bridge")
        comes_and_goes(lab, check, agent, "macvtap",
                       "link add second link up0 type macvtap mode bridge")
        harmless(lab, check, agent)


tap.main(test)
