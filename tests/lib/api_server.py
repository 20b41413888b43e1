# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A small Kubernetes API server: list and watch over TLS with bearer tokens, and the faults that
real ones have.

What it answers follows kube-apiserver: the members of a list and their order, no pages for a list
of version 0, an expired watch as an ERROR event with code 410 in a reply of status 200, Status
objects for 400, 401 and 403. test_real_api.py asks both the same. Requests are kept for the test to
look at.

A request for pods takes the next fault of the script, if there is one, and if it is such a request:
(PLACE, FAULT) waits for a list (its first page), a later page, or a watch, and FAULT may again be
(MOMENT, FAULT), for what happens in the stream of a watch, see Handler.misbehave().
"""
import bisect
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
import zlib
from collections.abc import Callable
from typing import Any

TOKEN = "lab-token"
NODE = "/api/v1/nodes/"
CHUNK = 7  # bytes of a dribbled body
HISTORY = 10_000  # events that a watch can go back; the real server's cache is bounded too
PLACES = ("list", "page", "watch")
RESOURCES = {  # path -> kind
    "/api/v1/pods": "Pod",
    "/api/v1/nodes": "Node",
    "/api/v1/namespaces": "Namespace",
    "/apis/networking.k8s.io/v1/servicecidrs": "ServiceCIDR",
    "/apis/networking.k8s.io/v1/networkpolicies": "NetworkPolicy",
    "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies": "ClusterNetworkPolicy",
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices": "EndpointSlice",
}


def openssl(directory: pathlib.Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_certificates(directory: pathlib.Path, name: str = "127.0.0.1") -> None:
    """An authority and a server's certificate of it: ca.crt, server.crt, server.key."""
    openssl(directory, "req", "-x509", *CURVE, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2",
            "-subj", "/CN=lab authority")
    kind = "IP" if name[0].isdigit() else "DNS"
    make_certificate(directory, "server", f"subjectAltName={kind}:{name}\n")


def make_certificate(directory: pathlib.Path, name: str, extensions: str = "") -> None:
    """NAME.crt and NAME.key, of the authority that is there."""
    openssl(directory, "req", *CURVE, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
            f"/CN={name}")
    (directory / f"{name}.ext").write_text(extensions)
    openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-out", f"{name}.crt", "-extfile", f"{name}.ext")


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


def bad_query(query: dict[str, str]) -> str:
    """What a real server finds fault with; ""."""
    if not query.get("continue", "0").isdigit():
        return "continue key is not valid"
    if not query.get("resourceVersion", "0").isdigit():
        return f'strconv.ParseUint: parsing "{query["resourceVersion"]}": invalid syntax'
    key = query.get("fieldSelector", "spec.nodeName=").partition("=")[0]
    if key not in ("spec.nodeName", "metadata.name", "metadata.namespace"):
        return f'Unable to find "/v1, Resource=pods" that match field selector "{key}"'
    return ""


