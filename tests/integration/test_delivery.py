# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Every remote output of podfence-ship, and the file, against receivers of ours: faults of all
kinds, several hosts, TLS in both directions, signatures, limits, rotation; killed in the middle
of it. What an output was given is delivered, dead, dropped and counted, or filtered: the sum is
printed."""
import base64
import hmac
import json
import pathlib
import signal
import tempfile
import urllib.parse
from collections.abc import Iterable

import common  # noqa: F401
import tap
from agent import run_program, wait_until
from certificates import Authority
from receiver import Receiver
from shipper import Seam, Shipper, check_sum, ecs_offences

FAULTS = ["hang", "close", "reset", "cut", "longer", "nonsense", "headers", "big", "slow", "later",
          "429", "503", "408", "small", "too-large"]
SAID_GOOD = {"longer", "big"}  # 200 is 200 to a webhook, however odd the body
SECRET = "a key of signatures"
OUTPUTS = ("es", "hook", "slack", "ding", "am", "kube", "file")


class Stage:
    """A shipper with an output of every remote kind, and a file."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.seam = Seam(directory / "seam.sock")
        self.hosts, self.hook = [Receiver(), Receiver()], Receiver()
        self.slack, self.ding, self.alertmanager = Receiver(), Receiver(), Receiver()
        self.kube = Receiver(self.authority.issue("kube"))
        self.ding.reply = b'{"errcode":0,"errmsg":"ok"}'
        self.file = directory / "out.jsonl"
        for name, text in (("secret", SECRET), ("key", "id:key"), ("token", "t0ken"),
                           ("slack", self.slack.url + "/services/T/B/X")):
            (directory / name).write_text(text + "\n")
        self.shipper = Shipper(directory, [output | {"timeoutSeconds": 2}
                                           for output in self.outputs()],
                               alerts={"intervalSeconds": 10, "quietSeconds": 10})
        self.sent: list[str] = []

    def outputs(self) -> list[dict]:
        path = {name: str(self.directory / name) for name in ("secret", "key", "token", "slack")}
        return [
            {"name": "es", "kind": "elasticsearch", "content": "all", "apiKeyFile": path["key"],
             "urls": [host.url for host in self.hosts]},
            {"name": "hook", "kind": "webhook", "urls": [self.hook.url + "/in"],
             "secretFile": path["secret"], "headers": ["X-Team: shop"], "batchEvents": 50},
            {"name": "slack", "kind": "slack", "urlFile": path["slack"], "perMinute": 120},
            {"name": "ding", "kind": "dingtalk", "perMinute": 60, "keyword": "podfence",
             "urls": [self.ding.url + "/robot/send?access_token=x"], "secretFile": path["secret"]},
            {"name": "am", "kind": "alertmanager", "urls": [self.alertmanager.url + "/"]},
            {"name": "kube", "kind": "kubernetes", "urls": [self.kube.url], "perMinute": 1200,
             "tokenFile": path["token"], "caFile": str(self.authority.certificate)},
            {"name": "file", "kind": "file", "path": str(self.file), "maxMebibytes": 1,
             "keep": 100, "content": "all"}]

    def send(self, count: int, **facts: str) -> list[str]:
        made = self.seam.events(count, **facts)
        self.sent += made
        return made

    def settle(self) -> None:
        self.shipper.wait_stored(self.seam.lines - self.shipper.lines("refused"))
        for name in OUTPUTS:
            self.shipper.wait_settled(name)

    def documents(self) -> dict[str, dict]:
        return self.hosts[0].documents | self.hosts[1].documents

    def hook_events(self) -> list[dict]:
        return [event for request in self.hook.taken for event in request.json()]

    def stop(self) -> None:
        for receiver in (*self.hosts, self.hook, self.slack, self.ding, self.alertmanager,
                         self.kube):
            receiver.stop()


def identities(events: list[dict]) -> set[str]:
    return {event["event"]["id"] for event in events}


def check_faults(check: tap.Tap, stage: Stage) -> None:
    for fault in FAULTS:
        faulty = stage.hosts if fault in SAID_GOOD else [*stage.hosts, stage.hook]
        for receiver in faulty:
            receiver.script.append(fault)
        before = stage.hook.requests
        made = set(stage.send(60))
        wait_until(lambda: stage.hook.requests > before, "a request")
        stage.settle()
        check.equal((made - set(stage.documents()), made - identities(stage.hook_events())),
                    (set(), set()), f"{fault}: Elasticsearch and the webhook got everything")
        for receiver in faulty:
            receiver.script.clear()
    check_sum(check, stage.shipper, "es", "after faults")
    check_sum(check, stage.shipper, "hook", "after faults")


