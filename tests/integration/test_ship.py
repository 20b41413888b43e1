# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""podfence-ship between an agent that floods, goes and talks nonsense, and a receiver that does
everything wrong. The sums hold always: what was offered was stored, refused or is counted as lost;
what was stored was delivered, is in the table of the dead, was dropped and counted, or is for
others."""
import json
import pathlib
import signal
import tempfile

import common  # noqa: F401
import tap
from agent import wait_until
from receiver import Receiver
from shipper import Seam, Shipper, check_sum, ecs_offences

MISDEEDS = ["garbage", "big", "close", "cut", "later", "short", "half", "500", "429", "slow",
            "small", "too-large"]


def check_misdeeds(check: tap.Tap, shipper: Shipper, seam: Seam, receiver: Receiver) -> None:
    sent = seam.events(100)
    shipper.wait_settled("es")
    for misdeed in MISDEEDS:
        receiver.script.append(misdeed)
        before = receiver.requests
        sent += seam.events(60, destination="203.0.113.10")
        wait_until(lambda: receiver.requests > before, "a request")
        shipper.wait_settled("es")
        check.equal(set(receiver.documents) >= set(sent), True, f"{misdeed}: all got there")
    flows = {key for key, event in receiver.documents.items()
             if event["event"]["dataset"] == "podfence.flow"}
    check.equal(flows, set(sent), "each event once, under its id")
    check_sum(check, shipper, "es", "after misdeeds")


def check_poison(check: tap.Tap, shipper: Shipper, seam: Seam, receiver: Receiver) -> None:
    made = [seam.make() for _ in range(40)]
    identities = [json.loads(line)["event"]["id"] for line in made]
    receiver.poison, receiver.refused = {identities[7]}, {identities[20]}
    seam.send("\n".join(made))
    shipper.wait_stored(seam.lines)
    shipper.wait_settled("es")
    check.equal(set(identities) - set(receiver.documents), {identities[7], identities[20]},
                "only what is wrong is left out")
    dead = shipper.query("SELECT reason, line FROM dead WHERE output='es' ORDER BY seq")
    check.equal([json.loads(line)["event"]["id"] for _, line in dead],
                [identities[7], identities[20]], "and kept in the table of the dead")
    check.check("mapper_parsing_exception" in dead[1][0], "with the reason", dead[1][0])
    check.equal(shipper.said().count("for good"), 1, "one message for both")
    check_sum(check, shipper, "es", "after poison")


def check_hostile(check: tap.Tap, shipper: Shipper, seam: Seam) -> None:
    hostile = [b"", b"hello", b"[]", b'"text"', b"{}{}", b"\xff\xfe{", b'{"a":"\0"}',
               b"[" * 5000, b'{"a":' * 100 + b"1" + b"}" * 100, b"{" + b"x" * 500000]
    before = shipper.lines("refused")
    for line in hostile:
        seam.send(line)
    seam.lines += len(hostile)
    seam.events(1)
    shipper.wait_stored(seam.lines - before - len(hostile))
    check.equal(shipper.lines("refused") - before, len(hostile), "hostile lines are counted")
    odd = {"event": {"dataset": 7, "id": ["x"], "severity": -1}, "@timestamp": "yesterday",
           "destination": {"ip": "::::", "port": 1e99}, "kubernetes": None}
    seam.send(json.dumps(odd))
    seam.lines += 1
    shipper.wait_stored(seam.lines - len(hostile))
    check.equal(shipper.lines("refused") - before, len(hostile), "an odd object is no offence")


def check_loss(check: tap.Tap, shipper: Shipper, seam: Seam) -> None:
    seam.lines += 25  # which never come
    seam.state()
    wait_until(lambda: shipper.lines("lost-before") == 25, "the loss to be counted")
    seam.state()
    seam.leave()
    seam.accept()
    seam.events(5)
    seam.state()
    shipper.wait_stored(seam.lines - 25 - shipper.lines("refused"))
    check.equal(shipper.lines("lost-before"), 25, "what never came is counted once")


def check_kill(check: tap.Tap, shipper: Shipper, seam: Seam, receiver: Receiver) -> None:
    for _ in range(5):
        seam.events(500)
        shipper.stop(signal.SIGKILL)
        shipper.start()
        seam.accept()
    seam.state()
    seam.events(1)
    shipper.wait_stored(1)
    shipper.wait_settled("es")
    [(stored,)] = shipper.query("SELECT count(*) FROM event WHERE kind=0")
    [(lost,)] = shipper.query("SELECT value FROM counter WHERE name='lost-before'")
    refused = 10  # of the life before
    [(odd,)] = shipper.query("SELECT count(*) FROM event WHERE kind=3")
    check.equal(stored + odd + lost + refused, seam.lines,
                f"after kills: {stored + odd} stored + {lost} lost + {refused} refused")
    check_sum(check, shipper, "es", "after kills")
    check.equal(shipper.query("PRAGMA integrity_check"), [("ok",)], "the file is whole")
    again = receiver.duplicates
    print(f"# {again} events were sent twice and taken once")


def check_damage(check: tap.Tap, shipper: Shipper, seam: Seam) -> None:
    check.equal(shipper.stop(), 0, "told to end, it ends")
    seam.leave()
    (shipper.store / "events.db").write_bytes(b"no database at all" * 1000)
    shipper.start()
    seam.accept()
    wait_until(lambda: shipper.query("SELECT count(*) FROM event WHERE line LIKE "
                                     "'%store-set-aside%'") == [(1,)], "the event about it")
    check.equal(len(list(shipper.store.glob("events.db.damaged-*[0-9]"))), 1,
                "a damaged store is set aside")
    (shipper.store / "events.db").unlink()
    seam.events(3)
    wait_until(lambda: shipper.metric("podfence_store_set_aside_total") == 2, "a new store")
    seam.events(4)
    wait_until(lambda: (shipper.store / "events.db").exists() and
               shipper.query("SELECT count(*) FROM event WHERE kind=0")[0][0] >= 4, "events")
    check.check(True, "a store that was deleted is begun anew")


def check_ecs(check: tap.Tap, receiver: Receiver, copy: pathlib.Path) -> None:
    """All but the odd object, which has no id: what the agent says is passed on as it is."""
    documents = [event for key, event in receiver.documents.items() if not key.startswith("none-")]
    check.equal(ecs_offences(documents)[:5], [], f"ECS: {len(documents)} events at Elasticsearch")
    lines = [line for line in copy.read_text().splitlines() if '"yesterday"' not in line]
    check.equal(ecs_offences(lines)[:5], [], f"ECS: {len(lines)} lines in the file")
    datasets = {json.loads(line)["event"]["dataset"] for line in lines}
    check.equal(datasets, {"podfence.flow", "podfence.alert", "podfence.ship"},
                "of flows, of alerts and of the shipper itself")


def check_pages(check: tap.Tap, shipper: Shipper, seam: Seam) -> None:
    seam.state()
    wait_until(lambda: shipper.metric("podfence_enforcing") == 1, "the agent's numbers")
    check.equal(shipper.get("/livez")[0], 200, "/livez")
    status, text = shipper.get("/readyz")
    check.equal((status, text), (200, "ok\n"), "/readyz")
    check.equal(shipper.get("/healthz"), (200, "ok\n"), "/healthz: nothing is wrong")
    check.equal(shipper.get("/other")[0], 404, "nothing else is there")
    check.equal(shipper.metric('podfence_endpoints{coverage="enforced"}'), 3,
                "endpoints by coverage")


def test(check: tap.Tap) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        receiver = Receiver()
        seam = Seam(directory / "seam.sock")
        copy = directory / "copy.jsonl"
        shipper = Shipper(directory, [
            {"name": "es", "kind": "elasticsearch", "urls": [receiver.url], "timeoutSeconds": 2,
             "content": "all"},
            {"name": "copy", "kind": "file", "path": str(copy), "content": "all"}])
        shipper.start()
        seam.accept()
        check_misdeeds(check, shipper, seam, receiver)
        check_poison(check, shipper, seam, receiver)
        check_hostile(check, shipper, seam)
        check_loss(check, shipper, seam)
        check_pages(check, shipper, seam)
        check_kill(check, shipper, seam, receiver)
        shipper.wait_settled("copy")
        [(stored,)] = shipper.query("SELECT count(*) FROM event")
        check.equal(len({line for line in copy.read_text().splitlines()}), stored,
                    "the file has every event")
        check_damage(check, shipper, seam)
        shipper.wait_settled("copy")
        check_ecs(check, receiver, copy)
        check.equal(shipper.stop(), 0, "ends well")
        receiver.stop()


tap.main(test)
