#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Policies applied with kubectl to a real API server change what real pods reach, a hostNetwork pod
too; how long after kubectl came back the last forbidden packet left; and that audit tells the same
as deny without stopping anything. cluster.py says what the environment has to name; RUNS (20)."""
import os
import time
from typing import Any

import cluster
from cluster import INTERNAL, NAMESPACE, Cluster, Pod, wait_until
import tap

RUNS = int(os.environ.get("RUNS", "20"))
GOAL = 1.0  # seconds
QUIET = 2.0  # seconds without a forbidden packet until there will be no more
EVERYTHING = ["0.0.0.0/0", "::/0"]


def cluster_policy(egress: list[dict[str, Any]], name: str = "edge", priority: int = 10,
                   mode: str = "enforce", pods: dict[str, str] | None = None) -> dict[str, Any]:
    annotations = {"podfence.io/mode": mode} if mode == "audit" else {}
    subject: dict[str, Any] = {"namespaces": {"matchLabels": {"team": "test"}}}
    if pods:
        subject = {"pods": {"namespaceSelector": {"matchLabels": {"team": "test"}},
                            "podSelector": {"matchLabels": pods}}}
    return {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
            "metadata": {"name": f"podfence-test-{name}", "labels": {"podfence-test": ""},
                         "annotations": annotations},
            "spec": {"tier": "Admin", "priority": priority, "subject": subject, "egress": egress}}


def rule(action: str, *networks: str, name: str = "", udp: int = 0) -> dict[str, Any]:
    made: dict[str, Any] = {"action": action, "to": [{"networks": list(networks)}]}
    if name:
        made["name"] = name
    if udp:
        made["protocols"] = [{"udp": {"destinationPort": {"number": udp}}}]
    return made


def network_policy(*networks: str, mode: str = "enforce") -> dict[str, Any]:
    annotations = {"podfence.io/mode": mode} if mode == "audit" else {}
    to = [{"ipBlock": {"cidr": one}} for one in networks]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "all", "namespace": NAMESPACE, "annotations": annotations},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"],
                     "egress": [{"to": to}] if to else []}}


def expect(world: Cluster, check: tap.Tap, when: str, **reached: list[str]) -> None:
    """Waits until it is so; then it has to stay so for a while. `reached`: names of what arrives,
    by pod; everything else must not."""
    def now_reached(pod: Pod, since: int) -> list[str]:
        return sorted(world.seen(pod, since))

    def is_so() -> bool:
        since = world.listen(0.6)
        return all(now_reached(pod, since) == sorted(reached[pod.name]) for pod in world.pods)

    try:
        wait_until(is_so, when)
    except TimeoutError:
        pass
    since = world.listen(2.0)
    for pod in world.pods:
        check.equal(now_reached(pod, since), sorted(reached[pod.name]),
                    f"{when}: {pod.name} reaches {', '.join(reached[pod.name]) or 'nothing'}",
                    world.agent.said())
        check.check(world.seen(pod, since, INTERNAL),
                    f"{when}: {pod.name} reaches what is internal")


def everything(world: Cluster) -> dict[str, list[str]]:
    return {pod.name: pod.names(*pod.external) for pod in world.pods}


def nothing(world: Cluster) -> dict[str, list[str]]:
    return {pod.name: [] for pod in world.pods}


def told(world: Cluster, action: str, names: str) -> set[tuple[str, str, str]]:
    """(pod, transport and destination, rule) of events with that action whose rule begins so."""
    return {(event["kubernetes"]["pod"]["name"],
             f"{event['network']['transport']} {event['destination']['ip']} "
             f"{event['destination']['port']}", event["rule"]["name"])
            for event in world.agent.events()
            if event["event"]["action"] == action and "kubernetes" in event and
            event["rule"]["name"].startswith(names)}


def wait_told(world: Cluster, check: tap.Tap, what: str, action: str,
              rules: str) -> set[tuple[str, str, str]]:
    """Until every destination of every pod has been told."""
    wanted = {(pod.name, name) for pod in world.pods for name in pod.names(*pod.external)}

    def is_told() -> bool:
        return {one[:2] for one in told(world, action, rules)} == wanted
    try:
        wait_until(is_told, what)
    except TimeoutError:
        pass
    all_told = told(world, action, rules)
    check.equal({one[:2] for one in all_told}, wanted, what, world.agent.said())
    return all_told


def test_reach(world: Cluster, check: tap.Tap) -> None:
    web, host = world.pods
    expect(world, check, "no policy", **nothing(world))
    wait_told(world, check, "the default tells of every destination", "dropped", "default-deny")
    world.kubectl.apply(cluster_policy([rule("Accept", *EVERYTHING)]))
    expect(world, check, "all is accepted", **everything(world))
    world.kubectl.apply(cluster_policy([rule("Accept", *EVERYTHING, udp=web.port),
                                        rule("Accept", *EVERYTHING, udp=host.port)]))
    expect(world, check, "two UDP ports are accepted",
           **{pod.name: pod.names(*pod.external, protocols=("udp",)) for pod in world.pods})
    world.kubectl.apply(cluster_policy([rule("Accept", *EVERYTHING)]),
                        cluster_policy([rule("Deny", *EVERYTHING)], "labelled", 1,
                                       pods={"role": "jailed"}))
    expect(world, check, "a policy for pods with a label that none has", **everything(world))
    for pod in world.pods:
        world.kubectl("-n", NAMESPACE, "label", "pod", pod.name, "role=jailed")
        expected = everything(world) | {pod.name: []}
        expect(world, check, f"{pod.name} got the label", **expected)
        world.kubectl("-n", NAMESPACE, "label", "pod", pod.name, "role-")
        expect(world, check, f"{pod.name} lost the label", **everything(world))
    world.kubectl("delete", "clusternetworkpolicies", "podfence-test-labelled")
    world.kubectl.apply(cluster_policy([rule("Pass", *EVERYTHING)]),
                        network_policy(f"{world.outside[0]}/32"))
    expect(world, check, "a NetworkPolicy does not widen (default.ceiling)", **nothing(world))
    world.agent.configure(ceiling="off")
    world.agent.reload()
    expect(world, check, "without a ceiling it lists what is open",
           **{pod.name: pod.names(world.outside[0]) for pod in world.pods})
    world.kubectl("-n", NAMESPACE, "delete", "networkpolicy", "all")
    expect(world, check, "it is deleted", **nothing(world))


def one_run(world: Cluster, opening: list[dict[str, Any]], closing: dict[str, Any],
            ) -> tuple[float, float, dict[str, float]]:
    """Opens, waits until all pods are outside, closes. Seconds that kubectl took; how wrong the
    clocks may be at most; by pod, from kubectl's return to the last packet outside (at most 0: it
    left before)."""
    world.kubectl.apply(*opening)
    since = world.node.now()
    wait_until(lambda: all(len(world.seen(pod, since)) == 2 * len(pod.external)
                           for pod in world.pods), "all pods to get out")
    begun = time.monotonic()
    world.kubectl.apply(closing)
    returned, took = time.time_ns(), time.monotonic() - begun
    ahead, error = world.node.clock()
    applied = returned + ahead - error  # by the node's clock, at the earliest
    while True:
        since = world.listen(QUIET)
        if not any(world.seen(pod, since) for pod in world.pods):
            break
        if time.time_ns() - returned > 60 * 10**9:
            raise TimeoutError("forbidden packets still come after a minute")
    arrived = world.node.arrived(0)
    last = {pod.name: max(arrived[name][2] for name in pod.names(*pod.external))
            for pod in world.pods}
    return took, error / 1e9, {name: (at - applied) / 1e9 for name, at in last.items()}


def test_time(world: Cluster, check: tap.Tap) -> None:
    opens = cluster_policy([rule("Accept", *EVERYTHING)])
    passes = cluster_policy([rule("Pass", *EVERYTHING)])
    ways = {
        "ClusterNetworkPolicy": ([opens], cluster_policy([rule("Deny", *EVERYTHING)])),
        "NetworkPolicy": ([passes, network_policy(*EVERYTHING)], network_policy()),
    }
    for kind, (opening, closing) in ways.items():
        worst: dict[str, list[float]] = {pod.name: [] for pod in world.pods}
        errors, commands = [], []
        for _ in range(RUNS):
            took, error, delays = one_run(world, opening, closing)
            errors.append(error)
            commands.append(took)
            for name, delay in delays.items():
                worst[name].append(delay)
        print(f"# {kind}, {RUNS} runs: kubectl apply took {max(commands) * 1000:.0f} ms at most; "
              f"the clocks differ by {max(errors) * 1000:.1f} ms less or more than thought at most")
        for name, delays in worst.items():
            in_ms = ", ".join(f"{1000 * one:.0f}" for one in sorted(delays))
            check.check(max(delays) <= GOAL,
                        f"{kind}: from kubectl's return to the last forbidden packet of {name}: "
                        f"at most {max(0, max(delays)) * 1000:.0f} ms in {RUNS} runs", in_ms)
            print(f"#   {name}, ms, all runs: {in_ms}")
    world.kubectl("-n", NAMESPACE, "delete", "networkpolicy", "all")


def test_audit(world: Cluster, check: tap.Tap) -> None:
    for what, policy, name in (
            ("ClusterNetworkPolicy", lambda mode: cluster_policy(
                [rule("Deny", *EVERYTHING, name="all-of-it")], mode=mode),
             "ClusterNetworkPolicy/podfence-test-edge"),
            ("NetworkPolicy", lambda mode: network_policy(mode=mode),
             f"NetworkPolicy/{NAMESPACE}/all")):
        if what == "NetworkPolicy":
            world.kubectl.apply(cluster_policy([rule("Pass", *EVERYTHING)]))
        world.kubectl.apply(policy("enforce"))
        expect(world, check, f"a {what} denies", **nothing(world))
        world.agent.mark()
        denied = wait_told(world, check, f"{what}: every drop is told", "dropped", name)
        world.kubectl.apply(policy("audit"))
        if what == "ClusterNetworkPolicy":  # what an audited policy denies, the next one decides
            world.kubectl.apply(cluster_policy([rule("Accept", *EVERYTHING)], "rest", 20))
        else:
            world.agent.configure(ceiling="off", mode="off")
            world.agent.reload()
        expect(world, check, f"the same {what} in audit", **everything(world))
        world.agent.mark()
        audited = wait_told(world, check, f"{what}: audit tells the same", "would-drop", name)
        check.equal(audited, denied, f"{what}: pods, destinations and rules are the same")
        drops = [event for event in world.agent.events() if event["event"]["action"] == "dropped"]
        check.check(not drops, f"{what}: audit drops nothing", *drops[:3])
        world.kubectl("delete", "clusternetworkpolicies", "-l", "podfence-test")


def test(check: tap.Tap) -> None:
    world = Cluster()
    try:
        world.add("web", labels={"app": "web"})
        world.add("host", is_host_network=True, labels={"app": "host"})
        world.wait_running(*world.pods)
        expect(world, check, "before podfenced runs", **everything(world))
        says = world.kubectl("auth", "can-i", "--list", "--as",
                             f"system:serviceaccount:{cluster.AGENT.replace('/', ':')}")
        print("# the agent may:", *says.splitlines(), sep="\n#   ")
        world.agent.configure()
        world.agent.start()
        print("#", world.node.shell("uname -r; . /etc/os-release; echo $PRETTY_NAME")
              .replace("\n", " "))
        test_reach(world, check)
        test_time(world, check)
        test_audit(world, check)
        check.check("warn" not in world.agent.said().lower(), "nothing to warn of",
                    world.agent.said())
    finally:
        world.close()


if __name__ == "__main__":
    tap.run(test)
