# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""docs/incident.md, run from the document itself: its commands are run in their order on a node
where it happens, and answer what the document says. Times, numbers of processes, and counts may
differ. With UPDATE_GOLDEN=1 the answers in the document are written anew."""
import os
import pathlib
import re
import shutil
import subprocess

import common  # noqa: F401
import netns
import tap
import traffic
from agent import Agent, program, wait_until
from lab import EXTERNAL4, EXTERNAL6, INTERNAL4, OPEN_PORT, Lab
from shipper import Shipper

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/incident.md"
PIECE = re.compile(r"<!-- scene: (?P<scene>\w+) -->|^```console\n(?P<session>.*?)^```$",
                   re.M | re.S)
DIFFERS = (  # in this order
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\b(\d+[dhms]){1,2} ago"), "AGO"),
    (re.compile(r"(kernel|podfenced|pid) [\w.+~-]+"), r"\1 X"),
    (re.compile(r"\(\d+\)"), "(PID)"),
    (re.compile(r"(?<=:)\d{5}\b"), "PORT"),  # of a source
    (re.compile(r"(?<![\w.:/])\d+(?![\w.:/])"), "N"),
    (re.compile(r"[ \t]+"), " "),
)


def alike(text: str) -> list[str]:
    """What has to be the same; rows that are as long ago may change places."""
    for pattern, instead in DIFFERS:
        text = pattern.sub(instead, text)
    return sorted(text.splitlines())


def run_as(name: str, arguments: list[str]) -> int:
    """In a workload: a program of this name, which is busybox."""
    done = subprocess.run(arguments, executable=f"/opt/{name}", stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)
    return done.returncode


class Unnamed(Exception):
    """The agent said honestly that there was no time to look for the process: a busy machine."""


class Incident:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        netns.run("mount", "-t", "tmpfs", "tmpfs", "/opt")  # of this test's mount namespace alone
        for name in ("xmrig", "rclone"):
            shutil.copy(shutil.which("busybox"), f"/opt/{name}")
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-7d9c6b5f4",
                 "uid": "rs", "controller": True}
        self.cart = lab.add_pod("cart-7d9c6b5f4-x2x7p", owner=owner,
                                labels={"pod-template-hash": "7d9c6b5f4"})
        self.exporter = lab.add_pod(
            "node-exporter-9x7lm", namespace_name="monitoring", is_host_network=True,
            owner=owner | {"kind": "DaemonSet", "name": "node-exporter"})
        lab.write_pods()
        self.agent: Agent = lab.agent()
        self.shipper = Shipper(
            lab.directory, [{"name": "alerts", "kind": "file", "content": "alerts",
                             "path": str(lab.directory / "alerts.jsonl")}],
            seam={"socket": str(self.agent.events_socket)})
        self.bin = lab.directory / "bin"
        self.bin.mkdir()
        (self.bin / "podfence").symlink_to(program("podfence"))

    def __enter__(self) -> "Incident":
        self.agent.start()
        self.agent.wait_endpoints(2)
        self.shipper.start()
        wait_until(lambda: "connected" in self.shipper.said(), "the shipper")
        return self

    def __exit__(self, *_: object) -> None:
        self.shipper.stop()

    def wait_events(self, count: int, what: str) -> None:
        """In the store: so many with this in their line."""
        wait_until(lambda: self.shipper.query("SELECT count(*) FROM event WHERE kind = 0 AND "
                                              f"line LIKE '%{what}%'")[0][0] >= count, what)

    def mining(self) -> None:
        self.cart.call(run_as, "xmrig", ["nc", "-w", "1", EXTERNAL4, "3333"])
        self.wait_events(1, self.cart.name)
        [event] = self.agent.find_events(kubernetes__pod__name=self.cart.name)
        if "process" not in event:
            raise Unnamed(event["podfence"]["attribution"])
        wait_until(lambda: (self.lab.directory / "alerts.jsonl").exists(), "the alert")

    def quarantined(self) -> None:
        self.cart.call(traffic.tcp_connect, INTERNAL4, OPEN_PORT, 0.2)
        self.wait_events(1, '"code":"quarantine')

    def exfiltration(self) -> None:
        for port in ("443", "8443", "9443"):
            self.exporter.call(run_as, "rclone", ["nc", "-w", "1", EXTERNAL6, port])
        self.wait_events(3, self.exporter.name)

    def command(self, line: str) -> str:
        environment = os.environ | {
            "PATH": f"{self.bin}:{os.environ['PATH']}", "PODFENCE_SOCKET": str(self.agent.socket),
            "PODFENCE_STORE": str(self.shipper.store)}
        return subprocess.run(["/bin/sh", "-c", line], cwd=self.lab.directory, env=environment,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60).stdout

    def session(self, text: str) -> str:
        """The session as it is now."""
        lines = [line for line in text.splitlines() if line.startswith("$ ")]
        return "".join(f"{line}\n{self.command(line[2:])}" for line in lines)


def run_document(check: tap.Tap, document: str) -> str:
    """The document with the answers of now."""
    fresh, end = "", 0
    with Lab() as lab, Incident(lab) as incident:
        for piece in PIECE.finditer(document):
            fresh += document[end:piece.start()]
            end = piece.end()
            if piece["scene"]:
                getattr(incident, piece["scene"])()
                fresh += piece[0]
                continue
            said = incident.session(piece["session"])
            fresh += f"```console\n{said}```"
            if not os.environ.get("UPDATE_GOLDEN"):
                check.equal(alike(said), alike(piece["session"]), piece["session"].split("\n")[0])
    return fresh + document[end:]


def test(check: tap.Tap) -> None:
    document = DOCUMENT.read_text()
    for tries in range(5):
        try:
            fresh = run_document(check, document)
            break
        except Unnamed as reason:
            print(f"# once more: {reason}")
    else:
        check.check(False, "the process is named in one of five incidents")
        return
    if os.environ.get("UPDATE_GOLDEN"):
        DOCUMENT.write_text(fresh)
    check.check(True, f"the document was run through, after {tries} others")


tap.main(test)
