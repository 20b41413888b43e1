# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A small Kubernetes API server: list and watch over TLS with bearer tokens, and the faults that
real ones have.

What it answers follows replies recorded from kube-apiserver: the members of a list and their order,
ADDED, MODIFIED, DELETED and BOOKMARK, an expired watch as an ERROR event with code 410 in a reply
of status 200, Status objects for 401 and 403. Each request for pods takes the next fault of the
script, if there is one; requests are kept for the test to look at.
"""
import contextlib
import gzip
import http.server
import json
import pathlib
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

TOKEN = "lab-token"
NODE = "/api/v1/nodes/"
CHUNK = 7  # bytes of a dribbled body
RESOURCES = {  # path -> kind
    "/api/v1/pods": "Pod",
    "/api/v1/nodes": "Node",
    "/api/v1/namespaces": "Namespace",
    "/apis/networking.k8s.io/v1/servicecidrs": "ServiceCIDR",
    "/apis/networking.k8s.io/v1/networkpolicies": "NetworkPolicy",
    "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies": "ClusterNetworkPolicy",
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices": "EndpointSlice",
}


def make_certificates(directory: pathlib.Path, name: str = "127.0.0.1") -> None:
    """An authority and a server's certificate of it: ca.crt, server.crt, server.key."""
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2",
            "-subj", "/CN=lab authority")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    kind = "IP" if name[0].isdigit() else "DNS"
    (directory / "server.ext").write_text(f"subjectAltName={kind}:{name}\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-out", "server.crt", "-extfile", "server.ext")


def status(code: int, reason: str, message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code}


