#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What is told of containers that a real kubelet runs: events name container, image, process and
command line, of an ordinary and of a hostNetwork pod; and podfence-ship on that node writes Events,
so that `kubectl describe pod` says why a connection fails. cluster.py says what the environment has
to name; EVENTS_TOKEN: of ServiceAccount podfence/podfence-events (kubectl create token)."""
import json
import os

import cluster
from cluster import NAMESPACE, ROOT, TOP, Cluster, Pod, wait_until
import tap

ACCOUNT = "podfence-events"
SHIP = "podfence-test-ship.service"


def events_of(world: Cluster, pod: Pod) -> list[dict]:
    """First events of flows: they name the process."""
    return [event for event in world.agent.events()
            if event.get("kubernetes", {}).get("pod", {}).get("name") == pod.name and
            event["podfence"].get("flow", {}).get("state") == "start"]


def check_process(world: Cluster, check: tap.Tap, pod: Pod) -> None:
    def named() -> list[dict]:
        return [event for event in events_of(world, pod) if "process" in event]

    try:
        wait_until(named, f"an event of {pod.name} with its process")
    except TimeoutError:
        pass
    found = named()
    told = {(event["process"]["name"], event["process"]["executable"],
             event["container"]["name"], event["container"]["image"]["name"])
            for event in found}
    image = os.environ.get("IMAGE", "busybox").rsplit(":", 1)[0]
    check.equal(told, {("probe", "/podfence/probe", f"{pod.name}-main", image)},
                f"{pod.name}: process, container and image of {len(found)} events",
                *[event["podfence"] for event in events_of(world, pod)[:3]])
    lines = {event["process"]["command_line"] for event in found}
    [program, *rest] = pod.object(world.node.name)["spec"]["containers"][0]["command"]
    wanted = " ".join([program, *rest]).replace("/", " ").replace(
        program.replace("/", " "), program)  # it cuts its arguments at "/", where they stand
    check.equal(lines, {wanted}, f"{pod.name}: the command line")
    sure = {event["podfence"]["process"]["attribution"] for event in found}
    print(f"# {pod.name}: attribution {sorted(sure)}")


def start_shipper(world: Cluster) -> None:
    node, kubectl = world.node, world.kubectl
    kubectl("apply", "--validate=false", "-f", str(ROOT / "deploy/kubernetes/events.yaml"))
    token = os.environ.get("EVENTS_TOKEN")
    if not token:
        request = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                              "spec": {"expirationSeconds": 3600}})
        token = json.loads(kubectl("create", "--raw", "/api/v1/namespaces/podfence/serviceaccounts/"
                                   f"{ACCOUNT}/token", "-f", "-", text=request))["status"]["token"]
    server = os.environ.get("API_SERVER", kubectl.cluster()["server"])
    name = os.environ.get("API_SERVER_NAME", "kubernetes.default.svc")
    address, port = server.split("//")[1].rsplit(":", 1)
    node.shell(f"grep -q ' {name}$' /etc/hosts || echo '{address} {name}' >> /etc/hosts")
    node.write(f"{TOP}/events.token", token)
    node.shell(f"echo {kubectl.cluster()['certificate-authority-data']} | base64 -d > {TOP}/ca.crt")
    node.write(f"{TOP}/ship.yaml", json.dumps({
        "seam": {"socket": "/run/podfence-test/events.sock"},
        "store": {"directory": f"{TOP}/store"}, "metrics": {"port": 0},
        "outputs": [{"name": "kube", "kind": "kubernetes", "urls": [f"https://{name}:{port}"],
                     "tokenFile": f"{TOP}/events.token", "caFile": f"{TOP}/ca.crt"}]}))
    node.copy(cluster.BUILD / "agent/podfence-ship", f"{TOP}/podfence-ship")
    node.shell(f"systemctl stop {SHIP} 2>/dev/null; systemd-run --unit={SHIP} "
               f"{TOP}/podfence-ship --config {TOP}/ship.yaml")


def check_described(world: Cluster, check: tap.Tap, pod: Pod) -> None:
    def described() -> list[str]:
        text = world.kubectl("-n", NAMESPACE, "describe", "pod", pod.name)
        return [line for line in text.splitlines() if "EgressDenied" in line]

    try:
        wait_until(described, f"kubectl describe pod {pod.name} to say it")
    except TimeoutError:
        pass
    lines = described()
    check.check(lines and any(pod.external[0] in line for line in lines),
                f"kubectl describe pod {pod.name} says why", *lines[:3],
                world.node.shell(f"journalctl -q --no-pager -o cat -u {SHIP} | tail -n 20"))
    for line in lines[:2]:
        print(f"# {' '.join(line.split())}")


def test(check: tap.Tap) -> None:
    world = Cluster()
    try:
        pods = [world.add("web"), world.add("host", is_host_network=True)]
        world.wait_running(*pods)
        world.agent.configure()
        world.agent.start()
        for pod in pods:
            check_process(world, check, pod)
        start_shipper(world)
        for pod in pods:
            check_described(world, check, pod)
    finally:
        world.node.run(f"systemctl stop {SHIP}")
        world.close()


if __name__ == "__main__":
    tap.run(test)
