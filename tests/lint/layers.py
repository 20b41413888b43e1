# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Includes go one way: a file includes its own folder and those that stand below it in
MAY_INCLUDE."""
import pathlib
import re

import source

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<(podfence/[^>]+)>)', re.M)
ANYTHING = "anything"

# Folder (of agent/, or top-level) -> what it may include beside itself. A name with a slash is one
# header. <podfence/...> is "include".
MAY_INCLUDE: dict[str, set[str] | str] = {
    "include": set(),
    "nft": {"include"},
    "base": {"include"},
    "config": {"include", "base", "kube/selector.h", "kube/selector_text.h"},
    "http": {"include", "base"},
    "kube": {"include", "base", "http"},
    "node": {"include", "base"},
    "inventory": {"include", "base", "config", "kube", "node"},
    "policy": {"include", "base", "config", "kube", "node", "inventory"},
    "compile": {"include", "base", "config", "kube", "node", "inventory", "policy"},
    "culprit": {"include", "base", "node", "privilege"},
    "event": {"include", "base", "culprit", "kube", "node", "inventory", "policy",
              "compile/rulebook.h"},
    "ledger": {"include", "base", "compile/ledger_set.h", "compile/rulebook.h"},
    "control": {"include", "base", "event", "inventory", "compile/rulebook.h"},
    "privilege": {"include"},
    "ship": {"include", "base", "http", "event", "privilege"},
    "daemon": ANYTHING,
    "cli": ANYTHING,
    "main": ANYTHING,  # agent/*.c
}
GENERATED = "podfence-config.h"


def folder_of(path: pathlib.Path) -> str:
    parts = path.relative_to(source.ROOT).parts
    if parts[0] != "agent":
        return parts[0]
    return parts[1] if len(parts) > 2 else "main"


def wrong_includes(path: pathlib.Path) -> list[str]:
    folder = folder_of(path)
    allowed = MAY_INCLUDE[folder]
    wrong = []
    for quoted, public in INCLUDE.findall(path.read_text()):
        header = quoted or public
        target = "include" if public else header.split("/")[0] if "/" in header else folder
        if header == GENERATED or target == folder or allowed == ANYTHING:
            continue
        if target not in allowed and header not in allowed:
            wrong.append(header)
    return wrong


def lint(check: source.tap.Tap) -> None:
    for path in source.files("*.c", "*.h", below=("include", "nft", "agent")):
        folder = folder_of(path)
        if check.check(folder in MAY_INCLUDE, f"{source.name(path)} is in a folder with a place",
                       f"{folder} is not in the table of this lint"):
            check.equal(wrong_includes(path), [], f"{source.name(path)} includes what is below it")


source.main(lint)