def event_line(what: str, thing: dict[str, Any]) -> bytes:
    return json.dumps({"type": what, "object": thing}).encode() + b"\n"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"
    packer: Any = None  # of a watch whose stream is compressed

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
            elif fault == "no HTTP":
                self.close_connection = True
                self.wfile.write(b"\x15\x03\x01\x00\r\n\r\n")
            elif isinstance(fault, tuple) and fault[0] == "status":
                self.refuse(*fault[1:])
            elif not self.is_known():
                self.refuse(401, "Unauthorized", "Unauthorized")
            elif url.path.startswith(NODE):
                self.get_node(url.path.removeprefix(NODE))
            elif RESOURCES.get(url.path, "") not in self.server.api.kinds:
                self.deny_all_knowledge(url.path)
            elif why := bad_query(query):
                self.refuse(400, "BadRequest", why)
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
        if not self.is_known():
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

    def deny_all_knowledge(self, path: str) -> None:
        """Of a kind; where the group is unknown too, in another form."""
        group = path[:path.rfind("/")]
        if any(one.startswith(f"{group}/") and kind in self.server.api.kinds
               for one, kind in RESOURCES.items()):
            self.refuse(404, "NotFound", "the server could not find the requested resource",
                        details={})
        else:
            self.reply(b"404 page not found\n", 404, kind="text/plain; charset=utf-8")

    def is_known(self) -> bool:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        return (kind == "Bearer" and token in self.server.api.tokens) or \
            (self.server.api.are_certificates_known and bool(self.connection.getpeercert()))

    def refuse(self, code: int, reason: str, message: str, headers: dict[str, str] | None = None,
               **members: Any) -> None:
        self.reply(json.dumps(status(code, reason, message) | members).encode(), code, headers)

    def reply(self, body: bytes, code: int = 200, headers: dict[str, str] | None = None,
              fault: Any = None, kind: str = "application/json") -> None:
        is_packed = "gzip" in self.headers.get("Accept-Encoding", "") and \
            (len(body) > 1000 or fault == "gzip")
        if is_packed:
            body = gzip.compress(body)
        self.send_response(code)
        self.send_header("Content-Type", kind)
        if fault == "bad gzip":
            is_packed, body = True, body[:10] + bytes(100)
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
        with api.lock:
            wanted, version = api.pages.get(query.get("continue", ""), (None, api.version))
            if wanted is None:
                objects = api.objects[kind]
                wanted = [objects[key] for key in sorted(objects)
                          if api.is_wanted(objects[key], query)]
            limit = min(int(query.get("limit", "500")), api.page_limit)
            if query.get("resourceVersion") == "0":
                limit = len(wanted)  # out of the cache, which knows no pages
            page, rest = wanted[:limit], wanted[limit:]
            metadata: dict[str, Any] = {"resourceVersion": str(version)}
            if rest:
                metadata["continue"] = str(len(api.pages) + 1)
                api.pages[metadata["continue"]] = rest, version
                if not {"fieldSelector", "labelSelector"} & set(query):
                    metadata["remainingItemCount"] = len(rest)
        if fault == "bad item":
            page = [{"kind": "Pod", "metadata": {"name": "No Name"}}, *page]
        self.reply(json.dumps({"kind": f"{kind}List", "apiVersion": "v1", "metadata": metadata,
                               "items": page}).encode(), fault=fault)

    def watch(self, kind: str, query: dict[str, str], fault: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        moment, how = fault if isinstance(fault, tuple) else ("", fault)
        if how in ("gzip", "bad gzip"):
            self.send_header("Content-Encoding", "gzip")
            self.packer = zlib.compressobj(wbits=31) if how == "gzip" else None
        self.end_headers()
        api = self.server.api
        version, cuts = int(query["resourceVersion"]), api.cuts
        api.told[kind] = version, time.monotonic()
        if moment and self.misbehave(moment, how, kind, query):
            return
        if fault == "expired" or version < api.oldest:
            self.send_event("ERROR", status(410, "Expired",
                                            f"too old resource version: {version}"))
            self.wfile.write(b"0\r\n\r\n")
            return
        if fault in ("garbage", "bad gzip"):
            self.send_bytes(b'{"type":"ADDED","object":{\n')
        end = time.monotonic() + (0 if fault == "ends" else int(query["timeoutSeconds"]))
        while time.monotonic() < end and not api.is_stopped.is_set():
            with api.changed:
                events = api.events_after(version)
                if not events:
                    api.changed.wait(min(0.2, max(0.0, end - time.monotonic())))
            for number, thing, line in events:
                version = number
                if thing["kind"] == kind and api.is_wanted(thing, query):
                    api.told[kind] = version, time.monotonic()
                    self.send_bytes(line)
            if api.cuts != cuts:
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def misbehave(self, moment: str, how: Any, kind: str, query: dict[str, str]) -> bool:
        """In the stream of a watch, with the bookmark it begins with or with the event behind it.
        True where the stream is over then."""
        api = self.server.api
        line = event_line("BOOKMARK", {"kind": kind, "apiVersion": "v1", "metadata": {
            "resourceVersion": query["resourceVersion"]}})
        if moment == "event":
            self.send_bytes(line)
            with api.lock:
                line = event_line("MODIFIED", next(one for one in api.objects[kind].values()
                                                   if api.is_wanted(one, query)))
        if isinstance(how, tuple):  # a status
            self.send_event("ERROR", status(*how[1:4]))
            self.wfile.write(b"0\r\n\r\n")
            return True
        if how == "ends":
            self.send_bytes(line)
            self.wfile.write(b"0\r\n\r\n")
            return True
        if how == "cut":
            self.send_bytes(line[:len(line) // 2])
            self.close_connection = True
            return True
        if how == "slow":
            for at in range(0, len(line), CHUNK):
                self.send_bytes(line[at:at + CHUNK])
                time.sleep(0.001)
        else:
            self.send_bytes(line[:10] + b"\x01\xff}\n" if how == "garbage" else line)
        return False

    def send_event(self, what: str, thing: dict[str, Any]) -> None:
        self.send_bytes(event_line(what, thing))

    def send_bytes(self, data: bytes) -> None:
        if self.packer:
            data = self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH)
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
        self.events: list[tuple[int, dict[str, Any], bytes]] = []  # version, object, line
        # What is still to come of lists, as it was when they began: continue -> objects, version.
        self.pages: dict[str, tuple[list[dict[str, Any]], int]] = {}
        self.told: dict[str, tuple[int, float]] = {}  # kind -> version a watch was told last, when
        self.version, self.oldest, self.page_limit = 100, 0, 500
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.tokens = {TOKEN}  # that are accepted
        self.are_certificates_known = True  # those of the authority too
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
        context.load_verify_locations(self.directory / "ca.crt")
        context.verify_mode = ssl.CERT_OPTIONAL
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
            if not self.script or not path.startswith("/api/v1/pods"):
                return None
            fault = self.script[0]
            if not isinstance(fault, tuple) or fault[0] not in PLACES:
                return self.script.pop(0)
            place = "watch" if "watch=1" in path else "page" if "continue=" in path else "list"
            return self.script.pop(0)[1] if fault[0] == place else None

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
            self.record(thing, event_line(what, thing))

    def record(self, thing: dict[str, Any], line: bytes, is_told: bool = True) -> None:
        """One event of the present version, as watches are told it, now or with the next."""
        self.events.append((self.version, thing, line))
        if len(self.events) > HISTORY:
            del self.events[:HISTORY // 2]
            self.oldest = self.events[0][0] - 1
        if is_told:
            self.changed.notify_all()

    def events_after(self, version: int) -> list[tuple[int, dict[str, Any], bytes]]:
        return self.events[bisect.bisect_right(self.events, version, key=lambda one: one[0]):]

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
