# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The same against a real API server, where KUBEBUILDER_ASSETS names a directory with
kube-apiserver and etcd: only the rights that are shipped, its own lists, watches and refusals, and
what it does when it is killed, comes back, or comes back as another cluster.

The tests' own server is asked the same questions: what it answers otherwise would be a lie that
test_api.py believes.
"""
import json
import pathlib
import ssl
import urllib.error
import urllib.request
from typing import Any

import common  # noqa: F401
import tap
import traffic
from agent import Agent, wait_until
from api_server import TOKEN, ApiServer
from lab import EXTERNAL4, INTERNAL4, OPEN_PORT, OTHER_EXTERNAL4, Lab
from pods import Pod
from real_api_server import ADMIN, RealApiServer, Refused, why_not_here

RBAC = pathlib.Path(__file__).parents[2] / "deploy/kubernetes/base/rbac.yaml"
CROWD = 600  # more than a page
OPEN = {"podfence-test": "open"}


def custom_resource() -> dict[str, Any]:
    """ClusterNetworkPolicy, as far as a server wants to know."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    group, plural = "policy.networking.k8s.io", "clusternetworkpolicies"
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}", "annotations": {
                "api-approved.kubernetes.io": "unapproved, for a test"}},
            "spec": {"group": group, "scope": "Cluster",
                     "names": {"plural": plural, "singular": "clusternetworkpolicy",
                               "kind": "ClusterNetworkPolicy"},
                     "versions": [{"name": "v1alpha2", "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": schema}}]}}


def network_policy() -> dict[str, Any]:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "open", "namespace": "shop"},
            "spec": {"podSelector": {"matchLabels": OPEN}, "policyTypes": ["Egress"],
                     "egress": [{"to": [{"ipBlock": {"cidr": f"{EXTERNAL4}/32"}}]}]}}


def cluster_policy() -> dict[str, Any]:
    return {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
            "metadata": {"name": "open"},
            "spec": {"tier": "Admin", "priority": 10, "subject": {"namespaces": {"matchLabels": {
                "team": "shop"}}}, "egress": [{"action": "Accept", "to": [
                    {"networks": [f"{OTHER_EXTERNAL4}/32"]}]}]}}


class World:
    def __init__(self, check: tap.Tap, lab: Lab, api: RealApiServer) -> None:
        self.check, self.lab, self.api = check, lab, api
        self.fill()
        self.agent: Agent = lab.agent(
            kubernetes={"source": "kubeconfig",
                        "kubeconfig": str(api.kubeconfig(api.account_token()))},
            state={"directory": str(lab.directory / "state")}, network={"derive": "on"},
            default={"ceiling": "off"})  # a NetworkPolicy may let out

    def fill(self) -> None:
        """What every life of the cluster has, but for rights."""
        account = {"apiVersion": "v1", "kind": "ServiceAccount",
                   "metadata": {"name": "podfence", "namespace": "podfence"}}
        for name in ("podfence", "shop"):
            self.api.put({"apiVersion": "v1", "kind": "Namespace",
                          "metadata": {"name": name, "labels": {"team": name}}})
        self.api.put(account)

    def add(self, name: str, **facts: Any) -> Pod:
        """In the API first, which gives it its uid, then on the node."""
        pod = self.lab.new_pod(name, **facts)
        self.announce(pod)
        pod.wire()
        pod.run(self.lab.cgroups)
        return pod

    def announce(self, pod: Pod) -> None:
        made = self.api.put(pod.api_object())
        pod.uid = made["metadata"]["uid"]

    def leaves(self, pod: Pod, address: str = EXTERNAL4) -> bool:
        mark = self.lab.outside.mark()
        pod.call(traffic.udp_send, address, 5300, b"out")
        return bool(self.lab.left(mark, dport=5300))

    def denied(self, pod: Pod, when: str) -> None:
        self.check.check(not self.leaves(pod), f"{pod.name}: nothing leaves, {when}")
        self.check.check(pod.call(traffic.tcp_connect, INTERNAL4, OPEN_PORT) == "connected",
                         f"{pod.name}: reaches what is internal, {when}")

    def named(self, pod: Pod, port: int, when: str) -> None:
        pod.call(traffic.udp_send, EXTERNAL4, port, b"name me")
        event = self.agent.wait_event(destination__port=port, kubernetes__pod__name=pod.name)
        self.check.check(event is not None, f"{pod.name}: an event names it, {when}",
                         self.agent.said()[-600:])

    def opens(self, pod: Pod, address: str, what: str) -> None:
        wait_until(lambda: self.leaves(pod, address), f"{pod.name} to be let out: {what}")
        self.check.check(True, f"{pod.name}: is let out, {what}")

    def closes(self, pod: Pod, what: str) -> None:
        wait_until(lambda: not self.leaves(pod), f"{pod.name} to be kept in: {what}")
        self.denied(pod, what)

    def known(self) -> int:
        """How many pods the agent knows."""
        status, text, _ = self.agent.podfence("status", "-o", "json")
        return sum(json.loads(text)["endpoints"].values()) if status < 2 else 0

    def says(self, text: str, what: str, since: int = 0) -> None:
        self.agent.wait_for(lambda: text in self.agent.said()[since:], what)
        self.check.check(True, f"it says {text!r}: {what}")


