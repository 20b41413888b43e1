# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The startup taint: podfence-ship takes it from its node when podfenced is ready there, not
before, and nothing else; with the faults an API server has."""
import pathlib
import tempfile
import time

import common  # noqa: F401
import tap
from agent import wait_until
from api_server import TOKEN, ApiServer
from shipper import Seam, Shipper

KEY = "podfence.io/agent-not-ready"
NODE = "node-17"
OURS = [{"key": KEY, "effect": "NoSchedule"}, {"key": KEY, "value": "x", "effect": "NoExecute"}]
OTHER = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute",
         "timeAdded": "2026-11-26T12:00:00Z"}
READY = {"transaction": {"generation": 3}, "api": {"source": "in-cluster", "synced": True}}


class Stage:
    def __init__(self, directory: pathlib.Path) -> None:
        self.api = ApiServer(directory)
        self.api.start()
        self.seam = Seam(directory / "seam.sock")
        (directory / "token").write_text(TOKEN + "\n")
        self.shipper = Shipper(directory, [], startupTaint={
            "key": KEY, "server": f"https://127.0.0.1:{self.api.port}",
            "tokenFile": str(directory / "token"), "caFile": str(directory / "ca.crt")})
        self.shipper.start()
        self.seam.accept()

    def put(self, *taints: dict) -> None:
        spec = {"taints": list(taints)} if taints else {}
        self.api.put({"kind": "Node", "metadata": {"name": NODE}, "spec": spec})

    def taints(self) -> list[dict]:
        return self.api.objects["Node"][f"/{NODE}"]["spec"].get("taints", [])

    def say(self, **status: object) -> None:
        self.seam.say({"seam": {"agent": self.seam.agent, "lines": 0},
                       "status": {"node": NODE} | status})

    def asked(self) -> list[str]:
        return [one for one in self.api.requests if NODE in one]

    def wait(self, condition, what: str) -> None:
        """While the agent tells of itself, as it does every five seconds."""
        def is_so() -> bool:
            self.say(**READY)
            time.sleep(0.1)
            return condition()

        wait_until(is_so, what)


def check_not_ready(check: tap.Tap, stage: Stage) -> None:
    failing = {"generation": 3, "failure": "No buffer space available"}
    for what, status in (
            ("no rules are in force", READY | {"transaction": {"generation": 0}}),
            ("the rules could not be changed", READY | {"transaction": failing}),
            ("the API server was not heard", READY | {"api": {"source": "in-cluster",
                                                             "synced": False}})):
        stage.say(**status)
        [line] = stage.seam.events(1)
        stage.shipper.wait_stored(stage.seam.lines)  # so it has read what stands before, too
        check.equal(stage.asked(), [], f"nothing is asked for while {what}", line)


def check_taken(check: tap.Tap, stage: Stage) -> None:
    stage.wait(lambda: stage.taints() == [OTHER], "the taint to be taken")
    check.equal(stage.taints(), [OTHER], "both taints of the key are gone, the other stays")
    stage.wait(lambda: f"{NODE}: the taint {KEY} is taken away" in stage.shipper.said(),
               "a word about it")
    asked = stage.asked()
    for _ in range(5):
        stage.say(**READY)
        time.sleep(0.1)
    check.equal(stage.asked(), asked, "the server is not asked again soon")


def restart(stage: Stage) -> None:
    stage.shipper.stop()
    stage.seam.leave()
    stage.shipper.start()
    stage.seam.accept()


def check_race(check: tap.Tap, stage: Stage) -> None:
    """Somebody adds a taint in front of ours between our two requests."""
    def add() -> None:
        stage.api.before_patch = lambda: None
        stage.put(OTHER, {"key": "new"}, *OURS)

    stage.put(OTHER, *OURS)
    stage.api.before_patch = add
    restart(stage)
    stage.wait(lambda: "HTTP status 422" in stage.shipper.said(), "the refusal")
    check.equal(stage.taints(), [OTHER, {"key": "new"}, *OURS],
                "where the list has changed meanwhile nothing is taken")
    stage.wait(lambda: stage.taints() == [OTHER, {"key": "new"}], "the next try")
    check.check(True, "the next try takes the right ones")


def check_refused(check: tap.Tap, stage: Stage) -> None:
    stage.put(*OURS)
    stage.api.is_read_only = True
    restart(stage)
    stage.wait(lambda: f"taint {KEY}: PATCH: HTTP status 403" in stage.shipper.get("/healthz")[1],
               "/healthz to say so")
    check.equal(stage.shipper.get("/readyz"), (200, "ok\n"),
                "without the right it is ready: the taint keeps pods away, not the probe")
    check.equal(stage.shipper.said().count("HTTP status 403"), 1, "and says so once",
                stage.shipper.said())
    stage.api.is_read_only = False
    stage.wait(lambda: stage.taints() == [], "the taint to be taken after all")
    stage.wait(lambda: "taint" not in stage.shipper.get("/healthz")[1], "/healthz to be content")
    check.check(True, "with the right it goes on")


def test(check: tap.Tap) -> None:
    with tempfile.TemporaryDirectory(prefix="podfence-taint-") as name:
        stage = Stage(pathlib.Path(name))
        stage.put(OURS[0], OTHER, OURS[1])
        check_not_ready(check, stage)
        check_taken(check, stage)
        check_race(check, stage)
        check_refused(check, stage)
        check.equal(stage.shipper.stop(), 0, "it ends well")
        stage.api.stop()


tap.main(test)
