# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""podfenced under test: its configuration, its life, its events.

Waiting is always for something the agent says (a generation, "ready", an event), with a limit that
only a broken agent reaches.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import netns
import worker

PATIENCE = 20.0  # seconds until the agent is called stuck
GENERATION = re.compile(r"^podfenced: generation (\d+): (\d+) endpoints?, (\d+) unresolved", re.M)
BUILD = pathlib.Path(os.environ.get("PODFENCE_BUILD", pathlib.Path(__file__).parents[2] / "build"))


def program(name: str) -> str:
    return str(BUILD / "agent" / name)


def wait_until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    end = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {patience:.0f} s for {what}")
        time.sleep(0.01)
    return value


def yaml(value: dict[str, Any], indent: str = "") -> str:
    """Nested mappings as blocks, everything else in JSON's notation, which is YAML too."""
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{indent}{key}:", yaml(item, indent + "  ").rstrip("\n")]
        else:
            lines.append(f"{indent}{key}: {json.dumps(item)}")
    return "\n".join(lines) + "\n"


class Agent:
    def __init__(self, directory: pathlib.Path, settings: dict[str, Any],
                 namespace: str | None = None) -> None:
        self.settings = settings
        self.namespace = namespace
        self.config = directory / "podfence.yaml"
        self.output = directory / "events.jsonl"
        self.messages = directory / "messages"
        self.socket = directory / "podfenced.sock"
        self.events_socket = directory / "events.sock"
        self.state = directory / "state"
        settings["state"] = {"directory": str(self.state)} | settings.get("state", {})
        settings["control"] = {"socket": str(self.socket)} | settings.get("control", {})
        settings["events"] = {"socket": str(self.events_socket)} | settings.get("events", {})
        self.program = program("podfenced")
        self.process: subprocess.Popen[bytes] | None = None
        self.output.touch()
        self.messages.touch()
        self.configure()

    def configure(self, **sections: dict[str, Any]) -> None:
        """Changes some settings and writes the file; configure(default={"mode": "deny"})."""
        for section, values in sections.items():
            self.settings[section] = self.settings.get(section, {}) | values
        self.write_config(yaml(self.settings))

    def write_config(self, text: str) -> None:
        fresh = self.config.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.config)

    def start(self, is_awaited: bool = True,
              prepare: Callable[[], None] = worker.die_with_parent) -> None:
        """`prepare` runs in the new process before it becomes podfenced."""
        said = len(self.said())
        with self.output.open("ab") as output, self.messages.open("ab") as messages, \
                netns.inside(self.namespace):
            self.process = subprocess.Popen([self.program, "--config", str(self.config)],
                                            stdout=output, stderr=messages,
                                            preexec_fn=prepare)
        if is_awaited:
            self.wait_for(lambda: "podfenced: ready" in self.said()[said:], "ready")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it; returns its exit status (negative: the signal)."""
        if self.process is None:
            return 0
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self.process = None
        return status

    def reload(self) -> None:
        """SIGHUP, and waits for the generation it makes."""
        before = self.generations()
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.generations() > before, "the next generation")

    def reread(self) -> None:
        """SIGHUP, and waits until the file is read, whether or not that changes the rules."""
        before = self.said().count(" read again")
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.said().count(" read again") > before, "the file to be read")

    def wait_for(self, condition: Callable[[], Any], what: str) -> Any:
        def is_met() -> Any:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"podfenced ended with {self.process.returncode}:\n"
                                   f"{self.said()}")
            return condition()

        try:
            return wait_until(is_met, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; podfenced said:\n{self.said()}") from None

    def said(self) -> str:
        return self.messages.read_text()

    def generations(self) -> int:
        """How many rulesets were put in force, by all lives of this agent."""
        return len(GENERATION.findall(self.said()))

    def wait_endpoints(self, endpoints: int, unresolved: int = 0) -> None:
        """Until that many are known, and all but so many of them are found on the node."""
        def is_reached() -> bool:
            found = GENERATION.findall(self.said())
            return bool(found) and found[-1][1:] == (str(endpoints), str(unresolved))

        self.wait_for(is_reached, f"{endpoints} endpoints, {unresolved} unresolved")

    def podfence(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """The command, asking this agent: exit status, what it said, what went wrong."""
        return run_program("podfence", *arguments, PODFENCE_SOCKET=str(self.socket), **environment)

    def events(self) -> list[dict[str, Any]]:
        """All so far; a line that is still being written is left for later."""
        text = self.output.read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def find_events(self, **facts: Any) -> list[dict[str, Any]]:
        """find_events(destination__port=53): `__` stands for the dot."""
        wanted = {key.replace("__", "."): value for key, value in facts.items()}
        return [event for event in self.events()
                if all(field(event, name) == value for name, value in wanted.items())]

    def wait_event(self, patience: float = PATIENCE, **facts: Any) -> dict[str, Any] | None:
        """The first event with these facts; None where none comes."""
        with contextlib.suppress(TimeoutError):
            return wait_until(lambda: self.find_events(**facts), str(facts), patience)[0]
        return None


def field(event: dict[str, Any], name: str) -> Any:
    """A field by its dotted name; None where it is not there."""
    value: Any = event
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def run_program(name: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run([program(name), *arguments], capture_output=True, text=True,
                          timeout=PATIENCE, env=os.environ | environment)
    return done.returncode, done.stdout, done.stderr