def test_rights(world: World) -> None:
    """It starts with none, is given those that are shipped, and needs no others."""
    routed, host = world.add("routed"), world.add("host", is_host_network=True)
    world.agent.start()
    world.says("is forbidden", "without rights")
    world.denied(routed, "without rights")
    world.api.apply_file(RBAC)
    world.says("list complete", "with the rights of rbac.yaml")
    world.agent.wait_endpoints(2)
    for pod in (routed, host):
        world.denied(pod, "with rights")
        world.named(pod, 5301, "with rights")
    token = (world.api.directory / "token").read_text().strip()
    for path, method in (("/api/v1/secrets", "GET"), ("/api/v1/namespaces/shop/pods/routed",
                                                      "DELETE")):
        try:
            world.api.request(method, path, token=token)
            status = 200
        except Refused as error:
            status = error.status
        world.check.equal(status, 403, f"its token may not {method} {path}")


def test_changes(world: World) -> None:
    routed, host = world.lab.pods[0], world.lab.pods[1]
    world.api.put(network_policy())
    routed.labels |= OPEN
    world.api.put(routed.api_object())
    world.opens(routed, EXTERNAL4, "by its label and a policy")
    world.check.check(not world.leaves(host), "but not the other")
    world.api.delete(network_policy())
    world.closes(routed, "after the policy is gone")
    late = world.add("late")
    world.agent.wait_endpoints(3)
    world.named(late, 5302, "after the watch told")
    world.api.delete(late.api_object())
    world.agent.wait_endpoints(2)
    world.denied(late, "after the API forgot it")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "lab-node"},
            "spec": {"podCIDR": "10.244.0.0/16"},
            "status": {"addresses": [{"type": "InternalIP", "address": EXTERNAL4}]}}
    world.api.put(node)
    world.opens(host, EXTERNAL4, "to an address of the Node")
    world.check.check(world.leaves(routed), "and so is a pod of its own network")
    world.api.delete(node)
    world.closes(routed, "after the Node is gone")


def test_away(world: World) -> None:
    """Killed, and back: what changed meanwhile is heard, what did not stays."""
    routed, agent = world.lab.pods[0], world.agent
    since = len(agent.said())
    world.api.stop("kube-apiserver")
    world.says("known stays in force", "with the server killed", since)
    world.denied(routed, "with the server killed")
    kept = world.lab.directory / "state/last-known-good.json"
    wait_until(lambda: kept.exists() and '"late"' not in kept.read_text(), "the state")
    agent.stop(9)
    agent.start()
    agent.wait_endpoints(2)
    world.denied(routed, "after a start without the server")
    since = len(agent.said())
    world.api.start()
    back = world.add("back")
    world.says("list complete", "once the server is back", since)
    agent.wait_endpoints(3)
    world.named(back, 5303, "once the server is back")
    since = len(agent.said())
    world.api.stop("kube-apiserver")
    world.says("known stays in force", "with the server killed again", since)
    world.api.start()  # its cache begins here: watches from before are told 410
    again = world.add("again")
    agent.wait_endpoints(4)
    world.named(again, 5304, "after watches went on")
    for pod in (back, again):
        world.api.delete(pod.api_object())
    agent.wait_endpoints(2)


def test_crowd(world: World) -> None:
    """More than a page; none of them is on the node."""
    template = Pod("crowd", is_host_network=True).api_object()
    del template["status"]

    for number in range(CROWD):
        template["metadata"]["name"] = f"crowd-{number}"
        world.api.put(template)
    wait_until(lambda: world.known() == 2 + CROWD, "all of the crowd")
    world.agent.stop()
    world.api.stop("kube-apiserver")
    world.api.start()
    (world.lab.directory / "state/last-known-good.json").unlink()
    world.agent.start()
    wait_until(lambda: world.known() == 2 + CROWD, "all of the crowd in a list")
    world.check.check(True, f"a list of {CROWD + 2} pods")
    path = "/api/v1/namespaces/shop/pods?labelSelector=app.kubernetes.io/name%3Dcrowd"
    world.api.request("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1",
                                       "gracePeriodSeconds": 0})
    wait_until(lambda: world.known() == 2, "the crowd to go", 60)
    world.check.check(True, "and all of them are gone")


