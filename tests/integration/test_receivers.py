# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""podfence-ship with the receivers themselves: Prometheus scrapes it, knows our rules and answers
every query of the dashboard; Alertmanager takes, groups and resolves an alert; journald takes the
journal output."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request

import common  # noqa: F401
import netns
import tap
import worker
from agent import wait_until
from receiver import Receiver
from shipper import Seam, Shipper, ecs_offences

DEPLOY = pathlib.Path(__file__).parents[2] / "deploy"
JOURNALD = pathlib.Path("/lib/systemd/systemd-journald")
PROMETHEUS, ALERTMANAGER = "127.0.0.1:9090", "127.0.0.1:9093"
STATUS = {
    "enforcing": True, "node": "node-17", "started_usec": 1795535643000000,
    "endpoints": {"enforced": 3, "audit": 1, "pending": 0, "uncovered": 1},
    "transaction": {"generation": 7, "changes": 9, "refused": 1,
                    "delays": [4, 2, 0, 0, 0, 0, 0, 1, 0], "delays_usec": 512000},
    "unresolved": [{"coverage": "uncovered", "reason": "no \"link\"", "endpoints": 1}],
    "api": {"source": "kubeconfig", "synced": True},
    "books": {"records_received": 90, "records_lost": 1, "records_malformed": 0,
              "records_foreign": 0, "events_written": 90, "events_dropped": 0},
    "ledger": {"flows": 12, "messages_sent": 91, "messages_unheard": 0,
               "denied": {"ledger": 90, "overflow": 1, "unkept": 0, "difference": 2},
               "audited": {"ledger": 5, "overflow": 0, "unkept": 0, "difference": 0}},
    "control": {"calls": 4}}


def get(address: str, path: str, **query: str) -> dict:
    text = urllib.parse.urlencode(query)
    with urllib.request.urlopen(f"http://{address}{path}?{text}", timeout=10) as reply:
        return json.load(reply)


@contextlib.contextmanager
def running(directory: pathlib.Path, *command: str):
    with (directory / f"{pathlib.Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory,
                                   preexec_fn=worker.die_with_parent)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


class Stage:
    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.seam = Seam(directory / "seam.sock")
        outputs = [{"name": "am", "kind": "alertmanager", "urls": [f"http://{ALERTMANAGER}"]},
                   {"name": "es", "kind": "file", "path": str(directory / "out.jsonl")},
                   {"name": "journal", "kind": "journald", "content": "all"}]
        self.shipper = Shipper(directory, outputs, clusterName="lab",
                               alerts={"intervalSeconds": 10, "quietSeconds": 10})

    def state(self) -> None:
        STATUS["transaction"]["delays"][0] += 1
        self.seam.say({"seam": {"agent": self.seam.agent, "lines": self.seam.lines},
                       "status": STATUS})

    def events(self) -> None:
        """Something of every kind, growing."""
        for action in ("dropped", "would-drop"):
            self.seam.events(3, action=action)
        self.state()


def write_prometheus(stage: Stage, port: str) -> list[str]:
    shutil.copy(DEPLOY / "prometheus/podfence.rules.yaml", stage.directory)
    (stage.directory / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        "rule_files: [podfence.rules.yaml]\n"
        "scrape_configs:\n- job_name: podfence\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n")
    return ["prometheus", "--config.file=prometheus.yml", f"--web.listen-address={PROMETHEUS}",
            f"--storage.tsdb.path={stage.directory}/tsdb"]


def filled(expression: str) -> str:
    """A panel's query as Grafana sends it."""
    for name, value in (("$node", ".*"), ("$namespace", ".*"), ("$__rate_interval", "10s"),
                        ("$__range", "1m")):
        expression = expression.replace(name, value)
    return expression


def check_rules(check: tap.Tap) -> None:
    for verb, name in (("check", "podfence.rules.yaml"), ("test", "podfence.test.yaml")):
        done = subprocess.run(["promtool", verb, "rules", name], cwd=DEPLOY / "prometheus",
                              capture_output=True, text=True)
        check.equal(done.returncode, 0, f"promtool {verb} rules", done.stdout, done.stderr)