def patch(thing: Any, operation: dict[str, Any]) -> None:
    *way, last = operation["path"].strip("/").split("/")
    for step in way:
        thing = thing[int(step) if isinstance(thing, list) else step]
    key = int(last) if isinstance(thing, list) else last
    if operation["op"] == "test" and thing[key] == operation["value"]:
        return
    if operation["op"] != "remove":
        raise ValueError(operation)
    del thing[key]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        fault = self.server.api.note(self.path)
        with contextlib.suppress(OSError):
            if fault == "hang":
                self.server.api.is_stopped.wait(60)
            elif fault == "cut":
                self.close_connection = True
            elif isinstance(fault, tuple) and fault[0] == "status":
                self.refuse(*fault[1:])
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.refuse(401, "Unauthorized", "Unauthorized")
            elif url.path.startswith(NODE):
                self.get_node(url.path.removeprefix(NODE))
            elif RESOURCES.get(url.path, "") not in self.server.api.kinds:
                self.refuse(404, "NotFound", "the server could not find the requested resource")
            elif query.get("watch"):
                self.watch(RESOURCES[url.path], query, fault)
            else:
                self.list(RESOURCES[url.path], query, fault)

    def get_node(self, name: str) -> None:
        node = self.server.api.objects["Node"].get(f"/{name}")
        if node:
            self.reply(json.dumps({"apiVersion": "v1"} | node).encode())
        else:
            self.refuse(404, "NotFound", f'nodes "{name}" not found')

    def do_PATCH(self) -> None:
        """A JSON patch (RFC 6902) of a Node: all of its operations, or none."""
        api, name = self.server.api, self.path.removeprefix(NODE)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        api.note(f"PATCH {self.path}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refuse(401, "Unauthorized", "Unauthorized")
            return
        if api.is_read_only:
            self.refuse(403, "Forbidden", f'nodes "{name}" is forbidden')
            return
        api.before_patch()
        with api.lock:
            node = json.loads(json.dumps(api.objects["Node"][f"/{name}"]))
            try:
                if self.headers["Content-Type"] != "application/json-patch+json":
                    raise ValueError(self.headers["Content-Type"])
                for operation in body:
                    patch(node, operation)
            except (KeyError, IndexError, ValueError) as error:
                self.refuse(422, "Invalid", f"the server rejected our request: {error!r}")
                return
            api.put(node)
        self.get_node(name)

    def refuse(self, code: int, reason: str, message: str, headers: dict[str, str] | None = None
               ) -> None:
        self.reply(json.dumps(status(code, reason, message)).encode(), code, headers)

    def reply(self, body: bytes, code: int = 200, headers: dict[str, str] | None = None,
              fault: Any = None) -> None:
        is_packed = "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 1000
        if is_packed:
            body = gzip.compress(body)
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        if is_packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        if fault == "cut body":
            body, self.close_connection = body[:len(body) // 2], True
        if fault == "slow body":
            for at in range(0, len(body), CHUNK):
                self.wfile.write(body[at:at + CHUNK])
                self.wfile.flush()
                time.sleep(0.001)
        else:
            self.wfile.write(body)

    def list(self, kind: str, query: dict[str, str], fault: Any) -> None:
        api = self.server.api
        if fault == "garbage":
            self.reply(b'{"kind":"PodList","metadata":{"resourceVersion":"9"},"items":[{"a":\x01')
            return
        if fault == "no list":
            self.reply(json.dumps(status(500, "InternalError", "etcd is tired")).encode())
            return
        start = int(query.get("continue", "0"))
        with api.lock:
            objects = api.objects[kind]
            wanted = [objects[key] for key in sorted(objects) if api.is_wanted(objects[key], query)]
            limit = min(int(query.get("limit", "500")), api.page_limit)
            page = wanted[start:start + limit]
            metadata = {"resourceVersion": str(api.version)}
            if start + limit < len(wanted):
                metadata["continue"] = str(start + limit)
        if fault == "bad item":
            page = [{"kind": "Pod", "metadata": {"name": "No Name"}}, *page]
        self.reply(json.dumps({"kind": f"{kind}List", "apiVersion": "v1", "metadata": metadata,
                               "items": page}).encode(), fault=fault)

    def watch(self, kind: str, query: dict[str, str], fault: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        api = self.server.api
        version, cuts = int(query["resourceVersion"]), api.cuts
        if fault == "expired" or version < api.oldest:
            self.send_event("ERROR", status(410, "Expired",
                                            f"too old resource version: {version}"))
            self.wfile.write(b"0\r\n\r\n")
            return
        if fault == "garbage":
            self.send_bytes(b'{"type":"ADDED","object":{\n')
        end = time.monotonic() + (0 if fault == "ends" else int(query["timeoutSeconds"]))
        while time.monotonic() < end and not api.is_stopped.is_set():
            with api.changed:
                events = [event for event in api.events if event[0] > version]
                if not events:
                    api.changed.wait(min(0.2, max(0.0, end - time.monotonic())))
            for number, what, thing in events:
                version = number
                if thing["kind"] == kind and api.is_wanted(thing, query):
                    self.send_event(what, thing)
            if api.cuts != cuts:
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def send_event(self, what: str, thing: dict[str, Any]) -> None:
        self.send_bytes(json.dumps({"type": what, "object": thing}).encode() + b"\n")

    def send_bytes(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    api: "ApiServer"


class ApiServer:
    """Runs in threads of the test, in the network namespace of whoever starts it."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.kinds = set(RESOURCES.values())  # that this server knows
        self.objects: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in self.kinds}
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self.version, self.oldest, self.page_limit = 100, 0, 500
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.requests: list[str] = []
        self.script: list[Any] = []
        self.is_mute = False  # to /version, which an agent asks to see whether it is reached
        self.is_read_only = False
        self.before_patch: Callable[[], None] = lambda: None
        self.cuts = 0  # how often all watches were cut
        self.server: Server | None = None
        self.address, self.port = "127.0.0.1", 0
        self.is_stopped = threading.Event()
        make_certificates(directory)

    def start(self) -> None:
        self.is_stopped.clear()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "server.crt", self.directory / "server.key")
        Server.allow_reuse_address = True
        self.server = Server((self.address, self.port), Handler)
        self.server.api = self
        self.port = self.server.server_address[1]
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """As if it were killed: connections end, nobody listens."""
        self.is_stopped.set()
        with self.changed:
            self.changed.notify_all()
        if self.server:
            self.server.shutdown()
            # Workloads are forks of ours and have the socket too: closing it is not enough.
            with contextlib.suppress(OSError):
                self.server.socket.shutdown(socket.SHUT_RDWR)
            self.server.server_close()
            self.server = None

    def note(self, path: str) -> Any:
        with self.lock:
            self.requests.append(path)
            if self.is_mute and path == "/version":
                return "hang"
            is_scripted = self.script and path.startswith("/api/v1/pods")
            return self.script.pop(0) if is_scripted else None

    def cut(self) -> None:
        """Watches break off, as if the connection did."""
        with self.changed:
            self.cuts += 1
            self.changed.notify_all()

    @property
    def pods(self) -> dict[str, dict[str, Any]]:
        return self.objects["Pod"]

    @staticmethod
    def is_wanted(thing: dict[str, Any], query: dict[str, str]) -> bool:
        key, _, value = query.get("fieldSelector", "").partition("=")
        if key == "metadata.name":
            return thing["metadata"]["name"] == value
        return key != "spec.nodeName" or thing["spec"].get("nodeName") == value

    @staticmethod
    def key(thing: dict[str, Any]) -> str:
        return f"{thing['metadata'].get('namespace', '')}/{thing['metadata']['name']}"

    def happen(self, what: str, thing: dict[str, Any]) -> None:
        with self.changed:
            self.version += 1
            thing = json.loads(json.dumps(thing))
            thing["metadata"]["resourceVersion"] = str(self.version)
            objects = self.objects[thing["kind"]]
            if what == "DELETED":
                objects.pop(self.key(thing), None)
            else:
                objects[self.key(thing)] = thing
            self.events.append((self.version, what, thing))
            self.changed.notify_all()

    def put(self, thing: dict[str, Any]) -> None:
        is_known = self.key(thing) in self.objects[thing["kind"]]
        self.happen("MODIFIED" if is_known else "ADDED", thing)

    def delete(self, thing: dict[str, Any]) -> None:
        self.happen("DELETED", thing)

    def forget(self) -> None:
        """Compacts: watches from before are told 410."""
        with self.lock:
            self.version += 1
            self.oldest = self.version
            self.events.clear()

    def kubeconfig(self, token: str = TOKEN, server: str = "") -> pathlib.Path:
        path = self.directory / "kubeconfig"
        path.write_text(f"""apiVersion: v1
kind: Config
current-context: lab
contexts:
- name: lab
  context: {{cluster: lab, user: agent}}
clusters:
- name: lab
  cluster:
    server: {server or f"https://127.0.0.1:{self.port}"}
    certificate-authority: ca.crt
users:
- name: agent
  user: {{token: {token}}}
""")
        path.chmod(0o600)
        return path
