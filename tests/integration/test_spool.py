# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The store of podfence-ship under stress: a full disk, a store that is deleted or damaged while
it is used, a receiver that is away until the bound is reached, clocks that jump. What came in is
stored or counted; what was stored is delivered, dead, dropped and counted, or filtered."""
import contextlib
import json
import pathlib
import signal
import sqlite3
import tempfile
import time

import common  # noqa: F401
import netns
import tap
from agent import wait_until
from receiver import Receiver
from shipper import Seam, Shipper, check_sum


class Spool:
    """A shipper whose only receiver can be away."""

    def __init__(self, directory: pathlib.Path, **sections: dict) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.receiver, self.stores_lost = Receiver(), 0
        self.seam = Seam(directory / "seam.sock")
        self.shipper = Shipper(directory, [
            {"name": "es", "kind": "elasticsearch", "urls": [self.receiver.url],
             "timeoutSeconds": 2, "content": "all", "batchEvents": 200},
            {"name": "flows", "kind": "file", "path": str(directory / "flows.jsonl"),
             "actions": ["rejected"]}], **sections)
        self.shipper.start()
        self.seam.accept()

    def wait_taken(self) -> None:
        """Until all that was sent is stored or counted."""
        def taken() -> bool:
            self.seam.state()
            return sum(self.shipper.lines(outcome) for outcome in
                       ("stored", "refused", "lost-before", "lost-store")) >= self.seam.lines

        wait_until(taken, "all lines")

    def check_lines(self, check: tap.Tap, when: str) -> dict[str, int]:
        lines = {outcome: self.shipper.lines(outcome)
                 for outcome in ("stored", "refused", "lost-before", "lost-store")}
        check.equal(sum(lines.values()), self.seam.lines,
                    f"{when}: " + " + ".join(f"{count} {what}" for what, count in lines.items()) +
                    f" = {self.seam.lines} produced")
        return lines

    def end(self, check: tap.Tap) -> None:
        self.receiver.usual = "good"
        self.shipper.wait_settled("es")
        check_sum(check, self.shipper, "es", "in the end")
        check_sum(check, self.shipper, "flows", "and of an output that wants none of it")
        given, books = self.shipper.books("es")
        at_receiver = len(self.receiver.documents)
        # A request that was under way when the store went may have been taken.
        check.check(0 <= at_receiver - books["delivered"] <= 200 * self.stores_lost,
                    f"{books['delivered']} delivered are at the receiver, of {given}", at_receiver)
        check.equal(self.shipper.stop(), 0, "ends well")
        self.receiver.stop()


def check_full_disk(check: tap.Tap, directory: pathlib.Path) -> None:
    disk = directory / "disk"
    disk.mkdir()
    netns.run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk))
    spool = Spool(directory / "full", store={"directory": str(disk / "store")})
    shipper, seam = spool.shipper, spool.seam
    shipper.store = disk / "store"
    seam.events(100)
    shipper.wait_settled("es")
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)
    for _ in range(40):
        seam.events(100)
    spool.wait_taken()
    lines = spool.check_lines(check, "a full disk")
    check.check(lines["lost-store"] > 0, f"{lines['lost-store']} events found no room")
    time.sleep(7)  # commits of nothing in between prove nothing, and a try finds no room
    status, text = shipper.get("/readyz")
    check.check(status == 503 and "full" in text, "/readyz says why", text)
    check.equal(shipper.get("/livez")[0], 200, "but it lives")
    filler.unlink()
    wait_until(lambda: shipper.get("/readyz") == (200, "ok\n"), "/readyz without an event")
    check.check(True, "with room again it is ready before anything comes")
    before = shipper.lines("stored")
    wait_until(lambda: seam.events(10) and shipper.lines("stored") > before + 50, "room again")
    spool.wait_taken()
    spool.check_lines(check, "with room again")
    check.equal(shipper.query("SELECT count(*) FROM counter WHERE name=''"), [(0,)],
                "what it tried with is gone")
    check.equal(shipper.query("PRAGMA integrity_check"), [("ok",)], "the file is whole")
    spool.end(check)
    netns.run("umount", "--lazy", str(disk))


def check_ready(check: tap.Tap, directory: pathlib.Path) -> None:
    """Ready is who can store events: receivers and podfenced may be away. Of a DaemonSet all pods
    would be unready at once, and a rollout replaces these first."""
    spool = Spool(directory / "ready")
    shipper, seam = spool.shipper, spool.seam
    seam.state()
    wait_until(lambda: shipper.get("/healthz") == (200, "ok\n"), "/healthz to be content")
    spool.receiver.usual = "close"
    spool.receiver.stop()
    seam.events(10)
    text = wait_until(lambda: "output es: " in shipper.get("/healthz")[1] and
                      shipper.get("/healthz")[1], "/healthz to name the output")
    check.equal(shipper.metric('podfence_output_up{output="es"}'), 0,
                f"a dead receiver is told in /healthz and metrics: {text.strip()}")
    check.equal(shipper.get("/readyz"), (200, "ok\n"), "and leaves it ready")
    seam.listener.close()
    seam.leave()
    wait_until(lambda: "not connected to podfenced" in shipper.get("/healthz")[1], "the loss")
    check.equal(shipper.get("/readyz"), (200, "ok\n"), "so does a podfenced that is gone")
    check.equal(shipper.stop(), 0, "ends well")


def check_deleted(check: tap.Tap, directory: pathlib.Path) -> None:
    spool = Spool(directory / "deleted")
    shipper, seam = spool.shipper, spool.seam
    seam.events(300)
    shipper.wait_settled("es")
    spool.receiver.usual = "later"
    seam.events(500)
    spool.wait_taken()
    for number, spoil in enumerate((unlink, overwrite), 1):
        for _ in range(25):  # more than is kept in memory
            seam.events(200)
        spool.wait_taken()
        spoil(shipper.store / "events.db")
        spool.stores_lost += 1
        spool.receiver.usual = "good"
        wait_until(lambda: seam.events(20) and
                   shipper.metric("podfence_store_set_aside_total") == number,
                   f"a new store after {spoil.__name__}")
        spool.receiver.usual = "later"
        seam.events(200)
        spool.wait_taken()
        check_sum(check, shipper, "es", f"{spoil.__name__} while it was used")
    check.check(shipper.books("es")[1]["dropped"] >= 200, "what was not delivered is counted")
    spool.check_lines(check, "in all")
    [(events,)] = shipper.query("SELECT count(*) FROM event WHERE line LIKE '%store-set-aside%'")
    check.equal(events, 1, "the new store begins with an event about it")
    spool.end(check)


def unlink(path: pathlib.Path) -> None:
    for part in path.parent.glob("events.db*"):
        part.unlink()


def overwrite(path: pathlib.Path) -> None:
    """Pages of the middle, not the header: it opens, and is found out by use."""
    with path.open("r+b") as stream:
        size = stream.seek(0, 2)
        stream.seek(4096)
        stream.write(b"\xa5" * max(size - 4096, 65536))


def check_bound(check: tap.Tap, directory: pathlib.Path) -> None:
    """The receiver is away until the oldest have to go; killed and started in between."""
    spool = Spool(directory / "bound", store={"maxMebibytes": 8})
    shipper, seam = spool.shipper, spool.seam
    spool.receiver.usual = "later"
    for number in range(60):
        seam.events(200)
        if number == 30:
            spool.wait_taken()
            shipper.stop(signal.SIGKILL)
            shipper.start()
            seam.accept()
            seam.lines, seam.agent = 0, "bbbbbbbbbbbbbbbb"
            seam.leave()
            seam.accept()
    spool.wait_taken()
    wait_until(lambda: shipper.metric("podfence_store_bytes") <= 8 << 20, "the bound")
    given, books = shipper.books("es")
    dropped = shipper.output("es")["dropped"]
    check.check(dropped > 1000, f"the oldest went and are counted: {dropped} of {given}", books)
    spool.check_lines(check, "of this life")
    spool.end(check)


def check_clock(check: tap.Tap, directory: pathlib.Path) -> None:
    """Lines from another time are kept as they are, and do not make others old."""
    spool = Spool(directory / "clock")
    shipper, seam = spool.shipper, spool.seam
    seam.events(50)
    for when in ("2100-01-01T00:00:00.000000Z", "1980-01-01T00:00:00.000000Z", "yesterday"):
        event = json.loads(seam.make())
        event["@timestamp"] = when
        seam.send(json.dumps(event))
        seam.events(50)
    spool.wait_taken()
    shipper.wait_settled("es")
    wait_until(lambda: shipper.metric("podfence_store_evicted_total") == 0 and
               shipper.lines("stored") == seam.lines, "all of them")
    with sqlite3.connect(f"file:{shipper.store}/events.db?mode=ro", uri=True) as database:
        [(years,)] = database.execute("SELECT count(DISTINCT time / 31556952000000) FROM event "
                                      "WHERE line LIKE '%2100-%' OR line LIKE '%1980-%'").fetchall()
    check.equal(years, 1, "an impossible time is that of its arrival, in the index")
    kept = {event["@timestamp"] for event in spool.receiver.documents.values()}
    check.check({"2100-01-01T00:00:00.000000Z", "yesterday"} <= kept, "the line is as it came")
    check.equal(shipper.metric("podfence_store_evicted_total"), 0, "nothing was evicted")
    spool.end(check)


def test(check: tap.Tap) -> None:
    netns.enter_private()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        directory = pathlib.Path(name)
        check_full_disk(check, directory)
        check_ready(check, directory)
        check_deleted(check, directory)
        check_bound(check, directory)
        check_clock(check, directory)


tap.main(test)
