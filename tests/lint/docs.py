# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Documents: docs/configuration.md is what the schemas say, docs/events.md knows every field of the
golden events, and links within the tree lead somewhere."""
import json
import pathlib
import re
import sys
from collections.abc import Iterator

import source

GENERATED = pathlib.Path(sys.argv[2])
LINK = re.compile(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.M)
NAMED = re.compile(r"`([a-z@_]+(?:\.[a-z_*]+)*)`")


def fields(value: object, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from fields(item, f"{path}.{key}" if path else key)
    else:
        yield path


def places(path: pathlib.Path) -> set[str]:
    """Of headings, as they are named in links."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
            for heading in HEADING.findall(path.read_text())}


def leads_somewhere(path: pathlib.Path, link: str, place: str) -> bool:
    target = path.parent / link if link else path
    return target.exists() and (not place or place in places(target))


def lint(check: source.tap.Tap) -> None:
    text = (source.ROOT / "docs/configuration.md").read_text()
    check.equal(text, GENERATED.read_text(),
                "docs/configuration.md is what the schemas say (ninja configuration-md)")
    named = set(NAMED.findall((source.ROOT / "docs/events.md").read_text()))
    known = tuple(name.removesuffix("*") for name in named if name.endswith(".*"))
    for path in source.files("*.json", below=("tests/golden/events",)):
        missing = [name for name in fields(json.loads(path.read_text()))
                   if name not in named and not name.startswith(known)]
        check.equal(missing, [], f"docs/events.md knows the fields of {source.name(path)}")
    for path in source.files("*.md"):
        wrong = [link for link in LINK.findall(path.read_text())
                 if not leads_somewhere(path, *link)]
        check.equal(wrong, [], f"the links of {source.name(path)} lead somewhere")


source.main(lint)
