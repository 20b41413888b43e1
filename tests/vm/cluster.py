# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A real cluster and one real node of it, as the environment names them:

KUBECTL          command of a cluster administrator, here (kubectl)
NODE_SSH         command that runs its last argument on the node as root (ssh root@NODE)
NODE             name of the node (the only one)
API_SERVER       URL of the API server as the node reaches it (of the kubeconfig)
API_SERVER_NAME  name in its certificate (kubernetes.default.svc)
AGENT_TOKEN      token of ServiceAccount podfence/podfence (kubectl create token)
IMAGE            any image the node has or can fetch (busybox); a program of ours runs in it
CRD              files or URLs of the ClusterNetworkPolicy CRD to apply (none: it is there)
PODFENCE_BUILD   where podfence was built, on the node's distribution (build)
API_STOP, API_START  commands that end and begin the API server, here (node.py; skipped without)
STATIC_PODS      the kubelet's directory of static pods (/etc/kubernetes/manifests)

On the node everything stands in podfence-test of /opt, /run, /etc and /var/lib and in the transient
unit podfence-test, in the cluster in namespace podfence-test and in
ClusterNetworkPolicies with label podfence-test. All is removed at the end but the namespace and the
agent's account. An agent that runs there already has to be stopped first.
"""
import base64
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("PODFENCE_BUILD", ROOT / "build"))
PATIENCE = float(os.environ.get("PATIENCE", "120"))  # seconds; an emulated machine is slow
NAMESPACE, AGENT = "podfence-test", "podfence/podfence"
TOP = "/opt/podfence-test"
UNIT = "podfence-test.service"
INTERNAL = "10.99.0.2"


def wait_until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    end = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {patience:.0f} s for {what}")
        time.sleep(0.25)
    return value


class Kubectl:
    def __init__(self) -> None:
        self.command = shlex.split(os.environ.get("KUBECTL", "kubectl"))

    def __call__(self, *arguments: str, text: str | None = None) -> str:
        done = subprocess.run([*self.command, *arguments], input=text, capture_output=True,
                              text=True)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        """What a person does: kubectl apply -f."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self("apply", "--validate=false", "-f", "-", text=text)

    def delete(self, *arguments: str) -> None:
        self("delete", "--ignore-not-found", "--wait=false", *arguments)

    def described(self, pod: str) -> list[str]:
        """What `kubectl describe` says of denials, as soon as it says any; else nothing."""
        def lines() -> list[str]:
            text = self("-n", NAMESPACE, "describe", "pod", pod)
            return [line for line in text.splitlines() if "EgressDenied" in line]

        try:
            return wait_until(lines, f"kubectl describe pod {pod} to say it")
        except TimeoutError:
            return []

    def cluster(self) -> dict[str, Any]:
        config = json.loads(self("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        return config["clusters"][0]["cluster"]

    def token(self) -> str:
        namespace, name = AGENT.split("/")
        return os.environ.get("AGENT_TOKEN") or \
            self("-n", namespace, "create", "token", name, "--duration=2h").strip()


class Node:
    """remote.py on the node: node.arrived(since) calls arrived() there."""

    def __init__(self, name: str) -> None:
        self.name = name
        program = "python3 -u -c " + shlex.quote((HERE / "remote.py").read_text())
        command = shlex.split(os.environ.get("NODE_SSH") or f"ssh root@{name}")
        self.process = subprocess.Popen([*command, program], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments: self.call(name, *arguments)

    def call(self, name: str, *arguments: Any) -> Any:
        self.process.stdin.write(json.dumps([name, arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the node hung up at {name}()")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(f"on the node, {name}(): {reply['error']}")
        return reply["value"]

    def shell(self, command: str, text: str = "") -> str:
        status, stdout, stderr = self.run(command, text)
        if status:
            raise RuntimeError(f"on the node: {command}: {stderr or stdout}")
        return stdout

    def copy(self, source: pathlib.Path, path: str) -> None:
        self.put(path, base64.b64encode(source.read_bytes()).decode(), 0o755)

    def write(self, path: str, text: str) -> None:
        self.put(path, base64.b64encode(text.encode()).decode(), 0o600)

    def clock(self) -> tuple[int, int]:
        """What the node's clock says more than time.time_ns() here, and by how much that may be
        wrong: the best of some round trips."""
        best = (0, 10**18)
        for _ in range(15):
            before = time.time_ns()
            there = self.now()
            after = time.time_ns()
            best = min(best, (there - (before + after) // 2, (after - before) // 2 + 1),
                       key=lambda one: one[1])
        return best

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)


class Agent:
    """podfenced on the node, under the project's unit file, with the rights of rbac.yaml."""

    def __init__(self, node: Node, kubectl: Kubectl) -> None:
        self.node = node
        self.offset = 0
        for program in ("podfenced", "podfence"):
            node.copy(BUILD / "agent" / program, f"{TOP}/{program}")
        self.write_unit()
        self.write_kubeconfig(kubectl)
        node.shell(f"systemctl stop {UNIT} 2>/dev/null; groupadd -rf podfence;"
                   f"rm -rf /var/lib/podfence-test {TOP}/events; systemctl daemon-reload")

    def write_unit(self) -> None:
        unit = (BUILD / "systemd" / "podfenced.service").read_text()
        unit = re.sub(r"^ExecStart=.*", f"ExecStart={TOP}/podfenced --config {TOP}/podfence.yaml\n"
                      f"StandardOutput=append:{TOP}/events\nStandardError=journal",
                      unit, flags=re.M)
        unit = re.sub(r"^(\w+Directory=)podfence$", r"\1podfence-test", unit, flags=re.M)
        unit = re.sub(r"^Wants=.*\n", "", unit, flags=re.M)
        self.node.write(f"/run/systemd/system/{UNIT}", unit)

    def write_kubeconfig(self, kubectl: Kubectl) -> None:
        cluster = kubectl.cluster()
        if server := os.environ.get("API_SERVER"):
            cluster |= {"server": server, "tls-server-name":
                        os.environ.get("API_SERVER_NAME", "kubernetes.default.svc")}
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "test",
                  "contexts": [{"name": "test", "context": {"cluster": "test", "user": "agent"}}],
                  "clusters": [{"name": "test", "cluster": cluster}],
                  "users": [{"name": "agent", "user": {"token": kubectl.token()}}]}
        self.node.write(f"{TOP}/kubeconfig", json.dumps(config))

    def configure(self, **default: str) -> None:
        config = {
            "node": {"name": self.node.name},
            "kubernetes": {"source": "kubeconfig", "kubeconfig": f"{TOP}/kubeconfig"},
            "default": {"mode": "deny"} | default,
            "network": {"internal": ["10.99.0.0/24"], "uplinks": self.node.uplinks()},
            "state": {"directory": "/var/lib/podfence-test"},
            "control": {"socket": "/run/podfence-test/podfenced.sock"},
            "events": {"socket": "/run/podfence-test/events.sock"},
            "policies": {"directory": ""},
        }
        self.node.write(f"{TOP}/podfence.yaml", json.dumps(config))

    def start(self) -> None:
        """Returns when its rules are in force (Type=notify)."""
        self.node.shell(f"systemctl start {UNIT}")

    def stop(self, number: str = "SIGTERM") -> None:
        if number != "SIGTERM":
            self.node.shell(f"systemctl kill -s {number} {UNIT}")
        self.node.shell(f"systemctl stop {UNIT}; systemctl reset-failed {UNIT} 2>/dev/null || true")

    def reload(self) -> None:
        self.node.shell(f"systemctl reload {UNIT}")

    def podfence(self, *arguments: str) -> str:
        status, stdout, stderr = self.node.run(
            f"PODFENCE_SOCKET=/run/podfence-test/podfenced.sock {TOP}/podfence " +
            shlex.join(arguments))
        return stdout + stderr

    def pods(self) -> dict[str, str]:
        """Coverage by NAMESPACE/NAME."""
        lines = self.podfence("pods", "-o", "jsonl").splitlines()
        pods = [json.loads(line) for line in lines if line.startswith("{")]
        return {f"{one.get('namespace', '')}/{one['name']}": one["coverage"] for one in pods}

    def mark(self) -> None:
        """What stands among the events by now is passed over by events()."""
        self.offset = self.node.read(f"{TOP}/events", 0)[1]

    def events(self) -> list[dict[str, Any]]:
        text, _ = self.node.read(f"{TOP}/events", self.offset)
        return [event for event in map(json.loads, text.splitlines()) if "destination" in event]

    def said(self) -> str:
        return self.node.shell(f"journalctl -q --no-pager -o cat -u {UNIT} | tail -n 40")

    def remove(self) -> None:
        self.node.run(f"systemctl stop {UNIT}; PODFENCE_SOCKET=/run/podfence-test/podfenced.sock "
                      f"{TOP}/podfence uninstall; rm -rf /run/systemd/system/{UNIT} {TOP} "
                      "/var/lib/podfence-test /run/podfence-test /etc/podfence-test; "
                      "systemctl daemon-reload")


class Pod:
    """A pod whose probes have a port of their own, so that one can tell who sent."""
    ports = iter(range(40001, 40100))
    period_ms = 20  # between two rounds of probes

    def __init__(self, name: str, outside: list[str], is_host_network: bool = False,
                 labels: dict[str, str] | None = None,
                 resources: dict[str, Any] | None = None) -> None:
        self.name, self.port = name, next(Pod.ports)
        self.labels = labels or {}
        self.is_host_network = is_host_network
        self.resources = resources or {}
        # Clusters without IPv6 give their pods none.
        self.external = [one for one in outside if is_host_network or ":" not in one]
        self.api_name = name

    def names(self, *addresses: str, protocols: tuple[str, ...] = ("udp", "tcp")) -> list[str]:
        """As remote.py calls what arrives of this pod."""
        return [f"{protocol} {address} {self.port}" for address in addresses
                for protocol in protocols]

    def object(self, node: str) -> dict[str, Any]:
        targets = [name.replace(" ", "/") for name in self.names(*self.external, INTERNAL)]
        container = {"name": f"{self.name}-main", "image": os.environ.get("IMAGE", "busybox"),
                     "imagePullPolicy": "IfNotPresent", "resources": self.resources,
                     "command": ["/podfence/probe", str(Pod.period_ms), *targets],
                     "volumeMounts": [{"name": "probe", "mountPath": "/podfence"}]}
        return {"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": self.name, "namespace": NAMESPACE, "labels": self.labels},
                "spec": {"nodeName": node, "hostNetwork": self.is_host_network,
                         "automountServiceAccountToken": False, "enableServiceLinks": False,
                         "terminationGracePeriodSeconds": 1,
                         "tolerations": [{"operator": "Exists"}], "containers": [container],
                         "volumes": [{"name": "probe", "hostPath": {"path": f"{TOP}/bin"}}]}}


class Cluster:
    def __init__(self, make_agent: Callable[[Node, Kubectl], Any] = Agent) -> None:
        self.kubectl = Kubectl()
        name = os.environ.get("NODE") or self.kubectl("get", "nodes", "-o", "name").split("/")[-1]
        self.node = Node(name.strip())
        self.outside = self.node.make_outside()
        self.node.copy(BUILD / "tests" / "vm" / "probe", f"{TOP}/bin/probe")
        self.kubectl("apply", "-f", str(ROOT / "deploy/kubernetes/base/rbac.yaml"))
        for one in os.environ.get("CRD", "").split():
            self.kubectl("apply", "-f", one)
        self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace",
                            "metadata": {"name": NAMESPACE, "labels": {"team": "test"}}})
        self.clean()
        self.pods: list[Pod] = []
        self.agent = make_agent(self.node, self.kubectl)

    def add(self, name: str, **facts: Any) -> Pod:
        pod = Pod(name, self.outside, **facts)
        self.kubectl.apply(pod.object(self.node.name))
        self.pods.append(pod)
        return pod

    def wait_running(self, *pods: Pod) -> None:
        """Until what they send to the internal address arrives."""
        since = self.node.now()
        for pod in pods:
            wait_until(lambda: all(name in self.node.arrived(since)
                                   for name in pod.names(INTERNAL)),
                       f"{pod.name} to reach what is internal")

    def kubectl_works(self) -> bool:
        try:
            return bool(self.kubectl("get", "namespace", NAMESPACE))
        except RuntimeError:
            return False

    def seen(self, pod: Pod, since: int, *addresses: str,
             protocols: tuple[str, ...] = ("udp", "tcp")) -> dict[str, int]:
        """How often the pod reached these (all that are external), since then."""
        arrived = self.node.arrived(since)
        return {name: arrived[name][0]
                for name in pod.names(*(addresses or pod.external), protocols=protocols)
                if name in arrived}

    def listen(self, seconds: float) -> int:
        """Lets the probes run for so long; the beginning of that time."""
        since = self.node.now()
        time.sleep(seconds)
        return since

    def clean(self) -> None:
        if "clusternetworkpolicies" in self.kubectl("api-resources", "-o", "name"):
            self.kubectl("delete", "clusternetworkpolicies", "-l", "podfence-test")
        self.kubectl("-n", NAMESPACE, "delete", "networkpolicies,pods", "--all",
                     f"--timeout={PATIENCE:.0f}s")

    def close(self) -> None:
        self.agent.remove()
        self.clean()
        self.node.close()
