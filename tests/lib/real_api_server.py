# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A real kube-apiserver with its etcd, from the directory that KUBEBUILDER_ASSETS names (as
setup-envtest fills it), in the network namespace of whoever starts it.

There is no kubelet: whoever makes a pod writes its status too. `podfence/podfence` is a
ServiceAccount with a token of its own; what it may do is what was applied.
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import ssl
import subprocess
from typing import Any

import worker
from agent import wait_until
from api_server import make_certificates

ADMIN = "admin-token"
PORT, ETCD, ETCD_PEER = 6443, 2379, 2380
PATIENCE = 120.0
RBAC = "/apis/rbac.authorization.k8s.io/v1"
KINDS = {  # kind -> group's path, name in paths
    "Pod": ("/api/v1", "pods"),
    "Node": ("/api/v1", "nodes"),
    "Namespace": ("/api/v1", "namespaces"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "ClusterNetworkPolicy": ("/apis/policy.networking.k8s.io/v1alpha2", "clusternetworkpolicies"),
    "ClusterRole": (RBAC, "clusterroles"),
    "ClusterRoleBinding": (RBAC, "clusterrolebindings"),
    "Role": (RBAC, "roles"),
    "RoleBinding": (RBAC, "rolebindings"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
}


def why_not_here() -> str:
    assets = os.environ.get("KUBEBUILDER_ASSETS", "")
    if all(os.access(pathlib.Path(assets, name), os.X_OK) for name in ("kube-apiserver", "etcd")):
        return ""
    return f"KUBEBUILDER_ASSETS ({assets or 'not set'}) has no kube-apiserver and etcd"


class Refused(RuntimeError):
    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body.decode(errors='replace')[:300]}")
        self.status = status


class RealApiServer:
    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory / "real-api"
        self.directory.mkdir()
        self.assets = pathlib.Path(os.environ["KUBEBUILDER_ASSETS"])
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.life = 0
        make_certificates(self.directory)
        subprocess.run(["openssl", "genrsa", "-out", "accounts.key", "2048"], cwd=self.directory,
                       check=True, capture_output=True)
        (self.directory / "tokens.csv").write_text(f'{ADMIN},admin,admin,"system:masters"\n')

    def run(self, name: str, *arguments: str) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(self.assets / name), *arguments], cwd=self.directory, stdout=log, stderr=log,
                preexec_fn=worker.die_with_parent)

    def start_etcd(self) -> None:
        self.life += 1
        client, peer = f"http://127.0.0.1:{ETCD}", f"http://127.0.0.1:{ETCD_PEER}"
        self.run("etcd", f"--data-dir=etcd-{self.life}", f"--listen-client-urls={client}",
                 f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
                 f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
                 "--unsafe-no-fsync")

    def start(self) -> None:
        if "etcd" not in self.processes:
            self.start_etcd()
        self.run("kube-apiserver", f"--etcd-servers=http://127.0.0.1:{ETCD}",
                 f"--secure-port={PORT}", "--bind-address=127.0.0.1",
                 "--advertise-address=10.0.0.1", "--tls-cert-file=server.crt",
                 "--tls-private-key-file=server.key", "--token-auth-file=tokens.csv",
                 "--service-account-key-file=accounts.key",
                 "--service-account-signing-key-file=accounts.key",
                 "--service-account-issuer=https://kubernetes.default.svc",
                 "--api-audiences=https://kubernetes.default.svc", "--authorization-mode=RBAC",
                 "--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true",
                 "--disable-admission-plugins=ServiceAccount")
        wait_until(self.is_ready, "the API server", PATIENCE)

    def is_ready(self) -> bool:
        if self.processes["kube-apiserver"].poll() is not None:
            log = (self.directory / "kube-apiserver.log").read_text()
            raise RuntimeError(f"kube-apiserver ended: {log[-1000:]}")
        with contextlib.suppress(OSError, Refused):
            return self.request("GET", "/readyz")[1] == b"ok" and \
                bool(self.request("GET", "/api/v1/namespaces/default"))
        return False

    def stop(self, *names: str) -> None:
        """Killed, as a machine that loses its power."""
        for name in names or tuple(self.processes):
            if process := self.processes.pop(name, None):
                process.kill()
                process.wait()

    def forget_everything(self) -> None:
        """Another cluster in its place, whose versions begin anew."""
        self.stop()
        self.start()

    def request(self, method: str, path: str, body: Any = None, token: str = ADMIN,
                kind: str = "application/json", **headers: str) -> tuple[dict[str, str], bytes]:
        """Header (in lower case) and body; raises Refused."""
        context = ssl.create_default_context(cafile=str(self.directory / "ca.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", PORT, context=context, timeout=30)
        data = body if isinstance(body, (str, type(None))) else json.dumps(body)
        fields = {"Content-Type": kind} | {key.replace("_", "-"): value
                                           for key, value in headers.items()}
        if token:
            fields["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, data, fields)
            reply = connection.getresponse()
            text = reply.read()
        finally:
            connection.close()
        if reply.status >= 300:
            raise Refused(reply.status, text)
        return {key.lower(): value for key, value in reply.getheaders()}, text

    @staticmethod
    def path(thing: dict[str, Any], is_one: bool = True) -> str:
        group, name = KINDS[thing["kind"]]
        namespace = thing["metadata"].get("namespace")
        path = f"{group}/namespaces/{namespace}/{name}" if namespace else f"{group}/{name}"
        return f"{path}/{thing['metadata']['name']}" if is_one else path

    def put(self, thing: dict[str, Any]) -> dict[str, Any]:
        """Creates it, or changes labels and annotations of one that is there; writes its status
        too. Returns what the server made of it."""
        try:
            _, text = self.request("POST", self.path(thing, False), thing)
        except Refused as error:
            if error.status != 409:
                raise
            change = {"metadata": {name: thing["metadata"].get(name)
                                   for name in ("labels", "annotations")}}
            _, text = self.request("PATCH", self.path(thing), change,
                                   kind="application/merge-patch+json")
        if "status" in thing:
            _, text = self.request("PATCH", self.path(thing) + "/status",
                                   {"status": thing["status"]},
                                   kind="application/merge-patch+json")
        return json.loads(text)

    def delete(self, thing: dict[str, Any]) -> None:
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
        self.request("DELETE", self.path(thing), options)

    def apply_file(self, path: pathlib.Path) -> None:
        """A file of YAML documents, as kubectl would; the server reads YAML itself."""
        for document in path.read_text().split("\n---\n"):
            kind = re.search(r"^kind: (\S+)$", document, re.M).group(1)
            metadata = re.search(r"^metadata:\n((?:  .*\n)+)", document, re.M).group(1)
            namespace = re.search(r"^  namespace: (\S+)$", metadata, re.M)
            thing = {"kind": kind, "metadata": {"name": "-"}}
            if namespace:
                thing["metadata"]["namespace"] = namespace.group(1)
            try:
                self.request("POST", self.path(thing, False), document, kind="application/yaml")
            except Refused as error:
                if error.status != 409:  # it is there
                    raise

    def account_token(self) -> str:
        """Of podfence/podfence, as a projected volume would have it."""
        path = "/api/v1/namespaces/podfence/serviceaccounts/podfence/token"
        _, text = self.request("POST", path, {"apiVersion": "authentication.k8s.io/v1",
                                              "kind": "TokenRequest",
                                              "spec": {"expirationSeconds": 3600}})
        return json.loads(text)["status"]["token"]

    def kubeconfig(self, token: str) -> pathlib.Path:
        """With the token in a file of its own, so that another life of the server can replace
        it."""
        self.write_token(token)
        path = self.directory / "kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "agent"}}],
            "clusters": [{"name": "lab", "cluster": {"server": f"https://127.0.0.1:{PORT}",
                                                     "certificate-authority": "ca.crt"}}],
            "users": [{"name": "agent", "user": {"tokenFile": "token"}}]}))
        path.chmod(0o600)
        return path

    def write_token(self, token: str) -> None:
        fresh = self.directory / "token.new"
        fresh.write_text(token + "\n")
        fresh.rename(self.directory / "token")
