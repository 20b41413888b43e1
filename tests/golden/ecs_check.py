#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Checks event lines against ECS: every leaf is a known field of the right type.

usage: ecs_check.py FILE...

Each FILE holds one JSON object a line. Exit 0: all lines are good; 1: the offending lines and
fields are named; 2: usage, or a file or reference cannot be read. An empty file is an offence
too: a check of nothing proves nothing.

A field is known if it is in ecs-fields.csv, or in EXTRA below: kubernetes.* as Filebeat writes it,
data_stream.* as shippers write it, podfence.* as we do.
"""

import csv
import ipaddress
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent

# name: (type, whether it is always an array). A name that ends in ".*" stands for all below it.
EXTRA = {
    "data_stream.type": ("keyword", False),
    "data_stream.dataset": ("keyword", False),
    "data_stream.namespace": ("keyword", False),
    "kubernetes.namespace": ("keyword", False),
    "kubernetes.namespace_uid": ("keyword", False),
    "kubernetes.namespace_labels.*": ("keyword", False),
    "kubernetes.namespace_annotations.*": ("keyword", False),
    "kubernetes.pod.name": ("keyword", False),
    "kubernetes.pod.uid": ("keyword", False),
    "kubernetes.pod.ip": ("ip", False),
    "kubernetes.node.name": ("keyword", False),
    "kubernetes.node.uid": ("keyword", False),
    "kubernetes.node.hostname": ("keyword", False),
    "kubernetes.node.labels.*": ("keyword", False),
    "kubernetes.container.name": ("keyword", False),
    "kubernetes.labels.*": ("keyword", False),
    "kubernetes.annotations.*": ("keyword", False),
    "kubernetes.deployment.name": ("keyword", False),
    "kubernetes.replicaset.name": ("keyword", False),
    "kubernetes.statefulset.name": ("keyword", False),
    "kubernetes.daemonset.name": ("keyword", False),
    "kubernetes.job.name": ("keyword", False),
    "kubernetes.cronjob.name": ("keyword", False),
    "podfence.attribution": ("keyword", False),
    "podfence.flow.id": ("keyword", False),
    "podfence.flow.state": ("keyword", False),
    "podfence.flow.packets_total": ("long", False),
    "podfence.flow.bytes_total": ("long", False),
    "podfence.flow.detail": ("boolean", False),
    "podfence.flow.overflow": ("boolean", False),
    "podfence.process.attribution": ("keyword", False),
    "podfence.process.at_flow_start": ("boolean", False),
    "podfence.process.holders": ("long", False),
    "podfence.socket.remote.ip": ("ip", False),
    "podfence.socket.remote.port": ("long", False),
    "podfence.endpoint.kind": ("keyword", False),
    "podfence.endpoint.index": ("long", False),
    "podfence.endpoint.name": ("keyword", False),
    "podfence.endpoint.group": ("keyword", False),
    "podfence.cgroup.path": ("keyword", False),
    "podfence.policy.kind": ("keyword", False),
    "podfence.policy.namespace": ("keyword", False),
    "podfence.policy.name": ("keyword", False),
    "podfence.policy.tier": ("keyword", False),
    "podfence.policy.rule.index": ("long", False),
    "podfence.policy.rule.name": ("keyword", False),
    "podfence.policy.origin": ("keyword", False),
    "podfence.cgroup.id": ("keyword", False),
    "podfence.link.in": ("keyword", False),
    "podfence.link.in_index": ("long", False),
    "podfence.link.out": ("keyword", False),
    "podfence.link.out_index": ("long", False),
    "podfence.link.port": ("keyword", False),
    "podfence.link.port_index": ("long", False),
    "podfence.metadata": ("boolean", False),
    "podfence.midstream": ("boolean", False),
    "podfence.fragment": ("boolean", False),
    "podfence.truncated": ("boolean", False),
    "podfence.packet_error": ("keyword", False),
    "podfence.icmp.type": ("long", False),
    "podfence.icmp.code": ("long", False),
    "podfence.tcp.flags": ("keyword", True),
    "podfence.alert.state": ("keyword", False),
    "podfence.alert.fingerprint": ("keyword", False),
    "podfence.alert.number": ("long", False),
    "podfence.alert.events": ("long", False),
    "podfence.alert.events_total": ("long", False),
    "podfence.alert.packets_total": ("long", False),
}

# What no line may lack, whatever its packet was.
REQUIRED = (
    "@timestamp", "log.level", "message", "ecs.version", "event.id", "event.kind",
    "event.category", "event.type", "event.action", "event.outcome", "event.module",
    "event.dataset", "event.sequence", "event.created", "host.name", "observer.type",
)
# What no line of a flow may lack beside it.
REQUIRED_OF_FLOWS = ("network.direction", "rule.name", "rule.category", "podfence.attribution")

REQUIRED_OF_ALERTS = ("network.direction", "event.start", "event.end", "podfence.alert.state",
                      "podfence.alert.fingerprint", "podfence.alert.events_total")
REQUIRED_OF = {"podfence.flow": REQUIRED_OF_FLOWS, "podfence.alert": REQUIRED_OF_ALERTS}

# ecs-logging: collectors that read only the beginning of a line find these there.
FIRST = ("@timestamp", "log.level", "message", "ecs.version")

MAC = re.compile(r"[A-F0-9]{2}(-[A-F0-9]{2}){5,}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}Z")


def is_text(value):
    return isinstance(value, str)


def is_long(value):
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def is_float(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_ip(value):
    try:
        return is_text(value) and str(ipaddress.ip_address(value)) == value
    except ValueError:
        return False


TYPES = {
    "keyword": is_text, "constant_keyword": is_text, "wildcard": is_text,
    "match_only_text": is_text, "text": is_text, "flattened": is_text, "object": is_text,
    "long": is_long, "float": is_float, "scaled_float": is_float,
    "boolean": lambda value: isinstance(value, bool),
    "ip": is_ip,
    "date": lambda value: is_text(value) and DATE.fullmatch(value) is not None,
}


def fields_read():
    fields = {}
    with open(HERE / "ecs-fields.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            fields[row["Field"]] = (row["Type"], row["Normalization"] == "array")
            if row["Type"] in ("object", "flattened"):
                fields[row["Field"] + ".*"] = ("keyword", False)
    return fields | EXTRA


def values_read():
    with open(HERE / "ecs-event-values.json", encoding="utf-8") as file:
        values = json.load(file)
    return {name: known for name, known in values.items() if isinstance(known, dict)}


def leaves(value, name=""):
    """Every (dotted name, value) below an object; an array is a leaf."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{name}.{key}" if name else key)
    else:
        yield name, value


