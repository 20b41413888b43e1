#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""podfenced on a real node: pods of every class are denied what is external and reach what is
internal, by name, while the API server goes away, while the agent is killed, stopped and started
without it, beside nftables.service and firewalld; and the kernel suite on the node's kernel.
cluster.py says what the environment has to name."""
import json
import os
import subprocess

import cluster
from cluster import BUILD, INTERNAL, NAMESPACE, TOP, Cluster, Pod, wait_until
import tap

STATIC_PODS = os.environ.get("STATIC_PODS", "/etc/kubernetes/manifests")
STATIC_FILE = f"{STATIC_PODS}/podfence-test.json"
LITTLE = {"cpu": "500m", "memory": "32Mi"}  # less makes an emulated machine wait
CLASSES = {"besteffort": {}, "burstable": {"requests": LITTLE},
           "guaranteed": {"requests": LITTLE, "limits": LITTLE}}


def add_static(world: Cluster) -> Pod:
    """The kubelet appends the node's name; the API shows a mirror of it."""
    pod = Pod("static", world.outside, is_host_network=True)
    pod.api_name = f"static-{world.node.name}"
    made = pod.object(world.node.name)
    world.node.shell(f"mkdir -p {STATIC_PODS}")
    world.node.write(STATIC_FILE, json.dumps(made))
    world.pods.append(pod)
    return pod


def denied(world: Cluster, check: tap.Tap, when: str, since: int) -> None:
    """Nothing of any pod got out since then, and what is internal is reached all the time: a
    datagram that is missing between two others was stopped, a pause alone is a sender's that had
    to wait for the processor."""
    for pod in world.pods:
        check.equal(world.seen(pod, since), {}, f"{pod.name}: nothing gets out, {when}")
        check.equal(sorted(world.seen(pod, since, INTERNAL)), sorted(pod.names(INTERNAL)),
                    f"{pod.name}: reaches what is internal, {when}")
        for name in pod.names(INTERNAL, protocols=("udp",)):
            check.equal(world.node.lost(name, since), 0,
                        f"{pod.name}: none of it is lost, {when}")


def named(world: Cluster, check: tap.Tap, when: str) -> None:
    """From now on every pod is named in an event for each of its destinations."""
    world.agent.mark()

    def told(pod: Pod) -> set[str]:
        return {f"{event['network']['transport']} {event['destination']['ip']} "
                f"{event['destination']['port']}" for event in world.agent.events()
                if event.get("kubernetes", {}).get("namespace") == NAMESPACE and
                event["kubernetes"]["pod"]["name"] == pod.api_name and
                event["podfence"]["endpoint"]["kind"] ==
                ("host-pod" if pod.is_host_network else "pod")}

    for pod in world.pods:
        wanted = set(pod.names(*pod.external))
        try:
            wait_until(lambda: told(pod) == wanted, f"events of {pod.name}", 60)
        except TimeoutError:
            pass
        check.equal(told(pod), wanted, f"{pod.name}: events name it, {when}", world.agent.said())
    # What was counted before anybody told of the pod is told later, of nobody.
    strangers = {event["message"] for event in world.agent.events() if "kubernetes" not in event
                 and event["destination"].get("port") in range(40000, 40100)
                 and event["rule"]["category"] != "pending"}
    check.check(not strangers, f"no event of the probes without a name, {when}", *strangers)


def test_classes(world: Cluster, check: tap.Tap) -> None:
    for name, resources in CLASSES.items():
        world.add(name, resources=resources)
    world.add("host", is_host_network=True)
    add_static(world)
    world.wait_running(*world.pods)
    since = world.listen(3)
    for pod in world.pods:
        check.equal(sorted(world.seen(pod, since)), sorted(pod.names(*pod.external)),
                    f"{pod.name}: everything gets out before podfenced runs")
    for name, path in json.loads(world.kubectl(
            "-n", NAMESPACE, "get", "pods", "-o", "json")).items():
        if name == "items":
            print("# classes:", *(f"{one['metadata']['name']}={one['status'].get('qosClass')}"
                                  for one in path))
    world.agent.configure()
    world.agent.start()
    wait_until(lambda: all(world.agent.pods().get(f"{NAMESPACE}/{pod.api_name}") == "enforced"
                           for pod in world.pods), "all pods to be enforced")
    denied(world, check, "after podfenced is ready", world.listen(5))
    named(world, check, "after podfenced is ready")


def test_without_server(world: Cluster, check: tap.Tap) -> None:
    stop, start = os.environ.get("API_STOP"), os.environ.get("API_START")
    if not stop or not start:
        check.check(True, "without API_STOP and API_START the API server stays # SKIP")
        return
    since = world.node.now()
    subprocess.run(stop, shell=True, check=True)
    wait_until(lambda: "stays in force" in world.agent.said(), "a word about the API server")
    print("# ", *[one for one in world.agent.said().splitlines() if "stays in force" in one][:1])
    world.listen(20)
    denied(world, check, "while the API server is gone", since)
    named(world, check, "while the API server is gone")
    since = world.node.now()
    world.agent.stop("SIGKILL")
    world.listen(5)
    world.agent.start()
    world.listen(5)
    denied(world, check, "through kill -9 and a start without the API server", since)
    named(world, check, "after a start without the API server")
    world.agent.stop()
    subprocess.run(start, shell=True, check=True)
    wait_until(lambda: world.kubectl_works(), "the API server to be back")


