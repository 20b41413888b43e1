# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What a workload sends in its first moment stays on the node: nobody has told podfence of it yet,
and nobody ever will (it is in no PodList). The senders are running before their link, their route
or their cgroup exists, so the first packet meets the rules before the agent can have heard of
anything."""
import common  # noqa: F401
import cgroup
import tap
import traffic
from lab import EXTERNAL, INTERNAL, Lab
from worker import Worker

ROUNDS = 10
PORT = 7777
SECONDS = 0.1
SECONDS_WITH_LINK = 0.5  # on a busy machine a link takes its time to come up


def sends(tag: str) -> list[tuple[str, int, bytes]]:
    return [(address[version], PORT, tag.encode()) for address in (EXTERNAL, INTERNAL)
            for version in (4, 6)]


def new_pod(lab: Lab, tag: str, **facts) -> None:
    """Sends from before its link is up until some time after."""
    pod = lab.new_pod(tag, **facts)
    pod.wire(is_up=False)
    pod.run(lab.cgroups)
    pod.worker.start(traffic.sprint, sends(tag), SECONDS_WITH_LINK)
    pod.link_up()
    pod.worker.result()


def new_pod_late_cgroup(lab: Lab, tag: str, **facts) -> None:
    """The link is there, the cgroup appears while it sends."""
    pod = lab.new_pod(tag, **facts)
    pod.wire()
    pod.worker = Worker(pod.netns)
    pod.worker.start(traffic.sprint, sends(tag), SECONDS)
    pod.directory = lab.cgroups.make(pod.container_path())
    cgroup.attach(pod.directory, pod.worker.pid)
    pod.worker.result()


def new_host_pod(lab: Lab, tag: str, **facts) -> None:
    """Makes its sockets as soon as its cgroup is there."""
    pod = lab.new_pod(tag, is_host_network=True, **facts)
    pod.directory = lab.cgroups.make(pod.container_path())
    pod.worker = Worker(None, pod.directory)
    pod.call(traffic.sprint, sends(tag), SECONDS)


KINDS = [
    ("routed pod", new_pod, {}),
    ("bridged pod", new_pod, {"bridge": "cni0"}),
    ("routed pod before its cgroup", new_pod_late_cgroup, {}),
    ("host pod", new_host_pod, {}),
    ("host pod of the cgroupfs driver", new_host_pod, {"driver": "cgroupfs", "qos": "guaranteed"}),
]


def go_through(lab: Lab, check: tap.Tap, when: str, rounds: int, leaves: bool) -> None:
    for kind, make, facts in KINDS:
        for number in range(rounds):
            tag = f"{len(lab.pods)}x{number}"
            outside, inside = lab.outside.mark(), lab.inside.mark()
            make(lab, tag, **facts)
            left = {one.destination for one in lab.left(outside, payload=tag.encode())}
            expected = set(EXTERNAL.values()) if leaves else set()
            check.equal(left, expected, f"{when}: {kind}, round {number}: external")
            came = {one.destination for one in lab.inside.since(inside, payload=tag.encode())}
            check.equal(came, set(INTERNAL.values()), f"{when}: {kind}, round {number}: internal")
            lab.pods.pop().stop()


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_bridge()
        go_through(lab, check, "without podfenced", 1, True)
        lab.write_pod_list('{"apiVersion": "v1", "kind": "PodList", "items": []}')
        agent = lab.agent()
        agent.start()
        go_through(lab, check, "deny", ROUNDS, False)
        event = agent.wait_event(rule__name="pending-deny-external", rule__category="pending",
                                 destination__port=PORT)
        check.check(event, "events say pending")
        check.equal(lab.outside.lost(), 0, "the witness saw everything")


tap.main(test)
