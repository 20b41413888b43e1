# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Manual pages: mandoc has nothing to say, and they know every command, option and key."""
import pathlib
import re
import subprocess
import sys

import source

# Which manuals the machine has says nothing about the page.
ABOUT_OTHERS = re.compile("referenced manual not found|outdated mandoc.db")
*GENERATED, SHIP_SAMPLE = [pathlib.Path(one) for one in sys.argv[2:]]


def named_in(path: str, pattern: str) -> list[str]:
    return re.findall(pattern, (source.ROOT / path).read_text(), re.M)


def lint(check: source.tap.Tap) -> None:
    pages = [*source.files("*.[1-9]", below=("man",)), *GENERATED]
    check.equal(sorted(page.name for page in pages),
                ["podfence-ship.8", "podfence-ship.yaml.5", "podfence.8", "podfence.yaml.5",
                 "podfenced.8"], "the pages are there")
    text = {page.name: page.read_text() for page in pages}
    for page in pages:
        done = subprocess.run(["mandoc", "-Tlint", str(page)], capture_output=True, text=True)
        said = [line for line in done.stdout.splitlines() if not ABOUT_OTHERS.search(line)]
        check.equal(said, [], f"{page.name} passes mandoc -Tlint")
    for command in named_in("agent/cli/commands.c", r'^\t\{"(\w+)", "[^"]*", \d'):
        check.check(re.search(rf"^\.It Cm {command}\b", text["podfence.8"], re.M),
                    f"podfence.8 knows {command}")
    for option in named_in("agent/podfenced.c", r'^\t\t\{"(\w+)", \w+_argument'):
        check.check(f".It Fl -{option}" in text["podfenced.8"], f"podfenced.8 knows --{option}")
    for key in named_in("agent/config/schema.c", r'^\t\{"([\w.]+)", SCHEMA_'):
        item = rf"^\.It Ic (\S+\[\]\.)?{re.escape(key)}$"
        check.check(re.search(item, text["podfence.yaml.5"], re.M),
                    f"podfence.yaml.5 knows {key}")
    for option in named_in("agent/podfence-ship.c", r'^\t\t\{"([\w-]+)", \w+_argument'):
        check.check(f".It Fl -{option}" in text["podfence-ship.8"],
                    f"podfence-ship.8 knows --{option}")
    for key in named_in("agent/ship/config.c", r'^\t\{"([\w.]+)", SHIP_'):
        check.check(f".It Ic {key}\n" in text["podfence-ship.yaml.5"],
                    f"podfence-ship.yaml.5 knows {key}")
        check.check(re.search(rf"^[# ]*{key.split('.')[-1]}:", SHIP_SAMPLE.read_text(), re.M),
                    f"the sample of podfence-ship.yaml has {key}")


source.main(lint, "mandoc")