def test_late(world: Cluster, check: tap.Tap) -> None:
    """Made while the agent is down."""
    world.agent.stop()
    since = world.node.now()
    late = [world.add("late"), world.add("late-host", is_host_network=True)]
    world.wait_running(*late)
    world.listen(5)
    denied(world, check, "with podfenced stopped; late ones were made meanwhile", since)
    world.agent.start()
    denied(world, check, "after podfenced is back", world.listen(5))
    named(world, check, "after podfenced is back")


def test_ways_around(world: Cluster, check: tap.Tap) -> None:
    """Nobody is called enforced who has a way around the hooks; what is judged of him stays so."""
    links = [one["ifname"] for one in json.loads(world.node.shell("ip -j link show type veth"))
             if "link_netnsid" in one and one["ifname"] != "pfext0"]
    devices = ", ".join(links)
    begins = " && ".join(f"tc qdisc add dev {one} clsact && tc filter add dev {one} ingress bpf da "
                         "bytecode '1,6 0 0 4294967295,'" for one in links)
    ends = " && ".join(f"tc qdisc del dev {one} clsact" for one in links)
    for what, begin, end in (
            ("a flowtable", "nft 'add table inet podfence-vm; add flowtable inet podfence-vm ft "
             f"{{ hook ingress priority 0; devices = {{ {devices} }}; }}'",
             "nft delete table inet podfence-vm"),
            ("BPF programs", begins, ends)):
        for command, expected in ((begin, "uncovered"), (end, "enforced")):
            world.node.shell(command)

            def coverage() -> set[str]:
                now = world.agent.pods()
                return {now.get(f"{NAMESPACE}/{pod.api_name}", "") for pod in world.pods
                        if not pod.is_host_network}
            try:
                wait_until(lambda: coverage() == {expected}, f"{expected} with {what}", 60)
            except TimeoutError:
                pass
            check.equal(coverage(), {expected}, f"{what} on the pods' links: {expected}",
                        world.agent.podfence("pods", "-u"))
            if command == begin:
                print("#", world.agent.podfence("pods", "-u", "--no-headers").splitlines()[:1])
            denied(world, check, f"{what} or not", world.listen(2))


def disturb(world: Cluster, check: tap.Tap, command: str) -> None:
    """Something else that writes rules does. Where our tables cannot be owned (before Linux 6.9)
    they come back, and what got out meanwhile is printed; else they stay."""
    since = world.node.now()
    status, output, errors = world.node.run(command)
    check.equal(status, 0, f"{command} works", output, errors)
    world.listen(3)
    escaped = [world.node.arrived(since).get(name, [0])[0] for pod in world.pods
               for name in pod.names(*pod.external)]
    print(f"# {command}: {sum(escaped)} packets got out, {max(escaped)} of one flow at most "
          f"(one every {Pod.period_ms} ms)")
    since = world.listen(5)
    for pod in world.pods:
        check.equal(world.seen(pod, since), {}, f"{pod.name}: nothing gets out after {command}",
                    world.agent.said())


def test_beside_others(world: Cluster, check: tap.Tap) -> None:
    """Programs that manage rules of their own, as far as the node has them. Its own firewall is as
    it was at the end; what it does to the pods' internal traffic is its own affair."""
    disturb(world, check, "nft flush ruleset")
    denied(world, check, "after nft flush ruleset", world.listen(5))
    units = world.node.shell("systemctl list-unit-files --no-legend "
                             "nftables.service firewalld.service || true")
    active = {name: not world.node.run(f"systemctl -q is-active {name}")[0]
              for name in ("nftables", "firewalld")}
    if "nftables.service" in units and not active["firewalld"]:
        disturb(world, check, "systemctl restart nftables.service")
        disturb(world, check, "systemctl reload nftables.service")
        if not active["nftables"]:
            world.node.shell("systemctl stop nftables.service")  # flushes all rules once more
    if "firewalld.service" in units:
        for command in ("systemctl restart firewalld.service", "firewall-cmd -q --reload",
                        "firewall-cmd -q --complete-reload"):
            disturb(world, check, command)
        if not active["firewalld"]:
            disturb(world, check, "systemctl stop firewalld.service")


def test_kernel_suite(world: Cluster, check: tap.Tap) -> None:
    world.node.shell("systemctl stop " + cluster.UNIT)
    for program in sorted((BUILD / "tests" / "kernel").glob("kernel-*")):
        if not program.is_file():
            continue
        world.node.copy(program, f"{TOP}/{program.name}")
        status, output, errors = world.node.run(
            f"CMOCKA_MESSAGE_OUTPUT=TAP {TOP}/{program.name}")
        lines = output.splitlines()
        good = [line for line in lines if line.startswith("ok ")]
        bad = [line for line in lines if line.startswith("not ok ")]
        skipped = [line for line in lines if "# SKIP" in line]
        check.check(status == 0 and good and not bad,
                    f"{program.name} on the node: {len(good)} good, {len(skipped)} of them "
                    f"skipped, {len(bad)} bad", *bad, *skipped, errors[-2000:])
        if skipped:
            print(*(f"#   {line}" for line in skipped), sep="\n")


def test(check: tap.Tap) -> None:
    Pod.period_ms = 100
    world = Cluster()
    try:
        print("#", world.node.shell("uname -r; . /etc/os-release; echo $PRETTY_NAME; "
                                    "containerd --version 2>/dev/null || true").replace("\n", " "))
        test_classes(world, check)
        test_without_server(world, check)
        test_late(world, check)
        test_ways_around(world, check)
        test_beside_others(world, check)
        test_kernel_suite(world, check)
    finally:
        world.node.run(f"rm -f {STATIC_FILE}")
        world.close()


if __name__ == "__main__":
    tap.run(test)
