# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What `podfence check` says: of each directory in check/ all that it prints and its status, of the
shipped policies and of each example in the documents that they are good. TAP.

UPDATE_GOLDEN=1 writes check/*/expected anew."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))

import tap  # noqa: E402

PODFENCE = str(pathlib.Path(sys.argv[1]).resolve())
FENCE = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)


def run(directory: pathlib.Path, *names: str) -> str:
    done = subprocess.run([PODFENCE, "check", *names], cwd=directory, capture_output=True,
                          text=True, check=False)
    return f"{done.stdout}{done.stderr}status {done.returncode}\n"


def golden(check: tap.Tap) -> None:
    for directory in sorted((ROOT / "tests/golden/check").iterdir()):
        names = sorted(path.name for path in directory.iterdir() if path.name != "expected")
        said, expected = run(directory, *names), directory / "expected"
        if os.environ.get("UPDATE_GOLDEN"):
            expected.write_text(said)
        check.equal(said, expected.read_text(), f"{directory.name} says what it said")


def shipped(check: tap.Tap) -> None:
    directory = ROOT / "deploy/policies"
    names = sorted(path.name for path in directory.glob("*.yaml"))
    said = run(directory, *names)
    check.check(names and said.endswith("status 0\n"), "the shipped policies are good together",
                said)


def documented(check: tap.Tap, name: str) -> None:
    examples = FENCE.findall((ROOT / "docs" / name).read_text())
    check.check(examples, f"{name} has examples")
    with tempfile.TemporaryDirectory() as directory:
        for number, text in enumerate(examples, 1):
            path = pathlib.Path(directory, f"example-{number}.yaml")
            path.write_text(text)
            said = run(path.parent, path.name)
            check.check(said.endswith("status 0\n"), f"{name}: example {number} is good", said)


def main() -> int:
    check = tap.Tap()
    golden(check)
    shipped(check)
    documented(check, "policies.md")
    print(f"1..{check.count}")
    return check.failed > 0


if __name__ == "__main__":
    sys.exit(main())
