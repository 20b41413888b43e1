# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""podfence-ship under test, and an agent's end of the seam."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

import ecs_check
import tap
import worker
from agent import PATIENCE, program, wait_until, yaml

GOLDEN = pathlib.Path(__file__).parents[1] / "golden/events/drop-tcp.json"
SERVING = re.compile(r"metrics at \S+ port (\d+)")


def ecs_offences(events: Iterable[dict | str]) -> list[str]:
    """What is wrong with event lines, by the reference of ECS; of no lines: that."""
    fields, values = ecs_check.fields_read(), ecs_check.values_read()
    offences = ["there are no lines"]
    for number, event in enumerate(events):
        line = event if isinstance(event, str) else json.dumps(event)
        wrong = ecs_check.line_check(fields, values, line)
        offences = (offences if number else []) + [f"{text}: {line[:400]}" for text in wrong]
    return offences


def check_sum(check: tap.Tap, shipper: "Shipper", name: str, when: str) -> None:
    """What an output was given is delivered, dead, dropped or filtered: in the store itself."""
    given, books = shipper.books(name)
    check.equal(sum(books.values()), given,
                f"{when}: " + " + ".join(f"{count} {what}" for what, count in books.items()) +
                f" = {given} given")


class Seam:
    """What podfenced does at its socket, with events made of a golden one."""

    def __init__(self, path: pathlib.Path, agent: str = "aaaaaaaaaaaaaaaa") -> None:
        self.agent, self.lines = agent, 0
        self.event = json.loads(GOLDEN.read_text())
        self.listener = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)
        self.listener.bind(str(path))
        self.listener.listen()
        self.listener.settimeout(PATIENCE)
        self.socket: socket.socket | None = None

    def accept(self) -> None:
        self.socket, _ = self.listener.accept()
        self.say({"seam": {"agent": self.agent}})

    def say(self, podfence: dict) -> None:
        self.send(json.dumps({"event": {"dataset": "podfence.state"}, "podfence": podfence}))

    def state(self) -> None:
        self.say({"seam": {"agent": self.agent, "lines": self.lines},
                  "status": {"enforcing": True, "endpoints": {"enforced": 3}}})

    def send(self, line: str | bytes) -> None:
        data = line.encode() if isinstance(line, str) else line
        self.socket.sendall(data + b"\n")

    def make(self, pod: str = "queue-0", destination: str = "203.0.113.9", **fields: Any) -> str:
        self.lines += 1
        event = json.loads(json.dumps(self.event))
        event["event"] |= {"id": f"{self.agent}{self.lines:016x}", "sequence": self.lines}
        event["event"] |= fields
        event["kubernetes"]["pod"]["name"] = pod
        event["destination"]["ip"] = event["destination"]["address"] = destination
        return json.dumps(event)

    def events(self, count: int, **facts: Any) -> list[str]:
        made = [self.make(**facts) for _ in range(count)]
        self.send("\n".join(made))
        return [json.loads(line)["event"]["id"] for line in made]

    def leave(self) -> None:
        self.socket.close()


class Shipper:
    def __init__(self, directory: pathlib.Path, outputs: list[dict], **sections: Any) -> None:
        self.directory = directory
        self.config, self.messages = directory / "ship.yaml", directory / "ship.messages"
        self.store = directory / "store"
        self.settings = {"seam": {"socket": str(directory / "seam.sock")},
                         "metrics": {"port": 0}} | sections
        self.settings["store"] = {"directory": str(self.store)} | sections.get("store", {})
        self.process: subprocess.Popen[bytes] | None = None
        self.messages.touch()
        self.configure(outputs)

    def configure(self, outputs: list[dict]) -> None:
        self.config.write_text(yaml(self.settings | {"outputs": outputs}))

    def start(self, prepare: Callable[[], None] = worker.die_with_parent) -> None:
        """`prepare` runs in the new process before it becomes podfence-ship."""
        before = len(self.said())
        with self.messages.open("ab") as messages:
            self.process = subprocess.Popen([program("podfence-ship"), "--config",
                                             str(self.config)], stderr=messages,
                                            preexec_fn=prepare)
        wait_until(lambda: "podfence-ship: ready" in self.said()[before:] or
                   self.process.poll() is not None, "ready")
        if self.process.poll() is not None:
            raise RuntimeError(f"podfence-ship ended with {self.process.returncode}:\n"
                               f"{self.said()[before:]}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self.process = None
        return status

    def said(self) -> str:
        return self.messages.read_text()

    def get(self, path: str) -> tuple[int, str]:
        port = SERVING.findall(self.said())[-1]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """By its name with labels; 0 where there is no such line."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def lines(self, outcome: str) -> int:
        return int(self.metric(f'podfence_ship_lines_total{{outcome="{outcome}"}}'))

    def output(self, name: str) -> dict[str, int]:
        return {outcome: int(self.metric(
            f'podfence_output_events_total{{output="{name}",outcome="{outcome}"}}'))
            for outcome in ("delivered", "dead", "dropped", "filtered")}

    def wait_stored(self, count: int) -> None:
        wait_until(lambda: self.lines("stored") >= count, f"{count} stored lines")

    def wait_settled(self, name: str, patience: float = 60) -> None:
        """Until all that is stored is settled for an output, in the store itself."""
        def is_settled() -> bool:
            [(cursor, last)] = self.query("SELECT cursor, (SELECT max(seq) FROM event) FROM output "
                                          f"WHERE name='{name}'")
            return cursor == last

        wait_until(lambda: self.metric(f'podfence_output_lag_events{{output="{name}"}}') == 0 and
                   is_settled(), f"{name} to catch up", patience)

    def books(self, name: str) -> tuple[int, dict[str, int]]:
        """What an output was given, and what became of it, of one moment."""
        [(given, *counts)] = wait_until(lambda: self.query(
            "SELECT cursor - begin, delivered, dead, dropped, filtered FROM output "
            f"WHERE name='{name}'"), "a commit")
        return given, dict(zip(("delivered", "dead", "dropped", "filtered"), counts))

    def query(self, sql: str) -> list[tuple]:
        source = f"file:{self.store}/events.db?mode=ro"
        with contextlib.closing(sqlite3.connect(source, uri=True)) as database:
            return database.execute(sql).fetchall()