def field_find(fields, name):
    if name in fields:
        return fields[name]
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        parent = ".".join(parts[:length]) + ".*"
        if parent in fields:
            return fields[parent]
    return None


def leaf_check(fields, name, value):
    """What is wrong with one leaf; None where nothing is."""
    field = field_find(fields, name)
    if field is None:
        return "unknown field"
    kind, is_array = field
    if isinstance(value, list) != is_array:
        return "has to be an array" if is_array else "may not be an array"
    for item in value if is_array else [value]:
        if not TYPES.get(kind, lambda _: False)(item):
            return f"{item!r} is not of type {kind}"
        if name.endswith(".mac") and not MAC.fullmatch(item):
            return f"{item!r} is not written as RFC 7042 says"
    if value == []:
        return None if name == "podfence.tcp.flags" else "empty array"
    return None


def values_check(values, found):
    """Fields with a closed list of values, and the types that each category expects."""
    for name, known in values.items():
        given = found.get(name, [])
        for value in given if isinstance(given, list) else [given]:
            if value not in known:
                yield f"{name}: {value!r} is not one of the allowed values"
    for category in found.get("event.category", []):
        expected = values["event.category"].get(category, {}).get("expected_event_types")
        for kind in found.get("event.type", []):
            if expected and kind not in expected:
                yield f"event.type: {kind!r} is not expected with category {category!r}"


def no_duplicates(pairs):
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} stands twice in one object")
    return dict(pairs)


def line_check(fields, values, line):
    """All that is wrong with one line."""
    try:
        event = json.loads(line, object_pairs_hook=no_duplicates)
    except ValueError as error:
        return [f"not JSON: {error}"]
    if not isinstance(event, dict):
        return ["not an object"]
    found = dict(leaves(event))
    wrong = [f"{name}: {text}" for name, value in found.items()
             if (text := leaf_check(fields, name, value))]
    required = REQUIRED + REQUIRED_OF.get(found.get("event.dataset"), ())
    wrong += [f"{name}: missing" for name in required if name not in found]
    if tuple(found)[:len(FIRST)] != FIRST:
        wrong.append(f"begins with {', '.join(tuple(found)[:len(FIRST)])}")
    return wrong + list(values_check(values, found))


def file_check(fields, values, path):
    """Prints what is wrong with a file; whether all was good."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    lines = text.split("\n")
    is_good = True
    if lines.pop() != "":
        print(f"{path}: the last line has no newline")
        is_good = False
    if not lines:
        print(f"{path}: no lines")
        return False
    for number, line in enumerate(lines, 1):
        for wrong in line_check(fields, values, line):
            print(f"{path}:{number}: {wrong}")
            is_good = False
    return is_good


def main(arguments):
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        fields, values = fields_read(), values_read()
        results = [file_check(fields, values, path) for path in arguments]
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    except UnicodeDecodeError as error:
        print(f"not UTF-8: {error}")
        return 1
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
