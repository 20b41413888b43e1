# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""count.py BUILD...: adds up what meson wrote about its test runs (meson-logs/testlog.json).

Single checks count where a test speaks TAP, else the test. A test that failed without a failed
check (crash, timeout, wrong plan) counts as one failure. Skips are shown with their reason; the
last line is the sum; exit status 1 if anything failed or a build has no results."""
import collections
import json
import pathlib
import re
import sys
from typing import Any

RESULT = re.compile(r"^(not )?ok\b([^#\n]*)(?:#\s*(skip)\S*\s*(.*))?$", re.I | re.M)
SKIP_ALL = re.compile(r"^1\.\.0\s*#\s*skip\S*\s*(.*)$", re.I | re.M)


def count(test: dict[str, Any], totals: collections.Counter[str], skips: list[str]) -> None:
    output = test.get("stdout") or ""
    found = collections.Counter()
    for not_ok, name, skip, reason in RESULT.findall(output):
        found["skipped" if skip else "failed" if not_ok else "passed"] += 1
        if skip:
            skips.append(f"{test['name']}, {name.strip()}: {reason or 'no reason given'}")
    result = test["result"]
    if result == "SKIP" and not found:
        reason = SKIP_ALL.search(output)
        skips.append(f"{test['name']}: {reason.group(1) if reason else 'no reason given'}")
        found["skipped"] = 1
    elif result not in ("OK", "SKIP", "EXPECTEDFAIL"):
        found["failed"] = max(found["failed"], 1)
    elif not found:
        found["passed"] = 1
    totals.update(found)


def main(builds: list[str]) -> int:
    totals: collections.Counter[str] = collections.Counter()
    skips: list[str] = []
    is_complete = True
    for build in builds:
        log = pathlib.Path(build, "meson-logs", "testlog.json")
        if not log.exists():
            print(f"no test results in {build}")
            is_complete = False
            continue
        for line in log.read_text().splitlines():
            count(json.loads(line), totals, skips)
    for skip in skips:
        print(f"skipped: {skip}")
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 0 if is_complete and not totals["failed"] else 1


sys.exit(main(sys.argv[1:]))
