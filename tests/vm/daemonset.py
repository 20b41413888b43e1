#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""deploy/kubernetes on a real cluster, as docs/getting-started.md tells it: packages and image are
built and given to the node, the overlay audit is applied, then enforce; an ordinary pod, a host pod
and a static host pod are fenced and named in `kubectl logs` and in podfence-ship's outputs; a new
version is rolled out and the agent is killed under traffic without one packet that gets out; and
deploy/kubernetes/remove leaves nothing. The node has the startup taint at the beginning: nothing is
scheduled there before podfence is ready. What it takes is printed (RSS, CPU).

cluster.py says what the environment has to name. Beyond that the cluster has its controllers and a
scheduler, the node reaches the API server by its service address (kube-proxy), and the API server
its kubelets (kubectl logs and exec). PODFENCE_DEB: a package that is built already;
PODFENCE_IMAGES: both images, podfence:0.1.0 and podfence:0.1.0-next, likewise; NODE_IMPORT: how the
node takes one (ctr -n k8s.io images import); PERIOD_MS: milliseconds between two rounds of probes
(100); KEEP: podfence stays."""
import datetime
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import cluster
from cluster import NAMESPACE, PATIENCE, ROOT, Cluster, Kubectl, Node, wait_until
import node as nodes
import tap

sys.path.insert(0, str(ROOT / "tests/package"))
import package  # noqa: E402

OURS = "podfence"
DEPLOY = ROOT / "deploy"
TOLD = "/var/lib/podfence/ship/told.jsonl"
IMPORT = os.environ.get("NODE_IMPORT", "ctr -n k8s.io images import")
TAINT = "podfence.io/agent-not-ready"
VERSIONS = ("0.1.0", "0.1.0-next")
SECRETS = "/run/secrets/podfence"
OUTPUTS = f"""outputs:
- {{name: told, kind: file, path: {TOLD}}}
- {{name: events, kind: kubernetes, urls: ["https://SERVICE"], tokenFile: {SECRETS}/events-token,
   caFile: {SECRETS}/ca.crt}}
