#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""`podfence who` over a store of many events beside a jq scan of the same events as JSON lines. Of
every 5,000 events one goes to the address that is asked for.

    who.py BUILD-DIRECTORY [EVENTS, else 500000]
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["PODFENCE_BUILD"] = str(pathlib.Path(sys.argv[1]).resolve())
TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "lib"), str(TESTS / "golden")]
from agent import program, wait_until  # noqa: E402
from shipper import Seam, Shipper  # noqa: E402

ASKED = "203.0.113.9"
EVERY = 5000
PIECE = 2000
ROUNDS = 5


def lines(seam: Seam, first: int, count: int) -> list[str]:
    made = []
    for number in range(first, first + count):
        to = ASKED if number % EVERY == 0 else f"198.51.{number // 250 % 100}.{number % 250}"
        made.append(seam.make(f"pod-{number % 97}", to))
    return made


def fill(shipper: Shipper, seam: Seam, path: pathlib.Path, count: int) -> None:
    with path.open("w") as file:
        for first in range(0, count, PIECE):
            piece = lines(seam, first, min(PIECE, count - first))
            file.write("\n".join(piece) + "\n")
            seam.send("\n".join(piece))
            wait_until(lambda: shipper.lines("stored") > seam.lines - 3 * PIECE, "the store", 60)
    wait_until(lambda: shipper.query("SELECT count(*) FROM event WHERE kind=0") == [(count,)],
               "the last commit", 60)


def measure(command: list[str], expected: int, count_of) -> tuple[float, list[float]]:
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        times.append(1000 * (time.perf_counter() - begin))
        found = count_of(done.stdout)
        if found != expected:
            raise SystemExit(f"{command[0]}: {found} events instead of {expected}: {done.stderr}")
    return statistics.median(times), times


def main() -> None:
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 500000
    expected = len(range(0, count, EVERY))
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        directory = pathlib.Path(name)
        seam = Seam(directory / "seam.sock")
        shipper = Shipper(directory, [], store={"directory": str(directory / "store"),
                                                "maxMebibytes": 65536, "maxHours": 87600})
        shipper.start()
        seam.accept()
        path = directory / "events.jsonl"
        fill(shipper, seam, path, count)
        shipper.stop()
        who, who_times = measure(
            [program("podfence"), "who", ASKED, "-o", "json", "--store", str(shipper.store)],
            expected, lambda text: sum(item["events"] for item in json.loads(text)["items"]))
        jq, jq_times = measure(
            ["jq", "-c", f'select(.destination.ip=="{ASKED}")', str(path)], expected,
            lambda text: len(text.splitlines()))
        size = (shipper.store / "events.db").stat().st_size
        print(f"{count} events, {size / count:.0f} bytes each in the store, "
              f"{expected} of them to {ASKED}")
        for title, median, times in (("podfence who", who, who_times), ("jq", jq, jq_times)):
            print(f"{title:<13} median {median:9.1f} ms   ({min(times):.1f} to {max(times):.1f})")
        print(f"podfence who takes 1/{jq / who:.0f} of jq")


main()
