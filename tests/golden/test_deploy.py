#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What deploy/ says of events, metrics and documents is so: fields of the Elasticsearch template,
names of metrics in rules and dashboard, runbook links. TAP."""

import json
import pathlib
import re
import sys

import ecs_check

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
METRIC = re.compile(r"\bpodfence_[a-z_]+\b")
# What a template calls otherwise.
SAME = {"constant_keyword": "keyword", "object": "flattened"}
DYNAMIC = ("kubernetes.labels.", "kubernetes.annotations.", "kubernetes.node.labels.",
           "kubernetes.namespace_labels.", "container.labels.")

number = failed = 0


def check(is_good, name, *details):
    global number, failed
    number += 1
    failed += not is_good
    print(f"{'ok' if is_good else 'not ok'} {number} - {name}")
    for detail in details if not is_good else ():
        print(f"# {detail}")


def mapped(properties, prefix=""):
    for name, field in properties.items():
        if "properties" in field:
            yield from mapped(field["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, field["type"]


def check_template():
    template = json.loads((ROOT / "deploy/elasticsearch/index-template.json").read_text())
    types = dict(mapped(template["template"]["mappings"]["properties"]))
    fields = ecs_check.fields_read()
    wrong, seen = [], set()
    for path in sorted((HERE / "events").glob("*.json")):
        for name, _ in ecs_check.leaves(json.loads(path.read_text())):
            seen.add(name)
            kind = (ecs_check.field_find(fields, name) or ("unknown",))[0]
            if not name.startswith(DYNAMIC) and types.get(name) != SAME.get(kind, kind):
                wrong.append(f"{name}: {types.get(name)} instead of {kind}")
    check(not wrong and len(seen) > 80, f"{len(seen)} fields have their type", *sorted(set(wrong)))
    lifecycle = json.loads((ROOT / "deploy/elasticsearch/lifecycle.json").read_text())
    named = template["template"]["settings"]["index"]["lifecycle"]["name"]
    check(named == "podfence" and "delete" in lifecycle["policy"]["phases"], "with a lifecycle")


def known_metrics():
    return set(METRIC.findall((ROOT / "agent/ship/metrics.c").read_text()))


def expressions(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
            if "expr" in target]


def check_metrics():
    rules = (ROOT / "deploy/prometheus/podfence.rules.yaml").read_text()
    recorded = set(re.findall(r"record: (\S+)", rules))
    for name in recorded:
        rules = rules.replace(name, "")
    used = set(METRIC.findall(re.sub(r"(?m)^ *(runbook_url|description|summary):.*", "", rules)))
    unknown = used - known_metrics()
    check(used and not unknown, f"rules: {len(used)} metrics are there", *unknown)
    dashboard = json.loads((ROOT / "deploy/grafana/podfence.json").read_text())
    used = {name for text in expressions(dashboard) for name in METRIC.findall(text)}
    unknown = used - known_metrics()
    check(used and not unknown, f"dashboard: {len(used)} metrics are there", *unknown)
    identities = [panel["id"] for panel in dashboard["panels"]]
    check(len(set(identities)) == len(identities), "each panel has an id of its own")


def check_runbooks():
    rules = (ROOT / "deploy/prometheus/podfence.rules.yaml").read_text()
    headings = {heading.lower().replace(" ", "-"): heading for heading in
                re.findall(r"(?m)^## (.+)$", (ROOT / "docs/alerts.md").read_text())}
    alerts = re.findall(r"alert: (\S+)", rules)
    links = re.findall(r"runbook_url: docs/alerts.md#(\S+)", rules)
    check(links == [alert.lower() for alert in alerts], "each alert has its link", links, alerts)
    missing = [link for link in links if link not in headings]
    check(not missing, "to a runbook", *missing)
    runbooks = {heading for heading in headings.values() if heading.startswith("Podfence")}
    idle = runbooks - set(alerts)
    check(not idle, "and each runbook an alert", *idle)
    tests = (ROOT / "deploy/prometheus/podfence.test.yaml").read_text()
    untested = [alert for alert in alerts if f"alertname: {alert}" not in tests]
    check(not untested, "each alert is tested", *untested)


check_template()
check_metrics()
check_runbooks()
print(f"1..{number}")
sys.exit(failed > 0)