"""


class Deployed:
    """podfence by its DaemonSet. What it says is read with kubectl, as a person would."""

    def __init__(self, node: Node, kubectl: Kubectl) -> None:
        self.node, self.kubectl = node, kubectl
        self.since = node.now()
        self.uids: set[str] = set()  # of every pod it had

    def pod(self) -> dict[str, Any]:
        """The one on the node that is not on its way out."""
        pods = json.loads(self.kubectl("-n", OURS, "get", "pods", "-o", "json", "-l",
                                       "app.kubernetes.io/name=podfence"))["items"]
        pods = [one for one in pods if "deletionTimestamp" not in one["metadata"]]
        self.uids |= {one["metadata"]["uid"] for one in pods}
        return pods[0] if pods else {}

    def containers(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in
                self.pod().get("status", {}).get("containerStatuses", [])}

    def is_ready(self) -> bool:
        containers = self.containers()
        return len(containers) == 2 and all(one["ready"] for one in containers.values())

    def podfence(self, *arguments: str) -> str:
        """Whatever its exit status: that says how well the node is."""
        done = subprocess.run([*self.kubectl.command, "-n", OURS, "exec",
                               self.pod()["metadata"]["name"], "-c", "podfenced", "--", "podfence",
                               *arguments], capture_output=True, text=True)
        return done.stdout or done.stderr

    def pods(self) -> dict[str, str]:
        lines = self.podfence("pods", "-o", "jsonl").splitlines()
        pods = [json.loads(line) for line in lines if line.startswith("{")]
        return {f"{one.get('namespace', '')}/{one['name']}": one["coverage"] for one in pods}

    def mark(self) -> None:
        self.since = self.node.now()

    def log(self, container: str, *arguments: str) -> list[str]:
        return self.kubectl("-n", OURS, "logs", self.pod()["metadata"]["name"], "-c", container,
                            *arguments).splitlines()

    def events(self) -> list[dict[str, Any]]:
        since = datetime.datetime.fromtimestamp(self.since / 1e9, datetime.UTC)
        lines = self.log("podfenced", f"--since-time={since:%Y-%m-%dT%H:%M:%S.%fZ}")
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if "destination" in event]

    def said(self) -> str:
        lines = [line for container in ("podfenced", "podfence-ship")
                 for line in self.log(container, "--tail=400") if not line.startswith("{")]
        return "\n".join(lines[-40:])

    def remove(self) -> None:
        """After a test that broke off; after one that did not there is nothing."""
        if "KEEP" not in os.environ:
            subprocess.run([str(DEPLOY / "kubernetes/remove/remove.sh"),
                            *self.kubectl.command[1:]], capture_output=True)


class Manifests:
    """A copy of deploy/kubernetes with overlays of its own: what a person changes of ours. What is
    internal here, what the uplinks of this node are, and an output."""

    def __init__(self, directory: pathlib.Path, world: Cluster) -> None:
        self.top = directory / "kubernetes"
        self.kubectl = world.kubectl
        self.uplinks = world.node.uplinks()
        # Its name is for clusters with DNS.
        self.service = self.kubectl("get", "service", "kubernetes", "-n", "default", "-o",
                                    "jsonpath={.spec.clusterIP}")
        shutil.copytree(DEPLOY / "kubernetes", self.top)

    def apply(self, overlay: str, version: str) -> None:
        place = self.top / "overlays" / f"test-{overlay}"
        place.mkdir(exist_ok=True)
        text = (self.top / "overlays" / overlay / "podfence.yaml").read_text()
        text = text.replace("internal: []", "internal: [10.99.0.0/24]\n"
                            f"  uplinks: [{', '.join(self.uplinks)}]")
        (place / "podfence.yaml").write_text(text)
        text = (self.top / "base/podfence-ship.yaml").read_text()
        text = text.replace("outputs: []\n", OUTPUTS.replace("SERVICE", self.service))
        (place / "podfence-ship.yaml").write_text(text)
        (place / "kustomization.yaml").write_text(json.dumps({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
            "resources": [f"../{overlay}"], "components": ["../../components/startup-taint"],
            "images": [{"name": "podfence", "newTag": version}],
            "configMapGenerator": [{"name": "podfence", "namespace": OURS, "behavior": "merge",
                                    "files": ["podfence.yaml", "podfence-ship.yaml"]}]}))
        print("#", self.kubectl("apply", "-k", str(place)).strip().replace("\n", "; "))


def build_images(directory: pathlib.Path) -> list[pathlib.Path]:
    """Two versions: the second is the first with another number."""
    if ready := os.environ.get("PODFENCE_IMAGES"):
        return [pathlib.Path(one) for one in ready.split()]
    deb = directory / "podfence.deb"
    shutil.copy(os.environ.get("PODFENCE_DEB") or package.build(directory)["podfence"], deb)
    images = [directory / f"{version}.tar" for version in VERSIONS]
    for version, one, image in zip(VERSIONS, (deb, package.next_version(deb)), images):
        print("#", package.run(str(DEPLOY / "image/build.sh"), "-o", str(image), "-t",
                               f"podfence:{version}", str(one)).stdout.strip())
    return images


def give_images(world: Cluster, directory: pathlib.Path) -> None:
    for image in build_images(directory):
        world.node.copy(image, f"{cluster.TOP}/image.tar")
        world.node.shell(f"{IMPORT} {cluster.TOP}/image.tar")


def documents(text: str) -> list[str]:
    return [one for one in re.split(r"^---$", text, flags=re.M) if re.search(r"^kind:", one, re.M)]


def test_accepted(world: Cluster, check: tap.Tap) -> None:
    """Every manifest of a kind that the API server knows is taken by it."""
    known = {(line.split()[-3], line.split()[-1])
             for line in world.kubectl("api-resources", "--no-headers").splitlines()}
    overlays = DEPLOY / "kubernetes/overlays"
    texts = {f"overlay {name}": world.kubectl("kustomize", str(overlays / name))
             for name in ("audit", "enforce")}
    places = [path for place in ("kubernetes", "policies", "admission")
              for path in sorted((DEPLOY / place).rglob("*.yaml"))]
    for path in places:
        text = path.read_text().replace("NODE_NAME", world.node.name).replace("IMAGE", "podfence")
        if path.name not in ("daemonset.yaml", "kustomization.yaml"):  # of the overlays
            texts[str(path.relative_to(ROOT))] = text
    unknown = set()
    for name, text in texts.items():
        taken, problems = 0, []
        for document in documents(text):
            facts = [re.search(rf"^{key}: (\S+)", document, re.M)[1]
                     for key in ("apiVersion", "kind")]
            if tuple(facts) not in known:
                unknown.add(" ".join(facts))
                continue
            try:
                world.kubectl("apply", "--dry-run=server", "-f", "-", text=document)
                taken += 1
            except RuntimeError as error:
                problems.append(str(error))
        if taken or problems:
            check.check(not problems, f"the API server takes {name}, {taken} objects", *problems)
    print("# kinds it does not know:", ", ".join(sorted(unknown)) or "none")


def roll_out(world: Cluster, check: tap.Tap, manifests: Manifests, overlay: str,
             version: str = VERSIONS[0]) -> None:
    """As a person sees it: apply, and wait for the rollout."""
    agent = world.agent
    manifests.apply(overlay, version)
    try:
        print("#", world.kubectl("-n", OURS, "rollout", "status", "daemonset/podfence",
                                 f"--timeout={2 * PATIENCE:.0f}s").splitlines()[-1])
    except RuntimeError as error:
        print("#", error, world.kubectl("-n", OURS, "describe", "pods"))
    containers = agent.containers()
    check.check(agent.is_ready(), f"{overlay} {version}: both containers are ready", containers)
    check.equal({name: one["restartCount"] for name, one in containers.items()},
                {"podfenced": 0, "podfence-ship": 0}, f"{overlay} {version}: no probe ended one")
    images = {one["image"].rsplit(":", 1)[-1] for one in containers.values()}
    check.equal(images, {version}, f"{overlay} {version}: it is that version")


def test_taint(world: Cluster, check: tap.Tap, manifests: Manifests) -> None:
    """The scheduler puts no pod on the node until the first rollout is done."""
    kubectl = world.kubectl
    waiting = {"apiVersion": "v1", "kind": "Pod",
               "metadata": {"name": "waiting", "namespace": NAMESPACE},
               "spec": {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1,
                        "containers": [{"name": "main", "image": os.environ.get("IMAGE", "busybox"),
                                        "imagePullPolicy": "IfNotPresent",
                                        "command": ["sleep", "3600"]}]}}

    def is_scheduled() -> bool:
        pod = json.loads(kubectl("-n", NAMESPACE, "get", "pod", "waiting", "-o", "json"))
        return "nodeName" in pod["spec"]

    kubectl("taint", "nodes", world.node.name, f"{TAINT}=:NoSchedule", "--overwrite")
    kubectl.apply(waiting)
    wait_until(lambda: TAINT in kubectl("-n", NAMESPACE, "describe", "pod", "waiting"),
               "the scheduler to say why the pod waits")
    check.check(not is_scheduled(), "a pod waits while the node has the startup taint")
    roll_out(world, check, manifests, "audit")
    try:
        wait_until(is_scheduled, "the pod to be scheduled")
    except TimeoutError:
        pass
    node = json.loads(kubectl("get", "node", world.node.name, "-o", "json"))
    check.check(is_scheduled(), "and is scheduled when podfence is ready", node["spec"],
                world.agent.said())
    check.equal([one for one in node["spec"].get("taints", []) if one["key"] == TAINT], [],
                "the taint is gone")
    kubectl("-n", NAMESPACE, "delete", "pod", "waiting", f"--timeout={2 * PATIENCE:.0f}s")


def test_audit(world: Cluster, check: tap.Tap) -> None:
    def status() -> dict[str, Any]:
        return json.loads(world.agent.podfence("status", "-o", "json"))

    api = status()["api"]
    check.check(api["synced"] and api["source"] == "in-cluster",
                "its own service account's rights are enough", api)
    wanted = {"enforced": 0, "audit": len(world.pods), "pending": 0, "uncovered": 0}
    try:
        wait_until(lambda: status()["endpoints"] == wanted, "the pods to be known")
    except TimeoutError:
        pass
    check.equal(status()["endpoints"], wanted,
                "every pod of the node is covered, and the agent's own is none of them",
                world.agent.podfence("pods"))
    wait_until(lambda: all(world.agent.pods().get(f"{NAMESPACE}/{pod.api_name}") == "audit"
                           for pod in world.pods), "all pods to be audited")
    since = world.listen(3)
    for pod in world.pods:
        check.equal(sorted(world.seen(pod, since)), sorted(pod.names(*pod.external)),
                    f"audit: {pod.name} gets out")
    nodes.named(world, check, "in audit")
    actions = {event["event"]["action"] for event in world.agent.events()}
    check.equal(actions, {"would-drop"}, "audit: events say what would be dropped")


def give_token(world: Cluster) -> None:
    """As events.yaml says; TokenRequest by hand, for old kubectls and servers."""
    kubectl = world.kubectl
    kubectl("apply", "-f", str(DEPLOY / "kubernetes/events.yaml"))
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
               "spec": {"expirationSeconds": 7200}}
    reply = json.loads(kubectl("create", "--raw", f"/api/v1/namespaces/{OURS}/serviceaccounts/"
                               "podfence-events/token", "-f", "-", text=json.dumps(request)))
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                   "metadata": {"name": "podfence-ship", "namespace": OURS},
                   "stringData": {"events-token": reply["status"]["token"]}})


def test_described(world: Cluster, check: tap.Tap) -> None:
    for pod in world.pods:
        check.check(world.kubectl.described(pod.api_name),
                    f"kubectl describe pod {pod.api_name} says what was denied",
                    world.agent.said())


def test_enforce(world: Cluster, check: tap.Tap) -> None:
    nodes.denied(world, check, "by the DaemonSet", world.listen(5))
    nodes.named(world, check, "by the DaemonSet")
    wanted = {event["event"]["id"] for event in world.agent.events()
              if event["event"]["action"] == "dropped"}

    def told() -> set[str]:
        text, _ = world.node.read(TOLD, 0)
        return {json.loads(line)["event"]["id"] for line in text.splitlines()}

    try:
        wait_until(lambda: wanted <= told(), "podfence-ship's output")
    except TimeoutError:
        pass
    check.check(wanted and wanted <= told(), "what `kubectl logs` shows stands in podfence-ship's "
                f"output too, {len(wanted)} events", wanted - told())
    test_described(world, check)
    text = world.kubectl("get", "--raw", f"/api/v1/nodes/{world.node.name}/proxy/healthz")
    check.equal(text, "ok", "the API server reaches the kubelet through the fence")


def longest_pause(world: Cluster, since: int) -> float:
    """Of what is internal, in seconds. Nothing of it is lost (denied()), so that this says how
    long the node left a pod without the processor, not what the fence does."""
    return max(world.node.pause(name, since) for pod in world.pods
               for name in pod.names(cluster.INTERNAL, protocols=("udp",))) / 1e9


def test_roll(world: Cluster, check: tap.Tap, manifests: Manifests) -> None:
    before, since = world.agent.pod()["metadata"]["name"], world.node.now()
    roll_out(world, check, manifests, "enforce", VERSIONS[1])
    world.listen(5)
    check.check(world.agent.pod()["metadata"]["name"] != before, "the pod is another")
    nodes.denied(world, check, "while a new version was rolled out", since)
    print(f"# rolled within {(world.node.now() - since) / 1e9:.1f} s; the longest pause of an "
          f"internal flow was {longest_pause(world, since):.2f} s")
    nodes.named(world, check, "by the new version")


def test_kill(world: Cluster, check: tap.Tap) -> None:
    since = world.node.now()
    pid = json.loads(world.agent.podfence("status", "-o", "json"))["pid"]
    world.node.shell(f"kill -KILL {pid}")
    wait_until(lambda: world.agent.containers().get("podfenced", {}).get("restartCount") == 1 and
               world.agent.is_ready(), "the kubelet to start it again")
    world.listen(3)
    nodes.denied(world, check, "through kill -9 of the agent", since)
    nodes.named(world, check, "after the kill")


def use(world: Cluster) -> dict[str, tuple[int, float]]:
    """RSS in KiB (the highest) and CPU seconds of each program."""
    used = {}
    for name in ("podfenced", "podfence-ship"):
        [pid, *_] = world.node.shell(f"pgrep -o -x {name}").split()
        status = world.node.shell(f"cat /proc/{pid}/status")
        ticks = world.node.shell(f"cat /proc/{pid}/stat").rsplit(")", 1)[1].split()[11:13]
        used[name] = (int(re.search(r"VmHWM:\s+(\d+)", status)[1]), sum(map(int, ticks)) / 100)
    return used


def print_use(world: Cluster, what: str, act: Callable[[], None]) -> None:
    """What that costs. The emulated processor is much slower than a real one."""
    before, begin = use(world), time.monotonic()
    act()
    seconds = time.monotonic() - begin
    for name, (rss, cpu) in use(world).items():
        print(f"# {what}: {name} {rss / 1024:.1f} MiB RSS at most, {cpu - before[name][1]:.2f} s "
              f"of CPU in {seconds:.0f} s ({(cpu - before[name][1]) / seconds * 1000:.0f}m)")


def churn(world: Cluster) -> None:
    """Pods come and go."""
    known = len(world.pods)
    for number in range(4):
        world.add(f"short-{number}")
    world.wait_running(*world.pods[known:])
    world.kubectl("-n", NAMESPACE, "delete", f"--timeout={2 * PATIENCE:.0f}s", "pods",
                  *(pod.name for pod in world.pods[known:]))
    del world.pods[known:]


def print_uses(world: Cluster) -> None:
    for name, (rss, cpu) in use(world).items():
        print(f"# since its start: {name} {rss / 1024:.1f} MiB RSS at most, {cpu:.2f} s of CPU")
    print_use(world, f"{len(world.pods)} pods that are denied {1000 // cluster.Pod.period_ms} "
              "rounds a second", lambda: time.sleep(30))
    print_use(world, "4 pods come and go", lambda: churn(world))


def come_and_go(world: Cluster) -> str:
    """A pod that podfence never saw, of the same class as podfence's; its uid."""
    pod = world.add("before", resources={"requests": nodes.LITTLE})
    world.wait_running(pod)
    uid = world.kubectl("-n", NAMESPACE, "get", "pod", "before", "-o", "jsonpath={.metadata.uid}")
    world.kubectl("-n", NAMESPACE, "delete", "pod", "before", f"--timeout={2 * PATIENCE:.0f}s")
    world.pods.remove(pod)
    return uid


