#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""`kubectl label pod` puts real pods into quarantine and takes them out, a hostNetwork pod too:
nothing of them arrives anywhere, what is internal included; through a kill of the agent, and with
the label gone while one set by hand holds. cluster.py says what the environment has to name."""
import json

import cluster
from cluster import INTERNAL, NAMESPACE, Cluster, Pod, wait_until
import tap

LABEL = "podfence.io/quarantine"


def reached(world: Cluster, pod: Pod, since: int) -> list[str]:
    return sorted(world.seen(pod, since, INTERNAL, *pod.external))


def expect(world: Cluster, check: tap.Tap, when: str, *cut: Pod) -> None:
    """Those that are cut reach nothing, the others what is internal; it stays so for a while."""
    def is_so() -> bool:
        since = world.listen(0.6)
        return all(reached(world, pod, since) ==
                   ([] if pod in cut else sorted(pod.names(INTERNAL))) for pod in world.pods)

    try:
        wait_until(is_so, when)
    except TimeoutError:
        pass
    since = world.listen(2.0)
    for pod in world.pods:
        check.equal(reached(world, pod, since),
                    [] if pod in cut else sorted(pod.names(INTERNAL)),
                    f"{when}: {pod.name} reaches {'nothing' if pod in cut else 'what is internal'}",
                    world.agent.said())


def quarantines(world: Cluster) -> dict[str, str]:
    lines = world.agent.podfence("quarantine", "list", "-o", "jsonl").splitlines()
    return {one["name"]: one["origin"] for one in map(json.loads, lines)}


def label(world: Cluster, pod: Pod, value: str) -> None:
    world.kubectl("-n", NAMESPACE, "label", "pod", pod.name, f"{LABEL}{value}")


def check_label(world: Cluster, check: tap.Tap, pod: Pod) -> None:
    world.agent.mark()
    label(world, pod, "=true")
    expect(world, check, f"{pod.name} got the label", pod)
    check.equal(quarantines(world), {pod.name: "label"}, f"{pod.name}: who is cut off, and by what")
    said = world.agent.podfence("why", f"{NAMESPACE}/{pod.name}", INTERNAL)
    check.check("quarantined" in said, f"{pod.name}: why says so", said)
    told = {event["destination"]["ip"] for event in world.agent.events()
            if event["rule"]["name"] == "quarantine" and
            event.get("kubernetes", {}).get("pod", {}).get("name") == pod.name}
    check.check(INTERNAL in told, f"{pod.name}: events tell of it", told)
    world.agent.stop("SIGKILL")
    expect(world, check, f"{pod.name}: the agent is killed", pod)
    world.agent.start()
    expect(world, check, f"{pod.name}: and back", pod)
    world.agent.podfence("quarantine", f"{NAMESPACE}/{pod.name}", "--reason", "by hand")
    label(world, pod, "-")
    expect(world, check, f"{pod.name}: the label is gone, one by hand is not", pod)
    said = world.agent.podfence("release", f"{NAMESPACE}/{pod.name}")
    check.check("out of quarantine" in said, f"{pod.name}: released", said)
    expect(world, check, f"{pod.name} is out")


def test(check: tap.Tap) -> None:
    world = Cluster()
    try:
        pods = [world.add("web"), world.add("host", is_host_network=True)]
        world.wait_running(*pods)
        world.agent.configure()
        world.agent.start()
        expect(world, check, "before")
        for pod in pods:
            check_label(world, check, pod)
    finally:
        world.close()


if __name__ == "__main__":
    tap.run(test)
