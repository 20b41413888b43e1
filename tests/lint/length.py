# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""No function of the product is longer than 80 lines, and nine of ten have at most 50. Tables are
no functions."""
import json
import subprocess

import source

LONGEST, USUAL = 80, 50


def functions() -> list[tuple[int, str]]:
    """(lines, place) of each function."""
    paths = [str(path) for path in source.files("*.c", below=("agent", "nft"))]
    output = subprocess.run(["ctags", "--languages=C", "--kinds-C=f", "--fields=+ne",
                             "--output-format=json", "-f", "-", *paths],
                            capture_output=True, text=True, check=True).stdout
    tags = [json.loads(line) for line in output.splitlines()]
    return sorted((tag["end"] - tag["line"] + 1, f"{tag['path']}:{tag['line']} {tag['name']}")
                  for tag in tags if "end" in tag)


def lint(check: source.tap.Tap) -> None:
    found = functions()
    check.check(found, f"{len(found)} functions found")
    check.equal([one for one in found if one[0] > LONGEST], [], f"none is above {LONGEST} lines")
    if found:
        length, place = found[len(found) * 9 // 10]
        check.check(length <= USUAL, f"nine of ten have at most {USUAL} lines", length, place)


source.main(lint, "ctags")