def cgroups(world: Cluster, uids: set[str]) -> set[str]:
    """What there is of these pods, whichever of them it is of."""
    pattern = "|".join(sorted(uid.replace("-", "[-_]") for uid in uids))
    found = world.node.shell(f"find /sys/fs/cgroup -type d | grep -E '{pattern}' || true")
    return {re.sub(pattern, "UID", one) for one in found.split()}


def test_cgroups(world: Cluster, check: tap.Tap, stranger: str) -> None:
    """Old kubelets with the driver of systemd leave an empty cgroup of the other driver's behind
    (kubepods/burstable/podUID) of every pod."""
    def left() -> set[str]:
        return cgroups(world, world.agent.uids) - cgroups(world, {stranger})

    try:
        wait_until(lambda: not left(), "the cgroups of its pods to go")
    except TimeoutError:
        pass
    check.check(world.agent.uids and not left(), "removed: no cgroup of its "
                f"{len(world.agent.uids)} pods but what is left of any pod", *left())
    print("# left of a pod that podfence never saw:", *sorted(cgroups(world, {stranger})))


def test_remove(world: Cluster, check: tap.Tap, stranger: str) -> None:
    done = subprocess.run([str(DEPLOY / "kubernetes/remove/remove.sh"),
                           *world.kubectl.command[1:]], capture_output=True, text=True)
    check.equal(done.returncode, 0, "remove.sh says it is done", done.stdout, done.stderr)
    since = world.listen(3)
    for pod in world.pods:
        check.equal(sorted(world.seen(pod, since)), sorted(pod.names(*pod.external)),
                    f"removed: {pod.name} gets out again")
    shell = world.node.shell
    check.equal(shell("nft list tables | grep podfence || true"), "", "removed: no table")
    check.equal(shell("find /var/lib /run /etc /opt -xdev -name '*podfence*' "
                      f"-not -path '{cluster.TOP}*' -not -path '{nodes.STATIC_FILE}' "
                      "-not -path '/run/netns/*' -not -path "
                      "'/run/containerd/*' -not -path '/var/lib/containerd/*' -not -path "
                      "'/var/lib/kubelet/*'"), "", "removed: no file")
    test_cgroups(world, check, stranger)
    check.equal(shell("pgrep -l podfence || true"), "", "removed: no process")
    left = [line for kind in ("namespaces", "clusterroles", "clusterrolebindings", "pods", "jobs",
                              "daemonsets", "roles", "rolebindings", "configmaps")
            for line in world.kubectl("get", kind, "-A", "-o", "name").splitlines()
            if "/podfence" in line and f"/{NAMESPACE}" not in line]
    check.equal(left, [], "removed: nothing in the cluster")


def test(check: tap.Tap) -> None:
    cluster.Pod.period_ms = int(os.environ.get("PERIOD_MS", "100"))
    world = Cluster(Deployed)
    try:
        with tempfile.TemporaryDirectory(prefix="podfence-daemonset-") as name:
            give_images(world, pathlib.Path(name))
            test_accepted(world, check)
            stranger = come_and_go(world)
            world.add("web")
            world.add("host", is_host_network=True)
            nodes.add_static(world)
            world.wait_running(*world.pods)
            manifests = Manifests(pathlib.Path(name), world)
            give_token(world)
            test_taint(world, check, manifests)
            test_audit(world, check)
            roll_out(world, check, manifests, "enforce")
            test_enforce(world, check)
            test_roll(world, check, manifests)
            test_kill(world, check)
            print_uses(world)
            if "KEEP" not in os.environ:
                test_remove(world, check, stranger)
    finally:
        world.node.run(f"rm -f {nodes.STATIC_FILE}")
        subprocess.run([*world.kubectl.command, "taint", "nodes", world.node.name, f"{TAINT}-"],
                       capture_output=True)  # where it is still there
        world.close()


if __name__ == "__main__":
    tap.run(test)
