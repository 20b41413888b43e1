# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A varlink client that holds every reply against the interface's description, and that can be as
rude as a test wants it to be."""
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

PATIENCE = 20.0
TOKEN = re.compile(r"\s*(?:#[^\n]*\n\s*)*([A-Za-z][A-Za-z0-9_.-]*|\[\]|\[string\]|->|[()?:,]|$)")
PLAIN = {"int": int, "string": str, "bool": bool, "float": (int, float), "object": dict}


class Description:
    """The language of varlink interfaces: types, methods and errors by name."""

    def __init__(self, text: str) -> None:
        self.types: dict[str, Any] = {}
        self.methods: dict[str, tuple[Any, Any]] = {}
        self.errors: dict[str, Any] = {}
        self.tokens = [match for match in TOKEN.findall(text + "\n") if match]
        assert self.next() == "interface", "it begins with its name"
        self.name = self.next()
        while self.tokens:
            self.member()

    def next(self) -> str:
        return self.tokens.pop(0)

    def member(self) -> None:
        keyword, name = self.next(), self.next()
        if keyword == "type":
            self.types[name] = self.type()
        elif keyword == "error":
            self.errors[name] = self.type()
        else:
            assert keyword == "method", f"{keyword} {name}"
            parameters = self.type()
            assert self.next() == "->"
            self.methods[name] = (parameters, self.type())

    def type(self) -> Any:
        token = self.next()
        if token in ("?", "[]", "[string]"):
            return (token, self.type())
        if token != "(":
            return token
        fields, values = {}, []
        while (name := self.next()) != ")":
            if name == ",":
                continue
            if self.tokens[0] == ":":
                self.next()
                fields[name] = self.type()
            else:
                values.append(name)
        return values or fields

    def fault(self, value: Any, kind: Any, place: str = "") -> str:
        """What is wrong with a value; "" where nothing is."""
        if isinstance(kind, tuple):
            mark, inner = kind
            if mark == "?":
                return "" if value is None else self.fault(value, inner, place)
            if not isinstance(value, list if mark == "[]" else dict):
                return f"{place} is no {mark}"
            items = enumerate(value) if mark == "[]" else value.items()
            return next(filter(None, (self.fault(one, inner, f"{place}[{key}]")
                                      for key, one in items)), "")
        if isinstance(kind, dict):
            return self.struct_fault(value, kind, place)
        if isinstance(kind, list):
            return "" if value in kind else f"{place} is none of {kind}"
        if kind in self.types:
            return self.fault(value, self.types[kind], place)
        is_good = isinstance(value, PLAIN[kind]) and (kind == "bool") == isinstance(value, bool)
        return "" if is_good else f"{place} is no {kind}: {value!r}"

    def struct_fault(self, value: Any, fields: dict[str, Any], place: str) -> str:
        if not isinstance(value, dict):
            return f"{place} is no object"
        if strange := set(value) - set(fields):
            return f"{place} has {strange}, which nobody described"
        return next(filter(None, (self.fault(value.get(name), kind, f"{place}.{name}")
                                  for name, kind in fields.items())), "")


class Refused(Exception):
    def __init__(self, error: str, parameters: dict[str, Any]) -> None:
        super().__init__(f"{error} {parameters}")
        self.error, self.parameters = error, parameters


class Client:
    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(PATIENCE)
        self.rest = b""
        self.description: Description | None = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_call(self, method: str, parameters: dict[str, Any] | None = None, **flags: bool
                  ) -> None:
        call = {"method": method, **({"parameters": parameters} if parameters is not None else {}),
                **flags}
        self.send(json.dumps(call).encode() + b"\0")

    def receive(self) -> dict[str, Any] | None:
        """The next reply; None at the end."""
        while b"\0" not in self.rest:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.rest += data
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def describe(self, interface: str) -> Description:
        reply = self.call("org.varlink.service.GetInterfaceDescription", interface=interface)
        return Description(reply["description"])

    def replies(self, method: str, more: bool = True, **parameters: Any
                ) -> Iterator[dict[str, Any]]:
        """All replies to a call; each is as the description says."""
        name = method.rpartition(".")
        if name[0] == "io.podfence.Agent" and self.description is None:
            self.description = self.describe(name[0])
        self.send_call(method, parameters, **({"more": True} if more else {}))
        while True:
            reply = self.receive()
            if reply is None:
                raise EOFError(f"{method}: the connection ended")
            if "error" in reply:
                self.check_error(reply)
                raise Refused(reply["error"], reply.get("parameters", {}))
            if self.description and name[0] == self.description.name:
                fault = self.description.fault(reply["parameters"],
                                               self.description.methods[name[2]][1], name[2])
                if fault:
                    raise ValueError(fault)
            yield reply["parameters"]
            if not reply.get("continues"):
                return

    def check_error(self, reply: dict[str, Any]) -> None:
        interface, _, name = reply["error"].rpartition(".")
        if self.description and interface == self.description.name:
            fault = self.description.fault(reply["parameters"], self.description.errors[name], name)
            if fault:
                raise ValueError(fault)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        replies = list(self.replies(method, more=False, **parameters))
        assert len(replies) == 1, replies
        return replies[0]

    def list(self, method: str, member: str, **parameters: Any) -> list[Any]:
        return [item for reply in self.replies(method, **parameters) for item in reply[member]]

    def is_ended(self) -> bool:
        """The server ended this connection, without another word."""
        return self.receive() is None


def refusal(client: Client, method: str, **parameters: Any) -> Refused | None:
    """What the server says no with."""
    try:
        list(client.replies(method, **parameters))
    except Refused as error:
        return error
    return None
