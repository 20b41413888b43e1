# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The demo ends well, and every event of it is ECS: known fields of the right types."""
import pathlib
import subprocess
import sys
import tempfile

import common  # noqa: F401
import tap

ROOT = pathlib.Path(__file__).parents[2]


def run(*command: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True,
                          timeout=100)


def test(check: tap.Tap) -> None:
    with tempfile.TemporaryDirectory(prefix="podfence-test-") as directory:
        events = pathlib.Path(directory) / "events.jsonl"
        demo = run(ROOT / "deploy/demo.py", "--events", events)
        check.equal(demo.returncode, 0, "the demo exits 0", demo.stdout, demo.stderr)
        check.check("NOT AS EXPECTED" not in demo.stdout, "all rows are as expected", demo.stdout)
        ecs = run(ROOT / "tests/golden/ecs_check.py", events)
        check.equal(ecs.returncode, 0, "its events are ECS", ecs.stdout, ecs.stderr)


tap.main(test)
