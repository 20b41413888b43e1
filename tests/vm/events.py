# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Events on a pod in a real API server: `kubectl describe pod` says why a connection failed; the
next ones are a series; one that was deleted is made anew; the token of
deploy/kubernetes/events.yaml is good for that and nothing else. No node is needed: podfence-ship
runs here, with events made for a pod that is nowhere. The namespace and the account stay. KUBECTL
and PODFENCE_BUILD as in cluster.py; run as root.
"""
import base64
import json
import pathlib
import sys
import tempfile

import cluster

sys.path.insert(0, str(cluster.ROOT / "tests/golden"))
import tap  # noqa: E402
from shipper import Seam, Shipper  # noqa: E402

NAMESPACE, POD, ACCOUNT = "podfence-test-events", "queue-0", "podfence-events"
WHO = f"system:serviceaccount:podfence:{ACCOUNT}"


def prepare(kubectl: cluster.Kubectl, directory: pathlib.Path) -> str:
    """The pod's uid; token and authority in files."""
    kubectl.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                    for name in ("podfence", NAMESPACE)))
    kubectl("apply", "--validate=false", "-f", str(cluster.ROOT / "deploy/kubernetes/events.yaml"))
    kubectl.apply({"apiVersion": "v1", "kind": "ServiceAccount",
                   "metadata": {"name": "default", "namespace": NAMESPACE}})
    kubectl.apply({"apiVersion": "v1", "kind": "Pod",
                   "metadata": {"name": POD, "namespace": NAMESPACE},
                   "spec": {"automountServiceAccountToken": False,
                            "containers": [{"name": "c", "image": "none.invalid/none"}]}})
    request = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                          "spec": {"expirationSeconds": 3600}})
    reply = json.loads(kubectl("create", "--raw", "/api/v1/namespaces/podfence/serviceaccounts/"
                               f"{ACCOUNT}/token", "-f", "-", text=request))
    (directory / "token").write_text(reply["status"]["token"])
    authority = kubectl.cluster()["certificate-authority-data"]
    (directory / "ca.crt").write_bytes(base64.b64decode(authority))
    return json.loads(kubectl("-n", NAMESPACE, "get", "pod", POD, "-o", "json"))["metadata"]["uid"]


def events(kubectl: cluster.Kubectl) -> list[dict]:
    return json.loads(kubectl("-n", NAMESPACE, "get", "events.events.k8s.io", "-o",
                              "json"))["items"]


def send(seam: Seam, uid: str) -> bool:
    event = json.loads(seam.make(pod=POD))
    event["kubernetes"]["namespace"] = NAMESPACE
    event["kubernetes"]["pod"]["uid"] = uid
    seam.send(json.dumps(event))
    return True


def check_events(check: tap.Tap, kubectl: cluster.Kubectl, seam: Seam, uid: str) -> None:
    def counts() -> list[int]:
        return [event["series"]["count"] for event in events(kubectl) if event.get("series")]

    def described() -> str:
        text = kubectl("-n", NAMESPACE, "describe", "pod", POD)
        return text if "EgressDenied" in text else ""

    send(seam, uid)
    text = cluster.wait_until(described, "kubectl describe pod to say it")
    line = next(line for line in text.splitlines() if "EgressDenied" in line)
    check.check("203.0.113.9:443/tcp" in line and "default-deny-external" in line,
                "kubectl describe pod says why", line)
    print(f"# {' '.join(line.split())}")
    cluster.wait_until(lambda: send(seam, uid) and counts(), "a series")
    check.check(min(counts()) >= 2, f"the next ones are a series of {counts()}")
    kubectl("-n", NAMESPACE, "delete", "events.events.k8s.io", "--all")
    cluster.wait_until(lambda: send(seam, uid) and counts(), "the Event anew")
    check.check(True, "an Event that was deleted is made anew")


def check_rights(check: tap.Tap, kubectl: cluster.Kubectl) -> None:
    def may(*what: str) -> bool:
        try:
            return kubectl("auth", "can-i", *what, f"--as={WHO}").strip() == "yes"
        except RuntimeError:  # "no" is exit status 1
            return False

    check.check(may("create", "events.events.k8s.io", "-n", NAMESPACE), "the token may do this")
    more = [what for what in ("list pods", "get secrets", "delete events.events.k8s.io",
                              "list events.events.k8s.io", "create pods") if
            may(*what.split(), "-A" if what.startswith("list") else f"--namespace={NAMESPACE}")]
    check.equal(more, [], "and nothing else")


def test(check: tap.Tap) -> None:
    kubectl = cluster.Kubectl()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        uid = prepare(kubectl, directory)
        seam = Seam(directory / "seam.sock")
        shipper = Shipper(directory, [
            {"name": "kube", "kind": "kubernetes", "urls": [kubectl.cluster()["server"]],
             "tokenFile": str(directory / "token"), "caFile": str(directory / "ca.crt")}],
            alerts={"intervalSeconds": 10})
        try:
            shipper.start()
            seam.accept()
            check_events(check, kubectl, seam, uid)
            check_rights(check, kubectl)
            check.equal((shipper.books("kube")[1]["dead"], shipper.stop()), (0, 0), "ends well")
        finally:
            kubectl.delete("-n", NAMESPACE, "pod", POD, "--grace-period=0", "--force")
            kubectl.delete("-n", NAMESPACE, "events.events.k8s.io", "--all")


tap.main(test)
