# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Every file speaks of the project: no path of somebody's machine, no mark of unfinished work, and
the two licence lines where a file can carry them."""
import re

import source

# Written so that this file does not find itself.
WRONG = {
    "a path of a developer's machine": re.compile(r"/(?:home/[a-z]|root/|work/|tmp/x\b)"),
    "a mark of unfinished work": re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b"),
}
TEXT = ("*.c", "*.h", "*.py", "*.sh",
        "*.md", "*.build", "*.txt", "*.yaml", "*.service", "*.conf", "*.mjs")
LICENSED = ("*.c", "*.h", "*.py", "*.sh", "*.mjs")


def lint(check: source.tap.Tap) -> None:
    for path in source.files(*TEXT):
        text = path.read_text(errors="replace")
        for what, pattern in WRONG.items():
            found = [f"{number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1)
                     if pattern.search(line)] if path.name != "text.py" else []
            check.equal(found, [], f"{source.name(path)} has no {what.removeprefix('a ')}")
    for path in source.files(*LICENSED):
        head = path.read_text(errors="replace")[:400]
        check.check("SPDX-License-Identifier: GPL-2.0-or-later" in head and
                    "SPDX-FileCopyrightText: podfence authors" in head,
                    f"{source.name(path)} carries its licence")


source.main(lint)