def check_refusal(check: tap.Tap, stage: Stage) -> None:
    """A 400 of the whole is bisected; a 410 given up; the rest goes on."""
    made = [stage.seam.make() for _ in range(30)]
    names = [json.loads(line)["event"]["id"] for line in made]
    for host in stage.hosts:
        host.poison = {names[11]}
    stage.seam.send("\n".join(made))
    stage.settle()
    check.equal(set(names) - set(stage.documents()), {names[11]}, "400: bisected down to the one")
    [(reason,)] = stage.shipper.query("SELECT reason FROM dead WHERE output='es'")
    check.check(reason.startswith("HTTP 400"), "which is dead, with the reason", reason)
    check_sum(check, stage.shipper, "es", "after a refusal")


def check_failover(check: tap.Tap, stage: Stage) -> None:
    stage.hosts[0].usual = "close"  # on the connection that is open
    stage.hosts[0].stop()
    made = set(stage.send(60))
    stage.settle()
    check.equal(made - set(stage.hosts[1].documents), set(), "one host gone: the other takes all")
    check.equal(stage.hosts[1].authorization,
                {"ApiKey " + base64.b64encode(b"id:key").decode()}, "with the API key")
    check_sum(check, stage.shipper, "es", "after failover")


def check_signatures(check: tap.Tap, stage: Stage) -> None:
    bad = []
    for request in stage.hook.taken:
        message = request.headers["X-Podfence-Timestamp"].encode() + b"." + request.body
        sign = "sha256=" + hmac.new(SECRET.encode(), message, "sha256").hexdigest()
        if (sign, "shop") != (request.headers["X-Podfence-Signature"], request.headers["X-Team"]):
            bad.append(request)
    check.equal((bad, bool(stage.hook.taken)), ([], True),
                f"webhook: {len(stage.hook.taken)} bodies signed, with the configured headers")
    bad = []
    for request in stage.ding.taken:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        message = f"{query['timestamp'][0]}\n{SECRET}".encode()
        sign = base64.b64encode(hmac.new(SECRET.encode(), message, "sha256").digest()).decode()
        if [sign] != query["sign"] or query["access_token"] != ["x"]:
            bad.append(request.path)
    check.equal((bad, bool(stage.ding.taken)), ([], True),
                f"DingTalk: {len(stage.ding.taken)} messages signed")


def shops(names: Iterable[str]) -> int:
    """How many; another pod's alert may be summed up meanwhile."""
    return len({name for name in names if name.startswith("shop-")})


def check_people(check: tap.Tap, stage: Stage) -> None:
    """25 pods at once: one alert each, a few to a message, so many messages a minute at most."""
    for receiver in (stage.slack, stage.ding, stage.alertmanager, stage.kube):
        receiver.taken.clear()
    stage.ding.replies += [(200, b'{"errcode":-1,"errmsg":"busy"}')]
    for number in range(25):
        stage.send(2, pod=f"shop-{number}", destination="198.51.100.7")
    stage.settle()
    texts = " ".join(json.dumps(request.json()) for request in stage.slack.taken)
    check.equal([n for n in range(25) if f"shop-{n} " not in texts], [], "Slack: every pod is told")
    check.check(len(stage.slack.taken) <= 12 and "podfence why" in texts,
                f"in {len(stage.slack.taken)} messages, with what to do next")
    bodies = [request.json() for request in stage.ding.taken]
    check.check(all(body["msgtype"] == "markdown" and
                    body["markdown"]["text"].startswith("podfence") for body in bodies),
                "DingTalk: markdown that begins with the keyword")
    gaps = [later.time - earlier.time
            for earlier, later in zip(stage.ding.taken, stage.ding.taken[1:])]
    check.check(min(gaps, default=1) > 0.5, f"at most one a second: {len(bodies)} messages", gaps)
    alerts = [alert for request in stage.alertmanager.taken for alert in request.json()]
    check.equal({request.path for request in stage.alertmanager.taken}, {"/api/v2/alerts"},
                "Alertmanager: API v2")
    check.equal(shops(alert["labels"]["pod"] for alert in alerts), 25, "an alert for each pod")
    check.check(all(not any(c.isdigit() for c in alert["labels"]["rule"]) and
                    set(alert["labels"]) == {"alertname", "severity", "cluster", "node",
                                             "namespace", "pod", "rule"} for alert in alerts),
                "labels are of what there are few of")


def check_kubernetes(check: tap.Tap, stage: Stage) -> None:
    posts = [request for request in stage.kube.taken if request.method == "POST"]
    bodies = [request.json() for request in posts]
    check.equal(shops(body["regarding"]["name"] for body in bodies), 25,
                "Kubernetes: an Event on each pod")
    check.check(all(body["reason"] == "EgressDenied" and body["apiVersion"] == "events.k8s.io/v1"
                    for body in bodies), "that says why")
    check.equal({request.headers.get("Authorization") for request in posts}, {"Bearer t0ken"},
                "with the token of its file")
    stage.kube.taken.clear()
    stage.kube.replies += [(404, b"{}")]
    wait_until(lambda: stage.send(1, pod="shop-3", destination="198.51.100.7") and
               [request for request in stage.kube.taken if request.method == "POST"],
               "the next word about shop-3")
    anew = next(request for request in stage.kube.taken if request.method == "POST").json()
    check.check(anew["series"]["count"] >= 2, "an Event that is gone is made anew, as a series",
                anew)
    wait_until(lambda: [request for request in stage.kube.taken if request.method == "PATCH"] or
               not stage.send(1, pod="shop-4", destination="198.51.100.7"), "a change of one", 30)
    patch = next(request for request in stage.kube.taken if request.method == "PATCH")
    check.equal((list(patch.json()), patch.headers["Content-Type"]),
                (["series"], "application/merge-patch+json"), "one that is there gets a series")


