# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The demo ends well, every event of it is ECS (known fields of the right types), and what README
shows of it is what it says."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import common  # noqa: F401
import tap

ROOT = pathlib.Path(__file__).parents[2]


def run(*command: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True,
                          timeout=100)


DIFFERS = (  # from run to run
    (re.compile(r"\n {7}(?=\S)"), " "),  # where the books are broken into lines
    (re.compile(r"(\?|python3), main {2,}"), "PROCESS "),  # whether it is found in time
    (re.compile(r"by .* in container main: .*"), "by PROCESS"),
    (re.compile(r"(?<![\w.:/])\d[\d,]*(?![\w.:/])"), "N"),
)


def alike(text: str) -> list[str]:
    for pattern, instead in DIFFERS:
        text = pattern.sub(instead, text)
    return [line.rstrip() for line in text.splitlines()]


def paths(value: object, path: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {path}
    return {one for key, item in value.items() for one in paths(item, f"{path}/{key}")}


def check_readme(check: tap.Tap, said: str, events: list[dict]) -> None:
    text = (ROOT / "README.md").read_text()
    shown = re.search(r"^    building podfence\n((?:    .*\n|\n)+)", text, re.M)[1]
    lines = alike("\n".join(line[4:] for line in shown.splitlines()))
    check.check(len(lines) > 25, "README shows the demo", len(lines))
    check.equal([line for line in lines if line not in {"", "...", *alike(said)}], [],
                "what README shows of the demo is what it says", said)
    example = json.loads(re.search(r"^An event, shortened:\n\n((?:    .*\n)+)", text, re.M)[1])
    event = next(one for one in events if one["event"]["action"] == "dropped" and
                 one["kubernetes"]["pod"] == example["kubernetes"]["pod"])
    if "pid" not in event.get("process", {}):  # a busy machine: not found in time
        example["process"] = {}
    check.equal(paths(example) - paths(event), set(), "and its event has these fields")


def test(check: tap.Tap) -> None:
    with tempfile.TemporaryDirectory(prefix="podfence-test-") as directory:
        events = pathlib.Path(directory) / "events.jsonl"
        demo = run(ROOT / "deploy/demo.py", "--events", events)
        check.equal(demo.returncode, 0, "the demo exits 0", demo.stdout, demo.stderr)
        check.check("NOT AS EXPECTED" not in demo.stdout, "all rows are as expected", demo.stdout)
        check_readme(check, demo.stdout, [json.loads(one) for one in
                                          events.read_text().splitlines()])
        ecs = run(ROOT / "tests/golden/ecs_check.py", events)
        check.equal(ecs.returncode, 0, "its events are ECS", ecs.stdout, ecs.stderr)


tap.main(test)