def check_prometheus(check: tap.Tap, stage: Stage) -> None:
    panels = json.loads((DEPLOY / "grafana/podfence.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())
                   if "expr" in target]

    def answers(expression: str) -> list:
        stage.events()
        return get(PROMETHEUS, "/api/v1/query", query=filled(expression))["data"]["result"]

    empty = []
    for expression in expressions:
        try:
            wait_until(lambda: answers(expression), expression, 30)
        except TimeoutError:
            empty.append(expression)
    check.equal(empty, [], f"all {len(expressions)} queries of the dashboard return data")
    [target] = get(PROMETHEUS, "/api/v1/targets")["data"]["activeTargets"]
    check.equal((target["health"], target["lastError"]), ("up", ""), "Prometheus scrapes")
    groups = get(PROMETHEUS, "/api/v1/rules")["data"]["groups"]
    bad = [rule for group in groups for rule in group["rules"] if rule["health"] == "err"]
    check.equal((bad, len(groups)), ([], 4), "and evaluates the rules")
    value = get(PROMETHEUS, "/api/v1/query",
                query='podfence_endpoints{coverage="uncovered"}')["data"]["result"][0]["value"][1]
    check.equal(value, "1", "a number of the agent's, through all of it")
    names = get(PROMETHEUS, "/api/v1/label/__name__/values")["data"]
    series = get(PROMETHEUS, "/api/v1/series", **{"match[]": '{__name__=~"podfence_.*"}'})["data"]
    foreign = [one for one in series
               if any(re.fullmatch(r"[0-9.:]+", value) for label, value in one.items()
                      if label not in ("instance", "version", "le"))]
    check.equal((foreign, len(names) > 30), ([], True), "no label holds an address, port or pid")


def check_alertmanager(check: tap.Tap, stage: Stage, pager: Receiver) -> None:
    def told(status: str) -> list[dict]:
        return [request.json() for request in pager.taken if request.json()["status"] == status]

    stage.seam.events(2, pod="pager-0")
    wait_until(lambda: any(alert["labels"]["pod"] == "pager-0" for alert in
                           get(ALERTMANAGER, "/api/v2/alerts")), "the alert")
    alerts = get(ALERTMANAGER, "/api/v2/alerts")
    labels = next(alert["labels"] for alert in alerts if alert["labels"]["pod"] == "pager-0")
    check.equal((labels["alertname"], labels["cluster"], labels["namespace"]),
                ("PodfenceEgressDenied", "prod-bj-1", "prod"), "Alertmanager has it", labels)
    group = next(group for group in get(ALERTMANAGER, "/api/v2/alerts/groups")
                 if group["labels"].get("alertname") == "PodfenceEgressDenied")
    check.check(group["labels"] == {"alertname": "PodfenceEgressDenied", "namespace": "prod"} and
                len(group["alerts"]) >= 2, "in the group of its namespace", group["labels"])
    wait_until(lambda: told("firing"), "Alertmanager to page", 40)
    check.check("podfence why" in json.dumps(told("firing")), "it pages, with what to do next")
    wait_until(lambda: told("resolved"), "the alert to be over", 60)
    check.check(True, "and says when it is over")


def check_journal(check: tap.Tap, stage: Stage) -> None:
    stage.seam.events(5, pod="journal-0")
    stage.shipper.wait_settled("journal")

    def entries(*match: str) -> list[dict]:
        done = subprocess.run(["journalctl", "-o", "json", "--all", "--no-pager", *match],
                              capture_output=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    found = wait_until(lambda: entries("PODFENCE_POD=journal-0"), "the journal")
    flows = [entry for entry in found if "podfence.flow" in entry["PODFENCE_EVENT"]]
    check.equal(len(flows), 5, "journald has each event")
    entry = flows[0]
    check.equal([entry[name] for name in ("PODFENCE_ACTION", "PODFENCE_NAMESPACE", "PRIORITY",
                                          "PODFENCE_PORT", "SYSLOG_IDENTIFIER")],
                ["dropped", "prod", "4", "443", "podfence"], "with native fields")
    lines = [each["PODFENCE_EVENT"] for each in entries("SYSLOG_IDENTIFIER=podfence")]
    check.equal(ecs_offences(lines)[:3], [], f"ECS: {len(lines)} events in the journal")


@contextlib.contextmanager
def journald(directory: pathlib.Path):
    """A journal of our own in this mount namespace."""
    machine = directory / "machine-id"
    machine.write_text(os.urandom(16).hex() + "\n")
    for path in ("/run", "/var/log"):
        netns.run("mount", "-t", "tmpfs", "tmpfs", path)
    pathlib.Path("/run/systemd/journal").mkdir(parents=True)
    pathlib.Path("/run/log/journal").mkdir(parents=True)
    if not pathlib.Path("/etc/machine-id").exists():
        pathlib.Path("/etc/machine-id").touch()
    netns.run("mount", "--bind", str(machine), "/etc/machine-id")
    with running(directory, str(JOURNALD)):
        wait_until(pathlib.Path("/run/systemd/journal/socket").exists, "journald")
        yield


def test(check: tap.Tap) -> None:
    netns.enter_private()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, \
            contextlib.ExitStack() as stack:
        stage, pager = Stage(pathlib.Path(name)), Receiver()
        stack.enter_context(journald(stage.directory))
        (stage.directory / "alertmanager.yml").write_text(
            "route: {receiver: pager, group_by: [alertname, namespace], group_wait: 1s,\n"
            "        group_interval: 1s, repeat_interval: 1h}\n"
            "receivers:\n- name: pager\n  webhook_configs:\n"
            f"  - {{url: '{pager.url}', send_resolved: true}}\n")
        stack.enter_context(running(
            stage.directory, "prometheus-alertmanager", "--config.file=alertmanager.yml",
            f"--web.listen-address={ALERTMANAGER}", "--cluster.listen-address=",
            f"--storage.path={name}/am"))
        stage.shipper.start()
        stage.seam.accept()
        port = re.findall(r"metrics at \S+ port (\d+)", stage.shipper.said())[-1]
        stack.enter_context(running(stage.directory, *write_prometheus(stage, port)))
        check_rules(check)
        for address in (ALERTMANAGER, PROMETHEUS):
            wait_until(lambda: is_up(address), f"{address} to be ready", 60)
        check_prometheus(check, stage)
        check_journal(check, stage)
        check_alertmanager(check, stage, pager)
        check.equal(stage.shipper.stop(), 0, "ends well")
        pager.stop()


if not JOURNALD.exists():
    tap.skip_all(f"not installed: {JOURNALD}")
tap.main(test, "prometheus", "promtool", "prometheus-alertmanager", "journalctl")
