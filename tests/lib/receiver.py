# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A receiver of events that misbehaves on script: it speaks enough of Elasticsearch's _bulk, and
does to each request what the next word of its script says."""
from __future__ import annotations

import collections
import contextlib
import gzip
import http.server
import json
import pathlib
import socket
import ssl
import struct
import threading
import time
import typing

BIG = b"x" * (10 << 20)


class Request(typing.NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    time: float  # monotonic

    def json(self) -> typing.Any:
        return json.loads(self.body)


class Receiver:
    def __init__(self, certificate: tuple[pathlib.Path, pathlib.Path] | None = None,
                 clients: pathlib.Path | None = None) -> None:
        """With a certificate it speaks TLS, and wants one of these clients where they are named."""
        self.script: collections.deque[str] = collections.deque()
        self.usual = "good"  # what it does when the script is at its end
        self.documents: dict[str, dict] = {}  # by _id
        self.duplicates = self.requests = 0
        self.poison: set[str] = set()  # ids for which a request as a whole is refused
        self.refused: set[str] = set()  # ids that are refused one by one
        self.taken: list[Request] = []  # those that got a good answer
        self.reply = b"ok"
        self.replies: collections.deque[tuple[int, bytes]] = collections.deque()  # instead
        self.authorization: set[str] = set()
        self.location = "http://127.0.0.1:1/elsewhere"
        self.lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                with contextlib.suppress(OSError):  # resets, handshakes that fail
                    super().handle()

            def do_POST(self) -> None:
                receiver.handle(self)

            do_PATCH = do_POST

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.context: ssl.SSLContext | None = None
        if certificate:
            self.use(certificate, clients)
            self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True,
                                                          do_handshake_on_connect=False)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def use(self, certificate: tuple[pathlib.Path, pathlib.Path],
            clients: pathlib.Path | None = None) -> None:
        """From the next connection on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        if clients:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
        if self.context:
            self.server.socket._context = context  # .context is refused while it listens
        self.context = context

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def handle(self, request: http.server.BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        with self.lock:
            self.requests += 1
            word = self.script.popleft() if self.script else self.usual
            self.authorization.add(request.headers.get("Authorization", ""))
        misdeed = getattr(self, "do_" + word.replace("-", "_"), None)
        if misdeed:
            misdeed(request)
        elif word.isdigit():
            self.send(request, int(word), b"{}")
        elif "_bulk" in request.path:
            self.bulk(request, body, word)
        else:
            self.take(request, body, word)

    def take(self, request, body: bytes, word: str) -> None:
        with self.lock:
            status, reply = self.replies.popleft() if self.replies else (200, self.reply)
            is_large = word == "too-large" or (word == "small" and len(json.loads(body)) > 10)
            if is_large:
                status = 413
            if status < 300:
                self.taken.append(Request(request.command, request.path, dict(request.headers),
                                          body, time.monotonic()))
        self.send(request, status, reply)

    def send(self, request, status: int, body: bytes, **headers: str) -> None:
        with contextlib.suppress(OSError):  # the sender may be gone: killed
            self.write(request, status, body, headers)

    def write(self, request, status: int, body: bytes, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def bulk(self, request, body: bytes, word: str) -> None:
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        lines = body.split(b"\n")[:-1]
        pairs = [(json.loads(action)["create"], json.loads(event))
                 for action, event in zip(lines[::2], lines[1::2])]
        if any(action.get("_id") in self.poison for action, _ in pairs):
            self.send(request, 400, b'{"error":"poison"}')
            return
        if word == "too-large" or (word == "small" and len(pairs) > 10):
            self.send(request, 413, b"")
            return
        items = [self.item(number, word, action, event)
                 for number, (action, event) in enumerate(pairs)]
        if word == "short":
            items = items[:-1]
        reply = {"errors": any(item["create"]["status"] >= 300 for item in items) or
                 word == "short", "items": items}
        self.send(request, 200, json.dumps(reply).encode())

    def item(self, number: int, word: str, action: dict, event: dict) -> dict:
        with self.lock:
            identity = action.get("_id", f"none-{self.requests}-{number}")
            if word == "half" and number % 2:
                return {"create": {"status": 429, "error": {"type": "es_rejected"}}}
            if identity in self.refused:
                return {"create": {"status": 400, "error": {"type": "mapper_parsing_exception",
                                                            "reason": "no"}}}
            if identity in self.documents:
                self.duplicates += 1
                return {"create": {"status": 409, "error": {"type": "version_conflict"}}}
            self.documents[identity] = event
            return {"create": {"status": 201}}

    # What else it may do to a request.

    def do_garbage(self, request) -> None:
        self.send(request, 200, b"<html>not what you think</html>")

    def do_big(self, request) -> None:
        try:
            self.send(request, 200, BIG)
        except OSError:
            pass

    def do_close(self, request) -> None:
        request.close_connection = True

    def do_reset(self, request) -> None:
        """RST instead of an answer."""
        connection = getattr(request.connection, "_sock", request.connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.close_connection = True

    def do_hang(self, request) -> None:
        time.sleep(4)
        request.close_connection = True

    def do_nonsense(self, request) -> None:
        with contextlib.suppress(OSError):
            request.wfile.write(b"SMTP ready\r\n\r\n" * 100)
        request.close_connection = True

    def do_longer(self, request) -> None:
        """More than it says: the rest is no second answer."""
        with contextlib.suppress(OSError):
            request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{}{}{}")
        request.close_connection = True

    def do_headers(self, request) -> None:
        with contextlib.suppress(OSError):
            request.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-Many: of them\r\n" * 20000)
        request.close_connection = True

    def do_cut(self, request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b'{"errors":')
        request.close_connection = True

    def do_redirect(self, request) -> None:
        self.send(request, 302, b"", Location=self.location)

    def do_later(self, request) -> None:
        self.send(request, 503, b"", Retry_After="1")

    def do_slow(self, request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        try:
            for _ in range(30):
                request.wfile.write(b" ")
                request.wfile.flush()
                time.sleep(0.2)
        except OSError:
            pass
        request.close_connection = True
