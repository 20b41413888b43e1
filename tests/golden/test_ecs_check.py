#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The golden event lines pass the ECS check, and the check finds what is planted in them. TAP."""

import copy
import json
import pathlib
import sys

import ecs_check

HERE = pathlib.Path(__file__).resolve().parent

# What is planted, and what the check has to say about it.
PLANTED = [
    ("event.nosuch", "x", "event.nosuch: unknown field"),
    ("podfence.nosuch", 1, "podfence.nosuch: unknown field"),
    ("kubernetes.pod.nosuch", "x", "kubernetes.pod.nosuch: unknown field"),
    ("nosuch", "x", "nosuch: unknown field"),
    ("network.iana_number", 6, "network.iana_number: 6 is not of type keyword"),
    ("event.sequence", "1", "event.sequence: '1' is not of type long"),
    ("event.severity", True, "event.severity: True is not of type long"),
    ("podfence.metadata", "false", "podfence.metadata: 'false' is not of type boolean"),
    ("source.ip", "10.0.0", "source.ip: '10.0.0' is not of type ip"),
    ("source.ip", "2001:DB8::1", "source.ip: '2001:DB8::1' is not of type ip"),
    ("source.mac", "0a:58:0a:14:1e:29",
     "source.mac: '0a:58:0a:14:1e:29' is not written as RFC 7042 says"),
    ("event.category", "network", "event.category: has to be an array"),
    ("event.kind", ["event"], "event.kind: may not be an array"),
    ("related.ip", [], "related.ip: empty array"),
    ("event.type", ["connection", "dropped"],
     "event.type: 'dropped' is not one of the allowed values"),
    ("event.type", ["deletion"], "event.type: 'deletion' is not expected with category 'network'"),
    ("event.kind", "drop", "event.kind: 'drop' is not one of the allowed values"),
    ("event.outcome", "blocked", "event.outcome: 'blocked' is not one of the allowed values"),
    ("@timestamp", "2026-11-23 15:53:17", "@timestamp: '2026-11-23 15:53:17' is not of type date"),
    ("event.id", None, "event.id: missing"),
    ("message", None, "message: missing"),
]

number = 0
failed = 0


def check(is_good, name, *details):
    global number, failed
    number += 1
    failed += not is_good
    print(f"{'ok' if is_good else 'not ok'} {number} - {name}")
    for detail in details if not is_good else ():
        print(f"# {detail}")


def plant(event, name, value):
    """The field set, or removed where value is None."""
    changed = copy.deepcopy(event)
    *parents, leaf = name.split(".")
    place = changed
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is None:
        del place[leaf]
    else:
        place[leaf] = value
    return changed


def main():
    fields, values = ecs_check.fields_read(), ecs_check.values_read()
    golden = sorted((HERE / "events").glob("*.json"))
    check(len(golden) > 10, "there are golden lines")
    for path in golden:
        lines = path.read_text(encoding="utf-8").splitlines()
        wrong = ecs_check.line_check(fields, values, lines[0]) if lines else ["empty"]
        check(len(lines) == 1 and not wrong, path.name, *wrong)

    event = json.loads((HERE / "events" / "drop-tcp.json").read_text(encoding="utf-8"))
    for name, value, expected in PLANTED:
        wrong = ecs_check.line_check(fields, values, json.dumps(plant(event, name, value)))
        check(expected in wrong, f"finds: {expected}", *wrong)
    for line, expected in (("{", "not JSON"), ("[]", "not an object"),
                           ('{"a":1,"a":2}', "stands twice"), ('{"message":"x"}', "begins with")):
        wrong = ecs_check.line_check(fields, values, line)
        check(any(expected in text for text in wrong), f"finds: {expected}", *wrong)
    print(f"1..{number}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