def check_resolved(check: tap.Tap, stage: Stage) -> None:
    def is_over() -> bool:
        return any("resolved" in alert["annotations"]["summary"]
                   for request in stage.alertmanager.taken for alert in request.json())

    wait_until(is_over, "an alert to be over", 40)
    check.check(True, "Alertmanager is told when it is over")


def file_lines(stage: Stage) -> list[str]:
    paths = [stage.file, *stage.directory.glob("out.jsonl.[0-9]*"),
             *stage.directory.glob("moved.jsonl")]
    return [line for path in paths if path.exists() for line in path.read_text().splitlines()]


def check_file(check: tap.Tap, stage: Stage) -> None:
    stage.send(1500)
    stage.settle()
    parts = list(stage.directory.glob("out.jsonl.[0-9]*"))
    check.check(len(parts) >= 3 and all(part.stat().st_size <= 1 << 20 for part in parts),
                f"the file is rotated by size: {len(parts)} parts")
    stage.file.rename(stage.directory / "moved.jsonl")
    stage.shipper.process.send_signal(signal.SIGHUP)
    wait_until(lambda: stage.send(1) and stage.file.exists(), "a new file after SIGHUP")
    stage.settle()
    [(stored,)] = stage.shipper.query("SELECT count(*) FROM event")
    check.equal(len(file_lines(stage)), stored, "every event is in them, once")


def check_kill(check: tap.Tap, stage: Stage) -> None:
    for _ in range(4):
        stage.send(400)
        stage.shipper.stop(signal.SIGKILL)
        stage.shipper.start()
        stage.seam.accept()
    stage.seam.state()
    stage.send(1)
    stage.shipper.wait_stored(1)
    for name in OUTPUTS:
        stage.shipper.wait_settled(name)
        check_sum(check, stage.shipper, name, f"{name} after kills")
    [(stored,)] = stage.shipper.query("SELECT count(*) FROM event WHERE kind=0")
    lost = [n for (n,) in stage.shipper.query("SELECT value FROM counter WHERE name='lost-before'")]
    check.equal(stored + sum(lost), stage.seam.lines,
                f"{stored} stored + {sum(lost)} lost = {stage.seam.lines} produced")
    check.equal(stage.shipper.query("PRAGMA integrity_check"), [("ok",)], "the store is whole")


def check_alert_test(check: tap.Tap, stage: Stage) -> None:
    """--alert-test beside the running shipper, whose store it leaves alone."""
    config = str(stage.shipper.config)
    stage.slack.taken.clear()
    status, _, said = run_program("podfence-ship", "--config", config, "--alert-test", "slack")
    check.equal((status, len(stage.slack.taken)), (0, 1), "--alert-test: one message", said)
    check.check("this-is-a-test" in json.dumps(stage.slack.taken[0].json()), "that says it is one")
    stage.ding.replies.append((200, b'{"errcode":310000,"errmsg":"sign not match"}'))
    status, _, said = run_program("podfence-ship", "--config", config, "--alert-test", "ding")
    check.equal((status, "sign not match" in said), (1, True), "refused: it says why", said)
    status, _, said = run_program("podfence-ship", "--config", config, "--alert-test", "nobody")
    check.equal((status, "no output is named nobody" in said), (1, True), "an unknown output", said)


def check_ecs(check: tap.Tap, stage: Stage) -> None:
    for name, events in (("Elasticsearch", stage.documents().values()),
                         ("the webhook", stage.hook_events()), ("the file", file_lines(stage))):
        check.equal(ecs_offences(events)[:3], [], f"ECS: {len(events)} events at {name}")


def test(check: tap.Tap) -> None:
    with tempfile.TemporaryDirectory() as name:
        stage = Stage(pathlib.Path(name))
        stage.shipper.start()
        stage.seam.accept()
        check_faults(check, stage)
        check_refusal(check, stage)
        check_failover(check, stage)
        check_people(check, stage)
        check_signatures(check, stage)
        check_kubernetes(check, stage)
        check_resolved(check, stage)
        check_file(check, stage)
        check_kill(check, stage)
        check_ecs(check, stage)
        check_alert_test(check, stage)
        check.check(SECRET not in stage.shipper.said() and "t0ken" not in stage.shipper.said(),
                    "no secret is in the messages")
        check.equal(stage.shipper.stop(), 0, "ends well")
        stage.stop()


tap.main(test)
