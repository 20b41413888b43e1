# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""podfence events and podfence who, on a store that podfence-ship filled with events of a made-up
incident: what is asked for is told, all of it and nothing else. Tables are golden files; with
UPDATE_GOLDEN=1 they are written anew."""
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

import common  # noqa: F401
import tap
import traffic
import worker
from agent import program, wait_until, yaml
from lab import Lab
from shipper import Seam, Shipper

GOLDEN = pathlib.Path(__file__).parents[1] / "golden/cli"
# The incident is told as if it had begun then; it begins a minute ago, because podfence-ship does
# not believe times that are far from its own.
TOLD = datetime.datetime(2026, 11, 23, 15, 0, 0, tzinfo=datetime.timezone.utc)
BEGIN = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - \
    datetime.timedelta(seconds=60)
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
MINER = {"process": {"name": "xmrig", "pid": 4711, "executable": "/tmp/.x/xmrig",
                     "command_line": "/tmp/.x/xmrig -o 203.0.113.9:3333"}}
QUESTIONS = {  # name: arguments and exit status
    "events-newest": (["events", "--limit", "4"], 0),
    "events-pod": (["events", "prod/miner"], 0),
    "events-gone": (["events", "gone", "-o", "wide"], 0),
    "events-unit": (["events", "unit:backup.service"], 0),
    "events-action": (["events", "-n", "prod", "-a", "would-drop,allowed"], 0),
    "events-time": (["events", "--since", "2026-11-23T15:00:05Z",
                     "--until", "2026-11-23T15:00:08Z"], 0),
    "events-network": (["events", "--to", "203.0.113.0/24:3333-4000/tcp", "--limit", "2"], 0),
    "events-six": (["events", "-t", "2001:db8::/32"], 0),
    "events-none": (["events", "--to", "198.51.100.200"], 0),
    "who-address": (["who", "203.0.113.9"], 0),
    "who-network": (["who", "203.0.113.0/24", "-o", "wide"], 0),
    "who-port": (["who", "[2001:db8::9]:53/udp"], 0),
    "who-nobody": (["who", "198.51.100.200"], 1),
    "preview-hit": (["quarantine", "preview", "--flows", "1", "--destinations", "1",
                     "--within", "10s"], 0),
    "preview-quiet": (["quarantine", "preview", "--since", "2026-11-23T15:00:00Z"], 0),
    "preview-wrong": (["quarantine", "preview", "--flows", "many"], 2),
    "who-wrong": (["who", "203.0.113.9/24"], 2),
    "events-wrong-time": (["events", "--since", "yesterday"], 2),
    "events-wrong-action": (["events", "-a", "dropped,eaten"], 2),
    "events-wrong-limit": (["events", "--limit", "0"], 2),
    "events-wrong-follow": (["events", "-f", "-o", "json"], 2),
}


class Incident:
    """Events a second apart."""

    def __init__(self, seam: Seam) -> None:
        self.seam, self.second = seam, 0

    def event(self, pod: str, destination: str, port: int, **more: dict) -> dict:
        event = json.loads(self.seam.make(pod, destination))
        moment = BEGIN + datetime.timedelta(seconds=self.second)
        self.second += 1
        event["@timestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%S.000250Z")
        event["destination"]["port"] = port
        for key, value in more.items():
            event[key] = event.get(key, {}) | value
        return event

    def tell(self, *events: dict) -> None:
        self.seam.send("\n".join(json.dumps(event) for event in events))

    def happen(self) -> None:
        allowed = {"action": "allowed", "type": ["connection", "allowed"]}
        unit = self.event("x", "203.0.113.80", 443,
                          podfence={"endpoint": {"kind": "unit", "name": "backup.service"}})
        del unit["kubernetes"]
        del unit["container"]
        self.tell(*[self.event("miner", "203.0.113.9", 3333, **MINER) for _ in range(5)],
                  self.event("miner", "203.0.113.10", 4000, **MINER),
                  self.event("web", "203.0.113.9", 443, event=allowed),
                  self.event("web", "198.51.100.7", 443, event={"action": "would-drop"}),
                  self.event("gone", "203.0.113.9", 3333, **MINER),
                  self.event("bold\u009b[31m", "2001:db8::9", 53,
                             network={"transport": "udp", "iana_number": "17", "type": "ipv6"}),
                  unit)


def shift(text: str, by: datetime.timedelta) -> str:
    """The same with all times of the incident moved."""
    begin = (TOLD if by > datetime.timedelta() else BEGIN).replace(tzinfo=None)

    def moved(stamp: re.Match) -> str:
        then = datetime.datetime.fromisoformat(stamp[0])
        is_of_it = abs(then - begin) < datetime.timedelta(minutes=30)
        return (then + by).isoformat() if is_of_it else stamp[0]

    return STAMP.sub(moved, text)


def ask(shipper: Shipper, arguments: list[str]) -> tuple[int, str]:
    """In the times of the story."""
    done = subprocess.run([program("podfence"), *(shift(one, BEGIN - TOLD) for one in arguments),
                           "--store", str(shipper.store)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60)
    return done.returncode, shift(done.stdout, TOLD - BEGIN)


def wait_told(shipper: Shipper, count: int) -> None:
    wait_until(lambda: shipper.query("SELECT count(*) FROM event WHERE kind=0") == [(count,)],
               f"{count} committed events")


def check_answers(check: tap.Tap, shipper: Shipper) -> None:
    for name, (arguments, expected) in QUESTIONS.items():
        status, text = ask(shipper, arguments)
        check_golden(check, name, (status, expected), text)


def check_plan(check: tap.Tap, shipper: Shipper) -> None:
    """What a policy would have done to what was recorded."""
    directory = shipper.directory
    items = [{"metadata": {"namespace": "prod", "name": name, "uid": name},
              "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}}
             for name in ("miner", "web")]
    (directory / "pods.json").write_text(json.dumps({"apiVersion": "v1", "kind": "PodList",
                                                     "items": items}))
    (directory / "podfence.yaml").write_text(yaml({"node": {"name": "n1"},
                                                   "default": {"mode": "deny",
                                                               "ceiling": "off"}}))
    (directory / "new.yaml").write_text(json.dumps(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
         "metadata": {"name": "pool", "namespace": "prod"},
         "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [
             {"to": [{"ipBlock": {"cidr": "203.0.113.8/30"}}], "ports": [{"port": 3333}]}]}}))
    os.chdir(directory)  # what is printed has no place of the test in it
    status, text = ask(shipper, ["plan", "new.yaml", "--config", "podfence.yaml", "--pods",
                                 "pods.json"])
    check_golden(check, "plan-replay", (status, 0), text.split("\nrules:")[0])


def check_golden(check: tap.Tap, name: str, statuses: tuple[int, int], text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    check.equal(statuses[0], statuses[1], f"{name}: exit status", text)
    check.equal(text, path.read_text() if path.exists() else "", f"{name}: text")


def check_formats(check: tap.Tap, shipper: Shipper, stored: list[dict]) -> None:
    status, text = ask(shipper, ["events", "-o", "jsonl", "--limit", "all"])
    check.equal((status, [json.loads(line) for line in text.splitlines()]), (0, stored),
                "jsonl: the events as they came")
    status, text = ask(shipper, ["events", "-o", "json", "--limit", "3"])
    answer = json.loads(text)
    check.equal((answer["kind"], answer["items"]), ("EventList", stored[-3:]),
                "json: one object, the newest three")
    status, text = ask(shipper, ["who", "203.0.113.9", "-o", "json"])
    sums = {(item["name"], item["action"]): (item["events"], item["packets"])
            for item in json.loads(text)["items"]}
    check.equal(sums, {("miner", "dropped"): (5, 5), ("web", "allowed"): (1, 1),
                       ("gone", "dropped"): (1, 1)}, "json: who, with counts")


def check_here(check: tap.Tap, shipper: Shipper, incident: Incident) -> None:
    """With an agent it is said who is still on the node; the same name with another uid is not."""
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        listed = json.loads(agent.podfence("pods", "-o", "json")[1])["items"][0]
        for uid in (listed["uid"], "of-one-before"):
            event = incident.event(listed["name"], "203.0.113.77", 443)
            event["kubernetes"]["namespace"] = listed["namespace"]
            event["kubernetes"]["pod"]["uid"] = uid
            incident.tell(event)
        wait_told(shipper, incident.seam.lines)
        status, text = ask(shipper, ["who", "203.0.113.77", "-o", "json", "--socket",
                                     str(agent.socket)])
        routed = next(pod for pod in lab.pods if pod.name == "routed")
        for _ in range(3):
            routed.call(traffic.udp_send, "203.0.113.77", 99)
        check.equal({item["uid"]: item["here"] for item in json.loads(text)["items"]},
                    {listed["uid"]: True, "of-one-before": False}, "who: which are still here")

        def live() -> list[dict]:
            answer = json.loads(ask(shipper, ["who", "203.0.113.0/24:99/udp", "-o", "json",
                                              "--socket", str(agent.socket)])[1])
            return [item for item in answer["items"] if item.get("live") == 3]

        found = wait_until(live, "what is live")
        check.equal([(item["name"], item["events"], item["port"]) for item in found],
                    [("routed", 0, 99)], "who: what no event tells of yet")
        status, text, _ = agent.podfence("who", "203.0.113.77", PODFENCE_STORE="/nonexistent")
        check.check(status == 0 and "the past is not known" in text and "routed" in text,
                    "who: without a store what is live", text)
        check.equal(agent.stop(), 0, "the agent ends")


def check_many(check: tap.Tap, shipper: Shipper, incident: Incident) -> None:
    """More than are held at once come once each, in order."""
    for _ in range(4):
        incident.tell(*[incident.event("busy", "198.51.100.9", 80) for _ in range(300)])
    wait_told(shipper, incident.seam.lines)
    status, text = ask(shipper, ["events", "busy", "-o", "jsonl", "--limit", "all"])
    numbers = [json.loads(line)["event"]["sequence"] for line in text.splitlines()]
    check.check(numbers == list(range(14, 1214)), "1,200 events, each once, in order",
                f"{len(numbers)} of them")
    status, text = ask(shipper, ["events", "busy", "--limit", "501", "--no-headers"])
    check.equal(len(text.splitlines()), 501, "as many as were asked for")


def check_follow(check: tap.Tap, shipper: Shipper, incident: Incident) -> None:
    with subprocess.Popen([program("podfence"), "events", "late", "-f", "-o", "jsonl", "--store",
                           str(shipper.store)], stdout=subprocess.PIPE,
                          preexec_fn=worker.die_with_parent) as following:
        os.set_blocking(following.stdout.fileno(), False)
        seen: list[bytes] = []

        def are_seen(count: int) -> bool:
            seen.extend((following.stdout.read() or b"").splitlines())
            return len(seen) >= count

        for count in range(1, 4):
            incident.tell(incident.event("late", "203.0.113.9", count),
                          incident.event("other", "203.0.113.9", count))
            wait_until(lambda count=count: are_seen(count), f"event {count} of the followed")
        time.sleep(1)
        are_seen(4)
        following.send_signal(signal.SIGINT)
    check.equal([json.loads(line)["destination"]["port"] for line in seen], [1, 2, 3],
                "followed: each once, as it comes, and nothing else")


def test(check: tap.Tap) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        seam, shipper = Seam(directory / "seam.sock"), Shipper(directory, [])
        status, text = ask(shipper, ["who", "203.0.113.9"])
        check.check(status == 3 and "podfence-ship keeps them" in text,
                    "without a store it is said who would make it", text)
        shipper.start()
        seam.accept()
        incident = Incident(seam)
        incident.happen()
        wait_told(shipper, seam.lines)
        stored = [json.loads(shift(line, TOLD - BEGIN)) for line, in
                  shipper.query("SELECT line FROM event WHERE kind=0 ORDER BY seq")]
        check.equal(len(stored), 11, "the incident is stored")
        check_answers(check, shipper)
        check_formats(check, shipper, stored)
        check_plan(check, shipper)
        check_here(check, shipper, incident)
        check_many(check, shipper, incident)
        check_follow(check, shipper, incident)
        check.equal(shipper.stop(), 0, "podfence-ship ends")
        check.equal(ask(shipper, ["events", "prod/miner"])[0], 0, "the past is told without it")


tap.main(test)