def test_definition(world: World) -> None:
    """A kind the server does not know at first: nothing is wrong with that."""
    world.api.put(custom_resource())

    def is_taken() -> bool:
        try:
            return bool(world.api.put(cluster_policy()))
        except Refused:
            return False

    wait_until(is_taken, "the new kind", 60)
    world.agent.stop()
    world.agent.start()
    routed = world.lab.pods[0]
    world.opens(routed, OTHER_EXTERNAL4, "by a ClusterNetworkPolicy")
    world.check.check(not world.leaves(routed), "and by it to nothing else")


def test_other_cluster(world: World) -> None:
    """Its data is lost: versions begin anew, and pods are others. Watches that are open then say
    nothing more, which is noticed after minutes (unit/reflector_faults); here the agent begins
    anew."""
    routed, agent = world.lab.pods[0], world.agent
    world.api.forget_everything()
    world.fill()
    world.api.apply_file(RBAC)
    world.api.write_token(world.api.account_token())
    world.denied(routed, "by a cluster that forgot everything")
    new = world.add("new")
    agent.stop()
    agent.start()
    wait_until(lambda: world.known() == 1, "the other cluster's pod")
    world.named(new, 5305, "of another cluster")
    world.check.check(not world.leaves(routed, OTHER_EXTERNAL4),
                      "the policies of the cluster before are gone with it")


# Asked of both servers; `{version}` is one that is long gone.
QUESTIONS = (
    ("a page", "/api/v1/pods?limit=2", {}),
    ("a list of the cache, which knows no pages", "/api/v1/pods?limit=2&resourceVersion=0", {}),
    ("a page that nobody gave out", "/api/v1/pods?limit=2&continue=nonsense", {}),
    ("a wrong token", "/api/v1/pods", {"token": "wrong"}),
    ("a kind of a group nobody knows", "/apis/nobody.example/v1/things", {}),
    ("a kind nobody knows", "/api/v1/things", {}),
    ("a selector that is none", "/api/v1/pods?fieldSelector=spec.nonsense%3Dx", {}),
    ("a watch of a version long gone",
     "/api/v1/pods?watch=1&resourceVersion=1&timeoutSeconds=1", {}),
    ("a watch that ends", "/api/v1/pods?watch=1&resourceVersion={now}&timeoutSeconds=1", {}),
)


def ask(url: str, authorities: pathlib.Path, token: str) -> dict[str, Any]:
    """The answer without what is different each time."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context(cafile=str(authorities))
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as reply:
            status, headers, text = reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as error:
        status, headers, text = error.code, error.headers, error.read().decode()
    except OSError as error:
        return {"error": str(error)}
    answer = {"status": status, "type": headers["Content-Type"].split(";")[0]}
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    if not lines:
        answer["text"] = text.strip()
        return answer
    whole = lines[0]
    if "items" in whole:
        return answer | {"kind": whole["kind"], "items": len(whole["items"]),
                         "members": list(whole), "metadata": sorted(
                             key for key, value in whole["metadata"].items() if value)}
    if whole.get("kind") == "Status":
        return answer | {"code": whole.get("code"), "reason": whole.get("reason"),
                         "members": sorted(whole)}
    return answer | {"events": [(one.get("type"), one.get("object", one).get("kind"),
                                 one.get("object", one).get("code")) for one in lines]}


def test_answers(world: World) -> None:
    ours = ApiServer(world.lab.directory)
    ours.start()
    world.lab.stack.callback(ours.stop)
    for number in range(5):
        thing = Pod(f"asked-{number}", is_host_network=True).api_object()
        world.api.put(thing)
        ours.put(thing)
    for pod in world.lab.pods[:2]:
        ours.put(pod.api_object())
    ours.forget()
    world.api.stop("kube-apiserver")  # its cache begins anew
    world.api.start()
    world.api.put(thing)
    page = json.loads(world.api.request("GET", "/api/v1/pods?limit=1")[1])
    version = page["metadata"]["resourceVersion"]
    for what, path, facts in QUESTIONS:
        answers = []
        for server, now, token, authorities in (
                ("https://127.0.0.1:6443", version, ADMIN,
                 world.api.directory / "ca.crt"),
                (f"https://127.0.0.1:{ours.port}", str(ours.version), TOKEN,
                 world.lab.directory / "ca.crt")):
            answers.append(ask(server + path.replace("{now}", now), authorities,
                               facts.get("token", token)))
        real, own = answers
        print(f"# {what}", real, own, sep="\n#   ")
        world.check.equal(own, real, f"the tests' own server answers {what} as a real one does")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        api = RealApiServer(lab.directory)
        lab.stack.callback(api.stop)
        api.start()
        world = World(check, lab, api)
        test_rights(world)
        test_changes(world)
        test_away(world)
        test_crowd(world)
        test_definition(world)
        test_answers(world)
        test_other_cluster(world)


if reason := why_not_here():
    tap.skip_all(reason)
tap.main(test, "openssl")
