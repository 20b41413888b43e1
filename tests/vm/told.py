#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What is told of containers that a real kubelet runs: events name container, image, process and
command line, of an ordinary and of a hostNetwork pod; of each of several containers of one pod,
whatever they run (nc, python, a program that ends at once: then the right one or honestly none);
and podfence-ship on that node writes Events, so that `kubectl describe pod` says why a connection
fails. cluster.py says what the environment has to name; EVENTS_TOKEN: of ServiceAccount
podfence/podfence-events (kubectl create token). python3 is the node's."""
import dataclasses
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

    for _ in range(6):  # all flows begin at once, and a slow node has no time to look for each
        try:
            wait_until(named, f"an event of {pod.name} with its process", 15)
            break
        except TimeoutError:
            world.agent.stop()
            world.agent.podfence("uninstall")
            world.agent.start()
    found = named()
    told = {(event["process"]["name"], event["process"]["executable"],
             event["container"]["name"], event["container"]["image"]["name"])
            for event in found}
    image = os.environ.get("IMAGE", "busybox").rsplit(":", 1)[0]
    check.equal(told, {("probe", "/podfence/probe", f"{pod.name}-main", image)},
                f"{pod.name}: process, container and image of {len(found)} events",
                *[event["podfence"] for event in events_of(world, pod)[:3]])
    lines = {event["process"]["command_line"] for event in found}
    wanted = " ".join(pod.object(world.node.name)["spec"]["containers"][0]["command"])
    check.equal(lines, {wanted}, f"{pod.name}: the command line")
    sure = {event["podfence"]["process"]["attribution"] for event in found}
    print(f"# {pod.name}: attribution {sorted(sure)}")


@dataclasses.dataclass
class Client:
    """A container of a pod, and what is to be told of it: its ports are nobody else's."""
    name: str
    command: list[str]
    process: str
    executable: str  # begins with
    command_line: str
    ports: range
    may_be_gone: bool = False

    def container(self) -> dict:
        return {"name": self.name, "image": os.environ.get("IMAGE", "busybox"),
                "imagePullPolicy": "IfNotPresent", "command": self.command,
                "volumeMounts": [{"name": "probe", "mountPath": "/podfence"},
                                 *({"name": name, "mountPath": f"/{name}", "readOnly": True}
                                   for name in ("usr", "lib", "lib64") if "python" in self.name)]}


def clients(address: str, first: int) -> list[Client]:
    """Each tries one port after the other, so that each round is a flow with a first event. nc and
    python are there for a while then; each round of the last is gone when its datagram is sent."""
    def loop(begin: int, command: str, pause: str) -> list[str]:
        return ["/bin/sh", "-c", f"i={begin}; while [ $i -lt {begin + 20} ]; do {command}$i "
                f"</dev/null; i=$((i+1)); sleep {pause}; done; sleep 3600"]

    nc, once = f"/bin/nc -w 2 {address} ", f"/podfence/probe 0 udp/{address}/"
    script = ("import socket,time;s=socket.socket(2,2);"  # what is dropped at output is an error
              f"exec('for p in range({first + 20},{first + 40}):\\n "
              f"try: s.sendto(b\"x\",(\"{address}\",p))\\n "
              "except OSError: pass\\n time.sleep(2)');time.sleep(3600)")
    return [
        Client("with-nc", loop(first, nc, "0.5"), "nc", "/bin/nc", nc, range(first, first + 20)),
        Client("with-python", ["/usr/bin/python3", "-c", script], "python3", "/usr/bin/python3",
               f"/usr/bin/python3 -c {script}", range(first + 20, first + 40)),
        Client("at-once", loop(first + 40, once, "0.5"), "probe", "/podfence/probe", once,
               range(first + 40, first + 60), may_be_gone=True),
    ]


def apply_clients(world: Cluster, name: str, is_host_network: bool, of: list[Client]) -> None:
    volumes = [{"name": "probe", "hostPath": {"path": f"{TOP}/bin"}},
               *({"name": one, "hostPath": {"path": f"/usr/{one}" if one != "usr" else "/usr"}}
                 for one in ("usr", "lib", "lib64"))]
    world.kubectl.apply({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"nodeName": world.node.name, "hostNetwork": is_host_network,
                 "automountServiceAccountToken": False, "enableServiceLinks": False,
                 "terminationGracePeriodSeconds": 1, "tolerations": [{"operator": "Exists"}],
                 "containers": [client.container() for client in of], "volumes": volumes}})


def first_events(world: Cluster, ports: range) -> list[dict]:
    return [event for event in world.agent.events()
            if event["destination"].get("port") in ports and
            event["podfence"].get("flow", {}).get("state") == "start"]


def is_right(event: dict, name: str, client: Client) -> bool:
    """Names whom it is about, or nobody and says why. Of a container the API may not have told the
    name yet, but the id is there; a process that is ending has a name and nothing else."""
    process, container = event.get("process", {}), event.get("container", {})
    image = os.environ.get("IMAGE", "busybox").rsplit(":", 1)[0]
    line = client.command_line
    if line.endswith((" ", "/")):
        line += str(event["destination"]["port"])
    if event.get("kubernetes", {}).get("pod", {}).get("name") != name or \
            container.get("name", client.name) != client.name or \
            container.get("image", {}).get("name", image) != image:
        return False
    if not process:
        return bool(event["podfence"]["process"]["attribution"])
    gone = {"command_line": line, "executable": client.executable} if client.may_be_gone else {}
    process = gone | process
    return (process["name"], process.get("command_line")) == (client.process, line) and \
        process.get("executable", "").startswith(client.executable) and "id" in container


def check_client(world: Cluster, check: tap.Tap, name: str, client: Client) -> None:
    what = f"{name}: {client.name}"

    def named() -> list[dict]:
        return [event for event in first_events(world, client.ports)
                if event.get("container", {}).get("name") and "process" in event]

    try:  # a slow node has no time to look for each
        wait_until(lambda: named() or
                   len(first_events(world, client.ports)) == len(client.ports), what)
    except TimeoutError:
        pass
    found = first_events(world, client.ports)
    wrong = [event for event in found if not is_right(event, name, client)]
    check.check(found and not wrong, f"{what}: nobody else is blamed in {len(found)} events",
                *wrong[:2])
    check.check(named() or client.may_be_gone, f"{what}: process, container, image and command "
                f"line in {len(named())} of them", *found[:2])
    sure = {event["podfence"].get("process", {}).get("attribution") for event in found}
    print(f"# {what}: attribution {sorted(map(str, sure))}")


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
    lines = world.kubectl.described(pod.name)
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
        address = pods[0].external[0]
        for name, first in (("several", 7100), ("several-host", 7200)):
            of = clients(address, first)
            apply_clients(world, name, name == "several-host", of)
            for client in reversed(of):
                check_client(world, check, name, client)
        start_shipper(world)
        for pod in pods:
            check_described(world, check, pod)
    finally:
        world.node.run(f"systemctl stop {SHIP}")
        world.close()


if __name__ == "__main__":
    tap.run(test)
